"""What the SP patterns share: their specs, the raw halves' bookkeeping, and raw sockets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

from ..core.capabilities import Capabilities, Requirement, Unit
from ..core.errors import Closed, LocalProtocolError, StackError
from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Timing
from ..core.junction import FairQueue, Junction, Pipe, Ring
from ..core.layer import Chunks
from ..core.spec import Kind, LayerSpec

__all__ = ["Incoming", "PatternSpec", "Raw", "RawHead", "check_ttl"]

Incoming: TypeAlias = tuple[bytes, bytes]
"""Header words and body of a message that came in."""


MAPPED = Requirement(unit=Unit.MESSAGE, session=True, features=frozenset({"sp"}))
"""The demand of every SP pattern: messages to and from a peer that has said what it is."""


class PatternSpec(LayerSpec):
    """The spec of an SP pattern.

    Attributes:
        number: its SP protocol number.
        peer_number: the one number that may be at the other end.
        verbatim: the body goes on the wire without words of the protocol in front.
    """

    kind = Kind.PATTERN
    number: ClassVar[int]
    peer_number: ClassVar[int]
    verbatim: ClassVar[bool] = True

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (MAPPED,)

    def derive(self, below: Capabilities) -> Capabilities:
        head = sum(entry.size for entry in self.header)
        return below.with_head(head, features=below.features - {"sp"})

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        """A fresh socket's two sides: the application's and the pipes'."""
        raise NotImplementedError


def check_ttl(name: str, ttl: int) -> None:
    """Refuse a number of hops that no header can count.

    Raises:
        StackError: it is none of 1 to 255.
    """
    if not 1 <= ttl <= 255:
        raise StackError(f"{name}: ttl is 1 to 255, not {ttl!r}", layer=name, field="ttl")


