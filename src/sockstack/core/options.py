"""The options of specs: what each one takes, as its annotation says, and whether it was given that.

A spec is a frozen dataclass, and its fields are its options. What their types say is worked out when the first spec of
a class is made. Of a type that cannot be judged (``Any``, a protocol, a name that is imported for type checkers only)
every value is taken.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from reprlib import repr as short
from types import NoneType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NewType, Union, get_args, get_origin
from typing import get_type_hints as resolve_hints

from .errors import StackError

if TYPE_CHECKING:
    from .spec import LayerSpec

__all__ = ["Option", "check_options", "options_of"]


class Option(NamedTuple):
    """One option of a layer.

    Attributes:
        field: of the dataclass. Its ``metadata`` may say ``variadic`` (any number of values, without the option's
            name), ``octal`` (a number that is read and written in octal digits, like the mode of a file), and
            ``wanted`` (in words what it takes, where those made of the annotation say too little).
        takes: those of ``bool``, ``int``, ``float``, ``str``, ``bytes`` and ``None`` that it may be.
        fits: whether it may have this value; None: every value, as far as can be told.
        wanted: what it takes, in words.
    """

    field: dataclasses.Field[Any]
    takes: frozenset[type]
    fits: Callable[[Any], bool] | None
    wanted: str

    @property
    def needed(self) -> bool:
        """It has no default."""
        field = self.field
        return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING

    @property
    def variadic(self) -> bool:
        """It takes any number of values, each without its name."""
        return bool(self.field.metadata.get("variadic"))

    @property
    def octal(self) -> bool:
        """It is read and written in octal digits."""
        return bool(self.field.metadata.get("octal"))


def options_of(spec_class: type[LayerSpec]) -> Mapping[str, Option]:
    """The options of a layer by name, in order."""
    known: Any = spec_class
    return _options(known)


@functools.cache
def _options(known: Any) -> Mapping[str, Option]:
    fields = dataclasses.fields(known) if dataclasses.is_dataclass(known) else ()
    return {field.name: _option(known, field) for field in fields if field.init}


@functools.cache
def _checks(known: Any) -> tuple[tuple[str, Any, Callable[[Any], bool]], ...]:
    """Name, default and test of each option that can be judged. A default is not: its author says that it fits."""
    return tuple(
        (name, option.field.default, option.fits)
        for name, option in _options(known).items()
        if option.fits is not None
    )


def check_options(spec: LayerSpec) -> None:
    """Refuse a value of another type than the annotation of its option.

    An ``int`` is a good ``float``; a ``bool`` is no number, and neither is NaN.

    Raises:
        StackError: with the option as its ``field``.
    """
    known: Any = type(spec)
    for name, default, fits in _checks(known):
        value = getattr(spec, name)
        if value is not default and not fits(value):
            raise _misfit(spec, name, value, fits)


def _misfit(spec: LayerSpec, name: str, value: Any, fits: Callable[[Any], bool]) -> StackError:
    mend = None
    if name in spec.secrets:
        got = f"of the type {type(value).__name__}"
    elif value is None or value is True or value is False:
        got = str(value).lower()
    else:
        got = short(value)
        mend = next((f"Write {short(other)}." for other in _likely(value) if fits(other)), None)
    wanted = options_of(type(spec))[name].wanted
    return StackError(
        f"{spec.name}: {name} is {wanted}, not {got}",
        layer=spec.name,
        field=name,
        wanted=wanted,
        got=got,
        mend=mend,
    )


def _likely(value: Any) -> Iterator[Any]:
    """What may have been meant."""
    if isinstance(value, str) and value.isascii():
        yield value.encode()
    yield tuple(value) if isinstance(value, list) else (value,)


# What annotations say.


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return value == value
    return isinstance(value, int) and not isinstance(value, bool)


Judgement = tuple[Callable[[Any], bool] | None, tuple[str, ...]]
"""A test, and what passes it in words; a test that is None cannot be made."""

_PLAIN: dict[type, Judgement] = {
    bool: (lambda value: isinstance(value, bool), ("true", "false")),
    int: (
        lambda value: isinstance(value, int) and not isinstance(value, bool),
        ("a whole number",),
    ),
    float: (_is_number, ("a number",)),
    str: (lambda value: isinstance(value, str), ("text",)),
    bytes: (lambda value: isinstance(value, bytes), ("bytes",)),
    NoneType: (lambda value: value is None, ("none",)),
}
"""Those that texts of stacks can hold."""

_NAMES = {"Callable": "a function", "PathLike": "a path"}


def _option(spec_class: Any, field: dataclasses.Field[Any]) -> Option:
    home = next(
        base
        for base in reversed(spec_class.__mro__)
        if vars(base).get("__dataclass_fields__", {}).get(field.name) is field
    )
    hints = tuple(_alternatives(*_resolved(field.type, home)))
    fits, words = _any_of(hints)
    if field.metadata.get("variadic"):
        hints = tuple(_alternatives(*(arg for hint in hints for arg in get_args(hint)[:1])))
    takes = {hint for hint in hints if _is_plain(hint)}
    takes |= {type(arg) for hint in hints if get_origin(hint) is Literal for arg in get_args(hint)}
    wanted = field.metadata.get("wanted") or _listed(words)
    return Option(field, frozenset(takes), fits, wanted)


def _resolved(annotation: Any, home: type) -> tuple[Any, ...]:
    """The types that an annotation in the class ``home`` stands for; ``Any`` for those parts that mean nothing."""
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        scope = vars(sys.modules[home.__module__])
        return (resolve_hints(holder, scope, dict(vars(home)))["it"],)
    except Exception:  # the code is somebody else's
        parts = annotation.split(" | ") if isinstance(annotation, str) else []
        if len(parts) < 2:
            return (Any,)
        return tuple(hint for part in parts for hint in _resolved(part, home))


def _alternatives(*hints: Any) -> Iterator[Any]:
    """The types, those of unions one by one."""
    for hint in hints:
        if get_origin(hint) in (Union, UnionType):
            yield from _alternatives(*get_args(hint))
        elif isinstance(hint, NewType):
            yield from _alternatives(hint.__supertype__)
        else:
            yield hint


def _is_plain(hint: Any) -> bool:
    return isinstance(hint, type) and hint in _PLAIN


def _any_of(hints: tuple[Any, ...]) -> Judgement:
    tests, words = zip(*map(_judge, hints), strict=True)
    known = tuple(dict.fromkeys(word for part in words for word in part))
    if None in tests:
        return None, known
    if len(tests) == 1:
        return tests[0], known
    return (lambda value: any(test(value) for test in tests)), known


def _judge(hint: Any) -> Judgement:
    """The test of a type that is no union."""
    if _is_plain(hint):
        return _PLAIN[hint]
    kind, args = get_origin(hint), get_args(hint)
    if kind is Literal:
        words = tuple(arg if isinstance(arg, str) else repr(arg) for arg in args)
        return (lambda value: any(type(value) is type(arg) and value == arg for arg in args)), words
    if kind is None:
        kind = hint
    try:
        isinstance(None, kind)
    except TypeError:  # neither a class nor a protocol that can be asked
        return None, ()
    name = kind.__name__
    name = _NAMES.get(name) or f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"
    if kind is tuple and args and args[-1] is not ...:
        return _row(args, name)
    if args and issubclass(kind, Collection) and (len(args) == 1 or kind is tuple):
        return _entries(kind, args[0], name)
    return (lambda value: isinstance(value, kind)), (name,)


def _row(args: tuple[Any, ...], name: str) -> Judgement:
    """A tuple of certain types."""
    parts = [_any_of(tuple(_alternatives(arg))) for arg in args]

    def fits(value: Any) -> bool:
        return (
            isinstance(value, tuple)
            and len(value) == len(parts)
            and all(
                test is None or test(entry) for (test, _), entry in zip(parts, value, strict=True)
            )
        )

    return fits, (f"{name} ({', '.join(_listed(words) or '…' for _, words in parts)})",)


def _entries(kind: Any, arg: Any, name: str) -> Judgement:
    """Any number of entries of one type."""
    test, words = _any_of(tuple(_alternatives(arg)))
    if test is None:
        return (lambda value: isinstance(value, kind)), (name,)

    def fits(value: Any) -> bool:
        return isinstance(value, kind) and all(map(test, value))

    return fits, (f"{name} ({_listed(words)}, …)",)


def _listed(words: tuple[str, ...]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"
