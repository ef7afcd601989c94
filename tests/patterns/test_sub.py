"""SUB: topics, contexts, what is dropped and counted, and other threads at the inbox."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sockstack.core.errors import Closed, LocalProtocolError, StackError
from sockstack.core.filtering import Filter
from sockstack.core.head import Message
from sockstack.core.layer import MANY, Chunks
from sockstack.layers.checksum import ChecksumLayer
from sockstack.patterns.pubsub import Pub, Sub, SubHead

from .fakes import Rig, watch


def sub(rig: Rig) -> SubHead:
    assert isinstance(rig.head, SubHead)
    return rig.head


def test_topics_are_prefixes() -> None:
    rig = Rig(Sub(b"weather.", b"sport"))
    peer = rig.peer()
    woken = watch(rig.head.receivable)
    peer.deliver(b"news: none", b"", b"weather", b"Weather.x")
    assert woken == []
    peer.deliver(b"weather.", b"sports", b"a weather.", b"weather.nice")
    assert woken == ["woken"]
    assert rig.head.take_many(9) == [b"weather.", b"sports", b"weather.nice"]
    assert rig.head.take() is None
    assert (rig.stats.received, rig.stats.unmatched) == (3, 5)
    assert peer.wire.credit == MANY


def test_without_a_topic_nothing_is_received() -> None:
    rig = Rig(Sub())
    peer = rig.peer()
    peer.deliver(b"news", b"")
    assert rig.head.take() is None
    assert rig.stats.unmatched == 2
    sub(rig).subscribe(b"")
    peer.deliver(b"more", b"")
    assert rig.head.take_many(9) == [b"more", b""]


def test_messages_of_all_peers_come_in_the_order_of_arrival_with_their_pipes() -> None:
    rig = Rig(Sub(b""))
    one, two = rig.peer(), rig.peer()
    one.deliver(b"1", b"2")
    two.deliver(b"3")
    one.deliver(b"4")
    one.lose()
    got = [rig.head.take_message() for _ in range(5)]
    assert got == [
        Message(b"1", b"", one.id),
        Message(b"2", b"", one.id),
        Message(b"3", b"", two.id),
        Message(b"4", b"", one.id),
        None,
    ]


def test_recv_many_collects_several_batches() -> None:
    rig = Rig(Sub(b""))
    peer = rig.peer()
    assert rig.head.take_many(9) is None
    for number in range(5):
        peer.deliver(b"%da" % number, b"%db" % number)
    assert rig.head.take_many(3) == [b"0a", b"0b", b"1a"]
    assert list(rig.head.inbox) == [b"1b"]
    assert rig.head.take_many(9) == [b"1b", b"2a", b"2b", b"3a", b"3b", b"4a", b"4b"]


@pytest.mark.parametrize("batch", [1, 3, 10])
@pytest.mark.parametrize("taken", [0, 1])
def test_too_much_drops_the_oldest(batch: int, taken: int) -> None:
    rig = Rig(Sub(b"", recv_buffer=4))
    peer = rig.peer()
    if taken:  # the inbox is in use
        peer.deliver(b"a", b"b", b"c")
        assert rig.head.take() == b"a"
    bodies = [b"%d" % number for number in range(10)]
    for start in range(0, 10, batch):
        peer.deliver(*bodies[start : start + batch])
    assert rig.head.take_many(99) == bodies[-4:]
    arrived = 10 + 3 * taken
    assert (rig.stats.overrun, rig.stats.received) == (arrived - 4 - taken, 4 + taken)


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_too_much_drops_the_newest_where_that_was_asked_for(batch: int) -> None:
    rig = Rig(Sub(b"", recv_buffer=4, prefer_new=False))
    peer = rig.peer()
    bodies = [b"%d" % number for number in range(10)]
    for start in range(0, 10, batch):
        peer.deliver(*bodies[start : start + batch])
    assert rig.head.take() == b"0"
    peer.deliver(b"room", b"no room")
    assert rig.head.take_many(99) == [b"1", b"2", b"3", b"room"]
    assert (rig.stats.overrun, rig.stats.received) == (7, 5)


def test_subscribing_twice_is_one_subscription() -> None:
    rig = Rig(Sub(b"a", b"a"))
    peer = rig.peer()
    sub(rig).subscribe(b"a")
    assert sub(rig).topics == (b"a",)
    peer.deliver(b"a1")
    assert rig.head.take_many(9) == [b"a1"]
    sub(rig).unsubscribe(b"a")
    peer.deliver(b"a2")
    assert rig.head.take() is None


def test_subscribing_does_not_look_at_all_other_topics() -> None:
    hashed: list[bytes] = []

    class Topic(bytes):
        def __hash__(self) -> int:
            hashed.append(self)
            return super().__hash__()

    rig = Rig(Sub())
    peer = rig.peer()
    topics = [Topic(b"%03d." % number) for number in range(300)]
    for topic in topics:
        sub(rig).subscribe(topic)
    for topic in topics[100:]:
        sub(rig).unsubscribe(topic)
    peer.deliver(*(topic + b"news" for topic in topics))
    assert len(rig.head.take_many(999) or []) == 100
    assert len(hashed) < 2000


def test_unsubscribing_may_leave_nothing() -> None:
    rig = Rig(Sub(b"a"))
    peer = rig.peer()
    peer.deliver(b"a1", b"a2")
    peer.deliver(b"a3")
    waiting = [rig.head.can_recv]
    sub(rig).unsubscribe(b"a")
    waiting.append(rig.head.can_recv)
    assert waiting == [True, False]
    assert rig.head.take_many(9) is None
    assert (rig.stats.received, rig.stats.unmatched) == (0, 3)


def test_unsubscribing_drops_what_waits_and_matches_no_more() -> None:
    rig = Rig(Sub(b"a", b"ab", b"c"))
    peer = rig.peer()
    peer.deliver(b"c0", b"a1", b"ab2", b"c3", b"a4")
    assert rig.head.take() == b"c0"  # the rest of this batch waits in the inbox
    peer.deliver(b"a5")
    peer.deliver(b"a6", b"c7", b"ab8")
    sub(rig).unsubscribe(b"a")
    assert (rig.stats.received, rig.stats.unmatched) == (5, 4)
    peer.deliver(b"a9", b"ab10")
    assert rig.head.take_many(99) == [b"ab2", b"c3", b"c7", b"ab8", b"ab10"]
    assert rig.head.take() is None


def test_unsubscribing_keeps_what_another_topic_fits_and_the_room_is_free_again() -> None:
    rig = Rig(Sub(b"", b"a", recv_buffer=2))
    peer = rig.peer()
    peer.deliver(b"a1", b"x2")
    sub(rig).unsubscribe(b"a")
    assert rig.stats.unmatched == 0
    sub(rig).subscribe(b"x")
    sub(rig).unsubscribe(b"")
    peer.deliver(b"x3")
    assert rig.stats.overrun == 0
    assert rig.head.take_many(9) == [b"x2", b"x3"]


def test_a_topic_that_is_not_there_cannot_be_taken_back() -> None:
    rig = Rig(Sub(b"ab"))
    with pytest.raises(LocalProtocolError, match=r"no subscription to b'a'"):
        sub(rig).unsubscribe(b"a")
    with pytest.raises(LocalProtocolError, match="no subscription"):
        sub(rig).unsubscribe(b"")


def test_topics_are_bytes() -> None:
    topic: Any = "weather."
    with pytest.raises(StackError, match=r"a topic is bytes, not 'weather\.'") as refused:
        Sub(topic)
    assert (refused.value.layer, refused.value.field) == ("sub", "topics")
    with pytest.raises(TypeError, match="a topic is bytes"):
        sub(Rig(Sub())).subscribe(topic)


@pytest.mark.parametrize("make", [lambda: Sub(recv_buffer=0), lambda: Pub(send_buffer=0)])
def test_a_queue_holds_a_message_at_least(make: Callable[[], object]) -> None:
    with pytest.raises(StackError, match="_buffer is 1 message or more, not 0"):
        make()


def test_specs_with_the_same_topics_are_equal() -> None:
    assert Sub(b"a", b"b") == Sub(b"a", b"b") != Sub(b"b", b"a")
    assert {Sub(b"a"), Sub(b"a")} == {Sub(b"a")}
    assert Sub(b"a").topics == (b"a",)


def test_topics_are_compared_behind_the_filters() -> None:
    class Backwards(Filter):
        def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
            return [unit[::-1] for unit in units]

        def decode(self, units: list[bytes]) -> list[bytes | None]:
            return [unit[::-1] for unit in units]

    rig = Rig(Sub(b"ab"), ChecksumLayer(), Backwards())
    peer = rig.peer()
    summed = ChecksumLayer().encode([b"abc", b"cba", b"ab"])
    units = [unit[::-1] for unit in summed if isinstance(unit, bytes)]
    peer.deliver(b"bad", *units, b"worse")
    assert rig.head.take_many(9) == [b"abc", b"ab"]
    assert (rig.stats.refused, rig.stats.unmatched) == (2, 1)
    peer.deliver(b"bad")
    assert rig.head.take() is None
    assert peer.closed == []


# Contexts.


def test_each_context_has_topics_and_a_queue_of_its_own() -> None:
    rig = Rig(Sub(b"a", recv_buffer=2))
    peer = rig.peer()
    one, two = rig.head.context({}), rig.head.context({})
    assert isinstance(one, SubHead)
    assert isinstance(two, SubHead)
    one.subscribe(b"ab")
    woken = watch(one.receivable), watch(two.receivable)
    peer.deliver(b"ab1", b"a2", b"x3")
    assert woken == (["woken"], [])
    peer.deliver(b"ab4", b"ab5")
    assert rig.head.take_many(9) == [b"ab4", b"ab5"]
    assert one.take_many(9) == [b"ab4", b"ab5"]
    assert two.take_many(9) is None
    assert (rig.stats.unmatched, rig.stats.overrun) == (1, 2 + 1)
    two.subscribe(b"")
    peer.deliver(b"x6")
    assert two.take_message() == Message(b"x6", b"", peer.id)
    assert rig.stats.unmatched == 1
    sub(rig).unsubscribe(b"a")
    peer.deliver(b"ab7")
    assert (rig.head.take(), one.take(), two.take()) == (None, b"ab7", b"ab7")


def test_a_closed_context_receives_nothing_and_is_forgotten() -> None:
    rig = Rig(Sub())
    peer = rig.peer()
    context = rig.head.context({})
    assert isinstance(context, SubHead)
    context.subscribe(b"")
    peer.deliver(b"1")
    woken = watch(context.receivable)
    context.close()
    context.close()
    assert woken == ["woken"]
    for call in (context.take, lambda: context.context({}), lambda: context.subscribe(b"")):
        with pytest.raises(Closed, match="the context is closed"):
            call()
    peer.deliver(b"2")
    assert rig.stats.unmatched == 1
    assert not context.inbox


def test_closing_the_socket_drops_everything_and_tells_those_who_wait() -> None:
    rig = Rig(Sub(b""))
    context = rig.head.context({})
    assert isinstance(context, SubHead)
    context.subscribe(b"")
    peer = rig.peer()
    peer.deliver(b"1", b"2")
    assert rig.head.take() == b"1"
    peer.deliver(b"3")
    woken = watch(context.receivable), watch(rig.head.receivable)
    rig.close()
    assert woken == (["woken"], ["woken"])
    for head in (rig.head, context):
        assert not head.inbox
        with pytest.raises(Closed, match="the socket is closed"):
            head.take()
        with pytest.raises(Closed, match="the socket is closed"):
            head.take_many(9)
    with pytest.raises(Closed):
        sub(rig).subscribe(b"late")
    with pytest.raises(Closed):
        rig.head.context({})


# Other threads take from the inbox without the lock.


class Robbed(deque[bytes]):
    """An inbox from which somebody else takes the oldest message just before each step of ours.

    Attributes:
        stolen: what was taken so.
        greed: how many times still.
    """

    def __init__(self, bodies: Sequence[bytes], greed: int) -> None:
        super().__init__(bodies)
        self.stolen: list[bytes] = []
        self.greed = greed

    def rob(self) -> None:
        if self.greed and self:
            self.greed -= 1
            self.stolen.append(super().popleft())

    def pop(self) -> bytes:  # type: ignore[override]
        self.rob()
        return super().pop()

    def popleft(self) -> bytes:
        self.rob()
        return super().popleft()


def robbed(rig: Rig, bodies: Sequence[bytes], greed: int) -> Robbed:
    """Messages in the inbox of a socket, as after a first ``take``."""
    (peer,) = rig.peers
    peer.deliver(b"first", *bodies)
    assert rig.head.take() == b"first"
    rig.head.inbox = inbox = Robbed(rig.head.inbox, greed)
    return inbox


@pytest.mark.parametrize("greed", range(7))
def test_unsubscribing_while_another_thread_takes(greed: int) -> None:
    rig = Rig(Sub(b"", b"a"))
    rig.peer()
    bodies = [b"a1", b"b2", b"a3", b"b4", b"a5", b"b6"]
    inbox = robbed(rig, bodies, greed)
    sub(rig).unsubscribe(b"")
    inbox.greed = 0
    left = rig.head.take_many(99) or []
    taken = len(inbox.stolen)
    assert inbox.stolen == bodies[:taken]
    assert left == [body for body in bodies[taken:] if body.startswith(b"a")]
    assert rig.stats.received == 1 + taken + len(left)
    assert rig.stats.unmatched == 6 - taken - len(left)


@pytest.mark.parametrize("greed", range(7))
def test_dropping_the_oldest_while_another_thread_takes(greed: int) -> None:
    rig = Rig(Sub(b"", recv_buffer=7))
    (peer,) = [rig.peer()]
    bodies = [b"1", b"2", b"3", b"4", b"5", b"6"]
    inbox = robbed(rig, bodies, greed)
    more = [b"7", b"8", b"9", b"10", b"11"]
    peer.deliver(*more)
    inbox.greed = 0
    left = rig.head.take_many(99) or []
    assert sorted(inbox.stolen + left, key=int) == inbox.stolen + left
    assert left == [*bodies, *more][-len(left) :]
    assert len(left) <= 7
    assert rig.stats.overrun == 11 - len(left) - len(inbox.stolen)
    assert rig.stats.received == 1 + len(left) + len(inbox.stolen)


@pytest.mark.parametrize("greed", range(4))
def test_receiving_while_another_thread_takes(greed: int) -> None:
    rig = Rig(Sub(b""))
    peer = rig.peer()
    inbox = robbed(rig, [b"1", b"2"], greed)
    peer.deliver(b"3")
    got: list[bytes] = []
    while (body := rig.head.take()) is not None:
        got.append(body)
    assert sorted(inbox.stolen + got) == [b"1", b"2", b"3"]
    assert got == sorted(got)
