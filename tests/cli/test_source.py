"""What the commands send."""

from __future__ import annotations

import os
import time
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.cli.source import READ, chunks, lines, paced


@given(st.lists(st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n"])).map(b"".join)))
def test_lines_do_not_depend_on_how_they_come(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    wanted = whole.split(b"\n")
    if not wanted[-1]:
        wanted.pop()
    assert list(lines(pieces)) == wanted


def test_a_line_is_given_as_soon_as_it_is_there() -> None:
    given: list[bytes] = []

    def pieces() -> object:
        yield b"one\ntw"
        assert given == [b"one"]
        yield b"o\n"
        assert given == [b"one", b"two"]

    given.extend(lines(pieces()))  # type: ignore[arg-type]
    assert given == [b"one", b"two"]


def test_chunks_are_what_a_descriptor_brings() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"first")
        source = chunks(reader)
        assert next(source) == b"first"
        os.write(writer, b"second")
        assert next(source) == b"second"
    finally:
        os.close(writer)
    assert list(source) == []
    os.close(reader)
    assert READ == 65536


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "even not to sleep takes time"
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_pace(clock: Clock) -> None:
    times = [clock.now for _ in paced(repeat(b"x"), count=3, interval=2.0, delay=0.5)]
    assert times == [100.5, 102.5, 104.5]


def test_time_that_was_spent_counts(clock: Clock) -> None:
    times = []
    for _ in paced(repeat(b"x"), count=4, interval=2.0):
        times.append(clock.now)
        clock.now += 0.5 if len(times) != 2 else 5.0
    assert times == [100.0, 102.0, 107.0, 109.0]


def test_no_limit_and_no_pace(clock: Clock) -> None:
    assert list(paced([b"a", b"b", b"c"])) == [b"a", b"b", b"c"]
    assert clock.now == 100.0
