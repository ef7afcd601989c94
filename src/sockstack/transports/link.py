"""A stream over a non-blocking descriptor: the bottom layer of every connection that has one."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Generic, Protocol, TypeVar

from ..core.capabilities import Capabilities
from ..core.errors import PeerAborted, SockstackError
from ..core.hub import Hub, Watch
from ..core.log import logger
from ..core.transport import Link

__all__ = ["READ_SIZE", "StreamLink", "fault"]

READ_SIZE = 65536
"""Bytes of one read. Larger buffers make the allocator map and unmap memory at each read."""

DISCARDS = 64
"""Reads of what nobody will fetch, at most, before a connection is closed."""

GATHER = 256
"""Chunks of one gathering write; the system's limit is 1,024 or more."""


class StreamSocket(Protocol):
    """What a link asks of a socket."""

    def fileno(self) -> int:
        """The descriptor to watch."""

    def recv(self, size: int, /) -> bytes:
        """Read; b"" is the end."""

    def send(self, data: bytes | memoryview, /) -> int:
        """Write; the count of bytes taken."""

    def sendmsg(self, chunks: Sequence[bytes | memoryview], /) -> int:
        """Write several chunks in one call."""

    def shutdown(self, how: int, /) -> None:
        """End the output."""

    def close(self) -> None:
        """Let go."""


S = TypeVar("S", bound=StreamSocket)


def fault(link: Link, error: BaseException) -> None:
    """A layer above ``link`` raised where it must not, or a handler of signals did. The connection is over.

    Raises:
        BaseException: ``error``, if it is a signal handler's.
    """
    reason = SockstackError(f"internal fault: {error!r}", layer=link.name, path=link.path)
    reason.__cause__ = error
    logger("link").error("%s", reason, exc_info=error)
    link.abort()
    link.above.broken(reason)
    if not isinstance(error, Exception):
        raise error


