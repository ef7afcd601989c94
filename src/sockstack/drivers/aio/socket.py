"""Sockets of the asyncio driver: the same names as the blocking ones, to be awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from ...core.errors import Closed, Deadline, SurveyOver
from ...core.head import Head, Message
from ...core.interfaces import CanContext, CanRecv, CanSend, CanSubscribe, Os, Pattern, Pipe
from ...core.junction import PRIORITY, Gate
from ...core.log import logger
from ...core.spec import Spec
from ..endpoints import DialerCore, EndpointOptions, ListenerCore
from ..events import AcceptPipe, PipeInfo
from ..handles import Dialer, Listener
from ..hub import FORKED
from ..socket_core import SocketCore
from ..timeouts import DEFAULT, Default, Timeout
from .events import Events
from .hub import AsyncioHub, current_hub

__all__ = ["Context", "Socket"]

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
T = TypeVar("T")

MANY_AT_ONCE = 1024
"""Messages that ``recv_many`` gives at most unless told otherwise."""

COLLECTED = 1024
"""Messages that may wait for the end of a loop tick."""

LARGE = 8192
"""Bytes above which a message is written at once: collecting it would save little and hold a lot."""


class Talker(Generic[P_co]):
    """Sends and receives through one head: what a socket and its contexts have in common."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._hub: AsyncioHub
        self._head: Head
        self._outbox: list[bytes] | None = None
        self._scheduled = False

    def _use(self, hub: AsyncioHub, head: Head) -> None:
        self._hub = hub
        self._head = head
        self._inbox = head.inbox
        self._outbox = [] if head.bursts else None

    # Receiving.

    async def recv(self: Talker[CanRecv], timeout: Timeout = DEFAULT) -> bytes:
        """The next message. A timeout or a cancellation loses none.

        Args:
            timeout: seconds to wait, None for ever; by default the socket's.

        Raises:
            Deadline: nothing came in time.
            LocalProtocolError: the pattern has nothing to receive now (REQ before a request).
            Closed: the socket is closed.
        """
        if self._inbox:
            return self._inbox.popleft()
        head = self._head
        body = head.take()
        if body is None:
            if isinstance(timeout, Default):
                timeout = self.timeout
            body = await self._hub.wait(head.take, head.receivable, timeout, "recv")
        return body

    async def recv_many(
        self: Talker[CanRecv], most: int = MANY_AT_ONCE, timeout: Timeout = DEFAULT
    ) -> list[bytes]:
        """What is there, at least one message and at most ``most``. Raises like :meth:`recv`."""
        head = self._head
        bodies = head.take_many(most)
        if bodies is None:
            bodies = await self._wait(
                lambda: head.take_many(most), head.receivable, timeout, "recv_many"
            )
        return bodies

    async def recv_message(self: Talker[CanRecv], timeout: Timeout = DEFAULT) -> Message:
        """The next message with what came beside it: pipe, marks, and on a raw socket the header."""
        head = self._head
        message = head.take_message()
        if message is None:
            message = await self._wait(head.take_message, head.receivable, timeout, "recv_message")
        return message

    async def __aiter__(self: Talker[CanRecv]) -> AsyncIterator[bytes]:
        """Messages until the socket is closed; of a survey, answers until its time is over."""
        while True:
            try:
                yield await self.recv()
            except (Closed, SurveyOver):
                return

    def subscribe(self: Talker[CanSubscribe], prefix: bytes) -> None:
        """Receive messages that begin with ``prefix``, too; with ``b""``, all. Twice is once."""
        self._head.subscribe(prefix)

    def unsubscribe(self: Talker[CanSubscribe], prefix: bytes) -> None:
        """Take a subscription back. What waits to be received and matches no other is dropped.

        Raises:
            LocalProtocolError: there is no such subscription.
        """
        self._head.unsubscribe(prefix)

    # Sending.

    async def send(
        self: Talker[CanSend], data: bytes | bytearray | memoryview, timeout: Timeout = DEFAULT
    ) -> None:
        """Send a message; returns when it is accepted: queued or written, which is not delivered.

        Messages sent in one tick of the loop go out together at its end, with one system call if they fit.

        Raises:
            Deadline: there was no room, or no peer, in time. The message is not accepted.
            LocalProtocolError: the pattern has nothing to send now (REP without a request).
            Closed: the socket is closed.
        """
        body = data if type(data) is bytes else bytes(data)
        outbox = self._outbox
        if outbox is not None and len(body) <= LARGE and (outbox or self._head.flowing):
            if len(outbox) >= COLLECTED and self._drain() is None:
                await self._wait(self._drain, self._head.sendable, timeout, "send")
            outbox.append(body)
            if not self._scheduled:
                self._scheduled = True
                self._hub.loop.call_soon(self._flush)
            return
        if outbox:
            await self._settle(timeout)
        if not self._head.offer(body):
            await self._offer(body, timeout)

    async def send_many(
        self: Talker[CanSend], bodies: Sequence[bytes], timeout: Timeout = DEFAULT
    ) -> None:
        """Send messages in order, as few system calls as will do.

        Raises:
            Deadline: not all were accepted in time; ``error.accepted`` says how many were.
        """
        batch = [body if type(body) is bytes else bytes(body) for body in bodies]
        head = self._head
        await self._settle(timeout)
        done = 0
        while done < len(batch):
            taken = head.offer_many(batch[done:] if done else batch)
            done += taken
            if not taken:
                try:
                    await self._offer(batch[done], timeout)
                except Deadline as error:
                    error.accepted = done
                    raise
                done += 1

    async def send_message(
        self: Talker[CanSend], message: Message, timeout: Timeout = DEFAULT
    ) -> None:
        """Send a message with a header; only raw sockets look at the header."""
        head = self._head
        await self._settle(timeout)
        if not head.offer_message(message):
            await self._wait(
                lambda: head.offer_message(message) or None, head.sendable, timeout, "send"
            )

    # Inside.

    async def _offer(self, body: bytes, timeout: Timeout) -> None:
        head = self._head
        await self._wait(lambda: head.offer(body) or None, head.sendable, timeout, "send")

    async def _settle(self, timeout: Timeout) -> None:
        """What was collected goes out before anything else."""
        if self._outbox and self._drain() is None:
            await self._wait(self._drain, self._head.sendable, timeout, "send")

    def _drain(self) -> bool | None:
        """Hand on what was collected. True when nothing is left, None: not now."""
        outbox = self._outbox
        if outbox:
            del outbox[: self._head.offer_many(outbox)]
        return None if outbox else True

    def _flush(self) -> None:
        """At the end of a tick; what finds no room goes when there is some."""
        self._scheduled = False
        if self._drain() is None:
            self._scheduled = True
            self._head.sendable.add(self._flush)

    async def _wait(
        self, attempt: Callable[[], T | None], gate: Gate, timeout: Timeout, what: str
    ) -> T:
        if isinstance(timeout, Default):
            timeout = self.timeout
        return await self._hub.wait(attempt, gate, timeout, what)


