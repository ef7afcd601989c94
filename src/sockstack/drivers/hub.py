"""What the hubs of all drivers have in common: time, timers, what was posted, and who needs attention."""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ..core.errors import SockstackError
from ..core.hub import Cancellable
from ..core.log import logger
from ..core.timers import Timers

__all__ = ["FORKED", "BaseHub", "Resident", "pipe_ids"]

T = TypeVar("T")

FORKED = "this object belongs to the parent process; after a fork make a new one"
"""What is said in a forked child to whoever uses what its parent has made."""

_ids = itertools.count(int.from_bytes(os.urandom(4), "big"))


def pipe_ids() -> int:
    """The next pipe id: 1 to 2**31 - 1, from a random start, unlike any other of this process for a long time."""
    return next(_ids) % 0x7FFFFFFF + 1


class Resident(Protocol):
    """An object of the caller's that lives on a hub."""

    def after_fork(self, kept: bool) -> None:
        """In a forked child: the connections are gone. ``kept``: what was made to be inherited goes on."""


class BaseHub:
    """Time, timers, posted calls and deferred writes. Drivers add the waiting.

    Attributes:
        turning: a turn is under way.
        needy: who must be attended to even while no caller waits.
        residents: the caller's objects that live here.
    """

    driver = "no"

    def __init__(self) -> None:
        self.turning = False
        self.now = time.monotonic
        self.wall = time.time
        self.timers = Timers()
        self._timer_heap = self.timers.heap
        self._posted: deque[Callable[[], None]] = deque()
        self._flushes: deque[Callable[[], None]] = deque()
        self.needy: set[int] = set()
        self.residents: weakref.WeakSet[Resident] = weakref.WeakSet()

    def randbits(self, bits: int) -> int:
        """A random integer of that many bits."""
        return int.from_bytes(os.urandom(-(-bits // 8)), "big") >> (-bits % 8)

    def call_at(self, when: float, call: Callable[[], None]) -> Cancellable:
        """Call at the instant ``when``."""
        timer = self.timers.add(when, call)
        self.timer_added(when)
        return timer

    def timer_added(self, when: float) -> None:
        """For drivers: the next wait may have to be shorter."""

    def flush_later(self, flush: Callable[[], None]) -> None:
        """Call ``flush`` when this turn ends."""
        self._flushes.append(flush)

    def post(self, call: Callable[[], None]) -> None:
        """Call on this hub, soon; any thread may say so."""
        self._posted.append(call)
        self.wake()

    def wake(self) -> None:
        """For drivers: somebody has posted."""
        raise NotImplementedError

    def in_thread(self, work: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Run ``work`` in a thread of its own; ``done`` gets its result or its exception, on this hub."""

        def run() -> None:
            result: T | Exception
            try:
                result = work()
            except (
                Exception
            ) as error:  # whatever it was, it is reported where the work was asked for
                result = error
            self.post(lambda: done(result))

        self.need(run, True)
        finished = done

        def done_and_over(result: T | Exception) -> None:
            self.need(run, False)
            finished(result)

        done = done_and_over
        threading.Thread(target=run, name="sockstack-resolve", daemon=True).start()

    def need(self, who: Any, flag: bool) -> None:
        """``who`` must be attended to even while no caller waits, or need not any more."""
        if flag:
            self.needy.add(id(who))
        else:
            self.needy.discard(id(who))

    @property
    def needed(self) -> bool:
        """Whether anything must happen without a caller."""
        return bool(self.needy or self._posted)

    def end_turn(self) -> None:
        """What was posted, what is due, and what was sent during the turn."""
        posted = self._posted
        while posted:
            self.guarded(posted.popleft())
        if self._timer_heap:
            self.timers.run(self.now(), self.guarded)
        flushes = self._flushes
        while flushes:
            self.guarded(flushes[0])
            flushes.popleft()  # only now: what a signal interrupts is done again

    @staticmethod
    def guarded(call: Callable[[], None]) -> None:
        """Make a call whose failure must not take the hub and its other connections down."""
        try:
            call()
        except SockstackError as error:
            logger("hub").warning("unhandled: %s", error)
        except Exception:
            BaseHub.report(call)

    @staticmethod
    def report(call: Callable[[], None]) -> None:
        """Log the exception that ``call`` has raised and must not have."""
        logger("hub").exception("internal fault in %r", call)
