"""Whether a stack makes sense: the rules R1 to R12 and the lint findings.

The records are derived from the transport up, and the first rule that a layer breaks refuses the stack. Rules read what
layers declare (:class:`~sockstack.core.spec.LayerSpec`) and never ask which layer it is:

====  ==================================================================================================
R1    one transport, at the bottom
R2    what a layer requires holds below it
R3    only framers, deframers, muxes and mappings turn one kind of unit into another; nothing stands on a mux
R4    above a pattern stand filters only; what is *hop* stands below it, what is *end* above it
R5    a session over something without sessions finds and loses its peer by itself
R6    what carries state from unit to unit needs all units, once, in order
R7    every layer leaves room for a payload, and none promises units that do not fit below
R8    a layer that switches to another has an end that both sides can see
R10   lint: findings that are warnings (:func:`lint`), and reliability over reliability, which is refused
R11   what a layer adds to a unit has a declared maximum, or it says that it expands; what writes bytes of its own
      stands on something that carries any bytes
====  ==================================================================================================

R9 (both ends name the same layers) and R12 (only transports do I/O) cannot be seen in one stack. Handshakes keep the
first, the direction of imports the second.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

from .capabilities import UNLIMITED, Capabilities, Confidential, Ordered, Requirement, Unit
from .errors import StackError, StackWarning
from .refusal import Passes, refuse, title, unmet
from .spec import Kind, LayerSpec, Placement

__all__ = ["check", "fold", "lint"]

Layers = tuple[LayerSpec, ...]

_NOTHING = Capabilities(Unit.STREAM)
"""What a transport's ``derive`` is given, and ignores."""

_CONVERTERS = frozenset(
    {Kind.TRANSPORT, Kind.FRAMER, Kind.DEFRAMER, Kind.MUX, Kind.MAPPING, Kind.PATTERN}
)
_WRITERS = frozenset(
    {Kind.SESSION, Kind.DEFRAMER, Kind.REPAIR, Kind.MUX, Kind.MAPPING, Kind.PATTERN}
)


def check(layers: Layers) -> tuple[Capabilities, ...]:
    """The records above the layers, top first; empty while there is no transport at the bottom.

    Lint findings of a whole stack are given as warnings (:class:`~sockstack.core.errors.StackWarning`).

    Raises:
        StackError: a rule is broken. Without a transport only what no transport could mend is refused.
    """
    if not layers or layers[-1].kind is not Kind.TRANSPORT:
        _arranged(layers)
        return ()
    records = fold(layers)
    findings = lint(layers, records)
    if findings:
        level = _caller()
        for finding in findings:
            warnings.warn(finding, StackWarning, stacklevel=level)
    return records


def _caller() -> int:
    """The stack level, for a warning of :func:`check`, of the first frame outside this package."""
    home = __name__.partition(".")[0] + "."
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(home):
        level, frame = level + 1, frame.f_back
    return level


def _passes(layers: Layers) -> bool:
    try:
        _fold(layers, None)
    except StackError:
        return False
    return True


# What can be seen without a transport: R1, R4, and R3 for muxes.


def _arranged(layers: Layers) -> None:
    if not layers:
        raise StackError("a stack needs at least one layer", field="R1")
    pattern = -1
    for index, spec in enumerate(layers):
        kind = spec.kind
        if kind is Kind.TRANSPORT and index < len(layers) - 1:
            raise _transport_above(layers, index)
        if kind is Kind.PATTERN:
            if index:
                _above_pattern(layers, index)
            pattern = index
        elif kind is Kind.MUX and index:
            _above_mux(layers, index)
        if pattern >= 0 and spec.placement is Placement.END:
            name, lower = title(layers[pattern]), title(spec)
            raise refuse(
                layers,
                index,
                f"{lower} protects from end to end, and stands below {name}: "
                f"the first device that rewrites the header of {name} would break it.",
                field="R4",
                wanted=f"above {layers[pattern].name}",
                got=f"below {layers[pattern].name}",
                mend=f"Put {lower} above {name}.",
            )


