"""PUB: everything to everyone, queues of slow subscribers, what is dropped and counted; raw sockets of PUB and SUB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sockstack.core.errors import Closed, LocalProtocolError, RemoteProtocolError
from sockstack.core.head import Message
from sockstack.core.layer import MANY, Chunks
from sockstack.layers.checksum import ChecksumLayer
from sockstack.patterns.batches import BATCH
from sockstack.patterns.device import Device
from sockstack.patterns.pubsub import Pub, Sub

from .fakes import HEAD, Clock, Peer, Rig, watch

# PUB.


def test_every_subscriber_gets_every_message() -> None:
    rig = Rig(Pub())
    peers = [rig.peer() for _ in range(3)]
    assert rig.head.offer(b"one")
    assert rig.head.offer_many([b"two", b"", b"four"]) == 3
    for peer in peers:
        assert peer.wire.batches == [[b"one"], [b"two", b"", b"four"]]
        assert peer.pipe.sent == 4
    assert rig.stats.sent == 4
    assert rig.head.bursts


def test_without_a_subscriber_sending_succeeds_and_is_counted() -> None:
    rig = Rig(Pub())
    assert rig.head.offer(b"one")
    assert rig.head.offer_many([b"two", b"three"]) == 2
    assert (rig.stats.sent, rig.stats.unheard, rig.stats.shed) == (3, 3, 0)
    rig.peer()
    assert rig.head.offer(b"four")
    assert rig.stats.unheard == 3


def test_a_batch_is_one_object_for_all_pipes_and_encoded_once() -> None:
    class Counting(ChecksumLayer):
        encoded = 0

        def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
            self.encoded += len(units)
            return super().encode(units)

    counting = Counting()
    rig = Rig(Pub(), counting)
    seen: list[object] = []
    for _ in range(3):
        rig.peer().pipe.below.send = seen.append
    rig.head.offer_many([b"one", b"two"])
    rig.head.offer(b"three")
    assert len(seen) == 6
    assert [seen[0] is other for other in seen] == [True] * 3 + [False] * 3
    assert [seen[3] is other for other in seen[3:]] == [True] * 3
    assert counting.encoded == 3


def test_a_batch_is_not_the_callers_list() -> None:
    rig = Rig(Pub())
    seen: list[Sequence[Any]] = []
    rig.peer().pipe.below.send = seen.append
    bodies = [b"one", b"two"]
    rig.head.offer_many(bodies)
    bodies.clear()
    assert list(seen[0]) == [b"one", b"two"]


def test_an_empty_batch_is_no_message() -> None:
    rig = Rig(Pub())
    peer = rig.peer()
    assert rig.head.offer_many([]) == 0
    assert peer.wire.batches == []


def test_a_slow_subscriber_misses_the_oldest_and_costs_the_others_nothing() -> None:
    rig = Rig(Pub(send_buffer=3))
    slow, quick = rig.peer(ready=False), rig.peer()
    for number in range(4):
        assert rig.head.offer(b"%d" % number)
    assert rig.head.offer_many([b"4", b"5"]) == 2
    assert quick.sent == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert slow.sent == []
    assert (rig.stats.sent, rig.stats.shed, slow.pipe.shed, quick.pipe.shed) == (6, 3, 3, 0)
    slow.busy(False)
    assert slow.sent == [b"3", b"4", b"5"]
    assert slow.pipe.sent == 3
    rig.head.offer(b"6")
    assert slow.sent[-1] == b"6"


def test_a_batch_longer_than_the_queue_leaves_its_end_there() -> None:
    rig = Rig(Pub(send_buffer=2))
    slow = rig.peer(ready=False)
    rig.head.offer_many([b"%d" % number for number in range(10)])
    assert list(slow.pipe.backlog) == [b"8", b"9"]
    assert rig.stats.shed == 8


def busy_after(peer: Peer, count: int) -> None:
    """The pipe takes no more after so many batches, until it is told otherwise."""
    send = peer.wire.send
    left = [count]

    def counted(units: Sequence[Any]) -> None:
        send(units)
        left[0] -= 1
        if not left[0]:
            peer.busy()

    peer.pipe.below.send = counted


def test_a_pipe_that_stops_gets_no_more_than_a_piece_of_a_batch() -> None:
    rig = Rig(Pub(send_buffer=100))
    stops, goes = rig.peer(), rig.peer()
    busy_after(stops, 1)
    bodies = [b"%02d" % number + b"x" * (BATCH // 4 - 2) for number in range(10)]
    assert rig.head.offer_many(bodies) == 10
    assert [len(batch) for batch in goes.wire.batches] == [4, 4, 2]
    assert goes.sent == bodies
    assert stops.sent == bodies[:4]
    assert list(stops.pipe.backlog) == bodies[4:]
    assert rig.stats.shed == 0


def test_what_waited_goes_out_in_pieces_too_and_stops_where_the_pipe_stops() -> None:
    rig = Rig(Pub())
    peer = rig.peer(ready=False)
    bodies = [b"%02d" % number + b"x" * (BATCH // 2 - 2) for number in range(6)]
    big = b"y" * (BATCH + 1)
    rig.head.offer_many([*bodies, big, b"z"])
    busy_after(peer, 2)
    peer.busy(False)
    assert peer.sent == bodies[:4]
    assert len(peer.pipe.backlog) == 4
    rig.head.offer(b"later")
    peer.busy(False)
    assert peer.sent == [*bodies, big, b"z", b"later"]
    assert [len(batch) for batch in peer.wire.batches] == [2, 2, 2, 1, 2]
    assert peer.pipe.sent == 9


def test_a_message_larger_than_a_piece_goes_alone() -> None:
    rig = Rig(Pub())
    peer = rig.peer()
    big = b"x" * (BATCH + 1)
    rig.head.offer_many([b"a", big, b"b", b"c"])
    rig.head.offer(big)
    assert peer.wire.batches == [[b"a"], [big], [b"b", b"c"], [big]]


def test_a_subscriber_that_sends_is_disconnected_and_the_others_stay() -> None:
    rig = Rig(Pub())
    rude, kind = rig.peer(), rig.peer()
    rude.deliver(b"hello?", b"anyone?")
    assert [type(error) for error in rude.closed] == [RemoteProtocolError]
    assert rude.wire.calls == ["abort"]
    rig.head.offer(b"news")
    assert (rude.sent, kind.sent, kind.closed) == ([], [b"news"], [])


def test_a_pipe_found_dead_costs_the_others_nothing() -> None:
    rig = Rig(Pub())
    dying, other = rig.peer(), rig.peer()
    dying.wire.budget = HEAD + 1
    assert rig.head.offer_many([b"a", b"b", b"c"]) == 3
    assert dying.sent == [b"a"]
    assert other.sent == [b"a", b"b", b"c"]
    assert rig.stats.lost == 2 * (HEAD + 1)
    assert rig.head.offer(b"d")
    assert other.sent[-1] == b"d"


def test_a_pipe_that_dies_between_two_pieces_gets_no_second() -> None:
    rig = Rig(Pub())
    dying, other = rig.peer(), rig.peer()
    dying.wire.budget = 0
    bodies = [b"x" * BATCH] * 2
    assert rig.head.offer_many(bodies) == 2
    assert other.sent == bodies
    assert len(dying.wire.cut) == 1


def test_what_waited_dies_with_its_pipe_and_is_counted() -> None:
    rig = Rig(Pub())
    peer = rig.peer(ready=False)
    rig.head.offer_many([b"abc", b"de"])
    peer.lose(unsent=7)
    assert rig.stats.lost == 7 + 5
    again = rig.peer(ready=False)
    rig.head.offer_many([b"x" * BATCH, b"y"])
    again.wire.budget = 0
    again.busy(False)
    assert again.sent == []
    assert rig.stats.lost == 12 + BATCH + HEAD + 1
    assert rig.raw.pipes == {}


def test_sending_to_one_may_end_another() -> None:
    rig = Rig(Pub())
    one, two, three = (rig.peer() for _ in range(3))
    send = one.wire.send

    def and_cut(units: Sequence[Any]) -> None:
        send(units)
        two.lose()

    one.pipe.below.send = and_cut
    rig.head.offer(b"news")
    assert (one.sent, two.sent, three.sent) == ([b"news"], [], [b"news"])


def test_pub_does_not_receive_and_sub_does_not_send() -> None:
    with pytest.raises(LocalProtocolError, match="a pub socket does not receive"):
        Rig(Pub()).head.take()
    with pytest.raises(LocalProtocolError, match="a sub socket does not send"):
        Rig(Sub(b"")).head.offer(b"")
    with pytest.raises(LocalProtocolError, match="a pub socket has no contexts"):
        Rig(Pub()).head.context({})
    raw = Rig(Sub(raw=True))
    raw.peer()
    with pytest.raises(LocalProtocolError, match="does not send"):
        raw.head.offer(b"")


def test_a_closed_pub_says_so() -> None:
    rig = Rig(Pub())
    rig.peer()
    rig.close()
    with pytest.raises(Closed):
        rig.head.offer(b"late")
    with pytest.raises(Closed):
        rig.head.offer_many([b"late"])
    assert rig.stats.unheard == 0


def test_those_who_wait_for_room_are_woken_when_a_pipe_takes_more() -> None:
    rig = Rig(Pub())
    peer = rig.peer(ready=False)
    rig.head.offer(b"x")
    woken = watch(rig.head.sendable)
    peer.busy(False)
    assert woken == ["woken"]


# Raw sockets and devices.


def test_a_raw_sub_filters_nothing_and_stops_its_peers() -> None:
    rig = Rig(Sub(raw=True))
    peer = rig.peer()
    for number in range(20):
        peer.deliver(b"%d" % number)
    assert peer.wire.credit == 0
    assert rig.head.take_message() == Message(b"0", b"", peer.id)
    assert rig.head.take_many(99) == [b"%d" % number for number in range(1, 20)]
    assert (rig.stats.unmatched, rig.stats.overrun) == (0, 0)


def test_a_raw_pub_sends_bodies_alone() -> None:
    rig = Rig(Pub(raw=True))
    peers = [rig.peer(), rig.peer()]
    assert rig.head.offer_message(Message(b"news"))
    assert [peer.sent for peer in peers] == [[b"news"]] * 2
    assert rig.stats.sent == 1


def test_a_device_passes_everything_on_and_waits_for_nobody() -> None:
    clock = Clock()
    front, back = Rig(Sub(raw=True), clock=clock), Rig(Pub(raw=True, send_buffer=5), clock=clock)
    Device(front.raw, back.raw)
    publisher, quick, slow = front.peer(), back.peer(), back.peer(ready=False)
    for number in range(50):
        publisher.deliver(b"%d" % number)
    assert quick.sent == [b"%d" % number for number in range(50)]
    assert publisher.wire.credit == MANY
    assert list(slow.pipe.backlog) == [b"45", b"46", b"47", b"48", b"49"]
    assert back.stats.shed == 45
