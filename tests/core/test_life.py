"""The table of states says what ``stack`` promises about them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.life import LIFE, Event, State, after

ORDERLY = {
    (State.NEW, Event.OPEN): State.OPENING,
    (State.OPENING, Event.OPENED): State.OPEN,
    (State.OPEN, Event.END): State.LOCAL_ENDED,
    (State.OPEN, Event.ENDED): State.REMOTE_ENDED,
    (State.LOCAL_ENDED, Event.ENDED): State.ENDED,
    (State.REMOTE_ENDED, Event.END): State.ENDED,
    (State.ENDED, Event.DETACH): State.DETACHED,
}


@pytest.mark.parametrize(("step", "state"), ORDERLY.items(), ids=lambda part: str(part)[:40])
def test_the_orderly_steps(step: tuple[State, Event], state: State) -> None:
    assert after(*step) is state


@pytest.mark.parametrize("state", State)
def test_anything_can_break(state: State) -> None:
    assert after(state, Event.BREAK) is State.BROKEN


@pytest.mark.parametrize("state", [State.BROKEN, State.DETACHED])
def test_nothing_else_follows_the_end(state: State) -> None:
    assert {event for known, event in LIFE if known is state} == {Event.BREAK}


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.NEW, Event.OPENED),
        (State.NEW, Event.END),
        (State.OPENING, Event.ENDED),
        (State.OPENING, Event.OPEN),
        (State.OPEN, Event.OPENED),
        (State.LOCAL_ENDED, Event.DETACH),
        (State.REMOTE_ENDED, Event.DETACH),
        (State.DETACHED, Event.END),
    ],
)
def test_what_cannot_happen(state: State, event: Event) -> None:
    with pytest.raises(KeyError):
        after(state, event)


def test_who_may_send_and_receive() -> None:
    assert {state for state in State if state.may_send} == {State.OPEN, State.REMOTE_ENDED}
    assert {state for state in State if state.may_receive} == {State.OPEN, State.LOCAL_ENDED}


@given(st.lists(st.sampled_from(Event), max_size=20))
def test_sending_and_receiving_end_for_good(events: list[Event]) -> None:
    state = State.NEW
    sent = received = False
    for event in events:
        if (state, event) not in LIFE:
            continue
        state = after(state, event)
        sent |= event in (Event.END, Event.DETACH, Event.BREAK)
        received |= event in (Event.ENDED, Event.DETACH, Event.BREAK)
        assert not (sent and state.may_send)
        assert not (received and state.may_receive)


def test_every_state_can_be_reached() -> None:
    reached = {State.NEW}
    while fresh := {LIFE[step] for step in LIFE if step[0] in reached} - reached:
        reached |= fresh
    assert reached == set(State)
