"""Peers of NNG that come and go, by pynng: who dies, who is silent, who is one too many."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import pytest

from sockstack import Busy, Message, Pair1, Push, Rep, Req, Respondent, Surveyor, SurveyOver
from sockstack.drivers.events import EventKind

from ..drivers.both import Driver, until
from .exchange import HOWS, PATTERNS, TCP, Start, answer, ask, foreign, meet
from .places import Place
from .traffic import messages

pytest.importorskip("pynng", reason="pynng is not installed", exc_type=ImportError)

pytestmark = pytest.mark.interop

STREAMS = pytest.mark.parametrize("place", ["tcp", "ipc"], indirect=True)


async def first(*lines: Any) -> tuple[int, Any]:
    """Which of several awaitables is done first, and what it gave; the others go on."""
    tasks = [asyncio.ensure_future(line) for line in lines]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    index = next(index for index, task in enumerate(tasks) if task.done())
    return index, tasks[index].result()


@STREAMS
async def test_a_rep_that_is_killed_and_started_again(
    driver: Driver, start: Start, place: Place
) -> None:
    """Our REQ asks again what died with it."""
    peer = foreign(start, "pynng", "rep", "answer", "listen", place.url)
    url = await peer.line()
    req = driver.socket(Req(), dial=url, timeout=30, reconnect_max=0.2)
    await ask(driver, req, messages("few"))
    for number in range(3):
        peer.signal(signal.SIGSTOP)
        asking = asyncio.create_task(ask(driver, req, [b"question %d" % number]))
        await until(lambda: len(req._core.raw.waiting) == 1)
        peer.kill()
        peer = foreign(start, "pynng", "rep", "answer", "listen", url)
        assert await peer.line() == url
        await asking
    assert req.stats()["resent"] == 3
    await peer.rest()


@STREAMS
async def test_a_req_whose_rep_is_started_again(driver: Driver, start: Start, place: Place) -> None:
    """Ours goes away, each time with a request that it has received and not answered."""
    rep = driver.socket(Rep(), timeout=30)
    url = place.of(rep.listen(place.url))
    peer = foreign(start, "pynng", "req", "ask", "dial", url, "some")
    for _ in range(3):
        for _ in range(100):
            await rep.send((await rep.recv())[::-1])
        await rep.recv()
        await driver.close(rep)
        rep = driver.socket(Rep(), listen=url, timeout=30)
    answering = asyncio.create_task(answer(driver, rep))
    assert [await peer.line(), await peer.line()] == ["dialled", "done"]
    await driver.close(rep)
    await answering
    await peer.rest()


@STREAMS
async def test_our_req_turns_to_the_other_rep_at_once(
    driver: Driver, start: Start, place: Place
) -> None:
    """It would ask again after a minute; the connection that breaks tells it sooner."""
    req = driver.socket(Req(), timeout=30)
    url = place.of(req.listen(place.url))
    reps = [foreign(start, "pynng", "rep", "hold", "dial", url) for _ in range(2)]
    for rep in reps:
        assert await rep.line() == "dialled"
    await until(lambda: len(req.pipes) == 2)
    await req.send(b"question")
    lines = [asyncio.create_task(rep.line()) for rep in reps]
    holder, request = await first(*lines)
    assert request == "question"
    assert not lines[1 - holder].done()
    reps[holder].kill()
    assert await lines[1 - holder] == "question"
    reps[1 - holder].tell("answer it")
    assert await req.recv() == b"noitseuq"
    assert req.stats()["resent"] == 1


@STREAMS
async def test_their_req_turns_to_our_other_rep_at_once(
    driver: Driver, start: Start, place: Place
) -> None:
    peer = foreign(start, "pynng", "req", "ask", "listen", place.url, "few")
    url = await peer.line()
    reps = [driver.socket(Rep(), timeout=30) for _ in range(2)]
    for rep in reps:
        await rep.reach(url, 30)
    requests = [asyncio.create_task(rep.recv()) for rep in reps]
    holder, request = await first(*requests)
    assert not requests[1 - holder].done()
    await driver.close(reps[holder])
    other = reps[1 - holder]
    assert await requests[1 - holder] == request
    await other.send(request[::-1])
    answering = asyncio.create_task(answer(driver, other))
    assert await peer.line() == "done"
    await driver.close(other)
    await answering
    await peer.rest()


async def test_nobody_answers_our_survey_in_time(driver: Driver, start: Start) -> None:
    """An answer that comes later belongs to no survey."""
    surveyor = driver.socket(Surveyor(survey_time=0.1), timeout=30)
    peers = [foreign(start, "pynng", "respondent", "hold", "listen", TCP.url) for _ in range(2)]
    for peer in peers:
        await surveyor.reach(await peer.line(), 30)
    await surveyor.send(b"one")
    for peer in peers:
        assert await peer.line() == "one"
    with pytest.raises(SurveyOver):
        await surveyor.recv()
    for peer in peers:
        peer.tell("answer it")
    while surveyor.stats()["stray"] < 2:
        await surveyor.send(b"two")
        with pytest.raises(SurveyOver):
            await surveyor.recv()


async def test_nobody_answers_their_survey_in_time(driver: Driver, start: Start) -> None:
    """Our late answer does not pass for one to the next survey."""
    respondent = driver.socket(Respondent(), timeout=30)
    peer = foreign(start, "pynng", "surveyor-100ms", "survey", "listen", TCP.url)
    await respondent.reach(await peer.line(), 30)
    assert await respondent.recv() == b"one"
    assert await peer.line() == "over"
    await respondent.send(b"eno")
    peer.tell("go on")
    assert await respondent.recv() == b"two"
    await respondent.send(b"owt")
    assert await peer.line() == "done"


@pytest.mark.parametrize("role", ["pair0", "pair1"])
async def test_a_second_peer_of_our_pair(driver: Driver, start: Start, role: str) -> None:
    """It is hung up on; the first one goes on."""
    ours, peer = await meet(driver, start, "pynng", role, role, "answer", "listen", TCP, "few")
    await ask(driver, ours, messages("few"))
    events = ours.events()
    second = foreign(start, "pynng", role, "lose", "dial", TCP.of(ours.listeners[0]))
    event = await events.recv()
    assert event.kind is EventKind.REFUSED
    assert isinstance(event.error, Busy)
    assert [await second.line(), await second.line()] == ["dialled", "done"]
    await ask(driver, ours, messages("few"))
    await second.rest()
    await peer.rest()


@pytest.mark.parametrize("role", ["pair0", "pair1"])
async def test_a_second_peer_of_their_pair(driver: Driver, start: Start, role: str) -> None:
    """Ours is hung up on, again and again; the first one goes on."""
    peer = foreign(start, "pynng", role, "answer", "listen", TCP.url)
    url = await peer.line()
    holder = driver.socket(PATTERNS[role], timeout=30)
    await holder.reach(url, 30)
    await ask(driver, holder, messages("few"))
    second = driver.socket(PATTERNS[role], timeout=30, reconnect_max=0.2)
    events = second.events()
    second.dial(url)
    for kind in (EventKind.CONNECTED, EventKind.DISCONNECTED) * 2:
        assert (await events.recv()).kind is kind
    await ask(driver, holder, messages("few"))
    assert holder.dialers[0].stats().lost == 0
    await peer.rest()


async def test_many_peers_of_our_pair(driver: Driver, start: Start) -> None:
    """Each is answered by the pipe that its message names."""
    ours = driver.socket(Pair1(poly=True), timeout=30)
    url = TCP.of(ours.listen(TCP.url))
    kinds = ("pair1", "pair1", "poly")
    peers = [foreign(start, "pynng", kind, "ask", "dial", url, "some") for kind in kinds]

    async def serve() -> None:
        for _ in range(400 * len(peers)):
            message = await ours.recv_message()
            await ours.send_message(Message(message.body[::-1], pipe=message.pipe))

    serving = asyncio.create_task(serve())
    for peer in peers:
        assert [await peer.line(), await peer.line()] == ["dialled", "done"]
    await serving
    for peer in peers:
        await peer.rest()


async def test_many_peers_of_their_pair(driver: Driver, start: Start) -> None:
    peer = foreign(start, "pynng", "poly", "answer", "listen", TCP.url)
    url = await peer.line()
    ours = [driver.socket(Pair1(poly=poly), timeout=30) for poly in (False, False, True)]
    for socket in ours:
        await socket.reach(url, 30)
    await asyncio.gather(*(ask(driver, socket, messages("some")) for socket in ours))
    await peer.rest()


async def test_a_bus_of_three(driver: Driver, start: Start) -> None:
    """Each node hears its neighbours and not itself; none passes on what it hears."""
    ours = driver.socket(PATTERNS["bus"], timeout=30)
    url = TCP.of(ours.listen(TCP.url))
    peers = [foreign(start, "pynng", "bus", "hold", "dial", url) for _ in range(2)]
    for peer in peers:
        assert await peer.line() == "dialled"
    await until(lambda: len(ours.pipes) == 2)
    for text in ("one", "two"):
        await ours.send(text.encode())
        for peer in peers:
            assert await peer.line() == text
        for peer in peers:
            peer.tell("answer it")
            assert await ours.recv() == text[::-1].encode()


linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract names exist on Linux only")

NAME = f"abstract://sockstack-{os.getpid()}"
URLS = [
    pytest.param(f"{NAME}%20a b", marks=linux, id="blanks"),
    pytest.param(f"{NAME}%00%fF%3F%25%c3%a9/", marks=linux, id="octets"),
    "tcp://127.0.0.1:0/",
    "tcp4://127.0.0.1:0",
    "tcp4://localhost:0/",
]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("url", URLS)
async def test_addresses_mean_the_same(driver: Driver, start: Start, url: str, how: str) -> None:
    """Who dials takes what the other one tells."""
    ours = driver.socket(Req(), timeout=30)
    if how == "listen":
        peer = foreign(start, "pynng", "rep", "answer", "dial", ours.listen(url).url)
        assert await peer.line() == "dialled"
    else:
        peer = foreign(start, "pynng", "rep", "answer", "listen", url)
        await ours.reach(await peer.line(), 30)
    await ask(driver, ours, messages("few"))
    await peer.rest()


@pytest.mark.parametrize(
    ("driver", "place"),
    [("blocking", "tcp"), ("asyncio", "ipc"), ("blocking", "abstract"), ("asyncio", "tls")],
    indirect=True,
)
async def test_what_we_send_just_before_close_arrives(
    driver: Driver, start: Start, place: Place
) -> None:
    """A mebibyte from each of many that come, send it, and close at once."""
    pull = foreign(
        start, "pynng", "pull", "gather", "listen", place.url, "leaving", place.certificates
    )
    url = place.dial(await pull.line())
    for job in messages("leaving"):
        push = driver.socket(Push(), dial=url, timeout=30)
        await push.send(job)
        assert await driver.close(push) == 0
    assert await pull.line() == "done"


@pytest.mark.parametrize(
    ("driver", "place"),
    [("asyncio", "tcp"), ("blocking", "ipc"), ("asyncio", "abstract"), ("blocking", "tls")],
    indirect=True,
)
async def test_and_so_it_does_where_they_dial(driver: Driver, start: Start, place: Place) -> None:
    """Each of ours listens where the one before it did, and they come again."""
    push = driver.socket(Push(), timeout=30)
    url = place.of(push.listen(place.listen))
    pull = foreign(start, "pynng", "pull", "gather", "dial", url, "leaving", place.certificates)
    listen = url + place.listen.removeprefix(place.url)
    for job in messages("leaving"):
        await push.send(job)
        assert await driver.close(push) == 0
        push = driver.socket(Push(), listen=listen, timeout=30)
    assert [await pull.line(), await pull.line()] == ["dialled", "done"]
