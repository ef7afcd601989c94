"""How connections of the blocking driver come about: dial, attach, listen, and from another process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
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
from .exit import close_at_exit, drop
from .hub import BlockingHub
from .socket import Socket

__all__ = ["ConnectionListener", "attach", "dial", "hand_over", "listen", "take_over"]

P = TypeVar("P")
C = TypeVar("C", bound=Connection)


class ConnectionListener(Generic[C]):
    """Accepts connections of one stack. Each opens beside the others, so a slow one keeps nobody waiting."""

    def __init__(
        self, stack: object, timeout: float | None, options: EndpointOptions, inherit: bool
    ) -> None:
        self.timeout = timeout
        specs = check_connection(stack)
        hub = check_hub(specs, BlockingHub)
        self._owns_hub = hub is None
        self._hub = BlockingHub() if hub is None else hub
        try:
            with self._hub.lock:
                self._core = AcceptCore(self._hub, specs, options, inherit)
                self._hub.leave()
        except BaseException:
            self._leave()
            raise
        self._hub.residents.add(self)
        close_at_exit(self)

    @property
    def address(self) -> str:
        """Where it listens, with the real port."""
        return self._core.listener.address

    def accept(self, timeout: Timeout = DEFAULT) -> C:
        """The next connection that is open. It lives on a hub of its own, for a thread of its own if you like.

        Raises:
            Deadline: nobody came in time.
            Closed: the listener is closed.
        """
        if isinstance(timeout, Default):
            timeout = self.timeout
        hub = self._hub
        with hub.lock:
            if hub.closed:
                raise Closed(hub.why, layer="listener")
            core = self._core.take()
            if core is None:
                core = hub.wait(self._core.take, self._core.gate, timeout, "accept")
            if not self._owns_hub:
                return cast(C, wrap(hub, core, self.timeout, owns_hub=False))
            try:
                fresh = BlockingHub()
            except OSError:  # no descriptors are left: it is there when there are
                self._core.put_back(core)
                raise
            core.chain.move(fresh)
        return cast(C, wrap(fresh, core, self.timeout, owns_hub=True))

    def __iter__(self) -> Iterator[C]:
        """Connections until the listener is closed."""
        while True:
            try:
                yield self.accept()
            except Closed:
                return

    def close(self) -> None:
        """Stop listening. Accepted connections go on."""
        if self._hub.closed:
            return
        with self._hub.lock:
            _let_go(self._hub, self._core, self._owns_hub)

    def after_fork(self, kept: bool) -> None:
        """In a forked child: goes on only if it was made to be inherited."""
        self._core.after_fork(kept, FORKED)

    def _leave(self) -> None:
        if self._owns_hub:
            self._hub.close()

    def __del__(self) -> None:
        if hasattr(self, "_core") and not self._core.closed:
            drop(self, self._hub, partial(_let_go, self._hub, self._core, self._owns_hub))

    def __repr__(self) -> str:
        state = "closed" if self._core.closed else self.address
        return f"<ConnectionListener {self._core.path}, {state}>"

    def __enter__(self) -> ConnectionListener[C]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _let_go(hub: BlockingHub, core: AcceptCore, owns_hub: bool) -> None:
    """Under the lock: stop listening."""
    core.close()
    if owns_hub:
        hub.close()


@overload
def dial(  # type: ignore[overload-overlap]  # a pattern's operations may be of any type
    stack: Spec[Os, Pattern[P]], *, timeout: float | None = None, handshake: float = 10.0
) -> Socket[P]: ...
@overload
def dial(
    stack: Spec[Os, Mux], *, timeout: float | None = None, handshake: float = 10.0
) -> Session: ...
@overload
def dial(
    stack: Spec[Os, Message], *, timeout: float | None = None, handshake: float = 10.0
) -> MessageConnection: ...
@overload
def dial(
    stack: Spec[Os, Stream], *, timeout: float | None = None, handshake: float = 10.0
) -> StreamConnection: ...
def dial(stack: Any, *, timeout: float | None = None, handshake: float = 10.0) -> Any:
    """Connect, and return when the first connection works.

    Args:
        stack: a whole stack. With a pattern on top the result is a socket, which redials from then on; else a
            connection.
        timeout: seconds that each ``send`` and ``recv`` of the result waits by default; None is for ever.
        handshake: seconds within which the connection must be open.

    Raises:
        StackError: the stack is refused; nothing was opened.
        EndpointError: nobody could be reached.
        SockstackError: the peer was reached, and a layer could not be opened.
    """
    top, rest = split_pattern(layers_of(stack))
    if not top:
        return _connect(stack, Role.DIALER, timeout, handshake)
    dialled: Socket[Any] = Socket(Stack(top), timeout=timeout, handshake=handshake)
    try:
        dialled.reach(Stack(rest), handshake)
    except BaseException:
        dialled.close(linger=0)
        raise
    return dialled


@overload
def attach(
    stack: Spec[Os, Mux],
    *,
    server: bool = False,
    timeout: float | None = None,
    handshake: float = 10.0,
) -> Session: ...
@overload
def attach(
    stack: Spec[Os, Message],
    *,
    server: bool = False,
    timeout: float | None = None,
    handshake: float = 10.0,
) -> MessageConnection: ...
@overload
def attach(
    stack: Spec[Os, Stream],
    *,
    server: bool = False,
    timeout: float | None = None,
    handshake: float = 10.0,
) -> StreamConnection: ...
def attach(
    stack: Any, *, server: bool = False, timeout: float | None = None, handshake: float = 10.0
) -> Any:
    """Put a stack on something that is connected already: ``attach(Prefix(4) | Fd(sock))``.

    ``server`` builds the accepting half of layers that have two, of TLS for example. Else as :func:`dial`.
    """
    return _connect(stack, Role.LISTENER if server else Role.DIALER, timeout, handshake)


def _connect(stack: Any, role: Role, timeout: float | None, handshake: float) -> Connection:
    specs = check_connection(stack)
    theirs = check_hub(specs, BlockingHub)
    owns_hub = theirs is None
    hub = BlockingHub() if theirs is None else theirs
    with hub.lock:
        attempt: DialCore | None = None
        try:
            attempt = DialCore(hub, specs, EndpointOptions(handshake=handshake), role)
            core = hub.wait(attempt.result, attempt.gate, handshake, f"dial {specs[-1]}")
        except BaseException:
            if attempt is not None:
                attempt.close()
            if owns_hub:
                hub.close()
            raise
    return wrap(hub, core, timeout, owns_hub)


def hand_over(connection: Connection, channel: socket.socket) -> None:
    """Give a live connection to the process at the other end of a Unix stream socket; this object is used up.

    What was received and not fetched goes along, so the other process misses nothing.

    Raises:
        LocalProtocolError: a layer holds a key or another state that cannot travel, or bytes are still unsent.
    """
    from .. import handover

    with connection._lock():
        parcel = handover.release(connection._core)
        connection._taken = True
        connection._leave()
    handover.send(channel, parcel)


@overload
def take_over(channel: socket.socket) -> StreamConnection: ...
@overload
def take_over(channel: socket.socket, layers: Spec[Stream, Message]) -> MessageConnection: ...
@overload
def take_over(channel: socket.socket, layers: Spec[Stream, Stream] | Same) -> StreamConnection: ...
def take_over(channel: socket.socket, layers: Spec[Stream, Any] | Same | None = None) -> Any:
    """Wait for a connection that another process hands over, and put ``layers`` on it.

    Raises:
        EOFError: the other process closed the channel.
        RemoteProtocolError: what came is no connection.
    """
    from ...transports.fd import Fd
    from .. import handover

    parcel = handover.receive(channel)
    connection = attach(Fd(parcel.sock))
    connection._core.begin_with(parcel.leftover)
    return connection if layers is None else connection.attach(layers)


@overload
def listen(
    stack: Spec[Os, Mux],
    *,
    timeout: float | None = None,
    handshake: float = 10.0,
    inherit: bool = False,
) -> ConnectionListener[Session]: ...
@overload
def listen(
    stack: Spec[Os, Message],
    *,
    timeout: float | None = None,
    handshake: float = 10.0,
    inherit: bool = False,
) -> ConnectionListener[MessageConnection]: ...
@overload
def listen(
    stack: Spec[Os, Stream],
    *,
    timeout: float | None = None,
    handshake: float = 10.0,
    inherit: bool = False,
) -> ConnectionListener[StreamConnection]: ...
def listen(
    stack: Any,
    *,
    timeout: float | None = None,
    handshake: float = 10.0,
    inherit: bool = False,
) -> ConnectionListener[Any]:
    """Listen for connections of a stack without a pattern; with one, use ``Socket(pattern, listen=…)``.

    Args:
        stack: a whole stack.
        timeout: seconds that ``accept``, and ``send`` and ``recv`` of what it gives, wait by default; None is for ever.
        handshake: seconds within which each connection must be open.
        inherit: a forked child goes on accepting on the same descriptor.

    Raises:
        StackError: the stack is refused; nothing was opened.
        EndpointError: the address cannot be bound.
    """
    return ConnectionListener(stack, timeout, EndpointOptions(handshake=handshake), inherit)
