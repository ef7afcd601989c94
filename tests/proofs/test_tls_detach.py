"""Proof 1: ``Prefix(4) | Tls() | Tcp()``: half-close, TLS taken off, plain messages on the same connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from sockstack import Fd, Prefix, Tcp, Tls
from sockstack.core.errors import EndOfStream, LocalProtocolError
from sockstack.core.marks import LOCAL_ADDRESS, PEER_ADDRESS, TLS_VERSION

from ..drivers.both import Driver
from .feeding import feed, frame

NAME = "localhost"


class Files:
    """A certificate for :data:`NAME`, and who vouches for it."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.pem = str(directory / "server.pem")
        self.ca = authority.cert_pem.bytes()
        authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(self.pem)

    def ours(self, server: bool) -> Tls:
        """The layer for one end."""
        return Tls(cert=self.pem) if server else Tls(server_name=NAME, ca=self.ca)

    def theirs(self, server: bool) -> ssl.SSLContext:
        """The same in the standard library's terms."""
        if server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.pem)
            return context
        return ssl.create_default_context(cadata=self.ca.decode())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("certificates"))


async def test_between_two_of_ours_over_tcp(driver: Driver, files: Files) -> None:
    listener = driver.listen(Prefix(4) | files.ours(True) | Tcp("127.0.0.1:0"), timeout=20)
    stack = Prefix(4) | files.ours(False) | Tcp(listener.address)
    client = await driver.dial(stack, timeout=20)
    server = await listener.accept()
    addresses = client.get(LOCAL_ADDRESS), server.get(PEER_ADDRESS)

    # Half-close: the client has said all, the server has not.
    await client.send(b"all that I have to say")
    client.end()
    assert await server.recv() == b"all that I have to say"
    with pytest.raises(EndOfStream):
        await server.recv()
    with pytest.raises(LocalProtocolError, match="our output was ended"):
        await client.send(b"one more thing")
    for number in range(100):
        await server.send(b"%d" % number)
    assert await client.recv() == b"0"

    # The server takes TLS off at once, for both halves have ended, and goes on in the clear.
    server.end()
    server = await (await server.detach(Tls)).attach(Prefix(4))
    await server.send(b"in the clear")
    await server.send(b"")

    assert [await client.recv() for _ in range(1, 100)] == [b"%d" % n for n in range(1, 100)]
    with pytest.raises(EndOfStream):
        await client.recv()
    client = await (await client.detach(Tls)).attach(Prefix(4))
    assert [await client.recv(), await client.recv()] == [b"in the clear", b""]
    await client.send(b"so am I")
    assert await server.recv() == b"so am I"

    assert client.path == server.path == "prefix<tcp"
    assert (client.get(LOCAL_ADDRESS), server.get(PEER_ADDRESS)) == addresses
    assert client.get(TLS_VERSION) is server.get(TLS_VERSION) is None
    client.end()
    with pytest.raises(EndOfStream):
        await server.recv()
    await driver.close(client)
    await driver.close(server)


class Peer:
    """A TLS peer by the standard library, over a plain socket; it sends and receives what it is told to."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server: bool) -> None:
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._in, self._out, server_side=server, server_hostname=None if server else NAME
        )

    async def step(self, call: Callable[[], Any]) -> Any:
        """Make a call that may need what the other side has to send."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                if self._out.pending:
                    await loop.sock_sendall(self._sock, self._out.read())
                self._in.write(await loop.sock_recv(self._sock, 65536))

    async def open(self) -> None:
        """Shake hands."""
        await self.step(self._tls.do_handshake)
        await asyncio.get_running_loop().sock_sendall(self._sock, self._out.read())

    def farewell(self, plain: bytes) -> bytes:
        """The octets of two secret messages, the end of our half, and ``plain`` behind it."""
        self._tls.write(frame(b"secret"))
        self._tls.write(frame(b"secret too"))
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._out.read() + plain

    async def read(self) -> tuple[bytes, bytes]:
        """What comes under TLS up to its end, and what comes in the clear up to the end of the connection."""
        secret = b""
        with contextlib.suppress(ssl.SSLZeroReturnError):
            while True:
                secret += await self.step(lambda: self._tls.read(65536))
        plain = self._in.read()
        while data := await asyncio.get_running_loop().sock_recv(self._sock, 65536):
            plain += data
        return secret, plain


MESSAGES = [b"in the clear", b"", b"\x15\x03\x03\0\x02", b"last"]
PLAIN = b"".join(map(frame, MESSAGES))


async def converse(secure: Any) -> tuple[list[bytes], Any]:
    """Our end: receive under TLS, answer on the half that is left, take TLS off, go on in the clear."""
    got = [await secure.recv(), await secure.recv()]
    with pytest.raises(EndOfStream):
        await secure.recv()
    await secure.send(b"answered in secret")
    secure.end()
    plain = await (await secure.detach(Tls)).attach(Prefix(4))
    got += [await plain.recv() for _ in MESSAGES]
    await plain.send(b"answered in the clear")
    return got, plain


@pytest.mark.parametrize("server", [True, False], ids=["we listen", "we dial"])
async def test_cut_at_every_byte_from_a_peer_that_does_not_wait(
    driver: Driver, files: Files, server: bool
) -> None:
    """The peer writes its last secrets, the end of its half and the plain messages in one go."""
    context, ours = files.theirs(not server), Prefix(4) | files.ours(server)
    length = 2
    place = 0
    while place < length:
        here, sock = socket.socketpair()
        sock.setblocking(False)
        fd = here.fileno()
        with sock:
            peer = Peer(sock, context, not server)
            opening = asyncio.create_task(driver.attach(ours | Fd(here), server=server, timeout=20))
            await peer.open()
            conversing = asyncio.create_task(converse(await opening))
            wire = peer.farewell(PLAIN)
            length = len(wire)
            await feed(sock, [wire[:place], wire[place:]], fd)
            got, plain = await conversing
            assert got == [b"secret", b"secret too", *MESSAGES], place
            await driver.close(plain)
            answers = await peer.read()
            assert answers == (frame(b"answered in secret"), frame(b"answered in the clear")), place
        place += 1
    assert length > len(PLAIN) + 60  # three records of TLS went before
