"""What an interface promises: the capability record, and what a layer may demand of one.

A record describes an interface, not a layer. Each layer derives the record above it from the one below, so most
fields pass through; a demand (:class:`Requirement`) is compared field by field with "at least as strong as".
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = [
    "MESSAGE",
    "STREAM",
    "UNLIMITED",
    "Auth",
    "Backpressure",
    "Capabilities",
    "CleanEnd",
    "Confidential",
    "Duplex",
    "HalfClose",
    "Integrity",
    "Ordered",
    "Peers",
    "Requirement",
    "Scope",
    "Shortfall",
    "Unit",
    "meet",
    "satisfies",
]

UNLIMITED = (1 << 63) - 1
"""The size of a unit that nothing limits."""


class Unit(enum.Enum):
    """Which of the five interfaces it is; only framers and their like convert."""

    STREAM = "stream"
    MESSAGE = "message"
    FRAMES = "frames"
    DATAGRAM = "datagram"
    MUX = "mux"


class Peers(enum.Enum):
    """Who is at the other end: a different address with each unit, a group, or one."""

    MANY = "many"
    GROUP = "group"
    ONE = "one"


class _Ladder(enum.IntEnum):
    """Values from weak to strong; printed by their names."""

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


class Ordered(_Ladder):
    """Order of arrival."""

    NO = 0
    PER_SENDER = 1
    TOTAL = 2


class HalfClose(_Ladder):
    """Whether one direction can end while the other goes on."""

    NONE = 0
    EMULATED = 1
    NATIVE = 2


class CleanEnd(_Ladder):
    """How far an end can be told from a cut: not, because the peer says so, or proven."""

    NONE = 0
    PEER_CLAIMS = 1
    AUTHENTICATED = 2


class Backpressure(_Ladder):
    """What happens to a unit that has no room."""

    DROP = 0
    BLOCK = 1


class Scope(_Ladder):
    """Who can be at the other end."""

    PROCESS = 0
    HOST = 1
    NET = 2


class Auth(_Ladder):
    """How the peer proved who it is."""

    NONE = 0
    OS_CREDENTIAL = 1
    KEY = 2
    CERTIFICATE = 3


class Confidential(_Ladder):
    """Who cannot read along: nobody is kept out, those on the wire, those on the way too."""

    NO = 0
    HOP = 1
    END_TO_END = 2


class Integrity(_Ladder):
    """What change of a unit would be noticed."""

    NONE = 0
    CHECKSUM = 1
    HOP = 2
    END_TO_END = 3


class Duplex(enum.Flag):
    """Directions that carry data."""

    IN = enum.auto()
    OUT = enum.auto()
    BOTH = IN | OUT


@dataclass(frozen=True)
class Capabilities:
    """What one interface promises to the layer above it.

    ``any_bytes`` is false where some payloads cannot be carried (lines of text). ``head``, ``tail`` and ``align`` are
    bytes a unit, summed from the bottom; ``setup_rtts`` counts round trips before the first unit. ``features`` holds
    flags: ``fd_pass``, ``peer_cred``, ``alpn``, ``channel_binding``, ``datagram_marks``, ``marks``, ``carry`` (a
    handshake that takes opaque bytes along), ``sp`` (an SP mapping), ``sp_type_octet`` (SP puts a type octet before
    each length here), ``detach`` (both ends can agree on where this layer ends).
    """

    unit: Unit
    peers: Peers = Peers.ONE
    session: bool = True
    reliable: bool = True
    ordered: Ordered = Ordered.TOTAL
    nodup: bool = True
    duplex: Duplex = Duplex.BOTH
    max_unit: int = UNLIMITED
    empty_unit: bool = False
    any_bytes: bool = True
    half_close: HalfClose = HalfClose.NONE
    clean_end: CleanEnd = CleanEnd.NONE
    backpressure: Backpressure = Backpressure.BLOCK
    scope: Scope = Scope.NET
    peer_auth: Auth = Auth.NONE
    confidential: Confidential = Confidential.NO
    integrity: Integrity = Integrity.NONE
    replay_safe: bool = False
    features: frozenset[str] = frozenset()
    head: int = 0
    tail: int = 0
    align: int = 1
    setup_rtts: int = 0

    def but(self, **changes: Any) -> Capabilities:
        """The same record with some fields changed; for ``derive``."""
        values = vars(self)
        if not changes.keys() <= values.keys():
            raise TypeError(f"a record has no {', '.join(sorted(changes.keys() - values.keys()))}")
        record = object.__new__(Capabilities)  # dataclasses.replace takes ten times as long
        vars(record).update(values, **changes)
        return record

    def with_head(self, head: int, tail: int = 0, **changes: Any) -> Capabilities:
        """The record above a layer that adds ``head`` and ``tail`` bytes to each unit, whose limit shrinks by them."""
        room = self.max_unit if self.max_unit == UNLIMITED else max(0, self.max_unit - head - tail)
        changes.setdefault("max_unit", room)
        return self.but(head=self.head + head, tail=self.tail + tail, **changes)


# Fields where a bigger value satisfies a smaller demand; the others are told apart below.
_LADDERS = frozenset(
    {
        "session",
        "reliable",
        "ordered",
        "nodup",
        "max_unit",
        "empty_unit",
        "any_bytes",
        "half_close",
        "clean_end",
        "backpressure",
        "peer_auth",
        "confidential",
        "integrity",
        "replay_safe",
    }
)
_SETS = frozenset({"features", "duplex"})
# Where a smaller value is the stronger promise: what a unit costs, and who can be at the other end.
_COSTS = frozenset({"scope", "head", "tail", "align", "setup_rtts"})


@dataclass(frozen=True)
class Requirement:
    """What a layer demands of the record below it; a field left at None demands nothing.

    Attributes:
        demands: the fields that are demanded, with what is wanted, in the order of the fields.
    """

    unit: Unit | None = None
    peers: Peers | None = None
    session: bool | None = None
    reliable: bool | None = None
    ordered: Ordered | None = None
    nodup: bool | None = None
    duplex: Duplex | None = None
    max_unit: int | None = None
    empty_unit: bool | None = None
    any_bytes: bool | None = None
    half_close: HalfClose | None = None
    clean_end: CleanEnd | None = None
    backpressure: Backpressure | None = None
    scope: frozenset[Scope] | None = None
    peer_auth: Auth | None = None
    confidential: Confidential | None = None
    integrity: Integrity | None = None
    replay_safe: bool | None = None
    features: frozenset[str] = frozenset()
    demands: tuple[tuple[str, Any], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        values = vars(self).items()
        demanded = tuple(item for item in values if item[1] is not None and item[1] != frozenset())
        object.__setattr__(self, "demands", demanded)

    def shortfalls(self, record: Capabilities) -> Iterator[Shortfall]:
        """Each field of ``record`` that does not meet the demand, in the order of the fields."""
        for name, wanted in self.demands:
            got = getattr(record, name)
            if name in _LADDERS:
                enough = got >= wanted
            elif name in _SETS:
                enough = wanted & got == wanted
            elif name == "scope":
                enough = got in wanted
            else:
                enough = got is wanted
            if not enough:
                yield Shortfall(name, wanted, got)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One field that is weaker than demanded."""

    field: str
    wanted: Any
    got: Any


