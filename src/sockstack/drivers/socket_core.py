"""A socket without its waiting: pattern, end filters, pipes and endpoints. Both drivers stand on it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypedDict

from ..core.capabilities import Capabilities, Unit
from ..core.chain import ChainTop
from ..core.errors import (
    Busy,
    Closed,
    Deadline,
    IncompatiblePeer,
    LocalProtocolError,
    SockstackError,
    StackError,
)
from ..core.filtering import Filter, FilterChain
from ..core.head import Head, Stats
from ..core.junction import Pipe
from ..core.log import debugger, logger
from ..core.spec import Build, Environment, Kind, LayerSpec, Role, Stack, layers_of
from ..layers.sp import Sp
from ..patterns.base import PatternSpec, Raw
from .endpoints import DialerCore, Endpoint, EndpointOptions, ListenerCore
from .events import AcceptPipeAsync, Event, EventKind, EventQueue, PipeInfo
from .hub import BaseHub, pipe_ids

__all__ = ["CommonOptions", "SocketCore", "build_filters", "read_stack", "split_pattern"]


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
    """The layers of filters that stand above a pattern, or inside a device, top first.

    Raises:
        StackError: one of them is more than a filter of messages.
    """
    record = Capabilities(Unit.MESSAGE, empty_unit=True)
    filters: list[Filter] = []
    for index, spec in enumerate(specs):
        build = Build(Role.DIALER, record, tuple(specs), index, env)
        layer = spec.build(build) if spec.kind is Kind.FILTER else None
        if not isinstance(layer, Filter):
            raise StackError(
                f"{spec.name} cannot stand where only filters of messages do: above a pattern, or in a device",
                layer=spec.name,
                field="R3",
            )
        layer.name = spec.name
        filters.append(layer)
    return filters


class CommonOptions(TypedDict, total=False):
    """Options that sockets of all drivers take."""

    timeout: float | None
    linger: float
    reconnect_min: float
    reconnect_max: float
    handshake: float


class SocketCore:
    """What a socket is, whoever drives it.

    Attributes:
        hub: where it lives.
        head: the application's side.
        raw: the pipes' side.
        above: end filters and pattern, top first.
        stays: it cannot move to another hub, because something is joined to it here.
    """

    above: tuple[LayerSpec, ...]
    head: Head
    raw: Raw

    def __init__(
        self,
        top: object,
        options: EndpointOptions,
        make_hub: Callable[[], Any],
        accept_pipe: AcceptPipeAsync | None = None,
    ) -> None:
        """Take the pattern and what stands on it.

        ``accept_pipe`` is asked about each peer before it takes part.

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
        self._queues: weakref.WeakSet[EventQueue] = weakref.WeakSet()
        self.stays = False
        self._accept_pipe = accept_pipe
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
        if self.stays:
            raise LocalProtocolError(
                f"{specs[-1].name} lives on another hub than this device, whose two sides stay together",
                layer="device",
            )
        if self.endpoints:
            raise LocalProtocolError(
                f"{specs[-1].name} lives on another hub than this socket, which has endpoints already; "
                "give it to a socket of its own",
                layer="socket",
            )
        if self.owns_hub:
            self.hub.release()
        self.use_hub(hub)

    def _build(self) -> None:
        filters = build_filters(self.above[:-1], self.hub)
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

    def add_dialer(self, specs: tuple[LayerSpec, ...], **options: Any) -> DialerCore:
        """Begin to keep a connection up. ``options`` are those in which it differs."""
        dialer = DialerCore(self.hub, self, specs, replace(self.options, **options))
        dialer.start()
        self._keep(dialer)
        return dialer

    def add_listener(
        self, specs: tuple[LayerSpec, ...], inherit: bool, **options: Any
    ) -> ListenerCore:
        """Bind and accept. ``options`` are those in which it differs."""
        listener = ListenerCore(self.hub, self, specs, replace(self.options, **options), inherit)
        self._keep(listener)
        return listener

    def drop(self, endpoint: DialerCore | ListenerCore) -> None:
        """Close an endpoint and forget it."""
        endpoint.close()
        self.endpoints = [each for each in self.endpoints if each is not endpoint]

    def _keep(self, endpoint: DialerCore | ListenerCore) -> None:
        """Add an endpoint; those that were closed can go."""
        self.endpoints = [*(each for each in self.endpoints if not each.closed), endpoint]

    def new_top(self, endpoint: Endpoint) -> ChainTop:
        options = endpoint.options
        make = EndpointPipe if self._accept_pipe is None else partial(GuardedPipe, self.ask)
        return make(endpoint, self.raw, pipe_ids(), options.send_priority, options.recv_priority)

    def connected(self, top: ChainTop, endpoint: Endpoint) -> None:
        self._tell(EventKind.CONNECTED, endpoint, top, None)

    def disconnected(self, top: ChainTop, endpoint: Endpoint, error: SockstackError | None) -> None:
        self._tell(EventKind.DISCONNECTED, endpoint, top, error)

    def endpoint_failed(
        self, endpoint: Endpoint, top: ChainTop | None, error: SockstackError
    ) -> None:
        unwanted = isinstance(error, Busy | IncompatiblePeer)
        kind = EventKind.REFUSED if unwanted else EventKind.FAILED
        self._tell(kind, endpoint, top, error)
        self.head.sendable.open()

    def endpoint_closed(self, endpoint: Endpoint) -> None:
        self.head.sendable.open()

    def ask(self, pipe: Pipe, answered: Callable[[bool], None]) -> None:
        """Ask the application about a peer, with the hub's lock free, and go on with the answer."""
        info = self._info(pipe)
        accept = self._accept_pipe
        assert accept is not None

        def verdict(given: object) -> None:
            if not isinstance(given, bool):
                fault = given if isinstance(given, Exception) else None
                text = "accept_pipe gave %r, which is neither True nor False: %s is refused"
                logger("socket").error(text, given, info, exc_info=fault)
            answered(given is True)

        self.hub.ask(lambda: accept(info), verdict)

    def listen_to_events(self) -> EventQueue:
        """A fresh queue of what happens to connections from now on."""
        queue = EventQueue()
        self._queues.add(queue)
        return queue

    def _tell(
        self,
        kind: EventKind,
        endpoint: Endpoint,
        top: ChainTop | None,
        error: SockstackError | None,
    ) -> None:
        log = debugger("socket")
        if log is None and not self._queues:
            return
        info = self._info(top) if isinstance(top, Pipe) else None
        event = Event(kind, endpoint.address, info, error)
        for queue in self._queues:
            queue.put(event)
        if log is not None:
            log.debug("%s: %s", self.pattern.name, event)

    def _info(self, pipe: Pipe) -> PipeInfo:
        assert isinstance(pipe, EndpointPipe)
        return PipeInfo.of(pipe, pipe.endpoint, lambda: self.hub.lock)

    def pipes(self) -> list[PipeInfo]:
        """The peers that are connected now."""
        return [self._info(pipe) for pipe in self.raw.pipes.values()]

    def pipe(self, number: int) -> PipeInfo | None:
        """The peer with that id, if it is still connected."""
        pipe = self.raw.pipes.get(number)
        return None if pipe is None else self._info(pipe)

    def explain(self, error: Deadline) -> None:
        """Say why nothing could be sent or received in time, if that is known: nobody is connected."""
        if self.raw.pipes:
            return
        faults = [f"{each.address}: {each.error.message}" for each in self.endpoints if each.error]
        error.message = "; ".join([f"{error.message}, and nobody is connected", *faults])
        error.__cause__ = next((each.error for each in self.endpoints if each.error), None)

    def offer_accepted(self, bodies: Sequence[bytes]) -> int:
        """Hand on messages that were accepted before, and whose sender cannot be told any more if a layer raises.

        Returns:
            How many of them are dealt with, from the front: handed on or, if a layer cannot send one, dropped.
        """
        for batch in (bodies, bodies[:1]):
            try:
                return self.head.offer_many(batch)
            except Closed:
                raise
            except Exception as error:
                fault = error
        text = "a layer cannot send %r, which is dropped"
        logger("socket").error(text, bodies[0][:64], exc_info=fault)
        self.stats.lost += len(bodies[0])
        return 1

    def describe(self, closed: bool) -> str:
        """The pattern, its addresses and its peers, in a line."""
        if closed:
            return f"{self.pattern.name}, closed"
        doing = [
            f"{'dials' if isinstance(each, DialerCore) else 'listens on'} {each.address}"
            for each in self.endpoints
        ]
        count = len(self.raw.pipes)
        return ", ".join([self.pattern.name, *doing, f"{count} peer{'s' * (count != 1)}"])

    def unsent(self) -> int:
        """Bytes accepted that no kernel has taken yet."""
        return self.raw.unsent + sum(pipe.unsent for pipe in self.raw.pipes.values())

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
        for queue in self._queues:
            queue.close()


class EndpointPipe(Pipe):
    """A pipe that an endpoint has brought."""

    __slots__ = ("endpoint",)

    def __init__(self, endpoint: Endpoint, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.endpoint = endpoint


class GuardedPipe(EndpointPipe):
    """One that takes part only when the application has agreed."""

    __slots__ = ("_ask",)

    def __init__(
        self, ask: Callable[[Pipe, Callable[[bool], None]], None], *arguments: Any
    ) -> None:
        super().__init__(*arguments)
        self._ask = ask

    def opened(self, record: Capabilities) -> None:
        def answered(verdict: bool) -> None:
            if not self.expected:
                return  # it left, or its time was over, while the application thought
            if verdict:
                super(GuardedPipe, self).opened(record)
            else:
                self.close(IncompatiblePeer("accept_pipe has refused this peer", layer="socket"))

        self._ask(self, answered)


def hub_of(specs: Sequence[LayerSpec]) -> Any:
    """The hub that the transport at the bottom lives on, if it is a live object; else None."""
    return getattr(specs[-1], "hub", None)
