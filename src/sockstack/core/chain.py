"""One connection: the layers of a stack built over one transport link, wired, opened, switched and taken apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import LocalProtocolError, SockstackError
from .layer import Layer, Top, wire
from .spec import Build, Environment, LayerSpec, Role

if TYPE_CHECKING:
    from .capabilities import Capabilities
    from .marks import Key

__all__ = ["Chain", "ChainTop", "path_of"]

T = TypeVar("T")


def path_of(specs: Sequence[LayerSpec]) -> str:
    """How errors name a stack: its layers' names, top first."""
    return "<".join(spec.name for spec in specs)


class ChainTop(Top):
    """What stands on a connection's chain: a pipe of a pattern, or the connection's own end.

    Attributes:
        chain: the layers below.
        on_opened, on_closed: told once each, by whoever is interested in the connection's beginning and end; the error
            is None for an orderly end.
    """

    __slots__ = ("chain", "on_closed", "on_opened")

    def __init__(self) -> None:
        self.chain: Chain
        self.on_opened: Callable[[], None] = _nothing
        self.on_closed: Callable[[SockstackError | None], None] = _ignore

    def tell_opened(self) -> None:
        """Tell who is interested that the connection is open."""
        told, self.on_opened = self.on_opened, _nothing
        told()

    def tell_closed(self, error: SockstackError | None) -> None:
        """Tell who is interested that the connection is over."""
        self.on_opened = _nothing
        told, self.on_closed = self.on_closed, _ignore
        told(error)

    @property
    def expected(self) -> bool:
        """Somebody is to be told when it opens: it has not, and has not been given up."""
        return self.on_opened is not _nothing

    def tell_nobody(self) -> None:
        """Nobody is interested any more."""
        self.on_opened = _nothing
        self.on_closed = _ignore


def _no_move(hub: object) -> None:
    """Nothing of this chain keeps time."""


def _nothing() -> None:
    """Nobody asked to be told."""


def _ignore(error: SockstackError | None) -> None:
    """Nobody asked to be told."""


