"""Several sockets in one thread: a poller says which of them has something, and does their work meanwhile.

    questions (REQ) ──▶ ┌────────┐
    jobs (PUSH)     ──▶ │ server │   one thread, three sockets and a pipe of the system
    news (PUB)      ──▶ └────────┘

Plain descriptors may be waited for, too; here it is the end of a pipe, by which the server is told to stop.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sockstack import Poller, Pub, Pull, Push, Rep, Req, Socket, Sub

EACH = 100


def serve(questions: str, jobs: str, news: str, stop: int) -> Counter[str]:
    """Serve until ``stop`` is readable; give how much came of what. Each answer says how much was done so far."""
    done: Counter[str] = Counter()
    with (
        Socket(Rep(), dial=questions, timeout=10) as rep,
        Socket(Pull(), dial=jobs) as pull,
        Socket(Sub(b""), dial=news) as sub,
    ):
        poller = Poller()
        for waiter in (rep, pull, sub, stop):
            poller.add(waiter)
        while True:
            for ready, _ in poller.wait(timeout=20):
                if ready is stop:
                    return done
                ready.recv(timeout=0)
                if ready is rep:
                    rep.send(b"%d" % done.total())
                else:
                    done["jobs" if ready is pull else "news"] += 1


def main() -> None:
    stop, told = os.pipe()
    with (
        os.fdopen(stop),
        ThreadPoolExecutor() as threads,
        os.fdopen(told, "w"),  # closed first: that is what tells the server
        Socket(Req(), timeout=10) as req,
        Socket(Push(), timeout=10) as push,
        Socket(Pub(), timeout=10) as pub,
    ):
        here = pub.events()
        questions, jobs, news = (sock.listen("tcp://127.0.0.1:0").url for sock in (req, push, pub))
        print(f"questions come from {questions}, jobs from {jobs}, news from {news}")
        server = threads.submit(serve, questions, jobs, news, stop)
        print(f"news: {here.recv(timeout=10)}")

        for number in range(EACH):
            push.send(b"job %d" % number)
            pub.send(b"news %d" % number)
        asked = done = 0
        while done < 2 * EACH:
            req.send(b"how much have you done?")
            done = int(req.recv())
            asked += 1
        print(f"server: said after {asked} questions that {done} jobs and news are done")
    counts = server.result()
    print(f"server: stopped after {counts['jobs']} jobs and {counts['news']} news")
    assert counts == {"jobs": EACH, "news": EACH}, counts


if __name__ == "__main__":
    main()
