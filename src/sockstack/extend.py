"""What people who write layers and transports import: the contract, the records, and bases to build on.

``docs/writing-a-layer.md`` and ``docs/writing-a-transport.md`` build some step by step, and :mod:`sockstack.testing`
has what they are tested with. :class:`Message` here is the interface between layers, a type; what sockets receive is
:class:`sockstack.Message`.
"""

from __future__ import annotations

from .core.capabilities import (
    MESSAGE,
    STREAM,
    UNLIMITED,
    Auth,
    Backpressure,
    Capabilities,
    CleanEnd,
    Confidential,
    Duplex,
    HalfClose,
    Integrity,
    Ordered,
    Peers,
    Requirement,
    Scope,
    Unit,
)
from .core.filtering import Filter
from .core.framing import Framer, LengthFramer
from .core.hub import Cancellable, Hub, Watch
from .core.interfaces import Datagrams, Frames, Message, Mux, Os, Pipe, Stream
from .core.layer import MANY, Chunks, Layer
from .core.marks import LOCAL_ADDRESS, PEER_ADDRESS, Key
from .core.registry import register
from .core.spec import (
    Build,
    Composable,
    Header,
    Kind,
    LayerSpec,
    MessageFilter,
    Placement,
    Role,
    Same,
    Spec,
)
from .core.transport import Accepted, Bound, Dialed, Failed, Link, TransportSpec
from .transports.link import StreamLink
from .transports.sockets import Acceptor, Connecting, socket_error

__all__ = [
    "LOCAL_ADDRESS",
    "MANY",
    "MESSAGE",
    "PEER_ADDRESS",
    "STREAM",
    "UNLIMITED",
    "Accepted",
    "Acceptor",
    "Auth",
    "Backpressure",
    "Bound",
    "Build",
    "Cancellable",
    "Capabilities",
    "Chunks",
    "CleanEnd",
    "Composable",
    "Confidential",
    "Connecting",
    "Datagrams",
    "Dialed",
    "Duplex",
    "Failed",
    "Filter",
    "Framer",
    "Frames",
    "HalfClose",
    "Header",
    "Hub",
    "Integrity",
    "Key",
    "Kind",
    "Layer",
    "LayerSpec",
    "LengthFramer",
    "Link",
    "Message",
    "MessageFilter",
    "Mux",
    "Ordered",
    "Os",
    "Peers",
    "Pipe",
    "Placement",
    "Requirement",
    "Role",
    "Same",
    "Scope",
    "Spec",
    "Stream",
    "StreamLink",
    "TransportSpec",
    "Unit",
    "Watch",
    "register",
    "socket_error",
]
