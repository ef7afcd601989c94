"""What callers do wrong, and what goes wrong around them: it is refused with a word, and leaves nothing behind."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from sockstack import Poller, Pub, Pull, Push, Rep, Req, Sub
from sockstack.core.errors import Deadline, EndpointError, LocalProtocolError, StackError
from sockstack.core.head import Message

from .both import Driver, in_thread, until
from .conftest import PATIENCE, Place, pair


@pytest.mark.parametrize("body", [5, True, [1, 2], [b"a"], "text", None], ids=repr)
async def test_what_is_no_message(driver: Driver, anywhere: Place, body: Any) -> None:
    """It is refused before anything is sent, with a hint for text."""
    push, pull = await pair(driver, anywhere, Push(), Pull())
    text = r"a message is bytes.*encode it" if isinstance(body, str) else "a message is bytes"
    for refused in (
        push.send(body),
        push.send_many([b"good", body]),
        push.send_message(Message(body)),
    ):
        with pytest.raises(TypeError, match=text):
            await refused
    await push.send(b"the first")
    assert await pull.recv() == b"the first"


async def test_a_buffer_is_copied(driver: Driver, anywhere: Place) -> None:
    """What becomes of it afterwards does not matter; a REQ may send the request again."""
    req, rep = await pair(driver, anywhere, Req(), Rep())
    for send in (req.send, lambda data: req.send_message(Message(data))):
        for kind in (bytearray, lambda data: memoryview(bytearray(data))):
            buffer = kind(b"as it was")
            await send(buffer)
            buffer[:] = b"different"
            assert await rep.recv() == b"as it was"
            await rep.send(b"")
            assert await req.recv() == b""


async def test_a_cooked_socket_takes_no_header(driver: Driver, anywhere: Place) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    with pytest.raises(LocalProtocolError, match="a push socket writes its header itself"):
        await push.send_message(Message(b"x", b"\0\0\0\1"))
    await push.send_message(Message(b"from elsewhere", pipe=4))  # what another socket received
    assert await pull.recv() == b"from elsewhere"


async def test_times_before_now(driver: Driver) -> None:
    with pytest.raises(
        StackError, match=r"timeout is a time in seconds, 0 or more, and not -1\nNone is"
    ):
        driver.socket(Push(), timeout=-1)
    with pytest.raises(StackError, match="linger is a time"):
        driver.socket(Push(), linger=-0.5)
    push = driver.socket(Push())
    with pytest.raises(Deadline):
        await push.send(b"x", timeout=-1)


@pytest.mark.parametrize("how", ["nobody", "silence"])
async def test_an_address_that_was_not_reached_is_given_up(driver: Driver, how: str) -> None:
    """Or each attempt would leave a connection behind that comes up later, and brings everything once more."""
    sub = driver.socket(Sub(b""), timeout=PATIENCE, reconnect_min=0.001)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        if how == "nobody":
            silent.close()
        for _ in range(3):
            with pytest.raises(EndpointError if how == "nobody" else Deadline):
                await sub.reach(where, PATIENCE if how == "nobody" else 0.001)
    assert sub.dialers == []
    pub = driver.socket(Pub(), timeout=PATIENCE)
    await sub.reach(pub.listen(where).url, PATIENCE)
    await pub.wait_for_peers()
    await pub.send(b"once")
    await pub.send(b"and again")
    assert [await sub.recv() for _ in range(2)] == [b"once", b"and again"]


async def test_why_nobody_was_reached_in_time(driver: Driver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        where = f"tcp://127.0.0.1:{gone.getsockname()[1]}"
    req = driver.socket(Req())
    if driver.name != "blocking":
        pytest.skip("dial waits for nobody there")
    dialer = req.dial(where)
    await until(lambda: dialer.error)
    with pytest.raises(Deadline) as caught:
        await in_thread(req.target.dial, where, wait=True, timeout=0.2)
    assert isinstance(caught.value.__cause__, EndpointError)


@pytest.mark.parametrize("what", ["text", None, b"", Push()], ids=repr)
def test_what_no_poller_waits_for(what: Any) -> None:
    poller = Poller()
    with pytest.raises(TypeError, match="a poller waits for blocking sockets"):
        poller.add(what)
    with pytest.raises(KeyError, match="the poller does not wait for 7"):
        poller.remove(7)
