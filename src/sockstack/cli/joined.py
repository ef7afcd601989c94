"""All commands in one parser: what completion and the man page are made from. Nothing is run with it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import cast

from .command import Parser
from .main import ABOUT, COMMANDS, EXAMPLES, SYNOPSIS

__all__ = ["command_parsers", "join"]


def command_parsers() -> dict[str, Parser]:
    """The parser of each command, by its name."""
    return {
        name: importlib.import_module(f"{__package__}.{name}").make_parser() for name in COMMANDS
    }


def join(commands: Mapping[str, Parser]) -> Parser:
    """The parser of ``sockstack``, with these below it."""
    joined = Parser("sockstack", ABOUT, EXAMPLES, SYNOPSIS)
    joined.add_version()
    subparsers = joined.add_subparsers(
        title="commands",
        metavar="COMMAND",
        parser_class=cast(type[Parser], _made),
    )
    for name, command in commands.items():
        subparsers.add_parser(name, help=COMMANDS[name], made=command)
    return joined


def _made(*, made: Parser, **_: object) -> Parser:
    """What argparse calls for a subparser; to copy it with ``parents=`` would lose its groups within groups."""
    return made
