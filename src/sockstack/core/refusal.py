"""How a refused stack is reported: the sentence, the picture, and what would mend it.

Nothing here knows a particular layer: sentences are made from the demand and the record, and a mend is suggested only
if the mended stack passes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterator, Sequence
from types import UnionType
from typing import Any

from .capabilities import Capabilities, Duplex, Ordered, Peers, Requirement, Shortfall, Unit
from .errors import StackError
from .spec import Kind, LayerSpec

__all__ = [
    "Passes",
    "need_text",
    "no_layer",
    "picture",
    "refuse",
    "seems_layer",
    "title",
    "unmet",
    "value_text",
]

Layers = tuple[LayerSpec, ...]
Passes = Callable[[Layers], bool]
"""Whether a stack would be accepted."""

_NOUNS = {
    Unit.STREAM: "byte stream",
    Unit.MESSAGE: "messages",
    Unit.FRAMES: "messages of frames",
    Unit.DATAGRAM: "datagrams",
    Unit.MUX: "many streams",
}
_ORDER = {
    Ordered.TOTAL: "ordered",
    Ordered.PER_SENDER: "per-sender ordered",
    Ordered.NO: "unordered",
}
_FEATURES = {
    "alpn": "ALPN",
    "carry": "a handshake that carries data along",
    "channel_binding": "channel binding",
    "datagram_marks": "marks on datagrams",
    "fd_pass": "descriptor passing",
    "peer_cred": "peer credentials",
    "sp": "an SP mapping",
}
# What is demanded, and what there is instead. Fields that are not here are told by name and value.
_CLAUSES = {
    "peers": ("from {wanted}", "from {got}"),
    "session": ("with a session", "without a session"),
    "nodup": ("without duplicates", "with duplicates"),
    "duplex": ("{wanted}", "{got}"),
    "max_unit": ("of {wanted} bytes or more", "of at most {got} bytes"),
    "empty_unit": ("that may be empty", "that may not be empty"),
    "any_bytes": ("of any bytes", "that cannot hold every byte"),
    "scope": ("within {wanted}", "within {got}"),
    "features": ("with {wanted}", "without {got}"),
}
_WORDS: dict[str, dict[Any, str]] = {
    "peers": {Peers.ONE: "one peer", Peers.MANY: "many peers", Peers.GROUP: "a group"},
    "duplex": {
        Duplex.BOTH: "in both directions",
        Duplex.IN: "inwards only",
        Duplex.OUT: "outwards only",
    },
}
_MAKES = {Kind.FRAMER: Unit.MESSAGE, Kind.DEFRAMER: Unit.STREAM}
_NOT_CLAUSES = frozenset({"unit", "reliable", "ordered"})


def title(spec: LayerSpec) -> str:
    """How sentences and pictures name a layer."""
    return type(spec).__name__


def value_text(value: Any) -> str:
    """A field's value in one word."""
    if value is True or value is False:
        return "yes" if value else "no"
    if isinstance(value, enum.IntEnum):
        return str(value)
    if isinstance(value, enum.Flag):
        return str(value.name).lower()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, frozenset):
        return ",".join(sorted(map(value_text, value))) or "none"
    return str(value)


def picture(layers: Sequence[LayerSpec], marked: int = -1, notes: str = "") -> str:
    """The stack as a tree, with ``notes`` and an arrow at the layer with the index ``marked``."""
    lines = []
    for index, spec in enumerate(layers):
        branch = "   " * (index - 1) + "└─ " if index else ""
        line = f"  {branch}{title(spec)}"
        if index == marked:
            line += f"   {notes}   ← here" if notes else "   ← here"
        lines.append(line)
    return "\n".join(lines)


def refuse(
    layers: Layers,
    index: int,
    message: str,
    *,
    field: str,
    wanted: str,
    got: str,
    mend: str | None,
    set_by: int | None = None,
    notes: str = "",
) -> StackError:
    """The error for the layer at ``index``; ``set_by`` is the index of the layer that is to blame for the field."""
    return StackError(
        message,
        layer=layers[index].name,
        field=field,
        wanted=wanted,
        got=got,
        set_by=None if set_by is None else layers[set_by].name,
        mend=mend,
        picture=picture(layers, index if set_by is None else set_by, notes),
    )


