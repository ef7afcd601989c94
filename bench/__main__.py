"""The command: ``python -m bench``."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .cases import CASES, Case
from .chart import chart
from .report import text_table, update_page
from .results import Results, machine
from .runner import Runner, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

ABOUT = """\
Measures sockstack beside pyzmq, pynng, nng and a bare socket, on the same work, and prints one table of ratios.

Each run is two processes on TCP loopback, and gives one figure. Every message is numbered and checked by its receiver,
queues are bounded, and the clock starts after a warm-up. The contenders of a case take turns; the table shows medians,
and the least and the most ratio of any round. A library that is not installed is skipped, by name.
"""

EXAMPLES = """\
examples:
  python -m bench --list                       what there is to measure
  python -m bench --quick                      a first impression in a minute or two
  python -m bench --only reqrep bulk           the cases whose names begin so
  python -m bench --update-doc docs/performance.md --svg docs/performance.svg
  python -m bench --from bench/results/X.json --svg out.svg      print and draw again without measuring

On a machine that does other work the figures move; more --rounds and longer --seconds make them steadier. The exit
status is 1 if a run failed or lost a message. A mark that is missed is said in the table and is no failure.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, save."""
    parser = _parser()
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="CASE",
        help="measure only cases whose names begin so",
    )
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument(
        "--quick", action="store_true", help="3 rounds of 0.3 s instead of 5 of 1 s"
    )
    parser.add_argument("--rounds", type=int, help="runs of each contender")
    parser.add_argument("--seconds", type=float, help="measured time of each run")
    parser.add_argument("--uvloop", action="store_true", help="run all that is asyncio on uvloop")
    parser.add_argument(
        "--json", type=Path, metavar="PATH", help="where the figures go (bench/results/…)"
    )
    parser.add_argument("--svg", type=Path, metavar="PATH", help="draw the ratios")
    parser.add_argument(
        "--update-doc", type=Path, metavar="PAGE", help="put the table between the marks of a page"
    )
    parser.add_argument(
        "--from",
        dest="load",
        type=Path,
        metavar="PATH",
        help="take figures from JSON, do not measure",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
