"""The command ``sockstack``: finds the command that is meant, and runs it."""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Sequence

from .command import USAGE, Parser, program

__all__ = ["ABOUT", "COMMANDS", "EXAMPLES", "SYNOPSIS", "main"]

COMMANDS = {
    "cat": "send and receive: what nngcat does for patterns, and netcat for connections",
    "explain": "show a stack as a table, or why it is refused",
    "device": "pass messages on between two sides, at fixed addresses",
    "demo": "see it work: a short tour that checks itself",
    "bench": "measure beside other libraries",
    "completion": "make a shell complete all this",
}
"""The commands, each a module of that name with a ``main(arguments)`` and a ``make_parser()``; imported when called."""

SYNOPSIS = "sockstack [-h] [-V] COMMAND …"

ABOUT = """\
A socket is a stack: protocols are composed like pipes, and checked before a byte moves.
"""

EXAMPLES = """\
examples:
  sockstack explain 'prefix(4) | tls | tcp(example.org:443)'
  sockstack cat --rep --listen tcp://127.0.0.1:5555 --data pong
  sockstack cat --req --dial tcp://127.0.0.1:5555 --data ping
  sockstack cat --stack 'tls | tcp(example.org:443)'
  sockstack demo

"sockstack COMMAND --help" tells about one command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code, see :mod:`.command`.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return program("sockstack", lambda: _run(given))


def _run(given: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # tables have lines that not every terminal can show
    parser = _parser()
    if not given:
        parser.print_help(sys.stderr)
        return USAGE
    args = parser.parse_args(given)
    module = importlib.import_module(f"{__package__}.{args.command}")
    code: int = module.main(args.rest)
    return code


def _parser() -> Parser:
    commands = "\n".join(f"  {name:10} {about}" for name, about in COMMANDS.items())
    parser = Parser(
        "sockstack",
        ABOUT,
        f"commands:\n{commands}\n\n{EXAMPLES}",
        usage=SYNOPSIS,
    )
    parser.add_version()
    parser.add_argument(
        "command", choices=COMMANDS, metavar="COMMAND", help="one of those listed below"
    )
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser
