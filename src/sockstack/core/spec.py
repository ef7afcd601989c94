"""Specs: immutable descriptions of layers, composed with ``|`` into stacks.

A spec says what a layer needs and gives, and builds it; it holds no connection. The same stack therefore serves a
dialler and a listener, and any number of connections. A stack is checked as soon as it has a bottom
(:mod:`sockstack.core.check`), before a byte moves.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, overload

from .capabilities import Capabilities, Requirement
from .interfaces import Message

if TYPE_CHECKING:
    from .layer import Layer

__all__ = [
    "Build",
    "Composable",
    "Environment",
    "Header",
    "Kind",
    "LayerSpec",
    "MessageFilter",
    "Placement",
    "Role",
    "Same",
    "Spec",
    "Stack",
    "layers_of",
]

D_contra = TypeVar("D_contra", contravariant=True)
U_co = TypeVar("U_co", covariant=True)
D2 = TypeVar("D2")
D3 = TypeVar("D3")
M = TypeVar("M", bound=Message)


class Kind(enum.Enum):
    """What sort of layer it is; decides where it may stand (rules R1 to R12)."""

    TRANSPORT = "transport"
    SESSION = "session"
    FRAMER = "framer"
    DEFRAMER = "deframer"
    FILTER = "filter"
    REPAIR = "repair"
    MUX = "mux"
    SWITCH = "switch"
    MAPPING = "mapping"
    PATTERN = "pattern"


class Placement(enum.Enum):
    """Where a layer may stand, seen from what intermediaries rewrite (the header of an SP pattern, say)."""

    ANY = "any"
    HOP = "hop"
    END = "end"


class Role(enum.Enum):
    """Which half of a layer is built."""

    DIALER = "dialer"
    LISTENER = "listener"


class Environment(Protocol):
    """What a sans-I/O layer may ask of the world: the time and randomness, both handed in."""

    def now(self) -> float:
        """Seconds on a monotonic clock."""

    def wall(self) -> float:
        """Seconds since 1970, for time stamps that people read."""

    def randbits(self, bits: int) -> int:
        """A random integer of that many bits."""


@dataclass(frozen=True, slots=True)
class Header:
    """One field that a layer puts on the wire, for ``explain`` and for dissecting a trace.

    ``size`` is in bytes, 0 where it varies; ``once`` marks what is sent once a connection and not with each unit.
    """

    name: str
    size: int
    meaning: str = ""
    once: bool = False


@dataclass(frozen=True, slots=True)
class Build:
    """What a spec may look at when it builds a layer for one connection.

    Attributes:
        role: which half to build.
        below: the record of the interface below.
        specs: the whole stack, top first.
        position: index of the layer to build in ``specs``.
        env: time and randomness.
    """

    role: Role
    below: Capabilities
    specs: tuple[LayerSpec, ...]
    position: int
    env: Environment

    @property
    def pattern(self) -> LayerSpec | None:
        """The pattern of the stack, or None."""
        return next((spec for spec in self.specs if spec.kind is Kind.PATTERN), None)

    @property
    def transport(self) -> LayerSpec:
        """The bottom of the stack."""
        return self.specs[-1]


class Composable:
    """What one layer and a whole stack have in common."""

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        """The layers, top first."""
        raise NotImplementedError

    if not TYPE_CHECKING:  # checkers would take it for leave to write anything above a layer

        def __ror__(self, above: object) -> object:
            return _compose_wrongly(above)

    def explain(self) -> str:
        """A table: a row a layer, with unit, guarantees, limit, security, header bytes and round trips."""
        from .explain import explain

        return explain(self.layers)

    def __str__(self) -> str:
        """The stack as text that :func:`sockstack.core.text.parse` reads."""
        from .text import format_stack

        return format_stack(self.layers)


class LayerSpec(Composable):
    """What every spec of one layer states.

    Subclasses are frozen dataclasses whose fields are the layer's options, and say with a second base
    (:class:`Spec`, :class:`Same` or :class:`MessageFilter`) what they need and give::

        @dataclass(frozen=True)
        class Prefix(LayerSpec, Spec[Stream, Message]): ...

    Options are checked when a spec is made: a value of another type than the annotation of its field is refused
    (:mod:`sockstack.core.options`), before a ``__post_init__`` of the subclass looks at it. A subclass with an
    ``__init__`` of its own calls ``self.__post_init__()`` at its end.

    What follows are declarations that the rules of :mod:`sockstack.core.check` read. A subclass overrides those that
    are not as here, with a class variable, or with a property where it depends on an option.

    Attributes:
        name: one lower-case word, the layer's name in text and in paths.
        kind: its sort.
        mends: what to do where its demand fails, a sentence for each field of the record; ``{layer}`` and ``{below}``
            stand for this layer and for the one that it was put on.
        secrets: options whose values are never printed.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    mends: ClassVar[Mapping[str, str]] = {}
    secrets: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        own = vars(cls).get("__post_init__")
        if own is not None:
            cls.__post_init__ = _checked(own)  # type: ignore[method-assign]

    def __post_init__(self, *_: Any) -> None:
        from .options import check_options

        check_options(self)

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        return (self,)

    @property
    def requires(self) -> tuple[Requirement, ...]:
        """Demands on the record below, any one of which will do. A transport has none."""
        return ()

    def derive(self, below: Capabilities) -> Capabilities:
        """The record above this layer, given the one below. Pure; a transport is given a record to ignore."""
        raise NotImplementedError

    @property
    def header(self) -> tuple[Header, ...]:
        """The fields this layer writes, in wire order."""
        return ()

    def header_over(self, below: Capabilities) -> tuple[Header, ...]:
        """The fields it writes over a certain record, where that makes a difference."""
        return self.header

    @property
    def placement(self) -> Placement:
        """Whether it belongs above or below what intermediaries rewrite (rule R4)."""
        return Placement.ANY

    @property
    def expanding(self) -> bool:
        """It may lengthen a unit by more than a constant, so it copies (rule R11)."""
        return False

    @property
    def stateful(self) -> bool:
        """It carries state from unit to unit, so it needs all of them, once and in order (rule R6)."""
        return False

    @property
    def establishes(self) -> bool:
        """It finds its peer and notices its loss by itself, so it needs no session below (rule R5)."""
        return False

    @property
    def compresses(self) -> bool:
        """The length of what it writes depends on what is in it (rule R10)."""
        return False

    @property
    def probes(self) -> bool:
        """It asks a silent peer whether it is alive (rule R10)."""
        return False

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the author of a stack will want to know about these options, as sentences (rule R10)."""
        return ()

    def prepare(self, role: Role) -> None:
        """Called when somebody dials or listens with a stack, before anything is opened: the time to load keys.

        Raises:
            StackError: this half of the layer cannot be built.
        """

    def build(self, build: Build) -> Layer:
        """A fresh sans-I/O layer for one connection."""
        raise NotImplementedError


def _checked(own: Callable[..., None]) -> Callable[..., None]:
    """A ``__post_init__`` that finds options of the right types."""

    @functools.wraps(own)
    def __post_init__(self: LayerSpec, *variables: Any) -> None:
        LayerSpec.__post_init__(self)
        own(self, *variables)

    return __post_init__


def layers_of(spec: object) -> tuple[LayerSpec, ...]:
    """The layers of anything that ``|`` takes.

    Raises:
        TypeError: it is nothing of that sort.
    """
    if not isinstance(spec, Composable):
        from .refusal import no_layer

        raise no_layer(spec)
    return spec.layers


def _compose(above: Composable, below: object) -> object:
    if not isinstance(below, Composable):
        return _compose_wrongly(below)
    stack: Stack[Any, Any] = Stack(above.layers + below.layers)
    return stack


def _compose_wrongly(other: object) -> object:
    """For what stands beside ``|`` and is no layer: who meant one is told what to write, others may know better."""
    from .refusal import no_layer, seems_layer

    if seems_layer(other):
        raise no_layer(other)
    return NotImplemented


class Spec(Composable, Generic[D_contra, U_co]):
    """A layer or a stack that needs ``D`` below and gives ``U`` above."""

    @overload
    def __or__(self, below: Same) -> Spec[D_contra, U_co]: ...
    @overload
    def __or__(self, below: Spec[D2, D_contra]) -> Spec[D2, U_co]: ...
    def __or__(self, below: object) -> object:
        return _compose(self, below)


class Same(Composable):
    """A layer that keeps whatever interface stands below it."""

    @overload
    def __or__(self, below: Same) -> Same: ...
    @overload
    def __or__(  # type: ignore[overload-overlap]  # a filter is a Spec too, and stays a filter
        self, below: MessageFilter
    ) -> MessageFilter: ...
    @overload
    def __or__(self, below: Spec[D2, D3]) -> Spec[D2, D3]: ...
    def __or__(self, below: object) -> object:
        return _compose(self, below)


class MessageFilter(Spec[Message, Message]):
    """A filter of messages; over a pattern it stays a pattern."""

    @overload
    def __or__(  # type: ignore[overload-overlap]  # as above
        self, below: Same | MessageFilter
    ) -> MessageFilter: ...
    @overload
    def __or__(self, below: Spec[D2, M]) -> Spec[D2, M]: ...
    def __or__(self, below: object) -> object:
        return _compose(self, below)


@dataclass(frozen=True, slots=True)
class Stack(Spec[D_contra, U_co]):
    """Layers, top first. Checked when it has a bottom.

    Attributes:
        layers: the specs, top first.
        records: the derived record above each layer, top first; empty while there is no bottom.
    """

    layers: tuple[LayerSpec, ...]
    records: tuple[Capabilities, ...] = field(init=False, default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        from .check import check

        object.__setattr__(self, "records", check(self.layers))

    @property
    def complete(self) -> bool:
        """Whether it has a transport at the bottom."""
        return bool(self.records)
