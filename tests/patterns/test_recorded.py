"""What other implementations said to each other: all sides but one are replayed, and ours must say what that one said.

The octets are the script. What the others said is fed in as it came; where our side spoke, its application sends the
same body, unless the pattern has passed a message on by itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest

from sockstack.core.errors import IncompatiblePeer
from sockstack.core.head import Message
from sockstack.layers.sp import Sp
from sockstack.patterns.pair import Pair1

from .fakes import Clock, Peer, Rig
from .recordings import KINDS, RECORDS, Line, Side, cut, lines, sides

ALL = [side for name in RECORDS if not name.startswith("mismatch") for side in sides(name)]
SIDES = [side for side in ALL if side.name != "large-tcp"]
LARGE = [side for side in ALL if side.name == "large-tcp"]

ID_BITS = 0x7FFFFFFF


@dataclass
class Replayed:
    """A recorded connection with our peer on it.

    Attributes:
        left: what has still to pass: whether it is ours, and the message.
        coming: what has come and was not delivered yet.
        said: what our side must have said by now.
    """

    line: Line
    peer: Peer
    left: deque[tuple[bool, bytes]]
    coming: bytes
    said: bytes = b""

    @property
    def sent(self) -> bytes:
        """What our side has said."""
        return b"".join(self.peer.sent)


@dataclass
class Play:
    """Our pattern in the place of one side; what comes is cut after ``first`` octets and then every ``step``."""

    side: Side
    step: int
    first: int
    sends: list[bytes] = field(default_factory=list)
    receives: list[bytes] = field(default_factory=list)

    def run(self) -> None:
        """Play it to its end."""
        side = self.side
        self.rig = Rig(side.spec, clock=Clock(side.lines[0].first_word & ID_BITS))
        self.played = [
            Replayed(
                line,
                self.rig.peer(layers=(Sp(),), record=line.record),
                deque(line.order),
                line.theirs[0],
                line.ours[0],
            )
            for line in side.lines
        ]
        if len(self.played) > 1:  # all had come before the first message passed
            self.deliver()
        while waiting := [each for each in self.played if each.left]:
            ready = (each for each in waiting if self.passed(each))
            self.pass_one(next(ready, waiting[0]))
        self.deliver()
        self.finish()

    def passed(self, played: Replayed) -> bool:
        """Whether the next message comes from the other end, or was sent already."""
        ours, message = played.left[0]
        return not ours or len(played.sent) >= len(played.said) + len(message)

    def pass_one(self, played: Replayed) -> None:
        """The next message of a connection."""
        ours, message = played.left.popleft()
        if not ours:
            played.coming += message
            if not played.left or played.left[0][0]:
                self.deliver()
            return
        self.deliver()
        played.said += as_we_send(self.side, played.line, message)
        if len(played.sent) < len(played.said):
            body = played.line.body(message)
            assert self.rig.head.offer_message(Message(body, b"", played.peer.id))
            self.sends.append(body)
        assert played.sent.startswith(played.said)

    def deliver(self) -> None:
        """What has come arrives, and our application receives what there is."""
        for played in self.played:
            data, played.coming = played.coming, b""
            for piece in cut(data, range(self.first, len(data), self.step)):
                played.peer.deliver(piece)
            while self.rig.head.can_recv:
                message = self.rig.head.take_message()
                assert message is not None
                assert message.pipe == played.peer.id
                self.receives.append(message.body)

    def finish(self) -> None:
        """All was said and no more, nothing was lost, and the application did what it did in the recording."""
        for played in self.played:
            assert played.sent == played.said
            played.peer.wire.above.ended()
            assert played.peer.closed == [None]
        counted = self.rig.stats.snapshot()
        heard = sum(not ours for line in self.side.lines for ours, _ in line.order)
        assert counted.pop("sent") == len(self.sends)
        assert counted.pop("received") == len(self.receives)
        assert counted.pop("unmatched") == heard - len(self.receives)
        assert not any(counted.values()), counted
        if self.side.sends is not None:
            assert sorted(self.sends) == sorted(self.side.sends)
        if self.side.receives is not None:
            assert self.receives == self.side.receives


def as_we_send(side: Side, line: Line, message: bytes) -> bytes:
    """A message as our side must send it: hops are 1 on the first one, where mangos says 0."""
    if side.who != "dialer" or not side.name.startswith("mangos-pair1"):
        return message
    head = len(message) - len(line.payload(message))
    assert message[head : head + 4] == b"\0\0\0\0"
    return message[:head] + b"\0\0\0\1" + line.body(message)


@pytest.mark.parametrize("side", SIDES, ids=str)
def test_exchanges(side: Side) -> None:
    longest = 64
    Play(side, step=1, first=1).run()
    for first in range(1, longest):
        Play(side, step=longest, first=first).run()


@pytest.mark.parametrize("step", [1, 999, 1460, 65536])
@pytest.mark.parametrize("side", LARGE, ids=str)
def test_a_large_message(side: Side, step: int) -> None:
    Play(side, step, first=step).run()


@pytest.mark.parametrize("name", ["mismatch-tcp", "mismatch-ipc"])
@pytest.mark.parametrize("ours", ["dialer", "listener"])
@pytest.mark.parametrize("first", range(1, 9))
def test_a_peer_that_does_not_fit_hears_our_hello_and_no_more(
    name: str, ours: str, first: int
) -> None:
    (line,) = lines(name, ours)
    rig = Rig(line.kind())
    peer = rig.peer(layers=(Sp(),), record=line.record)
    for piece in cut(b"".join(line.theirs), [first]):
        peer.deliver(piece)
    assert peer.sent == line.ours
    assert peer.wire.calls == ["abort"]
    (error,) = peer.closed
    assert isinstance(error, IncompatiblePeer)
    assert {"dialer": "rep (0x0031)", "listener": "sub (0x0021)"}[ours] in str(error)
    assert rig.raw.pipes == {}


def test_all_recordings_are_used() -> None:
    assert len(RECORDS) == 59
    assert {type(side.spec).name for side in ALL} == {kind.name for kind in KINDS.values()}
    assert any(isinstance(side.spec, Pair1) and side.spec.poly for side in ALL)
