"""One publisher and a crowd of subscribers: what it costs to send everything to everybody.

The publisher is the library under test. The subscribers are bare sockets in one process, which speak just enough of
the library's protocol to be sent everything, and count and check bytes: so they cost the same for every library, and
little. When all have a row, the publisher is told so over a connection of its own, and goes on: so no queue overflows,
and nothing may be missing.
"""

from __future__ import annotations

import os
import select
import socket
import tempfile
import time
from itertools import count
from typing import TYPE_CHECKING

from .traffic import ROW, Lost, Stopwatch, rows

if TYPE_CHECKING:
    from .libraries import Calls

__all__ = ["publish", "subscribe"]

SETTLE = 0.5
"""Seconds for a publisher to note who has subscribed, before it begins."""

SP_HELLO = b"\0SP\0\0\x21\0\0"

ZMTP_GREETING = (
    b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
)
ZMTP_READY = b"\x05READY" + b"\x0bSocket-Type" + (3).to_bytes(4, "big") + b"SUB"
ZMTP_SUBSCRIBE = b"\x00\x01\x01"


def publish(calls: Calls, size: int, port: int, many: bool) -> None:
    """Send a row each time the crowd asks for one, until it leaves."""
    path = _control(port)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        control = listener.accept()[0]
    os.unlink(path)
    time.sleep(SETTLE)
    send, send_many = calls.send, calls.send_many
    turns = rows(size)
    with control:
        while control.recv(1):
            row = next(turns)
            if many and send_many is not None:
                send_many(list(row))
            else:
                for message in row:
                    send(message)


def subscribe(library: str, port: int, crowd: int, size: int, watch: Stopwatch) -> None:
    """Be the crowd, until ``watch`` has seen enough rows that everybody has received whole.

    Raises:
        Lost: somebody got something else.
    """
    join, head = (zmtp, 2) if library == "pyzmq" else (sp, 8)
    members = [Member(join(port), size, head) for _ in range(crowd)]
    control = socket.socket(socket.AF_UNIX)
    control.connect(_control(port))
    poll = select.epoll()
    by_fd = {member.sock.fileno(): member for member in members}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    for done in count(1):
        control.sendall(b"w")
        left = {fd for fd, member in by_fd.items() if member.rows < done}
        while left:
            for fd, _ in poll.poll():
                member = by_fd[fd]
                member.read()
                if member.rows >= done:
                    left.discard(fd)
        if watch.lap(ROW):
            return


class Member:
    """One subscriber: counts rows, and checks each by its length, its first and its last message.

    Attributes:
        rows: received so far.
    """

    def __init__(self, sock: socket.socket, size: int, head: int) -> None:
        self.sock = sock
        self.rows = 0
        self._buffer = bytearray()
        self._frame = head + size
        self._head = head
        self._expected = rows(size)
        self._row = next(self._expected)

    def read(self) -> None:
        """What has come.

        Raises:
            Lost: it is not what was sent.
        """
        data = self.sock.recv(1 << 18)
        if not data:
            raise Lost("the publisher left")
        self._buffer += data
        whole = self._frame * ROW
        while len(self._buffer) >= whole:
            first = self._buffer[self._head : self._frame]
            last = self._buffer[whole - self._frame + self._head : whole]
            if first != self._row[0] or last != self._row[-1]:
                raise Lost("a row is not the one that was due")
            del self._buffer[:whole]
            self.rows += 1
            self._row = next(self._expected)


def _control(port: int) -> str:
    """Where the publisher is told to go on."""
    return os.path.join(tempfile.gettempdir(), f"sockstack-bench-{port}")


def sp(port: int) -> socket.socket:
    """A connection as that of a SUB."""
    sock = _connect(port)
    sock.sendall(SP_HELLO)
    _exactly(sock, len(SP_HELLO))
    return sock


def zmtp(port: int) -> socket.socket:
    """A connection as that of a ZMQ SUB that has subscribed to everything (ZMTP 3.0, NULL)."""
    sock = _connect(port)
    sock.sendall(ZMTP_GREETING)
    _exactly(sock, len(ZMTP_GREETING))
    sock.sendall(b"\x04" + bytes([len(ZMTP_READY)]) + ZMTP_READY)
    _exactly(sock, _exactly(sock, 2)[1])
    sock.sendall(ZMTP_SUBSCRIBE)
    return sock


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise Lost("the publisher left before it had said what it is")
        data += part
    return data
