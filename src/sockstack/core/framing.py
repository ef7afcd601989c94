"""What all framers share: credit, the undecoded remainder, large units, and the order of good units and endings."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from .errors import PeerAborted, SockstackError
from .layer import MANY, Chunks, Layer

__all__ = ["JOIN_BELOW", "Framer", "LengthFramer", "Shared", "size_of"]

JOIN_BELOW = 8192
"""Units below this many bytes are joined with their headers; larger ones are handed on chunk by chunk."""


def size_of(unit: Chunks) -> int:
    """Bytes of a unit on its way down."""
    return sum(map(len, unit)) if type(unit) is tuple else len(unit)


class Shared(tuple[Chunks, ...]):
    """A batch on its way to many pipes. What one framer makes of it serves all that frame alike."""

    framed: dict[Hashable, Sequence[bytes]]

    def __new__(cls, units: Iterable[Chunks]) -> Shared:
        batch = super().__new__(cls, units)
        batch.framed = {}
        return batch


SMALL_PIECE = 4096
"""Bytes below which pieces of a large unit are collected in one buffer."""


KEPT = 4
"""How many times the size of a large unit the C library should keep when it is freed, and not give back."""

MOST_KEPT = (32 << 20) - (64 << 10)
"""Bytes of the largest block that it can be taught to keep."""


class FreedMemory:
    """Has the C library reuse the memory of large units, where it would return it to the system after each one.

    To get it back costs a page fault for every 4 KiB, together several times what it takes to copy them. The library of
    GNU learns from the largest block that it has seen freed, so it is shown one; nobody touches that, and it costs
    next to nothing. Elsewhere this does nothing.

    Attributes:
        shown: bytes of the largest block so far.
    """

    def __init__(self) -> None:
        self.shown = KEPT * (64 << 10)  # up to there nothing is given back

    def keep(self, size: int) -> None:
        """A unit of ``size`` bytes has come; more like it may follow."""
        wanted = min(size * KEPT, MOST_KEPT)
        if wanted > self.shown:
            self.shown = wanted
            bytes(wanted)


freed_memory = FreedMemory()


class Framer(Layer):
    """Bytes below, units above. A subclass gives :meth:`parse` and ``send``; the rest is here.

    The remainder is one ``bytes`` object and a position in it. A unit whose length is known and whose bytes have not
    all arrived is collected in pieces, so that memory follows what arrives and not what is claimed.
    """

    def __init__(self) -> None:
        self._wanted = 0
        self._reading = False
        self._busy = False
        self._data = b""
        self._pos = 0
        self._header = 0
        self._head = b""
        self._parts: list[bytes | bytearray] = []
        self._missing = 0
        self._fault: SockstackError | None = None
        self.holds_end = False
        self._verdict: SockstackError | None = None

    def parse(self, data: bytes, pos: int, units: list[bytes], room: int) -> int:
        """Append up to ``room`` complete units found in ``data`` from ``pos`` on to ``units``; give the new position.

        The new position is where the first unit begins that was not taken. If its length is known, call
        :meth:`incomplete`; if it breaks the rules, call :meth:`refuse`.
        """
        raise NotImplementedError

    def incomplete(self, header: int, size: int) -> None:
        """For ``parse``: the next unit has ``header`` bytes, which are there, and ``size`` more, which are not all."""
        self._header = header
        self._missing = header + size

    def refuse(self, error: SockstackError) -> None:
        """For ``parse``: the peer broke the rules here. The units before it are delivered first."""
        self._fault = error

    def want(self, n: int) -> None:
        self._wanted = n
        if self._busy:
            return
        if n and (self._data or self.holds_end):
            self._pump()
        if (self._wanted > 0) is not self._reading:
            self._steer()

    def receive(self, units: list[bytes]) -> None:
        data = units[0] if len(units) == 1 else b"".join(units)
        if self._missing:
            self._collect(data)
            if self._missing:
                return
        elif self._data:
            self._data = self._data[self._pos :] + data
            self._pos = 0
        else:
            self._data = data
        self._pump()
        if (self._wanted > 0) is not self._reading:
            self._steer()

    def ended(self) -> None:
        self.holds_end = True
        self._pump()

    def broken(self, error: SockstackError) -> None:
        self._verdict = error
        self.holds_end = True
        self._pump()
        if self.holds_end:  # units wait to be asked for; meanwhile nobody can be told anything
            self.above.writable(False)

    def abort(self) -> None:
        self.leftover()
        self.holds_end = False
        self._wanted = 0  # this may come from inside ``opened``, with units still to be parsed
        self.below.abort()

    def detachable(self) -> str | None:
        return None

    def leftover(self) -> list[bytes]:
        data = self._head + b"".join(self._parts) + self._data[self._pos :]
        self._head, self._parts, self._missing = b"", [], 0
        self._data, self._pos = b"", 0
        return [data] if data else []

    def _collect(self, data: bytes) -> None:
        """Add to the large unit that is under way. When it is complete, deliver it if there is credit."""
        missing = self._missing
        if len(data) < missing:
            self._keep(data)
            self._missing = missing - len(data)
            return
        self._parts.append(data if len(data) == missing else data[:missing])
        rest = data[missing:]
        unit = b"".join(self._parts)
        head, self._head, self._parts, self._missing = self._head, b"", [], 0
        freed_memory.keep(len(unit))
        if self._wanted > 0:
            self._wanted -= 1
            self._data, self._pos = rest, 0
            self._busy = True
            self.above.receive([unit])
            self._busy = False
        else:
            self._data, self._pos = head + unit + rest, 0

    def _keep(self, data: bytes) -> None:
        """Add a piece of the large unit. Small ones share a buffer: an object for each costs many times its size."""
        parts = self._parts
        if len(data) >= SMALL_PIECE:
            parts.append(data)
        elif parts and isinstance(parts[-1], bytearray):
            parts[-1] += data
        else:
            parts.append(bytearray(data))

    def _pump(self) -> None:
        """Decode what is there within the credit, then let a fault or an ending through."""
        self._busy = True
        while self._data and self._wanted > 0:
            units: list[bytes] = []
            data = self._data
            pos = self.parse(data, self._pos, units, self._wanted)
            if self._missing:
                self._begin(pos)
            elif pos == len(data):
                self._data, self._pos = b"", 0
            else:
                self._pos = pos
            if units:
                self._wanted -= len(units)
                self.above.receive(units)
            if self._fault is not None or not units:
                break
        self._busy = False
        if self._fault is not None:
            fault, self._fault = self._fault, None
            self.leftover()  # what follows the fault means nothing, and is not looked at again
            self.fail(fault)
        elif self.holds_end and (self._wanted > 0 or not self._data):
            self._finish()

    def _begin(self, pos: int) -> None:
        """Start to collect a large unit whose header is at ``pos``."""
        header = self._header
        self._head = self._data[pos : pos + header]
        part = self._data[pos + header :]
        self._data, self._pos = b"", 0
        self._parts.append(part)
        self._missing -= header + len(part)

    def _finish(self) -> None:
        """Everything decodable has gone up: pass the ending on."""
        self.holds_end = False
        cut = len(self._head) + sum(map(len, self._parts)) + len(self._data) - self._pos
        if self._verdict is not None:
            self.above.broken(self._verdict)
        elif cut:
            self.fail(PeerAborted(f"the peer ended in the middle of a unit, {cut} bytes into it"))
        else:
            self.above.ended()

    def _steer(self) -> None:
        """Ask the layer below for bytes exactly while there is credit above."""
        self._reading = self._wanted > 0
        self.below.want(MANY if self._reading else 0)


class LengthFramer(Framer):
    """A framer whose units stand behind a header that tells their length: the way down is the same for all."""

    framing: Hashable = None
    """Equal for layers that frame alike, so that a :class:`Shared` batch is framed once for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._last_size = -1
        self._last_head = b""

    def head(self, size: int) -> bytes:
        """The header of a unit of ``size`` bytes."""
        raise NotImplementedError

    def send(self, units: Sequence[Chunks]) -> None:
        if type(units) is Shared and self.framing is not None:
            framed = units.framed.get(self.framing)
            if framed is None:
                framed = units.framed[self.framing] = self._frame(units)
            self.below.send(framed)
        elif len(units) == 1:
            self._send_one(units)
        else:
            self.below.send(self._frame(units))

    def _send_one(self, units: Sequence[Chunks]) -> None:
        """The way of a message alone: a small one is joined with its header in one step."""
        unit = units[0]
        size = 0
        if isinstance(unit, bytes):
            size = len(unit)
        else:
            for chunk in unit:
                size += len(chunk)
        if size >= JOIN_BELOW:
            self.below.send(self._frame(units))
            return
        if size != self._last_size:
            self._last_head = self.head(size)
            self._last_size = size
        if isinstance(unit, bytes):
            self.below.send((self._last_head + unit,))
        else:
            self.below.send((b"".join((self._last_head, *unit)),))

    def _frame(self, units: Sequence[Chunks]) -> Sequence[bytes]:
        """The units with their headers; small ones joined."""
        out: list[bytes] = []
        run: list[bytes] = []
        for unit in units:
            if isinstance(unit, bytes):
                size = len(unit)
            else:
                size = 0
                for chunk in unit:
                    size += len(chunk)
                if size < JOIN_BELOW:
                    unit = b"".join(unit)
            if size != self._last_size:  # units in a row are often of one size
                self._last_head = self.head(size)
                self._last_size = size
            if not isinstance(unit, bytes):
                run.append(self._last_head)
                run += unit
            else:
                run.append(self._last_head)
                run.append(unit)
            if size >= JOIN_BELOW:
                out += run
                run = []
        if run:
            out.append(b"".join(run))
        return out
