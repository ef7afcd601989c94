"""Waiting for several sockets at once, and a descriptor for loops that are not ours. Both are the blocking driver's."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sockstack import Poller, Pub, Pull, Push, Ready, Rep, Req, Socket, Sub
from sockstack.core.errors import Closed, Deadline, LocalProtocolError

from .both import no_leak, ours
from .conftest import PATIENCE, spin


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    with no_leak():
        yield
        spin(lambda: not ours())


def pair(number: int, pattern: Any = None, peer: Any = None) -> tuple[Socket[Any], Socket[Any]]:
    """A socket that listens and one that is connected to it, in this process."""
    near = Socket(pattern or Pull(), listen=f"inproc://readiness-{number}", timeout=PATIENCE)
    far: Socket[Any] = Socket(peer or Push(), timeout=PATIENCE)
    far.dial(f"inproc://readiness-{number}", wait=True)
    return near, far


def shows(sock: Socket[Any], within: float = 0) -> bool:
    """Whether the descriptor says that there is something."""
    return bool(select.select([sock], [], [], within)[0])


class TestPoller:
    def test_the_one_that_has_something(self) -> None:
        with Polled(3) as (poller, pairs):
            assert poller.wait(timeout=0) == []
            for number in (1, 0, 2):
                pull, push = pairs[number]
                push.send(b"%d" % number)
                assert poller.wait(timeout=PATIENCE) == [(pull, Ready.RECV)]
                assert pull.recv(timeout=0) == b"%d" % number
                assert poller.wait(timeout=0) == []

    def test_all_that_have_something_in_order(self) -> None:
        with Polled(3) as (poller, pairs):
            for number in (2, 0):
                pairs[number][1].send(b"x")
            found: list[Any] = []
            while len(found) < 2:
                found = [what for what, _ in poller.wait(timeout=PATIENCE)]
            assert found == [pairs[0][0], pairs[2][0]]

    def test_over_tcp_the_caller_does_the_work(self) -> None:
        """No helper thread is there while the poller waits; a peer connects and sends meanwhile."""
        with Socket(Pull()) as first, Socket(Rep()) as second:
            addresses = [sock.listen("tcp://127.0.0.1:0").address for sock in (first, second)]
            poller = Poller()
            poller.add(first)
            poller.add(second)

            def talk() -> None:
                with Socket(Req(), timeout=PATIENCE) as req, Socket(Push()) as push:
                    req.dial(f"tcp://{addresses[1]}")
                    req.send(b"question")
                    assert req.recv() == b"answer"
                    push.dial(f"tcp://{addresses[0]}")
                    push.send(b"message", timeout=PATIENCE)

            thread = threading.Thread(target=talk)
            thread.start()
            assert poller.wait(timeout=PATIENCE) == [(second, Ready.RECV)]
            assert second.recv(timeout=0) == b"question"
            second.send(b"answer")
            assert poller.wait(timeout=PATIENCE) == [(first, Ready.RECV)]
            assert first.recv(timeout=0) == b"message"
            thread.join()

    def test_sending(self) -> None:
        with Socket(Push()) as push, Socket(Pull()) as pull:
            poller = Poller()
            poller.add(push, Ready.RECV | Ready.SEND)
            assert poller.wait(timeout=0) == []
            address = pull.listen("tcp://127.0.0.1:0").address
            push.dial(f"tcp://{address}")
            assert poller.wait(timeout=PATIENCE) == [(push, Ready.SEND)]
            push.send(b"x", timeout=0)
            assert pull.recv(timeout=PATIENCE) == b"x"

    def test_plain_descriptors_too(self) -> None:
        near, far = socket.socketpair()
        reading, writing = os.pipe()
        with near, far, Polled(1) as (poller, pairs):
            poller.add(near)
            poller.add(reading)
            far.send(b"x")
            assert poller.wait(timeout=PATIENCE) == [(near, Ready.RECV)]
            near.recv(1)
            os.write(writing, b"x")
            assert poller.wait(timeout=PATIENCE) == [(reading, Ready.RECV)]
            os.read(reading, 1)
            pairs[0][1].send(b"x")
            assert poller.wait(timeout=PATIENCE) == [(pairs[0][0], Ready.RECV)]
            poller.add(far, Ready.SEND)
            assert (far, Ready.SEND) in poller.wait(timeout=PATIENCE)
        os.close(reading)
        os.close(writing)

    def test_contexts(self) -> None:
        rep, req = pair(9, Rep(), Req())
        with rep, req, req.context() as one, req.context() as other:
            poller = Poller()
            for context in (one, other):
                poller.add(context)
                context.send(b"question")
            assert rep.recv() == b"question"
            rep.send(b"answer")
            assert poller.wait(timeout=PATIENCE) == [(one, Ready.RECV)]
            assert one.recv(timeout=0) == b"answer"

    def test_while_another_thread_leads(self) -> None:
        """That thread handles what comes; the poller is told, and takes over when it leaves."""
        with Polled(1) as (poller, pairs):
            pull, push = pairs[0]
            got: list[bytes] = []
            thread = threading.Thread(target=lambda: got.append(pull.recv()))
            thread.start()
            spin(lambda: pull._hub._polling)

            def send() -> None:
                spin(lambda: waits(poller))
                push.send_many([b"a", b"b"])

            sender = threading.Thread(target=send)
            sender.start()
            assert poller.wait(timeout=PATIENCE) == [(pull, Ready.RECV)]
            thread.join()
            sender.join()
            got.append(pull.recv(timeout=0))
            assert sorted(got) == [b"a", b"b"]

    def test_a_closed_socket_is_ready_to_say_so(self) -> None:
        with Polled(1) as (poller, pairs):
            pull, _ = pairs[0]
            pull.close()
            assert poller.wait(timeout=PATIENCE) == [(pull, Ready.RECV)]
            with pytest.raises(Closed):
                pull.recv()
            poller.remove(pull)
            assert poller.wait(timeout=0) == []
            with pytest.raises(KeyError):
                poller.remove(pull)

    def test_closed_beside_another_on_its_hub(self) -> None:
        """The hub goes on; the poller has to look at the socket."""
        with Socket(Pull()) as stays, Socket(Pull(), beside=stays) as closes:
            poller = Poller()
            poller.add(closes)

            def close() -> None:
                spin(lambda: waits(poller))
                closes.close()

            closing = threading.Thread(target=close)
            closing.start()
            assert poller.wait(timeout=PATIENCE) == [(closes, Ready.RECV)]
            closing.join()
            assert closes.closed
            assert not stays.closed

    def test_who_waits_behind_it_leads_when_it_leaves(self) -> None:
        """The one that leads stops; the poller is told to go on in its place, but its time is over just then."""
        pull = Socket(Pull(), timeout=PATIENCE)
        push = Socket(Push(), timeout=PATIENCE)
        pull.dial(push.listen("tcp://127.0.0.1:0").url, wait=True)
        got: list[bytes] = []
        first = threading.Thread(target=lambda: got.append(pull.recv()))
        first.start()
        spin(lambda: pull._hub._polling)
        release = threading.Event()
        with pull._hub.lock:  # it is told to lead, and is not quick enough to see it
            pull._hub._followers.append(release.set)
        second = threading.Thread(target=lambda: got.append(pull.recv()))
        second.start()
        spin(lambda: len(pull._hub._followers) == 2)
        push.send(b"to the first")
        first.join()
        assert release.wait(PATIENCE)
        with pull._hub.lock:
            pull._hub.dismiss(release.set)
        push.send(b"to the second")
        second.join(PATIENCE)
        assert got == [b"to the first", b"to the second"]
        push.close()
        pull.close()


def waits(poller: Poller) -> bool:
    """Whether it has looked, and is at a gate now."""
    return any(what._head.receivable._waiting for what in poller._waiters)


class Polled:
    """A poller with so many receiving sockets."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __enter__(self) -> tuple[Poller, list[tuple[Socket[Any], Socket[Any]]]]:
        self._pairs = [pair(number) for number in range(self._count)]
        poller = Poller()
        for pull, _ in self._pairs:
            poller.add(pull)
        return poller, self._pairs

    def __exit__(self, *error: object) -> None:
        for near, far in self._pairs:
            far.close()
            near.close()


