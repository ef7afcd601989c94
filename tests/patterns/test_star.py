"""STAR: hops counted, messages passed on to all but who sent them, what is dropped, raw sockets and reflectors."""

from __future__ import annotations

from typing import Any

import pytest

from sockstack.core.errors import Closed, LocalProtocolError, RemoteProtocolError, StackError
from sockstack.core.head import Message
from sockstack.core.layer import MANY
from sockstack.layers.checksum import ChecksumLayer
from sockstack.patterns.device import Device
from sockstack.patterns.star import Star

from .fakes import Clock, Rig, watch


def word(hops: int) -> bytes:
    return bytes((0, 0, 0, hops))


def test_a_message_begins_with_no_hops() -> None:
    rig = Rig(Star())
    peers = [rig.peer(), rig.peer()]
    assert rig.head.offer(b"one")
    assert rig.head.offer_many([b"two", b""]) == 2
    assert rig.head.offer_many([]) == 0
    for peer in peers:
        assert peer.wire.batches == [[word(0) + b"one"], [word(0) + b"two", word(0)]]
    assert rig.stats.sent == 3
    assert rig.head.take() is None
    assert rig.head.can_send


def test_without_a_peer_sending_succeeds_and_is_counted() -> None:
    rig = Rig(Star())
    assert rig.head.offer(b"one")
    assert (rig.stats.sent, rig.stats.unheard) == (1, 1)


def test_what_comes_is_received_and_passed_on_to_the_others() -> None:
    rig = Rig(Star())
    source, *others = (rig.peer() for _ in range(3))
    woken = watch(rig.head.receivable)
    source.deliver(word(0) + b"near", word(3) + b"far", word(0))
    assert woken == ["woken"]
    assert source.sent == []
    for peer in others:
        assert peer.wire.batches == [[word(1) + b"near", word(4) + b"far", word(1)]]
    waiting = [rig.head.can_recv]
    assert rig.head.take_message() == Message(b"near", b"", source.id)
    assert rig.head.take_many(9) == [b"far", b""]
    waiting.append(rig.head.can_recv)
    assert waiting == [True, False]
    assert (rig.stats.received, rig.stats.sent, rig.stats.unheard) == (3, 0, 0)


def test_a_leaf_passes_nothing_on() -> None:
    rig = Rig(Star())
    peer = rig.peer()
    peer.deliver(word(0) + b"news")
    assert rig.head.take() == b"news"
    assert peer.sent == []
    assert rig.stats.unheard == 0


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("ttl", [1, 8, 255])
def test_a_message_goes_over_so_many_connections_and_no_more(ttl: int, raw: bool) -> None:
    rig = Rig(Star(ttl=ttl, raw=raw))
    source, other = rig.peer(), rig.peer()
    source.deliver(word(ttl) + b"too far", word(ttl - 1) + b"just so", word(255) + b"absurd")
    message = rig.head.take_message()
    assert message is not None
    assert message.body == b"just so"
    assert rig.head.take() is None
    assert rig.stats.looped == 2
    assert source.closed == []
    assert other.sent == ([] if raw else [word(ttl) + b"just so"])


@pytest.mark.parametrize("bad", [b"\1\0\0\0", b"\0\1\0\0", b"\0\0\1\0", b"\x80\0\0\1"])
def test_other_words_are_dropped_and_the_peer_stays(bad: bytes) -> None:
    rig = Rig(Star())
    source, other = rig.peer(), rig.peer()
    source.deliver(bad + b"what?", word(0) + b"good")
    assert rig.head.take_many(9) == [b"good"]
    assert other.sent == [word(1) + b"good"]
    assert rig.stats.looped == 1
    assert source.closed == []


@pytest.mark.parametrize("size", range(4))
def test_a_peer_whose_message_has_no_word_is_disconnected(size: int) -> None:
    rig = Rig(Star())
    rude, other = rig.peer(), rig.peer()
    rude.deliver(word(0) + b"good", bytes(size), word(0) + b"not looked at")
    assert [type(error) for error in rude.closed] == [RemoteProtocolError]
    assert rig.head.take_many(9) == [b"good"]
    assert other.sent == [word(1) + b"good"]
    assert other.closed == []


def test_what_nobody_fetches_is_dropped_and_passed_on_all_the_same() -> None:
    rig = Rig(Star(recv_buffer=3))
    source, other = rig.peer(), rig.peer()
    bodies = [b"%d" % number for number in range(40)]
    for start in range(0, 40, 2):
        source.deliver(*(word(0) + body for body in bodies[start : start + 2]))
    assert source.wire.credit == MANY
    assert other.sent == [word(1) + body for body in bodies]
    assert rig.head.take_many(99) == bodies[:3]
    assert (rig.stats.overrun, rig.stats.received) == (37, 3)


def test_a_peer_with_a_full_queue_misses_the_newest_of_either_kind() -> None:
    rig = Rig(Star(send_buffer=2))
    source, slow = rig.peer(), rig.peer(ready=False)
    rig.head.offer(b"own")
    source.deliver(word(0) + b"1", word(0) + b"2")
    assert slow.pipe.shed == rig.stats.shed == 1
    slow.busy(False)
    assert slow.sent == [word(0) + b"own", word(1) + b"1"]


