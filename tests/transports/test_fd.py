"""What the caller brings: sockets, descriptors, pipes and terminals."""

from __future__ import annotations

import errno
import os
import pty
import socket
import struct
import tty
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from sockstack.core.errors import EndpointError, PeerAborted, StackError
from sockstack.core.marks import LOCAL_ADDRESS, PEER_ADDRESS, PEER_CREDENTIALS
from sockstack.transports.fd import Fd, PairLink, SocketLink

from ..core.rig import Recorder
from .fakes import Dialing, SelectHub, free_sockets, open_link


@pytest.fixture
def fds() -> Iterator[list[int]]:
    """Descriptors to close when the test is over, if they are still open."""
    made: list[int] = []
    yield made
    for fd in made:
        with suppress(OSError):
            os.close(fd)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def opened(hub: SelectHub, source: Any) -> tuple[Any, Recorder]:
    link = Dialing(hub, Fd(source)).link()
    return link, open_link(link)


class Pipes:
    """Our end of two pipes, and the peer's."""

    def __init__(self, fds: list[int]) -> None:
        self.reader, self.feed = os.pipe()
        self.drain, self.writer = os.pipe()
        fds += [self.reader, self.feed, self.drain, self.writer]


@pytest.fixture
def pipes(fds: list[int]) -> Pipes:
    return Pipes(fds)