def unmet(
    layers: Layers,
    index: int,
    records: Sequence[Capabilities],
    demands: Sequence[Requirement],
    passes: Passes | None,
) -> StackError:
    """The error for a layer none of whose demands holds.

    Args:
        layers: the stack, top first.
        index: the layer.
        records: the records above the layers below it, the transport's first.
        demands: its demands, the implied ones included.
        passes: tells whether a mended stack would do; without it no mend is looked for.
    """
    record = records[-1]
    demand, faults = min(
        ((demand, tuple(demand.shortfalls(record))) for demand in demands),
        key=lambda entry: (entry[1][0].field == "unit", len(entry[1])),
    )
    first = faults[0]
    blamed = _set_by(layers, records, first)
    here = [fault for fault in faults if _set_by(layers, records, fault) == blamed]
    spec = layers[index]
    failing = {fault.field for fault in here} - _NOT_CLAUSES
    return refuse(
        layers,
        index,
        f"{title(spec)} needs {_demanded(demand, record.unit, failing)} below, "
        f"and {title(layers[blamed])} gives {_found(here, record)}.",
        field=first.field,
        wanted=value_text(first.wanted),
        got=value_text(first.got),
        mend=None if passes is None else _mend(layers, index, record, faults, blamed, passes),
        set_by=blamed,
        notes=" ".join(_note(fault) for fault in here),
    )


def _note(fault: Shortfall) -> str:
    if fault.field == "features":
        return " ".join(f"{name}=no" for name in sorted(fault.wanted - fault.got))
    return f"{fault.field}={value_text(fault.got)}"


def _set_by(layers: Layers, records: Sequence[Capabilities], fault: Shortfall) -> int:
    """The index of the layer that last changed the field, or took the feature away; else the transport.

    A feature that no layer offers is missing right below.
    """
    values = [getattr(record, fault.field) for record in records]
    if fault.field == "features":
        values = [fault.wanted & value for value in values]
        if not any(values):
            return len(layers) - len(records)
    height = next((i for i in range(len(values) - 1, 0, -1) if values[i] != values[i - 1]), 0)
    return len(layers) - 1 - height


def _noun(unit: Unit, adjectives: Sequence[str], clauses: Sequence[str]) -> str:
    phrase = " ".join(part for part in (", ".join(adjectives), _NOUNS[unit]) if part)
    if unit is Unit.STREAM:
        phrase = f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
    return " ".join((phrase, ", ".join(clauses))) if clauses else phrase


def _clause(side: int, field: str, wanted: Any, got: Any = None) -> str:
    """What is wanted of a field (side 0), or what there is instead (side 1)."""
    label = field.replace("_", "-")
    form = _CLAUSES.get(field, (f"with {label} {{wanted}}", f"with {label} {{got}}"))[side]
    if field == "features":
        lost = wanted - (got or frozenset())
        wanted, got = (
            " and ".join(_FEATURES.get(name, name) for name in sorted(names))
            for names in (wanted, lost)
        )
    words = _WORDS.get(field, {})
    return form.format(
        wanted=words.get(wanted) or value_text(wanted), got=words.get(got) or value_text(got)
    )


def _demanded(demand: Requirement, unit: Unit, fields: Collection[str]) -> str:
    """What is demanded, with the adjectives that belong to it and clauses for these fields."""
    adjectives = [] if demand.ordered is None else [_ORDER[demand.ordered]]
    if demand.reliable:
        adjectives.append("reliable")
    clauses = [_clause(0, name, wanted) for name, wanted in demand.demands if name in fields]
    return _noun(demand.unit or unit, adjectives, clauses)


def need_text(demand: Requirement) -> str:
    """A demand in words."""
    fields = {name for name, _ in demand.demands} - _NOT_CLAUSES
    return _demanded(demand, demand.unit or Unit.STREAM, fields)


