"""Show what passes at one place of a stack, in words, as a hex dump, or as a capture for Wireshark."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from ..core.capabilities import Capabilities
from ..core.errors import SockstackError, StackError
from ..core.filtering import Filter
from ..core.layer import Chunks, Layer
from ..core.spec import Build, Kind, LayerSpec, Role, Same
from .pcap import Conversation
from .trace_sink import STDERR, Sink, Writable
from .trace_view import Fields, Lines, Packets, View

__all__ = ["Trace", "TraceLayer"]


@dataclass(frozen=True)
class Trace(LayerSpec, Same):
    """A layer that shows what passes and changes nothing: same units, same order, same moment.

    It stands anywhere: on bytes, on messages, and above a pattern, where it sees the bodies. What cannot be written
    does not stop what passes: the trace goes off with a :class:`~sockstack.core.errors.StackWarning`.

    Lines begin with the seconds since the trace began, the place, and the number of the connection; ``>`` is outwards
    and ``<`` inwards. Fields are those that the layer above declares (its ``header``), in hex.

    Security: a trace shows what the layer below carries, so above ``Tls`` it is plaintext. Mind where it is written.

    Args:
        to: path of a file, which the first trace of a process begins anew and all others of it append to; ``-`` for
            stderr; a function that takes a line; or an open file, of text or, for ``pcap``, of bytes.
        form: ``words`` is a line an event; ``hex`` adds the bytes; ``pcap`` is a capture in which a made-up TCP
            connection carries the units (:mod:`.pcap`).
        label: the name of the place in ``words`` and ``hex``; by default the layers on both sides, ``prefix|tcp``.
        limit: bytes of each unit that ``hex`` shows.

    Raises:
        StackError: the options contradict each other.
    """

    to: str | os.PathLike[str] | Callable[[str], object] | Writable = STDERR
    _: KW_ONLY
    form: Literal["words", "hex", "pcap"] = "words"
    label: str | None = None
    limit: int = 4096

    name: ClassVar[str] = "trace"
    kind: ClassVar[Kind] = Kind.FILTER

    def __post_init__(self) -> None:
        if isinstance(self.to, os.PathLike):
            object.__setattr__(self, "to", os.fspath(self.to))
        if self.limit < 0:
            raise _refused("limit", f"limit={self.limit}: it is a count of bytes")
        if self.form == "pcap" and (self.to == STDERR or callable(self.to)):
            raise _refused("to", "a capture goes to a file: Trace(path, form='pcap')")
        if not (isinstance(self.to, str) or callable(self.to) or hasattr(self.to, "write")):
            raise _refused("to", f"to={self.to!r} is no path, no file and no function")

    def derive(self, below: Capabilities) -> Capabilities:
        return below

    def build(self, build: Build) -> Layer:
        sink = self._sink
        number = next(sink.numbers)
        if self.form == "pcap":
            dialer = build.role is Role.DIALER
            return TraceLayer(sink, Packets(sink, build.env, Conversation(number, dialer=dialer)))
        above, below = _neighbours(build)
        label = self.label
        if label is None:
            label = "|".join((above.name if above else "app", *([below.name] if below else [])))
        shown = self.limit if self.form == "hex" else 0
        fields = Fields(above, build.below)
        return TraceLayer(sink, Lines(sink, build.env, f"{label} #{number}", fields, shown))

    @cached_property
    def _sink(self) -> Sink:
        return Sink(self.to, packets=self.form == "pcap")


def _refused(field: str, what: str) -> StackError:
    return StackError(f"trace: {what}", layer="trace", field=field)


def _neighbours(build: Build) -> tuple[LayerSpec | None, LayerSpec | None]:
    """The layers above and below, other traces aside."""
    above = [spec for spec in build.specs[: build.position] if not isinstance(spec, Trace)]
    below = [spec for spec in build.specs[build.position + 1 :] if not isinstance(spec, Trace)]
    return (above[-1] if above else None), (below[0] if below else None)


class TraceLayer(Filter):
    """Shows each call and passes it on. As an end filter it shows what it is given to encode and to decode."""

    infallible = True

    def __init__(self, sink: Sink, view: View) -> None:
        super().__init__()
        self._sink = sink
        self._view = view
        self._aborted = False

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        self._units(True, units)
        return list(units)

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        self._units(False, units)
        return list(units)

    def open(self) -> None:
        self._event(True, "open")
        self.below.open()

    def send(self, units: Sequence[Any]) -> None:
        self._units(True, units)
        self.below.send(units)

    def end(self) -> None:
        self._event(True, "end")
        self.below.end()

    def abort(self) -> None:
        if not self._aborted:
            self._aborted = True
            self._event(True, "abort")
        self.below.abort()

    def opened(self, record: Capabilities) -> None:
        self._event(False, "opened", record.unit.value)
        self.above.opened(record)

    def receive(self, units: list[Any]) -> None:
        self._units(False, units)
        self.above.receive(units)

    def writable(self, flag: bool) -> None:
        self._event(False, "writable", "yes" if flag else "no")
        self.above.writable(flag)

    def ended(self) -> None:
        self._event(False, "ended")
        self.above.ended()

    def broken(self, error: SockstackError) -> None:
        self._event(False, "broken", f"{type(error).__name__}: {error}")
        self.above.broken(error)

    def _event(self, outwards: bool, word: str, detail: str = "") -> None:
        if self._sink.on:
            try:
                self._view.event(outwards, word, detail)
            except Exception as error:  # whatever a trace meets, the connection goes on
                self._sink.off(error)

    def _units(self, outwards: bool, units: Sequence[Any]) -> None:
        if self._sink.on:
            try:
                self._view.units(outwards, units)
            except Exception as error:  # as above
                self._sink.off(error)
