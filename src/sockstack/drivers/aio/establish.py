"""How connections of the asyncio driver come about: dial, attach, listen, and from another process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Generic, TypeVar, cast, overload

from ...core.errors import Closed
from ...core.interfaces import Message, Mux, Os, Pattern, Stream
from ...core.spec import Role, Same, Spec, Stack, layers_of
from ..connection_core import (
    AcceptCore,
    DialCore,
    check_connection,
    check_hub,
)
from ..endpoints import EndpointOptions
from ..hub import FORKED
from ..socket_core import split_pattern
from ..timeouts import DEFAULT, Default, Timeout
from .connection import Connection, MessageConnection, Session, StreamConnection, wrap
from .hub import AsyncioHub, current_hub, drop
from .socket import Socket

__all__ = ["ConnectionListener", "attach", "dial", "hand_over", "listen", "take_over"]

P = TypeVar("P")
C = TypeVar("C", bound=Connection)


class ConnectionListener(Generic[C]):
    """Accepts connections of one stack. Each opens beside the others, so a slow one keeps nobody waiting."""

    def __init__(self, stack: object, timeout: float | None, options: EndpointOptions) -> None:
        self.timeout = timeout
        specs = check_connection(stack)
        self._hub = check_hub(specs, AsyncioHub) or current_hub()
        self._core = AcceptCore(self._hub, specs, options, inherit=False)
        self._hub.residents.add(self)

    @property
    def address(self) -> str:
        """Where it listens, with the real port."""
        return self._core.listener.address

    async def accept(self, timeout: Timeout = DEFAULT) -> C:
        """The next connection that is open.

        Raises:
            Deadline: nobody came in time.
            Closed: the listener is closed.
        """
        if isinstance(timeout, Default):
            timeout = self.timeout
        hub = self._hub
        core = self._core.take()
        if core is None:
            core = await hub.wait(self._core.take, self._core.gate, timeout, "accept")
        return cast(C, wrap(hub, core, self.timeout))

    async def __aiter__(self) -> AsyncIterator[C]:
        """Connections until the listener is closed."""
        while True:
            try:
                yield await self.accept()
            except Closed:
                return

    def close(self) -> None:
        """Stop listening. Accepted connections go on."""
        self._core.close()

    def after_fork(self, kept: bool) -> None:
        """In a forked child nobody listens any more."""
        self._core.after_fork(kept, FORKED)

    def __del__(self) -> None:
        if hasattr(self, "_core") and not self._core.closed:
            drop(self, self._hub, self._core.close)

    def __repr__(self) -> str:
        state = "closed" if self._core.closed else self.address
        return f"<ConnectionListener {self._core.path}, {state}>"

    async def __aenter__(self) -> ConnectionListener[C]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@overload
async def dial(  # type: ignore[overload-overlap]  # a pattern's operations may be of any type
    stack: Spec[Os, Pattern[P]], *, timeout: float | None = None, handshake: float = 10.0
) -> Socket[P]: ...
@overload
async def dial(
    stack: Spec[Os, Mux], *, timeout: float | None = None, handshake: float = 10.0
) -> Session: ...
@overload
async def dial(
    stack: Spec[Os, Message], *, timeout: float | None = None, handshake: float = 10.0
) -> MessageConnection: ...
@overload
async def dial(
    stack: Spec[Os, Stream], *, timeout: float | None = None, handshake: float = 10.0
) -> StreamConnection: ...
async def dial(stack: Any, *, timeout: float | None = None, handshake: float = 10.0) -> Any:
    """Connect, and return when the first connection works. See :func:`sockstack.dial`."""
    top, rest = split_pattern(layers_of(stack))
    if not top:
        return await _connect(stack, Role.DIALER, timeout, handshake)
    dialled: Socket[Any] = Socket(Stack(top), timeout=timeout, handshake=handshake)
    try:
        await dialled.reach(Stack(rest), handshake)
    except BaseException:
        await dialled.close(linger=0)
        raise
    return dialled


@overload
async def attach(
    stack: Spec[Os, Mux],
    *,
    server: bool = False,
    timeout: float | None = None,
    handshake: float = 10.0,
) -> Session: ...
@overload
async def attach(
    stack: Spec[Os, Message],
    *,
    server: bool = False,
    timeout: float | None = None,
    handshake: float = 10.0,
) -> MessageConnection: ...
@overload
async def attach(
    stack: Spec[Os, Stream],
    *,
    server: bool = False,
    timeout: float | None = None,
    handshake: float = 10.0,
) -> StreamConnection: ...
async def attach(
    stack: Any, *, server: bool = False, timeout: float | None = None, handshake: float = 10.0
) -> Any:
    """Put a stack on something that is connected already. See :func:`sockstack.attach`."""
    return await _connect(stack, Role.LISTENER if server else Role.DIALER, timeout, handshake)


async def _connect(stack: Any, role: Role, timeout: float | None, handshake: float) -> Connection:
    specs = check_connection(stack)
    hub = check_hub(specs, AsyncioHub) or current_hub()
    attempt = DialCore(hub, specs, EndpointOptions(handshake=handshake), role)
    try:
        core = await hub.wait(attempt.result, attempt.gate, handshake, f"dial {specs[-1]}")
    except BaseException:
        attempt.close()
        raise
    return wrap(hub, core, timeout)


async def hand_over(connection: Connection, channel: socket.socket) -> None:
    """Give a live connection to another process. See :func:`sockstack.hand_over`."""
    from .. import handover

    parcel = handover.release(connection._mine())
    connection._taken = True
    await asyncio.to_thread(handover.send, channel, parcel)


@overload
async def take_over(channel: socket.socket) -> StreamConnection: ...
@overload
async def take_over(channel: socket.socket, layers: Spec[Stream, Message]) -> MessageConnection: ...
@overload
async def take_over(
    channel: socket.socket, layers: Spec[Stream, Stream] | Same
) -> StreamConnection: ...
async def take_over(channel: socket.socket, layers: Spec[Stream, Any] | Same | None = None) -> Any:
    """Wait for a connection that another process hands over. See :func:`sockstack.take_over`."""
    from ...transports.fd import Fd
    from .. import handover

    await _readable(channel)
    parcel = await asyncio.to_thread(handover.receive, channel)
    connection = await attach(Fd(parcel.sock))
    connection._core.begin_with(parcel.leftover)
    return connection if layers is None else await connection.attach(layers)


async def _readable(channel: socket.socket) -> None:
    """Wait until there is something to read. Unlike a thread that waits, this can be cancelled."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def found() -> None:
        loop.remove_reader(channel)
        ready.set_result(None)

    loop.add_reader(channel, found)
    try:
        await ready
    finally:
        loop.remove_reader(channel)


@overload
def listen(
    stack: Spec[Os, Mux], *, timeout: float | None = None, handshake: float = 10.0
) -> ConnectionListener[Session]: ...
@overload
def listen(
    stack: Spec[Os, Message], *, timeout: float | None = None, handshake: float = 10.0
) -> ConnectionListener[MessageConnection]: ...
@overload
def listen(
    stack: Spec[Os, Stream], *, timeout: float | None = None, handshake: float = 10.0
) -> ConnectionListener[StreamConnection]: ...
def listen(
    stack: Any, *, timeout: float | None = None, handshake: float = 10.0
) -> ConnectionListener[Any]:
    """Listen for connections of a stack without a pattern. See :func:`sockstack.listen`."""
    return ConnectionListener(stack, timeout, EndpointOptions(handshake=handshake))
