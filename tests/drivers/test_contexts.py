"""Contexts: each asker gets its own answer, each answer goes to its own asker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sockstack import Rep, Req
from sockstack.core.errors import Closed, Deadline, LocalProtocolError

from .both import Driver, until
from .conftest import Place, pair

ASKERS = 6
QUESTIONS = 20


async def serve(context: Any) -> None:
    """Answer until closed."""
    while True:
        try:
            await context.send(b"re:" + await context.recv())
        except Closed:
            return


async def test_all_ask_at_once(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    servers = [asyncio.create_task(serve(rep.context())) for _ in range(3)]

    async def ask(name: int) -> None:
        context = req.context()
        for number in range(QUESTIONS):
            question = b"%d/%d" % (name, number)
            await context.send(question)
            assert await context.recv() == b"re:" + question
        await context.close()

    await asyncio.gather(*(ask(name) for name in range(ASKERS)))
    assert req.stats()["stray"] == rep.stats()["stray"] == 0
    await driver.close(rep)
    await asyncio.gather(*servers)


async def test_answers_in_another_order(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    askers = [req.context() for _ in range(3)]
    for number, asker in enumerate(askers):
        await asker.send(b"%d" % number)
    servers = [rep.context() for _ in askers]
    asked = [await server.recv() for server in servers]
    for server, question in reversed(list(zip(servers, asked, strict=True))):
        await server.send(question * 2)
    assert [await asker.recv() for asker in askers] == [b"00", b"11", b"22"]


async def test_a_context_and_its_socket_have_states_of_their_own(
    driver: Driver, anywhere: Place
) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    context = req.context()
    await req.send(b"of the socket")
    with pytest.raises(LocalProtocolError, match="nothing was asked"):
        await context.recv()
    await context.send(b"of the context")
    for _ in range(2):
        await rep.send(await rep.recv())
    assert await context.recv() == b"of the context"
    assert await req.recv() == b"of the socket"


async def test_a_closed_context_gives_up_what_was_asked(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    async with req.context() as context:
        await context.send(b"never mind")
        question = await rep.recv()
    await rep.send(question)
    await req.send(b"next")
    assert await rep.recv() == b"next"
    await rep.send(b"answer")
    assert await req.recv() == b"answer"
    assert req.stats()["stray"] == 1
    for call in (context.recv(), context.send(b"x")):
        with pytest.raises(Closed, match="context is closed"):
            await call


@pytest.mark.parametrize("side", ["asker", "answerer"])
async def test_closing_a_context_wakes_who_waits_on_it(
    driver: Driver, anywhere: Place, side: str
) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    context = (req if side == "asker" else rep).context()
    if side == "asker":
        await context.send(b"question")
    waiting = asyncio.create_task(context.recv())
    await until(lambda: driver.waiters(context, context._head.receivable))
    await context.close()
    with pytest.raises(Closed, match="context is closed"):
        await waiting


async def test_a_closed_context_leaves_the_others_alone(driver: Driver, anywhere: Place) -> None:
    req, rep = await pair(driver, anywhere, Req(), Rep())
    gone, stays = rep.context(), rep.context()
    waiting = asyncio.create_task(stays.recv())
    await gone.close()
    await req.send(b"still there?")
    assert await waiting == b"still there?"
    await stays.send(b"yes")
    assert await req.recv() == b"yes"


async def test_a_context_has_a_timeout_of_its_own(driver: Driver, anywhere: Place) -> None:
    req, _ = await pair(driver, anywhere, Req(), Rep())
    context = req.context()
    context.timeout = 0
    await context.send(b"x")
    with pytest.raises(Deadline):
        await context.recv()
