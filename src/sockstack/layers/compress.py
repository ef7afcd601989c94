"""Each message compressed by itself.

Wire layout: an octet that says what follows, then the payload as it is, or as a zlib stream (RFC 1950)::

    00  payload
    01  78 .. deflated ..  AA AA AA AA

What does not shrink is stored, so a message grows by one octet at most. No message refers to another, so they may be
lost, or come twice or out of order.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.capabilities import MESSAGE, Capabilities, Requirement
from ..core.errors import StackError
from ..core.filtering import Filter
from ..core.framing import JOIN_BELOW, size_of
from ..core.layer import Chunks, Layer
from ..core.spec import Build, Header, Kind, LayerSpec, MessageFilter

__all__ = ["Compress", "CompressLayer"]

STORED, DEFLATED = b"\x00", b"\x01"


@dataclass(frozen=True)
class Compress(LayerSpec, MessageFilter):
    """Deflate (zlib) over each message. At most one byte more a message, no round trip.

    In a connection a message that is broken, or larger than ``limit``, ends the connection; above a pattern it is
    dropped and counted. A connection carries messages of ``limit`` bytes both ways, and less if the layers below carry
    less: the limit is that of the message before it is compressed.

    What a peer sends is not trusted. Deflate shrinks a message to a thousandth at best, so a peer can have ``limit``
    bytes allocated for each thousandth of it that it sends, and no more: expanding stops there. Give a lower limit
    where strangers send. Over encryption the size of what is sent tells about its content: where strangers choose a
    part of a message, they can find out about the rest.

    Args:
        level: from 1 (fastest) to 9 (smallest).
        limit: bytes of the largest message that is taken, expanded.

    Raises:
        StackError: ``level`` or ``limit`` is none that works.
    """

    level: int = 6
    _: KW_ONLY
    limit: int = 64 << 20

    name: ClassVar[str] = "compress"
    kind: ClassVar[Kind] = Kind.FILTER
    compresses: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.level <= 9:
            raise StackError(
                f"compress takes a level from 1 to 9, not {self.level!r}",
                layer="compress",
                field="level",
            )
        if not 1 <= self.limit < 1 << 62:
            raise StackError(
                f"compress needs a limit of 1 to 2**62 - 1 bytes, not {self.limit!r}",
                layer="compress",
                field="limit",
            )

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (MESSAGE,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(
            1,
            max_unit=min(self.limit, max(0, below.max_unit - 1)),
            empty_unit=True,
            features=below.features - {"marks"},
        )

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("form", 1, "00: the payload follows as it is; 01: as a zlib stream"),)

    def build(self, build: Build) -> Layer:
        return CompressLayer(self.level, self.derive(build.below).max_unit)


class CompressLayer(Filter):
    """The layer of :class:`Compress`: messages of at most ``limit`` bytes, once expanded."""

    infallible = True

    def __init__(self, level: int, limit: int) -> None:
        super().__init__()
        self._level = level
        self._limit = limit
        self.refusal = (
            f"a compressed message is broken, or expands to more than {limit} bytes: "
            "Compress(limit=…), or what the layers below carry"
        )

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        return [self._shrink(unit) for unit in units]

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        out = [self._expand(unit) for unit in units]
        self.refused += out.count(None)
        return out

    def _shrink(self, unit: Chunks) -> Chunks:
        chunks = (unit,) if isinstance(unit, bytes) else unit
        deflate = zlib.compressobj(self._level)
        parts = [DEFLATED, *map(deflate.compress, chunks), deflate.flush()]
        size = size_of(unit)
        if sum(map(len, parts)) <= size:
            return b"".join(parts)
        return b"".join((STORED, *chunks)) if size < JOIN_BELOW else (STORED, *chunks)

    def _expand(self, unit: bytes) -> bytes | None:
        form = unit[:1]
        if form == STORED:
            return unit[1:] if len(unit) - 1 <= self._limit else None
        if form != DEFLATED:
            return None
        inflate = zlib.decompressobj()
        try:
            # One byte more than allowed, so that what is too large can be told from what is just as large.
            payload = inflate.decompress(memoryview(unit)[1:], self._limit + 1)
        except zlib.error:
            return None
        whole = inflate.eof and not inflate.unused_data
        return payload if whole and len(payload) <= self._limit else None
