"""The libraries that are measured, each behind the same few calls, used as their own documentation shows."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..traffic import Role

__all__ = ["LIBRARIES", "AsyncCalls", "Calls", "Library", "load", "queue_room"]

LIBRARIES = {
    "sockstack": "ours",
    "sockstack+tag": "ours",
    "sockstack+checksum": "ours",
    "pyzmq": "zmq_peer",
    "pynng": "pynng_peer",
    "nng": "nng_peer",
    "bare socket": "bare",
}
"""Name in the tables, and the module here that has its :class:`Library`."""

MOST_QUEUED = 64 << 20


@dataclass(frozen=True)
class Calls:
    """What a program calls on a blocking socket; the batch calls are None where there are none."""

    send: Callable[[Any], object]
    recv: Callable[[], bytes | bytearray]
    send_many: Callable[[list[bytes]], object] | None = None
    recv_many: Callable[[], list[bytes]] | None = None


@dataclass(frozen=True)
class AsyncCalls:
    """What a coroutine awaits on a socket."""

    send: Callable[[bytes], Awaitable[object]]
    recv: Callable[[], Awaitable[bytes]]


class Library(Protocol):
    """One library. A listening role is ready for a dialler when the call returns."""

    def open(self, role: Role, url: str, size: int) -> Calls:
        """A blocking socket for messages of ``size`` bytes."""

    async def open_async(self, role: Role, url: str, size: int) -> AsyncCalls:
        """A socket of the running loop."""


def load(name: str) -> Library:
    """The library of that name.

    Raises:
        ImportError: it is not installed.
    """
    module = importlib.import_module(f"{__name__}.{LIBRARIES[name]}")
    library: Library = module.library(name)
    return library


def queue_room(size: int) -> int:
    """Messages that may wait at one end: 1000, which is ZeroMQ's default, or fewer if they are large."""
    return max(2, min(1000, MOST_QUEUED // size))
