"""What must hold for hours: ``python -m bench.soak --minutes 10``.

Peers in processes of their own are killed and started again at random while they are under load, and every message is
accounted for. The process that measures is never killed: its memory, descriptors and threads must not grow. One traffic
after the other has a phase, each time over another transport, until the time is over. Both drivers take part in each.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .soak_asking import Requests, Surveys
from .soak_checks import Tally
from .soak_crew import Ground
from .soak_streams import KINDS, Streams
from .soak_watch import GROWTH, Held, grown, held, settled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Report", "main", "soak"]

TRANSPORTS = ("tcp", "ipc", "inproc")

ROUNDS = 4
"""Times that each traffic has its turn, at least, unless phases would be too short."""

SHORTEST, LONGEST = 0.6, 10.0
"""Bounds of a phase, in seconds; how long its beginning and end take is not counted."""

STEP = 0.02
"""Seconds between two looks at what the peers have written down."""

BETWEEN_LINES = 0.1
"""Seconds between two lines that tell how far it is."""

MIB = 1 << 20


class Phase(Protocol):
    """One traffic, for a while.

    Attributes:
        tally: what it has come to so far.
    """

    tally: Tally

    def step(self) -> None:
        """Kill, start again, and look at what has come."""

    def finish(self) -> None:
        """All come back; the rest arrives; everything is accounted for."""

    def leave(self) -> None:
        """Nothing is left, whatever has happened."""


def traffics() -> dict[str, Callable[[Ground], Phase]]:
    """All that there are, by name."""
    streams: dict[str, Callable[[Ground], Phase]] = {
        name: lambda ground, kind=kind: Streams(kind, ground)  # type: ignore[misc]
        for name, kind in KINDS.items()
    }
    return {"req/rep, device": Requests, **streams, "survey": Surveys}


@dataclass
class Row:
    """One traffic of the table.

    Attributes:
        tally: of all its phases.
        phases: how many it had.
        memory: resident bytes after the last one.
        descriptors, threads: how many more there were after its phases than before.
    """

    tally: Tally = field(default_factory=Tally)
    phases: int = 0
    memory: int = 0
    descriptors: int = 0
    threads: int = 0


@dataclass
class Report:
    """What a run has come to.

    Attributes:
        rows: by traffic.
        memory: resident bytes after each phase.
        faults: what was wrong besides the traffics.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    memory: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def note(self, name: str, tally: Tally, before: Held, after: Held) -> None:
        """A phase is over."""
        row = self.rows.setdefault(name, Row())
        row.tally.add(tally)
        row.phases += 1
        row.memory = after.memory
        row.descriptors += after.descriptors - before.descriptors
        row.threads += after.threads - before.threads
        self.memory.append(after.memory)

    @property
    def failures(self) -> list[str]:
        """What failed, in words; none of it may."""
        found = list(self.faults)
        for name, row in self.rows.items():
            found += [f"{name}: {fault}" for fault in row.tally.faults]
            if row.descriptors > 0:
                found.append(f"{name}: {row.descriptors} descriptors are left open")
            if row.threads > 0:
                found.append(f"{name}: {row.threads} threads have not ended")
        growth = grown(self.memory)
        if growth is not None and growth > GROWTH:
            found.append(
                f"memory: the last quarter holds {growth / MIB:.1f} MiB more than the second,"
                f" and {GROWTH / MIB:.0f} are allowed"
            )
        return found

    @property
    def lines(self) -> list[str]:
        """The table, and what is to be said below it."""
        heads = "traffic phases messages kills resent unexplained memory descr threads"
        lines = [LINE.format(*heads.split(), "lost, by reason")]
        for name, row in self.rows.items():
            tally = row.tally
            lost = [f"{count:,} {reason}" for reason, count in tally.lost.items() if count]
            cells = (
                row.phases,
                f"{tally.messages:,}",
                tally.kills,
                tally.resent,
                tally.unexplained,
                f"{row.memory / MIB:.1f} MiB",
                f"{row.descriptors:+d}",
                f"{row.threads:+d}",
                ", ".join(lost) or "nothing",
            )
            lines.append(LINE.format(name, *cells))
        growth = grown(self.memory)
        lines.append("")
        lines.append(
            "memory: too few phases to tell whether it grows"
            if growth is None
            else f"memory: {growth / MIB:+.1f} MiB from the second quarter to the last,"
            f" {GROWTH / MIB:.0f} are allowed"
        )
        lines += [f"FAILED {failure}" for failure in self.failures]
        if not self.failures:
            lines.append("everything is accounted for")
        return lines


