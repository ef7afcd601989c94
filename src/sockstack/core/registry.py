"""Layers by their names, and transports by the schemes of their URLs.

A name is looked up among the layers of this package, among those that a program has registered, and then among those
that installed packages announce: as entry points of the group ``sockstack.layers``, each called like its layer.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import StackError
from .spec import Kind, LayerSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

__all__ = ["Scheme", "did_you_mean", "layer_class", "register", "scheme_for", "scheme_named"]

GROUP = "sockstack.layers"
"""Entry points that are layers."""

_CLASSES: dict[str, str | type[LayerSpec]] = {
    "bus": "sockstack.patterns.bus:Bus",
    "checksum": "sockstack.layers.checksum:Checksum",
    "compress": "sockstack.layers.compress:Compress",
    "fd": "sockstack.transports.fd:Fd",
    "inproc": "sockstack.transports.inproc:Inproc",
    "line": "sockstack.layers.line:Line",
    "pair0": "sockstack.patterns.pair:Pair0",
    "pair1": "sockstack.patterns.pair:Pair1",
    "prefix": "sockstack.layers.prefix:Prefix",
    "pub": "sockstack.patterns.pubsub:Pub",
    "pull": "sockstack.patterns.pipeline:Pull",
    "push": "sockstack.patterns.pipeline:Push",
    "rep": "sockstack.patterns.reqrep:Rep",
    "req": "sockstack.patterns.reqrep:Req",
    "respondent": "sockstack.patterns.survey:Respondent",
    "sp": "sockstack.layers.sp:Sp",
    "star": "sockstack.patterns.star:Star",
    "sub": "sockstack.patterns.pubsub:Sub",
    "surveyor": "sockstack.patterns.survey:Surveyor",
    "tcp": "sockstack.transports.tcp:Tcp",
    "tls": "sockstack.layers.tls:Tls",
    "trace": "sockstack.layers.trace:Trace",
    "unix": "sockstack.transports.unix:Unix",
}
"""Layers by name, imported when they are first asked for."""


def _read_host(where: str) -> str:
    """A host and a port, after which many write the slash of an empty path."""
    return where.removesuffix("/")


def _percent_decode(where: str) -> str:
    """A name of any octets; those that are no text are as :func:`os.fsdecode` has them."""
    from urllib.parse import unquote_to_bytes

    if re.search("%(?![0-9A-Fa-f]{2})", where):
        raise ValueError("a % stands before two hexadecimal digits; the sign itself is %25")
    return os.fsdecode(unquote_to_bytes(os.fsencode(where)))


def _percent_encode(where: str) -> str:
    from urllib.parse import quote

    return quote(os.fsencode(where))


@dataclass(frozen=True)
class Scheme:
    """What the last part of a URL's scheme stands for.

    Attributes:
        transport: the name of the layer.
        options: those that go with the scheme.
        read: makes an address of what stands behind ``://``; raises ValueError.
        write: the other way round.
    """

    transport: str
    options: Mapping[str, Any] = field(default_factory=dict)
    read: Callable[[str], str] = str
    write: Callable[[str], str] = str


_SCHEMES: dict[str, Scheme] = {
    "abstract": Scheme("unix", {"abstract": True}, _percent_decode, _percent_encode),
    "fd": Scheme("fd"),
    "inproc": Scheme("inproc"),
    "ipc": Scheme("unix"),
    "tcp": Scheme("tcp", read=_read_host),
    "tcp4": Scheme("tcp", {"family": "ipv4"}, _read_host),
    "tcp6": Scheme("tcp", {"family": "ipv6"}, _read_host),
    "unix": Scheme("unix"),
}
"""Schemes by name. Of those that fit a transport as well as each other, the first one is its URL's."""


