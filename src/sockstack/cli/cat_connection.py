"""``sockstack cat`` without a pattern: the input goes to a connection, what comes goes to the output, both at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from ..core.errors import Deadline, EndOfStream, SockstackError, StackError
from ..core.marks import PEER_ADDRESS
from ..core.spec import Role
from ..drivers.blocking.connection import MessageConnection, StreamConnection
from ..drivers.blocking.establish import dial, listen
from .command import FAILED, FINE, Talk
from .peers import Place

__all__ = ["connect", "exchange"]

LINGER = 10.0
"""Seconds at the end for what was accepted and not written yet."""

AnyConnection = StreamConnection | MessageConnection


def connect(place: Place, recv_timeout: float | None, talk: Talk) -> AnyConnection:
    """The connection: dialled, or the first that comes."""
    stack: Any = place.stack
    if place.peer.role is Role.DIALER:
        connection: Any = dial(stack)
        talk.note(f"connected to {place.peer}")
    else:
        with listen(stack) as listener:
            talk.note(f"listening on {listener.address}")
            connection = listener.accept(timeout=recv_timeout)
        talk.note(f"accepted {connection.get(PEER_ADDRESS)}")
    if not isinstance(connection, AnyConnection):
        connection.close()
        raise StackError(
            f"{place.below[0].name} gives many streams, and this command talks over one connection"
        )
    return connection


def exchange(
    connection: AnyConnection,
    pieces: Iterable[bytes],
    show: Callable[[bytes], None],
    talk: Talk,
    *,
    patient: bool = True,
    count: int = 0,
    recv_timeout: float | None = None,
    send_timeout: float | None = None,
) -> int:
    """Send the pieces, then end our output; show what comes until the peer ends its own.

    Args:
        connection: closed at the end.
        pieces: what to send: messages, or bytes.
        show: takes what comes.
        talk: told what happens.
        patient: a peer that has ended its output may still listen: go on sending until there are no pieces left.
        count: of messages after which to stop; 0: none.
        recv_timeout, send_timeout: seconds, or None for ever.

    Returns:
        The exit code.
    """
    feeder = _Feeder(connection, pieces, send_timeout)
    feeder.start()
    try:
        done = _show_all(connection, show, count, recv_timeout)
        if patient and not done:
            feeder.join()
    except SockstackError as error:
        raise feeder.error or error from None
    else:
        if feeder.error is not None:
            raise feeder.error
        left = connection.close(LINGER)
    finally:
        connection.abort()
    if left:
        talk.say(f"{left} bytes were accepted and could not be written")
        return FAILED
    return FINE


def _show_all(
    connection: AnyConnection,
    show: Callable[[bytes], None],
    count: int,
    recv_timeout: float | None,
) -> bool:
    """Show what comes until the peer's end (False), or until that is enough (True)."""
    got = 0
    while not count or got < count:
        try:
            show(connection.recv(timeout=recv_timeout))
        except EndOfStream:
            if count:
                raise
            return False
        except Deadline:
            if got and not count:
                return True
            raise
        got += 1
    return True


class _Feeder(threading.Thread):
    """Carries the input to the connection while the main thread shows what comes.

    Attributes:
        error: what stopped it, or None. The connection is aborted then, so that the main thread notices.
    """

    def __init__(
        self, connection: AnyConnection, pieces: Iterable[bytes], timeout: float | None
    ) -> None:
        # A thread that waits for a terminal's next line cannot be stopped; it must not hold the process up.
        super().__init__(name="sockstack-cat-input", daemon=True)
        self.error: SockstackError | OSError | None = None
        self._connection = connection
        self._pieces = pieces
        self._timeout = timeout

    def run(self) -> None:
        try:
            for piece in self._pieces:
                self._connection.send(piece, timeout=self._timeout)
            self._connection.end()
        except (SockstackError, OSError) as error:
            self.error = error
            self._connection.abort()
