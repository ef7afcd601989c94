"""The end of a connection without a pattern: its life, its credit, and layers that come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.chain import Chain
from sockstack.core.connection import ConnectionCore
from sockstack.core.errors import (
    EndOfStream,
    LocalProtocolError,
    PeerAborted,
    SockstackError,
    StackError,
    TooBig,
)
from sockstack.core.layer import MANY
from sockstack.core.life import LIFE, Event, State
from sockstack.core.spec import LayerSpec, Role
from sockstack.layers.checksum import Checksum
from sockstack.layers.line import Line
from sockstack.layers.prefix import Prefix
from sockstack.testing.memory import STREAM, connect

from .fakes import Wire
from .rig import Nowhere
from .toys import Floor, Misbuilt, Part, Plain, Stuck

MESSAGES = Capabilities(Unit.MESSAGE, max_unit=10)


class Base(Floor):
    """A bottom that opens at once."""

    record = STREAM

    def open(self) -> None:
        super().open()
        self.above.opened(self.record)


def make(
    *specs: LayerSpec, record: Capabilities = STREAM, opened: bool = True
) -> tuple[ConnectionCore, Base]:
    """A connection over a scripted bottom."""
    core, base = ConnectionCore(), Base()
    base.record = record
    core.chain = Chain((*specs, Wire(record)), base, record, Role.DIALER, core, Nowhere())
    if opened:
        core.chain.open()
    return core, base


def prefixed(unit: bytes) -> bytes:
    return len(unit).to_bytes(4, "big") + unit


def woken(core: ConnectionCore) -> list[str]:
    """Notes whom the gates wake, until each has opened once."""
    log: list[str] = []
    core.receivable.add(lambda: log.append("receivable"))
    core.sendable.add(lambda: log.append("sendable"))
    return log


ACTS: dict[Event, Callable[[ConnectionCore, Base], None]] = {
    Event.OPENED: lambda core, base: core.chain.open(),
    Event.END: lambda core, base: core.end(),
    Event.ENDED: lambda core, base: base.finish(),
    Event.BREAK: lambda core, base: base.above.broken(PeerAborted("cut")),
}
"""How a test brings an event about."""


class TestLife:
    @given(st.lists(st.sampled_from([Event.END, Event.ENDED, Event.BREAK]), max_size=5))
    def test_every_step_is_one_of_the_table(self, events: list[Event]) -> None:
        core, base = make(opened=False)
        state = State.OPENING
        for event in [Event.OPENED, *events]:
            assert core.state is state
            ACTS[event](core, base)
            state = LIFE[state, event]
            if state is State.BROKEN:
                break
        assert core.state is state
        self.may(core, state)

    def may(self, core: ConnectionCore, state: State) -> None:
        """What is allowed in a state, and what is said of what is not."""
        if state.may_send:
            assert core.offer(b"x")
        else:
            with pytest.raises(SockstackError, match=r"cut|cannot send: our output was ended"):
                core.offer(b"x")
        if state.may_receive:
            assert core.take() is None
        else:
            with pytest.raises(SockstackError, match=r"cut|the peer has ended its output"):
                core.take()

    def test_opening(self) -> None:
        core, _ = make(opened=False)
        log: list[Any] = []
        core.on_opened = lambda: log.append("opened")
        gates = woken(core)
        assert core.is_open() is None
        for call in (core.take, lambda: core.offer(b"")):
            with pytest.raises(LocalProtocolError, match="the connection is opening"):
                call()
        core.end()
        assert core.state is State.OPENING, "what is not open cannot end"
        core.chain.open()
        assert core.is_open() is True
        assert log == ["opened"]
        assert gates == ["receivable"]

    def test_it_did_not_open(self) -> None:
        core, base = make(opened=False)
        log: list[Any] = []
        core.on_closed = log.append
        error = PeerAborted("refused")
        base.above.broken(error)
        with pytest.raises(PeerAborted, match="refused"):
            core.is_open()
        assert log == [error]

    def test_end_comes_down_once(self) -> None:
        core, base = make()
        core.end()
        core.end()
        assert base.calls == ["open", "end"]

    def test_abort(self) -> None:
        core, base = make(Line())
        log: list[Any] = []
        core.on_closed = log.append
        gates = woken(core)
        error = SockstackError("enough")
        core.abort(error)
        core.abort(SockstackError("again"))
        assert base.calls == ["open", "abort"]
        assert log == [error]
        assert gates == ["receivable", "sendable"]
        with pytest.raises(SockstackError, match="enough"):
            core.take()

    def test_abort_without_a_reason(self) -> None:
        core, _ = make()
        core.abort()
        with pytest.raises(LocalProtocolError, match="cannot send: the connection is broken"):
            core.offer(b"x")

    def test_forgotten_by_a_forked_child(self) -> None:
        core, base = make()
        log: list[Any] = []
        core.on_closed = log.append
        core.forget(SockstackError("the parent has it"))
        assert base.calls == ["open"], "not a word to the peer"
        assert log == []
        with pytest.raises(SockstackError, match="the parent has it"):
            core.offer(b"x")

    def test_what_broke_it_is_raised_again_and_again(self) -> None:
        """Each time a fresh error, with the first one as its cause: tracebacks do not grow."""
        core, base = make()
        first = PeerAborted("cut", layer="wire", path="wire")
        base.above.broken(first)
        raised = []
        for call in (core.take, lambda: core.offer(b""), lambda: core.settle(1), core.take):
            with pytest.raises(PeerAborted) as caught:
                call()
            raised.append(caught.value)
        with pytest.raises(PeerAborted) as caught:
            core.put_on((Line(),), ConnectionCore())
        raised.append(caught.value)
        assert len({id(error) for error in raised}) == 5
        for error in raised:
            assert error is not first
            assert error.__cause__ is first
            assert str(error) == str(first) == "cut [wire in wire]"
        assert first.__cause__ is None


class TestSending:
    def test_a_stream_takes_no_empty_units(self) -> None:
        core, base = make()
        assert core.offer(b"")
        assert core.offer(b"x")
        assert base.batches == [[b"x"]]

    def test_a_message_may_be_empty(self) -> None:
        core, base = make(record=MESSAGES)
        assert core.offer(b"")
        assert base.batches == [[b""]]

    def test_not_while_the_stack_takes_no_more(self) -> None:
        core, base = make()
        gates = woken(core)
        base.above.writable(False)
        assert not core.offer(b"x")
        assert gates == []
        base.above.writable(True)
        assert gates == ["sendable"]
        assert core.offer(b"x")
        assert base.sent == [b"x"]

    def test_found_dead_meanwhile(self) -> None:
        class Dead(Base):
            def send(self, units: Any) -> None:
                self.above.broken(PeerAborted("cut"))

        core, base = ConnectionCore(), Dead()
        core.chain = Chain((Wire(STREAM),), base, STREAM, Role.DIALER, core, Nowhere())
        core.chain.open()
        with pytest.raises(PeerAborted, match="cut"):
            core.offer(b"x")

    def test_size(self) -> None:
        core, _ = make(record=MESSAGES)
        core.check_size(bytes(10))
        with pytest.raises(TooBig) as caught:
            core.check_size(bytes(11))
        assert (caught.value.limit, caught.value.size) == (10, 11)
        assert str(caught.value) == "the message has 11 bytes, this stack carries 10 [wire in wire]"
        stream, _ = make()
        stream.check_size(bytes(100))
        unlimited, _ = make(record=Capabilities(Unit.MESSAGE))
        unlimited.check_size(bytes(100))

    def test_drained(self) -> None:
        core, _ = make(Plain())
        plain: Any = core.chain.layers[0]
        assert core.drained() is True
        plain.held = 5
        assert core.drained() is None
        core.abort()
        assert core.drained() is True, "it cannot get there any more"


class TestReceiving:
    def test_nothing_is_decoded_that_nobody_asked_for(self) -> None:
        core, base = make(Line())
        assert base.credit == 0
        assert core.take() is None
        assert base.credit > 0
        base.feed(b"one\ntwo\nthree\n")
        assert core.chain.layers[0].leftover() == [b"two\nthree\n"]

    def test_one_at_a_time(self) -> None:
        core, base = make(Line())
        gates = woken(core)
        assert core.take() is None
        base.feed(b"one\ntwo\nthree\n")
        assert gates == ["receivable"]
        assert [core.take(), core.take(), core.take(), core.take()] == [
            b"one",
            b"two",
            b"three",
            None,
        ]

    def test_several_at_once(self) -> None:
        core, base = make(Line())
        assert core.take_many(10) is None
        base.feed(b"1\n2\n3\n4\n")
        assert core.take_many(2) == [b"1", b"2"]
        base.above.receive([b"5\n"])
        assert core.take_many(10) == [b"3", b"4", b"5"]
        assert core.chain.layers[0].leftover() == []

    def test_giving_up_takes_the_credit_back(self) -> None:
        core, base = make(Line())
        assert core.take() is None
        gates = woken(core)
        core.give_up()
        assert base.credit == 0
        assert gates == ["receivable"], "others who wait ask again"
        base.above.receive([b"late\n"])
        assert core.chain.layers[0].leftover() == [b"late\n"]
        core.give_up()
        assert core.take() is None

    def test_giving_up_after_the_end(self) -> None:
        core, base = make()
        base.finish()
        gates = woken(core)
        core.give_up()
        assert gates == []

    def test_a_stream_is_read_piece_by_piece(self) -> None:
        core, base = make()
        assert core.take_bytes(3) is None
        assert base.credit == MANY
        base.feed(b"abcde")
        assert base.credit == 0, "no more until somebody asks"
        assert [core.take_bytes(3), core.take_bytes(3)] == [b"abc", b"de"]
        assert core.take_bytes(3) is None

    @given(
        pieces=st.lists(st.binary(min_size=1, max_size=6), max_size=8),
        sizes=st.lists(st.integers(0, 7), max_size=12),
    )
    def test_exactly(self, pieces: list[bytes], sizes: list[int]) -> None:
        core, base = make()
        whole, waiting = b"".join(pieces), list(pieces)
        for size in sizes:
            while (data := core.take_exactly(size)) is None and waiting:
                base.feed(waiting.pop(0))
            if data is None:
                assert len(whole) < size
                break
            assert data == whole[:size]
            whole = whole[size:]

    def test_exactly_at_the_end(self) -> None:
        core, base = make()
        assert core.take_exactly(4) is None
        base.feed(b"abc")
        assert core.take_exactly(4) is None
        base.finish()
        with pytest.raises(EndOfStream):
            core.take_exactly(4)
        assert core.take_exactly(3) == b"abc", "what is there stays"
        assert core.take_exactly(0) == b""

    def test_good_units_before_the_end(self) -> None:
        core, base = make(Line())
        assert core.take() is None
        base.feed(b"one\ntwo\n")
        base.finish()
        assert [core.take(), core.take()] == [b"one", b"two"]
        with pytest.raises(EndOfStream, match="the peer has ended its output"):
            core.take()
        with pytest.raises(EndOfStream):
            core.take_many(3)

    def test_good_units_before_what_broke_it(self) -> None:
        core, base = make(Line())
        assert core.take() is None
        base.feed(b"one\ntwo\n")
        base.above.broken(PeerAborted("cut"))
        assert [core.take(), core.take()] == [b"one", b"two"]
        with pytest.raises(PeerAborted):
            core.take()

    def test_what_another_process_had_received(self) -> None:
        core, base = make()
        core.begin_with(b"")
        core.begin_with(b"first")
        assert core.take() == b"first"
        assert core.take() is None
        base.feed(b"then")
        assert core.take() == b"then"

    def test_fetching_all(self) -> None:
        core, base = make()
        assert core.take() is None
        base.feed(b"left")
        assert core.fetch_all() == [b"left"]
        assert core.state is State.DETACHED
        with pytest.raises(LocalProtocolError, match="the connection is detached"):
            core.take()


class TestTakingOff:
    def settled(self, core: ConnectionCore, count: int = 1) -> ConnectionCore:
        assert core.settle(count) is True
        fresh = ConnectionCore()
        core.take_off(count, fresh)
        return fresh

    def test_what_was_not_decoded_comes_first(self) -> None:
        core, base = make(Line())
        core.take()
        base.feed(b"switch\nbytes")
        assert core.take() == b"switch"
        gates = woken(core)
        fresh = self.settled(core)
        assert core.state is State.DETACHED
        assert gates == ["receivable", "sendable"], "who waits at the old end learns of it"
        with pytest.raises(LocalProtocolError, match="the connection is detached"):
            core.take()
        assert fresh.state is State.OPEN
        assert fresh.take() == b"bytes"
        assert fresh.take() is None
        base.feed(b"more")
        assert fresh.take() == b"more"
        assert fresh.offer(b"down")
        assert base.sent == [b"down"]

    def test_units_that_wait_must_be_received_first(self) -> None:
        core, base = make(Line())
        core.take_many(2)
        base.feed(b"one\ntwo\nthr")
        with pytest.raises(LocalProtocolError, match="nobody has received; receive it first"):
            core.settle(1)
        assert core.take_many(2) == [b"one", b"two"]
        assert self.settled(core).take() == b"thr"

    @pytest.mark.parametrize("first", ["local", "remote"])
    def test_ends_are_kept(self, first: str) -> None:
        core, base = make(Line())
        if first == "local":
            core.end()
        else:
            base.finish()
        fresh = self.settled(core)
        states = [fresh.state]
        if first == "local":
            base.finish()
        else:
            fresh.end()
        states.append(fresh.state)
        ended = State.LOCAL_ENDED if first == "local" else State.REMOTE_ENDED
        assert states == [ended, State.ENDED]
        assert base.calls == ["open", "end"]

    def test_a_session_ends_first(self) -> None:
        core, base = make(Part())
        core.take()
        assert core.settle(1) is None
        assert base.sent == [b"\0"], "our end"
        assert core.state is State.LOCAL_ENDED
        assert core.settle(1) is None
        assert base.sent == [b"\0"], "said once"
        base.feed(b"\0after")
        fresh = self.settled(core)
        assert fresh.state is State.OPEN, "what is below goes on"
        assert fresh.take() == b"after"
        assert fresh.offer(b"too")
        assert base.sent == [b"\0", b"too"]
        assert base.calls == ["open"]

    def test_a_session_that_the_caller_ended_itself(self) -> None:
        core, base = make(Part())
        core.end()
        assert core.take() is None
        base.feed(b"last\0after")
        assert core.take() == b"last"
        with pytest.raises(EndOfStream):
            core.take()
        assert base.sent == [b"\0"]
        fresh = self.settled(core)
        assert base.sent == [b"\0"]
        assert fresh.take() == b"after"

    def test_a_session_whose_peer_still_sends(self) -> None:
        core, base = make(Part())
        assert core.settle(1) is None
        base.feed(b"data")
        with pytest.raises(LocalProtocolError, match="the peer still sends"):
            core.settle(1)
        assert core.take() == b"data"
        assert core.settle(1) is None
        base.feed(b"\0")
        self.settled(core)

    def test_layers_end_from_the_top_down(self) -> None:
        core, base = make(Line(), Part())
        assert core.settle(2) is None
        assert base.sent == [b"\0"]
        base.feed(b"\0")
        fresh = self.settled(core, 2)
        assert fresh.chain.path == "wire"

    def test_what_never_can_be_taken_off(self) -> None:
        core, base = make(Stuck())
        assert core.settle(1) is None
        base.above.broken(PeerAborted("cut"))
        with pytest.raises(PeerAborted):
            core.settle(1)

    def test_readiness_is_kept(self) -> None:
        core, base = make(Line())
        base.above.writable(False)
        fresh = self.settled(core)
        assert not fresh.offer(b"x")
        base.above.writable(True)
        assert fresh.offer(b"x")

    def test_refused_it_goes_on(self) -> None:
        """Bytes between two layers would be lost."""
        core, base = make(Line(), Part())
        assert core.take() is None
        base.feed(b"one\ntwo\n\0after")
        assert core.take() == b"one"
        core.end()
        assert core.settle(2) is True
        with pytest.raises(LocalProtocolError, match="would be lost"):
            core.take_off(2, ConnectionCore())
        assert core.take() == b"two"
        with pytest.raises(EndOfStream):
            core.take()
        assert self.settled(core, 2).take() == b"after"

    def test_a_peer_that_ends_its_session_in_mid_unit(self) -> None:
        core, base = make(Line(), Part())
        assert core.settle(2) is None
        base.feed(b"half a li\0")
        with pytest.raises(PeerAborted, match="ended in the middle of a unit"):
            core.settle(2)


class TestPuttingOn:
    def test_what_was_not_fetched_comes_first(self) -> None:
        core, base = make()
        core.take()
        base.feed(b"one\ntw")
        gates = woken(core)
        fresh = ConnectionCore()
        core.put_on((Line(),), fresh)
        assert gates == ["receivable", "sendable"]
        assert core.state is State.DETACHED
        assert fresh.state is State.OPEN
        assert fresh.chain.path == "line<wire"
        assert fresh.take() == b"one"
        assert fresh.take() is None
        base.feed(b"o\n")
        assert fresh.take() == b"two"

    def test_messages_that_were_not_fetched(self) -> None:
        near = connect(Checksum() | Prefix(), Checksum() | Prefix())
        near.near.send(b"summed")
        wire = b"".join(near.links[0].sent)
        core, base = make(Prefix())
        core.take()
        base.feed(wire)
        fresh = ConnectionCore()
        core.put_on((Checksum(),), fresh)
        assert fresh.take() == b"summed"
        assert fresh.take() is None
        base.feed(wire)
        assert fresh.take() == b"summed"

    def test_what_does_not_fit(self) -> None:
        core, base = make(Line())
        fresh = ConnectionCore()
        with pytest.raises(StackError):
            core.put_on((Part(),), fresh)
        self.goes_on(core, base)

    def test_what_cannot_be_built(self) -> None:
        core, base = make()
        core.take()
        base.feed(b"here")
        with pytest.raises(StackError, match="misbuilt lacks its key"):
            core.put_on((Misbuilt(), Line()), ConnectionCore())
        assert core.take() == b"here", "nothing has changed"
        assert core.take() is None
        base.feed(b"line\n")
        fresh = ConnectionCore()
        core.put_on((Line(),), fresh)
        assert fresh.take() == b"line"

    def goes_on(self, core: ConnectionCore, base: Base) -> None:
        assert core.state is State.OPEN
        assert core.take() is None
        base.feed(b"on\n")
        assert core.take() == b"on"
        assert core.offer(b"too")
        assert base.sent == [b"too\n"]

    def test_an_end_behind_lines_that_were_not_asked_for(self) -> None:
        core, base = make(Line())
        core.take()
        base.feed(b"one\ntwo\nthree\n")
        base.finish()
        assert core.take() == b"one"
        fresh = ConnectionCore()
        core.put_on((Plain(),), fresh)
        assert [fresh.take(), fresh.take()] == [b"two", b"three"]
        with pytest.raises(EndOfStream):
            fresh.take()

    @pytest.mark.parametrize("ends", [("local", "remote"), ("remote", "local")])
    def test_ends_are_kept(self, ends: tuple[str, str]) -> None:
        core, base = make()
        for end in ends:
            core.end() if end == "local" else base.finish()
        fresh = ConnectionCore()
        core.put_on((Line(),), fresh)
        assert fresh.state is State.ENDED
        with pytest.raises(EndOfStream):
            fresh.take()
        with pytest.raises(LocalProtocolError, match="our output was ended"):
            fresh.offer(b"x")


WIRE = b"a\nbb\nswitch\n" + b"".join(map(prefixed, (b"", b"x\n", bytes(5)))) + b"rest\n"


@pytest.mark.parametrize("cut", range(len(WIRE) + 1))
def test_a_switch_is_all_one_however_the_bytes_are_cut(cut: int) -> None:
    """Lines, then messages, then bytes: leftover and consumed together are what was received."""
    core, base = make(Line())
    pieces = [piece for piece in (WIRE[:cut], WIRE[cut:]) if piece]

    def take(core: ConnectionCore) -> bytes:
        while (unit := core.take()) is None:
            base.feed(pieces.pop(0))
        return unit

    got = [take(core) for _ in range(3)]
    bare, framed, stream = ConnectionCore(), ConnectionCore(), ConnectionCore()
    assert core.settle(1)
    core.take_off(1, bare)
    bare.put_on((Prefix(),), framed)
    got += [take(framed) for _ in range(3)]
    assert got == [b"a", b"bb", b"switch", b"", b"x\n", bytes(5)]
    assert framed.settle(1)
    framed.take_off(1, stream)
    rest = b""
    while len(rest) < 5:
        rest += take(stream)
    assert rest == b"rest\n"
    assert not pieces
    assert stream.take() is None


def test_both_ends_switch_over_memory() -> None:
    """The whole way, with two real ends: each ends its session and goes on with what is below."""
    pair = connect(Part(), tops=(ConnectionCore(), ConnectionCore()))
    ends: list[ConnectionCore] = [pair.near, pair.far]
    assert ends[0].offer(b"hello")
    assert ends[1].take() is None
    pair.run()
    assert ends[1].take() == b"hello"
    for end in ends:
        assert end.settle(1) is None
    pair.run()
    fresh = [ConnectionCore(), ConnectionCore()]
    for old, new in zip(ends, fresh, strict=True):
        assert old.settle(1) is True
        old.take_off(1, new)
        lines = ConnectionCore()
        new.put_on((Line(),), lines)
        fresh[fresh.index(new)] = lines
    assert fresh[1].offer(b"in lines")
    assert fresh[0].take() is None
    pair.run()
    assert fresh[0].take() == b"in lines"
