"""For people who write layers and transports: connections in memory, a clock moved by hand, hostile links, kits.

::

    pair = connect(Prefix(4))               # two stacks back to back, nothing moves until the test says so
    pair.near.send(b"hello")
    pair.run()
    assert pair.far.units == [b"hello"]

``docs/writing-a-layer.md`` and ``docs/writing-a-transport.md`` build some step by step and test them with this.
"""

from .clock import VirtualClock, VirtualHub
from .conformance import (
    ConnectionKit,
    ListeningTransportKit,
    MessageLayerKit,
    MuxKit,
    StreamLayerKit,
    TransportKit,
)
from .hostile import HostileLane
from .lanes import CutLane, Lane
from .memory import MESSAGES, STREAM, Memory, MemoryLink, Pair, connect
from .mux import SmallMux
from .recorder import ContractError, Recorder

__all__ = [
    "MESSAGES",
    "STREAM",
    "ConnectionKit",
    "ContractError",
    "CutLane",
    "HostileLane",
    "Lane",
    "ListeningTransportKit",
    "Memory",
    "MemoryLink",
    "MessageLayerKit",
    "MuxKit",
    "Pair",
    "Recorder",
    "SmallMux",
    "StreamLayerKit",
    "TransportKit",
    "VirtualClock",
    "VirtualHub",
    "connect",
]
