"""NNG's own library at the other end, in a process of its own: it answers us, and we answer it.

Needs pynng (pip install pynng), whose sockets are those of NNG, in C.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from sockstack import Pull, Push, Rep, Req, Socket

BODIES = [b"a question", b"", bytes(range(256)) * 4096]
"""The last one is 1 MiB."""


def start(role: str, url: str) -> tuple[subprocess.Popen[str], str]:
    """A process with a pynng socket, and where it listens if it does."""
    command = [sys.executable, __file__, role, url]
    peer = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert peer.stdout is not None
    return peer, peer.stdout.readline().strip()


def finish(peer: subprocess.Popen[str]) -> None:
    """The peer has checked what it got, and says so by its exit code."""
    peer.communicate(timeout=20)
    assert peer.returncode == 0, f"pynng's end failed with {peer.returncode}"


def main() -> None:
    if len(sys.argv) > 1:
        be_peer(*sys.argv[1:])
        return

    peer, url = start("rep", "tcp://127.0.0.1:0")
    with Socket(Req(), dial=url, timeout=20) as req:
        for body in BODIES:
            req.send(body)
            answer = req.recv()
            assert answer == body[::-1], f"{len(body)} bytes came back changed"
        print(f"our REQ, its REP at {url}: {len(BODIES)} questions, all answers right")
    finish(peer)

    with Socket(Rep(), timeout=20) as rep:
        url = rep.listen("tcp://127.0.0.1:0").url
        peer, _ = start("req", url)
        for _ in BODIES:
            rep.send(rep.recv()[::-1])
        finish(peer)
        print(f"its REQ, our REP at {url}: it says that all answers were right")

    peer, url = start("pull", "tcp://127.0.0.1:0")
    with Socket(Push(), dial=url, timeout=20) as push:
        for body in BODIES:
            push.send(body)
        finish(peer)
    print(f"our PUSH, its PULL at {url}: it says that all {len(BODIES)} messages came, in order")

    with Socket(Pull(), timeout=20) as pull:
        url = pull.listen("tcp://127.0.0.1:0").url
        peer, _ = start("push", url)
        got = [pull.recv() for _ in BODIES]
        assert got == BODIES, "messages were changed, lost or mixed up"
        finish(peer)
        print(f"its PUSH, our PULL at {url}: all {len(BODIES)} messages came, in order")


def be_peer(role: str, url: str) -> None:
    """The peer's part. pynng is imported in this process only."""
    import pynng

    def receive() -> bytes:
        return bytes(socket.recv_msg().bytes)  # recv does not take empty messages

    def check(body: bytes) -> None:
        assert receive() == body, f"a message of {len(body)} bytes came changed"

    def ask(body: bytes) -> None:
        socket.send(body)
        check(body[::-1])

    kind = {"rep": pynng.Rep0, "req": pynng.Req0, "pull": pynng.Pull0, "push": pynng.Push0}[role]
    socket = kind(recv_timeout=20_000, send_timeout=20_000)
    if role in ("rep", "pull"):
        socket.listen(url)
        print(socket.listeners[0].url, flush=True)
    else:
        socket.dial(url)
        print("dialled", flush=True)
    does: dict[str, Callable[[bytes], object]] = {
        "rep": lambda body: socket.send(receive()[::-1]),
        "req": ask,
        "pull": check,
        "push": socket.send,
    }
    for body in BODIES:
        does[role](body)
    sys.stdin.read()  # until the other end is done; what was sent just before closing may be lost
    socket.close()


if __name__ == "__main__":
    main()
