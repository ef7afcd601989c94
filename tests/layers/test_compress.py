"""Each message compressed by itself."""

from __future__ import annotations

import random
import tracemalloc
import warnings
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack import (
    Compress,
    Prefix,
    Pull,
    Push,
    Rep,
    Req,
    Socket,
    Sp,
    Tcp,
    TooBig,
    dial,
    listen,
)
from sockstack.core.capabilities import UNLIMITED, Capabilities, Unit
from sockstack.core.errors import RemoteProtocolError, StackError, StackWarning
from sockstack.core.layer import Chunks
from sockstack.core.text import parse
from sockstack.layers.compress import CompressLayer

from ..core.rig import build, rig

MESSAGES = Capabilities(Unit.MESSAGE, features=frozenset({"marks", "detach"}))
NOISE = random.Random(1).randbytes(100_000)
"""Bytes that do not shrink."""

PATIENCE = 30.0


def layer_of(spec: Compress | None = None, below: Capabilities = MESSAGES) -> CompressLayer:
    layer = build(spec or Compress(), below)
    assert isinstance(layer, CompressLayer)
    return layer


def joined(unit: Chunks) -> bytes:
    return unit if isinstance(unit, bytes) else b"".join(unit)


def deflated(payload: bytes) -> bytes:
    """The payload as a peer may send it, whether it shrinks or not."""
    return b"\x01" + zlib.compress(payload)


# What it promises.


def test_what_it_gives() -> None:
    below = MESSAGES.but(max_unit=100)
    assert Compress().derive(below) == below.but(
        head=1, max_unit=99, empty_unit=True, features=frozenset({"detach"})
    )
    assert Compress().derive(MESSAGES).max_unit == 64 << 20
    assert Compress(limit=7).derive(below).max_unit == 7
    assert Compress(limit=(1 << 62) - 1).derive(MESSAGES).max_unit < UNLIMITED
    assert [field.size for field in Compress().header] == [1]


@pytest.mark.parametrize(
    ("options", "field", "told"),
    [
        ("0", "level", "a level from 1 to 9, not 0"),
        ("10", "level", "a level from 1 to 9, not 10"),
        ("6.0", "level", "level is a whole number, not 6.0"),
        ("none", "level", "level is a whole number, not none"),
        ("limit=0", "limit", "a limit of 1 to 2**62 - 1 bytes, not 0"),
        ("limit=1e6", "limit", "limit is a whole number, not 1000000.0"),
        (f"limit={1 << 62}", "limit", "a limit of 1 to 2**62 - 1 bytes"),
    ],
)
def test_options_that_do_not_work(options: str, field: str, told: str) -> None:
    with pytest.raises(StackError) as caught:
        parse(f"compress({options}) | prefix | tcp(h:1)")
    assert (caught.value.layer, caught.value.field) == ("compress", field)
    assert told in caught.value.message


def test_as_text() -> None:
    text = "compress(9, limit=4096) | prefix | tcp(h:1)"
    stack = parse(text)
    assert stack.layers[0] == Compress(9, limit=4096)
    assert str(stack) == text


def test_where_it_stands() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in (
            "compress | prefix | tcp(h:1)",
            "compress | req | sp | tcp(h:1)",
            "checksum | compress | checksum | prefix | tcp(h:1)",
            "compress | inproc(x)",
        ):
            assert parse(text).complete
    with pytest.warns(StackWarning, match="the size of what is sent tells about its content"):
        parse("compress | prefix | tls | tcp(h:1)")
    with pytest.raises(StackError, match="any_bytes=no"):
        parse("compress | line | tcp(h:1)")
    with pytest.raises(StackError, match="messages below"):
        parse("compress | tcp(h:1)")


# The wire.


def test_the_wire() -> None:
    zeros = joined(layer_of().encode([b"\0" * 1000])[0])
    assert zeros[0] == 1
    assert zlib.decompress(zeros[1:]) == b"\0" * 1000
    assert len(zeros) < 30
    assert layer_of().encode([b"short", b"", (b"in ", b"", b"chunks")]) == [
        b"\0short",
        b"\0",
        b"\0in chunks",
    ]


def test_the_level_is_kept() -> None:
    text = b" ".join(b"%d" % (number * number) for number in range(5000))
    fast, small = (joined(layer_of(Compress(level)).encode([text])[0]) for level in (1, 9))
    assert fast == b"\x01" + zlib.compress(text, 1)
    assert small == b"\x01" + zlib.compress(text, 9)
    assert len(small) < len(fast)


def test_a_large_payload_that_does_not_shrink_is_not_copied() -> None:
    whole, parts = layer_of().encode([NOISE, (b"head", NOISE)])
    assert whole[0] == parts[0] == b"\0"
    assert whole[1] is NOISE
    assert parts[2] is NOISE


payloads = st.one_of(
    st.binary(max_size=50), st.builds(bytes.__mul__, st.binary(max_size=5), st.integers(0, 2000))
)
chunked = st.one_of(payloads, st.lists(payloads, max_size=4).map(tuple))


@given(st.lists(chunked, max_size=5), st.integers(1, 9))
def test_both_ways(units: list[Chunks], level: int) -> None:
    layer = layer_of(Compress(level))
    wire = [joined(unit) for unit in layer.encode(units)]
    assert layer.decode(wire) == [joined(unit) for unit in units]
    assert layer.refused == 0
    assert all(len(sent) <= 1 + len(joined(unit)) for sent, unit in zip(wire, units, strict=True))