class TestDescriptor:
    @pytest.mark.parametrize("fetch", ["recv", "recv_many", "recv_message"])
    def test_readable_exactly_while_there_is_something(self, fetch: str) -> None:
        pull, push = pair(20)
        with pull, push:
            assert not shows(pull)
            push.send_many([b"one", b"two"])
            for _ in range(1 if fetch == "recv_many" else 2):
                assert shows(pull, PATIENCE)
                getattr(pull, fetch)(timeout=0)
            assert not shows(pull)
            with pytest.raises(Deadline):
                pull.recv(timeout=0)

    def test_in_a_loop_of_somebody_else(self) -> None:
        """The loop waits; a helper thread does the socket's work, connecting included."""
        received: list[bytes] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            done = loop.create_future()
            with Socket(Rep(), timeout=0) as rep:
                address = rep.listen("tcp://127.0.0.1:0").address

                def readable() -> None:
                    received.append(rep.recv())
                    rep.send(b"re " + received[-1])
                    if len(received) == 20:
                        done.set_result(None)

                loop.add_reader(rep.fileno(), readable)
                asking = threading.Thread(target=ask, args=(address,))
                asking.start()
                await done
                loop.remove_reader(rep.fileno())
                asking.join()

        def ask(address: str) -> None:
            with Socket(Req(), dial=f"tcp://{address}", timeout=PATIENCE) as req:
                for number in range(20):
                    req.send(b"%d" % number)
                    assert req.recv() == b"re %d" % number

        asyncio.run(main())
        assert received == [b"%d" % number for number in range(20)]

    def test_of_a_request(self) -> None:
        rep, req = pair(21, Rep(), Req())
        with rep, req:
            assert not shows(req)
            req.send(b"question")
            assert not shows(req)
            rep.send(b"answer to " + rep.recv())
            assert shows(req, PATIENCE)
            assert req.recv(timeout=0) == b"answer to question"
            assert not shows(req)
            with pytest.raises(LocalProtocolError):
                req.recv(timeout=0)

    def test_of_a_context(self) -> None:
        rep, req = pair(22, Rep(), Req())
        with rep, req, req.context() as context:
            number = context.fileno()
            assert context.fileno() == number
            context.send(b"question")
            rep.send(rep.recv())
            assert select.select([number], [], [], PATIENCE)[0]
            assert context.recv(timeout=0) == b"question"
            assert not select.select([number], [], [], 0)[0]

    def test_what_is_not_there_any_more_is_not_shown(self) -> None:
        """Whoever has taken it, or had it dropped."""
        rep, req = pair(23, Rep(), Req())
        with rep, req:
            req.fileno()
            for number in range(2):
                req.send(b"%d" % number)
                assert not shows(req)  # the answer to the one before is dropped
                rep.send(rep.recv())
                assert shows(req, PATIENCE)
            before = rep.context()
            rep.fileno()
            after = rep.context()
            for taker in (before, after):
                req.send(b"again")
                assert shows(rep, PATIENCE)
                assert taker.recv() == b"again"
                assert not shows(rep)
        sub, pub = pair(24, Sub(b"a"), Pub())
        with sub, pub:
            sub.fileno()
            pub.send(b"a1")
            assert shows(sub, PATIENCE)
            sub.unsubscribe(b"a")
            assert not shows(sub)

    def test_of_a_closed_socket(self) -> None:
        pull = Socket(Pull())
        pull.close()
        with pytest.raises(Closed):
            pull.fileno()

    def test_who_takes_all_there_is_does_not_push_the_helper_aside(self) -> None:
        """It would rest for a while, and what comes next would wait for it."""
        pull = Socket(Pull())
        push = Socket(Push(), timeout=PATIENCE)
        push.dial(pull.listen("tcp://127.0.0.1:0").url, wait=True)
        with pull, push:
            pull.fileno()
            spin(lambda: pull._hub._leadership.helping)
            for number in range(10):
                push.send(b"%d" % number)
                assert shows(pull, PATIENCE)
                assert pull.recv(timeout=0) == b"%d" % number
                with pytest.raises(Deadline):
                    pull.recv(timeout=0)
                assert pull._hub._leadership.helping
