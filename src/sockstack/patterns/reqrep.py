"""REQ and REP: questions and answers. SP protocol numbers 0x30 and 0x31; for the header see :mod:`.backtrace`."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import KW_ONLY, dataclass
from math import inf
from typing import ClassVar

from ..core.errors import LocalProtocolError, NoPeers, PeerAborted, SockstackError
from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Cancellable, Timing
from ..core.interfaces import CanContext, CanRecv, CanSend, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import Pipe
from ..core.layer import Chunks
from ..core.spec import Header, Spec
from .backtrace import (
    MOST_WORDS,
    AnswerHead,
    RawAnswerHead,
    RawAnswers,
    RawAskHead,
    Worded,
    free_ids,
    headed,
)
from .base import Incoming, PatternSpec, Raw, check_ttl

__all__ = ["Rep", "RepOps", "Req", "ReqOps"]


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
        best_effort: ``send`` never waits: a request that finds no peer goes to the next that takes it.
        fail_no_peers: while nobody is connected, ``send`` raises :class:`~sockstack.core.errors.NoPeers`, and ``recv``
            does when the last peer leaves.
        raw: no bookkeeping; messages carry their header words. For devices.
    """

    _: KW_ONLY
    resend: float = 60.0
    best_effort: bool = False
    fail_no_peers: bool = False
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
            raw.head = RawAskHead(self.name, raw)
            return raw.head, raw
        requests = Requests(env, filters, stats, self)
        return requests.head, requests


@dataclass(frozen=True)
class Rep(PatternSpec, Spec[PipeInterface, Pattern[RepOps]]):
    """Answers: ``recv`` gives a request, ``send`` answers it. Receiving again without an answer discards the request.

    Args:
        ttl: words that a request may carry, its id included: 1 to 255, so ``ttl - 1`` devices. One with more is
            dropped.
        raw: no bookkeeping; messages carry their header words. For devices.
    """

    _: KW_ONLY
    ttl: int = 8
    raw: bool = False

    name: ClassVar[str] = "rep"
    number: ClassVar[int] = 0x31
    peer_number: ClassVar[int] = 0x30
    verbatim: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_ttl(self.name, self.ttl)

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("request id", 4, "as it came; hops of devices in front, 4 bytes each"),)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawAnswers(env, filters, stats, self.ttl)
        raw.head = (RawAnswerHead if self.raw else AnswerHead)(self.name, raw)
        return raw.head, raw


class RawReq(Worded):
    """Requests to pipes in turn; answers with the words that devices left on them."""

    def __init__(self, env: Timing, filters: FilterChain | None, stats: Stats) -> None:
        super().__init__(env, filters, stats, MOST_WORDS)

    def put(self, header: bytes, body: Chunks) -> bool:
        pipe = self.ring.next()
        if pipe is None:
            self.check()
            return False
        pipe.sent += 1
        pipe.below.send((headed(header, body),))
        return True


