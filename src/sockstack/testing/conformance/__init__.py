"""The conformance kits: what every layer, transport, mux and stack must keep, as tests that you subclass.

A kit is a class with ``test_`` methods. A subclass says how the thing is made, and pytest runs the tests::

    from sockstack.testing.conformance import MessageLayerKit

    class TestMine(MessageLayerKit):
        def make(self):
            return Mine(4)

===============================  =====================================================================
kit                              tests
===============================  =====================================================================
:class:`StreamLayerKit`          layers that show a byte stream: TLS, filters of bytes
:class:`MessageLayerKit`         layers that show messages: framers, filters of messages
:class:`MuxKit`                  layers that show many streams
:class:`TransportKit`            transports that dial, on the hubs of both drivers
:class:`ListeningTransportKit`   transports that also listen
:class:`ConnectionKit`           whole stacks, through the public functions of both drivers
===============================  =====================================================================

Layers and muxes are tested in memory, where nothing waits and every run is the same. A test that does not apply,
because the record does not promise what it looks for, is skipped and says why. Nothing here imports pytest.
"""

from .connections import ConnectionKit
from .layers import LayerKit
from .listeners import ListeningTransportKit
from .messages import MessageLayerKit
from .muxes import MuxKit
from .streams import StreamLayerKit
from .transports import TransportKit

__all__ = [
    "ConnectionKit",
    "LayerKit",
    "ListeningTransportKit",
    "MessageLayerKit",
    "MuxKit",
    "StreamLayerKit",
    "TransportKit",
]
