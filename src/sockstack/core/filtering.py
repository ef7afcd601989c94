"""Filters: one unit in, one unit out, no exchange with the peer.

A filter of messages is written as two functions over batches, :meth:`Filter.encode` and :meth:`Filter.decode`. In a
pipe's stack they are wired like any layer; above a pattern they stand between its cooked and its raw half, where the
pattern calls them on the bodies alone and keeps header and route aside (an *end* filter).
"""

from __future__ import annotations

from collections.abc import Sequence

from .errors import RemoteProtocolError
from .layer import Chunks, Layer

__all__ = ["Filter", "FilterChain"]


class Filter(Layer):
    """Base of message filters.

    Attributes:
        refused: units that did not pass ``decode`` so far.
    """

    refusal = "the unit did not pass"
    """What to say of a unit that ``decode`` refused."""

    def __init__(self) -> None:
        self.refused = 0

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        """The units as they go down, one for each."""
        raise NotImplementedError

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        """The units as they go up, one for each; None where one must not pass. Never raises for what a peer sent."""
        raise NotImplementedError

    def send(self, units: Sequence[Chunks]) -> None:
        self.below.send(self.encode(units))

    def receive(self, units: list[bytes]) -> None:
        """In a pipe a bad unit means that the connection cannot be trusted: the good ones go up, then it is cut."""
        decoded = self.decode(units)
        good = [unit for unit in decoded if unit is not None]
        if len(good) == len(decoded):
            self.above.receive(good)
            return
        self.refused += 1
        before = [unit for unit in decoded[: decoded.index(None)] if unit is not None]
        if before:
            self.above.receive(before)
        self.fail(RemoteProtocolError(self.refusal))

    def detachable(self) -> str | None:
        return None


class FilterChain:
    """End filters of one socket, top first, as the pattern sees them."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._down = tuple(filters)
        self._up = tuple(reversed(filters))

    @property
    def refused(self) -> int:
        """Units that did not pass, all filters together."""
        return sum(entry.refused for entry in self._down)

    def encode(self, bodies: Sequence[Chunks]) -> Sequence[Chunks]:
        """Bodies on their way down."""
        for entry in self._down:
            bodies = entry.encode(bodies)
        return bodies

    def decode(self, bodies: list[bytes]) -> list[bytes | None]:
        """Bodies on their way up; None in the place of one that was refused and counted."""
        result: list[bytes | None] = list(bodies)
        for entry in self._up:
            good = entry.decode([body for body in result if body is not None])
            entry.refused += sum(body is None for body in good)
            fresh = iter(good)
            result = [None if body is None else next(fresh) for body in result]
        return result


