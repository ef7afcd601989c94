"""Captures, read back by a reader of their own."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.layers.pcap import FILE_HEADER, LARGEST, Conversation, checksum

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
OUT, IN = True, False


@dataclass
class Packet:
    """One packet of a capture, checksums verified."""

    at: float
    source: tuple[str, int]
    target: tuple[str, int]
    seq: int
    ack: int
    flags: int
    window: int
    options: bytes
    payload: bytes


def summed(data: bytes) -> int:
    """The Internet checksum's sum, word by word."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


def read(capture: bytes) -> list[Packet]:
    """The packets of a file."""
    magic, major, minor, zone, sigfigs, snap, link = struct.unpack_from("<IHHiIII", capture)
    assert (magic, major, minor, zone, sigfigs, link) == (0xA1B2C3D4, 2, 4, 0, 0, 101)
    packets = []
    at = 24
    while at < len(capture):
        seconds, micros, kept, size = struct.unpack_from("<IIII", capture, at)
        assert kept == size <= snap
        assert micros < 1_000_000
        packets.append(parsed(seconds + micros / 1e6, capture[at + 16 : at + 16 + kept]))
        at += 16 + kept
    assert at == len(capture)
    return packets


def parsed(at: float, packet: bytes) -> Packet:
    version, _, size, _, _, ttl, protocol, _, source, target = struct.unpack_from(
        ">BBHHHBBH4s4s", packet
    )
    assert (version, size, protocol) == (0x45, len(packet), 6)
    assert ttl > 1
    assert summed(packet[:20]) == 0xFFFF
    segment = packet[20:]
    assert summed(source + target + bytes((0, 6)) + len(segment).to_bytes(2, "big") + segment) == (
        0xFFFF
    )
    here, there, seq, ack, offset, flags, window, _, urgent = struct.unpack_from(
        ">HHIIBBHHH", segment
    )
    head = offset >> 4 << 2
    assert urgent == 0
    names = [".".join(map(str, address)) for address in (source, target)]
    return Packet(
        at,
        (names[0], here),
        (names[1], there),
        seq,
        ack,
        flags,
        window,
        segment[20:head],
        segment[head:],
    )


def followed(packets: list[Packet]) -> dict[tuple[str, int], bytes]:
    """What "follow TCP stream" shows: what each side sent, by sequence numbers that must not have gaps."""
    streams: dict[tuple[str, int], bytes] = {}
    following: dict[tuple[str, int], int] = {}
    for packet in packets:
        assert packet.seq == following.get(packet.source, 0)
        if packet.flags & ACK:
            assert packet.ack == following.get(packet.target, 0)
        used = len(packet.payload) + bool(packet.flags & (SYN | FIN))
        following[packet.source] = (packet.seq + used) % 2**32
        streams[packet.source] = streams.get(packet.source, b"") + packet.payload
    return streams


def test_a_conversation() -> None:
    it = Conversation(1, dialer=True)
    capture = FILE_HEADER + b"".join(
        (
            it.begin(1_700_000_000.25),
            it.data(1_700_000_001.000001, OUT, b"question"),
            it.data(1_700_000_002, IN, b"answer"),
            it.end(1_700_000_003, OUT),
            it.data(1_700_000_004, IN, b"and more"),
            it.end(1_700_000_005, IN),
        )
    )
    packets = read(capture)
    dialer, listener = ("192.0.2.1", 49152), ("192.0.2.2", 65000)
    assert [(packet.source, packet.flags, packet.payload) for packet in packets] == [
        (dialer, SYN, b""),
        (listener, SYN | ACK, b""),
        (dialer, ACK, b""),
        (dialer, ACK | PSH, b"question"),
        (listener, ACK | PSH, b"answer"),
        (dialer, ACK | FIN, b""),
        (listener, ACK | PSH, b"and more"),
        (listener, ACK | FIN, b""),
        (dialer, ACK, b""),
    ]
    assert [packet.at for packet in packets[2:5]] == [
        1_700_000_000.25,
        1_700_000_001.000001,
        1_700_000_002,
    ]
    assert followed(packets) == {dialer: b"question", listener: b"answerand more"}


def test_who_listens_sees_the_same_connection_from_the_other_side() -> None:
    it = Conversation(1, dialer=False)
    packets = read(FILE_HEADER + it.begin(0) + it.data(0, OUT, b"welcome"))
    assert [packet.source[0] for packet in packets] == [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.1",
        "192.0.2.2",
    ]
    assert packets[-1].payload == b"welcome"


