"""What patterns stand on: gates, the life of a pipe, the ring and the fair queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import PeerAborted, SockstackError
from sockstack.core.junction import FairQueue, Gate, Junction, Pipe, Ring
from sockstack.core.layer import MANY, wire

from .rig import Bottom

RECORD = Capabilities(Unit.MESSAGE)


class Log(Junction):
    """A junction that notes its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.refuse = False

    def attached(self, pipe: Pipe) -> None:
        self.calls.append("attached")
        if self.refuse:
            pipe.close(None)

    def detached(self, pipe: Pipe) -> None:
        self.calls.append("detached")

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        self.calls.append(units)

    def writable(self, pipe: Pipe) -> None:
        self.calls.append(pipe.ready)


def make(junction: Junction | None = None, number: int = 1) -> tuple[Pipe, Bottom]:
    """A pipe over a scripted bottom."""
    pipe, bottom = Pipe(junction or Log(), number), Bottom()
    wire(pipe, [bottom])
    return pipe, bottom


class TestGate:
    def test_wakes_all_once_in_order(self) -> None:
        gate, woken = Gate(), list[int]()
        gate.open()
        for number in range(3):
            gate.add(lambda number=number: woken.append(number))  # type: ignore[misc]
        gate.open()
        gate.open()
        assert woken == [0, 1, 2]

    def test_remove(self) -> None:
        gate, woken = Gate(), list[int]()

        def wake() -> None:
            woken.append(1)

        gate.remove(wake)
        gate.add(wake)
        gate.remove(wake)
        gate.open()
        assert woken == []

    def test_who_is_woken_may_wait_again(self) -> None:
        gate, woken = Gate(), list[int]()

        def again() -> None:
            woken.append(1)
            gate.add(again)

        gate.add(again)
        gate.open()
        assert woken == [1]
        gate.open()
        assert woken == [1, 1]


class TestPipe:
    def told(self, pipe: Pipe) -> list[Any]:
        log: list[Any] = []
        pipe.on_opened = lambda: log.append("opened")
        pipe.on_closed = log.append
        return log

    def test_the_life_of_one_that_breaks(self) -> None:
        junction = Log()
        pipe, bottom = make(junction)
        log = self.told(pipe)
        alive = [pipe.alive]
        pipe.opened(RECORD)
        alive.append(pipe.alive)
        pipe.receive([b"a", b"b"])
        error = PeerAborted("cut")
        pipe.broken(error)
        pipe.broken(error)
        assert [*alive, pipe.alive] == [False, True, False]
        assert junction.calls == ["attached", [b"a", b"b"], "detached"]
        assert log == ["opened", error]
        assert bottom.calls == [], "what is broken is not aborted"

    def test_a_peer_that_ends_has_left(self) -> None:
        junction = Log()
        pipe, bottom = make(junction)
        log = self.told(pipe)
        pipe.opened(RECORD)
        pipe.ended()
        assert junction.calls == ["attached", "detached"]
        assert log == ["opened", None]
        assert bottom.calls == ["abort"]

    def test_closed_by_its_junction(self) -> None:
        junction = Log()
        pipe, bottom = make(junction)
        log = self.told(pipe)
        pipe.opened(RECORD)
        error = SockstackError("not wanted")
        pipe.close(error)
        pipe.close(error)
        assert junction.calls == ["attached", "detached"]
        assert log == ["opened", error]
        assert set(bottom.calls) == {"abort"}

    @pytest.mark.parametrize(
        "over", [Pipe.ended, lambda pipe: pipe.broken(PeerAborted()), lambda pipe: pipe.close(None)]
    )
    def test_over_before_it_was_open(self, over: Callable[[Pipe], None]) -> None:
        junction = Log()
        pipe, _ = make(junction)
        log = self.told(pipe)
        over(pipe)
        assert junction.calls == [], "the junction never heard of it"
        assert len(log) == 1
        assert log != ["opened"]

    def test_refused_by_its_junction(self) -> None:
        junction = Log()
        junction.refuse = True
        pipe, bottom = make(junction)
        log = self.told(pipe)
        pipe.opened(RECORD)
        assert junction.calls == ["attached", "detached"]
        assert log == [None], "it never was open to the one who dialled"
        assert bottom.calls == ["abort"]

    def test_only_changes_of_writable_are_told(self) -> None:
        junction = Log()
        pipe, _ = make(junction)
        pipe.writable(False)
        assert junction.calls == [], "not before it is attached"
        assert not pipe.ready
        pipe.opened(RECORD)
        pipe.writable(False)
        pipe.writable(True)
        pipe.writable(True)
        pipe.writable(False)
        pipe.broken(PeerAborted())
        pipe.writable(True)
        assert junction.calls == ["attached", True, False, "detached"]

    def test_a_junction_says_what_is_missing(self) -> None:
        pipe, _ = make()
        bare = Junction()
        for call in (bare.attached, bare.detached, bare.writable):
            with pytest.raises(NotImplementedError):
                call(pipe)
        with pytest.raises(NotImplementedError):
            bare.receive(pipe, [])


