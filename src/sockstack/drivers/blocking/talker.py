"""Sending and receiving through a head, in the caller's own thread: what sockets and contexts have in common."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from ...core.errors import Closed, Deadline, SurveyOver
from ...core.head import Head, Message, as_body
from ...core.interfaces import CanRecv, CanSend, CanSubscribe
from ...core.junction import Gate
from ..timeouts import DEFAULT, Countdown, Default, Timeout
from .burst import FULL, SMALL, Outbox
from .exit import let_go
from .hub import BlockingHub

if TYPE_CHECKING:
    from .readiness import Signal

__all__ = ["Context", "Talker"]

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
T = TypeVar("T")
A = ParamSpec("A")

MANY_AT_ONCE = 1024
"""Messages that ``recv_many`` gives at most unless told otherwise."""


class Talker(Generic[P_co]):
    """Sends and receives through one head: what a socket and its contexts have in common."""

    def __init__(self, timeout: float | None, owner: Talker[Any] | None = None) -> None:
        self.timeout = timeout
        self._closed = False
        self._outbox: Outbox | None = None
        self._signal: Signal | None = None
        self._signals: list[Signal] = owner._signals if owner else []  # of all relatives
        self._relatives: weakref.WeakSet[Talker[Any]] = (
            owner._relatives if owner else weakref.WeakSet()
        )
        self._relatives.add(self)
        self._hub: BlockingHub
        self._head: Head

    def _use(self, hub: BlockingHub, head: Head) -> None:
        self._hub = hub
        self._head = head
        self._inbox = head.inbox
        self._take = head.take
        self._take_many = head.take_many
        self._take_message = head.take_message
        self._offer = head.offer
        if self._signals:
            self._tell_signals()

    @property
    def closed(self) -> bool:
        """Nothing can be sent or received here any more."""
        return self._closed or self._hub.closed

    # Receiving.

    def recv(self: Talker[CanRecv], timeout: Timeout = DEFAULT) -> bytes:
        """The next message.

        Args:
            timeout: seconds to wait, None for ever; by default the socket's. A message is never lost by a timeout.

        Raises:
            Deadline: nothing came in time.
            LocalProtocolError: the pattern has nothing to receive now (REQ before a request).
            Closed: the socket is closed.
        """
        if self._inbox:
            try:
                return self._inbox.popleft()
            except IndexError:  # another thread was faster
                pass
        with self._hub.lock:
            body = self._take()
            if body is None:
                body = self._wait(self._take, self._head.receivable, timeout, "recv")
            return body

    def recv_many(
        self: Talker[CanRecv], most: int = MANY_AT_ONCE, timeout: Timeout = DEFAULT
    ) -> list[bytes]:
        """What is there, at least one message and at most ``most``. Raises like :meth:`recv`."""
        take, gate = self._take_many, self._head.receivable
        with self._hub.lock:
            bodies = take(most)
            if bodies is None:
                bodies = self._wait(lambda: take(most), gate, timeout, "recv_many")
            return bodies

    def recv_message(self: Talker[CanRecv], timeout: Timeout = DEFAULT) -> Message:
        """The next message with what came beside it: pipe, marks, and on a raw socket the header."""
        take, gate = self._take_message, self._head.receivable
        with self._hub.lock:
            message = take()
            if message is None:
                message = self._wait(take, gate, timeout, "recv_message")
            return message

    def fileno(self: Talker[CanRecv]) -> int:
        """A descriptor for loops that are not ours: readable exactly while a message can be received without waiting.

        Do nothing with it but wait for it; it closes with the socket. From the first call on, a helper thread does the
        socket's work while no caller does, and ``recv`` is a little slower. To wait for several sockets here,
        :class:`~sockstack.Poller` does without.

        Raises:
            Closed: there will be nothing to wait for.
        """
        with self._hub.lock:
            if self._signal is None:
                from .readiness import Signal  # few programs need it

                if self.closed:
                    raise Closed(self._hub.why if self._hub.closed else "this is closed")
                self._signal = Signal(self._hub, self._head)
                self._signals.append(self._signal)
                for relative in self._relatives:
                    relative._tell_signals()
            return self._signal.fileno

    def __iter__(self: Talker[CanRecv]) -> Iterator[bytes]:
        """Messages until the socket is closed; of a survey, answers until its time is over."""
        while True:
            try:
                yield self.recv()
            except (Closed, SurveyOver):
                return

    def subscribe(self: Talker[CanSubscribe], prefix: bytes) -> None:
        """Receive messages that begin with ``prefix``, too; with ``b""``, all. Twice is once."""
        with self._hub.lock:
            self._head.subscribe(prefix)
            self._show()

    def unsubscribe(self: Talker[CanSubscribe], prefix: bytes) -> None:
        """Take a subscription back. What waits to be received and matches no other is dropped.

        Raises:
            LocalProtocolError: there is no such subscription.
        """
        with self._hub.lock:
            self._head.unsubscribe(prefix)
            self._show()

    # Sending.

    def send(
        self: Talker[CanSend], data: bytes | bytearray | memoryview, timeout: Timeout = DEFAULT
    ) -> None:
        """Send a message; returns when it is accepted: queued or written, which is not delivered.

        Args:
            data: ``bytes`` are kept by reference, any other buffer is copied.
            timeout: seconds to wait for room, None for ever; by default the socket's.

        Raises:
            Deadline: there was no room, or no peer, in time. The message is not accepted.
            TypeError: ``data`` is no buffer.
            LocalProtocolError: the pattern has nothing to send now (REP without a request).
            Closed: the socket is closed.
        """
        outbox = self._outbox
        body = data if type(data) is bytes else as_body(data)
        if outbox is not None:
            if outbox.on and len(body) <= SMALL and len(outbox.messages) < FULL:
                outbox.messages.append(body)
                if not outbox.on:  # by now: another thread ended the burst
                    with self._hub.lock:  # type: ignore[unreachable]
                        outbox.late()
                return
            self._send_in_burst(outbox, body, timeout)
            return
        hub = self._hub
        with hub.lock:
            if not self._offer(body):
                self._wait_offer(body, timeout)
            if hub.unattended:
                hub.leave()

    def send_many(
        self: Talker[CanSend], bodies: Sequence[bytes], timeout: Timeout = DEFAULT
    ) -> None:
        """Send messages in order, as few system calls as will do.

        Raises:
            Deadline: not all were accepted in time; ``error.accepted`` says how many were.
        """
        batch = [body if type(body) is bytes else as_body(body) for body in bodies]
        head, hub = self._head, self._hub
        timeout = self.timeout if isinstance(timeout, Default) else timeout
        time = Countdown(timeout, hub.now)
        done = 0
        with hub.lock:
            self._settle(timeout)
            try:
                while done < len(batch):
                    taken = head.offer_many(batch[done:] if done else batch)
                    done += taken
                    if not taken:
                        self._wait_offer(batch[done], time.left)
                        done += 1
            except Deadline as error:
                error.accepted = done
                raise
            except Exception as error:
                if done:
                    error.add_note(f"send_many: the first {done} messages were accepted")
                raise
            self._show()
            if hub.unattended:
                hub.leave()

    def send_message(self: Talker[CanSend], message: Message, timeout: Timeout = DEFAULT) -> None:
        """Send a message with what stands beside it: of a raw socket the header, of a PAIR1 with many peers the pipe.

        Raises like :meth:`send`.
        """
        head, hub = self._head, self._hub
        message = replace(message, body=as_body(message.body))
        with hub.lock:
            self._settle(timeout)
            if not head.offer_message(message):
                self._wait(
                    lambda: head.offer_message(message) or None, head.sendable, timeout, "send"
                )
            self._show()
            if hub.unattended:
                hub.leave()

    # Inside.

    def _send_in_burst(self, outbox: Outbox, body: bytes, timeout: Timeout) -> None:
        """The way of a message that cannot just be appended to the burst."""
        hub = self._hub
        with hub.lock:
            self._settle(timeout)
            if outbox.joins() and len(body) <= SMALL:
                outbox.messages.append(body)
                return
            if not self._offer(body):
                self._wait_offer(body, timeout)
            outbox.after_send()
            if hub.unattended:
                hub.leave()

    def _tell_signals(self) -> None:
        """Under the lock, once somebody waits at a descriptor: it learns of all that is done here."""
        head = self._head
        self._inbox = deque()  # stays empty, so that nothing is taken without a word
        self._take = self._shown(head.take)
        self._take_many = self._shown(head.take_many)
        self._take_message = self._shown(head.take_message)
        self._offer = self._shown(head.offer)

    def _shown(self, call: Callable[A, T]) -> Callable[A, T]:
        """The same call; afterwards, descriptors show what is left to be received."""

        def done(*args: A.args, **options: A.kwargs) -> T:
            try:
                return call(*args, **options)
            finally:
                self._show()

        return done

    def _show(self) -> None:
        for signal in self._signals:
            signal.show()

    def _hide(self) -> None:
        """Under the lock: nothing is shown at a descriptor any more."""
        self._hiding()()
        self._signal = None

    def _hiding(self) -> Callable[[], None]:
        """Does that, and does not hold this object."""
        signal, signals = self._signal, self._signals

        def hide() -> None:
            if signal is not None:
                signals.remove(signal)
                signal.close()

        return hide

    def _wait_offer(self, body: bytes, timeout: Timeout) -> None:
        self._wait(lambda: self._offer(body) or None, self._head.sendable, timeout, "send")

    def _settle(self, timeout: Timeout) -> None:
        """Under the lock: hand on what a burst has collected, before anything else goes out."""
        outbox = self._outbox
        if outbox is not None and outbox.messages and outbox.drain() is None:
            self._wait(outbox.drain, self._head.sendable, timeout, "send")

    def _wait(self, attempt: Callable[[], T | None], gate: Gate, timeout: Timeout, what: str) -> T:
        try:
            return self._hub.wait(
                attempt, gate, self.timeout if isinstance(timeout, Default) else timeout, what
            )
        except Deadline as error:
            self._explain(error)
            raise

    def _explain(self, error: Deadline) -> None:
        """Under the lock: say more about what did not happen in time."""


class Context(Talker[P_co]):
    """A state machine of its own over a socket's pipes: N contexts ask or answer N requests at a time."""

    def __init__(self, owner: Talker[Any], head: Head) -> None:
        super().__init__(owner.timeout, owner)
        self._owner = owner
        self._use(owner._hub, head)

    @property
    def closed(self) -> bool:
        """Nothing can be sent or received here any more."""
        return self._head.closed or self._owner.closed

    def _explain(self, error: Deadline) -> None:
        self._owner._explain(error)

    def close(self) -> None:
        """Give up what is outstanding."""
        with self._hub.lock:
            self._closed = True
            self._head.close()
            self._hide()

    def __del__(self) -> None:
        if not self._closed and not self._hub.closed:
            head, hide = self._head, self._hiding()

            def close() -> None:
                head.close()
                hide()

            let_go(self._hub, close)

    def __repr__(self) -> str:
        return f"<Context of {self._owner!r}>"

    def __enter__(self) -> Context[P_co]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
