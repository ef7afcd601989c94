"""A lane that is exactly as bad as a record allows: what a layer promises it must keep over this.

What the record says, and what the lane therefore may do:

====================================  ==================================================================
the record                            what may happen
====================================  ==================================================================
any                                   delay; batches put together and taken apart
``unit`` is STREAM                    bytes split and coalesced anywhere
``reliable`` is no                    a unit is dropped
``reliable`` no, ``integrity`` NONE   a unit is changed, or arrives cut short
``nodup`` is no                       a unit arrives twice
``ordered`` is NO                     units overtake each other (from one sender, PER_SENDER keeps the order)
``backpressure`` is DROP              what finds no room is dropped
``clean_end`` is NONE                 a connection that was cut looks ended, and one that ended looks cut
``session`` is no                     nobody learns that the other end has ended or is gone
====================================  ==================================================================

Anything else it never does. All chance comes from the seed.
"""

from __future__ import annotations

import random
from collections import Counter, deque

from ..core.capabilities import Backpressure, Capabilities, CleanEnd, Integrity, Ordered, Unit
from .lanes import Lane, Sign

__all__ = ["HostileLane"]

PATIENCE = 3
"""Steps in a row for which nothing arrives, at most, so that a test ends."""


class HostileLane(Lane):
    """What is under way in one direction of a link that keeps its record and nothing more.

    Attributes:
        done: how often it did what: ``delayed``, ``split``, ``coalesced``, ``dropped``, ``changed``, ``duplicated``,
            ``reordered``, ``disguised`` (an end as a cut or the other way) and ``silent`` (nobody was told).

    Args:
        record: what the link promises.
        seed: of all chance.
        room: bytes under way above which a link that drops for want of room does so.
    """

    def __init__(self, record: Capabilities, seed: int = 0, *, room: int = 1 << 16) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()
        self._record = record
        self._chance = random.Random(seed)
        self._room = room
        self._units: deque[bytes] = deque()
        self._waited = 0

    def put(self, units: list[bytes]) -> None:
        record = self._record
        for unit in units:
            if record.backpressure is Backpressure.DROP and self.size + len(unit) > self._room:
                self.done["dropped"] += 1
                continue
            if not record.reliable and self._happens(8):
                self.done["dropped"] += 1
                continue
            if not record.reliable and record.integrity is Integrity.NONE and self._happens(8):
                unit = self._changed(unit)
            self._add(unit)
            if not record.nodup and self._happens(6):
                self.done["duplicated"] += 1
                self._add(unit)

    def take(self, room: int) -> list[bytes]:
        if self._waited < PATIENCE and self._happens(3):
            self._waited += 1
            self.done["delayed"] += 1
            return []
        self._waited = 0
        if self._record.unit is Unit.STREAM:
            batch = self._piece()
        else:
            count = min(room, self._chance.randint(1, len(self._units)))
            batch = [self._next() for _ in range(count)]
        self.size -= sum(map(len, batch))
        return batch

    @property
    def empty(self) -> bool:
        return not self._units

    def clear(self) -> None:
        self._units.clear()
        self.size = 0

    def tell(self, sign: Sign) -> Sign | None:
        if not self._record.session:
            self.done["silent"] += 1
            return None
        if self._record.clean_end is CleanEnd.NONE and self._happens(2):
            self.done["disguised"] += 1
            return Sign.ENDED if sign is Sign.GONE else Sign.GONE
        return sign

    def _happens(self, one_in: int) -> bool:
        return self._chance.randrange(one_in) == 0

    def _add(self, unit: bytes) -> None:
        self._units.append(unit)
        self.size += len(unit)

    def _next(self) -> bytes:
        """The unit that arrives next."""
        units = self._units
        if self._record.ordered is Ordered.NO and len(units) > 1 and self._happens(3):
            self.done["reordered"] += 1
            units.rotate(-self._chance.randrange(1, len(units)))
        return units.popleft()

    def _changed(self, unit: bytes) -> bytes:
        """The unit with one bit turned over, or without its end."""
        if not unit:
            return unit
        self.done["changed"] += 1
        at = self._chance.randrange(len(unit))
        if self._happens(2) and (at or self._record.empty_unit):
            return unit[:at]
        return unit[:at] + bytes([unit[at] ^ 1 << self._chance.randrange(8)]) + unit[at + 1 :]

    def _piece(self) -> list[bytes]:
        """Some bytes of a stream, cut and put together without regard to how they were sent."""
        unit = self._next()
        while self._units and self._happens(2):
            self.done["coalesced"] += 1
            unit += self._next()
        if len(unit) > 1 and self._happens(2):
            self.done["split"] += 1
            at = self._chance.randrange(1, len(unit)) if self._happens(2) else 1
            unit, rest = unit[:at], unit[at:]
            if self._happens(3):
                return [unit, rest]
            self._units.appendleft(rest)
        return [unit]
