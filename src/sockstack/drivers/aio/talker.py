"""Sending and receiving through a head, to be awaited: what sockets and contexts have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic, TypeVar

from ...core.errors import Closed, Deadline, SurveyOver
from ...core.head import Head, Message, as_body
from ...core.interfaces import CanRecv, CanSend, CanSubscribe
from ...core.junction import Gate
from ..timeouts import DEFAULT, Countdown, Default, Timeout
from .hub import AsyncioHub

__all__ = ["Context", "Talker"]

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
        self._offer_accepted: Callable[[Sequence[bytes]], int]
        self._outbox: list[bytes] | None = None
        self._scheduled = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Nothing can be sent or received here any more."""
        return self._closed

    def _use(self, hub: AsyncioHub, head: Head) -> None:
        self._hub = hub
        self._head = head
        self._inbox = head.inbox
        self._offer_accepted = head.offer_many
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
            body = await self._wait(head.take, head.receivable, timeout, "recv")
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
            TypeError: ``data`` is no buffer.
            LocalProtocolError: the pattern has nothing to send now (REP without a request).
            Closed: the socket is closed.
        """
        body = data if type(data) is bytes else as_body(data)
        outbox = self._outbox
        if outbox is not None and len(body) <= LARGE and (outbox or self._head.flowing):
            if len(outbox) >= COLLECTED and self._drain() is None:
                await self._wait(self._drain, self._head.sendable, timeout, "send")
                if self._outbox is not outbox:
                    raise Closed("the socket is closed", layer="socket")
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
        batch = [body if type(body) is bytes else as_body(body) for body in bodies]
        head = self._head
        timeout = self.timeout if isinstance(timeout, Default) else timeout
        time = Countdown(timeout, self._hub.now)
        await self._settle(timeout)
        done = 0
        try:
            while done < len(batch):
                taken = head.offer_many(batch[done:] if done else batch)
                done += taken
                if not taken:
                    await self._offer(batch[done], time.left)
                    done += 1
        except Deadline as error:
            error.accepted = done
            raise
        except Exception as error:
            if done:
                error.add_note(f"send_many: the first {done} messages were accepted")
            raise

    async def send_message(
        self: Talker[CanSend], message: Message, timeout: Timeout = DEFAULT
    ) -> None:
        """Send a message with what stands beside it: of a raw socket the header, of a PAIR1 with many peers the pipe.

        Raises like :meth:`send`.
        """
        head = self._head
        message = replace(message, body=as_body(message.body))
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
        while outbox:
            taken = self._offer_accepted(outbox)
            if not taken:
                return None
            del outbox[:taken]
        return True

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
        try:
            return await self._hub.wait(attempt, gate, timeout, what)
        except Deadline as error:
            self._explain(error)
            raise

    def _explain(self, error: Deadline) -> None:
        """Say more about what did not happen in time."""


class Context(Talker[P_co]):
    """A state machine of its own over a socket's pipes: N contexts ask or answer N requests at a time."""

    def __init__(self, owner: Talker[Any], head: Head) -> None:
        super().__init__(owner.timeout)
        self._owner = owner
        self._use(owner._hub, head)

    @property
    def closed(self) -> bool:
        """Nothing can be sent or received here any more."""
        return self._head.closed or self._owner.closed

    def _explain(self, error: Deadline) -> None:
        self._owner._explain(error)

    async def close(self) -> None:
        """Give up what is outstanding."""
        self._closed = True
        self._head.close()

    def __del__(self) -> None:
        if not self._closed and not self._hub.loop.is_closed():
            self._hub.post(self._head.close)

    def __repr__(self) -> str:
        return f"<Context of {self._owner!r}>"

    async def __aenter__(self) -> Context[P_co]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
