"""The SP mapping: hello, framing, limits, and the identity that rides in a handshake."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import (
    IncompatiblePeer,
    LocalProtocolError,
    PeerAborted,
    RemoteProtocolError,
    SockstackError,
    TooBig,
)
from sockstack.core.layer import MANY, wire
from sockstack.core.marks import LOCAL_ADDRESS, PEER_PROTOCOL
from sockstack.core.spec import Build, Role
from sockstack.layers.sp import PROTOCOL_NAMES, CarriedSp, Sp, StreamSp
from sockstack.patterns.reqrep import Req

from ..core.rig import Bottom, Nowhere, Recorder, rig

REQ = bytes.fromhex("0053500000300000")
REP = bytes.fromhex("0053500000310000")

TCP = Capabilities(Unit.STREAM)
IPC = Capabilities(Unit.STREAM, features=frozenset({"sp_type_octet"}))
CARRY = Capabilities(Unit.MESSAGE, empty_unit=True, features=frozenset({"carry"}))

octets = pytest.mark.parametrize("octet", [False, True], ids=["tcp", "ipc"])


class Eager(Recorder):
    """Notes when it is opened, and gives credit there, as a pipe does."""

    def __init__(self, credit: int = MANY) -> None:
        super().__init__()
        self.credit = credit

    def opened(self, record: Capabilities) -> None:
        self.log.append("opened")
        if self.credit:
            self.below.want(self.credit)


def started(octet: bool = False, max_size: int = 1000, credit: int = MANY) -> Any:
    """A REQ's end of a connection on which nothing has arrived: (layer, top, bottom)."""
    layer = StreamSp(0x30, 0x31, max_size, octet)
    top, bottom = Eager(credit), Bottom()
    wire(top, [layer, bottom])
    layer.opened(TCP)
    return layer, top, bottom


def framed(octet: bool, *bodies: bytes) -> bytes:
    kind = b"\1" if octet else b""
    return b"".join(kind + len(body).to_bytes(8, "big") + body for body in bodies)


# The description.


def test_what_it_gives() -> None:
    record = Sp(max_size=5000).derive(TCP.but(features=frozenset({"fd_pass", "peer_cred"})))
    assert (record.unit, record.head, record.max_unit) == (Unit.MESSAGE, 8, 5000)
    assert record.empty_unit
    assert record.features == frozenset({"peer_cred", "sp"})
    assert Sp().derive(IPC).head == 9
    assert Sp().derive(CARRY) == CARRY.but(features=frozenset({"sp"}))


@pytest.mark.parametrize(("below", "kind"), [(TCP, StreamSp), (IPC, StreamSp), (CARRY, CarriedSp)])
def test_what_is_built(below: Capabilities, kind: type) -> None:
    layer = Sp().build(Build(Role.DIALER, below, (Req(), Sp()), 1, Nowhere()))
    assert type(layer) is kind


def test_it_needs_a_pattern() -> None:
    with pytest.raises(LocalProtocolError, match="needs a pattern"):
        Sp().build(Build(Role.DIALER, TCP, (Sp(),), 0, Nowhere()))


def test_the_record_decides_about_the_type_octet() -> None:
    for below, head in ((TCP, b""), (IPC, b"\1")):
        layer = Sp().build(Build(Role.DIALER, below, (Req(), Sp()), 1, Nowhere()))
        _, bottom = rig(layer)
        layer.send([b"ping"])
        assert b"".join(bottom.sent) == head + b"\0\0\0\0\0\0\0\4ping"


# The hello.


@octets
def test_the_hello_goes_out_at_once_and_alone(octet: bool) -> None:
    layer, top, bottom = started(octet)
    assert bottom.sent == [REQ]
    assert bottom.credit == MANY
    assert top.log == []
    assert layer.get(PEER_PROTOCOL) is None
    layer.receive([REP])
    assert top.log == ["opened"]
    assert layer.get(PEER_PROTOCOL) == 0x31
    assert layer.get(LOCAL_ADDRESS) is None
    assert bottom.sent == [REQ]


@octets
def test_hello_and_messages_split_at_every_byte(octet: bool) -> None:
    units = [b"", b"a", b"bc" * 9, b"def"]
    data = REP + framed(octet, *units)
    for cut in range(len(data) + 1):
        layer, top, _ = started(octet)
        for part in (data[:cut], data[cut:]):
            if part:
                layer.receive([part])
        assert top.log == ["opened"] + ["unit"] * 4
        assert top.units == units
    layer, top, _ = started(octet)
    for byte in data:
        layer.receive([bytes([byte])])
    assert top.log == ["opened"] + ["unit"] * 4
    assert top.units == units
    assert layer.leftover() == []


