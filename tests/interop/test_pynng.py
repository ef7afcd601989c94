"""All patterns with NNG 1, by pynng: either end listens, on every transport that both have."""

from __future__ import annotations

import pytest

from sockstack import Pub, Sp, Sub, Tcp
from sockstack.core.errors import IncompatiblePeer

from ..drivers.both import Driver, until
from .exchange import (
    CASES,
    OPPOSITE,
    PATTERNS,
    TCP,
    Start,
    alternate,
    converse,
    exchange,
    foreign,
    matrix,
    part_of,
)
from .places import Place
from .traffic import body

pytest.importorskip("pynng", reason="pynng is not installed", exc_type=ImportError)

pytestmark = pytest.mark.interop

ROWS = ("driver", "place", "role", "theirs", "how")
INDIRECT = ["driver", "place"]
EVERYWHERE = matrix(CASES, ["tcp", "ipc", "abstract", "tls"])
MIXED = matrix([("poly", "pair1"), ("pair1", "poly")], ["tcp"])


@pytest.mark.parametrize(ROWS, EVERYWHERE + MIXED, indirect=INDIRECT)
async def test_sizes(
    driver: Driver, start: Start, place: Place, role: str, theirs: str, how: str
) -> None:
    """From none to 16 MiB, and each side's bytes arrive as they were."""
    await exchange(driver, start, "pynng", role, theirs, how, place, "large")


@pytest.mark.parametrize(
    ROWS,
    [
        ("blocking", "tcp", "push", "pull", "listen"),
        ("asyncio", "tcp", "pull", "push", "dial"),
        ("asyncio", "ipc", "push", "pull", "dial"),
        ("blocking", "ipc", "pull", "push", "listen"),
        ("blocking", "abstract", "push", "pull", "dial"),
        ("asyncio", "tls", "pull", "push", "listen"),
    ],
    indirect=INDIRECT,
)
async def test_a_hundred_thousand_in_order(
    driver: Driver, start: Start, place: Place, role: str, theirs: str, how: str
) -> None:
    await exchange(driver, start, "pynng", role, theirs, how, place, "order")


@pytest.mark.parametrize(
    ("driver", "place", "role", "how", "part"),
    [
        ("asyncio", "abstract", "pair0", "listen", "take"),
        ("blocking", "tls", "pair1", "dial", "send"),
    ],
    indirect=INDIRECT,
)
async def test_a_hundred_thousand_between_a_pair(
    driver: Driver, start: Start, place: Place, role: str, how: str, part: str
) -> None:
    await exchange(driver, start, "pynng", role, role, how, place, "order", part)


async def test_our_subscriptions(driver: Driver, start: Start) -> None:
    """PUB sends all, and SUB keeps what begins with one of its topics."""
    sub = driver.socket(Sub(*(body(number, 16)[:8] for number in (1, 3))), timeout=30)
    pub = foreign(start, "pynng", "pub", "send", "listen", TCP.url, "topics")
    await sub.reach(await pub.line(), 30)
    assert [await sub.recv(), await sub.recv()] == [body(1, 16), body(3, 16)]
    assert await pub.line() == "done"
    assert sub.stats()["unmatched"] == 2


async def test_their_subscription(driver: Driver, start: Start) -> None:
    pub = driver.socket(Pub(), timeout=30)
    sub = foreign(start, "pynng", "sub-b", "show", "dial", TCP.of(pub.listen(TCP.url)), "topics")
    assert await sub.line() == "dialled"
    await until(lambda: pub.pipes)
    for text in (b"a", b"b1", b"", b"ab", b"b", b"c", b"b3", b"b4"):
        await pub.send(text)
    assert (await sub.rest()).split() == [b"b1", b"b", b"b3", b"b4", b"done"]


MISFITS = [
    ("pair0", "pair1"),
    ("pair1", "pair0"),
    ("pub", "pull"),
    ("sub", "push"),
    ("push", "sub"),
    ("pull", "pub"),
    ("req", "respondent"),
    ("rep", "surveyor"),
    ("surveyor", "rep"),
    ("respondent", "req"),
    ("bus", "pair0"),
]
"""What we are, and what does not fit to it."""


@pytest.mark.parametrize(
    ("driver", "role", "theirs"),
    [(alternate(index), *pair) for index, pair in enumerate(MISFITS)],
    indirect=["driver"],
)
async def test_dialling_a_peer_that_does_not_fit(
    driver: Driver, start: Start, role: str, theirs: str
) -> None:
    """It says at once what is there, and what should be."""
    peer = foreign(start, "pynng", theirs, "answer", "listen", TCP.url)
    address = (await peer.line()).removeprefix("tcp://")
    there, fitting = (name.removesuffix("0") for name in (theirs, dict(CASES)[role]))
    with pytest.raises(
        IncompatiblePeer, match=f"the peer is {there} .* only {fitting} .* fits here"
    ):
        await driver.dial(PATTERNS[role] | Sp() | Tcp(address))


@pytest.mark.parametrize(
    ("driver", "role", "theirs"),
    [(alternate(index + 1), *pair) for index, pair in enumerate(MISFITS)],
    indirect=["driver"],
)
async def test_a_peer_that_does_not_fit_dials(
    driver: Driver, start: Start, role: str, theirs: str
) -> None:
    """It is turned away; the one that fits is served."""
    ours = driver.socket(PATTERNS[role], timeout=30)
    listener = ours.listen(TCP.url)
    url = TCP.of(listener)
    foreign(start, "pynng", theirs, "answer", "dial", url)
    await until(lambda: listener.stats().failed)
    part = part_of(role, "listen")
    peer = foreign(start, "pynng", dict(CASES)[role], OPPOSITE[part], "dial", url)
    assert await peer.line() == "dialled"
    await until(lambda: ours.pipes)
    assert len(ours.pipes) == 1
    await converse(driver, part, ours, peer, "few")
    await peer.rest()
