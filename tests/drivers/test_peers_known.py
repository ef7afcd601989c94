"""What a socket tells of its peers and endpoints, and what it lets the application decide."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sockstack import (
    PEER_ADDRESS,
    Bus,
    Inproc,
    Pull,
    Push,
    Rep,
    Req,
    Sp,
    StackError,
    Tcp,
    Unix,
)
from sockstack.core.errors import Closed, Deadline, EndpointError, IncompatiblePeer
from sockstack.drivers.events import KEPT, EventKind, PipeInfo

from .both import Driver, until
from .conftest import PATIENCE

needs_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
linux = pytest.mark.skipif(sys.platform != "linux", reason="abstract names exist on Linux only")

ODD_NAME = f"abstract://sockstack%20{os.getpid()}%3F%00%FF"


async def event(events: Any) -> Any:
    """The next event, whichever driver."""
    return await events.recv(timeout=PATIENCE)


async def test_events_of_a_life(driver: Driver) -> None:
    rep = driver.socket(Rep(), timeout=PATIENCE)
    events = rep.events()
    listener = rep.listen("tcp://127.0.0.1:0")
    req = driver.socket(Req(), timeout=PATIENCE)
    req.dial(f"tcp://{listener.address}")
    come = await event(events)
    assert come.kind is EventKind.CONNECTED
    assert come.address == listener.address
    assert come.pipe is not None
    assert come.error is None
    assert come.pipe.protocol == 0x30
    await driver.close(req)
    gone = await event(events)
    assert gone.kind is EventKind.DISCONNECTED
    assert gone.pipe is not None
    assert gone.pipe.id == come.pipe.id
    assert str(come).startswith(f"connected {come.pipe.peer} (pipe {come.pipe.id}) at 127.0.0.1:")
    with pytest.raises(Deadline):
        await events.recv(timeout=0)
    await driver.close(rep)
    with pytest.raises(Closed):
        await events.recv()


async def test_events_of_attempts_that_fail(driver: Driver) -> None:
    rep = driver.socket(Rep())
    listener = rep.listen("tcp://127.0.0.1:0")
    where = f"tcp://{listener.address}"
    push = driver.socket(Push())
    events, theirs = push.events(), rep.events()
    dialer = push.dial(where)
    refused = await event(events)
    assert refused.kind is EventKind.REFUSED
    assert isinstance(refused.error, IncompatiblePeer)
    assert (await event(theirs)).kind in (EventKind.REFUSED, EventKind.FAILED)
    assert dialer.stats().failed == 1
    listener.close()
    dialer.close()
    other = driver.socket(Req())
    events = other.events()
    other.dial(where)
    failed = await event(events)
    assert failed.kind is EventKind.FAILED
    assert failed.pipe is None
    assert isinstance(failed.error, EndpointError)
    assert "failed at tcp(127.0.0.1:" in str(failed)


async def test_iterating_over_events_ends_with_the_socket(driver: Driver) -> None:
    rep = driver.socket(Rep())
    events = rep.events()
    kinds: list[EventKind] = []

    async def listen() -> None:
        kinds.extend([each.kind async for each in events])

    task = asyncio.create_task(listen())
    listener = rep.listen("tcp://127.0.0.1:0")
    req = driver.socket(Req())
    req.dial(f"tcp://{listener.address}")
    await until(lambda: rep.pipes)
    await driver.close(rep)
    await task
    assert kinds == [EventKind.CONNECTED, EventKind.DISCONNECTED]


async def test_events_that_nobody_fetches_are_bounded(driver: Driver) -> None:
    rep = driver.socket(Rep())
    events = rep.events()
    queue = events._queue
    listener = rep.listen("tcp://127.0.0.1:0")
    core = rep._core
    for _ in range(KEPT + 5):
        core.endpoint_failed(core.endpoints[0], None, EndpointError("again"))
    assert events.missed == 5
    assert (await event(events)).address == listener.address
    assert len(queue._events) == KEPT - 1


async def test_accept_pipe_decides(driver: Driver) -> None:
    """Peers that are refused take no part; those that are accepted do, and nobody else notices."""
    asked: list[PipeInfo] = []
    lock_free: list[bool] = []

    def only_odd(info: PipeInfo) -> bool:
        asked.append(info)
        lock_free.append(info.get(PEER_ADDRESS) == info.peer)
        return len(asked) % 2 == 1

    pull = driver.socket(Pull(), timeout=PATIENCE, accept_pipe=only_odd)
    events = pull.events()
    where = f"tcp://{pull.listen('tcp://127.0.0.1:0').address}"
    pushes = []
    kinds = []
    for number in range(4):
        push = driver.socket(Push(), timeout=PATIENCE, reconnect_min=1000, reconnect_max=1000)
        push.dial(where)
        pushes.append(push)
        kinds.append((await event(events)).kind)
        if number % 2 == 0:
            await push.send(b"%d" % number)
            assert await pull.recv() == b"%d" % number
        else:
            await until(partial(alone, push))
    yes, no = EventKind.CONNECTED, EventKind.REFUSED
    assert kinds == [yes, no, yes, no]
    assert lock_free == [True] * 4
    assert len(pull.pipes) == 2


async def test_accept_pipe_that_raises_refuses(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(info: PipeInfo) -> bool:
        raise ValueError("what a pity")

    rep = driver.socket(Rep(), accept_pipe=broken)
    events = rep.events()
    listener = rep.listen("tcp://127.0.0.1:0")
    req = driver.socket(Req(), reconnect_min=1000, reconnect_max=1000)
    req.dial(f"tcp://{listener.address}")
    assert (await event(events)).kind is EventKind.REFUSED
    assert "what a pity" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("verdict", [None, 1, "yes"], ids=repr)
async def test_only_true_lets_a_peer_in(
    driver: Driver, verdict: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rep = driver.socket(Rep(), accept_pipe=lambda info: verdict)
    events = rep.events()
    req = driver.socket(Req(), reconnect_min=1000, reconnect_max=1000)
    req.dial(rep.listen("tcp://127.0.0.1:0").url)
    assert (await event(events)).kind is EventKind.REFUSED
    assert f"accept_pipe gave {verdict!r}, which is neither True nor False" in caplog.text
    caplog.clear()


async def test_a_verdict_is_awaited(driver: Driver) -> None:
    """On a loop it holds up nobody; who blocks cannot await it, and is told so at once."""
    peers: asyncio.Queue[PipeInfo] = asyncio.Queue()
    thinking = asyncio.Event()

    async def judge(info: PipeInfo) -> bool:
        await peers.put(info)
        await thinking.wait()
        return info.peer == chosen

    if driver.name == "blocking":
        with pytest.raises(StackError, match="nobody awaits accept_pipe here"):
            driver.socket(Rep(), accept_pipe=judge)
        return
    rep = driver.socket(Rep(), timeout=PATIENCE, accept_pipe=judge)
    url = rep.listen("tcp://127.0.0.1:0").url
    events = rep.events()
    for _ in range(2):
        driver.socket(Req(), reconnect_min=1000, reconnect_max=1000).dial(url)
    names = [(await peers.get()).peer for _ in range(2)]
    assert rep.pipes == []
    chosen = names[1]
    thinking.set()
    verdicts = {told.pipe.peer: told.kind for told in [await event(events) for _ in names]}
    assert verdicts == {names[0]: EventKind.REFUSED, chosen: EventKind.CONNECTED}


async def test_who_is_judged_too_late_never_takes_part(driver: Driver) -> None:
    """Although it would have been welcome: its connection is gone."""
    if driver.name == "blocking":
        pytest.skip("who waits for the verdict sees nothing else meanwhile")
    judged = asyncio.Event()
    decided = asyncio.Event()

    async def judge(info: PipeInfo) -> bool:
        judged.set()
        return await decided.wait()

    push = driver.socket(Push(), accept_pipe=judge)
    events = push.events()
    pull = driver.socket(Pull(), reconnect_min=1000, reconnect_max=1000)
    pull.dial(push.listen("tcp://127.0.0.1:0", handshake=0.01).url)
    await judged.wait()
    assert (await event(events)).kind is EventKind.FAILED
    decided.set()
    await until(lambda: not push._hub._questions)
    assert push.pipes == []
    with pytest.raises(Deadline):
        await push.send(b"to nobody", timeout=0)


async def test_accept_pipe_while_nobody_waits(driver: Driver) -> None:
    """The peer is decided about although no caller leads."""
    asked = threading.Event()

    def accept(info: PipeInfo) -> bool:
        asked.set()
        return True

    rep = driver.socket(Rep(), accept_pipe=accept)
    listener = rep.listen("tcp://127.0.0.1:0")
    req = driver.socket(Req())
    req.dial(f"tcp://{listener.address}")
    await until(asked.is_set)
    await until(lambda: rep.pipes)


async def test_credentials_of_a_unix_peer(driver: Driver, tmp_path: Path) -> None:
    rep = driver.socket(Rep(), timeout=PATIENCE)
    path = tmp_path / "sock"
    rep.listen(Sp() | Unix(str(path)))
    req = driver.socket(Req(), timeout=PATIENCE)
    req.dial(Sp() | Unix(str(path)))
    await req.send(b"x")
    await rep.recv()
    (info,) = rep.pipes
    assert info.credentials == (os.getpid(), os.getuid(), os.getgid())
    assert (info.received, info.sent, info.unsent) == (1, 0, 0)
    await rep.send(b"y")
    assert rep.pipes[0].sent == 1


async def test_a_peer_can_be_cut_off(driver: Driver) -> None:
    rep = driver.socket(Rep(), timeout=PATIENCE)
    listener = rep.listen("tcp://127.0.0.1:0")
    req = driver.socket(Req(resend=1000), timeout=PATIENCE)
    dialer = req.dial(f"tcp://{listener.address}")
    await req.send(b"one")
    assert await rep.recv() == b"one"
    rep.pipes[0].close()
    asking = asyncio.create_task(req.recv())
    assert await rep.recv() == b"one", "not asked again on a new connection"
    await rep.send(b"1")
    assert await asking == b"1"
    stats = dialer.stats()
    assert (stats.opened, stats.lost) == (2, 1)
    assert listener.stats().opened == 2


async def test_endpoints_are_listed_and_close_alone(driver: Driver) -> None:
    pull = driver.socket(Pull(), timeout=PATIENCE)
    first, second = (pull.listen("tcp://127.0.0.1:0") for _ in range(2))
    assert pull.listeners == [first, second]
    assert pull.dialers == []
    push = driver.socket(Push(), timeout=PATIENCE)
    dialer = push.dial(f"tcp://{first.address}")
    assert push.dialers == [dialer]
    assert "127.0.0.1" in repr(dialer)
    await push.send(b"one")
    assert await pull.recv() == b"one"
    first.close()
    dialer.close()
    await push.send(b"still connected")
    assert await pull.recv() == b"still connected"
    third = pull.listen("tcp://127.0.0.1:0")
    assert set(pull.listeners) == {second, third}


async def test_where_a_peer_came_from(driver: Driver) -> None:
    """Who dialled, and which endpoint brought it; by the number that a message bears."""
    seen: list[PipeInfo] = []

    def accept(info: PipeInfo) -> bool:
        seen.append(info)
        return True

    bus = driver.socket(Bus(), timeout=PATIENCE, accept_pipe=accept)
    listener = bus.listen("tcp://127.0.0.1:0")
    other = driver.socket(Bus(), timeout=PATIENCE)
    dialer = other.dial(listener.url)
    await bus.wait_for_peers()
    await other.wait_for_peers()
    (info,) = bus.pipes
    assert (info.dialled, info.address) == (False, listener.address)
    assert seen == [replace(info, sent=seen[0].sent)]
    (theirs,) = other.pipes
    assert (theirs.dialled, theirs.address) == (True, dialer.address)
    await other.send(b"who am I?")
    message = await bus.recv_message()
    assert bus.pipe(message.pipe) == replace(info, received=1)
    assert bus.pipe(message.pipe + 1) is None
    await driver.close(other)
    await until(lambda: bus.pipe(message.pipe) is None)


async def test_priorities(driver: Driver) -> None:
    """What is sent goes to the best that is ready; what came from the best is received first."""
    best, rest = (driver.socket(Pull(), timeout=PATIENCE) for _ in range(2))
    push = driver.socket(Push(), timeout=PATIENCE)
    for pull, priority in ((rest, 9), (best, 1)):
        where = f"tcp://{pull.listen('tcp://127.0.0.1:0').address}"
        push.dial(where, send_priority=priority)
    await until(lambda: len(push.pipes) == 2)
    for number in range(10):
        await push.send(b"%d" % number)
    assert [await best.recv() for _ in range(10)] == [b"%d" % number for number in range(10)]
    await driver.close(best)
    await until(lambda: look(push) and len(push.pipes) == 1)
    await push.send(b"to the other")
    assert await rest.recv() == b"to the other"


async def test_priorities_of_what_is_received(driver: Driver) -> None:
    pull = driver.socket(Pull(), timeout=PATIENCE)
    addresses = [
        pull.listen("tcp://127.0.0.1:0", recv_priority=priority).address for priority in (16, 1)
    ]
    pushes = [driver.socket(Push(), timeout=PATIENCE) for _ in addresses]
    for push, address, name in zip(pushes, addresses, (b"low", b"high"), strict=True):
        push.dial(f"tcp://{address}")
        for _ in range(3):
            await push.send(name)
    raw = pull._core.raw
    await until(lambda: look(pull) and sum(info.received for info in pull.pipes) == 6)
    assert len(raw.bodies) >= 2
    assert [await pull.recv() for _ in range(6)] == [b"high"] * 3 + [b"low"] * 3


def look(socket: Any) -> bool:
    """Have what has arrived looked at, although nobody waits; a loop does that by itself."""
    if hasattr(socket, "target"):
        with socket._hub.lock:
            socket._hub.turn()
    return True


def alone(socket: Any) -> bool:
    return look(socket) and not socket.pipes


@pytest.mark.parametrize("priority", [0, 17, -1])
async def test_priorities_are_one_to_sixteen(driver: Driver, priority: int) -> None:
    push = driver.socket(Push())
    with pytest.raises(StackError, match="send_priority is 1"):
        push.dial("tcp://127.0.0.1:1", send_priority=priority)
    with pytest.raises(StackError, match="recv_priority is 1"):
        push.listen(Sp() | Tcp("127.0.0.1:0"), recv_priority=priority)
    assert push.dialers == push.listeners == []


@pytest.mark.parametrize("option", ["reconnect_min", "reconnect_max", "handshake"])
async def test_times_are_more_than_nothing(driver: Driver, option: str) -> None:
    with pytest.raises(StackError, match=f"{option} is a time in seconds, more than 0, not -1"):
        driver.socket(Push(), **{option: -1})
    push = driver.socket(Push())
    with pytest.raises(StackError, match=f"{option} is a time in seconds, more than 0, not 0"):
        push.dial("tcp://127.0.0.1:1", **{option: 0})
    with pytest.raises(StackError, match="handshake is a time"):
        push.listen("tcp://127.0.0.1:0", handshake=0)
    assert push.dialers == push.listeners == []


async def test_an_address_has_times_of_its_own(driver: Driver) -> None:
    """With those of the socket it would take a quarter of an hour."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    req = driver.socket(Req(), timeout=PATIENCE, reconnect_min=1000, reconnect_max=1000)
    events = req.events()
    req.dial(f"tcp://127.0.0.1:{port}", reconnect_min=0.001, reconnect_max=0.001)
    assert (await event(events)).kind is EventKind.FAILED
    rep = driver.socket(Rep(), timeout=PATIENCE)
    rep.listen(f"tcp://127.0.0.1:{port}")
    await req.send(b"still there?")
    assert await rep.recv() == b"still there?"
    silent = rep.listen("tcp://127.0.0.1:0", handshake=0.001)
    with socket.create_connection(silent.address.split(":")):
        await until(lambda: look(rep) and silent.stats().failed)


