"""What goes wrong with certificates and peers, and what is said about it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import (
    AuthenticationFailed,
    IncompatiblePeer,
    PeerAborted,
    RemoteProtocolError,
    SockstackError,
)
from sockstack.core.layer import MANY
from sockstack.core.spec import Role
from sockstack.layers.tls import Tls
from sockstack.layers.tls_faults import fault_of

from .tls_pair import FUTURE, NAME, PAST, End, Files, context_for, make_files, pump

ALERT = 0x15
DECLARED = (AuthenticationFailed, IncompatiblePeer, PeerAborted, RemoteProtocolError)
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls"), NAME, "*.example.net", "10.0.0.1")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Made by another authority."""
    return make_files(tmp_path_factory.mktemp("strangers"), NAME)


def refusal(client_spec: Tls, server_spec: Tls, host: str = NAME) -> tuple[End, End]:
    """Two ends after they failed to come together."""
    client = End(client_spec, Role.DIALER, host=host)
    server = End(server_spec, Role.LISTENER)
    client.open()
    server.open()
    pump(client, server)
    return client, server


def said(end: End, kind: type[SockstackError]) -> str:
    """The text of the error that an end went down with."""
    assert type(end.top.error) is kind, end.top.error
    assert end.top.events[-1] == "broken"
    assert end.bottom.aborted
    return str(end.top.error)


# Certificates of a server.


@pytest.mark.parametrize("host", ["wrong.org", "10.0.0.2"])
def test_a_wrong_name_is_told_with_the_right_ones(files: Files, host: str) -> None:
    client, server = refusal(Tls(ca=files.ca), Tls(cert=files.chain), host)
    text = said(client, AuthenticationFailed)
    assert f"not for '{host}': it holds example.org, *.example.net, 10.0.0.1." in text
    assert "Tls(server_name=…)" in text
    assert text.endswith("[tls in tls<memory]")
    text = said(server, AuthenticationFailed)
    assert "refused the certificate of this end (bad certificate)" in text
    assert not client.ready


@pytest.mark.parametrize("host", [NAME, f"{NAME}.", "any.example.net", "10.0.0.1"])
def test_right_names(files: Files, host: str) -> None:
    client, server = refusal(Tls(ca=files.ca), Tls(cert=files.chain), host)
    assert client.ready
    assert server.ready


def test_the_name_given_goes_before_the_host_dialled(files: Files) -> None:
    client, _ = refusal(Tls(ca=files.ca, server_name=NAME), Tls(cert=files.chain), "10.9.9.9")
    assert client.ready


def test_an_unknown_authority(files: Files, strangers: Files) -> None:
    client, server = refusal(Tls(ca=strangers.ca), Tls(cert=files.chain))
    text = said(client, AuthenticationFailed)
    assert "issued by a CA that is not trusted here (trustme" in text
    assert "Tls(ca=…)" in text
    text = said(server, AuthenticationFailed)
    assert "(unknown ca): the peer does not trust the CA that issued it" in text


def test_the_system_knows_no_test_authority(files: Files) -> None:
    client, _ = refusal(Tls(), Tls(cert=files.chain))
    assert "Tls(ca=…)" in said(client, AuthenticationFailed)


def test_self_signed(files: Files, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "cert.pem"))
    spec = Tls(cert=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    client, _ = refusal(Tls(ca=files.ca), spec)
    assert "signed by nobody else: if it is yours, give it: Tls(ca=…)" in said(
        client, AuthenticationFailed
    )


@pytest.mark.parametrize(
    ("dates", "text"),
    [
        ({"not_after": PAST}, "expired on Jan  1 00:00:00 2001 GMT: it must be renewed"),
        ({"not_before": FUTURE}, "not good before Jan  1 00:00:00 2999 GMT"),
    ],
)
def test_out_of_date(tmp_path: Path, dates: dict[str, Any], text: str) -> None:
    files = make_files(tmp_path, NAME, **dates)
    client, server = refusal(Tls(ca=files.ca), Tls(cert=files.chain))
    assert text in said(client, AuthenticationFailed)
    said(server, AuthenticationFailed)


def test_other_verdicts_are_told_as_openssl_has_them(files: Files) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = 23, "certificate revoked"
    session = context_for(files, server=False).wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=NAME
    )
    fault = fault_of(error, session, server=False, begun=b"")
    assert str(fault) == "the server's certificate was refused: certificate revoked"
    assert fault.__cause__ is error


def test_without_the_certificate_at_hand_the_text_does_without(files: Files) -> None:
    session = context_for(files, server=False).wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=NAME
    )
    texts = []
    for code in (62, 20, 10, 9):
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_code = code
        texts.append(str(fault_of(error, session, server=True, begun=b"")))
    assert "see which names it holds" in texts[0]
    assert "not trusted here: give" in texts[1]
    assert "expired on a day before this" in texts[2]
    assert "not good before a day after this" in texts[3]
    assert all(text.startswith("the client's certificate") for text in texts)


