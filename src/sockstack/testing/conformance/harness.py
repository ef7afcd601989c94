"""How the kits for layers make what they test, and compare what came up with what was sent."""

from __future__ import annotations

import random
from typing import Any
from unittest import SkipTest

from ...core.capabilities import Capabilities, Ordered, Unit
from ...core.spec import Composable
from ..memory import Pair, connect
from ..recorder import Recorder

__all__ = ["LayerHarness"]


class LayerHarness:
    """What a subclass of a kit for layers says of them, and what the tests use.

    Attributes:
        below: the record of the link below; by default a reliable stream, or reliable messages where the layers need
            them.
        hostile: more records that the layers promise to work over, such as one of lossy messages.
        payloads: what is sent. All must be fit to be sent.
        garbage: what a broken or hostile peer might write once all is open, a unit of the link each. Every one must
            break the connection.
        huge: bytes of the largest payload that is tried.
        most_cuts: places at which a conversation is cut, at most; the first ones, then evenly spread.
        seeds: how many hostile links are tried for each record.
    """

    below: Capabilities | None = None
    hostile: tuple[Capabilities, ...] = ()
    payloads: tuple[bytes, ...] = (
        b"a",
        b"",
        bytes(range(256)),
        b"\0" * 3,
        b"\xff" * 300,
        b"0123456789" * 500,
    )
    garbage: tuple[bytes, ...] = ()
    huge: int = 1 << 20
    most_cuts: int = 400
    seeds: int = 20

    def make(self) -> Composable:
        """The layers of the dialler's end, without a transport."""
        raise NotImplementedError

    def make_peer(self) -> Composable:
        """Those of the listener's end; by default the same."""
        return self.make()

    # For tests.

    def pair(self, **options: Any) -> Any:
        """Both ends back to back; see :func:`sockstack.testing.connect`."""
        options.setdefault("record", self.below)
        return connect(self.make(), self.make_peer(), **options)

    def sendable(self, top: Any) -> list[bytes]:
        """The payloads that this stack carries."""
        record: Capabilities = top.chain.record
        some = [unit for unit in self.payloads if len(unit) <= record.max_unit]
        return some if record.empty_unit else [unit for unit in some if unit]

    def received(self, top: Recorder) -> Any:
        """What came up, comparable with :meth:`expected`."""
        raise NotImplementedError

    def expected(self, units: list[bytes]) -> Any:
        """What must come up when ``units`` are sent."""
        raise NotImplementedError

    def check(self, top: Recorder, units: list[bytes]) -> None:
        """Exactly ``units`` came up, and nothing broke."""
        assert top.error is None, f"broken: {top.error}"
        assert self.received(top) == self.expected(units)

    def skip_unless(self, met: object, why: str) -> None:
        """Leave the test if it does not apply."""
        if not met:
            raise SkipTest(why)

    def skip_unless_cuttable(self, pair: Any) -> None:
        """Leave the test if there are no bytes below to cut."""
        stream = pair.links[0].record.unit is Unit.STREAM
        self.skip_unless(stream, "the interface below has no bytes to cut")

    def places(self, total: int) -> list[int]:
        """Where to cut ``total`` bytes: everywhere, or so many places."""
        places = range(1, total)
        if len(places) <= self.most_cuts:
            return list(places)
        half = self.most_cuts // 2
        return sorted({*places[:half], *places[half :: max(1, len(places) // half)]})

    def talk(self, pair: Pair[Recorder, Recorder]) -> tuple[list[bytes], list[bytes]]:
        """Send the payloads both ways; what was sent from the near and the far end."""
        there = self.sendable(pair.near)
        back = self.sendable(pair.far)[::-1]
        for unit in there:
            pair.near.send(unit)
        pair.far.send(*back)
        pair.run()
        return there, back

    def large(self, size: int) -> bytes:
        """A payload of so many bytes."""
        return random.Random(size).randbytes(size)

    def steps_to_open(self) -> int:
        pair = self.pair(run=False)
        pair.open()
        steps: int = pair.run()
        return steps

    def on_the_wire(self) -> tuple[list[bytes], list[bytes]]:
        """Some payloads, and how they look on the link; none where that is different in each connection."""
        forms = []
        for _ in range(2):
            pair = self.pair()
            sent = pair.links[0].sent
            sent.clear()
            units = self.sendable(pair.near)[:2]
            pair.near.send(*units)
            forms.append(list(sent))
        return (units, forms[0]) if forms[0] == forms[1] else ([], [])

    def kept(self, top: Recorder, units: list[bytes]) -> None:
        """What came up is what the record above promises of ``units``."""
        record = top.chain.record
        ordered = record.ordered > Ordered.NO
        if record.reliable and ordered and record.nodup:
            self.check(top, units)
            return
        if record.unit is Unit.STREAM:
            return
        if record.reliable:
            assert set(top.units) == set(units), "a unit was lost"
        assert set(top.units) <= set(units), "a unit was changed"
        if record.nodup:
            assert len(top.units) == len(set(top.units)), "a unit came twice"
        if ordered:
            places = [units.index(unit) for unit in top.units]
            assert places == sorted(places), "units overtook each other"
