"""Closing: who waits is woken, what was accepted is written, what cannot be is reported."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sockstack import Fd, Prefix, Pull, Push, Rep, Req, Sp, Tcp
from sockstack.core.errors import Closed, Deadline, EndOfStream, LocalProtocolError, PeerAborted

from .both import Driver, until
from .conftest import PATIENCE, Place, pair

MEGABYTE = bytes(range(256)) * 4096


@pytest.mark.parametrize("call", ["recv", "recv_many", "recv_message"])
async def test_who_receives_is_woken(driver: Driver, anywhere: Place, call: str) -> None:
    _, pull = await pair(driver, anywhere, Push(), Pull())
    waiting = [asyncio.create_task(getattr(pull, call)()) for _ in range(3)]
    await until(lambda: driver.waiters(pull, pull._head.receivable) == 3)
    await driver.close(pull)
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, Closed)


async def test_who_sends_is_woken(driver: Driver) -> None:
    push = driver.socket(Push())
    waiting = [
        asyncio.create_task(push.send(b"x")),
        asyncio.create_task(push.send_many([b"x", b"y"])),
    ]
    await until(lambda: driver.waiters(push, push._head.sendable) == 2)
    await driver.close(push)
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, Closed)


async def test_who_sends_much_is_woken_and_told_what_was_not_accepted(
    driver: Driver, tcp_silence: str
) -> None:
    """Each message was accepted and counted by ``close``, or its send has failed."""
    push = driver.socket(Push())
    await push.reach(f"tcp://{tcp_silence}", PATIENCE)
    body = bytes(2000)
    refused = 0
    while refused < 3:  # in a row: the kernel takes no more
        try:
            await push.send(body, timeout=0.05)
            refused = 0
        except Deadline:
            refused += 1
    waiting = [asyncio.create_task(push.send(body)) for _ in range(3)]
    await until(lambda: driver.waiters(push, push._head.sendable) >= 3)
    assert await driver.close(push, linger=0) > 0
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, Closed)


@pytest.mark.parametrize("closes", ["socket", "address"])
async def test_who_waits_for_the_first_connection_is_woken(driver: Driver, closes: str) -> None:
    """Also if the hub goes on, for the sake of another socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        push = driver.socket(Push())
        if driver.name == "blocking":
            driver.socket(Push(), beside=push.target)
        where = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        waiting = asyncio.create_task(push.reach(where, PATIENCE))
        await until(lambda: driver.waiters(push, push._head.sendable))
        if closes == "socket":
            await driver.close(push)
        else:
            push.dialers[0].close()
        with pytest.raises(Closed):
            await waiting


async def test_who_waits_on_a_context_is_woken(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    context = req.context()
    await context.send(b"?")
    await rep.recv()
    waiting = [asyncio.create_task(context.recv())]
    waiting += [asyncio.create_task(rep.context().recv()) for _ in range(2)]
    await until(lambda: driver.waiters(context, context._head.receivable) == 1)
    await until(lambda: driver.waiters(rep, rep._head.receivable) == 2)
    await driver.close(req)
    await driver.close(rep)
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, Closed)


async def test_every_call_on_a_closed_socket_is_refused(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    await req.send(b"?")
    await rep.recv()
    push, pull = driver.socket(Push()), driver.socket(Pull())
    for thing in (req, rep, push, pull):
        assert await driver.close(thing) == 0
        assert await driver.close(thing) == 0
    for call in (
        req.send(b"x"),
        req.recv(),
        rep.send(b"x"),
        rep.recv(),
        rep.recv_message(),
        push.send(b"x"),
        push.send_many([b"x"]),
        pull.recv(),
        pull.recv_many(),
    ):
        with pytest.raises(Closed):
            await call
    for thing in (req, rep, push, pull):
        with pytest.raises(Closed):
            thing.listen(anywhere.listen)
        assert "closed" in repr(thing)


async def test_iteration_ends_at_close(driver: Driver, anywhere: Place) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    got = []

    async def gather() -> None:
        async for body in pull:
            got.append(body)  # noqa: PERF401  # looked at meanwhile

    task = asyncio.create_task(gather())
    await push.send_many([b"1", b"2", b"3"])
    await until(lambda: len(got) == 3)
    await driver.close(pull)
    await task
    assert got == [b"1", b"2", b"3"]


@pytest.mark.parametrize("size", [1, 3])
async def test_what_was_sent_just_before_close_arrives(
    driver: Driver, anywhere: Place, size: int
) -> None:
    for _ in range(10):
        push, pull = await pair(driver, anywhere, Push(), Pull())
        receiving = asyncio.create_task(pull.recv_many()) if size == 1 else None
        for _ in range(size):
            await push.send(MEGABYTE)
        closing = asyncio.create_task(driver.close(push, linger=20))
        got = await receiving if receiving is not None else []
        while len(got) < size:
            got.append(await pull.recv())
        assert got == [MEGABYTE] * size
        assert await closing == 0
        await driver.close(pull)


async def test_a_burst_just_before_close_arrives(driver: Driver, anywhere: Place) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    sent = [b"%d" % number for number in range(1000)]

    async def send() -> None:
        for body in sent:
            await push.send(body)
        assert await driver.close(push, linger=20) == 0

    sending = asyncio.create_task(send())
    assert [await pull.recv() for _ in sent] == sent
    await sending


async def test_close_reports_what_nobody_reads(driver: Driver) -> None:
    """The peer reads nothing, so most of what was accepted is still here at the end."""
    near, far = socket.socketpair()
    with far:
        conn = await driver.attach(Prefix(4, limit=1 << 30) | Fd(near))
        body = bytes(8 << 20)
        await conn.send(body)
        taken = len(far.recv(1 << 24, socket.MSG_PEEK))
        left = await driver.close(conn, linger=0)
        assert 0 < left < len(body)
        assert taken <= len(body) + 4 - left


async def test_a_socket_reports_what_nobody_reads(driver: Driver, tcp_silence: str) -> None:
    push = driver.socket(Push(), linger=0)
    await push.reach(Sp() | Tcp(tcp_silence), 20)
    await push.send(bytes(64 << 20))
    assert await driver.close(push) > 0


async def test_close_reports_messages_that_found_no_peer(driver: Driver, anywhere: Place) -> None:
    """A message that waits for room belongs to its caller, who is told; it is not counted twice."""
    push = driver.socket(Push())
    waiting = asyncio.create_task(push.send(b"x"))
    await until(lambda: driver.waiters(push, push._head.sendable))
    assert await driver.close(push, linger=0) == 0
    with pytest.raises(Closed):
        await waiting


async def test_a_connection_wakes_who_waits(driver: Driver) -> None:
    near, far = socket.socketpair()
    with far:
        conn = await driver.attach(Prefix(4) | Fd(near))
        waiting = [asyncio.create_task(conn.recv()) for _ in range(2)]
        await until(lambda: driver.waiters(conn, conn._core.receivable) == 2)
        await driver.close(conn)
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, Closed)
        for call in (conn.recv(), conn.send(b"x"), conn.recv_many()):
            with pytest.raises(Closed):
                await call
        assert await driver.close(conn) == 0


