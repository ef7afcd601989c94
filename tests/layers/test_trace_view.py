"""The exact text of words and hex, and which fields are found in what passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.spec import Header, LayerSpec
from sockstack.layers.prefix import Prefix
from sockstack.layers.sp import Sp
from sockstack.layers.tls import Tls
from sockstack.layers.trace_sink import Sink
from sockstack.layers.trace_view import Fields, Lines

from ..core.fakes import Plain

STREAM = Capabilities(Unit.STREAM)
MESSAGES = Capabilities(Unit.MESSAGE)
OUT, IN = True, False


class Clock:
    """Time that passes a quarter of a second at each look."""

    def __init__(self) -> None:
        self.time = 99.75

    def now(self) -> float:
        self.time += 0.25
        return self.time

    def wall(self) -> float:
        raise NotImplementedError

    def randbits(self, bits: int) -> int:
        raise NotImplementedError


def lines_of(
    *calls: tuple[bool, Sequence[Any]],
    above: LayerSpec | None = None,
    record: Capabilities = MESSAGES,
    shown: int = 0,
) -> list[str]:
    """What batches look like."""
    lines: list[str] = []
    view = Lines(Sink(lines.append, packets=False), Clock(), "a|b #1", Fields(above, record), shown)
    for outwards, units in calls:
        view.units(outwards, units)
    return lines


def test_units_in_words() -> None:
    assert lines_of((OUT, [b"hello", (b"head", b"body"), b""]), (IN, [b"x" * 1000])) == [
        "0.000000 a|b #1 > message 5 B",
        "0.000000 a|b #1 > message 8 B",
        "0.000000 a|b #1 > message 0 B",
        "0.250000 a|b #1 < message 1000 B",
    ]


@pytest.mark.parametrize(
    ("unit", "noun"),
    [
        (Unit.STREAM, "chunk"),
        (Unit.MESSAGE, "message"),
        (Unit.FRAMES, "frames"),
        (Unit.DATAGRAM, "datagram"),
    ],
)
def test_each_interface_has_its_word(unit: Unit, noun: str) -> None:
    assert lines_of((IN, [b"x"]), record=Capabilities(unit)) == [f"0.000000 a|b #1 < {noun} 1 B"]


def test_messages_of_frames_and_datagrams() -> None:
    frames = lines_of((OUT, [[b"one", b"", b"three"]]), record=Capabilities(Unit.FRAMES))
    assert frames == ["0.000000 a|b #1 > frames 3 frames 8 B"]
    datagrams = lines_of((IN, [(b"data", "10.0.0.1:5")]), record=Capabilities(Unit.DATAGRAM))
    assert datagrams == ["0.000000 a|b #1 < datagram 4 B"]


def test_units_in_hex() -> None:
    assert lines_of((IN, [bytes(range(40)), b"hello, world", b""]), shown=4096) == [
        "0.000000 a|b #1 < message 40 B",
        "  00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|",
        "  00000010  10 11 12 13 14 15 16 17  18 19 1a 1b 1c 1d 1e 1f  |................|",
        "  00000020  20 21 22 23 24 25 26 27                           | !\"#$%&'|",
        "0.000000 a|b #1 < message 12 B",
        "  00000000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64              |hello, world|",
        "0.000000 a|b #1 < message 0 B",
    ]


def test_long_units_in_hex_are_cut() -> None:
    assert lines_of((OUT, [b"abcdefgh\xff~\x7f"]), shown=10) == [
        "0.000000 a|b #1 > message 11 B",
        "  00000000  61 62 63 64 65 66 67 68  ff 7e                    |abcdefgh.~|",
        "  … 1 B more",
    ]


def test_events() -> None:
    lines: list[str] = []
    view = Lines(Sink(lines.append, packets=False), Clock(), "a|b #1", Fields(None, STREAM), 0)
    view.event(OUT, "open")
    view.event(IN, "opened", "stream")
    view.event(IN, "broken", "StackError: two\n  lines")
    assert lines == [
        "0.000000 a|b #1 > open",
        "0.250000 a|b #1 < opened: stream",
        "0.500000 a|b #1 < broken: StackError: two lines",
    ]


# Fields.


def found(fields: Fields, outwards: bool, data: bytes, *, first: bool = True) -> str:
    return " ".join(
        f"{name}={value.hex()}" for name, value in fields.of(outwards, data, first=first)
    )


def test_a_layer_begins_each_batch_on_a_stream() -> None:
    fields = Fields(Prefix(4), STREAM)
    assert found(fields, OUT, b"\0\0\0\5hello") == "length=00000005"
    assert found(fields, OUT, b"\0\0\0\5hello", first=False) == ""
    assert found(fields, IN, b"\0\0\0\5hello") == ""
    assert found(fields, OUT, b"\0\0") == ""


def test_a_layer_begins_each_message() -> None:
    above = Plain((Header("type", 1), Header("id", 4)), head=5)
    fields = Fields(above, MESSAGES)
    for outwards in (OUT, IN):
        for first in (True, False):
            assert found(fields, outwards, b"\1\0\0\0\7data", first=first) == "type=01 id=00000007"
    assert found(fields, IN, b"\1\0\0") == "type=01"


def test_what_is_sent_once_comes_first_in_both_directions() -> None:
    hello = b"\0SP\0\0\x30\0\0"
    head = (5).to_bytes(8, "big")
    fields = Fields(Sp(), STREAM)
    assert found(fields, OUT, hello) == f"hello={hello.hex()}"
    assert found(fields, OUT, head + b"hello") == f"length={head.hex()}"
    assert found(fields, IN, hello + head) == f"hello={hello.hex()} length={head.hex()}"
    assert found(fields, IN, head) == ""


def test_fields_behind_the_payload_are_not_looked_for() -> None:
    fields = Fields(Tls(), STREAM)
    assert found(fields, OUT, bytes.fromhex("1703030040") + b"x" * 64) == (
        "type=17 version=0303 length=0040"
    )


def test_fields_that_vary_or_that_the_layer_does_not_write_here_are_left_out() -> None:
    assert (
        found(Fields(Plain((Header("size", 0), Header("id", 4)), head=4), MESSAGES), OUT, b"12345")
        == ""
    )
    assert found(Fields(Plain((Header("id", 4),), head=5), MESSAGES), OUT, b"12345") == ""
    on_unix = STREAM.but(features=frozenset({"sp_type_octet"}))
    fields = Fields(Sp(), on_unix)
    hello = b"\0SP\0\0\x30\0\0"
    assert found(fields, OUT, hello) == f"hello={hello.hex()}"
    assert found(fields, OUT, b"\1" + bytes(8)) == "type=01 length=0000000000000000"


def test_nothing_above_nothing_found() -> None:
    assert found(Fields(None, STREAM), OUT, b"data") == ""


def test_the_record_is_left_as_it_is() -> None:
    calls: list[Capabilities] = []

    class Spy:
        def derive(self, below: Capabilities) -> Capabilities:
            calls.append(below)
            return below

        def header_over(self, below: Capabilities) -> tuple[Header, ...]:
            return ()

    Fields(cast("LayerSpec", Spy()), MESSAGES)
    assert calls == [MESSAGES]