def test_unverified_anything_goes(strangers: Files) -> None:
    client, server = refusal(Tls(verify=False), Tls(cert=strangers.chain), "wrong.org")
    assert client.ready
    assert server.ready


# Certificates of a client.


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_client_without_the_certificate_that_is_asked_for(
    files: Files, version: ssl.TLSVersion
) -> None:
    context = context_for(files, server=False, version=version)
    spec = Tls(cert=files.chain, ca=files.ca, client_auth="required")
    client, server = refusal(Tls(context=context), spec)
    assert "client_auth='required' asks for one" in said(server, AuthenticationFailed)
    assert not server.ready
    if version is TLS_1_3:
        text = said(client, AuthenticationFailed)
        assert client.top.events == ["opened", "broken"]  # a client of 1.3 is done first
    else:
        text = said(client, IncompatiblePeer)
    assert "Tls(cert=…, key=…)" in text


def test_a_client_with_a_strangers_certificate(files: Files, strangers: Files) -> None:
    client, server = refusal(
        Tls(ca=files.ca, cert=strangers.chain),
        Tls(cert=files.chain, ca=files.ca, client_auth="optional"),
    )
    assert "the client's certificate was issued by a CA that is not trusted" in said(
        server, AuthenticationFailed
    )
    assert "(unknown ca)" in said(client, AuthenticationFailed)


def test_the_alert_goes_out_before_the_connection_is_cut(files: Files, strangers: Files) -> None:
    client = End(Tls(ca=strangers.ca), Role.DIALER)
    server = End(Tls(cert=files.chain), Role.LISTENER)
    client.open()
    server.open()
    server.bottom.give(client.bottom.take())
    client.bottom.give(server.bottom.take())
    assert client.bottom.aborted
    assert client.bottom.out[0] == ALERT


# Peers that cannot agree.


def test_no_version_in_common(files: Files) -> None:
    old = context_for(files, server=False, version=TLS_1_2)
    new = context_for(files, server=True, version=TLS_1_3)
    client, server = refusal(Tls(context=old), Tls(context=new))
    assert "(protocol version)" in said(client, IncompatiblePeer)
    assert "no TLS version that this end takes" in said(server, IncompatiblePeer)


def test_no_cipher_in_common(files: Files) -> None:
    one = context_for(files, server=False, version=TLS_1_2)
    two = context_for(files, server=True, version=TLS_1_2)
    one.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    two.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    client, server = refusal(Tls(context=one), Tls(context=two))
    assert "(handshake failure): no cipher or curve in common" in said(client, IncompatiblePeer)
    assert "no cipher or curve that this end can use" in said(server, IncompatiblePeer)


@pytest.mark.parametrize(
    ("octet", "kind", "text"),
    [
        (112, IncompatiblePeer, "does not serve the name that it was asked for"),
        (120, IncompatiblePeer, "none of the protocols that were offered"),
        (44, AuthenticationFailed, "it has been revoked"),
        (80, RemoteProtocolError, "the alert 'internal error'"),
    ],
)
def test_alerts(files: Files, octet: int, kind: type[SockstackError], text: str) -> None:
    client = End(Tls(ca=files.ca), Role.DIALER)
    client.open()
    client.bottom.give(bytes((ALERT, 3, 3, 0, 2, 2, octet)))
    assert text in said(client, kind)


# Peers that speak something else.


def test_a_plain_http_client(files: Files) -> None:
    server = End(Tls(cert=files.chain), Role.LISTENER)
    server.open()
    server.bottom.give(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
    assert "plain HTTP request to a TLS port: use https" in said(server, RemoteProtocolError)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00SP\x00\x00\x30\x00\x00", b"220 mail.example\r\n"]
)
def test_peers_that_do_not_speak_tls(files: Files, role: Role, greeting: bytes) -> None:
    end = End(Tls(ca=files.ca, cert=files.chain), role)
    end.open()
    for octet in greeting:
        end.bottom.give(bytes((octet,)))
    text = said(end, RemoteProtocolError)
    assert "does not speak TLS: it began with b" in text
    assert repr(greeting[:5])[:-1] in text


def test_what_looks_like_tls_and_is_not(files: Files) -> None:
    server = End(Tls(cert=files.chain), Role.LISTENER)
    server.open()
    server.bottom.give(b"\x16\x03\x01\x00\x05abcdefgh")
    assert "broke the rules of TLS: unexpected message" in said(server, RemoteProtocolError)


def test_an_attempt_to_renegotiate_has_a_text(files: Files) -> None:
    session = context_for(files, server=True).wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True
    )
    fault = fault_of(ssl.SSLWantReadError(2, "read"), session, server=True, begun=b"\x16\x03\x01")
    assert "began to renegotiate" in str(fault)