STREAM = Requirement(unit=Unit.STREAM, reliable=True, ordered=Ordered.TOTAL)
"""The demand of most sessions and framers: a reliable, ordered byte stream."""

MESSAGE = Requirement(unit=Unit.MESSAGE)
"""The demand of most filters: messages, however unreliable."""


def satisfies(record: Capabilities, wanted: Capabilities) -> bool:
    """Whether ``record`` is at least as strong as ``wanted`` in every field (a partial order)."""
    for entry in fields(Capabilities):
        name = entry.name
        have, need = getattr(record, name), getattr(wanted, name)
        if name in _LADDERS:
            if have < need:
                return False
        elif name in _SETS:
            if need & have != need:
                return False
        elif name in _COSTS:
            if have > need:
                return False
        elif have != need:
            return False
    return True


def meet(first: Capabilities, second: Capabilities) -> Capabilities:
    """The strongest record that both satisfy: what may be promised over either.

    Raises:
        ValueError: the units or the kinds of peers differ; such records have nothing in common.
    """
    for name in ("unit", "peers"):
        if getattr(first, name) is not getattr(second, name):
            raise ValueError(f"{name} differs: {getattr(first, name)} and {getattr(second, name)}")
    values: dict[str, Any] = {}
    for entry in fields(Capabilities):
        name = entry.name
        one, two = getattr(first, name), getattr(second, name)
        if name in _LADDERS:
            values[name] = min(one, two)
        elif name in _SETS:
            values[name] = one & two
        elif name in _COSTS:
            values[name] = max(one, two)
        else:
            values[name] = one
    return Capabilities(**values)
