"""``sockstack bench``: runs the benchmark of the repository."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .checkout import find_checkout
from .command import FAILED, Parser, Talk

__all__ = ["main", "make_parser"]

ABOUT = """\
Measures sockstack beside pyzmq, pynng, nng and a bare socket, on the same work, and prints one table of ratios. It is
part of the repository and runs there only.

Each run is two processes on TCP loopback, and gives one figure. Every message is numbered and checked by its receiver,
queues are bounded, and the clock starts after a warm-up. The contenders of a case take turns; the table shows medians,
and the least and the most ratio of any round. A library that is not installed is skipped, by name.
"""

EXAMPLES = """\
examples ("python -m bench" is the same, and "make bench", with all that it needs):
  sockstack bench --list                       what there is to measure
  sockstack bench --quick                      a first impression in a minute or two
  sockstack bench --only reqrep bulk           the cases whose names begin so
  sockstack bench --update-doc docs/performance.md --svg docs/performance.svg
  sockstack bench --from bench/results/X.json --svg out.svg      print and draw again without measuring

On a machine that does other work the figures move; more --rounds and longer --seconds make them steadier. A mark that
is missed is said in the table and is no failure.

exit codes: 0 measured; 1 a run failed or lost a message, or there is no repository here; 2 wrong usage.
"""


def main(arguments: Sequence[str]) -> int:
    """Become the benchmark, which takes the arguments; or say where it is."""
    make_parser().parse_args(arguments)  # help and mistakes need no repository
    root = find_checkout()
    if root is None:
        Talk("sockstack bench").say(
            "the benchmark is not part of the installed package. "
            "It is in the source of sockstack: run this there, or 'make bench'"
        )
        return FAILED
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-m", "bench", *arguments])


def make_parser() -> Parser:
    """Reads the options, here and in the benchmark itself."""
    parser = Parser("sockstack bench", ABOUT, EXAMPLES, usage="sockstack bench [OPTION…]")
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
    parser.add_argument("--rounds", type=int, metavar="N", help="runs of each contender")
    parser.add_argument("--seconds", type=float, metavar="SEC", help="measured time of each run")
    parser.add_argument("--uvloop", action="store_true", help="run all that is asyncio on uvloop")
    parser.add_argument(
        "--json", type=Path, metavar="PATH", help="where the figures go (bench/results/…)"
    )
    parser.add_argument("--svg", type=Path, metavar="PATH", help="draw the ratios")
    parser.add_argument(
        "--update-doc", type=Path, metavar="PATH", help="put the table between the marks of a page"
    )
    parser.add_argument(
        "--from",
        dest="load",
        type=Path,
        metavar="PATH",
        help="take figures from JSON, do not measure",
    )
    return parser
