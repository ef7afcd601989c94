"""Streams of a soak: PUSH/PULL, PUB/SUB, PAIR and BUS, between ends that stay and peers that are killed."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .soak_checks import Incoming, Outgoing, Tally
from .soak_crew import Crew, driver, journal
from .soak_ends import AsyncEnd, BlockingEnd
from .soak_messages import OVERRUN, Reader
from .soak_peer import LINGER, Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from .soak_crew import Ground, Slot
    from .soak_ends import End

__all__ = ["KINDS", "MOST_WAIT", "Kind", "Streams"]

MOST_WAIT = 60
"""Seconds to wait for what must come; what has not by then counts as lost."""


@dataclass(frozen=True)
class Kind:
    """Who takes part in a stream.

    Attributes:
        stays, dies: names of the patterns of the ends and of the peers.
        out, back: whether the ends send, and whether the peers do.
        spread: each message goes to all.
        apart: each end has peers of its own.
        slots: how many peers there are.
        kills: whether they are killed.
    """

    stays: str
    dies: str
    out: bool
    back: bool
    spread: bool = False
    apart: bool = False
    slots: int = 3
    kills: bool = True


KINDS = {
    "push/pull, no kills": Kind("Push", "Pull", out=True, back=False, kills=False),
    "push/pull": Kind("Push", "Pull", out=True, back=False),
    "pull/push": Kind("Pull", "Push", out=False, back=True),
    "pub/sub": Kind("Pub", "Sub", out=True, back=False, spread=True),
    "sub/pub": Kind("Sub", "Pub", out=False, back=True, spread=True),
    "pair1": Kind("Pair1", "Pair1", out=True, back=True, apart=True, slots=2),
    "bus": Kind("Bus", "Bus", out=True, back=True, spread=True),
}


class Streams:
    """One phase.

    Attributes:
        tally: what it has come to so far.
    """

    def __init__(self, kind: Kind, ground: Ground) -> None:
        self.tally = Tally()
        self._kind = kind
        self._ground = ground
        self._readers: dict[int, Reader] = {}
        self._overruns: Counter[tuple[int, int]] = Counter()
        self._incoming = Incoming(kind.spread or kind.apart, self.tally)
        self._crew = Crew(ground, kind.kills)
        urls = [[ground.url() for _ in range(kind.slots)] for _ in range(2)]
        seed = ground.chance.getrandbits(32)
        self._ends: list[End] = []
        try:
            self._ends.append(BlockingEnd(kind.stays, 0, urls[0], seed))
            self._ends.append(AsyncEnd(kind.stays, 1, urls[1], seed + 1))
            self._outgoing = [Outgoing(end, kind.spread, self.tally) for end in range(2)]
            for slot in range(kind.slots):
                self._add(slot, [urls[end][slot] for end in self._serving(slot)])
            for end in self._ends:
                if kind.back:
                    end.receive(self._incoming.received)
                if kind.out:
                    end.send()
        except BaseException:
            self.leave()
            raise

    def step(self) -> None:
        """Kill, start again, and look at what has come."""
        slot = self._crew.step()
        if slot is not None:
            self._bury(slot)
        self._look()

    def finish(self) -> None:
        """All come back; the rest arrives; everything is accounted for."""
        self._crew.revive()
        self._until(self._all_here, "a peer that was started again did not connect")
        for end in self._ends:
            end.pause()
        if self._kind.out:
            self._until(self._drained, "what the survivors were handed did not arrive")
            self._judge_outgoing()
        if self._kind.back:
            told = self._crew.stop()
            self._until(lambda: self._all_came(told), "what the survivors gave did not arrive")
            self.tally.lost["reported"] += sum(left for _, left in told.values())
            self._incoming.judge()
        for end in self._ends:
            self.tally.lost["bytes"] += end.stats()["lost"]
            self.tally.lost["reported"] += end.close(LINGER)
        self.tally.kills = self._crew.killed
        for fault in self._crew.faults:
            self.tally.fault(fault)

    def leave(self) -> None:
        """Nothing is left, whatever has happened."""
        self._crew.sweep()
        for end in self._ends:
            end.close(linger=0)
        for reader in self._readers.values():
            reader.close()

    # Peers.

    def _serving(self, slot: int) -> list[int]:
        """The ends that a slot's peer dials."""
        return [slot % 2] if self._kind.apart else [0, 1]

    def _add(self, slot: int, urls: list[str]) -> None:
        kind, ground = self._kind, self._ground
        does = "both" if kind.out and kind.back else "take" if kind.out else "give"

        def make(life: int) -> Part:
            path = journal(ground, slot, life)
            if kind.out:
                if slot in self._readers:  # of a peer that has ended by itself
                    self._readers.pop(slot).close()
                self._readers[slot] = Reader(path)
            seed = ground.chance.getrandbits(32)
            return Part(does, kind.dies, urls, slot, life, path, driver(ground), seed)

        self._crew.add(make)

    def _life(self, slot: int) -> int:
        return self._crew.slots[slot].life - 1

    def _bury(self, slot: Slot) -> None:
        index = self._crew.slots.index(slot)
        if index in self._readers:
            self._read(index)
            self._readers.pop(index).close()

    def _look(self) -> None:
        for end in self._ends:
            end.follow()
        for slot in self._readers:
            self._read(slot)

    def _read(self, slot: int) -> None:
        life = self._life(slot)
        outgoing = self._outgoing
        for source, number in self._readers[slot].records():
            if source == OVERRUN:
                self._overruns[slot, life] = number
            else:
                outgoing[source].note(slot, life, number)

    # The end of the phase.

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        late = time.monotonic() + MOST_WAIT
        while not done():
            if time.monotonic() > late:
                self.tally.fault(otherwise)
                return
            self._crew.revive()
            self._look()
            time.sleep(0.02)

    def _all_here(self) -> bool:
        pipes = [end.pipes() for end in self._ends]
        return all(
            slot in pipes[end] for slot in range(self._kind.slots) for end in self._serving(slot)
        )

    def _drained(self) -> bool:
        self._look()
        pipes = [end.pipes() for end in self._ends]
        handed = [
            sum(gone.sent for gone in end.gone)
            + sum(pipe.sent for pipe in pipes[end.number].values())
            for end in self._ends
        ]
        for end in self._ends:
            if end.stats()["sent"] != end.sent:
                return False
            if not self._kind.spread and handed[end.number] < end.sent:
                return False
        for slot in range(self._kind.slots):
            who = (slot, self._life(slot))
            ends = self._serving(slot)
            sent = sum(pipes[end][slot].sent for end in ends if slot in pipes[end])
            received = sum(self._outgoing[end].received[who] for end in ends)
            if sent != received + self._overruns[who]:
                return False
            if any(pipes[end][slot].unsent for end in ends if slot in pipes[end]):
                return False
        return True

    def _all_came(self, told: dict[int, tuple[int, int]]) -> bool:
        return all(
            self._incoming.complete(slot, self._life(slot), given - left)
            for slot, (given, left) in told.items()
        )

    def _judge_outgoing(self) -> None:
        tally = self.tally
        lives = {slot: self._life(slot) for slot in range(self._kind.slots)}
        if not self._kind.spread:
            for end in self._ends:
                self._outgoing[end.number].judge(end.sent, lives)
            return
        tally.lost["overrun"] += sum(self._overruns.values())
        for slot, life in lives.items():
            self._judge_gaps(slot, life)

    def _judge_gaps(self, slot: int, life: int) -> None:
        """What a slot's lives did not get was dropped for them here, or by themselves."""
        gaps = shed = 0
        for end in self._ends:
            outgoing = self._outgoing[end.number]
            last = outgoing.last.get((slot, life), end.sent - 1)
            gaps += outgoing.gaps[slot] + end.sent - 1 - last
            pipe = end.pipes().get(slot)
            shed += end.gone[slot].shed + (pipe.shed if pipe is not None else 0)
        overrun = sum(count for (of, _), count in self._overruns.items() if of == slot)
        self.tally.lost["shed"] += shed
        if gaps > shed + overrun:
            text = f"slot {slot} missed {gaps}, and {shed} were shed, {overrun} overrun"
            self.tally.fault(text, gaps - shed - overrun)
