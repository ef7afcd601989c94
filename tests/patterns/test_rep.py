"""REP: words of devices, one request at a time, clients that are busy or gone, contexts."""

from __future__ import annotations

import pytest

from sockstack.core.errors import Closed, LocalProtocolError, RemoteProtocolError, StackError
from sockstack.core.head import Message
from sockstack.patterns.reqrep import Rep

from .fakes import HEAD, Rig, watch

ID = b"\x80\0\0\0"
ID2 = b"\x80\0\0\1"


@pytest.mark.parametrize("ttl", [0, -1, 256])
def test_ttl_is_1_to_255(ttl: int) -> None:
    with pytest.raises(StackError, match=f"not {ttl}") as caught:
        Rep(ttl=ttl)
    assert (caught.value.layer, caught.value.field) == ("rep", "ttl")


def test_an_answer_repeats_all_words() -> None:
    rig = Rig(Rep())
    peer = rig.peer()
    words = b"\0\0\0\2\x7f\xff\xff\xff" + ID
    peer.deliver(words + b"question", ID2)
    assert rig.head.take_message() == Message(b"question", b"", peer.id)
    assert rig.head.offer(b"answer")
    assert rig.head.take() == b""
    with pytest.raises(LocalProtocolError, match="a rep socket writes its header itself"):
        rig.head.offer_message(Message(b"", b"words"))
    assert rig.head.offer_message(Message(b""))
    assert peer.sent == [words + b"answer", ID2]
    assert rig.stats.snapshot() | {"sent": 2, "received": 2} == rig.stats.snapshot()


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("ttl", [1, 2, 8, 255])
def test_more_words_than_ttl_are_dropped_and_the_pipe_stays(ttl: int, raw: bool) -> None:
    rig = Rig(Rep(ttl=ttl, raw=raw))
    peer = rig.peer()
    word = b"\0\0\0\1"
    peer.deliver(word * ttl + ID + b"too far", word * (ttl - 1) + ID + b"just near enough")
    assert rig.head.take() == b"just near enough"
    assert rig.head.take() is None
    assert rig.stats.looped == 1
    assert peer.closed == []
    peer.deliver(word * ttl)  # the words are over the limit before their end is looked for
    assert rig.stats.looped == 2
    assert peer.closed == []


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("bad", [b"", b"\x80", b"\x80\0\0", b"\0\0\0\1", b"\0\0\0\1\x80\0\0"])
def test_a_request_without_an_id_closes_the_pipe_after_the_good_ones(bad: bytes, raw: bool) -> None:
    rig = Rig(Rep(raw=raw))
    peer, other = rig.peer(), rig.peer()
    peer.deliver(ID + b"good", bad, ID2 + b"after")
    (error,) = peer.closed
    assert isinstance(error, RemoteProtocolError)
    assert error.layer == "rep"
    assert peer.wire.calls == ["abort"]
    assert list(rig.raw.pipes) == [other.id]
    assert rig.head.take() == b"good"
    assert rig.head.take() is None


def test_receiving_again_discards_the_request() -> None:
    rig = Rig(Rep())
    peer = rig.peer()
    peer.deliver(ID + b"a", ID2 + b"b")
    assert rig.head.take() == b"a"
    assert rig.head.take() == b"b"
    assert rig.head.offer(b"answer to b")
    assert peer.sent == [ID2 + b"answer to b"]


def test_sending_without_a_request_is_refused() -> None:
    rig = Rig(Rep())
    peer = rig.peer()
    with pytest.raises(LocalProtocolError, match="nothing to answer"):
        rig.head.offer(b"a")
    peer.deliver(ID + b"q")
    assert rig.head.take() == b"q"
    assert rig.head.offer(b"a")
    with pytest.raises(LocalProtocolError):
        rig.head.offer(b"twice")
    assert peer.sent == [ID + b"a"]


