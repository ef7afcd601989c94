"""Names of the library as pages write them: ``Req(resend)`` is an option, ``Socket.dial(wait)`` an argument."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any, get_args, get_type_hints

import sockstack
from sockstack.drivers.endpoints import EndpointOptions
from sockstack.drivers.handles import Dialer, Listener

__all__ = ["REQUIRED", "default_of", "exists", "names_in"]

REQUIRED = "required"
"""Stands for the default of an argument that has none."""


def names_in(cell: str) -> list[str]:
    """The names in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def default_of(name: str) -> object:
    """The default of an option, ``Class(option)``, or of an argument, ``Class.method(argument)``."""
    found = re.fullmatch(r"([\w.]+)\((\w+)\)", name)
    assert found is not None, f"{name} names no option"
    owner, option = _find(found[1]), found[2]
    if dataclasses.is_dataclass(owner):
        defaults: dict[str, Any] = {
            entry.name: entry.default for entry in dataclasses.fields(owner)
        }
        assert option in defaults, name
        return REQUIRED if defaults[option] is dataclasses.MISSING else defaults[option]
    parameters = inspect.signature(owner).parameters
    if option not in parameters:
        (many,) = (p for p in parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD)
        (given,) = get_args(get_type_hints(owner)[many.name])
        assert option in given.__annotations__, name
        return getattr(EndpointOptions(), option)
    default: object = parameters[option].default
    return REQUIRED if default is inspect.Parameter.empty else default


def exists(name: str) -> bool:
    """Whether there is such a class, option, argument, method or attribute."""
    if name.endswith("()"):
        return callable(_find(name[:-2]))
    if name.endswith(")"):
        default_of(name)
        return True
    return _find(name) is not None


def _find(name: str) -> Any:
    """What a dotted name stands for; the class, for an attribute that only instances have."""
    first, *rest = name.split(".")
    known = {"Dialer": Dialer, "Listener": Listener}
    found: Any = known.get(first) or getattr(sockstack, first)
    for part in rest:
        if part in getattr(found, "__dataclass_fields__", ()):
            return found
        found = getattr(found, part)
    return found
