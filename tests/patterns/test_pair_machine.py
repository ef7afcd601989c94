"""PAIR, with one peer and with many, in any order of connecting, sending, receiving, stalling and losing peers."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sockstack.core.errors import Busy, RemoteProtocolError
from sockstack.core.head import Message
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.pair import Pair0, Pair1, PairRaw, PolyPair1

from .fakes import HEAD, Joined, Peer, Rig

LANE = 20
"""Messages that a connection holds between the two ends before it says that it takes no more."""

BUFFER = 3
MOST = 12
"""Messages that are sent at once."""

HOP = b"\0\0\0\1"

rigs = st.integers(0, 2)


class Pairs(RuleBasedStateMachine):
    """Three sockets with room for one peer each. Each message is a number, so none can be mistaken."""

    spec: PatternSpec = Pair0(send_buffer=BUFFER)
    word = b""

    def __init__(self) -> None:
        super().__init__()
        self.rigs = [Rig(self.spec, first=100 * n + 1) for n in range(3)]
        self.lines: list[Joined] = []
        self.refused: list[Peer] = []
        self.accepted: list[list[int]] = [[], [], []]
        self.received: set[int] = set()
        self.lost: set[int] = set()
        self.next = 0

    @property
    def live(self) -> list[Joined]:
        return [line for line in self.lines if line.alive]

    def number(self, unit: bytes) -> int:
        assert unit.startswith(self.word)
        return int(unit[len(self.word) :])

    def raw(self, rig: int) -> PairRaw:
        raw = self.rigs[rig].raw
        assert isinstance(raw, PairRaw)
        return raw

    def line_of(self, rig: int) -> tuple[Joined, int] | None:
        """The connection of a socket to its peer, and which end of it is the socket's."""
        for line in self.live:
            for side in (0, 1):
                if line.ends[side].pipe.junction is self.rigs[rig].raw:
                    return line, side
        return None

    # What can happen.

    @rule(pair=st.sampled_from([(0, 1), (0, 2), (1, 2)]))
    def connect(self, pair: tuple[int, int]) -> None:
        """Who has a peer refuses; the other end finds the connection broken."""
        taken = [bool(self.rigs[side].raw.pipes) for side in pair]
        line = Joined(self.rigs[pair[0]], self.rigs[pair[1]])
        for end, refuses in zip(line.ends, taken, strict=True):
            assert [type(error) for error in end.closed] == [Busy] * refuses
            if refuses:
                self.refused.append(end)
        self.lines.append(line)
        self.settle()

    @rule(rig=rigs, count=st.integers(1, MOST))
    def send_many(self, rig: int, count: int) -> None:
        reachable, waiting = self.raw(rig).reachable, len(self.raw(rig).waiting)
        done = self.rigs[rig].head.offer_many([b"%d" % (self.next + n) for n in range(count)])
        if reachable and not waiting:
            assert done == count
        else:
            assert done == min(count, max(0, BUFFER - waiting))
        self.sent(rig, done)

    @rule(rig=rigs)
    def send(self, rig: int) -> None:
        expected = self.rigs[rig].head.can_send
        assert self.rigs[rig].head.offer(b"%d" % self.next) == expected
        self.sent(rig, int(expected))

    def sent(self, rig: int, count: int) -> None:
        self.accepted[rig].extend(range(self.next, self.next + count))
        self.next += count
        self.settle()

    def settle(self) -> None:
        """What was sent is on its way; a full connection takes no more; one of which an end has gone is broken."""
        for line in self.lines:
            if line.alive:
                line.load()
                for side in (0, 1):
                    if len(line.lanes[side]) >= LANE:
                        line.ends[side].busy()
            elif not all(end.wire.dead for end in line.ends):
                self.drop(line)

    def drop(self, line: Joined) -> None:
        """The connection breaks: what was under way is lost, and the message that was written in part."""
        line.load()
        for side in (0, 1):
            wire = line.ends[side].wire
            if wire.cut and wire.budget:
                self.lost.add(self.number(wire.cut[0]))
            held = [unit for batch in line.ends[1 - side].wire.held for unit in batch]
            self.lost.update(map(self.number, [*line.lanes[side], *held]))
        line.lose()

    @rule(rig=rigs, most=st.integers(1, MOST), batches=st.integers(1, 10))
    def move(self, rig: int, most: int, batches: int) -> None:
        """What a socket has sent arrives, as far as its peer has credit."""
        found = self.line_of(rig)
        if found is not None:
            line, side = found
            for _ in range(batches):
                if line.ends[1 - side].wire.credit:
                    line.move(side, most)
            if len(line.lanes[side]) < LANE:
                line.ends[side].busy(False)
            self.settle()

    @rule(rig=rigs, most=st.integers(1, 30))
    def receive(self, rig: int, most: int) -> None:
        others = {n for other in range(3) if other != rig for n in self.accepted[other]}
        for body in self.rigs[rig].head.take_many(most) or ():
            number = int(body)
            assert number in others
            assert number not in self.received
            self.received.add(number)

    @rule(rig=rigs)
    def stall(self, rig: int) -> None:
        found = self.line_of(rig)
        if found is not None:
            found[0].ends[found[1]].busy()

    @rule(rig=rigs)
    def lose(self, rig: int) -> None:
        found = self.line_of(rig)
        if found is not None:
            self.drop(found[0])

    @rule(rig=rigs, budget=st.integers(0, 5 * (HEAD + 6)))
    def doom(self, rig: int, budget: int) -> None:
        """The connection will be found dead after so many bytes."""
        found = self.line_of(rig)
        if found is not None:
            found[0].ends[found[1]].wire.budget = budget

    # What always holds.

    @invariant()
    def nobody_has_two_peers(self) -> None:
        for rig in self.rigs:
            assert len(rig.raw.pipes) <= 1
        for peer in self.refused:
            assert peer.sent == []
            assert not peer.pipe.alive

    @invariant()
    def what_is_written_is_in_order(self) -> None:
        for rig in self.rigs:
            written = [self.number(unit) for peer in rig.peers for unit in peer.sent]
            assert written == sorted(set(written))

    @invariant()
    def nothing_waits_that_would_be_taken(self) -> None:
        for n, rig in enumerate(self.rigs):
            raw = self.raw(n)
            assert not (raw.waiting and raw.reachable)
            assert all(pipe.ready == bool(raw.ring) for pipe in rig.raw.pipes.values())

    @invariant()
    def memory_is_bounded(self) -> None:
        for n, rig in enumerate(self.rigs):
            assert len(self.raw(n).waiting) <= BUFFER + MOST  # of these MOST were on a dead pipe
            assert all(peer.pipe.batches <= 8 for peer in rig.peers)
        for line in self.live:
            assert all(len(lane) <= LANE + BUFFER + 2 * MOST for lane in line.lanes)

    @invariant()
    def the_counters_agree(self) -> None:
        for rig, accepted in zip(self.rigs, self.accepted, strict=True):
            assert rig.stats.sent == len(accepted)
            assert rig.stats.shed == rig.stats.unheard == rig.stats.looped == 0

    def teardown(self) -> None:
        """Whatever was accepted, and not lost with a connection, arrives, or waits for a peer."""
        for _ in range(100):
            for rig in range(3):
                self.receive(rig, 1000)
                self.move(rig, 100, 1)
        for rig in range(3):
            self.receive(rig, 1000)
        waiting = {
            self.number(b"".join(unit) if isinstance(unit, tuple) else unit)
            for rig in range(3)
            for unit in self.raw(rig).waiting
        }
        parts = [self.received, self.lost, waiting]
        assert sum(map(len, parts)) == len(set().union(*parts))
        assert set().union(*parts) == set().union(*self.accepted)
        for each in self.rigs:
            each.close()


