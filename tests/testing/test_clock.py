"""The virtual clock and hub: time moves when told, and everything that is due runs in order."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.testing import VirtualClock, VirtualHub


def test_time_stands_still() -> None:
    clock = VirtualClock(start=5.0)
    assert clock.now() == clock.now() == 5.0
    assert clock.advance(2.5) == 0
    assert clock.now() == 7.5
    assert clock.wall() - VirtualClock().wall() == 7.5


def test_it_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        VirtualClock().advance(-1)


@given(st.lists(st.integers(0, 20)), st.integers(0, 20))
def test_what_is_due_runs_in_order(instants: list[int], end: int) -> None:
    """By instant, then by the order of asking; each call sees its own instant; the rest stays."""
    clock = VirtualClock()
    ran: list[tuple[float, int]] = []

    def note(number: int) -> None:
        ran.append((clock.now(), number))

    for number, when in enumerate(instants):
        clock.call_at(when, functools.partial(note, number))
    assert clock.advance(end) == len(ran)
    assert ran == sorted((when, number) for number, when in enumerate(instants) if when <= end)
    assert clock.now() == end
    left = [when for when in instants if when > end]
    assert clock.next_due == (min(left) if left else None)


def test_what_a_call_asks_for_runs_if_it_is_due() -> None:
    clock = VirtualClock()
    ran: list[float] = []

    def again() -> None:
        ran.append(clock.now())
        clock.call_at(clock.now() + 1, again)

    clock.call_at(1, again)
    assert clock.advance(3.5) == 3
    assert ran == [1, 2, 3]
    assert clock.next_due == 4


def test_an_instant_in_the_past_is_due_at_the_next_move() -> None:
    clock = VirtualClock(start=10)
    ran: list[float] = []
    clock.call_at(3, lambda: ran.append(clock.now()))
    assert clock.advance(0) == 1
    assert ran == [10]


def test_cancelled_timers_do_not_run() -> None:
    clock = VirtualClock()
    ran: list[str] = []
    first = clock.call_at(1, functools.partial(ran.append, "first"))
    second = clock.call_at(2, functools.partial(ran.append, "second"))
    clock.call_at(1, second.cancel)
    first.cancel()
    first.cancel()
    assert clock.advance(5) == 1
    assert ran == []
    second.cancel()


def test_chance_comes_from_the_seed() -> None:
    numbers = [VirtualClock(seed).randbits(64) for seed in (1, 1, 2)]
    assert numbers[0] == numbers[1] != numbers[2]
    assert all(0 <= VirtualClock(seed).randbits(3) < 8 for seed in range(50))


def test_posted_calls_wait_for_a_step() -> None:
    hub = VirtualHub()
    ran: list[str] = []

    def first() -> None:
        ran.append("first")
        hub.post(functools.partial(ran.append, "third"))

    hub.post(first)
    hub.post(lambda: ran.append("second"))
    assert ran == []
    assert hub.step()
    assert ran == ["first"]
    hub.run()
    assert ran == ["first", "second", "third"]
    assert not hub.step()


def test_a_turn_flushes_at_its_end() -> None:
    hub = VirtualHub()
    ran: list[object] = []

    def call() -> None:
        hub.flush_later(lambda: ran.append(("flush", hub.turning)))
        ran.append(("call", hub.turning))

    hub.post(call)
    hub.call_at(1, call)
    hub.run()
    assert ran == [("call", True), ("flush", True)]
    assert not hub.turning
    hub.advance(1)
    assert ran[2:] == [("call", True), ("flush", True)]


def test_what_a_call_raises_reaches_the_test() -> None:
    hub = VirtualHub()
    hub.post(lambda: [][0])
    with pytest.raises(IndexError):
        hub.run()
    assert not hub.turning


def test_work_in_a_thread_is_done_at_a_step() -> None:
    hub = VirtualHub()
    done: list[object] = []
    hub.in_thread(lambda: 6 * 7, done.append)
    hub.in_thread(lambda: [][0], done.append)
    assert done == []
    hub.run()
    assert done[0] == 42
    assert isinstance(done[1], IndexError)


def test_who_needs_attention_is_noted() -> None:
    hub, who = VirtualHub(), object()
    hub.need(who, True)
    assert hub.needy == {id(who)}
    hub.need(who, False)
    hub.need(who, False)
    assert hub.needy == set()


def test_there_are_no_descriptors() -> None:
    with pytest.raises(TypeError, match="memory links"):
        VirtualHub().watch(0, lambda: None, lambda: None, None)
