"""Batches on their way to a pipe: how much it is given at a time, and what it had not begun to write when it died."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..core.framing import size_of
from ..core.head import Stats
from ..core.junction import Pipe
from ..core.layer import Chunks

__all__ = ["BATCH", "cut", "front", "rescue"]

BATCH = 65536
"""Bytes handed to one pipe at a time: at most so much is lost with a pipe, or one message."""


def cut(bodies: Sequence[bytes], start: int, count: int) -> int:
    """Where a share that begins at ``start`` ends: after ``count`` messages, or at :data:`BATCH` bytes if sooner."""
    stop = min(len(bodies), start + count)
    if sum(map(len, bodies[start:stop])) <= BATCH:
        return stop
    size = 0
    for index in range(start, stop):
        size += len(bodies[index])
        if size > BATCH:
            return max(index, start + 1)
    return stop


def front(queue: deque[Chunks]) -> list[Chunks]:
    """Take the first share off a queue that is not empty: :data:`BATCH` bytes, or one message."""
    units = [queue.popleft()]
    size = size_of(units[0])
    while queue and (size := size + size_of(queue[0])) <= BATCH:
        units.append(queue.popleft())
    return units


def rescue(pipe: Pipe, units: Sequence[Chunks], stats: Stats) -> int:
    """How many of ``units``, counted from the last, a pipe that has just died had not begun to write.

    They were the last that it was given. They can go to another pipe: nothing is received twice, and they are no
    longer counted as lost.
    """
    head = pipe.chain.record.head
    unsent = pipe.chain.unsent
    count = rescued = 0
    for unit in reversed(units):
        size = size_of(unit) + head
        if rescued + size > unsent:
            break
        rescued += size
        count += 1
    stats.lost += unsent - pipe.lost - rescued  # since it was detached it may have been given more
    return count
