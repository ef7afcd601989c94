"""PUSH and PULL: each message goes to one of many. SP protocol numbers 0x50 and 0x51; no header.

There is no acknowledgement: a message that was written to a peer that then dies is lost, and what the kernel had not
taken yet is counted (:attr:`~sockstack.core.head.Stats.lost`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Timing
from ..core.interfaces import CanRecv, CanSend, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import FairQueue, Pipe
from ..core.layer import Chunks
from ..core.spec import Spec
from .base import PatternSpec, Raw, RawHead
from .batches import cut, rescue

__all__ = ["Pull", "PullOps", "Push", "PushOps"]


class PushOps(CanSend):
    """What a PUSH socket does."""


class PullOps(CanRecv):
    """What a PULL socket does."""


@dataclass(frozen=True)
class Push(PatternSpec, Spec[PipeInterface, Pattern[PushOps]]):
    """The sending end of a pipeline: each message goes to the peer that has been ready longest.

    Without a peer that takes more, ``send`` waits. What a peer sends is dropped and counted.

    Args:
        raw: no difference to the bytes; for devices.
    """

    _: KW_ONLY
    raw: bool = False

    name: ClassVar[str] = "push"
    number: ClassVar[int] = 0x50
    peer_number: ClassVar[int] = 0x51

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawPush(env, filters, stats)
        raw.head = RawHead(self.name, raw) if self.raw else PushHead(raw)
        return raw.head, raw


@dataclass(frozen=True)
class Pull(PatternSpec, Spec[PipeInterface, Pattern[PullOps]]):
    """The receiving end of a pipeline: messages from all peers, in turn.

    Args:
        raw: no difference to the bytes; for devices.
    """

    _: KW_ONLY
    raw: bool = False

    name: ClassVar[str] = "pull"
    number: ClassVar[int] = 0x51
    peer_number: ClassVar[int] = 0x50

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawPull(env, filters, stats)
        raw.head = RawHead(self.name, raw) if self.raw else PullHead(raw)
        return raw.head, raw


class RawPush(Raw):
    """Pipes in turn; nothing comes back."""

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        self.stats.stray += len(units)

    def put(self, header: bytes, body: Chunks) -> bool:
        pipe = self.ring.next()
        if pipe is None:
            self.check()
            return False
        pipe.sent += 1
        pipe.below.send((body,))
        return True


class PushHead(Head):
    """A PUSH socket."""

    name = "push"
    bursts = True

    def __init__(self, raw: RawPush) -> None:
        super().__init__()
        self._raw = raw

    @property
    def can_send(self) -> bool:
        return bool(self._raw.ring)

    def offer(self, body: bytes) -> bool:
        raw = self._raw
        unit = body if raw.filters is None else raw.encode(body)
        while True:
            pipe = raw.ring.next()
            if pipe is None:
                raw.check()
                return False
            pipe.sent += 1
            pipe.below.send((unit,))
            if pipe.alive or not rescue(pipe, (unit,), raw.stats):
                raw.stats.sent += 1
                return True

    def offer_many(self, bodies: Sequence[bytes]) -> int:
        """Shares the batch out over the pipes that are ready, each at most :data:`~.batches.BATCH` bytes."""
        raw = self._raw
        done = turns = 0
        total = len(bodies)
        while done < total and raw.ring:
            turns = turns or len(raw.ring)
            stop = cut(bodies, done, -(-(total - done) // turns))
            turns -= 1
            units: Sequence[Chunks] = bodies[done:stop]
            if raw.filters is not None:
                units = raw.filters.encode(units)
            pipe = raw.ring.next()
            assert pipe is not None
            pipe.sent += len(units)
            pipe.below.send(units)
            done = stop if pipe.alive else stop - rescue(pipe, units, raw.stats)
        if not done:
            raw.check()
        raw.stats.sent += done
        return done


class RawPull(Raw):
    """A fair queue of batches of bodies: there is no header to keep beside them."""

    bodies: FairQueue[list[bytes]]

    def __init__(self, env: Timing, filters: FilterChain | None, stats: Stats) -> None:
        super().__init__(env, filters, stats)
        self.bodies = FairQueue()
        self._pipe: Pipe | None = None

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        if self.filters is not None:
            passed, refused = self.filters.decode(units)
            units = passed
            if refused:
                self.stats.refused += refused
                units = [unit for unit in passed if unit is not None]
        if units:
            self.bodies.put(pipe, units)
            self.head.receivable.open()

    def close(self, why: str = "the socket is closed") -> None:
        self.bodies.clear()
        super().close(why)

    @property
    def can_pop(self) -> bool:
        return bool(self.head.inbox) or bool(self.bodies)

    def refill(self) -> bool:
        """Move the next batch into the head's inbox; False if there is none."""
        taken = self.bodies.take()
        if taken is None:
            self.check()
            return False
        self._pipe, units = taken
        self.stats.received += len(units)
        self.head.inbox.extend(units)
        return True

    def pop(self) -> tuple[Pipe, bytes, bytes] | None:
        inbox = self.head.inbox
        while True:
            try:
                body = inbox.popleft()
            except IndexError:
                if not self.refill():
                    return None
            else:
                assert self._pipe is not None
                return self._pipe, b"", body


class PullHead(Head):
    """A PULL socket. Its inbox may be emptied by any thread; only who holds the hub's lock fills it."""

    name = "pull"

    def __init__(self, raw: RawPull) -> None:
        super().__init__()
        self._raw = raw

    @property
    def can_recv(self) -> bool:
        return self._raw.can_pop

    def take(self) -> bytes | None:
        popped = self._raw.pop()
        return None if popped is None else popped[2]

    def take_many(self, most: int) -> list[bytes] | None:
        pop = self.inbox.popleft
        bodies: list[bytes] = []
        while len(bodies) < most:
            try:
                bodies.append(pop())
            except IndexError:
                if (bodies and not self._raw.bodies) or not self._raw.refill():
                    break
        return bodies or None

    def take_message(self) -> Message | None:
        popped = self._raw.pop()
        return None if popped is None else Message(popped[2], b"", popped[0].id)
