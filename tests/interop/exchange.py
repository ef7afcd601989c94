"""Our side of an exchange with a foreign socket: meet it, then play a part opposite its own."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from sockstack import (
    Bus,
    Pair0,
    Pair1,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Respondent,
    Sub,
    Surveyor,
)

from ..drivers.both import BlockingDriver, Driver, in_thread, until
from .places import Place
from .processes import Process
from .traffic import messages

__all__ = [
    "CASES",
    "HOWS",
    "OPPOSITE",
    "PATTERNS",
    "TCP",
    "Start",
    "alternate",
    "answer",
    "ask",
    "converse",
    "exchange",
    "foreign",
    "matrix",
    "meet",
]

Start = Callable[..., Process]

TCP = Place("tcp://127.0.0.1:0")
HOWS = ("listen", "dial")

PATTERNS: dict[str, Any] = {
    "pair0": Pair0(),
    "pair1": Pair1(),
    "poly": Pair1(poly=True),
    "pub": Pub(),
    "sub": Sub(b""),
    "push": Push(),
    "pull": Pull(),
    "req": Req(),
    "rep": Rep(),
    "surveyor": Surveyor(survey_time=30),
    "respondent": Respondent(),
    "bus": Bus(),
}
"""Ours, by the names that foreign sockets have, too."""

CASES = [
    ("pair0", "pair0"),
    ("pair1", "pair1"),
    ("poly", "poly"),
    ("pub", "sub"),
    ("sub", "pub"),
    ("push", "pull"),
    ("pull", "push"),
    ("req", "rep"),
    ("rep", "req"),
    ("surveyor", "respondent"),
    ("respondent", "surveyor"),
    ("bus", "bus"),
]
"""What we are, and what fits to it."""

PARTS = {
    "pub": "send",
    "sub": "take",
    "push": "send",
    "pull": "take",
    "req": "ask",
    "rep": "answer",
    "surveyor": "ask",
    "respondent": "answer",
}
"""The part that a pattern plays. Others may play any; here who listens asks, and who dials answers."""

OPPOSITE = {"ask": "answer", "answer": "ask", "send": "take", "take": "send"}


def part_of(role: str, how: str) -> str:
    """The part of a socket of that pattern which listens or dials."""
    return PARTS.get(role, {"listen": "ask", "dial": "answer"}[how])


def alternate(index: int) -> str:
    """One driver for even numbers, the other for odd ones."""
    return ("blocking", "asyncio")[index % 2]


def matrix(cases: Sequence[tuple[str, str]], places: Sequence[str]) -> list[Any]:
    """Rows of driver, place, role, theirs and how.

    All places, cases and ways to meet are combined. The driver alternates in each of these directions, so each case
    is seen on both, and so is each place.
    """
    rows = []
    for (at, place), (of, (role, theirs)), (by, how) in itertools.product(
        enumerate(places), enumerate(cases), enumerate(HOWS)
    ):
        driver = alternate(at + of + by)
        name = f"{driver}-{place}-{role}-{theirs}-{how}"
        rows.append(pytest.param(driver, place, role, theirs, how, id=name))
    return rows


def foreign(
    start: Start,
    library: str,
    role: str,
    part: str,
    how: str,
    url: str,
    plan: str = "few",
    certificates: str = "",
) -> Process:
    """A peer in a process of its own."""
    command = [sys.executable, "-m", "tests.interop.sp_peer", library, role, part, how, url, plan]
    return start(*command, certificates)


async def meet(
    driver: Driver,
    start: Start,
    library: str,
    role: str,
    theirs: str,
    part: str,
    how: str,
    place: Place,
    plan: str,
) -> tuple[Any, Process]:
    """Our socket in ``role``, which listens or dials, and its peer, which plays ``part``; both know of each other."""
    ours = driver.socket(PATTERNS[role], timeout=30)
    if how == "listen":
        url = place.of(ours.listen(place.listen))
        peer = foreign(start, library, theirs, part, "dial", url, plan, place.certificates)
        assert await peer.line() == "dialled"
        await until(lambda: ours.pipes)
    else:
        peer = foreign(start, library, theirs, part, "listen", place.url, plan, place.certificates)
        await ours.reach(place.dial(await peer.line()), 30)
    return ours, peer


async def exchange(
    driver: Driver,
    start: Start,
    library: str,
    role: str,
    theirs: str,
    how: str,
    place: Place,
    plan: str,
    part: str | None = None,
) -> None:
    """Meet a peer, and go through a plan with it; ``part`` is ours."""
    part = part_of(role, how) if part is None else part
    ours, peer = await meet(driver, start, library, role, theirs, OPPOSITE[part], how, place, plan)
    await converse(driver, part, ours, peer, plan)
    await peer.rest()


async def converse(driver: Driver, part: str, ours: Any, peer: Process, plan: str) -> None:
    """Go through a plan; both sides check what they receive."""
    match part:
        case "ask":
            await ask(driver, ours, messages(plan))
        case "answer":
            answering = asyncio.create_task(answer(driver, ours))
            assert await peer.line() == "done"
            await driver.close(ours)
            await answering
        case "send":
            await send_all(driver, ours, messages(plan))
            assert await peer.line() == "done"
        case "take":
            await take_all(driver, ours, messages(plan))
            assert await peer.line() == "done"


# On the blocking driver each of these is one thread.


async def send_all(driver: Driver, socket: Any, bodies: Iterable[bytes]) -> None:
    """One by one, as fast as the caller can."""
    if isinstance(driver, BlockingDriver):
        await in_thread(lambda: [socket.target.send(body) for body in bodies])
    else:
        for body in bodies:
            await socket.send(body)


async def take_all(driver: Driver, socket: Any, bodies: Iterable[bytes]) -> None:
    """Receive, and check what comes and in which order."""

    def blocking() -> None:
        for number, body in enumerate(bodies):
            assert socket.target.recv() == body, f"message {number} of {len(body)} bytes"

    if isinstance(driver, BlockingDriver):
        await in_thread(blocking)
    else:
        for number, body in enumerate(bodies):
            assert await socket.recv() == body, f"message {number} of {len(body)} bytes"


async def ask(driver: Driver, socket: Any, bodies: Iterable[bytes]) -> None:
    """Send each, and check that it comes back in reverse."""

    def blocking() -> None:
        for number, body in enumerate(bodies):
            socket.target.send(body)
            assert socket.target.recv() == body[::-1], f"message {number} of {len(body)} bytes"

    if isinstance(driver, BlockingDriver):
        await in_thread(blocking)
    else:
        for number, body in enumerate(bodies):
            await socket.send(body)
            assert await socket.recv() == body[::-1], f"message {number} of {len(body)} bytes"


async def answer(driver: Driver, socket: Any) -> None:
    """Answer until the socket is closed."""

    def blocking() -> None:
        for request in socket.target:
            socket.target.send(request[::-1])

    if isinstance(driver, BlockingDriver):
        await in_thread(blocking)
    else:
        async for request in socket:
            await socket.send(request[::-1])
