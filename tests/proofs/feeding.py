"""A peer that writes bytes in pieces of its choice, each of them read before the next one is written."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from collections.abc import Iterable, Iterator

from ..drivers.both import until

__all__ = ["cuts", "feed", "frame"]


def frame(body: bytes) -> bytes:
    """What ``Prefix(4)`` makes of a message."""
    return struct.pack(">I", len(body)) + body


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """``data`` in one piece, in two pieces cut at each place, and byte by byte."""
    yield [data]
    for place in range(1, len(data)):
        yield [data[:place], data[place:]]
    yield [data[place : place + 1] for place in range(len(data))]


def unread(fd: int) -> int:
    """Bytes that wait in the kernel to be read from a descriptor."""
    count: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]
    return count


async def feed(peer: socket.socket, pieces: Iterable[bytes], reader: int) -> None:
    """Write the pieces; ``reader`` is the descriptor at the other end, which somebody reads from."""
    for piece in pieces:
        peer.sendall(piece)
        await until(lambda: not unread(reader))
