"""Proof 4: a live connection goes on in another process, with what was received here and not looked at."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

import sockstack
import sockstack.asyncio
from sockstack import Fd, Inproc, Line, Prefix, Tcp, Tls
from sockstack.core.errors import (
    Deadline,
    LocalProtocolError,
    Owned,
    PeerAborted,
    RemoteProtocolError,
)

from ..drivers.both import BlockingDriver, Driver, in_thread, until
from .feeding import frame, unread
from .worker import answer

ROOT = Path(__file__).parents[2]

LINES = [b"one", b"", b"three"]
FIRST = b"a worker, please\n"
WIRE = FIRST + b"".join(line + b"\n" for line in LINES)


async def hand_over(driver: Driver, connection: Any, channel: socket.socket) -> None:
    """By whichever driver."""
    if isinstance(driver, BlockingDriver):
        await in_thread(sockstack.hand_over, connection.target, channel)
    else:
        await sockstack.asyncio.hand_over(connection, channel)


async def take_over(driver: Driver, channel: socket.socket) -> Any:
    """By whichever driver."""
    if isinstance(driver, BlockingDriver):
        return await in_thread(sockstack.take_over, channel)
    return await sockstack.asyncio.take_over(channel)


class Worker:
    """A worker process and the channel to it."""

    def __init__(self, driver: str, layer: str) -> None:
        self.channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.proofs.worker", driver, layer]
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()]
            )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.channel.close()
        try:
            code = self.process.wait(timeout=20)
        finally:
            self.process.kill()
            self.process.wait()
        assert code == 0 or error[0]


def finish(peer: socket.socket) -> bytes:
    """End the peer's output, and give all that it is sent."""
    peer.shutdown(socket.SHUT_WR)
    peer.settimeout(20)
    with peer.makefile("rb") as answers:
        return answers.read()


def expected(pid: int) -> bytes:
    """What the worker answers to :data:`LINES`."""
    return b"".join(answer(pid, line) + b"\n" for line in LINES)


@pytest.mark.parametrize("theirs", ["blocking", "asyncio"])
async def test_cut_at_every_byte(driver: Driver, theirs: str) -> None:
    """What was received before the hand-over and what comes after it: wherever that is, nothing is lost."""
    with Worker(theirs, "line") as worker:
        for place in range(len(FIRST), len(WIRE) + 1):
            here, peer = socket.socketpair()
            with peer:
                fd = here.fileno()
                peer.sendall(WIRE[:place])
                connection = await driver.attach(Line() | Fd(here), timeout=20)
                assert await connection.recv() == FIRST[:-1]
                assert unread(fd) == 0
                await hand_over(driver, connection, worker.channel)
                peer.sendall(WIRE[place:])
                assert finish(peer) == expected(worker.process.pid), place


async def test_over_tcp_to_a_client_that_notices_nothing(driver: Driver) -> None:
    listener = driver.listen(Line() | Tcp("127.0.0.1:0"), timeout=20)
    client = await driver.dial(Line() | Tcp(listener.address), timeout=20)
    connection = await listener.accept()
    with Worker(driver.name, "line") as worker:
        await client.send(b"who are you?")
        assert await connection.recv() == b"who are you?"
        await connection.send(b"%d, one moment" % os.getpid())
        await hand_over(driver, connection, worker.channel)
        assert await client.recv() == b"%d, one moment" % os.getpid()
        for line in LINES:
            await client.send(line)
            assert await client.recv() == answer(worker.process.pid, line)
        with pytest.raises(Owned):
            await connection.send(b"it is not ours any more")
        await driver.close(client)


async def test_in_the_middle_of_a_large_message(driver: Driver) -> None:
    """All but the last byte of a message are here; they go along."""
    wire = frame(b"x" * (1 << 20))
    here, peer = socket.socketpair()
    fd = here.fileno()
    connection = await driver.attach(Prefix(4) | Fd(here))

    async def read() -> None:
        while True:
            with pytest.raises(Deadline):
                await connection.recv(timeout=0)
            await asyncio.sleep(0)

    with peer, Worker(driver.name, "prefix") as worker:
        reading = asyncio.create_task(read())
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(peer, wire[:-1])
        await until(lambda: not unread(fd))
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await hand_over(driver, connection, worker.channel)
        peer.send(wire[-1:])
        assert finish(peer) == frame(answer(worker.process.pid, b"x" * (1 << 20)))


