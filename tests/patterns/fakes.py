"""A pattern between its application and scripted pipes, in virtual time."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.chain import Chain
from sockstack.core.errors import PeerAborted, SockstackError
from sockstack.core.filtering import Filter, FilterChain
from sockstack.core.framing import size_of
from sockstack.core.head import Stats
from sockstack.core.junction import Gate, Pipe
from sockstack.core.layer import Chunks, Layer
from sockstack.core.spec import LayerSpec, Role
from sockstack.patterns.base import PatternSpec
from sockstack.testing.clock import VirtualClock, VirtualTimer
from sockstack.testing.memory import Memory

__all__ = ["BAD", "HEAD", "Clock", "Joined", "Peer", "Picky", "Rig", "Wire", "watch"]

HEAD = 8
"""Bytes that a scripted pipe says each message costs beside its body."""

BAD = b"BAD"
"""What a picky filter does not let out, as the beginning of a message."""

RECORD = Capabilities(Unit.MESSAGE, session=True, empty_unit=True, head=HEAD)


class Clock(VirtualClock):
    """Virtual time; what ``randbits`` gives is set, and the timers that were asked for are kept."""

    def __init__(self, bits: int = 0) -> None:
        super().__init__()
        self.bits = bits
        self.timers: list[VirtualTimer] = []

    def randbits(self, bits: int) -> int:
        assert self.bits < 1 << bits
        return self.bits

    def call_at(self, when: float, call: Callable[[], None]) -> VirtualTimer:
        timer = super().call_at(when, call)
        self.timers.append(timer)
        return timer

    @property
    def pending(self) -> list[float]:
        """The instants of the timers that wait."""
        return [timer.when for timer in self.timers if timer.call is not None]


class Picky(Filter):
    """Refuses some messages that go down, and those that come up with the same beginning, by raising.

    The latter breaks the rule of filters, and is what a faulty one does.
    """

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        return [self._look(unit) for unit in units]

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        for unit in units:
            self._look(unit)
        return list(units)

    def _look(self, unit: Chunks) -> Chunks:
        whole = unit if isinstance(unit, bytes) else b"".join(unit)
        if whole.startswith(BAD):
            raise ValueError(f"not this one: {whole!r}")
        return unit


class Wire(Layer):
    """The bottom of a scripted pipe.

    Attributes:
        record: what it promises.
        batches: what was sent, as it was sent; units are joined.
        credit: what was wanted last.
        held: what the peer has sent and there is no credit for.
        budget: bytes that can still be written, ``HEAD`` a unit included; the send that does not fit finds the pipe
            dead.
        apart: a layer below takes batches apart; what it sends after the pipe was found dead is unsent, too.
        cut: the units of that send which were written in part or not at all.
    """

    def __init__(self, record: Capabilities) -> None:
        self.record = record
        self.batches: list[list[bytes]] = []
        self.credit = 0
        self.held: deque[list[bytes]] = deque()
        self.budget: int | None = None
        self.cut: list[bytes] = []
        self.calls: list[str] = []
        self.dead = False
        self.apart = False
        self._unsent = 0
        self._busy = False

    @property
    def sent(self) -> list[bytes]:
        """All units that were sent."""
        return [unit for batch in self.batches for unit in batch]

    def open(self) -> None:
        self.above.opened(self.record)

    def send(self, units: Sequence[Any]) -> None:
        assert units, "an empty batch came down"
        if self.apart:
            if len(units) > 1:
                for unit in units:
                    self.send((unit,))
                return
            if self.dead:
                self._unsent += size_of(units[0]) + HEAD
                return
        assert not self.dead, "units came down a dead pipe"
        flat = [b"".join(unit) if isinstance(unit, tuple) else unit for unit in units]
        assert all(isinstance(unit, bytes) for unit in flat)
        if self.budget is None:
            self.batches.append(flat)
            return
        written: list[bytes] = []
        for index, unit in enumerate(flat):
            size = size_of(unit) + HEAD
            if self.budget < size:
                self.cut = flat[index:]
                self.batches.append(written)
                self.lose(sum(size_of(rest) + HEAD for rest in self.cut) - self.budget)
                return
            self.budget -= size
            written.append(unit)
        self.batches.append(written)

    def want(self, n: int) -> None:
        self.credit = n
        if n and not self._busy:
            self.pump()

    def end(self) -> None:
        self.calls.append("end")

    def abort(self) -> None:
        self.calls.append("abort")
        self.dead = True
        self.held.clear()

    @property
    def unsent(self) -> int:
        return self._unsent

    def pump(self) -> None:
        """Deliver what there is credit for."""
        self._busy = True
        while self.held and self.credit > 0:
            self.above.receive(self.held.popleft())
        self._busy = False

    def lose(self, unsent: int = 0) -> None:
        """The connection is found dead, with so many bytes unsent."""
        self.dead = True
        self.held.clear()
        self._unsent = unsent
        self.above.broken(PeerAborted("cut", layer="wire"))


class Peer:
    """A scripted pipe: what the peer does, and what it has seen."""

    def __init__(
        self, rig: Rig, number: int, layers: tuple[LayerSpec, ...], record: Capabilities
    ) -> None:
        self.pipe = Pipe(rig.raw, number)
        self.wire = Wire(record)
        self.closed: list[SockstackError | None] = []
        self.pipe.on_closed = self.closed.append
        specs = (*layers, Memory(record))
        self.pipe.chain = Chain(
            specs, self.wire, record, Role.DIALER, self.pipe, rig.clock, (rig.spec,)
        )

    def open(self) -> Peer:
        self.pipe.chain.open()
        return self

    @property
    def id(self) -> int:
        return self.pipe.id

    @property
    def sent(self) -> list[bytes]:
        """What our side has sent to this peer."""
        return self.wire.sent

    def deliver(self, *units: bytes) -> None:
        """The peer's messages arrive, in one batch, as soon as there is credit."""
        if not self.wire.dead:
            self.wire.held.append(list(units))
            self.wire.pump()

    def busy(self, flag: bool = True) -> None:
        """The pipe takes no more for now, or does again."""
        if not self.wire.dead:
            self.wire.above.writable(not flag)

    def lose(self, unsent: int = 0) -> None:
        """The connection breaks."""
        if not self.wire.dead:
            self.wire.lose(unsent)


