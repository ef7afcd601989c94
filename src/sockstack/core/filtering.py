"""Filters: one unit in, one unit out, no exchange with the peer.

A filter of messages is written as two functions over batches, :meth:`Filter.encode` and :meth:`Filter.decode`. In a
pipe's stack they are wired like any layer; above a pattern they stand between its cooked and its raw half, where the
pattern calls them on the bodies alone and keeps header and route aside (an *end* filter).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .errors import RemoteProtocolError
from .layer import Chunks, Layer

__all__ = ["Filter", "FilterChain"]


class Filter(Layer):
    """Base of message filters.

    ``encode`` may raise for a unit that must not be sent: that is the caller's mistake, and who sends is told. Above a
    pattern each ``send`` then has to pass through the filter before it returns. Say ``infallible`` where ``encode``
    raises for no unit, and small messages may be collected and encoded later, many at a time.

    Attributes:
        refused: units that did not pass ``decode`` so far.
    """

    refusal = "the unit did not pass"
    """What to say of a unit that ``decode`` refused."""

    infallible: ClassVar[bool] = False
    """``encode`` raises for no unit."""

    def __init__(self) -> None:
        self.refused = 0

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        """The units as they go down, one for each.

        Raises:
            Exception: one of them must not go down. In the same batch as others, it is encoded again without them.
        """
        raise NotImplementedError

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        """The units as they go up, one for each. Never raises for what a peer sent.

        Where one must not pass there is None, and :attr:`refused` has grown by one: that counter is what callers look
        at, so that a batch in which all is well is not searched.
        """
        raise NotImplementedError

    def send(self, units: Sequence[Chunks]) -> None:
        self.below.send(self.encode(units))

    def receive(self, units: list[bytes]) -> None:
        """In a pipe a bad unit means that the connection cannot be trusted: the good ones go up, then it is cut."""
        before = self.refused
        decoded: list[Any] = self.decode(units)
        if self.refused == before:
            self.above.receive(decoded)
            return
        good = decoded[: decoded.index(None)]
        if good:
            self.above.receive(good)
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

    @property
    def infallible(self) -> bool:
        """``encode`` raises for no body."""
        return all(entry.infallible for entry in self._down)

    def encode(self, bodies: Sequence[Chunks]) -> Sequence[Chunks]:
        """Bodies on their way down.

        Raises:
            Exception: what a filter raised; none of them may go down.
        """
        for entry in self._down:
            bodies = entry.encode(bodies)
        return bodies

    def encode_front(self, bodies: Sequence[Chunks]) -> Sequence[Chunks]:
        """Bodies on their way down, from the front up to the first for which a filter raises.

        Raises:
            Exception: what it raised, if that is the first of all.
        """
        try:
            return self.encode(bodies)
        except Exception:
            if len(bodies) == 1:
                raise
        encoded: list[Chunks] = []
        for body in bodies:
            try:
                encoded += self.encode((body,))
            except Exception:
                if not encoded:
                    raise
                break
        return encoded

    def decode(self, bodies: list[bytes]) -> tuple[list[Any], int]:
        """Bodies on their way up, one for each, and how many were refused; those are None."""
        result: list[Any] = bodies
        lost = 0
        for entry in self._up:
            before = entry.refused
            if not lost:
                result = entry.decode(result)
            else:
                fresh = iter(entry.decode([body for body in result if body is not None]))
                result = [None if body is None else next(fresh) for body in result]
            lost += entry.refused - before
        return result, lost
