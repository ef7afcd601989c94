"""Loggers, one a subject, under ``sockstack``. The logging module is imported when there is something to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

__all__ = ["logger"]


def logger(subject: str) -> logging.Logger:
    """The logger of a subject: ``hub``, ``link``, ``endpoint``, ``socket``. This library never configures logging."""
    import logging

    return logging.getLogger(f"sockstack.{subject}")
