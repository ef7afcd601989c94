"""The steps of the demo. Each does something, checks it, and raises if it went wrong."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.errors import StackError
from ..core.text import parse
from .demo_stage import Failed, Skipped, Stage

__all__ = ["STEPS", "Step"]

Step = Callable[[Stage], None]

GOOD = "checksum | req | sp | tls | tcp(example.org:5555)"
BAD = "checksum | line | tcp(example.org:7)"
MENDED = "checksum | prefix | tcp(example.org:7)"

PEERS = ("zmq", "pynng")
CERTIFICATES = () if shutil.which("openssl") else ("trustme",)
"""What makes a certificate, where the command of OpenSSL does not."""

RUN = """\
import builtins, runpy, sys, threading

lock, say = threading.Lock(), print

def whole(*parts, **how):
    with lock:
        say(*parts, flush=True, **how)

builtins.print = whole  # lines come when they are said, and do not mix when several threads say some
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""A program that runs another one."""


def example(name: str, *needs: str) -> Step:
    """A step that runs a program of ``examples/``, which needs these libraries beside sockstack."""

    def run(stage: Stage) -> None:
        root = stage.repository()
        for reason in missing(*needs):
            raise Skipped(reason)
        stage.run("-c", RUN, str(root / "examples" / name))

    return run


def missing(*libraries: str) -> Iterator[str]:
    """What is not installed, with what to do about it."""
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            package = {"zmq": "pyzmq"}.get(library, library)
            yield f"{package} is not installed: pip install {package}"


def explained(stage: Stage) -> None:
    """A stack as a table; every layer has a row."""
    stage.say(f"$ sockstack explain '{GOOD}'")
    table = parse(GOOD).explain()
    stage.say(table)
    for layer in parse(GOOD).layers:
        if f"\n{layer.name} " not in table:
            raise Failed(f"{layer.name} is missing in the table")


def refused(stage: Stage) -> None:
    """A stack that cannot work, and the one that its refusal suggests."""
    stage.say(f"$ sockstack explain '{BAD}'")
    try:
        parse(BAD)
    except StackError as error:
        stage.say(str(error))
        if error.mend is None or "Prefix()" not in error.mend:
            raise Failed(f"what would mend it was not said: {error.mend}") from None
    else:
        raise Failed("it was accepted")
    stage.say()
    stage.say(f"$ sockstack explain '{MENDED}'")
    stage.say(parse(MENDED).explain().split("\n\n")[1])


def latency(stage: Stage) -> None:
    """The round trip of 64 bytes beside other libraries, with both ends on one CPU: what the software costs."""
    stage.repository()
    gone = list(missing(*PEERS))
    if len(gone) == len(PEERS):
        raise Skipped("; ".join(gone))
    stage.say("round trips of 64 bytes over TCP, both ends on one CPU; a few seconds …")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "figures.json")
        stage.run(
            *("-m", "bench", "--only", "reqrep-pinned", "--rounds", "3", "--seconds", "0.2"),
            *("--json", str(path)),
            show=False,
        )
        found = json.loads(path.read_text(encoding="utf-8"))["comparisons"]
    if not found:
        raise Failed("nothing was measured")
    stage.say(f"{'sockstack':12}{found[0]['ours']:8.1f} µs")
    for entry in found:
        ratio = f"sockstack takes {entry['median']:.2f} × that"
        spread = f"{entry['min']:.2f} to {entry['max']:.2f} by round"
        stage.say(f"{entry['peer']:12}{entry['theirs']:8.1f} µs   {ratio} ({spread})")
    for reason in gone:
        stage.say(f"({reason})")


STEPS: tuple[tuple[str, Step], ...] = (
    ("A stack is a table", explained),
    ("A stack that cannot work is refused before a byte moves", refused),
    ("REQ and REP", example("hello_reqrep.py")),
    ("The same on asyncio", example("asyncio_reqrep.py")),
    ("PUSH and PULL", example("pipeline.py")),
    ("PUB and SUB", example("pubsub.py")),
    ("A survey, and its deadline", example("survey.py")),
    ("A hub: what one says, all others hear", example("bus_hub.py")),
    ("Who comes, who goes, and who is not let in", example("events.py")),
    (
        "TLS ends half by half, and comes off the live connection",
        example("tls_then_plain.py", *CERTIFICATES),
    ),
    (
        "Another protocol on a live connection, wherever the bytes are cut",
        example("switch_framing.py"),
    ),
    ("A live connection moves to another process", example("hand_over.py")),
    (
        "Many streams over one connection; one that nobody reads holds up no other",
        example("mux_sessions.py"),
    ),
    ("A device, and a server that is killed behind it", example("device_restart.py")),
    ("NNG at the other end, both ways", example("pynng_both_ways.py", "pynng")),
    ("How fast it is", latency),
)
"""Titles, and what is done."""
