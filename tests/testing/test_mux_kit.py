"""The kit for muxes, run over the small one."""

from __future__ import annotations

from sockstack.testing import SmallMux
from sockstack.testing.conformance.muxes import MuxKit
from sockstack.testing.mux import HEAD

head = HEAD.pack


class TestSmallMux(MuxKit):
    window = 65536
    limit = 5
    garbage = (
        head(9, 1, 0),
        head(0, 1, 0),
        head(0, 2, 0),
        head(0, 3, 1),
        head(1, 1, 65537),
        head(1, 1, 0),
        head(1, 99, 5),
        head(2, 1, 4) + b"\xff" * 4,
        head(2, 1, 3),
        head(3, 1, 0) * 2,
        head(3, 1, 0) + head(1, 1, 1),
        head(4, 77, 0),
    )

    def make(self) -> SmallMux:
        return SmallMux()

    def make_limited(self) -> SmallMux:
        return SmallMux(streams=5)


class TestSmallWindow(MuxKit):
    window = 100
    one_by_one = 50

    def make(self) -> SmallMux:
        return SmallMux(window=100)
