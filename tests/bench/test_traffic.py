"""The numbered messages and their checks."""

from __future__ import annotations

from itertools import islice

import pytest

from bench import traffic
from bench.traffic import Lost, Stopwatch, check, fresh, rows, take


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands where its last entry says."""
    instants = [0.0]
    monkeypatch.setattr(traffic, "perf_counter", lambda: instants[-1])
    return instants


def first_rows(count: int, size: int = 64) -> list[list[bytes]]:
    return [list(row) for row in islice(rows(size), count)]


def test_rows_differ_in_every_place_and_every_turn() -> None:
    first, second = first_rows(2)
    assert len(set(first)) == len(first)
    assert first[0] != second[0]
    assert {len(message) for message in first} == {64}


def test_the_stopwatch_counts_after_the_warm_up(clock: list[float]) -> None:
    watch = Stopwatch(4.0)
    assert not watch.lap(10)
    clock.append(0.9)
    assert not watch.lap(10)
    clock.append(1.0)
    assert not watch.lap(10)
    clock.append(3.0)
    assert not watch.lap(7)
    clock.append(5.5)
    assert watch.lap(5)
    assert (watch.messages, watch.elapsed) == (12, 4.5)


@pytest.mark.parametrize("length", [1, 3, 255, 256, 257, 700])
def test_batches_of_any_length_are_the_rows(length: int, clock: list[float]) -> None:
    sent = [message for row in first_rows(3) for message in row]
    batches = [sent[start : start + length] for start in range(0, len(sent), length)]
    watch = Stopwatch(1.0)
    take(batches, 64, watch)
    clock.append(9.0)
    watch.lap(0)
    clock.append(99.0)
    assert watch.lap(0)


@pytest.mark.parametrize("gone", [0, 1, 255, 256, 300])
def test_a_lost_message_is_seen(gone: int, clock: list[float]) -> None:
    sent = [message for row in first_rows(2) for message in row]
    del sent[gone]
    with pytest.raises(Lost):
        take([sent], 64, Stopwatch(1.0))


def test_a_lost_row_is_seen(clock: list[float]) -> None:
    first, _, third = first_rows(3)
    with pytest.raises(Lost):
        take([first, third], 64, Stopwatch(1.0))


def test_large_messages_are_checked_by_number_and_length() -> None:
    first, second = islice(fresh(traffic.BULK), 2)
    check(first, 0, traffic.BULK)
    check(bytearray(second), 1, traffic.BULK)
    with pytest.raises(Lost):
        check(second, 0, traffic.BULK)
    with pytest.raises(Lost):
        check(first[:-1], 0, traffic.BULK)
