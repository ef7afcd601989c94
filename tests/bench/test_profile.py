"""Counting the bytecodes of a round trip."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.profile import count_round_trip, main, table


def test_each_step_of_a_round_trip_is_counted() -> None:
    counts = count_round_trip(rounds=3)
    for step in (
        "Talker.send",
        "Talker.recv",
        "StreamLink.send",
        "Requests.ask",
        "AnswerHead.take",
    ):
        assert counts[step] > 0


def test_the_table_adds_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    counts = count_round_trip(rounds=2)
    assert f"| all | {sum(counts.values()) / 2:.0f} | |" in table(counts, 2)
    page = tmp_path / "page.md"
    page.write_text("<!-- profile: begin -->\n<!-- profile: end -->\n")
    assert main(["--update-doc", str(page)]) == 0
    assert capsys.readouterr().out.strip() in page.read_text()
