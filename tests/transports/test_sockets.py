"""Connecting and accepting: what the kernel can answer, and when to stop asking."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from sockstack.core.errors import EndpointError, SockstackError
from sockstack.transports.sockets import (
    ACCEPTS_A_TURN,
    RETRY_ACCEPT,
    RETRY_CONNECT,
    Acceptor,
    Connecting,
    socket_error,
)

from .fakes import SelectHub, SelectWatch


class Queue:
    """A listening socket whose ``accept`` answers as it is told; ready as long as it has answers."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.answers: deque[object] = deque()
        self.blocking = True
        self.closed = False

    def tell(self, *answers: object) -> None:
        self.answers.extend(answers)
        self.there.send(b"x")

    def setblocking(self, flag: bool) -> None:
        self.blocking = flag

    def fileno(self) -> int:
        return -1 if self.closed else self.here.fileno()

    def accept(self) -> tuple[Any, Any]:
        if not self.answers:
            self.here.recv(100)
            raise BlockingIOError
        answer = self.answers.popleft()
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        return answer, None

    def close(self) -> None:
        self.closed = True
        self.here.close()
        self.there.close()


class Accepting:
    """An acceptor over such a queue."""

    def __init__(self, hub: SelectHub, inherit: bool = False) -> None:
        self.queue = Queue()
        self.accepted: list[Any] = []
        self.troubles: list[SockstackError] = []
        self.acceptor = Acceptor(
            hub,
            cast(socket.socket, self.queue),
            self.accepted.append,
            self.troubles.append,
            "tcp",
            inherit,
        )


@pytest.fixture
def accepting(hub: SelectHub) -> Iterator[Accepting]:
    accepting = Accepting(hub)
    yield accepting
    accepting.acceptor.close()


class TestAcceptor:
    def test_takes_all_that_wait(self, accepting: Accepting, hub: SelectHub) -> None:
        assert hub.needy, "it accepts while no caller waits"
        assert not accepting.queue.blocking
        assert accepting.acceptor.fileno == accepting.queue.fileno()
        accepting.queue.tell("a", "b", "c")
        hub.quiet()
        assert accepting.accepted == ["a", "b", "c"]

    def test_a_flood_leaves_time_for_others(self, accepting: Accepting, hub: SelectHub) -> None:
        accepting.queue.tell(*map(str, range(ACCEPTS_A_TURN + 10)))
        hub.look()
        assert len(accepting.accepted) == ACCEPTS_A_TURN
        hub.quiet()
        assert len(accepting.accepted) == ACCEPTS_A_TURN + 10

    @pytest.mark.parametrize(
        "code", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN]
    )
    def test_a_connection_that_died_while_it_waited(
        self, accepting: Accepting, hub: SelectHub, code: int
    ) -> None:
        accepting.queue.tell("a", code, code, "b")
        hub.quiet()
        assert accepting.accepted == ["a", "b"]
        assert accepting.troubles == []

    @pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
    def test_without_descriptors_it_rests_and_goes_on(
        self, accepting: Accepting, hub: SelectHub, code: int
    ) -> None:
        accepting.queue.tell("a", code, "b")
        hub.quiet()
        assert accepting.accepted == ["a"]
        [trouble] = accepting.troubles
        assert isinstance(trouble, EndpointError)
        assert trouble.errno == code
        assert str(trouble) == f"cannot accept for now: {os.strerror(code)} [tcp]"
        hub.advance(RETRY_ACCEPT * 0.99)
        hub.quiet()
        assert accepting.accepted == ["a"]
        hub.advance(RETRY_ACCEPT * 0.02)
        hub.quiet()
        assert accepting.accepted == ["a", "b"]
        assert len(accepting.troubles) == 1

    def test_what_listens_no_more_is_not_asked_all_the_time(self, hub: SelectHub) -> None:
        """Another process that shares the socket may have shut it down, which keeps it ready for ever."""
        sock = socket.create_server(("127.0.0.1", 0))
        troubles: list[SockstackError] = []
        acceptor = Acceptor(hub, sock, lambda sock: None, troubles.append, "tcp", inherit=False)
        sock.shutdown(socket.SHUT_RDWR)
        hub.until(lambda: troubles)
        hub.quiet()
        assert isinstance(troubles[0], EndpointError)
        assert troubles[0].errno == errno.EINVAL
        acceptor.close()

    def test_paused_while_it_rests(self, accepting: Accepting, hub: SelectHub) -> None:
        accepting.queue.tell(errno.EMFILE, "a")
        hub.quiet()
        accepting.acceptor.pause(False)
        hub.quiet()
        assert accepting.accepted == [], "the rest is not cut short"
        accepting.acceptor.pause(True)
        hub.advance(1)
        hub.quiet()
        assert accepting.accepted == []
        accepting.acceptor.pause(False)
        hub.quiet()
        assert accepting.accepted == ["a"]

    def test_closed_while_it_rests(self, accepting: Accepting, hub: SelectHub) -> None:
        accepting.queue.tell(errno.EMFILE, "a")
        hub.quiet()
        accepting.acceptor.close()
        assert hub.advance(1) == 0
        assert accepting.accepted == []

    def test_pause(self, accepting: Accepting, hub: SelectHub) -> None:
        accepting.acceptor.pause(True)
        accepting.queue.tell("a")
        hub.quiet()
        assert accepting.accepted == []
        accepting.acceptor.pause(False)
        hub.quiet()
        assert accepting.accepted == ["a"]

    def test_paused_by_whom_it_told(self, hub: SelectHub) -> None:
        """A full listener pauses in the middle of a row; the others wait in the kernel's queue."""
        queue = Queue()
        taken: list[Any] = []

        def take(sock: Any) -> None:
            taken.append(sock)
            acceptor.pause(True)

        acceptor = Acceptor(
            hub, cast(socket.socket, queue), take, lambda error: None, "tcp", inherit=False
        )
        queue.tell("a", "b")
        hub.quiet()
        assert taken == ["a"]
        acceptor.pause(False)
        hub.quiet()
        assert taken == ["a", "b"]
        acceptor.close()

    def test_close(self, accepting: Accepting, hub: SelectHub) -> None:
        accepting.acceptor.close()
        accepting.acceptor.close()
        accepting.acceptor.pause(False)
        assert accepting.acceptor.fileno == -1
        assert accepting.queue.closed
        assert hub.watches == []
        assert not hub.needy

    def test_a_forked_child_closes_it_unless_it_inherits(self, hub: SelectHub) -> None:
        own, shared = Accepting(hub), Accepting(hub, inherit=True)
        first, second = hub.watches
        assert second.forked is None
        assert first.forked is not None
        first.forked()
        assert own.queue.closed
        shared.acceptor.close()


