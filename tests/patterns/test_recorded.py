"""What other implementations said to each other: one side is replayed, and ours must say the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import IncompatiblePeer
from sockstack.layers.sp import Sp
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.device import Device
from sockstack.patterns.pipeline import Pull, Push
from sockstack.patterns.reqrep import Rep, Req

from .fakes import Clock, Peer, Rig

DATA = Path(__file__).parent.parent / "data" / "sp"
RECORDS = {path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))}
PATTERNS: dict[str, type[PatternSpec]] = {"req": Req, "rep": Rep, "push": Push, "pull": Pull}
ID_BITS = 0x7FFFFFFF

EXCHANGES = [
    (name, side)
    for name, record in RECORDS.items()
    for side in ("dialer", "listener")
    if not name.startswith(("mismatch", "device", "large"))
]


def stream(octet: bool) -> Capabilities:
    return Capabilities(Unit.STREAM, features=frozenset({"sp_type_octet"} if octet else ()))


def octets(unit: dict[str, Any]) -> bytes:
    """All octets of a unit; of a large one, made by its rule and checked."""
    if "hex" in unit:
        return bytes.fromhex(unit["hex"])
    body = bytes((7 * index + 3) % 256 for index in range(unit["payload_len"]))
    whole = len(body).to_bytes(8, "big") + body
    assert hashlib.sha256(whole).hexdigest() == unit["sha256"]
    return whole


def sides(connection: dict[str, Any], ours: str) -> tuple[list[bytes], list[bytes]]:
    """What our side sent in the recording, and what the other did: hello first, then messages."""
    names = ("dialer_to_listener", "listener_to_dialer")
    out, back = names if ours == "dialer" else reversed(names)
    return [octets(unit) for unit in connection[out]], [octets(unit) for unit in connection[back]]


def payload(message: bytes, octet: bool) -> bytes:
    return message[9 if octet else 8 :]


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    for start, stop in zip([0, *places], [*places, len(data)], strict=True):
        if start < stop:
            yield data[start:stop]


def play(record: dict[str, Any], side: str, step: int, first: int) -> None:
    """Play one side of an exchange; what comes is cut after ``first`` octets and then every ``step``."""
    octet = record["transport"] == "ipc"
    (connection,) = record["connections"]
    ours, theirs = sides(connection, side)
    pattern = PATTERNS[record[side]["protocol"]]
    clock = Clock()
    if pattern is Req:
        clock.bits = int.from_bytes(payload(ours[1], octet)[:4], "big") & ID_BITS
    rig = Rig(pattern(), clock=clock)
    peer = rig.peer(layers=(Sp(),), record=stream(octet))

    def feed(data: bytes) -> None:
        for piece in cut(data, list(range(first, len(data), step))):
            peer.deliver(piece)

    if pattern is Req:
        feed(theirs[0])
        for question, answer in zip(ours[1:], theirs[1:], strict=True):
            assert rig.head.offer(payload(question, octet)[4:])
            feed(answer)
            assert rig.head.take() == payload(answer, octet)[4:]
    elif pattern is Rep:
        feed(b"".join(theirs))
        for question, answer in zip(theirs[1:], ours[1:], strict=True):
            assert rig.head.take() == payload(question, octet)[4:]
            assert rig.head.offer(payload(answer, octet)[4:])
        assert rig.head.take() is None
    elif pattern is Push:
        feed(theirs[0])
        assert (
            rig.head.offer_many([payload(message, octet) for message in ours[1:]]) == len(ours) - 1
        )
    else:
        feed(b"".join(theirs))
        bodies = [payload(message, octet) for message in theirs[1:]]
        assert rig.head.take_many(100) == bodies
    assert b"".join(peer.sent) == b"".join(ours)
    peer.wire.above.ended()
    assert peer.closed == [None]
    assert rig.stats.snapshot() | {"stray": 0, "lost": 0} == rig.stats.snapshot()


@pytest.mark.parametrize(("name", "side"), EXCHANGES)
def test_exchanges(name: str, side: str) -> None:
    record = RECORDS[name]
    longest = 64
    play(record, side, step=1, first=1)
    for first in range(1, longest):
        play(record, side, step=longest, first=first)


@pytest.mark.parametrize("step", [1, 999, 1460, 65536])
@pytest.mark.parametrize("side", ["dialer", "listener"])
def test_a_large_message(side: str, step: int) -> None:
    play(RECORDS["large-tcp"], side, step, first=step)


@pytest.mark.parametrize("name", ["mismatch-tcp", "mismatch-ipc"])
@pytest.mark.parametrize("first", range(1, 9))
def test_a_peer_that_does_not_fit_hears_our_hello_and_no_more(name: str, first: int) -> None:
    record = RECORDS[name]
    ours, theirs = sides(record["connections"][0], "listener")
    rig = Rig(Rep())
    peer = rig.peer(layers=(Sp(),), record=stream(record["transport"] == "ipc"))
    for piece in cut(b"".join(theirs), [first]):
        peer.deliver(piece)
    assert peer.sent == ours
    assert peer.wire.calls == ["abort"]
    (error,) = peer.closed
    assert isinstance(error, IncompatiblePeer)
    assert "sub (0x0021)" in str(error)
    assert rig.raw.pipes == {}


def hop(front: PatternSpec, back: PatternSpec, number: int) -> tuple[Peer, Peer]:
    """A device whose first front pipe has that id: (what stands before it, what stands behind it)."""
    clock = Clock()
    before, behind = Rig(front, clock=clock, first=number), Rig(back, clock=clock)
    Device(before.raw, behind.raw)
    ends = [rig.peer(layers=(Sp(),), record=stream(octet=False)) for rig in (before, behind)]
    return ends[0], ends[1]


@pytest.mark.parametrize("step", [1, 5, 1000])
@pytest.mark.parametrize("index", [0, 1])
def test_a_device_of_requests_adds_a_word_and_takes_it_off(index: int, step: int) -> None:
    hops = RECORDS["device-reqrep-2"]["connections"]
    before, behind = hops[index], hops[index + 1]
    word = payload(sides(behind, "dialer")[0][1], octet=False)[:4]
    near, far = hop(Rep(raw=True), Req(raw=True), int.from_bytes(word, "big"))
    listens, asks = sides(before, "listener")
    dials, answers = sides(behind, "dialer")
    for peer, data in ((near, asks[0]), (far, answers[0]), (near, asks[1]), (far, answers[1])):
        for piece in cut(data, list(range(step, len(data), step))):
            peer.deliver(piece)
    assert b"".join(near.sent) == b"".join(listens)
    assert b"".join(far.sent) == b"".join(dials)


@pytest.mark.parametrize("step", [1, 5, 1000])
def test_a_device_of_a_pipeline_changes_nothing(step: int) -> None:
    before, behind = RECORDS["device-pipeline-1"]["connections"]
    near, far = hop(Pull(raw=True), Push(raw=True), 1)
    listens, comes = sides(before, "listener")
    dials, answers = sides(behind, "dialer")
    for peer, data in ((far, answers[0]), (near, b"".join(comes))):
        for piece in cut(data, list(range(step, len(data), step))):
            peer.deliver(piece)
    assert b"".join(near.sent) == b"".join(listens)
    assert b"".join(far.sent) == b"".join(dials)


def test_all_recordings_are_used() -> None:
    kinds = {name.split("-")[0] for name in RECORDS}
    assert kinds == {"reqrep", "pipeline", "nanomsg", "mangos", "mismatch", "large", "device"}
    assert len(RECORDS) == 23
