"""What the process that measures holds: memory, descriptors and threads, and whether they grow."""

from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["GROWTH", "Held", "grown", "held", "settled"]

GROWTH = 4 << 20
"""Bytes by which the last quarter of a run may hold more than the second one."""

FEWEST = 16
"""Phases from which on quarters can be compared: each then has a few."""

MOST_WAIT = 10
"""Seconds for threads that have nothing left to do to end."""


@dataclass(frozen=True)
class Held:
    """What there was at one moment.

    Attributes:
        memory: resident bytes; 0 where the system does not tell.
        descriptors, threads: how many.
    """

    memory: int
    descriptors: int
    threads: int


def held() -> Held:
    """What there is now, when garbage is gone."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        memory = pages * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        memory = 0
    return Held(memory, len(os.listdir("/dev/fd")), threading.active_count())


def settled(before: Held) -> Held:
    """What there is after a phase, when threads that end have ended: as much as before, or what is left over."""
    late = time.monotonic() + MOST_WAIT
    now = held()
    while (
        now.threads > before.threads or now.descriptors > before.descriptors
    ) and time.monotonic() < late:
        time.sleep(0.05)
        now = held()
    return now


def grown(samples: list[int]) -> int | None:
    """Bytes by which the median of the last quarter is above that of the second; None: too few samples to tell."""
    if len(samples) < FEWEST or not samples[-1]:
        return None
    quarter = len(samples) // 4
    return round(median(samples[-quarter:]) - median(samples[quarter : 2 * quarter]))
