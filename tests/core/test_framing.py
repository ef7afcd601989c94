"""What all framers share: credit, remainder, large units, and the order of good units and endings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core import framing
from sockstack.core.errors import PeerAborted, SockstackError, TooBig
from sockstack.core.framing import JOIN_BELOW, Framer, LengthFramer, size_of
from sockstack.core.layer import MANY, wire
from sockstack.layers.line import LineLayer
from sockstack.layers.prefix import PrefixLayer

from .rig import Bottom, Recorder, rig

LIMIT = 300


def prefixed(unit: bytes) -> bytes:
    return len(unit).to_bytes(2, "big") + unit


def lined(unit: bytes) -> bytes:
    return unit + b"\n"


KINDS: dict[str, tuple[Any, Any]] = {
    "prefix": (lambda: PrefixLayer(2, LIMIT), prefixed),
    "line": (lambda: LineLayer(LIMIT, b"\n"), lined),
}
kinds = st.sampled_from(sorted(KINDS))
units = st.lists(
    st.one_of(st.binary(max_size=6), st.integers(0, LIMIT).map(lambda size: b"u" * size)).map(
        lambda unit: unit.replace(b"\n", b"-").replace(b"\r", b"-")
    ),
    max_size=12,
)


class Meter(Recorder):
    """Gives credit, and counts what comes against it."""

    def __init__(self) -> None:
        super().__init__()
        self.credit = 0

    def give(self, credit: int) -> None:
        self.credit = credit
        self.below.want(credit)

    def receive(self, units: list[Any]) -> None:
        self.credit -= len(units)
        assert self.credit >= 0, "more units than credit"
        super().receive(units)


def metered(framer: Framer) -> tuple[Meter, Bottom]:
    top, bottom = Meter(), Bottom()
    wire(top, [framer, bottom])
    return top, bottom


@st.composite
def scripts(draw: st.DrawFn, data: bytes) -> list[bytes | int]:
    """Pieces of the data in order, with changes of credit between them."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    script: list[bytes | int] = []
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        script += draw(st.lists(st.integers(0, 3), max_size=2))
        if start < stop:
            script.append(data[start:stop])
    return script


@given(st.data(), kinds, units)
def test_units_go_up_within_credit_however_the_bytes_are_cut(
    data: st.DataObject, kind: str, messages: list[bytes]
) -> None:
    make, frame = KINDS[kind]
    framer = make()
    top, bottom = metered(framer)
    received = b""
    for step in data.draw(scripts(b"".join(map(frame, messages)))):
        if isinstance(step, int):
            top.give(step)
        else:
            received += step
            framer.receive([step])
        assert bottom.credit == (MANY if top.credit else 0)
        assert top.units == messages[: len(top.units)]
    if data.draw(st.booleans()):
        # Taken off in the middle: what was not decoded is all there.
        consumed = b"".join(map(frame, top.units))
        left = framer.leftover()
        assert consumed + b"".join(left) == received
        assert framer.leftover() == []
        return
    while top.units != messages:
        had = len(top.units)
        top.give(1)
        assert len(top.units) == had + 1, "a complete unit was there and did not come"
    assert framer.leftover() == []


@given(st.data(), kinds, units, st.binary(max_size=5))
def test_an_end_comes_after_all_units_and_a_cut_is_told(
    data: st.DataObject, kind: str, messages: list[bytes], tail: bytes
) -> None:
    make, frame = KINDS[kind]
    framer = make()
    top, bottom = metered(framer)
    cut = frame(b"12345")[: len(tail)]
    for step in data.draw(scripts(b"".join(map(frame, messages)) + cut)):
        if isinstance(step, int):
            top.give(step)
        else:
            framer.receive([step])
    framer.ended()
    while len(top.units) < len(messages):
        assert top.log == ["unit"] * len(top.units), "the end came before the units"
        top.give(1)
    top.give(1)
    assert top.units == messages
    if cut:
        assert top.log[-1] == "broken"
        assert isinstance(top.errors[0], PeerAborted)
        assert f"{len(cut)} bytes into it" in str(top.errors[0])
        assert bottom.calls == ["abort"]
    else:
        assert top.log == ["unit"] * len(messages) + ["ended"]
        assert bottom.calls == []


