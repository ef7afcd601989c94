"""Dialers and listeners: what keeps a socket connected. Shared by all drivers; they only make calls of a hub."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypedDict

from ..core.chain import ChainTop
from ..core.errors import Closed, IncompatiblePeer, SockstackError, StackError
from ..core.hub import Cancellable, Hub
from ..core.junction import PRIORITY
from ..core.log import logger
from ..core.spec import LayerSpec, Role
from ..core.transport import Link, TransportSpec
from .opening import Opening

__all__ = [
    "DialOptions",
    "DialState",
    "DialerCore",
    "Endpoint",
    "EndpointOptions",
    "EndpointStats",
    "ListenOptions",
    "ListenerCore",
]

LOWEST_PRIORITY = 16

SLOW = 10.0
"""How much longer than the longest wait a dialler rests after a peer that can never fit."""


@dataclass(frozen=True)
class EndpointOptions:
    """How endpoints behave in time; all in seconds.

    Attributes:
        reconnect_min: a lost or refused connection is dialled again after a random time up to this.
        reconnect_max: the bound doubles with each failure, up to this.
        handshake: all layers of a connection must be open within this.
        openings: connections of one listener that may be opening at once; the oldest gives way to a new one.
        send_priority, recv_priority: the place of its connections among those of a socket, 1 (first) to 16.
    """

    reconnect_min: float = 0.1
    reconnect_max: float = 5.0
    handshake: float = 10.0
    openings: int = 1024
    send_priority: int = PRIORITY
    recv_priority: int = PRIORITY

    def __post_init__(self) -> None:
        for name in ("reconnect_min", "reconnect_max", "handshake"):
            seconds = getattr(self, name)
            if not seconds > 0:
                raise StackError(
                    f"{name} is a time in seconds, more than 0, not {seconds!r}",
                    layer="socket",
                    field=name,
                )
        for name in ("send_priority", "recv_priority"):
            priority = getattr(self, name)
            if not 1 <= priority <= LOWEST_PRIORITY:
                raise StackError(
                    f"{name} is 1 (served first) to {LOWEST_PRIORITY}, not {priority!r}",
                    layer="socket",
                    field=name,
                )


class ListenOptions(TypedDict, total=False):
    """Those in which one address that is listened on may differ from its socket's others."""

    handshake: float
    send_priority: int
    recv_priority: int


class DialOptions(ListenOptions, total=False):
    """Those in which one address that is dialled may."""

    reconnect_min: float
    reconnect_max: float


@dataclass(slots=True)
class EndpointStats:
    """Counters of one endpoint, in connections.

    Attributes:
        attempts: begun: dialled, or accepted.
        opened: of these, how many all layers opened on.
        failed: how many did not get that far.
        lost: opened, and over since.
    """

    attempts: int = 0
    opened: int = 0
    failed: int = 0
    lost: int = 0


class EndpointOwner(Protocol):
    """Who has endpoints: a socket, a listener of connections, a single dial.

    Attributes:
        above: the pattern and what stands on it, top first; empty without a pattern.
    """

    above: tuple[LayerSpec, ...]

    def new_top(self, endpoint: Endpoint) -> ChainTop:
        """A fresh top for one connection."""

    def connected(self, top: ChainTop, endpoint: Endpoint) -> None:
        """A connection is open."""

    def disconnected(self, top: ChainTop, endpoint: Endpoint, error: SockstackError | None) -> None:
        """An open connection is over."""

    def endpoint_failed(
        self, endpoint: Endpoint, top: ChainTop | None, error: SockstackError
    ) -> None:
        """An attempt has failed; ``top`` is the connection's, if it got as far as that."""

    def endpoint_closed(self, endpoint: Endpoint) -> None:
        """It dials no more; who waits for it to connect is to be told."""


