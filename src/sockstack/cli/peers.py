"""Whom ``sockstack cat`` talks to: addresses as they are given, and the stacks that they stand for."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..core.check import lint
from ..core.errors import StackError
from ..core.spec import LayerSpec, Role, Stack
from ..drivers.socket_core import split_pattern
from ..layers.sp import Sp
from ..layers.tls import Tls
from ..transports.unix import Unix
from .command import Talk, UsageError
from .explain import read_layers

__all__ = ["Peer", "Place", "anywhere", "local_port", "look_at", "read_places", "socket_file"]

RECEIVE_LIMIT = 1 << 20
"""Bytes of the largest message that is taken under a pattern unless told otherwise: what nngcat takes."""


@dataclass(frozen=True)
class Peer:
    """An address on the command line.

    Attributes:
        role: whether it is dialled or listened on.
        where: a URL, the text of a stack, or layers.
    """

    role: Role
    where: str | LayerSpec

    def __str__(self) -> str:
        return str(self.where)


@dataclass(frozen=True)
class Place:
    """A peer, understood.

    Attributes:
        peer: as it was given.
        above: the pattern that its text holds, and the filters above it, top first.
        below: the connection.
    """

    peer: Peer
    above: tuple[LayerSpec, ...]
    below: tuple[LayerSpec, ...]

    @property
    def stack(self) -> Stack[Any, Any]:
        """The connection as a stack."""
        return Stack(self.below)


def anywhere(role: Role) -> Callable[[str], Peer]:
    """Reads a URL or the text of a stack."""
    return lambda text: Peer(role, text)


def local_port(role: Role) -> Callable[[str], Peer]:
    """Reads a TCP port of this machine's loopback address."""

    def port(text: str) -> Peer:
        if not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
            raise argparse.ArgumentTypeError(f"{text!r} is no port")
        return Peer(role, f"tcp://127.0.0.1:{text}")

    return port


def socket_file(role: Role) -> Callable[[str], Peer]:
    """Reads the path of a Unix socket."""

    def path(text: str) -> Peer:
        try:
            return Peer(role, Unix(text))
        except StackError as error:
            raise argparse.ArgumentTypeError(error.message) from None

    return path


def read_places(
    peers: Iterable[Peer],
    pattern: LayerSpec | None,
    max_size: int | None,
    tls: Mapping[str, Any],
) -> list[Place]:
    """What the addresses stand for.

    Args:
        peers: the addresses.
        pattern: the one that an option names, or None.
        max_size: limit of what is taken from a peer, or None for the usual one.
        tls: options for the TLS layers.

    Raises:
        UsageError: options that find no layer to belong to, or a pattern twice.
        StackError: an address cannot be read, or its stack is refused.
    """
    mapping = None if pattern is None else Sp(max_size=max_size or RECEIVE_LIMIT)
    places = []
    for peer in peers:
        if isinstance(peer.where, str):
            layers = read_layers(peer.where, mapping)
        else:
            layers = (peer.where,) if mapping is None else (mapping, peer.where)
        above, below = split_pattern(layers)
        if above and pattern is not None:
            raise UsageError(f"{peer} holds a pattern, and --{pattern.name} is given, too")
        if max_size is not None:
            below = _with(below, Sp, {"max_size": max_size})
        if tls:
            below = _with(below, Tls, tls)
        places.append(Place(peer, above, below))
    everything = [layer for place in places for layer in place.below]
    if tls and not any(isinstance(layer, Tls) for layer in everything):
        raise UsageError("options for TLS are given, and no address has it: write tls+tcp://…")
    if max_size is not None and not any(isinstance(layer, Sp) for layer in everything):
        raise UsageError(
            "--recv-maxsz is for patterns; a layer has its own limit, as in prefix(limit=4096)"
        )
    return places


def look_at(layers: Iterable[LayerSpec], where: object, talk: Talk) -> None:
    """See that these are a whole stack, and say what works in it and is probably not meant.

    Args:
        layers: pattern and connection, top first.
        where: how the address was given.
        talk: told what was found.

    Raises:
        UsageError: there is no transport.
        StackError: the stack is refused.
    """
    whole: Stack[Any, Any] = Stack(tuple(layers))
    if not whole.complete:
        raise UsageError(f"{where} has no transport: end it with one, as in | tcp(host:port)")
    for finding in lint(whole.layers, whole.records):
        talk.warn(finding)


def _with(
    layers: Sequence[LayerSpec], kind: type[Sp | Tls], options: Mapping[str, Any]
) -> tuple[LayerSpec, ...]:
    """The layers, with other options on those of one kind."""
    return tuple(
        replace(layer, **options) if isinstance(layer, kind) else layer for layer in layers
    )
