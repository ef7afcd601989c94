"""Stacks as text: what ``str`` prints, what commands and configuration files read, and URLs.

The text of a stack is its layers, top first, with those options that are not at their defaults; the first option of a
layer is written without its name::

    sign(keyfile=k) | req | sp | tcp(127.0.0.1:5555)

Values are numbers, ``true``, ``false``, ``none``, words, quoted text (``"a b"``, with the escapes of Python), bytes
(``b"\\x00"``) and tuples (``(h2, http/1.1)``). A word is read as what the option takes: ``tcp(5555)`` is an address,
``prefix(4)`` a number. Where only one meaning is left, other ways to write it are read too: ``yes``, ``no``, ``on`` and
``off``, whole numbers as ``0x1f``, ``1_000_000`` or ``64KiB``, and octal digits with or without ``0o`` if the option is
the mode of a file. :func:`parse` gives back the stack that was printed, unless it holds a secret (``***``) or a
live object (``<socket>``); both are refused.

A URL is shorthand for the connection part of a stack: ``[layer+…]transport://where[?layer.option=value&…]``, the layers
top first. What stands in ``where`` is the first option of the transport.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any

from .errors import StackError
from .options import Option, options_of
from .registry import did_you_mean, layer_class, scheme_for, scheme_named
from .spec import Kind, LayerSpec, Stack

__all__ = ["format_stack", "parse", "parse_url", "url_of"]

# Options and their values.

_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE)
_KEY = re.compile(r"([A-Za-z_]\w*)\s*=")
_BARE = re.compile(r"""[^\s,()|"'=<>\\]+""")
_QUOTED = re.compile(r"""(b?)(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None}
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_SIZE = re.compile(r"(\d+)([KMG])iB")
_SHIFTS = {"K": 10, "M": 20, "G": 30}
_HIDDEN = "***"


def _first(options: Mapping[str, Option]) -> str | None:
    """The option that needs no name."""
    return next((name for name, option in options.items() if not option.field.kw_only), None)


def _read_word(word: str, option: Option | None) -> Any:
    """The value of an unquoted word, for this option; None: for what may be anything."""
    takes = option.takes if option is not None else frozenset()
    if takes & {str, bytes} and not takes & {int, float, bool}:
        if word == "none" and NoneType in takes:
            return None
        return word if str in takes else word.encode()
    if bool in takes and word.lower() in _SWITCHES:
        return _SWITCHES[word.lower()]
    if word in _WORDS:
        return _WORDS[word]
    size = _SIZE.fullmatch(word)
    if size is not None and int in takes:
        return int(size[1]) << _SHIFTS[size[2]]
    for number in (_octal,) if option is not None and option.octal else (int, _based, float):
        try:
            return number(word)
        except ValueError:
            pass
    return word


def _based(word: str) -> int:
    """A whole number that says its base: ``0x1f``."""
    return int(word, 0)


def _octal(word: str) -> int:
    """A number in octal digits, with or without ``0o``."""
    return int(word, 8)


def _write(value: Any, option: Option | None) -> str:
    """The text of a value, for this option."""
    if value is None or value is True or value is False:
        return str(value).lower()
    kind = type(value)
    if kind is int and option is not None and option.octal:
        return f"{value:#o}"
    if kind is int or kind is float:
        return repr(value)
    if kind is tuple:
        return f"({', '.join(_write(entry, None) for entry in value)})"
    if kind is str or kind is bytes:
        text = value if kind is str else value.decode("latin-1")
        plain = str.isprintable if kind is str else _is_plain_ascii
        if _BARE.fullmatch(text) and all(map(plain, text)) and text != _HIDDEN:
            word = _read_word(text, option)
            if type(word) is kind and word == value:
                return str(text)
        return ("" if kind is str else "b") + _quote(text, plain)
    return f"<{kind.__name__.lower()}>"


def _is_plain_ascii(char: str) -> bool:
    return " " <= char <= "~"


def _quote(text: str, plain: Callable[[str], bool]) -> str:
    out = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif plain(char):
            out.append(char)
        elif code < 0x100:
            out.append(f"\\x{code:02x}")
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return f'"{"".join(out)}"'


def _unquote(text: str) -> str:
    def char(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(char, text)


def format_stack(layers: Sequence[LayerSpec]) -> str:
    """The layers as text, top first. Secrets and live objects are not in it."""
    return " | ".join(map(_format_layer, layers))


def _format_layer(spec: LayerSpec) -> str:
    options = options_of(type(spec))
    first = _first(options)
    parts = []
    for name, option in options.items():
        value = getattr(spec, name)
        default = option.field.default
        if option.field.default_factory is not dataclasses.MISSING:
            default = option.field.default_factory()
        if value is default or (type(value) is type(default) and value == default):
            continue
        if option.variadic:
            parts += [_write(entry, option) for entry in value]
            continue
        text = _HIDDEN if name in spec.secrets else _write(value, option)
        parts.append(text if name == first else f"{name}={text}")
    return f"{spec.name}({', '.join(parts)})" if parts else spec.name


# Reading.


class _Reader:
    """A text and a place in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pos = 0

    def fail(self, what: str, mend: str | None = None, at: int | None = None) -> StackError:
        """The error that ``what`` is wrong, here or at ``at``."""
        place = self._pos if at is None else at
        shown = self._text.replace("\n", " ")
        return StackError(
            f"cannot read the stack: {what}",
            field="text",
            mend=mend,
            picture=f"  {shown}\n  {' ' * place}^",
        )

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Take what matches here, and the blanks around it."""
        found = pattern.match(self._text, self._skip())
        if found is not None:
            self._pos = found.end()
            self._skip()
        return found

    def take(self, char: str) -> bool:
        """Take this character, if it comes next."""
        if self._text.startswith(char, self._skip()):
            self._pos += len(char)
            self._skip()
            return True
        return False

    def _skip(self) -> int:
        while self._pos < len(self._text) and self._text[self._pos].isspace():
            self._pos += 1
        return self._pos

    def layers(self) -> Iterator[LayerSpec]:
        """All layers up to the end of the text."""
        while True:
            yield self._layer()
            if not self.take("|"):
                break
        if self._pos < len(self._text):
            raise self.fail("expected | or the end")

    def _layer(self) -> LayerSpec:
        start = self._skip()
        name = self.match(_NAME)
        if name is None:
            raise self.fail("expected the name of a layer")
        try:
            spec_class = layer_class(name[0].lower())
        except StackError as error:
            raise self.fail(error.message, error.mend, start) from None
        if self._text.startswith("://", self._pos):
            raise self.fail(
                "this is a URL", "Give it where a URL is taken, or write tcp(host:port).", start
            )
        values: dict[str, Any] = {}
        if self.take("(") and not self.take(")"):
            self._arguments(spec_class, values)
        try:
            return _make(spec_class, values)
        except StackError as error:
            if error.layer is None:
                raise self.fail(error.message, error.mend, start) from None
            raise

    def _arguments(self, spec_class: type[LayerSpec], values: dict[str, Any]) -> None:
        options = options_of(spec_class)
        first = _first(options)
        while True:
            start = self._skip()
            key = self.match(_KEY)
            name = first if key is None else key[1]
            many = key is None and first is not None and options[first].variadic
            if name is None or (key is None and set(values) - ({first} if many else set())):
                raise self.fail("expected name=value: only the first option goes without its name")
            if name not in options:
                raise self.fail(
                    f"{spec_class.name} has no option {name}", did_you_mean(name, options), start
                )
            if not many and options[name].variadic:
                raise self.fail(f"{name} are given without their name", None, start)
            if name in values and not many:
                raise self.fail(f"{name} is given twice", None, start)
            value = self.value(options[name])
            values[name] = (*values.get(name, ()), value) if many else value
            if self.take(")"):
                return
            if not self.take(","):
                raise self.fail("expected , or )")

    def only_value(self, option: Option) -> Any:
        """The one value that the text holds."""
        value = self.value(option)
        if self._pos < len(self._text):
            raise self.fail("expected the end; quote what holds blanks or signs")
        return value

    def value(self, option: Option | None) -> Any:
        """One value, for this option; None: for what may be anything."""
        start = self._skip()
        quoted = self.match(_QUOTED)
        if quoted is not None:
            text = _unquote(quoted[2] if quoted[2] is not None else quoted[3])
            if not quoted[1]:
                only_bytes = option is not None and option.takes == {bytes}
                return text.encode() if only_bytes else text
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError:
                raise self.fail("bytes hold characters above \\xff", None, start) from None
        if self.take("("):
            entries: list[Any] = []
            while not self.take(")"):
                entries.append(self.value(None))
                if not self.take(",") and not self._text.startswith(")", self._pos):
                    raise self.fail("expected , or )")
            return tuple(entries)
        if self.take("<"):
            raise self.fail(
                "an object of a program cannot be read from text",
                "Compose this stack in Python.",
                start,
            )
        word = self.match(_BARE)
        if word is None:
            raise self.fail("expected a value")
        if word[0] == _HIDDEN:
            raise self.fail(
                "a secret is not in the text",
                "Name the file that holds it, or compose this stack in Python.",
                start,
            )
        return _read_word(word[0], option)


def _make(spec_class: type[LayerSpec], values: Mapping[str, Any]) -> LayerSpec:
    """A layer with these options; what is wrong with them is a :class:`StackError`."""
    options = options_of(spec_class)
    missing = [name for name, option in options.items() if option.needed and name not in values]
    if missing:
        raise StackError(f"{spec_class.name} needs {' and '.join(missing)}", field=missing[0])
    listed = next((name for name in values if options[name].variadic), None)
    try:
        if listed is not None:
            named = {name: value for name, value in values.items() if name != listed}
            return spec_class(*values[listed], **named)
        return spec_class(**values)
    except StackError:
        raise
    except (TypeError, ValueError) as error:
        raise StackError(f"{spec_class.name} does not take that: {error}") from error


def parse(text: str) -> Stack[Any, Any]:
    """The stack that a text describes, checked.

    Raises:
        StackError: the text cannot be read (``picture`` points at the place), it names an unknown layer or option, or
            the stack is refused.
    """
    return Stack(tuple(_Reader(text).layers()))


_URL = re.compile(r"([A-Za-z0-9_.+-]+)://([^?]*)(?:\?(.*))?", re.DOTALL)


def parse_url(url: str, mapping: LayerSpec | None = None) -> Stack[Any, Any]:
    """The layers that a URL stands for, checked.

    Args:
        url: ``[layer+…]transport://where[?layer.option=value&…]``. Values are percent-decoded, and so are abstract
            names; any other ``where`` is taken as it is, but for a slash that ends the port of ``tcp://``.
        mapping: what the pattern's family puts on top (``Sp()``), unless the URL names that layer itself.

    Raises:
        StackError: it is no URL, it names an unknown layer, scheme or option, or the stack is refused.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise StackError(
            f"{url!r} is no URL",
            field="url",
            mend="Write transport://where, for example tcp://127.0.0.1:5555.",
        )
    *names, scheme = found[1].lower().split("+")
    known = scheme_named(scheme)
    transport = known.transport
    classes = {name: layer_class(name) for name in (*names, transport)}
    if len(classes) <= len(names):
        raise StackError(f"{url!r} names a layer twice", field="url")
    values: dict[str, dict[str, Any]] = {name: {} for name in classes}
    options = options_of(classes[transport])
    first = _first(options)
    if first is None:
        raise StackError(f"{url!r}: {transport} has no address", field="url")
    try:
        where = known.read(found[2])
    except ValueError as error:
        raise StackError(f"{url!r}: {error}", field="url") from None
    values[transport] = {**known.options, first: _read_word(where, options[first])}
    if mapping is not None and mapping.name not in classes:
        classes = {mapping.name: type(mapping), **classes}
        values[mapping.name] = {name: getattr(mapping, name) for name in options_of(type(mapping))}
    for name, option, value in _query(url, found[3]):
        if name not in classes:
            raise StackError(
                f"{url!r} holds an option of {name}, which it does not name",
                field="url",
                mend=did_you_mean(name, classes),
            )
        options = options_of(classes[name])
        if option not in options:
            raise StackError(
                f"{url!r}: {name} has no option {option!r}",
                field="url",
                mend=did_you_mean(option, options),
            )
        values[name][option] = _Reader(value).only_value(options[option])
    return Stack(tuple(_make(spec_class, values[name]) for name, spec_class in classes.items()))


def _query(url: str, query: str | None) -> Iterator[tuple[str, str, str]]:
    """Layer, option and value of each part of a query."""
    if not query:
        return
    from urllib.parse import unquote

    for part in query.split("&"):
        key, equals, value = part.partition("=")
        name, dot, option = unquote(key).partition(".")
        if not equals or not dot:
            raise StackError(f"{url!r}: {part!r} is not layer.option=value", field="url")
        yield name.lower(), option, unquote(value)


def url_of(layers: Sequence[LayerSpec], where: str) -> str:
    """The URL of an address, for those who dial it: the layers' names and the place, without options or the mapping.

    A layer that needs an option to be dialled (a certificate's authority, say) needs it there, too.

    Raises:
        StackError: no scheme stands for the transport.
    """
    name, scheme = scheme_for(layers[-1])
    names = [spec.name for spec in layers[:-1] if spec.kind is not Kind.MAPPING]
    return f"{'+'.join((*names, name))}://{scheme.write(where)}"
