"""A small mux: many streams over one byte stream, each with a window of its own. For tests, and to read.

Wire layout; numbers are big-endian. Each side begins with eight octets and checks the peer's::

    'S' 'M' 'X' 1   WW WW WW WW           the window of each of its streams, in bytes

Then come frames::

    TT   NN NN NN NN   LL LL LL LL   payload
    type stream        length

====  ======  ==========================================================================================
type  name    meaning
====  ======  ==========================================================================================
0     open    the sender opens the stream; the dialler's have odd ids, the listener's even ones, ascending
1     data    payload, at least a byte, at most what the receiver has room for
2     window  the sender of this frame has room for so many bytes more (payload: 4 octets)
3     end     no more data of the sender's on this stream
4     reset   the stream is dead; the other direction too
====  ======  ==========================================================================================

Frames for a stream that is over are ignored, but data is answered with a reset. There are no pings and no priorities.
"""

from __future__ import annotations

import struct
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.capabilities import STREAM, UNLIMITED, Capabilities, HalfClose, Requirement, Unit
from ..core.errors import PeerAborted, RemoteProtocolError, StackError
from ..core.interfaces import Mux, Stream
from ..core.layer import MANY, Layer
from ..core.spec import Build, Header, Kind, LayerSpec, Role, Spec
from ..mux.windowed import WindowedMux

__all__ = ["SmallMux", "SmallMuxLayer"]

MAGIC = b"SMX\x01"
HELLO = struct.Struct(">4sI")
HEAD = struct.Struct(">BII")
COUNT = struct.Struct(">I")

OPEN, DATA, WINDOW, END, RESET = range(5)
LARGEST_WINDOW = (1 << 31) - 1


@dataclass(frozen=True)
class SmallMux(LayerSpec, Spec[Stream, Mux]):
    """Many streams over one byte stream, opened from either side, each flow-controlled on its own.

    What a peer sends is not trusted: lengths are checked against the window before a byte is kept, streams are counted,
    and whatever breaks the rules ends the session with a declared error, and all its streams with it.

    Args:
        window: bytes that the peer may have under way on each stream, 1 to 2**31 - 1.
        streams: how many may be open at once, those of both sides together. A peer that opens more has them reset.

    Raises:
        StackError: an option is none that works.
    """

    _: KW_ONLY
    window: int = 65536
    streams: int = 1024

    name: ClassVar[str] = "smallmux"
    kind: ClassVar[Kind] = Kind.MUX

    def __post_init__(self) -> None:
        if not 1 <= self.window <= LARGEST_WINDOW:
            raise StackError(
                f"smallmux: a window is 1 to {LARGEST_WINDOW} bytes, not {self.window!r}",
                layer="smallmux",
                field="window",
            )
        if self.streams < 1:
            raise StackError(
                f"smallmux: at least 1 stream, not {self.streams!r}",
                layer="smallmux",
                field="streams",
            )

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(
            HEAD.size,
            unit=Unit.MUX,
            max_unit=UNLIMITED,
            half_close=HalfClose.NATIVE,
            features=below.features - {"fd_pass", "peer_cred", "sp_type_octet", "detach"},
        )

    @property
    def header(self) -> tuple[Header, ...]:
        return (
            Header("hello", HELLO.size, "'SMX', version 1, window", once=True),
            Header("type", 1, "open, data, window, end, reset"),
            Header("stream", 4, "odd: opened by the dialler"),
            Header("length", 4, "of the payload, big-endian"),
        )

    def build(self, build: Build) -> Layer:
        return SmallMuxLayer(self, build.role is Role.DIALER)


class SmallMuxLayer(WindowedMux):
    """The layer of :class:`SmallMux`: how its frames are written and read."""

    def __init__(self, spec: SmallMux, odd: bool) -> None:
        super().__init__(spec.window, spec.streams, odd)
        self._spec = spec
        self._greeted = False

    def opened(self, record: Capabilities) -> None:
        self._record = self._spec.derive(record)
        self.stream_record = self._record.but(unit=Unit.STREAM)
        self.below.want(MANY)
        self.below.send([HELLO.pack(MAGIC, self.window)])

    def ended(self) -> None:
        if self._greeted:
            super().ended()
        else:
            self.fail(PeerAborted("the peer left before it had said what it is"))

    def open_frame(self, number: int) -> bytes:
        return HEAD.pack(OPEN, number, 0)

    def data_head(self, number: int, size: int) -> bytes:
        return HEAD.pack(DATA, number, size)

    def window_frame(self, number: int, size: int) -> bytes:
        return HEAD.pack(WINDOW, number, COUNT.size) + COUNT.pack(size)

    def end_frame(self, number: int) -> bytes:
        return HEAD.pack(END, number, 0)

    def reset_frame(self, number: int) -> bytes:
        return HEAD.pack(RESET, number, 0)

    def parse(self, data: bytes, pos: int) -> int:
        if not self._greeted:
            return self._parse_hello(data, pos)
        end = pos + HEAD.size
        if len(data) < end:
            return pos
        kind, number, size = HEAD.unpack_from(data, pos)
        if kind == DATA and size:
            self.payload(number, size)
        elif kind == WINDOW and size == COUNT.size:
            if len(data) < end + COUNT.size:
                return pos
            self.more_credit(number, COUNT.unpack_from(data, end)[0])
            end += COUNT.size
        elif size or kind not in (OPEN, END, RESET):
            self.fail(RemoteProtocolError(f"a frame of type {kind} with {size} bytes"))
        elif kind == OPEN:
            self.incoming(number)
        elif kind == END:
            self.peer_ended(number)
        else:
            self.peer_reset(number)
        return end

    def _parse_hello(self, data: bytes, pos: int) -> int:
        if not MAGIC.startswith(data[: len(MAGIC)]):
            self.fail(RemoteProtocolError(f"the peer is no SmallMux: it began with {data[:8]!r}"))
        elif len(data) >= HELLO.size:
            self.initial = HELLO.unpack_from(data)[1]
            self._greeted = True
            self.above.opened(self._record)
            return pos + HELLO.size
        return pos
