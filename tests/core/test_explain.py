"""The picture of a stack: a row a layer, what goes on the wire, the sums, what is missing and what is doubtful."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.capabilities import (
    UNLIMITED,
    Auth,
    Capabilities,
    Confidential,
    HalfClose,
    Integrity,
    Ordered,
    Peers,
    Requirement,
    Unit,
)
from sockstack.core.errors import StackError
from sockstack.core.explain import NAME_WIDTH, WIDTH, explain
from sockstack.core.spec import Header, LayerSpec
from sockstack.layers.checksum import Checksum
from sockstack.layers.line import Line
from sockstack.layers.prefix import Prefix
from sockstack.layers.sp import Sp
from sockstack.patterns.pipeline import Push

from .fakes import LOSSY, Again, Muxer, Passer, Plain, Seal, Secure, Squeeze, Wire


def rows(picture: str) -> dict[str, list[str]]:
    """The cells of each row by the layer's name."""
    lines = picture.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("───")) + 1
    table = lines[start : lines.index("", start)]
    return {cells[0]: cells[1:] for cells in (re.split(r" {2,}", line) for line in table)}


def test_a_whole_picture() -> None:
    link = Wire(
        Capabilities(
            Unit.STREAM,
            half_close=HalfClose.NATIVE,
            peer_auth=Auth.OS_CREDENTIAL,
            integrity=Integrity.CHECKSUM,
            setup_rtts=1,
        )
    )
    stack = Seal(keyfile="k") | Prefix(2, limit=1 << 14) | link
    assert stack.explain() == PICTURE.format(str(link))


PICTURE = """\
seal(keyfile=k) | prefix(2, limit=16384) | {}

layer   unit     reliable  ordered    limit  half-close  secret  integrity  auth  bytes  trips
──────────────────────────────────────────────────────────────────────────────────────────────
seal    message  yes       total    16344 B  native      e2e     e2e        os    24+16      0
prefix  message  yes       total     16 KiB  native      -       checksum   os        2      0
wire    stream   yes       total       none  native      -       checksum   os        0      1

On the wire, a field a line:
  seal    nonce (24)
          tag (16): behind the ciphertext
  prefix  length (2): of the payload, big-endian

42 bytes around each unit (26 before it, 16 behind it), 1 round trip before the first."""


def test_one_row_a_layer_top_first() -> None:
    picture = (Checksum() | Push() | Sp() | Secure() | Wire()).explain()
    assert list(rows(picture)) == ["checksum", "push", "sp", "secure", "wire"]
    assert rows(picture)["secure"] == [
        "stream", "yes", "total", "none", "none", "hop", "hop", "-", "2+16", "0",
    ]  # fmt: skip


def test_weak_things_are_shown_as_such() -> None:
    record = LOSSY.but(ordered=Ordered.PER_SENDER, half_close=HalfClose.EMULATED)
    cells = rows(explain((Wire(record),)))["wire"]
    assert cells[:5] == ["message", "no", "per-sender", "1200 B", "emulated"]


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (UNLIMITED, "none"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1536 B"),
        (65536, "64 KiB"),
        (1 << 20, "1 MiB"),
        ((1 << 20) + 1, "<2 MiB"),
        ((64 << 20) - 4, "<64 MiB"),
        (3 << 30, "3 GiB"),
        (1 << 45, "32 TiB"),
        ((1 << 60) - 1, "<1024 PiB"),
        (UNLIMITED - 1, "<8 EiB"),
    ],
)
def test_limits(limit: int, text: str) -> None:
    picture = explain((Wire(Capabilities(Unit.MESSAGE, max_unit=limit)),))
    assert rows(picture)["wire"][3] == text


