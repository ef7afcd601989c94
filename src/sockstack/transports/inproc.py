"""Connections inside one process, by name: messages are handed over as they are."""

from __future__ import annotations

import enum
import errno
import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar, cast

from ..core.capabilities import (
    Capabilities,
    CleanEnd,
    Confidential,
    HalfClose,
    Integrity,
    Scope,
    Unit,
)
from ..core.errors import EndpointError, PeerAborted
from ..core.hub import Cancellable, Hub
from ..core.interfaces import Message, Os
from ..core.layer import Chunks
from ..core.marks import LOCAL_ADDRESS, PEER_ADDRESS, Key
from ..core.spec import Spec
from ..core.transport import Accepted, Bound, Dialed, Failed, Link, TransportSpec

__all__ = ["Inproc"]

T = TypeVar("T")

HIGH = 128
"""Units waiting at the other end above which ``writable(False)`` is said."""

RECORD = Capabilities(
    Unit.MESSAGE,
    empty_unit=True,
    half_close=HalfClose.NATIVE,
    clean_end=CleanEnd.PEER_CLAIMS,
    scope=Scope.PROCESS,
    confidential=Confidential.HOP,
    integrity=Integrity.HOP,
    features=frozenset({"carry", "detach"}),
)


@dataclass(frozen=True)
class Inproc(TransportSpec, Spec[Os, Message]):
    """Messages to and from another object of the same process; the two may live in different threads.

    Units are passed by reference. Between the two ends there is only a queue and a wake-up.

    Args:
        address: any text; the empty one is a name too.
    """

    address: str

    name: ClassVar[str] = "inproc"

    def derive(self, below: Capabilities) -> Capabilities:
        return RECORD

    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        return _Dial(self.address, hub, dialed, failed)

    def listen(self, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool = False) -> Bound:
        return _Listen(self.address, hub, accepted)


_listeners: dict[str, _Listen] = {}
_lock = threading.Lock()


def _after_fork() -> None:
    """In a forked child: whoever listens is the parent's, and a thread that is not there may have held the lock."""
    global _lock
    _lock = threading.Lock()
    _listeners.clear()


os.register_at_fork(after_in_child=_after_fork)


class _Listen:
    """A name that can be dialled."""

    def __init__(self, address: str, hub: Hub, accepted: Accepted) -> None:
        self.address = address
        self.hub = hub
        self.accepted = accepted
        self.closed = False
        with _lock:
            if address in _listeners:
                raise EndpointError(
                    f"cannot listen on {address!r}: the name is taken in this process",
                    errno=errno.EADDRINUSE,
                    layer="inproc",
                )
            _listeners[address] = self
        hub.need(self, True)

    def pause(self, flag: bool) -> None:
        """There is no queue of the system's to leave them in; the opening deadline bounds them."""

    def close(self) -> None:
        self.closed = True
        with _lock:
            if _listeners.get(self.address) is self:
                del _listeners[self.address]
        self.hub.need(self, False)


class _Dial:
    """One attempt to reach a name."""

    def __init__(self, address: str, hub: Hub, dialed: Dialed, failed: Failed) -> None:
        self._over = False

        def finish() -> None:
            if self._over:
                return
            self._over = True
            with _lock:
                listener = _listeners.get(address)
            if listener is None:
                failed(
                    EndpointError(
                        f"nobody listens on {address!r} in this process",
                        errno=errno.ECONNREFUSED,
                        layer="inproc",
                    )
                )
                return
            near, far = InprocLink(hub, address), InprocLink(listener.hub, address)
            near.peer, far.peer = far, near

            def arrive() -> None:
                if listener.closed:  # meanwhile
                    far.abort()
                else:
                    listener.accepted(far)

            dialed(near)
            listener.hub.post(arrive)

        hub.post(finish)

    def cancel(self) -> None:
        self._over = True


class _Sign(enum.Enum):
    """What travels beside the units."""

    ENDED = enum.auto()
    GONE = enum.auto()


