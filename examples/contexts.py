"""Many requests at a time on one REP socket: each context receives a request, and answers that one.

The socket itself can answer one request at a time. Three threads with a context each answer three; a request that takes
long keeps only its own asker waiting.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from sockstack import Rep, Req, Socket

THREADS = 3


def main() -> None:
    asked = threading.Barrier(THREADS)  # passed once three requests are being answered at once

    with ThreadPoolExecutor(2 * THREADS) as threads, Socket(Rep()) as rep:
        address = rep.listen("tcp://127.0.0.1:0").url
        print(f"rep: listens on {address}, {THREADS} threads answer")

        def serve(name: int) -> None:
            with rep.context() as context:
                for request in context:  # ends when the socket is closed
                    if request == b"meet":
                        asked.wait(timeout=10)
                    context.send(b"%s answered by thread %d" % (request, name))

        def ask(request: bytes) -> bytes:
            with Socket(Req(), dial=address, timeout=10) as req:
                req.send(request)
                return req.recv()

        servers = [threads.submit(serve, name) for name in range(THREADS)]

        answers = list(threads.map(ask, [b"meet"] * THREADS))
        for answer in sorted(answers):
            print(f"req: {answer.decode()}")
        assert len(set(answers)) == THREADS, "one thread answered several of them"

        answers = list(threads.map(ask, [b"question %d" % number for number in range(20)]))
        for number, answer in enumerate(answers):
            assert answer.startswith(b"question %d answered" % number), f"{number} got {answer!r}"
        print(f"req: {len(answers)} more questions, each got its own answer")

        rep.close()
        for server in servers:
            server.result()
        print("rep: closed")


if __name__ == "__main__":
    main()
