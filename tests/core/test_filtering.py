"""Filters in a connection's stack, and as end filters between the halves of a pattern."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import RemoteProtocolError
from sockstack.core.filtering import Filter, FilterChain
from sockstack.core.layer import Chunks

from .rig import rig


class Mark(Filter):
    """Puts a letter in front, and takes it off again."""

    refusal = "the letter is missing"
    infallible = True

    def __init__(self, letter: bytes) -> None:
        super().__init__()
        self._letter = letter

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        return [
            (self._letter, *unit) if isinstance(unit, tuple) else (self._letter, unit)
            for unit in units
        ]

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        out = [unit[1:] if unit.startswith(self._letter) else None for unit in units]
        self.refused += out.count(None)
        return out


class Choosy(Mark):
    """A mark that minds what it marks: no unit may begin with a zero."""

    infallible = False

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        if any(unit.startswith(b"0") for unit in joined(units)):
            raise ValueError("it begins with a zero")
        return super().encode(units)


def joined(units: Sequence[Chunks]) -> list[bytes]:
    return [unit if isinstance(unit, bytes) else b"".join(unit) for unit in units]


def test_in_a_stack_units_are_encoded_down_and_decoded_up() -> None:
    layer = Mark(b"a")
    top, bottom = rig(layer)
    layer.send([b"1", (b"2", b"3")])
    assert joined(bottom.sent) == [b"a1", b"a23"]
    layer.receive([b"a1", b"a23"])
    assert top.units == [b"1", b"23"]
    assert top.batches == [2]
    assert layer.detachable() is None


def test_credit_and_endings_pass_by() -> None:
    layer = Mark(b"a")
    top, bottom = rig(layer)
    top.below.want(7)
    top.below.end()
    bottom.above.ended()
    assert bottom.credit == 7
    assert bottom.calls == ["end"]
    assert top.log == ["ended"]


@given(st.lists(st.booleans(), min_size=1, max_size=6).filter(lambda good: not all(good)))
def test_in_a_stack_a_bad_unit_cuts_the_connection_after_the_good_ones(good: list[bool]) -> None:
    layer = Mark(b"a")
    layer.name, layer.path = "mark", "mark<prefix<tcp"
    top, bottom = rig(layer)
    layer.receive([b"a%d" % number if fine else b"b" for number, fine in enumerate(good)])
    first = good.index(False)
    assert top.units == [b"%d" % number for number in range(first)]
    assert top.log == ["unit"] * first + ["broken"]
    assert bottom.calls == ["abort"]
    assert layer.refused == good.count(False)
    error = top.errors[0]
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == "the letter is missing [mark in mark<prefix<tcp]"


def test_end_filters_run_top_first_on_the_way_down_and_last_on_the_way_up() -> None:
    chain = FilterChain([Mark(b"a"), Mark(b"b")])
    assert joined(chain.encode([b"1", b"2"])) == [b"ba1", b"ba2"]
    assert chain.decode([b"ba1", b"ba2"]) == ([b"1", b"2"], 0)
    assert chain.refused == 0


@pytest.mark.parametrize("filters", [0, 1, 3])
@given(bodies=st.lists(st.sampled_from(["good", "outer", "inner"]), max_size=8))
def test_end_filters_keep_the_place_of_what_they_refuse(filters: int, bodies: list[str]) -> None:
    marks = [Mark(b"%d" % number) for number in range(filters)]
    chain = FilterChain(marks)
    stamp = b"".join(b"%d" % number for number in reversed(range(filters)))
    texts = {
        "good": stamp + b"x",
        "outer": b"?" + stamp[1:] + b"x",
        "inner": stamp[:-1] + b"?x",
    }
    if not filters:
        bodies = ["good"] * len(bodies)
    bad = sum(body != "good" for body in bodies)
    decoded = chain.decode([texts[body] for body in bodies])
    assert decoded == ([b"x" if body == "good" else None for body in bodies], bad)
    assert chain.refused == bad
    again = chain.decode([texts[body] for body in bodies])
    assert again == decoded, "what was refused before is counted again"
    assert chain.refused == 2 * bad
    if filters == 3:
        # Each filter counts what it refused itself, once.
        assert marks[2].refused == 2 * bodies.count("outer")
        assert marks[0].refused == 2 * bodies.count("inner")
        assert marks[1].refused == 0


def test_a_filter_is_not_trusted_unless_it_says_so() -> None:
    assert not Filter.infallible
    assert FilterChain([]).infallible
    assert FilterChain([Mark(b"a"), Mark(b"b")]).infallible
    assert not FilterChain([Mark(b"a"), Choosy(b"b")]).infallible
    assert not FilterChain([Choosy(b"a"), Mark(b"b")]).infallible


@given(st.lists(st.sampled_from([b"0", b"1", b"2"])))
def test_bodies_from_the_front_up_to_the_first_that_is_refused(bodies: list[bytes]) -> None:
    chain = FilterChain([Choosy(b"a"), Mark(b"b")])
    good = bodies.index(b"0") if b"0" in bodies else len(bodies)
    if bodies and not good:
        with pytest.raises(ValueError, match="begins with a zero"):
            chain.encode_front(bodies)
    else:
        assert joined(chain.encode_front(bodies)) == [b"ba" + body for body in bodies[:good]]
    if good < len(bodies):
        with pytest.raises(ValueError, match="begins with a zero"):
            chain.encode(bodies)
