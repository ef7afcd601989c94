"""One layer between a scripted bottom and a recording top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import SockstackError
from sockstack.core.layer import Layer, Top, wire
from sockstack.core.spec import Build, LayerSpec, Role

__all__ = ["Bottom", "Recorder", "build", "rig"]


class Bottom(Layer):
    """Keeps what comes down."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.credit = 0
        self.calls: list[str] = []

    @property
    def sent(self) -> list[Any]:
        """All units that came down."""
        return [unit for batch in self.batches for unit in batch]

    def open(self) -> None:
        self.calls.append("open")

    def send(self, units: Sequence[Any]) -> None:
        self.batches.append(list(units))

    def want(self, n: int) -> None:
        self.credit = n

    def end(self) -> None:
        self.calls.append("end")

    def abort(self) -> None:
        self.calls.append("abort")


class Recorder(Top):
    """Keeps what goes up. ``on_receive`` may be set to act from inside ``receive``."""

    def __init__(self) -> None:
        self.units: list[Any] = []
        self.batches: list[int] = []
        self.log: list[str] = []
        self.errors: list[SockstackError] = []
        self.on_receive: Callable[[list[Any]], None] = lambda units: None

    def receive(self, units: list[Any]) -> None:
        assert units, "an empty batch went up"
        self.units += units
        self.batches.append(len(units))
        self.log += ["unit"] * len(units)
        self.on_receive(units)

    def writable(self, flag: bool) -> None:
        self.log.append(f"writable {flag}")

    def ended(self) -> None:
        self.log.append("ended")

    def broken(self, error: SockstackError) -> None:
        self.log.append("broken")
        self.errors.append(error)


def rig(layer: Layer) -> tuple[Recorder, Bottom]:
    """The layer, wired."""
    top, bottom = Recorder(), Bottom()
    wire(top, [layer, bottom])
    return top, bottom


class Nowhere:
    """An environment without time and chance."""

    def now(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 0.0

    def randbits(self, bits: int) -> int:
        return 0


def build(spec: LayerSpec, below: Capabilities | None = None) -> Layer:
    """The layer of a spec, for one connection over a stream."""
    record = Capabilities(Unit.STREAM) if below is None else below
    return spec.build(Build(Role.DIALER, record, (spec,), 0, Nowhere()))
