"""REQ/REP and PUSH/PULL with NNG, by pynng: either end listens, on every transport that both have."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

import sockstack
import sockstack.asyncio
from sockstack import Pull, Push, Rep, Req, Sp, Tcp
from sockstack.core.errors import IncompatiblePeer

from ..drivers.both import BlockingDriver, Driver, in_thread, until
from .processes import Process
from .traffic import PLANS, messages

pytest.importorskip("pynng", reason="pynng is not installed", exc_type=ImportError)

pytestmark = pytest.mark.interop

Start = Callable[..., Process]

PATTERNS: dict[str, Any] = {"req": Req(), "rep": Rep(), "push": Push(), "pull": Pull()}
PEERS = {"req": "rep", "rep": "req", "push": "pull", "pull": "push"}


def pynng(start: Start, role: str, how: str, url: str, plan: str = "few") -> Process:
    """A peer in a process of its own."""
    return start(sys.executable, "-m", "tests.interop.pynng_peer", role, how, url, plan)


def real(listener: Any, url: str) -> str:
    """Where a listener of ours can be dialled."""
    return f"tcp://{listener.address}" if url.startswith("tcp") else url


async def meet(
    driver: Driver, start: Start, role: str, how: str, url: str, plan: str
) -> tuple[Any, Process]:
    """Our socket in ``role``, which listens or dials, and its peer."""
    ours = driver.socket(PATTERNS[role], timeout=30)
    if how == "listen":
        peer = pynng(start, PEERS[role], "dial", real(ours.listen(url), url), plan)
        assert await peer.line() == "dialled"
    else:
        peer = pynng(start, PEERS[role], "listen", url, plan)
        await ours.reach(await peer.line(), 30)
    return ours, peer


async def send_all(driver: Driver, socket: Any, bodies: Iterable[bytes]) -> None:
    """One by one, as fast as the caller can: on the blocking driver in one thread."""
    if isinstance(driver, BlockingDriver):
        await in_thread(lambda: [socket.target.send(body) for body in bodies])
    else:
        for body in bodies:
            await socket.send(body)


async def ask(driver: Driver, socket: Any, bodies: Iterable[bytes]) -> list[bool]:
    """Whether each of them was answered with its bytes in reverse."""

    def round_trip(body: bytes) -> bool:
        socket.target.send(body)
        return bool(socket.target.recv() == body[::-1])

    if isinstance(driver, BlockingDriver):
        return await in_thread(lambda: [round_trip(body) for body in bodies])
    good = []
    for body in bodies:
        await socket.send(body)
        good.append(await socket.recv() == body[::-1])
    return good


async def answer(driver: Driver, socket: Any) -> None:
    """Answer until the socket is closed."""

    def serve() -> None:
        for request in socket.target:
            socket.target.send(request[::-1])

    if isinstance(driver, BlockingDriver):
        await in_thread(serve)
    else:
        async for request in socket:
            await socket.send(request[::-1])


@pytest.mark.parametrize("how", ["listen", "dial"])
@pytest.mark.parametrize("role", PATTERNS)
async def test_sizes(driver: Driver, start: Start, place: str, role: str, how: str) -> None:
    """From none to 16 MiB, and each side's bytes arrive as they were."""
    await exchange(driver, start, role, how, place, "sizes")


@pytest.mark.parametrize("how", ["listen", "dial"])
@pytest.mark.parametrize("role", PATTERNS)
async def test_ten_thousand_in_order(driver: Driver, start: Start, role: str, how: str) -> None:
    await exchange(driver, start, role, how, "tcp://127.0.0.1:0", "order")


async def exchange(driver: Driver, start: Start, role: str, how: str, url: str, plan: str) -> None:
    """Meet a peer, and go through a plan with it."""
    ours, peer = await meet(driver, start, role, how, url, plan)
    await converse(driver, role, ours, peer, plan)
    await peer.rest()


async def converse(driver: Driver, role: str, ours: Any, peer: Process, plan: str) -> None:
    """Go through a plan; both sides check what they receive."""
    match role:
        case "req":
            assert all(await ask(driver, ours, messages(plan)))
        case "rep":
            answering = asyncio.create_task(answer(driver, ours))
            assert await peer.line() == "done"
            await driver.close(ours)
            await answering
        case "push":
            await send_all(driver, ours, messages(plan))
            assert await peer.line() == "done"
        case "pull":
            for number, body in enumerate(messages(plan)):
                assert await ours.recv() == body, f"message {number} of {len(body)} bytes"
            assert await peer.line() == "done"


