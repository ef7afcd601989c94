"""Readiness for those who wait elsewhere: a poller of several sockets, and a descriptor for other people's loops."""

from __future__ import annotations

import enum
import time
from typing import Any, Protocol

from ...core.head import Head
from .hub import BlockingHub
from .poller import IN, OUT, Waker, make_poller

__all__ = ["Poller", "Ready", "Signal"]

EVENTS = 64
"""Descriptors looked at in one round."""


class Ready(enum.Flag):
    """What would not have to wait."""

    RECV = enum.auto()
    SEND = enum.auto()


class Waitable(Protocol):
    """A socket or a context of the blocking driver."""

    _hub: BlockingHub
    _head: Head

    @property
    def closed(self) -> bool:
        """Nothing can be done with it any more."""


class Descriptor(Protocol):
    """Whatever has a descriptor."""

    def fileno(self) -> int:
        """Its number."""


class Poller:
    """Waits for several sockets, contexts and plain descriptors at once, in the caller's own thread.

    Meanwhile the caller does the sockets' work, as it does inside ``recv``::

        poller = Poller()
        poller.add(sub)
        poller.add(rep)
        for sock, ready in poller.wait(timeout=1.0):
            ...

    What is ready may have been fetched by another thread before this one gets there; give ``recv`` a ``timeout`` of 0
    where several threads receive from one socket.
    """

    def __init__(self) -> None:
        self._waiters: dict[Any, Ready] = {}

    def add(self, what: Waitable | Descriptor | int, ready: Ready = Ready.RECV) -> None:
        """Wait for this, too. Added again, the last word on ``ready`` counts.

        Raises:
            TypeError: it is no socket or context of the blocking driver, and has no descriptor.
        """
        if not (is_talker(what) or isinstance(what, int) or hasattr(what, "fileno")):
            raise TypeError(
                f"a poller waits for blocking sockets, contexts and descriptors, not for {what!r}"
            )
        self._waiters[what] = ready

    def remove(self, what: Waitable | Descriptor | int) -> None:
        """Wait for it no longer.

        Raises:
            KeyError: it was not added.
        """
        if what not in self._waiters:
            raise KeyError(f"the poller does not wait for {what!r}")
        del self._waiters[what]

    def wait(self, timeout: float | None = None) -> list[tuple[Any, Ready]]:
        """Wait until at least one of them is ready.

        Args:
            timeout: seconds, or None: for ever.

        Returns:
            What is ready, and for what, in the order in which they were added; empty when the time has passed. A socket
            that was closed is ready for everything: the call will say so.
        """
        round_ = _Round(self._waiters)
        try:
            return round_.wait(timeout)
        finally:
            round_.close()


def is_talker(what: object) -> bool:
    """Whether it is a socket or a context of the blocking driver."""
    return isinstance(getattr(what, "_hub", None), BlockingHub) and isinstance(
        getattr(what, "_head", None), Head
    )


class _Round:
    """One call of :meth:`Poller.wait`."""

    def __init__(self, waiters: dict[Any, Ready]) -> None:
        self._waiters = waiters
        self._waker = Waker()
        self._poller = make_poller()
        self._poller.register(self._waker.fileno, IN)
        self._watched: dict[BlockingHub, int | None] = {}
        self._plain: dict[int, Any] = {}
        for what, wanted in waiters.items():
            if is_talker(what):
                self._watched[what._hub] = None
            else:
                fd = what if isinstance(what, int) else what.fileno()
                self._plain[fd] = what
                mask = (IN if Ready.RECV in wanted else 0) | (OUT if Ready.SEND in wanted else 0)
                self._poller.register(fd, mask)

    def wait(self, timeout: float | None) -> list[tuple[Any, Ready]]:
        """What is ready, within so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        left: float | None = 0  # the first round looks at what is there
        while True:
            events = self._poller.poll(left, EVENTS)
            self._waker.clear()
            instants = [self._attend(hub) for hub in self._watched]
            found = {
                self._plain[fd]: (Ready.RECV if mask != OUT else Ready(0))
                | (Ready.SEND if mask & OUT else Ready(0))
                for fd, mask in events
                if fd in self._plain
            }
            ready = [
                (what, state)
                for what, wanted in self._waiters.items()
                if (state := (found[what] if what in found else self._state(what)) & wanted)
            ]
            now = time.monotonic()
            if ready or (deadline is not None and now >= deadline):
                return ready
            next_look = [each for each in (deadline, *instants) if each is not None]
            left = max(0.0, min(next_look) - now) if next_look else None

    def close(self) -> None:
        """Let go of what this call needed."""
        for what in self._waiters:
            if is_talker(what):
                with what._hub.lock:
                    what._head.receivable.remove(self._waker.wake)
                    what._head.sendable.remove(self._waker.wake)
                    what._hub.dismiss(self._waker.wake)
        self._poller.close()
        self._waker.close()

    def _attend(self, hub: BlockingHub) -> float | None:
        """Do a hub's work, if nobody else does; when it wants to be looked at again at the latest."""
        with hub.lock:
            fd, instant = hub.attend(self._waker.wake)
        before = self._watched[hub]
        if fd != before:
            if before is not None:
                self._poller.unregister(before)
            if fd is not None:
                self._poller.register(fd, IN)
            self._watched[hub] = fd
        return instant

    def _state(self, what: Any) -> Ready:
        """What a socket is ready for; nothing, of a descriptor that was not found ready."""
        if not is_talker(what):
            return Ready(0)
        head: Head = what._head
        with what._hub.lock:
            if what._hub.closed or what.closed:
                return Ready.RECV | Ready.SEND
            for gate in (head.receivable, head.sendable):
                gate.remove(self._waker.wake)
                gate.add(self._waker.wake)
            return (Ready.RECV if head.can_recv else Ready(0)) | (
                Ready.SEND if head.can_send else Ready(0)
            )


class Signal:
    """A descriptor that is readable exactly while a message can be received without waiting.

    A helper thread does the socket's work while no caller does.
    """

    def __init__(self, hub: BlockingHub, head: Head) -> None:
        """Under the hub's lock."""
        self._hub = hub
        self._head = head
        self._waker = Waker()
        self._shown = False
        hub.need(self, True)
        hub.leave()
        self._opened()

    @property
    def fileno(self) -> int:
        """The descriptor."""
        return self._waker.fileno

    def close(self) -> None:
        """Under the hub's lock: let go of the descriptor."""
        self._head.receivable.remove(self._opened)
        self._hub.need(self, False)
        self._waker.close()

    def _opened(self) -> None:
        self._head.receivable.add(self._opened)
        self.show()

    def show(self) -> None:
        """Under the hub's lock: let the descriptor show what can be received now."""
        ready = self._head.can_recv
        if ready is not self._shown:
            self._shown = ready
            if ready:
                self._waker.wake()
            else:
                self._waker.clear()
