"""The timeouts that calls take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, final

from ..core.errors import StackError

__all__ = ["DEFAULT", "Countdown", "Default", "Timeout", "check_seconds"]


@final
class Default:
    """The type of :data:`DEFAULT`."""

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = Default()
"""The object's own timeout."""

Timeout: TypeAlias = float | Default | None
"""Seconds; None waits for ever."""


class Countdown:
    """What is left of a timeout over several waits."""

    def __init__(self, timeout: float | None, now: Callable[[], float]) -> None:
        self._now = now
        self._until = None if timeout is None else now() + timeout

    @property
    def left(self) -> float | None:
        """Seconds, 0 or more; None is for ever."""
        return None if self._until is None else max(0.0, self._until - self._now())


def check_seconds(name: str, seconds: float | None) -> None:
    """Refuse a time before now, which other libraries take for ever.

    Raises:
        StackError: it is negative.
    """
    if seconds is not None and not seconds >= 0:
        raise StackError(
            f"{name} is a time in seconds, 0 or more, and not {seconds!r}",
            layer="socket",
            field=name,
            mend="None is for ever." if name == "timeout" else "",
        )
