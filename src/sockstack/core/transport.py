"""What a transport states beside what every layer does: how to dial and how to listen, on a hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .capabilities import Capabilities
from .errors import SockstackError
from .hub import Cancellable, Hub
from .layer import Layer
from .spec import Kind, LayerSpec

__all__ = ["Accepted", "Bound", "Dialed", "Failed", "Link", "TransportSpec"]


class Link(Layer):
    """The bottom layer of one connection.

    Attributes:
        record: what it promises, from the real thing.
        hub: where it lives.
    """

    record: Capabilities
    hub: Hub
    session = True

    def carry(self, name: str, data: bytes) -> None:
        """A transport without the feature ``carry`` has no handshake to put it in."""

    def carried(self, name: str) -> bytes | None:
        return None

    def move(self, hub: Hub) -> None:
        """Go on living on another hub."""
        raise NotImplementedError


Dialed = Callable[[Link], None]
Failed = Callable[[SockstackError], None]
Accepted = Callable[[Link], None]


class Bound(Protocol):
    """Something that listens."""

    address: str
    """Where, as text that a dialler takes; a port that was 0 is the real one."""

    def pause(self, flag: bool) -> None:
        """Accept nobody for now; those who come wait in the system's queue."""

    def close(self) -> None:
        """Stop listening. Live connections stay. May be called twice."""


class TransportSpec(LayerSpec):
    """The spec of a transport: the only kind of layer that owns a resource of the operating system."""

    kind = Kind.TRANSPORT

    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        """Connect once. Exactly one of the two is called, from the hub, not before this returns; none after ``cancel``.

        Raises:
            StackError: the address makes no sense for dialling.
        """
        raise NotImplementedError

    def listen(self, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool = False) -> Bound:
        """Bind and accept. ``trouble`` reports what accepting met and went on after (no descriptors left, say).

        ``inherit``: a forked child goes on accepting on the same descriptor; else it is closed there.

        Raises:
            EndpointError: the address cannot be bound.
        """
        raise NotImplementedError
