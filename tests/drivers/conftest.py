"""The fixture ``driver``: a coroutine test that takes it runs once on each driver."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sockstack import Inproc, Sp, Tcp, Unix

from .both import DRIVERS, LOOKS, Driver, no_leak, until, what

PATIENCE = 20.0
"""Seconds after which a call that must succeed gives up, so that a failure is told where it happens."""

names = itertools.count()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run coroutine functions by the driver that they ask for."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    driver: Any = pyfuncitem.funcargs["driver"]
    wanted = inspect.signature(pyfuncitem.obj).parameters
    driver.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture(scope="session")
def warm() -> None:
    """What the first uvloop of a process opens stays open, so it is opened before anything is counted."""
    uvloop.new_event_loop().close()


@pytest.fixture(params=DRIVERS)
def driver(warm: None, request: pytest.FixtureRequest) -> Iterator[Driver]:
    """One of the drivers; nothing of it may be open afterwards."""
    with no_leak():
        yield DRIVERS[request.param]()


def spin(met: Callable[[], object]) -> None:
    """Look again and again until ``met`` gives something true, leaving the processor to others."""
    for _ in range(LOOKS):
        if met():
            return
        time.sleep(0)
    raise AssertionError(f"{what(met)} never came true")


@dataclass(frozen=True)
class Place:
    """Where a test listens.

    Attributes:
        name: of the transport.
        listen: the stack to listen on.
    """

    name: str
    listen: Any

    def dial(self, listener: Any) -> Any:
        """The stack that reaches a listener."""
        return Sp() | Tcp(listener.address) if self.name == "tcp" else self.listen


def place(kind: str, directory: Path) -> Place:
    """A fresh place of that kind."""
    if kind == "tcp":
        return Place(kind, Sp() | Tcp("127.0.0.1:0"))
    if kind == "unix":
        return Place(kind, Sp() | Unix(str(directory / f"s{next(names)}")))
    return Place(kind, Sp() | Inproc(f"place-{next(names)}"))


@pytest.fixture(params=["tcp", "unix", "inproc"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place on each transport in turn."""
    return place(request.param, tmp_path)


async def pair(driver: Driver, place: Place, front: Any, back: Any) -> tuple[Any, Any]:
    """A socket that has dialled, and one that listens: connected."""
    server = driver.socket(back, timeout=PATIENCE)
    listener = server.listen(place.listen)
    client = driver.socket(front, timeout=PATIENCE)
    await client.reach(place.dial(listener), PATIENCE)
    await until(lambda: server.pipes)
    return client, server


@pytest.fixture
def tcp_silence() -> Iterator[str]:
    """The address of a PULL that says what it is and then reads no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    sock.sendall(bytes.fromhex("0053500000510000"))
                    held.append(sock)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for sock in held:
            sock.close()
