"""Recorded chains of devices: each of ours stands between two recorded connections, and must say what theirs did."""

from __future__ import annotations

import pytest

from sockstack.layers.sp import Sp
from sockstack.patterns.base import PatternSpec
from sockstack.patterns.device import Device
from sockstack.patterns.pubsub import Sub

from .fakes import Clock, Peer, Rig
from .recordings import RECORDS, Line, cut, lines

DEVICES = [
    (name, index)
    for name, record in RECORDS.items()
    if name.startswith("device")
    for index in range(len(record["connections"]) - 1)
]


def ends(name: str, index: int) -> tuple[Line, Line]:
    """The two connections of a device as it sees them. It listens for the source, unless that is a publisher."""
    dials, listens = lines(name, "dialer"), lines(name, "listener")
    if dials[0].kind is Sub:
        return dials[index], listens[index + 1]
    return listens[index], dials[index + 1]


def raw(line: Line) -> PatternSpec:
    return line.kind(raw=True)  # type: ignore[call-arg]  # all patterns have it


@pytest.mark.parametrize("step", [1, 3, 5, 8, 1000])
@pytest.mark.parametrize(("name", "index"), DEVICES)
def test_a_device_says_what_theirs_said(name: str, index: int, step: int) -> None:
    """It is given the id that theirs gave to the pipe in front."""
    clock = Clock()
    before, behind = ends(name, index)
    number = behind.first_word or 1
    front = Rig(raw(before), clock=clock, first=number)
    back = Rig(raw(behind), clock=clock, first=number + 1)
    device = Device(front.raw, back.raw)
    played: list[tuple[Line, Peer]] = [
        (line, rig.peer(layers=(Sp(),), record=line.record))
        for line, rig in ((before, front), (behind, back))
    ]

    def feed(peer: Peer, data: bytes) -> None:
        for piece in cut(data, range(step, len(data), step)):
            peer.deliver(piece)

    for line, peer in reversed(played):
        feed(peer, line.theirs[0])
    for line, peer in played:
        feed(peer, b"".join(line.theirs[1:]))
    for line, peer in played:
        assert b"".join(peer.sent) == b"".join(line.ours)
        assert peer.closed == []
    messages = sum(len(line.theirs) - 1 for line in (before, behind))
    assert device.forwarded == messages > 0
    for rig, line, other in ((front, before, behind), (back, behind, before)):
        counted = rig.stats.snapshot()
        assert counted.pop("received") == len(line.theirs) - 1
        assert counted.pop("sent") == len(other.theirs) - 1
        assert not any(counted.values()), counted


def test_each_device_of_a_recording_is_played() -> None:
    assert len(DEVICES) == 9
    assert {type(raw(end)).name for place in DEVICES for end in ends(*place)} == {
        *("pair0", "pair1", "bus", "pub", "sub", "req", "rep", "push", "pull"),
        *("surveyor", "respondent"),
    }
