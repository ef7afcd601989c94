"""Typed metadata of a connection, and marks that ride on a unit.

Metadata is looked up by a typed :class:`Key` and falls through: the topmost layer that knows an answer gives it.
Marks are advisory: they travel on a unit (:class:`Marked`) until a layer that cannot keep them rewrites it; such a
layer declares no ``marks`` feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

__all__ = [
    "LOCAL_ADDRESS",
    "PEER_ADDRESS",
    "PEER_CREDENTIALS",
    "PEER_PROTOCOL",
    "TLS_ALPN",
    "TLS_CHANNEL_BINDING",
    "TLS_CIPHER",
    "TLS_PEER_CERTIFICATE",
    "TLS_PEER_NAMES",
    "TLS_SERVER_NAME",
    "TLS_VERSION",
    "Key",
    "Marked",
    "marks_of",
]

T_co = TypeVar("T_co", covariant=True)


class Key(Generic[T_co]):
    """The name of one piece of metadata, with its type. Two keys are the same only if they are one object."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Key({self.name})"


PEER_ADDRESS: Key[str] = Key("peer_address")
LOCAL_ADDRESS: Key[str] = Key("local_address")
PEER_CREDENTIALS: Key[tuple[int, int, int]] = Key("peer_credentials")
"""pid, uid, gid of the process at the other end of a Unix socket."""
PEER_PROTOCOL: Key[int] = Key("peer_protocol")
"""The SP protocol number that the peer announced."""
TLS_VERSION: Key[str] = Key("tls_version")
"""``TLSv1.2`` or ``TLSv1.3``."""
TLS_CIPHER: Key[str] = Key("tls_cipher")
"""The cipher suite, by OpenSSL's name."""
TLS_ALPN: Key[str] = Key("tls_alpn")
"""The application protocol that both ends agreed on."""
TLS_SERVER_NAME: Key[str] = Key("tls_server_name")
"""The name by which the client asked for the server, at both ends."""
TLS_PEER_CERTIFICATE: Key[bytes] = Key("tls_peer_certificate")
"""The peer's certificate, DER. Whether it was verified is ``peer_auth`` of the session's record."""
TLS_PEER_NAMES: Key[tuple[str, ...]] = Key("tls_peer_names")
"""What the peer's verified certificate calls it: ``CN:worker-7``, ``DNS:worker-7.example.org``, ``IP Address:…``,
``URI:…``, ``email:…``. None if the certificate was not verified, whatever it says."""
TLS_CHANNEL_BINDING: Key[bytes] = Key("tls_channel_binding")
"""Octets that are the same at both ends of this session and in no other: a Finished message (RFC 5929, tls-unique)."""


class Marked(bytes):
    """A unit with marks: bytes like any other, and a mapping beside them."""

    marks: Mapping[str, Any]

    def __new__(cls, data: bytes, marks: Mapping[str, Any]) -> Marked:
        unit = super().__new__(cls, data)
        unit.marks = marks
        return unit


_NO_MARKS: Mapping[str, Any] = {}


def marks_of(unit: bytes) -> Mapping[str, Any]:
    """The marks of a unit; an empty mapping if it has none."""
    return unit.marks if type(unit) is Marked else _NO_MARKS
