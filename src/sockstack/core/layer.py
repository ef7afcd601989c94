"""The layer contract: sans-I/O objects that pass batches of units to their neighbours.

Down come ``open send want end abort tick``, up go ``opened receive writable ended broken``. A unit that goes up is
``bytes``. A unit of messages that goes down is ``bytes`` or a tuple of chunks in wire order, so that a layer can put
its header in front without copying the payload; what goes down a stream is always ``bytes``. A message of several
frames is a *list*, so that chunks are never taken for frames.

Rules that every layer keeps:

* Units go up only within the credit that the last ``want(n)`` gave: at most ``n`` more from then on. On a stream credit
  is on or off. What is beyond stays undecoded in the layer, where :meth:`Layer.leftover` finds it.
* ``receive`` is not re-entered. Calling ``send`` from inside it is allowed; it is written when the turn ends.
* ``broken`` may come from inside ``send``: the connection was found dead on the way down.
* Good units go up first, then :meth:`Layer.fail`. What a peer sent never raises through a caller.
* No clocks, no randomness, no I/O: the environment hands them in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from .errors import SockstackError
from .marks import Key

if TYPE_CHECKING:
    from .capabilities import Capabilities

__all__ = ["MANY", "Above", "Below", "Chunks", "Layer", "Top", "wire"]

Chunks: TypeAlias = bytes | tuple[bytes, ...]
"""A unit on its way down."""

MANY = 1 << 60
"""Credit of a steady stack: go on until told otherwise."""

T = TypeVar("T")


class Below:
    """The calls that a layer makes downwards, bound to whoever stands there."""

    __slots__ = ("abort", "carried", "carry", "end", "open", "send", "want")

    carry: Callable[[str, bytes], None]
    carried: Callable[[str], bytes | None]
    open: Callable[[], None]
    send: Callable[[Sequence[Any]], None]
    want: Callable[[int], None]
    end: Callable[[], None]
    abort: Callable[[], None]


class Above:
    """The calls that a layer makes upwards, bound to whoever stands there."""

    __slots__ = ("broken", "ended", "opened", "receive", "writable")

    opened: Callable[[Capabilities], None]
    receive: Callable[[list[Any]], None]
    writable: Callable[[bool], None]
    ended: Callable[[], None]
    broken: Callable[[SockstackError], None]


DOWN = Below.__slots__
UP = Above.__slots__


class Layer:
    """A layer that passes everything through; subclasses override what they change.

    Calls that are not overridden cost nothing: the neighbours are wired past them.

    Attributes:
        name: for errors and paths; set from the spec when the layer is wired.
        below, above: the neighbours' calls.
        session: it has endings of its own: ``ended`` above it does not mean that the layer below has ended.
        remote_ended: for sessions and transports: it has passed ``ended`` up.
        holds_end: an ending has come from below and waits here until all units before it have gone up.
        timed: it has deadlines.
        deadline: the instant at which ``tick`` wants to be called, or None.
        rearm: to be called after ``deadline`` has changed; whoever keeps the time sets it.
    """

    name: str = "layer"
    path: str | None = None
    session: ClassVar[bool] = False
    timed: ClassVar[bool] = False
    deadline: float | None = None
    rearm: Callable[[], None] = staticmethod(lambda: None)
    remote_ended: bool = False
    holds_end: bool = False

    below: Below
    above: Above

    # Called from above.

    def open(self) -> None:
        """Begin: the layer below is opened first, and :meth:`opened` follows."""
        self.below.open()

    def send(self, units: Sequence[Any]) -> None:
        """Take a batch. It is accepted when the call returns; ``writable(False)`` asks for no more for now."""
        self.below.send(units)

    def want(self, n: int) -> None:
        """From now on at most ``n`` more units may go up; 0 stops them. Replaces the credit given before."""
        self.below.want(n)

    def end(self) -> None:
        """No more units will be sent. A layer with an ending of its own performs it and does not pass this on."""
        self.below.end()

    def abort(self) -> None:
        """Let go of everything, at once and without ceremony. May be called twice."""
        self.below.abort()

    def tick(self, now: float) -> None:
        """The layer's deadline has passed."""

    def carry(self, name: str, data: bytes) -> None:
        """Before ``open``: have ``data`` ride in the handshake of the first layer below that can (``carry``)."""
        self.below.carry(name, data)

    def carried(self, name: str) -> bytes | None:
        """After ``opened``: what the peer's layer had carried under that name, or None."""
        return self.below.carried(name)

    # Called from below.

    def opened(self, record: Capabilities) -> None:
        """The interface below works, and this is what it promises now that it is open."""
        self.above.opened(record)

    def receive(self, units: list[Any]) -> None:
        """Take a batch that arrived."""
        self.above.receive(units)

    def writable(self, flag: bool) -> None:
        """Whether the layer below takes more without queueing."""
        self.above.writable(flag)

    def ended(self) -> None:
        """The peer ended its output, in order."""
        self.above.ended()

    def broken(self, error: SockstackError) -> None:
        """The interface below is dead. Nothing follows."""
        self.above.broken(error)

    # Called by whoever builds, switches and dismantles stacks.

    def detachable(self) -> str | None:
        """None if both ends agree on where this layer ends, now; else what is in the way, as a clause."""
        return f"{self.name} has no end that both sides can see"

    def leftover(self) -> list[bytes]:
        """What was received and not decoded, in units of the interface below. The layer forgets it."""
        return []

    @property
    def unsent(self) -> int:
        """Bytes that this layer has accepted and holds back (for credit of the peer, say, or the kernel's room)."""
        return 0

    def get(self, key: Key[T]) -> T | None:
        """This layer's answer to a question for metadata, or None."""
        return None

    # For subclasses.

    def fail(self, error: SockstackError) -> None:
        """The peer, or this layer, cannot go on: cut the connection below, and say so above."""
        error.within(self.name, self.path)
        self.below.abort()
        self.above.broken(error)


class Top:
    """What stands on a stack: the receiver of the topmost layer's calls. The base ignores them."""

    __slots__ = ("below",)

    below: Below

    def opened(self, record: Capabilities) -> None:
        """The whole stack is open."""

    def receive(self, units: list[Any]) -> None:
        """Units for the application."""

    def writable(self, flag: bool) -> None:
        """Whether the stack takes more."""

    def ended(self) -> None:
        """The peer ended its output."""

    def broken(self, error: SockstackError) -> None:
        """The stack is dead."""


def _bind(links: Below | Above, calls: Sequence[str], neighbours: Sequence[Layer | Top]) -> None:
    """Bind each call to the nearest neighbour that does something with it; the last one in the row takes the rest."""
    for call in calls:
        passed = getattr(Layer, call)
        for neighbour in neighbours:
            if getattr(type(neighbour), call) is not passed or neighbour is neighbours[-1]:
                setattr(links, call, getattr(neighbour, call))
                break


def wire(top: Top, layers: Sequence[Layer]) -> None:
    """Connect a row of layers, top first, and the receiver above them.

    Layers keep their link objects, so that wiring again (after a switch) reaches those who hold one.
    """
    for index in range(len(layers) + 1):
        user: Layer | Top = layers[index - 1] if index else top
        if index < len(layers):
            if not hasattr(user, "below"):
                user.below = Below()
            _bind(user.below, DOWN, layers[index:])
    for index, layer in enumerate(layers):
        if not hasattr(layer, "above"):
            layer.above = Above()
        _bind(layer.above, UP, [*reversed(layers[:index]), top])
