"""PAIR: one peer and the place it takes, the send buffer, hops, many peers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import (
    Busy,
    Closed,
    RemoteProtocolError,
    StackError,
)
from sockstack.core.filtering import Filter
from sockstack.core.head import Message
from sockstack.core.layer import MANY, Chunks
from sockstack.layers.checksum import ChecksumLayer
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.batches import BATCH
from sockstack.patterns.pair import Pair0, Pair1, PairRaw

from .fakes import HEAD, RECORD, Peer, Rig, watch

HOP = b"\0\0\0\1"

ONE_PEER = [Pair0(), Pair1(), Pair0(raw=True), Pair1(raw=True)]
COOKED = [Pair0(), Pair1(), Pair1(poly=True)]


def name(spec: PatternSpec) -> str:
    flags = [flag for flag in ("poly", "raw") if getattr(spec, flag, False)]
    return "-".join([spec.name, *flags])


def word(spec: PatternSpec) -> bytes:
    """What goes in front of a body on its first hop."""
    return b"" if spec.number == 0x10 else HOP


def message(spec: PatternSpec, body: bytes) -> Message:
    """A message as who sends first gives it to the socket."""
    hop = spec.number == 0x11 and getattr(spec, "raw", False)
    return Message(body, b"\0\0\0\0" if hop else b"")


def bodies_of(peer: Peer, spec: PatternSpec) -> list[bytes]:
    """What a peer was sent, without the word that each message must have."""
    front = word(spec)
    assert all(unit.startswith(front) for unit in peer.sent)
    return [unit[len(front) :] for unit in peer.sent]


def waiting(rig: Rig) -> int:
    """Messages that wait for a peer."""
    assert isinstance(rig.raw, PairRaw)
    return len(rig.raw.waiting)


def unsent(rig: Rig) -> int:
    """Bytes that wait for a peer."""
    assert isinstance(rig.raw, PairRaw)
    return rig.raw.unsent


def can_send(rig: Rig) -> bool:
    """Asked afresh: it changes."""
    return rig.head.can_send


class Counting(Filter):
    """Numbers what it encodes, so that nothing can be encoded twice and look the same."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        result: list[Chunks] = []
        for unit in units:
            assert isinstance(unit, bytes)
            result.append((b"%d:" % self.count, unit))
            self.count += 1
        return result

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        return [unit.partition(b":")[2] for unit in units]


# Specs.


def test_numbers_and_headers() -> None:
    below = Capabilities(Unit.MESSAGE, head=8, features=frozenset({"sp"}))
    for spec, number, size in ((Pair0(), 0x10, 0), (Pair1(), 0x11, 4)):
        assert (spec.number, spec.peer_number) == (number, number)
        assert spec.derive(below).head == 8 + size
        assert spec.verbatim == (size == 0)


@pytest.mark.parametrize("size", [-1, 8193])
@pytest.mark.parametrize("kind", [Pair0, Pair1])
def test_a_send_buffer_has_an_end(kind: type[Pair0] | type[Pair1], size: int) -> None:
    with pytest.raises(StackError, match="send_buffer is 0 to 8192 messages") as caught:
        kind(send_buffer=size)
    assert (caught.value.layer, caught.value.field) == (kind.name, "send_buffer")
    kind(send_buffer=8192)


@pytest.mark.parametrize("ttl", [0, 256])
def test_a_ttl_that_no_word_can_count(ttl: int) -> None:
    with pytest.raises(StackError, match="ttl is 1 to 255") as caught:
        Pair1(ttl=ttl)
    assert caught.value.field == "ttl"


def test_a_raw_socket_has_one_peer() -> None:
    with pytest.raises(StackError, match="a raw socket has one peer") as caught:
        Pair1(poly=True, raw=True)
    assert (caught.value.layer, caught.value.field) == ("pair1", "poly")
    assert caught.value.mend == "Leave raw or poly out."


# One peer.


