"""A stream over a descriptor: what is written when, what waits, and how it ends."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import PeerAborted, SockstackError
from sockstack.core.layer import MANY
from sockstack.transports.link import GATHER, READ_SIZE, StreamLink

from ..core.rig import Recorder
from .fakes import SelectHub, free_sockets, open_link

STREAM = Capabilities(Unit.STREAM)


class End:
    """A link on a hub, its receiver, and the peer's plain socket."""

    def __init__(self, hub: SelectHub, credit: int = MANY, small: bool = False) -> None:
        here, self.peer = free_sockets()
        here.setblocking(False)
        if small:
            here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.hub = hub
        self.sock = here
        self.link: StreamLink[socket.socket] = StreamLink(hub, here, STREAM)
        self.top = open_link(self.link, credit)

    def turn(self, *units: bytes) -> None:
        """Send inside a turn."""
        self.hub.turn(lambda: self.link.send(list(units)))

    def arrived(self, size: int) -> bytes:
        """So many bytes as the peer gets them, while the hub goes on."""
        self.peer.setblocking(False)
        data = b""
        while len(data) < size:
            self.hub.look()
            try:
                data += self.peer.recv(size - len(data))
            except BlockingIOError:
                pass
        return data

    def close(self) -> None:
        self.link.abort()
        self.peer.close()


@pytest.fixture
def ends(hub: SelectHub) -> Iterator[Callable[..., End]]:
    with ExitStack() as stack:

        def make(**how: Any) -> End:
            end = End(hub, **how)
            stack.callback(end.close)
            return end

        yield make


Ends = Callable[..., End]


