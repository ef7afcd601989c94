"""PUSH and PULL: batches shared out, what a dead pipe had not begun, the fair queue, end filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import NoPeers, StackError
from sockstack.core.head import Message
from sockstack.core.layer import MANY
from sockstack.layers.checksum import ChecksumLayer
from sockstack.patterns.batches import BATCH
from sockstack.patterns.pair import Pair0, Pair1
from sockstack.patterns.pipeline import Pull, Push, RawPush

from .fakes import HEAD, Rig, watch

# PUSH.


def test_what_a_peer_sends_to_push_is_dropped_and_the_pipe_stays() -> None:
    rig = Rig(Push())
    peer = rig.peer()
    peer.deliver(b"no", b"thanks")
    assert rig.stats.stray == 2
    assert peer.closed == []
    assert peer.wire.credit == MANY


def test_a_batch_is_shared_out_over_the_pipes_that_are_ready() -> None:
    rig = Rig(Push())
    peers = [rig.peer() for _ in range(3)]
    busy = rig.peer(ready=False)
    bodies = [b"%d" % number for number in range(10)]
    assert rig.head.offer_many(bodies) == 10
    assert [len(peer.sent) for peer in peers] == [4, 3, 3]
    assert [len(peer.wire.batches) for peer in peers] == [1, 1, 1]
    assert [body for peer in peers for body in peer.sent] == bodies
    assert busy.sent == []
    assert rig.stats.sent == 10


def test_nobody_is_given_more_than_a_share_in_bytes() -> None:
    rig = Rig(Push())
    peer = rig.peer()
    bodies = [b"x" * (BATCH // 4)] * 10 + [b"y" * (BATCH + 1)] + [b"z"]
    assert rig.head.offer_many(bodies) == len(bodies)
    assert peer.sent == bodies
    sizes = [sum(map(len, batch)) for batch in peer.wire.batches]
    assert sizes == [BATCH, BATCH, BATCH // 2, BATCH + 1, 1]


def test_a_pipe_that_is_busy_gets_no_more_of_a_batch() -> None:
    rig = Rig(Push())
    peer = rig.peer()
    send = peer.wire.send

    def once(units: Sequence[Any]) -> None:
        send(units)
        peer.busy()

    peer.pipe.below.send = once
    bodies = [b"x" * BATCH] * 3
    assert rig.head.offer_many(bodies) == 1
    assert rig.stats.sent == 1
    assert not rig.head.can_send
    assert rig.head.offer_many(bodies) == 0
    peer.busy(False)
    assert rig.head.can_send


def test_an_empty_batch_is_no_message() -> None:
    rig = Rig(Push())
    peer = rig.peer()
    assert rig.head.offer_many([]) == 0
    assert peer.wire.batches == []


@pytest.mark.parametrize("budget", range(3 * (HEAD + 2)))
def test_what_a_dead_pipe_had_not_begun_goes_to_another(budget: int) -> None:
    rig = Rig(Push())
    dying = rig.peer()
    dying.wire.budget = budget
    other = rig.peer(ready=False)
    whole, part = divmod(budget, HEAD + 2)
    begun = whole + (part > 0)
    assert rig.head.offer_many([b"aa", b"bb", b"cc"]) == 3
    assert dying.sent == [b"aa", b"bb", b"cc"][:whole]
    assert rig.stats.sent == 3
    assert rig.stats.lost == (HEAD + 2 - part if part else 0)
    assert rig.raw.unsent == 2 * (3 - begun)
    assert rig.head.can_send is False
    other.busy(False)
    assert other.sent == [b"aa", b"bb", b"cc"][begun:]
    assert rig.raw.unsent == 0


def test_the_rest_goes_on_within_the_same_batch() -> None:
    rig = Rig(Push())
    dying, other = rig.peer(), rig.peer()
    dying.wire.budget = HEAD + 1
    assert rig.head.offer_many([b"a", b"b", b"c", b"d"]) == 4
    assert dying.sent == [b"a"]
    assert other.sent == [b"b", b"c", b"d"]
    assert (rig.stats.sent, rig.stats.lost) == (4, 0)


def test_so_it_does_if_a_layer_takes_the_batch_apart() -> None:
    """Most of it is given to a link that is dead by then, which counts it as unsent."""
    rig = Rig(Push())
    dying = rig.peer()
    dying.wire.budget = HEAD + 1
    dying.wire.apart = True
    assert rig.head.offer_many([b"a", b"b", b"c", b"d"]) == 4
    assert dying.sent == [b"a"]
    assert rig.peer().sent == [b"b", b"c", b"d"]
    assert (rig.stats.sent, rig.stats.lost) == (4, 0)


@pytest.mark.parametrize(("budget", "moved"), [(0, True), (1, False), (HEAD + 1, False)])
def test_a_single_message_too(budget: int, moved: bool) -> None:
    rig = Rig(Push())
    dying, other = rig.peer(), rig.peer()
    dying.wire.budget = budget
    assert rig.head.offer(b"aa")
    assert other.sent == ([b"aa"] if moved else [])
    assert rig.stats.lost == (0 if moved else HEAD + 2 - budget)
    assert rig.stats.sent == 1


def test_all_pipes_are_found_dead() -> None:
    rig = Rig(Push())
    for _ in range(3):
        rig.peer().wire.budget = 0
    assert rig.head.offer_many([b"a", b"b"]) == 1
    assert not rig.raw.pipes
    assert not rig.head.offer(b"c"), "what is not accepted stays with the caller"
    assert rig.peer().sent == [b"a"]
    assert (rig.stats.sent, rig.stats.lost) == (1, 0)


def test_what_was_accepted_earlier_is_lost_with_the_pipe_and_counted() -> None:
    rig = Rig(Push())
    peer = rig.peer()
    assert rig.head.offer(b"old")
    peer.lose(unsent=HEAD + 3)
    assert rig.stats.lost == HEAD + 3


def test_rescued_messages_have_been_through_the_filters() -> None:
    rig = Rig(Push(), ChecksumLayer())
    dying, other = rig.peer(), rig.peer()
    dying.wire.budget = 0
    assert rig.head.offer_many([b"a", b"b"]) == 2
    assert rig.head.offer(b"c")
    assert set(ChecksumLayer().decode(other.sent)) == {b"a", b"b", b"c"}
    assert rig.stats.lost == 0


class TestSendOptions:
    """Of PUSH and PAIR alike."""

    @pytest.fixture(params=[Push, Pair0, Pair1])
    def pattern(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    def test_a_send_buffer(self, pattern: Any) -> None:
        rig = Rig(pattern(send_buffer=2))
        assert [rig.head.offer(b"%d" % number) for number in range(3)] == [True, True, False]
        assert rig.stats.sent == 2
        assert not rig.head.flowing
        peer = rig.peer()
        assert [unit[-1:] for unit in peer.sent] == [b"0", b"1"]
        assert rig.head.flowing

    def test_what_is_in_the_buffer_when_the_socket_closes_is_counted(self, pattern: Any) -> None:
        rig = Rig(pattern(send_buffer=2))
        assert rig.head.offer(b"abc")
        assert rig.raw.unsent >= 3
        lost = rig.raw.unsent
        rig.close()
        assert rig.stats.lost == lost

    def test_best_effort(self, pattern: Any) -> None:
        rig = Rig(pattern(best_effort=True, send_buffer=1))
        assert rig.head.can_send
        assert [rig.head.offer(b"%d" % number) for number in range(3)] == [True] * 3
        assert (rig.stats.sent, rig.stats.unheard) == (3, 2)
        peer = rig.peer()
        assert [unit[-1:] for unit in peer.sent] == [b"0"]
        peer.busy()
        assert rig.head.offer_many([b"1", b"2", b"3"]) == 3
        assert (rig.stats.sent, rig.stats.shed) == (6, 2)
        peer.busy(False)
        assert [unit[-1:] for unit in peer.sent] == [b"0", b"1"]

    def test_fail_no_peers(self, pattern: Any) -> None:
        rig = Rig(pattern(fail_no_peers=True))
        with pytest.raises(NoPeers, match="nobody is connected"):
            rig.head.offer(b"a")
        assert rig.head.offer_many([b"a"]) == 0
        peer = rig.peer(ready=False)
        assert not rig.head.offer(b"a"), "somebody is there, but busy"
        woken = watch(rig.head.sendable)
        peer.lose()
        assert woken
        with pytest.raises(NoPeers):
            rig.head.offer(b"a")
        assert rig.stats.sent == 0

    @pytest.mark.parametrize("size", [-1, 8193])
    def test_buffers_have_an_end(self, pattern: Any, size: int) -> None:
        with pytest.raises(StackError, match="send_buffer is 0 to 8192"):
            pattern(send_buffer=size)


@given(
    st.lists(st.binary(max_size=6), max_size=12),
    st.lists(st.one_of(st.none(), st.integers(0, 80)), max_size=4),
)
def test_each_message_is_begun_at_most_once_and_none_is_forgotten(
    bodies: list[bytes], budgets: list[int | None]
) -> None:
    bodies = [b"%d:" % number + body for number, body in enumerate(bodies)]
    rig = Rig(Push())
    peers = [rig.peer() for _ in budgets]
    for peer, budget in zip(peers, budgets, strict=True):
        peer.wire.budget = budget
    done = rig.head.offer_many(bodies)
    written = [body for peer in peers for body in peer.sent]
    assert len(set(written)) == len(written)
    assert isinstance(rig.raw, RawPush)
    waiting = set(rig.raw.waiting)
    assert waiting.isdisjoint(written)
    left = set(bodies[:done]) - set(written) - waiting  # accepted, and cut off in the middle
    assert left <= {peer.wire.cut[0] for peer in peers if peer.wire.cut}
    assert set(written).isdisjoint(bodies[done:])
    assert done == len(bodies) or not rig.raw.pipes
    assert (rig.stats.sent, rig.stats.lost > 0) == (done, bool(left))


# PULL.


def test_pull_takes_from_all_pipes_in_the_order_of_arrival() -> None:
    rig = Rig(Pull())
    one, two = rig.peer(), rig.peer()
    woken = watch(rig.head.receivable)
    one.deliver(b"1", b"2")
    assert woken == ["woken"]
    two.deliver(b"3")
    one.deliver(b"", b"5")
    got = [rig.head.take_message() for _ in range(5)]
    assert [(m.body, m.pipe, m.header) for m in got if m is not None] == [
        (b"1", one.id, b""),
        (b"2", one.id, b""),
        (b"3", two.id, b""),
        (b"", one.id, b""),
        (b"5", one.id, b""),
    ]
    assert rig.head.take() is None
    assert rig.stats.received == 5


def test_recv_many_collects_several_batches() -> None:
    rig = Rig(Pull())
    one, two = rig.peer(), rig.peer()
    assert rig.head.take_many(5) is None
    one.deliver(b"1", b"2")
    two.deliver(b"3")
    one.deliver(b"4", b"5")
    assert rig.head.take_many(4) == [b"1", b"2", b"3", b"4"]
    assert rig.head.take_many(4) == [b"5"]
    assert rig.head.take_many(4) is None


def test_one_that_sends_a_lot_is_stopped_and_the_others_are_not() -> None:
    rig = Rig(Pull())
    loud, quiet = rig.peer(), rig.peer()
    for number in range(100):
        loud.deliver(b"%d" % number)
    quiet.deliver(b"me too")
    assert loud.wire.credit == 0
    assert len(loud.wire.held) == 92
    assert quiet.wire.credit == MANY
    got = rig.head.take_many(1000)
    assert got is not None
    assert got[8] == b"me too"
    assert [body for body in got if body != b"me too"] == [b"%d" % n for n in range(100)]
    assert loud.wire.credit == MANY


def test_one_batch_taken_lets_one_more_in() -> None:
    rig = Rig(Pull())
    peer = rig.peer()
    for number in range(20):
        peer.deliver(b"%da" % number, b"%db" % number)
    assert len(peer.wire.held) == 12
    assert rig.head.take() == b"0a"
    assert len(peer.wire.held) == 11
    assert rig.head.take() == b"0b"
    assert len(peer.wire.held) == 11
    assert peer.wire.credit == 0


def test_a_dead_pipe_is_not_asked_for_more() -> None:
    rig = Rig(Pull())
    peer = rig.peer()
    for _ in range(8):
        peer.deliver(b"m")
    assert peer.wire.credit == 0
    peer.lose()
    assert rig.head.take_many(10) == [b"m"] * 8
    assert peer.wire.credit == 0


def test_refused_messages_are_counted_and_their_neighbours_pass() -> None:
    rig = Rig(Pull(), ChecksumLayer())
    good = [unit for unit in ChecksumLayer().encode([b"a", b""]) if isinstance(unit, bytes)]
    peer = rig.peer()
    woken = watch(rig.head.receivable)
    peer.deliver(b"bad", b"", b"worse")
    assert woken == []
    peer.deliver(good[0], b"bad!", good[1])
    assert rig.head.take_many(10) == [b"a", b""]
    assert (rig.stats.refused, rig.stats.received) == (4, 2)
    assert peer.closed == []


def test_filters_in_two_layers_count_each_message_once() -> None:
    rig = Rig(Pull(), ChecksumLayer(), ChecksumLayer())
    inner, outer = ChecksumLayer(), ChecksumLayer()
    half = outer.encode([b"not inner"])
    both = outer.encode(inner.encode([b"both"]))
    peer = rig.peer()
    units = [unit for unit in (*half, b"neither", *both) if isinstance(unit, bytes)]
    peer.deliver(*units)
    assert rig.head.take_many(9) == [b"both"]
    assert rig.stats.refused == 2


def test_pull_never_answers() -> None:
    rig = Rig(Pull())
    peer = rig.peer()
    peer.deliver(b"a")
    assert rig.head.take_message() == Message(b"a", b"", peer.id)
    assert peer.sent == []
