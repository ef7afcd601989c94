"""Keeps loops going that look away from a descriptor once it has an error pending, as libuv's do on Linux.

A peer that sends and then resets leaves bytes and an error in the kernel. Such a loop calls its reader once for both
and never again: the rest would not be read, and the connection never found dead. Here an epoll of our own, in which
only errors and hang-ups count, tells of these descriptors; it costs nothing while all is well.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import Callable

__all__ = ["Faults", "needs_faults"]

AT_ONCE = 64
"""Descriptors looked at in one tick of the loop."""


def needs_faults(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop may look away: one on epoll that is not asyncio's own."""
    return hasattr(select, "epoll") and not isinstance(loop, asyncio.BaseEventLoop)


class Faults:
    """Calls the readers of descriptors that have an error or a hang-up pending, until they are taken off."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._readers: dict[int, Callable[[], None]] = {}
        self._epoll: select.epoll | None = None

    def add(self, fd: int, reader: Callable[[], None]) -> None:
        """``fd`` is being read, by ``reader``, which raises nothing."""
        if self._epoll is None:
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._ready)
        self._readers[fd] = reader
        self._epoll.register(fd, select.EPOLLONESHOT)

    def remove(self, fd: int) -> None:
        """``fd`` is not being read for now. Without any, no descriptor is held here."""
        if self._readers.pop(fd, None) is None or self._epoll is None:
            return
        with contextlib.suppress(OSError):  # closed already: then it is off
            self._epoll.unregister(fd)
        if not self._readers:
            self._loop.remove_reader(self._epoll.fileno())
            self.forget()

    def forget(self) -> None:
        """Let go without a word to the loop: in a forked child, which must not speak to it."""
        self._readers.clear()
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None

    def _ready(self) -> None:
        epoll = self._epoll
        if epoll is None:
            return
        for fd, _ in epoll.poll(0, AT_ONCE):
            reader = self._readers.get(fd)
            if reader is None:
                continue
            reader()
            if self._epoll is epoll and self._readers.get(fd) is reader:
                epoll.modify(fd, select.EPOLLONESHOT)
