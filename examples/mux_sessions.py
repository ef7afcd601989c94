"""Many streams over one connection, opened from either side. A stack stands on a stream as on any connection.

SmallMux is a mux for tests, small enough to read. Each of its streams has a window of its own, so a stream that nobody
reads holds up no other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sockstack import (
    Deadline,
    EndOfStream,
    Rep,
    Req,
    Session,
    Socket,
    Sp,
    StreamConnection,
    Tcp,
    dial,
    listen,
)
from sockstack.testing.mux import SmallMux

STREAMS = 50
BODY = bytes(range(256)) * 1024


def everything(stream: StreamConnection) -> bytes:
    """What comes until the peer ends its output."""
    parts = []
    try:
        while True:
            parts.append(stream.recv())
    except EndOfStream:
        return b"".join(parts)


def echo(stream: StreamConnection) -> None:
    """Send back what came."""
    with stream:
        stream.send(everything(stream))


def ask(client: Session, number: int) -> None:
    """Send something over a stream of its own, and check what comes back."""
    with client.open() as stream:
        sent = b"%d " % number + BODY
        stream.send(sent)
        stream.end()
        assert everything(stream) == sent, f"stream {number} came back changed"


def main() -> None:
    with (
        ThreadPoolExecutor(2 * STREAMS + 1) as threads,
        listen(SmallMux() | Tcp("127.0.0.1:0"), timeout=20) as listener,
        dial(SmallMux() | Tcp(listener.address), timeout=20) as client,
        listener.accept() as server,
    ):
        print(f"a session, {client.path}, to {listener.address}")

        def serve() -> None:
            for echoing in [threads.submit(echo, server.accept()) for _ in range(STREAMS)]:
                echoing.result()

        served = threads.submit(serve)
        for asking in [threads.submit(ask, client, number) for number in range(STREAMS)]:
            asking.result()
        served.result()
        print(f"{STREAMS} streams at once, {len(BODY)} bytes and more there and back on each")

        clogged = client.open()
        try:
            while True:
                clogged.send(BODY, timeout=0.1)
        except Deadline:
            print("a stream that nobody reads takes no more …")
        unread = server.accept()

        with (
            Socket(Rep(), listen=Sp() | client.stream(), timeout=20) as rep,
            Socket(Req(), dial=Sp() | server.stream(), timeout=20) as req,
        ):
            req.send(b"who is there?")
            rep.send(b"you asked: " + rep.recv())
            answer = req.recv()
        print(f"… and a REQ over a stream that the server opened still got {answer!r}")
        assert answer == b"you asked: who is there?", answer
        clogged.abort()
        unread.abort()


if __name__ == "__main__":
    main()
