"""Peers that come late, go away, come back, or do not fit."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from sockstack import Fd, Inproc, Prefix, Pull, Push, Rep, Req, Sp, Tcp, Unix
from sockstack.core.errors import (
    Deadline,
    EndpointError,
    IncompatiblePeer,
    PeerAborted,
    RemoteProtocolError,
    StackError,
)

from .both import Driver, until
from .conftest import PATIENCE, Place, pair

SOON = {"reconnect_min": 0.001, "reconnect_max": 0.01}


async def test_a_request_is_sent_again_after_its_time(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(resend=0.02), Rep())
    await req.send(b"again")
    answer = asyncio.create_task(req.recv())
    assert await rep.recv() == b"again"
    assert await rep.recv() == b"again"
    await rep.send(b"at last")
    assert await answer == b"at last"
    assert req.stats()["resent"] >= 1


async def test_a_request_moves_at_once_when_its_peer_is_lost(
    driver: Driver, anywhere: Place
) -> None:
    req = driver.socket(Req(), timeout=PATIENCE)
    listener = req.listen(anywhere.listen)
    reps = [driver.socket(Rep(), timeout=PATIENCE) for _ in range(2)]
    for rep in reps:
        await rep.reach(anywhere.dial(listener), PATIENCE)
    await until(lambda: len(req.pipes) == 2)
    await req.send(b"who?")
    asked = [asyncio.create_task(rep.recv()) for rep in reps]
    (first,), (waiting,) = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert first.result() == b"who?"
    answer = asyncio.create_task(req.recv())
    await driver.close(reps[asked.index(first)])
    assert await waiting == b"who?"
    await reps[asked.index(waiting)].send(b"me")
    assert await answer == b"me"
    assert req.stats()["resent"] == 1


async def test_a_request_survives_the_restart_of_its_peer(driver: Driver, anywhere: Place) -> None:
    rep = driver.socket(Rep(), timeout=PATIENCE)
    listener = rep.listen(anywhere.listen)
    where = anywhere.dial(listener)
    req = driver.socket(Req(), timeout=PATIENCE, **SOON)
    await req.reach(where, PATIENCE)
    for _ in range(3):
        await req.send(b"question")
        assert await rep.recv() == b"question"
        answer = asyncio.create_task(req.recv())
        await driver.close(rep)
        rep = driver.socket(Rep(), timeout=PATIENCE)
        rep.listen(where)
        await rep.send(await rep.recv() + b" answered")
        assert await answer == b"question answered"


async def test_a_request_that_is_not_resent_fails_with_its_peer(
    driver: Driver, anywhere: Place
) -> None:
    for resend in (0, -1):
        req, rep = await pair(driver, anywhere, Req(resend=resend), Rep())
        await req.send(b"once")
        await rep.recv()
        waiting = asyncio.create_task(req.recv())
        await until(partial(driver.waiters, req, req._head.receivable))
        await driver.close(rep)
        with pytest.raises(PeerAborted, match="the connection that carried the request was lost"):
            await waiting
        await driver.close(req)


async def test_a_dialler_tries_until_somebody_listens(driver: Driver, anywhere: Place) -> None:
    scout = driver.socket(Pull())
    where = anywhere.dial(scout.listen(anywhere.listen))
    await driver.close(scout)
    push = driver.socket(Push(), timeout=PATIENCE, **SOON)
    dialler = push.dial(where)
    await until(lambda: dialler.error is not None)
    assert isinstance(dialler.error, EndpointError)
    pull = driver.socket(Pull(), timeout=PATIENCE)
    pull.listen(where)
    await push.send(b"late but here")
    assert await pull.recv() == b"late but here"
    assert dialler.state == "up"
    dialler.close()
    assert dialler.state == "closed"


async def test_diallers_and_listeners_close_on_their_own(driver: Driver, anywhere: Place) -> None:
    """Open connections stay; nobody new is dialled or accepted."""
    push, pull = await pair(driver, anywhere, Push(), Pull())
    (dialler,), (listener,) = push._core.endpoints, pull._core.endpoints
    where = anywhere.dial(listener)
    dialler.close()
    listener.close()
    await push.send(b"still open")
    assert await pull.recv() == b"still open"
    with pytest.raises(EndpointError):
        await driver.dial(Push() | where)


async def test_nobody_listens(driver: Driver, tmp_path: Any) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with pytest.raises(EndpointError) as caught:
            await driver.dial(Req() | Sp() | Tcp(f"127.0.0.1:{port}"))
    assert caught.value.errno == errno.ECONNREFUSED
    assert f"cannot connect to 127.0.0.1:{port}: Connection refused [tcp]" in str(caught.value)
    with pytest.raises(EndpointError, match=r"cannot connect to .*nobody: No such file") as caught:
        await driver.dial(Req() | Sp() | Unix(str(tmp_path / "nobody")))
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(EndpointError, match="nobody listens on 'nobody' in this process"):
        await driver.dial(Req() | Sp() | Inproc("nobody"))
    with pytest.raises(EndpointError, match="Connection refused"):
        await driver.dial(Prefix(4) | Tcp(f"localhost:{port}"))
    req = driver.socket(Req())
    with pytest.raises(EndpointError, match="Connection refused"):
        await req.reach(Sp() | Tcp(f"127.0.0.1:{port}"), PATIENCE)


async def test_nobody_is_called_that(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "nowhere.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return lookup(host, *arguments, **options)

    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(EndpointError, match=r"cannot resolve 'nowhere.example': Name or service"):
        await driver.dial(Prefix(4) | Tcp("nowhere.example:80"))
    with pytest.raises(StackError, match="needs a host and a port"):
        await driver.dial(Prefix(4) | Tcp("*:80"))
    with pytest.raises(EndpointError, match="is no host name"):
        await driver.dial(Prefix(4) | Tcp("a" * 64 + ".example:80"))


async def test_a_name_with_two_addresses(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first refuses, the second answers."""
    pull = driver.socket(Pull(), timeout=PATIENCE)
    port = pull.listen(Sp() | Tcp("127.0.0.1:0")).address.rpartition(":")[2]

    def resolve(host: str, number: int, *arguments: Any, **options: Any) -> Any:
        if host != "twice.example":
            return lookup(host, number, *arguments, **options)
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [
            (socket.AF_INET, *kind, ("127.0.0.2", number)),
            (socket.AF_INET, *kind, ("127.0.0.1", number)),
        ]

    lookup = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    push = driver.keep(await driver.dial(Push() | Sp() | Tcp(f"twice.example:{port}")))
    assert push.pipes[0].peer == f"127.0.0.1:{port}"


