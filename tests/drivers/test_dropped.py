"""What is dropped without a close: a warning says so, and nothing of it stays."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

import sockstack
import sockstack.asyncio
from sockstack import Device, Inproc, Prefix, Pub, Pull, Push, Rep, Req, Socket, Sp, Sub, Tcp

from .both import descriptors, ours, until
from .conftest import PATIENCE, spin

ANY_PORT = "tcp://127.0.0.1:0"


def burst(push: Any) -> Any:
    """It after many sends, with some of them still to be written."""
    for number in range(50):
        push.send(b"%d" % number)
    return push


DROPPED: dict[str, tuple[str, Callable[[str], Any]]] = {
    "listener": (
        "<Socket pull, listens on 127.0.0.1:",
        lambda url: Socket(Pull(), listen=ANY_PORT),
    ),
    "dialler": ("<Socket push, dials tcp", lambda url: Socket(Push(), dial=url)),
    "burst": ("<Socket push, dials", lambda url: burst(Socket(Push(), dial=url, timeout=PATIENCE))),
    "nobody": ("<Socket req, dials", lambda url: Socket(Req(), dial="tcp://127.0.0.1:1")),
    "device": ("<Socket re[pq], 0 peers", lambda url: Device(Rep(raw=True), Req(raw=True))),
    "connection": (
        "<MessageConnection prefix<tcp, open>",
        lambda url: sockstack.dial(Prefix(8) | Tcp(url.removeprefix("tcp://"))),
    ),
    "accepting": (
        "<ConnectionListener prefix<tcp, 127.0.0.1:",
        lambda url: sockstack.listen(Prefix(4) | Tcp("127.0.0.1:0")),
    ),
}


@pytest.mark.parametrize("kind", DROPPED)
def test_blocking(kind: str) -> None:
    said, make = DROPPED[kind]
    with Socket(Pull(), listen=ANY_PORT, timeout=PATIENCE) as pull:
        before = set(descriptors().items()), len(ours())
        held = [make(pull.listeners[0].url)]
        with pytest.warns(ResourceWarning, match=f"unclosed {said}"):
            held.clear()
        if kind == "burst":
            assert [pull.recv() for _ in range(50)] == [b"%d" % number for number in range(50)]

        def as_before() -> bool:
            pull.stats()  # looks at what has come, the end of its peer for example
            return set(descriptors().items()) == before[0] and len(ours()) <= before[1]

        spin(as_before)


@pytest.mark.parametrize("kind", ["listener", "dialler", "accepting", "connection"])
def test_asyncio(kind: str) -> None:
    async def main() -> None:
        async with sockstack.asyncio.Socket(Pull(), listen=ANY_PORT) as pull:
            url = pull.listeners[0].url
            thing: Any
            if kind == "listener":
                thing = sockstack.asyncio.Socket(Pull(), listen=ANY_PORT)
            elif kind == "dialler":
                thing = sockstack.asyncio.Socket(Push(), dial=url)
                await thing.wait_for_peers()
            elif kind == "accepting":
                thing = sockstack.asyncio.listen(Prefix(4) | Tcp("127.0.0.1:0"))
            else:
                thing = await sockstack.asyncio.dial(Prefix(8) | Tcp(url.removeprefix("tcp://")))
            hub = pull._hub
            count = len(hub.watches)
            with pytest.warns(ResourceWarning, match="unclosed <"):
                thing = gc.collect()
            await until(lambda: len(hub.watches) < count and not pull.pipes)

    asyncio.run(main())


def test_a_context_is_let_go() -> None:
    """In silence: it holds nothing of the system's."""
    with Socket(Rep()) as rep, Socket(Req()) as req, Socket(Pub()) as pub, Socket(Sub(b"")) as sub:
        for near, far in ((rep, req), (pub, sub)):
            far.dial(Sp() | Inproc(near.listen(Sp() | Inproc("dropped")).address), wait=True)
            near.listeners[0].close()
        pub.wait_for_peers()
        asking = [req.context() for _ in range(5)]
        for context in asking:
            context.send(b"?")
        hearing = [sub.context() for _ in range(5)]
        assert len(req._core.raw.waiting) == 5  # type: ignore[attr-defined]
        del asking, context
        gc.collect()
        assert not req._core.raw.waiting  # type: ignore[attr-defined]
        heads = [each._head for each in hearing]
        del hearing
        gc.collect()
        assert all(head.closed for head in heads)


def test_what_cannot_be_closed_at_once_is_closed_by_who_holds_the_lock() -> None:
    with Socket(Pull(), listen=ANY_PORT) as pull:
        other: Any = Socket(Push(), listen=ANY_PORT, beside=pull)
        core = other._core
        pull._hub.lock.acquire()
        with pytest.warns(ResourceWarning):
            other = gc.collect()
        assert not core.raw.closed
        pull._hub.lock.release()
        spin(lambda: core.raw.closed)
