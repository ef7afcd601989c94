"""A receiving head with a queue of messages, bounded, for patterns that drop rather than stop their peers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..core.head import Head, Message
from ..core.junction import Pipe
from .base import Raw

__all__ = ["RECV_BUFFER", "RECV_BYTES", "Mailbox"]

RECV_BUFFER = 8192
"""Messages that wait to be received, unless told otherwise."""

RECV_BYTES = 64 << 20
"""Bytes that wait to be received, however few messages they are. One message always fits."""


class Mailbox(Head):
    """A head whose messages wait here, at most ``size``; beyond that the oldest are dropped, or the new ones.

    Beyond :data:`RECV_BYTES` they are, too. Not counted are the bytes of a batch that came when none waited, which
    costs nothing where a reader keeps up, nor those in the inbox.

    Batches wait as they came. The oldest is moved to the inbox, where any thread may take messages without the hub's
    lock. All else happens under the lock, and allows for that: the inbox is only touched by ``append``, ``pop`` and
    their like, each of which is one step; to find it empty where it was not is a case like any other; and messages that
    have to be looked at are taken out from the newest on, so that those who take the oldest meanwhile keep the order.
    """

    _raw: Raw

    def __init__(self, raw: Raw, size: int, prefer_new: bool) -> None:
        super().__init__()
        self._raw = raw
        self._size = size
        self._prefer_new = prefer_new
        self._batches: deque[tuple[Pipe, list[bytes], int]] = deque()
        self._waiting = 0
        self._bytes = 0
        self._pipe: Pipe | None = None

    @property
    def can_recv(self) -> bool:
        return bool(self.inbox) or bool(self._batches)

    def deliver(self, pipe: Pipe, bodies: list[bytes]) -> None:
        """Queue a batch, not an empty one, and drop what is too much. The list is kept and not changed."""
        count = len(bodies)
        size = self._count(bodies)
        full = (
            self._waiting + len(self.inbox) + count > self._size or self._bytes + size > RECV_BYTES
        )
        if full and not self._prefer_new:
            bodies = self._fitting(bodies)
            self._raw.stats.overrun += count - len(bodies)
            if not bodies:
                return
            count, size = len(bodies), self._count(bodies)
        self._batches.append((pipe, bodies, size))
        self._waiting += count
        self._bytes += size
        self._raw.stats.received += count
        if full and self._prefer_new:
            self._drop_oldest()
        self.receivable.open()

    def sift(self, choose: Callable[[list[bytes]], list[bytes]]) -> int:
        """Keep of each batch what ``choose`` gives; how many messages were dropped."""
        newest_first: list[bytes] = []
        while True:
            try:
                newest_first.append(self.inbox.pop())
            except IndexError:
                break
        before = len(newest_first) + self._waiting
        kept = choose(newest_first[::-1])
        self.inbox.extend(kept)
        batches, self._batches = self._batches, deque()
        self._waiting = self._bytes = 0
        for pipe, bodies, _ in batches:
            if bodies := choose(bodies):
                size = self._count(bodies)
                self._batches.append((pipe, bodies, size))
                self._waiting += len(bodies)
                self._bytes += size
        dropped = before - len(kept) - self._waiting
        self._raw.stats.received -= dropped
        return dropped

    def clear(self) -> None:
        """Drop everything."""
        self.inbox.clear()
        self._batches.clear()
        self._waiting = self._bytes = 0

    def take(self) -> bytes | None:
        while True:
            try:
                return self.inbox.popleft()
            except IndexError:
                if not self._refill():
                    return None

    def take_many(self, most: int) -> list[bytes] | None:
        pop = self.inbox.popleft
        bodies: list[bytes] = []
        while len(bodies) < most:
            try:
                bodies.append(pop())
            except IndexError:
                if not self._refill():
                    break
        return bodies or None

    def take_message(self) -> Message | None:
        body = self.take()
        if body is None:
            return None
        assert self._pipe is not None
        return Message(body, b"", self._pipe.id)

    def _refill(self) -> bool:
        """Move the oldest batch to the inbox, which is empty; False if there is none."""
        if not self._batches:
            if self.closed:
                self.check()
            self._raw.check()
            return False
        self._pipe, bodies, size = self._batches.popleft()
        self._waiting -= len(bodies)
        self._bytes -= size
        self.inbox.extend(bodies)
        return True

    def _count(self, bodies: list[bytes]) -> int:
        """The bytes of a batch, to be kept beside those that wait."""
        return sum(map(len, bodies)) if self._batches else 0

    def _fitting(self, bodies: list[bytes]) -> list[bytes]:
        """Those of a batch, each by itself, that find room."""
        room = self._size - self._waiting - len(self.inbox)
        space = RECV_BYTES - self._bytes
        kept: list[bytes] = []
        for body in bodies:
            if len(kept) >= room:
                break
            if len(body) <= space or not self._batches:
                kept.append(body)
                space -= len(body)
        return kept

    def _drop_oldest(self) -> None:
        inbox = self.inbox
        dropped = 0
        while self._waiting + len(inbox) > self._size or self._bytes > RECV_BYTES:
            try:
                inbox.popleft()
            except IndexError:
                self._refill()
            else:
                dropped += 1
        self._raw.stats.overrun += dropped
        self._raw.stats.received -= dropped
