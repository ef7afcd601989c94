"""Requests through a device to a server that dies and is started again: all are answered in the end, none wrongly.

    Checksum | Req | Sp | Tcp  ──  Rep(raw) device Req(raw)  ──  Checksum | Rep | Sp | Tcp

Both ends dial the device, so neither has to know where the other is. The checksum is end to end: it covers what the
asker wrote, and the device passes it on as it is. What dies with the server is asked again by REQ, after ``resend``
seconds without an answer.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from sockstack import Checksum, Device, Rep, Req, Socket, Sp, Tcp, Trace

REQUESTS = 100
FATAL = 50


def serve(address: str, fatal: int | None) -> None:
    """The server's part, in a process of its own: answer until killed, or until the request that it dies of."""
    with Socket(Checksum() | Rep(), dial=Sp() | Tcp(address)) as rep:
        for request in rep:
            number = int(request)
            if number == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            rep.send(b"%d" % number**2)


def start_server(address: str, *fatal: str) -> subprocess.Popen[bytes]:
    """A server process behind the device, which listens there."""
    server = subprocess.Popen([sys.executable, __file__, address, *fatal])
    print(f"server: process {server.pid} dials {address}")
    return server


def main() -> None:
    if len(sys.argv) > 1:
        address, *fatal = sys.argv[1:]
        serve(address, int(fatal[0]) if fatal else None)
        return

    seen: list[str] = []  # what passes through the device, a line each
    with (
        Device(Rep(raw=True), Req(raw=True), inside=Trace(seen.append)) as device,
        Socket(Checksum() | Req(resend=0.2), timeout=20) as req,
    ):
        front = device.front.listen(Sp() | Tcp("127.0.0.1:0")).address
        back = device.back.listen(Sp() | Tcp("127.0.0.1:0")).address
        print(f"device: listens on {front} for who asks, on {back} for who answers")
        req.dial(Sp() | Tcp(front))
        server = start_server(back, str(FATAL))
        try:
            for number in range(REQUESTS):
                req.send(b"%d" % number)
                if number == FATAL:
                    server.wait(timeout=20)
                    print(f"server: died of request {number}, and has not answered it")
                    server = start_server(back)
                answer = req.recv()
                assert int(answer) == number**2, f"{number} was answered with {answer!r}"
        finally:
            server.kill()
            server.wait()

        print(f"req: {REQUESTS} requests, {REQUESTS} right answers")
        print(f"req: {req.stats()['resent']} sent again; device: {device.forwarded} passed on")
        print(f"device: the last to pass was: {seen[-1]}")
        assert req.stats()["resent"] > 0, "the lost request was not sent again"


if __name__ == "__main__":
    main()
