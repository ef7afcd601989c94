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
from ..core.framing import size_of
from ..core.hub import Cancellable, Hub
from ..core.interfaces import Message, Os
from ..core.layer import Chunks
from ..core.marks import LOCAL_ADDRESS, PEER_ADDRESS, Key
from ..core.spec import Spec
from ..core.transport import Accepted, Bound, Dialed, Failed, Link, TransportSpec
from .link import fault

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

    Units are passed by reference. Between the two ends there is only a queue and a wake-up. What still waits in it when
    the receiving end is found dead counts as not sent.

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
_lock = threading.RLock()


def _after_fork() -> None:
    """In a forked child: whoever listens is the parent's."""
    _listeners.clear()
    _lock.release()


# Held during a fork, by the thread that forks: no other one has it then, and who closes in the child may take it again.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork)


class _Listen:
    """A name that can be dialled."""

    def __init__(self, address: str, hub: Hub, accepted: Accepted) -> None:
        self.address = address
        self.hub = hub
        self._accepted = accepted
        self._coming: deque[InprocLink] = deque()
        with _lock:
            if address in _listeners:
                raise EndpointError(
                    f"cannot listen on {address!r}: the name is taken in this process",
                    errno=errno.EADDRINUSE,
                    layer="inproc",
                )
            _listeners[address] = self
        hub.need(self, True)

    def come(self, link: InprocLink) -> None:
        """Have a connection accepted. Any thread may call it, if it holds the lock of the names."""
        self._coming.append(link)
        self.hub.post(self._arrive)

    def _arrive(self) -> None:
        if self._coming:
            link = self._coming.popleft()
            try:
                self._accepted(link)
            except BaseException:  # who dialled is told at once
                link.abort()
                raise

    def pause(self, flag: bool) -> None:
        """There is no queue of the system's to leave them in; the opening deadline bounds them."""

    def close(self) -> None:
        with _lock:
            if _listeners.get(self.address) is self:
                del _listeners[self.address]
        self.hub.need(self, False)
        while self._coming:  # nobody else will tell them, if the hub is closed too
            self._coming.popleft().abort()


class _Dial:
    """One attempt to reach a name."""

    def __init__(self, address: str, hub: Hub, dialed: Dialed, failed: Failed) -> None:
        self._over = False

        def finish() -> None:
            if self._over:
                return
            self._over = True
            near = _call(address, hub)
            if near is not None:
                dialed(near)
                return
            failed(
                EndpointError(
                    f"nobody listens on {address!r} in this process",
                    errno=errno.ECONNREFUSED,
                    layer="inproc",
                )
            )

        hub.post(finish)

    def cancel(self) -> None:
        self._over = True


def _call(address: str, hub: Hub) -> InprocLink | None:
    """Our end of a fresh connection to who listens under a name; None: nobody does."""
    with _lock:
        listener = _listeners.get(address)
        if listener is None:
            return None
        near, far = InprocLink(hub, address), InprocLink(listener.hub, address)
        near.peer, far.peer = far, near
        listener.come(far)
        return near


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
        self._unsent = 0
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
            if self._gone:
                self._unsent += sum(map(size_of, units))
            return
        peer = self.peer
        inbox = peer._inbox
        for unit in units:
            inbox.append(b"".join(unit) if type(unit) is tuple else unit)  # type: ignore[arg-type]
        if peer._gone and self.remote_ended:  # it took its leave, and did not stay to listen
            self._break()
            return
        if len(inbox) >= HIGH and not self._blocked:
            self._blocked = True
            self.above.writable(False)
        # Last: whoever takes the units must find us blocked. If nobody will, what came from there goes up first.
        (self if peer._gone else peer)._schedule()

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
            self._die()
            self.peer._inbox.append(_Sign.GONE)
            self.peer._schedule()

    @property
    def unsent(self) -> int:
        """Bytes that the other end will never receive, of a dead link: it left them lying, or came to be given them.

        While the link lives there are none: the other end has all that was sent.
        """
        return self._unsent

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
        if not (self._scheduled or self._gone):
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
        if not self._open or self._gone:
            return
        try:
            left = self._look()
        except BaseException as error:  # a layer's bug must not cost the other connections
            fault(self, error)
            return
        if left:
            self._break()

    def _look(self) -> bool:
        """Do what there is to do; True: the other end has left, which is to be told above."""
        peer, inbox = self.peer, self._inbox
        alone = peer._gone  # asked first: if it is so, all that came from there is in the inbox
        if self._blocked and len(peer._inbox) <= HIGH // 2 and not alone:
            self._blocked = False
            self.above.writable(True)
        while inbox and not self._gone:
            sign = inbox[0]
            if sign is _Sign.ENDED:
                inbox.popleft()
                self.remote_ended = True
                self.above.ended()
            elif sign is _Sign.GONE:
                inbox.popleft()
                if not self.remote_ended:
                    return True
            elif not self._take():
                break
        if peer._blocked and len(inbox) <= HIGH // 2:
            peer._schedule()
        return self._blocked and alone and not self._gone  # nobody will make room

    def _take(self) -> bool:
        """Pass up what there is credit for; False: nothing."""
        inbox = self._inbox
        units: list[bytes] = []
        try:
            while self._wanted > len(units) and inbox and type(inbox[0]) is not _Sign:
                units.append(inbox.popleft())  # type: ignore[arg-type]
            if not units:
                return False
            self._wanted -= len(units)
            self.above.receive(units)
        except BaseException:
            if not self._gone:
                inbox.extendleft(reversed(units))  # nobody has received them; who sent them counts
            raise
        return True

    def _break(self) -> None:
        self._die()
        self.above.broken(PeerAborted("the other end was closed", layer=self.name, path=self.path))

    def _die(self) -> None:
        """Nothing more happens here. What a peer that is gone has left lying, nobody will take.

        It has stopped looking at its inbox for good, so that we may, from another thread.
        """
        self._gone = True
        if self.peer._gone:
            left = self.peer._inbox
            self._unsent = sum(len(unit) for unit in left if isinstance(unit, bytes))
            left.clear()