def _found(faults: Sequence[Shortfall], record: Capabilities) -> str:
    """What there is, as far as it fails. If it is something else altogether, clauses say no more."""
    failing = {fault.field for fault in faults}
    adjectives = ["unreliable"] if "reliable" in failing else []
    if "ordered" in failing:
        adjectives.append(_ORDER[record.ordered])
    clauses = [
        _clause(1, fault.field, fault.wanted, fault.got)
        for fault in faults
        if fault.field not in _NOT_CLAUSES and "unit" not in failing
    ]
    return _noun(record.unit, adjectives, clauses)


def _mend(
    layers: Layers,
    index: int,
    record: Capabilities,
    faults: Sequence[Shortfall],
    blamed: int,
    passes: Passes,
) -> str | None:
    """What the layer itself says; else the first mend after which the whole stack passes."""
    spec = layers[index]
    for fault in faults:
        if fault.field in spec.mends:
            return spec.mends[fault.field].format(layer=title(spec), below=title(layers[blamed]))
    for sentence, mended in _candidates(layers, index, record):
        if passes(mended):
            return sentence
    return None


def _candidates(layers: Layers, index: int, record: Capabilities) -> Iterator[tuple[str, Layers]]:
    """Sentences, with the stack that would come of each."""
    from .text import parse

    above, spec, below, rest = layers[:index], layers[index], layers[index + 1], layers[index + 2 :]
    name, lower = title(spec), title(below)
    if _MAKES.get(spec.kind) is record.unit:
        noun = _noun(record.unit, (), ())
        yield f"Remove {name}: {lower} gives {noun} already.", (*above, below, *rest)
    # A mapping is of use to a pattern only.
    mapped = any(known.kind is Kind.PATTERN for known in layers[: index + 1])
    fresh = parse("sp | prefix" if mapped else "prefix").layers
    for known in fresh:
        if type(known) is not type(spec):
            sentence = f"Put {title(known)}() between {name} and {lower}."
            yield sentence, (*above, spec, known, below, *rest)
    for place, framer in enumerate(layers[index:], index):
        for known in fresh:
            if framer.kind is Kind.FRAMER and type(known) is not type(framer):
                sentence = f"Put {title(known)}() in the place of {title(framer)}."
                yield sentence, (*layers[:place], known, *layers[place + 1 :])
    if above:
        sentence = f"Put {name} above {title(above[-1])}."
        yield sentence, (*above[:-1], spec, above[-1], below, *rest)
    if below.kind is not Kind.TRANSPORT:
        yield f"Put {name} below {lower}.", (*above, below, spec, *rest)
        sentence = f"Remove {lower}: {name} can stand on {title(rest[0])}."
        yield sentence, (*above, spec, *rest)
    tcp = parse("tcp(localhost:1)").layers[0]
    if type(layers[-1]) is not type(tcp):
        yield f"Put {name} over Tcp.", (*layers[:-1], tcp)


# What is no layer at all.


def seems_layer(thing: object) -> bool:
    """Whether somebody may take this for a layer: a class of layers, several joined by ``|``, or a text."""
    if isinstance(thing, UnionType):
        return all(map(seems_layer, thing.__args__))
    return isinstance(thing, str) or (isinstance(thing, type) and issubclass(thing, LayerSpec))


def no_layer(thing: object) -> TypeError:
    """The error for what is neither a layer nor a stack, with what to write in its place."""
    shown, hint = repr(thing), ""
    if isinstance(thing, str):
        if "://" in thing:
            hint = f": a URL is for a socket, Socket(Req(), dial={thing!r}); here write Prefix() | Tcp(…)"
        else:
            hint = f": a text of layers is read by parse({thing!r})"
    elif seems_layer(thing):
        classes = thing.__args__ if isinstance(thing, UnionType) else (thing,)
        shown = " | ".join(known.__name__ for known in classes)
        hint = f", but a class: write {' | '.join(map(_call, classes))}"
    return TypeError(f"{shown} is neither a layer nor a stack{hint}")


def _call(known: Any) -> str:
    """How a layer of this class is made."""
    from .options import options_of

    needed = any(option.needed for option in options_of(known).values())
    return f"{known.__name__}({'…' if needed else ''})"
