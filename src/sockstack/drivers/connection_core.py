"""Connections, listeners of connections and sessions without their waiting. Both drivers stand on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from ..core.capabilities import Capabilities, Unit
from ..core.chain import Chain, ChainTop
from ..core.connection import ConnectionCore
from ..core.errors import Closed, EndpointError, LocalProtocolError, SockstackError, StackError
from ..core.hub import Cancellable, Hub
from ..core.interfaces import Os, Stream
from ..core.junction import Gate
from ..core.session import SessionCore
from ..core.spec import Kind, LayerSpec, Role, Spec, Stack, layers_of
from ..core.transport import Accepted, Bound, Dialed, Failed, Link, TransportSpec
from .endpoints import DialerCore, Endpoint, EndpointOptions, ListenerCore
from .hub import BaseHub
from .socket_core import hub_of

__all__ = [
    "AcceptCore",
    "DialCore",
    "SessionStream",
    "check_connection",
    "check_hub",
    "is_stream_of_a_session",
    "new_core",
    "open_link",
]


H = TypeVar("H", bound=BaseHub)


def check_connection(where: object) -> tuple[LayerSpec, ...]:
    """The layers of a whole stack without a pattern.

    Raises:
        StackError: it has a pattern, or no transport.
    """
    if isinstance(where, str):
        from ..core.text import parse_url

        layers = parse_url(where, None).layers
    else:
        layers = layers_of(where)
    stack: Stack[Any, Any] = where if isinstance(where, Stack) else Stack(layers)
    if not stack.complete:
        raise StackError(
            f"the stack has no transport at its bottom: {stack}", layer=layers[-1].name, field="R1"
        )
    if any(spec.kind is Kind.PATTERN for spec in layers):
        raise StackError("a stack with a pattern makes a socket", layer=layers[0].name, field="R1")
    return layers


def check_hub(specs: Sequence[LayerSpec], kind: type[H]) -> H | None:
    """The hub that a live object at the bottom lives on, or None.

    Raises:
        LocalProtocolError: it belongs to the other driver.
    """
    hub = hub_of(specs)
    if hub is not None and not isinstance(hub, kind):
        raise LocalProtocolError(
            f"{specs[-1].name} belongs to the {hub.driver} driver; use the functions of that driver",
            layer="stack",
        )
    return hub


def is_stream_of_a_session(core: ConnectionCore) -> bool:
    """Whether it holds nothing of the system's, and goes with its session."""
    return isinstance(core.chain.specs[-1], SessionStream)


def new_core(specs: Sequence[LayerSpec]) -> ConnectionCore:
    """The end that fits a stack: a session's if its top is a mux."""
    return SessionCore() if specs[0].kind is Kind.MUX else ConnectionCore()


def open_link(hub: Hub, spec: LayerSpec, link: Link, role: Role) -> ConnectionCore:
    """A connection with no layers over a link that is there already: a stream of a session."""
    core = ConnectionCore()
    core.chain = Chain((spec,), link, link.record, role, core, hub)
    core.chain.open()
    return core


class DialCore:
    """One dial: a connection, or the reason why there is none."""

    above: tuple[LayerSpec, ...] = ()

    def __init__(
        self,
        hub: Any,
        specs: tuple[LayerSpec, ...],
        options: EndpointOptions,
        role: Role = Role.DIALER,
    ) -> None:
        self.gate = Gate()
        self._specs = specs
        self._top: ConnectionCore | None = None
        self._error: SockstackError | None = None
        self._dialer = DialerCore(hub, self, specs, options, role, once=True)
        self._dialer.start()

    def new_top(self, endpoint: Endpoint) -> ChainTop:
        return new_core(self._specs)

    def connected(self, top: ChainTop, endpoint: Endpoint) -> None:
        assert isinstance(top, ConnectionCore)
        top.on_closed = lambda error: None
        self._top = top
        self.gate.open()

    def disconnected(self, top: ChainTop, endpoint: Endpoint, error: SockstackError | None) -> None:
        """Who holds the connection knows."""

    def endpoint_failed(
        self, endpoint: Endpoint, top: ChainTop | None, error: SockstackError
    ) -> None:
        self._error = error
        self.gate.open()

    def endpoint_closed(self, endpoint: Endpoint) -> None:
        """It was given up by who waits for it."""

    def result(self) -> ConnectionCore | None:
        """The open connection; None: not yet.

        Raises:
            SockstackError: why it did not open.
        """
        if self._error is not None:
            raise self._error
        return self._top

    def close(self) -> None:
        """Give up."""
        self._dialer.close()
        if self._top is not None:
            self._top.abort()


