"""Connections and listeners on both drivers: units, streams, layers put on and taken off, many at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from typing import Any

import pytest

from sockstack import Fd, Inproc, Line, Prefix, Pull, Push, Sp, Tcp, Tls
from sockstack.core.errors import (
    Deadline,
    EndOfStream,
    EndpointError,
    LocalProtocolError,
    Owned,
    PeerAborted,
    StackError,
    TooBig,
)
from sockstack.core.life import State

from .both import Driver, until
from .conftest import PATIENCE


async def ends(driver: Driver, near: Any, far: Any) -> tuple[Any, Any]:
    """A stack on each end of a socket pair."""
    one, two = socket.socketpair()
    first = await driver.attach(near | Fd(one), timeout=PATIENCE)
    second = await driver.attach(far | Fd(two), timeout=PATIENCE)
    return first, second


async def streams(driver: Driver) -> tuple[Any, Any]:
    """Two ends of a byte stream."""
    one, two = socket.socketpair()
    first = await driver.attach(Fd(one), timeout=PATIENCE)
    return first, await driver.attach(Fd(two), timeout=PATIENCE)


async def test_messages_arrive_whole_and_in_order(driver: Driver) -> None:
    near, far = await ends(driver, Prefix(4), Prefix(4))
    chance = random.Random(1)
    bodies = [chance.randbytes(chance.choice([0, 1, 100, 8191, 8192, 100_000])) for _ in range(60)]

    async def send() -> None:
        for body in bodies:
            await near.send(body)
        near.end()

    sending = asyncio.create_task(send())
    assert [body async for body in far] == bodies
    await sending


async def test_recv_many(driver: Driver) -> None:
    near, far = await ends(driver, Prefix(4), Prefix(4))
    for number in range(10):
        await near.send(b"%d" % number)
    got: list[bytes] = []
    while len(got) < 10:
        bodies = await far.recv_many(3)
        assert 1 <= len(bodies) <= 3
        got += bodies
    assert got == [b"%d" % number for number in range(10)]


async def test_both_directions_at_once(driver: Driver) -> None:
    near, far = await ends(driver, Prefix(4), Prefix(4))
    body = os.urandom(1 << 20)

    async def send(conn: Any) -> None:
        for _ in range(8):
            await conn.send(body)

    async def recv(conn: Any) -> None:
        for _ in range(8):
            assert await conn.recv() == body

    await asyncio.gather(send(near), send(far), recv(near), recv(far))


async def test_a_stream_gives_what_is_there(driver: Driver) -> None:
    near, far = await streams(driver)
    await near.send(b"")
    await near.send(b"abcdef")
    assert await far.recv(4) == b"abcd"
    assert await far.recv(4) == b"ef"
    await near.send(b"123")
    await near.send(b"4567")
    assert await far.recv_exactly(5) == b"12345"
    with pytest.raises(Deadline):
        await far.recv_exactly(3, timeout=0)
    assert await far.recv() == b"67"
    near.end()
    with pytest.raises(EndOfStream):
        await far.recv()
    with pytest.raises(EndOfStream):
        await far.recv_exactly(1)


async def test_a_large_exact_read(driver: Driver) -> None:
    near, far = await streams(driver)
    data = os.urandom(3 << 20)
    sending = asyncio.create_task(near.send(data))
    assert await far.recv_exactly(len(data)) == data
    await sending


async def test_what_is_too_big_is_refused_before_it_is_sent(driver: Driver) -> None:
    near, far = await ends(driver, Prefix(4, limit=1000), Prefix(4, limit=100))
    with pytest.raises(TooBig, match="the message has 1001 bytes"):
        await near.send(bytes(1001))
    await near.send(b"fits both")
    assert await far.recv() == b"fits both"
    await near.send(bytes(101))
    for _ in range(2):
        with pytest.raises(TooBig):
            await far.recv()
    assert far.state is State.BROKEN


async def test_a_timed_out_recv_loses_nothing(driver: Driver) -> None:
    near, far = await ends(driver, Prefix(4), Prefix(4))
    for number in range(100):
        with pytest.raises(Deadline, match="recv: nothing within"):
            await far.recv(timeout=0)
        await near.send(b"%d" % number)
        while True:
            try:
                assert await far.recv(timeout=0) == b"%d" % number
            except Deadline:
                continue
            break


async def test_several_wait_on_one_connection(driver: Driver) -> None:
    near, far = await ends(driver, Prefix(4), Prefix(4))
    waiting = [asyncio.create_task(far.recv()) for _ in range(5)]
    await until(lambda: driver.waiters(far, far._core.receivable) == 5)
    for number in range(5):
        await near.send(b"%d" % number)
    assert sorted(await asyncio.gather(*waiting)) == [b"0", b"1", b"2", b"3", b"4"]


async def test_one_that_gives_up_does_not_stop_the_others(driver: Driver) -> None:
    """Who times out takes its credit back; whoever else waits still gets what comes."""
    near, far = await ends(driver, Prefix(4), Prefix(4))
    patient = asyncio.create_task(far.recv())
    await until(lambda: driver.waiters(far, far._core.receivable) == 1)
    for number in range(20):
        with pytest.raises(Deadline):
            await far.recv(timeout=0.001)
        assert not patient.done()
        await near.send(b"%d" % number)
        assert await patient == b"%d" % number
        patient = asyncio.create_task(far.recv())
        await until(lambda: driver.waiters(far, far._core.receivable) == 1)
    await near.send(b"end")
    assert await patient == b"end"


async def test_a_write_that_finds_the_peer_gone_wakes_the_reader(driver: Driver) -> None:
    """One waits for data, another writes and is told that the connection is dead: both learn it."""
    one, two = socket.socketpair()
    conn = await driver.attach(Prefix(4) | Fd(one), timeout=PATIENCE)
    reading = asyncio.create_task(conn.recv())
    await until(lambda: driver.waiters(conn, conn._core.receivable) == 1)
    two.close()

    async def write() -> None:
        while True:
            await conn.send(b"x")

    with pytest.raises((PeerAborted, EndOfStream)):
        await write()
    with pytest.raises((PeerAborted, EndOfStream)):
        await reading


async def test_detach_attach_and_switch(driver: Driver) -> None:
    """Framing is changed on a live connection between two units; what was received and not decoded goes along."""
    near, far = await ends(driver, Prefix(4), Prefix(4))
    await near.send(b"by length")
    line = await near.switch(Line())
    await line.send(b"by line")
    await line.send(b"another")
    assert await far.recv() == b"by length"
    far_line = await far.switch(Line())
    with pytest.raises(Owned, match="goes on under another object"):
        await far.recv()
    with pytest.raises(Owned):
        near.get(None)
    assert await driver.close(far) == 0
    assert await far_line.recv() == b"by line"
    stream = driver.keep(await far_line.detach())
    assert await stream.recv() == b"another\n"
    with pytest.raises(StackError):
        await stream.attach(Tcp("127.0.0.1:1"))
    again = driver.keep(await stream.attach(Prefix(2)))
    raw = driver.keep(await line.detach())
    await raw.send(b"\0\x04last")
    assert await again.recv() == b"last"


async def test_layers_that_do_not_open_in_time_end_the_connection(driver: Driver) -> None:
    """Nobody could go on with half a handshake; the peer sees an end, and nothing stays behind."""
    near, far = await streams(driver)
    with pytest.raises(Deadline):
        await near.attach(Tls(server_name="nobody"), timeout=0.001)
    with pytest.raises(Owned):
        await near.send(b"x")
    assert await driver.close(near) == 0
    said = b""
    with contextlib.suppress(PeerAborted, EndOfStream):
        while True:
            said += await far.recv()
    assert said.startswith(b"\x16\x03\x01"), "it had begun"


async def test_detach_is_refused_while_units_wait(driver: Driver) -> None:
    near, far = await ends(driver, Prefix(4), Prefix(4))
    with pytest.raises(LocalProtocolError, match="there is no Line"):
        await near.detach(Line)
    await near.send(b"one")
    await near.send(b"two")
    assert await far.recv_many(1) == [b"one"]
    stream = driver.keep(await far.detach())
    assert await stream.recv_exactly(7) == b"\0\0\0\x03two"
    driver.keep(near)


async def test_a_connection_of_streams_is_found_by_its_type(driver: Driver) -> None:
    near, far = await streams(driver)
    assert type(getattr(near, "target", near)).__name__ == "StreamConnection"
    assert repr(near) == "<StreamConnection fd, open>"
    await driver.close(far)
    with pytest.raises(EndOfStream):
        await near.recv()
    assert near.state is State.REMOTE_ENDED


async def test_many_connections_at_once(driver: Driver) -> None:
    listener = driver.listen(Prefix(4) | Tcp("127.0.0.1:0"), timeout=PATIENCE)

    async def serve() -> None:
        for _ in range(20):
            conn = driver.keep(await listener.accept())
            echoes.append(asyncio.create_task(echo(conn)))

    async def echo(conn: Any) -> None:
        async for body in conn:
            await conn.send(body)
        await driver.close(conn)

    async def talk(number: int) -> None:
        conn = await driver.dial(Prefix(4) | Tcp(listener.address), timeout=PATIENCE)
        for turn in range(5):
            await conn.send(b"%d:%d" % (number, turn))
            assert await conn.recv() == b"%d:%d" % (number, turn)
        await driver.close(conn)

    echoes: list[asyncio.Task[None]] = []
    serving = asyncio.create_task(serve())
    await asyncio.gather(*(talk(number) for number in range(20)))
    await serving
    await asyncio.gather(*echoes)


async def test_messages_inside_the_process(driver: Driver) -> None:
    listener = driver.listen(Inproc("connections"), timeout=PATIENCE)
    near = await driver.dial(Inproc("connections"), timeout=PATIENCE)
    far = driver.keep(await listener.accept())
    await near.send(b"")
    await near.send(b"two")
    assert await far.recv() == b""
    assert await far.recv() == b"two"
    near.end()
    with pytest.raises(EndOfStream):
        await far.recv()
    await far.send(b"back")
    assert await near.recv() == b"back"


async def test_what_makes_no_connection(driver: Driver) -> None:
    with pytest.raises(StackError, match="makes a socket"):
        driver.listen(Push() | Sp() | Tcp("127.0.0.1:0"))
    with pytest.raises(StackError, match="no transport"):
        await driver.dial(Prefix(4))
    with pytest.raises(StackError):
        driver.socket(Prefix(4))
    with pytest.raises(StackError):
        driver.socket(Push() | Sp() | Tcp("127.0.0.1:0"))
    with pytest.raises(EndpointError, match="it is one connection"):
        driver.listen(Prefix(4) | Fd(0))
    pull = driver.socket(Pull())
    with pytest.raises(TypeError, match="neither a layer nor a stack"):
        pull.listen(5)


async def test_descriptors_that_carry_no_stream(driver: Driver, tmp_path: Any) -> None:
    closed = socket.socket()
    closed.close()
    with pytest.raises(EndpointError, match="closed, or was taken over already"):
        await driver.attach(Fd(closed))
    with pytest.raises(EndpointError, match="Bad file descriptor"):
        await driver.attach(Fd(10**6))
    file = os.open(tmp_path / "file", os.O_CREAT)
    with pytest.raises(EndpointError, match="cannot use the descriptor: a file is always ready"):
        await driver.attach(Fd(file))
    os.close(file)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with far, pytest.raises(EndpointError, match="carries datagrams, and no stream"):
        await driver.attach(Fd(near))


async def test_a_pair_of_pipes(driver: Driver) -> None:
    (in_read, in_write), (out_read, out_write) = os.pipe(), os.pipe()
    near = await driver.attach(Prefix(4) | Fd((in_read, out_write)), timeout=PATIENCE)
    far = await driver.attach(Prefix(4) | Fd((out_read, in_write)), timeout=PATIENCE)
    await near.send(bytes(300_000)[:300_000])
    await far.send(b"answer")
    assert len(await far.recv()) == 300_000
    assert await near.recv() == b"answer"
    near.end()
    with pytest.raises(EndOfStream):
        await far.recv()
    await far.send(b"still")
    assert await near.recv() == b"still"
