"""End filters that raise: who sends is told, and all that came before is on its way."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import Closed
from sockstack.core.filtering import Filter
from sockstack.core.head import Head
from sockstack.drivers.socket_core import build_filters
from sockstack.layers.checksum import ChecksumLayer
from sockstack.layers.compress import CompressLayer
from sockstack.layers.trace import Trace
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.bus import Bus
from sockstack.patterns.pair import Pair0, Pair1
from sockstack.patterns.pipeline import Pull, Push
from sockstack.patterns.pubsub import Pub
from sockstack.patterns.reqrep import Rep, Req
from sockstack.patterns.star import Star
from sockstack.patterns.survey import Respondent, Surveyor

from .fakes import BAD, Clock, Picky, Rig

ID = b"\x80\0\0\0"
BATCHES = [
    *(Push(), Pair0(), Pair1(), Pair1(poly=True), Pub(), Bus(), Star()),
    *(Push(raw=True), Pair0(raw=True), Pub(raw=True), Bus(raw=True)),
]
ASKERS = [Req(), Surveyor()]
TO_ALL = {"pub", "bus", "star"}


def name(spec: PatternSpec) -> str:
    return "-".join([spec.name, *(word for word in ("raw", "poly") if getattr(spec, word, False))])


def bodies(sent: list[bytes]) -> list[bytes]:
    """What was sent, without the words of the protocol, which have bytes that no body here has."""
    return [unit.lstrip(b"\0\1\x80") for unit in sent]


def send_all(head: Head, batch: list[bytes]) -> int:
    """What a caller does who leaves out each message that is refused; how many were taken."""
    done = 0
    while batch:
        try:
            taken = head.offer_many(batch)
        except ValueError:
            assert batch[0].startswith(BAD), "a message is refused in the place of another"
            batch = batch[1:]
        else:
            assert taken, "there is room"
            assert not any(body.startswith(BAD) for body in batch[:taken])
            done += taken
            batch = batch[taken:]
    return done


@pytest.mark.parametrize("spec", [*BATCHES, *ASKERS], ids=name)
def test_a_message_that_a_filter_refuses_is_not_accepted(spec: PatternSpec) -> None:
    rig = Rig(spec, Picky())
    peer = rig.peer()
    with pytest.raises(ValueError, match="not this one: b'BAD'"):
        rig.head.offer(BAD)
    with pytest.raises(ValueError, match="not this one"):
        rig.head.offer_many([BAD, b"good"])
    assert peer.sent == []
    assert (rig.stats.sent, peer.pipe.sent) == (0, 0)
    assert rig.head.offer(b"good")
    assert bodies(peer.sent) == [b"good"]
    assert rig.stats.sent == 1


@pytest.mark.parametrize("spec", [Push(send_buffer=3), Pair0(send_buffer=3)], ids=name)
def test_nor_where_it_would_have_to_wait(spec: PatternSpec) -> None:
    rig = Rig(spec, Picky())
    with pytest.raises(ValueError, match="not this one"):
        rig.head.offer(BAD)
    assert send_all(rig.head, [b"1", BAD, b"2"]) == 2
    with pytest.raises(ValueError, match="not this one"):
        rig.head.offer_many([BAD])
    assert rig.head.offer_many([b"3", BAD]) == 1
    assert rig.head.offer_many([BAD]) == 0, "without room nothing is looked at"
    assert rig.peer().sent == [b"1", b"2", b"3"]
    assert rig.stats.sent == 3


@pytest.mark.parametrize("spec", [Rep(), Respondent()], ids=name)
def test_a_question_may_still_be_answered(spec: PatternSpec) -> None:
    rig = Rig(spec, Picky())
    peer = rig.peer()
    peer.deliver(ID + b"question")
    assert rig.head.take() == b"question"
    for call in (rig.head.offer, lambda body: rig.head.offer_many([body])):
        with pytest.raises(ValueError, match="not this one"):
            call(BAD)
    assert rig.head.offer(b"answer")
    assert peer.sent == [ID + b"answer"]
    assert rig.stats.sent == 1


@pytest.mark.parametrize("spec", ASKERS, ids=name)
def test_what_was_asked_before_goes_on(spec: PatternSpec) -> None:
    rig = Rig(spec, Picky())
    peer = rig.peer()
    assert rig.head.offer(b"question")
    with pytest.raises(ValueError, match="not this one"):
        rig.head.offer(BAD)
    peer.deliver(ID + b"answer")
    assert rig.head.take() == b"answer"


@pytest.mark.parametrize("peers", [1, 3])
@pytest.mark.parametrize("spec", BATCHES, ids=name)
@given(good=st.lists(st.booleans(), max_size=12))
def test_of_a_batch_all_go_out_before_the_one_that_is_refused(
    spec: PatternSpec, peers: int, good: list[bool]
) -> None:
    rig = Rig(spec, ChecksumLayer(), Picky())
    ends = [rig.peer() for _ in range(peers)]
    batch = [b"m%d" % number if fine else BAD for number, fine in enumerate(good)]
    expected = [body for body in batch if body != BAD]
    assert send_all(rig.head, batch) == len(expected) == rig.stats.sent
    received = [[unit[:-4] for unit in bodies(end.sent)] for end in ends if not end.closed]
    if spec.name in TO_ALL:
        assert all(each == expected for each in received)
    else:
        assert Counter(body for each in received for body in each) == Counter(expected)


@pytest.mark.parametrize("spec", BATCHES, ids=name)
def test_a_socket_that_is_closed_says_so(spec: PatternSpec) -> None:
    rig = Rig(spec, Picky())
    rig.peer()
    rig.close()
    with pytest.raises(Closed):
        rig.head.offer_many([b"good", b"more"])


@pytest.mark.parametrize("spec", [spec for spec in BATCHES if not getattr(spec, "raw", False)])
def test_messages_are_collected_only_where_no_filter_refuses_any(spec: PatternSpec) -> None:
    def bursts(*filters: Filter) -> bool:
        return Rig(spec, *filters).head.bursts

    assert bursts()
    assert bursts(ChecksumLayer(), CompressLayer(1, 100))
    assert not bursts(Picky())
    assert not bursts(ChecksumLayer(), Picky())
    assert not bursts(Picky(), ChecksumLayer())


@pytest.mark.parametrize("spec", [*ASKERS, Rep(), Respondent(), Push(raw=True), Pull()], ids=name)
def test_where_each_message_is_by_itself_none_is_collected(spec: PatternSpec) -> None:
    assert not Rig(spec).head.bursts


@given(st.lists(st.binary(max_size=20) | st.tuples(st.binary(max_size=9), st.binary(max_size=9))))
def test_filters_of_the_house_refuse_nothing(units: list[bytes | tuple[bytes, ...]]) -> None:
    for entry in (ChecksumLayer(), CompressLayer(9, 4)):
        assert entry.infallible
        assert len(entry.encode(units)) == len(units)


def test_a_trace_that_fails_refuses_nothing(recwarn: pytest.WarningsRecorder) -> None:
    def full(line: str) -> None:
        raise OSError("no space left")

    (layer,) = build_filters([Trace(full)], Clock())
    rig = Rig(Push(), layer)
    peer = rig.peer()
    assert rig.head.bursts
    assert rig.head.offer_many([b"1", b"2"]) == 2
    assert peer.sent == [b"1", b"2"]
    assert len(recwarn) == 1
