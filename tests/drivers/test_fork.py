"""Fork: in the child all is closed, and says so, but for what is to be inherited; the parent notices nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sockstack
import sockstack.asyncio
from sockstack import Fd, Inproc, Prefix, Pull, Push, Rep, Req, Socket, Sp, Tcp, Unix
from sockstack.core.errors import Closed
from sockstack.core.head import Message
from sockstack.core.life import State

from .both import descriptors, no_leak, ours
from .conftest import PATIENCE, spin

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]

WHOSE = "belongs to the parent process; after a fork make a new one"


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """The parent is as it was."""
    with no_leak():
        yield
        spin(lambda: not ours())


@contextlib.contextmanager
def child(body: Callable[[], object]) -> Iterator[None]:
    """A forked child that runs ``body`` while the parent does something else; it must succeed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            body()
            status = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(status)
    os.close(writer)
    try:
        yield
    finally:
        with open(reader, "rb") as file:
            said = file.read().decode()
        _, status = os.waitpid(pid, 0)
        assert status == 0, said


def refused(call: Callable[..., object], *arguments: Any) -> None:
    with pytest.raises(Closed, match=WHOSE):
        call(*arguments)


def test_sockets() -> None:
    """Whatever stage they are at: with a message waiting, with a request outstanding, with one to be answered."""
    with (
        Socket(Rep(), listen=Sp() | Inproc("fork")) as rep,
        sockstack.dial(Req() | Sp() | Inproc("fork"), timeout=PATIENCE) as req,
        Socket(Pull()) as pull,
        Socket(Push(), timeout=PATIENCE) as push,
    ):
        where = Sp() | Tcp(pull.listen(Sp() | Tcp("127.0.0.1:0")).address)
        push.dial(where, wait=True)
        dialler = push.dial(where, wait=True)
        req.send(b"?")
        context = req.context()
        context.send(b"of the context")
        assert rep.recv(timeout=PATIENCE) in (b"?", b"of the context")
        push.send_many([b"1", b"2", b"3"])
        assert pull.recv(timeout=PATIENCE)

        def body() -> None:
            for receiver in (rep, req, pull, context):
                refused(receiver.recv, 0)
                refused(receiver.recv_many, 10, 0)
                refused(receiver.recv_message, 0)
            for sender in (rep, req, push, context):
                refused(sender.send, b"x", 0)
                refused(sender.send_many, [b"x"], 0)
                refused(sender.send_message, Message(b"x"), 0)
            for thing in (rep, req, pull, push):
                assert thing.pipes == []
                assert list(thing) == [] if thing is not push else True
                refused(thing.dial, where)
                thing.close()
            dialler.close()
            assert not ours()

        with child(body):
            pass
        got = {pull.recv(timeout=PATIENCE) for _ in range(2)}
        assert got < {b"1", b"2", b"3"}
        for _ in range(2):
            rep.send(b"!")
            if len(got) == 2:
                rep.recv(timeout=PATIENCE)
                got = set()
        assert req.recv() == context.recv() == b"!"


def test_in_the_middle_of_a_burst() -> None:
    """What was collected is the parent's to send, once."""
    with (
        Socket(Pull(), listen=Sp() | Inproc("fork-burst")) as pull,
        sockstack.dial(Push() | Sp() | Inproc("fork-burst")) as push,
    ):
        sent = 0
        while not push._outbox or not push._outbox.on:
            push.send(b"%d" % sent)
            sent += 1
        with child(lambda: refused(push.send, b"x")):
            pass
        for number in range(sent):
            assert pull.recv(timeout=PATIENCE) == b"%d" % number


def test_connections_and_listeners() -> None:
    with (
        sockstack.listen(Prefix(4) | Tcp("127.0.0.1:0")) as listener,
        sockstack.dial(Prefix(4) | Tcp(listener.address)) as client,
        listener.accept(timeout=PATIENCE) as server,
    ):
        client.send(b"before")

        def body() -> None:
            for conn in (client, server):
                refused(conn.recv, 0)
                refused(conn.send, b"x")
                assert conn.state is State.BROKEN
                conn.abort()
                assert conn.close() == 0
            refused(listener.accept, 0)
            assert list(listener) == []
            listener.close()

        with child(body):
            pass
        assert server.recv(timeout=PATIENCE) == b"before"
        server.send(b"after")
        assert client.recv(timeout=PATIENCE) == b"after"
        with sockstack.dial(Prefix(4) | Tcp(listener.address)), listener.accept(PATIENCE):
            pass


