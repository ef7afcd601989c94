"""The description of TLS: options, record, refusals, and what is built from it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import trustme

from sockstack.core.capabilities import (
    Auth,
    Capabilities,
    CleanEnd,
    Confidential,
    Duplex,
    HalfClose,
    Integrity,
    Ordered,
    Unit,
)
from sockstack.core.errors import StackError
from sockstack.core.spec import Build, Kind, Placement, Role
from sockstack.layers.tls import Tls
from sockstack.layers.tls_layer import TlsLayer

from .tls_pair import NAME, RECORD, End, Env, Files, Memory, context_for, make_files, pump


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls"), NAME)


def build(spec: Tls, role: Role, host: str | None = NAME) -> TlsLayer:
    layer = spec.build(Build(role, RECORD, (spec, Memory(host)), 0, Env()))
    assert isinstance(layer, TlsLayer)
    return layer


# What it needs and gives.


def test_record() -> None:
    record = Tls().derive(RECORD)
    assert record == Capabilities(
        Unit.STREAM,
        half_close=HalfClose.NATIVE,
        clean_end=CleanEnd.AUTHENTICATED,
        peer_auth=Auth.CERTIFICATE,
        confidential=Confidential.HOP,
        integrity=Integrity.HOP,
        replay_safe=True,
        features=frozenset({"alpn", "channel_binding", "detach"}),
        head=5,
        tail=17,
        setup_rtts=1,
    )
    assert Tls.kind is Kind.SESSION
    assert Tls().placement is Placement.HOP
    assert Tls().stateful


def test_what_is_stronger_below_stays() -> None:
    strong = RECORD.but(
        confidential=Confidential.END_TO_END,
        integrity=Integrity.END_TO_END,
        peer_auth=Auth.OS_CREDENTIAL,
        head=8,
        setup_rtts=2,
    )
    record = Tls(verify=False).derive(strong)
    assert record.confidential is Confidential.END_TO_END
    assert record.integrity is Integrity.END_TO_END
    assert record.peer_auth is Auth.OS_CREDENTIAL
    assert (record.head, record.tail, record.setup_rtts) == (13, 17, 3)


def test_a_certificate_counts_where_both_ends_would_have_seen_one(files: Files) -> None:
    def promised(**options: Any) -> bool:
        return Tls(**options).derive(RECORD).peer_auth is Auth.CERTIFICATE

    assert promised()
    assert promised(ca=files.ca)
    assert not promised(verify=False)
    assert not promised(cert=files.cert)
    assert not promised(cert=files.cert, ca=files.ca, client_auth="optional")
    assert promised(cert=files.cert, ca=files.ca, client_auth="required")
    assert promised(context=context_for(files, server=False))
    assert not promised(context=context_for(files, server=True))


def test_it_needs_a_reliable_ordered_stream_both_ways() -> None:
    (demand,) = Tls().requires
    assert list(demand.shortfalls(RECORD)) == []
    for weaker in (
        {"reliable": False},
        {"ordered": Ordered.PER_SENDER},
        {"duplex": Duplex.OUT},
        {"unit": Unit.MESSAGE},
    ):
        assert [fault.field for fault in demand.shortfalls(RECORD.but(**weaker))] == list(weaker)


def test_header_fields_are_what_the_record_counts() -> None:
    record = Tls().derive(RECORD)
    assert sum(field.size for field in Tls().header) == record.head + record.tail
    assert [field.name for field in Tls().header] == ["type", "version", "length", "tag"]


def test_taking_any_certificate_is_doubtful() -> None:
    assert Tls().doubts == ()
    (doubt,) = Tls(verify=False).doubts
    assert "can pose as the server" in doubt


# Options.


@pytest.mark.parametrize(
    ("options", "field", "text"),
    [
        ({"server_name": ""}, "server_name", "no server's name"),
        ({"client_auth": "maybe"}, "client_auth", "none, optional or required"),
        ({"client_auth": "required", "cert": "c"}, "client_auth", "needs ca="),
        ({"key": "k"}, "key", "give cert= too"),
        ({"alpn": ("h2", "")}, "alpn", "1 to 255"),
        ({"alpn": ("x" * 256,)}, "alpn", "1 to 255"),
        ({"alpn": ("häst",)}, "alpn", "ASCII"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], field: str, text: str) -> None:
    with pytest.raises(StackError, match=text) as caught:
        Tls(**options)
    assert caught.value.layer == "tls"
    assert caught.value.field == field


def test_a_context_stands_alone(files: Files) -> None:
    context = context_for(files, server=False)
    with pytest.raises(StackError, match="in place of cert, verify: set these on the context"):
        Tls(context=context, cert=files.cert, verify=False)
    assert Tls(context=context, server_name="x.org").client_context is context


def test_paths_and_protocols_in_other_types() -> None:
    spec = Tls(cert=Path("c.pem"), key=Path("k.pem"), ca=Path("ca.pem"), alpn="h2")
    assert spec == Tls(cert="c.pem", key="k.pem", ca="ca.pem", alpn=("h2",))
    assert hash(spec) == hash(Tls(cert="c.pem", key="k.pem", ca="ca.pem", alpn=("h2",)))


def test_a_password_is_not_printed() -> None:
    assert "hunter2" not in repr(Tls(cert="c.pem", password="hunter2"))
    assert "password" in Tls.secrets


# What is built.


def test_contexts_are_made_once(files: Files) -> None:
    spec = Tls(ca=files.ca, cert=files.cert, key=files.key)
    contexts = []
    for role in (Role.DIALER, Role.DIALER, Role.LISTENER, Role.LISTENER):
        layer = build(spec, role)
        contexts.append(layer._object.context)
    assert contexts[0] is contexts[1] is spec.client_context
    assert contexts[2] is contexts[3] is spec.server_context
    assert contexts[0] is not contexts[2]


def test_to_listen_takes_a_certificate() -> None:
    with pytest.raises(StackError, match=r"to listen takes a certificate: Tls\(cert=…, key=…\)"):
        build(Tls(), Role.LISTENER)


def test_to_dial_takes_a_name(files: Files) -> None:
    with pytest.raises(StackError, match=r"memory names no host.*Tls\(server_name=…\)"):
        build(Tls(ca=files.ca), Role.DIALER, host=None)
    with pytest.raises(StackError, match="names no host"):
        build(Tls(ca=files.ca), Role.DIALER, host="")
    build(Tls(ca=files.ca, server_name=NAME), Role.DIALER, host=None)
    build(Tls(verify=False), Role.DIALER, host=None)


@pytest.mark.parametrize("name", ["a..b", ".a", "x" * 64 + ".org", "nul\0"])
def test_names_that_are_none(files: Files, name: str) -> None:
    with pytest.raises(StackError, match=r"the name .* cannot be used"):
        build(Tls(ca=files.ca, server_name=name), Role.DIALER)


def test_a_context_for_the_other_end(files: Files) -> None:
    with pytest.raises(StackError, match="this context cannot be used"):
        build(Tls(context=context_for(files, server=False)), Role.LISTENER)


def test_importing_it_does_not_import_ssl() -> None:
    code = "import sys, sockstack.layers.tls; sys.exit('ssl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_composed_with_others() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spec = Tls(server_name=NAME)
    assert spec.layers == (spec,)


# Over the wire.


def meet(client: Tls, server: Tls) -> bool:
    one, two = End(client, Role.DIALER), End(server, Role.LISTENER)
    one.open()
    two.open()
    pump(one, two)
    return one.ready and two.ready


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl rehash is not there")
def test_authorities_as_file_as_directory_and_as_bytes(files: Files, tmp_path: Path) -> None:
    data = Path(files.ca).read_bytes()
    (tmp_path / "ca.pem").write_bytes(data)
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, capture_output=True)
    for ca in (files.ca, tmp_path, data):
        assert meet(Tls(ca=ca), Tls(cert=files.cert, key=files.key))


def test_a_context_of_ones_own_at_both_ends(files: Files) -> None:
    server = Tls(context=context_for(files, server=True))
    assert meet(Tls(context=context_for(files, server=False)), server)


def test_versions_below_1_2_are_off(files: Files) -> None:
    spec = Tls(ca=files.ca, cert=files.chain)
    for context in (spec.client_context, spec.server_context):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.options & ssl.OP_NO_RENEGOTIATION
        assert context.options & ssl.OP_NO_COMPRESSION


def test_an_authority_is_trusted_instead_of_the_systems() -> None:
    data = trustme.CA().cert_pem.bytes()
    assert len(Tls(ca=data).client_context.get_ca_certs()) == 1