class InprocLink(Link):
    """One end of a connection inside the process."""

    peer: InprocLink

    def __init__(self, hub: Hub, address: str) -> None:
        self.hub = hub
        self.record = RECORD
        self._address = address
        self._inbox: deque[bytes | _Sign] = deque()
        self._scheduled = False
        self._wanted = 0
        self._open = False
        self._gone = False
        self._ending = False
        self._blocked = False
        self._greeting: dict[str, bytes] | None = None
        self._carried: dict[str, bytes] = {}

    # From above.

    def carry(self, name: str, data: bytes) -> None:
        self._carried[name] = data

    def carried(self, name: str) -> bytes | None:
        return (self._greeting or {}).get(name)

    def open(self) -> None:
        peer, greeting = self.peer, dict(self._carried)
        peer.hub.post(lambda: peer._greeted(greeting))
        self._open = True
        self._meet()
        if self._inbox:  # the peer had ended, or gone, before we were there
            self._schedule()

    def send(self, units: Sequence[Chunks]) -> None:
        if self._gone or self._ending:
            return
        if self.peer._gone and self.remote_ended:  # it took its leave, and did not stay to listen
            self._break()
            return
        inbox = self.peer._inbox
        for unit in units:
            inbox.append(b"".join(unit) if type(unit) is tuple else unit)  # type: ignore[arg-type]
        if len(inbox) >= HIGH and not self._blocked:
            self._blocked = True
            self.above.writable(False)
        self.peer._schedule()  # last: whoever takes the units must find us blocked

    def want(self, n: int) -> None:
        self._wanted = n
        if n and self._inbox:
            self._schedule()

    def end(self) -> None:
        if not self._ending and not self._gone:
            self._ending = True
            self.peer._inbox.append(_Sign.ENDED)
            self.peer._schedule()

    def abort(self) -> None:
        if not self._gone:
            self._gone = True
            self.peer._inbox.append(_Sign.GONE)
            self.peer._schedule()

    def get(self, key: Key[T]) -> T | None:
        answer: Any = None
        if key is PEER_ADDRESS or key is LOCAL_ADDRESS:
            answer = self._address
        return cast("T | None", answer)

    def move(self, hub: Hub) -> None:
        self.hub = hub
        self._scheduled = False
        if self._inbox or self._blocked:
            self._schedule()

    # From the hub.

    def _schedule(self) -> None:
        """Have the inboxes looked at on the hub that this end lives on. Any thread may call it."""
        if not self._scheduled:
            self._scheduled = True
            hub = self.hub
            hub.post(partial(self._deliver, hub))

    def _greeted(self, greeting: dict[str, bytes]) -> None:
        self._greeting = greeting
        self._meet()

    def _meet(self) -> None:
        if self._open and self._greeting is not None and not self._gone:
            self.above.opened(self.record)

    def _deliver(self, hub: Hub) -> None:
        if hub is not self.hub:  # moved, perhaps to another thread; it is posted there too
            return
        self._scheduled = False
        if not self._open:
            return
        peer, inbox = self.peer, self._inbox
        if self._blocked and not self._gone and len(peer._inbox) <= HIGH // 2:
            self._blocked = False
            self.above.writable(True)
        while inbox and not self._gone:
            sign = inbox[0]
            if type(sign) is _Sign:
                inbox.popleft()
                self._signal(sign)
                continue
            units: list[bytes] = []
            while self._wanted > len(units) and inbox and type(inbox[0]) is not _Sign:
                units.append(inbox.popleft())  # type: ignore[arg-type]
            if not units:
                break
            self._wanted -= len(units)
            self.above.receive(units)
        if peer._blocked and len(inbox) <= HIGH // 2:
            peer._schedule()

    def _signal(self, sign: _Sign) -> None:
        if sign is _Sign.ENDED:
            self.remote_ended = True
            self.above.ended()
        elif not self.remote_ended:
            self._break()

    def _break(self) -> None:
        self._gone = True
        self.above.broken(PeerAborted("the other end was closed", layer=self.name, path=self.path))
