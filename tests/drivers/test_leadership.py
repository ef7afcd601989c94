"""Who polls: the table as it is written, and a model of callers and helper that go by it."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sockstack.drivers.blocking import leadership
from sockstack.drivers.blocking.leadership import TABLE, Action, Event, Leadership, State


def test_the_docstring_is_the_table() -> None:
    written = {}
    for line in (leadership.__doc__ or "").splitlines():
        words = line.split()
        if words and words[0] in State.__members__:
            state, event, after, action = words[:4]
            written[State[state], Event[event]] = (State[after], Action[action.rstrip(":")])
    assert written == TABLE


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_each_step_is_the_tables(state: State, event: Event) -> None:
    leader = Leadership()
    leader.state = state
    step = {Event.ENTER: leader.enter, Event.LEAVE: leader.leave, Event.TAKE: leader.take}[event]
    if (state, event) in TABLE:
        after, action = TABLE[state, event]
        assert step() is action
        assert leader.state is after
    else:
        with pytest.raises(AssertionError):
            step()
        assert leader.state is state


CALLERS = 4


class Hub(RuleBasedStateMachine):
    """Callers that come, wait, are satisfied or give up, and a helper, as the hub has them go by the table."""

    def __init__(self) -> None:
        super().__init__()
        self.leadership = Leadership()
        self.leader: int | None = None
        self.followers: list[int] = []
        self.woken: set[int] = set()
        self.helps = False
        self.called = False
        self.work = False

    def enter(self, caller: int) -> None:
        helped = self.helps
        action = self.leadership.enter()
        if action is Action.LEAD:
            assert self.leader is None
            assert not self.helps
            self.leader = caller
        else:
            self.followers.append(caller)
            assert self.leadership.state is (State.YIELDING if helped else State.LED)

    def promote(self) -> None:
        """What the hub does whenever somebody stops."""
        if self.leadership.state is State.FREE:
            if self.followers:
                self.woken.add(self.followers.pop(0))
            elif self.work:
                self.called = True

    @property
    def idle(self) -> list[int]:
        busy = {self.leader, *self.followers, *self.woken}
        return [caller for caller in range(CALLERS) if caller not in busy]

    @precondition(lambda self: self.idle)
    @rule(data=st.data())
    def comes(self, data: st.DataObject) -> None:
        self.enter(data.draw(st.sampled_from(self.idle)))

    @precondition(lambda self: self.leader is not None)
    @rule()
    def leader_stops(self) -> None:
        """It has what it wanted, its time is over, or it was interrupted: it is all one."""
        self.leader = None
        assert self.leadership.leave() is Action.PROMOTE
        self.promote()

    @precondition(lambda self: self.woken)
    @rule(data=st.data(), satisfied=st.booleans())
    def woken_looks(self, data: st.DataObject, satisfied: bool) -> None:
        caller = data.draw(st.sampled_from(sorted(self.woken)))
        self.woken.remove(caller)
        if satisfied:
            self.promote()
        else:
            self.enter(caller)

    @precondition(lambda self: self.followers)
    @rule(data=st.data(), satisfied=st.booleans())
    def follower_is_rung_or_gives_up(self, data: st.DataObject, satisfied: bool) -> None:
        caller = data.draw(st.sampled_from(self.followers))
        self.followers.remove(caller)
        self.promote()
        if not satisfied:
            self.woken.add(caller)

    @rule(work=st.booleans())
    def work_comes_and_goes(self, work: bool) -> None:
        self.work = work
        if work and self.leadership.state is State.FREE:
            self.called = True

    @precondition(lambda self: not self.helps)
    @rule()
    def helper_offers(self) -> None:
        self.called = False
        free = self.leadership.state is State.FREE
        assert self.leadership.take() is (Action.LEAD if free else Action.PARK)
        self.helps = free

    @precondition(lambda self: self.helps)
    @rule()
    def helper_looks(self) -> None:
        """It goes on only while nobody has come and there is work."""
        if not (self.leadership.helping and self.work):
            self.helps = False
            assert self.leadership.leave() is Action.PROMOTE
            self.promote()

    @invariant()
    def one_leads(self) -> None:
        leaders = (self.leader is not None) + self.helps
        assert leaders == (self.leadership.state is not State.FREE)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Whoever waits is led, or somebody has been told to see to it."""
        if self.followers and self.leadership.state is State.FREE:
            assert self.woken
        if self.work and self.leadership.state is State.FREE:
            assert self.called or self.woken or not self.followers


TestHub = Hub.TestCase
