"""Who comes and goes, and who may stay: events of connections, and a function that is asked about each peer.

The server looks at the process at the other end of a Unix socket, for which the kernel vouches, and takes only those
that it was told of. Each peer that comes, is refused, or goes is an event; so is an attempt that leads nowhere.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import chdir

from sockstack import EndpointError, EventKind, PipeInfo, Rep, Req, Socket


def main() -> None:
    guests: set[int] = set()

    def judge(pipe: PipeInfo) -> bool:
        assert pipe.credentials is not None, "this is no Unix socket"
        pid, uid, _ = pipe.credentials
        known = uid in guests
        print(f"server: process {pid} of user {uid} is {'welcome' if known else 'not on the list'}")
        return known

    with tempfile.TemporaryDirectory() as directory, chdir(directory):
        url = "ipc://service.sock"  # from here, because the system takes about 100 bytes of a path
        with Socket(Req(), timeout=10) as req:
            attempts = req.events()
            req.dial(url)
            event = attempts.recv(timeout=10)
            print(f"client: {event}")
            assert event.kind is EventKind.FAILED, "nobody listens there yet"
            assert isinstance(event.error, EndpointError)

            with Socket(Rep(), accept_pipe=judge, timeout=10) as rep:
                events = rep.events()
                rep.listen(url)  # the client dials again and again
                event = events.recv(timeout=10)
                print(f"server: {event}")
                assert event.kind is EventKind.REFUSED, event
                assert not rep.pipes

                guests.add(os.getuid())
                req.send(b"may I?")  # finds the connection dead, and goes out on the next one
                rep.send(rep.recv() + b" you may")
                for event in events:
                    print(f"server: {event}")
                    if event.kind is EventKind.CONNECTED:
                        break
                answer = req.recv()
                print(f"client: got {answer!r}")
                assert answer == b"may I? you may"

                (peer,) = rep.pipes
                print(f"server: {peer.received} received, {peer.sent} sent; now it has to go")
                guests.clear()
                peer.close()
                event = events.recv(timeout=10)
                print(f"server: {event}")
                assert event.kind is EventKind.DISCONNECTED, event
                stats = rep.listeners[0].stats()
                print(
                    f"server: {stats.attempts} came, {stats.opened} could stay, {stats.lost} left"
                )
                assert (stats.opened, stats.lost) == (1, 1)


if __name__ == "__main__":
    main()
