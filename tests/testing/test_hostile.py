"""A hostile lane is exactly as bad as its record allows: each badness occurs where it may, and nowhere else."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack import Prefix
from sockstack.core.capabilities import (
    Backpressure,
    Capabilities,
    CleanEnd,
    Integrity,
    Ordered,
    Unit,
)
from sockstack.testing import HostileLane, Pair, Recorder, connect

UNITS = [b"%03d" % number * 5 for number in range(40)]
"""No change of one bit, and no cut, makes one of them another."""

FLOOD = 1 << 30

RECORDS = st.builds(
    Capabilities,
    unit=st.sampled_from([Unit.STREAM, Unit.MESSAGE]),
    reliable=st.booleans(),
    ordered=st.sampled_from(Ordered),
    nodup=st.booleans(),
    integrity=st.sampled_from([Integrity.NONE, Integrity.CHECKSUM]),
    clean_end=st.sampled_from([CleanEnd.NONE, CleanEnd.PEER_CLAIMS]),
    session=st.booleans(),
    backpressure=st.sampled_from(Backpressure),
    empty_unit=st.booleans(),
)


def run(record: Capabilities, seed: int, room: int = FLOOD) -> Pair[Recorder, Recorder]:
    """Some units over a hostile lane, one call each, then an end."""
    lanes = (HostileLane(record, seed, room=room), HostileLane(record, seed))
    pair = connect(record=record, lanes=lanes)
    for unit in UNITS:
        pair.near.send(unit)
    pair.near.end()
    pair.run()
    return pair


def seen(pair: Pair[Recorder, Recorder]) -> set[str]:
    """What went wrong, by what arrived and not by what the lane says of itself."""
    far = pair.far
    found = set()
    if pair.links[0].record.unit is Unit.STREAM:
        if far.data != b"".join(UNITS):
            found.add("damaged")
        if far.units != UNITS:
            found.add("cut anew")
    else:
        good = [unit for unit in far.units if unit in UNITS]
        count = Counter(good)
        places = [UNITS.index(unit) for unit in good]
        if set(UNITS) - set(good):
            found.add("missing")
        if any(unit not in UNITS for unit in far.units):
            found.add("changed")
        if any(number > 1 for number in count.values()):
            found.add("twice")
        if places != sorted(places):
            found.add("overtaken")
    if far.error is not None:
        found.add("an end looks cut")
    if not far.has_ended and far.error is None:
        found.add("silence")
    return found


def allowed(record: Capabilities) -> set[str]:
    """What may go wrong."""
    lossy = not record.reliable
    changing = lossy and record.integrity is Integrity.NONE
    twice, moving = not record.nodup, record.ordered is Ordered.NO
    if record.unit is Unit.STREAM:
        bad = {"cut anew"} | ({"damaged"} if lossy or twice or moving else set())
    else:
        bad = {
            name
            for name, may in (
                ("missing", lossy),
                ("changed", changing),
                ("twice", twice),
                ("overtaken", moving),
            )
            if may
        }
    if not record.session:
        bad.add("silence")
    elif record.clean_end is CleanEnd.NONE:
        bad.add("an end looks cut")
    return bad


@given(RECORDS, st.integers(0, 1 << 32))
def test_never_worse_than_the_record(record: Capabilities, seed: int) -> None:
    assert seen(run(record, seed)) <= allowed(record)


@given(RECORDS)
def test_each_badness_occurs(record: Capabilities) -> None:
    """With one seed or another."""
    found: set[str] = set()
    for seed in range(200):
        found |= seen(run(record, seed))
        if found >= allowed(record):
            return
    assert found == allowed(record)


def test_units_come_together_and_apart() -> None:
    """Batches, delays and cuts: not as they were sent, whatever the record says."""
    record = Capabilities(Unit.MESSAGE, clean_end=CleanEnd.PEER_CLAIMS)
    sizes: set[int] = set()
    delays = 0
    for seed in range(20):
        lane = HostileLane(record, seed)
        pair = connect(record=record, lanes=(lane, HostileLane(record, seed)))
        pair.far.on_units = lambda units: sizes.add(len(units))
        pair.near.send(*UNITS)
        pair.run()
        assert pair.far.units == UNITS
        delays += lane.done["delayed"]
    assert 1 in sizes
    assert max(sizes) > 1
    assert delays


def test_a_stream_is_split_and_coalesced() -> None:
    record = Capabilities(Unit.STREAM, clean_end=CleanEnd.PEER_CLAIMS)
    done: Counter[str] = Counter()
    for seed in range(20):
        pair = run(record, seed)
        assert pair.far.data == b"".join(UNITS)
        lane = pair.links[0].lane
        assert isinstance(lane, HostileLane)
        done += lane.done
    assert set(done) == {"delayed", "split", "coalesced"}


def test_what_has_no_room_is_dropped_only_where_it_may_be() -> None:
    dropping = Capabilities(Unit.MESSAGE, backpressure=Backpressure.DROP)
    for record, drops in ((dropping, True), (dropping.but(backpressure=Backpressure.BLOCK), False)):
        pair = run(record, seed=1, room=100)
        assert (len(pair.far.units) < len(UNITS)) is drops
        assert set(pair.far.units) <= set(UNITS)


def test_a_cut_looks_like_an_end_only_where_it_may() -> None:
    for clean_end, outcomes in (
        (CleanEnd.NONE, {True, False}),
        (CleanEnd.PEER_CLAIMS, {False}),
    ):
        record = Capabilities(Unit.STREAM, clean_end=clean_end)
        ended = set()
        for seed in range(40):
            lanes = (HostileLane(record, seed), HostileLane(record, seed))
            pair = connect(record=record, lanes=lanes)
            pair.near.abort()
            pair.run()
            ended.add(pair.far.has_ended)
        assert ended == outcomes


def test_the_same_seed_does_the_same() -> None:
    record = Capabilities(Unit.MESSAGE, reliable=False, nodup=False, ordered=Ordered.NO)
    runs = [run(record, seed).far.units for seed in (7, 7, 8)]
    assert runs[0] == runs[1] != runs[2]


def test_clearing() -> None:
    lane = HostileLane(Capabilities(Unit.STREAM), 1)
    lane.put([b"abc"])
    assert (lane.empty, lane.size) == (False, 3)
    lane.clear()
    assert (lane.empty, lane.size) == (True, 0)


@pytest.mark.parametrize("seed", range(20))
def test_layers_keep_their_promise_over_it(seed: int) -> None:
    record = Capabilities(Unit.STREAM)
    lanes = (HostileLane(record, seed), HostileLane(record, ~seed))
    pair = connect(Prefix(2), record=record, lanes=lanes)
    pair.near.send(*UNITS)
    pair.run()
    assert pair.far.units == UNITS
