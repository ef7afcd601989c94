"""The command as a whole: help, mistakes, exit codes, and what it imports."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

import sockstack
from sockstack.cli import cat_options
from sockstack.cli import explain as explaining
from sockstack.cli.cat_options import make_parser
from sockstack.cli.main import COMMANDS, main

from .programs import STRICT, Program
from .programs import sockstack as program


def test_without_arguments_it_shows_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    for name, about in COMMANDS.items():
        assert f"  {name:10} {about}" in said.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"sockstack {sockstack.__version__}\n"


def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["dog"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "'dog'" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_teaches(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "examples" in said
    assert "exit codes: 0 " in said
    assert f"  sockstack {command}" in said


def test_python_m_is_the_same() -> None:
    with program("--version") as run:
        assert run.end() == (0, f"sockstack {sockstack.__version__}\n".encode(), "")


def test_only_the_command_that_is_called_is_imported() -> None:
    code = "import sys, sockstack.cli.main; print(*(n for n in sys.modules if '.cli.' in n))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert sorted(found.split()) == [
        f"sockstack.cli.{name}" for name in ("command", "main", "streams")
    ]


EARLY = """\
import runpy, sys

import sockstack

class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == "sockstack.cli.command":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
runpy.run_module("sockstack", run_name="__main__")
"""
"""``python -m sockstack``, with Ctrl-C while the command is imported."""


def test_ctrl_c_before_the_command_has_begun() -> None:
    with Program(sys.executable, *STRICT, "-c", EARLY) as run:
        assert run.end() == (130, b"", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["cat", "--dail", "tcp://h:1"], "unrecognized arguments: --dail. Did you mean --dial? ("),
        (["cat", "--cont=5", "-l", "1"], "--cont=5. Did you mean --count or --connect? ("),
        (["device", "bus", "--fornt-dial", "x"], "Did you mean --front-dial? ("),
        (["bench", "--lits", "--quikc"], "Did you mean --list or --quick? ("),
        (["explain", "prefix", "--dog"], "unrecognized arguments: --dog ("),
    ],
)
def test_an_option_that_is_misspelled(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["explain", "prefix | tcp(127.0.0.1:1)"], ["bench", "--list"], ["cat", "--help"]]
)
def test_nobody_reads_the_output(arguments: list[str]) -> None:
    with program(*arguments) as run:
        assert run.process.stdout is not None
        run.process.stdout.close()
        run.process.stdout = None
        code, _, said = run.end()
    assert (code, said) == (141, "")


def examples(text: str, command: str) -> list[list[str]]:
    """The arguments of the examples in a help text, without the remarks beside them."""
    found = re.findall(
        rf"^ +(?:seq 5 \| )?sockstack {command} (.*?)(?:   .*)?$", text, re.MULTILINE
    )
    return [shlex.split(arguments) for arguments in found]


@pytest.mark.parametrize("arguments", examples(explaining.EXAMPLES, "explain"), ids=" ".join)
def test_examples_of_explain_do_what_they_say(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    refused = any("inproc" in argument for argument in arguments)
    assert main(["explain", *arguments]) == (2 if refused else 0)
    said = capsys.readouterr()
    assert bool(said.err) is refused
    assert bool(said.out) is not refused


def test_all_examples_of_explain_are_found() -> None:
    assert len(examples(explaining.EXAMPLES, "explain")) == explaining.EXAMPLES.count(
        "\n  sockstack"
    )


@pytest.mark.parametrize("arguments", examples(cat_options.EXAMPLES, "cat"), ids=" ".join)
def test_examples_of_cat_are_understood(arguments: list[str]) -> None:
    args = make_parser().parse_intermixed_args(arguments)
    assert len(args.where) + len(args.peers or ()) == 1


def test_all_examples_of_cat_are_found() -> None:
    assert len(examples(cat_options.EXAMPLES, "cat")) == cat_options.EXAMPLES.count(
        " sockstack cat "
    )
