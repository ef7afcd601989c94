"""The timeouts that calls take."""

from __future__ import annotations

from typing import Final, TypeAlias, final

from ..core.errors import StackError

__all__ = ["DEFAULT", "Default", "Timeout", "check_seconds"]


@final
class Default:
    """The type of :data:`DEFAULT`."""

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = Default()
"""The object's own timeout."""

Timeout: TypeAlias = float | Default | None
"""Seconds; None waits for ever."""


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
