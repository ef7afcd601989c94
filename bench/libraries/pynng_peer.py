"""pynng: NNG through cffi."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pynng

from ..traffic import Role
from . import AsyncCalls, Calls, queue_room

if TYPE_CHECKING:
    from . import Library

__all__ = ["library"]

TYPES = {
    Role.REQ: pynng.Req0,
    Role.REP: pynng.Rep0,
    Role.PUSH: pynng.Push0,
    Role.PULL: pynng.Pull0,
    Role.PUB: pynng.Pub0,
}


class Pynng:
    """Sockets of NNG. PUSH and PULL get queues as long as ZeroMQ's, which makes them faster than without."""

    def open(self, role: Role, url: str, size: int) -> Calls:
        """A socket whose calls block."""
        socket = _open(role, url, size)
        return Calls(socket.send, socket.recv)

    async def open_async(self, role: Role, url: str, size: int) -> AsyncCalls:
        """The same socket; its coroutines use the running loop."""
        socket = _open(role, url, size)
        return AsyncCalls(socket.asend, socket.arecv)


def _open(role: Role, url: str, size: int) -> pynng.Socket:
    socket = TYPES[role]()
    socket.recv_max_size = 0
    if role in (Role.PUSH, Role.PUB):
        socket.send_buffer_size = queue_room(size)
    if role is Role.PULL:
        socket.recv_buffer_size = queue_room(size)
    if role.listens:
        socket.listen(url)
    else:
        socket.dial(url, block=True)
    return socket


def library(name: str) -> Library:
    """Called by :func:`bench.libraries.load`."""
    return Pynng()