class StreamLink(Link, Generic[S]):
    """Bytes to and from the kernel.

    What the kernel does not take at once waits here, and ``writable(False)`` says so; a stack that heeds it leaves at
    most one batch waiting. Reading goes on while there is credit.
    """

    def __init__(
        self,
        hub: Hub,
        sock: S,
        record: Capabilities,
    ) -> None:
        self.hub = hub
        self.record = record
        self._sock: S | None = sock
        self._recv = sock.recv
        self._send = sock.send
        self._watch: Watch | None = None
        self._writer: Watch | None = None
        self._pending: deque[bytes | memoryview] = deque()
        self._wanted = 0
        self._reading = True
        self._blocked = False  # the kernel takes no more
        self._deferred = False  # it will be asked when the turn ends
        self._ending = False
        self._queueing = False  # any of these, or closed: nothing is written directly
        self._swallowed = 0  # bytes that came when it was dead

    # From above.

    def open(self) -> None:
        if self._sock is None:
            return
        self._watch_on(self.hub)
        self.above.opened(self.record)

    def want(self, n: int) -> None:
        self._wanted = n
        if n and not self._reading and self._watch is not None and not self.remote_ended:
            self._reading = True
            self._watch.read(True)

    def send(self, units: Sequence[bytes]) -> None:
        if self._queueing or self.hub.turning or len(units) != 1:
            self._queue(units)
            return
        unit = units[0]
        try:
            sent = self._send(unit)
        except BlockingIOError:
            sent = 0
        except BaseException as error:
            self._pending.append(unit)
            self._cut(error)
            return
        if sent != len(unit):
            self._pending.append(memoryview(unit)[sent:] if sent else unit)
            self._block()

    def end(self) -> None:
        if not self._ending:
            self._ending = self._queueing = True
            if not self._pending:
                self._shutdown()

    def abort(self) -> None:
        sock, self._sock = self._sock, None
        self._queueing = True
        if sock is None:
            return
        if self._deferred and self._pending:
            self._last_words(sock)
        if self._watch is not None and not self._pending:
            self._discard(sock)
        self._unwatch()
        self.hub.need(self, False)
        sock.close()

    @property
    def unsent(self) -> int:
        """Bytes accepted and not taken by the kernel; of a dead link, those that never will be.

        What a dead link is given is among them: it goes nowhere, and is to be counted.
        """
        return sum(map(len, self._pending)) + self._swallowed

    # From the hub.

    def on_readable(self) -> None:
        if self._wanted <= 0:
            self._reading = False
            if self._watch is not None:
                self._watch.read(False)
            return
        try:
            data = self._recv(READ_SIZE)
        except BlockingIOError:
            return
        except BaseException as error:
            self._cut(error)
            return
        try:
            if data:
                self.above.receive([data])
                return
            self.remote_ended = True
            self._reading = False
            if self._watch is not None:
                self._watch.read(False)
            self.above.ended()
        except BaseException as error:  # a layer's bug must not cost the other connections
            fault(self, error)

    def on_writable(self) -> None:
        self._flush()
        if not self._pending and self._blocked and self._sock is not None:
            self._blocked = False
            self._queueing = self._ending
            if self._writer is not None:
                self._writer.write(False)
            self.hub.need(self, False)
            if self._ending:
                self._shutdown()
            try:
                self.above.writable(
                    True
                )  # after an end too: somebody may wait until all is written
            except BaseException as error:  # as above
                fault(self, error)

    # Moving and handing over.

    def move(self, hub: Hub) -> None:
        """Go on living on another hub."""
        self._unwatch()
        if self._blocked:
            self.hub.need(self, False)
            hub.need(self, True)
        self.hub = hub
        if self._sock is not None:
            self._watch_on(hub)
            assert self._watch is not None
            assert self._writer is not None
            self._watch.read(self._reading)
            self._writer.write(self._blocked)

    @property
    def socket(self) -> S | None:
        """The descriptor's object; None once closed."""
        return self._sock

    def release(self) -> S | None:
        """Give the descriptor away; the link is over without closing it. None if it is closed already."""
        sock, self._sock = self._sock, None
        self._queueing = True
        self._unwatch()
        self.hub.need(self, False)
        return sock

    def forked(self) -> None:
        """This process is a forked child, and the connection is the parent's: close our copy of the descriptor."""
        sock, self._sock = self._sock, None
        self._queueing = True
        self._watch = self._writer = None
        self._pending.clear()
        if sock is not None:
            sock.close()

    # Inside.

    def _queue(self, units: Sequence[bytes]) -> None:
        """The way of what cannot be written directly, one unit by one call."""
        if self._sock is None:
            self._swallowed += sum(map(len, units))
            return
        if self._ending:
            return
        self._pending.extend(units)
        if self._blocked or self._deferred:
            return
        if self.hub.turning:
            self._deferred = self._queueing = True
            self.hub.flush_later(self._flush_deferred)
            return
        self._flush()
        if self._pending:
            self._block()

    def _watch_on(self, hub: Hub) -> None:
        assert self._sock is not None
        self._watch = hub.watch(
            self._sock.fileno(), self.on_readable, self.on_writable, self.forked
        )
        self._writer = self._watch

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _flush_deferred(self) -> None:
        self._deferred = False
        self._queueing = self._blocked or self._ending
        if self._sock is None:
            self._queueing = True
            return
        self._flush()
        if self._pending:
            self._block()
        elif self._ending:
            self._shutdown()

    def _flush(self) -> None:
        """Write what waits until the kernel takes no more; large units are gathered, nothing is copied."""
        pending = self._pending
        while pending and self._sock is not None:
            try:
                if len(pending) == 1:
                    sent = self._send(pending[0])
                else:
                    sent = self._gather()
            except BlockingIOError:
                return
            except BaseException as error:
                self._cut(error)
                return
            if self._taken(sent):
                return

    def _taken(self, sent: int) -> bool:
        """Forget what the kernel took; True if it stopped inside a chunk."""
        pending = self._pending
        while pending and len(pending[0]) <= sent:
            sent -= len(pending.popleft())
        if sent:
            pending[0] = memoryview(pending[0])[sent:]
        return sent > 0

    def _gather(self) -> int:
        assert self._sock is not None
        return self._sock.sendmsg(list(islice(self._pending, GATHER)))

    def _last_words(self, sock: S) -> None:
        """What a layer said in this turn before it cut the connection, an alert perhaps: one try, no waiting."""
        with contextlib.suppress(OSError):
            self._taken(sock.sendmsg(list(islice(self._pending, GATHER))))

    @staticmethod
    def _discard(sock: S) -> None:
        """Take what has come and nobody will fetch.

        Closed over unread bytes, TCP resets the connection, and throws away what the kernel has still to send: the last
        words of a client that never looked at the tickets of its TLS server, for example.
        """
        with contextlib.suppress(OSError):
            for _ in range(DISCARDS):
                if not sock.recv(READ_SIZE):
                    return

    def _block(self) -> None:
        if self._sock is None:  # found dead meanwhile
            return
        self._blocked = self._queueing = True
        if self._writer is not None:
            self._writer.write(True)
        self.hub.need(self, True)
        if not self._ending:
            self.above.writable(False)

    def _shutdown(self) -> None:
        if self._sock is None:
            return
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.EPIPE):
                self._cut(error)

    def _cut(self, error: BaseException) -> None:
        """The connection is dead. This may be said from inside a caller's ``send``.

        Raises:
            BaseException: ``error``, if it is not the system's but a signal handler's. Then nobody knows how many bytes
                went through, which ends the connection as well.
        """
        reason = getattr(error, "strerror", None) or repr(error)
        fault = PeerAborted(f"the connection was cut: {reason}", layer=self.name, path=self.path)
        fault.__cause__ = error
        self.abort()
        self.above.broken(fault)
        if not isinstance(error, OSError):
            raise error
