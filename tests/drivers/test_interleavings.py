"""The blocking hub under many interleavings of its threads: nobody is forgotten, nothing is lost, one polls at a time.

Each test runs a small scene a few hundred times, each time with another seed of the scheduler.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sockstack import Push, Socket
from sockstack.core.errors import Closed, Deadline
from sockstack.core.junction import Gate, Pipe
from sockstack.drivers.blocking import burst, helper, hub, socket, talker
from sockstack.drivers.hub import BaseHub

from .interleave import Run, world

RUNS = 300

WIRE = 100
"""A descriptor of the scene's own."""


class Scene:
    """A hub with one descriptor, whose bytes are messages, and callers that fetch them."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.hub: hub.BlockingHub = run.hub()  # type: ignore[attr-defined]
        self.gate = Gate()
        self.wire: deque[int] = deque()
        self.inbox: deque[int] = deque()
        self.got: list[int] = []
        self.late = 0
        self.refused = 0
        self.hub.watch(WIRE, self.arrive, self.arrive, None)

    def arrive(self) -> None:
        self.inbox.append(self.wire.popleft())
        if not self.wire:
            self.run.readable.discard(WIRE)
        self.gate.open()

    def take(self) -> int | None:
        return self.inbox.popleft() if self.inbox else None

    def fetch(self, timeout: float | None = None) -> None:
        """A caller."""
        with self.hub.lock:
            try:
                if self.hub.closed:
                    raise Closed(self.hub.why)
                found = self.take()
                if found is None:
                    found = self.hub.wait(self.take, self.gate, timeout, "fetch")
                self.got.append(found)
                self.hub.leave()
            except Deadline:
                self.late += 1
            except Closed:
                self.refused += 1

    def put(self, count: int) -> Callable[[], None]:
        """The far end."""

        def far_end() -> None:
            for number in range(count):
                self.wire.append(number)
                self.run.readable.add(WIRE)
                self.run.pause()

        return far_end


@pytest.fixture(params=range(4))
def seeds(request: pytest.FixtureRequest) -> range:
    """A quarter of the seeds."""
    quarter = RUNS // 4
    return range(request.param * quarter, (request.param + 1) * quarter)


def test_each_caller_gets_one(seeds: range) -> None:
    for seed in seeds:
        with world(seed) as run:
            scene = Scene(run)
            for number in range(3):
                run.spawn(scene.fetch, f"caller {number}")
            run.spawn(scene.put(3))
            run.go()
            assert sorted(scene.got) == [0, 1, 2]


def test_who_gives_up_leaves_the_others_served(seeds: range) -> None:
    for seed in seeds:
        with world(seed) as run:
            scene = Scene(run)
            for number, timeout in enumerate((None, 1.0, 0.0, 1.0)):
                run.spawn(partial(scene.fetch, timeout), f"caller {number}")
            run.spawn(scene.put(4))
            run.go()
            assert len(scene.got) + scene.late == 4
            assert sorted([*scene.got, *scene.inbox, *scene.wire]) == [0, 1, 2, 3]


def test_what_is_posted_is_done(seeds: range) -> None:
    """Any thread may post, at any bytecode of the leader's way into its poll."""
    steps = (BaseHub.post, hub.BlockingHub.wake, hub.BlockingHub._lead)
    for seed in seeds:
        with world(seed, steps) as run:
            scene = Scene(run)

            def post(scene: Scene = scene) -> None:
                scene.hub.post(scene.arrive)

            scene.wire.extend([0, 1])
            for number in range(2):
                run.spawn(scene.fetch, f"caller {number}")
                run.spawn(post, f"poster {number}")
            run.go()
            assert sorted(scene.got) == [0, 1]


def test_what_another_thread_does_under_the_lock_is_seen(seeds: range) -> None:
    """A gate that is opened by somebody else than the leader wakes the leader."""
    for seed in seeds:
        with world(seed) as run:
            scene = Scene(run)

            def give(scene: Scene = scene) -> None:
                with scene.hub.lock:
                    scene.inbox.append(7)
                    scene.gate.open()

            for number in range(3):
                run.spawn(scene.fetch, f"caller {number}")
                run.spawn(give, f"giver {number}")
            run.go()
            assert scene.got == [7, 7, 7]


