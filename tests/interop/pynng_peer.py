"""A pynng socket in a process of its own: ``python -m tests.interop.pynng_peer ROLE listen|dial URL PLAN``.

It prints where it listens, or ``dialled``. REP answers each request with its bytes in reverse; the others go through
the plan and print ``done``. All end with their input, or with a traceback if something is not as it should be.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pynng

from .traffic import messages

__all__ = ["main"]

SOCKETS = {"req": pynng.Req0, "rep": pynng.Rep0, "push": pynng.Push0, "pull": pynng.Pull0}

PATIENCE = 30_000
"""Milliseconds for each call."""


def recv(socket: Any) -> bytes:
    """A message; ``recv`` itself does not take empty ones."""
    data: bytes = socket.recv_msg().bytes
    return data


def req(socket: Any, plan: str) -> None:
    """Ask, and check the answers."""
    for number, body in enumerate(messages(plan)):
        socket.send(body)
        assert recv(socket) == body[::-1], f"request {number} of {len(body)} bytes"


def rep(socket: Any, plan: str) -> None:
    """Answer."""
    while True:
        socket.send(recv(socket)[::-1])


def push(socket: Any, plan: str) -> None:
    """Send."""
    for body in messages(plan):
        socket.send(body)


def pull(socket: Any, plan: str) -> None:
    """Receive, and check what comes and in which order."""
    for number, body in enumerate(messages(plan)):
        assert recv(socket) == body, f"message {number} of {len(body)} bytes"


ROLES: dict[str, Callable[[Any, str], None]] = {"req": req, "rep": rep, "push": push, "pull": pull}


def leave() -> None:
    """End when the input does, whatever NNG is waiting for."""
    sys.stdin.read()
    os._exit(0)


def main(role: str, how: str, url: str, plan: str) -> None:
    """Be the peer."""
    socket = SOCKETS[role](recv_timeout=PATIENCE, send_timeout=PATIENCE, recv_max_size=0)
    if role == "req":
        socket.resend_time = 200
    if role == "rep":
        socket.recv_timeout = -1
        threading.Thread(target=leave, daemon=True).start()
    if how == "listen":
        socket.listen(url)
        print(socket.listeners[0].url, flush=True)
    else:
        socket.dial(url)
        print("dialled", flush=True)
    ROLES[role](socket, plan)
    print("done", flush=True)
    leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
