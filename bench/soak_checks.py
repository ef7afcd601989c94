"""What must hold of the numbers that are received in a soak, whoever is killed."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from .soak_messages import Damaged, read

__all__ = ["Incoming", "Outgoing", "Tally"]

MOST_FAULTS = 5
"""Faults of one traffic that are told in words."""

BEFORE_ALL = (0, -1)
"""The newest life and number of a slot that has received nothing yet."""


@dataclass
class Tally:
    """What one phase has come to.

    Attributes:
        messages: received.
        kills: peers killed.
        resent: requests that were asked again.
        lost: messages that did not arrive, by reason; all of these are explained.
        unexplained: messages that did not arrive, or not as they should, without one.
        faults: what was wrong, in words.
    """

    messages: int = 0
    kills: int = 0
    resent: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    unexplained: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str, count: int = 1) -> None:
        """Something for which there is no reason."""
        self.unexplained += count
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(text)

    def add(self, other: Tally) -> None:
        """Another phase of the same traffic."""
        self.messages += other.messages
        self.kills += other.kills
        self.resent += other.resent
        self.lost += other.lost
        self.unexplained += other.unexplained
        self.faults = (self.faults + other.faults)[:MOST_FAULTS]


class Seen:
    """Which numbers have come."""

    def __init__(self) -> None:
        self.count = 0
        self._marks = bytearray()

    def add(self, number: int) -> bool:
        """Note one; False if it has come before."""
        if number >= len(self._marks):
            self._marks.extend(bytes(number + 4096 - len(self._marks)))
        if self._marks[number]:
            return False
        self._marks[number] = 1
        self.count += 1
        return True

    @property
    def end(self) -> int:
        """Above the highest number that has come."""
        return len(self._marks.rstrip(b"\0"))

    def missing(self, end: int) -> list[int]:
        """Numbers below ``end`` that have not come."""
        marks = self._marks.ljust(end, b"\0")
        found = []
        at = marks.find(0, 0, end)
        while at >= 0:
            found.append(at)
            at = marks.find(0, at + 1, end)
        return found


class Outgoing:
    """Numbers that one end has sent, as the peers' journals have them.

    Attributes:
        received: how many each life of each slot has received.
        last: the last number of each of them.
        gaps: numbers that were left out within the lives of a slot.
    """

    def __init__(self, end: int, spread: bool, tally: Tally) -> None:
        self.received: Counter[tuple[int, int]] = Counter()
        self.last: dict[tuple[int, int], int] = {}
        self.gaps: Counter[int] = Counter()
        self._end = end
        self._spread = spread
        self._tally = tally
        self._seen = Seen()
        self._newest: dict[int, tuple[int, int]] = {}
        self._deaths: list[tuple[int, int]] = []

    def note(self, slot: int, life: int, number: int) -> None:
        """One more."""
        who = (slot, life)
        last = self.last.get(who)
        if last is None:
            if life:  # what was handed to the lives before and did not arrive
                self._deaths.append((self._newest.get(slot, BEFORE_ALL)[1], number))
        elif number <= last:
            self._tally.fault(f"{who} received {number} of end {self._end} after {last}")
        elif self._spread:
            self.gaps[slot] += number - last - 1
        self.last[who] = number
        self._newest[slot] = (life, number)
        self.received[who] += 1
        self._tally.messages += 1
        if not self._spread and not self._seen.add(number):
            self._tally.fault(f"{who} received {number} of end {self._end}, as another had")

    def judge(self, sent: int, lives: dict[int, int]) -> None:
        """Each number below ``sent`` has arrived, or may have been handed to a peer that died.

        What a peer had is numbered above all that came before it from the same slot, and below what the next life of
        its slot was given: so a number that is missing lies between two lives. ``lives`` are the last ones.
        """
        deaths = list(self._deaths)
        for slot, life in lives.items():
            newest = self._newest.get(slot, BEFORE_ALL)
            if newest[0] < life:
                deaths.append((newest[1], sent))
        for number in self._seen.missing(sent):
            if any(after < number < before for after, before in deaths):
                self._tally.lost["died"] += 1
            else:
                self._tally.fault(f"{number} of end {self._end} is missing, and nobody had died")


class Incoming:
    """Numbers that peers have sent to the ends, which are told by several threads.

    With ``dense`` numbers no peer may leave one out on one connection. Otherwise it shares them out over the ends.
    """

    def __init__(self, dense: bool, tally: Tally) -> None:
        self._dense = dense
        self._tally = tally
        self._lock = threading.Lock()
        self._last: dict[tuple[int, int, int], tuple[int, int]] = {}
        self._seen: dict[tuple[int, int], Seen] = {}

    def received(self, end: int, pipe: int, body: bytes) -> None:
        """One more."""
        with self._lock:
            self._tally.messages += 1
            try:
                stamp = read(body)
            except Damaged as error:
                self._tally.fault(str(error))
                return
            where = (stamp.slot, stamp.life, end)
            before = self._last.get(where)
            self._last[where] = (pipe, stamp.number)
            if before is not None:
                gap = stamp.number - before[1] - 1
                if gap < 0:
                    self._tally.fault(f"{stamp} after {before[1]} at end {end}")
                elif gap and self._dense and pipe == before[0]:
                    self._tally.fault(f"{stamp} after {before[1]} at end {end}", gap)
                elif gap and self._dense:
                    self._tally.lost["reconnected"] += gap
            if not self._dense:
                seen = self._seen.setdefault((stamp.slot, stamp.life), Seen())
                if not seen.add(stamp.number):
                    self._tally.fault(f"{stamp} came to both ends")

    def complete(self, slot: int, life: int, given: int) -> bool:
        """Whether all is here that a peer has given."""
        with self._lock:
            if self._dense:
                lasts = [
                    number
                    for (a, b, _), (_, number) in self._last.items()
                    if (a, b) == (slot, life)
                ]
                return bool(lasts) and all(number == given - 1 for number in lasts)
            seen = self._seen.get((slot, life))
            return (seen.count if seen is not None else 0) == given

    def judge(self) -> None:
        """What is missing had been given to a connection by a peer that died."""
        for seen in self._seen.values():
            self._tally.lost["died"] += len(seen.missing(seen.end))
