"""Two conversations at one socket: PAIR version 1 with many peers, each of which believes to be the only one.

    hub (Pair1, poly) ─┬─ ann (Pair1)
                       └─ bob (Pair1)

A message says by its pipe who sent it, and where an answer is to go. A plain Pair1 takes one peer and refuses others.
"""

from __future__ import annotations

from sockstack import EventKind, Message, Pair1, Socket

WORDS = [b"hello", b"how are you?", b"goodbye"]


def main() -> None:
    with Socket(Pair1(poly=True), timeout=10) as hub:
        address = hub.listen("tcp://127.0.0.1:0").url
        print(f"hub: listens on {address}")
        events = hub.events()
        with (
            Socket(Pair1(), dial=address, timeout=10) as ann,
            Socket(Pair1(), dial=address, timeout=10) as bob,
        ):
            peers = {b"ann": ann, b"bob": bob}
            pipes: dict[bytes, int] = {}
            for name, peer in peers.items():
                peer.send(name)
                came = hub.recv_message()
                pipes[came.body] = came.pipe
                print(f"hub: {came.body.decode()} is pipe {came.pipe}")
            assert pipes.keys() == peers.keys()

            for word in WORDS:
                for name, pipe in pipes.items():
                    hub.send_message(Message(word + b" " + name, pipe=pipe))
                for name, peer in peers.items():
                    heard = peer.recv()
                    assert heard == word + b" " + name, f"{name!r} was told {heard!r}"
                    peer.send(heard.upper())
                answers = {}
                for _ in peers:
                    came = hub.recv_message()
                    answers[came.pipe] = came.body
                print(f"hub: said {word!r}, heard {sorted(answers.values())}")
                assert answers == {pipe: (word + b" " + n).upper() for n, pipe in pipes.items()}

        gone = 0
        while gone < len(pipes):
            gone += events.recv(timeout=10).kind is EventKind.DISCONNECTED
        hub.send_message(Message(b"are you still there?", pipe=pipes[b"ann"]))
        unheard = hub.stats()["unheard"]
        print(f"hub: {unheard} message was for one who has gone, and is lost")
        assert unheard == 1

    with Socket(Pair1(), timeout=10) as single:
        events = single.events()
        address = single.listen("tcp://127.0.0.1:0").url
        with Socket(Pair1(), timeout=10) as ann, Socket(Pair1(), timeout=10) as bob:
            ann.dial(address, wait=True)
            print(f"single: {events.recv(timeout=10)}")
            bob.dial(address)
            event = events.recv(timeout=10)
            print(f"single: {event}")
            assert event.kind is EventKind.REFUSED, event


if __name__ == "__main__":
    main()