class Raw(Junction):
    """A raw half: pipes in turn on the way out, a fair queue of (header, body) on the way in.

    Attributes:
        depth: messages that may wait for one pipe to take more, where a pattern lets any wait.
        keeps_newest: of more than that, the oldest are dropped, and not the newest.
    """

    depth: int = 0
    keeps_newest = False

    def __init__(self, env: Timing, filters: FilterChain | None, stats: Stats) -> None:
        self.env = env
        self.filters = filters
        self.stats = stats
        self.pipes: dict[int, Pipe] = {}
        self.ring = Ring()
        self.queue: FairQueue[list[Any]] = FairQueue()
        self._batch: list[Incoming] = []
        self._batch_pipe: Pipe | None = None
        self.head: Head
        self.closed = False
        self._why = ""

    def close(self, why: str = "the socket is closed") -> None:
        """The socket is closed: drop what nobody fetched, and wake all who wait; they are told."""
        self.closed = True
        self._why = why
        self.ring = Ring()
        self._batch.clear()
        self.queue.clear()
        self.head.inbox.clear()
        self.head.receivable.open()
        self.head.sendable.open()

    def check(self) -> None:
        """For those who find nothing here.

        Raises:
            Closed: there will never be anything.
        """
        if self.closed:
            raise Closed(self._why, layer=self.head.name)

    # Pipes.

    def attached(self, pipe: Pipe) -> None:
        self.pipes[pipe.id] = pipe
        if pipe.ready:
            self.ring.add(pipe)
        self.queue.attached(pipe)
        self.head.sendable.open()

    def detached(self, pipe: Pipe) -> None:
        self.pipes.pop(pipe.id, None)
        self.queue.detached(pipe)
        self.ring.remove(pipe)
        pipe.lost = pipe.unsent
        self.stats.lost += pipe.lost

    def writable(self, pipe: Pipe) -> None:
        if pipe.ready and pipe.backlog:
            units = tuple(pipe.backlog)
            pipe.backlog.clear()
            pipe.sent += len(units)
            pipe.below.send(units)
        if pipe.ready and pipe.alive:
            self.ring.add(pipe)
            self.head.sendable.open()
        else:
            self.ring.remove(pipe)

    # Messages.

    @property
    def unsent(self) -> int:
        """Bytes that wait for any pipe at all, where a pattern keeps some."""
        return 0

    def put(self, header: bytes, body: Chunks) -> bool:
        """Send one message; False: not now."""
        raise LocalProtocolError("this pattern does not send", layer=self.head.name)

    def give(self, pipe: Pipe, units: Sequence[Chunks]) -> None:
        """Hand messages to one pipe, or let them wait for it; what finds no room is dropped and counted."""
        if pipe.ready:
            pipe.sent += len(units)
            pipe.below.send(units)
            return
        backlog = pipe.backlog
        backlog.extend(units)
        over = max(0, len(backlog) - self.depth)
        self.stats.shed += over
        pipe.shed += over
        for _ in range(over):
            if self.keeps_newest:
                backlog.popleft()
            else:
                backlog.pop()

    def pop(self) -> tuple[Pipe, bytes, bytes] | None:
        """The next message that came in, with its pipe, counted as received; None: none now."""
        if not self._batch:
            taken = self.queue.take()
            if taken is None:
                if self.closed:
                    self.check()
                return None
            self._batch_pipe, self._batch = taken
            self._batch.reverse()
        assert self._batch_pipe is not None
        self.stats.received += 1
        header, body = self._batch.pop()
        return self._batch_pipe, header, body

    @property
    def can_pop(self) -> bool:
        """Whether ``pop`` would give a message now."""
        return bool(self._batch) or bool(self.queue)

    @property
    def can_put(self) -> bool:
        """Whether ``put`` would take a message now."""
        return bool(self.ring)

    def route_header(self, pipe: Pipe, header: bytes) -> bytes:
        """The header that a raw socket shows for a message of ``pipe``."""
        return header

    @property
    def infallible(self) -> bool:
        """Whether no end filter refuses an outgoing body."""
        return self.filters is None or self.filters.infallible

    def encode(self, body: Chunks) -> Chunks:
        """Run the end filters over an outgoing body."""
        return body if self.filters is None else self.filters.encode([body])[0]

    def passed(self, bodies: list[bytes]) -> list[bytes]:
        """Those of the bodies that came in which pass the end filters, decoded; the others are counted."""
        if self.filters is None:
            return bodies
        decoded, refused = self.filters.decode(bodies)
        if not refused:
            return decoded
        self.stats.refused += refused
        return [body for body in decoded if body is not None]

    def arrive(self, pipe: Pipe, incoming: list[Incoming]) -> None:
        """Queue what came in, after the end filters."""
        if self.filters is not None:
            bodies, refused = self.filters.decode([body for _, body in incoming])
            self.stats.refused += refused
            incoming = [
                (entry[0], body)
                for entry, body in zip(incoming, bodies, strict=True)
                if body is not None
            ]
        if incoming:
            self.queue.put(pipe, incoming)
            self.head.receivable.open()


class RawHead(Head):
    """A raw socket: messages with their headers, no bookkeeping."""

    def __init__(self, name: str, raw: Raw) -> None:
        super().__init__()
        self.name = name
        self._raw = raw

    @property
    def can_send(self) -> bool:
        return self._raw.can_put

    @property
    def can_recv(self) -> bool:
        return self._raw.can_pop

    def offer(self, body: bytes) -> bool:
        return self.offer_message(Message(body))

    def offer_message(self, message: Message) -> bool:
        raw = self._raw
        if not raw.put(message.header, raw.encode(message.body)):
            return False
        raw.stats.sent += 1
        return True

    def take(self) -> bytes | None:
        message = self.take_message()
        return None if message is None else message.body

    def take_message(self) -> Message | None:
        popped = self._raw.pop()
        if popped is None:
            return None
        pipe, header, body = popped
        return Message(body, self._raw.route_header(pipe, header), pipe.id)

    def _more(self) -> bytes | None:
        return self.take()
