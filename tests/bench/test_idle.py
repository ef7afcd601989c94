"""The measurement of idle connections, with few of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.idle import BEGIN, END, Figures, main, update_page


def test_few_peers_are_measured_and_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{BEGIN}\n{END}\nbelow\n")
    assert main(["--count", "50", "--update-doc", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "50 idle pipes on one listening REP socket"
    assert lines[-1] == "a request over the last one was answered"
    text = page.read_text()
    assert text.startswith(f"above\n{BEGIN}\n\n- 50 idle pipes")
    assert text.endswith(f"{END}\nbelow\n")
    assert all(f"- {line}\n" in text for line in lines)
    main(["--count", "50", "--update-doc", str(page)])
    assert page.read_text().count("- 50 idle pipes") == 1


def test_fewer_peers_than_wanted_are_told() -> None:
    lines = Figures(10_000, 960, 1.0, 2.0, 0.5).lines
    assert lines[0].startswith("960 idle pipes")
    assert lines[-1] == "10,000 pipes were wanted; the limit of descriptors allows 960"


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"only {BEGIN}")
    with pytest.raises(ValueError, match="no place for the figures"):
        update_page(page, Figures(1, 1, 1.0, 1.0, 1.0))
    assert page.read_text() == f"only {BEGIN}"


def test_a_wrong_count_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--count", "0"])
    assert stop.value.code == 2
    assert "--count must be at least 1" in capsys.readouterr().err
