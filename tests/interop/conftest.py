"""What tests with foreign peers share: both drivers, and processes that end with the test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..drivers.both import DRIVERS, Driver, no_leak
from ..drivers.conftest import pytest_pyfunc_call
from .processes import Process

__all__ = ["driver", "place", "pytest_pyfunc_call", "start"]

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


@pytest.fixture(params=["tcp", "ipc", "abstract"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL to listen on, of each transport that NNG has and we have."""
    number = next(names)
    return {
        "tcp": "tcp://127.0.0.1:0",
        "ipc": f"ipc://{tmp_path}/{number}",
        "abstract": f"abstract://sockstack-{os.getpid()}-{number}",
    }[request.param]
