"""The standard streams as commands find them: in order, closed, full, or with nobody at their other end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TextIO

__all__ = ["discard", "fill_in", "output", "safe", "tell"]

STREAMS = {"stdin": os.O_WRONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
"""How their stand-ins are opened: what is said vanishes, what is to be read or printed fails."""


def fill_in() -> None:
    """Put something in the place of those that are closed. A socket would get their numbers, and a peer what they get.

    There is no ``sys.stdin`` then, as before; to write to standard output fails.
    """
    for name, flags in STREAMS.items():
        if getattr(sys, name) is None:
            number = os.open(os.devnull, flags)
            if name != "stdin":
                setattr(sys, name, os.fdopen(number, "w", closefd=False))


@contextlib.contextmanager
def output() -> Iterator[TextIO]:
    """Standard output, to be written to; it is flushed at the end.

    Raises:
        OSError: it is full, closed, or nobody reads it.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        discard(sys.stdout)
        error.filename = "standard output"
        raise


def tell(text: str) -> None:
    """Print on standard error; if that is full, or nobody reads it, there is nobody to complain to."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Let what a stream still holds vanish, and all that follows: at the end of Python it would fail once more."""
    number = os.open(os.devnull, os.O_WRONLY)
    os.dup2(number, stream.fileno())
    os.close(number)


def safe(text: str) -> str:
    """A text in one line, without what a terminal would obey: control characters as ``\\x1b``."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
