"""``sockstack bench``: runs the benchmark of the repository."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .checkout import find_checkout
from .command import FAILED, Talk

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Become the benchmark, which takes the arguments; or say where it is."""
    root = find_checkout()
    if root is None:
        Talk("sockstack bench").say(
            "the benchmark is not part of the installed package. "
            "It is in the source of sockstack: run this there, or 'make bench'"
        )
        return FAILED
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "bench", *arguments])
