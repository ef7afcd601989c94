"""Devices of ours between sockets of NNG, by pynng, in both ways through each; and devices of NNG."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from sockstack import Bus, Pair1, Pub, Pull, Push, Rep, Req, Respondent, Sub, Surveyor

from ..drivers.both import Driver, until
from .exchange import (
    CASES,
    HOWS,
    OPPOSITE,
    PATTERNS,
    TCP,
    Start,
    alternate,
    ask,
    converse,
    foreign,
    part_of,
)
from .places import Place
from .processes import Process
from .traffic import PLANS, messages

pytest.importorskip("pynng", reason="pynng is not installed", exc_type=ImportError)

pytestmark = pytest.mark.interop

STREAMS = pytest.mark.parametrize("place", ["tcp", "ipc"], indirect=True)


@STREAMS
async def test_one_between_req_and_rep(driver: Driver, start: Start, place: Place) -> None:
    device = driver.device(Rep(raw=True), Req(raw=True))
    rep = foreign(start, "pynng", "rep", "answer", "listen", TCP.url)
    device.back.dial(await rep.line())
    front = place.of(device.front.listen(place.url))
    plans = ("large", "some", "some")
    askers = [foreign(start, "pynng", "req", "ask", "dial", front, plan) for plan in plans]
    for asker in askers:
        assert [await asker.line(), await asker.line()] == ["dialled", "done"]
        await asker.rest()
    await rep.rest()


async def test_two_in_a_row_between_req_and_rep(driver: Driver, start: Start) -> None:
    """Each puts its word into the header, and takes it off on the way back."""
    near, far = (driver.device(Rep(raw=True), Req(raw=True)) for _ in range(2))
    rep = foreign(start, "pynng", "rep", "answer", "listen", TCP.url)
    far.back.dial(await rep.line())
    near.back.dial(TCP.of(far.front.listen(TCP.url)))
    front = TCP.of(near.front.listen(TCP.url))
    askers = [foreign(start, "pynng", "req", "ask", "dial", front, "some") for _ in range(2)]
    for asker in askers:
        assert [await asker.line(), await asker.line()] == ["dialled", "done"]
    assert near.forwarded == far.forwarded == 2 * 2 * len(PLANS["some"])


async def test_one_between_push_and_pull(driver: Driver, start: Start) -> None:
    device = driver.device(Pull(raw=True), Push(raw=True))
    pull = foreign(start, "pynng", "pull", "take", "listen", TCP.url, "many")
    device.back.dial(await pull.line())
    front = TCP.of(device.front.listen(TCP.url))
    push = foreign(start, "pynng", "push", "send", "dial", front, "many")
    assert [await push.line(), await push.line()] == ["dialled", "done"]
    assert await pull.line() == "done"
    assert device.forwarded == len(PLANS["many"])


async def test_one_between_pub_and_two_subs(driver: Driver, start: Start) -> None:
    device = driver.device(Sub(raw=True), Pub(raw=True))
    back = TCP.of(device.back.listen(TCP.url))
    subs = [foreign(start, "pynng", "sub", "take", "dial", back, "sizes") for _ in range(2)]
    for sub in subs:
        assert await sub.line() == "dialled"
    await until(lambda: len(device.back.pipes) == 2)
    pub = foreign(start, "pynng", "pub", "send", "listen", TCP.url, "sizes")
    device.front.dial(await pub.line())
    for end in (pub, *subs):
        assert await end.line() == "done"
    assert device.forwarded == len(PLANS["sizes"])


async def test_a_survey_of_two_behind_two_devices(driver: Driver, start: Start) -> None:
    """Each question is asked once of each of them, and both answers find their way."""
    near, far = (driver.device(Respondent(raw=True), Surveyor(raw=True)) for _ in range(2))
    back = TCP.of(far.back.listen(TCP.url))
    for _ in range(2):
        respondent = foreign(start, "pynng", "respondent", "answer", "dial", back)
        assert await respondent.line() == "dialled"
    await until(lambda: len(far.back.pipes) == 2)
    near.back.dial(TCP.of(far.front.listen(TCP.url)))
    await until(lambda: near.back.pipes)
    front = TCP.of(near.front.listen(TCP.url))
    surveyor = foreign(start, "pynng", "surveyor", "poll", "dial", front, "few")
    assert [await surveyor.line(), await surveyor.line()] == ["dialled", "done"]
    assert near.forwarded == 3 * len(PLANS["few"])


async def test_one_between_a_pair(driver: Driver, start: Start) -> None:
    device = driver.device(Pair1(raw=True), Pair1(raw=True))
    echo = foreign(start, "pynng", "pair1", "answer", "listen", TCP.url)
    device.back.dial(await echo.line())
    front = TCP.of(device.front.listen(TCP.url))
    asker = foreign(start, "pynng", "pair1", "ask", "dial", front, "some")
    assert [await asker.line(), await asker.line()] == ["dialled", "done"]
    assert device.forwarded == 2 * len(PLANS["some"])


async def test_a_bus_that_reflects(driver: Driver, start: Start) -> None:
    """What one node sends reaches the others, which are not connected with it."""
    device = driver.device(Bus(raw=True))
    url = TCP.of(device.front.listen(TCP.url))
    echo = foreign(start, "pynng", "bus", "answer", "dial", url)
    assert await echo.line() == "dialled"
    ours = driver.socket(PATTERNS["bus"], timeout=30)
    await ours.reach(url, 30)
    await until(lambda: len(device.front.pipes) == 2)
    await ask(driver, ours, messages("some"))
    assert device.forwarded == 2 * len(PLANS["some"])


# Devices of NNG.

EACH = pytest.mark.parametrize(
    ("driver", "role", "theirs", "part"),
    [
        (alternate(index), role, theirs, part_of(role, HOWS[index % 2]))
        for index, (role, theirs) in enumerate(CASES)
        if role != "poly"
    ],
    indirect=["driver"],
)
"""What we are, what fits to it, and our part."""


def raw(role: str) -> Any:
    """A side of a device of ours."""
    return type(PATTERNS[role])(raw=True)


def device_of_nng(start: Start, front: tuple[str, str, str], back: tuple[str, str, str]) -> Process:
    """Each side is a pattern, how it meets its peer, and where."""
    return start(sys.executable, "-m", "tests.interop.pynng_device", *front, *back)


def ways(part: str) -> int:
    """In how many directions each message goes."""
    return 2 if part in ("ask", "answer") else 1


@EACH
async def test_one_of_theirs(
    driver: Driver, start: Start, role: str, theirs: str, part: str
) -> None:
    """Who is in front is there first, and so nothing is said to nobody."""
    device = device_of_nng(start, (theirs, "listen", TCP.url), (role, "listen", TCP.url))
    front, back = await device.line(), await device.line()
    ours = driver.socket(PATTERNS[role], timeout=30)
    await ours.reach(front, 30)
    assert await device.line() == "met"
    peer = foreign(start, "pynng", theirs, OPPOSITE[part], "dial", back, "large")
    assert [await peer.line(), await device.line()] == ["dialled", "met"]
    await converse(driver, part, ours, peer, "large")
    await peer.rest()
    await device.rest()


@EACH
async def test_theirs_behind_ours(
    driver: Driver, start: Start, role: str, theirs: str, part: str
) -> None:
    near = driver.device(raw(theirs), raw(role))
    middle = TCP.of(near.back.listen(TCP.url))
    far = device_of_nng(start, (theirs, "dial", middle), (role, "listen", TCP.url))
    dialled, back, met = await far.line(), await far.line(), await far.line()
    assert [dialled, met] == ["dialled", "met"]
    await until(lambda: near.back.pipes)
    ours = driver.socket(PATTERNS[role], timeout=30)
    await ours.reach(TCP.of(near.front.listen(TCP.url)), 30)
    await until(lambda: near.front.pipes)
    peer = foreign(start, "pynng", theirs, OPPOSITE[part], "dial", back, "sizes")
    assert [await peer.line(), await far.line()] == ["dialled", "met"]
    await converse(driver, part, ours, peer, "sizes")
    assert near.forwarded == len(PLANS["sizes"]) * ways(part)
    await peer.rest()
    await far.rest()


@EACH
async def test_theirs_before_ours(
    driver: Driver, start: Start, role: str, theirs: str, part: str
) -> None:
    """Theirs dials ours with its back, above with its front."""
    far = driver.device(raw(theirs), raw(role))
    middle = TCP.of(far.front.listen(TCP.url))
    near = device_of_nng(start, (theirs, "listen", TCP.url), (role, "dial", middle))
    front, dialled = await near.line(), await near.line()
    assert dialled == "dialled"
    await until(lambda: far.front.pipes)
    ours = driver.socket(PATTERNS[role], timeout=30)
    await ours.reach(front, 30)
    assert [await near.line(), await near.line()] == ["met", "met"]
    back = TCP.of(far.back.listen(TCP.url))
    peer = foreign(start, "pynng", theirs, OPPOSITE[part], "dial", back, "sizes")
    assert await peer.line() == "dialled"
    await until(lambda: far.back.pipes)
    await converse(driver, part, ours, peer, "sizes")
    assert far.forwarded == len(PLANS["sizes"]) * ways(part)
    await peer.rest()
    await near.rest()
