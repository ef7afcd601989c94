"""What is done for those who do not close: at the end of the program, and when an object is dropped."""

from __future__ import annotations

import atexit
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ...core.log import logger

if TYPE_CHECKING:
    from .hub import BlockingHub

__all__ = ["close_at_exit", "drop", "let_go"]


class Closeable(Protocol):
    """A socket, a connection, a session or a listener."""

    def close(self) -> Any:
        """Linger, and let go."""


_open: tuple[weakref.WeakSet[Closeable], weakref.WeakSet[Closeable]] = (
    weakref.WeakSet(),
    weakref.WeakSet(),
)


def close_at_exit(what: Closeable, others_stand_on_it: bool = False) -> None:
    """Close it when the interpreter exits, if it still exists then. Closing it before does no harm.

    What was accepted and not yet written is written; hence what others may stand on is closed after them.
    """
    _open[others_stand_on_it].add(what)


@atexit.register
def _close_all() -> None:
    for each in _open:
        for what in list(each):
            try:
                what.close()
            except Exception:  # the others are closed all the same
                logger("exit").exception("closing %r", what)


def drop(what: object, hub: BlockingHub, close: Callable[[], None]) -> None:
    """For ``__del__`` of something that was not closed: warn, and make the call ``close`` under the hub's lock.

    It may run in any thread at any moment, even where the lock is held; so it waits for nothing, and whoever holds
    the lock makes the call.
    """
    warnings.warn(f"unclosed {what!r}", ResourceWarning, stacklevel=3, source=what)
    let_go(hub, close)


def let_go(hub: BlockingHub, close: Callable[[], None]) -> None:
    """The same without a warning."""
    if hub.lock.acquire(blocking=False):
        try:
            close()
        finally:
            hub.lock.release()
    else:
        hub.post(close)