def test_filters_see_bodies_and_what_is_passed_on_is_not_touched() -> None:
    rig = Rig(Star(), ChecksumLayer())
    source, other = rig.peer(), rig.peer()
    rig.head.offer(b"own")
    (own,) = ChecksumLayer().encode([b"own"])
    assert source.sent == [word(0) + bytes(own[0] if isinstance(own, tuple) else own)]
    (good,) = ChecksumLayer().encode([b"good"])
    assert isinstance(good, bytes)
    source.deliver(word(0) + b"bad?", word(0) + good)
    assert rig.head.take_many(9) == [b"good"]
    assert rig.stats.refused == 1
    assert other.sent[1:] == [word(1) + b"bad?", word(1) + good]
    source.deliver(word(0) + b"bad?")
    assert not rig.head.can_recv
    assert rig.head.take() is None


def test_a_circle_ends() -> None:
    """Three nodes, each connected with the others: a message goes round both ways until it has gone its hops."""
    rigs = [Rig(Star(ttl=5), first=10 * number) for number in range(1, 4)]
    links = [(0, 1), (1, 2), (2, 0)]
    ends = [(rigs[one].peer(), rigs[two].peer()) for one, two in links]
    rigs[0].head.offer(b"news")
    moved = [[0, 0] for _ in links]
    busy = True
    while busy:
        busy = False
        for link, (near, far) in enumerate(ends):
            for side, (source, sink) in enumerate(((near, far), (far, near))):
                fresh = source.sent[moved[link][side] :]
                if fresh:
                    moved[link][side] += len(fresh)
                    sink.deliver(*fresh)
                    busy = True
    assert [len(rig.head.take_many(99) or []) for rig in rigs] == [2, 4, 4]
    assert sum(rig.stats.looped for rig in rigs) == 2


def test_a_closed_star_says_so() -> None:
    rig = Rig(Star())
    peer = rig.peer()
    peer.deliver(word(0) + b"1")
    rig.close()
    for call in (rig.head.take, lambda: rig.head.take_many(9), lambda: rig.head.offer(b"late")):
        with pytest.raises(Closed):
            call()


@pytest.mark.parametrize("field", ["ttl", "send_buffer", "recv_buffer"])
def test_options_that_mean_nothing_are_refused(field: str) -> None:
    options: dict[str, Any] = {field: 0}
    with pytest.raises(StackError, match=f"star: {field} is 1 ") as refused:
        Star(**options)
    assert refused.value.field == field


# Raw sockets.


def test_a_raw_star_shows_the_word_to_send_and_passes_nothing_on() -> None:
    rig = Rig(Star(raw=True), first=0x01020304)
    source, *others = (rig.peer() for _ in range(3))
    source.deliver(word(2) + b"news")
    message = rig.head.take_message()
    assert message == Message(b"news", b"\1\2\3\4" + word(3), source.id)
    assert others[0].sent == []
    assert rig.head.offer_message(message)
    assert [peer.sent for peer in (source, *others)] == [[], *([[word(3) + b"news"]] * 2)]
    assert rig.head.offer_message(Message(b"to all", bytes(8)))
    assert source.sent == [word(0) + b"to all"]


@pytest.mark.parametrize("header", [b"", bytes(4), bytes(7), bytes(9), b"\0\0\0\1\0\1\0\0"])
def test_a_raw_star_refuses_a_header_that_is_none(header: bytes) -> None:
    rig = Rig(Star(raw=True))
    peer = rig.peer()
    with pytest.raises(LocalProtocolError, match="a raw star message needs a header"):
        rig.head.offer_message(Message(b"news", header))
    assert peer.sent == []


def test_a_raw_star_stops_a_peer_whose_messages_nobody_fetches() -> None:
    rig = Rig(Star(raw=True))
    peer = rig.peer()
    for number in range(20):
        peer.deliver(word(0) + b"%d" % number)
    assert peer.wire.credit == 0
    assert rig.head.take_many(99) == [b"%d" % number for number in range(20)]


def test_a_reflector_is_a_node_that_does_not_listen() -> None:
    hub = Rig(Star(raw=True))
    Device(hub.raw, hub.raw)
    peers = [hub.peer() for _ in range(3)]
    peers[0].deliver(word(0) + b"from 0", word(7) + b"far", word(8) + b"too far")
    assert [peer.sent for peer in peers] == [[], *([[word(1) + b"from 0", word(8) + b"far"]] * 2)]
    assert hub.stats.looped == 1


def test_a_device_joins_two_stars() -> None:
    clock = Clock()
    left, right = Rig(Star(raw=True), clock=clock), Rig(Star(raw=True), clock=clock, first=100)
    Device(left.raw, right.raw)
    near, far = left.peer(), right.peer()
    near.deliver(word(0) + b"to the right")
    far.deliver(word(1) + b"to the left")
    assert (near.sent, far.sent) == ([word(2) + b"to the left"], [word(1) + b"to the right"])
