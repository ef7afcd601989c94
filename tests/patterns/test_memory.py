"""What peers can make us keep: of those that come, send and go, and of messages that nobody fetches."""

from __future__ import annotations

import pytest

from sockstack.core.layer import MANY
from sockstack.patterns import mailbox, survey
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.bus import Bus
from sockstack.patterns.pair import Pair0, Pair1
from sockstack.patterns.pipeline import Pull
from sockstack.patterns.pubsub import Sub, SubHead
from sockstack.patterns.reqrep import Rep, Req
from sockstack.patterns.star import Star
from sockstack.patterns.survey import Respondent, Surveyor

from .fakes import Rig

ID = b"\x80\0\0\0"
HOPS = b"\0\0\0\1"

QUEUES: list[tuple[PatternSpec, bytes]] = [
    *((Rep(), ID), (Rep(raw=True), ID), (Respondent(), ID), (Respondent(raw=True), ID)),
    *((Req(raw=True), ID), (Surveyor(raw=True), ID)),
    *((Pull(), b""), (Pull(raw=True), b""), (Sub(raw=True), b"")),
    *((Bus(), b""), (Bus(raw=True), b""), (Star(raw=True), HOPS), (Pair1(poly=True), HOPS)),
]
PAIRS: list[tuple[PatternSpec, bytes]] = [
    *((Pair0(), b""), (Pair0(raw=True), b""), (Pair1(), HOPS), (Pair1(raw=True), HOPS)),
]

LEFT = 64
"""Batches of peers that have gone, beyond which nothing is read of those that come."""


def name(spec: object) -> str:
    if isinstance(spec, PatternSpec):
        return f"{spec.name}{'-raw' * getattr(spec, 'raw', False)}"
    return ""


def taken(rig: Rig) -> list[bytes]:
    got: list[bytes] = []
    while (body := rig.head.take()) is not None:
        got.append(body)
    return got


# Peers that have gone.


@pytest.mark.parametrize(("spec", "word"), QUEUES + PAIRS, ids=name)
def test_what_those_leave_who_come_and_go_is_bounded(spec: PatternSpec, word: bytes) -> None:
    rig = Rig(spec)
    left: list[bytes] = []
    for number in range(30):
        peer = rig.peer()
        for batch in (b"%da" % number, b"%db" % number, b"%dc" % number):
            peer.deliver(word + batch)
        left += [b"%d%c" % (number, end) for end in b"abc"][: 3 - len(peer.wire.held)]
        peer.lose()
    assert LEFT <= len(left) <= LEFT + 2
    assert taken(rig) == left
    peer = rig.peer()
    assert peer.wire.credit == MANY
    peer.deliver(word + b"at last")
    assert rig.head.take() == b"at last"