@pytest.mark.parametrize("spec", COOKED, ids=name)
def test_both_send_and_receive(spec: PatternSpec) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    assert rig.head.offer(b"to you")
    assert rig.head.offer_many([b"and", b""]) == 2
    assert peer.sent == [word(spec) + body for body in (b"to you", b"and", b"")]
    peer.deliver(word(spec) + b"to me", word(spec))
    peer.deliver(word(spec) + b"too")
    assert rig.head.take_message() == Message(b"to me", b"", peer.id)
    assert rig.head.take_many(9) == [b"", b"too"]
    assert rig.head.take() is None
    assert (rig.stats.sent, rig.stats.received) == (3, 3)
    assert (peer.pipe.sent, peer.pipe.received) == (3, 3)


@pytest.mark.parametrize("spec", COOKED, ids=name)
def test_what_came_in_one_batch_lies_in_the_inbox(spec: PatternSpec) -> None:
    rig = Rig(spec)
    rig.peer().deliver(*(word(spec) + body for body in (b"a", b"b", b"c")))
    assert rig.head.take() == b"a"
    assert list(rig.head.inbox) == [b"b", b"c"]


@pytest.mark.parametrize("spec", ONE_PEER, ids=name)
def test_a_second_peer_is_told_whose_place_it_wants(spec: PatternSpec) -> None:
    rig = Rig(spec)
    first = rig.peer()
    before = rig.stats.snapshot()
    second = rig.peer()
    (error,) = second.closed
    assert isinstance(error, Busy)
    assert (
        str(error) == f"a {spec.name} socket has one peer, and pipe {first.id} is it [{spec.name}]"
    )
    assert second.wire.calls == ["abort"]
    assert second.sent == []
    assert list(rig.raw.pipes) == [first.id]
    assert rig.stats.snapshot() == before
    assert rig.head.offer_message(message(spec, b"still here"))
    assert bodies_of(first, spec) == [b"still here"]


def test_what_a_refused_peer_was_not_sent_is_nobodys_loss() -> None:
    rig = Rig(Pair0())
    rig.peer()
    late = Peer(rig, 99, (), RECORD)
    late.wire._unsent = 8  # a hello, say
    late.open()
    assert isinstance(late.closed[0], Busy)
    assert rig.stats.lost == 0


@pytest.mark.parametrize("spec", ONE_PEER, ids=name)
def test_when_the_peer_has_gone_the_next_takes_its_place(spec: PatternSpec) -> None:
    rig = Rig(spec)
    first = rig.peer()
    first.deliver(word(spec) + b"last words")
    first.lose()
    assert not rig.head.offer_message(message(spec, b"hello?"))
    woken = watch(rig.head.sendable)
    second = rig.peer()
    assert woken == ["woken"]
    assert second.closed == []
    assert rig.head.offer_message(message(spec, b"hello"))
    assert bodies_of(second, spec) == [b"hello"]
    second.deliver(word(spec) + b"hello yourself")
    got = [rig.head.take_message() for _ in range(2)]
    assert [(m.body, m.pipe) for m in got if m is not None] == [
        (b"last words", first.id),
        (b"hello yourself", second.id),
    ]


@pytest.mark.parametrize("spec", ONE_PEER, ids=name)
def test_sending_waits_for_a_peer_that_takes_more(spec: PatternSpec) -> None:
    rig = Rig(spec)
    assert not can_send(rig)
    assert not rig.head.offer_message(message(spec, b"m"))
    peer = rig.peer(ready=False)
    assert not can_send(rig)
    assert not rig.head.offer_message(message(spec, b"m"))
    woken = watch(rig.head.sendable)
    peer.busy(False)
    assert woken == ["woken"]
    assert can_send(rig)
    assert rig.head.offer_message(message(spec, b"m"))
    assert bodies_of(peer, spec) == [b"m"]
    assert rig.stats.sent == 1


