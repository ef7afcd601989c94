"""Comparisons, tables, the page and the chart."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.cases import CASES, Measure
from bench.chart import chart
from bench.report import MARK, figure, text_table, update_page
from bench.results import Results

ABOUT = {
    "when": "2000-01-01",
    "system": "Here",
    "cpus": 1,
    "load": 0.5,
    "python": "CPython",
    "versions": {"pyzmq": "1"},
    "rounds": 3,
    "seconds": 1.0,
    "uvloop": False,
}

ROUND_TRIP = {
    "sockstack": [5.0, 6.0, 9.0],
    "pyzmq": [10.0, 10.0, 10.0],
    "pynng": [10.0, 30.0, 10.0],
}


def results(**figures: dict[str, list[float]]) -> Results:
    return Results(
        ABOUT,
        {name.replace("_", "-"): by_label for name, by_label in figures.items()},
        ["x skipped: why"],
    )


def verdicts(of: Results) -> dict[str, str]:
    return {entry.against.peer.label: entry.verdict for entry in of.comparisons()}


def test_cases_are_named_once_and_have_marks_in_order() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        for against in case.against:
            if against.beyond is not None:
                assert against.reach is not None
                assert (against.beyond > against.reach) is case.measure.more_is_better


def test_ratios_are_taken_round_by_round() -> None:
    [zmq, nng] = results(reqrep_pinned=ROUND_TRIP).comparisons()
    assert (zmq.result.least, zmq.result.middle, zmq.result.most) == (0.5, 0.6, 0.9)
    assert nng.result.middle == 0.5
    assert (zmq.ours.middle, zmq.theirs.middle) == (6.0, 10.0)


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(4.5, "beyond"), (4.6, "pass"), (6.0, "pass"), (6.1, "MISS")],
)
def test_less_is_better_for_times(ours: float, verdict: str) -> None:
    assert verdicts(results(reqrep_pinned={"sockstack": [ours], "pyzmq": [10.0]})) == {
        "pyzmq": verdict
    }


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(20.0, "beyond"), (19.0, "pass"), (12.0, "pass"), (11.0, "MISS")],
)
def test_more_is_better_for_rates(ours: float, verdict: str) -> None:
    assert verdicts(results(pipeline_64={"sockstack": [ours], "pyzmq": [10.0]})) == {
        "pyzmq": verdict
    }


def test_a_filter_is_compared_by_difference() -> None:
    found = results(filter_many={"sockstack+tag in batches": [0.75], "sockstack in batches": [0.5]})
    [entry] = found.comparisons()
    assert entry.result.middle == 0.25
    assert entry.verdict == "MISS"
    assert "+0.250" in text_table(found)


def test_what_has_no_partner_is_still_told() -> None:
    table = text_table(results(bulk={"pyzmq": [1000.0]}))
    assert "pyzmq alone gave 1000 MB/s" in table
    assert "x skipped: why" in table


def test_the_last_line_says_how_it_was_measured() -> None:
    assert text_table(results()).endswith(
        "2000-01-01: CPython on Here, 1 CPUs, load 0.5 before, pyzmq 1; median of 3 rounds of 1 s."
    )
    fast = Results({**ABOUT, "uvloop": True}, {}, [])
    assert text_table(fast).endswith("rounds of 1 s, asyncio on uvloop.")


def test_saved_figures_are_the_same_when_loaded(tmp_path: Path) -> None:
    before = results(reqrep_pinned=ROUND_TRIP)
    before.save(tmp_path / "deep" / "a.json")
    assert Results.load(tmp_path / "deep" / "a.json") == before


BEGIN, END = f"<!-- {MARK}: begin -->", f"<!-- {MARK}: end -->"


def test_a_page_keeps_all_but_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    update_page(page, results(reqrep_pinned=ROUND_TRIP))
    once = page.read_text()
    assert once.startswith(f"before\n{BEGIN}\n\n| what | beside |")
    assert once.endswith(f"{END}\nafter\n")
    assert "old" not in once
    update_page(page, results(reqrep_pinned=ROUND_TRIP))
    assert page.read_text() == once


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{END}{BEGIN}")
    with pytest.raises(ValueError, match="no place for it"):
        update_page(page, results())
    assert page.read_text() == f"{END}{BEGIN}"


def test_the_chart_has_a_bar_for_each_ratio() -> None:
    drawn = ElementTree.fromstring(
        chart(results(reqrep_pinned=ROUND_TRIP, bulk={"sockstack": [2.0], "pyzmq": [1.0]}))
    )
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert "PUSH/PULL, 1 MiB · pyzmq" in texts
    assert "2.00" in texts
    assert "1.67" in texts


def test_the_chart_of_nothing_is_a_chart() -> None:
    assert ElementTree.fromstring(chart(results())).tag.endswith("svg")


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1234"), (12.34, "12.3"), (1.234, "1.23"), (0.0, "0.00")]
)
def test_figures_have_about_three_digits(value: float, text: str) -> None:
    assert figure(value) == text


def test_every_measure_has_a_unit() -> None:
    assert all(measure.value for measure in Measure)
