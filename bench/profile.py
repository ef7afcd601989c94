"""Where a round trip's time goes: the bytecodes that each function of sockstack runs for one.

``python -m bench.profile`` makes a REQ and a REP in one thread, lets them talk, and counts. Unlike a time, a count of
bytecodes is the same each time, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from sockstack import Rep, Req, Socket

from .page import fill

__all__ = ["count_round_trip", "main"]

ROUNDS = 200
SHOWN = 16


def count_round_trip(rounds: int = ROUNDS) -> Counter[str]:
    """Bytecodes by function, for ``rounds`` round trips of 64 bytes, both ends together."""
    counts: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if "sockstack" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        name = frame.f_code.co_qualname

        def local(frame: FrameType, event: str, argument: Any) -> Any:
            counts[name] += event == "opcode"
            return local

        return local

    with Socket(Rep(), timeout=30.0) as rep, Socket(Req(), timeout=30.0) as req:
        listener = rep.listen("tcp://127.0.0.1:0")
        req.dial(listener.url, wait=True)
        rep.wait_for_peers()
        listener.close()  # or a helper thread, which is not counted, might do some of the work
        body = bytes(64)

        def round_trip() -> None:
            req.send(body)
            rep.send(rep.recv())
            req.recv()

        for _ in range(20):  # the interpreter adapts to what it runs often
            round_trip()
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for _ in range(rounds):
                round_trip()
        finally:
            sys.settrace(before)
    return counts


def table(counts: Counter[str], rounds: int) -> str:
    """The counts as a table in Markdown."""
    total = sum(counts.values())
    lines = ["| function | bytecodes a round trip | share |", "|---|---|---|"]
    shown = counts.most_common(SHOWN)
    rest = total - sum(count for _, count in shown)
    for name, count in [*shown, (f"{len(counts) - len(shown)} others", rest)]:
        lines.append(f"| {name} | {count / rounds:.0f} | {count / total:.0%} |")
    lines.append(f"| all | {total / rounds:.0f} | |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--update-doc", metavar="PAGE", type=Path, help="put the table into a page")
    options = parser.parse_args(arguments)
    text = table(count_round_trip(), ROUNDS)
    print(text)
    if options.update_doc is not None:
        fill(options.update_doc, "profile", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
