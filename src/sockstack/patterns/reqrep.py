"""REQ and REP: questions and answers. SP protocol numbers 0x30 and 0x31.

Wire (RFC draft sp-request-reply-01, and what NNG, nanomsg and mangos do)::

    [0|pipe id] … [0|pipe id] [1|request id] body      words of 32 bits, big-endian

A requester writes the id word only; each device puts the id of the pipe a request came in on in front, and takes it off
again when the answer comes back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.errors import LocalProtocolError, PeerAborted, RemoteProtocolError, StackError
from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Cancellable, Timing
from ..core.interfaces import CanContext, CanRecv, CanSend, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import Pipe
from ..core.layer import Chunks
from ..core.spec import Header, Spec
from .base import Incoming, PatternSpec, Raw, RawHead

__all__ = ["Rep", "RepOps", "Req", "ReqOps"]

REQUEST_IDS = 0x80000000
LAST_ID = 0xFFFFFFFF


class ReqOps(CanSend, CanRecv, CanContext):
    """What a REQ socket does."""


class RepOps(CanSend, CanRecv, CanContext):
    """What a REP socket does."""


@dataclass(frozen=True)
class Req(PatternSpec, Spec[PipeInterface, Pattern[ReqOps]]):
    """Asks: each request goes to the peer that has been ready longest, and is resent until it is answered.

    A new request cancels the one that is outstanding. Answers to other requests are dropped. A timed-out ``recv`` keeps
    the request: its answer may still be received.

    Args:
        resend: seconds after which an unanswered request is sent again, to any peer that is ready. It is sent again at
            once when the connection that carried it is lost. 0 or less: never; then a lost connection makes ``recv``
            raise :class:`~sockstack.core.errors.PeerAborted`.
        raw: no bookkeeping; messages carry their header words. For devices.
    """

    _: KW_ONLY
    resend: float = 60.0
    raw: bool = False

    name: ClassVar[str] = "req"
    number: ClassVar[int] = 0x30
    peer_number: ClassVar[int] = 0x31
    verbatim: ClassVar[bool] = False

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("request id", 4, "top bit set; hops of devices in front, 4 bytes each"),)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        if self.raw:
            raw = RawReq(env, filters, stats)
            raw.head = RawHead(self.name, raw)
            return raw.head, raw
        requests = Requests(env, filters, stats, self.resend)
        return requests.head, requests


@dataclass(frozen=True)
class Rep(PatternSpec, Spec[PipeInterface, Pattern[RepOps]]):
    """Answers: ``recv`` gives a request, ``send`` answers it. Receiving again without an answer discards the request.

    Args:
        ttl: words that a request may carry, its id included: 1 to 255, so ``ttl - 1`` devices. One with more is
        dropped. raw: no bookkeeping; messages carry their header words. For devices.
    """

    _: KW_ONLY
    ttl: int = 8
    raw: bool = False

    name: ClassVar[str] = "rep"
    number: ClassVar[int] = 0x31
    peer_number: ClassVar[int] = 0x30
    verbatim: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 1 <= self.ttl <= 255:
            raise StackError(f"rep: ttl is 1 to 255, not {self.ttl}", layer="rep", field="ttl")

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("request id", 4, "as it came; hops of devices in front, 4 bytes each"),)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawRep(env, filters, stats, self.ttl)
        raw.head = RawRepHead(self.name, raw) if self.raw else RepHead(raw)
        return raw.head, raw


def end_of_words(unit: bytes, most: int) -> int:
    """Where the body begins: after the first word with the top bit set.

    Returns:
        The position; -1 if the unit ends before such a word; -2 if there are more than ``most`` words.
    """
    size = len(unit)
    for count in range(1, most + 1):
        start = 4 * count - 4
        if start + 4 > size:
            return -1
        if unit[start] & 0x80:
            return start + 4
    return -2


def headed(header: bytes, body: Chunks) -> tuple[bytes, ...]:
    """A body behind its header."""
    return (header, *body) if isinstance(body, tuple) else (header, body)


class RawReq(Raw):
    """Requests to pipes in turn; answers with the words that devices left on them."""

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        incoming: list[Incoming] = []
        for unit in units:
            stop = 4 if len(unit) >= 4 and unit[0] & 0x80 else end_of_words(unit, 255)
            if stop > 0:
                incoming.append((unit[:stop], unit[stop:]))
            elif stop == -1:
                if incoming:
                    self.arrive(pipe, incoming)
                pipe.close(RemoteProtocolError("an answer without a request id", layer="req"))
                return
            else:
                self.stats.dropped += 1
        if incoming:
            self.arrive(pipe, incoming)

    def put(self, header: bytes, body: Chunks) -> bool:
        pipe = self.ring.next()
        if pipe is None:
            self.check()
            return False
        pipe.below.send((headed(header, body),))
        return True


class Requests(RawReq):
    """The cooked half of REQ: outstanding requests of the socket and its contexts, by id."""

    def __init__(
        self, env: Timing, filters: FilterChain | None, stats: Stats, resend: float
    ) -> None:
        super().__init__(env, filters, stats)
        self.resend = resend
        self.waiting: dict[bytes, ReqHead] = {}
        self._homeless: deque[ReqHead] = deque()
        self._next_id = env.randbits(31) | REQUEST_IDS
        self._timer: Cancellable | None = None
        self.head = ReqHead(self)

    def ask(self, asker: ReqHead, body: Chunks) -> bool:
        """Send a request for ``asker``; False: no pipe takes one now."""
        pipe = self.ring.next()
        if pipe is None:
            self.check()
            return False
        if asker.id is not None:
            self.waiting.pop(asker.id, None)
        number = self._next_id
        while (key := number.to_bytes(4, "big")) in self.waiting:  # since 2**31 requests, that is
            number = number + 1 if number < LAST_ID else REQUEST_IDS
        self._next_id = number + 1 if number < LAST_ID else REQUEST_IDS
        asker.id = key
        if self.filters is not None:
            body = self.encode(body)
        asker.unit = headed(key, body)
        asker.pipe = pipe
        asker.answer = asker.failure = None  # before the send, which may find the pipe dead
        self.waiting[key] = asker
        self.stats.sent += 1
        if self.resend > 0:
            asker.due = self.env.now() + self.resend
            if self._timer is None:
                self._timer = self.env.call_at(asker.due, self._tick)
        pipe.below.send((asker.unit,))
        return True

    def forget(self, asker: ReqHead) -> None:
        """The request is answered, cancelled or replaced."""
        if asker.id is not None:
            self.waiting.pop(asker.id, None)
            asker.id = None
        asker.unit = None
        asker.pipe = None

    def arrive(self, pipe: Pipe, incoming: list[Incoming]) -> None:
        filters = self.filters
        for header, body in incoming:
            asker = self.waiting.get(header)
            if asker is None:
                self.stats.dropped += 1
                continue
            if filters is not None:
                passed, refused = filters.decode([body])
                if refused:
                    self.stats.refused += 1
                    continue
                body = passed[0]
            del self.waiting[header]
            asker.id = asker.unit = asker.pipe = None
            asker.answer = body
            asker.answered_by = pipe.id
            self.stats.received += 1
            asker.receivable.open()

    def attached(self, pipe: Pipe) -> None:
        super().attached(pipe)
        self._house()

    def writable(self, pipe: Pipe) -> None:
        super().writable(pipe)
        if pipe.ready:
            self._house()

    def detached(self, pipe: Pipe) -> None:
        super().detached(pipe)
        for asker in [entry for entry in self.waiting.values() if entry.pipe is pipe]:
            if self.resend > 0:
                asker.pipe = None
                self._homeless.append(asker)
            else:
                self.forget(asker)
                asker.failure = PeerAborted(
                    "the connection that carried the request was lost", layer="req"
                )
                asker.receivable.open()
        self._house()

    def close(self, why: str = "the socket is closed") -> None:
        super().close(why)
        waiting = list(self.waiting.values())
        self.waiting.clear()  # nothing is sent again while one pipe after the other is closed
        self._homeless.clear()
        for asker in waiting:
            asker.receivable.open()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _house(self) -> None:
        """Send again what lost its pipe or its time, as far as pipes take it."""
        while self._homeless and self.ring:
            asker = self._homeless.popleft()
            if asker.unit is None or asker.pipe is not None:
                continue
            pipe = self.ring.next()
            assert pipe is not None
            asker.pipe = pipe
            asker.due = self.env.now() + self.resend
            self.stats.resent += 1
            pipe.below.send((asker.unit,))

    def _tick(self) -> None:
        """One timer serves all requests: it fires at the earliest due time and finds the next."""
        self._timer = None
        now = self.env.now()
        for asker in self.waiting.values():
            if asker.due <= now and asker.pipe is not None:
                asker.pipe = None
                self._homeless.append(asker)
        self._house()
        due = [asker.due for asker in self.waiting.values() if asker.pipe is not None]
        if due:
            self._timer = self.env.call_at(min(due), self._tick)
        elif self.waiting:  # all wait for a pipe; housing them sets new times, which need a timer
            self._timer = self.env.call_at(now + self.resend, self._tick)


class ReqHead(Head):
    """A REQ socket, or one context of it: at most one request outstanding."""

    name = "req"

    def __init__(self, requests: Requests, socket: Head | None = None) -> None:
        super().__init__()
        self._requests = requests
        if socket is not None:
            self.sendable = socket.sendable
        self.id: bytes | None = None
        self.unit: tuple[bytes, ...] | None = None
        self.pipe: Pipe | None = None
        self.due = 0.0
        self.answer: bytes | None = None
        self.answered_by = 0
        self.failure: PeerAborted | None = None

    def offer(self, body: bytes) -> bool:
        if self.closed:
            self.check()
        return self._requests.ask(self, body)

    def take(self) -> bytes | None:
        answer = self.answer
        if answer is not None:
            self.answer = None
            return answer
        if self.closed or self._requests.closed:
            self.check()
            self._requests.check()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if self.id is None:
            raise LocalProtocolError("nothing was asked: send a request first", layer="req")
        return None

    def take_message(self) -> Message | None:
        body = self.take()
        return None if body is None else Message(body, b"", self.answered_by)

    def context(self) -> Head:
        return ReqHead(self._requests, self)

    def close(self) -> None:
        self._requests.forget(self)
        self.answer = self.failure = None
        super().close()


class RawRep(Raw):
    """Requests from all pipes in turn; an answer goes back where its header says, or nowhere."""

    def __init__(self, env: Timing, filters: FilterChain | None, stats: Stats, ttl: int) -> None:
        super().__init__(env, filters, stats)
        self._ttl = ttl

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        incoming: list[Incoming] = []
        for unit in units:
            stop = 4 if len(unit) >= 4 and unit[0] & 0x80 else end_of_words(unit, self._ttl)
            if stop > 0:
                incoming.append((unit[:stop], unit[stop:]))
            elif stop == -1:
                if incoming:
                    self.arrive(pipe, incoming)
                pipe.close(RemoteProtocolError("a request without a request id", layer="rep"))
                return
            else:
                self.stats.dropped += 1
        if incoming:
            self.arrive(pipe, incoming)

    def put(self, header: bytes, body: Chunks) -> bool:
        """``header`` begins with the id of the pipe to answer, as it came.

        A device hands on whatever header a peer's answer had: one that names no pipe goes nowhere.
        """
        pipe = self.pipes.get(int.from_bytes(header[:4], "big"))
        if pipe is None or not pipe.ready:
            self.check()
            self.stats.dropped += 1
            return True
        pipe.below.send((headed(header[4:], body),))
        return True

    def detached(self, pipe: Pipe) -> None:
        super().detached(pipe)
        self.head.sendable.open()  # an answer that waits for this pipe has nowhere to go

    @property
    def can_put(self) -> bool:
        return True

    def route_header(self, pipe: Pipe, header: bytes) -> bytes:
        return pipe.id.to_bytes(4, "big") + header


class RawRepHead(RawHead):
    """A raw REP socket: its caller is told when there is no telling whom to answer."""

    def offer_message(self, message: Message) -> bool:
        if len(message.header) < 8:
            raise LocalProtocolError(
                "a raw answer needs a header: the pipe's word, then the request's", layer="rep"
            )
        return super().offer_message(message)


class RepHead(Head):
    """A REP socket, or one context of it: at most one request being answered."""

    name = "rep"

    def __init__(self, raw: RawRep, socket: RepHead | None = None) -> None:
        super().__init__()
        self._raw = raw
        self._pipe: Pipe | None = None
        self._header = b""
        if socket is not None:
            self.receivable = socket.receivable
            self.sendable = socket.sendable

    def take(self) -> bytes | None:
        if self.closed:
            self.check()
        popped = self._raw.pop()
        if popped is None:
            return None
        self._pipe, self._header, body = popped
        self._raw.stats.received += 1
        return body

    def take_message(self) -> Message | None:
        body = self.take()
        if body is None:
            return None
        assert self._pipe is not None
        return Message(body, b"", self._pipe.id)

    def offer(self, body: bytes) -> bool:
        pipe = self._pipe
        if pipe is None:
            self.check()
            self._raw.check()
            raise LocalProtocolError(
                "there is no request to answer: receive one first", layer="rep"
            )
        raw = self._raw
        if pipe.alive:
            if not pipe.ready:
                return False
            chunks: Chunks = body if raw.filters is None else raw.encode(body)
            header = self._header
            pipe.below.send((headed(header, chunks),))
            raw.stats.sent += 1
        else:
            raw.check()
            raw.stats.dropped += 1
        self._pipe = None
        return True

    def context(self) -> Head:
        return RepHead(self._raw, self)

    def close(self) -> None:
        self._pipe = None
        super().close()
