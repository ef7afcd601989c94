"""What patterns share that send each message to one peer: PUSH and PAIR.

There is no acknowledgement: a message that was written to a peer that then dies is lost, and what the kernel had not
taken yet is counted (:attr:`~sockstack.core.head.Stats.lost`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from ..core.errors import NoPeers, StackError
from ..core.filtering import FilterChain
from ..core.framing import size_of
from ..core.head import Head, Stats
from ..core.hub import Timing
from ..core.junction import Pipe
from ..core.layer import Chunks
from .base import Raw
from .batches import cut, front, rescue

__all__ = ["SendOptions", "Unicast", "UnicastHead", "check_send_options"]

MOST_WAITING = 8192
"""Messages that a send buffer may hold; NNG has the same limit."""


class SendOptions(Protocol):
    """Options of a pattern that sends each message to one peer.

    Attributes:
        send_buffer: messages that are accepted while no peer takes them.
        best_effort: what finds no peer and no room is dropped, and nobody waits.
        fail_no_peers: sending fails while nobody is connected.
    """

    @property
    def send_buffer(self) -> int: ...
    @property
    def best_effort(self) -> bool: ...
    @property
    def fail_no_peers(self) -> bool: ...


def check_send_options(name: str, options: SendOptions) -> None:
    """Refuse a send buffer that is not one, or has no end.

    Raises:
        StackError: it is none of 0 to 8192 messages.
    """
    if not 0 <= options.send_buffer <= MOST_WAITING:
        raise StackError(
            f"{name}: send_buffer is 0 to {MOST_WAITING} messages, not {options.send_buffer!r}",
            layer=name,
            field="send_buffer",
        )


class Unicast(Raw):
    """A raw half that sends each message to one pipe, or lets it wait for one.

    Attributes:
        waiting: accepted, and not yet handed to a peer; in the order in which they go.
    """

    def __init__(
        self, env: Timing, filters: FilterChain | None, stats: Stats, options: SendOptions
    ) -> None:
        super().__init__(env, filters, stats)
        self.options = options
        self.waiting: deque[Chunks] = deque()

    @property
    def unsent(self) -> int:
        """Bytes that were accepted and wait for a peer."""
        return sum(map(size_of, self.waiting))

    @property
    def reachable(self) -> bool:
        """Whether somebody takes a message now."""
        return bool(self.ring)

    @property
    def can_put(self) -> bool:
        if self.waiting or not self.reachable:
            return self.options.best_effort or len(self.waiting) < self.options.send_buffer
        return True

    def close(self, why: str = "the socket is closed") -> None:
        self.stats.lost += self.unsent
        self.waiting.clear()
        super().close(why)

    def attached(self, pipe: Pipe) -> None:
        super().attached(pipe)
        self.flush()

    def detached(self, pipe: Pipe) -> None:
        super().detached(pipe)
        if not self.pipes and self.options.fail_no_peers:
            self.head.sendable.open()  # who waits is told

    def writable(self, pipe: Pipe) -> None:
        super().writable(pipe)
        self.flush()

    def put(self, header: bytes, body: Chunks) -> bool:
        return bool(self.push((body,)))

    def dress(self, bodies: Sequence[bytes]) -> Sequence[Chunks]:
        """Bodies as they go on the wire, from the front up to the first that a filter refuses.

        Raises:
            Exception: what the filter raised, if that is the first of all.
        """
        return bodies if self.filters is None else self.filters.encode_front(bodies)

    def push(self, units: Sequence[Chunks]) -> int:
        """Take messages from the front of ``units``, which are not none; how many, at least one if ``can_put``.

        Raises:
            Closed: the socket is closed.
        """
        if self.reachable and not self.waiting:
            return self.hand_on(units)
        self.check()
        kept = units[: max(0, self.options.send_buffer - len(self.waiting))]
        self.waiting.extend(kept)
        if not self.options.best_effort:
            return len(kept)
        dropped = len(units) - len(kept)
        if self.pipes:
            self.stats.shed += dropped
        else:
            self.stats.unheard += dropped
        return len(units)

    def hand_on(self, units: Sequence[Chunks]) -> int:
        """To the peer whose turn it is; how many, which is all. What a dying pipe had not begun waits for the next."""
        pipe = self.ring.next()
        assert pipe is not None
        pipe.sent += len(units)
        pipe.below.send(units)
        if not pipe.alive:
            saved = rescue(pipe, units, self.stats)
            pipe.sent -= saved
            begun = len(units) - saved
            self.waiting.extendleft(reversed(units[begun:]))
            self.flush()
        return len(units)

    def flush(self) -> None:
        """Hand on what waits, as far as it is taken."""
        if self.waiting and self.reachable:
            while self.waiting and self.reachable:
                self.hand_on(front(self.waiting))
            self.head.sendable.open()

    def check_peers(self) -> None:
        """For a send that found nobody.

        Raises:
            NoPeers: nobody is connected, and the socket was made to say so.
        """
        if self.options.fail_no_peers and not self.pipes:
            raise NoPeers("nobody is connected", layer=self.head.name)


class UnicastHead(Head):
    """The sending half of a head that sends each message to one peer. A mix-in."""

    _raw: Unicast

    @property
    def bursts(self) -> bool:
        return self._raw.infallible

    @property
    def can_send(self) -> bool:
        return self._raw.can_put

    @property
    def flowing(self) -> bool:
        return self._raw.reachable

    def offer(self, body: bytes) -> bool:
        raw = self._raw
        if raw.ring and not raw.waiting:  # as it mostly is
            raw.hand_on(raw.dress((body,)))
            raw.stats.sent += 1
            return True
        raw.check_peers()
        return bool(self.offer_many((body,)))

    def offer_many(self, bodies: Sequence[bytes]) -> int:
        """Share the batch out over the peers that are ready, each at most :data:`~.batches.BATCH` bytes at a time."""
        raw = self._raw
        done = turns = 0
        while done < len(bodies):
            if not raw.can_put:
                if not done:
                    raw.check()
                break
            turns = turns or len(raw.ring) or 1
            stop = self._share(bodies, done, turns)
            turns -= 1
            try:
                units = raw.dress(bodies[done:stop])
            except Exception:
                if not done:
                    raise
                break  # a call that begins with the one that was refused says why
            taken = raw.push(units)
            raw.stats.sent += taken
            done += taken
        return done

    def _share(self, bodies: Sequence[bytes], start: int, turns: int) -> int:
        """Where the share ends that begins at ``start``, for one of so many peers that are ready."""
        return cut(bodies, start, -(-(len(bodies) - start) // turns))
