"""The kit for whole stacks, run over stacks of the house, on both drivers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from sockstack import Checksum, Inproc, Prefix, Tcp, Tls
from sockstack.testing.conformance.connections import ConnectionKit
from tests.layers.tls_pair import NAME, Files, make_files

numbers = itertools.count()


class TestTcp(ConnectionKit):
    def make_listener(self) -> Any:
        return Tcp("127.0.0.1:0")

    def make_dialer(self, address: str) -> Any:
        return Tcp(address)


class TestTcpOnAsyncio(TestTcp):
    driver = "asyncio"


class TestPrefix(ConnectionKit):
    garbage = (b"\xff" * 4,)

    def make_listener(self) -> Any:
        return Prefix(4) | Tcp("127.0.0.1:0")

    def make_dialer(self, address: str) -> Any:
        return Prefix(4) | Tcp(address)

    def make_intruder(self, address: str) -> Any:
        return Tcp(address)


class TestPrefixOnAsyncio(TestPrefix):
    driver = "asyncio"


class TestTls(ConnectionKit):
    garbage = (b"\xff" * 40,)
    greets = True
    files: Files

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.files = make_files(tmp_path, NAME)

    def make_listener(self) -> Any:
        return Tls(cert=self.files.cert, key=self.files.key) | Tcp("127.0.0.1:0")

    def make_dialer(self, address: str) -> Any:
        return Tls(ca=self.files.ca, server_name=NAME) | Tcp(address)

    def make_intruder(self, address: str) -> Any:
        return Tcp(address)


class TestTlsOnAsyncio(TestTls):
    driver = "asyncio"


class TestChecksum(ConnectionKit):
    garbage = (b"abcdefgh",)

    def make_listener(self) -> Any:
        return Checksum() | Inproc(f"kit-{next(numbers)}")

    def make_dialer(self, address: str) -> Any:
        return Checksum() | Inproc(address)

    def make_intruder(self, address: str) -> Any:
        return Inproc(address)


class TestChecksumOnAsyncio(TestChecksum):
    driver = "asyncio"