@pytest.mark.parametrize("place", ["tcp", "ipc"], indirect=True)
async def test_a_rep_that_is_killed_and_started_again(
    driver: Driver, start: Start, place: str
) -> None:
    """Our REQ asks again what died with it."""
    peer = pynng(start, "rep", "listen", place)
    url = await peer.line()
    req = driver.socket(Req(resend=0.2), dial=url, timeout=30)
    assert all(await ask(driver, req, messages("few")))
    for number in range(3):
        peer.signal(signal.SIGSTOP)
        asking = asyncio.create_task(ask(driver, req, [b"question %d" % number]))
        await until(lambda: len(req._core.raw.waiting) == 1)
        peer.kill()
        peer = pynng(start, "rep", "listen", url)
        assert await peer.line() == url
        assert await asking == [True]
    assert req.stats()["resent"] >= 3
    await peer.rest()


@pytest.mark.parametrize("place", ["tcp", "ipc"], indirect=True)
async def test_a_req_whose_rep_is_started_again(driver: Driver, start: Start, place: str) -> None:
    """Ours goes away, each time with a request that it has received and not answered."""
    rep = driver.socket(Rep(), timeout=30)
    url = real(rep.listen(place), place)
    peer = pynng(start, "req", "dial", url, "some")
    for _ in range(3):
        for _ in range(100):
            await rep.send((await rep.recv())[::-1])
        await rep.recv()
        await driver.close(rep)
        rep = driver.socket(Rep(), listen=url, timeout=30)
    answering = asyncio.create_task(answer(driver, rep))
    assert [await peer.line(), await peer.line()] == ["dialled", "done"]
    await driver.close(rep)
    await answering
    await peer.rest()


@pytest.mark.parametrize("role", PATTERNS)
async def test_dialling_a_peer_that_does_not_fit(driver: Driver, start: Start, role: str) -> None:
    """It says at once what is there, and what should be."""
    for theirs in PATTERNS:
        if theirs != PEERS[role]:
            peer = pynng(start, theirs, "listen", "tcp://127.0.0.1:0")
            address = (await peer.line()).removeprefix("tcp://")
            with pytest.raises(
                IncompatiblePeer, match=f"the peer is {theirs} .* only {PEERS[role]} .* fits here"
            ):
                await driver.dial(PATTERNS[role] | Sp() | Tcp(address))


@pytest.mark.parametrize("role", PATTERNS)
async def test_a_peer_that_does_not_fit_dials(driver: Driver, start: Start, role: str) -> None:
    """It is turned away; the one that fits is served."""
    ours = driver.socket(PATTERNS[role], timeout=30)
    url = real(ours.listen("tcp://127.0.0.1:0"), "tcp")
    for theirs in PATTERNS:
        if theirs != PEERS[role]:
            await pynng(start, theirs, "dial", url).line()
    peer = pynng(start, PEERS[role], "dial", url)
    assert await peer.line() == "dialled"
    await until(lambda: ours.pipes)
    assert len(ours.pipes) == 1
    await converse(driver, role, ours, peer, "few")
    await peer.rest()


@pytest.mark.parametrize("place", ["tcp", "ipc"], indirect=True)
async def test_a_device_between_req_and_rep(driver: Driver, start: Start, place: str) -> None:
    device = make_device(driver, Rep(raw=True), Req(raw=True))
    rep = pynng(start, "rep", "listen", "tcp://127.0.0.1:0")
    device.back.dial(await rep.line())
    front = real(device.front.listen(place), place)
    askers = [pynng(start, "req", "dial", front, plan) for plan in ("sizes", "some", "some")]
    for asker in askers:
        assert [await asker.line(), await asker.line()] == ["dialled", "done"]
        await asker.rest()
    await rep.rest()


async def test_a_device_between_push_and_pull(driver: Driver, start: Start) -> None:
    device = make_device(driver, Pull(raw=True), Push(raw=True))
    pull = pynng(start, "pull", "listen", "tcp://127.0.0.1:0", "order")
    device.back.dial(await pull.line())
    front = real(device.front.listen("tcp://127.0.0.1:0"), "tcp")
    push = pynng(start, "push", "dial", front, "order")
    assert [await push.line(), await push.line()] == ["dialled", "done"]
    assert await pull.line() == "done"
    assert device.forwarded == len(PLANS["order"])
    await push.rest()
    await pull.rest()


def make_device(driver: Driver, front: Any, back: Any) -> Any:
    """A device of that driver, closed with it."""
    kind = sockstack.Device if isinstance(driver, BlockingDriver) else sockstack.asyncio.Device
    return driver.keep(kind(front, back))