@pytest.mark.parametrize(
    ("head", "tail", "trips", "text"),
    [
        (0, 0, 0, "0 bytes around each unit, no round trips before the first."),
        (1, 0, 1, "1 byte around each unit, 1 round trip before the first."),
        (0, 4, 2, "4 bytes around each unit (0 before it, 4 behind it), 2 round trips before"),
    ],
)
def test_sums(head: int, tail: int, trips: int, text: str) -> None:
    record = Capabilities(Unit.MESSAGE, head=head, tail=tail, setup_rtts=trips)
    assert text in explain((Wire(record),))


def test_what_is_sent_once_and_what_varies() -> None:
    fields = (Header("hello", 8, "who we are", once=True), Header("name", 0))
    picture = (Plain(fields, head=255) | Wire()).explain()
    assert "  plain  hello (8, once): who we are\n         name (varies)\n" in picture


@pytest.mark.parametrize(
    ("layers", "missing", "unit"),
    [
        ((Prefix(),), "one that gives an ordered, reliable byte stream.", "stream"),
        ((Checksum(),), "one that gives messages.", "message"),
        ((Again(),), "one that gives messages from one peer, in both directions.", "message"),
        ((Push(),), "one that gives messages with a session, with an SP mapping.", "message"),
        ((Passer(),), "one that gives a byte stream with descriptor passing.", "stream"),
        ((Plain(),), "a transport is missing.", "stream"),
    ],
)
def test_what_is_missing(layers: tuple[LayerSpec, ...], missing: str, unit: str) -> None:
    picture = explain(layers)
    assert picture.startswith(f"{layers[0]}\n")
    last = picture.replace("\n  ", " ").splitlines()[-1]
    assert last.startswith("Not complete: a transport is missing")
    assert last.endswith(missing)
    assert rows(picture)["?"][0] == unit


def test_a_stack_that_no_transport_can_mend_is_refused() -> None:
    with pytest.raises(StackError, match="Line needs an ordered, reliable byte stream"):
        (Line() | Prefix()).explain()  # type: ignore[operator]
    with pytest.raises(StackError):
        explain(())


def test_findings_are_shown_and_not_warned_about_again() -> None:
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        stack = Squeeze() | Prefix() | Secure() | Wire()
    picture = stack.explain()
    assert "\nWarning: Squeeze stands above Secure: " in picture
    assert "Warning" not in (Prefix() | Secure() | Wire()).explain()


@dataclass(frozen=True)
class Long(LayerSpec):
    """Has a long name, many options and much to tell."""

    words: str = "w" * 80
    record: Capabilities = Capabilities(Unit.MESSAGE)  # noqa: RUF009  # immutable

    name: ClassVar[str] = "n" * 30
    kind = Wire.kind

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("field " * 5, 3, "says this and that " * 20),)

    @property
    def doubts(self) -> tuple[str, ...]:
        return ("It is hard to say what this is good for. " * 5,)

    def derive(self, below: Capabilities) -> Capabilities:
        return self.record


@given(
    st.builds(
        Capabilities,
        unit=st.sampled_from(Unit),
        peers=st.just(Peers.ONE),
        reliable=st.booleans(),
        ordered=st.sampled_from(Ordered),
        max_unit=st.integers(1, UNLIMITED),
        half_close=st.sampled_from(HalfClose),
        confidential=st.sampled_from(Confidential),
        integrity=st.sampled_from(Integrity),
        peer_auth=st.sampled_from(Auth),
        head=st.integers(0, 999),
        tail=st.integers(0, 999),
    )
)
def test_a_picture_is_never_wider_than_it_says(record: Capabilities) -> None:
    picture = explain((Long("x " * 60, record),))
    assert max(map(len, picture.splitlines())) <= WIDTH
    assert f"{'n' * (NAME_WIDTH - 1)}… " in picture


def test_a_demand_may_leave_the_unit_open() -> None:
    class Either(Plain):
        @property
        def requires(self) -> tuple[Requirement, ...]:
            return (Requirement(reliable=True),)

    assert "gives a reliable byte stream." in explain((Either(),))


def test_a_mux_is_the_top_of_its_picture() -> None:
    assert rows((Muxer() | Wire()).explain())["muxer"][0] == "mux"
