"""How what is sent arrives: the two directions of a connection in memory.

A lane takes the batches that one link sends and says, step by step, what the other link receives next.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable

__all__ = ["CutLane", "Lane", "Sign"]


class Sign(enum.Enum):
    """What travels in a lane beside units."""

    ENDED = "ended"
    GONE = "gone"


class Lane:
    """What is under way in one direction. This one delivers batches as they were sent.

    Attributes:
        size: bytes under way.
    """

    def __init__(self) -> None:
        self.size = 0
        self.batches: deque[list[bytes]] = deque()

    def put(self, units: list[bytes]) -> None:
        """Units were sent, a batch."""
        self.size += sum(map(len, units))
        self.batches.append(units)

    def take(self, room: int) -> list[bytes]:
        """What arrives next: at most ``room`` units, in a stream any number; empty: nothing just now."""
        batch = self.batches[0]
        if len(batch) <= room:
            self.batches.popleft()
        else:
            batch, self.batches[0] = batch[:room], batch[room:]
        self.size -= sum(map(len, batch))
        return batch

    @property
    def empty(self) -> bool:
        """Whether nothing is under way."""
        return not self.batches

    def clear(self) -> None:
        """What is under way is lost."""
        self.batches.clear()
        self.size = 0

    def tell(self, sign: Sign) -> Sign | None:
        """How the other end learns that this one ended its output or is gone; None: it does not."""
        return sign


class CutLane(Lane):
    """A stream that is cut at given places; between them, all that is under way arrives in one unit.

    Args:
        cuts: places, counted in bytes from the first one that was ever sent this way.
        every: cut after so many bytes again and again, instead.
    """

    def __init__(self, cuts: Iterable[int] = (), *, every: int | None = None) -> None:
        super().__init__()
        self._data = b""
        self._cuts = deque(sorted(cuts))
        self._every = every
        self._passed = 0

    def put(self, units: list[bytes]) -> None:
        self._data += b"".join(units)
        self.size = len(self._data)

    def take(self, room: int) -> list[bytes]:
        while self._cuts and self._cuts[0] <= self._passed:
            self._cuts.popleft()
        size = self._every or (self._cuts[0] - self._passed if self._cuts else len(self._data))
        unit, self._data = self._data[:size], self._data[size:]
        self._passed += len(unit)
        self.size = len(self._data)
        return [unit]

    @property
    def empty(self) -> bool:
        return not self._data

    def clear(self) -> None:
        self._data = b""
        self.size = 0