def test_nothing_is_kept_open() -> None:
    """The peer of a connection that its owner closes sees the end, although a child lives that was forked meanwhile."""
    with (
        sockstack.listen(Tcp("127.0.0.1:0")) as listener,
        sockstack.dial(Tcp(listener.address)) as client,
        listener.accept(timeout=PATIENCE) as server,
    ):
        before = len(descriptors())
        reader, writer = os.pipe()

        def body() -> None:
            os.close(writer)
            here = [what for what in descriptors().values() if what.startswith(("socket", "anon"))]
            os.read(reader, 1)  # until the parent is done
            assert len(here) <= len(descriptors()) < before

        with child(body):
            os.close(reader)
            server.close()
            with pytest.raises(sockstack.core.errors.EndOfStream):
                client.recv(timeout=PATIENCE)
            os.close(writer)


def test_the_child_makes_its_own() -> None:
    with Socket(Rep(), listen=Sp() | Inproc("fork-own")) as rep:

        def body() -> None:
            """The same name is free here: whoever listened on it is the parent's."""
            with (
                Socket(Rep(), listen=Sp() | Inproc("fork-own")) as own,
                sockstack.dial(Req() | Sp() | Inproc("fork-own"), timeout=PATIENCE) as req,
            ):
                req.send(b"in the child")
                assert own.recv(timeout=PATIENCE) == b"in the child"

        with child(body), sockstack.dial(Req() | Sp() | Inproc("fork-own")) as req:
            req.send(b"in the parent")
            assert rep.recv(timeout=PATIENCE) == b"in the parent"