async def test_a_peer_that_does_not_fit(
    driver: Driver, anywhere: Place, caplog: pytest.LogCaptureFixture
) -> None:
    pull = driver.socket(Pull(), timeout=PATIENCE)
    where = anywhere.dial(pull.listen(anywhere.listen))
    with pytest.raises(IncompatiblePeer) as caught:
        await driver.dial(Req() | where)
    assert "the peer is pull (0x0051), and only rep (0x0031) fits here" in str(caught.value)
    assert caught.value.path is not None
    with caplog.at_level(logging.WARNING):
        req = driver.socket(Req())
        dialler = req.dial(where)
        await until(lambda: dialler.error is not None)
    assert isinstance(dialler.error, IncompatiblePeer)
    assert "only rep (0x0031) fits here" in caplog.text
    await until(lambda: dialler.state == "waiting")
    push = driver.keep(await driver.dial(Push() | where))  # those who fit are served as before
    await push.send(b"fits")
    assert await pull.recv() == b"fits"


@pytest.fixture
def web_server() -> Iterator[int]:
    """The port of a server that speaks something else, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            sock, _ = server.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


async def test_a_peer_that_speaks_something_else(driver: Driver, web_server: int) -> None:
    with pytest.raises(RemoteProtocolError, match=r"does not speak SP: it began with b'HTTP/1.1'"):
        await driver.dial(Req() | Sp() | Tcp(f"127.0.0.1:{web_server}"))


async def test_a_peer_that_says_nothing(driver: Driver) -> None:
    """The connection is there at once, and its opening has a deadline."""
    near, far = socket.socketpair()
    with far, pytest.raises(Deadline):
        await driver.dial(Req() | Sp() | Fd(near), handshake=0.02)
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = Tcp(f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(Deadline):
            await driver.dial(Req() | Sp() | where, handshake=0.02)


async def test_a_peer_that_leaves_before_it_said_what_it_is(driver: Driver) -> None:
    near, far = socket.socketpair()
    far.sendall(b"\0SP")
    far.close()
    with pytest.raises((RemoteProtocolError, PeerAborted)):
        await driver.dial(Req() | Sp() | Fd(near))