class Rig:
    """A pattern's two halves on a clock, with end filters, and as many pipes as a test makes."""

    def __init__(
        self, spec: PatternSpec, *filters: Filter, clock: Clock | None = None, first: int = 1
    ) -> None:
        self.spec = spec
        self.clock = Clock() if clock is None else clock
        self.stats = Stats()
        chain = FilterChain(filters) if filters else None
        self.head, self.raw = spec.head(self.clock, chain, self.stats)
        self.peers: list[Peer] = []
        self._numbers = itertools.count(first)

    def peer(
        self,
        ready: bool = True,
        layers: tuple[LayerSpec, ...] = (),
        record: Capabilities = RECORD,
    ) -> Peer:
        """A new pipe, open; of messages, or with layers over what ``record`` says."""
        peer = Peer(self, next(self._numbers), layers, record)
        self.peers.append(peer)
        if not ready:
            peer.busy()
        return peer.open()

    def close(self) -> None:
        """What closing the socket does."""
        self.raw.close()
        for pipe in list(self.raw.pipes.values()):
            pipe.close(None)


class Joined:
    """A connection between two patterns, whose traffic waits until a test moves it.

    Attributes:
        lanes: what is under way from near to far, and back.
    """

    def __init__(self, near: Rig, far: Rig) -> None:
        self.ends = (near.peer(), far.peer())
        self.lanes: tuple[list[bytes], list[bytes]] = ([], [])
        self._taken = [0, 0]

    @property
    def alive(self) -> bool:
        return not any(end.wire.dead for end in self.ends)

    def load(self) -> None:
        """Take what both ends have sent since on its way."""
        for side in (0, 1):
            sent = self.ends[side].sent
            self.lanes[side].extend(sent[self._taken[side] :])
            self._taken[side] = len(sent)

    def move(self, side: int, most: int = 1) -> int:
        """Deliver up to ``most`` units that ``side`` has sent, in one batch; how many there were."""
        self.load()
        units = self.lanes[side][:most]
        del self.lanes[side][:most]
        if units:
            self.ends[1 - side].deliver(*units)
        return len(units)

    def lose(self) -> list[bytes]:
        """The connection breaks; what was under way from near to far and never arrives."""
        self.load()
        lost = [*self.lanes[0], *(unit for batch in self.ends[1].wire.held for unit in batch)]
        for end in self.ends:
            end.lose()
        for lane in self.lanes:
            lane.clear()
        return lost


def watch(gate: Gate) -> list[str]:
    """Wait at a gate once; the list has an entry as soon as it opens."""
    woken: list[str] = []
    gate.add(lambda: woken.append("woken"))
    return woken
