"""What happens to a socket's connections, to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...core.errors import Closed
from ..events import Event, EventQueue
from .hub import AsyncioHub

__all__ = ["Events"]


class Events:
    """Tells of connections that come, go, are refused or fail, from when it was made until the socket is closed.

    At most 1,024 wait to be fetched; then the oldest are dropped, and counted in :attr:`missed`.
    """

    def __init__(self, hub: AsyncioHub, queue: EventQueue) -> None:
        self._hub = hub
        self._queue = queue

    @property
    def missed(self) -> int:
        """Events that were dropped because nobody fetched them."""
        return self._queue.missed

    async def recv(self, timeout: float | None = None) -> Event:
        """The next event.

        Raises:
            Deadline: nothing happened within so many seconds.
            Closed: the socket is closed, and all was told.
        """
        queue = self._queue
        event = queue.take()
        if event is None:
            event = await self._hub.wait(queue.take, queue.gate, timeout, "recv")
        return event

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events until the socket is closed."""
        while True:
            try:
                yield await self.recv()
            except Closed:
                return