@pytest.mark.parametrize(("spec", "word"), QUEUES, ids=name)
def test_those_who_come_later_start_in_their_order_when_enough_is_taken(
    spec: PatternSpec, word: bytes
) -> None:
    rig = Rig(spec)
    early = rig.peer()
    for _ in range(LEFT // 8):
        gone = rig.peer()
        for _ in range(8):
            gone.deliver(word + b"left")
        gone.lose()
    late = [rig.peer() for _ in range(3)]
    for peer in reversed(late):
        peer.deliver(word + b"of %d" % peer.id)
    assert [peer.wire.credit for peer in late] == [0, 0, 0]
    assert early.wire.credit == MANY, "it sent nothing, and was there before"
    late[1].lose()
    assert rig.head.take() == b"left"
    assert [late[0].wire.credit, late[2].wire.credit] == [MANY, MANY]
    assert taken(rig) == [b"left"] * (LEFT - 1) + [b"of %d" % late[0].id, b"of %d" % late[2].id]


def test_closing_a_socket_starts_nobody() -> None:
    rig = Rig(Pull())
    for _ in range(LEFT // 8):
        gone = rig.peer()
        for _ in range(8):
            gone.deliver(b"left")
        gone.lose()
    late = rig.peer()
    late.deliver(b"late")
    rig.raw.close()
    assert late.wire.credit == 0
    assert late.wire.held


# Bytes.


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> int:
    """Bytes that may wait."""
    monkeypatch.setattr(mailbox, "RECV_BYTES", 100)
    monkeypatch.setattr(survey, "RECV_BYTES", 100)
    return 100


def test_it_is_as_much_as_one_message_may_have() -> None:
    assert mailbox.RECV_BYTES == 64 << 20


def numbered(count: int, size: int) -> list[bytes]:
    return [(b"%d " % number).ljust(size, b".") for number in range(count)]


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("fetched", [0, 1])
def test_of_large_messages_the_oldest_give_way(room: int, batch: int, fetched: int) -> None:
    rig = Rig(Sub(b""))
    peer = rig.peer()
    bodies = numbered(30, 30)
    peer.deliver(*bodies[:3])
    assert [rig.head.take() for _ in range(fetched)] == bodies[:fetched]
    for start in range(3, 30, batch):
        peer.deliver(*bodies[start : start + batch])
    left = rig.head.take_many(99)
    assert left is not None
    assert left == bodies[-len(left) :]
    assert room // 30 <= len(left) <= room // 30 + batch
    assert (rig.stats.overrun, rig.stats.received) == (
        30 - fetched - len(left),
        len(left) + fetched,
    )
    peer.deliver(*bodies)
    assert rig.head.take_many(99) == bodies, "a batch that finds none waiting is taken whole"


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize(
    ("spec", "word"), [(Sub(b"", prefer_new=False), b""), (Star(), b"\0\0\0\0")], ids=name
)
def test_of_large_messages_the_new_ones_give_way(
    room: int, spec: PatternSpec, word: bytes, batch: int
) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    bodies = numbered(30, 30)
    for start in range(0, 30, batch):
        peer.deliver(*(word + body for body in bodies[start : start + batch]))
    peer.deliver(word + b"small")
    left = rig.head.take_many(99)
    assert left == [*bodies[: batch + room // 30], b"small"]
    assert (rig.stats.overrun, rig.stats.received) == (31 - len(left), len(left))
    for body in bodies[:3]:
        peer.deliver(word + body)
    assert rig.head.take_many(99) == bodies[:3]


@pytest.mark.parametrize("prefer_new", [True, False])
def test_one_message_always_fits(room: int, prefer_new: bool) -> None:
    rig = Rig(Sub(b"", prefer_new=prefer_new))
    peer = rig.peer()
    for _ in range(2):
        peer.deliver(bytes(5 * room))
        assert rig.head.take() == bytes(5 * room)
    assert rig.stats.overrun == 0
    peer.deliver(b"first")
    peer.deliver(bytes(5 * room))
    assert rig.head.take_many(9) == [bytes(5 * room) if prefer_new else b"first"]
    assert rig.stats.overrun == 1


def test_what_unsubscribing_drops_leaves_room(room: int) -> None:
    rig = Rig(Sub(b"", b"b", prefer_new=False))
    assert isinstance(rig.head, SubHead)
    peer = rig.peer()
    peer.deliver(b"b1")
    peer.deliver(b"a" * 60, b"b" * 30)
    rig.head.unsubscribe(b"")
    peer.deliver(b"b" * 65)
    assert rig.stats.overrun == 0
    peer.deliver(b"b" * 6)
    assert rig.stats.overrun == 1
    assert rig.head.take_many(9) == [b"b1", b"b" * 30, b"b" * 65]


def test_a_context_has_room_of_its_own(room: int) -> None:
    rig = Rig(Sub(b""))
    context = rig.head.context({})
    assert isinstance(context, SubHead)
    context.subscribe(b"")
    peer = rig.peer()
    for body in numbered(3, 40):
        peer.deliver(body)
        assert context.take() == body
    assert rig.stats.overrun == 0
    for body in numbered(3, 40):
        peer.deliver(body)
        assert context.take() == body
    assert rig.stats.overrun == 3


def test_of_answers_that_are_large_the_new_ones_give_way(room: int) -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    context = rig.head.context({})
    assert rig.head.offer(b"who?")
    assert context.offer(b"and who?")
    peer.deliver(*(ID + body for body in numbered(4, 40)))
    assert (rig.stats.overrun, rig.stats.received) == (2, 2)
    peer.deliver(b"\x80\0\0\1" + bytes(5 * room))
    assert context.take() == bytes(5 * room)
    assert rig.head.take() is not None
    peer.deliver(ID + bytes(40), ID + bytes(40))
    assert rig.head.take_many(1) is not None
    peer.deliver(ID + bytes(40), ID + bytes(40))
    assert rig.stats.overrun == 4
    assert rig.head.offer(b"another")
    peer.deliver(b"\x80\0\0\2" + bytes(90))
    assert rig.head.take() == bytes(90)
    assert rig.stats.overrun == 4
