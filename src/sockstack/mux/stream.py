"""One stream of a mux: its windows in both directions, and its endings. No wire format."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from ..core.errors import LocalProtocolError, SockstackError
from ..core.transport import Link

if TYPE_CHECKING:
    from ..core.hub import Hub
    from ..core.marks import Key
    from .windowed import WindowedMux

__all__ = ["FRAME", "MuxStream"]

T = TypeVar("T")

FRAME = 16384
"""Bytes of a stream that go into one frame."""


class MuxStream(Link):
    """One stream of a mux, the bottom layer of a chain of its own.

    Attributes:
        number: its id on the wire.
        room: bytes that the peer may still send.
        credit: bytes that we may still send.
        end_sent, peer_ended: our output, and the peer's, has ended.
        gone: it was cut or let go of; nothing goes out any more.
        queued: it waits for its turn to send.
    """

    def __init__(self, mux: WindowedMux, number: int) -> None:
        self.number = number
        self.record = mux.stream_record
        self.room = mux.window
        self.credit = mux.initial
        self.end_sent = self.peer_ended = self.gone = self.queued = False
        self._mux = mux
        self._open = self._aborted = False
        # Inwards.
        self._wanted = 0
        self._busy = False
        self._held: deque[bytes] = deque()
        self._fetched = 0  # bytes that went up and were not given back as room
        self._verdict: SockstackError | None = None
        # Outwards.
        self._pending: deque[bytes | memoryview] = deque()
        self._size = 0
        self._blocked = False
        self._ending = False

    @property
    def hub(self) -> Hub:  # type: ignore[override]  # it has none of its own to set
        """Where the stream lives: where its session does."""
        return self._mux.hub

    # From above.

    def open(self) -> None:
        if not self._open:
            self._open = True
            self.above.opened(self.record)
            self._deliver()

    def want(self, n: int) -> None:
        self._wanted = n
        if n:
            self._deliver()

    def send(self, units: Sequence[bytes]) -> None:
        if self.gone:
            return
        if self._mux.ending:
            raise LocalProtocolError(
                "cannot send: the output of the whole session was ended",
                layer=self.name,
                path=self.path,
            )
        if self._ending:
            return
        for unit in units:
            if unit:
                self._pending.append(unit)
                self._size += len(unit)
        self._mux.ready(self)
        if self._size and (self._size > self.credit or self._mux.blocked) and not self._blocked:
            self._blocked = True
            self.hub.need(self, True)
            self.above.writable(False)

    def end(self) -> None:
        if not self._ending and not self.gone:
            self._ending = True
            self._mux.ready(self)

    def abort(self) -> None:
        self._aborted = True
        self._held.clear()
        if not self.gone:
            self._drop()
            self._mux.forget(self)

    @property
    def unsent(self) -> int:
        """Bytes accepted that wait for credit, or for the connection below; an end that waits counts as one.

        Of a dead stream, those that never will go.
        """
        return self._size + (self._ending and not self.end_sent and not self.gone)

    def get(self, key: Key[T]) -> T | None:
        return self._mux.chain.get(key)

    def move(self, hub: Hub) -> None:
        raise LocalProtocolError("a stream lives where its session lives", layer=self.name)

    # From the mux: outwards.

    @property
    def has_more(self) -> bool:
        """Whether it can fill a frame now: with bytes for which it has credit, or with its end."""
        return self.credit > 0 if self._size else self.may_end

    @property
    def may_end(self) -> bool:
        """Whether nothing but its end is left to be told."""
        return self._ending and not self._size and not self.end_sent

    def next_piece(self) -> bytes | memoryview:
        """The next bytes for a frame; none where only the end is left to be told."""
        if not self._size:
            return b""
        first = self._pending.popleft()
        size = min(FRAME, self.credit, len(first))
        if size < len(first):
            view = memoryview(first)
            first = view[:size]
            self._pending.appendleft(view[size:])
        self._size -= size
        self.credit -= size
        return first

    def eased(self) -> None:
        """Frames were written: if nothing waits any more, say so above."""
        if self._blocked and not self._size:
            self._unblock()
            self.above.writable(True)

    # From the mux: inwards.

    def arrived(self, data: bytes) -> None:
        """Bytes for which there was room."""
        if not self._aborted:
            self._held.append(data)
            self._deliver()

    def peer_has_ended(self) -> None:
        """The peer's output has ended."""
        self.peer_ended = True
        self._deliver()

    def cut(self, error: SockstackError) -> None:
        """The stream is dead; what has arrived goes up first."""
        self._drop()
        self._verdict = error.within(self.name, self.path)
        self._deliver()

    # Inside.

    def _deliver(self) -> None:
        """Hand up what is there, if it is wanted; then the end, and what broke the stream."""
        if self._busy or not self._open or self._aborted:
            return
        self._busy = True
        while self._held and self._wanted > 0:
            units = list(self._held)
            self._held.clear()
            self._fetched += sum(map(len, units))
            self.above.receive(units)
        self._busy = False
        if self._fetched * 2 >= self._mux.window and not self.gone and not self.peer_ended:
            self.room += self._fetched
            fetched, self._fetched = self._fetched, 0
            self._mux.make_room(self, fetched)
        if self._held:
            return
        if self.peer_ended and not self.remote_ended:
            self.remote_ended = True
            self.above.ended()
        if self._verdict is not None and not self._aborted:
            verdict, self._verdict = self._verdict, None
            self.above.broken(verdict)

    def _drop(self) -> None:
        self.gone = True
        self._pending.clear()
        self._unblock()

    def _unblock(self) -> None:
        if self._blocked:
            self._blocked = False
            self.hub.need(self, False)
