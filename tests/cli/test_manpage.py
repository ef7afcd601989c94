"""The man page: it is up to date, complete, and what groff takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sockstack.cli.joined import command_parsers
from sockstack.cli.main import COMMANDS
from tools.manpage import page, roff

from .programs import PATIENCE

PAGE = Path(__file__).parents[2] / "man" / "sockstack.1"


def sections() -> dict[str, str]:
    """The subsection of each command, without what stands for fonts and quoted characters."""
    text = PAGE.read_text(encoding="utf-8").replace(r"\-", "-").replace(r"\(aq", "'")
    text = re.sub(r"\\f[BIR]|\\[,/]", "", text)
    parts = re.split(r"^\.S[SH] ", text, flags=re.MULTILINE)
    named = (part.partition("\n") for part in parts)
    return {name.removeprefix("sockstack "): body for name, _, body in named}


def test_the_page_is_what_the_help_makes_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make man"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_options_and_examples(command: str) -> None:
    text = sections()[command]
    parser = command_parsers()[command]
    options = {name for action in parser._actions for name in action.option_strings}
    for option in options - {"-h", "--help"}:
        assert re.search(rf"^(?:.*, )?{option}\b", text, re.MULTILINE), option
    assert COMMANDS[command] in text
    assert f"usage: sockstack {command} " in text
    assert re.search(rf"^\.TP\nsockstack {command}\b", text, re.MULTILINE)
    assert "exit codes: 0 " in text


def test_an_example_is_a_command_with_its_remark() -> None:
    text = "examples:\n  cat --x 'a'   beside\n  dog\n        below\n\nexit codes: 0"
    assert roff(text).splitlines() == [
        ".PP",
        "examples:",
        ".TP",
        r"\fBcat \-\-x \(aqa\(aq\fR",
        "beside",
        ".TP",
        r"\fBdog\fR",
        "below",
        ".PP",
        "exit codes: 0",
    ]


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_complain_about() -> None:
    command = ["groff", "-man", "-Kutf8", "-Tutf8", "-ww", str(PAGE)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "sockstack device bus --front-listen" in re.sub(r"\x1b\[[\d;]*m|.\x08", "", ran.stdout)
