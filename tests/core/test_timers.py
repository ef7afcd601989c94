"""Timers: order, cancelling, and what cancelled ones cost."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.timers import Timer, Timers


def call(made: Callable[[], None]) -> None:
    """A guard that guards nothing."""
    made()


@given(instants=st.lists(st.integers(0, 20)), now=st.integers(0, 20))
def test_what_is_due_is_called_in_order(instants: list[int], now: int) -> None:
    timers, called = Timers(), list[int]()
    for instant in instants:
        timers.add(instant, lambda instant=instant: called.append(instant))  # type: ignore[misc]
    assert len(timers) == len(instants)
    assert timers.next() == min(instants, default=None)
    timers.run(now, call)
    assert called == sorted(instant for instant in instants if instant <= now)
    assert timers.next() == min((instant for instant in instants if instant > now), default=None)
    timers.run(20, call)
    assert called == sorted(instants)
    assert timers.next() is None
    assert len(timers) == 0


@given(
    steps=st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 300)), max_size=400)
)
def test_cancelled_ones_are_not_called_however_many(steps: list[tuple[int, bool, int]]) -> None:
    timers = Timers()
    pending: list[tuple[int, Timer]] = []
    called: list[int] = []
    heap = timers.heap
    for instant, cancel, which in steps:
        timer = timers.add(instant, lambda instant=instant: called.append(instant))  # type: ignore[misc]
        pending.append((instant, timer))
        if cancel:
            _, timer = pending.pop(which % len(pending))
            timer.cancel()
            timer.cancel()
        assert len(timers) == len(pending)
        assert timers.heap is heap, "drivers hold on to the list"
        assert len(heap) <= 2 * len(pending) + 65, "cancelled ones do not pile up"
    assert timers.next() == min((instant for instant, _ in pending), default=None)
    timers.run(9, call)
    assert called == sorted(instant for instant, _ in pending)
    assert len(timers) == 0
    assert timers.heap == []


def test_many_cancelled_ones_are_dropped_at_once() -> None:
    timers = Timers()
    heap = timers.heap
    kept = timers.add(1000, lambda: None)
    cancelled = [timers.add(instant, lambda: None) for instant in range(65)]
    for timer in cancelled[:64]:
        timer.cancel()
    assert len(heap) == 66
    cancelled[64].cancel()
    assert heap == [kept]
    assert timers.heap is heap
    assert timers.next() == 1000


def test_cancel_after_the_call_is_nothing() -> None:
    timers, called = Timers(), list[str]()
    first = timers.add(1, lambda: called.append("first"))
    timers.add(2, lambda: called.append("second"))
    timers.run(1, call)
    first.cancel()
    assert len(timers) == 1
    timers.run(2, call)
    assert called == ["first", "second"]


def test_cancelled_by_one_that_was_called() -> None:
    timers, called = Timers(), list[str]()

    def first() -> None:
        called.append("first")
        second.cancel()

    timers.add(1, first)
    second = timers.add(2, lambda: called.append("second"))
    timers.run(5, call)
    assert called == ["first"]
    assert len(timers) == 0
    assert timers.heap == []


def test_dropped_while_running() -> None:
    """So many are cancelled from inside a call that the heap is made anew."""
    timers, called = Timers(), list[int]()
    heap = timers.heap
    others = [timers.add(2, lambda: called.append(2)) for _ in range(200)]

    def first() -> None:
        for timer in others:
            timer.cancel()

    timers.add(1, first)
    timers.add(3, lambda: called.append(3))
    timers.run(5, call)
    assert called == [3]
    assert timers.heap is heap
    assert heap == []


def test_added_by_one_that_was_called() -> None:
    timers, called = Timers(), list[str]()

    def first() -> None:
        timers.add(1, lambda: called.append("due"))
        timers.add(9, lambda: called.append("not due"))

    timers.add(1, first)
    timers.run(2, call)
    assert called == ["due"]
    assert timers.next() == 9


def test_each_call_is_made_through_the_guard() -> None:
    timers, guarded = Timers(), list[Callable[[], None]]()

    def due() -> None:
        raise AssertionError("the guard decides")

    timers.add(1, due)
    timers.run(1, guarded.append)
    assert guarded == [due]
