"""The least that a filter can do and still touch each unit: a byte in front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sockstack.core.capabilities import Requirement, Unit
from sockstack.core.filtering import Filter
from sockstack.core.framing import JOIN_BELOW
from sockstack.core.spec import Header, Kind, LayerSpec, MessageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockstack.core.capabilities import Capabilities
    from sockstack.core.layer import Chunks
    from sockstack.core.spec import Build

__all__ = ["Tag"]

TAG = b"\x54"


def chunked(unit: Chunks) -> Chunks:
    """A tagged unit whose payload is not copied."""
    return (TAG, unit) if isinstance(unit, bytes) else (TAG, *unit)


class TagFilter(Filter):
    """Puts the byte on, looks for it, takes it off."""

    refusal = "the tag is not there"
    infallible = True

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        return [
            TAG + unit if isinstance(unit, bytes) and len(unit) < JOIN_BELOW else chunked(unit)
            for unit in units
        ]

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        good: list[bytes | None] = [unit[1:] for unit in units if unit.startswith(TAG)]
        if len(good) == len(units):
            return good
        self.refused += len(units) - len(good)
        return [unit[1:] if unit.startswith(TAG) else None for unit in units]


@dataclass(frozen=True)
class Tag(LayerSpec, MessageFilter):
    """A filter of messages that adds one byte to each."""

    name: ClassVar[str] = "tag"
    kind: ClassVar[Kind] = Kind.FILTER

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (Requirement(unit=Unit.MESSAGE),)

    def derive(self, below: Capabilities) -> Capabilities:
        return below.with_head(len(TAG))

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("tag", len(TAG), "always 0x54"),)

    def build(self, build: Build) -> TagFilter:
        return TagFilter()
