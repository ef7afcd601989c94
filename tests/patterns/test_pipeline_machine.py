"""PUSH and PULL in any order of connecting, sending, receiving, stalling and losing connections."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sockstack.patterns.pipeline import Pull, Push, RawPull, RawPush

from .fakes import HEAD, Joined, Rig

LANE = 20
"""Messages that a connection holds between the two ends before it says that it takes no more."""

any_line = st.integers(0, 99)


class Pipeline(RuleBasedStateMachine):
    """One PUSH, two PULL, connections that come and go. Each message is a number, so none can be mistaken."""

    def __init__(self) -> None:
        super().__init__()
        self.push = Rig(Push())
        self.pulls = [Rig(Pull(), first=100), Rig(Pull(), first=200)]
        self.lines: list[Joined] = []
        self.accepted: set[int] = set()
        self.received: dict[tuple[int, int], list[int]] = {}
        self.lost: set[int] = set()
        self.next = 0

    @property
    def live(self) -> list[Joined]:
        return [line for line in self.lines if line.alive]

    def pick(self, line: int) -> Joined:
        return self.live[line % len(self.live)]

    # What can happen.

    @rule(pull=st.integers(0, 1))
    def connect(self, pull: int) -> None:
        if len(self.live) < 5:
            self.lines.append(Joined(self.push, self.pulls[pull]))
            self.settle()

    @rule(count=st.integers(1, 30))
    def send_many(self, count: int) -> None:
        ready = len(self.push.raw.ring)
        done = self.push.head.offer_many([b"%d" % (self.next + n) for n in range(count)])
        assert done == count or not self.push.raw.ring
        assert done == 0 or ready
        self.sent(done)

    @rule()
    def send(self) -> None:
        ready = bool(self.push.raw.ring)
        accepted = self.push.head.offer(b"%d" % self.next)
        assert accepted <= ready
        self.sent(int(accepted))

    def sent(self, count: int) -> None:
        self.accepted.update(range(self.next, self.next + count))
        self.next += count
        self.settle()

    def settle(self) -> None:
        """What was sent is on its way; a full connection takes no more; one found dead has lost what it had begun."""
        for line in self.lines:
            if line.alive:
                line.load()
                line.ends[0].busy(len(line.lanes[0]) >= LANE)
            elif line.ends[0].wire.dead and not line.ends[1].wire.dead:
                wire = line.ends[0].wire
                if wire.budget:  # some bytes of the next message were written too
                    self.lost.add(int(wire.cut[0]))
                self.lost.update(map(int, line.lose()))

    @precondition(lambda self: self.live)
    @rule(line=any_line, most=st.integers(1, 12), batches=st.integers(1, 10))
    def move(self, line: int, most: int, batches: int) -> None:
        """The reader's side takes in what there is credit for."""
        joined = self.pick(line)
        for _ in range(batches):
            if joined.ends[1].wire.credit:
                joined.move(0, most)
        self.settle()

    @rule(pull=st.integers(0, 1), most=st.integers(1, 40))
    def receive(self, pull: int, most: int) -> None:
        rig = self.pulls[pull]
        for _ in range(most):
            message = rig.head.take_message()
            if message is None:
                break
            self.received.setdefault((pull, message.pipe), []).append(int(message.body))

    @precondition(lambda self: self.live)
    @rule(line=any_line)
    def lose(self, line: int) -> None:
        self.lost.update(map(int, self.pick(line).lose()))

    @precondition(lambda self: self.live)
    @rule(line=any_line, budget=st.integers(0, 5 * (HEAD + 2)))
    def doom(self, line: int, budget: int) -> None:
        """The connection will be found dead after so many bytes."""
        self.pick(line).ends[0].wire.budget = budget

    @precondition(lambda self: self.live)
    @rule(line=any_line)
    def nonsense(self, line: int) -> None:
        """What a reader says is dropped."""
        before = self.push.stats.stray
        self.pick(line).ends[0].deliver(b"nonsense")
        assert self.push.stats.stray == before + 1

    # What always holds.

    @invariant()
    def nothing_is_received_twice_or_out_of_order(self) -> None:
        seen: set[int] = set()
        for numbers in self.received.values():
            assert numbers == sorted(set(numbers))
            assert seen.isdisjoint(numbers)
            seen.update(numbers)
        assert seen <= self.accepted
        assert seen.isdisjoint(self.lost)

    @invariant()
    def a_stalled_reader_costs_no_more_than_its_mark(self) -> None:
        for rig in self.pulls:
            assert isinstance(rig.raw, RawPull)
            for peer in rig.peers:
                assert peer.pipe.batches <= 8
                if peer.pipe.alive:
                    assert (peer.wire.credit == 0) == (peer.pipe.batches == 8)
        for line in self.live:
            assert len(line.lanes[0]) <= LANE + 30

    @invariant()
    def the_counters_agree(self) -> None:
        assert self.push.stats.sent == len(self.accepted)

    def teardown(self) -> None:
        """Whatever was accepted, and not lost with a connection, arrives."""
        for _ in range(200):
            for pull in (0, 1):
                self.receive(pull, 1000)
            if not sum(line.move(0, 100) for line in self.live):
                break
        for pull in (0, 1):
            self.receive(pull, 1000)
        arrived = {n for numbers in self.received.values() for n in numbers}
        assert isinstance(self.push.raw, RawPush)
        waiting = {
            int(b"".join(unit)) if isinstance(unit, tuple) else int(unit)
            for unit in self.push.raw.waiting
        }
        assert arrived | self.lost | waiting == self.accepted
        assert arrived.isdisjoint(waiting)
        for rig in (self.push, *self.pulls):
            rig.close()


Pipeline.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestPipeline = Pipeline.TestCase
