"""A process of a foreign peer, read and written line by line."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import IO

from ..drivers.both import in_thread

__all__ = ["Process"]

ROOT = Path(__file__).parents[2]

PATIENCE = 30.0
"""Seconds that a process may take to end by itself."""


class Process:
    """A command whose input and output are ours; it complains where the tests do."""

    def __init__(self, *command: str) -> None:
        self._command = " ".join(command)
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    @property
    def input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    async def line(self) -> str:
        """The next line that it prints; empty once it has ended."""
        return (await in_thread(self.output.readline)).decode().strip()

    def tell(self, text: str) -> None:
        """Write a line to its input."""
        self.input.write(text.encode() + b"\n")
        self.input.flush()

    async def rest(self) -> bytes:
        """All that it prints from here on, until it ends; it must end well."""
        self.input.close()
        rest = await in_thread(self.output.read)
        code = await in_thread(self._process.wait, PATIENCE)
        assert code == 0, f"{self._command} ended with {code}"
        return rest

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()
        self.input.close()
        self.output.close()
