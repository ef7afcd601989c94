"""The kit for whole stacks as programs use them: ``listen``, ``accept``, ``dial`` and connections, on either driver."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any
from unittest import SkipTest

from ...core.errors import (
    Closed,
    Deadline,
    EndOfStream,
    EndpointError,
    LocalProtocolError,
    SockstackError,
)
from .apis import APIS, Api, Running
from .runners import PATIENCE, descriptors, our_threads

__all__ = ["ConnectionKit"]


class ConnectionKit:
    """Tests for a whole stack without a pattern. Subclass it, and say how it is listened on and dialled::

        class TestPrefixTcp(ConnectionKit):
            garbage = (b"\\xff" * 4,)

            def make_listener(self):
                return Prefix(4) | Tcp("127.0.0.1:0")

            def make_dialer(self, address):
                return Prefix(4) | Tcp(address)

            def make_intruder(self, address):
                return Tcp(address)

    Whatever a test did, no descriptor and no thread may be left when it is over.

    Attributes:
        driver: ``blocking`` or ``asyncio``; subclass once for each.
        payloads: what is sent; each must be fit to be sent.
        garbage: what an intruder writes; each must cost it its connection.
        greets: whether a peer must say something before a connection is open.
        cycles: how often connections are made where leaks are looked for.
    """

    driver: str = "blocking"
    payloads: tuple[bytes, ...] = (b"a", bytes(range(256)), b"0123456789" * 10_000)
    garbage: tuple[bytes, ...] = ()
    greets: bool = False
    cycles: int = 200

    api: Api

    def make_listener(self) -> Any:
        """A stack to listen on, at a fresh address each time."""
        raise NotImplementedError

    def make_dialer(self, address: str) -> Any:
        """The stack that dials a listener's address."""
        raise NotImplementedError

    def make_intruder(self, address: str) -> Any:
        """The transport alone, to the same address; None if nobody can come without the layers."""
        return None

    # For tests.

    def setup_method(self) -> None:
        self._before = (descriptors(), our_threads())
        self.api = APIS[self.driver]()
        self._open: list[Any] = []
        self._home: Any = None

    def teardown_method(self) -> None:
        for thing in reversed(self._open):
            self.call(getattr(thing, "abort", thing.close))
        self.api.close()
        for thread in our_threads() - self._before[1]:
            thread.join(PATIENCE)
        left = (descriptors(), our_threads())
        assert left == self._before, f"left: {left}, and before there was: {self._before}"

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call something of the driver's, and wait for what comes of it."""
        return self.api.call(function, *args, **options)

    def keep(self, thing: Any) -> Any:
        """Let go of it when the test is over."""
        self._open.append(thing)
        return thing

    def skip_unless(self, met: object, why: str) -> None:
        """Leave the test if it does not apply."""
        if not met:
            raise SkipTest(why)

    @property
    def home(self) -> Any:
        """A listener."""
        if self._home is None:
            self._home = self.listen()
        return self._home

    def listen(self, stack: Any = None, **options: Any) -> Any:
        """Listen."""
        stack = self.make_listener() if stack is None else stack
        return self.keep(self.call(self.api.module.listen, stack, timeout=PATIENCE, **options))

    def dial(self, stack: Any = None, **options: Any) -> Any:
        """Dial the listener, or something else."""
        stack = self.make_dialer(self.home.address) if stack is None else stack
        return self.keep(self.call(self.api.module.dial, stack, timeout=PATIENCE, **options))

    def pair(self) -> tuple[Any, Any]:
        """A client's connection and the server's end of it."""
        client = self.dial()
        return client, self.keep(self.call(self.home.accept))

    def intrude(self) -> Any:
        """A connection without the layers."""
        stack = self.make_intruder(self.home.address)
        self.skip_unless(stack is not None, "nobody can come without the layers")
        return self.dial(stack)

    def send(self, connection: Any, data: bytes, **options: Any) -> None:
        """Send a unit."""
        self.call(connection.send, data, **options)

    def recv(self, connection: Any, size: int | None = None) -> bytes:
        """Receive a message, or so many bytes of a stream."""
        if hasattr(connection, "recv_exactly"):
            data: bytes = self.call(connection.recv_exactly, size or 1)
        else:
            data = self.call(connection.recv)
        return data

    def pass_on(self, sender: Any, receiver: Any, data: bytes) -> None:
        """Send, receive, and see that it is the same."""
        self.send(sender, data)
        assert self.recv(receiver, len(data)) == data

    def raises(
        self,
        kind: type[BaseException] | tuple[type[BaseException], ...],
        *call: Any,
        **options: Any,
    ) -> BaseException:
        """Make a call that must raise."""
        return self.fails(kind, self.api.start(*call, **options))

    def fails(
        self, kind: type[BaseException] | tuple[type[BaseException], ...], running: Running
    ) -> BaseException:
        """Wait for a call that must raise."""
        try:
            result = running.result()
        except kind as error:
            return error
        raise AssertionError(f"it gave {result!r}, and it must raise {kind}")

    def serve(self, client: Any, data: bytes) -> None:
        """Accept whoever comes, until one of them has received what ``client`` sends, and answer it."""
        self.send(client, data)
        servers: list[Any] = []
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            try:
                servers.append(self.keep(self.call(self.home.accept, timeout=0.01)))
            except Deadline:
                pass
            for server in servers:
                try:
                    got = self.call(server.recv, timeout=0)
                except SockstackError:
                    continue
                assert data.startswith(got)
                if len(got) < len(data):
                    got += self.recv(server, len(data) - len(got))
                assert got == data
                self.pass_on(server, client, data)
                return
        raise AssertionError("a good client was not served")

    # Data.

    def test_both_ways(self) -> None:
        client, server = self.pair()
        for unit in self.payloads:
            self.pass_on(client, server, unit)
            self.pass_on(server, client, unit)

    def test_both_ways_at_once(self) -> None:
        """Megabytes in both directions at the same time block nobody for good."""
        client, server = self.pair()
        unit = max(self.payloads, key=len)
        count = (1 << 22) // len(unit) + 1

        def send_all(connection: Any) -> Any:
            return self._repeat(count, connection.send, unit)

        senders = [self.api.start(send_all, end) for end in (client, server)]
        for end in (server, client):
            for _ in range(count):
                assert self.recv(end, len(unit)) == unit
        for sender in senders:
            sender.result()

    def test_several_connections(self) -> None:
        """None hears what was said on another."""
        pairs = [self.pair() for _ in range(10)]
        unit = self.payloads[0]
        for client, _ in pairs[::2]:
            self.send(client, unit)
        for _, server in pairs[1::2]:
            self.send(server, unit * 2 if hasattr(server, "recv_exactly") else unit)
        for _, server in pairs[::2]:
            assert self.recv(server, len(unit)) == unit
        for client, _ in pairs[1::2]:
            assert self.recv(client, len(unit)) == unit
        for _, server in pairs[1::2]:
            self.raises(Deadline, server.recv, timeout=0)

    def test_many_senders(self) -> None:
        """Several threads or tasks send messages on one connection: each arrives whole, each sender's in order."""
        client, server = self.pair()
        self.skip_unless(not hasattr(client, "recv_exactly"), "a stream has no messages")

        def send_numbers(sender: int) -> Any:
            numbers = iter(range(50))
            return self._repeat(50, lambda: client.send(b"%d %d" % (sender, next(numbers))))

        senders = [self.api.start(send_numbers, sender) for sender in range(8)]
        got: dict[bytes, list[int]] = {}
        for _ in range(400):
            sender, number = self.recv(server).split()
            got.setdefault(sender, []).append(int(number))
        for running in senders:
            running.result()
        assert len(got) == 8
        assert all(numbers == list(range(50)) for numbers in got.values())

    # Deadlines.

    def test_deadline_in_the_past(self) -> None:
        """It raises at once, and nothing is lost by it."""
        client, server = self.pair()
        for timeout in (0, -1, 0.001):
            self.raises(Deadline, server.recv, timeout=timeout)
        for unit in self.payloads:
            self.send(client, unit, timeout=PATIENCE)
            got = b""
            limit = time.monotonic() + PATIENCE
            while got != unit and time.monotonic() < limit:
                try:
                    got += self.call(server.recv, timeout=0)
                except Deadline:
                    continue
            assert got == unit

    def test_accept_deadline(self) -> None:
        self.raises(Deadline, self.home.accept, timeout=0)
        client, server = self.pair()
        self.pass_on(client, server, self.payloads[0])

    def test_send_deadline(self) -> None:
        """A peer that does not read: send waits, and then says that the unit was not accepted."""
        client, _ = self.pair()
        unit = max(self.payloads, key=len)
        for _ in range((64 << 20) // len(unit)):
            try:
                self.send(client, unit, timeout=0)
            except Deadline:
                return
        raise AssertionError("nobody reads, and everything is accepted")

    # Endings.

    def test_data_then_close(self) -> None:
        """What was sent before ``close`` arrives, then the end."""
        client, server = self.pair()
        unit = max(self.payloads, key=len)
        for _ in range(5):
            self.send(client, unit)
        closing = self.api.start(client.close, linger=PATIENCE)
        for _ in range(5):
            assert self.recv(server, len(unit)) == unit
        self.raises(EndOfStream, server.recv)
        self.raises(EndOfStream, server.recv)
        assert closing.result() == 0, "bytes were left"

    def test_half_close(self) -> None:
        client, server = self.pair()
        unit = self.payloads[0]
        self.send(client, unit)
        self.call(client.end)
        assert self.recv(server, len(unit)) == unit
        self.raises(EndOfStream, server.recv)
        self.raises(LocalProtocolError, client.send, unit)
        self.pass_on(server, client, unit)
        self.call(server.end)
        self.raises(EndOfStream, client.recv)

    def test_use_after_close(self) -> None:
        """Every call raises a declared error; closing again is harmless."""
        client, _ = self.pair()
        self.call(client.close)
        for call in (client.recv, lambda **options: client.send(b"x", **options)):
            self.raises(SockstackError, call, timeout=1)
        self.call(client.close)
        self.call(client.abort)
        self.call(client.close)

    def test_abort(self) -> None:
        """The peer learns of it, and can let go in turn."""
        client, server = self.pair()
        self.call(client.abort)
        self.call(client.abort)
        self.raises(SockstackError, server.recv)
        self.call(server.close)

    def test_close_wakes_who_waits(self) -> None:
        client, _ = self.pair()
        waiting = self.api.start(client.recv)
        self.call(client.close)
        self.fails(SockstackError, waiting)

    # Listening.

    def test_listener_closes(self) -> None:
        """Whoever waits for a connection is told; live connections go on."""
        client, server = self.pair()
        waiting = self.api.start(self.home.accept)
        self.call(self.home.close)
        self.call(self.home.close)
        self.fails(Closed, waiting)
        self.raises(Closed, self.home.accept)
        self.pass_on(client, server, self.payloads[0])
        self.pass_on(server, client, self.payloads[0])

    def test_refused(self) -> None:
        address = self.home.address
        self.call(self.home.close)
        self.raises(EndpointError, self.api.module.dial, self.make_dialer(address))

    def test_unfetched_connections_are_dropped(self) -> None:
        """Who connected and was never accepted learns when the listener closes."""
        client = self.dial()
        self.call(self.home.close)
        self.raises(SockstackError, client.recv)

    def test_opening_and_closing_leaves_nothing(self) -> None:
        home = self.home
        for number in range(self.cycles):
            client = self.call(self.api.module.dial, self.make_dialer(home.address))
            server = self.call(home.accept)
            self.pass_on(client, server, self.payloads[0])
            for end in random.Random(number).sample((client, server), 2):
                self.call(end.close)
        # Descriptors and threads are looked at when the test is over.

    # Hostile peers.

    def test_garbage_costs_its_own_connection(self) -> None:
        """Others, those that are there and those that come, go on."""
        self.skip_unless(self.garbage, "no garbage was given")
        client, server = self.pair()
        for junk in self.garbage:
            intruder = self.intrude()
            self.send(intruder, junk)
            if not self.greets:
                victim = self.keep(self.call(self.home.accept))
                error = self.raises(SockstackError, victim.recv)
                assert not isinstance(error, Deadline), "garbage was swallowed"
            error = self.raises(SockstackError, self._read_to_the_end, intruder)
            assert not isinstance(error, Deadline), "its connection was left open"
            self.pass_on(client, server, self.payloads[0])
        self.pass_on(*self.pair(), self.payloads[0])

    def test_silent_visitors_keep_nobody_waiting(self) -> None:
        for _ in range(20):
            self.intrude()
        self.serve(self.dial(), self.payloads[0])

    def test_silent_visitor_is_sent_away(self) -> None:
        """One that does not greet within the time allowed for it."""
        self.skip_unless(self.greets, "a connection is open without a word")
        self._home = self.listen(handshake=0.05)
        intruder = self.intrude()
        error = self.raises(SockstackError, self._read_to_the_end, intruder)
        assert not isinstance(error, Deadline), "it may stay for ever"
        self.serve(self.dial(), self.payloads[0])

    def test_silent_server_is_given_up(self) -> None:
        """A dial to one that does not greet ends in time, and leaves nothing open."""
        self.skip_unless(self.greets, "a connection is open without a word")
        address = self.home.address
        self.skip_unless(self.make_intruder(address) is not None, "no transport alone")
        self.call(self.home.close)
        self.listen(self.make_intruder(address))
        dial = self.api.module.dial
        self.raises(Deadline, dial, self.make_dialer(address), handshake=0.05)

    # Inside.

    def _repeat(self, count: int, send: Callable[..., Any], *args: Any) -> Any:
        """Call ``send`` so often, one after the other; awaitable on asyncio."""
        if self.driver == "asyncio":

            async def calls() -> None:
                for _ in range(count):
                    await send(*args)

            return calls()
        for _ in range(count):
            send(*args)
        return None

    def _read_to_the_end(self, connection: Any) -> Any:
        """Receive until it raises."""
        if self.driver == "asyncio":

            async def calls() -> None:
                while True:
                    await connection.recv()

            return calls()
        while True:
            connection.recv()
