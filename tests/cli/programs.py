"""The command as a process, which ends with the test whatever happens."""

from __future__ import annotations

import re
import subprocess
import sys
from types import TracebackType

__all__ = ["PATIENCE", "STRICT", "Program", "sockstack"]

PATIENCE = 30.0
"""Seconds after which a process that does not end is a failure."""

STRICT = ("-W", "error", "-bb")
"""Options of Python that make warnings errors."""

PEERS = re.compile(
    r"sockstack cat: (?!warning)\w+: (?:connected|disconnected|refused|failed)\b.*\n"
)
"""What is said with -v when peers come and go."""


class Program:
    """A process of ours, or of somebody else.

    Args:
        command: the program and its arguments.
        input: what it finds on standard input; None: a pipe that the test writes to; a number: that descriptor.
    """

    def __init__(self, *command: str, input: bytes | int | None = b"") -> None:
        self.process = subprocess.Popen(
            command,
            stdin=input if isinstance(input, int) else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        if isinstance(input, bytes):
            self.write(input)
            self.end_input()

    def write(self, data: bytes) -> None:
        """Give it something to read."""
        assert self.process.stdin is not None
        while data:
            data = data[self.process.stdin.write(data) :]

    def end_input(self) -> None:
        """Give it no more."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def told(self) -> str:
        """The next line that it says on standard error."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode().rstrip("\n")

    def said(self) -> bytes:
        """The next line on its standard output."""
        assert self.process.stdout is not None
        line: bytes = self.process.stdout.readline()
        return line

    def listening(self) -> str:
        """Where it listens; it must run with -v."""
        line = self.told()
        prefix = "sockstack cat: listening on "
        assert line.startswith(prefix), line
        return line.removeprefix(prefix)

    def end(self, patience: float = PATIENCE) -> tuple[int, bytes, str]:
        """Wait for its end: exit code, the rest of its output, the rest of what it says, but for :data:`PEERS`."""
        out, err = self.process.communicate(timeout=patience)
        return self.process.returncode, out, PEERS.sub("", err.decode())

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()


def sockstack(*arguments: str, input: bytes | int | None = b"") -> Program:
    """The command, with warnings as errors."""
    return Program(sys.executable, *STRICT, "-m", "sockstack", *arguments, input=input)
