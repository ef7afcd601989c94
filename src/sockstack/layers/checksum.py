"""A checksum behind each message: what a faulty link or buffer changed is noticed.

Wire layout: the payload, then its CRC-32 (ISO 3309, as in Ethernet, gzip and PNG), four octets, big-endian::

    payload  CC CC CC CC
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from zlib import crc32

from ..core.capabilities import MESSAGE, Capabilities, Integrity, Requirement
from ..core.filtering import Filter
from ..core.framing import JOIN_BELOW
from ..core.layer import Chunks, Layer
from ..core.spec import Build, Header, Kind, LayerSpec, MessageFilter

__all__ = ["Checksum", "ChecksumLayer"]


@dataclass(frozen=True)
class Checksum(LayerSpec, MessageFilter):
    """A CRC-32 after each message. Four bytes a message, no round trip.

    It finds accidents: all errors of up to 32 adjacent bits, and all but one in 2**32 of the others. It is no
    protection against those who change messages on purpose, because anybody can compute it.

    In a connection a message that does not pass ends the connection; above a pattern it is dropped and counted.
    """

    name: ClassVar[str] = "checksum"
    kind: ClassVar[Kind] = Kind.FILTER

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (MESSAGE,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(
            0,
            4,
            empty_unit=True,
            integrity=max(below.integrity, Integrity.CHECKSUM),
            features=below.features - {"marks"},
        )

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("crc", 4, "CRC-32 of the payload, behind it, big-endian"),)

    def build(self, build: Build) -> Layer:
        return ChecksumLayer()


class ChecksumLayer(Filter):
    """The layer of :class:`Checksum`."""

    refusal = "the checksum of a message does not fit"
    infallible = True

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        out: list[Chunks] = []
        for unit in units:
            if isinstance(unit, bytes):
                crc = crc32(unit).to_bytes(4, "big")
                out.append(unit + crc if len(unit) < JOIN_BELOW else (unit, crc))
            else:
                value = 0
                for chunk in unit:
                    value = crc32(chunk, value)
                out.append((*unit, value.to_bytes(4, "big")))
        return out

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        out: list[bytes | None] = []
        for unit in units:
            payload = unit[:-4]
            if len(unit) >= 4 and unit[-4:] == crc32(payload).to_bytes(4, "big"):
                out.append(payload)
            else:
                self.refused += 1
                out.append(None)
        return out
