"""``sockstack cat``: messages and bytes between a shell and a socket; nngcat's options, and connections of any stack."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from ..core.capabilities import UNLIMITED, Unit
from ..core.check import lint
from ..core.spec import LayerSpec, Role, Stack
from ..core.text import layer_class
from .command import Parser, Talk, UsageError, run
from .formats import FORMATS
from .peers import Place, anywhere, local_port, read_places, socket_file
from .source import chunks, lines, paced

__all__ = ["main"]

ABOUT = """\
Sends and receives from the command line.

With a pattern (--req0 --rep0 --push0 --pull0) it does what nngcat does, with the options of nngcat:
REQ sends its data and prints the answer, REP prints requests and answers them with its data if it has
any, PUSH sends, PULL prints. Where nngcat insists on --data, each line of standard input is a message
here, and messages are printed as lines unless a format is given.

Without a pattern it is a plain connection: standard input goes there, what comes goes to standard
output, both at once, and the end of the input ends one direction only. If the stack carries messages,
each line is one; if it carries bytes, they go as they are.
"""

EXAMPLES = """\
WHERE is a URL, or the text of a stack; see "sockstack explain --help". Long options may be shortened:
--req is --req0. A value stands behind a blank or a "=".

examples, with a pattern:
  sockstack cat --rep --listen tcp://127.0.0.1:5555 --data pong        answers whoever asks
  sockstack cat --req --dial tcp://127.0.0.1:5555 --data ping          asks, prints, ends
  sockstack cat --req -l 5555 -D ping -i 1                             asks every second
  sockstack cat --pull -L 5556 --quoted                                a line for each message
  seq 5 | sockstack cat --push -l 5556                                 five messages
  sockstack cat --req --dial tls+tcp://h:5555 --cacert ca.pem -D x     over TLS
  sockstack cat --listen 'checksum | rep | sp | unix(/tmp/x)' -D ok    the whole stack as text

examples, without one:
  sockstack cat tcp://127.0.0.1:7                                      what netcat does
  sockstack cat --listen tcp://127.0.0.1:5557                          its other end
  sockstack cat --stack 'tls | tcp(example.org:443)'
  sockstack cat --stack 'prefix(4) | tcp(127.0.0.1:5555)'              each line is a message

