"""What every layer must keep, whatever it carries: the part that the kits for streams and for messages share."""

from __future__ import annotations

import random

from ...core.capabilities import CleanEnd, HalfClose
from ...core.connection import ConnectionCore
from ...core.errors import EndOfStream, LocalProtocolError, SockstackError
from ...core.marks import PEER_ADDRESS
from ..hostile import HostileLane
from ..lanes import CutLane, Lane
from ..recorder import Recorder
from .harness import LayerHarness

__all__ = ["LayerKit"]

YEAR = 365 * 86400.0


class LayerKit(LayerHarness):
    """Base of the kits for layers. Subclass :class:`StreamLayerKit` or :class:`MessageLayerKit`."""

    # Opening.

    def test_opens(self) -> None:
        pair = self.pair()
        for top in (pair.near, pair.far):
            assert top.events[:1] == ["opened"], top.events
            assert top.error is None

    def test_opens_over_any_cut(self) -> None:
        """Neither end waits for something that comes in one piece."""
        pair = self.pair(run=False)
        self.skip_unless_cuttable(pair)
        pair = self.pair(lanes=(CutLane(every=1), CutLane(every=1)))
        assert pair.near.is_open
        assert pair.far.is_open

    def test_abort_during_open(self) -> None:
        """At each step of the opening: the link is let go of, nothing goes up any more, and the peer is told."""
        for step in range(self.steps_to_open() + 1):
            pair = self.pair(run=False)
            pair.open()
            for _ in range(step):
                pair.step()
            pair.near.abort()
            assert pair.links[0].aborted, f"after {step} steps the link below was not let go of"
            pair.run()
            assert pair.far.error is not None or pair.far.has_ended or not pair.far.is_open

    def test_peer_vanishes_during_open(self) -> None:
        """At each step of the opening: broken, with a declared error."""
        for step in range(self.steps_to_open() + 1):
            pair = self.pair(run=False)
            pair.open()
            for _ in range(step):
                pair.step()
            pair.links[0].cut()
            pair.run()
            assert pair.near.error is not None, f"nothing was said after {step} steps"

    # Data.

    def test_both_ways(self) -> None:
        pair = self.pair()
        there, back = self.talk(pair)
        self.check(pair.far, there)
        self.check(pair.near, back)

    def test_one_batch(self) -> None:
        pair = self.pair()
        units = self.sendable(pair.near) * 3
        pair.near.send(*units)
        pair.run()
        self.check(pair.far, units)

    def test_one_byte_at_a_time(self) -> None:
        pair = self.pair(lanes=(CutLane(every=1), CutLane(every=1)))
        self.skip_unless_cuttable(pair)
        there, back = self.talk(pair)
        self.check(pair.far, there)
        self.check(pair.near, back)

    def test_all_at_once(self) -> None:
        """Everything that is under way arrives in one unit."""
        pair = self.pair(lanes=(CutLane(), CutLane()))
        self.skip_unless_cuttable(pair)
        there, back = self.talk(pair)
        self.check(pair.far, there)
        self.check(pair.near, back)

    def test_split_at_every_index(self) -> None:
        """One conversation, opening included, cut in two at each place in either direction."""
        pair = self.pair()
        self.skip_unless_cuttable(pair)
        self.talk(pair)
        for way, link in enumerate(pair.links):
            for place in self.places(sum(map(len, link.sent))):
                lanes = [CutLane(), CutLane()]
                lanes[way] = CutLane([place])
                cut = self.pair(lanes=tuple(lanes))
                there, back = self.talk(cut)
                self.check(cut.far, there)
                self.check(cut.near, back)

    def test_hostile_link(self) -> None:
        """Over a link that keeps its record and nothing more, the record above is kept."""
        plain = self.pair().links[0].record
        for record in (plain, *self.hostile):
            for seed in range(self.seeds):
                lanes = (HostileLane(record, seed), HostileLane(record, ~seed))
                pair = self.pair(record=record, lanes=lanes)
                there, back = self.talk(pair)
                self.kept(pair.far, there)
                self.kept(pair.near, back)

    def test_huge_units(self) -> None:
        pair = self.pair()
        size = min(self.huge, pair.near.chain.record.max_unit)
        unit = self.large(size)
        for top in (pair.near, pair.far):
            top.send(unit)
        pair.run()
        self.check(pair.far, [unit])
        self.check(pair.near, [unit])

    def test_send_from_inside_receive(self) -> None:
        pair = self.pair()
        pair.far.on_units = lambda units: pair.far.send(*units)
        units = self.sendable(pair.near)
        for unit in units:
            pair.near.send(unit)
        pair.run()
        self.check(pair.far, units)
        self.check(pair.near, units)

    def test_send_from_inside_opened(self) -> None:
        pair = self.pair(run=False)
        unit = self.sendable(pair.near)[0]
        pair.near.after_opened = lambda: pair.near.send(unit)
        pair.open()
        pair.run()
        self.check(pair.far, [unit])

    # Credit and back-pressure.

    def test_nothing_without_credit(self) -> None:
        pair = self.pair(tops=(Recorder(), Recorder(credit=0)))
        units = self.sendable(pair.near)
        pair.near.send(*units)
        pair.run()
        assert pair.far.units == [], "units went up, and none were wanted"
        pair.far.want(1 << 20)
        pair.run()
        self.check(pair.far, units)

    def test_credit_taken_back(self) -> None:
        """``want(0)`` from inside ``receive`` stops at once; nothing is lost by it."""
        pair = self.pair()
        pair.far.on_units = lambda units: pair.far.want(0)
        units = [unit for unit in self.sendable(pair.near) if unit] * 2
        for unit in units:
            pair.near.send(unit)
        pair.run()
        assert len(self.received(pair.far)) < len(self.expected(units)), "want(0) stopped nothing"
        for _ in range(10 * sum(map(len, units))):
            if self.received(pair.far) == self.expected(units):
                break
            pair.far.want(1)
            pair.run()
        self.check(pair.far, units)

    def test_back_pressure(self) -> None:
        """``writable`` of the link below reaches the top, and what waits is counted until it is gone."""
        pair = self.pair(high=1000)
        unit = self.sendable(pair.near)[0]
        units = [unit] * (4000 // len(unit) + 1)
        pair.near.send(*units)
        assert not pair.near.ready, "writable(False) did not come up"
        assert pair.near.chain.unsent > 0
        pair.run()
        assert pair.near.ready, "writable(True) did not come up"
        assert pair.near.chain.unsent == 0
        self.check(pair.far, units)

    # Endings.

    def test_data_then_end(self) -> None:
        """What was sent before the end arrives before it; ``ended`` is said once."""
        pair = self.pair()
        units = self.sendable(pair.near)
        pair.near.send(*units)
        pair.near.end()
        pair.near.end()
        pair.run()
        self.check(pair.far, units)
        assert pair.far.has_ended
        assert pair.links[0].late == [], "bytes were sent after the end"

    def test_end_waits_for_credit(self) -> None:
        """An end does not overtake units that nobody has wanted yet."""
        pair = self.pair(tops=(Recorder(), Recorder(credit=0)))
        units = self.sendable(pair.near)
        pair.near.send(*units)
        pair.near.end()
        pair.run()
        assert not pair.far.has_ended
        pair.far.want(1)  # a message; the others wait inside the layers now
        pair.run()
        if self.received(pair.far) != self.expected(units):
            assert not pair.far.has_ended
        pair.far.want(1 << 20)
        pair.run()
        self.check(pair.far, units)
        assert pair.far.has_ended

    def test_half_close(self) -> None:
        """After our end the peer's output goes on, if the record says so."""
        pair = self.pair()
        goes_on = pair.near.chain.record.half_close > HalfClose.NONE
        self.skip_unless(goes_on, "half_close is none")
        pair.near.end()
        pair.run()
        assert pair.far.has_ended
        units = self.sendable(pair.far)
        pair.far.send(*units)
        pair.far.end()
        pair.run()
        self.check(pair.near, units)
        assert pair.near.has_ended

    def test_send_after_end(self) -> None:
        """It is refused, to the caller; nothing goes out and nothing breaks."""
        pair = self.pair(tops=(ConnectionCore(), Recorder()))
        unit = self.sendable(pair.near)[0]
        assert pair.near.offer(unit)
        pair.near.end()
        try:
            pair.near.offer(unit)
        except LocalProtocolError:
            pass
        else:
            raise AssertionError("a unit was accepted after the end")
        pair.run()
        self.check(pair.far, [unit])
        assert pair.links[0].late == []

    def test_receive_after_end(self) -> None:
        """Who receives after the peer's end is told so, each time."""
        pair = self.pair(tops=(ConnectionCore(), Recorder()))
        unit = self.sendable(pair.far)[0]
        pair.far.send(unit)
        pair.far.end()
        got = b""
        for _ in range(2 + 2 * len(unit)):
            pair.run()
            try:
                got += pair.near.take() or b""
            except EndOfStream:
                break
        assert got == unit
        for _ in range(2):
            try:
                pair.near.take()
            except EndOfStream:
                continue
            raise AssertionError("the end was told once only")

    def test_cut_is_no_end(self) -> None:
        """A connection that was cut does not look ended, if the record says so."""
        pair = self.pair()
        told = pair.near.chain.record.clean_end > CleanEnd.NONE
        self.skip_unless(told, "clean_end is none")
        units = self.sendable(pair.near)
        pair.near.send(*units)
        pair.links[1].cut()
        pair.run()
        assert pair.far.error is not None, "the cut was not told"
        assert not pair.far.has_ended, "the cut was told as an end"
        assert self.received(pair.far) == self.expected(units)

    def test_good_units_before_broken(self) -> None:
        """What arrived before the cut goes up first, even if credit for it comes later."""
        pair = self.pair(tops=(Recorder(), Recorder(credit=0)))
        units = self.sendable(pair.near)
        pair.near.send(*units)
        pair.far.want(1)
        pair.run()
        pair.links[1].cut()
        pair.run()
        if pair.far.error is None:
            pair.far.want(1 << 20)
            pair.run()
        assert pair.far.error is not None
        assert self.received(pair.far) == self.expected(units), "good units were lost"

    def test_abort_twice(self) -> None:
        pair = self.pair()
        self.talk(pair)
        pair.near.abort()
        pair.near.abort()
        assert pair.links[0].aborted
        pair.run()
        assert pair.far.error is not None or pair.far.has_ended

    def test_abort_after_end(self) -> None:
        pair = self.pair()
        units = self.sendable(pair.near)
        pair.near.send(*units)
        pair.near.end()
        pair.run()
        pair.near.abort()
        pair.run()
        assert pair.links[0].aborted
        assert self.received(pair.far) == self.expected(units)

    def test_abort_from_inside_receive(self) -> None:
        """Nothing goes up after it, not even what was decoded already."""
        pair = self.pair(lanes=(Lane(), Lane()))
        pair.far.on_units = lambda units: pair.far.abort()
        pair.far.want(1)
        units = self.sendable(pair.near)
        pair.near.send(*units)
        pair.run()
        assert pair.links[1].aborted
        assert pair.near.error is not None

    def test_abort_after_broken(self) -> None:
        pair = self.pair()
        pair.links[0].cut()
        pair.run()
        assert pair.near.error is not None
        pair.near.abort()
        pair.near.abort()
        assert pair.links[0].aborted

    # Hostile peers.

    def test_garbage(self) -> None:
        """What a peer must not write breaks the connection with a declared error; nothing after it goes up."""
        self.skip_unless(self.garbage, "no garbage was given")
        good, wire = self.on_the_wire()
        for junk in self.garbage:
            pair = self.pair()
            pair.links[0].forge(*wire, junk, *wire)
            pair.run()
            assert pair.far.error is not None, f"{junk[:40]!r} was swallowed"
            assert pair.links[1].aborted, f"{junk[:40]!r}: the link below was not let go of"
            if good:
                assert self.received(pair.far) == self.expected(good), f"{junk[:40]!r}"

    def test_garbage_in_one_piece(self) -> None:
        """The same where good units, garbage and more arrive in one unit of the link."""
        self.skip_unless(self.garbage, "no garbage was given")
        self.skip_unless_cuttable(self.pair(run=False))
        good, wire = self.on_the_wire()
        for junk in self.garbage:
            pair = self.pair()
            pair.links[0].forge(b"".join([*wire, junk, *wire]))
            pair.run()
            assert pair.far.error is not None, f"{junk[:40]!r} was swallowed"
            if good:
                assert self.received(pair.far) == self.expected(good), f"{junk[:40]!r}"

    def test_noise(self) -> None:
        """Random bytes, at each moment: whatever happens, only a declared error comes of it."""
        for seed in range(self.seeds * 5):
            chance = random.Random(seed)
            pair = self.pair(run=False)
            pair.open()
            for _ in range(chance.randrange(self.steps_to_open() + 2)):
                pair.step()
            for _ in range(chance.randrange(1, 6)):
                pair.links[0].forge(chance.randbytes(chance.randrange(1, 40)))
            pair.run()
            assert pair.far.error is None or isinstance(pair.far.error, SockstackError)

    # Time.

    def test_deadlines_in_the_past(self) -> None:
        """A clock that jumps by years, before, while and after the stack opens, does no harm but to time out."""
        pair = self.pair(run=False)
        self.skip_unless(pair.near.chain.timed, "the layers keep no time")
        for step in range(self.steps_to_open() + 2):
            pair = self.pair(run=False)
            pair.open()
            for _ in range(step):
                pair.step()
            pair.hub.advance(10 * YEAR)
            pair.run()
            for top in (pair.near, pair.far):
                assert top.is_open or top.error is not None

    # Promises.

    def test_header_is_as_declared(self) -> None:
        """A unit costs at most the bytes that the record sums up."""
        pair = self.pair()
        expands = any(spec.expanding for spec in pair.near.chain.specs)
        self.skip_unless(not expands, "the layers may lengthen a unit")
        above, below = pair.near.chain.record, pair.links[0].record
        room = above.head - below.head + above.tail - below.tail
        sent = pair.links[0].sent
        for unit in self.sendable(pair.near):
            sent.clear()
            pair.near.send(unit)
            cost = sum(map(len, sent)) - len(unit)
            assert cost <= room, f"{cost} bytes of header and trailer; {room} were declared"

    def test_metadata_is_not_hidden(self) -> None:
        """A question that no layer answers falls through to the link."""
        pair = self.pair()
        assert pair.near.chain.get(PEER_ADDRESS) == pair.links[0].get(PEER_ADDRESS)

    # Taking off.

    def test_detach_after_the_endings(self) -> None:
        """A session whose two sides have ended can be taken off, if it says so; the link goes on as it was."""
        pair = self.pair()
        for top in (pair.near, pair.far):
            top.end()
            pair.run()
        apart = not (pair.links[0].ending or pair.links[1].ending)
        self.skip_unless(apart, "no layer has an ending of its own")
        tops = (pair.near, pair.far)
        count = len(pair.near.chain.layers) - 1
        settled = all(top.chain.obstacle(count) is None for top in tops)
        self.skip_unless(settled, "a layer has no detachable end")
        fresh = []
        for top in tops:
            leftover = top.chain.take_off(count)
            assert leftover == []
            fresh.append(Recorder())
            fresh[-1].chain = top.chain
            top.chain.put_on((), fresh[-1], leftover)
        fresh[0].send(b"plain")
        fresh[1].send(b"again")
        pair.run()
        assert fresh[1].data == b"plain"
        assert fresh[0].data == b"again"
