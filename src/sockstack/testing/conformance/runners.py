"""Hubs of the real drivers, run by a test step by step: what the kits for transports stand on."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ...core.chain import Chain
from ...core.errors import Deadline
from ...core.junction import Gate
from ...core.spec import LayerSpec, Role
from ...core.transport import Link
from ...drivers.aio.hub import AsyncioHub
from ...drivers.blocking.hub import BlockingHub
from ..recorder import Recorder

__all__ = [
    "PATIENCE",
    "RUNNERS",
    "AsyncioRunner",
    "BlockingRunner",
    "Runner",
    "descriptors",
    "our_threads",
]

PATIENCE = 20.0
"""Seconds after which something that must happen is taken not to happen."""


class Runner:
    """A hub and the tops that live on it. It runs in :meth:`until` only.

    Attributes:
        hub: the hub.
        tops: what was opened here; a breach of the contract of any of them ends the wait.
    """

    hub: Any

    def __init__(self) -> None:
        self.tops: list[Recorder] = []

    def until(self, met: Callable[[], object], what: str) -> None:
        """Run until ``met`` gives something true.

        Raises:
            AssertionError: it did not come true in time; ``what`` was waited for.
        """

        def look() -> bool | None:
            self.check()
            return True if met() else None

        try:
            self._run(look)
        except Deadline:
            raise AssertionError(f"in {PATIENCE:g} s it did not happen: {what}") from None
        self.check()

    def settle(self) -> None:
        """Run until what was posted so far has been done, and what is ready now, descriptors too, has been handled."""
        for _ in range(3):
            done: list[bool] = []
            self.hub.call_at(self.hub.now(), partial(done.append, True))
            self.until(partial(len, done), "a timer that is due")

    def check(self) -> None:
        """Raise the first breach of the contract."""
        for top in self.tops:
            if top.fault is not None:
                raise top.fault

    def open(self, spec: LayerSpec, link: Link, role: Role, credit: int) -> Recorder:
        """A recorder on a link, opened."""
        top = Recorder(credit)
        top.chain = Chain((spec,), link, link.record, role, top, self.hub)
        self.tops.append(top)
        top.chain.open()
        return top

    def close(self) -> None:
        """Let go of all that lives here, and of the hub."""
        for top in self.tops:
            if not top.aborted:
                top.abort()

    def _run(self, look: Callable[[], bool | None]) -> None:
        raise NotImplementedError


class BlockingRunner(Runner):
    """A hub of the blocking driver. The test holds its lock all the time but for the waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = BlockingHub()
        self.hub.lock.acquire()

    def close(self) -> None:
        super().close()
        self.hub.close()
        self.hub.lock.release()

    def _run(self, look: Callable[[], bool | None]) -> None:
        if look() is None:
            self.hub.wait(look, Gate(), PATIENCE, "the test")


class AsyncioRunner(Runner):
    """A hub of the asyncio driver, on a loop of its own in debug mode."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._loop.set_debug(True)
        self.hub = _LookingHub(self._loop)

    def close(self) -> None:
        super().close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _run(self, look: Callable[[], bool | None]) -> None:
        async def run() -> None:
            if look() is None:
                await self.hub.wait(look, self.hub.gate, PATIENCE, "the test")

        self._loop.run_until_complete(run())


class _LookingHub(AsyncioHub):
    """Opens a gate after each turn, so that a test looks again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.gate = Gate()

    def turn(self, call: Callable[[], None]) -> None:
        super().turn(call)
        self.gate.open()


RUNNERS: dict[str, type[Runner]] = {"blocking": BlockingRunner, "asyncio": AsyncioRunner}


def descriptors() -> Sequence[str] | None:
    """This process's open descriptors and what they are; None where the system does not tell."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return None
    found = []
    for name in names:
        try:
            found.append(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except OSError:
            continue  # the one that listed the directory
    return sorted(found)


def our_threads() -> frozenset[threading.Thread]:
    """The threads that sockstack has started."""
    threads = threading.enumerate()
    return frozenset(thread for thread in threads if thread.name.startswith("sockstack"))
