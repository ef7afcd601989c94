"""What happens to a socket's connections, to be waited for in the caller's own thread."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.errors import Closed
from ..events import Event, EventQueue
from .hub import BlockingHub

__all__ = ["Events"]


class Events:
    """Tells of connections that come, go, are refused or fail, from when it was made until the socket is closed.

    At most 1,024 wait to be fetched; then the oldest are dropped, and counted in :attr:`missed`.
    """

    def __init__(self, hub: BlockingHub, queue: EventQueue) -> None:
        self._hub = hub
        self._queue = queue

    @property
    def missed(self) -> int:
        """Events that were dropped because nobody fetched them."""
        return self._queue.missed

    def recv(self, timeout: float | None = None) -> Event:
        """The next event.

        Raises:
            Deadline: nothing happened within so many seconds.
            Closed: the socket is closed, and all was told.
        """
        queue, hub = self._queue, self._hub
        with hub.lock:
            event = queue.take()
            if event is None:
                try:
                    event = hub.wait(queue.take, queue.gate, timeout, "recv")
                except Closed:
                    event = queue.take()  # what came with the end
                    if event is None:
                        raise
            return event

    def __iter__(self) -> Iterator[Event]:
        """Events until the socket is closed."""
        while True:
            try:
                yield self.recv()
            except Closed:
                return