class Endpoint:
    """One address that a socket, or another owner, dials or listens on.

    Attributes:
        specs: the layers of its connections, top first.
        options: how it behaves.
        stats: what it has done.
        error: what keeps it from connecting or accepting at the moment, or None.
        closed: it makes no more connections.
    """

    def __init__(
        self,
        hub: Hub,
        owner: EndpointOwner,
        specs: tuple[LayerSpec, ...],
        options: EndpointOptions,
        role: Role,
    ) -> None:
        transport = specs[-1]
        if not isinstance(transport, TransportSpec):
            raise StackError(f"{transport.name} is no transport", layer=transport.name, field="R1")
        for spec in specs:
            spec.prepare(role)
        self.specs = specs
        self.options = options
        self.stats = EndpointStats()
        self.error: SockstackError | None = None
        self.closed = False
        self._transport = transport
        self._hub = hub
        self._owner = owner
        self._role = role

    @property
    def address(self) -> str:
        """Where it dials or listens, as text."""
        raise NotImplementedError

    def close(self) -> None:
        """Make no more connections; open ones stay."""
        raise NotImplementedError

    def _open(
        self,
        link: Link,
        opened: Callable[[Opening, ChainTop], None],
        failed: Callable[[Opening, SockstackError], None],
    ) -> Opening:
        """Begin to open a connection over ``link``; whoever keeps the result starts it."""
        self.stats.attempts += 1
        owner = self._owner
        return Opening(
            self._hub,
            owner.new_top(self),
            owner.above,
            self.specs,
            self._role,
            self.options.handshake,
            opened,
            failed,
        )

    def _over(self, top: ChainTop) -> Callable[[SockstackError | None], None]:
        """What is to be done when an open connection is over."""

        def over(error: SockstackError | None) -> None:
            self.stats.lost += 1
            self._owner.disconnected(top, self, error)

        return over


class DialState(enum.Enum):
    """What a dialler is doing."""

    CONNECTING = "connecting"
    UP = "up"
    WAITING = "waiting"
    CLOSED = "closed"


class DialerCore(Endpoint):
    """Keeps one connection: dials, opens, and dials again when it is lost, with growing random pauses.

    Attributes:
        state: what it is doing.
    """

    def __init__(
        self,
        hub: Hub,
        owner: EndpointOwner,
        specs: tuple[LayerSpec, ...],
        options: EndpointOptions,
        role: Role = Role.DIALER,
        once: bool = False,
    ) -> None:
        super().__init__(hub, owner, specs, options, role)
        self.state = DialState.CONNECTING
        self._once = once
        self._bound = options.reconnect_min
        self._since = 0.0
        self._attempt: Cancellable | None = None
        self._opening: Opening | None = None
        self._timer: Cancellable | None = None
        self._top: ChainTop | None = None

    @property
    def address(self) -> str:
        return str(self.specs[-1])

    def start(self) -> None:
        """Dial."""
        self._timer = None
        self.state = DialState.CONNECTING
        self._attempt = self._transport.dial(self._hub, self._dialed, self._failed)
        if self.state is DialState.CONNECTING:
            self._hub.need(self, True)

    def is_up(self) -> bool | None:
        """True if it is connected; None: not now.

        Raises:
            Closed: it never will be.
        """
        if self.state is DialState.CLOSED:
            raise Closed("this address is dialled no more", layer="socket")
        return True if self.state is DialState.UP else None

    def outcome(self) -> bool | None:
        """True once it is connected; None: not decided.

        Raises:
            SockstackError: why the last attempt failed.
        """
        if self.error is not None:
            raise self.error
        return self.is_up()

    def close(self) -> None:
        """Stop dialling. The connection, if there is one, is left to its owner."""
        if self.closed:
            return
        self.closed = True
        self.state = DialState.CLOSED
        self._hub.need(self, False)
        if self._attempt is not None:
            self._attempt.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._opening is not None:
            self._opening.abort()
        if self._top is not None:
            self._top.on_closed = self._over(self._top)
            self._top = None
        self._owner.endpoint_closed(self)

    def _dialed(self, link: Link) -> None:
        self._attempt = None
        self._opening = self._open(link, self._opened, self._not_opened)
        self._opening.start(link)

    def _opened(self, opening: Opening, top: ChainTop) -> None:
        self._opening = None
        self._top = top
        self.error = None
        self.state = DialState.UP
        self.stats.opened += 1
        self._since = self._hub.now()
        self._hub.need(self, False)
        top.on_closed = self._lost
        self._owner.connected(top, self)

    def _lost(self, error: SockstackError | None) -> None:
        top, self._top = self._top, None
        assert top is not None
        self.error = error
        if self._hub.now() - self._since >= self._bound:  # else it may be a peer that wants none
            self._bound = self.options.reconnect_min
        self._over(top)(error)
        self._again(error)

    def _failed(self, error: SockstackError) -> None:
        """Nobody was reached."""
        self.stats.attempts += 1
        self._give_up(None, error)

    def _not_opened(self, opening: Opening, error: SockstackError) -> None:
        self._give_up(opening.top, error)

    def _give_up(self, top: ChainTop | None, error: SockstackError) -> None:
        self._attempt = None
        self._opening = None
        self.error = error
        self.stats.failed += 1
        self._again(error)
        self._owner.endpoint_failed(self, top, error)

    def _again(self, error: SockstackError | None) -> None:
        if self.state is DialState.CLOSED:
            return
        if self._once or isinstance(error, Closed):
            self.state = DialState.CLOSED
            self._hub.need(self, False)
            return
        pause = self._bound * self._hub.randbits(24) / (1 << 24)
        self._bound = min(self._bound * 2, max(self.options.reconnect_max, self._bound))
        if isinstance(error, IncompatiblePeer):
            pause = SLOW * self.options.reconnect_max
            logger("endpoint").warning(
                "dialling %s: %s; trying again in %g s", self.specs[-1], error, pause
            )
        self.state = DialState.WAITING
        self._hub.need(self, True)
        self._timer = self._hub.call_at(self._hub.now() + pause, self.start)


