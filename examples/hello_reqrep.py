"""A question and its answer: the smallest useful pair of sockets.

REP answers what REQ asks. Any NNG, nanomsg or mangos REQ could ask the same socket, and any REP of theirs could answer.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sockstack import Rep, Req, Socket


def serve(rep: Socket[Rep]) -> None:
    """Answer until the socket is closed: then the loop ends."""
    for request in rep:
        print(f"rep: received {request!r}, answers")
        rep.send(b"hello " + request)


def main() -> None:
    with ThreadPoolExecutor() as threads, Socket(Rep()) as rep:
        listener = rep.listen("tcp://127.0.0.1:0")  # port 0: the system picks a free one
        print(f"rep: listens on {listener.address}")
        served = threads.submit(serve, rep)

        with Socket(Req(), dial=f"tcp://{listener.address}", timeout=10) as req:
            for name in (b"world", b"moon", b""):
                req.send(name)
                answer = req.recv()
                print(f"req: asked {name!r}, got {answer!r}")
                assert answer == b"hello " + name

        rep.close()
        served.result()
        print("rep: closed")


if __name__ == "__main__":
    main()