class TestWriting:
    def test_one_unit_outside_a_turn_is_written_at_once(self, ends: Ends) -> None:
        end = ends()
        end.link.send([b"now"])
        assert end.peer.recv(10) == b"now"
        assert end.link.unsent == 0

    def test_several_units_outside_a_turn_too(self, ends: Ends) -> None:
        end = ends()
        end.link.send([b"one", b"", b"two"])
        assert end.peer.recv(10) == b"onetwo"

    def test_in_a_turn_it_is_written_when_the_turn_ends(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.peer.setblocking(False)

        def turn() -> None:
            end.link.send([b"a"])
            end.link.send([b"b", b"c"])
            assert end.link.unsent == 3
            with pytest.raises(BlockingIOError):
                end.peer.recv(10)

        hub.turn(turn)
        assert end.peer.recv(10) == b"abc"
        assert end.link.unsent == 0
        end.link.send([b"d"])
        assert end.peer.recv(10) == b"d", "after the turn it is written at once again"

    @given(
        sizes=st.lists(st.sampled_from([0, 0, 1, 7, 5000, 70_000]), max_size=12),
        turning=st.booleans(),
    )
    def test_any_chunks_arrive_joined(self, sizes: list[int], turning: bool) -> None:
        hub = SelectHub()
        end = End(hub, small=True)
        units = [os.urandom(size) for size in sizes]
        if turning:
            end.turn(*units)
        else:
            end.link.send(units)
        whole = b"".join(units)
        assert end.arrived(len(whole)) == whole
        hub.quiet()
        assert end.link.unsent == 0
        assert not hub.needy
        end.close()
        hub.selector.close()

    def test_more_chunks_than_one_call_takes(self, ends: Ends) -> None:
        end = ends()
        units = [bytes([number % 256]) for number in range(3 * GATHER + 5)]
        end.turn(*units)
        assert end.peer.recv(2000) == b"".join(units)

    def test_nothing_but_empty_chunks(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.turn(b"", b"", b"")
        end.link.send([b""])
        assert end.link.unsent == 0
        assert end.top.log == []

    def test_what_the_kernel_does_not_take_waits(self, ends: Ends, hub: SelectHub) -> None:
        end = ends(small=True)
        data = os.urandom(300_000)
        end.link.send([data])
        assert end.top.log == ["writable False"]
        assert 0 < end.link.unsent < len(data)
        assert hub.needy, "it is written while no caller waits"
        end.link.send([b"behind"])
        assert end.top.log == ["writable False"], "said once"
        assert end.arrived(len(data) + 6) == data + b"behind"
        hub.quiet()
        assert end.top.log == ["writable False", "writable True"]
        assert end.link.unsent == 0
        assert not hub.needy
        end.link.send([b"direct"])
        assert end.peer.recv(10) == b"direct"

    def test_the_same_from_inside_a_turn(self, ends: Ends, hub: SelectHub) -> None:
        end = ends(small=True)
        data = os.urandom(300_000)
        end.turn(data[:100_000], data[100_000:])
        assert end.top.log == ["writable False"]
        assert end.arrived(len(data)) == data
        hub.quiet()
        assert end.top.log == ["writable False", "writable True"]


class TestReading:
    def test_only_with_credit(self, ends: Ends, hub: SelectHub) -> None:
        end = ends(credit=0)
        end.peer.sendall(b"early")
        hub.quiet()
        assert end.top.units == []
        assert hub.watches[0].mask == 0, "without credit it is not looked at"
        end.link.want(1)
        hub.quiet()
        assert end.top.units == [b"early"]
        end.link.want(0)
        end.peer.sendall(b"late")
        hub.quiet()
        assert end.top.units == [b"early"]
        end.link.want(MANY)
        hub.quiet()
        assert end.top.units == [b"early", b"late"]

    def test_credit_taken_back_from_inside_receive(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.top.on_receive = lambda units: end.link.want(0)
        end.peer.sendall(b"1")
        hub.quiet()
        end.peer.sendall(b"2")
        hub.quiet()
        assert end.top.units == [b"1"]

    def test_one_read_takes_no_more_than_its_size(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.peer.setblocking(False)
        sent = end.peer.send(os.urandom(4 * READ_SIZE))
        hub.until(lambda: sum(map(len, end.top.units)) == sent)
        assert max(map(len, end.top.units)) <= READ_SIZE

    def test_a_readiness_that_was_none(self, ends: Ends) -> None:
        end = ends()
        end.link.on_readable()
        assert end.top.log == []


class TestEnding:
    def test_the_peers_end_is_told_once(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.peer.sendall(b"last")
        end.peer.shutdown(socket.SHUT_WR)
        hub.quiet()
        assert end.top.log == ["unit", "ended"]
        assert end.link.remote_ended
        end.link.want(0)
        end.link.want(MANY)
        hub.quiet()
        assert end.top.log == ["unit", "ended"]
        end.link.send([b"still open this way"])
        assert end.peer.recv(100) == b"still open this way"

    def test_our_end(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.link.send([b"last"])
        end.link.end()
        end.link.end()
        end.link.send([b"never"])
        end.turn(b"never")
        with end.peer.makefile("rb") as file:
            assert file.read() == b"last"
        end.peer.sendall(b"answer")
        hub.quiet()
        assert end.top.units == [b"answer"]

    def test_our_end_comes_after_what_waits(self, ends: Ends, hub: SelectHub) -> None:
        end = ends(small=True)
        data = os.urandom(300_000)
        end.link.send([data])
        end.link.end()
        assert end.arrived(len(data)) == data
        hub.quiet()
        assert end.peer.recv(1) == b""
        assert end.top.log == ["writable False", "writable True"], "who drains is told too"
        assert not hub.needy

    def test_our_end_in_a_turn_comes_after_what_was_sent_in_it(
        self, ends: Ends, hub: SelectHub
    ) -> None:
        end = ends()

        def turn() -> None:
            end.link.send([b"last"])
            end.link.end()

        hub.turn(turn)
        with end.peer.makefile("rb") as file:
            assert file.read() == b"last"

    def test_our_end_in_a_turn_whose_bytes_do_not_fit(self, ends: Ends, hub: SelectHub) -> None:
        end = ends(small=True)
        data = os.urandom(300_000)

        def turn() -> None:
            end.link.send([data])
            end.link.end()

        hub.turn(turn)
        assert end.arrived(len(data)) == data
        hub.quiet()
        assert end.peer.recv(1) == b""

    def test_end_of_what_is_closed(self, ends: Ends) -> None:
        end = ends()
        end.link.abort()
        end.link.end()
        assert end.top.log == []

    def test_abort_closes_and_says_nothing(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.link.abort()
        end.link.abort()
        assert end.peer.recv(1) == b""
        assert end.link.socket is None
        assert end.sock.fileno() == -1
        assert hub.watches == []
        end.link.send([b"too late"])
        end.turn(b"and ", b"this")
        end.link.want(1)
        assert end.top.log == []
        assert end.link.unsent == 16

    def test_abort_with_bytes_that_wait(self, ends: Ends, hub: SelectHub) -> None:
        end = ends(small=True)
        end.link.send([bytes(300_000)])
        unsent = end.link.unsent
        end.link.abort()
        assert end.link.unsent == unsent > 0, "these never will be written"
        assert not hub.needy

    def test_last_words(self, ends: Ends, hub: SelectHub) -> None:
        """What was sent in the same turn before the connection was cut: an alert, perhaps."""
        end = ends()

        def turn() -> None:
            end.link.send([b"good"])
            end.link.send([b"bye"])
            end.link.abort()

        hub.turn(turn)
        with end.peer.makefile("rb") as file:
            assert file.read() == b"goodbye"
        assert end.link.unsent == 0, "the kernel has them"
        assert end.top.log == []

    def test_last_words_that_do_not_fit(self, ends: Ends, hub: SelectHub) -> None:
        end = ends(small=True)
        data = os.urandom(300_000)

        def turn() -> None:
            end.link.send([data[:2], data[2:]])
            end.link.abort()

        hub.turn(turn)
        with end.peer.makefile("rb") as file:
            got = file.read()
        assert data.startswith(got)
        assert end.link.unsent == len(data) - len(got) > 0

    def test_last_words_to_nobody(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.peer.close()

        def turn() -> None:
            end.link.send([b"bye"])
            end.link.abort()

        hub.turn(turn)
        assert end.top.log == []
        assert end.link.unsent == 3


class TestBreaking:
    def tcp(self, hub: SelectHub) -> tuple[StreamLink[socket.socket], Recorder, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            here = socket.create_connection(server.getsockname())
            peer, _ = server.accept()
        here.setblocking(False)
        link: StreamLink[socket.socket] = StreamLink(hub, here, STREAM)
        return link, open_link(link), peer

    def reset(self, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()

    def test_a_reset_is_told_once(self, hub: SelectHub) -> None:
        link, top, peer = self.tcp(hub)
        link.path = "link"
        self.reset(peer)
        hub.until(lambda: top.errors)
        hub.quiet()
        assert top.log == ["broken"]
        assert isinstance(top.errors[0], PeerAborted)
        assert "the connection was cut" in str(top.errors[0])
        assert "[link in link]" in str(top.errors[0])
        assert isinstance(top.errors[0].__cause__, ConnectionResetError)
        assert link.socket is None
        assert hub.watches == []
        assert link.unsent == 0

    def test_found_dead_on_the_way_down(self, hub: SelectHub) -> None:
        link, top, peer = self.tcp(hub)
        self.reset(peer)
        link.send([b"lost"])
        assert top.log == ["broken"]
        assert link.unsent == 4
        link.send([b"ignored", b"ignored"])
        hub.quiet()
        assert top.log == ["broken"]
        assert link.unsent == 18, "it goes nowhere, and is counted"

    def test_found_dead_when_the_turn_ends(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.peer.close()
        end.turn(b"lo", b"st")
        assert end.top.log == ["broken"]
        assert end.link.unsent == 4
        assert not hub.needy

    def test_found_dead_with_several_units(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        end.peer.close()
        end.link.send([b"lo", b"st"])
        assert end.top.log == ["broken"]
        assert end.link.unsent == 4
        assert not hub.needy

    def test_reset_with_bytes_that_wait(self, ends: Ends, hub: SelectHub) -> None:
        end = ends(small=True)
        end.link.send([bytes(300_000)])
        end.link.want(0)
        unsent = end.link.unsent
        end.peer.close()
        hub.quiet()
        assert end.top.log == ["writable False", "broken"]
        assert 0 < end.link.unsent <= unsent
        assert not hub.needy

    def test_a_layer_that_raises_costs_its_connection_only(
        self, ends: Ends, hub: SelectHub, caplog: pytest.LogCaptureFixture
    ) -> None:
        bad, good = ends(), ends()

        def raises(units: list[bytes]) -> None:
            raise ZeroDivisionError("a bug")

        bad.top.on_receive = raises
        for end in (bad, good):
            end.peer.sendall(b"x")
        with caplog.at_level(logging.CRITICAL, logger="sockstack"):
            hub.quiet()
        assert bad.top.log == ["unit", "broken"]
        assert type(bad.top.errors[0]) is SockstackError
        assert "internal fault: ZeroDivisionError('a bug')" in str(bad.top.errors[0])
        assert isinstance(bad.top.errors[0].__cause__, ZeroDivisionError)
        assert bad.peer.recv(1) == b""
        assert good.top.log == ["unit"]
        good.peer.sendall(b"y")
        hub.quiet()
        assert good.top.units == [b"x", b"y"]

    @pytest.mark.parametrize("call", ["ended", "writable"])
    def test_so_does_one_that_raises_at_other_calls(
        self, ends: Ends, hub: SelectHub, caplog: pytest.LogCaptureFixture, call: str
    ) -> None:
        end = ends(small=True)

        def raises(*anything: object) -> None:
            raise ZeroDivisionError("a bug")

        end.link.send([bytes(300_000)])
        setattr(end.link.above, call, raises)
        if call == "ended":
            end.peer.shutdown(socket.SHUT_WR)
        else:
            end.arrived(300_000)
        with caplog.at_level(logging.CRITICAL, logger="sockstack"):
            hub.quiet()
        assert end.top.log == ["writable False", "broken"]
        assert "internal fault: ZeroDivisionError('a bug')" in str(end.top.errors[0])
        assert end.link.socket is None
        assert hub.watches == []

    def test_never_opened(self, hub: SelectHub) -> None:
        here, peer = free_sockets()
        link: StreamLink[socket.socket] = StreamLink(hub, here, STREAM)
        link.abort()
        link.open()
        assert hub.watches == []
        assert peer.recv(1) == b""
        peer.close()


class TestMoving:
    def test_with_bytes_that_wait_and_without_credit(self, ends: Ends, hub: SelectHub) -> None:
        end, other = ends(small=True, credit=0), SelectHub()
        end.peer.sendall(b"held")
        hub.quiet()
        data = os.urandom(300_000)
        end.link.send([data])
        end.link.move(other)
        assert hub.watches == []
        assert not hub.needy
        assert other.needy
        end.hub = other
        assert end.arrived(len(data)) == data
        other.quiet()
        assert end.top.log == ["writable False", "writable True"]
        assert not other.needy
        end.link.want(1)
        other.quiet()
        assert end.top.units == [b"held"]
        end.link.abort()
        other.selector.close()

    def test_after_the_peers_end(self, ends: Ends, hub: SelectHub) -> None:
        end, other = ends(), SelectHub()
        end.peer.shutdown(socket.SHUT_WR)
        hub.quiet()
        end.link.move(other)
        other.quiet()
        assert end.top.log == ["ended"], "it is not told again"
        end.link.abort()
        other.selector.close()

    def test_a_closed_one(self, ends: Ends) -> None:
        end, other = ends(), SelectHub()
        end.link.abort()
        end.link.move(other)
        assert other.watches == []
        other.selector.close()

    def test_release_gives_the_socket_away(self, ends: Ends, hub: SelectHub) -> None:
        end = ends()
        sock = end.link.release()
        assert sock is end.sock
        assert hub.watches == []
        assert end.link.release() is None
        end.link.abort()
        end.link.send([b"not ours to write"])
        assert end.link.unsent == 17
        sock.send(b"alive")
        assert end.peer.recv(10) == b"alive"
        sock.close()

    def test_a_forked_child_closes_its_copy_without_a_word(
        self, ends: Ends, hub: SelectHub
    ) -> None:
        end = ends()
        end.link.send([b"before"])
        parents = end.sock.dup()
        watch = hub.watches[0]
        assert watch.forked is not None
        watch.forked()
        assert end.sock.fileno() == -1
        end.link.send([b"never"])
        end.link.abort()
        assert end.top.log == [], "nor to who stands above"
        parents.send(b", after")
        parents.close()
        with end.peer.makefile("rb") as file:
            assert file.read() == b"before, after"

    def test_what_waits_is_the_parents_to_write(self, ends: Ends) -> None:
        end = ends(small=True)
        end.link.send([bytes(300_000)])
        assert end.link.unsent
        end.link.forked()
        assert end.link.unsent == 0
