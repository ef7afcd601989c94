"""``sockstack cat`` without a pattern: the input goes to a connection, what comes goes to the output, both at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..core.errors import Deadline, EndOfStream, SockstackError, StackError
from ..core.marks import PEER_ADDRESS
from ..core.spec import Role
from ..drivers.blocking.connection import MessageConnection, StreamConnection
from ..drivers.blocking.establish import dial, listen
from .command import FAILED, FINE, Talk
from .feeder import Feeder
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
    feeder = Feeder(
        pieces,
        lambda piece: connection.send(piece, timeout=send_timeout),
        connection.end,
        connection.abort,
    )
    feeder.start()
    try:
        done = _show_all(connection, show, count, recv_timeout)
        if patient and not done:
            feeder.join()
    except SockstackError as error:
        raise feeder.error or error from None
    except KeyboardInterrupt:
        feeder.stop()
        connection.close()
        raise
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
