"""Makes the man page from the help of the commands: ``python -m tools.manpage FILE``, or ``make man``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from argparse_manpage.manpage import Manpage

from sockstack.cli.joined import command_parsers, join

__all__ = ["page", "roff"]

ABOUT = "compose network protocols, send and receive with them"

RAGGED = ".nh\n.ad l\n"
"""Words stay whole and gaps as they are: many lines are commands."""

SUBSECTION = re.compile(r"\.SS \\fBsockstack (\w+)\\fR\n")

ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
)
"""What roff would print as another character, which could not be pasted into a shell."""


def page() -> str:
    """The man page, in roff. It is the same on every day and for every version, unless the help changes."""
    commands = command_parsers()
    whole = join(commands)
    made = Manpage(whole, format="single-commands-section")
    made.description, made.manual, made.date = ABOUT, "User Commands", ""
    # It knows no examples of subcommands, and would call those of the whole "comments".
    made.add_section("examples", "=", roff((whole.epilog or "").removeprefix("examples:\n")))
    whole.epilog = None
    parts = re.split(r"^(?=\.S[SH] )", str(made), flags=re.MULTILINE)
    parts[0] += RAGGED
    for place, part in enumerate(parts):
        if found := SUBSECTION.match(part):
            parts[place] = f"{part}{roff(commands[found[1]].epilog or '')}\n"
    return "".join(parts)


def roff(text: str) -> str:
    """The examples of a command: paragraphs; indented lines are commands, with remarks beside them or below."""
    return "\n".join(line for paragraph in text.strip().split("\n\n") for line in _lines(paragraph))


def _lines(paragraph: str) -> Iterator[str]:
    yield ".PP"
    for line in paragraph.splitlines():
        text = line.strip().translate(ESCAPES)
        if line.startswith("  ") and not line.startswith("   "):
            command, _, remark = re.sub(r" {2,}", "\t", text).partition("\t")
            yield ".TP"
            yield rf"\fB{command}\fR"
            if remark:
                yield remark
        else:
            yield text


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
