"""The options of ``sockstack cat``."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from ..core.capabilities import UNLIMITED
from ..core.spec import Role
from .command import Parser
from .formats import FORMATS
from .peers import anywhere, local_port, socket_file

__all__ = ["make_parser", "read_options"]

ABOUT = """\
Sends and receives from the command line.

With a pattern (--req0 --rep0 --pub0 --sub0 …) it does what nngcat does, with the options of nngcat:
REQ sends its data and prints the answer, SURVEYOR all answers; REP and RESPONDENT print what they are
asked and answer it with their data if they have any; PUSH and PUB send; PULL and SUB print; PAIR, BUS
and STAR print, and send their data if they have any. Where nngcat insists on --data, each line of
standard input is a message here, and messages are printed as lines unless a format is given.

Without a pattern it is a plain connection: standard input goes there, what comes goes to standard
output, both at once, and the end of the input ends one direction only. If the stack carries messages,
each line is one; if it carries bytes, they go as they are.
"""

EXAMPLES = """\
WHERE is a URL, or the text of a stack; see "sockstack explain --help". Long options may be shortened:
--req is --req0. A value stands behind a blank, a "=" or a ":".

examples, with a pattern:
  sockstack cat --rep --listen tcp://127.0.0.1:5555 --data pong        answers whoever asks
  sockstack cat --req --dial tcp://127.0.0.1:5555 --data ping          asks, prints, ends
  sockstack cat --req -l 5555 -D ping -i 1                             asks every second
  sockstack cat --pull -L 5556 --quoted                                a line for each message
  seq 5 | sockstack cat --push -l 5556                                 five messages
  sockstack cat --sub -l 5558 --subscribe weather. --subscribe news.   what begins with one of these
  sockstack cat --pub -L 5558 -D 'news.fire!' -d 1                     once others had a second to come
  sockstack cat --surveyor -L 5559 -D 'who is there?' -d 1             prints the answers of one second
  sockstack cat --pair -L 5560 -D hello -C 1                           sends one and receives one
  sockstack cat --req --dial tls+tcp://h:5555 --cacert ca.pem -D x     over TLS
  sockstack cat --listen 'checksum | rep | sp | unix(/tmp/x)' -D ok    the whole stack as text

examples, without one:
  sockstack cat tcp://127.0.0.1:7                                      what netcat does
  sockstack cat --listen tcp://127.0.0.1:5557                          its other end
  sockstack cat --stack 'tls | tcp(example.org:443)'
  sockstack cat --stack 'prefix(4) | tcp(127.0.0.1:5555)'              each line is a message

