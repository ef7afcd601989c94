"""The ``nng`` package: NNG through Cython."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nng

from ..traffic import Role
from . import AsyncCalls, Calls, queue_room

if TYPE_CHECKING:
    from . import Library

__all__ = ["library"]


class Nng:
    """Sockets of NNG. PUSH gets a queue as long as ZeroMQ's; PULL has none to set."""

    def open(self, role: Role, url: str, size: int) -> Calls:
        """A socket whose calls block."""
        socket = _open(role, url, size)
        recv = socket.recv
        return Calls(socket.send, lambda: recv().to_bytes())

    async def open_async(self, role: Role, url: str, size: int) -> AsyncCalls:
        """The same socket; its coroutines use the running loop."""
        socket = _open(role, url, size)
        arecv = socket.arecv

        async def recv() -> bytes:
            data: bytes = (await arecv()).to_bytes()
            return data

        return AsyncCalls(socket.asend, recv)


def _open(role: Role, url: str, size: int) -> nng.Socket:
    socket = _make(role, queue_room(size))
    if role.listens:
        socket.add_listener(url).start()
    else:
        socket.add_dialer(url).start()
    return socket


def _make(role: Role, room: int) -> nng.Socket:
    match role:
        case Role.REQ:
            return nng.ReqSocket()
        case Role.REP:
            return nng.RepSocket()
        case Role.PUSH:
            push = nng.PushSocket()
            push.send_buf = room
            return push
        case Role.PULL:
            return nng.PullSocket()
        case Role.PUB:
            pub = nng.PubSocket()
            pub.send_buf = room
            return pub
        case Role.SUB:
            return nng.SubSocket()


def library(name: str) -> Library:
    """Called by :func:`bench.libraries.load`."""
    return Nng()