class ListenerCore(Endpoint):
    """Accepts connections and opens them side by side, so that a slow one keeps nobody waiting.

    Attributes:
        inherit: a forked child goes on accepting.
    """

    def __init__(
        self,
        hub: Hub,
        owner: EndpointOwner,
        specs: tuple[LayerSpec, ...],
        options: EndpointOptions,
        inherit: bool = False,
    ) -> None:
        """Bind.

        Raises:
            EndpointError: the address cannot be bound.
        """
        super().__init__(hub, owner, specs, options, Role.LISTENER)
        self.inherit = inherit
        self._openings: dict[Opening, None] = {}
        self._bound = self._transport.listen(hub, self._accepted, self._troubled, inherit)

    @property
    def address(self) -> str:
        """Where it listens, with the real port."""
        return self._bound.address

    def pause(self, flag: bool) -> None:
        """Accept nobody for now."""
        self._bound.pause(flag)

    def close(self) -> None:
        """Stop listening, and drop what is still opening. Open connections stay."""
        self.closed = True
        self._bound.close()
        openings, self._openings = self._openings, {}
        for opening in openings:
            opening.abort()

    def after_fork(self) -> None:
        """In a forked child: what was opening is the parent's."""
        self._openings.clear()

    def _accepted(self, link: Link) -> None:
        self.error = None
        if len(self._openings) >= self.options.openings:
            oldest = next(iter(self._openings))
            del self._openings[oldest]
            oldest.abort()
        opening = self._open(link, self._opened, self._failed)
        self._openings[opening] = None
        opening.start(link)

    def _opened(self, opening: Opening, top: ChainTop) -> None:
        self._openings.pop(opening, None)
        self.stats.opened += 1
        top.on_closed = self._over(top)
        self._owner.connected(top, self)

    def _failed(self, opening: Opening, error: SockstackError) -> None:
        self._openings.pop(opening, None)
        self.stats.failed += 1
        logger("endpoint").debug("a connection to %s did not open: %s", self.address, error)
        self._owner.endpoint_failed(self, opening.top, error)

    def _troubled(self, error: SockstackError) -> None:
        if self.error is None:  # it comes again and again as long as it lasts
            logger("endpoint").warning("listening on %s: %s", self.address, error)
        self.error = error
