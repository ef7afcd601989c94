"""The kit for layers that show a byte stream above: sessions such as TLS, filters of bytes, a trace over a stream."""

from __future__ import annotations

import random

from ..recorder import Recorder
from .layers import LayerKit

__all__ = ["StreamLayerKit"]


class StreamLayerKit(LayerKit):
    """Tests for layers that give a byte stream. Subclass it, and say how the layers are made::

        class TestRot(StreamLayerKit):
            def make(self):
                return Rot(13)

    See :class:`LayerKit` for what else can be said.
    """

    def received(self, top: Recorder) -> bytes:
        return top.data

    def expected(self, units: list[bytes]) -> bytes:
        return b"".join(units)

    def test_empty_sends(self) -> None:
        """Sending nothing does nothing, and is not taken for an end."""
        pair = self.pair()
        pair.near.send(b"")
        pair.near.send(b"a", b"", b"b")
        pair.near.send()
        pair.run()
        self.check(pair.far, [b"ab"])
        assert not pair.far.has_ended

    def test_random_chunks(self) -> None:
        """A good deal of bytes in chunks of all sizes, both ways at once."""
        chance = random.Random(1)
        chunks = [chance.randbytes(chance.randrange(1, 5000)) for _ in range(100)]
        pair = self.pair()
        for chunk in chunks:
            pair.near.send(chunk)
            pair.far.send(chunk[::-1])
            pair.step()
        pair.run()
        self.check(pair.far, chunks)
        self.check(pair.near, [chunk[::-1] for chunk in chunks])
