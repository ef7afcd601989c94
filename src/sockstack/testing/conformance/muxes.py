"""The kit for muxes: many streams over one connection, none of which may harm another."""

from __future__ import annotations

import random
from typing import Any
from unittest import SkipTest

from ...core.capabilities import Capabilities, Ordered, Unit
from ...core.chain import Chain
from ...core.errors import SockstackError
from ...core.layer import MANY
from ...core.marks import PEER_ADDRESS
from ...core.session import SessionCore
from ...core.spec import Composable, Role
from ...core.transport import Link
from ..hostile import HostileLane
from ..lanes import CutLane
from ..memory import Memory, Pair, connect
from ..recorder import Recorder

__all__ = ["MuxKit"]

CHUNK = 10_000


class MuxKit:
    """Tests for muxes. Subclass it, and say how the mux is made::

        class TestSmallMux(MuxKit):
            def make(self):
                return SmallMux(window=65536)

    Attributes:
        below: the record of the link below; by default a reliable stream.
        window: bytes of one stream that may be under way or held while nobody reads it, at most.
        ahead: bytes by which one of two streams that take turns may be ahead of the other.
        limit: how many streams may be open at once if a stack was made with :meth:`make_limited`.
        garbage: what a broken or hostile peer might write once the session is open. Each must break it.
        most_cuts: places at which a conversation is cut, at most.
        seeds: how many hostile links are tried.
        one_by_one: how many streams are opened and closed one after the other.
    """

    below: Capabilities | None = None
    window: int = 1 << 20
    ahead: int = 1 << 17
    limit: int = 0
    garbage: tuple[bytes, ...] = ()
    most_cuts: int = 400
    seeds: int = 20
    one_by_one: int = 2000

    def make(self) -> Composable:
        """The layers of the dialler's end, a mux on top, without a transport."""
        raise NotImplementedError

    def make_peer(self) -> Composable:
        """Those of the listener's end; by default the same."""
        return self.make()

    def make_limited(self) -> Composable:
        """Layers that allow :attr:`limit` streams at once."""
        raise NotImplementedError

    # For tests.

    def pair(self, **options: Any) -> Pair[SessionCore, SessionCore]:
        """Two sessions back to back; see :func:`sockstack.testing.connect`."""
        options.setdefault("record", self.below)
        tops = (SessionCore(), SessionCore())
        return connect(self.make(), self.make_peer(), tops=tops, **options)

    def skip_unless(self, met: object, why: str) -> None:
        """Leave the test if it does not apply."""
        if not met:
            raise SkipTest(why)

    def top(self, link: Link, credit: int = MANY, role: Role = Role.DIALER) -> Recorder:
        """A recorder on a stream, opened."""
        top = Recorder(credit)
        top.chain = Chain((Memory(link.record),), link, link.record, role, top, link.hub)
        top.chain.open()
        return top

    def accepted(self, session: SessionCore, credit: int = MANY) -> Recorder:
        """A recorder on the next stream that the peer has opened."""
        link = session.take_stream()
        assert link is not None, "the peer's stream has not come"
        return self.top(link, credit, Role.LISTENER)

    def streams(self, pair: Any, credit: int = MANY) -> tuple[Recorder, Recorder]:
        """Both ends of a stream that the near end opens; ``credit`` is what the far one gives."""
        here = self.top(pair.near.open_stream())
        pair.run()
        if not pair.far.waiting:  # some muxes tell of a stream with its first data
            here.send(b"!")
            pair.run()
            there = self.accepted(pair.far)
            pair.run()
            assert there.data == b"!"
            there.units.clear()
            there.want(credit)
            return here, there
        return here, self.accepted(pair.far, credit)

    def fill(self, pair: Any, top: Recorder) -> bytes:
        """Send until the stream asks for no more; what was sent."""
        sent: list[bytes] = []
        while top.ready:
            chunk = bytes([len(sent) % 256]) * CHUNK
            top.send(chunk)
            sent.append(chunk)
            pair.run()
            assert len(sent) < 4 + 64 * self.window // CHUNK, "nobody reads, and it takes more"
        return b"".join(sent)

    def talk(self, pair: Any) -> list[tuple[Recorder, bytes]]:
        """A conversation on three streams, opened from both sides; who must have received what."""
        expected = []
        heres = [self.top(pair.near.open_stream()) for _ in range(2)]
        back = self.top(pair.far.open_stream())
        for number, top in enumerate((*heres, back)):
            top.send(b"%d asks, " % number)
            top.send(bytes([number]) * 300)
        pair.run()
        theres = [self.accepted(pair.far), self.accepted(pair.far), self.accepted(pair.near)]
        pair.run()
        for number, top in enumerate(theres):
            expected.append((top, b"%d asks, " % number + bytes([number]) * 300))
            top.send(b"%d answers" % number)
            top.end()
        pair.run()
        for number, top in enumerate((*heres, back)):
            expected.append((top, b"%d answers" % number))
            top.end()
        pair.run()
        return expected

    def check(self, expected: list[tuple[Recorder, bytes]]) -> None:
        """All have received what they must, and the end."""
        for top, data in expected:
            assert top.error is None, f"broken: {top.error}"
            assert top.data == data
            assert top.has_ended

    # Data.

    def test_streams_from_both_sides(self) -> None:
        self.check(self.talk(self.pair()))

    def test_one_byte_at_a_time(self) -> None:
        self.check(self.talk(self.pair(lanes=(CutLane(every=1), CutLane(every=1)))))

    def test_split_at_every_index(self) -> None:
        pair = self.pair()
        self.talk(pair)
        for way, link in enumerate(pair.links):
            total = sum(map(len, link.sent))
            for place in range(1, total, max(1, total // self.most_cuts)):
                lanes = [CutLane(), CutLane()]
                lanes[way] = CutLane([place])
                self.check(self.talk(self.pair(lanes=tuple(lanes))))

    def test_hostile_link(self) -> None:
        record = self.pair().links[0].record
        for seed in range(self.seeds):
            lanes = (HostileLane(record, seed), HostileLane(record, ~seed))
            self.check(self.talk(self.pair(lanes=lanes)))

    def test_much_data(self) -> None:
        """Many times the window, both ways at once, in chunks of all sizes."""
        pair = self.pair()
        here, there = self.streams(pair)
        chance = random.Random(1)
        chunks: list[bytes] = []
        while sum(map(len, chunks)) < 4 * self.window:
            chunks.append(chance.randbytes(chance.randrange(1, 100_000)))
        for chunk in chunks:
            here.send(chunk)
            there.send(chunk)
            pair.step()
        pair.run()
        assert there.data == here.data == b"".join(chunks)
        assert here.chain.unsent == there.chain.unsent == 0

    def test_many_streams(self) -> None:
        """One after the other, more than may be open at once; nothing of them stays."""
        pair = self.pair()
        for number in range(self.one_by_one):
            here, there = self.streams(pair)
            here.send(b"%d" % number)
            here.end()
            pair.run()
            there.send(there.data[::-1])
            there.end()
            pair.run()
            assert here.data == (b"%d" % number)[::-1]
            assert here.has_ended
            assert there.has_ended
            here.abort()
            there.abort()
        pair.run()
        assert pair.near.waiting == pair.far.waiting == 0
        assert pair.near.chain.unsent == pair.far.chain.unsent == 0

    def test_data_before_it_is_accepted(self) -> None:
        """What came on a stream that waits to be accepted is kept for whoever takes it; then its end."""
        pair = self.pair()
        here = self.top(pair.near.open_stream())
        here.send(b"early")
        here.end()
        pair.run()
        there = self.accepted(pair.far)
        assert there.data == b"early"
        assert there.has_ended

    # Promises.

    def test_a_stream_is_a_reliable_stream(self) -> None:
        pair = self.pair()
        here, _ = self.streams(pair)
        record = here.chain.record
        assert record.unit is Unit.STREAM
        assert record.reliable
        assert record.ordered is Ordered.TOTAL

    def test_metadata_comes_from_the_session(self) -> None:
        pair = self.pair()
        here, _ = self.streams(pair)
        assert here.chain.get(PEER_ADDRESS) == pair.near.chain.get(PEER_ADDRESS) is not None

    # Credit.

    def test_nothing_without_credit(self) -> None:
        pair = self.pair()
        here, there = self.streams(pair, credit=0)
        here.send(b"wait")
        here.end()
        pair.run()
        assert "receive" not in there.events
        assert "ended" not in there.events
        there.want(MANY)
        assert there.data == b"wait"
        assert there.has_ended

    def test_credit_taken_back(self) -> None:
        pair = self.pair()
        here, there = self.streams(pair)
        there.on_units = lambda units: there.want(0)
        here.send(b"one")
        pair.run()
        here.send(b"two")
        pair.run()
        assert there.data == b"one"
        there.want(MANY)
        assert there.data == b"onetwo"

    def test_a_slow_stream_stops_no_other(self) -> None:
        """Nobody reads one stream: what is held for it is bounded, and another goes on at full speed."""
        pair = self.pair()
        slow, unread = self.streams(pair, credit=0)
        fast, read = self.streams(pair)
        sent = self.fill(pair, slow)
        assert len(sent) - slow.chain.unsent <= self.window, "more is held than the window"
        chunk = b"x" * CHUNK
        count = 8 * self.window // CHUNK
        for _ in range(count):
            assert fast.ready
            fast.send(chunk)
            pair.run()
        assert sum(map(len, read.units)) == count * CHUNK
        assert unread.units == []
        unread.want(MANY)
        pair.run()
        assert unread.data == sent
        assert slow.ready

    def test_streams_take_turns(self) -> None:
        """On a link that takes little at a time, none of two that send a lot is kept waiting for the other."""
        pair = self.pair(high=1000)
        first, first_read = self.streams(pair)
        second, second_read = self.streams(pair)
        data = b"x" * (4 * self.window)
        first.send(data)
        second.send(data)
        while pair.step():
            ahead = len(first_read.data) - len(second_read.data)
            assert abs(ahead) <= self.ahead, "one had to wait for the other"
        assert first_read.data == second_read.data == data

    def test_back_pressure_of_the_link(self) -> None:
        pair = self.pair(high=1000)
        here, there = self.streams(pair)
        sent = []
        for _ in range(50):
            here.send(b"x" * 1000)
            sent.append(b"x" * 1000)
            if not here.ready:
                break
        full = not here.ready
        assert full, "the link is full, and the stream takes more"
        pair.run()
        assert here.ready
        assert there.data == b"".join(sent)
        assert pair.near.chain.unsent == 0

    # Endings of a stream.

    def test_half_close(self) -> None:
        pair = self.pair()
        here, there = self.streams(pair)
        here.send(b"question")
        here.end()
        here.end()
        pair.run()
        assert there.data == b"question"
        assert there.has_ended
        there.send(b"long answer")
        pair.run()
        there.send(b", and the rest")
        there.end()
        pair.run()
        assert here.data == b"long answer, and the rest"
        assert here.has_ended

    def test_end_behind_data_that_waits(self) -> None:
        """An end does not overtake bytes for which there is no credit yet."""
        pair = self.pair()
        here, there = self.streams(pair, credit=0)
        sent = self.fill(pair, here)
        here.end()
        pair.run()
        there.want(MANY)
        pair.run()
        assert there.data == sent
        assert there.has_ended

    def test_end_then_abort_loses_nothing(self) -> None:
        pair = self.pair()
        here, there = self.streams(pair, credit=0)
        here.send(b"last words")
        here.end()
        here.abort()
        pair.run()
        there.want(MANY)
        pair.run()
        assert there.data == b"last words"
        assert there.has_ended
        assert there.error is None

    def test_abort_tells_the_peer(self) -> None:
        """It, and nobody else."""
        pair = self.pair()
        here, there = self.streams(pair)
        other, others_peer = self.streams(pair)
        here.abort()
        here.abort()
        pair.run()
        assert there.error is not None
        other.send(b"goes on")
        pair.run()
        assert others_peer.data == b"goes on"

    def test_abort_with_data_on_the_way(self) -> None:
        """What still comes for a stream that was let go of is dropped, and costs nobody anything."""
        pair = self.pair()
        here, there = self.streams(pair)
        other, others_peer = self.streams(pair)
        here.send(b"x" * CHUNK)
        there.abort()
        pair.run()
        assert there.units == []
        assert here.error is not None
        here.send(b"more")
        other.send(b"goes on")
        pair.run()
        assert others_peer.data == b"goes on"

    def test_sending_to_one_who_has_closed(self) -> None:
        """A peer that ended and went hears nothing any more, and we are told."""
        pair = self.pair()
        here, there = self.streams(pair)
        there.end()
        there.abort()
        pair.run()
        assert here.has_ended
        here.send(b"anybody?")
        pair.run()
        assert here.error is not None

    def test_send_after_end(self) -> None:
        pair = self.pair()
        here, there = self.streams(pair)
        here.send(b"before")
        here.end()
        here.send(b"after")
        pair.run()
        assert there.data == b"before"

    def test_abort_from_inside_receive(self) -> None:
        pair = self.pair()
        here, there = self.streams(pair)
        there.on_units = lambda units: there.abort()
        for _ in range(10):
            here.send(b"x" * CHUNK)
        pair.run()
        assert here.error is not None

    # Endings of a session.

    def test_session_ends(self) -> None:
        """Its streams end, each behind what was accepted; no stream is opened any more."""
        pair = self.pair()
        here, there = self.streams(pair, credit=0)
        sent = self.fill(pair, here)
        pair.near.end()
        self._refuses(pair.near)
        there.want(MANY)
        pair.run()
        assert there.data == sent
        assert there.has_ended
        self._refuses(pair.far)
        for top in (here, there):  # nothing more can be said, and nobody minds
            top.end()
            top.abort()
        pair.run()
        assert pair.links[0].late == pair.links[1].late == []

    def test_session_is_aborted(self) -> None:
        pair = self.pair()
        here, there = self.streams(pair)
        pair.near.abort()
        pair.near.abort()
        assert here.error is not None
        assert pair.links[0].aborted
        pair.run()
        assert there.error is not None
        assert pair.far.error is not None
        self._refuses(pair.near)
        self._refuses(pair.far)

    def test_session_is_cut(self) -> None:
        """All streams break, each after what had arrived for it."""
        pair = self.pair()
        here, there = self.streams(pair, credit=0)
        _, other = self.streams(pair)
        here.send(b"arrived")
        pair.run()
        pair.links[1].cut()
        pair.run()
        assert other.error is not None
        assert "broken" not in there.events
        there.want(MANY)
        assert there.data == b"arrived"
        assert there.error is not None
        assert pair.far.error is not None
        self._refuses(pair.far)

    def test_stream_of_a_dead_session_waits_to_be_accepted(self) -> None:
        """It can be taken, tells what had arrived, and is broken."""
        pair = self.pair()
        here = self.top(pair.near.open_stream())
        here.send(b"too late")
        pair.run()
        pair.links[1].cut()
        pair.run()
        there = self.accepted(pair.far)
        assert there.data == b"too late"
        assert there.error is not None

    # Limits and hostile peers.

    def test_streams_are_counted(self) -> None:
        """Neither side opens more at once than is allowed; when some are over, others may be opened."""
        self.skip_unless(self.limit, "no limit was given")
        tops = (SessionCore(), SessionCore())
        pair = connect(self.make(), self.make_limited(), tops=tops, record=self.below)
        heres = [self.top(pair.near.open_stream()) for _ in range(self.limit + 3)]
        for here in heres:
            here.send(b"?")
        pair.run()
        refused = [here for here in heres if here.error is not None]
        assert len(refused) == 3
        theres = [self.accepted(pair.far) for _ in range(self.limit)]
        self._refuses(pair.far)
        theres[0].abort()
        pair.run()
        assert self.top(pair.far.open_stream()).is_open

    def test_garbage(self) -> None:
        """It breaks the session with a declared error, and all its streams; what came before is delivered."""
        self.skip_unless(self.garbage, "no garbage was given")
        for junk in self.garbage:
            pair = self.pair()
            here, there = self.streams(pair)
            here.send(b"good")
            pair.links[0].forge(junk)
            pair.run()
            assert isinstance(pair.far.error, SockstackError), f"{junk[:40]!r} was swallowed"
            assert pair.links[1].aborted
            assert there.data == b"good"
            assert there.error is not None
            assert here.error is not None

    def test_noise(self) -> None:
        """Random bytes at any moment: only declared errors come of it."""
        for seed in range(self.seeds * 5):
            chance = random.Random(seed)
            pair = self.pair(run=False)
            pair.open()
            for _ in range(chance.randrange(4)):
                pair.step()
            for _ in range(chance.randrange(1, 6)):
                pair.links[0].forge(chance.randbytes(chance.randrange(1, 60)))
            pair.run()

    # Inside.

    @staticmethod
    def _refuses(session: SessionCore) -> None:
        try:
            session.open_stream()
        except SockstackError:
            return
        raise AssertionError("a stream was opened")
