"""BUS: to all neighbours and from all of them, what is dropped, raw sockets and reflectors."""

from __future__ import annotations

import pytest

from sockstack.core.errors import Closed, LocalProtocolError, StackError
from sockstack.core.head import Message
from sockstack.core.layer import MANY
from sockstack.layers.checksum import ChecksumLayer
from sockstack.patterns.bus import Bus
from sockstack.patterns.device import Device

from .fakes import HEAD, Clock, Joined, Rig, watch


def test_every_peer_gets_every_message() -> None:
    rig = Rig(Bus())
    peers = [rig.peer() for _ in range(3)]
    assert rig.head.offer(b"one")
    assert rig.head.offer_many([b"two", b""]) == 2
    assert [peer.wire.batches for peer in peers] == [[[b"one"], [b"two", b""]]] * 3
    assert rig.stats.sent == 3
    assert rig.head.take() is None
    assert rig.head.bursts
    assert rig.head.can_send


def test_without_a_peer_sending_succeeds_and_is_counted() -> None:
    rig = Rig(Bus())
    assert rig.head.offer(b"one")
    assert rig.head.offer_many([b"two", b"three"]) == 2
    assert rig.head.offer_many([]) == 0
    assert (rig.stats.sent, rig.stats.unheard) == (3, 3)


def test_a_peer_with_a_full_queue_misses_the_newest() -> None:
    rig = Rig(Bus(send_buffer=3))
    slow, quick = rig.peer(ready=False), rig.peer()
    bodies = [b"%d" % number for number in range(5)]
    rig.head.offer_many(bodies)
    rig.head.offer(b"5")
    assert quick.sent == [*bodies, b"5"]
    assert (rig.stats.sent, rig.stats.shed, slow.pipe.shed) == (6, 3, 3)
    slow.busy(False)
    rig.head.offer(b"6")
    assert slow.sent == [b"0", b"1", b"2", b"6"]


def test_messages_of_all_peers_come_in_the_order_of_arrival_and_are_not_passed_on() -> None:
    rig = Rig(Bus())
    one, two = rig.peer(), rig.peer()
    woken = watch(rig.head.receivable)
    one.deliver(b"1", b"2")
    two.deliver(b"")
    assert woken == ["woken"]
    assert rig.head.take_message() == Message(b"1", b"", one.id)
    assert rig.head.take() == b"2"
    assert rig.head.take_message() == Message(b"", b"", two.id)
    assert rig.head.take_many(9) is None
    assert (one.sent, two.sent) == ([], [])
    assert rig.stats.received == 3


def test_a_peer_whose_messages_nobody_fetches_is_stopped_and_loses_none() -> None:
    rig = Rig(Bus())
    loud, quiet = rig.peer(), rig.peer()
    for number in range(50):
        loud.deliver(b"%d" % number)
    quiet.deliver(b"me too")
    assert (loud.wire.credit, quiet.wire.credit) == (0, MANY)
    rig.head.offer(b"still sending")
    assert loud.sent == [b"still sending"]
    got = rig.head.take_many(99)
    assert got is not None
    assert [body for body in got if body != b"me too"] == [b"%d" % n for n in range(50)]
    assert got[8] == b"me too"
    assert rig.stats.overrun == 0


def test_a_pipe_found_dead_costs_the_others_nothing() -> None:
    rig = Rig(Bus())
    dying, other = rig.peer(), rig.peer()
    dying.wire.budget = HEAD
    assert rig.head.offer_many([b"a", b"b"]) == 2
    assert (dying.sent, other.sent) == ([], [b"a", b"b"])
    assert rig.stats.lost == 2 * (HEAD + 1) - HEAD


def test_filters_above() -> None:
    near, far = Rig(Bus(), ChecksumLayer()), Rig(Bus(), ChecksumLayer())
    line = Joined(near, far)
    near.head.offer_many([b"one", b"two"])
    line.ends[1].deliver(b"bad")
    line.move(0, 9)
    assert far.head.take_many(9) == [b"one", b"two"]
    assert far.stats.refused == 1


def test_a_closed_bus_says_so() -> None:
    rig = Rig(Bus())
    peer = rig.peer()
    peer.deliver(b"1")
    rig.close()
    for call in (rig.head.take, lambda: rig.head.offer(b"late")):
        with pytest.raises(Closed):
            call()


def test_a_queue_holds_a_message_at_least() -> None:
    with pytest.raises(StackError, match="bus: send_buffer is 1 message or more, not 0") as refused:
        Bus(send_buffer=0)
    assert refused.value.field == "send_buffer"


# Raw sockets.


def test_a_raw_bus_names_the_pipe_and_leaves_it_out() -> None:
    rig = Rig(Bus(raw=True), first=0x01020304)
    source, *others = (rig.peer() for _ in range(3))
    source.deliver(b"news")
    message = rig.head.take_message()
    assert message == Message(b"news", b"\1\2\3\4", source.id)
    assert rig.head.offer_message(message)
    assert [peer.sent for peer in (source, *others)] == [[], [b"news"], [b"news"]]
    assert rig.head.offer(b"to all")
    assert rig.head.offer_message(Message(b"nobody is called that", b"\1\1\1\1"))
    assert source.sent == [b"to all", b"nobody is called that"]
    assert rig.stats.sent == 3


@pytest.mark.parametrize("size", [1, 3, 5, 8])
def test_a_raw_bus_refuses_a_header_that_means_nothing(size: int) -> None:
    rig = Rig(Bus(raw=True))
    peer = rig.peer()
    with pytest.raises(LocalProtocolError, match=rf"4 bytes, not {size}"):
        rig.head.offer_message(Message(b"news", bytes(size)))
    assert peer.sent == []


def test_a_reflector_makes_a_mesh_of_a_star() -> None:
    hub = Rig(Bus(raw=True))
    Device(hub.raw, hub.raw)
    peers = [hub.peer() for _ in range(3)]
    peers[0].deliver(b"from 0", b"again")
    peers[1].deliver(b"from 1")
    assert [peer.sent for peer in peers] == [
        [b"from 1"],
        [b"from 0", b"again"],
        [b"from 0", b"again", b"from 1"],
    ]


def test_a_reflector_with_one_peer_drops_in_silence() -> None:
    hub = Rig(Bus(raw=True))
    Device(hub.raw, hub.raw)
    peer = hub.peer()
    peer.deliver(b"alone")
    assert peer.sent == []
    assert hub.stats.unheard == 0


def test_a_device_joins_two_buses() -> None:
    clock = Clock()
    left, right = Rig(Bus(raw=True), clock=clock), Rig(Bus(raw=True), clock=clock, first=100)
    Device(left.raw, right.raw)
    near, far, further = left.peer(), right.peer(), right.peer()
    near.deliver(b"to the right")
    far.deliver(b"to the left")
    assert (near.sent, far.sent, further.sent) == (
        [b"to the left"],
        [b"to the right"],
        [b"to the right"],
    )
