"""SURVEYOR and RESPONDENT in any order of connecting, asking, serving, answering, losing connections and waiting.

A model beside them says what each peer is sent, where each answer goes, and what is dropped for which reason.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sockstack.core.errors import Closed, LocalProtocolError, RemoteProtocolError, SurveyOver
from sockstack.core.head import Head, Message
from sockstack.patterns.survey import SURVEYS, Respondent, Surveyor, Surveys

from .fakes import Joined, Rig, watch

SURVEY_TIME = 1.0
BUFFER = 4
ASKERS = 3
SERVERS = 2

askers = st.integers(0, ASKERS - 1)
servers = st.integers(0, SERVERS - 1)
any_line = st.integers(0, 99)
TOO_FAR = b"\0\0\0\1" * 255 + b"\x80\0\0\0"
hostile = st.sampled_from(
    [b"\xff\xff\xff\xffforeign", b"\0\0\0\1\x80\0\0\0one hop", TOO_FAR, b"", b"\x80", b"\0\0\0"]
)


@dataclass
class Asker:
    """The socket or a context, and what it should know."""

    head: Head
    key: bytes | None = None
    due: float = 0.0
    over: bool = False
    answers: deque[Message] = field(default_factory=deque)


class Line(Joined):
    """A connection, and what the surveyor's end of it should have sent and kept."""

    def __init__(self, near: Rig, far: Rig) -> None:
        super().__init__(near, far)
        self.expected: list[bytes] = []
        self.waiting: list[bytes] = []

    @property
    def near_alive(self) -> bool:
        return self.ends[0].pipe.alive


