"""The kits for layers, run over the layers of the house."""

from __future__ import annotations

from pathlib import Path

import pytest

from sockstack import Checksum, Compress, Line, Prefix, Rep, Req, Sp, Tls, Trace
from sockstack.core.capabilities import Capabilities, Integrity, Ordered, Unit
from sockstack.core.spec import Composable
from sockstack.testing.conformance.messages import MessageLayerKit
from sockstack.testing.conformance.streams import StreamLayerKit
from sockstack.testing.memory import MESSAGES
from tests.layers.tls_pair import NAME, Files, make_files

LOSSY = Capabilities(Unit.MESSAGE, reliable=False, ordered=Ordered.NO, nodup=False, session=False)
NO_RECORDS = (b"hello there, this is no record at all", b"\x17\x03\x03\x00\x20" + b"x" * 32)


class TestPrefix(MessageLayerKit):
    garbage = (b"\xff" * 4,)

    def make(self) -> Composable:
        return Prefix(4)


class TestLine(MessageLayerKit):
    payloads = (b"a", b"", b"b" * 1000)
    garbage = (b"x" * 65540,)

    def make(self) -> Composable:
        return Line()

    def large(self, size: int) -> bytes:
        return b"x" * size


class TestSp(MessageLayerKit):
    garbage = (b"\xff" * 8,)

    def make(self) -> Composable:
        return Req() | Sp()

    def make_peer(self) -> Composable:
        return Rep() | Sp()


class TestSpOverMessages(MessageLayerKit):
    below = MESSAGES

    def make(self) -> Composable:
        return Req() | Sp()

    def make_peer(self) -> Composable:
        return Rep() | Sp()


class TestChecksum(MessageLayerKit):
    garbage = (b"abcdefgh",)
    hostile = (LOSSY,)

    def make(self) -> Composable:
        return Checksum()


class TestChecksumOverPrefix(MessageLayerKit):
    def make(self) -> Composable:
        return Checksum() | Prefix(2)


class TestCompress(MessageLayerKit):
    garbage = (b"abcdefgh",)
    hostile = (LOSSY.but(integrity=Integrity.CHECKSUM),)

    def make(self) -> Composable:
        return Compress()


class TestCompressOverPrefix(MessageLayerKit):
    garbage = (b"\0\5\x01\x78\x9c\0\0",)

    def make(self) -> Composable:
        return Compress(limit=5000) | Prefix(2)


class TestTraceOfBytes(StreamLayerKit):
    def make(self) -> Composable:
        return Trace(lambda line: None)


class TestTraceOfMessages(MessageLayerKit):
    garbage = (b"\xff" * 4,)

    def make(self) -> Composable:
        return Trace(lambda line: None) | Prefix(4)


class WithFiles:
    """Certificates for the layers that need them."""

    files: Files

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.files = make_files(tmp_path, NAME)


class TestTls(WithFiles, StreamLayerKit):
    garbage = NO_RECORDS
    most_cuts = 60
    seeds = 5

    def make(self) -> Composable:
        return Tls(ca=self.files.ca, server_name=NAME)

    def make_peer(self) -> Composable:
        return Tls(cert=self.files.cert, key=self.files.key)


class TestPrefixOverTls(WithFiles, MessageLayerKit):
    garbage = NO_RECORDS
    most_cuts = 60
    seeds = 5

    def make(self) -> Composable:
        return Prefix(4) | Tls(ca=self.files.ca, server_name=NAME)

    def make_peer(self) -> Composable:
        return Prefix(4) | Tls(cert=self.files.cert, key=self.files.key)
