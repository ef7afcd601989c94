"""A heap of timers over a clock that is handed in."""

from __future__ import annotations

import heapq
from collections.abc import Callable

__all__ = ["Timer", "Timers"]


class Timer:
    """One call at one instant, unless cancelled."""

    __slots__ = ("_timers", "call", "when")

    def __init__(self, when: float, call: Callable[[], None], timers: Timers) -> None:
        self.when = when
        self.call: Callable[[], None] | None = call
        self._timers = timers

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when

    def cancel(self) -> None:
        """Do not call. May be called twice, and after the call."""
        if self.call is not None:
            self.call = None
            self._timers._cancelled()


class Timers:
    """Pending timers, earliest first. Cancelled ones are dropped when they outnumber the others.

    Attributes:
        heap: the timers, cancelled ones among them; always the same list. Empty means that nothing is pending.
    """

    __slots__ = ("_dead", "heap")

    def __init__(self) -> None:
        self.heap: list[Timer] = []
        self._dead = 0

    def __len__(self) -> int:
        return len(self.heap) - self._dead

    def add(self, when: float, call: Callable[[], None]) -> Timer:
        """Call ``call`` in the first :meth:`run` at or after ``when``."""
        timer = Timer(when, call, self)
        heapq.heappush(self.heap, timer)
        return timer

    def clear(self) -> None:
        """Forget all of them."""
        self.heap.clear()
        self._dead = 0

    def next(self) -> float | None:
        """The earliest instant, or None."""
        heap = self.heap
        while heap and heap[0].call is None:
            heapq.heappop(heap)
            self._dead -= 1
        return heap[0].when if heap else None

    def run(self, now: float, guard: Callable[[Callable[[], None]], None]) -> None:
        """Make all calls that are due, each through ``guard``."""
        while self.heap and self.heap[0].when <= now:
            timer = heapq.heappop(self.heap)
            if timer.call is None:
                self._dead -= 1
            else:
                call, timer.call = timer.call, None
                guard(call)

    def _cancelled(self) -> None:
        self._dead += 1
        if self._dead > 64 and self._dead * 2 > len(self.heap):
            self.heap[:] = [timer for timer in self.heap if timer.call is not None]
            heapq.heapify(self.heap)
            self._dead = 0
