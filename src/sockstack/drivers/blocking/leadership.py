"""Who waits for a hub's descriptors: a state machine without I/O.

At most one thread polls a hub. A caller that must wait *enters*: it leads if nobody does, and follows otherwise. When a
leader has what it waited for it *leaves*; then a follower is promoted, or, if there is work that no caller is there to
do, the helper thread takes over until a caller comes back.

=========  ==========  =========  =========================================
state      event       next       action
=========  ==========  =========  =========================================
FREE       ENTER       LED        LEAD: poll
FREE       TAKE        HELPED     LEAD: the helper polls
LED        ENTER       LED        FOLLOW: wait to be woken or promoted
LED        LEAVE       FREE       PROMOTE: wake a follower, else the helper
LED        TAKE        LED        PARK: somebody leads already
HELPED     ENTER       YIELDING   EVICT: wake the helper's poll, then follow
HELPED     LEAVE       FREE       PROMOTE
YIELDING   ENTER       YIELDING   FOLLOW
YIELDING   LEAVE       FREE       PROMOTE
YIELDING   TAKE        YIELDING   PARK
=========  ==========  =========  =========================================
"""

from __future__ import annotations

import enum

__all__ = ["TABLE", "Action", "Event", "Leadership", "State"]


class State(enum.Enum):
    """Who polls."""

    FREE = "nobody"
    LED = "a caller"
    HELPED = "the helper"
    YIELDING = "the helper, asked to step aside"

    on_enter: tuple[State, Action]
    on_leave: tuple[State, Action] | None
    on_take: tuple[State, Action] | None


class Event(enum.Enum):
    """What happens."""

    ENTER = "a caller must wait"
    LEAVE = "who polls stops"
    TAKE = "the helper offers to poll"


class Action(enum.Enum):
    """What the thread that caused the event does next."""

    LEAD = "poll"
    FOLLOW = "wait to be woken"
    EVICT = "wake the helper, then wait"
    PROMOTE = "wake whoever should poll now"
    PARK = "rest"


TABLE: dict[tuple[State, Event], tuple[State, Action]] = {
    (State.FREE, Event.ENTER): (State.LED, Action.LEAD),
    (State.FREE, Event.TAKE): (State.HELPED, Action.LEAD),
    (State.LED, Event.ENTER): (State.LED, Action.FOLLOW),
    (State.LED, Event.LEAVE): (State.FREE, Action.PROMOTE),
    (State.LED, Event.TAKE): (State.LED, Action.PARK),
    (State.HELPED, Event.ENTER): (State.YIELDING, Action.EVICT),
    (State.HELPED, Event.LEAVE): (State.FREE, Action.PROMOTE),
    (State.YIELDING, Event.ENTER): (State.YIELDING, Action.FOLLOW),
    (State.YIELDING, Event.LEAVE): (State.FREE, Action.PROMOTE),
    (State.YIELDING, Event.TAKE): (State.YIELDING, Action.PARK),
}

for _state in State:  # a lookup in the table would hash an enum on each call
    _state.on_enter = TABLE[_state, Event.ENTER]
    _state.on_leave = TABLE.get((_state, Event.LEAVE))
    _state.on_take = TABLE.get((_state, Event.TAKE))


class Leadership:
    """The state of one hub's leadership. Guarded by the hub's lock."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = State.FREE

    @property
    def helping(self) -> bool:
        """The helper polls, and nobody has asked it to step aside."""
        return self.state is State.HELPED

    def enter(self) -> Action:
        """A caller must wait: LEAD, FOLLOW or EVICT."""
        self.state, action = self.state.on_enter
        return action

    def leave(self) -> Action:
        """Who polls stops: PROMOTE."""
        step = self.state.on_leave
        assert step is not None
        self.state, action = step
        return action

    def take(self) -> Action:
        """The helper offers to poll: LEAD or PARK."""
        step = self.state.on_take
        assert step is not None
        self.state, action = step
        return action
