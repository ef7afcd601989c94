"""What other implementations of SP get wrong, on all patterns and transports: here it must be right."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tracemalloc
from collections.abc import Awaitable, Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest
import trustme

import sockstack
import sockstack.asyncio
from sockstack import (
    Bus,
    Inproc,
    Pair0,
    Pair1,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Respondent,
    Socket,
    Sp,
    Star,
    Sub,
    Surveyor,
    Tcp,
    Tls,
    Unix,
)
from sockstack.core.errors import Busy, Closed, TooBig
from sockstack.core.head import Message
from sockstack.drivers.events import EventKind

from ..patterns.fakes import Rig
from .both import BlockingDriver, Driver, in_thread, until
from .conftest import PATIENCE, Place, names, pair, place
from .test_fork import WHOSE, child, refused

MEBIBYTE = bytes(range(256)) * 4096

TIMES = 334
"""How often each of the three drivers sends it just before close, on each transport."""

ONE_WAY = [(Push(), Pull()), (Pub(), Sub(b""))]
"""Who sends, and who receives."""

BOTH_WAYS = [
    (Req(), Rep()),
    (Surveyor(survey_time=inf), Respondent()),
    (Pair0(), Pair0()),
    (Pair1(), Pair1()),
    (Pair1(), Pair1(poly=True)),
    (Bus(), Bus()),
    (Star(), Star()),
]
"""Who speaks first, and who answers."""

ANY_WAY = [*ONE_WAY, *BOTH_WAYS]


def named(value: object) -> str:
    """An id of a test: pattern names."""
    return "-".join(each.name for each in value) if isinstance(value, tuple) else str(value)


both_ends = pytest.mark.parametrize("ends", ANY_WAY, ids=named)


# What was sent just before close.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who vouches for the server."""
    return trustme.CA()


@pytest.fixture(params=["tcp", "unix", "abstract", "inproc", "tls"])
def reachable(
    request: pytest.FixtureRequest, tmp_path: Path, authority: trustme.CA
) -> tuple[Any, Callable[[Any], Any]]:
    """What to listen on, on each transport in turn, and how a listener there is dialled."""
    if request.param == "abstract":
        abstract = Sp() | Unix(f"{tmp_path.name}-{next(names)}", abstract=True)
        return abstract, lambda listener: abstract
    if request.param == "tls":
        chain = tmp_path / "server.pem"
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(chain))
        tls = Tls(ca=authority.cert_pem.bytes(), server_name="localhost")
        return (
            Sp() | Tls(cert=chain) | Tcp("127.0.0.1:0"),
            lambda listener: Sp() | tls | Tcp(listener.address),
        )
    where = place(request.param, tmp_path)
    return where.listen, where.dial


async def send_and_leave(driver: Driver, pattern: Any, where: Any, body: bytes) -> None:
    """A peer that connects, sends one message, and closes as it closes by default."""
    sender = driver.socket(pattern, timeout=PATIENCE)
    await sender.reach(where, PATIENCE)
    await sender.send(body)
    assert await driver.close(sender) == 0


async def test_a_mebibyte_sent_just_before_close_arrives(
    driver: Driver, reachable: tuple[Any, Callable[[Any], Any]]
) -> None:
    listen, dial = reachable
    pull = driver.socket(Pull(), timeout=PATIENCE)
    where = dial(pull.listen(listen))
    expected = {number.to_bytes(4, "big") for number in range(TIMES)}

    async def send() -> None:
        for stamp in sorted(expected):
            await send_and_leave(driver, Push(), where, stamp + MEBIBYTE)

    sending = asyncio.create_task(send())
    got = []
    for _ in expected:
        body = await pull.recv()
        assert body[4:] == MEBIBYTE
        got.append(body[:4])
    await sending
    assert sorted(got) == sorted(expected)


@pytest.mark.parametrize("pattern", [Pair0(), Pair1(), Bus(), Star()], ids=lambda each: each.name)
async def test_and_so_it_does_where_both_ends_speak(
    driver: Driver, reachable: tuple[Any, Callable[[Any], Any]], pattern: Any
) -> None:
    listen, dial = reachable
    receiver = driver.socket(pattern, timeout=PATIENCE)
    where = dial(receiver.listen(listen))
    sending = asyncio.create_task(send_and_leave(driver, pattern, where, MEBIBYTE))
    assert await receiver.recv() == MEBIBYTE
    await sending


# Messages of no bytes.


async def iterate(receiver: Any) -> bytes:
    stream = aiter(receiver)
    body: bytes = await anext(stream)
    await stream.aclose()
    return body


async def receive_many(receiver: Any) -> bytes:
    (body,) = await receiver.recv_many()
    assert isinstance(body, bytes)
    return body