exit codes: 0 done; 1 failed: nobody was reached, nothing came in time, the connection broke; 2 wrong
usage, or a stack that is refused; 130 stopped by Ctrl-C; 141 nobody reads the output any more.
"""

USAGE = "sockstack cat [PATTERN] PEER… [OPTION…]"

PATTERNS = ("req", "rep", "push", "pull")
SENDERS = ("req", "push")
TLS_OPTIONS = ("verify", "ca", "cert", "key")


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    args = _parser().parse_intermixed_args(arguments)
    talk = Talk("sockstack cat", args.quiet, args.verbose)
    return run(talk, lambda: _cat(args, talk))


def _cat(args: argparse.Namespace, talk: Talk) -> int:
    pattern = layer_class(args.pattern)() if args.pattern else None
    tls = {name: getattr(args, name) for name in TLS_OPTIONS if getattr(args, name) is not None}
    peers = [*(args.peers or ()), *map(anywhere(Role.DIALER), args.where)]
    if not peers:
        raise UsageError("nobody to talk to: give an address, to --dial or to --listen")
    places = read_places(peers, pattern, args.recv_maxsz, tls)
    tops = {place.above for place in places} if pattern is None else {(pattern,)}
    if len(tops) > 1:
        raise UsageError("the addresses hold different patterns")
    (top,) = tops
    for place in places:
        whole: Stack[Any, Any] = Stack((*top, *place.below))
        for finding in lint(whole.layers, whole.records):
            talk.warn(finding)
    if top:
        return _with_pattern(args, top, places, talk)
    if len(places) > 1:
        raise UsageError("a connection has one peer; a pattern (--push, say) can have many")
    return _without_pattern(args, places[0], talk)


def _with_pattern(
    args: argparse.Namespace, top: Sequence[LayerSpec], places: Sequence[Place], talk: Talk
) -> int:
    from .cat_socket import Work, talk_pattern

    name = top[-1].name
    if name not in PATTERNS:
        raise UsageError(f"{name} is no pattern that this command knows")
    data = _data(args)
    if name not in SENDERS:
        _not_for(name, args, "interval", "delay")
    if name == "pull" and data is not None:
        raise UsageError("pull does not send: --data and --file are not for it")
    bodies: Iterator[bytes] | None = None
    if name in SENDERS:
        once = data is not None and not args.count and args.interval is None
        source: Iterable[bytes] = lines(chunks(0)) if data is None else repeat(data)
        bodies = paced(source, 1 if once else args.count, args.interval or 0.0, args.delay or 0.0)
    waits = [seconds for seconds in (args.recv_timeout, args.interval) if seconds]
    work = Work(
        bodies=bodies,
        reply=data,
        show=_printer(args.format or "lines"),
        count=args.count,
        recv_timeout=args.recv_timeout,
        send_timeout=args.send_timeout,
        answer_timeout=min(waits, default=None),
        background=args.background,
    )
    return talk_pattern(top, places, work, talk)


def _without_pattern(args: argparse.Namespace, place: Place, talk: Talk) -> int:
    from .cat_connection import connect, exchange

    _not_for("a connection without a pattern", args, "interval", "delay", "background")
    messages = place.stack.records[0].unit is not Unit.STREAM
    if not messages and args.count:
        raise UsageError("a byte stream has no messages to --count; put prefix or line on it")
    if not messages and args.format not in (None, "no", "raw"):
        raise UsageError(f"a byte stream has no messages to print as {args.format}; use --raw")
    data = _data(args)
    brought = chunks(0) if data is None else (data,)
    return exchange(
        connect(place, args.recv_timeout, talk),
        lines(brought) if messages and data is None else brought,
        _printer(args.format or ("lines" if messages else "raw")),
        talk,
        patient=data is not None or not os.isatty(0),
        count=args.count,
        recv_timeout=args.recv_timeout,
        send_timeout=args.send_timeout,
    )


def _not_for(what: str, args: argparse.Namespace, *names: str) -> None:
    for name in names:
        if getattr(args, name):
            option = "async" if name == "background" else name
            raise UsageError(f"--{option} is not for {what}")


def _data(args: argparse.Namespace) -> bytes | None:
    """What --data or --file gives."""
    if args.file is None:
        data: bytes | None = args.data
        return data
    return b"".join(chunks(0)) if args.file == "-" else Path(args.file).read_bytes()


def _printer(name: str) -> Any:
    """A function that prints one message, or some bytes."""
    form, out = FORMATS[name], sys.stdout.buffer

    def show(data: bytes) -> None:
        out.write(form(data))
        out.flush()

    return show


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


def _parser() -> Parser:
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
    for name, does in zip(
        PATTERNS,
        ("ask, print the answer", "print requests, answer them", "send", "print what comes"),
        strict=True,
    ):
        one.add_argument(
            f"--{name}0", dest="pattern", action="store_const", const=name, help=does
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
        "--compat",
        dest="background",
        action="store_true",
        help="go on trying to dial who is not there yet",
    )


def _add_data(parser: Parser) -> None:
    group = parser.add_argument_group("what to send (else standard input)")
    one = group.add_mutually_exclusive_group()
    one.add_argument("-D", "--data", type=os.fsencode, help="this, as one message")
    one.add_argument("-F", "--file", help="the content of a file, as one message; - is stdin")
    group = parser.add_argument_group("how to print what comes (default: messages as lines)")
    form = group.add_mutually_exclusive_group()
    form.add_argument("--format", choices=FORMATS, help="one of these")
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
        "--recv-timeout", type=_timeout, metavar="SEC", help="wait so long for a message"
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
