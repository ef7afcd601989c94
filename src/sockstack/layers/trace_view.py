"""The forms of a trace: lines of words and hex, and packets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from ..core.capabilities import Capabilities, Unit
from ..core.spec import Environment, Header, LayerSpec
from .pcap import Conversation
from .trace_sink import Sink

__all__ = ["Fields", "Lines", "Packets", "View"]


class View(Protocol):
    """One way to show events. What is raised turns the trace off."""

    def event(self, outwards: bool, word: str, detail: str = "") -> None:
        """Something other than a unit."""

    def units(self, outwards: bool, units: Sequence[Any]) -> None:
        """A batch."""


class Lines:
    """Words and hex."""

    def __init__(
        self, sink: Sink, env: Environment, place: str, fields: Fields, shown: int
    ) -> None:
        self._sink = sink
        self._env = env
        self._place = place
        self._fields = fields
        self._shown = shown

    def event(self, outwards: bool, word: str, detail: str = "") -> None:
        words = " ".join(f"{word}: {detail}".split()) if detail else word
        self._sink.lines([self._head(outwards) + words])

    def units(self, outwards: bool, units: Sequence[Any]) -> None:
        lines: list[str] = []
        head = self._head(outwards)
        for index, unit in enumerate(units):
            data = _bytes_of(unit)
            frames = f"{len(unit)} frames " if isinstance(unit, list) else ""
            fields = self._fields.of(outwards, data, first=not index)
            words = "".join(f" {name}={value.hex()}" for name, value in fields)
            lines.append(f"{head}{self._fields.noun} {frames}{len(data)} B{words}")
            if self._shown:
                lines += _dump(data[: self._shown])
                if len(data) > self._shown:
                    lines.append(f"  … {len(data) - self._shown} B more")
        self._sink.lines(lines)

    def _head(self, outwards: bool) -> str:
        now = self._env.now()
        return f"{now - self._sink.since(now):.6f} {self._place} {'>' if outwards else '<'} "


class Packets:
    """A capture."""

    def __init__(self, sink: Sink, env: Environment, conversation: Conversation) -> None:
        self._sink = sink
        self._env = env
        self._offset = env.wall() - env.now()
        self._conversation = conversation

    def event(self, outwards: bool, word: str, detail: str = "") -> None:
        at = self._env.now() + self._offset
        if word == "opened":
            self._sink.packets(self._conversation.begin(at))
        elif word in ("end", "ended"):
            self._sink.packets(self._conversation.end(at, outwards))
        elif word in ("abort", "broken"):
            self._sink.packets(self._conversation.reset(at, outwards))

    def units(self, outwards: bool, units: Sequence[Any]) -> None:
        at = self._env.now() + self._offset
        for unit in units:
            self._sink.packets(self._conversation.data(at, outwards, _bytes_of(unit)))


class Fields:
    """Finds the header of the layer above in what passes.

    On messages it is what each begins with. On a stream, a layer begins each batch with a header, but where a read
    begins only the peer knows: inwards only what is sent once a connection can be told.
    """

    def __init__(self, above: LayerSpec | None, record: Capabilities) -> None:
        self._stream = record.unit is Unit.STREAM
        self.noun = "chunk" if self._stream else record.unit.value
        self._fields: list[Header] = []
        self._once: list[list[Header]] = [[], []]
        if above is None:
            return
        room = above.derive(record).head - record.head
        header = above.header_over(record)
        fields = list(_filling(room, (field for field in header if not field.once)))
        if sum(field.size for field in fields) == room:
            self._fields = fields
        if self._stream:
            once = [field for field in header if field.once]
            self._once = [once, list(once)]

    def of(self, outwards: bool, data: bytes, *, first: bool) -> list[tuple[str, bytes]]:
        """Names and values of the fields that ``data`` begins with; ``first``: it is the first unit of its batch."""
        once = self._once[outwards]
        fields, self._once[outwards] = once, []
        if once or not self._stream or (outwards and first):
            fields = fields + self._fields
        found = []
        at = 0
        for field in fields:
            value = data[at : at + field.size]
            if len(value) < field.size:
                break
            found.append((field.name, value))
            at += field.size
        return found


def _filling(room: int, fields: Iterable[Header]) -> Iterator[Header]:
    """The fields that stand before the payload: as many as fit into ``room``, up to one that varies."""
    for field in fields:
        if not 0 < field.size <= room:
            return
        room -= field.size
        yield field


def _bytes_of(unit: Any) -> bytes:
    """The bytes of a unit: of its chunks or frames; of a datagram without its address."""
    if isinstance(unit, bytes):
        return unit
    return b"".join(part for part in unit if isinstance(part, bytes))


def _dump(data: bytes) -> Iterator[str]:
    """Offset, sixteen bytes in hex, and what of them is ASCII."""
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"  {at:08x}  {left:<23}  {right:<23}  |{text}|"