class Chain:
    """The layers of one connection, top first; the last one is the transport's link.

    Attributes:
        specs: the specs of these layers; the pattern and what stands above it are not among them.
        layers: the layers themselves.
        top: the receiver above.
        on_move: told when the connection moves to another hub.
    """

    __slots__ = ("_env", "_records", "_role", "layers", "on_move", "path", "specs", "top")

    def __init__(
        self,
        specs: Sequence[LayerSpec],
        link: Layer,
        record: Capabilities,
        role: Role,
        top: Top,
        env: Environment,
        above: Sequence[LayerSpec] = (),
    ) -> None:
        """Build and wire; nothing is opened yet.

        Args:
            specs: the layers of the connection, top first, transport last.
            link: the transport's bottom layer.
            record: what the link promises.
            role: which half to build.
            top: the receiver of what goes up.
            env: time and randomness for the layers.
            above: the pattern and its end filters, for layers that ask who stands on top.
        """
        self._env = env
        self._role = role
        self.on_move: Callable[[Any], None] = _no_move
        self.top = top
        self.specs: tuple[LayerSpec, ...] = (specs[-1],)
        self.layers: list[Layer] = [link]
        self._records = [record]
        link.name = specs[-1].name
        self.path = ""
        self._stack_on(specs[:-1], above)
        self._label(path_of([*above, *self.specs]))
        wire(top, self.layers)

    @property
    def record(self) -> Capabilities:
        """What the topmost interface promises, from the specs and the opened link."""
        return self._records[0]

    @property
    def link(self) -> Layer:
        """The transport's layer."""
        return self.layers[-1]

    def _stack_on(self, specs: Sequence[LayerSpec], above: Sequence[LayerSpec] = ()) -> list[Layer]:
        """Build layers for ``specs`` over what is there. They are not wired yet."""
        fresh: list[Layer] = []
        records = list(self._records)
        whole = (*above, *specs, *self.specs)
        for index in range(len(specs) - 1, -1, -1):
            spec = specs[index]
            below = records[0]
            layer = spec.build(Build(self._role, below, whole, len(above) + index, self._env))
            layer.name = spec.name
            fresh.insert(0, layer)
            records.insert(0, spec.derive(below))
        self._records = records
        self.specs = (*specs, *self.specs)
        self.layers[:0] = fresh
        return fresh

    def _label(self, path: str) -> None:
        self.path = path
        for layer in self.layers:
            layer.path = path

    def open(self) -> None:
        """Open all layers, from the transport upwards; ``top.opened`` or ``top.broken`` follows."""
        self.top.below.open()

    def move(self, hub: Any) -> None:
        """Go on living on another hub."""
        link: Any = self.link
        link.move(hub)
        self.on_move(hub)

    def abort(self) -> None:
        """Let go of everything. Safe to call twice."""
        self.top.below.abort()

    def get(self, key: Key[T]) -> T | None:
        """The topmost layer's answer to ``key``, or None."""
        for layer in self.layers:
            value = layer.get(key)
            if value is not None:
                return value
        return None

    @property
    def unsent(self) -> int:
        """Bytes accepted by the layers and not yet handed to the kernel."""
        return sum(layer.unsent for layer in self.layers)

    @property
    def timed(self) -> list[Layer]:
        """The layers that have deadlines of their own."""
        return [layer for layer in self.layers if layer.timed]

    def count_through(self, through: type[LayerSpec] | None) -> int:
        """How many layers there are from the top down to the one of that kind; without one, the topmost alone.

        Raises:
            LocalProtocolError: there is no such layer.
        """
        if through is None:
            return 1
        for index, spec in enumerate(self.specs):
            if isinstance(spec, through):
                return index + 1
        raise LocalProtocolError(
            f"there is no {through.__name__} in {self.path}", layer="stack", path=self.path
        )

    def obstacle(self, count: int) -> str | None:
        """Why the topmost ``count`` layers cannot be taken off now, as a clause; None if they can."""
        for layer in self.layers[:count]:
            reason = layer.detachable()
            if reason is not None:
                return reason
        return None

    def take_off(self, count: int) -> list[bytes]:
        """Take the topmost ``count`` layers off; give what the lowest of them had received and not decoded.

        Raises:
            LocalProtocolError: a layer has no end that both sides can see, or holds bytes that would be lost.
        """
        reason = self.obstacle(count)
        if reason is None and count >= len(self.layers):
            reason = "a transport cannot be taken off"
        if reason is not None:
            raise LocalProtocolError(f"cannot detach: {reason}", layer="stack", path=self.path)
        self.top.below.want(0)
        leftover: list[bytes] = []
        holder = self.layers[0]
        for layer in self.layers[:count]:
            if leftover:
                holder.receive(leftover)  # it keeps them, for it has no credit
                raise LocalProtocolError(
                    f"cannot detach: {sum(map(len, leftover))} bytes above {layer.name} would be lost",
                    layer="stack",
                    path=self.path,
                )
            holder, leftover = layer, layer.leftover()
        del self.layers[:count]
        del self._records[:count]
        self.specs = self.specs[count:]
        self._label(path_of(self.specs))
        return leftover

    def put_on(self, specs: Sequence[LayerSpec], top: Top, leftover: list[bytes]) -> None:
        """Put layers on, with ``top`` above them; they begin with ``leftover``, before anything newly received.

        Args:
            specs: layers, top first; may be empty, to change only the receiver.
            top: the new receiver.
            leftover: units of the interface that they are put on.
        """
        fresh = self._stack_on(specs)
        self._label(path_of(self.specs))
        self.top = top
        wire(top, self.layers)
        first: Layer | Top = fresh[-1] if fresh else top
        # What is below must not deliver before the leftover has been: it comes first.
        want, held = first.below.want, [0]
        first.below.want = held.append
        first.opened(self._records[len(fresh)])
        if leftover:
            first.receive(leftover)
        first.below.want = want
        want(held[-1])
        for layer in self.layers[len(fresh) :]:
            if layer.remote_ended:
                first.ended()
            if layer.remote_ended or layer.session or layer.holds_end:
                break
