"""Messages behind their lengths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.capabilities import Capabilities, HalfClose, Unit
from sockstack.core.errors import LocalProtocolError, StackError, TooBig
from sockstack.core.layer import MANY
from sockstack.layers.prefix import Prefix, PrefixLayer

from ..core.rig import Bottom, Recorder, build, rig

SIZES = [1, 2, 4, 8]


def ready(spec: Prefix) -> tuple[PrefixLayer, Recorder, Bottom]:
    """The layer of a spec, with credit to spare."""
    layer = build(spec)
    assert isinstance(layer, PrefixLayer)
    top, bottom = rig(layer)
    top.below.want(MANY)
    return layer, top, bottom


# The description.


@pytest.mark.parametrize(
    ("spec", "largest"),
    [
        (Prefix(), 1 << 20),
        (Prefix(1), 255),
        (Prefix(2), 65535),
        (Prefix(2, limit=10), 10),
        (Prefix(8, limit=1 << 40), 1 << 40),
    ],
)
def test_the_limit_is_what_the_length_can_say_at_most(spec: Prefix, largest: int) -> None:
    assert spec.max_unit == largest
    assert spec.derive(Capabilities(Unit.STREAM)).max_unit == largest


def test_what_it_gives() -> None:
    below = Capabilities(
        Unit.STREAM,
        half_close=HalfClose.NATIVE,
        features=frozenset({"fd_pass", "peer_cred"}),
        head=5,
        tail=17,
        setup_rtts=1,
    )
    assert Prefix(4).derive(below) == below.but(
        unit=Unit.MESSAGE,
        empty_unit=True,
        max_unit=1 << 20,
        features=frozenset({"peer_cred", "detach"}),
        head=9,
    )
    assert [field.size for field in Prefix(2).header] == [2]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"size": 3}, "size"),
        ({"size": 0}, "size"),
        ({"size": "4"}, "size"),
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
    ],
)
def test_options_that_are_refused(options: dict[str, int], field: str) -> None:
    with pytest.raises(StackError, match=f"{next(iter(options.values()))!r}") as caught:
        Prefix(**options)
    assert (caught.value.layer, caught.value.field) == ("prefix", field)


# The layer.


@pytest.mark.parametrize(
    ("size", "wire"),
    [
        (1, b"\x02hi\x00\x01!"),
        (2, b"\x00\x02hi\x00\x00\x00\x01!"),
        (4, b"\x00\x00\x00\x02hi\x00\x00\x00\x00\x00\x00\x00\x01!"),
        (8, b"\0\0\0\0\0\0\0\x02hi\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01!"),
    ],
)
def test_the_wire(size: int, wire: bytes) -> None:
    layer, top, bottom = ready(Prefix(size))
    layer.send([b"hi", b"", (b"", b"!")])
    assert b"".join(bottom.sent) == wire
    layer.receive([wire])
    assert top.units == [b"hi", b"", b"!"]


messages = st.lists(
    st.one_of(st.binary(max_size=5), st.sampled_from([64, 255, 9000]).map(lambda n: b"m" * n)),
    max_size=8,
)


@given(messages, st.sampled_from([2, 4, 8]), st.data())
def test_what_is_sent_arrives_however_it_is_cut(
    units: list[bytes], size: int, data: st.DataObject
) -> None:
    near, _, bottom = ready(Prefix(size))
    near.send(units)
    wire = b"".join(bottom.sent)
    far, top, _ = ready(Prefix(size))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        far.receive([wire[start:stop]])
    assert top.units == units
    assert far.leftover() == []


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_split_at_every_byte(size: int) -> None:
    units = [b"", b"a", b"bc", b"def"]
    wire = b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)
    for cut in range(len(wire) + 1):
        layer, top, _ = ready(Prefix(size))
        layer.receive([wire[:cut]])
        layer.receive([wire[cut:]])
        assert top.units == units
    layer, top, _ = ready(Prefix(size))
    for byte in wire:
        layer.receive([bytes([byte])])
    assert top.units == units


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cut", [True, False])
def test_a_length_over_the_limit_is_refused_before_its_payload(size: int, cut: bool) -> None:
    layer, top, bottom = ready(Prefix(size, limit=100))
    good, bad = (100).to_bytes(size, "big") + b"g" * 100, (101).to_bytes(size, "big")
    if cut:
        layer.receive([good + bad[:-1]])
        layer.receive([bad[-1:]])
    else:
        layer.receive([good + bad + b"b" * 101])
    assert top.units == [b"g" * 100]
    assert top.log == ["unit", "broken"]
    error = top.errors[0]
    assert isinstance(error, TooBig)
    assert (error.limit, error.size) == (100, 101)
    assert "Prefix(limit=…)" in str(error)
    assert bottom.calls == ["abort"]


def test_a_huge_claim_takes_no_room() -> None:
    layer, _, _ = ready(Prefix(8, limit=1 << 62))
    layer.receive([(1 << 61).to_bytes(8, "big") + b"x"])
    assert layer.leftover() == [(1 << 61).to_bytes(8, "big") + b"x"]


@pytest.mark.parametrize("big", [b"x" * 256, (b"x" * 200, b"y" * 56)])
def test_a_message_that_does_not_fit_is_refused_and_nothing_is_sent(
    big: bytes | tuple[bytes, ...],
) -> None:
    layer, _, bottom = ready(Prefix(1))
    for _ in range(2):
        with pytest.raises(LocalProtocolError, match="256 bytes, and this stack carries at most"):
            layer.send([b"good", big, b"good"])
        with pytest.raises(LocalProtocolError):
            layer.send([big])
    assert bottom.batches == []
    layer.send([b"good"])
    assert bottom.sent == [b"\x04good"]


@given(st.lists(st.binary(max_size=30), max_size=6), st.sampled_from(SIZES))
def test_whatever_comes_only_declared_errors_go_up(pieces: list[bytes], size: int) -> None:
    layer, top, _ = ready(Prefix(size, limit=20))
    for piece in pieces:
        if top.errors:
            break
        layer.receive([piece])
    else:
        layer.ended()
    assert all(len(unit) <= 20 for unit in top.units)
    assert len(top.errors) <= 1
