"""``sockstack bench``, and where the repository is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from sockstack.cli import checkout
from sockstack.cli.main import main

from .programs import sockstack

ROOT = Path(__file__).parents[2]


def test_it_is_the_benchmark_of_the_repository() -> None:
    with sockstack("bench", "--list") as run:
        code, out, said = run.end()
    assert (code, said) == (0, "")
    assert out.startswith(b"reqrep-pinned ")


def test_its_exit_code_is_ours() -> None:
    with sockstack("bench", "--rounds", "0") as run:
        code, _, said = run.end()
    assert code == 2
    assert "--rounds must be at least 1" in said


def test_elsewhere_it_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkout, "__file__", str(tmp_path / "checkout.py"))
    assert main(["bench"]) == 1
    assert "run this there, or 'make bench'" in capsys.readouterr().err


def test_the_repository_is_found_from_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "tests" / "cli")
    assert checkout.find_checkout() == ROOT


def test_the_repository_is_found_around_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkout, "__file__", str(ROOT / "src/sockstack/cli/checkout.py"))
    assert checkout.find_checkout() == ROOT
