"""What is measured in one run, and the messages that travel: numbered, so that the receiver can check every one."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "BULK",
    "ROW",
    "Lost",
    "Role",
    "Stopwatch",
    "Style",
    "Traffic",
    "check",
    "fresh",
    "rows",
    "take",
]

BULK = 65536
"""Messages from this size on are made fresh for each send and checked by number and length; smaller ones come from a
row that is made once and are compared whole."""

ROW = 256

WARM_UP = 0.25
"""How long a run goes on before the clock is started, as a part of the time that is measured."""

_NUMBERS = struct.Struct(">QI")


class Role(enum.StrEnum):
    """The socket types that take part. ``REP``, ``PULL`` and ``PUB`` listen."""

    REQ = "req"
    REP = "rep"
    PUSH = "push"
    PULL = "pull"
    PUB = "pub"
    SUB = "sub"

    @property
    def listens(self) -> bool:
        """Whether this end waits for the other one to dial."""
        return self in (Role.REP, Role.PULL, Role.PUB)

    @property
    def measures(self) -> bool:
        """Whether this end sees when the work is done."""
        return self in (Role.REQ, Role.PULL, Role.SUB)


class Style(enum.StrEnum):
    """How a program uses its socket."""

    SINGLE = "single"
    MANY = "many"
    ASYNCIO = "asyncio"


@dataclass(frozen=True)
class Traffic:
    """The work of one run.

    Attributes:
        sender, receiver: who sends first and who receives.
        size: bytes a message.
        crowd: how many subscribers there are, where there are many: bare sockets, see :mod:`bench.crowd`.
        pinned: both processes run on one CPU, which shows what the software costs without the time that an idle CPU
            needs to wake up.
    """

    sender: Role
    receiver: Role
    size: int
    pinned: bool = False
    crowd: int = 0


class Lost(Exception):
    """A message was lost, doubled, reordered or damaged: the figure would mean nothing."""


class Stopwatch:
    """Counts messages and time from the end of the warm-up on.

    Attributes:
        messages: counted so far.
        elapsed: seconds in which they came.
    """

    def __init__(self, seconds: float) -> None:
        self.messages = 0
        self.elapsed = 0.0
        self._seconds = seconds
        self._warm: float | None = None
        self._begun: float | None = None

    def lap(self, messages: int) -> bool:
        """Note that ``messages`` more came; True when it is enough."""
        now = perf_counter()
        if self._begun is None:
            if self._warm is None:
                self._warm = now + WARM_UP * self._seconds
            if now >= self._warm:
                self._begun = now
            return False
        self.messages += messages
        self.elapsed = now - self._begun
        return self.elapsed >= self._seconds


def rows(size: int) -> Iterator[list[bytes]]:
    """Endless rows of small messages. Each message has its place in the row, and the first one the number of the row.

    It is one list, changed in place from turn to turn, so that making messages costs next to nothing.
    """
    filler = bytes(size - _NUMBERS.size)
    row = [_NUMBERS.pack(0, place) + filler for place in range(ROW)]
    for turn in count():
        row[0] = _NUMBERS.pack(turn, 0) + filler
        yield row


def fresh(size: int) -> Iterator[bytes]:
    """Endless large messages, each made when it is asked for."""
    filler = bytes(size - 8)
    for number in count():
        yield number.to_bytes(8) + filler


def check(message: bytes | bytearray, number: int, size: int) -> None:
    """Check a large message.

    Raises:
        Lost: it is not message ``number``, or not whole.
    """
    if len(message) != size or message[:8] != number.to_bytes(8):
        raise Lost(
            f"wanted message {number} of {size} B, got {bytes(message[:8]).hex()} of {len(message)} B"
        )


def take(batches: Iterable[list[bytes]], size: int, watch: Stopwatch) -> None:
    """Check batches of any length against the rows, until ``watch`` has seen enough.

    Raises:
        Lost: they are not the rows.
    """
    expected = rows(size)
    row: list[bytes] = []
    place = 0
    for batch in batches:
        start = 0
        while start < len(batch):
            if place == len(row):
                row, place = list(next(expected)), 0
            part = batch[start : start + len(row) - place]
            if part != row[place : place + len(part)]:
                raise Lost(f"a batch of {len(batch)} is not what was sent")
            start += len(part)
            place += len(part)
        if watch.lap(len(batch)):
            return
