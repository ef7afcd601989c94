"""Records are partially ordered, and a meet is the best that both satisfy."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.capabilities import (
    MESSAGE,
    STREAM,
    UNLIMITED,
    Auth,
    Backpressure,
    Capabilities,
    CleanEnd,
    Confidential,
    Duplex,
    HalfClose,
    Integrity,
    Ordered,
    Peers,
    Requirement,
    Scope,
    Shortfall,
    Unit,
    meet,
    satisfies,
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "unit": st.sampled_from([Unit.STREAM, Unit.MESSAGE]),
    "peers": st.sampled_from([Peers.ONE, Peers.MANY]),
    "session": st.booleans(),
    "reliable": st.booleans(),
    "ordered": st.sampled_from(Ordered),
    "nodup": st.booleans(),
    "duplex": st.sampled_from([Duplex.IN, Duplex.OUT, Duplex.BOTH]),
    "max_unit": st.sampled_from([1, 1200, UNLIMITED]),
    "empty_unit": st.booleans(),
    "any_bytes": st.booleans(),
    "half_close": st.sampled_from(HalfClose),
    "clean_end": st.sampled_from(CleanEnd),
    "backpressure": st.sampled_from(Backpressure),
    "scope": st.sampled_from(Scope),
    "peer_auth": st.sampled_from(Auth),
    "confidential": st.sampled_from(Confidential),
    "integrity": st.sampled_from(Integrity),
    "replay_safe": st.booleans(),
    "features": st.frozensets(st.sampled_from(["alpn", "carry", "detach"])),
    "head": st.integers(0, 2),
    "tail": st.integers(0, 2),
    "align": st.sampled_from([1, 8]),
    "setup_rtts": st.integers(0, 2),
}
BASE = Capabilities(Unit.STREAM)


def test_every_field_has_values_here() -> None:
    assert list(VALUES) == [entry.name for entry in fields(Capabilities)]


@st.composite
def near(draw: st.DrawFn) -> Capabilities:
    """Records that differ in few fields, so that many pairs can be compared."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=4, unique=True))
    return BASE.but(**{name: draw(VALUES[name]) for name in names})


records = st.one_of(st.builds(Capabilities, **VALUES), near())
alike = records.map(lambda record: record.but(unit=Unit.MESSAGE, peers=Peers.ONE))


@given(records)
def test_a_record_satisfies_itself(record: Capabilities) -> None:
    assert satisfies(record, record)


@given(near(), near())
def test_two_that_satisfy_each_other_are_equal(first: Capabilities, second: Capabilities) -> None:
    if satisfies(first, second) and satisfies(second, first):
        assert first == second


@given(alike, alike, alike)
def test_satisfying_is_transitive(
    first: Capabilities, second: Capabilities, third: Capabilities
) -> None:
    middle = meet(first, second)
    lower = meet(middle, third)
    assert satisfies(first, middle)
    assert satisfies(middle, lower)
    assert satisfies(first, lower)


@given(near(), near(), near())
def test_satisfying_is_transitive_where_it_happens_to_hold(
    first: Capabilities, second: Capabilities, third: Capabilities
) -> None:
    if satisfies(first, second) and satisfies(second, third):
        assert satisfies(first, third)


@given(alike, alike)
def test_a_meet_is_satisfied_by_both(first: Capabilities, second: Capabilities) -> None:
    common = meet(first, second)
    assert satisfies(first, common)
    assert satisfies(second, common)


@given(alike, alike, alike)
def test_a_meet_is_the_strongest_such_record(
    first: Capabilities, second: Capabilities, third: Capabilities
) -> None:
    weaker = meet(meet(first, second), third)
    assert satisfies(meet(first, second), weaker)
    if satisfies(first, third) and satisfies(second, third):
        assert satisfies(meet(first, second), third)


@given(alike, alike, alike)
def test_meets_do_not_depend_on_the_order(
    first: Capabilities, second: Capabilities, third: Capabilities
) -> None:
    assert meet(first, first) == first
    assert meet(first, second) == meet(second, first)
    assert meet(meet(first, second), third) == meet(first, meet(second, third))


@given(near(), near())
def test_what_satisfies_meets_to_the_weaker(first: Capabilities, second: Capabilities) -> None:
    if satisfies(first, second):
        assert meet(first, second) == second


