"""Packet captures that Wireshark opens, of what passed where no packets are: a made-up TCP connection carries it.

The file is a classic pcap (draft-ietf-opsawg-pcap): a header of 24 octets, then each packet behind a header of 16, all
little-endian. The packets are raw IPv4 (link type 101) with TCP in it, checksums and sequence numbers right, so that
"follow TCP stream" shows the conversation. A chunk or a message begins a segment of its own; its last one is pushed.
"""

from __future__ import annotations

import struct

__all__ = ["FILE_HEADER", "Conversation"]

SNAP = 262_144
RAW_IP = 101
FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP, RAW_IP)
"""How every capture begins: magic, version 2.4, times in UTC, longest packet, link type."""

PACKET = struct.Struct("<IIII")
"""Seconds and microseconds since 1970, octets in the file, octets on the wire."""

IPV4 = struct.Struct(">BBHHHBBH4s4s")
TCP = struct.Struct(">HHIIBBHHH")
PSEUDO = struct.Struct(">4s4sBBH")
DONT_FRAGMENT = 0x4000
LARGEST = 0xFFFF - IPV4.size - TCP.size
"""Bytes that one segment carries at most."""

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SYN_OPTIONS = struct.pack(">BBHBBBB", 2, 4, LARGEST, 1, 3, 3, 14)
"""Largest segment, padding, window scale: 1 GiB may be on the way, so nobody seems to wait for a window."""

DIALER, LISTENER = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
"""Addresses that belong to nobody (RFC 5737)."""

LISTENER_PORT = 65_000
FIRST_PORT, PORTS = 49_152, 15_000


class Conversation:
    """One connection in a capture. Each call gives the octets to append to the file."""

    def __init__(self, number: int, *, dialer: bool) -> None:
        """
        Args:
            number: which connection of the file, from 1; it decides the dialler's port.
            dialer: whether the end that is watched has dialled.
        """
        port = FIRST_PORT + (number - 1) % PORTS
        sides = ((DIALER, port), (LISTENER, LISTENER_PORT))
        self._ends = sides if dialer else sides[::-1]
        self._next = [0, 0]
        self._dialer = dialer
        self._begun = False
        self._over = False
        self._ended = [False, False]

    def begin(self, at: float) -> bytes:
        """The handshake, once.

        Args:
            at: seconds since 1970, as everywhere here.
        """
        if self._begun:
            return b""
        self._begun = True
        first = self._dialer
        return (
            self._packet(at, first, SYN)
            + self._packet(at, not first, SYN | ACK)
            + self._packet(at, first, ACK)
        )

    def data(self, at: float, outwards: bool, payload: bytes) -> bytes:
        """A chunk or a message, in as many segments as it takes."""
        if self._over or self._ended[not outwards]:
            return b""
        packets = [self.begin(at)]
        for start in range(0, max(len(payload), 1), LARGEST):
            part = payload[start : start + LARGEST]
            push = PSH if start + LARGEST >= len(payload) else 0
            packets.append(self._packet(at, outwards, ACK | push, part))
        return b"".join(packets)

    def end(self, at: float, outwards: bool) -> bytes:
        """The end of one direction; once both have ended, the last acknowledgement too."""
        index = not outwards
        if self._over or self._ended[index]:
            return b""
        begun = self.begin(at)
        self._ended[index] = True
        packet = begun + self._packet(at, outwards, FIN | ACK)
        if all(self._ended):
            self._over = True
            packet += self._packet(at, not outwards, ACK)
        return packet

    def reset(self, at: float, outwards: bool) -> bytes:
        """The connection is cut; nothing if it was over, or had not begun."""
        if self._over or not self._begun:
            return b""
        self._over = True
        return self._packet(at, outwards, RST | ACK)

    def _packet(self, at: float, outwards: bool, flags: int, payload: bytes = b"") -> bytes:
        here, there = (0, 1) if outwards else (1, 0)
        (source, source_port), (target, target_port) = self._ends[here], self._ends[there]
        options = SYN_OPTIONS if flags & SYN else b""
        head = TCP.pack(
            source_port,
            target_port,
            self._next[here],
            self._next[there] if flags & ACK else 0,
            (TCP.size + len(options)) // 4 << 4,
            flags,
            0xFFFF,
            0,
            0,
        )
        size = TCP.size + len(options) + len(payload)
        pseudo = PSEUDO.pack(source, target, 0, 6, size)
        check = checksum(pseudo + head + options + payload)
        segment = head[:16] + check.to_bytes(2, "big") + head[18:] + options + payload
        whole = IPV4.size + size
        ip = IPV4.pack(0x45, 0, whole, 0, DONT_FRAGMENT, 64, 6, 0, source, target)
        ip = ip[:10] + checksum(ip).to_bytes(2, "big") + ip[12:]
        sent = len(payload) + bool(flags & (SYN | FIN))
        self._next[here] = (self._next[here] + sent) & 0xFFFFFFFF
        seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
        return PACKET.pack(seconds & 0xFFFFFFFF, micros, whole, whole) + ip + segment


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of data in which its own field is zero."""
    if len(data) % 2:
        data += b"\0"
    # Adding 16-bit words with the carry brought round is counting modulo 65,535.
    return -int.from_bytes(data, "big") % 0xFFFF
