"""RESPONDENT, and the raw sockets and devices of surveys. What it shares with REP is tested there."""

from __future__ import annotations

import pytest

from sockstack.core.errors import LocalProtocolError, RemoteProtocolError, StackError
from sockstack.core.head import Message
from sockstack.core.layer import MANY
from sockstack.patterns.device import Device, check_pair
from sockstack.patterns.reqrep import Rep
from sockstack.patterns.survey import SURVEYS, Respondent, Surveyor

from .fakes import Clock, Rig

ID = b"\x80\0\0\0"
ID2 = b"\x80\0\0\1"
ID3 = b"\x80\0\0\2"


@pytest.mark.parametrize("ttl", [0, -1, 256])
def test_ttl_is_1_to_255(ttl: int) -> None:
    with pytest.raises(StackError, match=f"not {ttl}") as caught:
        Respondent(ttl=ttl)
    assert (caught.value.layer, caught.value.field) == ("respondent", "ttl")


def test_an_answer_goes_back_where_the_question_came_from() -> None:
    rig = Rig(Respondent())
    one, two = rig.peer(), rig.peer()
    words = b"\0\0\0\2\x7f\xff\xff\xff" + ID
    one.deliver(words + b"question")
    two.deliver(ID2 + b"other")
    assert rig.head.take_message() == Message(b"question", b"", one.id)
    assert rig.head.offer(b"answer")
    assert (one.sent, two.sent) == ([words + b"answer"], [])
    with pytest.raises(LocalProtocolError, match="nothing to answer") as caught:
        rig.head.offer(b"twice")
    assert caught.value.layer == "respondent"
    context = rig.head.context({})
    assert context.take() == b"other"
    assert context.offer(b"from the context")
    assert two.sent == [ID2 + b"from the context"]


def test_receiving_again_keeps_silent_on_the_first_question() -> None:
    rig = Rig(Respondent())
    peer = rig.peer()
    peer.deliver(ID + b"a", ID2 + b"b")
    assert [rig.head.take(), rig.head.take()] == [b"a", b"b"]
    assert rig.head.offer(b"answer to b")
    assert peer.sent == [ID2 + b"answer to b"]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("ttl", [1, 2, 8, 255])
def test_more_words_than_ttl_are_dropped_and_the_pipe_stays(ttl: int, raw: bool) -> None:
    rig = Rig(Respondent(ttl=ttl, raw=raw))
    peer = rig.peer()
    word = b"\0\0\0\1"
    peer.deliver(word * ttl + ID + b"too far", word * (ttl - 1) + ID + b"just near enough")
    assert [rig.head.take(), rig.head.take()] == [b"just near enough", None]
    assert rig.stats.looped == 1
    assert peer.closed == []


# Raw sockets, and devices.


def test_a_raw_surveyor_sends_to_all_and_keeps_no_books() -> None:
    rig = Rig(Surveyor(raw=True))
    assert rig.head.offer_message(Message(b"nobody", ID))
    one, two = rig.peer(), rig.peer()
    slow = rig.peer(ready=False)
    for number in range(SURVEYS + 1):
        assert rig.head.offer_message(Message(b"%d" % number, b"\0\0\0\7" + ID))
    units = [b"\0\0\0\7" + ID + b"%d" % number for number in range(SURVEYS + 1)]
    assert one.sent == two.sent == units
    slow.busy(False)
    assert slow.sent == units[-SURVEYS:]
    assert (rig.stats.sent, rig.stats.unheard, rig.stats.shed) == (SURVEYS + 2, 1, 1)
    far = b"\0\0\0\7" * 254 + ID
    two.deliver(ID3 + b"to no question", b"\0\0\0\7" + ID + b"answer", far + b"from afar")
    assert rig.head.take_message() == Message(b"to no question", ID3, two.id)
    assert rig.head.take_message() == Message(b"answer", b"\0\0\0\7" + ID, two.id)
    assert rig.head.take_message() == Message(b"from afar", far, two.id)
    assert rig.head.take_message() is None
    assert rig.clock.timers == []


def test_a_raw_surveyor_that_is_not_read_stops_its_peers() -> None:
    rig = Rig(Surveyor(raw=True))
    peer = rig.peer()
    for number in range(20):
        peer.deliver(ID + b"%d" % number)
    assert peer.wire.credit == 0
    assert len(peer.wire.held) == 12
    assert rig.head.take_many(100) == [b"%d" % number for number in range(20)]
    assert peer.wire.credit == MANY


