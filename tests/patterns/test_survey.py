"""SURVEYOR: ids, deadlines, late answers, contexts, busy peers; and of both sides, end filters and hostile input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import (
    Closed,
    Deadline,
    LocalProtocolError,
    RemoteProtocolError,
    StackError,
    SurveyOver,
)
from sockstack.core.head import Head, Message
from sockstack.core.layer import MANY, Chunks
from sockstack.layers.checksum import ChecksumLayer
from sockstack.patterns.backtrace import free_ids
from sockstack.patterns.survey import SURVEYS, Respondent, Surveyor, Surveys

from .fakes import HEAD, Clock, Rig, watch

ID = b"\x80\0\0\0"
"""The first id with a clock whose random bits are 0."""
ID2 = b"\x80\0\0\1"
ID3 = b"\x80\0\0\2"


def surveys(rig: Rig) -> Surveys:
    assert isinstance(rig.raw, Surveys)
    return rig.raw


def readable(head: Head) -> bool:
    return head.can_recv


def good(body: bytes) -> bytes:
    (unit,) = ChecksumLayer().encode([body])
    assert isinstance(unit, bytes)
    return unit


# Options.


@pytest.mark.parametrize("seconds", [0, 0.0, -1.0, -inf, nan])
def test_survey_time_is_more_than_nothing(seconds: float) -> None:
    with pytest.raises(StackError, match=f"not {seconds!r}") as caught:
        Surveyor(survey_time=seconds)
    assert (caught.value.layer, caught.value.field) == ("surveyor", "survey_time")


@pytest.mark.parametrize("size", [0, -1])
def test_recv_buffer_has_room(size: int) -> None:
    with pytest.raises(StackError, match=f"not {size}") as caught:
        Surveyor(recv_buffer=size)
    assert (caught.value.layer, caught.value.field) == ("surveyor", "recv_buffer")


# Asking.


@pytest.mark.parametrize(
    ("bits", "ids"),
    [
        (0, ["80000000", "80000001"]),
        (0x01B72793, ["81b72793", "81b72794"]),
        (0x7FFFFFFE, ["fffffffe", "ffffffff", "80000000", "80000001"]),
        (0x7FFFFFFF, ["ffffffff", "80000000"]),
    ],
)
def test_ids_begin_at_random_and_go_up_by_one_and_wrap(bits: int, ids: list[str]) -> None:
    rig = Rig(Surveyor(), clock=Clock(bits))
    peer = rig.peer()
    for _ in ids:
        assert rig.head.offer(b"who?")
    assert [unit[:4].hex() for unit in peer.sent] == ids
    assert {unit[4:] for unit in peer.sent} == {b"who?"}


def test_an_id_that_another_context_still_uses_is_not_given_twice() -> None:
    rig = Rig(Surveyor(), clock=Clock(0x7FFFFFFF))
    peer = rig.peer()
    patient = rig.head.context({})
    assert patient.offer(b"long")
    for _ in range(3):
        assert rig.head.offer(b"short")
    surveys(rig)._ids = free_ids(0x7FFFFFFF, surveys(rig).running)  # as after 2**31 surveys
    assert rig.head.offer(b"other")
    assert peer.sent[-1] == ID + b"other"
    peer.deliver(b"\xff\xff\xff\xffyes", ID + b"no")
    assert (patient.take(), rig.head.take()) == (b"yes", b"no")


def test_everybody_who_is_connected_is_asked_once() -> None:
    rig = Rig(Surveyor())
    peers = [rig.peer() for _ in range(3)]
    assert rig.head.offer(b"who?")
    peers[0].lose()
    late = rig.peer()
    rig.clock.advance(0.75)
    for peer in peers[1:]:
        peer.busy()
        peer.busy(False)
    assert [peer.sent for peer in peers] == [[ID + b"who?"]] * 3
    assert late.sent == []
    late.deliver(ID + b"me, too")  # asked or not: whoever knows the id may answer
    assert rig.head.take() == b"me, too"
    assert (rig.stats.sent, rig.stats.unheard, rig.stats.shed) == (1, 0, 0)
    assert [peer.pipe.sent for peer in (*peers, late)] == [1, 1, 1, 0]
    assert rig.head.offer(b"and now?")
    assert late.sent == [ID2 + b"and now?"]


def test_with_nobody_there_sending_succeeds_and_the_time_runs() -> None:
    rig = Rig(Surveyor())
    assert rig.head.can_send
    assert rig.head.offer(b"hello?")
    assert (rig.stats.sent, rig.stats.unheard) == (1, 1)
    assert rig.head.take() is None
    assert rig.peer().sent == []
    rig.clock.advance(1.0)
    with pytest.raises(SurveyOver):
        rig.head.take()


def test_a_busy_pipe_gets_its_surveys_later_and_not_all_of_many() -> None:
    rig = Rig(Surveyor())
    quick, slow = rig.peer(), rig.peer(ready=False)
    for number in range(SURVEYS + 3):
        assert rig.head.offer(b"%d" % number)
    assert SURVEYS == 8
    assert len(quick.sent) == 11
    assert slow.sent == []
    assert (rig.stats.shed, slow.pipe.shed, quick.pipe.shed) == (3, 3, 0)
    slow.busy(False)
    assert slow.sent == quick.sent[-8:]
    assert slow.pipe.sent == 8
    slow.deliver(slow.sent[0][:4] + b"late")
    assert rig.stats.stray == 1
    assert rig.head.offer(b"next")
    assert slow.sent[8:] == quick.sent[11:]
    assert rig.stats.sent == 12


def test_what_waits_is_lost_with_its_pipe() -> None:
    rig = Rig(Surveyor())
    slow = rig.peer(ready=False)
    assert rig.head.offer(b"who?")
    slow.lose()
    assert rig.stats.lost == len(ID + b"who?")
    assert rig.head.take() is None


def test_a_pipe_found_dead_while_asking_costs_the_others_nothing() -> None:
    rig = Rig(Surveyor())
    peers = [rig.peer() for _ in range(3)]
    peers[1].wire.budget = 0
    assert rig.head.offer(b"who?")
    assert [peer.sent for peer in peers] == [[ID + b"who?"], [], [ID + b"who?"]]
    assert rig.stats.lost == HEAD + 8
    assert sorted(rig.raw.pipes) == [peers[0].id, peers[2].id]


# Answers.


def test_answers_are_delivered_in_order_with_their_pipes() -> None:
    rig = Rig(Surveyor())
    one, two = rig.peer(), rig.peer()
    assert rig.head.offer(b"who?")
    assert rig.head.take_message() is None
    assert not readable(rig.head)
    woken = watch(rig.head.receivable)
    two.deliver(ID + b"two", ID)
    assert woken == ["woken"]
    assert readable(rig.head)
    one.deliver(ID + b"one")
    two.deliver(ID + b"two again")
    assert [rig.head.take_message() for _ in range(5)] == [
        Message(b"two", b"", two.id),
        Message(b"", b"", two.id),
        Message(b"one", b"", one.id),
        Message(b"two again", b"", two.id),
        None,
    ]
    assert (rig.stats.received, rig.stats.stray) == (4, 0)


def test_many_answers_are_taken_at_once() -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    assert rig.head.offer(b"who?")
    assert rig.head.take_many(10) is None
    peer.deliver(*(ID + b"%d" % number for number in range(5)))
    rig.clock.advance(1.0)
    assert rig.head.take_many(3) == [b"0", b"1", b"2"]
    assert rig.head.take_many(3) == [b"3", b"4"]
    with pytest.raises(SurveyOver):
        rig.head.take_many(3)
    with pytest.raises(LocalProtocolError):
        rig.head.take_many(3)


@pytest.mark.parametrize(
    "stray",
    [
        b"\x80\0\0\x09foreign",
        b"\xff\xff\xff\xffforeign",
        b"\0\0\0\1" + ID + b"with a word of a device that is not there",
        b"\0\0\0\1" * 255 + ID,
    ],
)
def test_other_answers_are_dropped_and_counted(stray: bytes) -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    peer.deliver(ID + b"before the question")
    assert rig.stats.stray == 1
    assert rig.head.offer(b"who?")
    peer.deliver(stray, ID + b"answer", stray)
    assert [rig.head.take(), rig.head.take()] == [b"answer", None]
    assert rig.stats.stray + rig.stats.looped == 3
    assert rig.stats.received == 1
    assert peer.closed == []


@pytest.mark.parametrize("bad", [b"", b"\x80", b"\x80\0\0", b"\0\0\0\1", b"\0\0\0\1\x80\0"])
def test_an_answer_without_an_id_closes_that_pipe_after_the_good_ones(bad: bytes) -> None:
    rig = Rig(Surveyor())
    peer, other = rig.peer(), rig.peer()
    assert rig.head.offer(b"who?")
    peer.deliver(ID + b"good", bad, ID + b"after")
    (error,) = peer.closed
    assert isinstance(error, RemoteProtocolError)
    assert error.layer == "surveyor"
    assert peer.wire.calls == ["abort"]
    assert list(rig.raw.pipes) == [other.id]
    other.deliver(ID + b"other")
    assert [rig.head.take() for _ in range(3)] == [b"good", b"other", None]


def test_of_answers_that_find_no_room_the_new_ones_are_dropped() -> None:
    rig = Rig(Surveyor(recv_buffer=2))
    one, two = rig.peer(), rig.peer()
    context = rig.head.context({})
    assert rig.head.offer(b"who?")
    assert context.offer(b"and who?")
    one.deliver(ID + b"1", ID + b"2", ID + b"3")
    two.deliver(ID + b"4", ID2 + b"5")
    assert (rig.stats.overrun, rig.stats.received) == (2, 3)
    assert context.take() == b"5"  # each context has its own room
    assert rig.head.take() == b"1"
    two.deliver(ID + b"6", ID + b"7")
    assert [rig.head.take() for _ in range(3)] == [b"2", b"6", None]
    assert rig.stats.overrun == 3


# The deadline.


def test_the_time_is_exact_and_its_end_is_told_once() -> None:
    rig = Rig(Surveyor(survey_time=0.5))
    peer = rig.peer()
    assert rig.head.offer(b"who?")
    assert rig.clock.pending == [0.5]
    rig.clock.advance(0.4375)
    assert rig.head.take() is None
    peer.deliver(ID + b"just in time")
    assert rig.head.take() == b"just in time"
    woken = watch(rig.head.receivable)
    rig.clock.advance(0.0625)
    assert woken == ["woken"]
    assert readable(rig.head)
    peer.deliver(ID + b"too late")
    assert rig.stats.stray == 1
    with pytest.raises(SurveyOver, match="time is over") as caught:
        rig.head.take()
    assert isinstance(caught.value, Deadline)
    assert caught.value.layer == "surveyor"
    assert not readable(rig.head)
    for take in (rig.head.take, rig.head.take_message):
        with pytest.raises(LocalProtocolError, match="send one first"):
            take()
    assert rig.clock.pending == []
    assert surveys(rig).running == {}


def test_answers_that_came_in_time_are_delivered_before_its_end() -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    assert rig.head.offer(b"who?")
    peer.deliver(ID + b"a", ID + b"b")
    rig.clock.advance(5.0)
    assert [rig.head.take(), rig.head.take()] == [b"a", b"b"]
    with pytest.raises(SurveyOver):
        rig.head.take()


def test_receiving_before_asking_is_refused() -> None:
    rig = Rig(Surveyor())
    rig.peer()
    for take in (rig.head.take, rig.head.take_message, lambda: rig.head.take_many(2)):
        with pytest.raises(LocalProtocolError, match="there is no survey"):
            take()


def test_it_runs_anew_with_each_survey() -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    assert rig.head.offer(b"one")
    rig.clock.advance(0.75)
    assert rig.head.offer(b"two")
    assert rig.clock.pending == [1.75]
    rig.clock.advance(0.75)  # the first one's would have been over
    assert rig.head.take() is None
    peer.deliver(ID2 + b"answer")
    assert rig.head.take() == b"answer"
    rig.clock.advance(0.25)
    with pytest.raises(SurveyOver):
        rig.head.take()


def test_an_endless_survey_has_no_timer() -> None:
    rig = Rig(Surveyor(survey_time=inf))
    peer = rig.peer()
    assert rig.head.offer(b"who?")
    assert rig.clock.timers == []
    rig.clock.advance(1e9)
    peer.deliver(ID + b"at last")
    assert [rig.head.take(), rig.head.take()] == [b"at last", None]


def test_a_new_survey_cancels_the_old_one_and_its_answers() -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    assert rig.head.offer(b"one")
    peer.deliver(ID + b"unfetched")
    assert rig.head.offer(b"two")
    assert rig.head.take() is None
    peer.deliver(ID + b"late", ID2 + b"answer")
    assert rig.stats.stray == 1
    assert [rig.head.take(), rig.head.take()] == [b"answer", None]
    assert list(surveys(rig).running) == [ID2]


def test_a_new_survey_after_the_end_of_the_old_one_forgets_that_end() -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    assert rig.head.offer(b"one")
    peer.deliver(ID + b"unfetched")
    rig.clock.advance(1.0)
    assert rig.head.offer(b"two")
    assert rig.head.take() is None
    peer.deliver(ID2 + b"answer")
    assert rig.head.take() == b"answer"


# Contexts, and closing.


def test_contexts_are_independent() -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    one, two = rig.head.context({}), rig.head.context({})
    assert one.offer(b"1")
    rig.clock.advance(0.5)
    assert two.offer(b"2")
    with pytest.raises(LocalProtocolError):
        rig.head.take()
    woken = [watch(head.receivable) for head in (rig.head, one, two)]
    peer.deliver(ID2 + b"two")
    assert woken == [[], [], ["woken"]]
    assert one.take() is None
    assert two.take() == b"two"
    rig.clock.advance(0.5)
    assert woken[:2] == [[], ["woken"]]
    with pytest.raises(SurveyOver):
        one.take()
    assert two.take() is None
    assert two.offer(b"2 again")
    peer.deliver(ID3 + b"two", ID2 + b"cancelled")
    assert two.take_message() == Message(b"two", b"", peer.id)
    assert rig.stats.stray == 1


def test_a_closed_context_says_so_and_the_others_go_on() -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    context = rig.head.context({})
    assert context.offer(b"who?")
    assert rig.head.offer(b"and who?")
    peer.deliver(ID + b"unfetched")
    woken = watch(context.receivable)
    context.close()
    assert woken == ["woken"]
    assert len(rig.clock.pending) == 1
    for call in (
        context.take,
        context.take_message,
        lambda: context.take_many(2),
        lambda: context.offer(b"more"),
    ):
        with pytest.raises(Closed, match="the context is closed"):
            call()
    assert len(peer.sent) == 2
    peer.deliver(ID + b"late", ID2 + b"answer")
    assert rig.stats.stray == 1
    assert rig.head.take() == b"answer"


@pytest.mark.parametrize("over", [False, True])
def test_closing_the_socket_wakes_all_and_drops_what_nobody_fetched(over: bool) -> None:
    rig = Rig(Surveyor())
    peer = rig.peer()
    heads = [rig.head, rig.head.context({}), rig.head.context({})]
    for head in heads[:2]:
        assert head.offer(b"who?")
    if over:
        peer.deliver(ID + b"unfetched", ID2 + b"unfetched")
        rig.clock.advance(1.0)
    woken = [] if over else [watch(head.receivable) for head in heads[:2]]
    rig.close()
    assert all(entry == ["woken"] for entry in woken)
    assert rig.clock.pending == []
    assert surveys(rig).running == {}
    assert not any(head.can_recv for head in heads)
    for head in heads:
        calls: list[Callable[[], object]] = [head.take, head.take_message]
        calls += [partial(head.take_many, 2), partial(head.offer, b"more")]
        for call in calls:
            with pytest.raises(Closed, match="the socket is closed"):
                call()
    assert rig.clock.pending == []
    assert len(peer.sent) == 2


def test_a_socket_closed_while_it_asks_leaves_nothing_behind() -> None:
    """The questions themselves may find a pipe dead, and whoever is told of that may close the socket."""
    rig = Rig(Surveyor())
    doomed, other = rig.peer(), rig.peer()
    doomed.wire.budget = 0
    doomed.pipe.on_closed = lambda error: rig.close()
    assert rig.head.offer(b"who?")
    assert other.sent == []
    assert rig.clock.pending == []
    assert surveys(rig).running == {}
    with pytest.raises(Closed):
        rig.head.take()


def test_answers_that_come_while_it_asks_are_taken() -> None:
    rig = Rig(Surveyor())
    hasty = rig.peer()
    send = hasty.wire.send

    def answered(units: Sequence[Any]) -> None:
        send(units)
        hasty.deliver(ID + b"at once")

    hasty.pipe.below.send = answered
    assert rig.head.offer(b"who?")
    assert rig.head.take() == b"at once"


# Filters.


def test_filters_stand_on_the_body_alone() -> None:
    asking, answering = Rig(Surveyor(), ChecksumLayer()), Rig(Respondent(), ChecksumLayer())
    peers, server = [asking.peer(), asking.peer()], answering.peer()
    assert asking.head.offer(b"question")
    assert [peer.sent for peer in peers] == [[ID + good(b"question")]] * 2
    server.deliver(b"\0\0\0\5" + peers[0].sent[0])
    assert answering.head.take() == b"question"
    assert answering.head.offer(b"answer")
    assert server.sent == [b"\0\0\0\5" + ID + good(b"answer")]
    peers[1].deliver(server.sent[0][4:])
    assert asking.head.take() == b"answer"


def test_a_refused_answer_is_counted_and_its_neighbours_pass() -> None:
    rig = Rig(Surveyor(), ChecksumLayer())
    peer = rig.peer()
    assert rig.head.offer(b"who?")
    woken = watch(rig.head.receivable)
    peer.deliver(ID + b"forged", ID)
    assert woken == []
    peer.deliver(ID + good(b"a"), ID + b"forged", ID + good(b"b"))
    assert [rig.head.take() for _ in range(3)] == [b"a", b"b", None]
    assert (rig.stats.refused, rig.stats.received, rig.stats.stray) == (3, 2, 0)
    assert peer.closed == []


def test_a_question_that_a_filter_does_not_take_leaves_the_old_survey() -> None:
    class Picky(ChecksumLayer):
        def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
            if b"bad" in units:
                raise LocalProtocolError("not this", layer="picky")
            return super().encode(units)

    rig = Rig(Surveyor(), Picky())
    peer = rig.peer()
    assert rig.head.offer(b"who?")
    peer.deliver(ID + good(b"unfetched"))
    with pytest.raises(LocalProtocolError, match="not this"):
        rig.head.offer(b"bad")
    peer.deliver(ID + good(b"answer"))
    assert [rig.head.take() for _ in range(3)] == [b"unfetched", b"answer", None]
    assert list(surveys(rig).running) == [ID]
    assert (rig.stats.sent, len(rig.clock.pending)) == (1, 1)


# Memory, and hostile input.


def test_a_peer_that_takes_nothing_and_says_much_fills_no_memory() -> None:
    rig = Rig(Surveyor(recv_buffer=16))
    stalled, talker = rig.peer(ready=False), rig.peer()
    for _ in range(200):
        assert rig.head.offer(b"who?")
        (key,) = surveys(rig).running
        talker.deliver(*([key + b"me"] * 20))
        assert len(stalled.pipe.backlog) <= SURVEYS
        assert len(rig.clock.pending) == 1
    assert (rig.stats.shed, rig.stats.overrun) == (200 - SURVEYS, 200 * 4)
    assert rig.head.take_many(100) == [b"me"] * 16
    assert talker.wire.credit == MANY


@given(st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=4), max_size=6))
@pytest.mark.parametrize(
    "spec", [Surveyor(), Respondent(), Surveyor(raw=True), Respondent(raw=True)]
)
def test_whatever_comes_costs_at_most_that_pipe(
    spec: Surveyor | Respondent, batches: list[list[bytes]]
) -> None:
    rig = Rig(spec)
    honest, bad = rig.peer(), rig.peer()
    if spec == Surveyor():
        assert rig.head.offer(b"q")
    for batch in batches:
        bad.deliver(*batch)
    assert all(isinstance(error, RemoteProtocolError) for error in bad.closed)
    assert (bad.closed == []) == (bad.id in rig.raw.pipes)
    honest.deliver(ID + b"still here")
    bodies = []
    while (message := rig.head.take_message()) is not None:
        bodies.append((message.pipe, message.body))
    assert bodies[-1] == (honest.id, b"still here")


def test_a_context_has_a_survey_time_of_its_own() -> None:
    rig = Rig(Surveyor(survey_time=1.0))
    long = rig.head.context({"survey_time": 5})
    for head in (rig.head, long):
        assert head.offer(b"who?")
    rig.clock.advance(1.0)
    with pytest.raises(SurveyOver):
        rig.head.take()
    assert long.take() is None
    rig.clock.advance(4.0)
    with pytest.raises(SurveyOver):
        long.take()
    with pytest.raises(StackError, match="more than 0 seconds"):
        rig.head.context({"survey_time": 0})
