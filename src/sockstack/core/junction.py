"""What joins many pipes into one interface: pipes, a fair queue, the ring of writable pipes, and gates to wait at.

SP patterns stand on it, and ZMTP socket types can.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from .chain import ChainTop
from .errors import SockstackError
from .framing import size_of
from .layer import MANY, Chunks

if TYPE_CHECKING:
    from .capabilities import Capabilities

__all__ = ["FairQueue", "Gate", "Junction", "Pipe", "Ring"]

B = TypeVar("B")


class Gate:
    """Where callers wait for something to be ready. Whoever makes it ready opens the gate; all who wait look again.

    Attributes:
        leader: called whenever the gate opens, and set by who waits for it at the hub's descriptors, or None.
    """

    __slots__ = ("_waiting", "leader")

    def __init__(self) -> None:
        self._waiting: dict[Callable[[], None], None] = {}  # in their order
        self.leader: Callable[[], None] | None = None

    def add(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` once, when the gate opens next."""
        self._waiting[wake] = None

    def remove(self, wake: Callable[[], None]) -> None:
        """Do not call ``wake`` any more."""
        self._waiting.pop(wake, None)

    def open(self) -> None:
        """Wake all who wait."""
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            for wake in waiting:
                wake()
        if self.leader is not None:
            self.leader()


PRIORITY = 8
"""Of a pipe whose endpoint says nothing else; 1 is served first, 16 last."""


class Pipe(ChainTop):
    """One peer of a junction: the top of a connection's chain.

    Attributes:
        id: 1 to 2**31 - 1, unique among the live pipes of the process.
        alive: between the junction's ``attached`` and ``detached``.
        ready: the stack below takes more without queueing.
        backlog: messages that wait until it is ready, where the pattern keeps some.
        send_priority, recv_priority: pipes with a lower number are served first.
        sent, received: messages handed down and come up.
        shed: messages that were not sent because the backlog was full.
        lost: bytes that were counted as lost when it was detached.
    """

    __slots__ = (
        "alive",
        "backlog",
        "batches",
        "id",
        "junction",
        "lost",
        "ready",
        "received",
        "recv_priority",
        "send_priority",
        "sent",
        "shed",
    )

    def __init__(
        self,
        junction: Junction,
        number: int,
        send_priority: int = PRIORITY,
        recv_priority: int = PRIORITY,
    ) -> None:
        super().__init__()
        self.junction = junction
        self.id = number
        self.alive = False
        self.ready = True
        self.backlog: deque[Chunks] = deque()
        self.batches = 0
        self.send_priority = send_priority
        self.recv_priority = recv_priority
        self.sent = self.received = self.shed = self.lost = 0

    @property
    def unsent(self) -> int:
        """Bytes that were accepted for this peer and that no kernel has taken."""
        return self.chain.unsent + sum(map(size_of, self.backlog))

    def opened(self, record: Capabilities) -> None:
        self.alive = True
        self.junction.attached(self)
        self.tell_opened()

    def receive(self, units: list[bytes]) -> None:
        self.received += len(units)
        self.junction.receive(self, units)

    def writable(self, flag: bool) -> None:
        if flag != self.ready:
            self.ready = flag
            if self.alive:
                self.junction.writable(self)

    def ended(self) -> None:
        """A peer that ended its output has left: no pattern talks to half a peer."""
        self.close(None)

    def broken(self, error: SockstackError) -> None:
        self._gone(error)

    def close(self, error: SockstackError | None) -> None:
        """Cut the connection; the junction forgets the pipe."""
        self.below.abort()
        self._gone(error)

    def _gone(self, error: SockstackError | None) -> None:
        if self.alive:
            self.alive = False
            self.junction.detached(self)
        self.tell_closed(error)


class Junction:
    """N pipes below, one interface above. A pattern's raw half."""

    def attached(self, pipe: Pipe) -> None:
        """The pipe is open. To refuse it, close it."""
        raise NotImplementedError

    def detached(self, pipe: Pipe) -> None:
        """The pipe is gone."""
        raise NotImplementedError

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        """A batch from a pipe."""
        raise NotImplementedError

    def writable(self, pipe: Pipe) -> None:
        """``pipe.ready`` has changed."""
        raise NotImplementedError


