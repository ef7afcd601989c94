"""Proof 2: another framing on a live connection. The peer does not wait for it, and the cut of its bytes is all one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sockstack import Fd, Line, Prefix, Tcp
from sockstack.core.errors import Deadline, EndOfStream

from ..drivers.both import Driver
from .feeding import cuts, feed, frame

MESSAGES = [b"first", b"two\nlines", b"", b"\0\0\0\0\n", b"back to lines"]
WIRE = b"hello\nswitch\n" + b"".join(map(frame, MESSAGES)) + b"last\n\nend\n"
ANSWERS = b"at your service\n" + frame(b"now in messages") + b"and in lines\n"


async def serve(connection: Any) -> tuple[list[bytes], Any]:
    """Lines up to ``switch``, messages up to ``back to lines``, lines to the end; an answer in each."""
    got = [await connection.recv()]
    while got[-1] != b"switch":
        got.append(await connection.recv())
    await connection.send(b"at your service")
    connection = await connection.switch(Prefix(4))
    while got[-1] != b"back to lines":
        got.append(await connection.recv())
    await connection.send(b"now in messages")
    connection = await connection.switch(Line())
    while True:
        try:
            got.append(await connection.recv())
        except EndOfStream:
            break
    await connection.send(b"and in lines")
    return got, connection


async def test_cut_at_every_byte(driver: Driver) -> None:
    for pieces in cuts(WIRE):
        here, peer = socket.socketpair()
        fd = here.fileno()
        connection = await driver.attach(Line() | Fd(here), timeout=20)
        serving = asyncio.create_task(serve(connection))
        with peer:
            await feed(peer, pieces, fd)
            peer.shutdown(socket.SHUT_WR)
            got, connection = await serving
            assert got == [b"hello", b"switch", *MESSAGES, b"last", b"", b"end"], pieces
            await driver.close(connection)
            peer.settimeout(20)
            with peer.makefile("rb") as answers:
                assert answers.read() == ANSWERS, pieces


async def test_both_ends_switch_over_tcp(driver: Driver) -> None:
    """The client pipelines all that it has to say, through both of its own switches."""
    listener = driver.listen(Line() | Tcp("127.0.0.1:0"), timeout=20)
    client = await driver.dial(Line() | Tcp(listener.address), timeout=20)
    server = await listener.accept()
    serving = asyncio.create_task(serve(server))

    for line in (b"hello", b"switch"):
        await client.send(line)
    answer = await client.recv()
    client = await client.switch(Prefix(4))
    for message in MESSAGES:
        await client.send(message)
    assert answer == b"at your service"
    assert await client.recv() == b"now in messages"
    client = await client.switch(Line())
    await client.send(b"end")
    client.end()
    got, server = await serving
    assert got == [b"hello", b"switch", *MESSAGES, b"end"]
    assert await client.recv() == b"and in lines"
    assert client.path == server.path == "line<tcp"
    await driver.close(client)
    await driver.close(server)


async def test_what_was_received_and_not_decoded_comes_first(driver: Driver) -> None:
    """Detached, the connection is bytes, and begins with those that came beyond the last line."""
    here, peer = socket.socketpair()
    with peer:
        peer.sendall(WIRE)
        connection = await driver.attach(Line() | Fd(here), timeout=20)
        assert [await connection.recv(), await connection.recv()] == [b"hello", b"switch"]
        stream = await connection.detach()
        assert await stream.recv_exactly(len(WIRE) - 13) == WIRE[13:]
        await driver.close(stream)


async def switched_after(driver: Driver, receive: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Whatever ``receive`` does, it waits for no line any more when the messages arrive."""
    here, peer = socket.socketpair()
    with peer:
        connection = await driver.attach(Line() | Fd(here), timeout=20)
        await receive(connection, peer)
        peer.sendall(b"".join(map(frame, MESSAGES)))
        for _ in range(10):
            await asyncio.sleep(0)
        connection = await connection.switch(Prefix(4))
        assert [await connection.recv() for _ in MESSAGES] == MESSAGES
        await driver.close(connection)


async def test_a_receive_that_timed_out_decodes_nothing_later(driver: Driver) -> None:
    async def receive(connection: Any, peer: socket.socket) -> None:
        with pytest.raises(Deadline):
            await connection.recv(timeout=0)

    await switched_after(driver, receive)


@pytest.mark.parametrize("driver", ["asyncio", "uvloop"], indirect=True)
async def test_a_cancelled_receive_decodes_nothing_later(driver: Driver) -> None:
    async def receive(connection: Any, peer: socket.socket) -> None:
        waiting = asyncio.create_task(connection.recv())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    await switched_after(driver, receive)


async def test_receiving_several_decodes_none_beyond(driver: Driver) -> None:
    async def receive(connection: Any, peer: socket.socket) -> None:
        peer.sendall(b"hello\nswitch\n")
        assert await connection.recv_many(10) == [b"hello", b"switch"]

    await switched_after(driver, receive)
