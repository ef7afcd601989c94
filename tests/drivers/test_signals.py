"""Ctrl-C: whatever the main thread waits for, it gets its KeyboardInterrupt at once, and can go on afterwards."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

import sockstack
from sockstack import Fd, Inproc, Prefix, Pull, Push, Rep, Req, Socket, Sp, Tcp
from sockstack.core.errors import Closed
from sockstack.drivers.blocking.hub import BlockingHub
from sockstack.drivers.blocking.leadership import State

from .both import no_leak, ours
from .conftest import PATIENCE, spin

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals to threads")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Nothing is open afterwards, whatever was interrupted."""
    with no_leak():
        yield
        spin(lambda: not ours())


def leads(hub: BlockingHub) -> bool:
    """A caller waits at the descriptors."""
    return hub._polling and hub._leadership.state is State.LED


@contextlib.contextmanager
def interrupt_when(met: Callable[[], object]) -> Iterator[None]:
    """What a Ctrl-C does to the main thread, once it waits.

    A signal that comes in the last instant before the thread sleeps is noticed when it wakes. So it is sent until it
    is, as an impatient user would.
    """
    over = threading.Event()

    def handler(number: int, frame: FrameType | None) -> None:
        if not over.is_set():
            over.set()
            raise KeyboardInterrupt

    def send() -> None:
        spin(met)
        while not over.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            over.wait(0.05)

    before = signal.signal(signal.SIGINT, handler)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGINT, before)


def works(push: Socket[Any], pull: Socket[Any]) -> None:
    push.send(b"as before", timeout=PATIENCE)
    assert pull.recv(timeout=PATIENCE) == b"as before"


def test_receiving_as_the_leader() -> None:
    with (
        Socket(Pull(), listen=Sp() | Inproc("ctrl-c")) as pull,
        sockstack.dial(Push() | Sp() | Inproc("ctrl-c")) as push,
    ):
        for call in (pull.recv, pull.recv_many, pull.recv_message, lambda: next(iter(pull))):
            with interrupt_when(lambda: leads(pull._hub)):
                call()
            assert not pull._hub.lock.locked()
            works(push, pull)


def test_receiving_as_a_follower() -> None:
    with Socket(Pull(), listen=Sp() | Inproc("ctrl-c")) as pull:
        hub = pull._hub
        got: list[bytes] = []
        leader = threading.Thread(target=lambda: got.append(pull.recv(timeout=PATIENCE)))
        leader.start()
        spin(lambda: leads(hub))
        with interrupt_when(lambda: len(hub._followers) == 1):
            pull.recv()
        assert not hub._followers
        with sockstack.dial(Push() | Sp() | Inproc("ctrl-c")) as push:
            push.send(b"for the leader")
            leader.join()
            works(push, pull)
        assert got == [b"for the leader"]


def test_a_leader_that_is_interrupted_hands_over() -> None:
    with Socket(Pull(), listen=Sp() | Inproc("ctrl-c")) as pull:
        hub = pull._hub
        got: list[bytes] = []

        def follow() -> None:
            spin(lambda: leads(hub))
            got.append(pull.recv(timeout=PATIENCE))

        follower = threading.Thread(target=follow)
        follower.start()
        with interrupt_when(lambda: leads(hub) and hub._followers):
            pull.recv()
        with sockstack.dial(Push() | Sp() | Inproc("ctrl-c")) as push:
            push.send(b"for the follower")
            follower.join()
        assert got == [b"for the follower"]


def test_sending() -> None:
    with Socket(Push()) as push:
        with interrupt_when(lambda: leads(push._hub)):
            push.send(b"x")
        with interrupt_when(lambda: leads(push._hub)):
            push.send_many([b"x"])
        with Socket(Pull(), listen=Sp() | Inproc("ctrl-c")) as pull:
            push.dial(Sp() | Inproc("ctrl-c"))
            works(push, pull)


def test_closing() -> None:
    """Who does not want to linger presses Ctrl-C, and it is closed all the same."""
    near, far = socket.socketpair()
    with far:
        conn = sockstack.attach(Fd(near))
        conn.send(bytes(8 << 20))
        with interrupt_when(lambda: leads(conn._hub)):
            conn.close(linger=1e6)
        assert conn._hub.closed
        with pytest.raises(Closed):
            conn.recv()
    near, far = socket.socketpair()
    with far:
        far.sendall(bytes.fromhex("0053500000510000"))
        push = sockstack.dial(Push() | Sp() | Fd(near))
        push.send(bytes(8 << 20))
        with interrupt_when(lambda: leads(push._hub)):
            push.close(linger=1e6)
        assert push._hub.closed
        assert push.close() == 0


