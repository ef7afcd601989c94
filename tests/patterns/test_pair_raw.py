"""Raw PAIR sockets, and devices made of them."""

from __future__ import annotations

import pytest

from sockstack.core.errors import LocalProtocolError
from sockstack.core.head import Message
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.device import Device, check_pair
from sockstack.patterns.pair import Pair0, Pair1

from .fakes import Clock, Rig
from .test_pair import HOP, name, word


def test_raw_pair1_shows_the_hop_word_and_sends_it_plus_one() -> None:
    rig = Rig(Pair1(raw=True))
    peer = rig.peer()
    peer.deliver(b"\0\0\0\2far", b"\0\0\0\0near")
    far, near = rig.head.take_message(), rig.head.take_message()
    assert far == Message(b"far", b"\0\0\0\2", peer.id)
    assert near == Message(b"near", b"\0\0\0\0", peer.id)
    assert rig.head.offer_message(far)
    assert rig.head.offer_message(Message(b"last", b"\0\0\0\xfe"))
    assert peer.sent == [b"\0\0\0\3far", b"\0\0\0\xfflast"]
    assert (rig.stats.sent, rig.stats.received) == (2, 2)


@pytest.mark.parametrize("header", [b"", b"\0\0\1", b"\0\0\0\xff", b"\0\0\1\0", b"\0\0\0\1\0"])
def test_raw_pair1_needs_a_hop_word_that_can_grow(header: bytes) -> None:
    rig = Rig(Pair1(raw=True))
    peer = rig.peer()
    with pytest.raises(LocalProtocolError, match="needs its hop word as header"):
        rig.head.offer_message(Message(b"m", header))
    with pytest.raises(LocalProtocolError):
        rig.head.offer(b"m")
    assert peer.sent == []


def test_raw_pair0_has_no_header() -> None:
    rig = Rig(Pair0(raw=True))
    peer = rig.peer()
    peer.deliver(b"in")
    assert rig.head.take_message() == Message(b"in", b"", peer.id)
    assert rig.head.offer(b"out")
    assert peer.sent == [b"out"]


class Between:
    """A device of two raw pairs, and a peer on either side."""

    def __init__(self, front: PatternSpec, back: PatternSpec) -> None:
        check_pair(front, back)
        clock = Clock()
        self.front = Rig(front, clock=clock)
        self.back = Rig(back, clock=clock, first=100)
        self.device = Device(self.front.raw, self.back.raw)


def test_each_device_adds_a_hop_both_ways() -> None:
    between = Between(Pair1(raw=True), Pair1(raw=True))
    one, two = between.front.peer(), between.back.peer()
    one.deliver(HOP + b"a", b"\0\0\0\x08b", b"\0\0\0\x09too far")
    two.deliver(HOP + b"c")
    assert two.sent == [b"\0\0\0\2a", b"\0\0\0\x09b"]
    assert one.sent == [b"\0\0\0\2c"]
    assert between.front.stats.looped == 1


def test_a_device_cannot_count_past_the_end() -> None:
    between = Between(Pair1(raw=True, ttl=255), Pair1(raw=True, ttl=255))
    one, two = between.front.peer(), between.back.peer()
    one.deliver(b"\0\0\0\xffend", b"\0\0\0\xfelast")
    assert two.sent == [b"\0\0\0\xfflast"]
    assert between.back.stats.looped == 1
    assert (one.closed, two.closed) == ([], [])


@pytest.mark.parametrize("spec", [Pair0(raw=True), Pair1(raw=True)], ids=name)
def test_a_device_loses_nothing_that_a_dead_peer_had_not_begun(spec: PatternSpec) -> None:
    between = Between(spec, spec)
    one, dying = between.front.peer(), between.back.peer()
    dying.wire.budget = 0
    for body in (b"a", b"b", b"c"):
        one.deliver(word(spec) + body)
    assert dying.sent == []
    two = between.back.peer()
    one.deliver(word(spec) + b"d")
    assert [unit[-1:] for unit in two.sent] == [b"a", b"b", b"c", b"d"]
    assert between.back.stats.lost == 0


@pytest.mark.parametrize("spec", [Pair0(raw=True), Pair1(raw=True)], ids=name)
def test_one_socket_alone_reflects(spec: PatternSpec) -> None:
    check_pair(spec, None)
    rig = Rig(spec)
    device = Device(rig.raw, rig.raw)
    peer = rig.peer()
    peer.deliver(word(spec) + b"a", word(spec) + b"b")
    again = b"\0\0\0\2" if word(spec) else b""
    assert peer.sent == [again + b"a", again + b"b"]
    assert device.forwarded == 2