def _transport_above(layers: Layers, index: int) -> StackError:
    spec, below = layers[index], layers[index + 1]
    others = [title(entry) for entry in layers if entry.kind is Kind.TRANSPORT]
    if len(others) > 1:
        message = f"A stack has one transport, and this one has {len(others)}: {', '.join(others)}."
        mend = f"Take {title(spec)} away."
    else:
        message = f"{title(spec)} is a transport, and stands above {title(below)}."
        mend = f"Put {title(spec)} at the bottom: the transport comes last."
    return refuse(
        layers,
        index,
        message,
        field="R1",
        wanted="one transport, at the bottom",
        got=f"above {below.name}",
        mend=mend,
    )


def _above_pattern(layers: Layers, index: int) -> None:
    """R4 for the layers above the pattern at ``index``."""
    pattern = layers[index]
    for place, spec in enumerate(layers[:index]):
        name, top = title(pattern), title(spec)
        if spec.kind is Kind.PATTERN:
            message = f"A stack has one pattern, and this one has two: {top} and {name}."
            mend = f"Take {top} away, or join two sockets by a device."
        elif spec.kind is not Kind.FILTER:
            message = f"{top} talks to one peer, and stands above {name}, which has many."
            mend = f"Put {top} below {name}."
        elif spec.placement is Placement.HOP:
            message = f"{top} works from hop to hop, and stands above {name}, whose header it would leave open."
            mend = f"Put {top} below {name}."
        else:
            continue
        raise refuse(
            layers,
            place,
            message,
            field="R4",
            wanted="an end filter of messages",
            got=f"{spec.kind.value} ({spec.placement.value})",
            mend=mend,
        )


def _above_mux(layers: Layers, index: int) -> None:
    """Nothing stands on a mux but what asks for one."""
    spec, mux = layers[index - 1], layers[index]
    if any(demand.unit is Unit.MUX for demand in spec.requires):
        return
    wanted = spec.requires[0].unit if spec.requires else None
    raise refuse(
        layers,
        index - 1,
        f"{title(spec)} needs one connection below, and {title(mux)} gives many streams.",
        field="unit",
        wanted=(wanted or Unit.STREAM).value,
        got=Unit.MUX.value,
        mend=f"Put {title(spec)} on a stream of the session: {title(spec)} | session.stream().",
        set_by=index,
        notes="unit=mux",
    )


# What needs the records.


def fold(layers: Layers) -> tuple[Capabilities, ...]:
    """The records above the layers of a whole stack, top first, without the lint.

    Raises:
        StackError: a rule is broken.
    """
    return _fold(layers, _passes)


def _fold(layers: Layers, passes: Passes | None) -> tuple[Capabilities, ...]:
    _arranged(layers)
    below = layers[-1].derive(_NOTHING)
    records = [below]
    for index in range(len(layers) - 2, -1, -1):
        spec = layers[index]
        demands = _demands(spec, below)
        if demands and not any(_meets(below, demand) for demand in demands):
            raise unmet(layers, index, records, demands, passes)
        above = spec.derive(below)
        for rule in _RULES:
            fault = rule(spec, below, above)
            if fault is not None:
                field, wanted, got, message, mend = fault
                raise refuse(layers, index, message, field=field, wanted=wanted, got=got, mend=mend)
        records.append(above)
        below = above
    records.reverse()
    return tuple(records)


def _meets(record: Capabilities, demand: Requirement) -> bool:
    return next(demand.shortfalls(record), None) is None


