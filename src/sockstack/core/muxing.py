"""What all muxes with windows share: streams, credit in bytes, turns at the connection below, and endings.

A mux of this kind is a wire format: it says how the five things are written that streams tell each other, reads what the
peer writes, and calls the methods here. See :class:`sockstack.testing.SmallMux` for the least that does it.

Each stream has a window in each direction. A sender never has more bytes on the way than the receiver's application has
made room for, so a slow reader stops its own stream only, and memory is bounded by the sum of the windows. Streams that
have something to send take turns, a frame each.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from .capabilities import Capabilities
from .errors import Closed, LocalProtocolError, PeerAborted, RemoteProtocolError, SockstackError
from .layer import MANY
from .mux import MuxLayer
from .transport import Link

if TYPE_CHECKING:
    from .hub import Hub
    from .marks import Key

__all__ = ["FRAME", "MuxStream", "WindowedMux"]

T = TypeVar("T")

FRAME = 16384
"""Bytes of a stream's data that go into one frame."""

BATCH = 65536
"""Bytes that are handed down together."""

CONTROL = 65536
"""Bytes of frames without data that may wait because the peer does not read. One that goes on sending is cut off."""


class MuxStream(Link):
    """One stream of a mux, the bottom layer of a chain of its own.

    Attributes:
        number: its id on the wire.
        room: bytes that the peer may still send.
        credit: bytes that we may still send.
    """

    def __init__(self, mux: WindowedMux, number: int, credit: int) -> None:
        self.number = number
        self.record = mux.stream_record
        self.room = mux.window
        self.credit = credit
        self._mux = mux
        self._wanted = 0
        self._open = False
        self._busy = False
        # Inwards.
        self._held: deque[bytes] = deque()
        self._fetched = 0  # bytes that went up and were not given back to the peer as room
        self._verdict: SockstackError | None = None
        # Outwards.
        self._pending: deque[bytes | memoryview] = deque()
        self._size = 0
        self._blocked = False
        self._ending = False
        self.end_sent = False
        self.peer_ended = False
        self.gone = False

    @property
    def hub(self) -> Hub:  # type: ignore[override]  # where the session lives, wherever that moves
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
        if n and not self._busy:
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
        waited = self._size
        for unit in units:
            if unit:
                self._pending.append(unit)
                self._size += len(unit)
        if self._size and not waited:
            self._mux.ready(self)
        if self._size > self.credit or (self._size and self._mux.blocked):
            self._block()

    def end(self) -> None:
        if not self._ending and not self.gone:
            self._ending = True
            if not self._size:
                self._mux.ready(self)

    def abort(self) -> None:
        if self.gone:
            return
        mux, unfinished = self._mux, not self.end_sent
        self._drop()
        self._held.clear()
        mux.forget(self, unfinished)

    @property
    def unsent(self) -> int:
        """Bytes accepted that wait for credit, or for the connection below."""
        return self._size

    def get(self, key: Key[T]) -> T | None:
        return self._mux.session.get(key)

    def move(self, hub: Hub) -> None:
        if hub is not self.hub:
            raise LocalProtocolError("a stream lives where its session lives", layer=self.name)

    # From the mux: outwards.

    @property
    def has_more(self) -> bool:
        """Whether it has something to put into a frame now: bytes and credit for them, or its end."""
        if self._size:
            return self.credit > 0
        return self._ending and not self.end_sent

    def next_piece(self, most: int) -> bytes | memoryview:
        """The next bytes for a frame; none: only the end is left to be told."""
        if not self._size:
            return b""
        first = self._pending[0]
        size = min(most, self.credit, len(first))
        if size == len(first):
            piece = self._pending.popleft()
        else:
            view = memoryview(first)
            piece, self._pending[0] = view[:size], view[size:]
        self._size -= size
        self.credit -= size
        return piece

    def eased(self) -> None:
        """Frames were written: say so above if all is gone that was waiting."""
        if self._blocked and not self._size and not self._mux.blocked:
            self._blocked = False
            self.hub.need(self, False)
            if not self._ending:
                self.above.writable(True)

    def stop(self) -> None:
        """The session ends its output: so does the stream, behind what it has accepted."""
        self.end()

    # From the mux: inwards.

    def arrived(self, data: bytes) -> None:
        """Bytes of the peer's, for which there was room."""
        self._held.append(data)
        self._deliver()

    def ended_by_peer(self) -> None:
        """The peer has ended its output."""
        self.peer_ended = True
        self._deliver()

    def cut(self, error: SockstackError) -> None:
        """The stream is dead; what has arrived goes up first."""
        if not self.gone:
            self._drop()
            self._verdict = error.within(self.name, self.path)
            self._deliver()

    def _drop(self) -> None:
        """Nothing goes out any more."""
        self.gone = True
        self._pending.clear()
        self._size = 0
        if self._blocked:
            self._blocked = False
            self.hub.need(self, False)

    def _block(self) -> None:
        if not self._blocked:
            self._blocked = True
            self.hub.need(self, True)
            self.above.writable(False)

    def _deliver(self) -> None:
        """Hand up what is there, if it is wanted; then the end, or what broke the stream."""
        if self._busy or not self._open:
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
        if self._verdict is not None:
            verdict, self._verdict = self._verdict, None
            self.above.broken(verdict)
        elif self.peer_ended and not self.remote_ended and not self.gone:
            self.remote_ended = True
            self.above.ended()


class WindowedMux(MuxLayer):
    """Base of muxes whose streams have windows. A subclass reads and writes the frames.

    It calls, as it reads: :meth:`incoming` for a stream that the peer opens; of a stream in :attr:`streams`,
    :meth:`MuxStream.arrived`, :meth:`ended` … by :meth:`peer_ended`, :meth:`peer_reset` and :meth:`more_credit`;
    and :meth:`Layer.fail` where the peer breaks the rules.

    Args:
        window: bytes that each peer's stream may have under way to us.
        limit: streams that may be open at once, both sides' together.
        first, second: the lowest id of the streams that we, and that the peer, opens; ids go up in twos.

    Attributes:
        streams: those that are not over, by id.
        stream_record: what streams promise; set when the layer below has opened.
        initial: credit that we have on a fresh stream.
        blocked: the connection below takes no more for now.
        ending: the output of the session was ended.
    """

    session = True
    stream_record: Capabilities

    def __init__(self, window: int, limit: int, first: int, second: int) -> None:
        self.window = window
        self.streams: dict[int, MuxStream] = {}
        self.initial = window
        self.blocked = False
        self.ending = False
        self._limit = limit
        self._next = first
        self._expected = second
        self._ring: deque[MuxStream] = deque()
        self._control: list[bytes] = []
        self._control_size = 0
        self._flushing = False
        self._dead = False

    # The wire format: one frame each.

    @abstractmethod
    def open_frame(self, stream: MuxStream) -> bytes:
        """Tells the peer of a stream that we open; may be empty if the first data does."""

    @abstractmethod
    def data_head(self, stream: MuxStream, size: int) -> bytes:
        """What stands before ``size`` bytes of a stream."""

    @abstractmethod
    def window_frame(self, stream: MuxStream, size: int) -> bytes:
        """Gives the peer room for ``size`` bytes more."""

    @abstractmethod
    def end_frame(self, stream: MuxStream) -> bytes:
        """Our output on the stream has ended."""

    @abstractmethod
    def reset_frame(self, number: int) -> bytes:
        """The stream is dead on our side."""