@pytest.mark.parametrize("bad", [b"", b"\x80\0\0", b"\0\0\0\1"])
@pytest.mark.parametrize("spec", [Surveyor(raw=True), Respondent(raw=True)])
def test_a_raw_socket_closes_a_pipe_whose_message_has_no_id(
    spec: Surveyor | Respondent, bad: bytes
) -> None:
    rig = Rig(spec)
    peer, other = rig.peer(), rig.peer()
    peer.deliver(ID + b"good", b"\0\0\0\1" * 255 + ID, bad, ID + b"after")
    assert [rig.head.take(), rig.head.take()] == [b"good", None]
    assert isinstance(peer.closed[0], RemoteProtocolError)
    assert list(rig.raw.pipes) == [other.id]
    assert rig.stats.looped == 1


def test_a_raw_respondent_answers_where_the_header_says() -> None:
    rig = Rig(Respondent(raw=True), first=0x01000000)
    one, two = rig.peer(), rig.peer()
    one.deliver(b"\0\0\0\7" + ID + b"question")
    message = rig.head.take_message()
    assert message == Message(b"question", b"\1\0\0\0" + b"\0\0\0\7" + ID, one.id)
    for body in (b"a", b"b"):  # as many answers as it likes
        assert rig.head.offer_message(Message(body, message.header))
    assert one.sent == [b"\0\0\0\7" + ID + b"a", b"\0\0\0\7" + ID + b"b"]
    assert two.sent == []
    with pytest.raises(LocalProtocolError, match="a raw answer needs a header"):
        rig.head.offer(b"whose?")


class Between:
    """A device with a survey's raw halves, a surveyor in front of it and respondents behind it."""

    def __init__(self, ttl: int = 8) -> None:
        clock = Clock()
        self.front = Rig(Respondent(raw=True, ttl=ttl), clock=clock, first=0x01000000)
        self.back = Rig(Surveyor(raw=True), clock=clock, first=0x02000000)
        self.device = Device(self.front.raw, self.back.raw)


def test_a_device_asks_all_behind_it_and_brings_back_all_answers() -> None:
    between = Between()
    askers = [between.front.peer() for _ in range(2)]
    servers = [between.back.peer() for _ in range(3)]
    servers[2].busy()
    askers[0].deliver(ID + b"zero?")
    askers[1].deliver(ID + b"one?")  # the same id of another surveyor
    servers[2].busy(False)
    asked = [b"\1\0\0\0" + ID + b"zero?", b"\1\0\0\1" + ID + b"one?"]
    assert [server.sent for server in servers] == [asked] * 3
    for number, server in enumerate(servers):
        server.deliver(*(unit[:8] + b"%d" % number for unit in server.sent))
    assert askers[0].sent == askers[1].sent == [ID + b"0", ID + b"1", ID + b"2"]
    assert between.device.forwarded == 8


def test_from_end_to_end_through_two_devices() -> None:
    asking, answering = Rig(Surveyor()), Rig(Respondent())
    one, two = Between(), Between()
    asker, server = asking.peer(), answering.peer()
    ends = one.front.peer(), one.back.peer(), two.front.peer(), two.back.peer()
    assert asking.head.offer(b"question")
    ends[0].deliver(*asker.sent)
    ends[2].deliver(*ends[1].sent)
    server.deliver(*ends[3].sent)
    assert server.pipe.received == 1
    assert answering.head.take() == b"question"
    assert answering.head.offer(b"answer")
    ends[3].deliver(*server.sent)
    ends[1].deliver(*ends[2].sent)
    asker.deliver(*ends[0].sent)
    assert asking.head.take_message() == Message(b"answer", b"", asker.id)


def test_a_device_drops_what_has_come_too_far_and_what_leads_nowhere() -> None:
    between = Between(ttl=1)
    asker, server = between.front.peer(), between.back.peer()
    asker.deliver(b"\0\0\0\1" + ID + b"far", ID + b"near")
    assert server.sent == [b"\1\0\0\0" + ID + b"near"]
    assert between.front.stats.looped == 1
    server.deliver(ID + b"whose?")
    asker.lose()
    server.deliver(b"\1\0\0\0" + ID + b"gone")
    assert between.front.stats.unheard == 2
    assert server.closed == []


def test_pairs_that_make_a_device() -> None:
    check_pair(Respondent(raw=True), Surveyor(raw=True))
    check_pair(Surveyor(raw=True), Respondent(raw=True))
    for front, back in (
        (Respondent(), Surveyor(raw=True)),
        (Respondent(raw=True), Surveyor()),
        (Rep(raw=True), Surveyor(raw=True)),
    ):
        with pytest.raises(StackError, match="a device"):
            check_pair(front, back)