class RingMachine(RuleBasedStateMachine):
    """A ring against a list: ``next`` gives the first one, which then comes last."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring()
        self.model: list[Pipe] = []
        self.pipes = [make(number=number)[0] for number in range(4)]

    @rule(number=st.integers(0, 3))
    def add(self, number: int) -> None:
        pipe = self.pipes[number]
        self.ring.add(pipe)
        if pipe not in self.model:
            self.model.append(pipe)

    @rule(number=st.integers(0, 3))
    def remove(self, number: int) -> None:
        pipe = self.pipes[number]
        self.ring.remove(pipe)
        if pipe in self.model:
            self.model.remove(pipe)

    @rule()
    def next(self) -> None:
        expected = None
        if self.model:
            expected = self.model.pop(0)
            self.model.append(expected)
        assert self.ring.next() is expected

    @invariant()
    def same(self) -> None:
        assert len(self.ring) == len(self.model)
        assert bool(self.ring) is bool(self.model)


TestRing = RingMachine.TestCase


class QueueMachine(RuleBasedStateMachine):
    """A fair queue against a plain one: order of arrival, a mark for each pipe, and one for those that have gone."""

    HIGH = 3
    LEFT = 4

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[int] = FairQueue(self.HIGH, self.LEFT)
        self.model: deque[tuple[Pipe, int]] = deque()
        self.pipes: list[tuple[Pipe, Bottom]] = []
        self.unread: list[Pipe] = []
        self.count = 0
        for _ in range(3):
            self.come()

    def waiting(self, pipe: Pipe) -> int:
        return sum(owner is pipe for owner, _ in self.model)

    def read(self) -> None:
        if sum(not owner.alive for owner, _ in self.model) < self.LEFT:
            self.unread.clear()

    @rule()
    def come(self) -> None:
        pipe, bottom = make(number=len(self.pipes))
        pipe.opened(RECORD)
        self.pipes.append((pipe, bottom))
        self.unread.append(pipe)
        self.read()
        self.queue.attached(pipe)

    @rule(number=st.integers(0))
    def put(self, number: int) -> None:
        pipe, bottom = self.pipes[number % len(self.pipes)]
        if not pipe.alive or not bottom.credit:
            return
        self.count += 1
        self.queue.put(pipe, self.count)
        self.model.append((pipe, self.count))

    @precondition(lambda self: self.model)
    @rule()
    def take(self) -> None:
        pipe, batch = self.model.popleft()
        if not pipe.alive:
            self.read()
        assert self.queue.take() == (pipe, batch)

    @precondition(lambda self: not self.model)
    @rule()
    def take_nothing(self) -> None:
        assert self.queue.take() is None

    @rule(number=st.integers(0))
    def lose(self, number: int) -> None:
        pipe, _ = self.pipes[number % len(self.pipes)]
        if pipe.alive:
            pipe.broken(PeerAborted())
            self.queue.detached(pipe)
            self.unread = [other for other in self.unread if other is not pipe]

    @invariant()
    def marks(self) -> None:
        assert len(self.queue) == len(self.model)
        for pipe, bottom in self.pipes:
            waiting = self.waiting(pipe)
            assert pipe.batches == waiting <= self.HIGH
            if pipe.alive:
                assert (bottom.credit == 0) is (waiting == self.HIGH or pipe in self.unread)


TestFairQueue = QueueMachine.TestCase


class TestQueue:
    def test_one_that_sends_a_lot_does_not_starve_the_others(self) -> None:
        queue: FairQueue[str] = FairQueue(high=4)
        loud, quiet = make(number=1), make(number=2)
        for pipe, _ in (loud, quiet):
            pipe.opened(RECORD)
            pipe.below.want(MANY)
        for _ in range(4):
            queue.put(loud[0], "loud")
        assert loud[1].credit == 0, "it is stopped"
        queue.put(quiet[0], "quiet")
        assert quiet[1].credit == MANY
        taken = [queue.take() for _ in range(5)]
        assert [entry and entry[1] for entry in taken] == ["loud"] * 4 + ["quiet"]
        assert loud[1].credit == MANY

    def test_a_dead_pipe_is_not_asked_to_go_on(self) -> None:
        queue: FairQueue[str] = FairQueue(high=1)
        pipe, bottom = make()
        pipe.opened(RECORD)
        queue.put(pipe, "last words")
        pipe.broken(PeerAborted())
        queue.detached(pipe)
        assert queue.take() == (pipe, "last words")
        assert bottom.credit == 0

    def test_those_that_come_start_one_after_the_other(self) -> None:
        queue: FairQueue[str] = FairQueue(left=1)
        gone, _ = make()
        gone.opened(RECORD)
        queue.attached(gone)
        queue.put(gone, "last words")
        gone.broken(PeerAborted())
        queue.detached(gone)
        started: list[int] = []
        for number in range(4):
            pipe, bottom = make(number=number)
            pipe.opened(RECORD)
            queue.attached(pipe)
            bottom.want = lambda n, number=number: started.append(number)  # type: ignore[method-assign,misc]
            wire(pipe, [bottom])
        assert started == []
        assert queue.take() == (gone, "last words")
        assert started == [0, 1, 2, 3]

    def test_clear(self) -> None:
        queue: FairQueue[str] = FairQueue()
        queue.put(make()[0], "x")
        queue.clear()
        assert len(queue) == 0
        assert queue.take() is None


@given(st.lists(st.integers(0, 2), max_size=30))
def test_taking_turns_is_even(joins: list[int]) -> None:
    ring = Ring()
    pipes = [make(number=number)[0] for number in range(3)]
    for number in joins:
        ring.add(pipes[number])
    present = len(set(joins))
    turns = [ring.next() for _ in range(3 * present)]
    assert all(turns.count(pipes[number]) == 3 for number in set(joins))


def test_priorities_come_before_turns() -> None:
    """Pipes with a lower number are served first, both ways; those of one number take turns."""
    ring, queue = Ring(), FairQueue[str]()
    pipes = [
        Pipe(Log(), number, priority, priority) for number, priority in enumerate((8, 1, 8, 1))
    ]
    for pipe in pipes:
        wire(pipe, [Bottom()])
        ring.add(pipe)
        queue.put(pipe, f"of {pipe.id}")
    assert len(ring) == 2
    assert [getattr(ring.next(), "id", None) for _ in range(3)] == [1, 3, 1]
    for number in (1, 3):
        ring.remove(pipes[number])
    assert [getattr(ring.next(), "id", None) for _ in range(3)] == [0, 2, 0]
    ring.add(pipes[3])
    assert ring.next() is pipes[3]
    assert len(queue) == 4
    assert [queue.take() for _ in range(5)] == [
        (pipes[1], "of 1"),
        (pipes[3], "of 3"),
        (pipes[0], "of 0"),
        (pipes[2], "of 2"),
        None,
    ]
