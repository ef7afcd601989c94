"""One connection's row of layers: built, asked, taken apart and put together again."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.capabilities import Unit
from sockstack.core.chain import Chain, ChainTop, path_of
from sockstack.core.errors import (
    LocalProtocolError,
    PeerAborted,
    SockstackError,
    StackError,
    TooBig,
)
from sockstack.core.layer import MANY
from sockstack.core.marks import LOCAL_ADDRESS, PEER_ADDRESS, PEER_PROTOCOL
from sockstack.core.spec import Role, Stack
from sockstack.layers.checksum import Checksum
from sockstack.layers.line import Line
from sockstack.layers.prefix import Prefix
from sockstack.testing.memory import STREAM

from .fakes import Wire
from .rig import Nowhere, Recorder
from .toys import Floor, Misbuilt, Part, Plain, PlainLayer, Stuck, chain_of


def prefixed(unit: bytes) -> bytes:
    return len(unit).to_bytes(4, "big") + unit


class TestBuilding:
    def test_layers_are_built_from_the_bottom_up(self) -> None:
        top, env = Recorder(), Nowhere()
        plains = Plain(), Plain(), Plain()
        specs = (plains[0], Prefix(limit=100), plains[1], Wire(STREAM))
        pattern = Plain()
        chain = Chain(specs, Floor(), STREAM, Role.LISTENER, top, env, above=(pattern,))
        assert chain.specs == specs
        assert [layer.name for layer in chain.layers] == ["plain", "prefix", "plain", "wire"]
        assert chain.link is chain.layers[-1]
        upper, lower = chain.layers[0], chain.layers[2]
        assert isinstance(upper, PlainLayer)
        assert isinstance(lower, PlainLayer)
        assert upper.build.below.unit is Unit.MESSAGE
        assert upper.build.below.max_unit == 100
        assert lower.build.below is STREAM
        for layer, position in ((upper, 1), (lower, 3)):
            assert layer.build.specs == (pattern, *specs)
            assert layer.build.position == position
            assert layer.build.role is Role.LISTENER
            assert layer.build.env is env
        assert chain.record.unit is Unit.MESSAGE
        assert chain.record.max_unit == 100

    def test_a_bare_link(self) -> None:
        top = Recorder()
        chain, floor = chain_of(top=top)
        assert chain.layers == [floor]
        assert chain.record is STREAM
        assert chain.path == "wire"
        chain.open()
        assert floor.calls == ["open"]

    def test_the_path_names_pattern_and_layers(self) -> None:
        specs = (Prefix(), Wire(STREAM))
        chain = Chain(specs, Floor(), STREAM, Role.DIALER, Recorder(), Nowhere(), (Plain(),))
        assert chain.path == "plain<prefix<wire"
        assert {layer.path for layer in chain.layers} == {chain.path}
        assert path_of(specs) == "prefix<wire"

    def test_errors_tell_layer_and_path(self) -> None:
        top = Recorder()
        chain, floor = chain_of(Plain(), Prefix(limit=10), top=top)
        chain.open()
        top.below.want(MANY)
        floor.feed(prefixed(bytes(11)))
        assert isinstance(top.errors[0], TooBig)
        assert str(top.errors[0]).endswith("[prefix in plain<prefix<wire]")

    def test_abort_twice(self) -> None:
        chain, floor = chain_of(Line(), top=Recorder())
        chain.abort()
        chain.abort()
        assert floor.calls == ["abort", "abort"]


class TestAsking:
    def test_the_topmost_answer_counts(self) -> None:
        above = Plain(((PEER_ADDRESS, "above"), (PEER_PROTOCOL, 0)))
        below = Plain(((PEER_ADDRESS, "below"), (PEER_PROTOCOL, 1), (LOCAL_ADDRESS, "here")))
        chain, _ = chain_of(above, Plain(), below, top=Recorder())
        assert chain.get(PEER_ADDRESS) == "above"
        assert chain.get(LOCAL_ADDRESS) == "here"
        assert chain.get(PEER_PROTOCOL) == 0, "a false answer is one too"
        chain.take_off(1)
        assert chain.get(PEER_ADDRESS) == "below"

    def test_nobody_knows(self) -> None:
        chain, _ = chain_of(Plain(), top=Recorder())
        assert chain.get(PEER_ADDRESS) is None

    def test_unsent_is_all_that_layers_hold(self) -> None:
        chain, _ = chain_of(Plain(), Line(), Plain(), top=Recorder())
        assert chain.unsent == 0
        for index, held in ((0, 3), (2, 40)):
            layer = chain.layers[index]
            assert isinstance(layer, PlainLayer)
            layer.held = held
        assert chain.unsent == 43

    def test_timed(self) -> None:
        chain, _ = chain_of(Plain(timed=True), Line(), Plain(), top=Recorder())
        assert chain.timed == [chain.layers[0]]

    def test_move_tells_the_link_then_who_keeps_time(self) -> None:
        chain, floor = chain_of(Line(), top=Recorder())
        hub: Any = object()
        chain.move(hub)
        assert floor.hubs == [hub]
        told: list[Any] = []
        chain.on_move = lambda hub: told.append((hub, list(floor.hubs)))
        chain.move(hub)
        assert told == [(hub, [hub, hub])]

    def test_count_through(self) -> None:
        chain, _ = chain_of(Plain(), Line(), Plain(), Part(), top=Recorder())
        assert chain.count_through(None) == 1
        assert chain.count_through(Plain) == 1
        assert chain.count_through(Line) == 2
        assert chain.count_through(Part) == 4
        with pytest.raises(LocalProtocolError) as caught:
            chain.count_through(Prefix)
        assert str(caught.value) == (
            "there is no Prefix in plain<line<plain<part<wire [stack in plain<line<plain<part<wire]"
        )


class TestTakingOff:
    def test_what_was_not_decoded_is_given(self) -> None:
        top = Recorder()
        chain, floor = chain_of(Line(), top=top)
        top.below.want(1)
        floor.feed(b"one\ntwo\nthr")
        assert top.units == [b"one"]
        assert chain.take_off(1) == [b"two\nthr"]
        assert chain.specs == (Wire(STREAM),)
        assert chain.layers == [floor]
        assert chain.record is STREAM
        assert chain.path == "wire"
        assert floor.path == "wire"
        assert floor.credit == 0, "nothing may arrive until somebody stands there"

    def test_nothing_left(self) -> None:
        chain, _ = chain_of(Checksum(), Line(), top=Recorder())
        assert chain.take_off(2) == []

    def test_the_layer_below_keeps_what_it_holds(self) -> None:
        top, fresh = Recorder(), Recorder()
        chain, floor = chain_of(Plain(), Line(), top=top)
        top.below.want(1)
        floor.feed(b"one\ntwo\n")
        assert chain.take_off(1) == []
        chain.put_on((), fresh, [])
        fresh.below.want(5)
        assert (top.units, fresh.units) == ([b"one"], [b"two"])

    @pytest.mark.parametrize(
        ("count", "reason"),
        [
            (3, "part goes on until both end it"),
            (4, "part goes on until both end it"),
        ],
    )
    def test_obstacles_are_named(self, count: int, reason: str) -> None:
        chain, floor = chain_of(Plain(), Line(), Part(), top=Recorder())
        assert chain.obstacle(2) is None
        assert chain.obstacle(count) == reason
        before = list(chain.layers), chain.specs
        with pytest.raises(LocalProtocolError) as caught:
            chain.take_off(count)
        assert str(caught.value) == f"cannot detach: {reason} [stack in plain<line<part<wire]"
        assert (list(chain.layers), chain.specs) == before, "nothing has changed"
        assert floor.calls == []

    def test_x11_no_end_that_both_can_see(self) -> None:
        """A compressor without a final flag (stack model, X11)."""
        chain, _ = chain_of(Stuck(), top=Recorder())
        with pytest.raises(LocalProtocolError, match="stuck has no end that both sides can see"):
            chain.take_off(1)

    def test_x12_a_layer_is_reached_from_above_only(self) -> None:
        """What stands on it must go first (stack model, X12): counting through it takes them along."""
        chain, _ = chain_of(Stuck(), Line(), top=Recorder())
        assert chain.count_through(Line) == 2
        assert chain.obstacle(2) == "stuck has no end that both sides can see"

    def test_a_transport_stays(self) -> None:
        class Loose(Floor):
            def detachable(self) -> str | None:
                return None

        chain = Chain((Wire(STREAM),), Loose(), STREAM, Role.DIALER, Recorder(), Nowhere())
        with pytest.raises(LocalProtocolError, match="a transport cannot be taken off"):
            chain.take_off(1)

    def test_bytes_between_the_layers_would_be_lost(self) -> None:
        """It is refused, and then nothing is lost."""
        top = Recorder()
        chain, floor = chain_of(Line(), Part(), top=top)
        top.below.want(1)
        floor.feed(b"one\ntwo\n\0after")
        top.below.end()
        with pytest.raises(LocalProtocolError) as caught:
            chain.take_off(2)
        assert "4 bytes above part would be lost" in str(caught.value)
        top.below.want(5)
        assert top.log == ["unit", "unit", "ended"]
        assert chain.take_off(2) == [b"after"]


class TestPuttingOn:
    def test_the_leftover_comes_first(self) -> None:
        top, fresh = Recorder(), Recorder()
        chain, floor = chain_of(Line(), top=top)
        top.below.want(1)
        floor.feed(b"switch\n" + prefixed(b"one") + prefixed(b"two")[:3])
        chain.put_on((Prefix(),), fresh, chain.take_off(1))
        assert chain.path == "prefix<wire"
        assert {layer.path for layer in chain.layers} == {"prefix<wire"}
        assert chain.top is fresh
        assert chain.record.unit is Unit.MESSAGE
        fresh.below.want(MANY)
        assert fresh.units == [b"one"]
        floor.feed(prefixed(b"two")[3:] + prefixed(b"three"))
        assert fresh.units == [b"one", b"two", b"three"]
        fresh.below.send([b"back"])
        assert floor.sent == [prefixed(b"back")]
        assert top.units == [b"switch"]

    def test_the_layer_below_delivers_after_the_leftover(self) -> None:
        """A layer that holds data delivers when it is asked; the leftover must have come up by then."""

        class Eager(Recorder):
            def opened(self, record: Any) -> None:
                self.below.want(MANY)

        top, fresh = Recorder(), Eager()
        chain, floor = chain_of(Plain(), Line(), top=top)
        top.below.want(1)
        floor.feed(b"one\nthree\nfour\n")
        chain.take_off(1)
        chain.put_on((), fresh, [b"two"])
        assert (top.units, fresh.units) == ([b"one"], [b"two", b"three", b"four"])
        assert floor.credit == MANY

    def test_several_at_once(self) -> None:
        top, fresh = Recorder(), Recorder()
        chain, floor = chain_of(top=top)
        chain.put_on((Checksum(), Prefix(), Plain()), fresh, [])
        assert chain.path == "checksum<prefix<plain<wire"
        assert [layer.name for layer in chain.layers] == ["checksum", "prefix", "plain", "wire"]
        fresh.below.want(1)
        fresh.below.send([b"x"])
        floor.feed(b"".join(floor.sent))
        assert fresh.units == [b"x"]

    @pytest.mark.parametrize("fresh_specs", [(), (Line(),)])
    def test_an_end_that_was_told_is_told_again(self, fresh_specs: tuple[Any, ...]) -> None:
        top, fresh = Recorder(), Recorder()
        chain, floor = chain_of(top=top)
        top.below.want(1)
        floor.finish()
        assert top.log == ["ended"]
        chain.put_on(fresh_specs, fresh, [b"left\n"])
        fresh.below.want(1)
        assert fresh.log[:2] == ["unit", "ended"]
        assert fresh.log.count("ended") == 1

    def test_an_end_behind_units_comes_after_them(self) -> None:
        """A framer holds an end back until all lines have gone up; whoever is put on it must not hear of it before."""
        top, fresh = Recorder(), Recorder()
        chain, floor = chain_of(Line(), top=top)
        top.below.want(1)
        floor.feed(b"one\ntwo\nthree\n")
        floor.finish()
        assert top.log == ["unit"]
        chain.put_on((Plain(),), fresh, [])
        assert fresh.log == []
        fresh.below.want(5)
        assert fresh.log == ["unit", "unit", "ended"]

    def test_the_end_of_a_session_is_not_that_of_what_is_below(self) -> None:
        top, fresh = Recorder(), Recorder()
        chain, floor = chain_of(Part(), top=top)
        top.below.want(1)
        floor.feed(b"last\0")
        assert top.log == ["unit", "ended"]
        top.below.end()
        chain.put_on((), fresh, chain.take_off(1))
        assert fresh.log == []
        fresh.below.want(1)
        floor.feed(b"plain")
        assert fresh.units == [b"plain"]
        assert floor.sent == [b"\0"]

    def test_an_end_below_a_session_is_not_told_above_it(self) -> None:
        top, fresh = Recorder(), Recorder()
        chain, floor = chain_of(Part(), top=top)
        floor.remote_ended = True
        chain.put_on((), fresh, [])
        assert fresh.log == []

    def test_what_cannot_be_built_changes_nothing(self) -> None:
        top = Recorder()
        chain, floor = chain_of(Line(), top=top)
        before = list(chain.layers), chain.specs, chain.record, chain.path
        with pytest.raises(StackError, match="misbuilt lacks its key"):
            chain.put_on((Misbuilt(), Plain(), Plain()), Recorder(), [])
        assert (list(chain.layers), chain.specs, chain.record, chain.path) == before
        top.below.want(1)
        floor.feed(b"goes on\n")
        assert top.units == [b"goes on"]
        chain.take_off(1)
        assert chain.record is STREAM

    def test_what_does_not_fit_is_refused_by_the_stack(self) -> None:
        """Encryption of a stream cannot be slid under a framer that is there (stack model, X12)."""
        chain, _ = chain_of(Line(), top=Recorder())
        with pytest.raises(StackError, match="byte stream"):
            Stack((Part(), *chain.specs))


class TestTop:
    def test_it_tells_once_each(self) -> None:
        top, log = ChainTop(), list[Any]()
        top.tell_opened()
        top.on_opened, top.on_closed = (lambda: log.append("opened")), log.append
        error = PeerAborted("cut")
        top.tell_opened()
        top.tell_opened()
        top.tell_closed(error)
        top.tell_closed(None)
        assert log == ["opened", error]

    def test_one_that_closed_never_opens(self) -> None:
        top, log = ChainTop(), list[str | SockstackError | None]()
        top.on_opened, top.on_closed = (lambda: log.append("opened")), log.append
        top.tell_closed(None)
        top.tell_opened()
        assert log == [None]


WIRE = b"a\nbb\nswitch\n" + b"".join(map(prefixed, (b"", b"x\n", bytes(5), b"\n\n"))) + b"z\n\n"


@given(cuts=st.lists(st.integers(0, len(WIRE)), max_size=6), taken=st.integers(0, 6))
def test_leftover_and_consumed_are_what_was_received(cuts: list[int], taken: int) -> None:
    top = Recorder()
    chain, floor = chain_of(Line(), top=top)
    top.below.want(taken)
    received, places = b"", sorted({0, *cuts, len(WIRE)})
    for start, stop in pairwise(places):
        if floor.credit:
            floor.feed(WIRE[start:stop])
            received += WIRE[start:stop]
    [leftover] = chain.take_off(1) or [b""]
    assert b"".join(line + b"\n" for line in top.units) + leftover == received
    assert len(top.units) <= taken


@pytest.mark.parametrize("cut", range(len(WIRE) + 1))
def test_a_switch_there_and_back_is_all_one_however_the_bytes_are_cut(cut: int) -> None:
    """Lines up to ``switch``, then four messages, then lines again; each is asked for singly."""
    top = Recorder()
    chain, floor = chain_of(Line(), top=top)
    got: list[bytes] = []
    pieces = [piece for piece in (WIRE[:cut], WIRE[cut:]) if piece]

    def receive(top: Recorder) -> bytes:
        before = len(top.units)
        top.below.want(1)
        while len(top.units) == before:
            floor.feed(pieces.pop(0))
        assert len(top.units) == before + 1
        return bytes(top.units[-1])

    while receive(top) != b"switch":
        pass
    got += top.units
    top = Recorder()
    chain.put_on((Prefix(),), top, chain.take_off(1))
    got += [receive(top) for _ in range(4)]
    top = Recorder()
    chain.put_on((Line(),), top, chain.take_off(1))
    got += [receive(top) for _ in range(2)]
    assert got == [b"a", b"bb", b"switch", b"", b"x\n", bytes(5), b"\n\n", b"z", b""]
    assert not pieces
    assert chain.take_off(1) == []
