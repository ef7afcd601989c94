"""Runs: two processes, one figure."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from .cases import Import, Measure
from .libraries import LIBRARIES, load
from .traffic import Role, Style, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .cases import Case, Contender

__all__ = ["Failed", "Runner", "missing"]

ROOT = Path(__file__).parent.parent

MOST_EXTRA = 30.0
"""Seconds that a run may take beyond those it measures, before it is given up."""


class Failed(Exception):
    """A run gave no figure."""


def missing(names: Iterable[str]) -> dict[str, str]:
    """Which of the libraries cannot be loaded here, and why."""
    reasons: dict[str, str] = {}
    for name in names:
        if name in LIBRARIES:
            try:
                load(name)
            except ImportError as error:
                reasons[name] = str(error)
    return reasons


class Runner:
    """Runs cases.

    Args:
        rounds: how often each contender runs.
        seconds: how long each run measures.
        uvloop: run asyncio on uvloop.
        say: told about progress.

    Attributes:
        failures: runs that gave no figure, and why.
    """

    def __init__(
        self, rounds: int, seconds: float, uvloop: bool, say: Callable[[str], None]
    ) -> None:
        self.rounds = rounds
        self.seconds = seconds
        self.uvloop = uvloop
        self.say = say
        self.failures: list[str] = []

    def run(self, case: Case, without: Iterable[str] = ()) -> dict[str, list[float]]:
        """The figures of all contenders that are there, by label, a figure a round.

        They take turns, so that what changes on the machine changes for all. One that fails is left out from then on,
        and :attr:`failures` says why.
        """
        gone = set(without)
        figures: dict[str, list[float]] = {
            entry.label: [] for entry in case.contenders if entry.library not in gone
        }
        for turn in range(self.rounds):
            for contender in case.contenders:
                label = contender.label
                if label not in figures:
                    continue
                self.say(f"round {turn + 1} of {self.rounds}: {label}")
                try:
                    figures[label].append(self._once(case, contender))
                except Failed as error:
                    self.failures.append(f"{case.title}: {error}")
                    del figures[label]
        return figures

    def _once(self, case: Case, contender: Contender) -> float:
        if isinstance(case.work, Import):
            return start_time(contender.library)
        messages, seconds = self._traffic(case.work, contender)
        match case.measure:
            case Measure.RATE:
                return messages / seconds / 1e3
            case Measure.BULK:
                return messages * case.work.size / seconds / 1e6
            case _:
                return seconds / messages * 1e6

    def _traffic(self, work: Traffic, contender: Contender) -> tuple[int, float]:
        url = f"tcp://127.0.0.1:{free_port()}"
        with tempfile.TemporaryFile("w+") as errors:
            listens, dials = sorted((work.sender, work.receiver), key=lambda role: not role.listens)
            listener = self._start(work, contender, listens, url, errors)
            dialler: subprocess.Popen[str] | None = None
            try:
                deadline = time.monotonic() + MOST_EXTRA + self.seconds
                line = listener.stdout.readline() if listener.stdout else ""
                if line != "ready\n":
                    raise Failed(f"{contender.label} did not listen{told(errors)}")
                dialler = self._start(work, contender, dials, url, errors)
                measuring, other = (dialler, listener) if dials.measures else (listener, dialler)
                while measuring.poll() is None:
                    if other.poll() is not None:
                        raise Failed(f"one end of {contender.label} gave up{told(errors)}")
                    if time.monotonic() > deadline:
                        raise Failed(f"{contender.label} gave no figure in time{told(errors)}")
                    time.sleep(0.02)
                answer = measuring.stdout.read() if measuring.stdout else ""
                if measuring.returncode or not answer:
                    raise Failed(f"{contender.label} failed{told(errors)}")
            finally:
                for process in (dialler, listener):
                    if process is not None:
                        stop(process)
        count = json.loads(answer)
        return count["messages"], count["seconds"]

    def _start(
        self, work: Traffic, contender: Contender, role: Role, url: str, errors: IO[str]
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bench.worker", contender.library, role, contender.style]
        command += ["--url", url, "--size", str(work.size), "--seconds", str(self.seconds)]
        if work.crowd:
            command += ["--crowd", str(work.crowd)]
        if work.pinned and hasattr(os, "sched_getaffinity"):
            command += ["--cpu", str(max(os.sched_getaffinity(0)))]
        if self.uvloop and contender.style is Style.ASYNCIO:
            command.append("--uvloop")
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def start_time(module: str) -> float:
    """Milliseconds of an interpreter that imports ``module`` and ends, once it has been compiled and read from disk."""
    command = [sys.executable, "-c", f"import {module}" if module else ""]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, env=env)
    begun = time.perf_counter()
    subprocess.run(command, check=True, env=env)
    return (time.perf_counter() - begun) * 1e3


def free_port() -> int:
    """A TCP port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def stop(process: subprocess.Popen[str]) -> None:
    """End a worker, which has nothing to tidy up."""
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def told(errors: IO[str]) -> str:
    """The last line that the workers wrote to standard error, to put behind a message."""
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    return f": {lines[-1]}" if lines else ""