# What a peer may send.


@given(st.lists(st.one_of(st.binary(max_size=40), payloads.map(deflated)), max_size=6))
def test_anything_is_decoded_or_refused(units: list[bytes]) -> None:
    layer = layer_of(Compress(limit=1000))
    out = layer.decode(units)
    assert len(out) == len(units)
    assert layer.refused == out.count(None)
    assert all(payload is None or len(payload) <= 1000 for payload in out)


@given(payloads, st.data())
def test_what_is_cut_is_refused(payload: bytes, data: st.DataObject) -> None:
    wire = deflated(payload)
    place = data.draw(st.integers(0, len(wire) - 1))
    assert layer_of().decode([wire[:place]]) == [None]


@given(payloads, st.binary(min_size=1, max_size=9))
def test_what_follows_the_end_is_refused(payload: bytes, more: bytes) -> None:
    wire = deflated(payload)
    assert layer_of().decode([wire, wire + more, wire + wire[1:]]) == [payload, None, None]


@pytest.mark.parametrize(
    "unit",
    [
        b"",
        b"\x01",
        b"\x02abc",
        b"\xffabc",
        b"\x01no zlib stream",
        b"\x01" + zlib.compress(b"x" * 100)[:-1] + b"\0",  # a sum that does not fit
        b"\x01" + zlib.compress(b"x" * 100, wbits=31),  # gzip
        b"\x01" + zlib.compress(b"x" * 100, wbits=-15),  # bare
    ],
    ids=bytes.hex,
)
def test_what_is_no_message_is_refused(unit: bytes) -> None:
    layer = layer_of()
    assert layer.decode([b"\0good", unit, b"\0good"]) == [b"good", None, b"good"]
    assert layer.refused == 1


def test_a_dictionary_of_the_peers_own_is_refused() -> None:
    squeeze = zlib.compressobj(zdict=b"words that we do not know")
    unit = b"\x01" + squeeze.compress(b"words that we do not know") + squeeze.flush()
    assert layer_of().decode([unit]) == [None]


@pytest.mark.parametrize("form", [lambda payload: b"\0" + payload, deflated])
def test_the_limit(form: object) -> None:
    assert callable(form)
    sizes = (0, 99, 100, 101, 100_000)
    for layer in (
        layer_of(Compress(limit=100)),
        layer_of(below=MESSAGES.but(max_unit=101)),
    ):
        kept = layer.decode([form(b"a" * size) for size in sizes])
        assert kept == [b"", b"a" * 99, b"a" * 100, None, None]
        assert layer.refused == 2


def test_what_expands_without_end_is_not_expanded() -> None:
    bomb = deflated(b"\0" * (256 << 20))
    assert len(bomb) < 1 << 18
    layer = layer_of(Compress(limit=1 << 20))
    tracemalloc.start()
    try:
        assert layer.decode([bomb]) == [None]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_in_a_connection_a_bad_message_is_the_end() -> None:
    layer = layer_of(Compress(limit=4))
    top, bottom = rig(layer)
    layer.receive([b"\0good", b"\0too much", b"\0good"])
    assert top.units == [b"good"]
    assert isinstance(top.errors[0], RemoteProtocolError)
    assert "expands to more than 4 bytes" in str(top.errors[0])
    assert bottom.calls == ["abort"]
    assert layer.detachable() is None


# On sockets and connections.


def test_a_connection() -> None:
    stack = Compress(limit=2000) | Prefix(4)
    with listen(stack | Tcp("127.0.0.1:0"), timeout=PATIENCE) as listener:
        near = dial(stack | Tcp(listener.address), timeout=PATIENCE)
        with near, listener.accept() as far:
            for body in (b"x" * 2000, b"", NOISE[:2000]):
                near.send(body)
                assert far.recv() == body
            with pytest.raises(TooBig, match="the message has 2001 bytes, this stack carries 2000"):
                near.send(b"x" * 2001)
            near.send(b"still here")
            assert far.recv() == b"still here"


@pytest.mark.parametrize(
    ("end", "hop"), [(Compress(), None), (None, Compress()), (Compress(), Compress(9))]
)
def test_above_and_below_a_pattern(end: Compress | None, hop: Compress | None) -> None:
    def place(address: str) -> Any:
        below = Sp() | Tcp(address)
        return hop | below if hop else below

    text = b"all work and no play " * 5000
    with (
        Socket(end | Rep() if end else Rep(), timeout=PATIENCE) as rep,
        Socket(end | Req() if end else Req(), timeout=PATIENCE) as req,
    ):
        req.dial(place(rep.listen(place("127.0.0.1:0")).address))
        for body in (text, b"", NOISE):
            req.send(body)
            assert rep.recv() == body
            rep.send(body[::-1])
            assert req.recv() == body[::-1]


def test_above_a_pattern_a_bad_message_is_dropped_and_counted() -> None:
    with (
        Socket(Compress(limit=100) | Pull(), timeout=PATIENCE) as pull,
        Socket(Push(), timeout=PATIENCE) as push,
    ):
        push.dial(Sp() | Tcp(pull.listen(Sp() | Tcp("127.0.0.1:0")).address))
        for unit in (deflated(b"x" * 101), b"\x05what", b"", deflated(b"x" * 100)):
            push.send(unit)
        assert pull.recv() == b"x" * 100
        assert pull.stats()["refused"] == 3
