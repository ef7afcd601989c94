"""The life of a connection and of each session layer in it, as a table.

``NEW -> OPENING -> OPEN -> LOCAL_ENDED | REMOTE_ENDED -> ENDED -> DETACHED``, and ``BROKEN`` from anywhere. Sending is
allowed in OPEN and REMOTE_ENDED, receiving in OPEN and LOCAL_ENDED.
"""

from __future__ import annotations

import enum

__all__ = ["LIFE", "Event", "State", "after"]


class State(enum.Enum):
    """Where in its life a connection or a layer is."""

    NEW = "new"
    OPENING = "opening"
    OPEN = "open"
    LOCAL_ENDED = "local-ended"
    REMOTE_ENDED = "remote-ended"
    ENDED = "ended"
    DETACHED = "detached"
    BROKEN = "broken"

    @property
    def may_send(self) -> bool:
        """Whether units may go down."""
        return self is State.OPEN or self is State.REMOTE_ENDED

    @property
    def may_receive(self) -> bool:
        """Whether units may still come up."""
        return self is State.OPEN or self is State.LOCAL_ENDED


class Event(enum.Enum):
    """What moves it on."""

    OPEN = "open"
    OPENED = "opened"
    END = "end"
    ENDED = "ended"
    DETACH = "detach"
    BREAK = "break"


LIFE: dict[tuple[State, Event], State] = {
    (State.NEW, Event.OPEN): State.OPENING,
    (State.OPENING, Event.OPENED): State.OPEN,
    (State.OPEN, Event.END): State.LOCAL_ENDED,
    (State.OPEN, Event.ENDED): State.REMOTE_ENDED,
    (State.OPEN, Event.DETACH): State.DETACHED,
    (State.LOCAL_ENDED, Event.END): State.LOCAL_ENDED,
    (State.LOCAL_ENDED, Event.ENDED): State.ENDED,
    (State.REMOTE_ENDED, Event.END): State.ENDED,
    (State.REMOTE_ENDED, Event.ENDED): State.REMOTE_ENDED,
    (State.ENDED, Event.END): State.ENDED,
    (State.ENDED, Event.ENDED): State.ENDED,
    (State.ENDED, Event.DETACH): State.DETACHED,
    **{(state, Event.BREAK): State.BROKEN for state in State},
}


def after(state: State, event: Event) -> State:
    """The state that ``event`` leads to.

    Raises:
        KeyError: the event cannot happen in that state.
    """
    return LIFE[state, event]
