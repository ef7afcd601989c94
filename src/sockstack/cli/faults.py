"""Why peers are cut, told while ``sockstack cat`` goes on with the others, or tries again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..core.errors import AuthenticationFailed, Closed, RemoteProtocolError
from ..drivers.blocking.socket import Socket
from .command import Talk
from .streams import safe

__all__ = ["told"]

FAULTS = (RemoteProtocolError, AuthenticationFailed)


@contextlib.contextmanager
def told(socket: Socket[Any], talk: Talk) -> Iterator[None]:
    """Warn of peers that break rules or limits here, once for each kind of fault; ``-v`` says all of it anyhow.

    Without a warning, a request whose answer is over the limit would be asked again and again, and nobody knew.
    """
    said: set[object] = set()

    def look() -> None:
        """Under the hub's lock, in whichever thread leads: tell what is new, and wait for more."""
        try:
            while (event := events.take()) is not None:
                kind = type(event.error)
                if isinstance(event.error, FAULTS) and kind not in said:
                    said.add(kind)
                    talk.warn(safe(str(event)))
        except Closed:
            return
        events.gate.add(look)

    if talk.verbose:
        yield
        return
    with socket._hub.lock:
        events = socket._core.listen_to_events()
        events.gate.add(look)
    try:
        yield
    finally:
        with socket._hub.lock:
            events.gate.remove(look)
