"""Another protocol on a live connection: lines of text first, then messages behind their length.

The peer does not wait for the switch to be answered: its first messages may arrive together with the line that asks
for it. Wherever the bytes are cut on their way, the outcome is the same.
"""

from __future__ import annotations

import socket

from sockstack import Deadline, Fd, Line, MessageConnection, Prefix, attach

MESSAGES = [b"first message", b"two\nlines", b"", b"last message"]

SENT = b"hello\nswitch\n" + b"".join(len(m).to_bytes(4, "big") + m for m in MESSAGES)
"""What the peer writes, all at once: two lines, four messages."""


def talk(pieces: list[bytes]) -> tuple[list[bytes], list[bytes], bytes]:
    """Receive what a peer sends in these pieces; give the lines, the messages, and what the peer got back."""
    here, peer = socket.socketpair()
    to_come = iter(pieces)

    def recv(connection: MessageConnection) -> bytes:
        while True:
            try:
                return connection.recv(timeout=0)
            except Deadline:  # all that was sent has been read, and it is not enough
                peer.sendall(next(to_come))

    with peer:
        connection = attach(Line() | Fd(here))
        lines = [recv(connection)]
        while lines[-1] != b"switch":
            lines.append(recv(connection))
        connection.send(b"switched")

        with connection.switch(Prefix(4)) as connection:
            messages = [recv(connection) for _ in MESSAGES]
            connection.send(b"thanks")
        return lines, messages, peer.recv(1024)


def main() -> None:
    lines, messages, answer = expected = talk([SENT])
    print(f"received lines    {lines}")
    print(f"then messages     {messages}")
    print(f"the peer got back {answer!r}")
    assert lines == [b"hello", b"switch"], lines
    assert messages == MESSAGES, messages
    assert answer == b"switched\n\0\0\0\6thanks", answer

    for cut in range(1, len(SENT)):
        got = talk([SENT[:cut], SENT[cut:]])
        assert got == expected, f"cut after byte {cut}: {got}"
    print(f"cut in two at each of {len(SENT) - 1} places: the same")

    got = talk([SENT[index : index + 1] for index in range(len(SENT))])
    assert got == expected, f"byte by byte: {got}"
    print("byte by byte: the same")


if __name__ == "__main__":
    main()
