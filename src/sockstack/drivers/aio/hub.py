"""The hub of the asyncio driver: the loop leads it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import threading
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ...core.errors import Deadline
from ...core.hub import Cancellable
from ...core.junction import Gate
from ..hub import BaseHub
from .faults import Faults, needs_faults

__all__ = ["AsyncioHub", "current_hub", "drop"]

T = TypeVar("T")

NEVER = 1e9
"""Seconds that no program lasts. Not all loops have timers that are infinitely far away."""


class LoopWatch:
    """A descriptor on a loop."""

    __slots__ = ("_hub", "_on_readable", "_on_writable", "_reading", "_writing", "fd", "forked")

    def __init__(
        self,
        hub: AsyncioHub,
        fd: int,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
        forked: Callable[[], None] | None,
    ) -> None:
        self._hub: AsyncioHub | None = hub
        self._on_readable = on_readable
        self._on_writable = on_writable
        self._reading = self._writing = False
        self.fd = fd
        self.forked = forked
        self.read(True)

    def read(self, flag: bool) -> None:
        """Whether to call ``on_readable``."""
        if flag is not self._reading and self._hub is not None:
            self._reading = flag
            loop = self._hub.loop
            faults = self._hub.faults
            if flag:
                loop.add_reader(self.fd, self._hub.turn, self._on_readable)
                if faults is not None:
                    faults.add(self.fd, partial(self._hub.turn, self._on_readable))
            else:
                loop.remove_reader(self.fd)
                if faults is not None:
                    faults.remove(self.fd)

    def write(self, flag: bool) -> None:
        """Whether to call ``on_writable``."""
        if flag is not self._writing and self._hub is not None:
            self._writing = flag
            loop = self._hub.loop
            if flag:
                loop.add_writer(self.fd, self._hub.turn, self._on_writable)
            else:
                loop.remove_writer(self.fd)

    def close(self) -> None:
        """Stop watching."""
        if self._hub is not None:
            self.read(False)
            self.write(False)
            self._hub.watches.discard(self)
            self._hub = None

    def forget(self) -> None:
        """In a forked child: never speak to the loop again."""
        self._hub = None


class AsyncioHub(BaseHub):
    """All that lives on one loop. Used from the loop's thread only; :meth:`post` alone may be called from others."""

    driver = "asyncio"
    lock = contextlib.nullcontext()

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self.now = loop.time
        self.watches: set[LoopWatch] = set()
        self.faults = Faults(loop) if needs_faults(loop) else None
        self._thread = threading.get_ident()
        self._woken = False
        self._deadlines: dict[Callable[[], None], float] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._questions: set[asyncio.Task[None]] = set()

    def watch(
        self,
        fd: int,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
        forked: Callable[[], None] | None,
    ) -> LoopWatch:
        """Watch a descriptor."""
        watch = LoopWatch(self, fd, on_readable, on_writable, forked)
        self.watches.add(watch)
        return watch

    def call_at(self, when: float, call: Callable[[], None]) -> Cancellable:
        """Call at the instant ``when``, on the loop's clock."""
        return self.loop.call_at(min(when, self.now() + NEVER), self.turn, call)

    def turn(self, call: Callable[[], None]) -> None:
        """Make one call of a transport, a timer or a neighbour, and what follows from it."""
        self.turning = True
        try:
            try:
                call()
            except Exception:
                self.report(call)
            if self._flushes or self._posted:
                self.end_turn()
        finally:
            self.turning = False

    def ask(self, question: Callable[[], object], answer: Callable[[object], None]) -> None:
        """Make a call of the application's, soon, and await what it returns if it can be awaited.

        ``answer`` gets what came of it, or the exception.
        """

        async def call() -> None:
            reply: object
            try:
                reply = question()
                if inspect.isawaitable(reply):
                    reply = await reply
            except Exception as error:
                reply = error
            self.turn(lambda: answer(reply))

        task = self.loop.create_task(call(), name="sockstack-ask")
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    def wake(self) -> None:
        if self._woken:
            return
        self._woken = True
        here = threading.get_ident() == self._thread
        schedule = self.loop.call_soon if here else self.loop.call_soon_threadsafe
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            schedule(self.turn, self._awake)

    def _awake(self) -> None:
        self._woken = False

    async def wait(
        self, attempt: Callable[[], T | None], gate: Gate, timeout: float | None, what: str
    ) -> T:
        """Until ``attempt`` gives something, trying each time ``gate`` opens. Cancelling it loses nothing.

        Args:
            timeout: seconds, or None.
            what: the caller's verb, for the error.

        Raises:
            Deadline: the time has passed.
        """
        deadline = None if timeout is None else self.now() + timeout
        while True:
            future: asyncio.Future[None] = self.loop.create_future()
            wake = partial(_wake, future)
            gate.add(wake)
            if deadline is not None:
                self._expect(wake, deadline)
            try:
                await future
            finally:
                gate.remove(wake)
                if deadline is not None:
                    del self._deadlines[wake]
            result = attempt()
            if result is not None:
                return result
            if deadline is not None and self.now() >= deadline:
                raise Deadline(f"{what}: nothing within {timeout:g} s")

    def _expect(self, wake: Callable[[], None], deadline: float) -> None:
        """Call ``wake`` at ``deadline``, if it is still among the deadlines then. One timer serves all of them."""
        self._deadlines[wake] = deadline
        if self._alarm is None or deadline < self._alarm.when():
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self.loop.call_at(min(deadline, self.now() + NEVER), self._expire)

    def _expire(self) -> None:
        self._alarm = None
        now = self.now()
        for wake, deadline in self._deadlines.items():
            if deadline <= now:
                wake()
        left = [deadline for deadline in self._deadlines.values() if deadline > now]
        if left:
            self._alarm = self.loop.call_at(min(*left, self.now() + NEVER), self._expire)

    def after_fork(self) -> None:
        """In a forked child: the loop and what lives on it are the parent's, and so is the loop's poller.

        Our copies of the descriptors close, without a word to either.
        """
        if self.faults is not None:
            self.faults.forget()
        watches, self.watches = self.watches, set()
        for watch in watches:
            watch.forget()
            if watch.forked is not None:
                watch.forked()
        self._posted.clear()
        self._flushes.clear()
        for resident in list(self.residents):
            resident.after_fork(False)


def drop(what: object, hub: AsyncioHub, close: Callable[[], None]) -> None:
    """For ``__del__`` of something that was not closed: warn, and close it on the loop, soon."""
    if not hub.loop.is_closed():
        warnings.warn(f"unclosed {what!r}", ResourceWarning, stacklevel=3, source=what)
        hub.post(close)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_hubs: weakref.WeakValueDictionary[asyncio.AbstractEventLoop, AsyncioHub] = (
    weakref.WeakValueDictionary()
)
"""The hubs in use. Whoever lives on one holds it, and it holds its loop; so both go together."""


def _after_fork() -> None:
    for hub in list(_hubs.values()):
        hub.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def current_hub() -> AsyncioHub:
    """The hub of the running loop.

    Raises:
        RuntimeError: no loop runs in this thread.
    """
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = AsyncioHub(loop)
    return hub
