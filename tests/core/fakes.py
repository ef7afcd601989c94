"""The least that the rules need of layers that do not exist here: declarations, and nothing that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from sockstack.core.capabilities import (
    MESSAGE,
    STREAM,
    UNLIMITED,
    Backpressure,
    Capabilities,
    CleanEnd,
    Confidential,
    Duplex,
    Integrity,
    Ordered,
    Peers,
    Requirement,
    Unit,
)
from sockstack.core.interfaces import Datagrams, Message, Mux, Os, Stream
from sockstack.core.spec import (
    Header,
    Kind,
    LayerSpec,
    MessageFilter,
    Placement,
    Same,
    Spec,
)


@dataclass(frozen=True)
class Wire(LayerSpec, Spec[Os, Stream]):
    """A transport that gives whatever record it is told to."""

    record: Capabilities = Capabilities(Unit.STREAM)  # noqa: RUF009  # immutable

    name: ClassVar[str] = "wire"
    kind: ClassVar[Kind] = Kind.TRANSPORT

    def derive(self, below: Capabilities) -> Capabilities:
        return self.record


LOSSY = Capabilities(
    Unit.MESSAGE,
    session=False,
    reliable=False,
    ordered=Ordered.NO,
    nodup=False,
    max_unit=1200,
    backpressure=Backpressure.DROP,
)
"""A connected UDP socket."""


@dataclass(frozen=True)
class Datagram(LayerSpec, Spec[Os, Datagrams]):
    """UDP, bound: many peers."""

    address: str = "*:0"

    name: ClassVar[str] = "datagram"
    kind: ClassVar[Kind] = Kind.TRANSPORT

    def derive(self, below: Capabilities) -> Capabilities:
        return LOSSY.but(unit=Unit.DATAGRAM, peers=Peers.MANY)


@dataclass(frozen=True)
class Muxer(LayerSpec, Spec[Stream, Mux]):
    """A mux."""

    name: ClassVar[str] = "muxer"
    kind: ClassVar[Kind] = Kind.MUX
    probes: ClassVar[bool] = True

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(8, unit=Unit.MUX)


@dataclass(frozen=True)
class Session(LayerSpec, Spec[Stream, Stream]):
    """A session over a stream that brings no encryption."""

    own: bool = False

    name: ClassVar[str] = "session"
    kind: ClassVar[Kind] = Kind.SESSION

    @property
    def establishes(self) -> bool:
        return self.own

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.but(session=True)


@dataclass(frozen=True)
class Secure(LayerSpec, Same):
    """Encryption of whatever stands below, with an opening exchange."""

    name: ClassVar[str] = "secure"
    kind: ClassVar[Kind] = Kind.SESSION
    placement: ClassVar[Placement] = Placement.HOP

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM, MESSAGE)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(
            2,
            16,
            confidential=max(below.confidential, Confidential.HOP),
            integrity=max(below.integrity, Integrity.HOP),
            features=below.features | {"carry"},
        )


@dataclass(frozen=True)
class Seal(LayerSpec, MessageFilter):
    """Encryption of each message for the far end."""

    place: Placement = Placement.END
    _: KW_ONLY
    key: bytes | None = None
    keyfile: str | None = None

    name: ClassVar[str] = "seal"
    kind: ClassVar[Kind] = Kind.FILTER
    secrets: ClassVar[frozenset[str]] = frozenset({"key"})

    @property
    def placement(self) -> Placement:
        return self.place

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (MESSAGE,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(
            24,
            16,
            confidential=Confidential.END_TO_END,
            integrity=Integrity.END_TO_END,
        )

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("nonce", 24), Header("tag", 16, "behind the ciphertext"))


@dataclass(frozen=True)
class Squeeze(LayerSpec, MessageFilter):
    """Compression of each message, or of the whole flow."""

    streaming: bool = False

    name: ClassVar[str] = "squeeze"
    kind: ClassVar[Kind] = Kind.FILTER
    compresses: ClassVar[bool] = True
    expanding: ClassVar[bool] = True
    mends: ClassVar[Mapping[str, str]] = {"nodup": "Use {layer}() for each message over {below}."}

    @property
    def stateful(self) -> bool:
        return self.streaming

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (MESSAGE,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(1)


@dataclass(frozen=True)
class Again(LayerSpec, Spec[Message, Message]):
    """Sends again what was lost."""

    name: ClassVar[str] = "again"
    kind: ClassVar[Kind] = Kind.REPAIR
    establishes: ClassVar[bool] = True
    probes: ClassVar[bool] = True

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (Requirement(unit=Unit.MESSAGE, peers=Peers.ONE, duplex=Duplex.BOTH),)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(
            12,
            session=True,
            reliable=True,
            ordered=Ordered.TOTAL,
            nodup=True,
            clean_end=max(below.clean_end, CleanEnd.PEER_CLAIMS),
        )


@dataclass(frozen=True)
class Pieces(LayerSpec, Spec[Message, Message]):
    """Cuts large messages."""

    count: int = 64

    name: ClassVar[str] = "pieces"
    kind: ClassVar[Kind] = Kind.REPAIR

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (Requirement(unit=Unit.MESSAGE, peers=Peers.ONE),)

    def derive(self, below: Capabilities) -> Capabilities:
        above = below.with_head(8)
        return above.but(max_unit=min(UNLIMITED, above.max_unit * self.count))


@dataclass(frozen=True)
class Flow(LayerSpec, Spec[Message, Stream]):
    """A byte stream over messages."""

    name: ClassVar[str] = "flow"
    kind: ClassVar[Kind] = Kind.DEFRAMER

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (Requirement(unit=Unit.MESSAGE, reliable=True, ordered=Ordered.TOTAL, nodup=True),)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.but(unit=Unit.STREAM, any_bytes=True)


@dataclass(frozen=True)
class Passer(LayerSpec, Same):
    """Passes descriptors along."""

    name: ClassVar[str] = "passer"
    kind: ClassVar[Kind] = Kind.FILTER

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (Requirement(features=frozenset({"fd_pass"})),)

    def derive(self, below: Capabilities) -> Capabilities:
        return below


@dataclass(frozen=True)
class Plain(LayerSpec, Same):
    """Changes nothing; what it declares can be set."""

    shown: tuple[Header, ...] = ()
    head: int = 0
    sort: Kind = Kind.FILTER
    changes: tuple[tuple[str, object], ...] = ()
    doubts: tuple[str, ...] = ()

    name: ClassVar[str] = "plain"

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        return self.sort

    @property
    def header(self) -> tuple[Header, ...]:
        return self.shown

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(self.head).but(**dict(self.changes))
