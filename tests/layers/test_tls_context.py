"""Files that cannot be used, and keys with a password."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from sockstack.core.errors import StackError
from sockstack.layers.tls import Tls
from sockstack.layers.tls_context import client_context, server_context

from .tls_pair import NAME, Files, make_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls"), NAME)


def test_files_that_are_missing_or_something_else(files: Files, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for path in (tmp_path / "none.pem", junk):
        with pytest.raises(StackError, match=f"cert: {path} cannot be used") as caught:
            server_context(Tls(cert=path))
        assert caught.value.field == "cert"
        with pytest.raises(StackError, match=f"ca: {path} cannot be used") as caught:
            client_context(Tls(ca=path))
        assert caught.value.field == "ca"
    with pytest.raises(StackError, match="No such file"):
        client_context(Tls(ca=tmp_path / "none.pem"))
    with pytest.raises(StackError, match=f"cert: {files.cert} with {junk} cannot be used"):
        server_context(Tls(cert=files.cert, key=junk))


@pytest.mark.parametrize("ca", [b"", b"junk", b"\xff\xfe"])
def test_bytes_that_are_no_certificate(ca: bytes) -> None:
    with pytest.raises(StackError, match="ca: what was given cannot be used"):
        client_context(Tls(ca=ca))


def test_a_key_of_another_certificate(files: Files, tmp_path: Path) -> None:
    others = make_files(tmp_path, NAME)
    with pytest.raises(StackError, match="the key belongs to another certificate"):
        server_context(Tls(cert=files.cert, key=others.key))


def test_a_certificate_without_its_key(files: Files) -> None:
    with pytest.raises(
        StackError, match=rf"cert: {files.cert} cannot be used: it must.*Tls\(key=…"
    ):
        server_context(Tls(cert=files.cert))


def test_an_encrypted_key(files: Files, tmp_path: Path) -> None:
    key = load_pem_private_key(Path(files.key).read_bytes(), None)
    path = tmp_path / "encrypted.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    )
    server_context(Tls(cert=files.cert, key=path, password="hunter2"))
    with pytest.raises(StackError, match=rf"{path} is encrypted: Tls\(password=…\)") as caught:
        server_context(Tls(cert=files.cert, key=path))
    assert caught.value.field == "password"
    with pytest.raises(StackError, match="cannot be used: the password is wrong") as caught:
        server_context(Tls(cert=files.cert, key=path, password="mistaken"))
    assert "mistaken" not in str(caught.value)


def test_what_each_end_checks(files: Files) -> None:
    assert client_context(Tls(ca=files.ca)).check_hostname
    assert client_context(Tls(verify=False)).verify_mode is ssl.CERT_NONE
    modes = [
        server_context(Tls(cert=files.chain, ca=files.ca, client_auth=auth)).verify_mode
        for auth in ("none", "optional", "required")
    ]
    assert modes == [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED]


def test_a_client_shows_a_certificate_too(files: Files) -> None:
    with pytest.raises(StackError, match=r"cert: .* cannot be used"):
        client_context(Tls(ca=files.ca, cert=files.cert))
    client_context(Tls(ca=files.ca, cert=files.cert, key=files.key))