class Requests(RawReq):
    """The cooked half of REQ: outstanding requests of the socket and its contexts, by id."""

    def __init__(
        self, env: Timing, filters: FilterChain | None, stats: Stats, options: Req
    ) -> None:
        super().__init__(env, filters, stats)
        self.waiting: dict[bytes, ReqHead] = {}
        self._homeless: OrderedDict[ReqHead, None] = OrderedDict()
        self._ids = free_ids(env.randbits(31), self.waiting)
        self._timer: Cancellable | None = None
        self._alarm = inf
        self.head = ReqHead(self, options)

    def ask(self, asker: ReqHead, body: Chunks) -> bool:
        """Send a request for ``asker``; False: no pipe takes one now.

        Raises:
            NoPeers: nobody is connected, and the socket was made to say so.
        """
        pipe = self.ring.next()
        if pipe is None:
            self.check()
            if asker.fail_no_peers and not self.pipes:
                raise NoPeers("nobody is connected", layer="req")
            if not asker.best_effort:
                return False
        if self.filters is not None:
            body = self.encode(body)
        if asker.id is not None:
            self.waiting.pop(asker.id, None)
        asker.id = key = next(self._ids)
        asker.unit = headed(key, body)
        asker.pipe = pipe
        asker.answer = asker.failure = None  # before the send, which may find the pipe dead
        self.waiting[key] = asker
        self.stats.sent += 1
        if asker.resend > 0:
            asker.due = self.env.now() + asker.resend
            if asker.due < self._alarm:
                self._wake_at(asker.due)
        else:
            asker.due = inf
        asker.begun = pipe is not None
        if pipe is None:
            self._put_off(asker)
        else:
            pipe.sent += 1
            pipe.below.send((asker.unit,))
        return True

    def forget(self, asker: ReqHead) -> None:
        """The request is answered, cancelled or replaced."""
        if asker.id is not None:
            self.waiting.pop(asker.id, None)
            asker.id = None
        self._homeless.pop(asker, None)
        asker.unit = None
        asker.pipe = None

    def arrive(self, pipe: Pipe, incoming: list[Incoming]) -> None:
        for header, body in incoming:
            asker = self.waiting.get(header)
            if asker is None:
                self.stats.stray += 1
                continue
            if self.filters is not None:
                passed = self.passed([body])
                if not passed:
                    continue
                (body,) = passed
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
            if asker.resend > 0:
                self._put_off(asker)
            else:
                self._fail(
                    asker,
                    PeerAborted("the connection that carried the request was lost", layer="req"),
                )
        if not self.pipes:
            for asker in [entry for entry in self.waiting.values() if entry.fail_no_peers]:
                self._fail(asker, NoPeers("nobody is connected any more", layer="req"))
            self.head.sendable.open()  # who waits to ask, and does so only while somebody is there, is told
        self._house()

    def _put_off(self, asker: ReqHead) -> None:
        """The request goes to the next pipe that takes it."""
        asker.pipe = None
        self._homeless[asker] = None

    def _fail(self, asker: ReqHead, failure: SockstackError) -> None:
        """There will be no answer."""
        self.forget(asker)
        asker.failure = failure
        asker.receivable.open()

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
            asker, _ = self._homeless.popitem(last=False)
            if asker.unit is None or asker.pipe is not None:
                continue
            pipe = self.ring.next()
            assert pipe is not None
            asker.pipe = pipe
            if asker.resend > 0:
                asker.due = self.env.now() + asker.resend
                if asker.due < self._alarm:
                    self._wake_at(asker.due)
            self.stats.resent += asker.begun
            asker.begun = True
            pipe.sent += 1
            pipe.below.send((asker.unit,))

    def _tick(self) -> None:
        """One timer serves all requests: it fires at the earliest due time and finds the next."""
        self._timer = None
        self._alarm = -inf  # no other while this goes on
        now = self.env.now()
        for asker in self.waiting.values():
            if asker.due <= now and asker.pipe is not None:
                self._put_off(asker)
        self._house()
        self._alarm = inf
        due = min(
            (entry.due for entry in self.waiting.values() if entry.pipe is not None), default=inf
        )
        if due < self._alarm:
            self._wake_at(due)

    def _wake_at(self, due: float) -> None:
        """Look at that instant which requests are due."""
        if self._timer is not None:
            self._timer.cancel()
        self._alarm = due
        self._timer = self.env.call_at(due, self._tick)


class ReqHead(Head):
    """A REQ socket, or one context of it: at most one request outstanding."""

    name = "req"
    context_options = frozenset({"resend", "best_effort", "fail_no_peers"})

    def __init__(self, requests: Requests, options: Req, socket: Head | None = None) -> None:
        super().__init__()
        self._requests = requests
        self._options = options
        self.resend = options.resend
        self.best_effort = options.best_effort
        self.fail_no_peers = options.fail_no_peers
        if socket is not None:
            self.sendable = socket.sendable
        self.id: bytes | None = None
        self.unit: tuple[bytes, ...] | None = None
        self.pipe: Pipe | None = None
        self.begun = False
        self.due = 0.0
        self.answer: bytes | None = None
        self.answered_by = 0
        self.failure: SockstackError | None = None

    @property
    def can_send(self) -> bool:
        return bool(self._requests.ring) or self.best_effort

    @property
    def can_recv(self) -> bool:
        return self.answer is not None or self.failure is not None

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

    def _context(self) -> Head:
        return ReqHead(self._requests, self._options, self)

    def close(self) -> None:
        self._requests.forget(self)
        self.answer = self.failure = None
        super().close()