exit codes: 0 done; 1 failed: nobody was reached, nothing came in time, the connection broke; 2 wrong
usage, or a stack that is refused; 130 stopped by Ctrl-C; 141 nobody reads the output any more; 143
stopped by SIGTERM.
"""

USAGE = "sockstack cat [PATTERN] PEER… [OPTION…]"

PATTERNS = {
    "req": "ask, print the answer",
    "rep": "print requests, answer them",
    "push": "send, each message to one of the peers",
    "pull": "print what comes",
    "pub": "send, each message to all peers",
    "sub": "print what comes and begins with a topic",
    "surveyor": "ask all peers, print their answers until the survey ends",
    "respondent": "print surveys, answer them",
    "bus": "send to all peers, print what comes",
}
"""Those whose options end with their version."""


def read_options(arguments: Sequence[str]) -> Namespace:
    """What the command line says. What does not fit ends the program."""
    parser = make_parser()
    known = [name for action in parser._actions for name in action.option_strings]

    def respelled(word: str) -> str:
        name, colon, value = word.partition(":")
        is_option = colon and name.startswith("--") and any(one.startswith(name) for one in known)
        return f"{name}={value}" if is_option else word

    # Python's parser knows "--x=v" and "--x v"; nngcat takes "--x:v", too.
    return parser.parse_intermixed_args([respelled(word) for word in arguments])


def make_parser() -> Parser:
    """Reads the options."""
    parser = Parser("sockstack cat", ABOUT, EXAMPLES, usage=USAGE)
    parser.add_version()
    _add_patterns(parser)
    _add_peers(parser)
    _add_data(parser)
    _add_behaviour(parser)
    _add_tls(parser)
    return parser


def _add_patterns(parser: Parser) -> None:
    group = parser.add_argument_group("pattern, at most one (--req is --req0)")
    one = group.add_mutually_exclusive_group()
    for name, does in PATTERNS.items():
        # Where the name is the beginning of something else, too, it needs to be there in full.
        names = (f"--{name}0", f"--{name}") if name == "sub" else (f"--{name}0",)
        one.add_argument(*names, dest="pattern", action="store_const", const=name, help=does)
    for name, does in (
        ("pair0", "send to the one peer, print what comes"),
        ("pair1", "the same in its newer version"),
        ("pair", "--pair1, or --pair0 with --compat"),
        ("star", "send to all of a star, print what comes"),
    ):
        one.add_argument(f"--{name}", dest="pattern", action="store_const", const=name, help=does)
    group.add_argument(
        "--subscribe",
        type=os.fsencode,
        action="append",
        metavar="TOPIC",
        help="how what --sub prints may begin; may be given several times; without it all is printed",
    )


def _add_peers(parser: Parser) -> None:
    group = parser.add_argument_group("peers, one or more")

    def add(*names: str, **how: Any) -> None:
        group.add_argument(*names, dest="peers", action="append", **how)

    dial, listen = anywhere(Role.DIALER), anywhere(Role.LISTENER)
    group.add_argument("where", nargs="*", metavar="WHERE", help="the same as --dial WHERE")
    add("--dial", "--connect", "--stack", type=dial, metavar="WHERE", help="connect there")
    add("--listen", "--bind", type=listen, metavar="WHERE", help="wait for others there")
    add(
        "-l",
        "--connect-local",
        type=local_port(Role.DIALER),
        metavar="PORT",
        help="--dial tcp://127.0.0.1:PORT",
    )
    add(
        "-L",
        "--bind-local",
        type=local_port(Role.LISTENER),
        metavar="PORT",
        help="--listen tcp://127.0.0.1:PORT",
    )
    add(
        "-x",
        "--connect-ipc",
        type=socket_file(Role.DIALER),
        metavar="PATH",
        help="--dial ipc://PATH",
    )
    add(
        "-X",
        "--bind-ipc",
        type=socket_file(Role.LISTENER),
        metavar="PATH",
        help="--listen ipc://PATH",
    )
    group.add_argument(
        "--async",
        dest="background",
        action="store_true",
        help="go on trying to dial who is not there yet",
    )
    group.add_argument(
        "--compat", action="store_true", help="what nanocat does: --async, and --pair is --pair0"
    )


def _add_data(parser: Parser) -> None:
    group = parser.add_argument_group("what to send (else standard input)")
    one = group.add_mutually_exclusive_group()
    one.add_argument("-D", "--data", type=os.fsencode, help="this, as one message")
    one.add_argument("-F", "--file", metavar="FILE", help="its content, as one message; - is stdin")
    group = parser.add_argument_group("how to print what comes (default: messages as lines)")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--format", choices=tuple(FORMATS), help="one of these")
    for short, name, does in (
        ("-A", "ascii", "a dot for what cannot be printed; no newline"),
        ("-Q", "quoted", "in quotes, as C writes it, a line each"),
        (None, "hex", "in quotes, each byte as \\x41, a line each"),
        (None, "msgpack", "as bin of MessagePack"),
        (None, "raw", "the bytes, nothing between"),
    ):
        names = (f"--{name}",) if short is None else (short, f"--{name}")
        form.add_argument(*names, dest="format", action="store_const", const=name, help=does)


def _add_behaviour(parser: Parser) -> None:
    group = parser.add_argument_group("how long, how often")
    group.add_argument(
        "-C",
        "--count",
        type=_number,
        default=0,
        metavar="N",
        help="stop after so many messages; 0 is no limit",
    )
    group.add_argument(
        "-i", "--interval", type=_seconds, metavar="SEC", help="send again and again, so far apart"
    )
    group.add_argument(
        "-d", "--delay", type=_seconds, metavar="SEC", help="wait before the first is sent"
    )
    group.add_argument(
        "--recv-timeout",
        "--receive-timeout",
        type=_timeout,
        metavar="SEC",
        help="wait so long for a message; a survey lasts so long",
    )
    group.add_argument(
        "--send-timeout", type=_timeout, metavar="SEC", help="wait so long for room, or a peer"
    )
    group.add_argument(
        "-Z",
        "--recv-maxsz",
        type=_size,
        metavar="SIZE",
        help="of the largest message, in bytes, that a pattern takes (1048576); 0 is no limit",
    )
    group.add_argument("-v", "--verbose", action="store_true", help="say on stderr what happens")
    group.add_argument(
        "-q", "--quiet", "--silent", action="store_true", help="say nothing, not even what failed"
    )


def _add_tls(parser: Parser) -> None:
    group = parser.add_argument_group("TLS, for addresses that have it (tls+tcp://…)")
    group.add_argument(
        "-k",
        "--insecure",
        dest="verify",
        action="store_const",
        const=False,
        help="take any certificate of the server",
    )
    group.add_argument("--cacert", dest="ca", metavar="FILE", help="trust these CAs only")
    group.add_argument("-E", "--cert", metavar="FILE", help="our certificate")
    group.add_argument("--key", metavar="FILE", help="its private key, if it is not in there, too")


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e9:
        raise ValueError
    return value


_seconds.__name__ = "number of seconds"


def _timeout(text: str) -> float | None:
    return _seconds(text) or None


_timeout.__name__ = _seconds.__name__


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError
    return int(text)


_number.__name__ = "number"


def _size(text: str) -> int:
    return min(_number(text), UNLIMITED) or UNLIMITED


_size.__name__ = "number of bytes"
