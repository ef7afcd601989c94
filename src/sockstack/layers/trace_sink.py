"""Where traces go: files that several of them share, functions, and open files."""

from __future__ import annotations

import itertools
import os
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from ..core.errors import StackWarning
from .pcap import FILE_HEADER

__all__ = ["STDERR", "Sink", "Writable"]

STDERR = "-"


class Writable(Protocol):
    """A file, as far as a trace needs one."""

    def write(self, data: Any, /) -> Any:
        """Append text, or octets."""


class Book:
    """What all traces that go to one place share: the instant at which it began, and numbers for connections."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.numbers = itertools.count(1)


_books: dict[str, Book] = {}
"""The files that this process has begun."""


class Sink:
    """Where a trace goes.

    Attributes:
        on: it works; once something could not be written, it does not any more.
        numbers: for connections.
    """

    def __init__(self, to: Any, *, packets: bool) -> None:
        self.on = True
        self._where = to if isinstance(to, str) else repr(to)
        self._book = Book()
        self._write: Callable[[Any], object] = to
        self._by_line = callable(to)
        self._encoded = False
        try:
            if to == STDERR:
                self._write = lambda text: sys.stderr.write(text)
            elif isinstance(to, str):
                self._open(os.path.abspath(to), FILE_HEADER if packets else b"")
            elif not self._by_line:
                self._write = to.write
                if packets:
                    to.write(FILE_HEADER)
        except Exception as error:
            self.off(error)

    @property
    def numbers(self) -> Iterator[int]:
        return self._book.numbers

    def since(self, now: float) -> float:
        """The instant at which the trace began: the first that was asked about."""
        if self._book.began is None:
            self._book.began = now
        return self._book.began

    def lines(self, lines: list[str]) -> None:
        """Append lines, in one piece if the place takes text."""
        if self._by_line:
            for line in lines:
                self._write(line)
        elif lines:
            text = "".join(f"{line}\n" for line in lines)
            self._write(text.encode() if self._encoded else text)

    def packets(self, data: bytes) -> None:
        """Append to a capture."""
        if data:
            self._write(data)

    def off(self, error: Exception) -> None:
        """Write no more, and warn. Nothing is raised, not where warnings are errors: it would break what passes."""
        self.on = False
        with suppress(Exception):
            warnings.warn(f"the trace to {self._where} is off: {error}", StackWarning, stacklevel=4)

    def _open(self, path: str, header: bytes) -> None:
        """Begin the file, or append to what this process has begun; each write is one system call at its end."""
        book = _books.setdefault(path, self._book)
        if book is self._book:
            with open(path, "wb") as file:
                file.write(header)
        self._book = book
        raw = open(path, "ab", buffering=0)  # noqa: SIM115  # it stays open as long as the sink
        weakref.finalize(self, raw.close)

        def write(data: bytes) -> None:
            if raw.write(data) != len(data):
                raise OSError("the device is full")

        self._write = write
        self._encoded = True
