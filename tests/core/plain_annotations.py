"""A spec in a module whose annotations are types, and no texts."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Optional

from sockstack.core.spec import Kind, LayerSpec

__all__ = ["Annotated"]


class Here(str):
    """A type that no other module knows."""


@dataclass(frozen=True)
class Annotated(LayerSpec):
    """Some options."""

    _: KW_ONLY
    here: str | Here = ""
    count: Optional[int] = 0  # noqa: UP045  # as some write it
    later: "Here | None" = None

    name: ClassVar[str] = "annotated"
    kind: ClassVar[Kind] = Kind.FILTER
