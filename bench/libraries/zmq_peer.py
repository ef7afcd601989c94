"""pyzmq: one context a process, bytes in and bytes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq
import zmq.asyncio

from ..traffic import Role
from . import AsyncCalls, Calls, queue_room

if TYPE_CHECKING:
    from . import Library

__all__ = ["library"]

TYPES = {
    Role.REQ: zmq.REQ,
    Role.REP: zmq.REP,
    Role.PUSH: zmq.PUSH,
    Role.PULL: zmq.PULL,
    Role.PUB: zmq.PUB,
}


class Zmq:
    """Sockets of libzmq."""

    def open(self, role: Role, url: str, size: int) -> Calls:
        """A socket whose calls block."""
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = context.socket(TYPES[role])
        _connect(socket, role, url, size)
        return Calls(socket.send, socket.recv)

    async def open_async(self, role: Role, url: str, size: int) -> AsyncCalls:
        """A socket of :mod:`zmq.asyncio`."""
        socket = zmq.asyncio.Context().socket(TYPES[role])
        _connect(socket, role, url, size)
        return AsyncCalls(socket.send, socket.recv)


def _connect(socket: zmq.Socket[Any], role: Role, url: str, size: int) -> None:
    socket.linger = 0
    socket.sndhwm = socket.rcvhwm = queue_room(size)
    if role.listens:
        socket.bind(url)
    else:
        socket.connect(url)


def library(name: str) -> Library:
    """Called by :func:`bench.libraries.load`."""
    return Zmq()
