"""Imports go one way between the rooms of the house, and rooms without I/O import nothing that does any."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sockstack

PACKAGE = "sockstack"
ROOT = Path(sockstack.__file__).parent

TIERS = (
    {"core"},
    {"layers", "patterns", "mux", "zmtp"},
    {"transports"},
    {"drivers"},
    {"gateway", "vtx"},
    {"cli"},
)
"""A room may import from rooms in tiers before its own, and from itself."""

AS_FROM = {"testing": "gateway"}
"""Rooms outside the tiers, and the room whose place they have: what stands before it may be imported."""

FACE = {"sockstack", "sockstack.asyncio"}
"""What users import; the rooms that stand on the drivers may do the same."""

WITHOUT_IO = TIERS[0] | TIERS[1]
IO = {
    "asyncio",
    "concurrent",
    "http",
    "multiprocessing",
    "queue",
    "random",
    "sched",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "socketserver",
    "subprocess",
    "threading",
    "time",
}


def imports(source: str, package: str) -> Iterator[str]:
    """The modules that a file in ``package`` imports, by absolute name; ``from a import b`` is ``a.b``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level]
            origin = ".".join([*(base if node.level else []), *filter(None, [node.module])])
            for alias in node.names:
                yield f"{origin}.{alias.name}"


def allowed(room: str) -> set[str]:
    """The rooms that ``room`` may import from."""
    place = AS_FROM.get(room, room)
    below: set[str] = {room}
    for tier in TIERS:
        if place in tier:
            return below
        below |= tier
    raise AssertionError(f"{room} has no place in the house: add it to TIERS")


def wrong(source: str, package: str) -> list[str]:
    """Imports of a file in ``package`` that go the wrong way."""
    room = package.split(".")[1]
    rooms = allowed(room)
    found = []
    for module in imports(source, package):
        first, *rest = module.split(".")
        if module in FACE and "drivers" in rooms and room != "drivers":
            continue
        if (first == PACKAGE and (not rest or rest[0] not in rooms)) or (
            room in WITHOUT_IO and first in IO
        ):
            found.append(module)
    return found


FILES = sorted(path for path in ROOT.rglob("*.py") if len(path.relative_to(ROOT).parts) > 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = ".".join([PACKAGE, *path.relative_to(ROOT).parent.parts])
    assert wrong(path.read_text(encoding="utf-8"), package) == []


def test_every_room_has_a_place() -> None:
    for room in {path.relative_to(ROOT).parts[0] for path in FILES}:
        assert "core" in allowed(room)


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("import socket", "sockstack.core", ["socket"]),
        ("import os, time", "sockstack.layers", ["time"]),
        ("from random import random", "sockstack.patterns", ["random.random"]),
        ("def f():\n    import asyncio.events", "sockstack.mux", ["asyncio.events"]),
        ("import socket", "sockstack.transports", []),
        ("from . import spec", "sockstack.core", []),
        ("from ..layers.sp import Sp", "sockstack.core", ["sockstack.layers.sp.Sp"]),
        ("from .. import layers", "sockstack.core", ["sockstack.layers"]),
        ("from .. import Socket", "sockstack.core", ["sockstack.Socket"]),
        ("from ..core import spec", "sockstack.layers", []),
        ("from ...core.life import State", "sockstack.drivers.blocking", []),
        ("from ..aio import x", "sockstack.drivers.blocking", []),
        ("from ..patterns import base", "sockstack.layers", ["sockstack.patterns.base"]),
        ("from sockstack.cli import main", "sockstack.drivers", ["sockstack.cli.main"]),
        ("from sockstack.drivers import x", "sockstack.testing", []),
        ("import sockstack.gateway", "sockstack.testing", ["sockstack.gateway"]),
    ],
)
def test_what_is_found(source: str, package: str, found: list[str]) -> None:
    assert wrong(source, package) == found
