"""All patterns with the command-line tools of NNG and of nanomsg, which take the same options."""

from __future__ import annotations

import itertools
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from ..drivers.both import Driver, until
from .exchange import HOWS, PATTERNS, Start, alternate
from .places import NAME, Place
from .traffic import body

TOOLS = {"nngcat": "nng-utils", "nanocat": "nanomsg-utils"}
"""The tools, and the packages of Debian that hold them."""

PAUSES = {"nngcat": ["--interval", "1"], "nanocat": ["--interval", "0.1"]}
"""The shortest pause between two messages of a tool that sends again and again; nngcat takes whole seconds."""

PLACES = {"nngcat": ["tcp", "ipc", "abstract", "tls+tcp"], "nanocat": ["tcp", "ipc"]}
"""What each of them has."""

ROWS = [
    (alternate(of + at + by), tool, place, how)
    for of, tool in enumerate(TOOLS)
    for (at, place), (by, how) in itertools.product(enumerate(PLACES[tool]), enumerate(HOWS))
]

pytestmark = [
    pytest.mark.interop,
    pytest.mark.parametrize(
        ("driver", "tool", "place", "how"), ROWS, indirect=["driver", "tool", "place"]
    ),
]

BODIES = [b"a body", b"", b'\0\xff\n"', body(1, 10_000)]


@pytest.fixture
def tool(request: pytest.FixtureRequest) -> str:
    """A tool that is there."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not on the path; Debian has it in {TOOLS[name]}")
    return name


def shown(data: bytes) -> str:
    """How the tools print a message when told ``--hex``."""
    return '"' + "".join(f"\\x{octet:02x}" for octet in data) + '"'


def free(url: str) -> str:
    """The URL with a port that is free, for a tool that cannot say which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return url.replace(":0", f":{probe.getsockname()[1]}")


def meet(driver: Driver, role: str, how: str, place: Place) -> tuple[Any, list[str]]:
    """Our socket, and the options with which a tool meets it."""
    ours = driver.socket(PATTERNS[role], timeout=30)
    secure = bool(place.certificates)
    if how == "listen":
        url = place.of(ours.listen(place.listen))
        trust = [f"--cacert={place.certificates}/ca.pem"] if secure else []
        return ours, [
            "--connect",
            url.replace("127.0.0.1", NAME) if secure else url,
            *trust,
        ]
    url = free(place.url)
    ours.dial(place.dial(url))  # until it is there
    proof = [f"--cert={place.certificates}/end.pem"] if secure else []
    return ours, ["--bind", url, *proof]


def pairs(tool: str) -> dict[str, str]:
    """Its options for PAIR, and what fits to each. (``--pair`` of nngcat 1.5 is in its help only.)"""
    return {
        "nngcat": {"--pair0": "pair0", "--pair1": "pair1"},
        "nanocat": {"--pair": "pair0"},
    }[tool]


async def test_their_req(driver: Driver, start: Start, tool: str, place: Place, how: str) -> None:
    rep, options = meet(driver, "rep", how, place)
    asker = start(tool, "--req", *options, "--hex", "--data", "ping")
    assert await rep.recv() == b"ping"
    await rep.send(BODIES[2])
    assert (await asker.rest()).decode() == shown(BODIES[2]) + "\n"


async def test_their_rep(driver: Driver, start: Start, tool: str, place: Place, how: str) -> None:
    req, options = meet(driver, "req", how, place)
    answerer = start(tool, "--rep", *options, "--hex", "--data", "pong")
    for request in BODIES:
        await req.send(request)
        assert await answerer.line() == shown(request)
        assert await req.recv() == b"pong"


async def test_their_push(driver: Driver, start: Start, tool: str, place: Place, how: str) -> None:
    pull, options = meet(driver, "pull", how, place)
    start(tool, "--push", *options, "--data", "work", *PAUSES[tool])
    assert await pull.recv() == b"work"


async def test_their_pull(driver: Driver, start: Start, tool: str, place: Place, how: str) -> None:
    push, options = meet(driver, "push", how, place)
    puller = start(tool, "--pull", *options, "--hex")
    for job in BODIES:
        await push.send(job)
    for job in BODIES:
        assert await puller.line() == shown(job)


async def test_their_pair(driver: Driver, start: Start, tool: str, place: Place, how: str) -> None:
    for option, role in pairs(tool).items():
        pair, options = meet(driver, role, how, place)
        other = start(tool, option, *options, "--hex", "--data", "hello")
        assert await pair.recv() == b"hello"
        for text in BODIES:
            await pair.send(text)
            assert await other.line() == shown(text)
        other.kill()
        await driver.close(pair)


async def test_their_pub(driver: Driver, start: Start, tool: str, place: Place, how: str) -> None:
    sub, options = meet(driver, "sub", how, place)
    start(tool, "--pub", *options, "--data", "news", *PAUSES[tool])
    assert await sub.recv() == b"news"


async def test_their_sub(driver: Driver, start: Start, tool: str, place: Place, how: str) -> None:
    pub, options = meet(driver, "pub", how, place)
    sub = start(tool, "--sub", *options, "--hex", "--subscribe", "a", "--subscribe", "b")
    await until(lambda: pub.pipes)
    for text in (b"c", b"a", b"", b"ba", b"cb", b"b"):
        await pub.send(text)
    for text in (b"a", b"ba", b"b"):
        assert await sub.line() == shown(text)


async def test_their_surveyor(
    driver: Driver, start: Start, tool: str, place: Place, how: str
) -> None:
    """It surveys nobody if it is too early, hence more than once."""
    respondent, options = meet(driver, "respondent", how, place)
    surveyor = start(tool, "--surveyor", *options, "--hex", "--data", "who?", *PAUSES[tool])
    assert await respondent.recv() == b"who?"
    await respondent.send(BODIES[2])
    assert await surveyor.line() == shown(BODIES[2])


async def test_their_respondent(
    driver: Driver, start: Start, tool: str, place: Place, how: str
) -> None:
    surveyor, options = meet(driver, "surveyor", how, place)
    respondent = start(tool, "--respondent", *options, "--hex", "--data", "me")
    await until(lambda: surveyor.pipes)
    for question in BODIES:
        await surveyor.send(question)
        assert await respondent.line() == shown(question)
        assert await surveyor.recv() == b"me"


async def test_their_bus(driver: Driver, start: Start, tool: str, place: Place, how: str) -> None:
    """It tells nobody if it is too early, hence more than once."""
    bus, options = meet(driver, "bus", how, place)
    other = start(tool, "--bus", *options, "--hex", "--data", "hello", *PAUSES[tool])
    assert await bus.recv() == b"hello"
    for text in BODIES:
        await bus.send(text)
        assert await other.line() == shown(text)


async def test_a_large_file(
    driver: Driver, start: Start, tool: str, place: Place, how: str, tmp_path: Path
) -> None:
    """As large as nanomsg takes: 1 MiB with the request's id."""
    large = body(7, (1 << 20) - 4)
    file = tmp_path / "large"
    file.write_bytes(large)
    rep, options = meet(driver, "rep", how, place)
    asker = start(tool, "--req", *options, "--raw", "--file", str(file))
    request = await rep.recv()
    assert request == large
    await rep.send(request[::-1])
    assert await asker.rest() == request[::-1]