def test_forking_while_others_wait() -> None:
    """Threads of the parent hold locks and wait; in the child they do not exist."""
    with Socket(Rep(), listen=Sp() | Tcp("127.0.0.1:0")) as rep:
        (endpoint,) = rep._core.endpoints
        where = Sp() | Tcp(endpoint.address)
        listener = rep.listen(Sp() | Inproc("fork-wait"))
        stop = threading.Event()

        def serve() -> None:
            for question in rep:
                rep.send(question)

        def ask() -> None:
            with sockstack.dial(Req() | where, timeout=PATIENCE) as req:
                while not stop.is_set():
                    req.send(b"?")
                    assert req.recv() == b"?"

        def body() -> None:
            refused(rep.recv, 0)
            listener.close()
            rep.close()

        threads = [threading.Thread(target=call) for call in (serve, ask, ask)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            with child(body):
                pass
        stop.set()
        for thread in threads[1:]:
            thread.join()
        rep.close()
        threads[0].join()


def test_an_inherited_listener_accepts_in_the_child() -> None:
    with sockstack.listen(Prefix(4) | Tcp("127.0.0.1:0"), inherit=True) as listener:
        address = listener.address
        with sockstack.dial(Prefix(4) | Tcp(address)) as waiting:
            spin(lambda: listener._core._ready)  # accepted, and not fetched: it is the parent's

            def body() -> None:
                with listener.accept(timeout=PATIENCE) as conn:
                    conn.send(b"pid %d" % os.getpid())
                    assert conn.recv(timeout=PATIENCE) == b"thanks"

            with child(body):
                listener._core.listener.pause(True)  # the parent leaves the next one to the child
                with sockstack.dial(Prefix(4) | Tcp(address)) as client:
                    assert client.recv(timeout=PATIENCE).startswith(b"pid ")
                    client.send(b"thanks")
            listener._core.listener.pause(False)
            with listener.accept(timeout=PATIENCE) as conn:
                waiting.send(b"still the parent's")
                assert conn.recv(timeout=PATIENCE) == b"still the parent's"


def test_an_inherited_socket_goes_on_with_new_peers() -> None:
    with Socket(Rep()) as rep:
        where = Sp() | Tcp(rep.listen(Sp() | Tcp("127.0.0.1:0"), inherit=True).address)
        alone = rep.listen(Sp() | Inproc("fork-not-inherited"))
        with sockstack.dial(Req() | where, timeout=PATIENCE) as old:
            old.send(b"to the parent")
            assert rep.recv(timeout=PATIENCE) == b"to the parent"

            def body() -> None:
                assert rep.pipes == []
                rep.send(b"nobody hears this")
                assert rep.recv(timeout=PATIENCE) == b"to the child"
                rep.send(b"from the child")
                rep.close()

            with child(body):
                rep._core.endpoints[0].pause(True)  # type: ignore[union-attr]
                with sockstack.dial(Req() | where, timeout=PATIENCE) as new:
                    new.send(b"to the child")
                    assert new.recv() == b"from the child"
            rep.send(b"from the parent")
            assert old.recv() == b"from the parent"
            assert alone.address == "fork-not-inherited"


def test_an_idle_child_accepts_on_what_it_has_inherited() -> None:
    """Although it calls nothing: a helper does the work, as in the parent."""
    with Socket(Rep()) as rep:
        listener = rep.listen("tcp://127.0.0.1:0", inherit=True)
        done = os.pipe()
        with child(lambda: os.read(done[0], 1)):
            listener.close()
            with Socket(Req(), dial=listener.url, timeout=PATIENCE) as req:
                req.wait_for_peers()
                os.write(done[1], b"x")
        for fd in done:
            os.close(fd)


def test_a_dialler_does_not_redial_in_the_child() -> None:
    with Socket(Push(), reconnect_min=0.001, reconnect_max=0.001) as push, Socket(Pull()) as pull:
        push.listen(Sp() | Tcp("127.0.0.1:0"), inherit=True)
        where = Sp() | Tcp(pull.listen(Sp() | Tcp("127.0.0.1:0")).address)
        pull.close()
        dialler = push.dial(where)
        spin(lambda: dialler.error is not None)
        ready = os.pipe()

        def body() -> None:
            """Its hub lives on for the sake of the listener, and does nothing else."""
            with Socket(Pull(), listen=where) as again:
                os.write(ready[1], b"x")
                assert dialler.state == "closed"
                with pytest.raises(TimeoutError):
                    push.send(b"x", timeout=0.05)
                assert len(again.pipes) <= 1  # the parent's
                dialler.close()

        with child(body):
            os.read(ready[0], 1)
            spin(lambda: dialler.state == "up" or dialler.error is not None)
        for fd in ready:
            os.close(fd)


def test_descriptors_given_by_number_stay_open() -> None:
    near, far = socket.socketpair()
    number = near.detach()
    (in_read, in_write), (out_read, out_write) = os.pipe(), os.pipe()
    with (
        far,
        sockstack.attach(Prefix(4) | Fd(number)) as conn,
        sockstack.attach(Prefix(4) | Fd((in_read, out_write))) as pair,
    ):

        def body() -> None:
            refused(conn.recv, 0)
            refused(pair.send, b"x")
            conn.close()
            pair.close()
            with sockstack.attach(Prefix(4) | Fd(number)) as again:
                again.send(b"from the child")
            with sockstack.attach(Prefix(4) | Fd((in_read, out_write))) as again:
                again.send(b"too")
                assert again.recv(timeout=PATIENCE) == b"hello"

        with child(body):
            os.write(in_write, b"\0\0\0\x05hello")
            assert far.recv(18, socket.MSG_WAITALL) == b"\0\0\0\x0efrom the child"
            assert os.read(out_read, 100) == b"\0\0\0\x03too"
    os.close(in_write)
    os.close(out_read)


def test_the_file_of_a_unix_listener_is_the_parents(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for inherit in (False, True):
        with sockstack.listen(Prefix(4) | Unix(str(path)), inherit=inherit) as listener:
            with child(listener.close):
                pass
            assert path.exists()
            with sockstack.dial(Prefix(4) | Unix(str(path))), listener.accept(timeout=PATIENCE):
                pass
        assert not path.exists()


def test_asyncio() -> None:
    """The loop's poller is shared with the child: it must hear nothing of what closes there."""

    def sockets() -> int:
        return sum(what.startswith("socket") for what in descriptors().values())

    async def main() -> None:
        own = sockets()
        async with sockstack.asyncio.Socket(Rep(), timeout=PATIENCE) as rep:
            where = Sp() | Tcp(rep.listen(Sp() | Tcp("127.0.0.1:0")).address)
            push = sockstack.asyncio.Socket(Push())
            listener = sockstack.asyncio.listen(Prefix(4) | Tcp("127.0.0.1:0"))
            async with (
                push,
                listener,
                await sockstack.asyncio.dial(Req() | where, timeout=PATIENCE) as req,
                await sockstack.asyncio.dial(Prefix(4) | Tcp(listener.address)) as conn,
                await listener.accept(timeout=PATIENCE) as far,
            ):
                await req.send(b"?")
                assert await rep.recv() == b"?"

                def body() -> None:
                    for call in (
                        rep.send(b"x"),
                        rep.recv(),
                        req.recv(),
                        push.send(b"x"),
                        conn.send(b"x"),
                        conn.recv(),
                        listener.accept(),
                    ):
                        with pytest.raises(Closed, match=WHOSE):
                            call.send(None)
                    assert sockets() == own

                with child(body):
                    pass
                await rep.send(b"!")
                assert await req.recv() == b"!"
                await far.send(b"still here")
                assert await conn.recv(timeout=PATIENCE) == b"still here"

    asyncio.run(main())
