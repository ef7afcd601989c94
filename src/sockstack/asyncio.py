"""sockstack on asyncio: the names of :mod:`sockstack`, to be awaited. Any loop with ``add_reader`` will do."""

from __future__ import annotations

from .drivers.aio.connection import MessageConnection, Session, StreamConnection
from .drivers.aio.device import Device
from .drivers.aio.establish import (
    ConnectionListener,
    attach,
    dial,
    hand_over,
    listen,
    take_over,
)
from .drivers.aio.socket import Socket
from .drivers.aio.talker import Context

__all__ = [
    "ConnectionListener",
    "Context",
    "Device",
    "MessageConnection",
    "Session",
    "Socket",
    "StreamConnection",
    "attach",
    "dial",
    "hand_over",
    "listen",
    "take_over",
]
