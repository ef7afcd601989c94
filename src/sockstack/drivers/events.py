"""What is told of a socket's peers: who they are, who has come and gone, and who was refused."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from ..core.errors import Closed, SockstackError
from ..core.junction import Gate, Pipe
from ..core.marks import LOCAL_ADDRESS, PEER_ADDRESS, PEER_CREDENTIALS, PEER_PROTOCOL, Key
from .endpoints import DialerCore, Endpoint

__all__ = ["AcceptPipe", "AcceptPipeAsync", "Event", "EventKind", "EventQueue", "PipeInfo"]

T = TypeVar("T")

KEPT = 1024
"""Events that wait for one who listens to them; of more, the oldest are dropped and counted."""


@dataclass(frozen=True)
class PipeInfo:
    """One peer of a socket, as it was when this was asked for.

    Attributes:
        id: as in :attr:`Message.pipe <sockstack.core.head.Message.pipe>`.
        peer, local: addresses as text, or None.
        path: the layers below the pattern, top first.
        protocol: the peer's SP protocol number, or None.
        address: of the endpoint that brought it: what was dialled, or listened on.
        dialled: this side has dialled; else the peer has.
        credentials: pid, uid and gid of the process at the other end of a Unix socket; else None.
        sent, received: messages so far.
        shed: messages that were not sent because too many waited for this peer already.
        unsent: bytes that no kernel has taken yet.
    """

    id: int
    peer: str | None
    local: str | None
    path: str
    protocol: int | None
    address: str
    dialled: bool
    credentials: tuple[int, int, int] | None
    sent: int
    received: int
    shed: int
    unsent: int
    _pipe: Pipe = field(repr=False, compare=False)
    _lock: Callable[[], Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, pipe: Pipe, endpoint: Endpoint, lock: Callable[[], Any]) -> PipeInfo:
        """What there is to say about a pipe now. ``lock`` gives the hub's lock, for what is asked later."""
        chain = pipe.chain
        return cls(
            pipe.id,
            chain.get(PEER_ADDRESS),
            chain.get(LOCAL_ADDRESS),
            "<".join(spec.name for spec in chain.specs),
            chain.get(PEER_PROTOCOL),
            endpoint.address,
            isinstance(endpoint, DialerCore),
            chain.get(PEER_CREDENTIALS),
            pipe.sent,
            pipe.received,
            pipe.shed,
            pipe.unsent,
            pipe,
            lock,
        )

    def get(self, key: Key[T]) -> T | None:
        """What the layers know under ``key`` (a certificate, say); None once they have forgotten it."""
        with self._lock():
            return self._pipe.chain.get(key)

    def close(self) -> None:
        """Cut the connection to this peer. Who dialled it dials again."""
        with self._lock():
            if self._pipe.alive:
                self._pipe.close(None)


AcceptPipe: TypeAlias = Callable[[PipeInfo], bool]
"""Decides about a peer before it may take part."""

AcceptPipeAsync: TypeAlias = Callable[[PipeInfo], bool | Awaitable[bool]]
"""The same; the verdict may have to be awaited."""


class EventKind(enum.Enum):
    """What has happened."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    """Something that happened to a socket's connections.

    Attributes:
        kind: what. ``FAILED`` is an attempt that led nowhere, ``REFUSED`` one that this side did not want.
        address: of the endpoint: where it dials, or listens.
        pipe: the peer; None if it did not get as far as that.
        error: why; None for what is in order.
    """

    kind: EventKind
    address: str
    pipe: PipeInfo | None
    error: SockstackError | None

    def __str__(self) -> str:
        who = f" {self.pipe.peer or self.pipe.path} (pipe {self.pipe.id})" if self.pipe else ""
        why = f": {self.error}" if self.error else ""
        return f"{self.kind.value}{who} at {self.address}{why}"


class EventQueue:
    """Events on their way to one who listens.

    Attributes:
        gate: opens when there is one more.
        missed: events that were dropped because nobody fetched them.
    """

    def __init__(self) -> None:
        self.gate = Gate()
        self.missed = 0
        self._events: deque[Event] = deque()
        self._closed = False

    def put(self, event: Event) -> None:
        """Add one."""
        if len(self._events) >= KEPT:
            self._events.popleft()
            self.missed += 1
        self._events.append(event)
        self.gate.open()

    def take(self) -> Event | None:
        """The oldest; None: none now.

        Raises:
            Closed: there will be no more.
        """
        if self._events:
            return self._events.popleft()
        if self._closed:
            raise Closed("there are no more events: the socket is closed", layer="socket")
        return None

    def close(self) -> None:
        """There will be no more."""
        self._closed = True
        self.gate.open()
