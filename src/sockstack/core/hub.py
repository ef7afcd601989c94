"""What a hub gives to those who live on it: time, timers, descriptors to watch, and a way to come back later.

A hub waits; nobody else does. Transports are written against these few calls, once for all drivers. Everything that
lives on a hub is called by one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .spec import Environment

__all__ = ["Cancellable", "Hub", "Timing", "Watch"]

T = TypeVar("T")


class Cancellable(Protocol):
    """Something that will happen unless cancelled."""

    def cancel(self) -> None:
        """Do not do it. May be called twice."""


class Timing(Environment, Protocol):
    """An environment with timers; what patterns are given."""

    def call_at(self, when: float, call: Callable[[], None]) -> Cancellable:
        """Call at the instant ``when``, on the clock of ``now``."""


class Watch(Protocol):
    """A descriptor that a hub watches."""

    def read(self, flag: bool) -> None:
        """Whether to call ``on_readable``. True at first."""

    def write(self, flag: bool) -> None:
        """Whether to call ``on_writable``. False at first."""

    def close(self) -> None:
        """Stop watching. The descriptor stays open. May be called twice."""


class Hub(Timing, Protocol):
    """The calls a transport may make.

    Attributes:
        turning: the hub is in the middle of a turn; what is sent now is written when the turn ends.
    """

    turning: bool

    def watch(
        self,
        fd: int,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
        forked: Callable[[], None] | None,
    ) -> Watch:
        """Watch a non-blocking descriptor, level-triggered. Errors and hang-ups count as readable.

        ``forked`` is called in a forked child and lets go of the descriptor there, without a word to the peer; None
        means that the child keeps it, and that it is watched there too.
        """

    def flush_later(self, flush: Callable[[], None]) -> None:
        """Call ``flush`` when this turn ends."""

    def post(self, call: Callable[[], None]) -> None:
        """Call on this hub, soon. The one call that any thread may make."""

    def in_thread(self, work: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Run blocking ``work`` elsewhere and call ``done`` on this hub with its result or its exception."""

    def need(self, who: Any, flag: bool) -> None:
        """Say whether ``who`` must be attended to even while no caller waits (unsent bytes, an accept, a redial)."""