class Context(Talker[P_co]):
    """A state machine of its own over a socket's pipes: N contexts ask or answer N requests at a time."""

    def __init__(self, socket: Socket[Any], head: Head) -> None:
        super().__init__(socket.timeout)
        self._use(socket._hub, head)

    async def close(self) -> None:
        """Give up what is outstanding."""
        self._head.close()

    async def __aenter__(self) -> Context[P_co]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


class Socket(Talker[P_co]):
    """A pattern with its peers. Made in a running loop; several tasks may use one socket."""

    def __init__(
        self: Socket[P],
        pattern: Spec[Pipe, Pattern[P]],
        *,
        dial: str | Spec[Os, Pipe] | None = None,
        listen: str | Spec[Os, Pipe] | None = None,
        timeout: float | None = None,
        linger: float = 1.0,
        reconnect_min: float = 0.1,
        reconnect_max: float = 5.0,
        handshake: float = 10.0,
        accept_pipe: AcceptPipe | None = None,
    ) -> None:
        """Make a socket, and dial or listen at once if told to. The arguments are those of the blocking socket.

        Raises:
            StackError: the stack is refused; nothing was opened.
            EndpointError: the address to listen on cannot be bound.
            RuntimeError: no loop runs.
        """
        super().__init__(timeout)
        options = EndpointOptions(reconnect_min, reconnect_max, handshake)
        self.linger = linger
        self._closed = False
        self._core = SocketCore(pattern, options, current_hub, accept_pipe)
        self._core.use_hub(None)
        self._use(self._core.hub, self._core.head)
        self._hub.residents.add(self)
        if listen is not None:
            self.listen(listen)
        if dial is not None:
            try:
                self.dial(dial)
            except BaseException:
                self._core.close(orderly=False)
                raise

    def dial(
        self,
        where: str | Spec[Os, Pipe],
        *,
        send_priority: int = PRIORITY,
        recv_priority: int = PRIORITY,
    ) -> Dialer:
        """Keep a connection to an address. Returns at once and goes on trying.

        Args:
            where: a URL, or the stack below the pattern.
            send_priority, recv_priority: the place of this address's peers among those of the socket, 1 (served first)
                to 16: what is sent goes to the best that is ready, and what arrived from the best is received first.

        Raises:
            StackError: the stack is refused.
        """
        specs = self._adopt(where)
        core = self._core.add_dialer(
            specs, send_priority=send_priority, recv_priority=recv_priority
        )
        return Dialer(core)

    async def reach(self, where: str | Spec[Os, Pipe], within: float) -> Dialer:
        """Dial, and wait for the first connection.

        Raises:
            SockstackError: why the first attempt failed.
            Deadline: nothing was decided in time.
        """
        specs = self._adopt(where)
        core = self._core.add_dialer(specs)
        await self._wait(core.outcome, self._head.sendable, within, "dial")
        return Dialer(core)

    def listen(
        self,
        where: str | Spec[Os, Pipe],
        *,
        send_priority: int = PRIORITY,
        recv_priority: int = PRIORITY,
    ) -> Listener:
        """Accept connections on an address.

        Args:
            where: a URL, or the stack below the pattern.
            send_priority, recv_priority: the place of this address's peers among those of the socket, 1 (served first)
                to 16: what is sent goes to the best that is ready, and what arrived from the best is received first.

        Raises:
            StackError: the stack is refused.
            EndpointError: the address cannot be bound.
        """
        specs = self._adopt(where)
        core = self._core.add_listener(
            specs, inherit=False, send_priority=send_priority, recv_priority=recv_priority
        )
        return Listener(core)

    def context(self: Socket[CanContext], **options: float) -> Context[P_co]:
        """A context of its own state over this socket's pipes.

        Args:
            options: those of the pattern that may differ here: ``resend`` of a REQ, ``survey_time`` of a SURVEYOR.

        Raises:
            LocalProtocolError: the pattern has no contexts, or they have no such option.
        """
        return Context(self, self._head.context(options))

    async def wait_for_peers(self, count: int = 1, timeout: Timeout = DEFAULT) -> None:
        """Wait until at least so many peers are connected. What PUB, BUS or a survey sends earlier, nobody hears.

        Raises:
            Deadline: there were fewer in time.
            Closed: the socket is closed.
        """
        raw = self._core.raw

        def enough() -> bool | None:
            raw.check()
            return len(raw.pipes) >= count or None

        if not enough():
            await self._wait(enough, self._core.head.sendable, timeout, "wait_for_peers")

    @property
    def pipes(self) -> list[PipeInfo]:
        """The peers that are connected now."""
        return self._core.pipes()

    @property
    def dialers(self) -> list[Dialer]:
        """The addresses that it keeps dialling."""
        return [Dialer(core) for core in self._core.endpoints if isinstance(core, DialerCore)]

    @property
    def listeners(self) -> list[Listener]:
        """The addresses that it accepts on."""
        return [Listener(core) for core in self._core.endpoints if isinstance(core, ListenerCore)]

    def events(self) -> Events:
        """What happens to connections from now on: who came, who left, who was refused and what failed."""
        return Events(self._hub, self._core.listen_to_events())

    def stats(self) -> dict[str, int]:
        """Counters of this socket: see :class:`~sockstack.core.head.Stats`. Pipes and endpoints have their own."""
        return self._core.stats.snapshot()

    async def close(self, linger: float | None = None) -> int:
        """Accept and dial no more, write what was accepted, and end all connections. May be called twice.

        Returns:
            Messages, or parts of them in bytes if they were handed to a connection already, that could not be written.
        """
        if self._closed:
            return 0
        self._closed = True
        core = self._core
        linger = self.linger if linger is None else linger
        try:
            if self._drained() is None and linger > 0:
                await self._hub.wait(self._drained, core.head.sendable, linger, "close")
        except Deadline:
            pass
        finally:  # cancelled while it waited, it closes all the same
            left = core.unsent() + len(self._outbox or ())
            self._outbox = None
            core.close(orderly=not left)
        if left:
            logger("socket").warning("closed with %d bytes or messages unwritten", left)
        return left

    async def __aenter__(self) -> Socket[P_co]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def after_fork(self, kept: bool) -> None:
        """In a forked child: the connections are the parent's."""
        self._core.after_fork(kept, FORKED)
        self._outbox = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._core.endpoints)} endpoints"
        return f"<Socket {self._core.pattern.name}, {state}>"

    # Inside.

    def _adopt(self, where: object) -> Any:
        if self._closed:
            raise Closed("the socket is closed", layer="socket")
        self._core.raw.check()
        specs = self._core.check(where)
        self._core.adopt(specs, AsyncioHub)
        self._settle_on_hub()
        return specs

    def _settle_on_hub(self) -> None:
        if self._hub is not self._core.hub:
            self._use(self._core.hub, self._core.head)
            self._hub.residents.add(self)

    def _drained(self) -> bool | None:
        if self._drain() is None or self._core.unsent():
            return None
        return True