@pytest.mark.parametrize("spec", [Pair0(), Pair1()], ids=name)
def test_a_batch_goes_in_shares_until_the_peer_takes_no_more(spec: PatternSpec) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    assert rig.head.bursts
    assert rig.head.offer_many([]) == 0
    assert peer.wire.batches == []
    bodies = [b"x" * (BATCH // 4)] * 10
    assert rig.head.offer_many(bodies) == 10
    assert [len(batch) for batch in peer.wire.batches] == [4, 4, 2]
    send = peer.wire.send

    def once(units: Sequence[Chunks]) -> None:
        send(units)
        peer.busy()

    peer.pipe.below.send = once
    assert rig.head.offer_many(bodies) == 4
    assert rig.head.offer_many(bodies) == 0
    assert rig.stats.sent == 14


@pytest.mark.parametrize("spec", COOKED, ids=name)
def test_a_peer_whose_messages_nobody_fetches_is_stopped(spec: PatternSpec) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    for number in range(20):
        peer.deliver(word(spec) + b"%d" % number)
    assert (peer.wire.credit, len(peer.wire.held)) == (0, 12)
    assert [rig.head.take() for _ in range(20)] == [b"%d" % number for number in range(20)]
    assert peer.wire.credit == MANY


@pytest.mark.parametrize("spec", [*ONE_PEER, Pair1(poly=True)], ids=name)
def test_closing_wakes_all_who_wait_and_they_are_told(spec: PatternSpec) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    peer.deliver(word(spec) + b"nobody fetched this")
    receiving, sending = watch(rig.head.receivable), watch(rig.head.sendable)
    rig.raw.close()
    for _ in range(2):  # before its pipes are closed, and after
        with pytest.raises(Closed, match="the socket is closed"):
            rig.head.take()
        with pytest.raises(Closed, match="the socket is closed"):
            rig.head.offer_message(message(spec, b"late"))
        rig.close()
    assert receiving == ["woken"]
    assert sending == ["woken"]
    assert peer.sent == []


@pytest.mark.parametrize("poly", [False, True])
def test_a_closed_socket_has_no_room(poly: bool) -> None:
    rig = Rig(Pair1(poly=poly, send_buffer=9))
    rig.close()
    with pytest.raises(Closed):
        rig.head.offer(b"late")
    with pytest.raises(Closed):
        rig.head.offer_many([b"late"])
    with pytest.raises(Closed):
        rig.head.offer_message(Message(b"late", pipe=1))
    assert (rig.stats.sent, rig.stats.unheard) == (0, 0)


@pytest.mark.parametrize("spec", COOKED, ids=name)
def test_end_filters_see_bodies(spec: PatternSpec) -> None:
    rig = Rig(spec, ChecksumLayer())
    peer = rig.peer()
    assert rig.head.offer(b"a")
    assert rig.head.offer_many([b"b"]) == 1
    assert ChecksumLayer().decode(bodies_of(peer, spec)) == [b"a", b"b"]
    good = b"".join(unit for unit in ChecksumLayer().encode([b"c"]) if isinstance(unit, bytes))
    peer.deliver(word(spec) + b"forged", word(spec) + good)
    assert rig.head.take_many(9) == [b"c"]
    assert (rig.stats.refused, rig.stats.received) == (1, 1)
    assert peer.closed == []


# The send buffer.


@pytest.mark.parametrize("spec", [Pair0(send_buffer=3), Pair1(send_buffer=3)], ids=name)
def test_what_waits_goes_to_the_next_peer_in_order(spec: PatternSpec) -> None:
    rig = Rig(spec)
    assert can_send(rig)
    assert rig.head.offer(b"a")
    assert rig.head.offer_many([b"b", b"c", b"d"]) == 2
    assert not can_send(rig)
    assert not rig.head.offer(b"d")
    assert rig.stats.sent == 3
    assert unsent(rig) == 3 * len(word(spec) + b"a")
    woken = watch(rig.head.sendable)
    peer = rig.peer()
    assert woken == ["woken"]
    assert rig.head.offer(b"d")
    assert bodies_of(peer, spec) == [b"a", b"b", b"c", b"d"]
    assert (unsent(rig), peer.pipe.sent, rig.stats.sent) == (0, 4, 4)


@pytest.mark.parametrize(
    "spec",
    [
        Pair0(send_buffer=2),
        Pair0(send_buffer=2, raw=True),
        Pair1(send_buffer=2),
        Pair1(send_buffer=2, raw=True),
        Pair1(send_buffer=2, poly=True),
    ],
    ids=name,
)
@pytest.mark.parametrize("many", [False, True])
def test_who_is_woken_by_a_peer_does_not_overtake_what_waits(spec: PatternSpec, many: bool) -> None:
    rig = Rig(spec)

    def offer(body: bytes) -> bool:
        if many and rig.head.bursts:
            return bool(rig.head.offer_many([body]))
        return rig.head.offer_message(message(spec, body))

    assert [offer(body) for body in (b"a", b"b", b"c")] == [True, True, False]
    taken: list[bool] = []

    def eager() -> None:
        taken.append(offer(b"c"))
        if not taken[-1]:
            rig.head.sendable.add(eager)

    rig.head.sendable.add(eager)
    peer = rig.peer()
    assert bodies_of(peer, spec) == [b"a", b"b", b"c"]
    assert taken == [False, True]


@pytest.mark.parametrize("poly", [False, True])
def test_who_waits_until_nothing_waits_is_told(poly: bool) -> None:
    rig = Rig(Pair1(poly=poly, send_buffer=2))
    assert rig.head.offer(b"a")
    seen: list[int] = []

    def look() -> None:
        seen.append(waiting(rig))
        rig.head.sendable.add(look)

    rig.head.sendable.add(look)
    rig.peer()
    assert seen[-1] == 0


@pytest.mark.parametrize("spec", [Pair0(raw=True, send_buffer=2), Pair1(raw=True, send_buffer=2)])
def test_a_raw_socket_has_one_too(spec: PatternSpec) -> None:
    rig = Rig(spec)
    offered = [rig.head.offer_message(message(spec, body)) for body in (b"a", b"b", b"c")]
    assert offered == [True, True, False]
    assert bodies_of(rig.peer(), spec) == [b"a", b"b"]


def test_it_also_holds_what_a_busy_peer_does_not_take() -> None:
    rig = Rig(Pair0(send_buffer=2))
    peer = rig.peer(ready=False)
    assert rig.head.offer_many([b"a", b"b", b"c"]) == 2
    assert peer.sent == []
    woken = watch(rig.head.sendable)
    peer.busy(False)
    assert peer.wire.batches == [[b"a", b"b"]]
    assert woken == ["woken"]


def test_it_is_emptied_in_shares() -> None:
    rig = Rig(Pair0(send_buffer=9))
    bodies = [b"%d" % number * (BATCH // 4) for number in range(9)]
    assert rig.head.offer_many(bodies) == 9
    peer = rig.peer(ready=False)
    send = peer.wire.send

    def once(units: Sequence[Chunks]) -> None:
        send(units)
        peer.busy()

    peer.pipe.below.send = once
    for left in (5, 1, 0):
        woken = watch(rig.head.sendable)
        peer.busy(False)
        assert waiting(rig) == left
        assert "woken" in woken
    assert peer.sent == bodies


def test_what_waits_outlives_a_peer() -> None:
    rig = Rig(Pair0(send_buffer=2))
    peer = rig.peer(ready=False)
    assert rig.head.offer_many([b"a", b"b"]) == 2
    peer.lose()
    assert rig.stats.lost == 0
    assert rig.peer().sent == [b"a", b"b"]


def test_what_waits_when_the_socket_closes_is_lost_and_counted() -> None:
    rig = Rig(Pair1(send_buffer=2))
    assert rig.head.offer_many([b"abc", b""]) == 2
    rig.close()
    assert (rig.stats.lost, unsent(rig)) == (4 + 3 + 4, 0)


def test_filters_are_passed_once() -> None:
    rig = Rig(Pair0(send_buffer=2), Counting())
    assert rig.head.offer_many([b"a", b"b"]) == 2
    assert not rig.head.offer(b"refused")
    dying = rig.peer(ready=False)
    dying.wire.budget = 0
    dying.busy(False)
    peer = rig.peer()
    assert rig.head.offer(b"c")
    assert peer.sent == [b"0:a", b"1:b", b"2:c"]


# What a dead pipe had not begun.


@pytest.mark.parametrize("spec", [Pair0(), Pair1()], ids=name)
@pytest.mark.parametrize("whole", range(3))
@pytest.mark.parametrize("part", [0, 1])
def test_what_a_dead_pipe_had_not_begun_goes_to_the_next_peer(
    spec: PatternSpec, whole: int, part: int
) -> None:
    bodies = [b"aa", b"bb", b"cc"]
    size = HEAD + len(word(spec)) + 2
    rig = Rig(spec)
    dying = rig.peer()
    dying.wire.budget = whole * size + part
    assert rig.head.offer_many(bodies) == 3
    assert bodies_of(dying, spec) == bodies[:whole]
    assert rig.stats.lost == (size - part if part else 0)
    left = bodies[whole + part :]
    assert waiting(rig) == len(left)
    assert not rig.head.offer(b"dd")
    peer = rig.peer()
    assert rig.head.offer(b"dd")
    assert bodies_of(peer, spec) == [*left, b"dd"]
    assert rig.stats.sent == 4


def test_several_peers_may_be_found_dead_one_after_the_other() -> None:
    rig = Rig(Pair0(send_buffer=3))
    assert rig.head.offer_many([b"a", b"b", b"c"]) == 3
    for budget in (0, HEAD + 1, 0):
        dying = rig.peer(ready=False)
        dying.wire.budget = budget
        dying.busy(False)
    assert rig.peer().sent == [b"b", b"c"]
    assert rig.peers[1].sent == [b"a"]
    assert (rig.stats.sent, rig.stats.lost) == (3, 0)


def test_what_a_dead_pipe_gives_back_comes_first() -> None:
    rig = Rig(Pair0(send_buffer=3))
    bodies = [b"a" * BATCH, b"b" * BATCH, b"c" * BATCH]
    assert rig.head.offer_many(bodies) == 3
    dying = rig.peer(ready=False)
    dying.wire.budget = 0
    dying.busy(False)
    assert rig.peer().sent == bodies


def test_more_than_the_send_buffer_holds_may_come_back_and_leaves_no_room() -> None:
    rig = Rig(Pair0(send_buffer=1))
    rig.peer().wire.budget = 0
    assert rig.head.offer_many([b"a", b"b", b"c"]) == 3
    assert isinstance(rig.raw, PairRaw)
    assert rig.raw.push([b"d"] * 9) == 0
    assert waiting(rig) == 3


def test_what_was_accepted_earlier_is_lost_with_the_pipe_and_counted() -> None:
    rig = Rig(Pair0(send_buffer=9))
    peer = rig.peer()
    assert rig.head.offer(b"old")
    peer.lose(unsent=HEAD + 3)
    assert (rig.stats.lost, waiting(rig)) == (HEAD + 3, 0)


# Hops.


@pytest.mark.parametrize("spec", [Pair1(), Pair1(poly=True), Pair1(raw=True), Pair1(ttl=255)])
def test_a_message_that_came_too_far_is_dropped(spec: Pair1) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    peer.deliver(*(bytes([0, 0, 0, hops]) + b"%d" % hops for hops in range(256)))
    assert rig.head.take_many(999) == [b"%d" % hops for hops in range(spec.ttl + 1)]
    assert rig.stats.looped == 255 - spec.ttl
    assert peer.closed == []
    peer.deliver(b"\0\0\0\xff")
    assert rig.head.take() == (b"" if spec.ttl == 255 else None)


@pytest.mark.parametrize("spec", [Pair1(), Pair1(poly=True), Pair1(raw=True)], ids=name)
@pytest.mark.parametrize(
    "bad", [b"", b"\0", b"\0\0\0", b"\0\0\1\0", b"\x80\0\0\1?", b"\xff\xff\xff\xff", b"text"]
)
def test_a_message_without_the_hop_word_costs_its_connection(spec: Pair1, bad: bytes) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    peer.deliver(HOP + b"good", b"\0\0\0\x09far", HOP + b"good too", bad, HOP + b"after")
    (error,) = peer.closed
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == "a message without the hop word [pair1]"
    assert rig.head.take_many(9) == [b"good", b"good too"]
    assert (rig.stats.looped, rig.raw.pipes) == (1, {})
    again = rig.peer()
    again.deliver(HOP + b"hello")
    assert rig.head.take() == b"hello"


# Many peers.


def test_each_is_answered_by_the_pipe_it_came_from() -> None:
    rig = Rig(Pair1(poly=True))
    peers = [rig.peer() for _ in range(3)]
    assert all(peer.closed == [] for peer in peers)
    for peer in reversed(peers):
        peer.deliver(HOP + b"from %d" % peer.id)
    for _ in peers:
        got = rig.head.take_message()
        assert got is not None
        assert got.body == b"from %d" % got.pipe
        assert rig.head.offer_message(Message(b"to %d" % got.pipe, pipe=got.pipe))
    assert [peer.sent for peer in peers] == [[HOP + b"to %d" % peer.id] for peer in peers]
    assert rig.stats.sent == 3


def test_what_names_nobody_goes_to_the_first_that_is_connected() -> None:
    rig = Rig(Pair1(poly=True))
    first, second = rig.peer(), rig.peer()
    second.busy()
    second.busy(False)
    assert rig.head.offer(b"a")
    assert rig.head.offer_message(Message(b"b"))
    assert rig.head.offer_many([b"c"]) == 1
    first.lose()
    rig.peer()
    assert rig.head.offer(b"d")
    assert [unit[4:] for unit in first.sent] == [b"a", b"b", b"c"]
    assert [unit[4:] for unit in second.sent] == [b"d"]


def test_what_names_one_that_is_not_there_is_dropped() -> None:
    rig = Rig(Pair1(poly=True, send_buffer=9))
    gone = rig.peer()
    gone.lose()
    assert rig.head.offer_message(Message(b"a", pipe=gone.id))
    other = rig.peer()
    assert rig.head.offer_message(Message(b"b", pipe=4711))
    assert (rig.stats.unheard, other.sent) == (2, [])


def test_two_messages_wait_for_one_that_does_not_keep_up() -> None:
    rig = Rig(Pair1(poly=True))
    slow, quick = rig.peer(ready=False), rig.peer()
    assert can_send(rig)
    assert rig.head.offer_many([b"a", b"b", b"c"]) == 3
    assert rig.head.offer(b"d")
    assert rig.head.offer_message(Message(b"e", pipe=slow.id))
    assert rig.head.offer_message(Message(b"f", pipe=quick.id))
    assert (rig.stats.shed, slow.pipe.shed, quick.pipe.shed) == (3, 3, 0)
    assert quick.sent == [HOP + b"f"]
    slow.busy(False)
    assert slow.sent == [HOP + b"a", HOP + b"b"]
    assert rig.head.offer(b"g")
    assert slow.sent[2:] == [HOP + b"g"]


def test_without_any_peer_sending_waits() -> None:
    rig = Rig(Pair1(poly=True))
    assert not can_send(rig)
    assert not rig.head.offer(b"a")
    assert rig.head.offer_many([b"a"]) == 0
    assert rig.head.offer_many([]) == 0
    woken = watch(rig.head.sendable)
    peer = rig.peer()
    assert woken == ["woken"]
    assert rig.head.offer(b"a")
    assert rig.head.offer_many([]) == 0
    assert peer.wire.batches == [[HOP + b"a"]]


def test_the_send_buffer_goes_to_the_first_of_many_whole() -> None:
    rig = Rig(Pair1(poly=True, send_buffer=9))
    bodies = [b"x" * BATCH] * 9
    assert rig.head.offer_many([*bodies, b"no room"]) == 9
    peer = Peer(rig, 1, (), RECORD)
    send = peer.wire.send

    def once(units: Sequence[Chunks]) -> None:
        send(units)
        peer.busy()

    peer.pipe.below.send = once
    woken = watch(rig.head.sendable)
    peer.open()
    assert [unit[4:] for unit in peer.sent] == bodies
    assert (rig.stats.shed, waiting(rig)) == (0, 0)
    assert "woken" in woken


def test_what_waits_for_one_of_many_is_lost_with_it() -> None:
    rig = Rig(Pair1(poly=True))
    peer = rig.peer(ready=False)
    assert rig.head.offer(b"abc")
    peer.lose()
    assert rig.stats.lost == 4 + 3