@octets
@pytest.mark.parametrize("repeat", [0, 1, 2])
def test_messages_split_at_every_byte_after_the_hello(octet: bool, repeat: int) -> None:
    """The hello, and some messages of one size, come alone; the short way for these is taken by no others."""
    same = framed(octet, b"12345678")
    units = [b"x" * 12, b"", b"12345678", b"y" * 17]
    data = framed(octet, *units)
    for cut in range(1, len(data)):
        layer, top, _ = started(octet)
        layer.receive([REP])
        for _ in range(repeat):
            layer.receive([same])
        layer.receive([data[:cut]])
        layer.receive([data[cut:]])
        assert top.units == [b"12345678"] * repeat + units


@octets
def test_a_body_that_looks_like_the_last_message_is_a_body(octet: bool) -> None:
    layer, top, _ = started(octet)
    head = framed(octet, b"x" * 30)[:-30]
    body = b"head" + head + b"x" * (26 - len(head))
    data = framed(octet, body, b"next")
    layer.receive([REP + data[: len(head) + 4]])
    layer.receive([data[len(head) + 4 :]])  # as long as the message itself, and begins like it
    assert top.units == [body, b"next"]


def test_a_length_that_goes_on_like_the_last_one_is_another_length() -> None:
    layer, top, _ = started(max_size=1 << 40)
    same = framed(False, b"12345678")
    layer.receive([REP + same])
    layer.receive([bytes(4)])
    layer.receive([same])  # the rest of an empty message, and the beginning of one of 32 GiB
    assert top.units == [b"12345678", b""]
    assert layer.leftover() == [same[4:]]


@octets
def test_messages_of_one_size_that_come_one_by_one_keep_to_the_credit(octet: bool) -> None:
    layer, top, bottom = started(octet, credit=2)
    layer.receive([REP])
    for number in b"1", b"2":
        layer.receive([framed(octet, number)])
    assert bottom.credit == 0
    layer.receive([framed(octet, b"3")])
    layer.receive([framed(octet, b"4")])
    assert top.units == [b"1", b"2"]
    top.below.want(MANY)
    layer.receive([framed(octet, b"5"), framed(octet, b"6")])
    assert top.units == [b"1", b"2", b"3", b"4", b"5", b"6"]


