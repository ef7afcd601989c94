"""The interfaces between layers, as types.

Five interfaces carry data: :class:`Stream` (bytes), :class:`Message` (atomic units to one peer), :class:`Frames`
(messages of several frames), :class:`Datagrams` (a unit with its peer's address) and :class:`Mux` (many streams).
They are marker types: a stack is a ``Spec[Below, Above]`` and ``|`` type-checks when they meet. Nothing of this is
looked at when a program runs; there the capability records decide (:mod:`sockstack.core.capabilities`).
"""

from __future__ import annotations

from typing import Generic, TypeVar, final

__all__ = [
    "CanContext",
    "CanRecv",
    "CanSend",
    "CanSubscribe",
    "Datagrams",
    "Frames",
    "Interface",
    "Message",
    "Mux",
    "Os",
    "Pattern",
    "Pipe",
    "Stream",
]


class Interface:
    """What a layer shows to its neighbour."""


@final
class Os(Interface):
    """Below a transport: the operating system, or a live object."""


@final
class Stream(Interface):
    """Bytes in order, without boundaries."""


class Message(Interface):
    """Units that arrive whole or not at all, to and from one peer."""


@final
class Frames(Interface):
    """Messages of several frames (ZMTP)."""


@final
class Datagrams(Interface):
    """Units with the address of their peer; many peers."""


@final
class Mux(Interface):
    """Many streams, opened from either side."""


@final
class Pipe(Interface):
    """One peer of a pattern, after both have said who they are."""


class CanSend:
    """A pattern whose sockets send."""


class CanRecv:
    """A pattern whose sockets receive."""


class CanSubscribe:
    """A pattern whose sockets choose what they receive."""


class CanContext:
    """A pattern whose sockets have contexts."""


OpsT_co = TypeVar("OpsT_co", covariant=True)


class Pattern(Message, Generic[OpsT_co]):
    """Many pipes made one by a pattern; a kind of Message, so that filters of messages stand on it."""
