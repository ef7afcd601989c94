"""Lines of text as messages: each ends with a delimiter, which is not part of it.

Wire layout: the payload, then the delimiter (``\\n`` by default). There is no header, so a line is refused when its
bytes pass the limit without a delimiter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..core.capabilities import STREAM, Capabilities, Requirement, Unit
from ..core.errors import LocalProtocolError, StackError, TooBig
from ..core.framing import Framer
from ..core.interfaces import Message, Stream
from ..core.layer import Chunks, Layer
from ..core.spec import Build, Header, Kind, LayerSpec, Spec

__all__ = ["Line", "LineLayer"]


@dataclass(frozen=True)
class Line(LayerSpec, Spec[Stream, Message]):
    """A delimiter after each message. Not every payload can be carried: one that holds the delimiter is refused.

    With the default ending a line that ends with ``\\r\\n`` is taken too, as terminals and many programs send it, so a
    payload that ends with ``\\r`` cannot be carried either. Any other ending is matched as it is:
    ``Line(ending=b"\\r\\n")`` speaks and takes ``\\r\\n`` only.

    Because payloads are limited in this way, nothing that writes bytes of its own (a pattern, a checksum, a cipher) may
    stand on it; use :class:`~sockstack.layers.prefix.Prefix` there. Both ends may take it off after any line.

    What a peer sends is not trusted: at most ``limit`` bytes and a delimiter are kept.

    Args:
        limit: bytes of the longest line without its ending, in both directions.
        ending: the delimiter, at least one byte.

    Raises:
        StackError: ``limit`` or ``ending`` is none that works.
    """

    limit: int = 65536
    ending: bytes = b"\n"

    name: ClassVar[str] = "line"
    kind: ClassVar[Kind] = Kind.FRAMER

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise StackError(
                f"line needs a limit of at least 1 byte, not {self.limit!r}",
                layer="line",
                field="limit",
            )
        if not self.ending:
            raise StackError(
                "line needs an ending of at least 1 byte", layer="line", field="ending"
            )

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(
            0,
            len(self.ending),
            unit=Unit.MESSAGE,
            max_unit=self.limit,
            empty_unit=True,
            any_bytes=False,
            features=(below.features - {"fd_pass"}) | {"detach"},
        )

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("ending", len(self.ending), f"{self.ending!r} after the payload"),)

    def build(self, build: Build) -> Layer:
        return LineLayer(self.limit, self.ending)


class LineLayer(Framer):
    """The layer of :class:`Line`."""

    def __init__(self, limit: int, ending: bytes) -> None:
        super().__init__()
        self._limit = limit
        self._ending = ending
        self._lenient = ending == b"\n"
        self._scanned = 0

    def send(self, units: Sequence[Chunks]) -> None:
        ending = self._ending
        out: list[bytes] = []
        for unit in units:
            line = unit if isinstance(unit, bytes) else b"".join(unit)
            whole = line + ending
            problem = None
            if len(line) > self._limit:
                problem = f"of {len(line)} bytes, and this stack carries at most {self._limit}"
            elif whole.find(ending) != len(line):  # also where the two together would end it early
                problem = f"that holds {ending!r}, which ends a line"
            elif self._lenient and line.endswith(b"\r"):
                problem = "that ends with b'\\r', which would be taken for a part of the ending"
            if problem is not None:
                raise LocalProtocolError(f"a line {problem}", layer=self.name, path=self.path)
            out.append(whole)
        self.below.send([b"".join(out)])

    def parse(self, data: bytes, pos: int, units: list[bytes], room: int) -> int:
        ending, limit, lenient = self._ending, self._limit, self._lenient
        skip = len(ending)
        seek = pos + self._scanned  # what was looked at when less of this line was there
        self._scanned = 0
        find, append = data.find, units.append
        while room:
            end = find(ending, seek)
            if end < 0:
                held = len(data) - pos
                if held >= limit + skip + lenient:
                    self._too_long(held)
                # An ending may have begun in the last bytes.
                self._scanned = max(0, held - skip + 1)
                break
            stop = end - 1 if lenient and end > pos and data[end - 1] == 13 else end
            if stop - pos > limit:
                self._too_long(stop - pos)
                break
            append(data[pos:stop])
            pos = seek = end + skip
            room -= 1
        return pos

    def leftover(self) -> list[bytes]:
        self._scanned = 0
        return super().leftover()

    def _too_long(self, size: int) -> None:
        self.refuse(
            TooBig(
                f"the peer sends a line of {size} bytes or more, {self._limit} are allowed: Line(limit=…)",
                limit=self._limit,
                size=size,
            )
        )
