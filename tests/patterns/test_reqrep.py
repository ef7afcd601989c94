"""REQ: ids, late answers, resending, contexts; and what REQ and REP share: end filters, hostile input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import (
    Closed,
    LocalProtocolError,
    NoPeers,
    PeerAborted,
    RemoteProtocolError,
)
from sockstack.core.head import Message
from sockstack.layers.checksum import ChecksumLayer
from sockstack.patterns.backtrace import end_of_words, free_ids
from sockstack.patterns.reqrep import Rep, Req, ReqHead, Requests

from .fakes import HEAD, Clock, Rig, watch

ID = b"\x80\0\0\0"
"""The first id with a clock whose random bits are 0."""
ID2 = b"\x80\0\0\1"
ID3 = b"\x80\0\0\2"


def asked(rig: Rig, body: bytes = b"question") -> bytes:
    """Ask; the id that went out, wherever it went."""
    before = {peer.id: len(peer.sent) for peer in rig.peers}
    assert rig.head.offer(body)
    (unit,) = [unit for peer in rig.peers for unit in peer.sent[before[peer.id] :]]
    assert unit[4:] == body
    return unit[:4]


# Ids.


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
    rig = Rig(Req(), clock=Clock(bits))
    rig.peer()
    assert [asked(rig).hex() for _ in ids] == ids


def test_an_id_that_another_context_still_waits_for_is_not_given_twice() -> None:
    rig = Rig(Req(), clock=Clock(0x7FFFFFFF))
    peer = rig.peer()
    patient = rig.head.context({})
    assert patient.offer(b"long")
    for _ in range(3):
        assert rig.head.offer(b"short")
    assert isinstance(rig.raw, Requests)
    rig.raw._ids = free_ids(0x7FFFFFFF, rig.raw.waiting)  # as after 2**31 requests
    assert rig.head.offer(b"other")
    assert peer.sent[-1] == ID + b"other"
    peer.deliver(b"\xff\xff\xff\xffyes", ID + b"no")
    assert patient.take() == b"yes"
    assert rig.head.take() == b"no"


# Answers.


def test_an_answer_is_delivered_once() -> None:
    rig = Rig(Req())
    peer = rig.peer()
    assert asked(rig) == ID
    assert rig.head.take() is None
    woken = watch(rig.head.receivable)
    peer.deliver(ID + b"answer")
    assert woken == ["woken"]
    assert rig.head.take() == b"answer"
    with pytest.raises(LocalProtocolError, match="send a request first"):
        rig.head.take()


def test_receiving_before_asking_is_refused() -> None:
    rig = Rig(Req())
    rig.peer()
    with pytest.raises(LocalProtocolError, match="nothing was asked"):
        rig.head.take()
    with pytest.raises(LocalProtocolError):
        rig.head.take_message()


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
    rig = Rig(Req())
    peer = rig.peer()
    asked(rig)
    peer.deliver(stray, stray)
    assert rig.head.take() is None
    assert rig.stats.stray + rig.stats.looped == 2
    peer.deliver(ID + b"answer", ID + b"second")
    peer.deliver(ID + b"third")
    assert rig.head.take() == b"answer"
    assert (rig.stats.sent, rig.stats.received) == (1, 1)
    assert rig.stats.stray + rig.stats.looped == 4
    assert peer.closed == []


def test_an_answer_before_any_question_is_dropped() -> None:
    rig = Rig(Req())
    rig.peer().deliver(ID + b"early")
    assert rig.stats.stray == 1
    assert asked(rig) == ID
    assert rig.head.take() is None


def test_any_peer_may_answer() -> None:
    rig = Rig(Req())
    rig.peer()
    other = rig.peer()
    asked(rig)
    other.deliver(ID + b"answer")
    assert rig.head.take_message() == Message(b"answer", b"", other.id)


def test_a_new_request_cancels_the_old_one_and_its_answer() -> None:
    rig = Rig(Req())
    peer = rig.peer()
    asked(rig)
    asked(rig)
    peer.deliver(ID + b"late")
    assert rig.stats.stray == 1
    assert rig.head.take() is None
    peer.deliver(ID2 + b"unfetched")
    assert asked(rig) == ID3
    assert rig.head.take() is None
    peer.deliver(ID3 + b"answer")
    assert rig.head.take() == b"answer"


def test_a_request_that_is_not_accepted_cancels_nothing() -> None:
    rig = Rig(Req())
    peer = rig.peer()
    asked(rig)
    peer.busy()
    assert not rig.head.offer(b"more")
    peer.deliver(ID + b"answer")
    assert rig.head.take() == b"answer"


@pytest.mark.parametrize("bad", [b"", b"\x80", b"\x80\0\0", b"\0\0\0\1", b"\0\0\0\1\x80\0"])
def test_an_answer_without_an_id_closes_the_pipe_after_the_good_ones(bad: bytes) -> None:
    rig = Rig(Req())
    peer = rig.peer()
    asked(rig)
    peer.deliver(b"\x80\0\0\x55stray", ID + b"good", bad, ID + b"after")
    assert rig.head.take() == b"good"
    (error,) = peer.closed
    assert isinstance(error, RemoteProtocolError)
    assert error.layer == "req"
    assert peer.wire.calls == ["abort"]
    assert rig.raw.pipes == {}
    assert rig.stats.stray == 1


@pytest.mark.parametrize("bad", [b"", b"\x80\0\0", b"\0\0\0\1"])
def test_of_a_raw_req_too(bad: bytes) -> None:
    rig = Rig(Req(raw=True))
    peer = rig.peer()
    peer.deliver(ID + b"good", b"\0\0\0\1" * 255 + ID, bad, ID + b"after")
    assert rig.head.take() == b"good"
    assert rig.head.take() is None
    assert isinstance(peer.closed[0], RemoteProtocolError)
    assert rig.stats.looped == 1


# Sending again.


def test_the_timer_is_exact() -> None:
    rig = Rig(Req(resend=0.3))
    one, two = rig.peer(), rig.peer()
    asked(rig)
    rig.clock.advance(0.299999)
    assert (two.sent, rig.stats.resent) == ([], 0)
    rig.clock.advance(0.000001)
    assert rig.clock.now() == pytest.approx(0.3)
    assert two.sent == [ID + b"question"]
    assert one.sent == two.sent
    rig.clock.advance(0.3)
    assert one.sent == [ID + b"question"] * 2
    assert rig.stats.resent == 2
    one.deliver(ID + b"answer")
    assert rig.head.take() == b"answer"
    two.deliver(ID + b"again")
    assert rig.stats.stray == 1
    rig.clock.advance(10)
    assert rig.stats.resent == 2
    assert rig.clock.pending == []


def test_it_starts_anew_with_each_request() -> None:
    rig = Rig(Req(resend=1.0))
    peer = rig.peer()
    asked(rig)
    rig.clock.advance(0.75)
    asked(rig)
    rig.clock.advance(0.75)  # the old one would have been due
    assert rig.stats.resent == 0
    rig.clock.advance(0.25)
    assert peer.sent == [ID + b"question", ID2 + b"question", ID2 + b"question"]
    assert rig.clock.now() == 1.75


def test_one_timer_serves_all_contexts() -> None:
    rig = Rig(Req(resend=1.0))
    peer = rig.peer()
    heads = [rig.head, *(rig.head.context({}) for _ in range(20))]
    for head in heads:
        assert head.offer(b"q")
        rig.clock.advance(0.0625)
        assert len(rig.clock.pending) == 1
    rig.clock.advance(2.3 - rig.clock.now())
    # Each went out at its own instant, and again every second from then on.
    assert [peer.sent.count(unit) for unit in dict.fromkeys(peer.sent)] == [3] * 5 + [2] * 16
    assert rig.stats.resent == len(peer.sent) - len(heads)
    assert len(rig.clock.timers) <= 1 + rig.stats.resent
    assert len(rig.clock.pending) == 1


def test_lost_with_its_pipe_it_is_sent_again_at_once() -> None:
    rig = Rig(Req(resend=1.0))
    one, two = rig.peer(), rig.peer()
    asked(rig)
    rig.clock.advance(0.75)
    one.lose()
    assert two.sent == [ID + b"question"]
    assert rig.stats.resent == 1
    rig.clock.advance(0.75)  # the time runs from the second sending
    assert rig.stats.resent == 1
    rig.clock.advance(0.25)
    assert rig.stats.resent == 2
    two.deliver(ID + b"answer")
    assert rig.head.take() == b"answer"


def test_lost_with_the_only_pipe_it_goes_to_the_next_that_appears() -> None:
    rig = Rig(Req(resend=1.0))
    rig.peer()
    asked(rig)
    rig.peers[0].lose()
    rig.clock.advance(10)
    assert rig.stats.resent == 0
    peer = rig.peer(ready=False)
    assert peer.sent == []
    peer.busy(False)
    assert peer.sent == [ID + b"question"]
    rig.clock.advance(0.75)
    assert rig.stats.resent == 1
    rig.clock.advance(0.25)
    assert rig.stats.resent == 2


def test_lost_with_a_pipe_that_did_not_carry_it_nothing_happens() -> None:
    rig = Rig(Req(resend=1.0))
    one, two = rig.peer(), rig.peer()
    asked(rig)
    two.lose()
    assert one.sent == [ID + b"question"]
    assert rig.stats.resent == 0


def test_a_stalled_pipe_does_not_fill_with_repetitions() -> None:
    rig = Rig(Req(resend=1.0))
    peer = rig.peer()
    asked(rig)
    peer.busy()
    rig.clock.advance(100)
    assert len(peer.sent) == 1
    peer.busy(False)
    assert len(peer.sent) == 2


def test_a_cancelled_request_is_not_sent_again() -> None:
    rig = Rig(Req(resend=1.0))
    context = rig.head.context({})
    rig.peer()
    assert context.offer(b"q")
    rig.peers[0].lose()
    context.close()
    assert rig.peer().sent == []
    rig.clock.advance(5)
    assert rig.stats.resent == 0
    assert rig.clock.pending == []


@pytest.mark.parametrize("resend", [0.0, -1.0])
def test_without_resending_a_lost_pipe_is_told(resend: float) -> None:
    rig = Rig(Req(resend=resend))
    one, two = rig.peer(), rig.peer()
    asked(rig)
    assert rig.clock.timers == []
    woken = watch(rig.head.receivable)
    one.lose()
    assert woken == ["woken"]
    with pytest.raises(PeerAborted, match="carried the request") as caught:
        rig.head.take()
    assert caught.value.layer == "req"
    with pytest.raises(LocalProtocolError):
        rig.head.take()
    assert two.sent == []
    assert asked(rig) == ID2
    two.deliver(ID + b"late", ID2 + b"answer")
    assert rig.head.take() == b"answer"


def test_a_new_request_clears_the_failure_of_the_old_one() -> None:
    rig = Rig(Req(resend=0))
    one, two = rig.peer(), rig.peer()
    asked(rig)
    one.lose()
    asked(rig)
    assert rig.head.take() is None
    two.deliver(ID2 + b"answer")
    assert rig.head.take() == b"answer"


def test_a_pipe_found_dead_while_sending() -> None:
    rig = Rig(Req(resend=1.0))
    one, two = rig.peer(), rig.peer()
    one.wire.budget = 0
    assert rig.head.offer(b"q")
    assert (one.sent, two.sent) == ([], [ID + b"q"])
    assert rig.stats.lost == HEAD + 5


def test_a_pipe_found_dead_while_sending_is_told_without_resending() -> None:
    rig = Rig(Req(resend=0))
    rig.peer().wire.budget = 0
    assert rig.head.offer(b"q")
    with pytest.raises(PeerAborted):
        rig.head.take()


def test_all_pipes_found_dead_while_sending_again() -> None:
    rig = Rig(Req(resend=1.0))
    peers = [rig.peer() for _ in range(3)]
    for peer in peers:
        peer.wire.budget = 0
    assert rig.head.offer(b"q")
    assert rig.raw.pipes == {}
    assert rig.peer().sent == [ID + b"q"]
    assert rig.stats.resent == 3


def test_closing_asks_nobody_again_and_says_closed() -> None:
    rig = Rig(Req(resend=0))
    rig.peer()
    asked(rig)
    rig.close()
    with pytest.raises(Closed):
        rig.head.take()
    rig = Rig(Req())
    one, two = rig.peer(), rig.peer()
    asked(rig)
    rig.raw.close()
    one.lose()
    assert two.sent == []
    assert rig.stats.resent == 0


# Contexts.


def test_contexts_are_independent() -> None:
    rig = Rig(Req())
    peer = rig.peer()
    one, two = rig.head.context({}), rig.head.context({})
    assert one.offer(b"1")
    assert two.offer(b"2")
    with pytest.raises(LocalProtocolError):
        rig.head.take()
    woken = [watch(head.receivable) for head in (rig.head, one, two)]
    peer.deliver(ID2 + b"two")
    assert woken == [[], [], ["woken"]]
    assert one.take() is None
    assert two.take() == b"two"
    assert one.offer(b"1 again")
    peer.deliver(ID + b"cancelled", ID3 + b"one")
    assert one.take() == b"one"
    assert rig.stats.stray == 1


def test_a_closed_context_says_so_and_the_others_go_on() -> None:
    rig = Rig(Req())
    peer = rig.peer()
    context = rig.head.context({})
    assert context.offer(b"q")
    woken = watch(context.receivable)
    context.close()
    assert woken == ["woken"]
    for call in (context.take, context.take_message, lambda: context.offer(b"more")):
        with pytest.raises(Closed, match="the context is closed"):
            call()
    peer.deliver(ID + b"answer")
    assert rig.stats.stray == 1
    asked(rig)
    peer.deliver(ID2 + b"answer")
    assert rig.head.take() == b"answer"


def test_closing_the_socket_wakes_its_contexts() -> None:
    rig = Rig(Req())
    rig.peer()
    contexts = [rig.head.context({}) for _ in range(3)]
    for context in contexts[:2]:
        assert context.offer(b"q")
    woken = [watch(context.receivable) for context in contexts[:2]]
    rig.close()
    assert woken == [["woken"], ["woken"]]
    for context in contexts:
        with pytest.raises(Closed, match="the socket is closed"):
            context.take()
        with pytest.raises(Closed):
            context.offer(b"q")


# End filters.


def test_filters_stand_on_the_body_alone() -> None:
    req, rep = Rig(Req(), ChecksumLayer()), Rig(Rep(), ChecksumLayer())
    asker, server = req.peer(), rep.peer()
    assert req.head.offer(b"question")
    (unit,) = asker.sent
    assert (unit[:4], unit[4:-4], len(unit)) == (ID, b"question", 16)
    server.deliver(b"\0\0\0\5" + unit)
    assert rep.head.take() == b"question"
    assert rep.head.offer(b"answer")
    assert server.sent[0].startswith(b"\0\0\0\5" + ID + b"answer")
    asker.deliver(server.sent[0][4:])
    assert req.head.take() == b"answer"


def test_an_answer_that_is_refused_leaves_the_request_outstanding() -> None:
    rig = Rig(Req(resend=1.0), ChecksumLayer())
    peer = rig.peer()
    assert rig.head.offer(b"question")
    peer.deliver(ID + b"forged", ID)
    assert rig.head.take() is None
    assert (rig.stats.refused, rig.stats.stray, rig.stats.received) == (2, 0, 0)
    rig.clock.advance(1.0)
    assert peer.sent[0] == peer.sent[1]
    (good,) = ChecksumLayer().encode([b"good"])
    assert isinstance(good, bytes)
    peer.deliver(ID + good)
    assert rig.head.take() == b"good"


def test_a_request_that_is_refused_is_dropped_and_counted_and_its_neighbours_pass() -> None:
    rig = Rig(Rep(), ChecksumLayer())
    good = [unit for unit in ChecksumLayer().encode([b"a", b"b"]) if isinstance(unit, bytes)]
    peer = rig.peer()
    woken = watch(rig.head.receivable)
    peer.deliver(ID + b"bad")
    assert woken == []
    peer.deliver(ID + good[0], ID2 + b"bad", ID3 + good[1])
    assert [rig.head.take() for _ in range(3)] == [b"a", b"b", None]
    assert rig.stats.refused == 2
    assert peer.closed == []
    assert rig.head.offer(b"B")
    assert peer.sent[0][:4] == ID3


# Hostile input.


@given(st.binary(max_size=40), st.integers(1, 12))
def test_where_the_words_end(unit: bytes, most: int) -> None:
    stop = end_of_words(unit, most)
    words = [unit[index : index + 4] for index in range(0, len(unit), 4)]
    whole = [word for word in words if len(word) == 4]
    if stop > 0:
        assert stop % 4 == 0
        assert stop <= 4 * most
        assert unit[stop - 4] & 0x80
        assert not any(word[0] & 0x80 for word in whole[: stop // 4 - 1])
    elif stop == -2:
        assert len(whole) >= most
        assert not any(word[0] & 0x80 for word in whole[:most])
    else:
        assert stop == -1
        assert len(whole) < most
        assert not any(word[0] & 0x80 for word in whole)


@given(st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=4), max_size=6))
@pytest.mark.parametrize("spec", [Req(), Rep(), Req(raw=True), Rep(raw=True)])
def test_whatever_comes_costs_at_most_that_pipe(
    spec: Req | Rep, batches: list[list[bytes]]
) -> None:
    rig = Rig(spec)
    good, bad = rig.peer(), rig.peer()
    if spec.name == "req" and not spec.raw:
        assert rig.head.offer(b"q")
    for batch in batches:
        bad.deliver(*batch)
    assert all(isinstance(error, RemoteProtocolError) for error in bad.closed)
    assert (bad.closed == []) == (bad.id in rig.raw.pipes)
    assert good.id in rig.raw.pipes
    good.deliver(ID + b"still here")
    while (body := rig.head.take()) is not None:
        if body == b"still here":
            break
    assert body == b"still here" or rig.stats.stray


# What a send does that finds nobody.


def test_best_effort_puts_a_request_off() -> None:
    rig = Rig(Req(best_effort=True))
    assert rig.head.can_send
    for body in (b"one", b"two", b"three"):
        assert rig.head.offer(body)
    assert rig.head.take() is None
    requests = rig.raw
    assert isinstance(requests, Requests)
    assert len(requests._homeless) == 1
    peer = rig.peer()
    assert [unit[4:] for unit in peer.sent] == [b"three"]
    assert (rig.stats.sent, rig.stats.resent) == (3, 0)
    other = rig.peer()
    peer.lose()
    assert other.sent == peer.sent
    assert rig.stats.resent == 1
    other.deliver(other.sent[0][:4] + b"answer")
    assert rig.head.take() == b"answer"


def test_a_request_that_was_put_off_is_forgotten_with_its_context() -> None:
    rig = Rig(Req(best_effort=True))
    context = rig.head.context({})
    assert context.offer(b"never mind")
    context.close()
    assert isinstance(rig.raw, Requests)
    assert not rig.raw._homeless
    assert rig.peer().sent == []


def test_requests_are_put_off_without_looking_for_them_among_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[object] = []

    def same(self: object, other: object) -> bool:
        compared.append(other)
        return self is other

    monkeypatch.setattr(ReqHead, "__eq__", same)
    rig = Rig(Req())
    peer = rig.peer()
    contexts = [rig.head.context({}) for _ in range(100)]
    for number, context in enumerate(contexts):
        assert context.offer(b"%d" % number)
    peer.lose()
    for context in contexts[50:]:
        context.close()
    assert len(compared) < 200
    assert [unit[4:] for unit in rig.peer().sent] == [b"%d" % number for number in range(50)]


def test_a_context_decides_for_itself_what_is_done_without_peers() -> None:
    rig = Rig(Req())
    eager = rig.head.context({"best_effort": True})
    strict = rig.head.context({"fail_no_peers": True})
    assert (rig.head.can_send, eager.can_send, strict.can_send) == (False, True, False)
    assert not rig.head.offer(b"waits")
    assert eager.offer(b"put off")
    with pytest.raises(NoPeers):
        strict.offer(b"refused")
    peer = rig.peer()
    assert peer.sent[0][4:] == b"put off"
    assert strict.offer(b"asked")
    peer.lose()
    with pytest.raises(NoPeers, match="nobody is connected any more"):
        strict.take()
    assert eager.take() is None


def test_fail_no_peers() -> None:
    rig = Rig(Req(fail_no_peers=True))
    with pytest.raises(NoPeers, match="nobody is connected"):
        rig.head.offer(b"a")
    one, other = rig.peer(), rig.peer()
    context = rig.head.context({})
    assert rig.head.offer(b"a")
    assert context.offer(b"b")
    woken = [watch(head.receivable) for head in (rig.head, context)]
    one.lose()
    assert woken == [[], []]
    assert len(other.sent) == 2
    other.lose()
    assert all(woken)
    for head in (rig.head, context):
        assert head.can_recv
        with pytest.raises(NoPeers, match="nobody is connected any more"):
            head.take()
        with pytest.raises(LocalProtocolError):
            head.take()
    rig.clock.advance(1000)
    assert rig.clock.pending == []


def test_a_context_has_a_resend_time_of_its_own() -> None:
    rig = Rig(Req(resend=10.0))
    quick = rig.head.context({"resend": 0.5})
    never = rig.head.context({"resend": 0})
    peer = rig.peer()
    for head, body in ((never, b"never"), (rig.head, b"slow"), (quick, b"quick")):
        assert head.offer(body)
    rig.clock.advance(0.4)
    assert len(peer.sent) == 3
    rig.clock.advance(0.1)
    assert [unit[4:] for unit in peer.sent[3:]] == [b"quick"]
    rig.clock.advance(9.4)
    assert {unit[4:] for unit in peer.sent[3:]} == {b"quick"}
    rig.clock.advance(0.1)
    assert [unit[4:] for unit in peer.sent].count(b"slow") == 2
    assert [unit[4:] for unit in peer.sent].count(b"quick") == 1 + 20
    assert [unit[4:] for unit in peer.sent].count(b"never") == 1


def test_contexts_have_no_other_options() -> None:
    with pytest.raises(LocalProtocolError, match="no option 'ttl'"):
        Rig(Req()).head.context({"ttl": 3})
    with pytest.raises(LocalProtocolError, match="no option 'resend'"):
        Rig(Rep()).head.context({"resend": 3})
