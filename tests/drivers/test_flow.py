"""Back-pressure: PUSH waits without a peer and when its peers take no more, goes on when they do, and loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from sockstack import Pull, Push, Rep, Req, Socket
from sockstack.core.errors import Deadline
from sockstack.core.interfaces import CanSend

from .both import Driver, Threaded, in_thread, until
from .conftest import PATIENCE, Place, pair

CHUNK = bytes(16 << 10)


async def fill(push: Any, body: bytes) -> int:
    """Send until nothing more is accepted; how many were."""
    if isinstance(push, Threaded):
        return await in_thread(fill_from_one_thread, push.target, body)
    sent = 0
    with contextlib.suppress(Deadline):
        while True:
            await push.send(body, timeout=0.02)
            sent += 1
    return sent


def fill_from_one_thread(push: Socket[CanSend], body: bytes) -> int:
    sent = 0
    with contextlib.suppress(Deadline):
        while True:
            push.send(body, timeout=0.02)
            sent += 1
    return sent


async def in_order(push: Any, bodies: list[bytes]) -> None:
    """Send one after the other, as fast as one caller can."""
    if isinstance(push, Threaded):
        await in_thread(lambda: [push.target.send(body) for body in bodies])
    else:
        for body in bodies:
            await push.send(body)


async def test_push_waits_for_a_peer(driver: Driver, anywhere: Place) -> None:
    push = driver.socket(Push(), timeout=PATIENCE)
    with pytest.raises(Deadline, match="send: nothing within 0 s"):
        await push.send(b"nobody there", timeout=0)
    waiting = asyncio.create_task(push.send(b"first"))
    await until(lambda: driver.waiters(push, push._head.sendable))
    pull = driver.socket(Pull(), timeout=PATIENCE)
    listener = pull.listen(anywhere.listen)
    push.dial(anywhere.dial(listener))
    assert await pull.recv() == b"first"
    await waiting


@pytest.mark.parametrize("size", [100, 64 << 10])
async def test_push_waits_when_nobody_takes_more_and_goes_on(
    driver: Driver, anywhere: Place, size: int
) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    accepted = await fill(push, bytes(size))
    assert accepted > 0
    waiting = asyncio.create_task(push.send(b"the last one"))
    got: list[bytes] = []
    while len(got) <= accepted:
        got += await pull.recv_many()
    await waiting
    assert got[-1] == b"the last one"
    assert [len(body) for body in got[:-1]] == [size] * accepted
    with pytest.raises(Deadline):
        await pull.recv(timeout=0)


async def test_nothing_is_done_while_nobody_takes_more(driver: Driver, tcp_silence: str) -> None:
    """What was collected waits for room, and no thread looks at it again and again."""
    push = driver.socket(Push())
    await push.reach(f"tcp://{tcp_silence}", PATIENCE)
    await fill(push, bytes(1000))
    if driver.name != "blocking":
        assert not push._hub._posted
        return
    hub = push._hub
    await until(lambda: not hub._helper.bursts)
    with pytest.raises(Deadline):
        await push.send(b"x", timeout=0)
    assert not hub._helper.bursts


async def test_memory_is_bounded_when_nobody_takes_more(driver: Driver, anywhere: Place) -> None:
    """What is held is what the kernel has, a few batches at the receiver, and a batch or a tick's worth here."""
    push, pull = await pair(driver, anywhere, Push(), Pull())
    accepted = await fill(push, CHUNK)
    assert accepted < 3000
    for _ in range(accepted):
        await pull.recv()


async def test_send_many_tells_how_many_were_accepted(driver: Driver, anywhere: Place) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    batch = [b"%06d" % number + CHUNK for number in range(3000)]
    with pytest.raises(Deadline) as caught:
        await push.send_many(batch, timeout=0.05)
    accepted = caught.value.accepted
    assert 0 < accepted < len(batch)
    rest = asyncio.create_task(push.send_many(batch[accepted:]))
    for body in batch:
        assert await pull.recv() == body
    await rest
    assert push.stats()["sent"] == pull.stats()["received"] == len(batch)


async def test_send_many_without_a_peer_accepts_none(driver: Driver) -> None:
    push = driver.socket(Push())
    with pytest.raises(Deadline) as caught:
        await push.send_many([b"1", b"2"], timeout=0)
    assert caught.value.accepted == 0


async def test_the_tail_of_a_burst_arrives_without_another_call(
    driver: Driver, anywhere: Place
) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    for burst in range(20):
        sent = [b"%d/%d" % (burst, number) for number in range(50)]
        await in_order(push, sent)
        assert [await pull.recv() for _ in sent] == sent


async def test_large_and_small_messages_keep_their_order(driver: Driver, anywhere: Place) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    sizes = [1, 10, 5000, 3, 100_000, 2, 2, 2, 9000, 0, 2048, 2049, 7] * 5
    bodies = [bytes([index % 256]) * size for index, size in enumerate(sizes)]
    sending = asyncio.create_task(in_order(push, bodies))
    assert [await pull.recv() for _ in bodies] == bodies
    await sending


async def test_a_slow_asker_does_not_hold_up_the_others(driver: Driver, anywhere: Place) -> None:
    """A REP answers a REQ that does not read; another is served meanwhile."""
    rep = driver.socket(Rep(), timeout=PATIENCE)
    listener = rep.listen(anywhere.listen)
    slow, quick = (driver.socket(Req(), timeout=PATIENCE) for _ in range(2))
    for req in (slow, quick):
        await req.reach(anywhere.dial(listener), PATIENCE)
    await slow.send(b"give me much")
    assert await rep.recv() == b"give me much"
    await rep.send(bytes(32 << 20))
    for _ in range(5):
        await quick.send(b"little")
        assert await rep.recv() == b"little"
        await rep.send(b"answer")
        assert await quick.recv() == b"answer"
    assert len(await slow.recv()) == 32 << 20
