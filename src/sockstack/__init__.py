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
from .core.interfaces import CanContext, CanRecv, CanSend
from .core.marks import (
    LOCAL_ADDRESS,
    PEER_ADDRESS,
    PEER_CREDENTIALS,
    PEER_PROTOCOL,
    TLS_ALPN,
    TLS_CHANNEL_BINDING,
    TLS_CIPHER,
    TLS_PEER_CERTIFICATE,
    TLS_SERVER_NAME,
    TLS_VERSION,
    Key,
)
from .drivers.blocking.connection import MessageConnection, Session, StreamConnection
from .drivers.blocking.establish import (
    ConnectionListener,
    attach,
    dial,
    hand_over,
    listen,
    take_over,
)
from .drivers.blocking.socket import Context, Socket
from .layers.sp import Sp
from .patterns.pipeline import Pull, PullOps, Push, PushOps
from .patterns.reqrep import Rep, RepOps, Req, ReqOps
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
    "LOCAL_ADDRESS",
    "PEER_ADDRESS",
    "PEER_CREDENTIALS",
    "PEER_PROTOCOL",
    "TLS_ALPN",
    "TLS_CHANNEL_BINDING",
    "TLS_CIPHER",
    "TLS_PEER_CERTIFICATE",
    "TLS_SERVER_NAME",
    "TLS_VERSION",
    "AuthenticationFailed",
    "Busy",
    "CanContext",
    "CanRecv",
    "CanSend",
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
    "Key",
    "Line",
    "LocalProtocolError",
    "Message",
    "MessageConnection",
    "Owned",
    "PeerAborted",
    "Prefix",
    "Pull",
    "PullOps",
    "Push",
    "PushOps",
    "RemoteProtocolError",
    "Rep",
    "RepOps",
    "Req",
    "ReqOps",
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
