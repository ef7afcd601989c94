"""The command line, as far as it goes without measuring for long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.cases import CASES


def test_list_names_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [case.name for case in CASES]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "nothing"], "no case begins with 'nothing'; --list shows them"),
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--seconds", "0"], "--seconds must be more than 0"),
    ],
)
def test_wrong_arguments_are_explained(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err


def test_figures_can_be_printed_and_drawn_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, drawn = tmp_path / "a.json", tmp_path / "a.svg"
    assert main(["--only", "import", "--rounds", "1", "--json", str(saved)]) == 0
    first = capsys.readouterr()
    assert "import sockstack" in first.out
    assert str(saved) in first.err
    assert json.loads(saved.read_text())["comparisons"][0]["case"] == "import"
    assert main(["--from", str(saved), "--svg", str(drawn)]) == 0
    assert capsys.readouterr().out == first.out
    assert drawn.read_text().startswith("<svg")
