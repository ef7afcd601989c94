"""The application's side of a junction: what a socket, or one of its contexts, does when the caller sends or receives.

Heads never wait. ``offer`` and ``take`` say "not now", and a driver waits at a gate and asks again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .errors import Closed, LocalProtocolError
from .junction import Gate

__all__ = ["Head", "Message", "Stats", "as_body"]


def as_body(data: object) -> bytes:
    """What a caller gives to be sent, as a message: ``bytes`` by reference, any other buffer as a copy.

    Raises:
        TypeError: it is no buffer.
    """
    if type(data) is bytes:
        return data
    try:
        return bytes(memoryview(data))  # type: ignore[arg-type]  # which is what is tried
    except TypeError:
        hint = ": encode it" if isinstance(data, str) else ""
        kind = type(data).__name__
        raise TypeError(f"a message is bytes, or another buffer, and not {kind}{hint}") from None


@dataclass(slots=True)
class Message:
    """A message with what came beside it.

    Attributes:
        body: what the application sent.
        header: words of the protocol, as they stand on the wire; only raw sockets give and take them. Of a raw REP they
            begin with the id of the pipe: an answer goes back there.
        pipe: id of the pipe it came from, 0 for none. A PAIR1 with many peers sends to it; others do not look at it.
        marks: advisory notes of layers below.
    """

    body: bytes
    header: bytes = b""
    pipe: int = 0
    marks: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Stats:
    """Counters of one socket, in messages but for the last. Whatever is dropped is counted by its reason.

    Attributes:
        sent: accepted from the caller and handed on.
        received: handed to the caller, or ready for it.
        resent: requests sent again.
        stray: came from a peer and fitted nothing (a late reply, data where none belongs).
        looped: came over more hops than allowed.
        refused: came from a peer and did not pass an end filter.
        unmatched: came from a peer, and there was no subscription to it.
        overrun: came from a peer and found the queue of those who receive full.
        shed: were not sent to a peer whose queue was full; one message counts for each such peer.
        unanswered: were received and given no answer, because the next one was received first.
        unheard: were sent where nobody was (any more).
        lost: bytes that were accepted, and were gone with a pipe before the kernel had taken them.
    """

    sent: int = 0
    received: int = 0
    resent: int = 0
    stray: int = 0
    looped: int = 0
    refused: int = 0
    unmatched: int = 0
    overrun: int = 0
    shed: int = 0
    unanswered: int = 0
    unheard: int = 0
    lost: int = 0

    def snapshot(self) -> dict[str, int]:
        """The counters as a mapping."""
        return {name: getattr(self, name) for name in self.__slots__}


class Head:
    """Base: what a pattern cannot do is refused here.

    Attributes:
        context_options: attributes that may differ for a context.
        inbox: messages that any thread may take without asking; empty where taking needs state.
        closed: this is a context, and it was closed.
        receivable, sendable: where callers wait.
    """

    context_options: ClassVar[frozenset[str]] = frozenset()
    name: str = "socket"
    closed = False

    def __init__(self) -> None:
        self.inbox: deque[bytes] = deque()
        self.receivable = Gate()
        self.sendable = Gate()

    @property
    def bursts(self) -> bool:
        """Whether single messages may be collected for a moment and offered in batches, when their callers have gone.

        Only where there is nothing about a message that ``offer`` would refuse.
        """
        return False

    @property
    def can_send(self) -> bool:
        """Whether a message would be taken now."""
        return False

    @property
    def flowing(self) -> bool:
        """Whether a peer takes messages now; only then are more collected than a call brings."""
        return self.can_send

    @property
    def can_recv(self) -> bool:
        """Whether a message can be fetched now."""
        return bool(self.inbox)

    def offer(self, body: bytes) -> bool:
        """Take a message to send; False: not now.

        Raises:
            LocalProtocolError: the pattern has nothing to send now.
            Closed: the socket or the context is closed.
            Exception: what a filter above the pattern raised for the message.

        Whatever it raises, the message was not taken.
        """
        raise LocalProtocolError(f"a {self.name} socket does not send", layer=self.name)

    def offer_many(self, bodies: Sequence[bytes]) -> int:
        """Take messages from the front of ``bodies``; how many were taken.

        Raises like :meth:`offer`, and only if none was taken: all before the one that is refused are, and a call that
        begins with that one raises.
        """
        for count, body in enumerate(bodies):
            try:
                taken = self.offer(body)
            except Exception:
                if not count:
                    raise
                taken = False
            if not taken:
                return count
        return len(bodies)

    def offer_message(self, message: Message) -> bool:
        """Take a message that may have a header.

        Raises:
            LocalProtocolError: it has one, and this is no raw socket.
        """
        if message.header:
            raise LocalProtocolError(
                f"a {self.name} socket writes its header itself: only a raw one takes it",
                layer=self.name,
            )
        return self.offer(message.body)

    def take(self) -> bytes | None:
        """The next message, or None: not now."""
        raise LocalProtocolError(f"a {self.name} socket does not receive", layer=self.name)

    def take_many(self, most: int) -> list[bytes] | None:
        """What is there, up to ``most``; None: nothing now."""
        body = self.take()
        if body is None:
            return None
        bodies = [body]
        while len(bodies) < most and (body := self._more()) is not None:
            bodies.append(body)
        return bodies

    def take_message(self) -> Message | None:
        """The next message with what came beside it, or None: not now."""
        raise LocalProtocolError(f"a {self.name} socket does not receive", layer=self.name)

    def context(self, options: Mapping[str, float]) -> Head:
        """Another state machine over the same pipes, with options of its own.

        Raises:
            LocalProtocolError: there are no contexts, or they have no such option.
        """
        context = self._context()
        for name, value in options.items():
            if name not in self.context_options:
                raise LocalProtocolError(
                    f"a context of a {self.name} socket has no option {name!r}", layer=self.name
                )
            setattr(context, name, value)
        return context

    def _context(self) -> Head:
        raise LocalProtocolError(f"a {self.name} socket has no contexts", layer=self.name)

    def subscribe(self, prefix: bytes) -> None:
        """Receive messages that begin so, too."""
        raise LocalProtocolError(f"a {self.name} socket has no subscriptions", layer=self.name)

    def unsubscribe(self, prefix: bytes) -> None:
        """Receive them no longer."""
        raise LocalProtocolError(f"a {self.name} socket has no subscriptions", layer=self.name)

    def close(self) -> None:
        """Of a context: give up what is outstanding, and tell who waits. The socket goes on."""
        self.closed = True
        self.receivable.open()
        self.sendable.open()

    def check(self) -> None:
        """For contexts.

        Raises:
            Closed: it was closed.
        """
        if self.closed:
            raise Closed("the context is closed", layer=self.name)

    def _more(self) -> bytes | None:
        """One more for a batch; patterns that answer each message have none."""
        return None
