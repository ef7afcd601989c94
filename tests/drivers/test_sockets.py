"""Sockets on both drivers: messages, timeouts, closing, back-pressure, many callers at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import sockstack
from sockstack import Pull, Push, Rep, Req
from sockstack.core.errors import Closed, Deadline, LocalProtocolError
from sockstack.core.head import Message

from .both import AsyncioDriver, BlockingDriver, Driver, until
from .conftest import Place

PATIENCE = 20.0
"""Seconds after which a call that must succeed gives up, so that a failure is reported where it happens."""


async def pair(driver: Driver, place: Place, front: Any, back: Any) -> tuple[Any, Any]:
    """A listening socket and one that has dialled it, connected."""
    server = driver.socket(back, timeout=PATIENCE)
    listener = server.listen(place.listen)
    client = driver.socket(front, timeout=PATIENCE)
    await client.reach(place.dial(listener), PATIENCE)
    await until(lambda: server.pipes)
    return client, server


async def test_question_and_answer(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    for body in (b"hello", b"", b"\0" * 300, bytes(range(256)) * 8192):
        await req.send(body)
        assert await rep.recv() == body
        await rep.send(body[::-1])
        assert await req.recv() == body[::-1]


async def test_any_buffer_is_sent_and_may_be_reused_at_once(
    driver: Driver, anywhere: Place
) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    buffer = bytearray(b"first")
    await push.send(buffer)
    buffer[:] = b"xxxxx"
    await push.send(memoryview(b"a view")[2:])
    await push.send_many([bytearray(b"one"), memoryview(b"two"), b"three"])
    got = [await pull.recv() for _ in range(5)]
    assert got == [b"first", b"view", b"one", b"two", b"three"]


async def test_messages_with_their_pipe(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    await req.send_message(Message(b"question"))
    got = await rep.recv_message()
    assert got == Message(b"question", b"", rep.pipes[0].id)
    await rep.send_message(Message(b"answer"))
    assert await req.recv_message() == Message(b"answer", b"", req.pipes[0].id)


async def test_a_timed_out_recv_loses_nothing(driver: Driver, anywhere: Place) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    for timeout in (0, 0.001):
        with pytest.raises(Deadline, match="recv: nothing within"):
            await pull.recv(timeout=timeout)
        with pytest.raises(Deadline):
            await pull.recv_many(timeout=timeout)
        with pytest.raises(Deadline):
            await pull.recv_message(timeout=timeout)
    for number in range(200):
        await push.send(b"%d" % number)
        while True:
            try:
                assert await pull.recv(timeout=0) == b"%d" % number
            except Deadline:
                continue
            break


async def test_a_request_outlives_a_timed_out_recv(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    await req.send(b"slow one")
    with pytest.raises(Deadline):
        await req.recv(timeout=0)
    await rep.send(await rep.recv() + b" answered")
    assert await req.recv() == b"slow one answered"


async def test_what_a_pattern_cannot_do_now(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    with pytest.raises(LocalProtocolError, match="send a request first"):
        await req.recv()
    with pytest.raises(LocalProtocolError, match="receive one first"):
        await rep.send(b"unasked")
    push, pull = await pair(driver, anywhere, Push(), Pull()) if False else (None, None)
    assert push is pull


async def test_wrong_direction(driver: Driver) -> None:
    push, pull = driver.socket(Push()), driver.socket(Pull())
    with pytest.raises(LocalProtocolError, match="push socket does not receive"):
        await push.recv()
    with pytest.raises(LocalProtocolError, match="pull socket does not send"):
        await pull.send(b"x")
    with pytest.raises(LocalProtocolError, match="has no contexts"):
        pull.context()
