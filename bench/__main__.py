"""The command: ``python -m bench``."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sockstack.cli.bench import make_parser
from sockstack.cli.command import program

from .cases import CASES, Case
from .chart import chart
from .report import text_table, update_page
from .results import Results, machine
from .runner import Runner, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, save."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.list:
        for case in CASES:
            print(
                f"{case.name:20} {case.title}: {', '.join(entry.label for entry in case.contenders)}"
            )
        return 0
    if args.rounds is not None and args.rounds < 1:
        parser.error("--rounds must be at least 1")
    if args.seconds is not None and not 0 < args.seconds <= 60:
        parser.error("--seconds must be more than 0 and at most 60")
    failed = False
    if args.load:
        results = Results.load(args.load)
    else:
        cases = _chosen(args.only, parser)
        rounds = args.rounds or (3 if args.quick else 5)
        seconds = args.seconds or (0.3 if args.quick else 1.0)
        results, failed = measure(cases, rounds, seconds, args.uvloop)
        path = args.json or Path("bench", "results", f"{datetime.now():%Y-%m-%d-%H%M%S}.json")
        results.save(path)
        _say(f"figures in {path}\n")
    print(text_table(results))
    if args.update_doc:
        update_page(args.update_doc, results)
    if args.svg:
        args.svg.write_text(chart(results), encoding="utf-8")
    return 1 if failed else 0


def measure(
    cases: Sequence[Case], rounds: int, seconds: float, uvloop: bool
) -> tuple[Results, bool]:
    """Run the cases; also whether any failed."""
    here = machine()  # before our own load is counted
    gone = missing({entry.library for case in cases for entry in case.contenders})
    notes = [f"{name} skipped: {reason}" for name, reason in sorted(gone.items())]
    for note in notes:
        _say(f"{note}\n")
    figures: dict[str, dict[str, list[float]]] = {}
    failed = False
    try:
        for number, case in enumerate(cases, 1):
            start = f"[{number}/{len(cases)}] {case.title}"
            runner = Runner(rounds, seconds, uvloop, partial(_progress, start))
            figures[case.name] = runner.run(case, gone)
            notes += runner.failures
            failed = failed or bool(runner.failures)
            _progress(start, f"{len(runner.failures)} failed\n" if runner.failures else "done\n")
    except KeyboardInterrupt:
        notes.append(f"stopped by hand after {len(figures)} of {len(cases)} cases")
        failed = True
        _say("\n")
    about = {
        "when": f"{datetime.now():%Y-%m-%d}",
        **here,
        "rounds": rounds,
        "seconds": seconds,
        "uvloop": uvloop,
    }
    return Results(about, figures, notes), failed


def _chosen(names: list[str], parser: argparse.ArgumentParser) -> list[Case]:
    for name in names:
        if not any(case.name.startswith(name) for case in CASES):
            parser.error(f"no case begins with {name!r}; --list shows them")
    return [case for case in CASES if not names or case.name.startswith(tuple(names))]


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _progress(case: str, text: str) -> None:
    """One line that is written over, on a terminal; elsewhere only lines that are complete."""
    if sys.stderr.isatty():
        _say(f"\r\x1b[K{case}: {text}")
    elif text.endswith("\n"):
        _say(f"{case}: {text}")


if __name__ == "__main__":
    sys.exit(program("sockstack bench", main))
