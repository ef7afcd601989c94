"""``sockstack cat`` with a pattern: asks, answers, pushes or pulls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import Deadline
from ..core.spec import LayerSpec, Role, Stack
from ..drivers.blocking.socket import Socket
from .command import FAILED, FINE, Talk
from .peers import Place

__all__ = ["LINGER", "PATTERNS", "Work", "talk_pattern"]

REACH = 10.0
"""Seconds for the first connection to an address."""

LINGER = 10.0
"""Seconds at the end for what was accepted and not written yet."""


@dataclass(frozen=True)
class Work:
    """What is to be done, whoever the peers are.

    Attributes:
        bodies: what to send, in order and at its pace; None: nothing.
        reply: how to answer each request; None: not at all.
        show: takes each message that was received.
        count: how often; 0: as often as it happens.
        recv_timeout, send_timeout: seconds, or None for ever.
        answer_timeout: seconds to wait for one answer, or None for ever.
        background: go on dialling who cannot be reached.
    """

    bodies: Iterator[bytes] | None
    reply: bytes | None
    show: Callable[[bytes], None]
    count: int
    recv_timeout: float | None
    send_timeout: float | None
    answer_timeout: float | None
    background: bool


def talk_pattern(top: Sequence[LayerSpec], places: Sequence[Place], work: Work, talk: Talk) -> int:
    """Do it with a socket.

    Args:
        top: filters and pattern, top first.
        places: whom to dial and where to listen.
        work: what to do.
        talk: told what happens.

    Returns:
        The exit code.
    """
    pattern: Any = Stack(tuple(top))
    socket: Socket[Any] = Socket(pattern)
    try:
        for place in places:
            _open(socket, place, work, talk)
        code = PATTERNS[top[-1].name](socket, work, talk)
        left = socket.close(LINGER)
    finally:
        socket.close(0)
    if left:
        talk.say(f"{left} bytes or messages were accepted and could not be written")
        return FAILED
    return code


def _open(socket: Socket[Any], place: Place, work: Work, talk: Talk) -> None:
    if place.peer.role is Role.LISTENER:
        talk.note(f"listening on {socket.listen(place.stack).address}")
    elif work.background:
        socket.dial(place.stack)
    else:
        socket.reach(place.stack, REACH)
        talk.note(f"connected to {place.peer}")


def _ask(socket: Socket[Any], work: Work, talk: Talk) -> int:
    """REQ: a request that stays without an answer is no reason not to send the next."""
    missed = 0
    for number, body in enumerate(work.bodies or (), 1):
        socket.send(body, timeout=work.send_timeout)
        try:
            work.show(socket.recv(timeout=work.answer_timeout))
        except Deadline as error:
            missed += 1
            talk.say(f"request {number} has no answer: {error.message}")
    return FAILED if missed else FINE


def _receive(socket: Socket[Any], work: Work, talk: Talk) -> int:
    """PULL and REP. Silence is a failure if nothing came, or less than was asked for."""
    got = 0
    while not work.count or got < work.count:
        try:
            work.show(socket.recv(timeout=work.recv_timeout))
        except Deadline:
            if got and not work.count:
                break
            raise
        got += 1
        if work.reply is not None:
            socket.send(work.reply, timeout=work.send_timeout)
    return FINE


def _push(socket: Socket[Any], work: Work, talk: Talk) -> int:
    for body in work.bodies or ():
        socket.send(body, timeout=work.send_timeout)
    return FINE


PATTERNS: Mapping[str, Callable[[Socket[Any], Work, Talk], int]] = {
    "req": _ask,
    "rep": _receive,
    "push": _push,
    "pull": _receive,
}
"""What is done, by the pattern's name."""
