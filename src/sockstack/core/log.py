"""Loggers, one a subject, under ``sockstack``. The logging module is imported when there is something to say."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

__all__ = ["debugger", "logger"]


def logger(subject: str) -> logging.Logger:
    """The logger of a subject: ``hub``, ``link``, ``endpoint``, ``socket`` or ``device``.

    This library never configures logging.
    """
    import logging

    return logging.getLogger(f"sockstack.{subject}")


def debugger(subject: str) -> logging.Logger | None:
    """The logger of a subject if somebody wants to know the details, else None."""
    module = sys.modules.get("logging")
    if module is None:
        return None
    found = logger(subject)
    return found if found.isEnabledFor(module.DEBUG) else None
