"""What a socket gives for each address it dials or listens on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

from ..core.errors import SockstackError
from .endpoints import DialerCore, ListenerCore

__all__ = ["Dialer", "Listener"]

Lock: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Gives the lock of the hub: a forked child has another."""


class Dialer:
    """One address that a socket keeps connected to."""

    def __init__(self, core: DialerCore, lock: Lock = nullcontext) -> None:
        self._core = core
        self._lock = lock

    @property
    def state(self) -> str:
        """``connecting``, ``up``, ``waiting`` (for the next attempt) or ``closed``."""
        return self._core.state.value

    @property
    def error(self) -> SockstackError | None:
        """Why the last attempt failed; None if it did not."""
        return self._core.error

    def close(self) -> None:
        """Dial no more. An open connection stays."""
        with self._lock():
            self._core.close()


class Listener:
    """One address that a socket accepts connections on."""

    def __init__(self, core: ListenerCore, lock: Lock = nullcontext) -> None:
        self._core = core
        self._lock = lock

    @property
    def address(self) -> str:
        """Where it listens, with the real port: text that a transport takes to dial it."""
        return self._core.address

    @property
    def error(self) -> SockstackError | None:
        """Why nobody can be accepted at the moment (no descriptors are left, say); None if all is well."""
        return self._core.error

    def close(self) -> None:
        """Accept no more. Open connections stay."""
        with self._lock():
            self._core.close()
