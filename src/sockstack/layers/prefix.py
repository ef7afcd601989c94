"""Messages over a byte stream, each behind its length.

Wire layout: the payload's size as an unsigned big-endian number of 1, 2, 4 or 8 octets, then the payload::

    LL LL LL LL  payload

Four octets are what Erlang's ``{packet, 4}`` and Java's ``DataOutputStream.writeInt`` framing have.
"""

from __future__ import annotations

import struct
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.capabilities import STREAM, Capabilities, Requirement, Unit
from ..core.errors import LocalProtocolError, StackError, TooBig
from ..core.framing import LengthFramer
from ..core.interfaces import Message, Stream
from ..core.layer import Layer
from ..core.spec import Build, Header, Kind, LayerSpec, Spec

__all__ = ["Prefix", "PrefixLayer"]

LENGTHS = {
    size: struct.Struct(">" + code) for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
}


@dataclass(frozen=True)
class Prefix(LayerSpec, Spec[Stream, Message]):
    """A length before each message. Empty messages are messages; any bytes may be in them.

    It costs no round trip, and both ends may take it off after any message.

    What a peer sends is not trusted: a length over ``limit`` is refused before a byte of its payload is kept, and
    memory follows what arrives, not what is claimed.

    Args:
        size: octets of the length: 1, 2, 4 or 8.
        limit: bytes of the largest message, in both directions. A length of ``size`` octets may allow less.

    Raises:
        StackError: ``size`` or ``limit`` is none that works.
    """

    size: int = 4
    _: KW_ONLY
    limit: int = 1 << 20

    name: ClassVar[str] = "prefix"
    kind: ClassVar[Kind] = Kind.FRAMER

    def __post_init__(self) -> None:
        if self.size not in LENGTHS:
            raise StackError(
                f"prefix takes a length of 1, 2, 4 or 8 octets, not {self.size!r}",
                layer="prefix",
                field="size",
            )
        if self.limit < 1:
            raise StackError(
                f"prefix needs a limit of at least 1 byte, not {self.limit!r}",
                layer="prefix",
                field="limit",
            )

    @property
    def max_unit(self) -> int:
        """Bytes of the largest message."""
        return min(self.limit, (1 << 8 * self.size) - 1)

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(
            self.size,
            unit=Unit.MESSAGE,
            max_unit=self.max_unit,
            empty_unit=True,
            features=(below.features - {"fd_pass"}) | {"detach"},
        )

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("length", self.size, "of the payload, big-endian"),)

    def build(self, build: Build) -> Layer:
        return PrefixLayer(self.size, self.max_unit)


class PrefixLayer(LengthFramer):
    """The layer of :class:`Prefix`: a header of ``size`` octets, messages of at most ``max_unit`` bytes."""

    def __init__(self, size: int, max_unit: int) -> None:
        super().__init__()
        self._length = LENGTHS[size]
        self._max_unit = max_unit

    def head(self, size: int) -> bytes:
        if size > self._max_unit:
            raise LocalProtocolError(
                f"a message of {size} bytes, and this stack carries at most {self._max_unit}: Prefix(limit=…)",
                layer=self.name,
                path=self.path,
            )
        return self._length.pack(size)

    def parse(self, data: bytes, pos: int, units: list[bytes], room: int) -> int:
        unpack, header = self._length.unpack_from, self._length.size
        limit = self._max_unit
        append = units.append
        end = len(data)
        last = end - header
        while room and pos <= last:
            (size,) = unpack(data, pos)
            if size > limit:
                self.refuse(
                    TooBig(
                        f"the peer sends {size} bytes, {limit} are allowed: Prefix(limit=…)",
                        limit=limit,
                        size=size,
                    )
                )
                break
            start = pos + header
            stop = start + size
            if stop > end:
                self.incomplete(header, size)
                break
            append(data[start:stop])
            pos = stop
            room -= 1
        return pos
