"""``sockstack explain``."""

from __future__ import annotations

import pytest

from sockstack import parse
from sockstack.cli.main import main


def test_the_table_is_that_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    text = "prefix | tls | tcp(example.org:443)"
    assert main(["explain", text]) == 0
    said = capsys.readouterr()
    assert said.out == parse(text).explain() + "\n"
    assert said.err == ""


def test_a_refusal_names_the_fault_shows_it_and_mends_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "tls | inproc(x)"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Tls needs ")
    assert "└─ Inproc   unit=message   ← here" in said.err
    assert said.err.rstrip().endswith("Put Tls over Tcp.")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tsl | tcp(h:1)", "Did you mean tls"),
        ("tcp", "tcp needs address"),
        ("", "expected the name of a layer"),
        ("tcp(h:1", "expected , or )"),
        ("prefix(5) | tcp(h:1)", "1, 2, 4 or 8"),
        ("tpc://h:1", "Did you mean tcp"),
        ("req | tcp://h:1", "this is a URL"),
    ],
)
def test_what_cannot_be_read_is_explained(
    text: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", text]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert complaint in said.err


def test_a_warning_stands_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "tls(verify=false) | tcp(h:1)"]) == 0
    said = capsys.readouterr()
    assert "Warning: Tls(verify=False) takes any certificate" in said.out
    assert said.err == ""


@pytest.mark.parametrize("url", ["tls+tcp://example.org:443", " tls+tcp://example.org:443 "])
def test_a_url(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", url]) == 0
    assert capsys.readouterr().out.startswith("tls | tcp(example.org:443)\n")


def test_a_stack_that_is_not_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "prefix | tls"]) == 0
    assert "a transport is missing" in capsys.readouterr().out
