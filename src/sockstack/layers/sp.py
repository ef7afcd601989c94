"""The SP mapping: how messages of the scalability protocols go over a connection, and who may talk to whom.

Over a byte stream each side sends eight octets at once and checks the peer's eight; then each message goes behind its
length (the SP TCP mapping, RFC draft sp-tcp-mapping-01; on Unix sockets a type octet comes first, as NNG and nanomsg
have it)::

    00 53 50 00  PP PP 00 00      "SP", version 0, protocol number, reserved
    [01] LL LL LL LL LL LL LL LL  body     length of the body, big-endian

Over messages the identity rides in the handshake of a layer below (feature ``carry``), and messages go as they are.
"""

from __future__ import annotations

import struct
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, TypeVar, cast

from ..core.capabilities import STREAM, Capabilities, Ordered, Requirement, Unit
from ..core.errors import (
    IncompatiblePeer,
    LocalProtocolError,
    RemoteProtocolError,
    StackError,
    TooBig,
)
from ..core.framing import LengthFramer
from ..core.interfaces import Message, Pipe, Stream
from ..core.layer import Layer
from ..core.marks import PEER_PROTOCOL, Key
from ..core.spec import Build, Header, Kind, LayerSpec, Spec

__all__ = ["PROTOCOL_NAMES", "Sp"]

T = TypeVar("T")

HELLO = struct.Struct(">4sHH")
MAGIC = b"\x00SP\x00"

PROTOCOL_NAMES = {
    0x10: "pair",
    0x11: "pair1",
    0x20: "pub",
    0x21: "sub",
    0x30: "req",
    0x31: "rep",
    0x50: "push",
    0x51: "pull",
    0x62: "surveyor",
    0x63: "respondent",
    0x70: "bus",
    0x640: "star",
}


CARRIED = Requirement(
    unit=Unit.MESSAGE, reliable=True, ordered=Ordered.TOTAL, features=frozenset({"carry"})
)
"""Messages over a layer whose handshake takes the identity along."""


@dataclass(frozen=True)
class Sp(LayerSpec, Spec[Stream | Message, Pipe]):
    """The SP mapping, under a pattern.

    What a peer sends is not trusted: the hello has a deadline, given by whoever opens the connection, and a length is
    checked before a byte of its body is kept; memory follows what arrives, not what is claimed.

    Args:
        max_size: bytes of the largest message taken from a peer, protocol header included. NNG has no limit by default,
            nanomsg and mangos take 1 MiB.
    """

    _: KW_ONLY
    max_size: int = 64 << 20

    name: ClassVar[str] = "sp"
    kind: ClassVar[Kind] = Kind.MAPPING

    def __post_init__(self) -> None:
        if not 1 <= self.max_size < 1 << 63:
            raise StackError(
                f"sp: max_size is 1 to 2**63 - 1 bytes, not {self.max_size!r}",
                layer="sp",
                field="max_size",
            )

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM, CARRIED)

    def derive(self, below: Capabilities) -> Capabilities:
        features = (below.features - {"sp_type_octet", "carry", "fd_pass"}) | {"sp"}
        if below.unit is Unit.MESSAGE:
            return below.but(features=features)
        octet = "sp_type_octet" in below.features
        return below.with_head(
            9 if octet else 8,
            unit=Unit.MESSAGE,
            empty_unit=True,
            max_unit=self.max_size,
            features=features,
        )

    def header_over(self, below: Capabilities) -> tuple[Header, ...]:
        if below.unit is Unit.MESSAGE:
            return ()
        return (
            Header("hello", 8, "00 'SP' 00, protocol number, reserved", once=True),
            *((Header("type", 1, "01"),) if "sp_type_octet" in below.features else ()),
            Header("length", 8, "of what follows, big-endian"),
        )

    def build(self, build: Build) -> Layer:
        pattern: Any = build.pattern
        if pattern is None:
            raise LocalProtocolError("sp needs a pattern above it", layer="sp")
        if build.below.unit is Unit.MESSAGE:
            return CarriedSp(pattern.number, pattern.peer_number)
        octet = "sp_type_octet" in build.below.features
        return StreamSp(pattern.number, pattern.peer_number, self.max_size, octet)


def judge(number: int, expected: int) -> IncompatiblePeer | None:
    """The verdict on a peer that says it is ``number``."""
    if number == expected:
        return None
    names = [f"{PROTOCOL_NAMES.get(n, 'unknown')} (0x{n:04x})" for n in (number, expected)]
    return IncompatiblePeer(f"the peer is {names[0]}, and only {names[1]} fits here", layer="sp")


