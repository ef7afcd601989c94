"""Tls with the ``openssl`` command at the other end."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from sockstack import Line, Tcp, Tls
from sockstack.core.errors import AuthenticationFailed, EndOfStream, PeerAborted
from sockstack.core.marks import TLS_ALPN, TLS_PEER_CERTIFICATE, TLS_SERVER_NAME, TLS_VERSION

from ..drivers.both import Driver
from .processes import Process

pytestmark = pytest.mark.interop

Start = Callable[..., Process]

NAME = "localhost"
VERSIONS = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


@pytest.fixture(scope="module")
def openssl() -> str:
    """The command."""
    path = shutil.which("openssl")
    version = b""
    if path is not None:
        version = subprocess.run([path, "version"], capture_output=True, check=True).stdout
    if path is None or not version.startswith(b"OpenSSL"):
        pytest.skip("openssl is not on the path, or is another program of that name")
    return path


class Files:
    """Certificates of one authority, for a server and for a client."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.ca, self.server, self.client, self.stranger = (
            str(directory / f"{name}.pem") for name in ("ca", "server", "client", "stranger")
        )
        authority.cert_pem.write_to_path(self.ca)
        for path, issuer in (
            (self.server, authority),
            (self.client, authority),
            (self.stranger, trustme.CA()),
        ):
            issuer.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(path)
        self.client_pem = Path(self.client).read_text()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("certificates"))


async def serve(start: Start, *command: str) -> tuple[Process, str]:
    """A server that sends each line back in reverse, and where it listens."""
    server = start(*command, "-accept", "127.0.0.1:0", "-rev")
    while line := await server.line():
        if line.startswith("ACCEPT "):
            return server, line.removeprefix("ACCEPT ")
    raise AssertionError("the server ended without having listened")


@pytest.mark.parametrize("version", VERSIONS)
async def test_their_server(
    driver: Driver, start: Start, openssl: str, files: Files, version: str
) -> None:
    command = [openssl, "s_server", "-cert", files.server, VERSIONS[version], "-alpn", "old,new"]
    _, address = await serve(start, *command)
    tls = Tls(server_name=NAME, ca=files.ca, alpn=("new", "newer"))
    connection = await driver.dial(Line() | tls | Tcp(address), timeout=20)
    assert connection.get(TLS_VERSION) == version
    assert connection.get(TLS_ALPN) == "new"
    for line in (b"hello", b"x" * 10_000, b"again"):
        await connection.send(line)
        assert await connection.recv() == line[::-1]
    connection.end()
    with pytest.raises(EndOfStream):
        await connection.recv()


@pytest.mark.parametrize("version", VERSIONS)
async def test_their_client(
    driver: Driver, start: Start, openssl: str, files: Files, version: str
) -> None:
    listener = driver.listen(
        Line() | Tls(cert=files.server, alpn=("first", "second")) | Tcp("127.0.0.1:0"), timeout=20
    )
    client = start(
        *(openssl, "s_client", "-quiet", "-verify_return_error", "-CAfile", files.ca),
        *("-servername", NAME, "-verify_hostname", NAME, "-alpn", "second", VERSIONS[version]),
        *("-connect", listener.address),
    )
    connection = driver.keep(await listener.accept())
    assert connection.get(TLS_VERSION) == version
    assert connection.get(TLS_ALPN) == "second"
    assert connection.get(TLS_SERVER_NAME) == NAME
    for line in ("hello", "x" * 10_000, "again"):
        client.input.write(line.encode() + b"\n")
        client.input.flush()
        assert await connection.recv() == line.encode()
        await connection.send(line[::-1].encode())
        assert await client.line() == line[::-1]
    connection.end()
    assert await client.rest() == b""
    with pytest.raises(EndOfStream):
        await connection.recv()


async def test_only_clients_with_a_good_certificate_are_let_in(
    driver: Driver, start: Start, openssl: str, files: Files
) -> None:
    tls = Tls(cert=files.server, ca=files.ca, client_auth="required")
    listener = driver.listen(Line() | tls | Tcp("127.0.0.1:0"), timeout=20)
    command = [openssl, "s_client", "-quiet", "-CAfile", files.ca, "-connect", listener.address]
    for bad in ([], ["-cert", files.stranger]):
        assert await start(*command, *bad).line() == ""
    start(*command, "-cert", files.client)
    connection = driver.keep(await listener.accept())
    shown = connection.get(TLS_PEER_CERTIFICATE)
    assert ssl.DER_cert_to_PEM_cert(shown).strip() in files.client_pem


async def test_a_server_that_nobody_vouches_for(
    driver: Driver, start: Start, openssl: str, files: Files
) -> None:
    for cert, name in ((files.stranger, NAME), (files.server, "another.example")):
        _, address = await serve(start, openssl, "s_server", "-cert", cert)
        with pytest.raises(AuthenticationFailed):
            await driver.dial(Line() | Tls(server_name=name, ca=files.ca) | Tcp(address))


async def test_a_client_that_is_killed(
    driver: Driver, start: Start, openssl: str, files: Files
) -> None:
    """It has not said that it ends, so what came may have been cut short."""
    listener = driver.listen(Line() | Tls(cert=files.server) | Tcp("127.0.0.1:0"), timeout=20)
    client = start(openssl, "s_client", "-quiet", "-CAfile", files.ca, "-connect", listener.address)
    connection = driver.keep(await listener.accept())
    client.input.write(b"a line\nhalf a li")
    client.input.flush()
    assert await connection.recv() == b"a line"
    client.kill()
    with pytest.raises(PeerAborted):
        await connection.recv()