async def test_a_key_cannot_travel_but_a_connection_can_that_had_one(
    driver: Driver, tmp_path: Path
) -> None:
    authority = trustme.CA()
    pem = tmp_path / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    listener = driver.listen(Line() | Tls(cert=pem) | Tcp("127.0.0.1:0"), timeout=20)
    ours = Tls(server_name="localhost", ca=authority.cert_pem.bytes())
    client = await driver.dial(Line() | ours | Tcp(listener.address), timeout=20)
    connection = await listener.accept()
    with Worker(driver.name, "line") as worker:
        with pytest.raises(LocalProtocolError, match="tls holds a state"):
            await hand_over(driver, connection, worker.channel)
        await connection.send(b"no harm was done")
        assert await client.recv() == b"no harm was done"

        client.end()
        connection.end()
        client = await (await client.detach(Tls)).attach(Line())
        for line in LINES:
            await client.send(line)
        await hand_over(driver, await connection.detach(Tls), worker.channel)
        got = [await client.recv() for _ in LINES]
        assert got == [answer(worker.process.pid, line) for line in LINES]
        await driver.close(client)


async def fill(connection: Any) -> int:
    """Send lines until no more are accepted; give the bytes of those that were."""
    sent = 0
    while True:
        try:
            await connection.send(b"x" * 65535, timeout=0)
        except Deadline:
            return sent
        sent += 65536


async def test_what_is_unsent_is_sent_first(driver: Driver) -> None:
    here, peer = socket.socketpair()
    connection = await driver.attach(Line() | Fd(here), timeout=20)
    with peer, Worker(driver.name, "line") as worker:
        sent = await fill(connection)
        with pytest.raises(LocalProtocolError, match=r"\d+ bytes are still to be written"):
            await hand_over(driver, connection, worker.channel)

        loop = asyncio.get_running_loop()
        peer.setblocking(False)
        got = 0
        while got < sent:
            got += len(await loop.sock_recv(peer, 1 << 20))
        await hand_over(driver, connection, worker.channel)
        peer.sendall(b"after all\n")
        assert finish(peer) == answer(worker.process.pid, b"after all") + b"\n"


async def test_what_is_no_descriptor_stays(driver: Driver) -> None:
    listener = driver.listen(Inproc("stays-here"), timeout=20)
    client = await driver.dial(Inproc("stays-here"), timeout=20)
    connection = await listener.accept()
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(LocalProtocolError, match="inproc is no socket"):
        await hand_over(driver, client, ours)
    await client.send(b"still here")
    assert await connection.recv() == b"still here"
    await driver.close(connection)


async def test_nobody_is_at_the_other_end_of_the_channel(driver: Driver) -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    here, peer = socket.socketpair()
    connection = await driver.attach(Line() | Fd(here))
    with ours, peer:
        with pytest.raises(PeerAborted, match="could not be handed over"):
            await hand_over(driver, connection, ours)
        assert peer.recv(1) == b"", "the connection was left open"


@pytest.mark.parametrize("driver", ["asyncio", "uvloop"], indirect=True)
async def test_a_cancelled_take_over_takes_nothing(driver: Driver) -> None:
    """What is handed over later goes to who waits then."""
    ours, theirs = socket.socketpair()
    here, peer = socket.socketpair()
    with ours, theirs, peer:
        waiting = asyncio.create_task(take_over(driver, theirs))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await hand_over(driver, await driver.attach(Line() | Fd(here)), ours)
        connection = await take_over(driver, theirs)
        peer.send(b"hello")
        assert await connection.recv() == b"hello"
        await driver.close(connection)


PARCEL = b"SKH\x01\0\0\0\0\0\0\0\3abc"


@pytest.mark.parametrize(
    ("data", "passed", "error", "text"),
    [
        (b"", "socket", EOFError, "closed"),
        (PARCEL[:5], "socket", RemoteProtocolError, "in mid-parcel"),
        (PARCEL[:-1], "socket", RemoteProtocolError, "in mid-parcel"),
        (b"X" + PARCEL[1:], "socket", RemoteProtocolError, "no handed-over connection"),
        (PARCEL[:4] + b"\xff" + PARCEL[5:], "socket", RemoteProtocolError, "in mid-parcel"),
        (PARCEL, "nothing", RemoteProtocolError, "no handed-over connection"),
        (PARCEL, "file", RemoteProtocolError, "no handed-over connection"),
    ],
)
async def test_what_comes_is_no_connection(
    driver: Driver, data: bytes, passed: str, error: type[Exception], text: str
) -> None:
    """A declared error, and no descriptor is left open: the fixture looks."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs, socket.socket() as some:
            file = os.open(__file__, os.O_RDONLY)
            fds = {"nothing": [], "file": [file], "socket": [some.fileno()]}[passed]
            if data:
                socket.send_fds(theirs, [data], fds)
            os.close(file)
        with pytest.raises(error, match=text):
            await take_over(driver, ours)
