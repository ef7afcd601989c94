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
    NoPeers,
    Owned,
    PeerAborted,
    RemoteProtocolError,
    SockstackError,
    StackError,
    StackWarning,
    SurveyOver,
    TooBig,
)
from .core.head import Message
from .core.interfaces import CanContext, CanRecv, CanSend, CanSubscribe
from .core.marks import (
    LOCAL_ADDRESS,
    PEER_ADDRESS,
    PEER_CREDENTIALS,
    PEER_PROTOCOL,
    TLS_ALPN,
    TLS_CHANNEL_BINDING,
    TLS_CIPHER,
    TLS_PEER_CERTIFICATE,
    TLS_PEER_NAMES,
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
from .drivers.blocking.socket import Socket
from .drivers.blocking.talker import Context
from .layers.sp import Sp

if TYPE_CHECKING:
    from .core.text import parse
    from .drivers.blocking.device import Device
    from .drivers.blocking.readiness import Poller, Ready
    from .drivers.events import Event, EventKind, PipeInfo
    from .layers.checksum import Checksum
    from .layers.compress import Compress
    from .layers.line import Line
    from .layers.prefix import Prefix
    from .layers.tls import Tls
    from .layers.trace import Trace
    from .patterns.bus import Bus, BusOps
    from .patterns.pair import Pair0, Pair0Ops, Pair1, Pair1Ops
    from .patterns.pipeline import Pull, PullOps, Push, PushOps
    from .patterns.pubsub import Pub, PubOps, Sub, SubOps
    from .patterns.reqrep import Rep, RepOps, Req, ReqOps
    from .patterns.star import Star, StarOps
    from .patterns.survey import Respondent, RespondentOps, Surveyor, SurveyorOps
    from .transports.fd import Fd
    from .transports.inproc import Inproc
    from .transports.tcp import Tcp
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
    "TLS_PEER_NAMES",
    "TLS_SERVER_NAME",
    "TLS_VERSION",
    "AuthenticationFailed",
    "Bus",
    "BusOps",
    "Busy",
    "CanContext",
    "CanRecv",
    "CanSend",
    "CanSubscribe",
    "Checksum",
    "Closed",
    "Compress",
    "ConnectionListener",
    "Context",
    "Deadline",
    "Device",
    "EndOfStream",
    "EndpointError",
    "Event",
    "EventKind",
    "Fd",
    "IncompatiblePeer",
    "Inproc",
    "Key",
    "Line",
    "LocalProtocolError",
    "Message",
    "MessageConnection",
    "NoPeers",
    "Owned",
    "Pair0",
    "Pair0Ops",
    "Pair1",
    "Pair1Ops",
    "PeerAborted",
    "PipeInfo",
    "Poller",
    "Prefix",
    "Pub",
    "PubOps",
    "Pull",
    "PullOps",
    "Push",
    "PushOps",
    "Ready",
    "RemoteProtocolError",
    "Rep",
    "RepOps",
    "Req",
    "ReqOps",
    "Respondent",
    "RespondentOps",
    "Session",
    "Socket",
    "SockstackError",
    "Sp",
    "StackError",
    "StackWarning",
    "Star",
    "StarOps",
    "StreamConnection",
    "Sub",
    "SubOps",
    "SurveyOver",
    "Surveyor",
    "SurveyorOps",
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
    "Bus": "patterns.bus",
    "BusOps": "patterns.bus",
    "Checksum": "layers.checksum",
    "Compress": "layers.compress",
    "Device": "drivers.blocking.device",
    "Event": "drivers.events",
    "EventKind": "drivers.events",
    "Fd": "transports.fd",
    "Inproc": "transports.inproc",
    "Line": "layers.line",
    "Pair0": "patterns.pair",
    "Pair0Ops": "patterns.pair",
    "Pair1": "patterns.pair",
    "Pair1Ops": "patterns.pair",
    "PipeInfo": "drivers.events",
    "Poller": "drivers.blocking.readiness",
    "Prefix": "layers.prefix",
    "Pub": "patterns.pubsub",
    "PubOps": "patterns.pubsub",
    "Pull": "patterns.pipeline",
    "PullOps": "patterns.pipeline",
    "Push": "patterns.pipeline",
    "PushOps": "patterns.pipeline",
    "Ready": "drivers.blocking.readiness",
    "Rep": "patterns.reqrep",
    "RepOps": "patterns.reqrep",
    "Req": "patterns.reqrep",
    "ReqOps": "patterns.reqrep",
    "Respondent": "patterns.survey",
    "RespondentOps": "patterns.survey",
    "Star": "patterns.star",
    "StarOps": "patterns.star",
    "Sub": "patterns.pubsub",
    "SubOps": "patterns.pubsub",
    "Surveyor": "patterns.survey",
    "SurveyorOps": "patterns.survey",
    "Tcp": "transports.tcp",
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
