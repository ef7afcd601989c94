"""A stack as a table: what each layer gives, what it costs, and what it puts on the wire."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from .capabilities import (
    UNLIMITED,
    Auth,
    Capabilities,
    Confidential,
    Integrity,
    Ordered,
    Requirement,
    Scope,
    Unit,
)
from .check import fold, lint
from .errors import StackError
from .refusal import need_text
from .spec import Kind, LayerSpec
from .text import format_stack

__all__ = ["explain"]

Layers = tuple[LayerSpec, ...]

WIDTH = 100
"""Columns of the whole picture."""

NAME_WIDTH = 13
"""Columns of a layer's name; with all other columns at their widest the picture still fits."""

_TITLES = (
    "layer",
    "unit",
    "reliable",
    "ordered",
    "limit",
    "half-close",
    "secret",
    "integrity",
    "auth",
    "bytes",
    "trips",
)
_NUMERIC = frozenset({"limit", "bytes", "trips"})
_UNITS = ((60, "EiB"), (50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB"))
_SECRET = {Confidential.NO: "-", Confidential.HOP: "hop", Confidential.END_TO_END: "e2e"}
_INTEGRITY = {
    Integrity.NONE: "-",
    Integrity.CHECKSUM: "checksum",
    Integrity.HOP: "hop",
    Integrity.END_TO_END: "e2e",
}
_AUTH = {Auth.NONE: "-", Auth.OS_CREDENTIAL: "os", Auth.KEY: "key", Auth.CERTIFICATE: "cert"}


class Transport(LayerSpec):
    """Stands for the transport that a stack does not have yet."""

    name = "?"
    kind = Kind.TRANSPORT

    def __init__(self, above: LayerSpec, reliable: bool) -> None:
        self._demand = next(iter(above.requires), Requirement())
        self._reliable = reliable

    def derive(self, below: Capabilities) -> Capabilities:
        """A record that meets the first demand of the layer above."""
        values = dict(self._demand.demands)
        values["scope"] = max(values.get("scope", {Scope.NET}))
        weak = {} if self._reliable else {"reliable": False, "ordered": Ordered.NO}
        return Capabilities(Unit.STREAM).but(**{**weak, **values})

    @property
    def need(self) -> str:
        """What is missing, as a clause."""
        if not self._demand.demands:
            return "a transport is missing"
        return f"a transport is missing, one that gives {need_text(self._demand)}"


def _completed(layers: Layers) -> tuple[Transport, tuple[Capabilities, ...]]:
    """The weaker of two transports that the layers can stand on, and the records over it."""
    transport = Transport(layers[-1], reliable=False)
    try:
        return transport, fold((*layers, transport))
    except StackError:
        transport = Transport(layers[-1], reliable=True)
        return transport, fold((*layers, transport))


def explain(layers: Sequence[LayerSpec]) -> str:
    """A picture of at most 100 columns: a row a layer, top first; below it the header fields and the sums.

    The columns are: the unit of the interface above the layer; whether it is reliable and in which order units arrive;
    the limit of a unit; half-close; who is kept from reading, what change is noticed, how the peer proved who it is;
    bytes that the layer adds to a unit (before and after it); round trips that it costs before the first unit.

    A stack without a transport is explained as far as it goes, over a weak one that it could stand on.

    Raises:
        StackError: no transport could make it a legal stack.
    """
    whole = tuple(layers)
    missing: Transport | None = None
    if whole and whole[-1].kind is not Kind.TRANSPORT:
        missing, records = _completed(whole)
        whole = (*whole, missing)
    else:
        records = fold(whole)
    parts = [_wrapped(format_stack(layers)), "", *_table(whole, records), ""]
    wire = list(_wire(layers, records))
    if wire:
        parts += ["On the wire, a field a line:", *wire, ""]
    parts.append(_sums(records[0]))
    if missing is not None:
        parts.append(_wrapped(f"Not complete: {missing.need}."))
    parts += [_wrapped(f"Warning: {finding}") for finding in lint(whole, records)]
    return "\n".join(parts)


def _wrapped(text: str, indent: str = "  ") -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
    )


def _table(layers: Sequence[LayerSpec], records: Sequence[Capabilities]) -> list[str]:
    rows: list[tuple[str, ...]] = [_TITLES]
    for index, spec in enumerate(layers):
        below = records[index + 1] if index + 1 < len(records) else None
        rows.append(_row(spec, records[index], below))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    gap = "  " if sum(widths) + 2 * len(widths) - 2 <= WIDTH else " "
    lines = [
        gap.join(
            cell.rjust(width) if name in _NUMERIC else cell.ljust(width)
            for cell, width, name in zip(row, widths, _TITLES, strict=True)
        ).rstrip()
        for row in rows
    ]
    rule = "─" * (sum(widths) + len(gap) * (len(widths) - 1))
    return [lines[0], rule, *lines[1:]]


def _row(spec: LayerSpec, record: Capabilities, below: Capabilities | None) -> tuple[str, ...]:
    head, tail = record.head, record.tail
    trips = record.setup_rtts
    if below is not None:
        head, tail, trips = head - below.head, tail - below.tail, trips - below.setup_rtts
    return (
        spec.name if len(spec.name) <= NAME_WIDTH else spec.name[: NAME_WIDTH - 1] + "…",
        record.unit.value,
        "yes" if record.reliable else "no",
        str(record.ordered),
        _size(record.max_unit),
        str(record.half_close),
        _SECRET[record.confidential],
        _INTEGRITY[record.integrity],
        _AUTH[record.peer_auth],
        f"{head}+{tail}" if tail else str(head),
        str(trips),
    )


def _size(size: int) -> str:
    """Bytes, exactly or, from a mebibyte on, to the next whole unit above."""
    if size == UNLIMITED:
        return "none"
    for power, unit in _UNITS:
        if size >> power:
            whole, rest = size >> power, size & ((1 << power) - 1)
            if not rest:
                return f"{whole} {unit}"
            if power >= 20:
                return f"<{whole + 1} {unit}"
    return f"{size} B"


def _wire(layers: Sequence[LayerSpec], records: Sequence[Capabilities]) -> Iterator[str]:
    """The header fields of each layer, in wire order."""
    width = max(len(spec.name) for spec in layers)
    for index, spec in enumerate(layers):
        name = spec.name
        below = records[min(index + 1, len(records) - 1)]  # a transport has nothing below it
        for entry in spec.header_over(below):
            size = str(entry.size) if entry.size else "varies"
            text = f"  {name:{width}}  {entry.name} ({size}{', once' if entry.once else ''})"
            if entry.meaning:
                text += f": {entry.meaning}"
            yield _wrapped(text, " " * (width + 6))
            name = ""


def _sums(record: Capabilities) -> str:
    room = record.head + record.tail
    split = f" ({record.head} before it, {record.tail} behind it)" if record.tail else ""
    trips = record.setup_rtts
    return (
        f"{room} {'byte' if room == 1 else 'bytes'} around each unit{split}, "
        f"{trips or 'no'} round {'trip' if trips == 1 else 'trips'} before the first."
    )
