"""What tests with foreign peers share: both drivers, and processes that end with the test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..drivers.both import DRIVERS, Driver, no_leak
from ..drivers.conftest import pytest_pyfunc_call
from .places import Place, make_certificates
from .processes import Process

__all__ = ["certificates", "driver", "place", "pytest_pyfunc_call", "start"]

names = itertools.count()


@pytest.fixture(params=["blocking", "asyncio"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """Each driver; what a loop of another make does differently does not show on the wire."""
    with no_leak():
        yield DRIVERS[request.param]()


@pytest.fixture
def start(driver: Driver) -> Iterator[Callable[..., Process]]:
    """Start a command; it is killed when the test is over."""
    started: list[Process] = []

    def begin(*command: str) -> Process:
        process = Process(*command)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of certificates."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["tcp", "ipc", "abstract", "tls"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where to listen, on each transport that NNG has and we have."""
    number = next(names)
    match request.param:
        case "tcp":
            return Place("tcp://127.0.0.1:0")
        case "ipc":
            return Place(f"ipc://{tmp_path}/{number}")
        case "abstract":
            return Place(f"abstract://sockstack-{os.getpid()}-{number}")
        case _:
            directory = request.getfixturevalue("certificates")
            return Place("tls+tcp://127.0.0.1:0", str(directory))