def test_connections_have_ports_of_their_own() -> None:
    ports = [
        read(FILE_HEADER + Conversation(n, dialer=True).begin(0))[0].source[1] for n in (1, 2, 3)
    ]
    assert ports == [49152, 49153, 49154]
    last = read(FILE_HEADER + Conversation(10**9, dialer=True).begin(0))[0].source[1]
    assert 49152 <= last < 65000


def test_the_window_never_seems_full() -> None:
    syn, answer, *_ = read(FILE_HEADER + Conversation(1, dialer=True).begin(0))
    for packet in (syn, answer):
        assert packet.options[:4] == bytes((2, 4)) + LARGEST.to_bytes(2, "big")
        assert packet.options[4:] == bytes((1, 3, 3, 14))
        assert packet.window << 14 > 1_000_000_000


def test_large_units_take_several_segments_and_small_ones_one_each() -> None:
    it = Conversation(1, dialer=True)
    data = bytes(range(256)) * 800
    packets = read(
        FILE_HEADER + it.data(0, OUT, data) + it.data(0, OUT, b"x") + it.data(0, OUT, b"")
    )
    segments = packets[3:]
    assert [len(packet.payload) for packet in segments] == [
        LARGEST,
        LARGEST,
        LARGEST,
        len(data) - 3 * LARGEST,
        1,
        0,
    ]
    assert [bool(packet.flags & PSH) for packet in segments] == [False] * 3 + [True] * 3
    assert followed(packets)["192.0.2.1", 49152] == data + b"x"


def test_it_begins_by_itself_and_once() -> None:
    it = Conversation(1, dialer=True)
    assert len(read(FILE_HEADER + it.data(0, OUT, b"x"))) == 4
    assert it.begin(0) == b""
    assert len(read(FILE_HEADER + Conversation(1, dialer=True).end(0, IN))) == 4


@pytest.mark.parametrize("outwards", [OUT, IN])
def test_after_a_reset_nothing_follows(outwards: bool) -> None:
    it = Conversation(1, dialer=True)
    capture = FILE_HEADER + it.begin(0) + it.reset(0, outwards)
    last = read(capture)[-1]
    assert last.flags == RST | ACK
    assert (last.source[0] == "192.0.2.1") is outwards
    assert it.reset(0, OUT) == it.data(0, OUT, b"x") == it.end(0, IN) == b""


def test_what_is_over_or_has_not_begun_is_not_reset() -> None:
    it = Conversation(1, dialer=True)
    assert it.reset(0, OUT) == b""
    assert it.end(0, OUT) + it.end(0, IN)
    assert it.reset(0, IN) == it.data(0, IN, b"x") == b""


def test_nothing_follows_the_end_of_a_direction() -> None:
    it = Conversation(1, dialer=True)
    assert it.end(0, OUT)
    assert it.end(0, OUT) == it.data(0, OUT, b"x") == b""
    assert it.data(0, IN, b"x")


def test_sequence_numbers_wrap() -> None:
    it = Conversation(1, dialer=True)
    it.begin(0)
    it._next = [2**32 - 3, 5]
    one, two = read(FILE_HEADER + it.data(0, OUT, b"12345") + it.data(0, OUT, b"6"))
    assert (one.seq, two.seq) == (2**32 - 3, 2)


@given(st.binary(max_size=200))
def test_checksum(data: bytes) -> None:
    even = data + b"\0" * (len(data) % 2)
    check = checksum(data)
    assert 0 <= check <= 0xFFFF
    assert summed(even + check.to_bytes(2, "big")) in ((0xFFFF,) if any(even) else (0, 0xFFFF))


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_follows_the_stream(tmp_path: Path) -> None:
    it = Conversation(1, dialer=True)
    path = tmp_path / "it.pcap"
    path.write_bytes(
        FILE_HEADER
        + it.begin(1_700_000_000)
        + it.data(1_700_000_001, OUT, b"question")
        + it.data(1_700_000_002, IN, b"answer" * 30_000)
        + it.end(1_700_000_003, OUT)
        + it.end(1_700_000_004, IN)
    )
    tshark = ["tshark", "-n", "-r", str(path)]
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    wrong = (
        "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed"
    )
    run = subprocess.run(
        [*tshark, *checks, "-Y", wrong], capture_output=True, check=True, text=True
    )
    assert run.stdout == ""
    run = subprocess.run(
        [*tshark, "-q", "-z", "follow,tcp,raw,0"], capture_output=True, check=True, text=True
    )
    shown = [line.strip() for line in run.stdout.splitlines()]
    assert b"question".hex() in shown
    assert "".join(shown).count(b"answer".hex()) == 30_000
