"""The small mux: the kit for muxes, and what is on its wire."""

from __future__ import annotations

from typing import Any

import pytest

from sockstack import StackError
from sockstack.core.capabilities import Capabilities, HalfClose, Unit
from sockstack.core.errors import LocalProtocolError, PeerAborted, RemoteProtocolError
from sockstack.core.session import SessionCore
from sockstack.testing import Memory, MuxKit, Pair, SmallMux, connect
from sockstack.testing.lanes import Sign
from sockstack.testing.mux import (
    DATA,
    END,
    HEAD,
    HELLO,
    MAGIC,
    OPEN,
    RESET,
    WINDOW,
    SmallMuxLayer,
)

head = HEAD.pack


class TestSmallMux(MuxKit):
    window = 65536
    limit = 5
    garbage = (
        head(9, 1, 0),
        head(0, 1, 0),
        head(0, 2, 0),
        head(0, 3, 1),
        head(1, 1, 65537),
        head(1, 1, 0),
        head(1, 99, 5),
        head(2, 1, 4) + b"\xff" * 4,
        head(2, 1, 3),
        head(3, 1, 0) * 2,
        head(3, 1, 0) + head(1, 1, 1),
        head(4, 77, 0),
    )

    def make(self) -> SmallMux:
        return SmallMux()

    def make_limited(self) -> SmallMux:
        return SmallMux(streams=5)


class TestSmallWindow(MuxKit):
    window = 100
    one_by_one = 50

    def make(self) -> SmallMux:
        return SmallMux(window=100)


def session(**options: Any) -> Pair[SessionCore, SessionCore]:
    """Two sessions back to back."""
    options.setdefault("tops", (SessionCore(), SessionCore()))
    return connect(SmallMux(), **options)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"window": 0}, "a window is 1 to"),
        ({"window": 1 << 31}, "a window is 1 to"),
        ({"streams": 0}, "at least 1 stream"),
    ],
)
def test_options_that_cannot_work(options: dict[str, int], what: str) -> None:
    with pytest.raises(StackError, match=what):
        SmallMux(**options)


def test_what_it_promises() -> None:
    below = Capabilities(Unit.STREAM, features=frozenset({"fd_pass", "sp_type_octet", "alpn"}))
    record = SmallMux().derive(below)
    assert record.unit is Unit.MUX
    assert record.half_close is HalfClose.NATIVE
    assert record.features == {"alpn"}
    assert record.head == HEAD.size


def test_on_the_wire() -> None:
    pair = session()
    link = pair.near.open_stream()
    assert link.open is not None
    assert b"".join(pair.links[0].sent) == HELLO.pack(MAGIC, 65536) + head(OPEN, 1, 0)
    assert pair.links[1].sent == [HELLO.pack(MAGIC, 65536)]


def test_windows_may_differ() -> None:
    """Each side keeps to the window that the other has told."""
    pair = connect(SmallMux(window=10), SmallMux(window=1000), tops=(SessionCore(), SessionCore()))
    kit = TestSmallMux()
    here, there = kit.streams(pair, credit=0)
    here.want(0)
    there.send(b"x" * 50)
    here.send(b"y" * 2000)
    pair.run()
    assert here.chain.unsent == 1000
    assert there.chain.unsent == 40
    for top in (here, there):
        top.want(1)
    pair.run()
    assert here.data == b"x" * 50
    assert there.data == b"y" * 2000


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 400 Bad Request\r\n", b"SMX\x02" + bytes(4), b"S\0", b"SMXS"],
)
def test_a_peer_that_is_something_else(start: bytes) -> None:
    pair = session(run=False)
    pair.open()
    pair.links[1].lane.clear()
    pair.links[1].forge(start)
    pair.run()
    assert isinstance(pair.near.error, RemoteProtocolError)
    assert "SmallMux" in str(pair.near.error)


@pytest.mark.parametrize("said", [b"", b"SMX"])
def test_a_peer_that_leaves_before_it_has_greeted(said: bytes) -> None:
    pair = session(run=False)
    pair.near.chain.open()
    pair.links[1].forge(said)
    pair.links[1]._sign = Sign.ENDED
    pair.run()
    assert isinstance(pair.near.error, PeerAborted)
    assert "before it had said what it is" in str(pair.near.error)


def test_a_session_that_ends_inside_a_frame() -> None:
    for piece in (head(DATA, 1, 5) + b"abc", head(DATA, 1, 5)[:4]):
        pair = session()
        stream = TestSmallMux().streams(pair)[1]
        pair.links[0].forge(piece)
        pair.links[0].end()
        pair.run()
        assert isinstance(pair.far.error, PeerAborted)
        assert "in the middle of a frame" in str(pair.far.error)
        assert isinstance(stream.error, PeerAborted)


def test_frames_for_streams_that_are_over_are_ignored() -> None:
    pair = session()
    kit = TestSmallMux()
    _, there = kit.streams(pair)
    there.abort()
    pair.run()
    sent = pair.links[1].sent
    sent.clear()
    pair.links[0].forge(head(WINDOW, 1, 4) + b"\0\0\0\1", head(END, 1, 0), head(RESET, 1, 0))
    pair.run()
    assert sent == []
    pair.links[0].forge(head(DATA, 1, 6) + b"ab", b"cdef" + head(END, 1, 0))
    pair.run()
    assert sent == [head(RESET, 1, 0)]
    assert pair.far.error is None
    kit.streams(pair)


def test_who_sends_and_does_not_read_is_cut_off() -> None:
    """Answers pile up for a peer that causes them and reads none; only so many are kept."""
    pair = session(high=100)
    pair.links[0].want(0)
    for number in range(1, 100_000, 2):
        pair.links[0].forge(head(OPEN, number, 0))
        pair.run()
        link = pair.far.take_stream()
        assert link is not None
        link.abort()
        if pair.far.error is not None:
            break
    assert isinstance(pair.far.error, RemoteProtocolError)
    assert "does not read" in str(pair.far.error)


def test_ids_are_used_up_one_day() -> None:
    pair = session()
    mux = pair.near.mux
    assert isinstance(mux, SmallMuxLayer)
    mux._next[1] = 0xFFFFFFFF
    pair.near.open_stream()
    with pytest.raises(LocalProtocolError, match="used up its stream ids"):
        pair.near.open_stream()


def test_as_text() -> None:
    assert str(SmallMux(window=1000) | Memory()) == "smallmux(window=1000) | memory"