class AcceptCore:
    """A listener of connections: those that are open wait here to be fetched, a bounded number of them."""

    above: tuple[LayerSpec, ...] = ()

    def __init__(
        self, hub: Any, specs: tuple[LayerSpec, ...], options: EndpointOptions, inherit: bool
    ) -> None:
        self.gate = Gate()
        self._specs = specs
        self._ready: deque[ConnectionCore] = deque()
        self._most = options.openings
        self._closed: str | None = None
        self.listener = ListenerCore(hub, self, specs, options, inherit)

    @property
    def closed(self) -> bool:
        """It accepts no more."""
        return self._closed is not None

    @property
    def path(self) -> str:
        """The layers of its connections, top first."""
        return "<".join(spec.name for spec in self._specs)

    def new_top(self, endpoint: Endpoint) -> ChainTop:
        return new_core(self._specs)

    def connected(self, top: ChainTop, endpoint: Endpoint) -> None:
        assert isinstance(top, ConnectionCore)
        self._ready.append(top)
        if len(self._ready) >= self._most:
            self.listener.pause(True)
        self.gate.open()

    def disconnected(self, top: ChainTop, endpoint: Endpoint, error: SockstackError | None) -> None:
        """Who fetched the connection knows, and who fetches it will."""

    def endpoint_failed(
        self, endpoint: Endpoint, top: ChainTop | None, error: SockstackError
    ) -> None:
        """The next one may be well."""

    def endpoint_closed(self, endpoint: Endpoint) -> None:
        """Whoever waits here is told by :meth:`close`."""

    def take(self) -> ConnectionCore | None:
        """The next open connection; None: none yet."""
        if not self._ready:
            if self._closed is not None:
                raise Closed(self._closed, layer="listener")
            return None
        self.listener.pause(False)
        return self._ready.popleft()

    def put_back(self, core: ConnectionCore) -> None:
        """It could not be used now, and is the next again."""
        self._ready.appendleft(core)
        self.gate.open()

    def close(self, why: str = "the listener is closed") -> None:
        """Stop listening; drop those that nobody fetched."""
        self._closed = why
        self.listener.close()
        while self._ready:
            self._ready.popleft().abort()
        self.gate.open()

    def after_fork(self, kept: bool, why: str) -> None:
        """In a forked child: what was accepted is the parent's, and so is the listener unless it is ``kept``."""
        self._ready.clear()
        self.listener.after_fork()
        if not kept:
            self.close(why)


@dataclass(frozen=True, eq=False)
class SessionStream(TransportSpec, Spec[Os, Stream]):
    """One stream of a live session, as the bottom of another stack. It is dead when its session dies."""

    core: SessionCore = field(repr=False)

    name: ClassVar[str] = "session"

    @property
    def hub(self) -> Hub:
        """Where the session lives, and all that stands on its streams."""
        return self.core.mux.hub

    def derive(self, below: Capabilities) -> Capabilities:
        return self.core.chain.record.but(unit=Unit.STREAM)

    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        attempt = _Attempt()

        def finish() -> None:
            if attempt.cancelled:
                return
            try:
                link = self.core.open_stream()
            except SockstackError as error:
                failed(error)
            else:
                dialed(link)

        hub.post(finish)
        return attempt

    def listen(self, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool = False) -> Bound:
        if inherit:
            raise EndpointError("a session does not outlive a fork", layer="session")
        return _SessionBound(self.core, hub, accepted)


class _Attempt:
    """A dial that can be called off."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _SessionBound:
    """Takes the streams that the peer opens, even while no caller waits, until the session is over."""

    address = "session"

    def __init__(self, core: SessionCore, hub: Hub, accepted: Accepted) -> None:
        self._core = core
        self._hub = hub
        self._open = True
        core.accept_with(accepted, self._released)
        hub.need(self, True)
        hub.post(core.hand_out)

    def pause(self, flag: bool) -> None:
        """The session's own limit on streams holds."""

    def close(self) -> None:
        if self._open:
            self._core.accept_no_more()

    def _released(self) -> None:
        self._open = False
        self._hub.need(self, False)
