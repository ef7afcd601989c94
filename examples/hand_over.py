"""A live connection moves to another process, together with what was received and not yet looked at.

The front process accepts, reads the first line to see who is wanted, and passes the connection over a Unix socket. The
worker answers the rest. The client notices nothing: to it this is one connection all along.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from sockstack import Line, Tcp, dial, hand_over, listen, take_over

LINES = [b"one", b"two", b"three"]


def work(channel: socket.socket) -> None:
    """The worker's part, in a process of its own: take a connection over, answer until the client has ended."""
    with channel, take_over(channel, Line()) as connection:
        print(f"worker: took over {connection.path}")
        for line in connection:
            print(f"worker: got {line!r}")
            connection.send(b"%s, says process %d" % (line, os.getpid()))


def main() -> None:
    if len(sys.argv) > 1:
        work(socket.socket(fileno=int(sys.argv[1])))
        return

    channel, workers_end = socket.socketpair()
    command = [sys.executable, __file__, str(workers_end.fileno())]
    with (
        subprocess.Popen(command, pass_fds=[workers_end.fileno()]) as worker,
        channel,
        workers_end,
        listen(Line() | Tcp("127.0.0.1:0"), timeout=10) as listener,
        dial(Line() | Tcp(listener.address), timeout=10) as client,
    ):
        workers_end.close()  # the worker has its own
        print(f"front: process {os.getpid()} listens on {listener.address}")
        for line in [b"worker, please", *LINES]:  # nobody is waited for
            client.send(line)
        client.end()

        connection = listener.accept()
        line = connection.recv()
        print(f"front: got {line!r}; what else was received goes along")
        assert line == b"worker, please", line
        hand_over(connection, channel)

        answers = list(client)
        for answer in answers:
            print(f"client: got {answer!r}")
        wanted = [b"%s, says process %d" % (line, worker.pid) for line in LINES]
        assert answers == wanted, f"wrong answers, or from the wrong process: {answers}"
        assert worker.wait(timeout=10) == 0, f"the worker failed with {worker.returncode}"


if __name__ == "__main__":
    main()