class Reaching:
    """A connection attempt whose socket answers ``connect_ex`` as told."""

    def __init__(self, hub: SelectHub, code: int, later: int = 0) -> None:
        self.later = later
        self.family = socket.AF_INET
        self.real, self.other = socket.socketpair()
        self.code = code
        self.closed = False
        self.connected: list[Any] = []
        self.failed: list[OSError] = []
        self.connecting = Connecting(
            hub,
            cast(socket.socket, self),
            "somewhere",
            self.connected.append,
            self.failed.append,
        )

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def connect_ex(self, address: str) -> int:
        return self.code

    def fileno(self) -> int:
        return self.real.fileno()

    def getsockopt(self, level: int, option: int) -> int:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR)
        return self.later

    def close(self) -> None:
        self.closed = True
        self.finish()

    def finish(self) -> None:
        self.real.close()
        self.other.close()


class TestConnecting:
    def test_at_once(self, hub: SelectHub) -> None:
        reaching = Reaching(hub, 0)
        assert reaching.connected == [], "not before the constructor has returned"
        hub.run()
        assert reaching.connected == [reaching]
        assert hub.watches == []
        reaching.finish()

    @pytest.mark.parametrize("code", [errno.EINPROGRESS, errno.EALREADY, errno.EINTR])
    def test_later(self, hub: SelectHub, code: int) -> None:
        reaching = Reaching(hub, code)
        hub.run()
        assert reaching.connected == []
        hub.until(lambda: reaching.connected)
        hub.quiet()
        assert reaching.connected == [reaching]
        assert reaching.failed == []
        assert hub.watches == []
        assert not reaching.closed
        reaching.finish()

    @pytest.mark.parametrize(
        ("code", "later"), [(errno.ECONNREFUSED, 0), (errno.EINPROGRESS, errno.EHOSTUNREACH)]
    )
    def test_refused_at_once_or_later(self, hub: SelectHub, code: int, later: int) -> None:
        reaching = Reaching(hub, code, later)
        assert reaching.failed == []
        hub.until(lambda: reaching.failed)
        hub.quiet()
        assert [error.errno for error in reaching.failed] == [later or code]
        assert reaching.connected == []
        assert reaching.closed
        assert hub.watches == []

    @pytest.mark.parametrize("code", [0, errno.EINPROGRESS, errno.ECONNREFUSED])
    def test_cancelled(self, hub: SelectHub, code: int) -> None:
        reaching = Reaching(hub, code)
        watches: list[SelectWatch] = list(hub.watches)
        reaching.connecting.cancel()
        reaching.connecting.cancel()
        hub.quiet()
        for watch in watches:
            watch.on_writable()  # it was ready already when the attempt was cancelled
        assert reaching.connected == reaching.failed == []
        assert reaching.closed
        assert hub.watches == []

    @pytest.mark.parametrize("address", ["x" * 300, ("::1", 1)])
    def test_an_address_that_the_system_cannot_read(self, hub: SelectHub, address: Any) -> None:
        sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        failed: list[OSError] = []
        Connecting(hub, sock, address, lambda sock: None, failed.append)
        hub.until(lambda: failed)
        assert sock.fileno() == -1

    def test_a_full_queue_is_tried_again(self, hub: SelectHub, tmp_path: Path) -> None:
        """The queue of a Unix listener, that is: the system says so at once, and not when there is room."""
        path = os.path.relpath(tmp_path / "s")  # shorter, perhaps, than the system's limit
        with ExitStack() as stack:
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(path)
            server.listen(0)
            connected: list[socket.socket] = []
            failed: list[OSError] = []

            def reach() -> Connecting:
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                return Connecting(hub, sock, path, connected.append, failed.append)

            reach()
            hub.quiet()
            assert len(connected) == 1
            reach()
            reach().cancel()
            hub.advance(RETRY_CONNECT)
            hub.quiet()
            assert len(connected) == 1, "no room, and no failure"
            server.accept()[0].close()
            hub.advance(RETRY_CONNECT)
            hub.quiet()
            assert len(connected) == 2
            assert failed == []

    def test_a_forked_child_closes_the_socket(self, hub: SelectHub) -> None:
        reaching = Reaching(hub, errno.EINPROGRESS)
        [watch] = hub.watches
        assert watch.forked is not None
        watch.close()
        watch.forked()
        assert reaching.closed


def test_the_systems_error_as_ours() -> None:
    error = socket_error(OSError(errno.EACCES, "Permission denied"), "cannot listen on x", "unix")
    assert isinstance(error, EndpointError)
    assert isinstance(error, OSError)
    assert error.errno == errno.EACCES
    assert str(error) == "cannot listen on x: Permission denied [unix]"
    assert str(socket_error(OSError("odd"), "what", "tcp")) == "what: odd [tcp]"
