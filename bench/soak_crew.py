"""Who is killed in a soak: slots, in each of which one peer lives after the other."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .soak_peer import Part, Peer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Crew", "Ground", "Life", "Slot", "driver", "journal"]

ROOT = Path(__file__).parent.parent

OUTSIDE = range(20_000, 32_000)
"""Ports below those that systems give to who dials, so that one is still free when its listener comes back."""

BETWEEN_KILLS = 0.4
"""Seconds, on average."""

MOST_AWAY = 0.2
"""Seconds for which a slot is empty, at most."""

MOST_TO_STOP = 60
"""Seconds after which a peer that does not stop is given up."""


@dataclass
class Ground:
    """Where a phase takes place.

    Attributes:
        transport: ``tcp``, ``ipc`` or ``inproc``.
        room: a directory of its own.
        chance: what is left to chance, with a seed that can be given.
    """

    transport: str
    room: Path
    chance: random.Random
    _made: int = field(default=0, init=False)
    _ports: set[int] = field(default_factory=set, init=False)

    def url(self) -> str:
        """An address that nobody uses."""
        self._made += 1
        if self.transport == "tcp":
            return f"tcp://127.0.0.1:{self._port()}"
        if self.transport == "ipc":
            return f"ipc://{self.room}/s{self._made}"
        return f"inproc://{self.room}/{self._made}"

    def _port(self) -> int:
        while True:
            port = self.chance.choice(OUTSIDE)
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            if port not in self._ports:
                self._ports.add(port)
                return port


class Life(Protocol):
    """A peer that runs."""

    def kill(self) -> None:
        """End it without a word, and wait until it is gone."""

    def tell(self) -> None:
        """Tell it to stop, in order."""

    def stopped(self) -> tuple[int, int]:
        """When it has stopped: what it gave, and what it could not write."""

    @property
    def failed(self) -> bool:
        """It has ended by itself, which no peer may."""


class ProcessLife:
    """A peer in a process of its own. It ends when this process does, however that ends."""

    def __init__(self, part: Part) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.soak_peer", json.dumps(asdict(part))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the one who measures
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()

    def stopped(self) -> tuple[int, int]:
        text, _ = self._process.communicate(timeout=MOST_TO_STOP)
        said = json.loads(text)
        return said["given"], said["left"]

    @property
    def failed(self) -> bool:
        return self._process.poll() is not None


class ThreadLife:
    """A peer in this process, for the transport that does not leave it: killed is closed without a linger."""

    failed = False

    def __init__(self, part: Part) -> None:
        self._peer = Peer(part)
        self._peer.start()

    def kill(self) -> None:
        self._peer.kill()

    def tell(self) -> None:
        pass

    def stopped(self) -> tuple[int, int]:
        told = self._peer.stop()
        self._peer.kill()
        return told


@dataclass
class Slot:
    """A place for one peer at a time.

    Attributes:
        make: gives the part of its next life.
        life: how many have begun.
        killed: how many were killed.
    """

    make: Callable[[int], Part]
    life: int = 0
    killed: int = 0
    part: Part | None = None
    running: Life | None = None
    back_at: float = 0.0


class Crew:
    """The slots of one phase.

    Attributes:
        slots: all of them.
        faults: peers that ended by themselves.
    """

    def __init__(self, ground: Ground, kills: bool) -> None:
        self.slots: list[Slot] = []
        self.faults: list[str] = []
        self._inproc = ground.transport == "inproc"
        self._chance = ground.chance
        self._kills = kills
        self._next_kill = 0.0

    def add(self, make: Callable[[int], Part]) -> Slot:
        """Another slot, with its first life."""
        slot = Slot(make)
        self.slots.append(slot)
        self._begin(slot)
        if self._next_kill == 0.0:
            self._put_off()
        return slot

    @property
    def killed(self) -> int:
        """Peers that were killed."""
        return sum(slot.killed for slot in self.slots)

    def step(self) -> Slot | None:
        """Kill somebody if it is time, and start who was away for long enough; the slot of who was killed."""
        self.revive(time.monotonic())
        if not self._kills or time.monotonic() < self._next_kill:
            return None
        self._put_off()
        slot = self._chance.choice(self.slots)
        if slot.running is None:
            return None
        slot.running.kill()
        slot.running = None
        slot.killed += 1
        slot.back_at = time.monotonic() + self._chance.random() * MOST_AWAY
        return slot

    def revive(self, now: float = float("inf")) -> None:
        """Start those who are away, and whose time has come."""
        for slot in self.slots:
            if slot.running is None and slot.back_at <= now:
                self._begin(slot)
            elif slot.running is not None and slot.running.failed:
                self.faults.append(f"{slot.part} ended by itself")
                slot.running.kill()
                slot.running = None

    def stop(self) -> dict[int, tuple[int, int]]:
        """All stop in order: for each slot what it gave, and what it could not write."""
        for slot in self.slots:
            if slot.running is not None:
                slot.running.tell()
        told = {}
        for index, slot in enumerate(self.slots):
            if slot.running is not None:
                told[index] = slot.running.stopped()
                slot.running = None
        return told

    def sweep(self) -> None:
        """Nobody is left, whatever has happened."""
        for slot in self.slots:
            if slot.running is not None:
                slot.running.kill()
                slot.running = None

    def _begin(self, slot: Slot) -> None:
        part = slot.make(slot.life)
        slot.life += 1
        slot.part = part
        slot.running = ThreadLife(part) if self._inproc else ProcessLife(part)

    def _put_off(self) -> None:
        self._next_kill = time.monotonic() + self._chance.expovariate(1 / BETWEEN_KILLS)


def driver(ground: Ground) -> str:
    """The driver of a peer's next life."""
    return ground.chance.choice(["blocking", "asyncio"])


def journal(ground: Ground, slot: int, life: int) -> str:
    """Where a peer's next life writes."""
    return os.path.join(ground.room, f"j{slot}-{life}")
