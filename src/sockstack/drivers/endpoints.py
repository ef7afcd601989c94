"""Dialers and listeners: what keeps a socket connected. Shared by all drivers; they only make calls of a hub."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from ..core.chain import ChainTop
from ..core.errors import Closed, IncompatiblePeer, SockstackError, StackError
from ..core.hub import Cancellable, Hub
from ..core.log import logger
from ..core.spec import LayerSpec, Role
from ..core.transport import Link, TransportSpec
from .opening import Opening, Owner

__all__ = ["DialState", "DialerCore", "EndpointOptions", "ListenerCore"]

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
    """

    reconnect_min: float = 0.1
    reconnect_max: float = 5.0
    handshake: float = 10.0
    openings: int = 1024


class EndpointOwner(Owner, Protocol):
    """Who has endpoints."""

    def connected(self, top: ChainTop) -> None:
        """A connection is open."""

    def endpoint_failed(self, error: SockstackError) -> None:
        """A dialler's attempt has failed; it may try again."""


class DialState(enum.Enum):
    """What a dialler is doing."""

    CONNECTING = "connecting"
    UP = "up"
    WAITING = "waiting"
    CLOSED = "closed"


class DialerCore:
    """Keeps one connection: dials, opens, and dials again when it is lost, with growing random pauses.

    Attributes:
        state: what it is doing.
        error: why the last attempt failed, or None.
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
        transport = specs[-1]
        if not isinstance(transport, TransportSpec):
            raise StackError(f"{transport.name} is no transport", layer=transport.name, field="R1")
        for spec in specs:
            spec.prepare(role)
        self.specs = specs
        self.state = DialState.CONNECTING
        self.error: SockstackError | None = None
        self._transport = transport
        self._hub = hub
        self._owner = owner
        self._options = options
        self._role = role
        self._once = once
        self._bound = options.reconnect_min
        self._attempt: Cancellable | None = None
        self._opening: Opening | None = None
        self._timer: Cancellable | None = None
        self._top: ChainTop | None = None

    def start(self) -> None:
        """Dial."""
        self._timer = None
        self.state = DialState.CONNECTING
        self._hub.need(self, True)
        self._attempt = self._transport.dial(self._hub, self._dialed, self._failed)

    def is_up(self) -> bool | None:
        """True if it is connected; None: not now."""
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
        self.state = DialState.CLOSED
        self._hub.need(self, False)
        if self._attempt is not None:
            self._attempt.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._opening is not None:
            self._opening.abort()
        if self._top is not None:
            self._top.on_closed = lambda error: None
            self._top = None

    def _dialed(self, link: Link) -> None:
        self._attempt = None
        self._opening = Opening(
            self._hub,
            self._owner,
            self.specs,
            self._role,
            self._options.handshake,
            self._opened,
            lambda opening, error: self._failed(error),
        )
        self._opening.start(link)

    def _opened(self, opening: Opening, top: ChainTop) -> None:
        self._opening = None
        self._top = top
        self.error = None
        self.state = DialState.UP
        self._bound = self._options.reconnect_min
        self._hub.need(self, False)
        top.on_closed = self._lost
        self._owner.connected(top)

    def _lost(self, error: SockstackError | None) -> None:
        self._top = None
        self.error = error
        self._again(error)

    def _failed(self, error: SockstackError) -> None:
        self._attempt = None
        self._opening = None
        self.error = error
        logger("endpoint").debug("dialling %s: %s", self.specs[-1], error)
        self._again(error)
        self._owner.endpoint_failed(error)

    def _again(self, error: SockstackError | None) -> None:
        if self.state is DialState.CLOSED:
            return
        if self._once or isinstance(error, Closed):
            self.state = DialState.CLOSED
            self._hub.need(self, False)
            return
        pause = self._bound * self._hub.randbits(24) / (1 << 24)
        self._bound = min(self._bound * 2, max(self._options.reconnect_max, self._bound))
        if isinstance(error, IncompatiblePeer):
            pause = SLOW * self._options.reconnect_max
            logger("endpoint").warning(
                "dialling %s: %s; trying again in %g s", self.specs[-1], error, pause
            )
        self.state = DialState.WAITING
        self._hub.need(self, True)
        self._timer = self._hub.call_at(self._hub.now() + pause, self.start)


class ListenerCore:
    """Accepts connections and opens them side by side, so that a slow one keeps nobody waiting.

    Attributes:
        address: where it listens, with the real port.
        error: why nobody can be accepted at the moment, or None.
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
        transport = specs[-1]
        if not isinstance(transport, TransportSpec):
            raise StackError(f"{transport.name} is no transport", layer=transport.name, field="R1")
        for spec in specs:
            spec.prepare(Role.LISTENER)
        self.specs = specs
        self.error: SockstackError | None = None
        self._hub = hub
        self._owner = owner
        self._options = options
        self.inherit = inherit
        self._openings: dict[Opening, None] = {}
        self._bound = transport.listen(hub, self._accepted, self._troubled, inherit)
        self.address = self._bound.address

    def pause(self, flag: bool) -> None:
        """Accept nobody for now."""
        self._bound.pause(flag)

    def close(self) -> None:
        """Stop listening, and drop what is still opening. Open connections stay."""
        self._bound.close()
        openings, self._openings = self._openings, {}
        for opening in openings:
            opening.abort()

    def after_fork(self) -> None:
        """In a forked child: what was opening is the parent's."""
        self._openings.clear()

    def _accepted(self, link: Link) -> None:
        self.error = None
        if len(self._openings) >= self._options.openings:
            oldest = next(iter(self._openings))
            del self._openings[oldest]
            oldest.abort()
        opening = Opening(
            self._hub,
            self._owner,
            self.specs,
            Role.LISTENER,
            self._options.handshake,
            self._opened,
            self._failed,
        )
        self._openings[opening] = None
        opening.start(link)

    def _opened(self, opening: Opening, top: ChainTop) -> None:
        self._openings.pop(opening, None)
        top.on_closed = lambda error: None
        self._owner.connected(top)

    def _failed(self, opening: Opening, error: SockstackError) -> None:
        self._openings.pop(opening, None)
        logger("endpoint").debug("a connection to %s did not open: %s", self.address, error)

    def _troubled(self, error: SockstackError) -> None:
        if self.error is None:  # it comes again and again as long as it lasts
            logger("endpoint").warning("listening on %s: %s", self.address, error)
        self.error = error