class HopPairs(Pairs):
    """The same with a hop word."""

    spec = Pair1(send_buffer=BUFFER)
    word = HOP


class Poly(RuleBasedStateMachine):
    """One socket with many peers that each have one, in any order; the peers are scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(Pair1(poly=True, send_buffer=BUFFER))
        self.meant: dict[int, list[int]] = {}
        """By pipe, the messages that may be written to it, in order."""
        self.unnamed: list[int] = []
        """Those that waited for a peer."""
        self.due: Counter[tuple[int, bytes]] = Counter()
        self.next = 0
        self.dropped = 0

    @property
    def live(self) -> list[Peer]:
        return [peer for peer in self.rig.peers if peer.pipe.alive]

    def pick(self, index: int) -> Peer:
        return self.live[index % len(self.live)]

    @rule(ready=st.booleans())
    def connect(self, ready: bool) -> None:
        if len(self.live) < 4:
            peer = self.rig.peer(ready)
            self.meant[peer.id], self.unnamed = self.unnamed, []

    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        bodies = [b"%d" % (self.next + n) for n in range(count)]
        done = self.rig.head.offer_many(bodies)
        numbers = range(self.next, self.next + done)
        self.next += done
        if self.live:
            assert done == count
            self.meant[self.live[0].id].extend(numbers)
        else:
            self.unnamed.extend(numbers)
            assert done == count or len(self.unnamed) == BUFFER

    @precondition(lambda self: self.rig.peers)
    @rule(index=st.integers(0, 99))
    def send_to(self, index: int) -> None:
        """To one that is there, or was."""
        peer = self.rig.peers[index % len(self.rig.peers)]
        before = self.rig.stats.unheard
        assert self.rig.head.offer_message(Message(b"%d" % self.next, pipe=peer.id))
        assert self.rig.stats.unheard == before + (not peer.pipe.alive)
        self.meant[peer.id].append(self.next)
        self.next += 1

    @precondition(lambda self: self.live)
    @rule(index=st.integers(0, 3), hops=st.integers(0, 12), count=st.integers(1, 5))
    def deliver(self, index: int, hops: int, count: int) -> None:
        peer = self.pick(index)
        looped, held = self.rig.stats.looped, len(peer.wire.held)
        peer.deliver(*(bytes([0, 0, 0, hops]) + b"%d" % n for n in range(count)))
        if hops <= 8:
            self.due.update((peer.id, b"%d" % n) for n in range(count))
        elif len(peer.wire.held) == held:
            assert self.rig.stats.looped == looped + count
        else:
            peer.wire.held.pop()

    @rule(most=st.integers(1, 30))
    def receive(self, most: int) -> None:
        for _ in range(most):
            message = self.rig.head.take_message()
            if message is None:
                break
            key = (message.pipe, message.body)
            assert self.due[key] > 0
            self.due[key] -= 1

    @precondition(lambda self: self.live)
    @rule(index=st.integers(0, 3), flag=st.booleans())
    def stall(self, index: int, flag: bool) -> None:
        self.pick(index).busy(flag)

    @precondition(lambda self: self.live)
    @rule(index=st.integers(0, 3))
    def lose(self, index: int) -> None:
        self.gone(self.pick(index))

    @precondition(lambda self: self.live)
    @rule(index=st.integers(0, 3), bad=st.sampled_from([b"", b"\0\0\0", b"\0\0\1\0", b"text"]))
    def hostile(self, index: int, bad: bytes) -> None:
        """It costs that peer its connection, and nobody else."""
        peer, others = self.pick(index), len(self.live) - 1
        if peer.wire.credit:
            backlog = len(peer.pipe.backlog)
            peer.deliver(HOP + b"good", bad, HOP + b"after")
            self.due[peer.id, b"good"] += 1
            assert [type(error) for error in peer.closed] == [RemoteProtocolError]
            assert len(self.live) == others
            self.dropped += backlog

    def gone(self, peer: Peer) -> None:
        self.dropped += len(peer.pipe.backlog)
        for batch in peer.wire.held:
            self.due.subtract((peer.id, unit[4:]) for unit in batch)
        peer.lose()

    # What always holds.

    @invariant()
    def each_is_written_what_was_meant_for_it_in_order(self) -> None:
        for peer in self.rig.peers:
            written = [int(unit[4:]) for unit in peer.sent]
            assert written == sorted(set(written))
            assert set(written) <= set(self.meant[peer.id])

    @invariant()
    def all_is_accounted_for(self) -> None:
        raw, stats = self.rig.raw, self.rig.stats
        assert isinstance(raw, PolyPair1)
        written = sum(len(peer.sent) for peer in self.rig.peers)
        backlogs = sum(len(peer.pipe.backlog) for peer in self.live)
        elsewhere = len(raw.waiting) + stats.shed + stats.unheard + self.dropped
        assert written + backlogs + elsewhere == stats.sent == self.next

    @invariant()
    def memory_is_bounded(self) -> None:
        raw = self.rig.raw
        assert isinstance(raw, PolyPair1)
        assert len(raw.waiting) <= BUFFER
        assert not (raw.waiting and raw.pipes)
        for peer in self.rig.peers:
            assert len(peer.pipe.backlog) <= 2
            assert peer.pipe.batches <= 8
            if peer.pipe.alive and peer.pipe.ready:
                assert not peer.pipe.backlog

    def teardown(self) -> None:
        """Whatever arrived is received."""
        self.receive(10000)
        assert +self.due == Counter()
        self.rig.close()


for machine in (Pairs, HopPairs, Poly):
    machine.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestPairs = Pairs.TestCase
TestHopPairs = HopPairs.TestCase
TestPoly = Poly.TestCase