def test_the_helper_does_what_nobody_else_does(seeds: range) -> None:
    """It comes when there is need, makes way for callers, comes back, and ends when the need does."""
    for seed in seeds:
        with world(seed, (BaseHub.post, hub.BlockingHub.wake)) as run:
            scene = Scene(run)
            done: list[int] = []

            def need(scene: Scene = scene) -> None:
                with scene.hub.lock:
                    scene.hub.need(scene, True)
                    scene.hub.leave()

            def post(scene: Scene = scene, done: list[int] = done) -> None:
                for number in range(3):
                    scene.hub.post(lambda number=number: done.append(number))  # type: ignore[misc]
                scene.run.pause(lambda: len(done) == 3)

            def enough(scene: Scene = scene, done: list[int] = done) -> None:
                scene.run.pause(lambda: len(done) == 3 and len(scene.got) == 2)
                with scene.hub.lock:
                    scene.hub.need(scene, False)
                    scene.hub.post(lambda: None)
                scene.run.pause(lambda: not scene.hub._helper.running)

            need()
            for number in range(2):
                run.spawn(scene.fetch, f"caller {number}")
            run.spawn(scene.put(2))
            run.spawn(post)
            run.spawn(enough)
            run.go()
            assert done == [0, 1, 2]
            assert sorted(scene.got) == [0, 1]


def test_closing_wakes_everybody(seeds: range) -> None:
    for seed in seeds:
        with world(seed) as run:
            scene = Scene(run)

            def close(scene: Scene = scene) -> None:
                with scene.hub.lock:
                    scene.hub.close()

            scene.hub.need(scene, True)
            scene.hub.leave()
            for number in range(3):
                run.spawn(scene.fetch, f"caller {number}")
            run.spawn(scene.put(2))
            run.spawn(close)
            run.spawn(lambda scene=scene: run.pause(lambda: scene.hub._disposed), "disposed")  # type: ignore[misc]
            run.go()
            assert len(scene.got) + scene.refused == 3
            assert scene.hub.closed


class Wire:
    """The stack below the only pipe of a PUSH socket; it takes all, or stops now and then."""

    def __init__(self, run: Run, stops: int) -> None:
        self.run = run
        self.taken: list[bytes] = []
        self.stops = stops
        self.unsent = 0
        self.pipe: Any = None

    def send(self, units: Any) -> None:
        self.taken += units
        if self.stops and len(self.taken) % 3 == 0:
            self.stops -= 1
            self.pipe.writable(False)

    def want(self, n: int) -> None:
        """Nothing comes."""

    def end(self) -> None:
        """No one looks."""

    def abort(self) -> None:
        """No one looks."""


BURST = (
    talker.Talker.send,
    talker.Talker._send_in_burst,
    burst.Outbox.drain,
    burst.Outbox.flush,
    burst.Outbox.joins,
    burst.Outbox.late,
    helper.Helper._run,
)


@pytest.mark.parametrize("stops", [0, 2])
@pytest.mark.parametrize("closes", [False, True], ids=["stays", "closes"])
def test_a_burst_loses_nothing(
    seeds: range, stops: int, closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several send at once, the helper fetches what they leave behind, and perhaps somebody closes."""
    for seed in seeds:
        with world(seed, BURST) as run:
            monkeypatch.setattr(socket, "BlockingHub", run.hub)  # type: ignore[attr-defined]
            push = Socket(Push())
            wire = Wire(run, stops)
            pipe: Any = Pipe(push._core.raw, 1)
            pipe.below = pipe.chain = wire
            wire.pipe = pipe
            pipe.opened(None)
            accepted: list[bytes] = []
            left: list[int] = []

            def send(name: int, push: Any = push, accepted: list[bytes] = accepted) -> None:
                for number in range(7):
                    body = b"%d/%d" % (name, number)
                    try:
                        push.send(body)
                    except Closed:
                        return
                    accepted.append(body)

            def resume(wire: Wire = wire, pipe: Any = pipe, push: Any = push) -> None:
                """The kernel takes more, now and then."""
                while wire.stops:
                    wire.run.pause(lambda: not pipe.ready or push._closed)
                    with push._hub.lock:
                        pipe.writable(True)
                    if push._closed:
                        return

            def close(push: Any = push, left: list[int] = left) -> None:
                left.append(push.close(linger=1000))

            def arrived(
                wire: Wire = wire, accepted: list[bytes] = accepted, left: list[int] = left
            ) -> None:
                """All of it, without another call."""
                if not closes:
                    wire.run.pause(lambda: len(accepted) == 14)
                    wire.run.pause(lambda: len(wire.taken) == 14)

            for name in range(2):
                run.spawn(lambda name=name, send=send: send(name), f"sender {name}")  # type: ignore[misc]
            if stops:
                run.spawn(resume, daemon=True)
            if closes:
                run.spawn(close)
            run.spawn(arrived)
            run.go()
            push._closed = True  # its world is over
            for name in range(2):
                mine = [body for body in wire.taken if body.startswith(b"%d/" % name)]
                assert mine == sorted(mine)
                assert len(set(mine)) == len(mine)
            lost = set(accepted) - set(wire.taken)
            assert len(lost) <= sum(left)
            if not closes:
                assert not lost
