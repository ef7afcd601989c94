"""A clock that a test moves by hand, and a hub that lives on it.

Nothing here waits. Time stands still until :meth:`VirtualClock.advance` moves it, and then everything that is due runs,
in order, each call at its own instant. Chance comes from a seed, so a test that failed fails again.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ..core.hub import Watch

__all__ = ["VirtualClock", "VirtualHub", "VirtualTimer"]

T = TypeVar("T")

EPOCH = 1_000_000_000.0
"""What ``wall`` says when a clock that began at 0 is read: 2001-09-09 01:46:40 UTC."""


class VirtualTimer:
    """One call at one instant, unless cancelled."""

    __slots__ = ("_order", "call", "when")

    def __init__(self, when: float, order: int, call: Callable[[], None]) -> None:
        self.when = when
        self.call: Callable[[], None] | None = call
        self._order = order

    def __lt__(self, other: VirtualTimer) -> bool:
        return (self.when, self._order) < (other.when, other._order)

    def cancel(self) -> None:
        """Do not call. May be called twice, and after the call."""
        self.call = None


class VirtualClock:
    """An environment for layers and patterns (``Timing``) whose time stands still until a test moves it.

    Args:
        seed: of what :meth:`randbits` gives; the same seed gives the same numbers.
        start: the first instant, in seconds.
    """

    def __init__(self, seed: int = 0, start: float = 0.0) -> None:
        self._now = start
        self._random = random.Random(seed)
        self._heap: list[VirtualTimer] = []
        self._order = itertools.count()

    def now(self) -> float:
        """The present instant, in seconds."""
        return self._now

    def wall(self) -> float:
        """The same instant as seconds since 1970; a made-up date."""
        return EPOCH + self._now

    def randbits(self, bits: int) -> int:
        """A number of that many bits, from the seed."""
        return self._random.getrandbits(bits)

    def call_at(self, when: float, call: Callable[[], None]) -> VirtualTimer:
        """Call when the clock is moved to ``when`` or past it. An instant in the past is due at the next move."""
        timer = VirtualTimer(when, next(self._order), call)
        heapq.heappush(self._heap, timer)
        return timer

    @property
    def next_due(self) -> float | None:
        """The earliest instant at which something will run, or None."""
        heap = self._heap
        while heap and heap[0].call is None:
            heapq.heappop(heap)
        return heap[0].when if heap else None

    def advance(self, seconds: float) -> int:
        """Let time pass: run what is due on the way, in order of instants, then of asking. How many calls were made.

        A call sees its own instant as the present. What it asks for in turn also runs if it is due in time.
        """
        if seconds < 0:
            raise ValueError("time does not run backwards")
        end = self._now + seconds
        made = 0
        while (due := self.next_due) is not None and due <= end:
            timer = heapq.heappop(self._heap)
            call, timer.call = timer.call, None
            assert call is not None
            self._now = max(self._now, due)
            self._run(call)
            made += 1
        self._now = end
        return made

    def _run(self, call: Callable[[], None]) -> None:
        call()


class VirtualHub(VirtualClock):
    """A hub for what lives without descriptors: memory links, streams of a session, a socket's endpoints.

    What is posted waits until :meth:`step` or :meth:`run` makes the calls, in order. What they raise reaches the test.

    Attributes:
        turning: a turn is under way; what is flushed later is flushed when it ends.
        needy: who must be attended to even while no caller waits, as their ids.
    """

    driver = "virtual"

    def __init__(self, seed: int = 0, start: float = 0.0) -> None:
        super().__init__(seed, start)
        self.turning = False
        self.needy: set[int] = set()
        self._posted: deque[Callable[[], None]] = deque()
        self._flushes: list[Callable[[], None]] = []

    def watch(
        self,
        fd: int,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
        forked: Callable[[], None] | None,
    ) -> Watch:
        """There are no descriptors here.

        Raises:
            TypeError: always; what has a descriptor needs a hub of one of the drivers.
        """
        raise TypeError("a virtual hub watches no descriptors; use memory links, or a driver's hub")

    def flush_later(self, flush: Callable[[], None]) -> None:
        """Call ``flush`` when this turn ends."""
        self._flushes.append(flush)

    def post(self, call: Callable[[], None]) -> None:
        """Call at one of the next steps."""
        self._posted.append(call)

    def in_thread(self, work: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Do ``work`` at one of the next steps; no thread is started."""

        def both() -> None:
            result: T | Exception
            try:
                result = work()
            except Exception as error:  # it is reported where the work was asked for
                result = error
            done(result)

        self.post(both)

    def need(self, who: Any, flag: bool) -> None:
        """Note who must be attended to."""
        if flag:
            self.needy.add(id(who))
        else:
            self.needy.discard(id(who))

    def turn(self, call: Callable[[], None]) -> None:
        """Make one call as a hub does: inside a turn, at whose end what was sent is flushed."""
        self.turning = True
        try:
            call()
            while self._flushes:
                flushes, self._flushes = self._flushes, []
                for flush in flushes:
                    flush()
        finally:
            self.turning = False

    def step(self) -> bool:
        """Make the call that was posted first. False: nothing was."""
        if not self._posted:
            return False
        self.turn(self._posted.popleft())
        return True

    def run(self) -> None:
        """Make all calls that were posted, and those that they post."""
        while self.step():
            pass

    def _run(self, call: Callable[[], None]) -> None:
        self.turn(call)
