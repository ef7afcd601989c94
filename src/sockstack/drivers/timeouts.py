"""The timeouts that calls take."""

from __future__ import annotations

from typing import Final, TypeAlias, final

__all__ = ["DEFAULT", "Default", "Timeout"]


@final
class Default:
    """The type of :data:`DEFAULT`."""

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT: Final = Default()
"""The object's own timeout."""

Timeout: TypeAlias = float | Default | None
"""Seconds; None waits for ever."""
