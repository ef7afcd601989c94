"""The kit for layers that show messages above: framers, and filters and sessions of messages."""

from __future__ import annotations

import random
from typing import Any

from ...core.capabilities import Unit
from ...core.layer import MANY
from ..lanes import CutLane
from ..recorder import Recorder
from .layers import LayerKit

__all__ = ["MessageLayerKit"]


class MessageLayerKit(LayerKit):
    """Tests for layers that give messages. Subclass it, and say how the layers are made::

        class TestPrefix(MessageLayerKit):
            garbage = (b"\\xff" * 4,)

            def make(self):
                return Prefix(4)

    Layers that need a pattern above them are made with one: ``Req() | Sp()``. See :class:`LayerKit` for what else can
    be said.
    """

    def received(self, top: Recorder) -> list[bytes]:
        return top.units

    def expected(self, units: list[bytes]) -> list[bytes]:
        return units

    # Units.

    def test_empty_messages(self) -> None:
        """They are messages, not ends, and nothing gets lost around them."""
        pair = self.pair()
        carried = pair.near.chain.record.empty_unit
        self.skip_unless(carried, "empty_unit is no")
        pair.near.send(b"", b"", b"a", b"")
        pair.near.send(b"")
        pair.run()
        self.check(pair.far, [b"", b"", b"a", b"", b""])
        assert not pair.far.has_ended

    def test_chunks(self) -> None:
        """A unit in chunks is the same unit."""
        pair = self.pair()
        units = [unit for unit in self.sendable(pair.near) if unit]
        for unit in units:
            pair.near.send((unit[:1], b"", unit[1:]), (unit,))
        pair.run()
        self.check(pair.far, [unit for unit in units for _ in range(2)])

    def test_largest_message(self) -> None:
        """One of exactly ``max_unit`` bytes passes."""
        pair = self.pair()
        size = pair.near.chain.record.max_unit
        self.skip_unless(size <= self.huge, "max_unit is larger than is tried here")
        unit = self.large(size)
        pair.near.send(unit)
        pair.run()
        self.check(pair.far, [unit])

    def test_many_in_order(self) -> None:
        pair = self.pair()
        some = self.sendable(pair.near)
        chance = random.Random(1)
        units = [chance.choice(some) for _ in range(2000)]
        for at in range(0, len(units), 50):
            pair.near.send(*units[at : at + 50])
            pair.step()
        pair.run()
        self.check(pair.far, units)

    # Credit.

    def test_one_unit_for_one_credit(self) -> None:
        """Each ``want(1)`` brings one more unit, in order, and no other."""
        pair = self.pair(tops=(Recorder(), Recorder(credit=0)))
        units = self.sendable(pair.near)
        pair.near.send(*units)
        for count in range(1, len(units) + 1):
            pair.far.want(1)
            pair.run()
            assert pair.far.units == units[:count]

    def test_credit_is_not_added_up(self) -> None:
        """``want`` replaces what was given before."""
        pair = self.pair(tops=(Recorder(), Recorder(credit=0)))
        for _ in range(3):
            pair.far.want(2)
        units = (self.sendable(pair.near) * 5)[:5]
        pair.near.send(*units)
        pair.run()
        assert pair.far.units == units[:2]

    def test_credit_from_inside_receive(self) -> None:
        """Who asks for the next one while it receives gets all, one by one."""
        pair = self.pair(tops=(Recorder(), Recorder(credit=1)))
        batches: list[int] = []

        def more(units: list[Any]) -> None:
            batches.append(len(units))
            pair.far.want(1)

        pair.far.on_units = more
        units = self.sendable(pair.near) * 3
        pair.near.send(*units)
        pair.run()
        self.check(pair.far, units)
        assert batches == [1] * len(units)

    # Endings.

    def test_end_inside_a_unit(self) -> None:
        """A connection that ends in the middle of a message is broken, and the piece does not go up."""
        self.skip_unless_cuttable(self.pair(run=False))
        units, wire = self.on_the_wire()
        self.skip_unless(wire, "units look different on the wire each time")
        first, *rest = self._alone(units[0])
        whole = b"".join([first, *rest])
        for place in range(1, len(whole)):
            pair = self.pair()
            pair.links[0].forge(whole + whole[:place])
            pair.links[0].end()
            pair.run()
            assert pair.far.error is not None, f"an end after {place} bytes looked like a good one"
            assert not pair.far.has_ended
            assert pair.far.units == units[:1]

    # Taking off.

    def test_leftover_and_consumed_are_all(self) -> None:
        """Taken off after any message, wherever a read ended, it gives back exactly what it did not decode."""
        units, whole = self._to_detach()
        for count in range(len(units) + 1):
            for place in self.places(len(whole) + 1):
                pair = self.pair(tops=(Recorder(), Recorder(credit=0)))
                pair.links[0].forge(*filter(None, (whole[:place], whole[place:])))
                if count:
                    pair.far.want(count)
                pair.step()  # the first part arrives, if it is wanted
                got = list(pair.far.units)
                assert got == units[: len(got)]
                assert len(got) <= count
                assert self._rest_after(pair, whole) == units[len(got) :]

    def test_detach_hands_on_what_follows(self) -> None:
        """After both ends took the layer off, plain bytes follow the last message without a gap."""
        units, _ = self._to_detach()
        pair = self.pair(lanes=(CutLane(), CutLane()), tops=(Recorder(), Recorder(credit=0)))
        pair.near.send(*units)
        sender = self._off(pair.near)
        sender.send(b"plain bytes")
        pair.far.want(len(units))
        pair.run()
        assert pair.far.units == units
        receiver = self._off(pair.far)
        pair.run()
        assert receiver.data == b"plain bytes"

    # Inside.

    def _to_detach(self) -> tuple[list[bytes], bytes]:
        """Some messages and their bytes on the wire, if the topmost layer can be taken off between two of them."""
        pair = self.pair()
        self.skip_unless_cuttable(pair)
        one_layer = len(self.make().layers) == 1
        self.skip_unless(one_layer, "one layer that stands alone can be taken off and put on again")
        free = pair.near.chain.obstacle(1) is None
        self.skip_unless(free, "the layer cannot be taken off between two messages")
        units, wire = self.on_the_wire()
        assert pair.near.chain.specs[0].derive(pair.links[0].record).unit is Unit.MESSAGE
        return units, b"".join(wire)

    def _rest_after(self, pair: Any, whole: bytes) -> list[bytes]:
        """Take the layer off, put a fresh one on, and read to the end."""
        specs = pair.far.chain.specs[:1]
        leftover = pair.far.chain.take_off(1)
        assert whole.endswith(b"".join(leftover) + b"".join(self._under_way(pair)))
        fresh = Recorder(credit=MANY)
        fresh.chain = pair.far.chain
        fresh.chain.put_on(specs, fresh, leftover)
        pair.run()
        assert fresh.error is None
        return fresh.units

    @staticmethod
    def _under_way(pair: Any) -> list[bytes]:
        return [unit for batch in pair.links[0].lane.batches for unit in batch]

    @staticmethod
    def _off(top: Recorder) -> Recorder:
        """Take the topmost layer off; the receiver of what is below it."""
        leftover = top.chain.take_off(1)
        fresh = Recorder()
        fresh.chain = top.chain
        fresh.chain.put_on((), fresh, leftover)
        return fresh

    def _alone(self, unit: bytes) -> list[bytes]:
        pair = self.pair()
        sent = pair.links[0].sent
        sent.clear()
        pair.near.send(unit)
        return list(sent)
