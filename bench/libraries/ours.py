"""sockstack: the public ``Socket`` with its defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sockstack
import sockstack.asyncio
from sockstack.layers.checksum import Checksum

from ..traffic import Role
from . import AsyncCalls, Calls
from .tag import Tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Library

__all__ = ["library"]

PATTERNS = {
    Role.REQ: sockstack.Req,
    Role.REP: sockstack.Rep,
    Role.PUSH: sockstack.Push,
    Role.PULL: sockstack.Pull,
    Role.PUB: sockstack.Pub,
}

TIMEOUT = 30.0
"""Seconds: what a careful user sets, and what each wait then pays for."""


class Ours:
    """Sockets of sockstack, with a filter above the pattern if there is one."""

    def __init__(self, make_filter: Callable[[], Any] | None = None) -> None:
        self._make_filter = make_filter

    def open(self, role: Role, url: str, size: int) -> Calls:
        """A blocking socket."""
        pattern = self._pattern(role)
        socket: Any
        if role.listens:
            socket = sockstack.Socket(pattern, listen=url, timeout=TIMEOUT)
        else:
            socket = sockstack.Socket(pattern, dial=url, timeout=TIMEOUT)
        return Calls(socket.send, socket.recv, socket.send_many, socket.recv_many)

    async def open_async(self, role: Role, url: str, size: int) -> AsyncCalls:
        """A socket of the running loop."""
        pattern = self._pattern(role)
        socket: Any
        if role.listens:
            socket = sockstack.asyncio.Socket(pattern, listen=url, timeout=TIMEOUT)
        else:
            socket = sockstack.asyncio.Socket(pattern, dial=url, timeout=TIMEOUT)
        await socket.__aenter__()
        return AsyncCalls(socket.send, socket.recv)

    def _pattern(self, role: Role) -> Any:
        pattern = PATTERNS[role]()
        return self._make_filter() | pattern if self._make_filter else pattern


def library(name: str) -> Library:
    """Called by :func:`bench.libraries.load`."""
    match name.partition("+")[2]:
        case "tag":
            return Ours(Tag)
        case "checksum":
            return Ours(Checksum)
        case _:
            return Ours()
