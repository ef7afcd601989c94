"""What a head does where its pattern says nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockstack.core.errors import Closed, LocalProtocolError
from sockstack.core.head import Head, Message, Stats


class Bounded(Head):
    """Takes as many as there is room, gives what it took."""

    name = "bounded"

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def offer(self, body: bytes) -> bool:
        if len(self.inbox) == self.room:
            return False
        self.inbox.append(body)
        return True

    def take(self) -> bytes | None:
        return self.inbox.popleft() if self.inbox else None


class Greedy(Bounded):
    """Gives several at once."""

    def _more(self) -> bytes | None:
        return self.take()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda head: head.offer(b""), "a socket socket does not send [socket]"),
        (lambda head: head.offer_many([b""]), "a socket socket does not send [socket]"),
        (lambda head: head.offer_message(Message(b"")), "a socket socket does not send [socket]"),
        (lambda head: head.take(), "a socket socket does not receive [socket]"),
        (lambda head: head.take_many(1), "a socket socket does not receive [socket]"),
        (lambda head: head.take_message(), "a socket socket does not receive [socket]"),
        (lambda head: head.context({}), "a socket socket has no contexts [socket]"),
    ],
)
def test_what_a_pattern_does_not_say_is_refused(call: Callable[[Head], Any], text: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        call(Head())
    assert str(caught.value) == text


def test_the_name_is_the_patterns() -> None:
    class Push(Head):
        name = "push"

    with pytest.raises(LocalProtocolError, match=r"a push socket does not receive \[push\]"):
        Push().take()


def test_offers_are_taken_from_the_front() -> None:
    head = Bounded(2)
    assert head.offer_many([]) == 0
    assert head.offer_many([b"1", b"2", b"3"]) == 2
    assert head.offer_many([b"3"]) == 0
    assert list(head.inbox) == [b"1", b"2"]


class Choosy(Bounded):
    """Refuses to take an empty message."""

    def offer(self, body: bytes) -> bool:
        if not body:
            raise ValueError("it is empty")
        return super().offer(body)


def test_offers_raise_only_if_none_was_taken() -> None:
    head = Choosy(3)
    assert head.offer_many([b"1", b"2", b"", b"3"]) == 2
    for _ in range(2):
        with pytest.raises(ValueError, match="it is empty"):
            head.offer_many([b"", b"3"])
    assert head.offer_many([b"3", b"4", b""]) == 1
    assert list(head.inbox) == [b"1", b"2", b"3"]


def test_messages_are_not_collected_unless_the_pattern_says_so() -> None:
    assert not Head().bursts


def test_a_message_is_offered_without_what_came_beside_it() -> None:
    head = Bounded(1)
    assert head.offer_message(Message(b"body", pipe=7))
    with pytest.raises(LocalProtocolError, match="writes its header itself: only a raw one takes"):
        head.offer_message(Message(b"body", b"header"))
    assert not head.offer_message(Message(b"body"))
    assert list(head.inbox) == [b"body"]


def test_one_at_a_time_where_each_is_answered() -> None:
    head = Bounded(3)
    assert head.take_many(5) is None
    head.offer_many([b"1", b"2"])
    assert head.take_many(5) == [b"1"]


def test_several_where_the_pattern_allows_it() -> None:
    head = Greedy(5)
    assert head.take_many(5) is None
    head.offer_many([b"1", b"", b"3"])
    assert head.take_many(2) == [b"1", b""]
    assert head.take_many(2) == [b"3"]


def test_close_wakes_who_waits_and_refuses_from_then_on() -> None:
    head, woken = Head(), list[str]()
    head.receivable.add(lambda: woken.append("receivable"))
    head.sendable.add(lambda: woken.append("sendable"))
    head.check()
    assert not head.closed
    head.close()
    assert woken == ["receivable", "sendable"]
    with pytest.raises(Closed, match="the context is closed"):
        head.check()
    assert not Head().closed, "the others are open"


def test_a_message() -> None:
    message = Message(b"body")
    assert (message.header, message.pipe, message.marks) == (b"", 0, {})
    assert message == Message(b"body")
    assert message != Message(b"body", pipe=1)
    assert Message(b"").marks is not Message(b"").marks


def test_stats() -> None:
    stats = Stats(sent=1)
    stats.lost += 5
    shot = stats.snapshot()
    assert (shot.pop("sent"), shot.pop("lost")) == (1, 5)
    assert set(shot.values()) == {0}
    shot = stats.snapshot()
    stats.sent = 2
    assert shot["sent"] == 1
