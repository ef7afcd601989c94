"""A room where all hear each other: BUS sockets at a hub, which is a device with one side.

    ann (Bus) ─┐
    bob (Bus) ─┼─ Device(Bus(raw))       passes on what comes from one peer to the others
    eve (Bus) ─┘

A BUS does not pass on what it receives, so without the hub each would have to be connected with each.
"""

from __future__ import annotations

from sockstack import Bus, Device, Socket

NAMES = [b"ann", b"bob", b"eve"]


def main() -> None:
    with (
        Device(Bus(raw=True)) as hub,
        Socket(Bus(), timeout=10) as ann,
        Socket(Bus(), timeout=10) as bob,
        Socket(Bus(), timeout=10) as eve,
    ):
        come = hub.front.events()
        room = hub.front.listen("tcp://127.0.0.1:0").url
        print(f"hub: listens on {room}")
        people = dict(zip(NAMES, (ann, bob, eve), strict=True))
        for sock in people.values():
            sock.dial(room, wait=True)
            print(f"hub: {come.recv(timeout=10)}")

        for speaker, sock in people.items():
            said = speaker + b": hello"
            sock.send(said)
            for listener, other in people.items():
                if other is not sock:
                    heard = other.recv()
                    print(f"{listener.decode()}: heard {heard!r}")
                    assert heard == said, f"{listener!r} heard {heard!r}"
        assert hub.forwarded == len(NAMES), "somebody's word was passed on twice"

        eve.close()
        print(f"hub: {come.recv(timeout=10)}")
        ann.send(b"ann: eve has left")
        heard = bob.recv()
        print(f"bob: heard {heard!r}")
        assert heard == b"ann: eve has left", (
            f"nobody hears their own word, and bob heard {heard!r}"
        )
        print(f"hub: {hub.forwarded} messages passed on, {len(hub.front.pipes)} are in the room")


if __name__ == "__main__":
    main()
