"""REQ/REP and PUSH/PULL with the command-line tools of NNG and of nanomsg, which take the same options."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sockstack import Pull, Push, Rep, Req

from ..drivers.both import Driver
from .processes import Process
from .traffic import body

pytestmark = [
    pytest.mark.interop,
    pytest.mark.parametrize("how", ["listen", "dial"]),
    pytest.mark.parametrize("place", ["tcp", "ipc"], indirect=True),
]

Start = Callable[..., Process]

PATTERNS: dict[str, Any] = {"req": Req(), "rep": Rep(), "push": Push(), "pull": Pull()}
BODIES = [b"a body", b"", b'\0\xff\n"', body(1, 10_000)]


@pytest.fixture(params=["nngcat", "nanocat"])
def tool(request: pytest.FixtureRequest) -> str:
    """A tool that is there."""
    name: str = request.param
    if shutil.which(name) is None:
        package = {"nngcat": "nng-utils", "nanocat": "nanomsg-utils"}[name]
        pytest.skip(f"{name} is not on the path; Debian has it in {package}")
    return name


def shown(data: bytes) -> str:
    """How the tools print a message when told ``--hex``."""
    return '"' + "".join(f"\\x{octet:02x}" for octet in data) + '"'


def free(url: str) -> str:
    """The URL with a port that is free, for a tool that cannot say which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return url.replace(":0", f":{probe.getsockname()[1]}")


def meet(driver: Driver, role: str, how: str, url: str) -> tuple[Any, list[str]]:
    """Our socket, and the options with which a tool meets it."""
    ours = driver.socket(PATTERNS[role], timeout=30)
    if how == "dial":
        url = free(url)
        ours.dial(url)  # until it is there
        return ours, ["--bind", url, "--hex"]
    listener = ours.listen(url)
    if url.startswith("tcp"):
        url = f"tcp://{listener.address}"
    return ours, ["--connect", url, "--hex"]


async def test_their_req(driver: Driver, start: Start, tool: str, place: str, how: str) -> None:
    rep, options = meet(driver, "rep", how, place)
    asker = start(tool, "--req", *options, "--data", "ping")
    assert await rep.recv() == b"ping"
    await rep.send(BODIES[2])
    assert (await asker.rest()).decode() == shown(BODIES[2]) + "\n"


async def test_their_rep(driver: Driver, start: Start, tool: str, place: str, how: str) -> None:
    req, options = meet(driver, "req", how, place)
    answerer = start(tool, "--rep", *options, "--data", "pong")
    for request in BODIES:
        await req.send(request)
        assert await answerer.line() == shown(request)
        assert await req.recv() == b"pong"


async def test_their_push(driver: Driver, start: Start, tool: str, place: str, how: str) -> None:
    pull, options = meet(driver, "pull", how, place)
    start(tool, "--push", *options[:2], "--data", "work", "--interval", "1")
    assert await pull.recv() == b"work"


async def test_their_pull(driver: Driver, start: Start, tool: str, place: str, how: str) -> None:
    push, options = meet(driver, "push", how, place)
    puller = start(tool, "--pull", *options)
    for job in BODIES:
        await push.send(job)
    for job in BODIES:
        assert await puller.line() == shown(job)


async def test_a_large_file(
    driver: Driver, start: Start, tool: str, place: str, how: str, tmp_path: Path
) -> None:
    """As large as nanomsg takes: 1 MiB with the request's id."""
    large = body(7, (1 << 20) - 4)
    file = tmp_path / "large"
    file.write_bytes(large)
    rep, options = meet(driver, "rep", how, place)
    asker = start(tool, "--req", *options[:2], "--raw", "--file", str(file))
    request = await rep.recv()
    assert request == large
    await rep.send(request[::-1])
    assert await asker.rest() == request[::-1]
