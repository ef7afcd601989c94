"""Sessions between two ends in memory: the handshake, data, credit, and what is known about a session."""

from __future__ import annotations

import random
import ssl
from pathlib import Path

import pytest
import trustme

from sockstack.core.capabilities import (
    Auth,
    Capabilities,
    CleanEnd,
    Confidential,
    HalfClose,
    Integrity,
    satisfies,
)
from sockstack.core.errors import PeerAborted, SockstackError
from sockstack.core.layer import MANY
from sockstack.core.marks import (
    PEER_ADDRESS,
    TLS_ALPN,
    TLS_CHANNEL_BINDING,
    TLS_CIPHER,
    TLS_PEER_CERTIFICATE,
    TLS_PEER_NAMES,
    TLS_SERVER_NAME,
    TLS_VERSION,
)
from sockstack.core.spec import Role
from sockstack.layers.tls import Tls
from sockstack.layers.tls_layer import TlsLayer

from .tls_pair import (
    NAME,
    RECORD,
    VERSIONS,
    End,
    Files,
    ends,
    joined,
    make_files,
    pump,
    specs_of,
    with_early_data,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls"), NAME)


@pytest.fixture(scope="module", params=list(VERSIONS))
def specs(request: pytest.FixtureRequest, files: Files) -> tuple[Tls, Tls]:
    return specs_of(files, request.param)


# The handshake.


def test_nothing_is_promised_before_the_handshake_is_done(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs)
    client.open()
    server.open()
    assert client.bottom.out
    assert not client.ready
    assert client.layer.get(TLS_VERSION) is None
    pump(client, server)
    assert client.top.events == server.top.events == ["opened"]


def test_the_handshake_asks_for_bytes_by_itself_and_stops_asking_when_done(
    specs: tuple[Tls, Tls],
) -> None:
    client, server = joined(specs, credit=0)
    assert client.bottom.wants == server.bottom.wants == [MANY, 0]


def test_what_is_sent_from_inside_opened_arrives(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs)
    client.top.on_opened = lambda: client.send(b"from the client")
    server.top.on_opened = lambda: server.send(b"from the server")
    client.open()
    server.open()
    pump(client, server)
    assert client.top.events == server.top.events == ["opened", "receive"]
    assert client.top.data == b"from the server"
    assert server.top.data == b"from the client"


def test_data_in_one_read_with_the_last_flight_comes_up_after_opened(
    specs: tuple[Tls, Tls],
) -> None:
    last = with_early_data(specs, lambda last: None)
    assert last.top.events == ["opened", "receive"]
    assert last.top.data == b"early"


def test_data_with_the_last_flight_waits_for_credit(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs, credit=0)
    client.top.on_opened = lambda: client.send(b"early")
    client.open()
    server.open()
    pump(client, server)
    assert server.top.events == ["opened"]
    server.want(MANY)
    pump(client, server)
    assert server.top.data == b"early"


def test_the_end_may_be_asked_for_before_the_handshake_is_done(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs)
    client.end()
    client.open()
    client.end()
    server.open()
    pump(client, server)
    assert client.top.events == ["opened"]
    assert server.top.events == ["opened", "ended"]


def test_closing_the_connection_in_the_handshake_is_told(specs: tuple[Tls, Tls]) -> None:
    client, _ = ends(specs)
    client.open()
    client.layer.ended()
    assert isinstance(client.top.error, PeerAborted)
    assert "middle of the TLS handshake" in str(client.top.error)
    assert client.bottom.aborted


def test_a_break_below_in_the_handshake_is_passed_on(specs: tuple[Tls, Tls]) -> None:
    client, _ = ends(specs)
    client.open()
    error = PeerAborted("reset", layer="memory", path="tls<memory")
    client.layer.broken(error)
    assert client.top.error is error


# Data.


def test_data_passes_both_ways(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    client.send(b"ping")
    pump(client, server)
    server.send(b"pong")
    pump(client, server)
    assert server.top.data == b"ping"
    assert client.top.data == b"pong"


def test_nothing_of_the_plaintext_is_on_the_wire(specs: tuple[Tls, Tls]) -> None:
    client, _ = joined(specs)
    client.send(b"a secret that is long enough not to appear by chance")
    assert b"secret" not in client.bottom.out


def test_a_batch_is_one_send_and_one_read_is_one_chunk(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    sends = client.bottom.sends
    client.send(b"a" * 10, b"b" * 10, b"", b"c" * 50_000, b"d" * 10)
    assert client.bottom.sends == sends + 1
    pump(client, server)
    assert len(server.top.chunks) == 1
    assert server.top.data == b"a" * 10 + b"b" * 10 + b"c" * 50_000 + b"d" * 10


def test_small_chunks_share_a_record(specs: tuple[Tls, Tls]) -> None:
    client, _ = joined(specs)
    client.send(*[b"x" * 10] * 100)
    together = len(client.bottom.take())
    client.send(b"x" * 1000)
    assert together == len(client.bottom.take())


def test_sending_nothing_writes_nothing(specs: tuple[Tls, Tls]) -> None:
    client, _ = joined(specs)
    client.send()
    client.send(b"")
    client.send(b"", b"")
    assert client.bottom.out == b""


def test_a_mebibyte_each_way_at_once(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    chance = random.Random(1)
    there, back = chance.randbytes(1 << 20), chance.randbytes(1 << 20)
    for start in range(0, 1 << 20, 100_000):
        client.send(there[start : start + 100_000])
        server.send(back[start : start + 100_000])

    def reads(data: bytes) -> list[bytes]:
        return [data[index : index + 65_536] for index in range(0, len(data), 65_536)]

    pump(client, server, reads, reads)
    assert server.top.data == there
    assert client.top.data == back


def test_writes_that_are_taken_in_part_are_completed(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    assert isinstance(client.layer, TlsLayer)
    write = client.layer._write
    client.layer._write = lambda data: write(memoryview(data)[:1000])
    client.send(bytes(range(256)) * 40)
    pump(client, server)
    assert server.top.data == bytes(range(256)) * 40


def test_what_comes_from_below_in_the_middle_of_a_turn_keeps_its_order(
    specs: tuple[Tls, Tls],
) -> None:
    client, server = joined(specs)
    client.send(b"one, ")
    first = client.bottom.take()
    client.send(b"two")
    second = client.bottom.take()

    def more() -> None:
        if len(server.top.chunks) == 1:
            server.layer.receive([second])
            server.layer.ended()
            server.layer.broken(PeerAborted("reset"))

    server.top.on_receive = more
    server.layer.receive([first])
    assert server.top.data == b"one, two"
    assert server.top.events[-3:] == ["receive", "receive", "broken"]


# Credit.


def test_nothing_goes_up_without_credit(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(0)
    assert server.bottom.credit == 0
    client.send(b"wait")
    server.layer.receive([client.bottom.take()])
    assert server.top.data == b""
    server.want(MANY)
    assert server.top.data == b"wait"
    assert server.bottom.credit == MANY


def test_credit_of_one_lets_one_chunk_up(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(1)
    client.send(b"first")
    pump(client, server)
    client.send(b"second")
    pump(client, server)
    assert server.top.data == b"first"
    assert server.bottom.credit == 0
    server.want(1)
    server.bottom.give()
    assert server.top.data == b"firstsecond"


def test_credit_counts_bytes(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(5)
    client.send(b"123")
    pump(client, server)
    assert server.bottom.credit == MANY
    client.send(b"45")
    pump(client, server)
    assert server.bottom.credit == 0


def test_steady_credit_is_not_used_up(
    specs: tuple[Tls, Tls], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockstack.layers.tls_layer.MANY", 1000)
    client, server = joined(specs, credit=1000)
    for _ in range(3):
        client.send(b"x" * 600)
        pump(client, server)
    assert server.top.data == b"x" * 1800
    server.want(999)
    for _ in range(3):
        client.send(b"x" * 600)
        pump(client, server)
    assert server.top.data == b"x" * 3000


def test_credit_taken_back_from_inside_receive_holds(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.top.on_receive = lambda: server.want(0)
    client.send(b"one")
    pump(client, server)
    assert server.bottom.credit == 0
    client.send(b"two")
    server.layer.receive([client.bottom.take()])
    assert server.top.data == b"one"


def test_writable_passes_through(specs: tuple[Tls, Tls]) -> None:
    client, _ = joined(specs)
    client.bottom.above.writable(False)
    client.bottom.above.writable(True)
    assert client.top.events[-2:] == ["writable False", "writable True"]


# What is known about a session.


def test_metadata(files: Files, specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    context = specs[0].context
    assert context is not None
    version = {member: name for name, member in VERSIONS.items()}[context.maximum_version]
    for end in (client, server):
        assert end.layer.get(TLS_VERSION) == version
        assert end.layer.get(TLS_CIPHER) == client.layer.get(TLS_CIPHER)
        assert end.layer.get(TLS_SERVER_NAME) == NAME
        assert end.layer.get(TLS_ALPN) is None
        assert end.layer.get(PEER_ADDRESS) is None
    certificate = ssl.PEM_cert_to_DER_cert(Path(files.cert).read_text())
    assert client.layer.get(TLS_PEER_CERTIFICATE) == certificate
    assert server.layer.get(TLS_PEER_CERTIFICATE) is None


def test_channel_binding_is_common_to_both_ends_and_to_no_others(specs: tuple[Tls, Tls]) -> None:
    (client, server), (other, _) = joined(specs), joined(specs)
    binding = client.layer.get(TLS_CHANNEL_BINDING)
    assert binding
    assert binding == server.layer.get(TLS_CHANNEL_BINDING)
    assert binding != other.layer.get(TLS_CHANNEL_BINDING)


def test_alpn(files: Files) -> None:
    client, server = joined(
        (Tls(ca=files.ca, alpn=("h3", "sp")), Tls(cert=files.chain, alpn=("sp", "h2")))
    )
    assert client.layer.get(TLS_ALPN) == server.layer.get(TLS_ALPN) == "sp"


def test_alpn_without_anything_in_common_goes_on_without(files: Files) -> None:
    client, server = joined((Tls(ca=files.ca, alpn=("a",)), Tls(cert=files.chain, alpn=("b",))))
    assert client.layer.get(TLS_ALPN) is server.layer.get(TLS_ALPN) is None


def test_by_address_there_is_no_server_name(tmp_path: Path) -> None:
    files = make_files(tmp_path, "10.0.0.1")
    client = End(Tls(ca=files.ca), Role.DIALER, host="10.0.0.1")
    server = End(Tls(cert=files.chain), Role.LISTENER)
    client.open()
    server.open()
    pump(client, server)
    assert client.ready
    assert server.layer.get(TLS_SERVER_NAME) is None


def certified(record: Capabilities) -> bool:
    return record.peer_auth is Auth.CERTIFICATE


def test_the_record_of_a_session_is_at_least_what_was_promised(specs: tuple[Tls, Tls]) -> None:
    for end, spec in zip(joined(specs), specs, strict=True):
        (record,) = end.top.records
        assert satisfies(record, spec.derive(RECORD))
        assert record.confidential is Confidential.HOP
        assert record.integrity is Integrity.HOP
        assert record.clean_end is CleanEnd.AUTHENTICATED
        assert record.half_close is HalfClose.NATIVE


@pytest.mark.parametrize("auth", ["none", "optional", "required"])
@pytest.mark.parametrize("shown", [True, False])
def test_client_certificates(files: Files, auth: str, shown: bool) -> None:
    ca = None if auth == "none" else files.ca
    client_spec = Tls(ca=files.ca, cert=files.chain if shown else None)
    server_spec = Tls(cert=files.chain, ca=ca, client_auth=auth)  # type: ignore[arg-type]
    client, server = ends((client_spec, server_spec))
    client.open()
    server.open()
    pump(client, server)
    assert certified(client.top.records[0])
    if auth == "required" and not shown:
        assert isinstance(server.top.error, SockstackError)
        return
    assert certified(server.top.records[0]) is (shown and auth != "none")
    certificate = server.layer.get(TLS_PEER_CERTIFICATE)
    assert (certificate is not None) is (shown and auth != "none")


def test_an_unverified_certificate_proves_nothing(files: Files) -> None:
    client, _ = joined((Tls(verify=False), Tls(cert=files.chain)))
    assert not certified(client.top.records[0])
    assert client.layer.get(TLS_PEER_CERTIFICATE)
    assert client.layer.get(TLS_PEER_NAMES) is None


def test_names_of_a_verified_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca")
    for whose, names in {
        "server": [NAME],
        "client": ["worker-7.example.org", "10.0.0.7", "seven@example.org"],
    }.items():
        issued = authority.issue_cert(*names, common_name=whose)
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / whose)
    ca = str(tmp_path / "ca")
    client, server = joined(
        (
            Tls(ca=ca, cert=str(tmp_path / "client")),
            Tls(ca=ca, cert=str(tmp_path / "server"), client_auth="required"),
        )
    )
    assert client.layer.get(TLS_PEER_NAMES) == ("CN:server", f"DNS:{NAME}")
    assert server.layer.get(TLS_PEER_NAMES) == (
        "CN:client",
        "DNS:worker-7.example.org",
        "IP Address:10.0.0.7",
        "email:seven@example.org",
    )
