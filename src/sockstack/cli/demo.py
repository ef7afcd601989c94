"""``sockstack demo``: a tour that checks itself."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from .checkout import find_checkout
from .command import FAILED, FINE, Parser
from .demo_stage import GREEN, RED, YELLOW, Failed, Skipped, Stage
from .demo_steps import STEPS, Step

__all__ = ["main", "make_parser"]

ABOUT = """\
Shows what sockstack does, live: each step does something, prints it, and checks it. The programs that
it runs are in examples/, to be read and changed.

Afterwards, on a terminal, a server stays up that you can talk to from another one, until Ctrl-C or SIGTERM.
"""

EXAMPLES = """\
examples:
  sockstack demo            the tour, then the server
  sockstack demo --once     the tour only
  make demo                 the same in a fresh clone, with all that it needs
  make demo ONCE=1

exit codes: 0 all steps did what they should (or were skipped, and say why), 1 one did not, and the
last lines name it; 130 or 143 stopped in the middle by Ctrl-C or SIGTERM.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    args = make_parser().parse_args(arguments)
    terminal = sys.stdout.isatty()
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    stage = Stage(find_checkout(), terminal and not plain)
    code = tour(stage, STEPS)
    if terminal and not args.once:
        from .demo_live import live

        live(stage)
    return code


def make_parser() -> Parser:
    """Reads the options."""
    parser = Parser("sockstack demo", ABOUT, EXAMPLES)
    parser.add_argument("--once", action="store_true", help="end after the last step")
    return parser


def tour(stage: Stage, steps: Sequence[tuple[str, Step]]) -> int:
    """All steps, and a summary.

    Returns:
        The exit code.
    """
    failures: list[str] = []
    skipped: dict[str, list[str]] = {}
    begun = time.monotonic()
    for number, (title, step) in enumerate(steps, 1):
        stage.head(f"[{number}/{len(steps)}] {title}")
        start = time.monotonic()
        try:
            step(stage)
        except Skipped as reason:
            skipped.setdefault(str(reason), []).append(str(number))
            stage.say(f"{stage.paint('skipped', YELLOW)}: {reason}")
        except Failed as reason:
            failures.append(f"step {number}, {title}: {reason}")
            stage.say(f"{stage.paint('FAILED', RED)}: {reason}")
        else:
            stage.say(f"{stage.paint('ok', GREEN)}, {time.monotonic() - start:.1f} s")
    left_out = sum(map(len, skipped.values()))
    good = len(steps) - left_out - len(failures)
    stage.head(f"{good} of {len(steps)} steps are fine, {time.monotonic() - begun:.0f} s")
    for lack, numbers in skipped.items():
        stage.say(f"{stage.paint('skipped', YELLOW)} {', '.join(numbers)}: {lack}")
    for line in failures:
        stage.say(f"{stage.paint('FAILED', RED)}: {line}")
    return FAILED if failures else FINE
