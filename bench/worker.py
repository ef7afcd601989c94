"""One end of a run, in a process of its own: ``python -m bench.worker LIBRARY ROLE STYLE --url … --size …``.

A listening end prints ``ready`` when the other may dial. The end that measures prints a line of JSON and exits; the
other one goes on until it is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING

from . import crowd, loops
from .libraries import LIBRARIES, Library, load
from .traffic import Role, Stopwatch, Style

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main"]

MOST_SECONDS = 120
"""A worker that nobody stops ends by itself."""


def main() -> None:
    """Be one end."""
    args = _arguments()
    signal.alarm(MOST_SECONDS)
    if args.cpu is not None:
        os.sched_setaffinity(0, {args.cpu})
    library = load(args.library)
    watch = Stopwatch(args.seconds)
    if args.style is Style.ASYNCIO:
        with asyncio.Runner(loop_factory=_loop_factory(args.uvloop)) as runner:
            runner.run(_run_async(library, args.role, args.url, args.size, watch))
    else:
        _run(library, args, watch)
    print(json.dumps({"messages": watch.messages, "seconds": watch.elapsed}), flush=True)
    os._exit(0)  # the figure is out: no library's clean-up can hold it up


def _run(library: Library, args: argparse.Namespace, watch: Stopwatch) -> None:
    role, size = args.role, args.size
    port = int(args.url.rpartition(":")[2])
    if role is Role.SUB:
        crowd.subscribe(args.library, port, args.crowd, size, watch)
        return
    calls = library.open(role, args.url, size)
    many = args.style is Style.MANY and calls.send_many is not None
    if role is Role.PUB:
        crowd.publish(calls, size, port, many)
        return
    if role.listens:
        print("ready", flush=True)
    match role:
        case Role.REP:
            loops.answer(calls)
        case Role.REQ:
            loops.ask(calls, size, watch)
        case Role.PUSH:
            (loops.push_many if many else loops.push)(calls, size)
        case Role.PULL:
            (loops.pull_many if many else loops.pull)(calls, size, watch)


async def _run_async(library: Library, role: Role, url: str, size: int, watch: Stopwatch) -> None:
    calls = await library.open_async(role, url, size)
    if role.listens:
        print("ready", flush=True)
    match role:
        case Role.REP:
            await loops.answer_async(calls)
        case Role.REQ:
            await loops.ask_async(calls, size, watch)
        case Role.PUSH:
            await loops.push_async(calls, size)
        case Role.PULL:
            await loops.pull_async(calls, size, watch)


def _loop_factory(fast: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not fast:
        return None
    import uvloop

    return uvloop.new_event_loop


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.worker", description="One end of one run."
    )
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("role", type=Role)
    parser.add_argument("style", type=Style)
    parser.add_argument("--url", required=True)
    parser.add_argument("--size", type=int, required=True, help="bytes a message")
    parser.add_argument(
        "--seconds", type=float, required=True, help="time to measure, after the warm-up"
    )
    parser.add_argument("--cpu", type=int, help="run on this CPU only")
    parser.add_argument("--crowd", type=int, default=1, help="subscribers")
    parser.add_argument("--uvloop", action="store_true", help="asyncio on uvloop")
    return parser.parse_args()


if __name__ == "__main__":
    main()
