"""What all muxes with windows share: streams, credit in bytes, turns at the connection below, and endings.

Such a mux is a wire format: it says how the things are written that the two ends of a stream tell each other, and reads
what the peer writes (:class:`sockstack.testing.SmallMux` is the least that does it). All else is here.

Each stream has a window in each direction: a sender has no more bytes on the way than the receiver's application has
made room for. So a slow reader stops its own stream only, and memory is bounded by the sum of the windows. Streams that
have something to send take turns, a frame each.
"""

from __future__ import annotations

from collections import deque

from ..core.capabilities import Capabilities
from ..core.errors import (
    Closed,
    LocalProtocolError,
    PeerAborted,
    RemoteProtocolError,
    SockstackError,
)
from ..core.mux import MuxLayer
from ..core.transport import Link
from .stream import MuxStream

__all__ = ["WindowedMux"]

BATCH = 65536
"""Bytes that are handed down together."""

UNREAD = 65536
"""Bytes of frames without data that may wait for a peer that does not read. One that still sends then is cut off."""

MOST_CREDIT = (1 << 31) - 1
"""Bytes of credit on one stream; a peer that gives more has lost count."""


class WindowedMux(MuxLayer):
    """Base of muxes whose streams have windows. A subclass writes the frames and reads their heads.

    Args:
        window: bytes that the peer may have under way to us on each stream.
        limit: streams that may be open at once, those of both sides together.
        odd: whether the ids of the streams that we open are odd; the peer's are the other ones.

    Attributes:
        streams: those that are not over, by id.
        stream_record: what streams promise; a subclass sets it when the layer below has opened.
        initial: credit on a fresh stream; a subclass sets it when it knows the peer's window.
        blocked: the connection below takes no more for now.
        ending: the output of the session was ended.
    """

    session = True
    stream_record: Capabilities

    def __init__(self, window: int, limit: int, odd: bool) -> None:
        self.window = window
        self.initial = window
        self.streams: dict[int, MuxStream] = {}
        self.blocked = False
        self.ending = False
        self._limit = limit
        self._next = [2, 1]  # the lowest even and odd id that was not used
        self._ours = int(odd)
        # Reading.
        self._rest = b""
        self._left = 0
        self._last = False
        self._target: MuxStream | None = None
        # Writing.
        self._ring: deque[MuxStream] = deque()
        self._frames: list[bytes] = []
        self._frames_size = 0
        self._busy = False
        self._ended = False
        self._dead = False

    # The wire format. A subclass has these, and calls what comes after them.

    def open_frame(self, number: int) -> bytes:
        """We open a stream. Empty where its first data says so."""
        raise NotImplementedError

    def data_head(self, number: int, size: int) -> bytes:
        """What stands before ``size`` bytes of a stream."""
        raise NotImplementedError

    def window_frame(self, number: int, size: int) -> bytes:
        """The peer may send ``size`` bytes more."""
        raise NotImplementedError

    def end_frame(self, number: int) -> bytes:
        """Our output on the stream has ended."""
        raise NotImplementedError

    def reset_frame(self, number: int) -> bytes:
        """The stream is dead on our side."""
        raise NotImplementedError

    def parse(self, data: bytes, pos: int) -> int:
        """Read the head of the frame at ``pos``; where it ends, or ``pos`` if it is not all there."""
        raise NotImplementedError

    # For ``parse``.

    def incoming(self, number: int) -> None:
        """The peer opens a stream."""
        ours = number % 2 == self._ours
        if ours or number < self._next[number % 2]:
            self.fail(RemoteProtocolError(f"the peer opened stream {number}, which it may not"))
            return
        self._next[number % 2] = number + 2
        if len(self.streams) >= self._limit or self.ending:
            self._say(self.reset_frame(number))
            return
        stream = self.streams[number] = MuxStream(self, number)
        self.on_stream(stream)

    def payload(self, number: int, size: int, last: bool = False) -> None:
        """The next ``size`` bytes belong to a stream, and it ends with them if they are the ``last``."""
        stream = self.find(number)
        if stream is None:
            if not self._dead:
                self._say(self.reset_frame(number))  # it is gone, and the peer seems not to know
        elif stream.peer_ended:
            self.fail(RemoteProtocolError(f"the peer sent on stream {number} after its end"))
        elif size > stream.room:
            what = (
                f"the peer sent {size} bytes on stream {number}, which has room for {stream.room}"
            )
            self.fail(RemoteProtocolError(what))
        else:
            stream.room -= size
        self._target, self._left, self._last = stream, size, last
        if not size:
            self._payload_read()

    def more_credit(self, number: int, size: int) -> None:
        """We may send ``size`` bytes more."""
        stream = self.find(number)
        if stream is None:
            return
        stream.credit += size
        if stream.credit > MOST_CREDIT:
            self.fail(RemoteProtocolError(f"the peer gave stream {number} too much credit"))
        else:
            self.ready(stream)

    def peer_ended(self, number: int) -> None:
        """The peer's output on the stream has ended."""
        stream = self.find(number)
        if stream is None:
            return
        if stream.peer_ended:
            self.fail(RemoteProtocolError(f"the peer ended stream {number} twice"))
            return
        if stream.end_sent:
            del self.streams[number]
        stream.peer_has_ended()

    def peer_reset(self, number: int) -> None:
        """The stream is dead at the peer's side."""
        stream = self.find(number)
        if stream is not None:
            del self.streams[number]
            stream.cut(PeerAborted("the peer reset the stream"))

    def find(self, number: int) -> MuxStream | None:
        """A live stream; None where it is over, and where there never was one, which is the end of the session."""
        stream = self.streams.get(number)
        if stream is None and not 0 < number < self._next[number % 2]:
            self.fail(
                RemoteProtocolError(f"the peer wrote of stream {number}, which nobody opened")
            )
        return stream

    # From streams.

    def ready(self, stream: MuxStream) -> None:
        """The stream may have something for a frame."""
        if not stream.queued and stream.has_more:
            stream.queued = True
            self._ring.append(stream)
        self._flush()

    def make_room(self, stream: MuxStream, size: int) -> None:
        """The stream's application has fetched so many bytes."""
        self._say(self.window_frame(stream.number, size))

    def forget(self, stream: MuxStream) -> None:
        """The stream was let go of. The peer is told if it waits for more; else only if it still sends."""
        if self.streams.pop(stream.number, None) is not None and not stream.end_sent:
            self._say(self.reset_frame(stream.number))

    # From above.

    def open_stream(self) -> Link:
        if self.ending or self._dead:
            what = "the session is over"
        elif len(self.streams) >= self._limit:
            what = f"the session has {self._limit} streams open already, as many as it may"
        elif self._next[self._ours] >= 1 << 32:
            what = "the session has used up its stream ids; begin another"
        else:
            number = self._next[self._ours]
            self._next[self._ours] = number + 2
            stream = self.streams[number] = MuxStream(self, number)
            self._say(self.open_frame(number))
            return stream
        raise LocalProtocolError(f"cannot open a stream: {what}", layer=self.name, path=self.path)

    def want(self, n: int) -> None:
        """The credit that counts is each stream's own."""

    def end(self) -> None:
        """All streams end, each behind what it has accepted; then the connection below does."""
        if not self.ending:
            for stream in list(self.streams.values()):
                stream.end()
            self.ending = True
            self._flush()

    def abort(self) -> None:
        self.below.abort()
        self._close(Closed("the session was closed"))

    @property
    def unsent(self) -> int:
        return self._frames_size + sum(stream.unsent for stream in self.streams.values())

    # From below.

    def receive(self, units: list[bytes]) -> None:
        data = self._rest + b"".join(units)
        pos = 0
        busy, self._busy = self._busy, True  # what this leads to is written together
        try:
            while pos < len(data) and not self._dead:
                if self._left:
                    piece = data[pos : pos + self._left]
                    pos += len(piece)
                    self._left -= len(piece)
                    if self._target is not None:
                        self._target.arrived(piece)
                    if not self._left:
                        self._payload_read()
                else:
                    start, pos = pos, self.parse(data, pos)
                    if pos == start:
                        break
        finally:
            self._busy = busy
        self._rest = data[pos:]
        self._flush()

    def writable(self, flag: bool) -> None:
        self.blocked = not flag
        if flag:
            self._flush()
        self.above.writable(flag)

    def ended(self) -> None:
        if self._rest or self._left:
            self.fail(PeerAborted("the session ended in the middle of a frame"))
            return
        self.ending = True
        for stream in list(self.streams.values()):
            if stream.peer_ended and not stream.unsent:
                del self.streams[stream.number]  # its reader finds the end; who sends is refused
                stream.end_sent = True
        self._cut_all(PeerAborted("the session ended before the stream did"))
        self._flush()
        self.above.ended()

    def broken(self, error: SockstackError) -> None:
        self.above.broken(error)
        self._close(error)

    def fail(self, error: SockstackError) -> None:
        if not self._dead:
            error.within(self.name, self.path)
            self.below.abort()
            self.broken(error)

    # Inside.

    def _payload_read(self) -> None:
        stream, self._target = self._target, None
        if self._last and stream is not None:
            self.peer_ended(stream.number)

    def _close(self, error: SockstackError) -> None:
        """The session is dead, and all its streams are."""
        self.ending = self._dead = True
        self._frames.clear()
        self._frames_size = 0
        self._cut_all(error)

    def _cut_all(self, error: SockstackError) -> None:
        self._ring.clear()
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            stream.cut(error.again())

    def _say(self, frame: bytes) -> None:
        """Write a frame without data, before all data that waits."""
        if self._dead or self._ended:
            return
        self._frames.append(frame)
        self._frames_size += len(frame)
        if self.blocked and self._frames_size > UNREAD:
            self.fail(RemoteProtocolError("the peer sends, and does not read what it causes"))
        else:
            self._flush()

    def _flush(self) -> None:
        """Write what is ready, until the connection below takes no more."""
        if self._busy:
            return
        self._busy = True
        try:
            while not self.blocked and not self._dead and (self._frames or self._ring):
                self._write_batch()
        finally:
            self._busy = False
        if self.ending and not self._ended and not self._dead and not self.unsent:
            self._ended = True
            self.below.end()
            self.above.writable(True)  # for those who wait until all is written

    def _write_batch(self) -> None:
        """Hand one batch down: frames without data first, then a frame for each stream in turn."""
        out: list[bytes | memoryview] = [*self._frames]
        size = self._frames_size
        self._frames.clear()
        self._frames_size = 0
        served: list[MuxStream] = []
        while self._ring and size < BATCH:
            stream = self._ring.popleft()
            stream.queued = False
            if stream.gone or not stream.has_more:
                continue
            piece = stream.next_piece()
            if piece:
                out += (self.data_head(stream.number, len(piece)), piece)
                size += len(piece)
            if stream.may_end:
                out.append(self.end_frame(stream.number))
                stream.end_sent = True
                if stream.peer_ended:
                    del self.streams[stream.number]
            elif stream.has_more:
                stream.queued = True
                self._ring.append(stream)
            served.append(stream)
        if out:
            self.below.send([b"".join(out)])
        for stream in served:
            stream.eased()
