"""PUB and SUB, BUS and STAR in any order of connecting, sending, receiving, stalling and losing connections."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sockstack.core.errors import LocalProtocolError
from sockstack.core.head import Head
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.bus import Bus
from sockstack.patterns.pubsub import Pub, Sub, SubHead
from sockstack.patterns.star import Star

from .fakes import HEAD, Joined, Rig

LANE = 12
"""Messages that a connection holds before it says that it takes no more."""

PUB_ROOM = 9
SUB_ROOM = 15

any_number = st.integers(0, 99)
any_topic = st.sampled_from([b"", b"a", b"ab", b"b", b"c"])
any_beginning = st.sampled_from([b"a", b"ab", b"b", b"d"])
either = st.integers(0, 1)


class Line:
    """A connection from PUB to a SUB, and a model of what it holds."""

    def __init__(self, pub: Rig, sub: Rig, which: int) -> None:
        self.joined = Joined(pub, sub)
        self.pipe = self.joined.ends[0].pipe
        self.which = which
        self.lane: list[bytes] = []
        self.queue: list[bytes] = []
        self.handed = 0

    def hand(self, bodies: list[bytes]) -> None:
        self.handed += len(bodies)
        if self.pipe.ready:
            self.lane += bodies
        else:
            self.queue = (self.queue + bodies)[-PUB_ROOM:]

    def settle(self) -> None:
        """A full connection takes no more; an emptied one takes what waits for it."""
        ready = len(self.lane) < LANE
        self.joined.ends[0].busy(not ready)
        if ready:
            self.lane += self.queue
            self.queue = []


class Reader:
    """A SUB socket or context, and a model of its queue."""

    def __init__(self, head: Head, topics: set[bytes], newest: bool) -> None:
        assert isinstance(head, SubHead)
        self.head = head
        self.topics = topics
        self.newest = newest
        self.queue: list[tuple[int, bytes]] = []

    def hears(self, body: bytes) -> bool:
        return any(body.startswith(topic) for topic in self.topics)

    def arrive(self, pipe: int, bodies: list[bytes]) -> int:
        """How many were dropped."""
        queue = self.queue + [(pipe, body) for body in bodies]
        self.queue = queue[-SUB_ROOM:] if self.newest else queue[:SUB_ROOM]
        return len(queue) - len(self.queue)


class Publishing(RuleBasedStateMachine):
    """One PUB, two SUB with contexts, and a model of every queue: what a SUB gives is known in advance."""

    def __init__(self) -> None:
        super().__init__()
        self.pub = Rig(Pub(send_buffer=PUB_ROOM))
        self.subs = [
            Rig(Sub(b"a", recv_buffer=SUB_ROOM, prefer_new=newest), first=first)
            for newest, first in ((True, 100), (False, 200))
        ]
        self.readers = [
            [Reader(rig.head, {b"a"}, newest)]
            for rig, newest in zip(self.subs, (True, False), strict=True)
        ]
        self.lines: list[Line] = []
        self.next = self.unheard = 0
        self.overrun = [0, 0]
        self.unmatched = [0, 0]
        self.taken = [0, 0]

    @property
    def live(self) -> list[Line]:
        return [line for line in self.lines if line.joined.alive]

    def pick(self, number: int) -> Line:
        return self.live[number % len(self.live)]

    def reader(self, which: int, number: int) -> Reader:
        return self.readers[which][number % len(self.readers[which])]

    # What can happen.

    @rule(which=either)
    def connect(self, which: int) -> None:
        if len(self.live) < 4:
            self.lines.append(Line(self.pub, self.subs[which], which))

    @rule(beginnings=st.lists(any_beginning, max_size=30), batch=st.booleans())
    def send(self, beginnings: list[bytes], batch: bool) -> None:
        bodies = [b"%s%d" % (word, self.next + n) for n, word in enumerate(beginnings)]
        self.next += len(bodies)
        for share in [bodies] if batch else [[body] for body in bodies]:
            if not self.live:
                self.unheard += len(share)
            for line in self.live:
                line.hand(share)
            if batch:
                assert self.pub.head.offer_many(share) == len(share)
            else:
                assert self.pub.head.offer(*share)
            self.settle()

    def settle(self) -> None:
        """Full connections stop, emptied ones go on; one that was found dead is dead at both ends."""
        for line in self.lines:
            if line.joined.alive:
                line.settle()
            else:
                line.joined.lose()

    @precondition(lambda self: self.live)
    @rule(number=any_number, most=st.integers(1, 40))
    def move(self, number: int, most: int) -> None:
        line = self.pick(number)
        which, bodies = line.which, line.lane[:most]
        del line.lane[:most]
        assert line.joined.move(0, most) == len(bodies)
        heard: set[bytes] = set()
        for reader in self.readers[which]:
            own = [body for body in bodies if reader.hears(body)]
            heard.update(own)
            self.overrun[which] += reader.arrive(line.joined.ends[1].id, own)
        self.unmatched[which] += len(bodies) - len(heard)
        self.settle()

    @rule(which=either, number=any_number, most=st.integers(1, 20))
    def receive_many(self, which: int, number: int, most: int) -> None:
        reader = self.reader(which, number)
        expected = [body for _, body in reader.queue[:most]]
        del reader.queue[:most]
        self.taken[which] += len(expected)
        assert (reader.head.take_many(most) or []) == expected

    @rule(which=either, number=any_number)
    def receive(self, which: int, number: int) -> None:
        reader = self.reader(which, number)
        message = reader.head.take_message()
        if message is None:
            assert not reader.queue
        else:
            self.taken[which] += 1
            assert (message.pipe, message.body) == reader.queue.pop(0)

    @rule(which=either, number=any_number, topic=any_topic)
    def subscribe(self, which: int, number: int, topic: bytes) -> None:
        reader = self.reader(which, number)
        reader.topics.add(topic)
        reader.head.subscribe(topic)

    @rule(which=either, number=any_number, topic=any_topic)
    def unsubscribe(self, which: int, number: int, topic: bytes) -> None:
        reader = self.reader(which, number)
        if topic not in reader.topics:
            with pytest.raises(LocalProtocolError):
                reader.head.unsubscribe(topic)
            return
        reader.topics.remove(topic)
        reader.head.unsubscribe(topic)
        kept = [entry for entry in reader.queue if reader.hears(entry[1])]
        self.unmatched[which] += len(reader.queue) - len(kept)
        reader.queue = kept

    @rule(which=either)
    def new_context(self, which: int) -> None:
        if len(self.readers[which]) < 3:
            head = self.subs[which].head.context({})
            self.readers[which].append(Reader(head, set(), newest=which == 0))

    @rule(which=either)
    def close_context(self, which: int) -> None:
        if len(self.readers[which]) > 1:
            reader = self.readers[which].pop()
            self.taken[which] += len(reader.queue)  # gone, and by no fault of its queue
            reader.head.close()

    @precondition(lambda self: self.live)
    @rule(number=any_number)
    def lose(self, number: int) -> None:
        self.pick(number).joined.lose()

    @precondition(lambda self: self.live)
    @rule(number=any_number, budget=st.integers(0, 5 * (HEAD + 3)))
    def doom(self, number: int, budget: int) -> None:
        """The connection will be found dead after so many bytes."""
        self.pick(number).joined.ends[0].wire.budget = budget

    @precondition(lambda self: self.live)
    @rule(number=any_number)
    def a_subscriber_sends(self, number: int) -> None:
        line = self.pick(number)
        line.joined.ends[0].deliver(b"nonsense")
        assert not line.joined.alive
        self.settle()

    # What always holds.

    @invariant()
    def what_waits_for_a_pipe_is_known_and_bounded(self) -> None:
        for line in self.live:
            assert list(line.pipe.backlog) == line.queue
            assert len(line.queue) <= PUB_ROOM
            assert line.pipe.sent + len(line.queue) + line.pipe.shed == line.handed

    @invariant()
    def the_counters_agree(self) -> None:
        stats = self.pub.stats
        assert (stats.sent, stats.unheard) == (self.next, self.unheard)
        assert stats.shed == sum(line.pipe.shed for line in self.lines)
        for which, rig in enumerate(self.subs):
            queued = sum(len(reader.queue) for reader in self.readers[which])
            assert rig.stats.received == self.taken[which] + queued
            assert rig.stats.overrun == self.overrun[which]
            assert rig.stats.unmatched == self.unmatched[which]

    def teardown(self) -> None:
        for which, readers in enumerate(self.readers):
            for number in range(len(readers)):
                self.receive_many(which, number, 1000)
        for rig in (self.pub, *self.subs):
            rig.close()


class Neighbours(RuleBasedStateMachine):
    """Four nodes that all send. Connections stall and are lost; what is still connected in the end has heard it all,
    unless a queue was full."""

    edges: ClassVar[list[tuple[int, int]]]

    def __init__(self) -> None:
        super().__init__()
        self.rigs: list[Rig] = []
        self.lines: list[Joined] = []
        self.sent: list[list[int]] = [[] for _ in range(4)]
        self.heard: list[list[int]] = [[] for _ in range(4)]
        self.room = 0
        self.next = 0

    def spec(self, room: int) -> PatternSpec:
        raise NotImplementedError

    def expected(self, node: int) -> set[int]:
        """The nodes that it should have heard of all along."""
        raise NotImplementedError

    @initialize(room=st.sampled_from([3, 10_000]))
    def begin(self, room: int) -> None:
        self.room = room
        self.rigs = [Rig(self.spec(room), first=100 * number) for number in range(1, 5)]
        self.lines = [Joined(self.rigs[one], self.rigs[two]) for one, two in self.edges]

    def settle(self) -> None:
        for line in self.lines:
            line.load()
            for side in (0, 1):
                line.ends[side].busy(len(line.lanes[side]) >= LANE)

    @rule(node=st.integers(0, 3), count=st.integers(1, 20))
    def send(self, node: int, count: int) -> None:
        numbers = range(self.next, self.next + count)
        self.next += count
        self.sent[node].extend(numbers)
        assert self.rigs[node].head.offer_many([b"%d" % number for number in numbers]) == count
        self.settle()

    @rule(line=any_number, side=either, most=st.integers(1, 25))
    def move(self, line: int, side: int, most: int) -> None:
        chosen = self.lines[line % len(self.lines)]
        if chosen.alive and chosen.ends[1 - side].wire.credit:
            chosen.move(side, most)
        self.settle()

    @rule(node=st.integers(0, 3), most=st.integers(1, 40))
    def receive(self, node: int, most: int) -> None:
        bodies = self.rigs[node].head.take_many(most) or []
        self.heard[node].extend(map(int, bodies))

    @rule(line=any_number)
    def lose(self, line: int) -> None:
        self.lines[line % len(self.lines)].lose()

    @invariant()
    def nothing_is_heard_twice_or_out_of_order_or_by_its_sender(self) -> None:
        for node, heard in enumerate(self.heard):
            assert len(set(heard)) == len(heard)
            for other, sent in enumerate(self.sent):
                own = [number for number in heard if number in set(sent)]
                assert own == sorted(own)
                assert other != node or not own

    @invariant()
    def memory_is_bounded(self) -> None:
        for rig in self.rigs:
            for peer in rig.peers:
                assert len(peer.pipe.backlog) <= self.room
                assert peer.pipe.batches <= 8

    @invariant()
    def the_counters_agree(self) -> None:
        for rig, sent in zip(self.rigs, self.sent, strict=False):
            assert rig.stats.sent == len(sent)
            assert rig.stats.shed == sum(peer.pipe.shed for peer in rig.peers)
            assert rig.stats.looped == 0

    def teardown(self) -> None:
        for _ in range(2000):
            self.settle()
            moved = 0
            for line in self.lines:
                if line.alive:
                    moved += line.move(0, 1000) + line.move(1, 1000)
            for node in range(len(self.rigs)):
                self.receive(node, 10_000)
            if not moved:
                break
        self.nothing_is_heard_twice_or_out_of_order_or_by_its_sender()
        self.the_counters_agree()
        if not any(rig.stats.shed or rig.stats.overrun for rig in self.rigs):
            for node in range(len(self.rigs)):
                for other in self.expected(node):
                    assert set(self.sent[other]) <= set(self.heard[node])
        for rig in self.rigs:
            rig.close()


class Buses(Neighbours):
    """Each is connected with each."""

    edges: ClassVar[list[tuple[int, int]]] = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]

    def spec(self, room: int) -> PatternSpec:
        return Bus(send_buffer=room)

    def expected(self, node: int) -> set[int]:
        alive = [set(edge) for edge, line in zip(self.edges, self.lines, strict=True) if line.alive]
        return {other for other in range(4) if {node, other} in alive}

    @invariant()
    def nothing_is_dropped_on_receipt(self) -> None:
        for rig in self.rigs:
            assert rig.stats.overrun == 0


class Stars(Neighbours):
    """A node with two neighbours, one of which has one more."""

    edges: ClassVar[list[tuple[int, int]]] = [(0, 1), (0, 2), (2, 3)]

    def spec(self, room: int) -> PatternSpec:
        return Star(send_buffer=room, recv_buffer=room)

    def expected(self, node: int) -> set[int]:
        alive = [edge for edge, line in zip(self.edges, self.lines, strict=True) if line.alive]
        found = {node}
        for _ in alive:
            for edge in alive:
                if found & set(edge):
                    found |= set(edge)
        return found - {node}

    @invariant()
    def nobody_is_stopped(self) -> None:
        for line in self.lines:
            if line.alive:
                assert all(end.wire.credit for end in line.ends)


Publishing.TestCase.settings = Buses.TestCase.settings = Stars.TestCase.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None
)
TestPublishing = Publishing.TestCase
TestBuses = Buses.TestCase
TestStars = Stars.TestCase