LINE = "{:20} {:>6} {:>11} {:>5} {:>6} {:>11} {:>9} {:>5} {:>7}  {}"


class Stop:
    """Ctrl-C and SIGTERM end the run, in order; a second one ends it at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class Progress:
    """One line that tells how far it is; where there is no terminal, one for each phase."""

    def __init__(self, seconds: float) -> None:
        self.title = ""
        self._seconds = seconds
        self._begun = self._said = time.monotonic()
        self._shown = sys.stderr.isatty()

    def begin(self) -> None:
        """The peers of a phase have begun."""
        if not self._shown:
            print(self.title, file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Tell, unless that was just done."""
        now = time.monotonic()
        if self._shown and now - self._said >= BETWEEN_LINES:
            self._said = now
            gone = f"{now - self._begun:.0f} of {self._seconds:.0f} s"
            print(f"\r\x1b[K{gone}  {self.title}: {text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make place for the table."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def soak(seconds: float, seed: int, only: str, stop: Stop) -> Report:
    """Run until the time is over, or ``stop`` says so. A phase that has begun is brought to its end."""
    report = Report()
    chosen = {name: make for name, make in traffics().items() if name.startswith(only)}
    names = list(chosen)
    length = min(max(seconds / (ROUNDS * len(names)), SHORTEST), LONGEST)
    end = time.monotonic() + seconds
    progress = Progress(seconds)
    log = logging.getLogger("sockstack")
    level, hook = log.level, threading.excepthook
    log.setLevel(logging.ERROR)  # who is killed in this process warns of what it had not written
    threading.excepthook = lambda failed: report.faults.append(f"a thread: {failed.exc_value!r}")
    try:
        turn = 0
        while not stop.asked and (turn < len(names) or time.monotonic() < end):
            name = names[turn % len(names)]
            transport = TRANSPORTS[(turn + turn // len(names)) % len(TRANSPORTS)]
            progress.title = f"{name} over {transport}"
            # Not where TMPDIR says: the address of a Unix socket in there has about 100 bytes.
            with tempfile.TemporaryDirectory(prefix="soak", dir="/tmp") as room:
                before = held()
                ground = Ground(transport, Path(room), random.Random(f"{seed} {turn}"))
                tally = _phase(chosen[name], ground, length, progress, stop)
                tally.faults = [f"{text} ({transport})" for text in tally.faults]
                report.note(name, tally, before, settled(before))
            turn += 1
    finally:
        threading.excepthook = hook
        log.setLevel(level)
        progress.clear()
    return report


def _phase(
    make: Callable[[Ground], Phase],
    ground: Ground,
    seconds: float,
    progress: Progress,
    stop: Stop,
) -> Tally:
    phase = make(ground)
    progress.begin()
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not stop.asked:
            phase.step()
            progress.say(f"{phase.tally.messages:,} messages")
            time.sleep(STEP)
        phase.finish()
    except Exception as error:  # the other traffics go on, and the table tells
        phase.tally.fault(f"the phase broke off: {error!r}")
    finally:
        phase.leave()
    return phase.tally


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print the table; 1 if something is not accounted for."""
    args = _arguments(argv)
    seed = random.SystemRandom().getrandbits(32) if args.seed is None else args.seed
    stop = Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    print(f"seed {seed}", flush=True)
    try:
        report = soak(args.seconds or args.minutes * 60, seed, args.only, stop)
    except KeyboardInterrupt:
        print("stopped at once: nothing can be said", file=sys.stderr)
        return 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print("\n".join(report.lines))
    return 1 if report.failures else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak",
        description="Kills peers at random under load, and accounts for every message. Ctrl-C ends it early.",
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (1)")
    parser.add_argument("--seconds", type=float, help="how long, instead")
    parser.add_argument("--seed", type=int, help="of what is left to chance (another each time)")
    parser.add_argument("--only", default="", metavar="NAME", help="traffics that begin so")
    args = parser.parse_args(argv)
    if (args.seconds or args.minutes) <= 0:
        parser.error("the time must be more than 0")
    if not any(name.startswith(args.only) for name in traffics()):
        parser.error(f"no traffic begins with {args.only!r}: {', '.join(traffics())}")
    return args


if __name__ == "__main__":
    sys.exit(main())
