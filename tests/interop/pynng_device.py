"""A device of NNG 1, by pynng, in a process of its own.

``python -m tests.interop.pynng_device FRONT listen|dial URL BACK listen|dial URL``

For each side it prints where it listens, or ``dialled``; then ``met`` for the front when that has a peer, and for the
back. It forwards until its input ends.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import pynng

from .sp_peer import PATIENCE, leave, say

__all__: list[str] = []


class Side:
    """A raw socket."""

    def __init__(self, pattern: str, how: str, url: str) -> None:
        name = pattern if pattern[-1].isdigit() else f"{pattern}0"
        opener = getattr(pynng.lib, f"nng_{name}_open_raw")
        # A raw SUB drops what it has no room for; by default it has room for one message.
        self.socket: Any = pynng.Socket(opener=opener, recv_max_size=0, recv_buffer_size=100)
        self.met = threading.Event()
        self.socket.add_post_pipe_connect_cb(lambda pipe: self.met.set())
        if how == "listen":
            self.socket.listen(url)
            say(self.socket.listeners[0].url)
        else:
            self.socket.dial(url, block=True)
            say("dialled")


def main(*words: str) -> None:
    """Be the device."""
    sides = Side(*words[:3]), Side(*words[3:])
    for side in sides:
        assert side.met.wait(PATIENCE / 1000), "nobody came"
        say("met")
    threading.Thread(target=leave, daemon=True).start()
    front, back = (side.socket.socket for side in sides)
    raise SystemExit(f"the device ended with error {pynng.lib.nng_device(front, back)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
