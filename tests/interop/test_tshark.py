"""Captures of live connections by Trace, read by tshark."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import trustme

from sockstack import Prefix, Tcp, Tls, Trace

from ..drivers.both import Driver
from .traffic import messages

pytestmark = pytest.mark.interop


def tshark(capture: str, *options: str) -> str:
    """What tshark says about a capture, in which port 65000 is TLS."""
    command = ["tshark", "-n", "-r", capture, "-d", "tcp.port==65000,tls"]
    checked = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    answer = subprocess.run([*command, *checked, *options], check=True, capture_output=True)
    return answer.stdout.decode().strip()


@pytest.fixture
def captures(driver: Driver, tmp_path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Two files, open as long as the test."""
    with (
        open(tmp_path / "wire.pcap", "wb", buffering=0) as wire,
        open(tmp_path / "plain.pcap", "wb", buffering=0) as plain,
    ):
        yield wire, plain


@pytest.mark.skipif(
    shutil.which("tshark") is None, reason="tshark is not on the path; Debian has it in tshark"
)
async def test_a_tls_connection_above_and_below(
    driver: Driver, captures: tuple[IO[bytes], IO[bytes]], tmp_path: Path
) -> None:
    """Below TLS it finds records and their handshake, above it the messages, and no fault anywhere."""
    authority = trustme.CA()
    pem = tmp_path / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    listener = driver.listen(Prefix(4) | Tls(cert=pem) | Tcp("127.0.0.1:0"), timeout=20)
    wire, plain = (Trace(file, form="pcap") for file in captures)
    tls = Tls(server_name="localhost", ca=authority.cert_pem.bytes(), alpn=("test/1",))
    stack = Prefix(4) | plain | tls | wire | Tcp(listener.address)
    client = await driver.dial(stack, timeout=20)
    server = driver.keep(await listener.accept())
    for message in messages("few"):
        await client.send(message)
        await server.send(await server.recv())
        assert await client.recv() == message
    await driver.close(client)

    below, above = (file.name for file in captures)
    faults = "_ws.malformed || tcp.analysis.flags || tcp.checksum.status == 0"
    for capture in (below, above):
        assert await asyncio.to_thread(tshark, capture, "-Y", faults) == ""
    name = ("-Y", "tls.handshake.type == 1", "-T", "fields")
    asked = (
        "-e",
        "tls.handshake.extensions_server_name",
        "-e",
        "tls.handshake.extensions_alpn_str",
    )
    assert await asyncio.to_thread(tshark, below, *name, *asked) == "localhost\ttest/1"
    stream = await asyncio.to_thread(tshark, above, "-q", "-z", "follow,tcp,raw,0")
    sent = "".join(line for line in stream.splitlines() if set(line) <= set("0123456789abcdef"))
    passed = b"".join(len(message).to_bytes(4, "big") + message for message in messages("few"))
    assert sent == passed.hex()