class Ring:
    """The pipes that take more, in the order in which they became ready: taking turns is round robin.

    Only those of the best priority have turns; the others wait until none of these is ready.
    """

    __slots__ = ("_levels", "_pipes")

    def __init__(self) -> None:
        self._levels: dict[int, deque[Pipe]] = {}
        self._pipes: deque[Pipe] = deque()

    def __bool__(self) -> bool:
        return bool(self._pipes)

    def __len__(self) -> int:
        return len(self._pipes)

    def add(self, pipe: Pipe) -> None:
        """The pipe is ready; it comes last."""
        level = self._levels.setdefault(pipe.send_priority, deque())
        if pipe not in level:
            level.append(pipe)
            self._choose()

    def remove(self, pipe: Pipe) -> None:
        """The pipe is not ready, or gone."""
        level = self._levels.get(pipe.send_priority)
        if level is not None and pipe in level:
            level.remove(pipe)
            self._choose()

    def _choose(self) -> None:
        """Turns are taken on the best level where a pipe is ready."""
        best = min((number for number, level in self._levels.items() if level), default=None)
        self._pipes = deque() if best is None else self._levels[best]

    def next(self) -> Pipe | None:
        """The pipe that has waited longest, which then comes last; None if there is none."""
        pipes = self._pipes
        if not pipes:
            return None
        if len(pipes) > 1:
            pipes.rotate(-1)
            return pipes[-1]
        return pipes[0]


class FairQueue(Generic[B]):
    """Batches from many pipes, by priority and then in the order of arrival, with a high-water mark for each pipe.

    A batch is what one read of a pipe gave. A pipe with ``high`` batches waiting is stopped until they are taken, so
    one that sends a lot neither starves the others nor fills the memory. What a pipe leaves behind when it goes is
    taken in its turn. While ``left`` such batches or more wait, no pipe that comes is read: peers that come, send and
    go, again and again, do not fill the memory either.
    """

    __slots__ = ("_high", "_left", "_levels", "_most_left", "_unread")

    def __init__(self, high: int = 8, left: int = 64) -> None:
        self._levels: dict[int, deque[tuple[Pipe, B]]] = {}
        self._high = high
        self._most_left = left
        self._left = 0
        self._unread: OrderedDict[Pipe, None] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._levels.values()))

    def attached(self, pipe: Pipe) -> None:
        """The pipe has come: read it, as soon as enough is taken of what others have left."""
        self._unread[pipe] = None
        self._read()

    def detached(self, pipe: Pipe) -> None:
        """The pipe has gone; what it left waits."""
        self._left += pipe.batches
        self._unread.pop(pipe, None)

    def put(self, pipe: Pipe, batch: B) -> None:
        """Add a batch; stop its pipe at the mark."""
        level = self._levels.get(pipe.recv_priority)
        if level is None:
            level = self._add_level(pipe.recv_priority)
        level.append((pipe, batch))
        pipe.batches += 1
        if pipe.batches == self._high:
            pipe.below.want(0)

    def clear(self) -> None:
        """Drop everything, for good."""
        self._levels.clear()
        self._unread.clear()

    def take(self) -> tuple[Pipe, B] | None:
        """The oldest batch of the best priority, or None; its pipe may go on."""
        for level in self._levels.values():
            if level:
                pipe, batch = level.popleft()
                pipe.batches -= 1
                if not pipe.alive:
                    self._left -= 1
                    self._read()
                elif pipe.batches == self._high - 1:
                    pipe.below.want(MANY)
                return pipe, batch
        return None

    def _read(self) -> None:
        """Read the pipes that have come, in their order, while little enough is left by others."""
        while self._unread and self._left < self._most_left:
            pipe, _ = self._unread.popitem(last=False)
            pipe.below.want(MANY)

    def _add_level(self, priority: int) -> deque[tuple[Pipe, B]]:
        """A level of its own, in its place among the others."""
        level: deque[tuple[Pipe, B]] = deque()
        self._levels[priority] = level
        self._levels = dict(sorted(self._levels.items()))
        return level
