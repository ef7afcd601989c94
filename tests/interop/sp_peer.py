"""A foreign socket in a process of its own, and the part that it plays.

``python -m tests.interop.sp_peer LIBRARY PATTERN PART listen|dial URL PLAN [CERTIFICATES]``

It prints where it listens, or ``dialled``, then goes through the plan and prints ``done``. It ends with its input, or
with a traceback if something is not as it should be.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

from .traffic import messages

__all__ = ["PATIENCE", "Foreign", "leave", "say"]

PATIENCE = 30_000
"""Milliseconds that each call may take."""


class Foreign(Protocol):
    """A socket of another library.

    Attributes:
        met: set when a peer has been connected.
        lost: set when a peer has gone.
    """

    met: threading.Event
    lost: threading.Event

    def listen(self, url: str) -> str:
        """Accept peers; the URL that reaches it."""

    def dial(self, url: str) -> None:
        """Connect."""

    def send(self, body: bytes) -> None:
        """Send a message; if it can be said to whom, to the one who sent the last."""

    def recv(self) -> bytes:
        """Receive a message; ``TimeoutError`` if there is none."""


def say(text: str) -> None:
    """Tell the test."""
    print(text, flush=True)


def ask(socket: Foreign, plan: str) -> None:
    """Send, and check that all comes back in reverse."""
    for number, body in enumerate(messages(plan)):
        socket.send(body)
        assert socket.recv() == body[::-1], f"message {number} of {len(body)} bytes"


def poll(socket: Foreign, plan: str) -> None:
    """Send, and check that two peers send it back in reverse."""
    for number, body in enumerate(messages(plan)):
        socket.send(body)
        for _ in range(2):
            assert socket.recv() == body[::-1], f"message {number} of {len(body)} bytes"


def answer(socket: Foreign, plan: str) -> None:
    """Send back in reverse whatever comes."""
    threading.Thread(target=leave, daemon=True).start()
    while True:
        try:
            socket.send(socket.recv()[::-1])
        except TimeoutError:
            pass


def send(socket: Foreign, plan: str) -> None:
    """Send."""
    for body in messages(plan):
        socket.send(body)


def take(socket: Foreign, plan: str) -> None:
    """Receive, and check what comes and in which order."""
    for number, body in enumerate(messages(plan)):
        assert socket.recv() == body, f"message {number} of {len(body)} bytes"


def gather(socket: Foreign, plan: str) -> None:
    """Receive, and check that each comes once, in any order."""
    missing = {sha256(body).digest() for body in messages(plan)}
    while missing:
        missing.remove(sha256(socket.recv()).digest())


def show(socket: Foreign, plan: str) -> None:
    """Print what comes."""
    for _ in messages(plan):
        say(socket.recv().decode())


def hold(socket: Foreign, plan: str) -> None:
    """Print what comes, and send it back in reverse when told to."""
    while True:
        body = socket.recv()
        say(body.decode())
        if not sys.stdin.readline():
            os._exit(0)
        socket.send(body[::-1])


def survey(socket: Foreign, plan: str) -> None:
    """Ask a question that nobody answers in time, then another."""
    socket.send(b"one")
    try:
        late = socket.recv()
    except TimeoutError:
        say("over")
    else:
        raise AssertionError(f"{late!r} is the answer to a question that was to have none")
    sys.stdin.readline()
    socket.send(b"two")
    assert socket.recv() == b"owt"


def lose(socket: Foreign, plan: str) -> None:
    """Wait until the peer has hung up."""
    assert socket.lost.wait(PATIENCE / 1000), "the peer is still there"


PARTS: dict[str, Callable[[Foreign, str], None]] = {
    part.__name__: part
    for part in (ask, answer, poll, send, take, gather, show, hold, survey, lose)
}


def leave() -> None:
    """End when the input does, whatever the library is waiting for."""
    sys.stdin.read()
    os._exit(0)


def main(
    library: str, pattern: str, part: str, how: str, url: str, plan: str, certificates: str = ""
) -> None:
    """Be the peer."""
    module = importlib.import_module(f".{library}_socket", __package__)
    socket: Foreign = module.open_socket(pattern, certificates)
    if how == "listen":
        say(socket.listen(url))
    else:
        socket.dial(url)
        say("dialled")
    assert socket.met.wait(PATIENCE / 1000), "nobody came"
    PARTS[part](socket, plan)
    say("done")
    leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