def _demands(spec: LayerSpec, below: Capabilities) -> tuple[Requirement, ...]:
    """What the layer requires (R2), with what follows from its other declarations (R5, R6, R11)."""
    implied: dict[str, object] = {}
    if spec.kind is Kind.SESSION and not below.session and not spec.establishes:
        implied["session"] = True
    whole = below.reliable and below.ordered is Ordered.TOTAL and below.nodup
    if spec.stateful and not whole:
        implied.update(reliable=True, ordered=Ordered.TOTAL, nodup=True)
    if not below.any_bytes and (spec.kind in _WRITERS or spec.header_over(below)):
        implied["any_bytes"] = True
    if not implied:
        return spec.requires
    return tuple(replace(demand, **implied) for demand in spec.requires or (Requirement(),))  # type: ignore[arg-type]


Fault = tuple[str, str, str, str, str | None]
"""Field or rule, what is wanted, what there is, a sentence, a mend."""


def _keeps_unit(spec: LayerSpec, below: Capabilities, above: Capabilities) -> Fault | None:
    """R3. A session or a repair may pick one peer's units out of datagrams."""
    if above.unit is below.unit or spec.kind in _CONVERTERS:
        return None
    if spec.kind in (Kind.SESSION, Kind.REPAIR) and below.unit is Unit.DATAGRAM:
        return None
    kinds = f"{below.unit.value} into {above.unit.value}"
    return (
        "R3",
        f"unit={below.unit.value}",
        f"unit={above.unit.value}",
        f"{title(spec)} is a {spec.kind.value} and turns {kinds}, which only framers do.",
        f"Declare {title(spec)} as a framer or a deframer.",
    )


def _leaves_room(spec: LayerSpec, below: Capabilities, above: Capabilities) -> Fault | None:
    """R7."""
    added = above.head - below.head + above.tail - below.tail
    if above.max_unit < 1:
        return (
            "max_unit",
            "1",
            str(above.max_unit),
            f"{title(spec)} adds {added} bytes to each unit, and what stands below carries at most {below.max_unit}.",
            f"Take {title(spec)} away, or put it over something with larger units.",
        )
    keeps = spec.kind is Kind.FILTER or spec.kind is Kind.SESSION
    if keeps and below.unit is Unit.MESSAGE and below.max_unit < UNLIMITED:
        fits = below.max_unit - added
        if above.max_unit > fits:
            return (
                "R7",
                f"max_unit={fits}",
                f"max_unit={above.max_unit}",
                f"{title(spec)} promises units of {above.max_unit} bytes, and only {fits} fit below.",
                f"Derive the limit of {title(spec)} from the record below.",
            )
    return None


def _can_end(spec: LayerSpec, below: Capabilities, above: Capabilities) -> Fault | None:
    """R8."""
    if spec.kind is not Kind.SWITCH or "detach" in above.features:
        return None
    return (
        "R8",
        "detach",
        "none",
        f"{title(spec)} switches to another layer, and has no end that both sides can see.",
        f"Give {title(spec)} an ending, and declare the feature detach.",
    )


def _repairs_something(spec: LayerSpec, below: Capabilities, above: Capabilities) -> Fault | None:
    """R10, the case that never works well: two layers that send the same bytes again."""
    if spec.kind is not Kind.REPAIR or not below.reliable or not _repairs(spec, below, "reliable"):
        return None
    return (
        "reliable",
        "no",
        "yes",
        f"{title(spec)} sends again what was lost, and what stands below is reliable already: "
        f"their timers would fight.",
        f"Remove {title(spec)}.",
    )


def _declares_growth(spec: LayerSpec, below: Capabilities, above: Capabilities) -> Fault | None:
    """R11."""
    if spec.expanding or above.head + above.tail > below.head + below.tail:
        return None
    growing = [field.name for field in spec.header_over(below) if not field.size and not field.once]
    if not growing:
        return None
    return (
        "R11",
        "a maximum",
        "none",
        f"{title(spec)} adds a field of varying size ({growing[0]}) to each unit, and no maximum to the record.",
        f"Derive the head and tail of {title(spec)}, or declare it as expanding.",
    )


