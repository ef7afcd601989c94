"""What patterns share that send to all their pipes: PUB, BUS, STAR and SURVEYOR.

Such a socket never waits for a peer. Each pipe has a queue of its own for what it does not take at once, and what finds
no room there is dropped and counted (:attr:`~sockstack.core.head.Stats.shed`): one slow peer costs the others nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..core.errors import StackError
from ..core.filtering import FilterChain
from ..core.framing import Shared, size_of
from ..core.head import Head, Stats
from ..core.hub import Timing
from ..core.junction import Pipe
from ..core.layer import Chunks
from .base import Raw
from .batches import BATCH, front

__all__ = ["SEND_BUFFER", "FanOut", "FanOutHead", "check_buffer"]

SEND_BUFFER = 1024
"""Messages that wait for one pipe, unless told otherwise. NNG has 16, and sends one at a time; messages here go out in
batches of a hundred and more, each of which would fill that queue several times over as soon as a pipe pauses."""


def check_buffer(name: str, field: str, size: int) -> None:
    """Refuse a queue without room.

    Raises:
        StackError: it is less than one message.
    """
    if size < 1:
        raise StackError(
            f"{name}: {field} is 1 message or more, not {size!r}", layer=name, field=field
        )


class FanOut(Raw):
    """A raw half that sends to all pipes.

    A subclass with ``keeps_newest`` drops the oldest message of a full queue, one without drops the new one.
    """

    def __init__(
        self, env: Timing, filters: FilterChain | None, stats: Stats, send_buffer: int
    ) -> None:
        super().__init__(env, filters, stats)
        self.depth = send_buffer

    def spread(self, units: Sequence[Chunks], but: Pipe | None = None) -> None:
        """Hand a batch, not an empty one, to every pipe, or to every pipe ``but`` one: the same object to all of them.

        Without any pipe it is dropped, and counted as unheard.

        Raises:
            Closed: the socket is closed.
        """
        if not self.pipes:
            self.check()
            self.stats.unheard += len(units)
            return
        pipes = [pipe for pipe in self.pipes.values() if pipe is not but]
        for piece in pieces(units):
            count = len(piece)
            if len(pipes) > 1:
                piece = Shared(piece)
            for pipe in pipes:
                if pipe.alive:  # what was sent to one may be the end of any
                    if pipe.ready:
                        pipe.sent += count
                        pipe.below.send(piece)
                    else:
                        self.give(pipe, piece)

    def put(self, header: bytes, body: Chunks) -> bool:
        self.spread((body,))
        return True

    @property
    def can_put(self) -> bool:
        return True

    def writable(self, pipe: Pipe) -> None:
        backlog = pipe.backlog
        while backlog and pipe.ready and pipe.alive:
            units = front(backlog)
            pipe.sent += len(units)
            pipe.below.send(units)
        if pipe.ready:
            self.head.sendable.open()


def pieces(units: Sequence[Chunks]) -> Sequence[Sequence[Chunks]]:
    """A batch in pieces of at most :data:`~.batches.BATCH` bytes, or one message."""
    if len(units) == 1 or sum(map(size_of, units)) <= BATCH:
        return (units,)
    queue = deque(units)
    shares = []
    while queue:
        shares.append(front(queue))
    return shares


class FanOutHead(Head):
    """The sending half of a head that takes any message at any time, for all pipes."""

    _raw: FanOut

    @property
    def bursts(self) -> bool:
        return self._raw.infallible

    @property
    def can_send(self) -> bool:
        return True

    def offer(self, body: bytes) -> bool:
        self._spread((body,))
        return True

    def offer_many(self, bodies: Sequence[bytes]) -> int:
        # A layer may keep the batch, and the list is the caller's.
        return self._spread(tuple(bodies)) if bodies else 0

    def _spread(self, units: Sequence[Chunks]) -> int:
        """Send from the front of a batch up to the first that a filter refuses; how many."""
        raw = self._raw
        if raw.filters is not None:
            units = raw.filters.encode_front(units)
        count = len(units)
        raw.spread(self._worded(units))
        raw.stats.sent += count
        return count

    def _worded(self, units: Sequence[Chunks]) -> Sequence[Chunks]:
        """The messages with the words that the protocol puts in front."""
        return units