@pytest.mark.parametrize(
    ("hello", "kind", "text"),
    [
        (b"GET / HT", RemoteProtocolError, "does not speak SP: it began with b'GET / HT'"),
        (b"\x00SP\x01\x00\x31\x00\x00", RemoteProtocolError, "does not speak SP"),
        (b"\x00sp\x00\x00\x31\x00\x00", RemoteProtocolError, "does not speak SP"),
        (b"\x00SP\x00\x00\x31\x00\x01", RemoteProtocolError, "reserved octets .* 0x0001"),
        (b"\x00SP\x00\x00\x31\xff\x00", RemoteProtocolError, "reserved octets .* 0xff00"),
        (b"\x00SP\x00\x00\x30\x00\x00", IncompatiblePeer, r"is req \(0x0030\), and only rep"),
        (b"\x00SP\x00\x00\x21\x00\x00", IncompatiblePeer, r"is sub \(0x0021\)"),
        (b"\x00SP\x00\x31\x00\x00\x00", IncompatiblePeer, r"is unknown \(0x3100\)"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_hellos_that_are_refused(
    hello: bytes, kind: type[RemoteProtocolError], text: str, whole: bool
) -> None:
    layer, top, bottom = started()
    for part in [hello + framed(False, b"m")] if whole else [bytes([byte]) for byte in hello]:
        if not top.errors:
            layer.receive([part])
    assert top.log == ["broken"]
    assert type(top.errors[0]) is kind
    if whole:
        assert re.search(text, str(top.errors[0]))
    assert bottom.calls == ["abort"]
    assert bottom.sent == [REQ]
    assert layer.leftover() == []


def test_a_stranger_is_known_by_his_first_wrong_octet() -> None:
    for index, good in enumerate(REP[:4]):
        layer, top, bottom = started()
        layer.receive([REP[:index] + bytes([good ^ 0x20])])
        assert bottom.calls == ["abort"]
        assert "does not speak SP" in str(top.errors[0])


@pytest.mark.parametrize("size", range(8))
def test_a_peer_that_leaves_before_its_hello_is_complete(size: int) -> None:
    layer, top, bottom = started()
    if size:
        layer.receive([REP[:size]])
    layer.ended()
    assert top.log == ["broken"]
    assert isinstance(top.errors[0], RemoteProtocolError)
    assert "before it had said what it is" in str(top.errors[0])
    assert bottom.calls == ["abort"]


def test_a_connection_that_breaks_before_the_hello() -> None:
    layer, top, _ = started()
    error = PeerAborted("cut")
    layer.broken(error)
    assert top.errors == [error]


@pytest.mark.parametrize("number", sorted(PROTOCOL_NAMES))
def test_only_the_one_peer_fits(number: int) -> None:
    layer, top, _ = started()
    layer.receive([b"\0SP\0" + number.to_bytes(2, "big") + b"\0\0"])
    assert top.log == (["opened"] if number == 0x31 else ["broken"])


def test_a_pipe_that_is_refused_when_it_opens_gets_nothing() -> None:
    layer, top, bottom = started()
    opened = top.opened

    def refuse(record: Capabilities) -> None:
        opened(record)
        top.below.abort()

    layer.above.opened = refuse
    layer.receive([REP + framed(False, b"one", b"two")])
    assert top.log == ["opened"]
    assert bottom.calls == ["abort"]
    assert layer.leftover() == []


# Framing.


@octets
def test_the_wire(octet: bool) -> None:
    layer, _, bottom = started(octet)
    layer.receive([REP])
    bottom.batches.clear()
    layer.send([b"hi", b"", (b"\x80\0\0\0", b"ping")])
    assert b"".join(bottom.sent) == framed(octet, b"hi", b"", b"\x80\0\0\0ping")


@octets
def test_a_large_message_is_not_copied(octet: bool) -> None:
    layer, _, bottom = started(octet)
    body = b"x" * 100_000
    layer.send([(b"\x80\0\0\0", body)])
    assert any(piece is body for piece in bottom.sent)
    assert b"".join(bottom.sent) == REQ + framed(octet, b"\x80\0\0\0" + body)


@octets
@pytest.mark.parametrize("size", [1001, 1 << 31, 1 << 62, (1 << 64) - 1])
def test_too_big_by_its_header_before_anything_is_kept(octet: bool, size: int) -> None:
    layer, top, bottom = started(octet, max_size=1000)
    layer.receive([REP + framed(octet, b"g" * 1000)])
    kind = b"\1" if octet else b""
    for byte in kind + size.to_bytes(8, "big"):
        assert bottom.calls == []
        layer.receive([bytes([byte])])
    assert top.log == ["opened", "unit", "broken"]
    error = top.errors[0]
    assert isinstance(error, TooBig)
    assert (error.limit, error.size) == (1000, size)
    assert "Sp(max_size=…)" in str(error)
    assert bottom.calls == ["abort"]
    assert layer.leftover() == []


@octets
def test_memory_follows_what_arrives(octet: bool) -> None:
    layer, top, _ = started(octet, max_size=1 << 62)
    head = (b"\1" if octet else b"") + (1 << 62).to_bytes(8, "big")
    layer.receive([REP + head + b"abc"])
    layer.receive([b"def"])
    assert top.units == []
    assert layer.leftover() == [head + b"abcdef"]


@octets
def test_a_big_message_in_pieces(octet: bool) -> None:
    body = bytes(range(256)) * 40
    data = framed(octet, body, b"next")
    for step in (1, 7, 1000, 9999):
        layer, top, _ = started(octet, max_size=1 << 20)
        layer.receive([REP])
        for start in range(0, len(data), step):
            layer.receive([data[start : start + step]])
        assert top.units == [body, b"next"]


@pytest.mark.parametrize("kind", [0, 2, 0x81, 0xFF])
def test_on_ipc_only_one_type_is_known(kind: int) -> None:
    layer, top, bottom = started(octet=True)
    layer.receive([REP + framed(True, b"good") + bytes([kind]) + b"\0\0\0\0\0\0\0\4evil"])
    assert top.log == ["opened", "unit", "broken"]
    assert top.units == [b"good"]
    assert f"message type 0x{kind:02x}" in str(top.errors[0])
    assert bottom.calls == ["abort"]


@octets
def test_an_end_between_messages_is_orderly_and_one_inside_is_not(octet: bool) -> None:
    data = framed(octet, b"ab")
    for cut in range(len(data) + 1):
        layer, top, _ = started(octet)
        layer.receive([REP + data[:cut]])
        layer.ended()
        if cut in (0, len(data)):
            assert top.log[-1] == "ended"
            assert top.errors == []
        else:
            assert isinstance(top.errors[0], PeerAborted)
            assert f"{cut} bytes into it" in str(top.errors[0])


@octets
def test_credit(octet: bool) -> None:
    layer, top, bottom = started(octet, credit=0)
    layer.receive([REP + framed(octet, b"1", b"2", b"3", b"4")])
    assert top.log == ["opened"]
    assert bottom.credit == 0
    top.below.want(2)
    assert top.units == [b"1", b"2"]
    assert bottom.credit == 0
    layer.ended()
    assert "ended" not in top.log
    top.below.want(1)
    assert top.units == [b"1", b"2", b"3"]
    top.below.want(MANY)
    assert top.units == [b"1", b"2", b"3", b"4"]
    assert top.log[-1] == "ended"
    assert bottom.credit == MANY


@octets
def test_credit_given_for_one_is_asked_of_the_stream_again(octet: bool) -> None:
    layer, top, bottom = started(octet, credit=1)
    layer.receive([REP])
    assert bottom.credit == MANY
    layer.receive([framed(octet, b"1")])
    assert bottom.credit == 0
    top.below.want(1)
    assert bottom.credit == MANY


def test_a_fault_behind_the_credit_waits_for_it() -> None:
    layer, top, bottom = started(credit=1)
    layer.receive([REP + framed(False, b"good") + b"\xff" * 8])
    assert top.log == ["opened", "unit"]
    assert bottom.calls == []
    top.below.want(1)
    assert top.log == ["opened", "unit", "broken"]


# Over messages.


class Carrying(Bottom):
    """A layer whose handshake takes names along."""

    def __init__(self, said: bytes | None) -> None:
        super().__init__()
        self.said = said
        self.told: dict[str, bytes] = {}

    def carry(self, name: str, data: bytes) -> None:
        assert self.calls == [], "carry came after open"
        self.told[name] = data

    def carried(self, name: str) -> bytes | None:
        return self.said if name == "sp" else None


def carried(said: bytes | None) -> tuple[CarriedSp, Eager, Carrying]:
    layer = CarriedSp(0x30, 0x31)
    top, bottom = Eager(), Carrying(said)
    wire(top, [layer, bottom])
    top.below.open()
    bottom.above.opened(CARRY)
    return layer, top, bottom


def test_the_identity_rides_in_the_handshake_and_messages_go_as_they_are() -> None:
    layer, top, bottom = carried(b"\x00\x31")
    assert bottom.told == {"sp": b"\x00\x30"}
    assert bottom.calls == ["open"]
    assert top.log == ["opened"]
    assert layer.get(PEER_PROTOCOL) == 0x31
    assert layer.get(LOCAL_ADDRESS) is None
    body = (b"\x80\0\0\0", b"ping")
    top.below.send([body, b""])
    assert bottom.sent == [body, b""]
    bottom.above.receive([b"pong", b""])
    assert top.units == [b"pong", b""]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (None, "has no SP pattern"),
        (b"", "has no SP pattern"),
        (b"\x31", "has no SP pattern"),
        (b"\x00\x31\x00", "has no SP pattern"),
        (b"\x00\x30", r"is req \(0x0030\)"),
        (b"\x31\x00", "unknown"),
    ],
)
def test_an_identity_that_does_not_fit(said: bytes | None, text: str) -> None:
    _, top, bottom = carried(said)
    assert top.log == ["broken"]
    assert bottom.calls == ["open", "abort"]
    with pytest.raises(IncompatiblePeer, match=text):
        raise top.errors[0]


# Whatever comes.


bodies = st.lists(
    st.one_of(st.binary(max_size=12), st.integers(0, 1000).map(lambda n: b"m" * n)), max_size=8
)


@octets
@given(units=bodies, data=st.data())
def test_what_is_sent_arrives_however_it_is_cut(
    octet: bool, units: list[bytes], data: st.DataObject
) -> None:
    near, _, bottom = started(octet)
    near.send(units)
    sent = REP + b"".join(bottom.sent)[8:]
    far, top, _ = started(octet)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        if stop > start:
            far.receive([sent[start:stop]])
    assert top.units == units
    assert top.log[0] == "opened"


@octets
@given(
    units=bodies,
    tail=st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    greeted=st.booleans(),
)
def test_hostile_bytes_raise_only_declared_errors_and_the_good_ones_come_first(
    octet: bool, units: list[bytes], tail: list[bytes], greeted: bool
) -> None:
    layer, top, bottom = started(octet, max_size=1000)
    good = framed(octet, *units)
    for piece in [REP + good, *tail] if greeted else tail:
        if not top.errors:
            layer.receive([piece])
    if not top.errors:
        layer.ended()
    if greeted:
        assert top.units[: len(units)] == units
    assert all(len(unit) <= 1000 for unit in top.units)
    assert len(top.errors) <= 1
    assert all(isinstance(e, RemoteProtocolError | PeerAborted) for e in top.errors)
    assert all(isinstance(e, SockstackError) and e.layer is not None for e in top.errors)
    assert bottom.calls == (["abort"] if top.errors else [])
    assert top.log[-1] in ("broken", "ended")
