"""No library: a TCP socket, one system call a message, and messages whose length both ends know."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from ..traffic import BULK
from . import AsyncCalls, Calls

if TYPE_CHECKING:
    from ..traffic import Role
    from . import Library

__all__ = ["library"]


class Bare:
    """One connection. A large message is received into a buffer of its own, as a library that hands it on must."""

    def open(self, role: Role, url: str, size: int) -> Calls:
        """Dial at once; a listener accepts when it is first used."""
        address = _address(url)
        if role.listens:
            listener = socket.create_server(address)
            connection: list[socket.socket] = []

            def recv() -> bytes | bytearray:
                if not connection:
                    connection.append(_tuned(listener.accept()[0]))
                return _recv(connection[0], size)

            return Calls(lambda data: connection[0].sendall(data), recv)
        sock = _tuned(socket.create_connection(address))
        return Calls(sock.sendall, lambda: _recv(sock, size))

    async def open_async(self, role: Role, url: str, size: int) -> AsyncCalls:
        """The same with the loop's own calls for sockets."""
        loop = asyncio.get_running_loop()
        address = _address(url)
        connection: list[socket.socket] = []
        listener = socket.create_server(address) if role.listens else None
        if listener is not None:
            listener.setblocking(False)
        else:
            connection.append(_tuned(socket.create_connection(address)))
            connection[0].setblocking(False)

        async def send(data: bytes) -> None:
            await loop.sock_sendall(connection[0], data)

        async def recv() -> bytes:
            if not connection:
                assert listener is not None
                connection.append(_tuned((await loop.sock_accept(listener))[0]))
            data = await loop.sock_recv(connection[0], size)
            while 0 < len(data) < size:
                data += await loop.sock_recv(connection[0], size - len(data))
            return data

        return AsyncCalls(send, recv)


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def _tuned(sock: socket.socket) -> socket.socket:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _recv(sock: socket.socket, size: int) -> bytes | bytearray:
    if size < BULK:
        data = sock.recv(size)
        while 0 < len(data) < size:
            data += sock.recv(size - len(data))
        return data
    buffer = bytearray(size)
    view = memoryview(buffer)
    filled = 0
    while filled < size:
        count = sock.recv_into(view[filled:])
        if not count:
            raise EOFError("the sender is gone")
        filled += count
    return buffer


def library(name: str) -> Library:
    """Called by :func:`bench.libraries.load`."""
    return Bare()