def test_accepting() -> None:
    with sockstack.listen(Prefix(4) | Tcp("127.0.0.1:0")) as listener:
        with interrupt_when(lambda: leads(listener._hub)):
            listener.accept()
        with (
            sockstack.dial(Prefix(4) | Tcp(listener.address)) as client,
            listener.accept(timeout=PATIENCE) as server,
        ):
            client.send(b"as before")
            assert server.recv(timeout=PATIENCE) == b"as before"


def test_dialling() -> None:
    """The peer is silent: both the dial of a connection and that of a socket are in the middle of their opening."""
    hubs: list[BlockingHub] = []

    def waiting() -> bool:
        hubs[:] = [hub for hub in live() if leads(hub)]
        return bool(hubs)

    with socket.create_server(("127.0.0.1", 0)) as server:
        where = Tcp(f"127.0.0.1:{server.getsockname()[1]}")
        for _ in range(2):
            with interrupt_when(waiting):
                sockstack.dial(Req() | Sp() | where)
            assert hubs[0].closed
        with Socket(Req()) as req, interrupt_when(lambda: leads(req._hub)):
            req.dial(Sp() | where, wait=True)


def live() -> list[BlockingHub]:
    from sockstack.drivers.blocking.hub import live_hubs

    return list(live_hubs)


CHILD = """
import sockstack
from sockstack import Pull, Sp, Tcp
pull = sockstack.Socket(Pull(), listen=Sp() | Tcp("127.0.0.1:0"))
def wait():
    print("ready", flush=True)
    pull.recv()
{body}
"""


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("wait()", -signal.SIGINT, "KeyboardInterrupt"),
        ("try: wait()\nexcept KeyboardInterrupt: pull.close(); print('closed')", 0, ""),
        ("with pull: wait()", -signal.SIGINT, "KeyboardInterrupt"),
    ],
)
def test_a_program_ends(body: str, status: int, said: str) -> None:
    """The exit status is the one that a shell expects of an interrupted program."""
    with subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", CHILD.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=PATIENCE)
        assert child.returncode == status, err
        assert said in err
        if not status:
            assert out == "closed\n"


class Interrupted(BaseException):
    """What the handler below raises."""


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupted_anywhere() -> None:
    """A handler raises at any moment of a busy conversation.

    What the hub was just doing may be lost. But no lock stays taken and no leader stays in office: the socket closes at
    once and lets go of everything, whoever else waits on it is told, and its peer goes on with others.
    """
    main = threading.main_thread().ident or 0
    chance = random.Random(7)
    rounds = 200
    armed = False
    begun = threading.Semaphore(0)

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise Interrupted

    def disturb() -> None:
        for _ in range(rounds):
            begun.acquire()
            for _ in range(chance.randrange(3000)):
                pass
            signal.pthread_kill(main, signal.SIGUSR1)

    def serve() -> None:
        for question in rep:
            rep.send(question)

    def wait(req: Socket[Any]) -> None:
        with contextlib.suppress(Closed), req.context() as context:
            while True:
                context.send(b"of another thread" * 1000)
                context.recv()

    disturber = threading.Thread(target=disturb)
    before = signal.signal(signal.SIGUSR1, handler)
    disturber.start()
    try:
        with Socket(Rep()) as rep:
            where = Sp() | Tcp(rep.listen(Sp() | Tcp("127.0.0.1:0")).address)
            server = threading.Thread(target=serve)
            server.start()
            for number in range(rounds):
                req = Socket(Req())
                req.dial(where, wait=True, timeout=PATIENCE)
                waiter = threading.Thread(target=wait, args=(req,))
                if number % 2:
                    waiter.start()
                try:
                    armed = True
                    begun.release()
                    while True:
                        ask(req, b"%d" % number)
                except Interrupted:
                    pass
                req.close(linger=0)
                assert not req._hub.lock.locked() or number % 2
                if number % 2:
                    waiter.join()
            rep.close()
            server.join()
    finally:
        armed = False
        begun.release(rounds)
        disturber.join()
        signal.signal(signal.SIGUSR1, before)


def ask(req: Socket[Any], question: bytes) -> None:
    req.send(question, timeout=PATIENCE)
    assert req.recv(timeout=PATIENCE) == question
