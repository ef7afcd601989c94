"""Records that no end of ours writes: key updates, and a server that asks to renegotiate. Sealed here by hand."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sockstack.core.errors import RemoteProtocolError
from sockstack.core.layer import MANY
from sockstack.core.marks import TLS_CIPHER
from sockstack.core.spec import Role
from sockstack.layers.tls import Tls

from .tls_pair import NAME, End, Files, context_for, make_files, pump

ALERT, HANDSHAKE, DATA = 21, 22, 23
HELLO_REQUEST = bytes((0, 0, 0, 0))
KEY_UPDATE = bytes((24, 0, 0, 1))
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls"), NAME)


def secrets_in(log: Path) -> dict[str, tuple[bytes, bytes]]:
    """Client random and secret by label, from a key log."""
    lines = [line.split() for line in log.read_text().splitlines() if not line.startswith("#")]
    return {label: (bytes.fromhex(one), bytes.fromhex(two)) for label, one, two in lines}


def opened(client_spec: Tls, server_spec: Tls) -> tuple[End, End, bytes]:
    """Two ends after the handshake, and what the server sent first."""
    client = End(client_spec, Role.DIALER)
    server = End(server_spec, Role.LISTENER)
    client.open()
    server.open()
    server.bottom.give(client.bottom.take())
    first = server.bottom.out
    pump(client, server)
    assert client.ready
    assert server.ready
    return client, server, first


# TLS 1.3 (RFC 8446, section 7.3).


def expanded(secret: bytes, label: str, size: int) -> bytes:
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes((len(name),)) + name + b"\x00"
    return hmac.digest(secret, info + b"\x01", "sha384")[:size]


@dataclass
class Sealer:
    """Seals records of one direction with AES-256-GCM."""

    secret: bytes
    sequence: int = 0

    def seal(self, kind: int, content: bytes) -> bytes:
        key, iv = expanded(self.secret, "key", 32), expanded(self.secret, "iv", 12)
        nonce = (int.from_bytes(iv, "big") ^ self.sequence).to_bytes(12, "big")
        self.sequence += 1
        inner = content + bytes((kind,))
        head = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        return head + AESGCM(key).encrypt(nonce, inner, head)

    def update(self) -> None:
        self.secret = expanded(self.secret, "traffic upd", 48)
        self.sequence = 0


def test_key_updates_pass_unnoticed(files: Files, tmp_path: Path) -> None:
    context = context_for(files, server=False, version=TLS_1_3)
    context.keylog_filename = str(tmp_path / "keys")
    client, server, _ = opened(Tls(context=context), Tls(cert=files.chain))
    assert client.layer.get(TLS_CIPHER) == "TLS_AES_256_GCM_SHA384"
    sealer = Sealer(secrets_in(tmp_path / "keys")["CLIENT_TRAFFIC_SECRET_0"][1])
    before = sealer.seal(DATA, b"old keys, ")
    update = sealer.seal(HANDSHAKE, KEY_UPDATE + b"\x01")  # and asks for one in return
    sealer.update()
    server.bottom.give(before + update + sealer.seal(DATA, b"new keys"))
    assert server.top.data == b"old keys, new keys"
    server.send(b"answered with new keys")
    pump(server, client)
    assert client.top.data == b"answered with new keys"
    assert server.top.events.count("broken") == client.top.events.count("broken") == 0


@pytest.mark.parametrize("credit", [MANY, 0])
def test_session_tickets_pass_unnoticed(files: Files, credit: int) -> None:
    """They come after the handshake, each a record; here before, between and after data, and after our end."""
    context = context_for(files, server=True, version=TLS_1_3)
    context.num_tickets = 10
    client = End(Tls(ca=files.ca), Role.DIALER, credit=credit)
    server = End(Tls(context=context), Role.LISTENER)
    client.top.on_opened = client.end
    client.open()
    server.open()
    pump(client, server)
    server.send(b"data")
    server.end()
    client.want(MANY)
    pump(server, client)
    assert client.top.data == b"data"
    assert client.top.events[-1] == "ended"
    assert client.layer.detachable() is None


# TLS 1.2 (RFC 5246, sections 5 and 6.3; RFC 5288).


def prf(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    out, block = b"", label + seed
    while len(out) < size:
        block = hmac.digest(secret, block, hashlib.sha384)
        out += hmac.digest(secret, block + label + seed, hashlib.sha384)
    return out[:size]


def hello_request(master: bytes, client_random: bytes, server_random: bytes) -> bytes:
    """A request to renegotiate: the server's second record under its keys, the first being its Finished."""
    block = prf(master, b"key expansion", server_random + client_random, 72)
    key, salt = block[32:64], block[68:72]
    sequence = (1).to_bytes(8, "big")
    authentic = sequence + b"\x16\x03\x03" + len(HELLO_REQUEST).to_bytes(2, "big")
    sealed = AESGCM(key).encrypt(salt + sequence, HELLO_REQUEST, authentic)
    return b"\x16\x03\x03" + (8 + len(sealed)).to_bytes(2, "big") + sequence + sealed


def asked_to_renegotiate(spec: Tls, files: Files, log: Path) -> End:
    """A client after a server asked it to renegotiate."""
    context = context_for(files, server=True, version=TLS_1_2)
    context.keylog_filename = str(log)
    client, _, first = opened(spec, Tls(context=context))
    assert client.layer.get(TLS_CIPHER) == "ECDHE-ECDSA-AES256-GCM-SHA384"
    random, master = secrets_in(log)["CLIENT_RANDOM"]
    client.bottom.give(hello_request(master, random, first[11:43]))
    return client


def test_there_is_no_renegotiation(files: Files, tmp_path: Path) -> None:
    client = asked_to_renegotiate(Tls(ca=files.ca), files, tmp_path / "keys")
    assert client.top.error is None
    assert client.bottom.take()[0] == ALERT
    client.send(b"unmoved")
    assert client.bottom.take()[0] == DATA


@pytest.mark.parametrize("call", ["send", "end"])
def test_a_context_that_allows_it_fails_as_declared(
    files: Files, tmp_path: Path, call: str
) -> None:
    context = context_for(files, server=False)
    client = asked_to_renegotiate(Tls(context=context), files, tmp_path / "keys")
    assert client.bottom.take()[0] == HANDSHAKE
    if call == "send":
        client.send(b"in the middle of it")
        assert "began to renegotiate" in str(client.top.error)
    else:
        client.end()
    assert isinstance(client.top.error, RemoteProtocolError)
    assert client.bottom.aborted
