"""Proof 3: two sockets over one session, each on a stream of its own, in two threads or tasks; one of them is slow.

The mux is the small one of ``sockstack.testing``: each stream has a window; what nobody fetches stops its own stream.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sockstack import Pull, Push, Rep, Req, Sp, Tcp
from sockstack.core.errors import Deadline
from sockstack.testing import SmallMux

from ..drivers.both import Driver

WINDOW = 65536
PIECE = bytes(range(256)) * 64
ROUNDS = 200

MOST = 500
"""Messages that fit into the windows, buffers and queues on the way, and many more."""


async def sessions(driver: Driver) -> tuple[Any, Any]:
    """Both ends of one connection over TCP."""
    listener = driver.listen(SmallMux(window=WINDOW) | Tcp("127.0.0.1:0"), timeout=20)
    client = await driver.dial(SmallMux(window=WINDOW) | Tcp(listener.address), timeout=20)
    return client, driver.keep(await listener.accept())


async def until_full(push: Any, start: int) -> int:
    """Send messages from number ``start`` on until nothing more is taken; the number of the next one."""
    for number in range(start, MOST):
        try:
            await push.send(b"%06d" % number + PIECE, timeout=0)
        except Deadline:
            return number
    raise AssertionError("a stream that nobody reads takes everything")


async def test_a_slow_socket_stops_nobody_else(driver: Driver) -> None:
    """While one socket's stream is full to the brim, the other goes on; nothing of the slow one is lost or mixed up."""
    client, server = await sessions(driver)
    pull = driver.socket(Pull(), timeout=20)
    pull.listen(Sp() | server.stream())
    push = driver.socket(Push(), timeout=20)
    push.dial(Sp() | client.stream())
    rep = driver.socket(Rep(), timeout=20)
    rep.listen(Sp() | client.stream())
    req = driver.socket(Req(), timeout=20)
    req.dial(Sp() | server.stream())
    await push.send(b"first")
    assert await pull.recv() == b"first"

    full = await until_full(push, 0)
    assert full > 0

    async def serve() -> None:
        for _ in range(ROUNDS):
            await rep.send(await rep.recv() + b"!")

    async def ask() -> None:
        for number in range(ROUNDS):
            await req.send(b"%d" % number + PIECE)
            assert await req.recv() == b"%d" % number + PIECE + b"!"

    await asyncio.gather(serve(), ask())

    full = await until_full(push, full)

    async def fill() -> None:
        for number in range(full, full + ROUNDS):
            await push.send(b"%06d" % number + PIECE)

    async def drain() -> None:
        for number in range(full + ROUNDS):
            assert await pull.recv() == b"%06d" % number + PIECE
            if number % 50 == 0:
                await req.send(b"and you?")
                await rep.send(await rep.recv())
                await req.recv()

    await asyncio.gather(fill(), drain())


async def test_memory_is_bounded_by_windows(driver: Driver) -> None:
    """What a sender has accepted and its peer has not fetched is no more than windows and buffers hold."""
    client, server = await sessions(driver)
    here = await client.open()
    there = await server.accept()
    taken = 0
    for _ in range(10_000):
        try:
            await here.send(PIECE, timeout=0)
        except Deadline:
            break
        taken += len(PIECE)
    assert taken <= 2 * WINDOW + len(PIECE)
    got = 0
    while got < taken:
        got += len(await there.recv())
    assert got == taken


async def test_one_dies_and_the_other_lives(driver: Driver) -> None:
    """A socket that is closed takes its stream with it, and nothing else."""
    client, server = await sessions(driver)
    rep = driver.socket(Rep(), timeout=20)
    rep.listen(Sp() | server.stream())
    first, second = (driver.socket(Req(), timeout=20) for _ in range(2))
    for req in (first, second):
        req.dial(Sp() | client.stream())
        await req.send(b"hello")
        assert await rep.recv() == b"hello"
        await rep.send(b"yes")
        assert await req.recv() == b"yes"
    await first.send(b"last words")
    await driver.close(first)
    await second.send(b"still there?")
    while (request := await rep.recv()) != b"still there?":
        assert request == b"last words"
    await rep.send(b"yes")
    assert await second.recv() == b"yes"
    assert client.state.value == server.state.value == "open"
