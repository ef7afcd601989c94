"""The blocking driver's threads: none where none is needed, one helper where something must go on without a caller."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

import sockstack
from sockstack import Fd, Inproc, Prefix, Pull, Push, Rep, Req, Socket, Sp, Tcp
from sockstack.core.errors import Closed, Deadline
from sockstack.patterns.pipeline import PullOps

from .both import no_leak, ours
from .conftest import PATIENCE, spin


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Descriptors and threads are gone afterwards, those of the hubs included."""
    with no_leak():
        yield
        spin(lambda: not ours())


def test_a_client_needs_no_thread() -> None:
    """Dialling, asking and answering happen in the caller's own thread."""
    near, far = socket.socketpair()
    server = threading.Thread(target=answer, args=(far,))
    server.start()
    threads = threading.active_count()
    with sockstack.dial(Req() | Sp() | Fd(near), timeout=PATIENCE) as req:
        for _ in range(200):
            req.send(b"ping")
            assert threading.active_count() == threads
            assert req.recv() == b"ping"
            assert threading.active_count() == threads
    server.join()


def answer(sock: socket.socket) -> None:
    """A REP by hand."""
    with sock, sock.makefile("rb") as file, contextlib.suppress(ConnectionError):
        sock.sendall(bytes.fromhex("0053500000310000"))
        file.read(8)
        while head := file.read(8):
            sock.sendall(head + file.read(int.from_bytes(head, "big")))


def test_a_connection_needs_no_thread() -> None:
    near, far = socket.socketpair()
    with (
        sockstack.attach(Prefix(4) | Fd(near), timeout=PATIENCE) as one,
        sockstack.attach(Prefix(4) | Fd(far), timeout=PATIENCE) as two,
    ):
        for _ in range(100):
            one.send(b"ping")
            two.send(two.recv())
            assert one.recv() == b"ping"
            assert not ours()


def test_who_accepts_needs_no_thread_while_it_waits() -> None:
    """A listener has a helper for the times when nobody waits; who accepts pushes it aside."""
    with sockstack.listen(Tcp("127.0.0.1:0"), timeout=PATIENCE) as listener:
        for _ in range(20):
            with sockstack.dial(Tcp(listener.address)) as client, listener.accept() as server:
                client.send(b"x")
                assert server.recv() == b"x"
                assert len(ours()) <= 1


def test_the_helper_accepts_while_the_caller_is_busy() -> None:
    with Socket(Rep(), listen=Sp() | Tcp("127.0.0.1:0")) as rep:
        where = Sp() | Tcp(rep._core.endpoints[0].address)
        with sockstack.dial(Req() | where) as req:  # nobody but the helper can have let it in
            spin(lambda: len(rep.pipes) == 1)
            req.send(b"?")
            assert rep.recv(timeout=PATIENCE) == b"?"


def test_the_helper_ends_when_nothing_is_left_to_do() -> None:
    """It dials; once the connection is up, nobody needs it."""
    with Socket(Pull(), listen=Sp() | Inproc("helper-ends")) as pull:
        with Socket(Push(), dial=Sp() | Inproc("helper-ends"), timeout=PATIENCE) as push:
            push.send(b"up")
            assert pull.recv(timeout=PATIENCE) == b"up"
            spin(lambda: not push._hub._helper.running)
        assert pull._hub._helper.running


def test_the_helper_writes_what_the_kernel_did_not_take() -> None:
    near, far = socket.socketpair()
    body = bytes(4 << 20)
    with far, sockstack.attach(Fd(near)) as conn:
        conn.send(body)
        assert conn._hub._helper.running
        got = 0
        while got < len(body):
            got += len(far.recv(1 << 20))
        spin(lambda: not conn._hub._helper.running)


def test_the_helper_redials() -> None:
    with Socket(Pull(), listen=Sp() | Tcp("127.0.0.1:0")) as first:
        where = Sp() | Tcp(first._core.endpoints[0].address)
    with Socket(Push(), reconnect_min=0.001, reconnect_max=0.001) as push:
        dialler = push.dial(where)
        spin(lambda: dialler.error is not None)
        with Socket(Pull(), listen=where):
            spin(lambda: dialler.state == "up")
            spin(lambda: not push._hub._helper.running)


def test_leader_follower_and_helper_hand_over() -> None:
    """A caller leads; another takes over when it goes; then the helper does."""
    with Socket(Pull(), listen=Sp() | Inproc("hand-over")) as pull:
        got: list[bytes] = []

        def take() -> None:
            got.append(pull.recv(timeout=PATIENCE))

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        hub = pull._hub
        spin(lambda: hub._polling and len(hub._followers) == 3)
        with sockstack.dial(Push() | Sp() | Inproc("hand-over")) as push:
            for number in range(4):
                push.send(b"%d" % number)
            for thread in threads:
                thread.join()
            assert sorted(got) == [b"0", b"1", b"2", b"3"]
            spin(lambda: hub._leadership.helping)


def test_a_leader_whose_time_is_over_hands_over() -> None:
    with Socket(Pull(), listen=Sp() | Inproc("late-leader")) as pull:
        hub = pull._hub
        failed = threading.Event()

        def give_up() -> None:
            with pytest.raises(Deadline):
                pull.recv(timeout=0.05)
            failed.set()

        leader = threading.Thread(target=give_up)
        leader.start()
        spin(lambda: hub._polling and not hub._leadership.helping)
        got: list[bytes] = []
        follower = threading.Thread(target=lambda: got.append(pull.recv(timeout=PATIENCE)))
        follower.start()
        assert failed.wait(PATIENCE)
        with sockstack.dial(Push() | Sp() | Inproc("late-leader")) as push:
            push.send(b"for the one who stayed")
            follower.join()
        leader.join()
        assert got == [b"for the one who stayed"]


def test_closing_frees_what_the_hub_has_while_others_wait() -> None:
    """The leader is in the middle of a poll; it lets go of the descriptors when it wakes."""
    for _ in range(50):
        pull = Socket(Pull(), listen=Sp() | Inproc("frees"))
        threads = [threading.Thread(target=expect_closed, args=(pull,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        pull.close()
        for thread in threads:
            thread.join()
        spin(lambda pull=pull: pull._hub._disposed)  # type: ignore[misc]
        pull._hub.post(lambda: None)
        pull._hub._waker.wake()  # whoever comes late finds nothing, and harms nobody


def expect_closed(pull: Socket[PullOps]) -> None:
    with pytest.raises(Closed):
        pull.recv()


def test_open_and_close_many_times() -> None:
    with sockstack.listen(Prefix(4) | Tcp("127.0.0.1:0"), timeout=PATIENCE) as listener:
        for _ in range(200):
            with (
                sockstack.dial(Prefix(4) | Tcp(listener.address)) as client,
                listener.accept() as server,
            ):
                client.send(b"x")
                assert server.recv() == b"x"
