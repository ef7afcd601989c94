"""Memory links, lanes and pairs: nothing moves until it is told to, and breaches of the contract do not pass."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack import Checksum, Line, Prefix, Pull, Push, Rep, Req, Sp, StackError
from sockstack.core.capabilities import Backpressure, Capabilities, HalfClose, Unit
from sockstack.core.connection import ConnectionCore
from sockstack.core.errors import PeerAborted
from sockstack.core.layer import Layer
from sockstack.core.marks import LOCAL_ADDRESS, PEER_ADDRESS, Key
from sockstack.core.spec import Build, Kind, LayerSpec, Same
from sockstack.testing import (
    MESSAGES,
    STREAM,
    ContractError,
    CutLane,
    Pair,
    Recorder,
    VirtualHub,
    connect,
    memory,
)


def test_nothing_moves_before_a_step() -> None:
    pair = connect()
    pair.near.send(b"a")
    assert pair.far.units == []
    assert pair.step()
    assert pair.far.units == [b"a"]
    assert not pair.step()
    assert pair.run() == 0


def test_batches_arrive_as_they_were_sent() -> None:
    batches: list[list[bytes]] = []
    pair = connect(record=MESSAGES)
    pair.far.on_units = lambda units: batches.append(list(units))
    pair.near.send(b"a", b"b")
    pair.near.send(b"")
    pair.near.send((b"in ", b"chunks"))
    pair.run()
    assert batches == [[b"a", b"b"], [b""], [b"in chunks"]]


def test_both_ends_take_turns() -> None:
    order: list[str] = []
    pair = connect()
    pair.near.on_units = lambda units: order.append("near")
    pair.far.on_units = lambda units: order.append("far")
    for _ in range(3):
        pair.near.send(b"x")
        pair.far.send(b"x")
    assert pair.run() == 6
    assert order in (["near", "far"] * 3, ["far", "near"] * 3)


def test_credit_holds_back_and_lets_go() -> None:
    pair = connect(record=MESSAGES, tops=(Recorder(), Recorder(credit=0)))
    pair.near.send(b"1", b"2", b"3")
    assert not pair.step()
    pair.far.want(2)
    pair.run()
    assert pair.far.units == [b"1", b"2"]
    pair.far.want(5)
    pair.run()
    assert pair.far.units == [b"1", b"2", b"3"]
    assert pair.far.credit == 4


@given(st.binary(max_size=30), st.lists(st.integers(1, 30)))
def test_cut_where_told(data: bytes, cuts: list[int]) -> None:
    pair = connect(lanes=(CutLane(cuts), CutLane()))
    for at in range(0, len(data), 4):
        pair.near.send(data[at : at + 4])
    pair.run()
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places) if a < b]
    assert pair.far.units == pieces


@given(st.binary(max_size=30), st.integers(1, 7))
def test_cut_again_and_again(data: bytes, size: int) -> None:
    pair = connect(lanes=(CutLane(every=size), CutLane()))
    pair.near.send(data)
    pair.run()
    assert pair.far.units == [data[at : at + size] for at in range(0, len(data), size)]


def test_room_is_told_both_ways() -> None:
    pair = connect(high=10)
    pair.near.send(b"x" * 8)
    assert pair.near.events == ["opened"]
    pair.near.send(b"x" * 8)
    assert pair.near.events == ["opened", "writable False"]
    assert pair.near.chain.unsent == 6
    pair.near.send(b"x")
    pair.run()
    assert pair.near.events[-2:] == ["writable False", "writable True"]
    assert pair.near.chain.unsent == 0


def test_a_link_that_drops_does_not_ask_to_wait() -> None:
    record = MESSAGES.but(backpressure=Backpressure.DROP)
    pair = connect(record=record, high=1)
    pair.near.send(b"x" * 100)
    assert pair.near.ready


def test_endings() -> None:
    pair = connect()
    pair.near.send(b"last")
    pair.near.end()
    pair.run()
    assert pair.far.events == ["opened", "receive", "ended"]
    pair.far.send(b"answer")
    pair.far.end()
    pair.run()
    assert pair.near.events == ["opened", "receive", "ended"]
    assert pair.near.error is pair.far.error is None


def test_without_half_close_both_directions_end() -> None:
    pair = connect(record=STREAM.but(half_close=HalfClose.NONE))
    pair.near.end()
    pair.run()
    assert pair.far.has_ended
    assert pair.near.has_ended
    pair.far.send(b"too late")
    assert pair.links[1].late == [b"too late"]


def test_abort() -> None:
    pair = connect()
    pair.near.send(b"on its way")
    pair.far.send(b"this too")
    pair.near.abort()
    pair.near.abort()
    pair.near.send(b"late")
    pair.run()
    assert pair.far.units == [b"on its way"]
    assert isinstance(pair.far.error, PeerAborted)
    assert pair.near.units == []
    assert pair.links[0].late == [b"late"]
    pair.far.send(b"to nobody")
    assert pair.run() == 0


def test_cut() -> None:
    """The peer vanishes: what was under way arrives first; what is sent afterwards goes nowhere."""
    pair = connect()
    pair.near.send(b"arrives")
    pair.far.send(b"does not")
    pair.links[1].cut()
    pair.run()
    assert pair.far.units == [b"arrives"]
    assert isinstance(pair.far.error, PeerAborted)
    assert pair.near.units == []


def test_forged_units_pass_no_layer_of_this_side() -> None:
    pair = connect(Line())
    pair.links[0].forge(b"one\ntw", b"o\n")
    pair.run()
    assert pair.far.units == [b"one", b"two"]
    assert pair.links[0].sent == []


@pytest.mark.parametrize("record", [STREAM, MESSAGES], ids=["stream", "messages"])
def test_opening_is_stepped_too(record: Capabilities) -> None:
    pair = connect(record=record, run=False)
    assert pair.near.events == []
    pair.near.chain.open()
    pair.run()
    waits = record is MESSAGES  # for the peer's greeting, in which carried bytes ride
    assert pair.near.events == ([] if waits else ["opened"])
    pair.far.chain.open()
    pair.run()
    assert pair.near.events == pair.far.events == ["opened"]


def test_a_peer_that_goes_before_it_has_greeted() -> None:
    pair = connect(record=MESSAGES, run=False)
    pair.near.chain.open()
    pair.far.abort()
    pair.run()
    assert pair.near.events == ["broken"]


def test_carried_bytes() -> None:
    pair = connect(record=MESSAGES, run=False)
    near, far = pair.links
    near.carry("name", b"value")
    assert far.carried("name") is None
    pair.open()
    pair.run()
    assert far.carried("name") == b"value"
    assert far.carried("other") is None
    assert near.carried("name") is None


def test_the_record_is_that_which_the_layers_need() -> None:
    assert connect(Prefix(2)).links[0].record is STREAM
    assert connect(Checksum()).links[0].record is MESSAGES
    assert connect(Push() | Sp(), Pull() | Sp()).links[0].record is STREAM
    assert connect().links[0].record is STREAM


def test_stacks_are_checked() -> None:
    with pytest.raises(StackError):
        connect(Prefix(4), record=MESSAGES)


def test_a_pattern_stands_above_and_takes_no_part() -> None:
    for record in (STREAM, MESSAGES):
        pair = connect(Req() | Sp(), Rep() | Sp(), record=record)
        pair.near.send(b"raw")
        pair.run()
        assert pair.far.units == [b"raw"]
        assert pair.near.chain.path == "req<sp<memory"


def test_other_tops() -> None:
    pair = connect(Prefix(4), tops=(ConnectionCore(), Recorder()))
    assert pair.near.offer(b"x")
    pair.run()
    assert pair.far.units == [b"x"]


def test_metadata_and_moving() -> None:
    pair, hub = connect(), VirtualHub()
    assert pair.near.chain.get(PEER_ADDRESS) == pair.near.chain.get(LOCAL_ADDRESS) == "memory"
    assert pair.near.chain.get(Key("unheard of")) is None
    pair.near.chain.move(hub)
    assert pair.links[0].hub is hub


@dataclass(frozen=True)
class Alarm(LayerSpec, Same):
    """A layer that keeps time."""

    name: ClassVar[str] = "alarm"
    kind: ClassVar[Kind] = Kind.FILTER

    def derive(self, below: Capabilities) -> Capabilities:
        return below

    def build(self, build: Build) -> Layer:
        return AlarmLayer(build)


class AlarmLayer(Layer):
    timed = True

    def __init__(self, build: Build) -> None:
        self._env = build.env
        self.rang: list[float] = []

    def opened(self, record: Capabilities) -> None:
        self.deadline = self._env.now() + 10
        self.rearm()
        self.above.opened(record)

    def tick(self, now: float) -> None:
        self.rang.append(now)


def test_layers_that_keep_time() -> None:
    pair = connect(Alarm())
    layer = pair.near.chain.layers[0]
    assert isinstance(layer, AlarmLayer)
    pair.hub.advance(9.5)
    assert layer.rang == []
    pair.hub.advance(100)
    assert layer.rang == [10]


def test_ends_that_are_never_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "STEPS", 100)
    pair = connect()
    for top in (pair.near, pair.far):
        top.on_units = lambda units, top=top: top.send(*units)  # type: ignore[misc]
    pair.near.send(b"and so on")
    with pytest.raises(ContractError, match="not quiet"):
        pair.run()


def breach(pair: Pair[Any, Any], *units: Any) -> None:
    pair.near.send(*units)


@pytest.mark.parametrize(
    ("record", "unit", "what"),
    [
        (STREAM, (b"a", b"b"), "tuple came down on a stream"),
        (STREAM, bytearray(b"a"), "bytearray came down on a stream"),
        (MESSAGES, "text", "str came down as a message"),
        (MESSAGES, (b"a", "b"), "a chunk is not bytes"),
        (MESSAGES.but(max_unit=3), b"1234", "4 bytes came down; max_unit is 3"),
        (MESSAGES.but(empty_unit=False), b"", "empty message came down"),
    ],
)
def test_what_must_not_come_down(record: Capabilities, unit: Any, what: str) -> None:
    pair = connect(record=record)
    with pytest.raises(ContractError, match=what):
        breach(pair, unit)


def test_calls_that_must_not_come_down() -> None:
    pair = connect()
    with pytest.raises(ContractError, match=r"want\(-1\) came down"):
        pair.links[0].want(-1)
    with pytest.raises(ContractError, match="open came down twice"):
        pair.links[0].open()
    closed = connect(run=False)
    with pytest.raises(ContractError, match="before the link had said opened"):
        closed.near.send(b"x")
    with pytest.raises(ContractError, match="end came down before"):
        closed.near.end()


def test_other_units_than_streams_have_no_bytes_to_lose() -> None:
    assert connect(record=Capabilities(Unit.MESSAGE)).links[0].unsent == 0
