"""The kits for transports and listeners, run over the transports of the house, on both drivers."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from sockstack import Fd, Inproc, Tcp, Unix
from sockstack.testing.conformance.listeners import ListeningTransportKit
from sockstack.testing.conformance.transports import TransportKit

numbers = itertools.count()


class TestTcp(ListeningTransportKit):
    bad_addresses = ("127.0.0.1:99999", "a:b:c")

    def make_listener(self) -> Tcp:
        return Tcp("127.0.0.1:0")

    def make_dialer(self, address: str) -> Tcp:
        return Tcp(address)

    def nobody(self) -> str:
        return "127.0.0.1:1"


class TestTcpOnAsyncio(TestTcp):
    driver = "asyncio"


class TestUnix(ListeningTransportKit):
    bad_addresses: tuple[str, ...] = ("", "x" * 200)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_listener(self) -> Unix:
        return Unix(str(self.folder / f"s{next(numbers)}"))

    def make_dialer(self, address: str) -> Unix:
        return Unix(address)

    def nobody(self) -> str:
        return str(self.folder / "none")


class TestUnixOnAsyncio(TestUnix):
    driver = "asyncio"


class TestAbstract(TestUnix):
    bad_addresses = ()

    def make_listener(self) -> Unix:
        return Unix(f"sockstack-{os.getpid()}-{next(numbers)}", abstract=True)

    def make_dialer(self, address: str) -> Unix:
        return Unix(address, abstract=True)


class TestAbstractOnAsyncio(TestAbstract):
    driver = "asyncio"


class TestInproc(ListeningTransportKit):
    pauses = False

    def make_listener(self) -> Inproc:
        return Inproc(f"s{next(numbers)}")

    def make_dialer(self, address: str) -> Inproc:
        return Inproc(address)

    def nobody(self) -> str:
        return "none"


class TestInprocOnAsyncio(TestInproc):
    driver = "asyncio"


class TestSocket(TransportKit):
    def make_ends(self) -> tuple[Fd, Fd]:
        near, far = socket.socketpair()
        return Fd(near), Fd(far)

    def discard(self, spec: Any) -> None:
        spec.source.close()


class TestSocketOnAsyncio(TestSocket):
    driver = "asyncio"


class TestNumber(TransportKit):
    def make_ends(self) -> tuple[Fd, Fd]:
        near, far = socket.socketpair()
        return Fd(near.detach()), Fd(far.detach())

    def discard(self, spec: Any) -> None:
        with contextlib.suppress(OSError):
            os.close(spec.source)


class TestPipes(TransportKit):
    def make_ends(self) -> tuple[Fd, Fd]:
        (read_near, write_far), (read_far, write_near) = os.pipe(), os.pipe()
        return Fd((read_near, write_near)), Fd((read_far, write_far))

    def discard(self, spec: Any) -> None:
        for number in spec.source:
            with contextlib.suppress(OSError):
                os.close(number)


class TestPipesOnAsyncio(TestPipes):
    driver = "asyncio"
