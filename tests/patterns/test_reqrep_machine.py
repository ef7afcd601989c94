"""REQ and REP in any order of connecting, asking, serving, answering, losing connections and waiting."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sockstack.core.errors import LocalProtocolError
from sockstack.core.head import Head
from sockstack.patterns.reqrep import Rep, Req, Requests

from .fakes import Joined, Rig

RESEND = 1.0
ASKERS = 3
SERVERS = 2

askers = st.integers(0, ASKERS - 1)
servers = st.integers(0, SERVERS - 1)
any_line = st.integers(0, 99)


class ReqRep(RuleBasedStateMachine):
    """One REQ socket with contexts, two REP sockets with a context each, connections that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.req = Rig(Req(resend=RESEND))
        self.reps = [Rig(Rep(), clock=self.req.clock, first=100 * n + 100) for n in range(SERVERS)]
        self.askers: list[Head] = [self.req.head, *(self.req.head.context({}) for _ in range(2))]
        self.servers: list[tuple[Head, Head]] = [(r.head, r.head.context({})) for r in self.reps]
        self.lines: list[Joined] = []
        self.outstanding: list[bytes | None] = [None] * ASKERS
        self.serving: dict[Head, bytes | None] = {}
        self.seen: Counter[bytes] = Counter()
        self.asked = 0
        self.answered = 0

    # What can happen.

    @rule(server=servers)
    def connect(self, server: int) -> None:
        if len(self.live) < 4:
            self.lines.append(Joined(self.req, self.reps[server]))

    @rule(asker=askers)
    def ask(self, asker: int) -> None:
        body = b"%d" % self.asked
        ready = any(peer.pipe.alive and peer.pipe.ready for peer in self.req.peers)
        assert self.askers[asker].offer(body) == ready
        if ready:
            self.asked += 1
            self.outstanding[asker] = body

    @rule(asker=askers)
    def take(self, asker: int) -> None:
        body = self.outstanding[asker]
        try:
            answer = self.askers[asker].take()
        except LocalProtocolError:
            assert body is None
            return
        assert body is not None
        if answer is not None:
            assert answer == b"re " + body
            self.outstanding[asker] = None
            self.answered += 1

    @rule(server=servers, context=st.booleans())
    def serve(self, server: int, context: bool) -> None:
        head = self.servers[server][context]
        body = head.take()
        if body is not None:
            self.seen[body] += 1
            self.serving[head] = body

    @rule(server=servers, context=st.booleans())
    def answer(self, server: int, context: bool) -> None:
        head = self.servers[server][context]
        body = self.serving.get(head)
        try:
            accepted = head.offer(b"re " + (body or b""))
        except LocalProtocolError:
            assert body is None
            return
        assert body is not None
        if accepted:
            self.serving[head] = None

    @precondition(lambda self: self.live)
    @rule(line=any_line, side=st.integers(0, 1), most=st.integers(1, 3))
    def move(self, line: int, side: int, most: int) -> None:
        self.live[line % len(self.live)].move(side, most)

    @rule(server=servers, context=st.booleans())
    def converse(self, server: int, context: bool) -> None:
        """Questions arrive, one is served, answers arrive: chance alone seldom puts the steps in this order."""
        for line in self.live:
            line.move(0, 3)
        self.serve(server, context)
        self.answer(server, context)
        for line in self.live:
            line.move(1, 3)

    @precondition(lambda self: self.live)
    @rule(line=any_line, side=st.integers(0, 1), flag=st.booleans())
    def stall(self, line: int, side: int, flag: bool) -> None:
        self.live[line % len(self.live)].ends[side].busy(flag)

    @precondition(lambda self: self.live)
    @rule(line=any_line)
    def lose(self, line: int) -> None:
        self.live[line % len(self.live)].lose()

    @rule(seconds=st.sampled_from([0.1, 0.5, RESEND, 3.7]))
    def wait(self, seconds: float) -> None:
        self.req.clock.advance(seconds)

    @precondition(lambda self: self.live)
    @rule(line=any_line, unit=st.sampled_from([b"\x80\0\0\0forged", b"\xff\xff\xff\xffre 0", b""]))
    def hostile(self, line: int, unit: bytes) -> None:
        """A server says what it was not asked; the first of these may be an id that is in use."""
        if unit.startswith(b"\x80") and b"\x80\0\0\0" in self.requests.waiting:
            return
        self.live[line % len(self.live)].ends[0].deliver(unit)

    # What always holds.

    @property
    def live(self) -> list[Joined]:
        return [line for line in self.lines if line.alive]

    @property
    def requests(self) -> Requests:
        assert isinstance(self.req.raw, Requests)
        return self.req.raw

    @invariant()
    def each_request_is_answered_or_outstanding(self) -> None:
        waiting = self.requests.waiting
        for head, body in zip(self.askers, self.outstanding, strict=True):
            held = [key for key, asker in waiting.items() if asker is head]
            answered = getattr(head, "answer", None) is not None
            assert (body is not None) == bool(held or answered)
            assert len(held) <= 1

    @invariant()
    def what_waits_has_a_live_pipe_or_waits_for_one(self) -> None:
        for asker in self.requests.waiting.values():
            assert asker.pipe is None or asker.pipe.alive
            assert asker.pipe is not None or not self.requests.ring

    @invariant()
    def nothing_grows(self) -> None:
        assert len(self.requests.waiting) <= ASKERS
        assert len(self.requests._homeless) <= ASKERS
        assert len(self.req.clock.pending) <= 1
        assert all(peer.pipe.batches <= 8 for rep in self.reps for peer in rep.peers)

    @invariant()
    def nothing_is_served_twice_but_by_sending_again(self) -> None:
        assert sum(count - 1 for count in self.seen.values()) <= self.req.stats.resent

    @invariant()
    def the_counters_agree(self) -> None:
        assert self.req.stats.sent == self.asked
        assert self.answered <= self.req.stats.received <= self.asked

    def teardown(self) -> None:
        """All connections go, a new one comes: everything that is outstanding is answered after all."""
        for line in self.lines:  # one end may have gone already, and the other be stalled
            line.lose()
        line = Joined(self.req, self.reps[0])
        head = self.reps[0].head
        for _ in range(10):
            while line.move(0, 10) or line.move(1, 10):
                pass
            while (body := head.take()) is not None:
                assert head.offer(b"re " + body)
        while line.move(1, 10):
            pass
        for asker in range(ASKERS):
            self.take(asker)
        assert self.outstanding == [None] * ASKERS
        assert self.requests.waiting == {}
        for rig in (self.req, *self.reps):
            rig.close()
        assert self.req.clock.pending == []


ReqRep.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestReqRep = ReqRep.TestCase