_RULES: tuple[Callable[[LayerSpec, Capabilities, Capabilities], Fault | None], ...] = (
    _keeps_unit,
    _leaves_room,
    _can_end,
    _repairs_something,
    _declares_growth,
)


# Lint.

_WEAK = {
    "reliable": False,
    "ordered": Ordered.NO,
    "nodup": False,
    "max_unit": 1 << 10,
}
"""The worst that a repair may find below."""


def _repairs(spec: LayerSpec, below: Capabilities, field: str) -> bool:
    """Whether the layer makes this field stronger than it is below, where it can be."""
    weak = below.but(**_WEAK)
    return bool(getattr(spec.derive(weak), field) > getattr(weak, field))


def lint(layers: Layers, records: tuple[Capabilities, ...]) -> list[str]:
    """What works and is probably not meant (R10), a sentence each.

    Args:
        layers: a whole stack, top first.
        records: what :func:`check` gave for it.
    """
    return [finding for rule in _LINT for finding in rule(layers, records)]


def _ciphers(layers: Layers, records: tuple[Capabilities, ...]) -> dict[int, Confidential]:
    """The layers that encrypt, with the scope that each gives by itself."""
    found: dict[int, Confidential] = {}
    if records[0].confidential is Confidential.NO:
        return found
    for index, spec in enumerate(layers[:-1]):
        plain = records[index + 1].but(confidential=Confidential.NO)
        scope = spec.derive(plain).confidential
        if scope is not Confidential.NO:
            found[index] = scope
    return found


def _lint_encryption(layers: Layers, records: tuple[Capabilities, ...]) -> Iterator[str]:
    ciphers = _ciphers(layers, records)
    for index, spec in enumerate(layers):
        if not spec.compresses:
            continue
        name = title(spec)
        for place in ciphers:
            cipher = title(layers[place])
            if place > index:
                yield (
                    f"{name} stands above {cipher}: the size of what is sent tells about its content; "
                    f"do not let strangers mix their bytes with secrets."
                )
            else:
                yield f"{name} stands below {cipher}: what is encrypted does not get smaller; put it above."
    for upper, scope in ciphers.items():
        for lower, other in ciphers.items():
            if upper < lower and scope is other and not _parted(layers[upper:lower]):
                yield (
                    f"{title(layers[upper])} and {title(layers[lower])} encrypt between the same two ends: "
                    f"one of them is enough."
                )


def _parted(layers: Layers) -> bool:
    """Whether what goes through these layers may end somewhere else than what goes below them."""
    return any(spec.kind in (Kind.DEFRAMER, Kind.MUX, Kind.PATTERN) for spec in layers)


def _lint_repairs(layers: Layers, records: tuple[Capabilities, ...]) -> Iterator[str]:
    for index, spec in enumerate(layers):
        if spec.kind is not Kind.REPAIR:
            continue
        below = records[index + 1]
        gains = [field for field in _WEAK if _repairs(spec, below, field)]
        if gains and not any(
            getattr(records[index], field) > getattr(below, field) for field in gains
        ):
            yield (
                f"{title(spec)} stands above {title(layers[index + 1])}, "
                f"which leaves it nothing to do ({', '.join(gains)}): remove it."
            )


def _lint_probes(layers: Layers, records: tuple[Capabilities, ...]) -> Iterator[str]:
    probing = [title(spec) for spec in layers if spec.probes]
    if len(probing) > 1:
        names = " and ".join(probing)
        yield f"{names} each ask a silent peer whether it is alive: one of them is enough."


def _lint_doubts(layers: Layers, records: tuple[Capabilities, ...]) -> Iterator[str]:
    for spec in layers:
        yield from spec.doubts


_LINT: tuple[Callable[[Layers, tuple[Capabilities, ...]], Iterator[str]], ...] = (
    _lint_encryption,
    _lint_repairs,
    _lint_probes,
    _lint_doubts,
)
