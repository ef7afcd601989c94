"""What the patterns share: pipes in turn, queues with a mark, raw sockets, and the end of it all."""

from __future__ import annotations

import pytest

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import Closed, LocalProtocolError
from sockstack.core.head import Message
from sockstack.core.layer import MANY
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.bus import Bus
from sockstack.patterns.pair import Pair0, Pair1
from sockstack.patterns.pipeline import Pull, Push
from sockstack.patterns.pubsub import Sub
from sockstack.patterns.reqrep import Rep, Req
from sockstack.patterns.star import Star
from sockstack.patterns.survey import Respondent, Surveyor

from .fakes import Rig, watch

REQUEST = b"\x80\0\0\1"

ALL = [
    Req(),
    Rep(),
    Push(),
    Pull(),
    Req(raw=True),
    Rep(raw=True),
    Push(raw=True),
    Pull(raw=True),
]
SENDERS = [Req(), Push(), Req(raw=True), Push(raw=True)]
QUEUES = [Rep(), Pull(), Req(raw=True), Rep(raw=True), Pull(raw=True)]


def name(spec: PatternSpec) -> str:
    return f"{spec.name}-raw" if getattr(spec, "raw", False) else spec.name


@pytest.mark.parametrize("spec", ALL, ids=name)
def test_numbers_fit_their_peers(spec: PatternSpec) -> None:
    peers = {0x30: 0x31, 0x31: 0x30, 0x50: 0x51, 0x51: 0x50}
    assert spec.peer_number == peers[spec.number]


@pytest.mark.parametrize(("spec", "size"), [(Req(), 4), (Rep(), 4), (Push(), 0), (Pull(), 0)])
def test_the_header_is_declared(spec: PatternSpec, size: int) -> None:
    below = Capabilities(Unit.MESSAGE, head=8, features=frozenset({"sp", "peer_cred"}))
    record = spec.derive(below)
    assert (record.head, record.features) == (8 + size, frozenset({"peer_cred"}))
    assert spec.verbatim == (size == 0)


def fitting(spec: PatternSpec, body: bytes, header: bytes = REQUEST) -> Message:
    """A message that a socket takes: only a raw one takes a header."""
    return Message(body, header if getattr(spec, "raw", False) else b"")


@pytest.mark.parametrize("spec", SENDERS, ids=name)
def test_the_pipe_that_has_been_ready_longest_comes_first(spec: PatternSpec) -> None:
    rig = Rig(spec)
    one, two, three = rig.peer(), rig.peer(), rig.peer()
    two.busy()
    two.busy(False)  # now it is the last
    for number in range(7):
        assert rig.head.offer_message(fitting(spec, b"%d" % number))
    bodies = [[unit[-1:] for unit in peer.sent] for peer in (one, two, three)]
    assert bodies == [[b"0", b"3", b"6"], [b"2", b"5"], [b"1", b"4"]]
    assert rig.stats.sent == 7


@pytest.mark.parametrize("spec", SENDERS, ids=name)
def test_without_a_ready_pipe_nothing_is_accepted_and_whoever_waits_is_woken(
    spec: PatternSpec,
) -> None:
    rig = Rig(spec)
    message = fitting(spec, b"m")
    woken = watch(rig.head.sendable)
    assert not rig.head.offer_message(message)
    assert woken == []
    peer = rig.peer(ready=False)
    woken = watch(rig.head.sendable)
    assert not rig.head.offer_message(message)
    peer.busy(False)
    assert woken == ["woken"]
    assert rig.head.offer_message(message)
    woken = watch(rig.head.sendable)
    peer.lose()
    assert not rig.head.offer_message(message)
    rig.peer()
    assert "woken" in woken
    assert rig.stats.sent == 1


@pytest.mark.parametrize("spec", [Req(raw=True), Rep(raw=True), Rep()], ids=name)
def test_a_pipe_stops_at_the_high_water_mark_and_goes_on(spec: PatternSpec) -> None:
    rig = Rig(spec)
    quiet, loud = rig.peer(), rig.peer()
    assert quiet.wire.credit == MANY
    for number in range(20):
        loud.deliver(REQUEST + b"%d" % number)
    assert loud.wire.credit == 0
    assert len(loud.wire.held) == 12
    assert quiet.wire.credit == MANY
    assert [rig.head.take() for _ in range(20)] == [b"%d" % number for number in range(20)]
    assert rig.head.take() is None
    assert loud.wire.credit == MANY
    assert rig.stats.received == 20


