"""sockstack: a socket is a stack.

Layers are composed with ``|`` into stacks, which are checked before a byte moves. The functions and classes here block
in the caller's own thread; :mod:`sockstack.asyncio` has the same names to be awaited.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .core.errors import (
    AuthenticationFailed,
    Busy,
    Closed,
    Deadline,
    EndOfStream,
    EndpointError,
    IncompatiblePeer,
    LocalProtocolError,
    Owned,
    PeerAborted,
    RemoteProtocolError,
    SockstackError,
    StackError,
    StackWarning,
    TooBig,
)
from .core.head import Message
from .drivers.blocking.connection import (
    ConnectionListener,
    MessageConnection,
    Session,
    StreamConnection,
    attach,
    dial,
    hand_over,
    listen,
    take_over,
)
from .drivers.blocking.socket import Context, Socket
from .layers.sp import Sp
from .patterns.pipeline import Pull, Push
from .patterns.reqrep import Rep, Req
from .transports.tcp import Tcp

if TYPE_CHECKING:
    from .core.text import parse
    from .drivers.blocking.device import Device
    from .layers.checksum import Checksum
    from .layers.line import Line
    from .layers.prefix import Prefix
    from .layers.tls import Tls
    from .layers.trace import Trace
    from .transports.fd import Fd
    from .transports.inproc import Inproc
    from .transports.unix import Unix

__version__ = "0.1.0"

__all__ = [
    "AuthenticationFailed",
    "Busy",
    "Checksum",
    "Closed",
    "ConnectionListener",
    "Context",
    "Deadline",
    "Device",
    "EndOfStream",
    "EndpointError",
    "Fd",
    "IncompatiblePeer",
    "Inproc",
    "Line",
    "LocalProtocolError",
    "Message",
    "MessageConnection",
    "Owned",
    "PeerAborted",
    "Prefix",
    "Pull",
    "Push",
    "RemoteProtocolError",
    "Rep",
    "Req",
    "Session",
    "Socket",
    "SockstackError",
    "Sp",
    "StackError",
    "StackWarning",
    "StreamConnection",
    "Tcp",
    "Tls",
    "TooBig",
    "Trace",
    "Unix",
    "attach",
    "dial",
    "hand_over",
    "listen",
    "parse",
    "take_over",
]

# Imported when first asked for: not every program needs them.
_LAZY = {
    "Checksum": "layers.checksum",
    "Device": "drivers.blocking.device",
    "Fd": "transports.fd",
    "Inproc": "transports.inproc",
    "Line": "layers.line",
    "Prefix": "layers.prefix",
    "Tls": "layers.tls",
    "Trace": "layers.trace",
    "Unix": "transports.unix",
    "parse": "core.text",
}


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