def register(spec_class: type[LayerSpec], *schemes: str) -> None:
    """Make a layer known by its name, so that texts and URLs can hold it.

    Args:
        spec_class: a frozen dataclass with a ``name`` of its own.
        schemes: for a transport, the URL schemes that it answers to.

    Raises:
        ValueError: another layer has that name, or one of the schemes.
    """
    name = spec_class.name
    known = _CLASSES.get(name, spec_class)
    if known not in (spec_class, f"{spec_class.__module__}:{spec_class.__qualname__}"):
        raise ValueError(f"the name {name} is taken by {known}")
    for scheme in schemes:
        if scheme in _SCHEMES and _SCHEMES[scheme].transport != name:
            raise ValueError(f"the scheme {scheme} is taken by {_SCHEMES[scheme].transport}")
    _CLASSES[name] = spec_class
    for scheme in schemes:
        _SCHEMES.setdefault(scheme, Scheme(name))


def layer_class(name: str) -> type[LayerSpec]:
    """The spec class of a name.

    Raises:
        StackError: no layer is called so, or it cannot be loaded.
    """
    if name not in _CLASSES:
        _load_installed(name)
    known = _CLASSES.get(name)
    if known is None:
        raise StackError(
            f"there is no layer {name!r}",
            field="name",
            mend=did_you_mean(name, _CLASSES.keys() | _installed().names),
        )
    if isinstance(known, str):
        module, _, attribute = known.partition(":")
        try:
            known = getattr(importlib.import_module(module), attribute)
        except ImportError as error:
            raise StackError(f"the layer {name} cannot be loaded: {error}", layer=name) from error
        assert isinstance(known, type)
        _CLASSES[name] = known
    return known


def scheme_named(name: str) -> Scheme:
    """What a URL's scheme stands for.

    Raises:
        StackError: no transport answers to it, or it cannot be loaded.
    """
    if name not in _SCHEMES:
        _load_installed(name)
    known = _SCHEMES.get(name)
    if known is None:
        others = _installed().names - _CLASSES.keys()  # what is loaded would have its scheme
        raise StackError(
            f"there is no transport {name!r}",
            field="url",
            mend=did_you_mean(name, _SCHEMES.keys() | others),
        )
    return known


def scheme_for(transport: LayerSpec) -> tuple[str, Scheme]:
    """The scheme that says most about a transport, and its name.

    Raises:
        StackError: there is none.
    """
    name = transport.name
    if name not in _CLASSES:
        _load_installed(name)
    fitting = [
        entry
        for entry in _SCHEMES.items()
        if entry[1].transport == name
        and all(getattr(transport, key) == value for key, value in entry[1].options.items())
    ]
    if not fitting:
        raise StackError(f"there is no URL for {name}", layer=name, field="url")
    return max(fitting, key=lambda entry: len(entry[1].options))


def _installed() -> EntryPoints:
    """The layers that installed packages announce."""
    from importlib.metadata import entry_points  # here, because it imports much and is rarely used

    return entry_points(group=GROUP)


def _load_installed(name: str) -> None:
    """Register the layer that an installed package announces by this name, if one does."""
    points = {point.value: point for point in _installed().select(name=name)}
    if not points:
        return
    origin = " and ".join(sorted(points))
    if len(points) > 1:
        raise StackError(
            f"several installed packages have a layer {name}: {origin}",
            layer=name,
            mend="Uninstall all but one.",
        )
    try:
        spec_class = points[origin].load()
        if not isinstance(spec_class, type) or not issubclass(spec_class, LayerSpec):
            raise TypeError("it is not the spec of a layer")
        if spec_class.name != name:
            raise ValueError(f"its layer is called {spec_class.name}")
        register(spec_class, *([name] if spec_class.kind is Kind.TRANSPORT else []))
    except Exception as error:  # the code is somebody else's
        raise StackError(
            f"the layer {name} cannot be loaded from {origin}, entry point of an installed package:"
            f" {error}",
            layer=name,
        ) from error


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that names what is like a word; else all that is known."""
    names = sorted(known)
    near = difflib.get_close_matches(word.lower(), names, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Known are {', '.join(names)}." if names else "There are none."