@given(st.data(), kinds, units, st.booleans())
def test_units_before_a_break_are_delivered_first(
    data: st.DataObject, kind: str, messages: list[bytes], cut: bool
) -> None:
    make, frame = KINDS[kind]
    framer = make()
    top, _ = metered(framer)
    for step in data.draw(scripts(b"".join(map(frame, messages)))):
        if isinstance(step, int):
            top.give(step)
        else:
            framer.receive([step])
    if cut:
        framer.receive([frame(b"12345")[:3]])
    error = PeerAborted("reset")
    framer.broken(error)
    for _ in range(len(messages) + 1):
        top.give(1)
    assert top.units == messages
    told = [what for what in top.log if what != "writable False"]
    assert told == ["unit"] * len(messages) + ["broken"]
    assert top.errors == [error]


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_break_that_has_to_wait_stops_what_is_sent(kind: str) -> None:
    """Units come first, and wait for credit; what was sent meanwhile would go nowhere."""
    make, frame = KINDS[kind]
    framer = make()
    top, _ = metered(framer)
    framer.receive([frame(b"12345")])
    framer.broken(PeerAborted("reset"))
    assert top.log == ["writable False"]
    top.give(1)
    assert top.log == ["writable False", "unit", "broken"]


@given(kinds, units, st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_credit_may_change_while_units_are_delivered(
    kind: str, messages: list[bytes], credits_: list[int]
) -> None:
    make, frame = KINDS[kind]
    framer = make()
    top, bottom = metered(framer)
    turn = iter(credits_ * (len(messages) + 1))
    top.on_receive = lambda units: top.give(next(turn))
    top.give(1)
    framer.receive([b"".join(map(frame, messages))])
    for _ in messages:
        if top.credit == 0 and len(top.units) < len(messages):
            assert bottom.credit == 0
            top.give(1)
    assert top.units == messages
    assert bottom.credit == (MANY if top.credit else 0)


def test_credit_taken_back_inside_receive_stops_at_once() -> None:
    framer = PrefixLayer(1, 200)
    top, bottom = metered(framer)
    top.give(2)
    top.on_receive = lambda units: top.give(0)
    framer.receive([b"\1a\1b\1c"])
    assert top.units == [b"a", b"b"]
    assert bottom.credit == 0
    assert framer.leftover() == [b"\1c"]


def test_one_read_is_one_batch() -> None:
    framer = PrefixLayer(1, 200)
    top, _ = metered(framer)
    top.give(MANY)
    framer.receive([b"\1a\1b", b"\1c", b"\1"])
    assert top.batches == [3]
    framer.receive([b"d"])
    assert top.batches == [3, 1]


def test_a_large_unit_is_collected_and_its_length_alone_takes_no_room() -> None:
    framer = PrefixLayer(4, 1 << 30)
    top, _ = metered(framer)
    top.give(MANY)
    claimed = (1 << 30).to_bytes(4, "big")
    framer.receive([claimed + b"abc"])
    framer.receive([b"def"])
    assert framer.leftover() == [claimed + b"abcdef"]
    body = bytes(range(256)) * 1000
    framer.receive([len(body).to_bytes(4, "big")])
    for start in range(0, len(body), 1000):
        framer.receive([body[start : start + 1000]])
    assert top.units == [body]


def test_a_large_unit_that_completes_without_credit_waits() -> None:
    framer = PrefixLayer(1, 200)
    top, _ = metered(framer)
    top.give(1)
    framer.receive([b"\5ab"])
    top.give(0)
    framer.receive([b"cde\2xy\3z"])
    assert top.units == []
    assert framer.leftover() == [b"\5abcde\2xy\3z"]
    framer.receive([b"\5abcde\2xy\3z"])
    top.give(5)
    assert top.units == [b"abcde", b"xy"]


@pytest.mark.parametrize("credit", [1, 2, MANY])
def test_a_fault_comes_after_the_good_units_once(credit: int) -> None:
    framer = PrefixLayer(1, 5)
    top, bottom = metered(framer)
    top.give(credit)
    framer.receive([b"\1a\1b\6xxxxxx"])
    while top.units != [b"a", b"b"]:
        assert top.log == ["unit"] * len(top.units)
        top.give(1)
    if not top.errors:
        top.give(1)
    assert top.log == ["unit", "unit", "broken"]
    error = top.errors[0]
    assert isinstance(error, TooBig)
    assert (error.limit, error.size) == (5, 6)
    assert bottom.calls == ["abort"]


def test_nothing_follows_a_fault() -> None:
    framer = PrefixLayer(1, 5)
    top, _ = metered(framer)
    top.give(MANY)
    framer.receive([b"\6xxxxxx"])
    top.give(MANY)
    assert top.log == ["broken"]
    assert framer.leftover() == []


def test_nothing_follows_an_abort() -> None:
    framer = PrefixLayer(1, 5)
    top, bottom = metered(framer)
    framer.receive([b"\1a\1b\1"])
    framer.ended()
    framer.abort()
    top.give(MANY)
    assert top.log == []
    assert bottom.calls == ["abort"]


def test_a_framer_is_detachable_and_passes_the_rest_through() -> None:
    framer = PrefixLayer(1, 5)
    top, bottom = rig(framer)
    assert framer.detachable() is None
    top.below.open()
    top.below.end()
    assert bottom.calls == ["open", "end"]


class Bracket(LengthFramer):
    """Shows what ``send`` makes of a batch."""

    def head(self, size: int) -> bytes:
        return b"<%d>" % size


def chunked(unit: bytes, count: int) -> bytes | tuple[bytes, ...]:
    if not count:
        return unit
    step = max(1, len(unit) // count)
    return tuple(unit[start : start + step] for start in range(0, len(unit), step))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 64, JOIN_BELOW - 1, JOIN_BELOW, 3 * JOIN_BELOW]),
            st.integers(0, 3),
        ),
        max_size=6,
    )
)
def test_small_units_go_down_joined_and_large_ones_are_not_copied(
    shapes: Sequence[tuple[int, int]],
) -> None:
    framer = Bracket()
    _, bottom = rig(framer)
    batch = [chunked(b"x" * size, count) for size, count in shapes]
    framer.send(batch)
    assert b"".join(bottom.sent) == b"".join(b"<%d>" % size + b"x" * size for size, _ in shapes)
    assert len(bottom.batches) == 1
    for unit in batch:
        for chunk in unit if isinstance(unit, tuple) else (unit,):
            if len(chunk) >= JOIN_BELOW:
                assert any(chunk is sent for sent in bottom.sent)
    if all(size < JOIN_BELOW for size, _ in shapes):
        assert len(bottom.sent) <= 1


