"""``sockstack completion``: what a shell makes of its scripts."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sockstack.cli.completion import SHELLS, completion
from sockstack.cli.device import KINDS
from sockstack.cli.formats import FORMATS
from sockstack.cli.joined import command_parsers
from sockstack.cli.main import COMMANDS, main

from .programs import PATIENCE

BASH = """\
source "$1"
shift
COMP_WORDS=(sockstack "$@")
COMP_CWORD=$#
registered=$(complete -p sockstack)
registered=${registered#* -F }
${registered%% *}
printf '%s\\n' "${COMPREPLY[@]}"
"""


def shell(name: str, *arguments: str, cwd: Path) -> str:
    """What a shell prints, which must be content."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    ran = subprocess.run(
        [name, *arguments], capture_output=True, text=True, cwd=cwd, timeout=PATIENCE
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def completed(words: str, place: Path) -> set[str]:
    """What bash offers for the last of these words, in a directory."""
    script = place / "script"
    script.write_text(completion("bash"), encoding="utf-8")
    last = [""] if words.endswith(" ") else []
    given = ("--norc", "-c", BASH, "bash", str(script), *shlex.split(words), *last)
    return set(shell("bash", *given, cwd=place).splitlines())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (" ", set(COMMANDS)),
        ("ex", {"explain"}),
        ("--v", {"--version"}),
        ("cat --su", {"--sub", "--sub0", "--surveyor0", "--subscribe"}),
        ("cat --req0 --dial tcp://127.0.0.1:1 --da", {"--data"}),
        ("cat --format ", set(FORMATS)),
        ("cat --pull0 --format he", {"hex"}),
        ("device ", set(KINDS)),
        ("device re", {"reqrep"}),
        ("device bus --front-", {"--front-listen", "--front-dial"}),
        ("demo --o", {"--once"}),
        ("bench --qu", {"--quick"}),
        ("completion ", set(SHELLS)),
    ],
)
def test_bash_completes_commands_options_and_values(
    words: str, offered: set[str], tmp_path: Path
) -> None:
    assert completed(words, tmp_path) == offered


@pytest.mark.parametrize(
    "words",
    ["cat --file", "cat -F", "cat --cacert", "cat -E", "cat --cert", "cat --key", "bench --from"],
)
def test_bash_completes_files(words: str, tmp_path: Path) -> None:
    for name in ("ca.pem", "carol", "dave"):
        (tmp_path / name).touch()
    assert completed(f"{words} ca", tmp_path) == {"ca.pem", "carol"}


def test_what_is_no_file_is_not_completed_as_one(tmp_path: Path) -> None:
    (tmp_path / "10").touch()
    assert completed("cat --count 1", tmp_path) == {""}


@pytest.mark.parametrize("name", SHELLS)
def test_commands_options_and_kinds_are_in_each_script(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", name]) == 0
    words = set(re.findall(r"\w[\w-]*", capsys.readouterr().out))
    options = {
        option.removeprefix("--")
        for parser in command_parsers().values()
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    assert {*COMMANDS, *options, *KINDS, *SHELLS} <= words


def test_zsh_can_read_its_script(tmp_path: Path) -> None:
    script = tmp_path / "_sockstack"
    script.write_text(completion("zsh"), encoding="utf-8")
    shell("zsh", "-f", "-n", str(script), cwd=tmp_path)


def test_tcsh_takes_its_script(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(completion("tcsh"), encoding="utf-8")
    rules = shell("tcsh", "-f", "-c", f"source {script}; complete sockstack", cwd=tmp_path)
    assert f"'p/1/({' '.join(COMMANDS)})/'" in rules
    assert "'n/--cacert/f/'" in rules


def test_without_shtab_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == ("sockstack completion: shtab is not installed: pip install shtab\n")
