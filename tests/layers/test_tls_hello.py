"""The name in a ClientHello."""

from __future__ import annotations

import ssl

from hypothesis import given
from hypothesis import strategies as st

from sockstack.layers.tls_hello import server_name


def flight(name: str | None) -> bytes:
    """What OpenSSL's client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    out = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("a handshake without a server")


FLIGHT = flight("www.example.org")


def test_the_name_is_found() -> None:
    assert server_name(FLIGHT) == "www.example.org"


def test_no_name() -> None:
    assert server_name(flight(None)) is None
    assert server_name(flight("10.0.0.1")) is None


def test_a_hello_in_small_records() -> None:
    body = FLIGHT[5:]
    records = [body[at : at + 7] for at in range(0, len(body), 7)]
    split = b"".join(b"\x16\x03\x01" + len(r).to_bytes(2, "big") + r for r in records)
    assert server_name(split) == "www.example.org"


def test_every_cut() -> None:
    names = {server_name(FLIGHT[:at]) for at in range(len(FLIGHT))}
    assert names == {None, "www.example.org"}


def test_other_messages_and_names_that_are_none() -> None:
    assert server_name(b"") is None
    assert server_name(b"GET / HTTP/1.1\r\n\r\n") is None
    assert server_name(FLIGHT[:5] + b"\x02" + FLIGHT[6:]) is None
    assert server_name(FLIGHT.replace(b"www.example.org", b"\xe4\xf6\xfc.example.org")) is None
    at = FLIGHT.index(b"www.example.org")
    assert server_name(FLIGHT[: at - 3] + b"\x01" + FLIGHT[at - 2 :]) is None


@given(st.binary(max_size=80), st.integers(0, len(FLIGHT)))
def test_hostile_octets(octets: bytes, at: int) -> None:
    for hostile in (octets, FLIGHT[:at] + octets, FLIGHT[:at] + octets + FLIGHT[at:]):
        name = server_name(hostile)
        assert name is None or name.encode() in hostile
