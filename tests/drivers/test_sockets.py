"""Sockets on both drivers: messages, timeouts, closing, back-pressure, many callers at once."""

from __future__ import annotations

import asyncio

import pytest

from sockstack import Pull, Push, Rep, Req
from sockstack.core.errors import Deadline, LocalProtocolError
from sockstack.core.head import Message

from .both import Driver, until
from .conftest import Place, pair


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
    with pytest.raises(LocalProtocolError, match="receive first"):
        await rep.send(b"unasked")


async def test_wrong_direction(driver: Driver) -> None:
    push, pull = driver.socket(Push()), driver.socket(Pull())
    with pytest.raises(LocalProtocolError, match="push socket does not receive"):
        await push.recv()
    with pytest.raises(LocalProtocolError, match="pull socket does not send"):
        await pull.send(b"x")
    with pytest.raises(LocalProtocolError, match="has no contexts"):
        pull.context()


async def test_many_at_once_from_many_tasks(driver: Driver, anywhere: Place) -> None:
    """Several threads or tasks send on one socket, and several receive on another: each message goes to one."""
    push, pull = await pair(driver, anywhere, Push(), Pull())
    senders, each = 4, 50

    async def send(name: int) -> None:
        for number in range(each):
            await push.send(b"%d:%d" % (name, number))

    async def receive(into: list[bytes]) -> None:
        while True:
            body = await pull.recv()
            if body == b"stop":
                return
            into.append(body)

    got: list[list[bytes]] = [[] for _ in range(3)]
    receivers = [asyncio.create_task(receive(into)) for into in got]
    await asyncio.gather(*(send(name) for name in range(senders)))
    for _ in receivers:
        await push.send(b"stop")
    await asyncio.gather(*receivers)
    expected = [b"%d:%d" % (name, number) for name in range(senders) for number in range(each)]
    assert sorted(body for into in got for body in into) == sorted(expected)
    for into in got:  # the messages of one sender stay in order
        for name in range(senders):
            mine = [body for body in into if body.startswith(b"%d:" % name)]
            assert mine == sorted(mine, key=expected.index)


async def test_recv_many_gives_what_is_there(driver: Driver, anywhere: Place) -> None:
    push, pull = await pair(driver, anywhere, Push(), Pull())
    sent = [b"%d" % number for number in range(1000)]
    await push.send_many(sent)
    got: list[bytes] = []
    while len(got) < len(sent):
        bodies = await pull.recv_many(most=64)
        assert 1 <= len(bodies) <= 64
        got += bodies
    assert got == sent
    assert pull.stats()["received"] == push.stats()["sent"] == len(sent)


async def test_round_robin_over_peers(driver: Driver, anywhere: Place) -> None:
    push = driver.socket(Push(), timeout=20)
    listener = push.listen(anywhere.listen)
    pulls = [driver.socket(Pull(), timeout=20) for _ in range(3)]
    for pull in pulls:
        await pull.reach(anywhere.dial(listener), 20)
    await until(lambda: len(push.pipes) == 3)
    for number in range(9):
        await push.send_message(Message(b"%d" % number))
    got = [[int(await pull.recv()) for _ in range(3)] for pull in pulls]
    assert sorted(got) == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
