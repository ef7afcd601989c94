"""How messages are printed. All but ``lines`` are nngcat's formats, byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["FORMATS", "Format"]

Format = Callable[[bytes], bytes]

_ESCAPES = {ord("\n"): b"\\n", ord("\r"): b"\\r", ord("\t"): b"\\t", 0x22: b'\\"', 0x5C: b"\\\\"}


def _plain(byte: int) -> bool:
    return 0x20 <= byte <= 0x7E


def _ascii(data: bytes) -> bytes:
    return bytes(byte if _plain(byte) else 0x2E for byte in data)


def _quoted(data: bytes) -> bytes:
    parts = (
        _ESCAPES.get(byte) or (bytes((byte,)) if _plain(byte) else b"\\x%02x" % byte)
        for byte in data
    )
    return b'"%b"\n' % b"".join(parts)


def _hex(data: bytes) -> bytes:
    return b'"%b"\n' % b"".join(b"\\x%02x" % byte for byte in data)


def _msgpack(data: bytes) -> bytes:
    """The bin family of MessagePack: C4, C5 or C6, the length in 1, 2 or 4 octets, the bytes."""
    size = len(data)
    octets = 1 if size < 1 << 8 else 2 if size < 1 << 16 else 4
    return bytes((0xC4 + octets // 2,)) + size.to_bytes(octets, "big") + data


FORMATS: Mapping[str, Format] = {
    "lines": lambda data: data + b"\n",
    "no": lambda data: b"",
    "raw": bytes,
    "ascii": _ascii,
    "quoted": _quoted,
    "hex": _hex,
    "msgpack": _msgpack,
}
"""By name; ``lines`` puts a newline behind each message, ``raw`` nothing."""