def test_a_client_that_has_gone_costs_nothing() -> None:
    rig = Rig(Rep())
    peer, other = rig.peer(), rig.peer()
    peer.deliver(ID + b"q")
    assert rig.head.take() == b"q"
    peer.lose()
    assert rig.head.offer(b"a")
    assert (rig.stats.sent, rig.stats.unheard) == (0, 1)
    assert other.sent == []
    with pytest.raises(LocalProtocolError):
        rig.head.offer(b"a")


def test_a_client_found_gone_while_sending() -> None:
    rig = Rig(Rep())
    peer = rig.peer()
    peer.deliver(ID + b"q")
    assert rig.head.take() == b"q"
    peer.wire.budget = 3
    assert rig.head.offer(b"a")
    assert rig.stats.lost == HEAD + 5 - 3


def test_a_busy_client_is_waited_for() -> None:
    rig = Rig(Rep())
    peer, other = rig.peer(), rig.peer()
    peer.deliver(ID + b"q")
    assert rig.head.take() == b"q"
    peer.busy()
    assert not rig.head.offer(b"a")
    woken = watch(rig.head.sendable)
    peer.busy(False)
    assert woken == ["woken"]
    assert rig.head.offer(b"a")
    assert (peer.sent, other.sent) == ([ID + b"a"], [])


def test_who_waits_for_a_busy_client_is_woken_when_it_goes() -> None:
    rig = Rig(Rep())
    peer = rig.peer()
    peer.deliver(ID + b"q")
    assert rig.head.take() == b"q"
    peer.busy()
    assert not rig.head.offer(b"a")
    woken = watch(rig.head.sendable)
    peer.lose()
    assert woken == ["woken"]
    assert rig.head.offer(b"a")
    assert rig.stats.unheard == 1


def test_rep_gives_one_request_at_a_time() -> None:
    rig = Rig(Rep())
    rig.peer().deliver(ID + b"a", ID2 + b"b")
    assert rig.head.take_many(10) == [b"a"]
    assert rig.head.take_many(10) == [b"b"]


def test_rep_contexts_serve_one_request_each() -> None:
    rig = Rig(Rep())
    one, two = rig.peer(), rig.peer()
    first, second = rig.head.context({}), rig.head.context({})
    one.deliver(ID + b"a")
    two.deliver(ID + b"b")
    assert first.take() == b"a"
    assert second.take() == b"b"
    with pytest.raises(LocalProtocolError):
        rig.head.offer(b"none here")
    assert second.offer(b"B")
    assert first.offer(b"A")
    assert (one.sent, two.sent) == ([ID + b"A"], [ID + b"B"])


def test_a_closed_rep_context_leaves_the_others_alone() -> None:
    rig = Rig(Rep())
    peer = rig.peer()
    context = rig.head.context({})
    peer.deliver(ID + b"a", ID2 + b"b")
    assert context.take() == b"a"
    waiting = watch(context.receivable)
    context.close()
    assert waiting == ["woken"]
    for call in (context.take, context.take_message, lambda: context.offer(b"A")):
        with pytest.raises(Closed, match="the context is closed"):
            call()
    assert rig.head.take() == b"b"
    assert rig.head.offer(b"B")
    assert peer.sent == [ID2 + b"B"]


def test_an_answer_after_closing_is_refused() -> None:
    rig = Rig(Rep())
    rig.peer().deliver(ID + b"q")
    assert rig.head.take() == b"q"
    rig.close()
    for _ in range(2):
        with pytest.raises(Closed):
            rig.head.offer(b"a")


def test_a_question_that_was_not_answered_is_counted() -> None:
    rig = Rig(Rep())
    rig.peer().deliver(ID + b"one", ID + b"two")
    assert rig.head.take() == b"one"
    assert rig.head.take() == b"two"
    assert rig.head.offer(b"answer")
    assert rig.head.take() is None
    assert (rig.stats.received, rig.stats.unanswered) == (2, 1)
