"""Sessions on both drivers: streams opened from either side, and stacks and sockets that stand on them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

import sockstack
from sockstack import Fd, Line, Prefix, Pull, Push, Rep, Req, Sp, Tcp
from sockstack.core.errors import (
    Closed,
    Deadline,
    EndOfStream,
    LocalProtocolError,
    Owned,
    PeerAborted,
    RemoteProtocolError,
    SockstackError,
)
from sockstack.core.marks import PEER_ADDRESS
from sockstack.testing import SmallMux
from sockstack.testing.mux import HEAD, HELLO, MAGIC

from .both import Driver, until
from .conftest import PATIENCE


async def pair(driver: Driver, **options: Any) -> tuple[Any, Any]:
    """A client's session and the server's end of it."""
    near, far = socket.socketpair()
    client, server = await asyncio.gather(
        driver.attach(SmallMux(**options) | Fd(near), timeout=PATIENCE),
        driver.attach(SmallMux(**options) | Fd(far), server=True, timeout=PATIENCE),
    )
    return client, server


async def test_streams_from_both_sides(driver: Driver) -> None:
    client, server = await pair(driver)
    for opener, other in ((client, server), (server, client), (client, server)):
        here = await opener.open()
        await here.send(b"question")
        there = await other.accept()
        assert await there.recv_exactly(8) == b"question"
        await there.send(b"answer")
        assert await here.recv_exactly(6) == b"answer"
        here.end()
        with pytest.raises(EndOfStream):
            await there.recv()
        await there.close()
        with pytest.raises(EndOfStream):
            await here.recv()


async def test_what_a_stream_knows(driver: Driver) -> None:
    client, server = await pair(driver)
    here = await client.open()
    there = await server.accept()
    assert here.path == there.path == "session"
    assert client.path == "smallmux<fd"
    assert here.get(PEER_ADDRESS) == client.get(PEER_ADDRESS)
    assert there.get(PEER_ADDRESS) == server.get(PEER_ADDRESS)
    assert "Session smallmux<fd, open" in repr(getattr(client, "target", client))


async def test_accept_waits_and_gives_up(driver: Driver) -> None:
    client, server = await pair(driver)
    for timeout in (0, 0.001):
        with pytest.raises(Deadline, match="accept: nothing within"):
            await server.accept(timeout=timeout)
    accepting = asyncio.create_task(server.accept())
    await until(lambda: driver.waiters(server, server._core.receivable))
    here = await client.open()
    there = await accepting
    await here.send(b"x")
    assert await there.recv() == b"x"


async def test_timeouts_of_a_stream_are_those_of_its_session(driver: Driver) -> None:
    client, _ = await pair(driver)
    client.timeout = 0
    here = await client.open()
    with pytest.raises(Deadline):
        await here.recv()


async def test_layers_on_a_stream(driver: Driver) -> None:
    """A stack is dialled and listened for on a session as on any transport; or put on a live stream."""
    client, server = await pair(driver)
    listener = driver.listen(Prefix(2) | server.stream(), timeout=PATIENCE)
    here = await driver.dial(Prefix(2) | client.stream(), timeout=PATIENCE)
    there = await listener.accept()
    assert here.path == "prefix<session"
    await here.send(b"in a frame")
    assert await there.recv() == b"in a frame"
    await driver.close(listener)
    plain = await client.open()
    lines = await plain.attach(Line())
    await lines.send(b"hello")
    other = await (await server.accept()).attach(Line())
    assert await other.recv() == b"hello"


async def test_a_session_on_a_stream_of_a_session(driver: Driver) -> None:
    client, server = await pair(driver)
    listener = driver.listen(SmallMux() | server.stream(), timeout=PATIENCE)
    inner = await driver.dial(SmallMux() | client.stream(), timeout=PATIENCE)
    peer = await listener.accept()
    here = await inner.open()
    await here.send(b"deep")
    there = await peer.accept()
    assert await there.recv() == b"deep"
    assert there.get(PEER_ADDRESS) == server.get(PEER_ADDRESS)


async def test_a_session_on_a_live_connection(driver: Driver) -> None:
    near, far = socket.socketpair()
    client = await driver.attach(Fd(near), timeout=PATIENCE)
    server = await driver.attach(Fd(far), server=True, timeout=PATIENCE)
    sessions = await asyncio.gather(client.attach(SmallMux()), server.attach(SmallMux()))
    with pytest.raises(Owned):
        await client.send(b"x")
    here = await sessions[0].open()
    await here.send(b"x")
    there = await sessions[1].accept()
    assert await there.recv() == b"x"
    for session in sessions:
        await driver.close(session)


async def test_sockets_on_a_session(driver: Driver) -> None:
    """Several of them, in both directions, over one connection."""
    client, server = await pair(driver)
    rep = driver.socket(Rep(), timeout=PATIENCE)
    rep.listen(Sp() | server.stream())
    req = driver.socket(Req(), timeout=PATIENCE)
    req.dial(Sp() | client.stream())
    pull = driver.socket(Pull(), timeout=PATIENCE)
    pull.listen(Sp() | client.stream())
    push = driver.socket(Push(), timeout=PATIENCE)
    push.dial(Sp() | server.stream())
    for number in range(50):
        await req.send(b"%d" % number)
        await push.send(b"push %d" % number)
        await rep.send(await rep.recv() + b"!")
        assert await req.recv() == b"%d!" % number
        assert await pull.recv() == b"push %d" % number
    (info,) = req.pipes
    assert info.path == "sp<session"
    assert info.peer == client.get(PEER_ADDRESS)


async def test_a_stream_is_given_to_one_who_listens(driver: Driver) -> None:
    """Who listens on a session takes what waits there, and what comes, until it is closed."""
    client, server = await pair(driver)
    early = await client.open()
    await early.send(b"early")
    listener = driver.listen(server.stream(), timeout=PATIENCE)
    there = await listener.accept()
    assert await there.recv() == b"early"
    with pytest.raises(LocalProtocolError, match="somebody listens on this session"):
        await server.accept()
    with pytest.raises(LocalProtocolError, match="somebody listens on this session"):
        driver.listen(server.stream())
    await driver.close(listener)
    late = await client.open()
    await late.send(b"late")
    assert await (await server.accept()).recv() == b"late"


async def test_a_session_is_of_one_driver(driver: Driver) -> None:
    client, _ = await pair(driver)
    stack = Prefix(4) | client.stream()
    if driver.name == "blocking":
        with pytest.raises(LocalProtocolError, match="belongs to the blocking driver"):
            await sockstack.asyncio.dial(stack)
        async with sockstack.asyncio.Socket(Req()) as other:
            with pytest.raises(LocalProtocolError, match="belongs to the blocking driver"):
                other.dial(Sp() | client.stream())
    else:
        with pytest.raises(LocalProtocolError, match="belongs to the asyncio driver"):
            sockstack.dial(stack)
        with (
            sockstack.Socket(Req()) as req,
            pytest.raises(LocalProtocolError, match="belongs to the asyncio driver"),
        ):
            req.dial(Sp() | client.stream())


async def test_a_socket_lives_on_one_hub(driver: Driver) -> None:
    client, _ = await pair(driver)
    if driver.name != "blocking":
        pytest.skip("all that lives on a loop lives on one hub")
    req = driver.socket(Req(), listen="inproc://one-hub")
    with pytest.raises(LocalProtocolError, match="lives on another hub"):
        req.dial(Sp() | client.stream())


async def test_close_writes_what_was_accepted(driver: Driver) -> None:
    """Bytes that wait for credit, too."""
    client, server = await pair(driver)
    here = await client.open()
    there = await server.accept()
    body = bytes(range(256)) * 1024
    await here.send(body)
    assert client._core.chain.unsent > 0
    closing = asyncio.create_task(driver.close(client, linger=PATIENCE))
    assert await there.recv_exactly(len(body)) == body
    with pytest.raises(EndOfStream):
        await there.recv()
    assert await closing == 0
    with pytest.raises(EndOfStream):
        await server.accept()
    for call in (client.open, client.accept, here.recv, server.open):
        with pytest.raises(SockstackError):
            await call()


async def test_close_says_what_was_not_written(driver: Driver) -> None:
    client, server = await pair(driver)
    here = await client.open()
    there = await server.accept()
    await here.send(b"x" * 200_000)
    assert await driver.close(client, linger=0) >= 200_000 - 65536
    got = 0

    async def drain() -> None:
        nonlocal got
        while True:
            got += len(await there.recv())

    with pytest.raises(PeerAborted):
        await drain()
    assert got <= 65536


async def test_closing_a_stream_leaves_the_session(driver: Driver) -> None:
    client, server = await pair(driver)
    for _ in range(20):
        here = await client.open()
        await here.send(b"x")
        there = await server.accept()
        assert await there.recv() == b"x"
        await here.close()
        there.abort()
        here.abort()
    assert client.state.value == server.state.value == "open"


async def test_a_peer_that_breaks_the_rules(driver: Driver) -> None:
    """The session ends with a declared error, and everything on it; what had arrived can still be fetched."""
    intruder, far = socket.socketpair()
    with intruder:
        good = HELLO.pack(MAGIC, 1000) + HEAD.pack(0, 1, 0) + HEAD.pack(1, 1, 4) + b"good"
        intruder.sendall(good)
        server = await driver.attach(SmallMux() | Fd(far), server=True, timeout=PATIENCE)
        there = await server.accept()
        assert await there.recv() == b"good"
        intruder.sendall(HEAD.pack(7, 0, 0))
        for call in (server.accept, there.recv):
            with pytest.raises(RemoteProtocolError, match="type 7"):
                await call()
        with pytest.raises(Closed, match="session is over"):
            await server.open()


async def test_sockets_of_a_dead_session_give_up(driver: Driver) -> None:
    """They do not dial for ever what will never answer."""
    client, server = await pair(driver)
    req = driver.socket(Req(), timeout=PATIENCE)
    dialer = req.dial(Sp() | client.stream())
    rep = driver.socket(Rep(), timeout=PATIENCE)
    rep.listen(Sp() | server.stream())
    await req.send(b"x")
    assert await rep.recv() == b"x"
    server.abort()
    with pytest.raises(SockstackError):
        await client.accept()
    await until(lambda: dialer.state == "closed")
    assert dialer.error is not None
    with pytest.raises(Closed, match="session is over"):
        await driver.dial(client.stream())


async def test_streams_are_limited(driver: Driver) -> None:
    client, _ = await pair(driver, streams=2)
    for _ in range(2):
        await client.open()
    with pytest.raises(LocalProtocolError, match="2 streams open already"):
        await client.open()


async def test_cancelled_accept_loses_no_stream(driver: Driver) -> None:
    client, server = await pair(driver)
    if driver.name == "blocking":
        pytest.skip("a call in a thread is not cancelled")
    accepting = asyncio.create_task(server.accept())
    await until(lambda: driver.waiters(server, server._core.receivable))
    accepting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await accepting
    here = await client.open()
    await here.send(b"x")
    assert await (await server.accept()).recv() == b"x"


async def test_over_tcp(driver: Driver) -> None:
    """Listened for and dialled; what the peer opened and sent before it was accepted is there."""
    listener = driver.listen(SmallMux() | Tcp("127.0.0.1:0"), timeout=PATIENCE)
    client = await driver.dial(SmallMux() | Tcp(listener.address), timeout=PATIENCE)
    here = await client.open()
    await here.send(b"early")
    server = await listener.accept()
    there = await server.accept()
    assert await there.recv() == b"early"
    await driver.close(server)


async def test_what_a_session_takes_with_it_is_told(driver: Driver) -> None:
    """By the socket that stands on it, although it has nothing to close any more."""
    near, far = await pair(driver)
    push = driver.socket(Push(send_buffer=10), timeout=PATIENCE)
    push.dial(Sp() | near.stream())
    for _ in range(5):
        await push.send(bytes(100))
    await driver.close(near)
    assert await driver.close(push) == push.stats()["lost"] == 500
    await driver.close(far)


async def test_a_device_stays_on_its_hub(driver: Driver) -> None:
    """One side of it cannot move to a session's hub, or nothing would be passed on; on a loop there is one hub."""
    client, server = await pair(driver)
    device = sockstack.Device(Rep(raw=True), Req(raw=True)) if driver.name == "blocking" else None
    if device is None:
        between = sockstack.asyncio.Device(Rep(raw=True), Req(raw=True))
        between.front.listen(Sp() | server.stream())
        url = driver.keep(between).back.listen("tcp://127.0.0.1:0").url
        req = driver.socket(Req(), timeout=PATIENCE)
        req.dial(Sp() | client.stream())
        rep = driver.socket(Rep(), timeout=PATIENCE)
        rep.dial(url)
        await req.send(b"through")
        assert await rep.recv() == b"through"
        return
    with device, pytest.raises(LocalProtocolError, match="whose two sides stay together"):
        device.front.listen(Sp() | server.stream())
