"""What travels in a soak: numbered messages, and journals of the numbers that a peer has received.

A journal is a file, because what a process has written to one is still there after it was killed.
"""

from __future__ import annotations

import os
import struct
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["OVERRUN", "Damaged", "Journal", "Reader", "Stamp", "message", "read"]

_HEAD = struct.Struct(">HIQ")

_SIZES = (0,) * 60 + (200, 1500, 3000, 70_000)
"""Bytes behind the stamp, in turn: small ones are collected in bursts, the others are not, the last fills buffers."""

_TAILS = tuple(bytes([index + 1]) * size for index, size in enumerate(_SIZES))

_WORD = 8
_SHIFT = 56
_NUMBER = (1 << _SHIFT) - 1

OVERRUN = 255
"""The source of a record that holds the counter ``overrun`` instead of a message's number."""


class Damaged(Exception):
    """A message is not as it was sent."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who sent a message, in which of its lives, and which one it is.

    A peer that asks in the main process has a ``slot`` and no other life than 0.
    """

    slot: int
    life: int
    number: int


def message(slot: int, life: int, number: int) -> bytes:
    """A message that :func:`read` can check."""
    return _HEAD.pack(slot, life, number) + _TAILS[number % len(_TAILS)]


def read(body: bytes) -> Stamp:
    """The stamp of a message.

    Raises:
        Damaged: it is not as :func:`message` has made it.
    """
    if len(body) < _HEAD.size:
        raise Damaged(f"a message of {len(body)} bytes")
    stamp = Stamp(*_HEAD.unpack_from(body))
    if body[_HEAD.size :] != _TAILS[stamp.number % len(_TAILS)]:
        raise Damaged(f"{stamp} with another tail of {len(body) - _HEAD.size} bytes")
    return stamp


class Journal:
    """Where a peer writes down what it has received: words of 8 octets, the source in the first of them."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, bodies: Sequence[bytes], overrun: int) -> None:
        """Write a batch down, and the socket's counter of what it had to drop.

        Raises:
            Damaged: one is not as it was sent.
        """
        stamps = map(read, bodies)
        words = array("Q", (stamp.slot << _SHIFT | stamp.number for stamp in stamps))
        if overrun:
            words.insert(0, OVERRUN << _SHIFT | overrun)
        os.write(self._fd, words)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)


@dataclass
class Reader:
    """Reads a journal while it is written."""

    path: str
    _fd: int = field(default=-1, init=False)
    _rest: bytes = field(default=b"", init=False)

    def records(self) -> Iterator[tuple[int, int]]:
        """What is new: pairs of source and number."""
        if self._fd < 0:
            try:
                self._fd = os.open(self.path, os.O_RDONLY)
            except FileNotFoundError:
                return
        while data := os.read(self._fd, 1 << 16):
            data = self._rest + data
            whole = len(data) - len(data) % _WORD
            self._rest = data[whole:]
            for word in memoryview(data)[:whole].cast("Q"):
                yield word >> _SHIFT, word & _NUMBER

    def close(self) -> None:
        """Read no more, and remove the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            os.unlink(self.path)
