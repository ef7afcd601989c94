"""Small layers that can be put on and taken off, and chains of them over a scripted bottom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sockstack.core.capabilities import STREAM, Capabilities, Requirement
from sockstack.core.chain import Chain
from sockstack.core.errors import StackError
from sockstack.core.interfaces import Stream
from sockstack.core.layer import Layer, Top
from sockstack.core.spec import Build, Kind, LayerSpec, Role, Same, Spec
from sockstack.testing.memory import STREAM as STREAM_RECORD

from .fakes import Wire
from .rig import Bottom, Nowhere

__all__ = ["Floor", "Misbuilt", "Part", "PartLayer", "Plain", "PlainLayer", "Stuck", "chain_of"]

MARK = b"\0"


@dataclass(frozen=True)
class Part(LayerSpec, Spec[Stream, Stream]):
    """A session over a stream: whatever is sent, then a NUL for its end. What follows is of the layer below."""

    name: ClassVar[str] = "part"
    kind: ClassVar[Kind] = Kind.SESSION

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (STREAM,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.but(any_bytes=False, session=True)

    def build(self, build: Build) -> Layer:
        return PartLayer()


class PartLayer(Layer):
    """The layer of :class:`Part`."""

    session = True

    def __init__(self) -> None:
        self.local_ended = False
        self.held = b""
        self.wanted = 0

    def want(self, n: int) -> None:
        self.wanted = n
        self.below.want(n)
        if n and self.held and not self.remote_ended:
            held, self.held = self.held, b""
            self.receive([held])

    def end(self) -> None:
        if not self.local_ended:
            self.local_ended = True
            self.below.send([MARK])

    def receive(self, units: list[bytes]) -> None:
        data = self.held + b"".join(units)
        if self.remote_ended or not self.wanted:
            self.held = data
            return
        mine, mark, self.held = data.partition(MARK)
        if mine:
            self.above.receive([mine])
        if mark:
            self.remote_ended = True
            self.above.ended()

    def detachable(self) -> str | None:
        return None if self.local_ended and self.remote_ended else "part goes on until both end it"

    def leftover(self) -> list[bytes]:
        held, self.held = self.held, b""
        return [held] if held else []


@dataclass(frozen=True)
class Plain(LayerSpec, Same):
    """Changes nothing and can be taken off at any time; ``answers`` are what it says when asked."""

    answers: tuple[tuple[Any, Any], ...] = ()
    timed: bool = False

    name: ClassVar[str] = "plain"
    kind: ClassVar[Kind] = Kind.FILTER

    def derive(self, below: Capabilities) -> Capabilities:
        return below

    def build(self, build: Build) -> Layer:
        return PlainLayer(self, build)


class PlainLayer(Layer):
    """The layer of :class:`Plain`; it keeps what it was built with."""

    def __init__(self, spec: Plain, build: Build) -> None:
        self.spec = spec
        self.build = build
        self.timed = spec.timed  # type: ignore[misc]
        self.held = 0

    def detachable(self) -> str | None:
        return None

    @property
    def unsent(self) -> int:
        return self.held

    def get(self, key: Any) -> Any:
        return dict(self.spec.answers).get(key)


@dataclass(frozen=True)
class Stuck(LayerSpec, Same):
    """A compressor without a final block, say: nobody can tell where it ends."""

    name: ClassVar[str] = "stuck"
    kind: ClassVar[Kind] = Kind.FILTER

    def derive(self, below: Capabilities) -> Capabilities:
        return below

    def build(self, build: Build) -> Layer:
        return Layer()


@dataclass(frozen=True)
class Misbuilt(LayerSpec, Same):
    """A spec that finds out when it is built that it cannot be."""

    name: ClassVar[str] = "misbuilt"
    kind: ClassVar[Kind] = Kind.FILTER

    def derive(self, below: Capabilities) -> Capabilities:
        return below

    def build(self, build: Build) -> Layer:
        raise StackError("misbuilt lacks its key", layer=self.name)


class Floor(Bottom):
    """A scripted bottom that can also move, and end."""

    session = True

    def __init__(self) -> None:
        super().__init__()
        self.hubs: list[object] = []

    def move(self, hub: object) -> None:
        self.hubs.append(hub)

    def feed(self, *units: bytes) -> None:
        """Let bytes arrive, which needs credit."""
        for unit in units:
            assert self.credit > 0, f"{unit!r} without credit"
            self.above.receive([unit])

    def finish(self) -> None:
        """The peer ends its output."""
        self.remote_ended = True
        self.above.ended()


def chain_of(
    *specs: LayerSpec, top: Top, record: Capabilities = STREAM_RECORD
) -> tuple[Chain, Floor]:
    """A chain of ``specs`` over such a bottom."""
    floor = Floor()
    bottom = Wire(record)
    chain = Chain((*specs, bottom), floor, record, Role.DIALER, top, Nowhere())
    return chain, floor
