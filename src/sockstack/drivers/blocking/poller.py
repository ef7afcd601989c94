"""Waiting for descriptors, with epoll or the platform's own selector, and waking the one who waits."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import socket
import threading

__all__ = ["IN", "OUT", "Poller", "Waker", "make_poller"]

IN = 1
OUT = 4
"""Masks with the values that epoll has: anything but OUT (errors, hang-ups) counts as IN."""


class Poller:
    """Level-triggered readiness of descriptors, through the platform's best selector.

    Descriptors may be added and changed while another thread polls.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, mask: int) -> None:
        """Begin to watch a descriptor; a mask of 0 watches nothing yet."""
        if mask:
            self._selector.register(fd, self._events(mask))

    def modify(self, fd: int, mask: int) -> None:
        """Change what is watched."""
        self.unregister(fd)
        self.register(fd, mask)

    def unregister(self, fd: int) -> None:
        """Stop watching."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """Wait up to ``timeout`` seconds (None: for ever) for something; pairs of descriptor and mask.

        ``maxevents`` is a hint how many to look at.
        """
        ready = []
        for key, events in self._selector.select(timeout):
            mask = (IN if events & selectors.EVENT_READ else 0) | (
                OUT if events & selectors.EVENT_WRITE else 0
            )
            ready.append((key.fd, mask))
        return ready

    def fileno(self) -> int:
        """A descriptor that is readable while something is ready."""
        return self._selector.fileno()  # epoll and kqueue have one

    def close(self) -> None:
        """Let go; what was watched stays open."""
        self._selector.close()

    @staticmethod
    def _events(mask: int) -> int:
        return (selectors.EVENT_READ if mask & IN else 0) | (
            selectors.EVENT_WRITE if mask & OUT else 0
        )


class EpollPoller(Poller):
    """The same on epoll itself, whose calls need no bookkeeping in Python."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        # Bound as they are: a method of ours around each would cost more than the system call's own overhead.
        self.poll = self._epoll.poll  # type: ignore[method-assign]

    def register(self, fd: int, mask: int) -> None:
        self._epoll.register(fd, mask)

    def modify(self, fd: int, mask: int) -> None:
        self._epoll.modify(fd, mask)

    def unregister(self, fd: int) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(fd)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()


def make_poller() -> Poller:
    """The best poller of this platform."""
    return EpollPoller() if hasattr(select, "epoll") else Poller()


class Waker:
    """A descriptor that becomes readable when somebody wakes it: an eventfd, or a socket pair.

    Waking after it was closed does nothing: the number may belong to another file by then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = True
        self._near: socket.socket | None = None
        self._far: socket.socket | None = None
        if hasattr(os, "eventfd"):
            self.fileno = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:
            self._near, self._far = socket.socketpair()
            self._near.setblocking(False)
            self._far.setblocking(False)
            self.fileno = self._near.fileno()

    def wake(self) -> None:
        """Make it readable; any thread may call it."""
        with self._lock, contextlib.suppress(BlockingIOError):
            if not self._open:
                return
            if self._far is not None:
                self._far.send(b"\0")
            else:
                os.eventfd_write(self.fileno, 1)

    def clear(self) -> None:
        """Make it silent again."""
        with contextlib.suppress(BlockingIOError):
            if self._near is not None:
                while self._near.recv(4096):
                    pass
            else:
                os.eventfd_read(self.fileno)

    def close(self) -> None:
        """Let go of the descriptors."""
        with self._lock:
            self.forked()

    def forked(self) -> None:
        """The same in a forked child, where a thread that no longer exists may hold the lock."""
        self._open = False
        if self._near is not None and self._far is not None:
            self._near.close()
            self._far.close()
        else:
            os.close(self.fileno)
