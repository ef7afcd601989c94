"""Connecting and accepting with stream sockets: what TCP and Unix share."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any

from ..core.errors import EndpointError
from ..core.hub import Cancellable, Hub, Watch
from ..core.transport import Failed

__all__ = ["Acceptor", "Connecting", "socket_error"]

ACCEPTS_A_TURN = 64
"""Connections taken in one turn, so that a flood of them leaves time for the others."""

RETRY_ACCEPT = 0.1
"""Seconds to wait when descriptors or memory have run out, or nothing can be accepted for another reason."""

DIED_WAITING = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
        errno.ETIMEDOUT,
    }
)
"""What ``accept`` says of a connection that was in the queue, and not of the queue (accept(2))."""

RETRY_CONNECT = 0.01
"""Seconds to wait when the queue of a Unix listener is full."""

STILL_CONNECTING = frozenset({errno.EINPROGRESS, errno.EALREADY, errno.EINTR})


def socket_error(error: OSError, what: str, layer: str) -> EndpointError:
    """An operating system's error as ours, with its number."""
    return EndpointError(f"{what}: {error.strerror or error}", errno=error.errno, layer=layer)


class Connecting:
    """One socket on its way to one address."""

    def __init__(
        self,
        hub: Hub,
        sock: socket.socket,
        address: Any,
        connected: Callable[[socket.socket], None],
        failed: Callable[[OSError], None],
    ) -> None:
        """Start. ``connected`` and ``failed`` are called from the hub, later; neither after ``cancel``."""
        self._hub = hub
        self._sock: socket.socket | None = sock
        self._address = address
        self._connected = connected
        self._failed = failed
        self._watch: Watch | None = None
        self._retry: Cancellable | None = None
        sock.setblocking(False)
        self._connect()

    def cancel(self) -> None:
        """Give up."""
        sock, self._sock = self._sock, None
        if self._watch is not None:
            self._watch.close()
        if self._retry is not None:
            self._retry.cancel()
        if sock is not None:
            sock.close()

    def _connect(self) -> None:
        sock, hub = self._sock, self._hub
        assert sock is not None
        try:
            code = sock.connect_ex(self._address)
        except OSError as error:  # an address that the system cannot even read
            code = error.errno or errno.EINVAL
        if code in STILL_CONNECTING:
            self._watch = hub.watch(sock.fileno(), self._ready, self._ready, sock.close)
            self._watch.write(True)
        elif (
            code == errno.EAGAIN and sock.family == socket.AF_UNIX
        ):  # nobody tells when it has room
            self._retry = hub.call_at(hub.now() + RETRY_CONNECT, self._connect)
        else:
            hub.post(lambda: self._done(code))

    def _ready(self) -> None:
        if self._sock is not None:
            self._done(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _done(self, code: int) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if self._watch is not None:
            self._watch.close()
        if code:
            sock.close()
            self._failed(OSError(code, os.strerror(code)))
        else:
            self._connected(sock)


class Acceptor:
    """A listening socket that accepts whoever comes, and survives what accepting can meet."""

    def __init__(
        self,
        hub: Hub,
        sock: socket.socket,
        accepted: Callable[[socket.socket], None],
        trouble: Failed,
        layer: str,
        inherit: bool,
    ) -> None:
        """Begin to accept. ``inherit``: a forked child goes on accepting, beside its parent."""
        self._hub = hub
        self._sock: socket.socket | None = sock
        self._accepted = accepted
        self._trouble = trouble
        self._layer = layer
        self._paused = False
        self._retry: Cancellable | None = None
        sock.setblocking(False)
        self._watch = hub.watch(
            sock.fileno(), self._ready, self._ready, None if inherit else sock.close
        )
        hub.need(self, True)

    @property
    def fileno(self) -> int:
        """The listening descriptor, or -1."""
        return -1 if self._sock is None else self._sock.fileno()

    def pause(self, flag: bool) -> None:
        """Accept nobody for now."""
        self._paused = flag
        if self._sock is not None and self._retry is None:
            self._watch.read(not flag)

    def close(self) -> None:
        """Stop listening."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if self._retry is not None:
            self._retry.cancel()
        self._watch.close()
        self._hub.need(self, False)
        sock.close()

    def _ready(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            if self._sock is None or self._paused:
                return
            try:
                sock, _ = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in DIED_WAITING:
                    continue  # the next one may be well
                self._rest(error)
                return
            self._accepted(sock)

    def _rest(self, error: OSError) -> None:
        self._watch.read(False)
        self._retry = self._hub.call_at(self._hub.now() + RETRY_ACCEPT, self._resume)
        self._trouble(socket_error(error, "cannot accept for now", self._layer))

    def _resume(self) -> None:
        self._retry = None
        if self._sock is not None:
            self._watch.read(not self._paused)
