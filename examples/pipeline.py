"""Work shared out and results gathered: PUSH gives each message to one PULL, PULL takes from every PUSH.

    jobs (PUSH) ─┬─ (PULL) ann (PUSH) ─┬─ (PULL) results
                 └─ (PULL) bob (PUSH) ─┘

A worker that is slow gets less: PUSH passes over those that take no more for now.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sockstack import CanRecv, Pull, Push, Socket

JOBS = 1000


def work(inbox: Socket[CanRecv], results: str) -> int:
    """Square what comes in, until the socket is closed; give the number of jobs that were done."""
    done = 0
    with Socket(Push(), dial=results) as outbox:
        for job in inbox:
            outbox.send(b"%d" % int(job) ** 2)
            done += 1
    return done


def main() -> None:
    with (
        ThreadPoolExecutor() as threads,
        Socket(Push(), timeout=10) as jobs,
        Socket(Pull(), timeout=10) as results,
        Socket(Pull()) as ann,
        Socket(Pull()) as bob,
    ):
        sink = results.listen("tcp://127.0.0.1:0").url
        print(f"results are wanted at {sink}")
        for name, inbox in (("ann", ann), ("bob", bob)):
            worker = inbox.listen("tcp://127.0.0.1:0").url
            jobs.dial(worker, wait=True)  # both are there before the first job is given away
            print(f"{name} works at {worker}")
        workers = [threads.submit(work, inbox, sink) for inbox in (ann, bob)]

        for number in range(JOBS):
            jobs.send(b"%d" % number)
        print(f"{JOBS} jobs were sent")
        squares = sorted(int(results.recv()) for _ in range(JOBS))
        print(f"{len(squares)} results came back, the largest is {squares[-1]}")

        ann.close()
        bob.close()
        shares = [worker.result() for worker in workers]
    print(f"ann did {shares[0]}, bob did {shares[1]}")
    assert squares == [number**2 for number in range(JOBS)], "not every job was done once"
    assert all(shares), "somebody got nothing to do"


if __name__ == "__main__":
    main()
