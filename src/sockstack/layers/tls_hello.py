"""The name that a client asks for, read from its first flight.

Python's own way to tell it prints an error to stderr for a name that it cannot decode, which any peer could cause.
"""

from __future__ import annotations

__all__ = ["server_name"]

HANDSHAKE, CLIENT_HELLO, SERVER_NAME, HOST_NAME = 22, 1, 0, 0
RECORD_HEADER, MESSAGE_HEADER = 5, 4
FIXED = 2 + 32
"""Octets of version and random, before the fields that vary."""


def server_name(flight: bytes) -> str | None:
    """The host name in a ClientHello (RFC 8446, section 4.1.2; RFC 6066, section 3).

    Args:
        flight: the octets that a client sent first, records and all; a part of them is enough if the name is in it.

    Returns:
        The name, or None where there is none or the octets make no sense. Never raises.
    """
    hello = _message(flight)
    if hello[:1] != bytes((CLIENT_HELLO,)):
        return None
    body = hello[MESSAGE_HEADER:]
    at = FIXED
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        at += width + int.from_bytes(body[at : at + width], "big")
    at += 2  # length of all extensions
    while at + 4 <= len(body):
        kind = int.from_bytes(body[at : at + 2], "big")
        size = int.from_bytes(body[at + 2 : at + 4], "big")
        if kind == SERVER_NAME:
            return _host(body[at + 4 : at + 4 + size])
        at += 4 + size
    return None


def _message(flight: bytes) -> bytes:
    """The octets of the handshake that the first records carry."""
    parts = []
    at = 0
    while at < len(flight) and flight[at] == HANDSHAKE:
        start = at + RECORD_HEADER
        at = start + int.from_bytes(flight[at + 3 : start], "big")
        parts.append(flight[start:at])
    return b"".join(parts)


def _host(extension: bytes) -> str | None:
    """The one host name in the extension's list."""
    size = int.from_bytes(extension[3:5], "big")
    name = extension[5 : 5 + size]
    if extension[2:3] != bytes((HOST_NAME,)) or len(name) != size or not name.isascii():
        return None
    return name.decode("ascii") or None