@pytest.mark.parametrize("words", ["sslv3 alert", "ssl/tls alert"])
def test_alerts_are_known_by_the_words_of_every_openssl(files: Files, words: str) -> None:
    session = context_for(files, server=True).wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True
    )
    error = ssl.SSLError(1, f"[SSL: X] {words} certificate expired (_ssl.c:1006)")
    assert "(certificate expired)" in str(fault_of(error, session, server=True, begun=b""))


# Hostile bytes.


class Tamper:
    """Replaces octets of what passes, from an offset on."""

    def __init__(self, offset: int, octets: bytes) -> None:
        self.offset = offset
        self.octets = octets

    def __call__(self, data: bytes) -> list[bytes]:
        at, self.offset = self.offset, self.offset - len(data)
        if not 0 <= at < len(data):
            return [data]
        return [data[:at] + self.octets + data[at + len(self.octets) :]]


def checked(end: End, sent: bytes) -> None:
    """Only declared errors, only what was really sent, and once broken, cut."""
    error = end.top.error
    assert error is None or isinstance(error, DECLARED)
    assert (error is not None) == end.bottom.aborted
    assert sent.startswith(end.top.data)


@given(octets=st.binary(min_size=1, max_size=600), role=st.sampled_from(list(Role)))
def test_garbage_before_the_handshake(files: Files, octets: bytes, role: Role) -> None:
    end = End(Tls(ca=files.ca, cert=files.chain), role)
    end.open()
    end.bottom.give(octets)
    checked(end, b"")
    if end.top.error is None:
        end.layer.ended()
        assert isinstance(end.top.error, PeerAborted)


@pytest.fixture(scope="module", params=[TLS_1_2, TLS_1_3])
def pair(request: pytest.FixtureRequest, files: Files) -> tuple[Tls, Tls]:
    context = context_for(files, server=False, version=request.param)
    return Tls(context=context), Tls(cert=files.chain)


@given(
    offset=st.integers(0, 1500),
    octets=st.binary(min_size=1, max_size=40),
    towards=st.sampled_from(["client", "server"]),
)
def test_garbage_in_the_handshake(
    pair: tuple[Tls, Tls], offset: int, octets: bytes, towards: str
) -> None:
    client, server = End(pair[0], Role.DIALER), End(pair[1], Role.LISTENER)
    one, two = (server, client) if towards == "client" else (client, server)
    client.top.on_opened = lambda: client.send(b"data of the client")
    server.top.on_opened = lambda: server.send(b"data of the server")
    client.open()
    server.open()
    pump(one, two, Tamper(offset, octets))
    checked(client, b"data of the server")
    checked(server, b"data of the client")


@given(octets=st.binary(min_size=1, max_size=100), offset=st.integers(0, 120), cut=st.booleans())
def test_garbage_after_the_handshake(
    pair: tuple[Tls, Tls], octets: bytes, offset: int, cut: bool
) -> None:
    client, server = End(pair[0], Role.DIALER), End(pair[1], Role.LISTENER)
    client.open()
    server.open()
    pump(client, server)
    server.send(b"first")
    server.send(b"second")
    wire = server.bottom.take()
    client.bottom.give(wire[:offset] + octets + (b"" if cut else wire[offset:]))
    checked(client, b"firstsecond")
    if client.top.error is None:
        client.layer.ended()
        assert isinstance(client.top.error, PeerAborted)
    checked(client, b"firstsecond")


def test_good_records_before_a_bad_one_come_up_first(pair: tuple[Tls, Tls]) -> None:
    client, server = End(pair[0], Role.DIALER), End(pair[1], Role.LISTENER)
    client.open()
    server.open()
    pump(client, server)
    server.send(b"good")
    wire = server.bottom.take()
    client.bottom.give(wire + b"\x17\x03\x03\x00\x20" + b"?" * 32)
    assert client.top.events[-2:] == ["receive", "broken"]
    assert client.top.data == b"good"
    assert "broke the rules of TLS" in said(client, RemoteProtocolError)
    assert client.bottom.out[0] in (0x15, 0x17)  # an alert, encrypted with TLS 1.3


def test_a_fault_found_at_the_end_waits_for_the_data_before_it(files: Files) -> None:
    """Here data and garbage came in one read with the handshake, so that the end comes upon them."""
    client = End(Tls(ca=files.ca), Role.DIALER)
    server = End(Tls(cert=files.chain), Role.LISTENER, credit=0)
    client.top.on_opened = lambda: client.send(b"good")
    client.open()
    server.open()
    server.bottom.give(client.bottom.take())
    client.bottom.give(server.bottom.take())
    server.bottom.give(client.bottom.take() + b"\x17\x03\x03\x00\x20" + b"?" * 32)
    assert server.ready
    server.end()
    server.layer.receive([b"and more of it"])
    assert server.top.error is None
    server.want(MANY)
    assert server.top.events == ["opened", "receive", "broken"]
    assert server.top.data == b"good"
    assert "decryption failed or bad record mac" in said(server, RemoteProtocolError)
