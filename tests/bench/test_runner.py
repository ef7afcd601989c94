"""Runs with real processes, of the contender that needs no library."""

from __future__ import annotations

import pytest

from bench.cases import Against, Case, Contender, Import, Measure
from bench.libraries import load, queue_room
from bench.runner import Runner, missing
from bench.traffic import BULK, Role, Traffic

BARE = Contender("bare socket")


def case(measure: Measure, work: Traffic | Import, ours: Contender = BARE) -> Case:
    return Case("name", "title", measure, work, ours, (Against(Contender("pyzmq")),))


@pytest.mark.parametrize(
    ("measure", "work"),
    [
        (Measure.TIME, Traffic(Role.REQ, Role.REP, 64, pinned=True)),
        (Measure.RATE, Traffic(Role.PUSH, Role.PULL, 64)),
        (Measure.BULK, Traffic(Role.PUSH, Role.PULL, BULK)),
    ],
)
def test_a_figure_a_round_of_those_that_are_there(measure: Measure, work: Traffic) -> None:
    told: list[str] = []
    figures = Runner(2, 0.01, False, told.append).run(case(measure, work), without=["pyzmq"])
    assert list(figures) == ["bare socket"]
    assert len(figures["bare socket"]) == 2
    assert all(figure > 0 for figure in figures["bare socket"])
    assert told == ["round 1 of 2: bare socket", "round 2 of 2: bare socket"]


def test_the_import_is_timed() -> None:
    figures = Runner(1, 0.01, False, lambda text: None).run(
        Case("name", "title", Measure.START, Import(), Contender("json"), (Against(Contender("")),))
    )
    assert set(figures) == {"json", "nothing imported"}


def test_a_contender_that_fails_says_why_and_leaves_the_others_alone() -> None:
    lame = Contender("unheard of")
    mixed = Case(
        "name", "title", Measure.RATE, Traffic(Role.PUSH, Role.PULL, 64), lame, (Against(BARE),)
    )
    runner = Runner(2, 0.01, False, lambda text: None)
    figures = runner.run(mixed)
    assert list(figures) == ["bare socket"]
    assert len(figures["bare socket"]) == 2
    (failure,) = runner.failures
    assert failure.startswith("title: unheard of did not listen: ")
    assert "invalid choice: 'unheard of'" in failure


def test_what_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.libraries.LIBRARIES", {"bare socket": "bare", "gone": "nowhere"})
    monkeypatch.setattr("bench.runner.LIBRARIES", {"bare socket": "bare", "gone": "nowhere"})
    assert missing(["bare socket", "gone", "json"]) == {
        "gone": "No module named 'bench.libraries.nowhere'"
    }
    assert load("bare socket").open is not None


def test_queues_are_bounded_in_messages_and_in_bytes() -> None:
    assert queue_room(64) == 1000
    assert queue_room(1 << 20) == 64
    assert queue_room(1 << 30) == 2
