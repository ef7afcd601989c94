"""Lines as messages."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import LocalProtocolError, PeerAborted, StackError, TooBig
from sockstack.core.layer import MANY
from sockstack.layers.line import Line, LineLayer

from ..core.rig import Bottom, Recorder, build, rig

ENDINGS = [b"\n", b"\r\n", b"\0", b"aa", b"aba"]


def ready(spec: Line) -> tuple[LineLayer, Recorder, Bottom]:
    """The layer of a spec, with credit to spare."""
    layer = build(spec)
    assert isinstance(layer, LineLayer)
    top, bottom = rig(layer)
    top.below.want(MANY)
    return layer, top, bottom


# The description.


def test_what_it_gives() -> None:
    below = Capabilities(Unit.STREAM, features=frozenset({"fd_pass", "peer_cred"}))
    assert Line(100, b"\r\n").derive(below) == below.but(
        unit=Unit.MESSAGE,
        empty_unit=True,
        any_bytes=False,
        max_unit=100,
        features=frozenset({"peer_cred", "detach"}),
        tail=2,
    )
    assert [field.size for field in Line(ending=b"\r\n").header] == [2]


@pytest.mark.parametrize(
    ("spec", "field"),
    [(lambda: Line(0), "limit"), (lambda: Line(ending=b""), "ending")],
)
def test_options_that_are_refused(spec: type[Line], field: str) -> None:
    with pytest.raises(StackError, match="at least 1 byte") as caught:
        spec()
    assert (caught.value.layer, caught.value.field) == ("line", field)


# The layer.


def test_the_wire() -> None:
    layer, top, bottom = ready(Line())
    layer.send([b"one", b"", (b"t", b"wo")])
    assert b"".join(bottom.sent) == b"one\n\ntwo\n"
    layer.receive([b"one\n\ntwo\n"])
    assert top.units == [b"one", b"", b"two"]


def test_crlf_ends_a_line_where_lf_does() -> None:
    layer, top, _ = ready(Line())
    layer.receive([b"one\r\n\r\n\rtwo\r", b"\nthree\n"])
    assert top.units == [b"one", b"", b"\rtwo", b"three"]


def test_any_other_ending_is_taken_as_it_is() -> None:
    layer, top, _ = ready(Line(ending=b"\r\n"))
    layer.receive([b"one\ntwo\rthree\r\r\n\r\n"])
    assert top.units == [b"one\ntwo\rthree\r", b""]


@given(
    st.sampled_from(ENDINGS),
    st.lists(
        st.one_of(st.text("ab\r\n\0c", max_size=6).map(str.encode), st.binary(max_size=6)),
        max_size=6,
    ),
    st.data(),
)
def test_what_can_be_sent_arrives_and_the_rest_is_refused(
    ending: bytes, units: list[bytes], data: st.DataObject
) -> None:
    near, _, bottom = ready(Line(ending=ending))
    sent = []
    for unit in units:
        try:
            near.send([unit])
            sent.append(unit)
        except LocalProtocolError:
            ends_early = (unit + ending).find(ending) < len(unit)
            assert ends_early or (ending == b"\n" and unit.endswith(b"\r"))
    wire = b"".join(bottom.sent)
    far, top, _ = ready(Line(ending=ending))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        far.receive([wire[start:stop]])
    assert top.units == sent
    assert far.leftover() == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stream_split_at_every_byte(ending: bytes) -> None:
    units = [b"", b"x", b"yz", b"\r x" if ending != b"\n" else b"x"]
    wire = b"".join(unit + ending for unit in units)
    for cut in range(len(wire) + 1):
        layer, top, _ = ready(Line(ending=ending))
        layer.receive([wire[:cut]])
        layer.receive([wire[cut:]])
        assert top.units == units
    layer, top, _ = ready(Line(ending=ending))
    for byte in wire:
        layer.receive([bytes([byte])])
    assert top.units == units


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        (b"a\nb", r"that holds b'\\n'"),
        ((b"a", b"\n", b"b"), r"that holds b'\\n'"),
        (b"a\r", r"that ends with b'\\r'"),
        (b"x" * 11, "of 11 bytes, and this stack carries at most 10"),
    ],
)
def test_a_line_that_cannot_be_carried_is_refused_and_nothing_is_sent(
    unit: bytes | tuple[bytes, ...], why: str
) -> None:
    layer, _, bottom = ready(Line(10))
    with pytest.raises(LocalProtocolError, match=why):
        layer.send([b"good", unit])
    assert bottom.batches == []


def test_an_ending_split_between_chunks_is_seen() -> None:
    layer, _, bottom = ready(Line(ending=b"\r\n"))
    with pytest.raises(LocalProtocolError, match="which ends a line"):
        layer.send([(b"a\r", b"\nb")])
    # Here the payload and the ending together would end the line one byte early.
    layer, _, bottom = ready(Line(ending=b"aa"))
    with pytest.raises(LocalProtocolError, match="which ends a line"):
        layer.send([b"xa"])
    assert bottom.batches == []


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"aba"])
def test_the_longest_line_passes_and_one_byte_more_does_not(ending: bytes) -> None:
    for cut in range(12 + len(ending)):
        layer, top, bottom = ready(Line(10, ending))
        wire = b"g" * 10 + ending
        layer.receive([wire[:cut]])
        layer.receive([wire[cut:]])
        assert top.units == [b"g" * 10]
        bad = b"b" * 11 + ending
        layer.receive([bad[:cut]])
        if not top.errors:
            layer.receive([bad[cut:]])
        assert top.units == [b"g" * 10]
        error = top.errors[0]
        assert isinstance(error, TooBig)
        assert error.limit == 10
        assert error.size >= 11
        assert bottom.calls == ["abort"]


def test_crlf_does_not_count_against_the_limit() -> None:
    layer, top, _ = ready(Line(10))
    for byte in b"0123456789\r\n":
        layer.receive([bytes([byte])])
    assert top.units == [b"0123456789"]


def test_bytes_without_an_ending_are_kept_up_to_the_limit_only() -> None:
    layer, top, _ = ready(Line(1000))
    for _ in range(1000):
        layer.receive([b"x"])
    assert top.errors == []
    layer.receive([b"x"])
    layer.receive([b"x"])
    assert isinstance(top.errors[0], TooBig)
    assert layer.leftover() == []


class Counted(bytes):
    """Counts the bytes that are searched."""

    searched = 0

    def find(self, sub: bytes, start: int = 0) -> int:  # type: ignore[override]
        place = super().find(sub, start)
        Counted.searched += (len(self) if place < 0 else place + len(sub)) - start
        return place


def test_nothing_is_searched_twice() -> None:
    layer, top, _ = ready(Line(1 << 20, b"\r\n"))
    size = 10000
    wire = b"x" * size + b"\r\n"
    Counted.searched = 0
    units: list[bytes] = []
    for stop in range(1, len(wire) + 1):
        assert layer.parse(Counted(wire[:stop]), 0, units, MANY) == (
            0 if stop < len(wire) else stop
        )
    assert units == [wire[:-2]]
    # Each call looks at one new byte, and again at the last one, where an ending may begin.
    assert Counted.searched <= 2 * len(wire)
    assert top.errors == []


def test_many_lines_in_one_read_are_searched_once_even_one_by_one() -> None:
    layer, _, _ = ready(Line())
    wire = Counted(b"line\n" * 1000)
    Counted.searched = 0
    pos = 0
    for count in range(1, 1001):
        units: list[bytes] = []
        pos = layer.parse(wire, pos, units, 1)
        assert units == [b"line"]
        assert pos == 5 * count
    assert Counted.searched == len(wire)


@given(st.sampled_from([b"\n", b"ab"]), st.binary(max_size=5))
def test_an_end_inside_a_line_is_a_cut(ending: bytes, tail: bytes) -> None:
    assume(ending not in tail)
    layer, top, _ = ready(Line(ending=ending))
    layer.receive([b"whole" + ending + tail])
    layer.ended()
    assert top.units == [b"whole"]
    if tail:
        assert isinstance(top.errors[0], PeerAborted)
    else:
        assert top.log == ["unit", "ended"]


def test_leftover_begins_a_new_line() -> None:
    layer, top, _ = ready(Line(ending=b"\r\n"))
    layer.receive([b"one\r\npart"])
    assert layer.leftover() == [b"part"]
    layer.receive([b"a\r\n"])
    assert top.units == [b"one", b"a"]
