"""PUSH and PULL: each message goes to one of many. SP protocol numbers 0x50 and 0x51; no header.

There is no acknowledgement: a message that was written to a peer that then dies is lost, and what the kernel had not
taken yet is counted (:attr:`~sockstack.core.head.Stats.lost`).
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Timing
from ..core.interfaces import CanRecv, CanSend, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import FairQueue, Pipe
from ..core.spec import Spec
from .base import PatternSpec, Raw, RawHead
from .unicast import Unicast, UnicastHead, check_send_options

__all__ = ["Pull", "PullOps", "Push", "PushOps"]


class PushOps(CanSend):
    """What a PUSH socket does."""


class PullOps(CanRecv):
    """What a PULL socket does."""


@dataclass(frozen=True)
class Push(PatternSpec, Spec[PipeInterface, Pattern[PushOps]]):
    """The sending end of a pipeline: each message goes to the peer that has been ready longest.

    Without a peer that takes more, ``send`` waits, once the send buffer is full. If a connection is found dead while
    messages are handed to it, those of which nothing was written go to another peer; what it had accepted before, and
    the kernel had not taken, is ``lost``. What a peer sends is dropped and counted (``stray``).

    Args:
        send_buffer: messages that are accepted while no peer takes them, 0 to 8192. They go to the next that does, in
            order. A burst of small ones may be collected besides.
        best_effort: ``send`` never waits. What finds no peer that takes it, and no room in the send buffer, is dropped,
            and counted as ``shed``, or as ``unheard`` if nobody is connected.
        fail_no_peers: ``send`` raises :class:`~sockstack.core.errors.NoPeers` while nobody is connected, rather than
            wait.
        raw: no difference to the bytes; for devices.
    """

    _: KW_ONLY
    send_buffer: int = 0
    best_effort: bool = False
    fail_no_peers: bool = False
    raw: bool = False

    name: ClassVar[str] = "push"
    number: ClassVar[int] = 0x50
    peer_number: ClassVar[int] = 0x51

    def __post_init__(self) -> None:
        check_send_options(self.name, self)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawPush(env, filters, stats, self)
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


class RawPush(Unicast):
    """Pipes in turn; nothing comes back."""

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        self.stats.stray += len(units)


class PushHead(UnicastHead):
    """A PUSH socket."""

    name = "push"

    def __init__(self, raw: RawPush) -> None:
        super().__init__()
        self._raw = raw


class RawPull(Raw):
    """A fair queue of batches of bodies: there is no header to keep beside them."""

    def __init__(self, env: Timing, filters: FilterChain | None, stats: Stats) -> None:
        super().__init__(env, filters, stats)
        self.bodies: FairQueue[list[bytes]] = self.queue
        self._pipe: Pipe | None = None

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        units = self.passed(units)
        if units:
            self.bodies.put(pipe, units)
            self.head.receivable.open()

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
