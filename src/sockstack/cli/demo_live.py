"""The end of the demo on a terminal: a REP server to play with, and a REQ that asks it every second."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from statistics import median

from ..core.errors import Deadline
from ..drivers.blocking.socket import Socket
from ..patterns.reqrep import Rep, RepOps, Req
from .demo_stage import BOLD, Stage
from .streams import output

__all__ = ["live"]

PING = b"ping of the demo"


class _Server(threading.Thread):
    """Greets whoever asks.

    Attributes:
        strangers: requests that were not the demo's own.
    """

    def __init__(self, rep: Socket[RepOps]) -> None:
        super().__init__(name="demo-server", daemon=True)
        self.strangers = 0
        self._rep = rep

    def run(self) -> None:
        for request in self._rep:
            if request != PING:
                self.strangers += 1
            self._rep.send(b"hello " + request)


def _ourselves() -> str:
    """How this command is called from another terminal."""
    if shutil.which("sockstack"):
        return "sockstack"
    near = os.path.relpath(sys.executable)
    return f"{sys.executable if near.startswith('..') else near} -m sockstack"


def live(stage: Stage) -> None:
    """Serve and ask until Ctrl-C."""
    with Socket(Rep()) as rep, Socket(Req(), timeout=5.0) as req:
        url = f"tcp://{rep.listen('tcp://127.0.0.1:0').address}"
        server = _Server(rep)
        server.start()
        stage.head(f"A server is left at {url}. From another terminal:")
        stage.say(f"{_ourselves()} cat --req --dial {url} --data you")
        stage.say(f"nngcat --req --dial {url} --data you --ascii")
        stage.say()
        stage.say(f"{stage.paint('Ctrl-C', BOLD)} ends it.")
        stage.say()
        req.dial(url)
        times: list[float] = []
        try:
            while True:
                begun = time.perf_counter()
                req.send(PING)
                answer = req.recv()
                times.append((time.perf_counter() - begun) * 1e6)
                assert answer == b"hello " + PING
                text = (
                    f"asked {len(times)} times: {times[-1]:.0f} µs now, median {median(times):.0f} µs; "
                    f"others asked {server.strangers} times"
                )
                with output() as out:
                    out.write(f"\r\x1b[K    {text}")
                time.sleep(1.0)
        except KeyboardInterrupt:
            with output() as out:
                out.write("\n")
        except Deadline as error:
            stage.say(str(error))