class TestSockets:
    @pytest.mark.parametrize("by_number", [False, True])
    def test_both_ways_until_both_ends(self, hub: SelectHub, by_number: bool) -> None:
        here, peer = free_sockets()
        number = here.fileno()
        link, top = opened(hub, here.detach() if by_number else here)
        assert isinstance(link, SocketLink)
        if not by_number:
            assert here.fileno() == -1, "it was taken over"
        link.send([b"ping"])
        assert peer.recv(10) == b"ping"
        peer.sendall(b"pong")
        hub.quiet()
        assert top.units == [b"pong"]
        link.end()
        assert peer.recv(10) == b""
        peer.close()
        hub.quiet()
        assert top.log == ["unit", "ended"]
        link.abort()
        assert not is_open(number), "closed with the connection"
        assert hub.watches == []

    def test_a_blocking_one_is_made_not_to(self, hub: SelectHub) -> None:
        here, peer = free_sockets()
        here.settimeout(5)
        link, _ = opened(hub, here)
        assert link.socket.gettimeout() == 0
        link.abort()
        peer.close()

    def test_closed(self, hub: SelectHub) -> None:
        here, peer = free_sockets()
        here.close()
        peer.close()
        error = Dialing(hub, Fd(here)).error()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.EBADF
        assert str(error) == (
            "cannot use the descriptor: the socket is closed, or was taken over already [fd]"
        )

    def test_addresses_of_another_family(
        self, hub: SelectHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A virtual machine's (vsock) has two numbers, and no host."""
        here, peer = free_sockets()
        link, _ = opened(hub, here)

        class Vsock:
            family = -1

            def getpeername(self) -> tuple[int, int]:
                return (3, 1024)

        with monkeypatch.context() as patch:
            patch.setattr(link, "_sock", Vsock())
            assert link.get(PEER_ADDRESS) == "(3, 1024)"
        link.abort()
        peer.close()

    def test_taken_over_twice(self, hub: SelectHub) -> None:
        here, peer = free_sockets()
        spec = Fd(here)
        link = Dialing(hub, spec).link()
        error = Dialing(hub, spec).error()
        assert "taken over already" in str(error)
        link.abort()
        peer.close()

    def test_cancelled(self, hub: SelectHub) -> None:
        here, peer = free_sockets()
        dialing = Dialing(hub, Fd(here))
        dialing.attempt.cancel()
        hub.run()
        assert dialing.links == dialing.errors == []
        assert here.fileno() >= 0, "it is still the caller's"
        here.close()
        peer.close()

    def test_addresses_of_a_tcp_socket(self, hub: SelectHub) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            here = socket.create_connection(server.getsockname())
            peer, _ = server.accept()
        host, port = here.getsockname()
        link, top = opened(hub, here)
        assert link.get(LOCAL_ADDRESS) == f"{host}:{port}"
        assert link.get(PEER_ADDRESS) == "{}:{}".format(*peer.getsockname())
        assert link.get(PEER_CREDENTIALS) is None
        link.want(0)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        assert link.get(PEER_ADDRESS) is None, "reset: nobody is there"
        link.want(1)
        hub.until(lambda: top.errors)
        assert isinstance(top.errors[0], PeerAborted)
        assert link.get(LOCAL_ADDRESS) is None

    def test_addresses_of_an_unnamed_unix_socket(self, hub: SelectHub) -> None:
        here, peer = free_sockets()
        link, _ = opened(hub, here)
        assert link.get(LOCAL_ADDRESS) == link.get(PEER_ADDRESS) == ""
        link.abort()
        peer.close()


class TestPipes:
    def test_a_pair(self, hub: SelectHub, pipes: Pipes) -> None:
        link, top = opened(hub, (pipes.reader, pipes.writer))
        assert isinstance(link, PairLink)
        os.write(pipes.feed, b"in")
        hub.quiet()
        assert top.units == [b"in"]
        link.send([b"out"])
        hub.turn(lambda: link.send([b", ", b"", b"gathered"]))
        assert os.read(pipes.drain, 100) == b"out, gathered"
        link.abort()
        link.abort()
        assert not is_open(pipes.reader)
        assert not is_open(pipes.writer)
        assert hub.watches == []

    def test_ends(self, hub: SelectHub, pipes: Pipes) -> None:
        link, top = opened(hub, (pipes.reader, pipes.writer))
        link.send([b"last"])
        link.end()
        assert os.read(pipes.drain, 100) == b"last"
        assert os.read(pipes.drain, 100) == b""
        assert not is_open(pipes.writer)
        assert is_open(pipes.reader)
        os.write(pipes.feed, b"still")
        os.close(pipes.feed)
        hub.quiet()
        assert top.log == ["unit", "ended"]
        link.abort()
        assert hub.watches == []

    def test_a_descriptor_with_the_number_of_an_ended_output(
        self, hub: SelectHub, pipes: Pipes, fds: list[int]
    ) -> None:
        """The system gives the number to the next one who opens something; that one is not ours to touch."""
        link, _ = opened(hub, (pipes.reader, pipes.writer))
        link.end()
        assert [watch.fd for watch in hub.watches] == [pipes.reader]
        fds.append(os.dup2(pipes.feed, pipes.writer))
        link.abort()
        assert is_open(pipes.writer)

    def test_more_than_the_pipe_takes(self, hub: SelectHub, pipes: Pipes) -> None:
        link, top = opened(hub, (pipes.reader, pipes.writer))
        data = os.urandom(300_000)
        link.send([data])
        link.end()
        assert top.log == ["writable False"]
        got = b""
        while len(got) < len(data):
            got += os.read(pipes.drain, 65536)
            hub.look()
        assert got == data
        hub.quiet()
        assert os.read(pipes.drain, 1) == b""
        assert top.log == ["writable False", "writable True"]
        link.abort()

    def test_nobody_reads_any_more(self, hub: SelectHub, pipes: Pipes) -> None:
        link, top = opened(hub, (pipes.reader, pipes.writer))
        os.close(pipes.drain)
        link.send([b"lost"])
        assert top.log == ["broken"]
        assert isinstance(top.errors[0].__cause__, BrokenPipeError)
        assert link.unsent == 4
        assert hub.watches == []

    def test_moved(self, hub: SelectHub, pipes: Pipes) -> None:
        link, top = opened(hub, (pipes.reader, pipes.writer))
        other = SelectHub()
        data = bytes(100_000)
        link.send([data])
        link.move(other)
        assert hub.watches == []
        got = b""
        while len(got) < len(data):
            got += os.read(pipes.drain, 65536)
            other.look()
        os.write(pipes.feed, b"in")
        other.quiet()
        assert top.units == [b"in"]
        link.abort()
        other.selector.close()

    def test_addresses(self, hub: SelectHub, pipes: Pipes) -> None:
        link, _ = opened(hub, (pipes.reader, pipes.writer))
        assert link.get(PEER_ADDRESS) is None
        link.abort()

    @pytest.mark.parametrize("which", [0, 1])
    def test_one_is_closed(self, hub: SelectHub, pipes: Pipes, which: int) -> None:
        pair = (pipes.reader, pipes.writer)
        os.close(pair[which])
        error = Dialing(hub, Fd(pair)).error()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.EBADF

    def test_what_is_not_read_stays(self, hub: SelectHub, pipes: Pipes, fds: list[int]) -> None:
        """The pipe may be another program's next, as in ``(one; other) < file``; and waiting is what that expects."""
        shared = [os.dup(pipes.reader), os.dup(pipes.writer)]
        fds += shared
        link = Dialing(hub, Fd((pipes.reader, pipes.writer))).link()
        open_link(link, credit=0)
        os.write(pipes.feed, b"for another")
        hub.quiet()
        assert [*map(os.get_blocking, shared)] == [False, False]
        link.abort()
        assert [*map(os.get_blocking, shared)] == [True, True]
        assert os.read(shared[0], 100) == b"for another"

    def test_what_did_not_block_before_does_not_afterwards(
        self, hub: SelectHub, pipes: Pipes, fds: list[int]
    ) -> None:
        shared = os.dup(pipes.reader)
        fds.append(shared)
        os.set_blocking(shared, False)
        link, _ = opened(hub, (pipes.reader, pipes.writer))
        link.abort()
        assert not os.get_blocking(shared)


class TestOneDescriptor:
    def test_a_terminal(self, hub: SelectHub, fds: list[int]) -> None:
        outside, inside = pty.openpty()
        fds += [outside, inside]
        tty.setraw(inside)
        link, top = opened(hub, outside)
        assert isinstance(link, PairLink)
        link.send([b"typed"])
        assert os.read(inside, 100) == b"typed"
        os.write(inside, b"shown")
        hub.until(lambda: top.units)
        assert top.units == [b"shown"]
        link.abort()
        assert not is_open(outside)

    def test_a_terminal_that_hung_up_has_ended(self, hub: SelectHub, fds: list[int]) -> None:
        outside, inside = pty.openpty()
        fds += [outside]
        tty.setraw(inside)
        link, top = opened(hub, outside)
        os.write(inside, b"bye")
        os.close(inside)
        hub.until(lambda: "ended" in top.log)
        assert b"".join(top.units) == b"bye"
        link.abort()

    def test_our_end_leaves_the_input_open(self, hub: SelectHub, fds: list[int]) -> None:
        outside, inside = pty.openpty()
        fds += [outside, inside]
        tty.setraw(inside)
        link, top = opened(hub, outside)
        link.end()
        os.write(inside, b"on")
        hub.until(lambda: top.units)
        assert top.units == [b"on"]
        link.abort()

    def test_closed(self, hub: SelectHub) -> None:
        fd, other = os.pipe()
        os.close(fd)
        os.close(other)
        error = Dialing(hub, Fd(fd)).error()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.EBADF


class TestForked:
    """In a forked child what was given by number stays open: the number may be known to others, 0 and 1 for example."""

    def test_numbers_stay_open(self, hub: SelectHub, pipes: Pipes) -> None:
        with ExitStack() as stack:
            here, peer = free_sockets()
            stack.enter_context(peer)
            number = here.detach()
            socket_link, _ = opened(hub, number)
            pair_link, _ = opened(hub, (pipes.reader, pipes.writer))
            for watch in list(hub.watches):
                watch.close()
                assert watch.forked is not None
                watch.forked()
            for fd in (number, pipes.reader, pipes.writer):
                assert is_open(fd)
            socket_link.abort()
            pair_link.abort()
            assert is_open(number)
            assert is_open(pipes.reader)
            os.close(number)

    def test_a_socket_object_is_closed(self, hub: SelectHub) -> None:
        here, peer = free_sockets()
        number = here.fileno()
        link, _ = opened(hub, here)
        [watch] = hub.watches
        watch.close()
        assert watch.forked is not None
        watch.forked()
        assert not is_open(number)
        assert link.socket is None
        peer.close()


class TestSpec:
    @pytest.mark.parametrize("source", ["3", None, [1, 2], 1.0])
    def test_what_is_none_of_these(self, source: Any) -> None:
        with pytest.raises(StackError, match="source is a socket, ") as caught:
            Fd(source)
        assert caught.value.layer == "fd"
        assert caught.value.field == "source"

    @pytest.mark.parametrize("source", [(1,), (1, 2, 3), ("a", "b"), (), (1, None), (1, True)])
    def test_pairs_that_are_none(self, source: Any) -> None:
        with pytest.raises(StackError, match="source is a socket, "):
            Fd(source)

    def test_it_does_not_listen(self, hub: SelectHub) -> None:
        with pytest.raises(EndpointError, match="fd cannot listen: it is one connection"):
            Fd(0).listen(hub, lambda link: None, lambda error: None)