class Survey(RuleBasedStateMachine):
    """One SURVEYOR socket with contexts, two RESPONDENT sockets with a context each, connections that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.near = Rig(Surveyor(survey_time=SURVEY_TIME, recv_buffer=BUFFER))
        self.clock = self.near.clock
        self.far = [
            Rig(Respondent(), clock=self.clock, first=100 * n + 100) for n in range(SERVERS)
        ]
        self.servers: list[tuple[Head, Head]] = [(r.head, r.head.context({})) for r in self.far]
        self.askers = [Asker(self.near.head)]
        self.askers += [Asker(self.near.head.context({})) for _ in range(ASKERS - 1)]
        self.lines: list[Line] = []
        self.serving: dict[Head, bytes | None] = {}
        self.count = dict.fromkeys(
            ("sent", "received", "stray", "looped", "overrun", "shed", "unheard"), 0
        )

    # The model.

    def arrive(self, line: Line, units: list[bytes]) -> None:
        """What the surveyor should make of a batch from a peer."""
        for unit in units:
            if len(unit) < 4:
                return
            if unit == TOO_FAR:
                self.count["looped"] += 1
                continue
            asker = next((asker for asker in self.askers if asker.key == unit[:4]), None)
            if asker is None:
                self.count["stray"] += 1
            elif len(asker.answers) >= BUFFER:
                self.count["overrun"] += 1
            else:
                self.count["received"] += 1
                asker.answers.append(Message(unit[4:], b"", line.ends[0].id))

    # What can happen.

    @rule(server=servers)
    def connect(self, server: int) -> None:
        if len(self.live) < 4:
            self.lines.append(Line(self.near, self.far[server]))

    @rule(asker=askers)
    def ask(self, asker: int) -> None:
        entry = self.askers[asker]
        number = self.count["sent"]
        body = b"%d" % number
        entry.key = (0x80000000 + number).to_bytes(4, "big")
        entry.due = self.clock.now() + SURVEY_TIME
        entry.over = False
        entry.answers.clear()
        self.count["sent"] += 1
        lines = [line for line in self.lines if line.near_alive]
        self.count["unheard"] += not lines
        for line in lines:
            if line.ends[0].pipe.ready:
                line.expected.append(entry.key + body)
            else:
                line.waiting.append(entry.key + body)
                if len(line.waiting) > SURVEYS:
                    line.waiting.pop(0)
                    self.count["shed"] += 1
        assert entry.head.offer(body)

    @rule(asker=askers, times=st.integers(2, SURVEYS + 1))
    def insist(self, asker: int, times: int) -> None:
        """Many surveys in a row, each in place of the one before: too many for a peer that is busy."""
        for _ in range(times):
            self.ask(asker)

    @rule(asker=askers, most=st.integers(0, 3))
    def take(self, asker: int, most: int) -> None:
        """One answer with its pipe, or up to ``most`` of them."""
        entry = self.askers[asker]
        head = entry.head
        assert head.can_recv == bool(entry.answers or entry.over)
        if entry.answers:
            if most:
                bodies = [
                    entry.answers.popleft().body for _ in range(min(most, len(entry.answers)))
                ]
                assert head.take_many(most) == bodies
            else:
                assert head.take_message() == entry.answers.popleft()
        elif entry.over:
            with pytest.raises(SurveyOver):
                head.take()
            entry.over = False
        elif entry.key is None:
            with pytest.raises(LocalProtocolError):
                head.take()
        else:
            assert head.take() is None

    @rule(asker=st.integers(1, ASKERS - 1))
    def close_context(self, asker: int) -> None:
        """It ends, and another takes its place."""
        head = self.askers[asker].head
        woken = watch(head.receivable)
        head.close()
        assert woken == ["woken"]
        with pytest.raises(Closed):
            head.take()
        self.askers[asker] = Asker(self.near.head.context({}))

    @rule(server=servers, context=st.booleans())
    def serve(self, server: int, context: bool) -> None:
        head = self.servers[server][context]
        body = head.take()
        if body is not None:
            self.serving[head] = body

    @rule(server=servers, context=st.booleans())
    def answer(self, server: int, context: bool) -> None:
        head = self.servers[server][context]
        body = self.serving.get(head)
        if body is None:
            with pytest.raises(LocalProtocolError):
                head.offer(b"re")
        elif head.offer(b"re " + body):
            self.serving[head] = None

    @precondition(lambda self: self.live)
    @rule(line=any_line, most=st.integers(1, 3))
    def questions_travel(self, line: int, most: int) -> None:
        self.pick(line).move(0, most)

    @precondition(lambda self: self.live)
    @rule(line=any_line, most=st.integers(1, 6))
    def answers_travel(self, line: int, most: int) -> None:
        self.bring(self.pick(line), most)

    @rule(asker=askers)
    def converse(self, asker: int) -> None:
        """A survey goes out, all serve what has come, and the answers come in."""
        self.ask(asker)
        for line in self.live:
            line.move(0, 3)
        for server in range(SERVERS):
            for context in (False, True):
                self.serve(server, context)
                self.answer(server, context)
        for line in self.live:
            self.bring(line, 3)

    @precondition(lambda self: self.live)
    @rule(line=any_line, side=st.integers(0, 1), flag=st.booleans())
    def stall(self, line: int, side: int, flag: bool) -> None:
        chosen = self.pick(line)
        chosen.ends[side].busy(flag)
        if side == 0 and not flag:
            chosen.expected += chosen.waiting
            chosen.waiting.clear()

    @precondition(lambda self: self.live)
    @rule(line=any_line)
    def lose(self, line: int) -> None:
        chosen = self.pick(line)
        chosen.lose()
        chosen.waiting.clear()

    @rule(seconds=st.sampled_from([0.125, 0.25, 0.5, SURVEY_TIME, 4.0]))
    def wait(self, seconds: float) -> None:
        now = self.clock.now() + seconds
        ending = [entry for entry in self.askers if entry.key is not None and entry.due <= now]
        woken = [watch(entry.head.receivable) for entry in ending]
        self.clock.advance(seconds)
        assert woken == [["woken"]] * len(ending)
        for entry in ending:
            entry.key = None
            entry.over = True

    @precondition(lambda self: self.live)
    @rule(line=any_line, asker=askers, copies=st.integers(1, 2 * BUFFER))
    def flood(self, line: int, asker: int, copies: int) -> None:
        """A peer answers many times, perhaps what it was never asked."""
        chosen = self.pick(line)
        units = [(self.askers[asker].key or b"\xff\xff\xff\xff") + b"me"] * copies
        self.arrive(chosen, units)
        chosen.ends[0].deliver(*units)

    @precondition(lambda self: self.live)
    @rule(line=any_line, bad=st.lists(hostile, min_size=1, max_size=3))
    def offend(self, line: int, bad: list[bytes]) -> None:
        """Units that fit nothing; those without an id cost the connection, and it alone."""
        chosen = self.pick(line)
        others = [entry for entry in self.live if entry is not chosen]
        self.arrive(chosen, bad)
        chosen.ends[0].deliver(*bad)
        short = any(len(unit) < 4 for unit in bad)
        assert chosen.near_alive != short
        if short:
            assert isinstance(chosen.ends[0].closed[0], RemoteProtocolError)
            chosen.waiting.clear()
        assert all(entry.alive for entry in others)

    def bring(self, line: Line, most: int) -> None:
        line.load()
        self.arrive(line, line.lanes[1][:most])
        line.move(1, most)

    def pick(self, number: int) -> Line:
        live = self.live
        return live[number % len(live)]

    # What always holds.

    @property
    def live(self) -> list[Line]:
        return [line for line in self.lines if line.alive]

    @property
    def open(self) -> list[Asker]:
        return [asker for asker in self.askers if asker.key is not None]

    @invariant()
    def who_is_connected_is_asked_once_and_in_order(self) -> None:
        for line in self.lines:
            assert line.ends[0].sent == line.expected

    @invariant()
    def what_is_dropped_is_counted(self) -> None:
        counted = self.near.stats.snapshot()
        assert {name: counted[name] for name in self.count} == self.count

    @invariant()
    def surveys_and_timers_are_those_that_run(self) -> None:
        assert isinstance(self.near.raw, Surveys)
        assert self.near.raw.running == {asker.key: asker.head for asker in self.open}
        assert sorted(self.clock.pending) == sorted(asker.due for asker in self.open)

    @invariant()
    def nothing_grows(self) -> None:
        for line in self.lines:
            if line.near_alive:
                assert len(line.ends[0].pipe.backlog) == len(line.waiting) <= SURVEYS
            assert line.ends[1].pipe.batches <= 8

    def teardown(self) -> None:
        """The time of all passes: each gets the answers that came, hears of the end once, and nothing is left."""
        self.wait(SURVEY_TIME)
        for asker in range(ASKERS):
            while self.askers[asker].answers:
                self.take(asker, 0)
            self.take(asker, 0)
            self.take(asker, 0)
        self.surveys_and_timers_are_those_that_run()
        for asker in range(ASKERS):
            self.ask(asker)
        for rig in (self.near, *self.far):
            rig.close()
        assert self.clock.pending == []
        for entry in self.askers:
            with pytest.raises(Closed):
                entry.head.take()


Survey.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestSurvey = Survey.TestCase
