"""A question and its answer: the smallest useful pair of sockets.

REP answers what REQ asks. A REQ of NNG, nanomsg or mangos could ask this REP, and this REQ could ask theirs.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sockstack import Rep, Req, Socket


def main() -> None:
    with ThreadPoolExecutor() as threads, Socket(Rep()) as rep:
        listener = rep.listen("tcp://127.0.0.1:0")  # port 0: the system picks a free one
        print(f"rep: listens on {listener.address}")

        def serve() -> None:
            for request in rep:  # ends when the socket is closed
                print(f"rep: asked {request!r}")
                rep.send(b"hello " + request)

        served = threads.submit(serve)

        with Socket(Req(), dial=listener.url, timeout=10) as req:
            for name in (b"world", b"moon", b""):
                req.send(name)
                answer = req.recv()
                print(f"req: got {answer!r}")
                assert answer == b"hello " + name, f"{name!r} was answered with {answer!r}"

        rep.close()
        served.result()  # raises what went wrong in there
        print("rep: closed")


if __name__ == "__main__":
    main()