async def receive_message(receiver: Any) -> bytes:
    message: Message = await receiver.recv_message()
    return message.body


RECEIVE: list[Callable[[Any], Awaitable[bytes]]] = [
    lambda receiver: receiver.recv(),
    receive_many,
    receive_message,
    iterate,
]
SEND: list[Callable[[Any], Awaitable[None]]] = [
    lambda sender: sender.send(b""),
    lambda sender: sender.send_many([b""]),
    lambda sender: sender.send_message(Message(b"")),
]


@both_ends
async def test_an_empty_message_is_a_message(
    driver: Driver, anywhere: Place, ends: tuple[Any, Any]
) -> None:
    front, back = await pair(driver, anywhere, *ends)
    for send in SEND:
        for receive in RECEIVE:
            await send(front)
            assert await receive(back) == b""
            if ends in BOTH_WAYS:
                await send(back)
                assert await receive(front) == b""


# Lengths that nobody sends.


@pytest.fixture(params=["tcp", "unix"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place on each transport where messages are framed in its own way."""
    return place(request.param, tmp_path)


def claim(where: Place, address: str, pattern: Any, size: int) -> bytes:
    """What a peer is told that claims to send so many bytes, until it is cut off."""
    with socket.socket(socket.AF_UNIX if where.name == "unix" else socket.AF_INET) as sock:
        sock.settimeout(PATIENCE)
        host, _, port = address.rpartition(":")
        sock.connect(address if where.name == "unix" else (host, int(port)))
        octet = b"\x01" if where.name == "unix" else b""
        hello = b"\0SP\0" + pattern.peer_number.to_bytes(2, "big") + b"\0\0"
        sock.sendall(hello + octet + size.to_bytes(8, "big") + b"some of it")
        got = b""
        with contextlib.suppress(ConnectionError):
            while data := sock.recv(65536):
                got += data
        return got


@pytest.mark.parametrize("listens", [0, 1], ids=["first", "second"])
@both_ends
async def test_a_huge_length_costs_its_connection_and_no_memory(
    driver: Driver, wire: Place, ends: tuple[Any, Any], listens: int
) -> None:
    victim = driver.socket(ends[listens], timeout=PATIENCE)
    events = victim.events()
    listener = victim.listen(wire.listen)
    tracemalloc.start()
    try:
        for size in (16 << 30, 1 << 62):
            said = await in_thread(claim, wire, listener.address, ends[listens], size)
            assert said == b"\0SP\0" + ends[listens].number.to_bytes(2, "big") + b"\0\0" or not said
            assert (await events.recv(timeout=PATIENCE)).kind is EventKind.CONNECTED
            gone = await events.recv(timeout=PATIENCE)
            assert (gone.kind, type(gone.error)) == (EventKind.DISCONNECTED, TooBig)
        grown = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert grown < len(MEBIBYTE), grown
    assert victim.pipes == []
    partner = driver.socket(ends[1 - listens], timeout=PATIENCE)
    await partner.reach(wire.dial(listener), PATIENCE)
    await until(lambda: victim.pipes)
    sender, receiver = (partner, victim) if listens else (victim, partner)
    await sender.send(b"good")
    assert await receiver.recv() == b"good"


# The place of a PAIR's peer.


@pytest.mark.parametrize("pattern", [Pair0(), Pair1()], ids=lambda each: each.name)
async def test_the_second_peer_of_a_pair_waits_for_its_place(
    driver: Driver, anywhere: Place, pattern: Any
) -> None:
    first, holder = await pair(driver, anywhere, pattern, pattern)
    events = holder.events()
    (own,) = holder.pipes
    second = driver.socket(pattern, timeout=PATIENCE, reconnect_min=0.001, reconnect_max=0.001)
    second.dial(anywhere.dial(holder.listeners[0]))
    waiting = asyncio.create_task(second.recv())
    for number in range(3):
        refusal = await events.recv(timeout=PATIENCE)
        assert (refusal.kind, type(refusal.error)) == (EventKind.REFUSED, Busy)
        assert [pipe.id for pipe in holder.pipes] == [own.id]
        await first.send(b"%d" % number)
        assert await holder.recv() == b"%d" % number
        await holder.send(b"only for the first")
        assert await first.recv() == b"only for the first"
    await driver.close(first)
    await until(lambda: any(pipe.id != own.id for pipe in holder.pipes))
    await second.send(b"at last")
    assert await holder.recv() == b"at last"
    await holder.send(b"only for the second")
    assert await waiting == b"only for the second"


# Times of less than a second.


def test_a_request_is_sent_again_when_its_time_has_come_and_not_a_tick_later() -> None:
    rig = Rig(Req(resend=0.3))
    peer = rig.peer()
    assert rig.head.offer(b"again")
    for count in range(1, 6):
        (due,) = rig.clock.pending
        assert due == pytest.approx(0.3 * count)
        rig.clock.advance(0.299)
        assert len(peer.sent) == count
        rig.clock.advance(due - rig.clock.now())
        assert peer.sent == [peer.sent[0]] * (count + 1)
    peer.deliver(peer.sent[0][:4] + b"at last")
    assert rig.head.take() == b"at last"
    rig.clock.advance(0.3)
    assert len(peer.sent) == 6


# Fork.


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@both_ends
def test_a_forked_child_is_told_and_its_parent_goes_on(ends: tuple[Any, Any]) -> None:
    with (
        Socket(ends[1], timeout=PATIENCE) as back,
        Socket(ends[0], timeout=PATIENCE) as front,
    ):
        front.reach(Sp() | Tcp(back.listen(Sp() | Tcp("127.0.0.1:0")).address), PATIENCE)
        front.send(b"before")
        speakers = [front, back] if ends in BOTH_WAYS else [front]
        hearers = [front, back] if ends in BOTH_WAYS else [back]

        def body() -> None:
            for sender in speakers:
                refused(sender.send, b"x")
                refused(sender.send_many, [b"x"])
                refused(sender.send_message, Message(b"x"))
            for receiver in hearers:
                refused(receiver.recv)
                refused(receiver.recv_many)
                refused(receiver.recv_message)
                assert list(receiver) == []
            if isinstance(ends[1], Sub):
                refused(back.subscribe, b"x")
            for each in (front, back):
                refused(each.listen, Sp() | Inproc("fork-fault"))
                assert each.pipes == []
                assert each.close() == 0

        with child(body):
            pass
        assert back.recv() == b"before"
        if ends in BOTH_WAYS:
            back.send(b"after")
            assert front.recv() == b"after"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@both_ends
def test_so_it_is_on_asyncio(ends: tuple[Any, Any]) -> None:
    async def main() -> None:
        async with (
            sockstack.asyncio.Socket(ends[1], timeout=PATIENCE) as back,
            sockstack.asyncio.Socket(ends[0], timeout=PATIENCE) as front,
        ):
            where = Sp() | Tcp(back.listen(Sp() | Tcp("127.0.0.1:0")).address)
            await front.reach(where, PATIENCE)
            await front.send(b"before")

            def body() -> None:
                for call in (front.send(b"x"), back.recv(), back.recv_many(), back.recv_message()):
                    with pytest.raises(Closed, match=WHOSE):
                        call.send(None)
                assert front.pipes == back.pipes == []

            with child(body):
                pass
            assert await back.recv() == b"before"
            if ends in BOTH_WAYS:
                await back.send(b"after")
                assert await front.recv() == b"after"

    asyncio.run(main())


# Devices.


@pytest.mark.parametrize("first", ["front", "back"])
@pytest.mark.parametrize(
    "ends", [ends for ends in ANY_WAY if not getattr(ends[1], "poly", False)], ids=named
)
async def test_either_side_of_a_device_may_be_closed_first(
    driver: Driver, ends: tuple[Any, Any], first: str
) -> None:
    """With messages on their way. Whoever closes returns, and the peers of what is closed see an end."""
    blocking = isinstance(driver, BlockingDriver)
    source_kind, sink_kind = ends
    device = driver.device(type(sink_kind)(raw=True), type(source_kind)(raw=True))
    running = asyncio.create_task(in_thread(device.run)) if blocking else None
    sides = {name: driver.keep(getattr(device, name)) for name in ("front", "back")}
    last = "back" if first == "front" else "front"
    peers = {"front": driver.socket(source_kind), "back": driver.socket(sink_kind)}
    for name, peer in peers.items():
        peer.timeout = PATIENCE
        listener = sides[name].listen(Sp() | Tcp("127.0.0.1:0"))
        await peer.reach(Sp() | Tcp(listener.address), PATIENCE)
    events = {name: peer.events() for name, peer in peers.items()}
    await until(lambda: sides["front"].pipes and sides["back"].pipes)
    await peers["front"].send(b"through")
    assert await peers["back"].recv() == b"through"
    for _ in range(100):
        await peers["front"].send(b"on its way")
    async with asyncio.timeout(PATIENCE):
        for name in (first, last):
            assert len(peers[name].pipes) == 1
            assert await driver.close(sides[name]) == 0
            assert (await events[name].recv()).kind is EventKind.DISCONNECTED
        await driver.close(device)
        if running is not None:
            await running