@pytest.mark.parametrize(
    ("field", "weak", "strong"),
    [
        ("session", False, True),
        ("ordered", Ordered.PER_SENDER, Ordered.TOTAL),
        ("duplex", Duplex.IN, Duplex.BOTH),
        ("max_unit", 1200, UNLIMITED),
        ("any_bytes", False, True),
        ("clean_end", CleanEnd.PEER_CLAIMS, CleanEnd.AUTHENTICATED),
        ("scope", Scope.NET, Scope.HOST),
        ("integrity", Integrity.CHECKSUM, Integrity.HOP),
        ("features", frozenset[str](), frozenset({"alpn"})),
        ("head", 8, 4),
        ("setup_rtts", 1, 0),
    ],
)
def test_which_value_is_stronger(field: str, weak: Any, strong: Any) -> None:
    one, other = BASE.but(**{field: strong}), BASE.but(**{field: weak})
    assert satisfies(one, other)
    assert not satisfies(other, one)


@pytest.mark.parametrize("change", [{"unit": Unit.MESSAGE}, {"peers": Peers.MANY}])
def test_units_and_peers_cannot_be_compared(change: dict[str, Any]) -> None:
    other = BASE.but(**change)
    assert not satisfies(BASE, other)
    assert not satisfies(other, BASE)
    with pytest.raises(ValueError, match=f"{next(iter(change))} differs"):
        meet(BASE, other)


def test_a_changed_record_is_as_good_as_one_made_so() -> None:
    changed = BASE.but(head=4, reliable=False)
    assert changed == replace(BASE, head=4, reliable=False)
    assert hash(changed) == hash(replace(BASE, head=4, reliable=False))
    assert BASE.head == 0
    with pytest.raises(TypeError, match="no heads"):
        BASE.but(heads=4)


def test_room_for_headers_is_summed_and_taken_from_the_limit() -> None:
    record = Capabilities(Unit.MESSAGE, max_unit=100).with_head(8).with_head(4, 16)
    assert (record.head, record.tail, record.max_unit) == (12, 16, 72)
    assert record.with_head(100).max_unit == 0
    assert BASE.with_head(8).max_unit == UNLIMITED
    assert BASE.with_head(8, max_unit=5, unit=Unit.MESSAGE).max_unit == 5


def test_a_demand_tells_what_falls_short_in_the_order_of_the_fields() -> None:
    record = BASE.but(reliable=False, ordered=Ordered.NO, unit=Unit.DATAGRAM)
    assert list(STREAM.shortfalls(record)) == [
        Shortfall("unit", Unit.STREAM, Unit.DATAGRAM),
        Shortfall("reliable", True, False),
        Shortfall("ordered", Ordered.TOTAL, Ordered.NO),
    ]
    assert list(STREAM.shortfalls(BASE)) == []
    assert STREAM.demands == (
        ("unit", Unit.STREAM),
        ("reliable", True),
        ("ordered", Ordered.TOTAL),
    )


@pytest.mark.parametrize(
    ("demand", "record", "met"),
    [
        (Requirement(), BASE, True),
        (MESSAGE, BASE, False),
        (Requirement(max_unit=1200), BASE.but(max_unit=1200), True),
        (Requirement(max_unit=1200), BASE.but(max_unit=1199), False),
        (Requirement(duplex=Duplex.OUT), BASE, True),
        (Requirement(duplex=Duplex.BOTH), BASE.but(duplex=Duplex.OUT), False),
        (Requirement(scope=frozenset({Scope.HOST, Scope.PROCESS})), BASE, False),
        (Requirement(scope=frozenset({Scope.HOST})), BASE.but(scope=Scope.HOST), True),
        (Requirement(peers=Peers.ONE), BASE.but(peers=Peers.GROUP), False),
        (Requirement(features=frozenset({"alpn"})), BASE, False),
        (
            Requirement(features=frozenset({"alpn"})),
            BASE.but(features=frozenset({"alpn", "carry"})),
            True,
        ),
        (Requirement(session=False), BASE, True),
        (Requirement(confidential=Confidential.HOP), BASE, False),
    ],
)
def test_demands(demand: Requirement, record: Capabilities, met: bool) -> None:
    assert (list(demand.shortfalls(record)) == []) is met


@given(alike, alike)
def test_a_stronger_record_meets_what_a_weaker_one_meets(
    first: Capabilities, second: Capabilities
) -> None:
    weaker = meet(first, second)
    names = [entry.name for entry in fields(Requirement) if entry.init and entry.name != "scope"]
    demand = Requirement(**{name: getattr(weaker, name) for name in names})
    assert list(demand.shortfalls(weaker)) == []
    assert list(demand.shortfalls(first)) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Ordered.PER_SENDER, "per-sender"),
        (Confidential.END_TO_END, "end-to-end"),
        (Auth.OS_CREDENTIAL, "os-credential"),
        (HalfClose.NONE, "none"),
    ],
)
def test_values_print_as_words(value: object, text: str) -> None:
    assert str(value) == text
