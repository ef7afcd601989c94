"""A device: two raw halves back to back, which pass messages on both ways; or one that passes them on to itself.

Each raw half does to the header what its protocol asks of a hop, so a REQ behind a device finds its answer. Filters may
stand between the two: what goes from front to back is encoded by them, what comes back is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from ..core.errors import StackError
from ..core.filtering import Filter, FilterChain
from ..core.layer import Chunks
from ..core.log import logger
from ..core.spec import LayerSpec
from .base import PatternSpec, Raw

__all__ = ["Device", "check_pair"]


def check_pair(front: LayerSpec, back: LayerSpec | None, inside: object = None) -> None:
    """Refuse what makes no device: two sockets that do not fit, or one alone that cannot reflect.

    Raises:
        StackError: they are not raw, or not each other's peers.
    """
    for spec in (front, front if back is None else back):
        if not isinstance(spec, PatternSpec):
            raise StackError(
                f"a device joins two patterns, and {spec.name} is none", layer=spec.name, field="R1"
            )
        if not getattr(spec, "raw", False):
            raise StackError(
                f"a device needs raw sockets, and this {spec.name} is cooked",
                layer=spec.name,
                field="raw",
                mend=f"Use {type(spec).__name__}(raw=True).",
            )
    assert isinstance(front, PatternSpec)
    if back is None:
        if front.number != front.peer_number:
            raise StackError(
                f"one socket alone reflects where peers are alike, and {front.name} has others",
                layer=front.name,
                field="peer",
                mend="Give the device the other half, too.",
            )
        if inside is not None:
            raise StackError(
                "there is no inside where one socket reflects", layer=front.name, field="inside"
            )
        return
    assert isinstance(back, PatternSpec)
    if front.number != back.peer_number:
        raise StackError(
            f"a device joins a protocol with its peer, and {front.name} and {back.name} are none",
            layer=front.name,
            field="peer",
        )


class Device:
    """Moves messages between two raw halves of one hub, as fast as the far side takes them."""

    def __init__(self, front: Raw, back: Raw, inside: Sequence[Filter] = ()) -> None:
        self.forwarded = 0
        self._raised = 0
        self._inside = FilterChain(inside) if inside else None
        self._closed = False
        self._link(front, back, outward=True)
        if back is not front:
            self._link(back, front, outward=False)

    @property
    def refused(self) -> int:
        """Messages that the filters inside did not let pass, or that they, or those of the far side, raised on."""
        return self._raised + (self._inside.refused if self._inside is not None else 0)

    def close(self) -> None:
        """Pass nothing on any more."""
        self._closed = True

    def _link(self, source: Raw, sink: Raw, outward: bool) -> None:
        def pump() -> None:
            if self._closed or source.closed or sink.closed:
                return
            while sink.can_put:
                popped = source.pop()
                if popped is None:
                    source.head.receivable.add(pump)
                    return
                pipe, header, body = popped
                try:
                    passed = self._pass(body, outward)
                    if passed is None:
                        continue
                    sink.put(source.route_header(pipe, header), sink.encode(passed))
                except Exception as error:  # one message must not cost the others
                    self._drop(error)
                    continue
                sink.stats.sent += 1
                self.forwarded += 1
            sink.head.sendable.add(pump)

        pump()

    def _drop(self, error: Exception) -> None:
        """A message could not be passed on. The first is logged; a peer that sends many does not fill the log."""
        self._raised += 1
        if self._raised == 1:
            text = "a device dropped a message, and will say so no more: %r"
            logger("device").error(text, error, exc_info=error)

    def _pass(self, body: bytes, outward: bool) -> Chunks | None:
        """What the filters inside make of a body. What travels on is one piece, as it came."""
        if self._inside is None:
            return body
        if outward:
            return self._inside.encode([body])[0]
        return cast("bytes | None", self._inside.decode([body])[0][0])
