"""What the steps of the demo stand on: where they say what happens, and how they run programs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from .streams import output

__all__ = ["Failed", "Skipped", "Stage"]

MOST = 60.0
"""Seconds that one program may take."""

BOLD, RED, GREEN, YELLOW = "1", "31", "32", "33"


class Failed(Exception):
    """A step did not do what it should."""


class Skipped(Exception):
    """A step cannot run here; says what it needs."""


class Stage:
    """Where the demo is shown.

    Args:
        root: the repository, or None.
        color: use the terminal's colours.
    """

    def __init__(self, root: Path | None, color: bool) -> None:
        self.root = root
        self._color = color

    def paint(self, text: str, how: str) -> str:
        """The text in a colour, where there are colours."""
        return f"\x1b[{how}m{text}\x1b[0m" if self._color else text

    def head(self, text: str) -> None:
        """A headline."""
        with output() as out:
            print(f"\n{self.paint(text, BOLD)}", file=out)

    def say(self, text: str = "") -> None:
        """Lines below a headline."""
        with output() as out:
            for line in text.split("\n"):
                print(f"    {line}".rstrip(), file=out)

    def repository(self) -> Path:
        """The repository.

        Raises:
            Skipped: there is none.
        """
        if self.root is None:
            raise Skipped("it is part of the source of sockstack: run 'make demo' there")
        return self.root

    def run(self, *arguments: str, show: bool = True) -> None:
        """Run Python with these arguments in the repository, to its end, and show what it prints.

        Raises:
            Failed: it took too long, or its exit code is not 0.
        """
        begun = time.monotonic()
        with tempfile.TemporaryFile("w+") as errors:
            with self._program(arguments, errors) as program:
                assert program.stdout is not None
                late = threading.Timer(MOST, _stop, [program])
                late.daemon = True
                late.start()
                for line in program.stdout:
                    if show:
                        self.say(line.rstrip("\n"))
                code = program.wait()
                late.cancel()
            errors.seek(0)
            told = errors.read().rstrip()
        if not code:
            return
        if time.monotonic() - begun >= MOST:
            raise Failed(f"it did not end within {MOST:g} s")
        self.say(told)
        raise Failed(told.rsplit("\n", 1)[-1] or f"exit code {code}")

    @contextlib.contextmanager
    def _program(
        self, arguments: Sequence[str], errors: IO[str]
    ) -> Iterator[subprocess.Popen[str]]:
        """A program in a session of its own, so that what it starts ends with it if we stop early."""
        with subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.repository(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as program:
            try:
                yield program
            finally:
                _stop(program)


def _stop(program: subprocess.Popen[str]) -> None:
    if program.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
