"""What an idle connection costs: ``python -m bench.idle``.

One process has a REP socket that listens, another one has many peers, plain sockets that say what a REQ says first and
then nothing more. Memory is told by tracemalloc and by the system, in a run each, because tracemalloc itself needs
memory. In the end the last peer asks, and must be answered.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .results import machine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Figures", "main", "measure", "update_page"]

ROOT = Path(__file__).parent.parent

BEGIN = "<!-- idle:begin -->"
END = "<!-- idle:end -->"

REQ_HELLO = bytes.fromhex("0053500000300000")
REP_HELLO = bytes.fromhex("0053500000310000")
REQUEST = (4).to_bytes(8, "big") + bytes.fromhex("80000001")
"""The smallest request: its id, and nothing to ask."""

AT_ONCE = 256
"""Peers that connect before the first of them has to be welcome."""

SPARE = 64
"""Descriptors that a process needs for other things."""

MOST_SECONDS = 300
"""A process that nobody stops ends by itself."""


@dataclass(frozen=True)
class Figures:
    """What was found.

    Attributes:
        wanted, pipes: peers that were asked for, and that there were.
        traced, resident: bytes a pipe, by tracemalloc and by the system.
        seconds: to connect all peers, without tracemalloc.
    """

    wanted: int
    pipes: int
    traced: float
    resident: float
    seconds: float

    @property
    def lines(self) -> list[str]:
        """The figures as text."""
        lines = [
            f"{self.pipes:,} idle pipes on one listening REP socket",
            f"{self.traced:,.0f} bytes a pipe by tracemalloc",
            f"{self.resident:,.0f} bytes a pipe by resident memory",
            f"{self.seconds:.2f} s to connect all of them, {self.pipes / self.seconds:,.0f} a second",
            "a request over the last one was answered",
        ]
        if self.pipes < self.wanted:
            text = (
                f"{self.wanted:,} pipes were wanted; the limit of descriptors allows {self.pipes:,}"
            )
            lines.append(text)
        return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print, or be one of the two processes of a run."""
    args = _arguments(argv)
    if args.serve is not None:
        signal.alarm(MOST_SECONDS)
        _serve(traced=args.serve == "traced")
    elif args.peers is not None:
        signal.alarm(MOST_SECONDS)
        _peers(args.peers, args.count)
    else:
        figures = measure(args.count)
        print("\n".join(figures.lines))
        if args.update_doc:
            update_page(args.update_doc, figures)
    return 0


def measure(wanted: int) -> Figures:
    """Both runs, with as many peers as the limit of descriptors allows.

    Raises:
        RuntimeError: a process of ours failed, or a peer was lost.
    """
    count = min(wanted, _raise_limit() - SPARE)
    traced, _ = _run(count, "traced")
    resident, seconds = _run(count, "resident")
    return Figures(wanted, count, traced, resident, seconds)


def update_page(page: Path, figures: Figures) -> None:
    """Put the figures between the two marks of a page.

    Raises:
        ValueError: the page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(
            f"{page} has no place for the figures: put {BEGIN} and {END} on lines of their own"
        )
    about = machine()
    where = f"{about['python']} on {about['system']}, {about['cpus']} CPUs."
    lines = "\n".join(f"- {line}" for line in figures.lines)
    page.write_text(f"{before}{BEGIN}\n\n{lines}\n\n{where}\n\n{END}{after}", encoding="utf-8")


# The parent of a run.


def _run(count: int, how: str) -> tuple[float, float]:
    """One run: bytes a pipe, and seconds to connect."""
    with _Process("--serve", how) as server:
        address = server.tell()["address"]
        with _Process("--peers", address, "--count", str(count)) as peers:
            seconds = peers.tell()["seconds"]
            found = server.tell()
    if found["pipes"] != count:
        raise RuntimeError(f"{count} peers connected, and the socket has {found['pipes']} pipes")
    return found["grown"] / count, seconds


class _Process:
    """One of the two processes of a run. It stays until its input ends."""

    def __init__(self, *args: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.idle", *args],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self) -> dict[str, Any]:
        """The next thing it has to say."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of the measurement failed")
        said: dict[str, Any] = json.loads(line)
        return said

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


# The process that listens.


def _serve(traced: bool) -> None:
    from sockstack import Rep, Socket, Sp, Tcp

    _raise_limit()
    used = _traced if traced else _resident
    with Socket(Rep(), timeout=MOST_SECONDS) as rep:
        listener = rep.listen(Sp() | Tcp("127.0.0.1:0"))
        if traced:
            tracemalloc.start()
        gc.collect()
        before = used()
        _say(address=listener.address)
        request = rep.recv()
        rep.send(request)
        gc.collect()
        grown = used() - before
        _say(grown=grown, pipes=len(rep.pipes))
        sys.stdin.read()


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


def _resident() -> int:
    """Bytes of this process in memory; where the system does not tell, the most there ever were."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except FileNotFoundError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


# The process with the peers.


def _peers(address: str, count: int) -> None:
    _raise_limit()
    host, _, port = address.rpartition(":")
    peers: list[socket.socket] = []
    start = time.perf_counter()
    while len(peers) < count:
        comers = [
            socket.create_connection((host, int(port)), timeout=MOST_SECONDS)
            for _ in range(min(AT_ONCE, count - len(peers)))
        ]
        for peer in comers:
            peer.sendall(REQ_HELLO)
        for peer in comers:
            _expect(peer, REP_HELLO)
        peers += comers
    seconds = time.perf_counter() - start
    peers[-1].sendall(REQUEST)
    _expect(peers[-1], REQUEST)
    _say(seconds=seconds)
    sys.stdin.read()


def _expect(peer: socket.socket, expected: bytes) -> None:
    got = peer.recv(len(expected), socket.MSG_WAITALL)
    if got != expected:
        raise RuntimeError(f"{got!r} came, {expected!r} was expected")


# What all of them need.


def _raise_limit() -> int:
    """Have as many descriptors as are allowed, and tell how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS allows fewer than it says
            return soft
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.idle", description="Measures what an idle connection costs."
    )
    parser.add_argument("--count", type=int, default=10_000, help="peers (10000)")
    parser.add_argument(
        "--update-doc",
        type=Path,
        metavar="PAGE",
        help="put the figures between the marks of a page",
    )
    parser.add_argument("--serve", choices=["traced", "resident"], help=argparse.SUPPRESS)
    parser.add_argument("--peers", metavar="ADDRESS", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.count < 1:
        parser.error("--count must be at least 1")
    return args


if __name__ == "__main__":
    sys.exit(main())
