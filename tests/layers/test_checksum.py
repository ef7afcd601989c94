"""A CRC-32 behind each message."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.capabilities import Capabilities, Integrity, Unit
from sockstack.core.errors import RemoteProtocolError
from sockstack.core.layer import Chunks
from sockstack.layers.checksum import Checksum, ChecksumLayer

from ..core.rig import build, rig

MESSAGES = Capabilities(Unit.MESSAGE, max_unit=100, features=frozenset({"marks", "detach"}))


def layer_of() -> ChecksumLayer:
    layer = build(Checksum(), MESSAGES)
    assert isinstance(layer, ChecksumLayer)
    return layer


def joined(unit: Chunks) -> bytes:
    return unit if isinstance(unit, bytes) else b"".join(unit)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Integrity.NONE, Integrity.CHECKSUM),
        (Integrity.CHECKSUM, Integrity.CHECKSUM),
        (Integrity.HOP, Integrity.HOP),
        (Integrity.END_TO_END, Integrity.END_TO_END),
    ],
)
def test_what_it_gives(before: Integrity, after: Integrity) -> None:
    below = MESSAGES.but(integrity=before)
    assert Checksum().derive(below) == below.but(
        tail=4, max_unit=96, empty_unit=True, integrity=after, features=frozenset({"detach"})
    )
    assert [field.size for field in Checksum().header] == [4]


def test_the_wire() -> None:
    # The check value of CRC-32 is that of the text 123456789.
    assert joined(layer_of().encode([b"123456789"])[0]) == b"123456789" + bytes.fromhex("cbf43926")


chunked = st.one_of(st.binary(max_size=9), st.lists(st.binary(max_size=4), max_size=4).map(tuple))


@given(st.lists(chunked, max_size=5))
def test_both_ways(units: list[Chunks]) -> None:
    layer = layer_of()
    wire = [joined(unit) for unit in layer.encode(units)]
    assert [unit[-4:] for unit in wire] == [
        crc32(joined(unit)).to_bytes(4, "big") for unit in units
    ]
    assert layer.decode(wire) == [joined(unit) for unit in units]


@given(st.binary(max_size=20), st.data())
def test_any_changed_bit_is_noticed(payload: bytes, data: st.DataObject) -> None:
    layer = layer_of()
    wire = bytearray(joined(layer.encode([payload])[0]))
    bit = data.draw(st.integers(0, 8 * len(wire) - 1))
    wire[bit // 8] ^= 1 << bit % 8
    assert layer.decode([bytes(wire)]) == [None]


@given(st.binary(max_size=8))
def test_a_cut_or_a_longer_unit_is_noticed(payload: bytes) -> None:
    layer = layer_of()
    wire = joined(layer.encode([payload])[0])
    for cut in range(len(wire)):
        shorter = layer.decode([wire[:cut]])[0]
        assert shorter is None or crc32(shorter).to_bytes(4, "big") == wire[:cut][-4:]
    assert layer.decode([wire[:3], wire, b""]) == [None, payload, None]


def test_a_large_payload_is_not_copied() -> None:
    big = b"x" * 100_000
    layer = layer_of()
    whole, parts = layer.encode([big, (b"head", big)])
    assert whole[0] is big
    assert parts[1] is big
    assert [len(chunk) for chunk in whole if isinstance(chunk, bytes)] == [100_000, 4]


def test_in_a_connection_a_bad_message_is_the_end() -> None:
    layer = layer_of()
    top, bottom = rig(layer)
    good = joined(layer.encode([b"good"])[0])
    layer.receive([good, b"bad!" + good[4:], good])
    assert top.units == [b"good"]
    assert isinstance(top.errors[0], RemoteProtocolError)
    assert "checksum" in str(top.errors[0])
    assert bottom.calls == ["abort"]
    assert layer.refused == 1
    assert layer.detachable() is None