async def test_aborting_a_connection_wakes_who_waits(driver: Driver) -> None:
    near, far = socket.socketpair()
    with far:
        conn = await driver.attach(Fd(near))
        waiting = asyncio.create_task(conn.recv())
        await until(lambda: driver.waiters(conn, conn._core.receivable))
        conn.abort()
        with pytest.raises(Closed):
            await waiting
        conn.abort()
        with pytest.raises(Closed):
            await conn.send(b"x")


async def test_a_listener_wakes_who_accepts(driver: Driver) -> None:
    listener = driver.listen(Prefix(4) | Tcp("127.0.0.1:0"))
    waiting = [asyncio.create_task(listener.accept()) for _ in range(3)]
    await until(lambda: driver.waiters(listener, listener._core.gate) == 3)
    await driver.close(listener)
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, Closed)
    with pytest.raises(Closed):
        await listener.accept()
    await driver.close(listener)


async def test_accepting_ends_with_the_listener(driver: Driver) -> None:
    listener = driver.listen(Prefix(4) | Tcp("127.0.0.1:0"))
    got = []

    async def accept() -> None:
        async for conn in listener:
            async with conn:
                got.append(await conn.recv(timeout=20))

    task = asyncio.create_task(accept())
    client = await driver.dial(Prefix(4) | Tcp(listener.address))
    await client.send(b"hello")
    await until(lambda: got)
    await until(lambda: driver.waiters(listener, listener._core.gate))
    await driver.close(listener)
    await task
    assert got == [b"hello"]


async def test_closing_while_another_reads_does_not_wait_in_vain(driver: Driver) -> None:
    """The last bytes go out while somebody else leads; closing notices, and gives no unwritten bytes."""
    near, far = socket.socketpair()
    with far:
        conn = await driver.attach(Fd(near))
        reading = asyncio.create_task(conn.recv())
        await until(lambda: driver.waiters(conn, conn._core.receivable))
        await conn.send(bytes(4 << 20))
        closing = asyncio.create_task(driver.close(conn, linger=1e6))
        far.setblocking(False)
        left = 4 << 20
        while left:
            try:
                left -= len(far.recv(1 << 20))
            except BlockingIOError:
                await asyncio.sleep(0)
        assert await closing == 0
        with pytest.raises(Closed):
            await reading


async def test_the_peer_of_a_closed_connection_sees_an_end(driver: Driver) -> None:
    listener = driver.listen(Prefix(4) | Tcp("127.0.0.1:0"))
    client = await driver.dial(Prefix(4) | Tcp(listener.address))
    server = driver.keep(await listener.accept(timeout=20))
    await client.send(b"last words")
    await driver.close(client)
    assert await server.recv(timeout=20) == b"last words"
    for _ in range(2):
        with pytest.raises(EndOfStream):
            await server.recv(timeout=20)


async def test_half_close(driver: Driver) -> None:
    listener = driver.listen(Prefix(4) | Tcp("127.0.0.1:0"))
    client = await driver.dial(Prefix(4) | Tcp(listener.address))
    server = driver.keep(await listener.accept(timeout=20))
    await client.send(b"question")
    client.end()
    assert await server.recv(timeout=20) == b"question"
    with pytest.raises(EndOfStream):
        await server.recv(timeout=20)
    await server.send(b"answer")
    assert await client.recv(timeout=20) == b"answer"
    with pytest.raises(LocalProtocolError, match="our output was ended"):
        await client.send(b"more")
    await driver.close(server)
    with pytest.raises(EndOfStream):
        await client.recv(timeout=20)


async def test_a_reset_is_no_orderly_end(driver: Driver) -> None:
    near, far = socket.socketpair()
    conn = await driver.attach(Prefix(4) | Fd(near))
    far.sendall(b"\0\0\0\x03one\0\0\0\x05tw")
    far.close()
    assert await conn.recv(timeout=20) == b"one"
    for _ in range(2):
        with pytest.raises(PeerAborted):
            await conn.recv(timeout=20)