@pytest.mark.parametrize("spec", QUEUES, ids=name)
def test_batches_of_many_pipes_are_taken_in_the_order_of_their_arrival(spec: PatternSpec) -> None:
    rig = Rig(spec)
    one, two = rig.peer(), rig.peer()
    header = REQUEST if spec.number in (0x30, 0x31) else b""
    one.deliver(header + b"a", header + b"b")
    two.deliver(header + b"c")
    one.deliver(header + b"d")
    got = [rig.head.take_message() for _ in range(4)]
    assert [(m.body, m.pipe) for m in got if m is not None] == [
        (b"a", one.id),
        (b"b", one.id),
        (b"c", two.id),
        (b"d", one.id),
    ]


@pytest.mark.parametrize("spec", QUEUES, ids=name)
def test_what_has_arrived_outlives_its_pipe(spec: PatternSpec) -> None:
    rig = Rig(spec)
    header = REQUEST if spec.number in (0x30, 0x31) else b""
    peer = rig.peer()
    for number in range(10):  # the pipe is stopped at the mark
        peer.deliver(header + b"%d" % number)
    peer.lose()
    assert [rig.head.take() for _ in range(9)] == [b"%d" % number for number in range(8)] + [None]


@pytest.mark.parametrize("spec", ALL, ids=name)
def test_bytes_that_were_gone_with_a_pipe_are_counted(spec: PatternSpec) -> None:
    rig = Rig(spec)
    rig.peer().lose(unsent=100)
    rig.peer().lose(unsent=23)
    assert rig.stats.lost == 123
    assert rig.raw.pipes == {}
    assert rig.stats.snapshot()["lost"] == 123


@pytest.mark.parametrize("spec", ALL, ids=name)
def test_a_peer_that_ends_has_left(spec: PatternSpec) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    peer.wire.above.ended()
    assert peer.wire.calls == ["abort"]
    assert peer.closed == [None]
    assert rig.raw.pipes == {}


@pytest.mark.parametrize("spec", ALL, ids=name)
def test_closing_wakes_all_who_wait_and_they_are_told(spec: PatternSpec) -> None:
    rig = Rig(spec)
    rig.peer()
    if spec.name == "req" and not getattr(spec, "raw", False):
        assert rig.head.offer(b"question")
    receiving, sending = watch(rig.head.receivable), watch(rig.head.sendable)
    rig.close()
    assert receiving == ["woken"]
    assert sending == ["woken"]
    if spec.name != "push":
        for _ in range(2):
            with pytest.raises(Closed, match="the socket is closed"):
                rig.head.take()
            with pytest.raises(Closed):
                rig.head.take_message()
            with pytest.raises(Closed):
                rig.head.take_many(10)
    if spec.name != "pull":
        for _ in range(2):
            with pytest.raises(Closed, match="the socket is closed"):
                rig.head.offer_message(fitting(spec, b"late", REQUEST * 2))
    assert rig.clock.pending == []


@pytest.mark.parametrize("spec", QUEUES, ids=name)
def test_closing_drops_what_nobody_fetched(spec: PatternSpec) -> None:
    rig = Rig(spec)
    header = REQUEST if spec.number in (0x30, 0x31) else b""
    rig.peer().deliver(header + b"a", header + b"b")
    rig.peer().deliver(header + b"c")
    assert rig.head.take() == b"a"
    rig.close()
    with pytest.raises(Closed):
        rig.head.take()


@pytest.mark.parametrize("raw", [False, True])
def test_the_wrong_direction_is_refused(raw: bool) -> None:
    pull = Rig(Pull(raw=raw))
    pull.peer()
    with pytest.raises(LocalProtocolError, match="does not send"):
        pull.head.offer(b"x")
    with pytest.raises(LocalProtocolError, match="does not send"):
        pull.head.offer_many([b"x"])
    if not raw:
        with pytest.raises(LocalProtocolError, match="has no contexts"):
            pull.head.context({})
        push = Rig(Push())
        with pytest.raises(LocalProtocolError, match="does not receive"):
            push.head.take()
        with pytest.raises(LocalProtocolError, match="does not receive"):
            push.head.take_message()


# Raw sockets.


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        *((Req(raw=True), REQUEST), (Rep(raw=True), REQUEST)),
        *((Surveyor(raw=True), REQUEST), (Respondent(raw=True), REQUEST)),
        *((Pull(raw=True), b""), (Sub(raw=True), b""), (Bus(raw=True), b"")),
        *((Star(raw=True), b"\0\0\0\0"), (Pair0(raw=True), b""), (Pair1(raw=True), b"\0\0\0\1")),
    ],
    ids=lambda spec: name(spec) if isinstance(spec, PatternSpec) else "",
)
def test_a_raw_socket_counts_each_message_once(spec: PatternSpec, word: bytes) -> None:
    rig = Rig(spec)
    peer = rig.peer()
    for _ in range(3):
        peer.deliver(word + b"a", word + b"b")
    assert rig.head.take() == b"a"
    assert rig.head.take_message() is not None
    assert rig.head.take_many(99) == [b"a", b"b"] * 2
    assert rig.head.take() is None
    assert rig.stats.received == peer.pipe.received == 6


