"""The end of the program: what was accepted and not yet written is written, as if everything had been closed."""

from __future__ import annotations

import atexit
import weakref
from typing import Protocol

__all__ = ["close_at_exit"]


class Closeable(Protocol):
    """A socket or a connection."""

    def close(self) -> int:
        """Linger, and let go."""


_open: weakref.WeakSet[Closeable] = weakref.WeakSet()


def close_at_exit(what: Closeable) -> None:
    """Close it when the interpreter exits, if it still exists then. Closing it before does no harm."""
    _open.add(what)


@atexit.register
def _close_all() -> None:
    for what in list(_open):
        what.close()