async def test_a_device_takes_options_for_both_sides(driver: Driver) -> None:
    device = driver.device(Rep(raw=True), Req(raw=True), accept_pipe=lambda info: False)
    for side, pattern in ((device.front, Req()), (device.back, Rep())):
        events = driver.keep(side).events()
        listener = side.listen("tcp://127.0.0.1:0")
        stranger = driver.socket(pattern)
        stranger.dial(listener.url)
        assert (await event(events)).kind is EventKind.REFUSED


async def test_waiting_for_peers(driver: Driver) -> None:
    bus = driver.socket(Bus(), timeout=PATIENCE)
    url = bus.listen("tcp://127.0.0.1:0").url
    with pytest.raises(Deadline, match="wait_for_peers"):
        await bus.wait_for_peers(timeout=0)
    others = []
    for _ in range(2):
        other = driver.socket(Bus(), timeout=PATIENCE)
        other.dial(url)
        others.append(other)
        await other.wait_for_peers()
    await bus.wait_for_peers(2)
    await bus.send(b"to all")
    assert [await other.recv() for other in others] == [b"to all"] * 2
    waiting = asyncio.create_task(bus.wait_for_peers(3))
    await until(lambda: driver.waiters(bus, bus._core.head.sendable))
    await driver.close(bus)
    with pytest.raises(Closed):
        await waiting


@pytest.mark.parametrize(
    ("where", "begins"),
    [
        (Sp() | Tcp("127.0.0.1:0"), "tcp://127.0.0.1:"),
        ("tcp4://*:0", "tcp4://0.0.0.0:"),
        pytest.param("tcp6://*:0/", "tcp6://[::]:", marks=needs_ipv6),
        pytest.param(ODD_NAME, ODD_NAME, marks=linux, id="abstract"),
        (Sp() | Unix("url.sock"), "ipc://url.sock"),
        (Sp() | Inproc("url"), "inproc://url"),
    ],
)
async def test_the_url_of_a_listener_can_be_dialled(
    driver: Driver, where: Any, begins: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rep = driver.socket(Rep(), timeout=PATIENCE)
    url = rep.listen(where).url
    assert url.startswith(begins)
    req = driver.socket(Req(), timeout=PATIENCE)
    req.dial(url)
    await req.send(b"x")
    assert await rep.recv() == b"x"
