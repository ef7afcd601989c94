"""News for those who subscribed: PUB sends to everybody, each SUB keeps what begins with one of its topics.

    pub ─┬─ sub  weather. and sport.
         └─ sub  everything

One that comes late has missed what was said before; one that does not fetch what comes loses the oldest of it, and
costs the others nothing. Whatever is dropped is counted.
"""

from __future__ import annotations

from sockstack import EventKind, Pub, Socket, Sub

NEWS = [b"weather.rain", b"politics.vote", b"sport.goal", b"weather.sun"]
FLOOD = 1000
KEPT = 10


def main() -> None:
    with Socket(Pub(), timeout=10) as pub:
        events = pub.events()
        address = pub.listen("tcp://127.0.0.1:0").url
        print(f"pub: listens on {address}")
        pub.send(b"weather.fog")
        print(f"pub: {pub.stats()['unheard']} message was sent to nobody")
        assert pub.stats()["unheard"] == 1

        with (
            Socket(Sub(b"weather.", b"sport."), dial=address, timeout=10) as picky,
            Socket(Sub(b"", recv_buffer=KEPT), dial=address, timeout=10) as slow,
        ):
            for _ in (picky, slow):  # PUB waits for nobody, so we do
                event = events.recv(timeout=10)
                assert event.kind is EventKind.CONNECTED, event
                print(f"pub: {event}")

            for item in NEWS:
                pub.send(item)
            wanted = [item for item in NEWS if not item.startswith(b"politics.")]
            got = [picky.recv() for _ in wanted]
            print(f"picky: got {got}")
            assert got == wanted
            everything = [slow.recv() for _ in NEWS]
            print(f"slow: got {everything}")
            assert everything == NEWS

            picky.unsubscribe(b"weather.")
            for number in range(FLOOD):
                pub.send(b"weather.%d" % number)
            pub.send(b"sport.end")
            assert picky.recv() == b"sport.end"
            dropped = picky.stats()["unmatched"] - 1
            print(f"picky: passed over {dropped} that it had unsubscribed from, and got the next")
            assert dropped == FLOOD

            last = slow.recv()
            while last != b"sport.end":
                last = slow.recv()
            overrun = slow.stats()["overrun"]
            print(f"slow: got the last message, too; {overrun} of {FLOOD} found its queue full")
            assert overrun <= FLOOD + 1 - KEPT


if __name__ == "__main__":
    main()
