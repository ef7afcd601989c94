"""A connection that the caller brings: a socket, a descriptor, or a pair of pipes."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, cast

from ..core.capabilities import Capabilities, CleanEnd, HalfClose, Unit
from ..core.errors import EndpointError
from ..core.hub import Cancellable, Hub
from ..core.interfaces import Os, Stream
from ..core.marks import LOCAL_ADDRESS, PEER_ADDRESS, Key
from ..core.spec import Spec
from ..core.transport import Accepted, Bound, Dialed, Failed, Link, TransportSpec
from .link import StreamLink
from .sockets import socket_error
from .tcp import join_address

__all__ = ["Fd"]

T = TypeVar("T")

RECORD = Capabilities(
    Unit.STREAM,
    half_close=HalfClose.NATIVE,
    clean_end=CleanEnd.PEER_CLAIMS,
    features=frozenset({"detach"}),
)


@dataclass(frozen=True)
class Fd(TransportSpec, Spec[Os, Stream]):
    """The stream behind something that is open already. It is taken over, and closed with the connection.

    Args:
        source: a connected stream socket (its object is left detached), the number of such a descriptor or of a
            terminal or serial line, or a pair ``(read, write)`` of descriptors, of two pipes for example.
    """

    source: socket.socket | int | tuple[int, int] = field(
        metadata={"wanted": "a socket, a descriptor or a pair of descriptors"}
    )

    name: ClassVar[str] = "fd"

    def derive(self, below: Capabilities) -> Capabilities:
        return RECORD

    def dial(self, hub: Hub, dialed: Dialed, failed: Failed) -> Cancellable:
        take = _Take()

        def finish() -> None:
            if take.cancelled:
                return
            try:
                link = self.link(hub)
            except OSError as error:
                failed(socket_error(error, "cannot use the descriptor", "fd"))
            else:
                dialed(link)

        hub.post(finish)
        return take

    def listen(self, hub: Hub, accepted: Accepted, trouble: Failed, inherit: bool = False) -> Bound:
        raise EndpointError(
            "fd cannot listen: it is one connection; give it to dial or attach", layer="fd"
        )

    def link(self, hub: Hub) -> Link:
        """The bottom layer over the caller's descriptor, which is ours from here on."""
        source = self.source
        if isinstance(source, socket.socket):
            if source.fileno() < 0:
                raise OSError(errno.EBADF, "the socket is closed, or was taken over already")
            return SocketLink(hub, _stream(socket.socket(fileno=source.detach())))
        pair = source if isinstance(source, tuple) else (source, source)
        modes = [os.fstat(fd).st_mode for fd in pair]
        if any(stat.S_ISREG(mode) or stat.S_ISDIR(mode) for mode in modes):
            raise OSError(errno.EPERM, "a file is always ready, so nobody can wait for it")
        if not isinstance(source, tuple) and stat.S_ISSOCK(modes[0]):
            return SocketLink(hub, _stream(socket.socket(fileno=source)), kept=True)
        return PairLink(hub, *pair)


def _stream(sock: socket.socket) -> socket.socket:
    """The same socket, if it carries a stream; else it is the caller's no more, and closed."""
    if sock.type != socket.SOCK_STREAM:
        sock.close()
        raise OSError(errno.EPROTOTYPE, "the socket carries datagrams, and no stream")
    return sock


class _Take:
    """A dial that can be called off."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class SocketLink(StreamLink[socket.socket]):
    """A stream socket of any family; ``kept``: a forked child does not close it, because its number was given."""

    def __init__(self, hub: Hub, sock: socket.socket, kept: bool = False) -> None:
        sock.setblocking(False)
        super().__init__(hub, sock, RECORD)
        self._kept = sock if kept else None

    def forked(self) -> None:
        if self._kept is not None:
            self._kept.detach()
        super().forked()

    def get(self, key: Key[T]) -> T | None:
        answer: Any = None
        if self._sock is not None and (key is PEER_ADDRESS or key is LOCAL_ADDRESS):
            try:
                name = self._sock.getpeername() if key is PEER_ADDRESS else self._sock.getsockname()
            except OSError:  # reset; reading will tell
                return None
            internet = self._sock.family in (socket.AF_INET, socket.AF_INET6)
            answer = join_address(name) if internet else str(name)
        return cast("T | None", answer)


class PairLink(StreamLink["_Pair"]):
    """Two descriptors, one to read from and one to write to; they may be one."""

    def __init__(self, hub: Hub, reader: int, writer: int) -> None:
        self._pair = _Pair(reader, writer)
        super().__init__(hub, self._pair, RECORD)

    def _watch_on(self, hub: Hub) -> None:
        pair = self._pair
        if pair.reader == pair.writer:
            super()._watch_on(hub)
            return
        self._watch = hub.watch(pair.reader, self.on_readable, self.on_readable, self.forked)
        self._writer = hub.watch(pair.writer, self.on_writable, self.on_writable, self.forked)
        self._writer.read(False)

    def _shutdown(self) -> None:
        if self._writer is not None and self._writer is not self._watch:
            self._writer.close()  # before its descriptor, whose number may soon be another's
        super()._shutdown()

    def forked(self) -> None:
        self._pair.forget()
        super().forked()

    @staticmethod
    def _discard(sock: _Pair) -> None:
        """What we have not read stays for those who read the same pipe or terminal after us."""


class _Pair:
    """Two descriptors behind the calls that a link makes of a socket."""

    def __init__(self, reader: int, writer: int) -> None:
        self.reader = reader
        self.writer = writer
        self._open = {reader, writer}
        self._blocking = {fd for fd in self._open if os.get_blocking(fd)}
        for fd in self._open:
            os.set_blocking(fd, False)

    def fileno(self) -> int:
        """The descriptor to read from."""
        return self.reader

    def recv(self, size: int) -> bytes:
        """Read; a terminal that hung up has ended."""
        try:
            return os.read(self.reader, size)
        except OSError as error:
            if error.errno == errno.EIO:
                return b""
            raise

    def send(self, data: bytes | memoryview) -> int:
        """Write what the kernel takes."""
        return os.write(self.writer, data)

    def sendmsg(self, chunks: Sequence[bytes | memoryview]) -> int:
        """Write several chunks at once."""
        return os.writev(self.writer, chunks)

    def shutdown(self, how: int) -> None:
        """End the output: close its descriptor, if it is not the input's too."""
        if self.writer != self.reader:
            self._close(self.writer)

    def close(self) -> None:
        """Close both."""
        self._close(self.reader)
        self._close(self.writer)

    def forget(self) -> None:
        """Close nothing any more: the descriptors were given by number and stay open in a forked child."""
        self._open.clear()

    def _close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            if fd in self._blocking:  # others may share it, a shell its terminal for example
                os.set_blocking(fd, True)
            os.close(fd)