class StreamSp(LengthFramer):
    """Hello and framing over a byte stream."""

    session = True

    def __init__(self, number: int, expected: int, max_size: int, octet: bool) -> None:
        super().__init__()
        self._number = number
        self._expected = expected
        self._max_size = max_size
        self._type = b"\x01" if octet else b""
        self._header_size = 9 if octet else 8
        self.framing = ("sp", octet)
        self._open = False
        self._seen_size = 0
        self._seen_whole = -1
        self._seen_head = b""

    def opened(self, record: Capabilities) -> None:
        self._record = record
        self.parse = self._hello  # type: ignore[method-assign]  # until the peer has said what it is
        self._wanted = 1
        self._steer()
        self.below.send([HELLO.pack(MAGIC, self._number, 0)])

    def receive(self, units: list[bytes]) -> None:
        data = units[0]
        if (
            len(data) == self._seen_whole
            and data.startswith(self._seen_head)
            and self._wanted > 0
            and not self._data
            and not self._missing
            and len(units) == 1
        ):  # one whole message of the size of the last one: what a conversation often consists of
            self._wanted -= 1
            self.above.receive([data[self._header_size :]])
            if self._wanted <= 0:
                self._steer()
        else:
            super().receive(units)

    def ended(self) -> None:
        if self._open:
            super().ended()
        else:
            self.fail(RemoteProtocolError("the peer left before it had said what it is"))

    def get(self, key: Key[T]) -> T | None:
        answer: Any = None
        if key is PEER_PROTOCOL and self._open:
            answer = self._expected
        return cast("T | None", answer)

    def head(self, size: int) -> bytes:
        return self._type + size.to_bytes(8, "big")

    def parse(self, data: bytes, pos: int, units: list[bytes], room: int) -> int:
        end = len(data)
        header = self._header_size
        seen_head, seen_size = self._seen_head, self._seen_size
        append = units.append
        while room > 0:
            body = pos + header
            if body > end:
                break
            head = data[pos:body]
            if head != seen_head:
                seen_size = int.from_bytes(head[-8:], "big")
                if header == 9 and head[0] != 1:
                    self.refuse(
                        RemoteProtocolError(f"message type 0x{head[0]:02x}, only 01 is known")
                    )
                    break
                if seen_size > self._max_size:
                    self.refuse(
                        TooBig(
                            f"the peer sends {seen_size} bytes, {self._max_size} are allowed: Sp(max_size=…)",
                            limit=self._max_size,
                            size=seen_size,
                        )
                    )
                    break
                seen_head = head
            stop = body + seen_size
            if stop > end:
                self.incomplete(header, seen_size)
                break
            append(data[body:stop])
            pos = stop
            room -= 1
        self._seen_head, self._seen_size = seen_head, seen_size
        self._seen_whole = header + seen_size if seen_head else -1
        return pos

    def _hello(self, data: bytes, pos: int, units: list[bytes], room: int) -> int:
        """The peer's hello, which may come octet by octet; what follows it is the first message."""
        hello = data[pos : pos + 8]
        if not MAGIC.startswith(hello[:4]):
            self.refuse(RemoteProtocolError(f"the peer does not speak SP: it began with {hello!r}"))
        elif len(hello) == 8:
            _, number, reserved = HELLO.unpack(hello)
            verdict = judge(number, self._expected)
            if verdict is not None:
                self.refuse(verdict)
            elif reserved:
                text = f"reserved octets of the hello hold 0x{reserved:04x}"
                self.refuse(RemoteProtocolError(text))
            else:
                del self.parse
                self._open = True
                self._wanted = 0
                self.above.opened(self._record)
                return self.parse(data, pos + 8, units, self._wanted)
        return pos


class CarriedSp(Layer):
    """Messages as they are; the identity rides in the handshake below."""

    def __init__(self, number: int, expected: int) -> None:
        self._number = number
        self._expected = expected

    def open(self) -> None:
        self.below.carry("sp", self._number.to_bytes(2, "big"))
        self.below.open()

    def opened(self, record: Capabilities) -> None:
        said = self.below.carried("sp")
        if said is None or len(said) != 2:
            self.fail(IncompatiblePeer("the peer's end has no SP pattern on it"))
            return
        verdict = judge(int.from_bytes(said, "big"), self._expected)
        if verdict is not None:
            self.fail(verdict)
        else:
            self.above.opened(record)

    def get(self, key: Key[T]) -> T | None:
        answer: Any = self._expected if key is PEER_PROTOCOL else None
        return cast("T | None", answer)
