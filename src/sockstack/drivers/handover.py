"""Handing a live connection to another process: its descriptor and what was received and not fetched.

Wire, over a Unix stream socket between the two processes; the descriptor rides on the first octet::

    'S' 'K' 'H' 1   LL LL LL LL LL LL LL LL   leftover        length of the leftover, big-endian

Nothing is copied between the two from then on: it is the same connection. Layers that can stop between two units
(framers, filters) are taken off on the way; one with a state of its own, such as a key, cannot travel and is refused.
Such a connection can only be relayed.

Security: whoever holds the other end of the channel gets the connection, and can make the taker keep what it sends:
there is no limit but that of the layers that had received it. Leave the channel to processes that you trust.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator

from ..core.connection import ConnectionCore
from ..core.errors import LocalProtocolError, PeerAborted, RemoteProtocolError
from ..transports.link import StreamLink

__all__ = ["Parcel", "pack", "receive", "release", "send"]

HEAD = struct.Struct(">4sQ")
MAGIC = b"SKH\x01"


class Parcel:
    """A connection on its way: the socket and the bytes that come first."""

    def __init__(self, sock: socket.socket, leftover: bytes) -> None:
        self.sock = sock
        self.leftover = leftover


def release(core: ConnectionCore) -> Parcel:
    """Take a connection out of this process's hands.

    Raises:
        LocalProtocolError: a layer cannot travel, bytes are still unsent, or it does not stand on a socket.
    """
    chain = core.chain
    stays = [layer.name for layer in chain.layers[:-1] if layer.session]
    if stays:
        raise LocalProtocolError(
            f"cannot hand over: {stays[0]} holds a state that cannot leave this process; detach it first, or relay",
            layer="handover",
            path=chain.path,
        )
    link = chain.link
    if not isinstance(link, StreamLink) or not isinstance(link.socket, socket.socket):
        raise LocalProtocolError(
            f"cannot hand over: {link.name} is no socket", layer="handover", path=chain.path
        )
    if chain.unsent:
        raise LocalProtocolError(
            f"cannot hand over: {chain.unsent} bytes are still to be written",
            layer="handover",
            path=chain.path,
        )
    count = len(chain.layers) - 1
    if count:
        bare = ConnectionCore()
        core.settle(count)
        core.take_off(count, bare)
        core = bare
    leftover = b"".join(core.fetch_all())
    sock = link.release()
    assert isinstance(sock, socket.socket)
    return Parcel(sock, leftover)


def pack(leftover: bytes) -> bytes:
    """What is written on the channel."""
    return HEAD.pack(MAGIC, len(leftover)) + leftover


def send(channel: socket.socket, parcel: Parcel) -> None:
    """Write a parcel, waiting as long as it takes; our copy of the descriptor is closed.

    Raises:
        PeerAborted: the other process is gone; the connection is closed.
    """
    data = pack(parcel.leftover)
    try:
        with parcel.sock, _waiting(channel):
            sent = socket.send_fds(channel, [data], [parcel.sock.fileno()])
            channel.sendall(data[sent:])
    except OSError as error:
        raise PeerAborted(
            f"the connection could not be handed over, and is closed: {error.strerror or error}",
            layer="handover",
        ) from error


def receive(channel: socket.socket) -> Parcel:
    """Read a parcel, waiting as long as it takes.

    Raises:
        EOFError: the other process closed the channel.
        PeerAborted: the other process is gone.
        RemoteProtocolError: what came is no parcel.
    """
    try:
        with _waiting(channel):
            return _receive(channel)
    except OSError as error:
        raise PeerAborted(
            f"nothing can be taken over: {error.strerror or error}", layer="handover"
        ) from error


def _receive(channel: socket.socket) -> Parcel:
    data, fds, _, _ = socket.recv_fds(channel, HEAD.size, 1)
    try:
        if not data:
            raise EOFError("the channel was closed")
        data += _exactly(channel, HEAD.size - len(data))
        magic, size = HEAD.unpack(data)
        sockets = [fd for fd in fds if stat.S_ISSOCK(os.fstat(fd).st_mode)]
        if magic != MAGIC or not sockets:
            raise RemoteProtocolError("what came is no handed-over connection", layer="handover")
        leftover = _exactly(channel, size)
        return Parcel(socket.socket(fileno=fds.pop()), leftover)
    finally:
        for fd in fds:
            os.close(fd)


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = channel.recv(min(size, 65536))
        if not part:
            raise RemoteProtocolError("the channel was closed in mid-parcel", layer="handover")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


@contextlib.contextmanager
def _waiting(channel: socket.socket) -> Iterator[None]:
    """Have calls on the channel wait, whatever it was set to."""
    timeout = channel.gettimeout()
    channel.settimeout(None)
    try:
        yield
    finally:
        channel.settimeout(timeout)
