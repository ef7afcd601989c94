"""What the commands send: data given once, or what standard input brings; in messages or in bytes, at a pace."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator

__all__ = ["READ", "chunks", "lines", "paced"]

READ = 65536
"""Bytes of one read."""


def chunks(fd: int) -> Iterator[bytes]:
    """What a descriptor brings, as it comes, until its end."""
    while data := os.read(fd, READ):
        yield data


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of what comes in pieces, without their newlines; a last one that has none counts, too."""
    parts: list[bytes] = []
    for piece in pieces:
        first, *rest = piece.split(b"\n")
        parts.append(first)
        for part in rest:
            yield b"".join(parts)
            parts = [part]
    if last := b"".join(parts):
        yield last


def paced(
    bodies: Iterable[bytes], count: int = 0, interval: float = 0.0, delay: float = 0.0
) -> Iterator[bytes]:
    """At most ``count`` bodies (0: all), ``interval`` seconds from one to the next, the first after ``delay``."""
    due = time.monotonic() + delay
    for body in itertools.islice(bodies, count or None):
        if (left := due - time.monotonic()) > 0:  # to sleep no time at all would take some, too
            time.sleep(left)
        due = time.monotonic() + interval
        yield body
