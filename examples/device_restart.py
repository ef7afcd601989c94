"""Requests through a device to a server that dies and is started again: all are answered in the end, none wrongly.

    Checksum | Req | Sp | Tcp  ──  Rep(raw) device Req(raw)  ──  Checksum | Rep | Sp | Tcp

The checksum is end to end: it covers what the asker wrote, and the device passes it on as it is. What dies with the
server is asked again by REQ, after ``resend`` seconds without an answer.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from sockstack import Checksum, Device, Rep, Req, Socket, Sp, Tcp, Trace

REQUESTS = 100
FATAL = 50


def serve(address: str) -> None:
    """The server's part, in a process of its own: answer until killed."""
    with Socket(Checksum() | Rep()) as rep:
        print(rep.listen(Sp() | Tcp(address)).address, flush=True)
        for request in rep:
            rep.send(b"%d" % int(request) ** 2)


def start_server(address: str) -> tuple[subprocess.Popen[str], str]:
    """A server process, and where it listens."""
    command = [sys.executable, __file__, address]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout:
        address = server.stdout.readline().strip()
    print(f"server: process {server.pid} listens on {address}")
    return server, address


def main() -> None:
    if len(sys.argv) > 1:
        serve(sys.argv[1])
        return

    seen: list[str] = []  # what passes through the device, a line each
    server, address = start_server("127.0.0.1:0")
    try:
        with (
            Device(Rep(raw=True), Req(raw=True), inside=Trace(seen.append)) as device,
            Socket(Checksum() | Req(resend=0.2), timeout=20) as req,
        ):
            device.back.dial(Sp() | Tcp(address))
            front = device.front.listen(Sp() | Tcp("127.0.0.1:0"))
            print(f"device: listens on {front.address}, dials {address}")
            req.dial(Sp() | Tcp(front.address))

            for number in range(REQUESTS):
                if number == FATAL:
                    server.send_signal(signal.SIGSTOP)  # it will not get round to the next one
                req.send(b"%d" % number)
                if number == FATAL:
                    server.kill()
                    server.wait()
                    print(f"server: killed before it could answer request {number}")
                    server, address = start_server(address)
                answer = req.recv()
                assert int(answer) == number**2, f"{number} was answered with {answer!r}"

            print(f"req: {REQUESTS} requests, {REQUESTS} right answers")
            print(f"req: {req.stats()['resent']} sent again; device: {device.forwarded} passed on")
            print(f"device: the last to pass was: {seen[-1]}")
            assert req.stats()["resent"] > 0, "the lost request was not sent again"
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
