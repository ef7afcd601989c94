"""A socket without its waiting: pattern, end filters, pipes and endpoints. Both drivers stand on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.capabilities import Capabilities, Unit
from ..core.chain import ChainTop
from ..core.errors import Closed, LocalProtocolError, SockstackError, StackError
from ..core.filtering import Filter, FilterChain
from ..core.head import Head, Stats
from ..core.junction import Pipe
from ..core.marks import LOCAL_ADDRESS, PEER_ADDRESS
from ..core.spec import Build, Environment, Kind, LayerSpec, Role, Stack, layers_of
from ..layers.sp import Sp
from ..patterns.base import PatternSpec, Raw
from .endpoints import DialerCore, EndpointOptions, ListenerCore
from .hub import BaseHub, pipe_ids

__all__ = ["PipeInfo", "SocketCore", "build_filters", "read_stack", "split_pattern"]


@dataclass(frozen=True)
class PipeInfo:
    """One peer of a socket.

    Attributes:
        id: as in :attr:`Message.pipe <sockstack.core.head.Message.pipe>`.
        peer, local: addresses as text, or None.
        path: the layers below the pattern, top first.
    """

    id: int
    peer: str | None
    local: str | None
    path: str


def read_stack(where: object) -> tuple[LayerSpec, ...]:
    """The layers that a stack or a URL of the SP family describes."""
    if isinstance(where, str):
        from ..core.text import parse_url

        return parse_url(where, Sp()).layers
    return layers_of(where)


def split_pattern(
    layers: Sequence[LayerSpec],
) -> tuple[tuple[LayerSpec, ...], tuple[LayerSpec, ...]]:
    """A stack cut below its pattern: (filters and pattern, what stands below); the first is empty without a pattern."""
    for index, spec in enumerate(layers):
        if spec.kind is Kind.PATTERN:
            return tuple(layers[: index + 1]), tuple(layers[index + 1 :])
    return (), tuple(layers)


def build_filters(specs: Sequence[LayerSpec], env: Environment) -> list[Filter]:
    """The layers of filters that stand above a pattern, or inside a device, top first; a pattern itself is left out.

    Raises:
        StackError: one of them is more than a filter of messages.
    """
    record = Capabilities(Unit.MESSAGE, empty_unit=True)
    filters: list[Filter] = []
    for index, spec in enumerate(specs):
        if spec.kind is Kind.PATTERN:
            continue
        layer = spec.build(Build(Role.DIALER, record, tuple(specs), index, env))
        if not isinstance(layer, Filter):
            raise StackError(
                f"{spec.name} cannot stand above a pattern: only filters of messages can",
                layer=spec.name,
                field="R3",
            )
        layer.name = spec.name
        filters.append(layer)
    return filters


class SocketCore:
    """What a socket is, whoever drives it.

    Attributes:
        hub: where it lives.
        head: the application's side.
        raw: the pipes' side.
        above: end filters and pattern, top first.
    """

    above: tuple[LayerSpec, ...]
    head: Head
    raw: Raw

    def __init__(self, top: object, options: EndpointOptions, make_hub: Callable[[], Any]) -> None:
        """Take the pattern and what stands on it.

        Raises:
            StackError: ``top`` is no pattern with filters above it.
        """
        self.above, rest = split_pattern(layers_of(top))
        if rest or not self.above or not isinstance(self.above[-1], PatternSpec):
            raise StackError(
                "a socket takes a pattern, or filters over a pattern; what stands below it is dialled or listened on",
                layer=(rest or self.above)[-1].name,
                field="pattern",
                mend="Give the rest of the stack to dial or listen, or the whole stack to sockstack.dial.",
            )
        self.pattern: PatternSpec = self.above[-1]
        self.options = options
        self.stats = Stats()
        self.endpoints: list[DialerCore | ListenerCore] = []
        self._make_hub = make_hub
        self.hub: Any = None
        self.owns_hub = True

    def use_hub(self, hub: BaseHub | None) -> None:
        """Live on the given hub, or on one of our own."""
        self.owns_hub = hub is None
        self.hub = self._make_hub() if hub is None else hub
        self._build()

    def adopt(self, specs: tuple[LayerSpec, ...], kind: type[BaseHub]) -> None:
        """Move to the hub that an endpoint's bottom lives on, if it is a live object.

        Raises:
            LocalProtocolError: that hub belongs to the other driver, or the socket has endpoints on its own already.
        """
        hub = hub_of(specs)
        if hub is None or hub is self.hub:
            return
        if not isinstance(hub, kind):
            raise LocalProtocolError(
                f"{specs[-1].name} belongs to the {hub.driver} driver; use a socket of that driver",
                layer="socket",
            )
        if self.endpoints:
            raise LocalProtocolError(
                f"{specs[-1].name} lives on another hub than this socket, which has endpoints already; "
                "give it to a socket of its own",
                layer="socket",
            )
        if self.owns_hub:
            self.hub.close()
        self.use_hub(hub)

    def _build(self) -> None:
        filters = build_filters(self.above, self.hub)
        chain = FilterChain(filters) if filters else None
        self.head, self.raw = self.pattern.head(self.hub, chain, self.stats)

    def check(self, where: object) -> tuple[LayerSpec, ...]:
        """The layers of one endpoint, checked together with the pattern above them."""
        specs = read_stack(where)
        whole: Stack[Any, Any] = Stack((*self.above, *specs))
        if not whole.complete:
            raise StackError(
                f"the stack has no transport at its bottom: {whole}",
                layer=specs[-1].name,
                field="R1",
            )
        return specs

    def add_dialer(self, specs: tuple[LayerSpec, ...]) -> DialerCore:
        """Begin to keep a connection up."""
        dialer = DialerCore(self.hub, self, specs, self.options)
        self.endpoints.append(dialer)
        dialer.start()
        return dialer

    def add_listener(self, specs: tuple[LayerSpec, ...], inherit: bool) -> ListenerCore:
        """Bind and accept."""
        listener = ListenerCore(self.hub, self, specs, self.options, inherit)
        self.endpoints.append(listener)
        return listener

    def new_top(self) -> ChainTop:
        return Pipe(self.raw, pipe_ids())

    def connected(self, top: ChainTop) -> None:
        """The junction knows it already."""

    def endpoint_failed(self, error: SockstackError) -> None:
        self.head.sendable.open()

    def pipes(self) -> list[PipeInfo]:
        """The peers that are connected now."""
        return [
            PipeInfo(
                pipe.id,
                pipe.chain.get(PEER_ADDRESS),
                pipe.chain.get(LOCAL_ADDRESS),
                "<".join(spec.name for spec in pipe.chain.specs),
            )
            for pipe in self.raw.pipes.values()
        ]

    def unsent(self) -> int:
        """Bytes accepted that no kernel has taken yet."""
        return sum(pipe.unsent for pipe in self.raw.pipes.values())

    def after_fork(self, kept: bool, why: str) -> None:
        """In a forked child: the connections are the parent's, and so is everything unless something was ``kept``."""
        if not kept:
            self.raw.close(why)
        for pipe in list(self.raw.pipes.values()):
            pipe.on_closed = lambda error: None
            pipe.broken(Closed(why, layer="socket"))
        for endpoint in self.endpoints:
            if kept and isinstance(endpoint, ListenerCore) and endpoint.inherit:
                endpoint.after_fork()
            else:
                endpoint.close()

    def close(self, orderly: bool) -> None:
        """Accept and dial no more, and end all connections; ``orderly`` lets the peers see an end."""
        for endpoint in self.endpoints:
            endpoint.close()
        self.raw.close()  # first, or what one pipe had asked would be asked of the next
        for pipe in list(self.raw.pipes.values()):
            if orderly:
                pipe.below.end()
            pipe.close(None)


def hub_of(specs: Sequence[LayerSpec]) -> Any:
    """The hub that the transport at the bottom lives on, if it is a live object; else None."""
    return getattr(specs[-1], "hub", None)
