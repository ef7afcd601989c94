"""The recorder refuses what the contract of layers does not allow to go up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import PeerAborted, SockstackError
from sockstack.testing import MESSAGES, STREAM, ContractError, Recorder, connect

FRAMES = Capabilities(Unit.FRAMES)


def fresh(record: Capabilities = STREAM, credit: int = 10) -> Recorder:
    """A recorder that has been told ``opened``."""
    tops = (Recorder(credit), Recorder())
    return connect(record=record, tops=tops).near


@pytest.mark.parametrize(
    ("record", "call", "what"),
    [
        (STREAM, lambda top: top.opened(STREAM), "opened came twice"),
        (STREAM, lambda top: top.receive([]), "an empty batch"),
        (STREAM, lambda top: top.receive([bytearray(b"x")]), "bytearray, not bytes"),
        (STREAM, lambda top: top.receive([memoryview(b"x")]), "memoryview, not bytes"),
        (STREAM, lambda top: top.receive([b"a", b""]), "empty unit came up on a stream"),
        (MESSAGES, lambda top: top.receive([b"x"] * 11), "11 units came, and the credit was 10"),
        (MESSAGES.but(max_unit=3), lambda top: top.receive([b"1234"]), "max_unit is 3"),
        (MESSAGES.but(empty_unit=False), lambda top: top.receive([b""]), "empty_unit is no"),
        (FRAMES, lambda top: top.receive([b"x"]), "no list"),
        (STREAM, lambda top: top.broken(OSError("x")), "no declared error"),
        (STREAM, lambda top: (top.ended(), top.ended()), "ended came twice"),
        (STREAM, lambda top: (top.ended(), top.receive([b"x"])), "units came after ended"),
        (STREAM, lambda top: (top.want(0), top.receive([b"x"])), "without credit"),
        (STREAM, lambda top: (top.broken(PeerAborted()), top.ended()), "ended came after broken"),
        (STREAM, lambda top: (top.broken(PeerAborted()), top.writable(True)), "after broken"),
        (STREAM, lambda top: (top.abort(), top.receive([b"x"])), "receive came after abort"),
        (STREAM, lambda top: (top.abort(), top.broken(PeerAborted())), "broken came after abort"),
    ],
)
def test_breaches(record: Capabilities, call: Callable[[Any], Any], what: str) -> None:
    top = fresh(record)
    with pytest.raises(ContractError, match=what):
        call(top)
    assert top.fault is not None
    assert what in str(top.fault)


def test_breaches_before_opened() -> None:
    for call, what in (("receive", "units came before opened"), ("ended", "before opened")):
        top = connect(run=False).near
        with pytest.raises(ContractError, match=what):
            getattr(top, call)(*[[b"x"]] if call == "receive" else [])


def test_receive_is_not_reentered() -> None:
    top = fresh()
    top.on_units = top.receive
    with pytest.raises(ContractError, match="re-entered"):
        top.receive([b"x"])


def test_the_first_breach_is_kept() -> None:
    top = fresh()
    for call in (top.ended, top.ended, lambda: top.receive([b"x"])):
        try:
            call()
        except ContractError as error:
            last = error
    assert "after ended" in str(last)
    assert "twice" in str(top.fault)


def test_what_is_allowed() -> None:
    top = fresh(MESSAGES)
    seen: list[Any] = []
    top.on_units = seen.extend
    top.receive([b"", b"a"])
    top.writable(False)
    top.ended()
    top.writable(True)
    closed: list[SockstackError | None] = []
    top.on_closed = closed.append
    error = PeerAborted("gone")
    top.broken(error)
    assert seen == top.units == [b"", b"a"]
    assert top.data == b"a"
    assert top.credit == 8
    assert top.events == [
        "opened",
        *["receive"] * 2,
        "writable False",
        "ended",
        "writable True",
        "broken",
    ]
    assert top.error is error
    assert closed == [error]
    assert top.fault is None


def test_acting_from_inside_opened() -> None:
    pair = connect(run=False)
    pair.near.after_opened = lambda: pair.near.send(b"at once")
    told: list[bool] = []
    pair.near.on_opened = lambda: told.append(True)
    pair.open()
    pair.run()
    assert pair.far.units == [b"at once"]
    assert told == [True]


def test_messages_of_frames_are_lists() -> None:
    top = fresh(FRAMES)
    top.receive([[b"a", b"b"]])
    assert top.units == [[b"a", b"b"]]
