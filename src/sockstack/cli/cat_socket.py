"""``sockstack cat`` with a pattern: what each of them does with its data and its peers."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import Deadline, SockstackError
from ..core.spec import LayerSpec, Role, Stack
from ..drivers.blocking.socket import Socket
from . import faults
from .command import FAILED, FINE, Talk
from .feeder import Feeder
from .peers import Place

__all__ = ["LINGER", "PATTERNS", "Data", "Part", "Work", "talk_pattern"]

REACH = 10.0
"""Seconds for the first connection to an address."""

LINGER = 10.0
"""Seconds at the end for what was accepted and not written yet."""


class Data(enum.Enum):
    """What a pattern does with data that it is given."""

    NEEDED = enum.auto()  # it begins with sending; without data it sends what standard input brings
    BESIDE = enum.auto()  # it receives, and sends its data, if it has any, all the while
    ANSWER = enum.auto()  # it receives, and answers each message with its data, if it has any
    REFUSED = enum.auto()  # it does not send


@dataclass(frozen=True)
class Work:
    """What is to be done, whoever the peers are.

    Attributes:
        bodies: what to send, in order and at its pace; None: nothing.
        reply: how to answer each message; None: not at all.
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
        with faults.told(socket, talk):
            code = PATTERNS[top[-1].name].do(socket, work, talk)
        left = socket.close(LINGER)
        if work.bodies is not None:
            _account(socket, talk)
    except KeyboardInterrupt:
        socket.close()  # for a moment only; nothing is said, because nothing was asked to be complete
        raise
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


def _account(socket: Socket[Any], talk: Talk) -> None:
    """Say what those patterns lost that never wait for a peer."""
    stats = socket.stats()
    if stats["unheard"]:
        talk.warn(f"nobody was there for {stats['unheard']} of the messages; see --delay")
    if stats["shed"]:
        talk.warn(f"peers did not keep up: {stats['shed']} of the messages to them were dropped")


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


def _survey(socket: Socket[Any], work: Work, talk: Talk) -> int:
    """SURVEYOR: prints answers until the survey ends, and holds the next one."""
    missed = 0
    for number, body in enumerate(work.bodies or (), 1):
        socket.send(body, timeout=work.send_timeout)
        answers = 0
        try:
            while True:
                work.show(socket.recv(timeout=work.answer_timeout))
                answers += 1
        except Deadline:
            if not answers:
                missed += 1
                talk.say(f"survey {number} has no answer")
    return FAILED if missed else FINE


def _receive(socket: Socket[Any], work: Work, talk: Talk) -> int:
    """PULL and SUB; REP and RESPONDENT. Silence is a failure if nothing came, or less than was asked for."""
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


def _send(socket: Socket[Any], work: Work, talk: Talk) -> int:
    """PUSH and PUB."""
    for body in work.bodies or ():
        socket.send(body, timeout=work.send_timeout)
    return FINE


def _both(socket: Socket[Any], work: Work, talk: Talk) -> int:
    """PAIR, BUS and STAR. With a count it sends so many and receives so many, in whatever order."""
    if work.bodies is None:
        return _receive(socket, work, talk)
    feeder = Feeder(
        work.bodies,
        lambda body: socket.send(body, timeout=work.send_timeout),
        lambda: None,
        lambda: socket.close(0),
    )
    feeder.start()
    try:
        _receive(socket, work, talk)
    except SockstackError as error:
        raise feeder.error or error from None
    if work.count:
        feeder.join()
    feeder.stop()
    if feeder.error is not None:
        raise feeder.error
    return FINE


@dataclass(frozen=True)
class Part:
    """What one pattern does.

    Attributes:
        do: does it; gives the exit code.
        data: what it does with data.
    """

    do: Callable[[Socket[Any], Work, Talk], int]
    data: Data


PATTERNS: Mapping[str, Part] = {
    "req": Part(_ask, Data.NEEDED),
    "rep": Part(_receive, Data.ANSWER),
    "push": Part(_send, Data.NEEDED),
    "pull": Part(_receive, Data.REFUSED),
    "pub": Part(_send, Data.NEEDED),
    "sub": Part(_receive, Data.REFUSED),
    "surveyor": Part(_survey, Data.NEEDED),
    "respondent": Part(_receive, Data.ANSWER),
    "pair0": Part(_both, Data.BESIDE),
    "pair1": Part(_both, Data.BESIDE),
    "bus": Part(_both, Data.BESIDE),
    "star": Part(_both, Data.BESIDE),
}
"""What is done, by the pattern's name."""
