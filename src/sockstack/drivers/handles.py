"""What a socket gives for each address it dials or listens on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Generic, TypeAlias, TypeVar

from ..core.errors import SockstackError
from .endpoints import DialerCore, Endpoint, EndpointStats, ListenerCore

__all__ = ["Dialer", "Listener"]

Lock: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Gives the lock of the hub: a forked child has another."""

E = TypeVar("E", bound=Endpoint)


class Handle(Generic[E]):
    """One address of a socket. Two handles of one address are equal."""

    def __init__(self, core: E, lock: Lock = nullcontext) -> None:
        self._core = core
        self._lock = lock

    @property
    def address(self) -> str:
        """Where it dials; or where it listens, with the real port, as text that a transport takes to dial it."""
        return self._core.address

    @property
    def error(self) -> SockstackError | None:
        """Why the last attempt to connect failed, or why nobody can be accepted at the moment; None if all is well."""
        return self._core.error

    def stats(self) -> EndpointStats:
        """Its connections: how many were begun, opened, failed and lost."""
        with self._lock():
            return replace(self._core.stats)

    def close(self) -> None:
        """Make no more connections. Open ones stay."""
        with self._lock():
            self._core.close()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other._core is self._core

    def __hash__(self) -> int:
        return id(self._core)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.address}>"


class Dialer(Handle[DialerCore]):
    """One address that a socket keeps connected to."""

    @property
    def state(self) -> str:
        """``connecting``, ``up``, ``waiting`` (for the next attempt) or ``closed``."""
        return self._core.state.value


class Listener(Handle[ListenerCore]):
    """One address that a socket accepts connections on."""

    @property
    def url(self) -> str:
        """Where it listens, with the real port, as a URL that a socket dials: ``tcp://127.0.0.1:40123``.

        It names the layers, without their options.

        Raises:
            StackError: no URL scheme stands for the transport.
        """
        from ..core.text import url_of

        return url_of(self._core.specs, self._core.address)