@pytest.mark.parametrize("small", [b"", b"1234"])
def test_a_large_chunk_is_not_copied_wherever_it_stands(small: bytes) -> None:
    framer = Bracket()
    _, bottom = rig(framer)
    big = b"x" * JOIN_BELOW
    for unit in ((big, small), (small, big), (small, big, small)):
        bottom.batches.clear()
        framer.send([unit])
        assert any(sent is big for sent in bottom.sent)
        assert b"".join(bottom.sent) == b"<%d>" % size_of(unit) + b"".join(unit)


def test_the_size_of_a_unit_is_that_of_its_chunks() -> None:
    assert size_of(b"abc") == 3
    assert size_of((b"a", b"", b"bc")) == 3
    assert size_of(()) == 0


def test_errors_name_the_layer_and_the_path() -> None:
    framer = PrefixLayer(1, 5)
    framer.name, framer.path = "prefix", "prefix<tcp"
    top, _ = metered(framer)
    top.give(1)
    framer.receive([b"\6"])
    error: SockstackError = top.errors[0]
    assert (error.layer, error.path) == ("prefix", "prefix<tcp")
    assert str(error).endswith("[prefix in prefix<tcp]")


def test_a_framer_taken_off_inside_receive_gives_all_that_was_not_decoded() -> None:
    framer = PrefixLayer(1, 200)
    top, _ = metered(framer)
    left: list[bytes] = []
    top.on_receive = lambda units: left.extend(framer.leftover())
    top.give(1)
    framer.receive([b"\1a\1b\1"])
    assert (top.units, left) == ([b"a"], [b"\1b\1"])
    top.give(MANY)
    assert top.units == [b"a"]


def test_an_abort_inside_receive_is_the_last_that_goes_up() -> None:
    framer = PrefixLayer(1, 5)
    top, bottom = metered(framer)
    top.on_receive = lambda units: top.below.abort()
    top.give(1)
    framer.receive([b"\1a\1b\6"])
    top.give(MANY)
    assert top.log == ["unit"]
    assert bottom.calls == ["abort"]


def test_the_c_library_learns_the_size_of_large_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each size that is larger than all before, and within what it can learn."""
    memory = framing.FreedMemory()
    monkeypatch.setattr(framing, "freed_memory", memory)
    framer = PrefixLayer(4, 1 << 20)
    top, _ = metered(framer)
    top.give(10)
    before = memory.shown
    for size, shown in ((100, before), (90_000, 360_000), (80_000, 360_000), (100_000, 400_000)):
        data = size.to_bytes(4, "big") + bytes(size)
        framer.receive([data[:50]])
        framer.receive([data[50:]])
        assert memory.shown == shown
    memory.keep(1 << 30)
    assert memory.shown == framing.MOST_KEPT