# What the header holds.


def test_raw_rep_shows_the_pipe_and_all_words_and_answers_by_them() -> None:
    rig = Rig(Rep(raw=True), first=0x01020304)
    peer, other = rig.peer(), rig.peer()
    peer.deliver(b"\0\0\0\7" + REQUEST + b"question")
    message = rig.head.take_message()
    assert message == Message(b"question", b"\1\2\3\4\0\0\0\7" + REQUEST, peer.id)
    assert rig.head.offer_message(Message(b"by header", message.header))
    message.body = b"as it came"
    assert rig.head.offer_message(message)
    assert peer.sent == [
        b"\0\0\0\7" + REQUEST + b"by header",
        b"\0\0\0\7" + REQUEST + b"as it came",
    ]
    assert other.sent == []
    assert rig.stats.sent == 2


def test_raw_rep_drops_what_finds_no_pipe() -> None:
    rig = Rig(Rep(raw=True))
    assert rig.head.offer_message(Message(b"a", b"\0\0\0\x63" + REQUEST))
    assert rig.stats.unheard == 1


def test_raw_rep_lets_answers_wait_for_a_busy_pipe_up_to_a_mark() -> None:
    rig = Rig(Rep(raw=True))
    peer = rig.peer(ready=False)
    header = peer.id.to_bytes(4, "big") + REQUEST
    for number in range(70):
        assert rig.head.offer_message(Message(b"%d" % number, header))
    assert peer.sent == []
    assert (rig.stats.shed, peer.pipe.shed) == (6, 6)
    assert peer.pipe.unsent == sum(len(REQUEST + b"%d" % number) for number in range(64))
    peer.busy(False)
    assert peer.sent == [REQUEST + b"%d" % number for number in range(64)]
    assert (peer.pipe.sent, peer.pipe.unsent) == (64, 0)


def test_what_waits_for_a_pipe_is_lost_with_it() -> None:
    rig = Rig(Rep(raw=True))
    peer = rig.peer(ready=False)
    assert rig.head.offer_message(Message(b"abc", peer.id.to_bytes(4, "big") + REQUEST))
    peer.lose()
    assert rig.stats.lost == len(REQUEST + b"abc")


@pytest.mark.parametrize("header", [b"", REQUEST, b"\0\0\0\1\x80\0\0"])
def test_raw_rep_needs_a_header(header: bytes) -> None:
    rig = Rig(Rep(raw=True))
    rig.peer()
    with pytest.raises(LocalProtocolError, match="a raw answer needs a header"):
        rig.head.offer_message(Message(b"a", header))
    with pytest.raises(LocalProtocolError):
        rig.head.offer(b"a")


def test_raw_req_shows_the_words_and_sends_those_it_is_given() -> None:
    rig = Rig(Req(raw=True))
    peer = rig.peer()
    assert rig.head.offer_message(Message(b"question", b"\0\0\0\7" + REQUEST))
    assert peer.sent == [b"\0\0\0\7" + REQUEST + b"question"]
    peer.deliver(b"\0\0\0\7" + REQUEST + b"answer", REQUEST + b"direct")
    assert rig.head.take_message() == Message(b"answer", b"\0\0\0\7" + REQUEST, peer.id)
    assert rig.head.take_message() == Message(b"direct", REQUEST, peer.id)
    assert rig.head.take_message() is None


def test_raw_push_and_pull_have_no_header() -> None:
    push, pull = Rig(Push(raw=True)), Rig(Pull(raw=True))
    peer, source = push.peer(), pull.peer()
    assert push.head.offer(b"job")
    assert peer.sent == [b"job"]
    source.deliver(b"job", b"")
    assert pull.head.take_message() == Message(b"job", b"", source.id)
    assert pull.head.take_message() == Message(b"", b"", source.id)


def test_a_raw_socket_takes_many() -> None:
    rig = Rig(Req(raw=True))
    peer = rig.peer()
    peer.deliver(REQUEST + b"a", REQUEST + b"b")
    peer.deliver(REQUEST + b"c")
    assert rig.head.take_many(2) == [b"a", b"b"]
    assert rig.head.take_many(9) == [b"c"]
    assert rig.head.take_many(9) is None
