"""Connections and sessions of the blocking driver, and how they come about: dial, listen, attach."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar, cast, overload

from ...core.connection import ConnectionCore
from ...core.errors import Closed, Deadline, EndOfStream, Owned
from ...core.interfaces import Message, Mux, Os, Pattern, Stream
from ...core.junction import Gate
from ...core.life import State
from ...core.marks import Key
from ...core.session import SessionCore
from ...core.spec import LayerSpec, Role, Spec, Stack, layers_of
from ...core.transport import Link
from ..connection_core import (
    AcceptCore,
    DialCore,
    SessionStream,
    check_connection,
    check_hub,
    new_core,
    open_link,
)
from ..endpoints import EndpointOptions
from ..hub import FORKED
from ..socket_core import split_pattern
from ..timeouts import DEFAULT, Default, Timeout
from .exit import close_at_exit
from .hub import BlockingHub
from .socket import Socket

__all__ = [
    "Connection",
    "ConnectionListener",
    "MessageConnection",
    "Session",
    "StreamConnection",
    "attach",
    "dial",
    "hand_over",
    "listen",
    "take_over",
]

P = TypeVar("P")
T = TypeVar("T")
C = TypeVar("C", bound="Connection")


class Connection:
    """What connections of all interfaces have in common. Several threads may use one."""

    def __init__(
        self, hub: BlockingHub, core: ConnectionCore, timeout: float | None, owns_hub: bool
    ) -> None:
        self.timeout = timeout
        self._hub = hub
        self._core = core
        self._owns_hub = owns_hub
        self._taken = False
        close_at_exit(self)
        hub.residents.add(self)

    @property
    def path(self) -> str:
        """The layers, top first: ``prefix<tls<tcp``."""
        return self._core.chain.path

    @property
    def state(self) -> State:
        """Where it is in its life."""
        return self._core.state

    def get(self, key: Key[T]) -> T | None:
        """What the layers know under ``key`` (addresses, certificates, …): the topmost that knows answers."""
        with self._lock():
            return self._core.chain.get(key)

    def end(self) -> None:
        """End our output, in order; the peer's may go on. What was sent before arrives before the end."""
        with self._lock():
            self._core.end()
            self._hub.leave()

    def close(self, linger: float = 1.0) -> int:
        """End our output, give what was accepted ``linger`` seconds to be written, and let go. May be called twice.

        Returns:
            Bytes that could not be written.
        """
        if self._taken or self._hub.closed:
            return 0
        hub, core = self._hub, self._core
        with hub.lock:
            core.end()
            try:
                if linger > 0 and core.drained() is None:
                    hub.wait(core.drained, core.sendable, linger, "close")
            except Deadline:
                pass
            finally:  # interrupted while it waited, it closes all the same
                left = core.chain.unsent
                core.abort(Closed("this connection is closed", layer="connection"))
                self._leave()
        return left

    def abort(self) -> None:
        """Let go at once; what was accepted and not written is lost."""
        if not self._taken and not self._hub.closed:
            with self._hub.lock:
                self._core.abort(Closed("this connection was aborted", layer="connection"))
                self._leave()

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def after_fork(self, kept: bool) -> None:
        """In a forked child the connection is gone; the parent goes on with it."""
        self._core.forget(Closed(FORKED, layer="connection"))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}, {self.state.value}>"

    # Layers on a live connection.

    def _take_off(self, through: type[Any] | None, timeout: Timeout) -> ConnectionCore:
        core, hub = self._core, self._hub
        with self._lock():
            count = core.chain.count_through(through)
            self._wait(lambda: core.settle(count), core.receivable, timeout, "detach")
            fresh = ConnectionCore()
            core.take_off(count, fresh)
            self._taken = True
            hub.leave()
        return fresh

    def _put_on(self, specs: tuple[LayerSpec, ...], timeout: Timeout) -> ConnectionCore:
        with self._lock():
            fresh = new_core(specs)
            self._core.put_on(specs, fresh)
            self._taken = True
            self._wait(fresh.is_open, fresh.receivable, timeout, "attach")
            self._hub.leave()
        return fresh

    # Inside.

    def _lock(self) -> Any:
        if self._taken:
            raise Owned("this connection goes on under another object", layer="connection")
        return self._hub.lock

    def _leave(self) -> None:
        if self._owns_hub:
            self._hub.close()
        else:
            self._hub.leave()

    def _wait(self, attempt: Callable[[], T | None], gate: Gate, timeout: Timeout, what: str) -> T:
        result = attempt()
        if result is not None:
            return result
        if isinstance(timeout, Default):
            timeout = self.timeout
        try:
            return self._hub.wait(attempt, gate, timeout, what)
        except BaseException:
            self._core.give_up()
            raise


class MessageConnection(Connection):
    """A connection of messages: units arrive whole, in order, or the connection fails visibly."""

    def send(self, data: bytes | bytearray | memoryview, timeout: Timeout = DEFAULT) -> None:
        """Send a message; returns when it is accepted: queued or written.

        Raises:
            TooBig: the stack cannot carry it; nothing was sent.
            Deadline: there was no room in time; it is not accepted.
            LocalProtocolError: our output has ended, or the payload cannot go through a layer.
        """
        body = data if type(data) is bytes else bytes(data)
        core = self._core
        with self._lock():
            core.check_size(body)
            if not core.offer(body):
                self._wait(lambda: core.offer(body) or None, core.sendable, timeout, "send")
            if self._hub.unattended:
                self._hub.leave()

    def recv(self, timeout: Timeout = DEFAULT) -> bytes:
        """The next message.

        Raises:
            EndOfStream: the peer has ended its output.
            Deadline: nothing came in time; nothing is lost by it.
            SockstackError: what broke the connection, after all good messages.
        """
        core = self._core
        with self._lock():
            return self._wait(core.take, core.receivable, timeout, "recv")

    def recv_many(self, most: int = 1024, timeout: Timeout = DEFAULT) -> list[bytes]:
        """What is there, at least one message and at most ``most``. Raises like :meth:`recv`."""
        core = self._core
        with self._lock():
            return self._wait(lambda: core.take_many(most), core.receivable, timeout, "recv_many")

    def __iter__(self) -> Iterator[bytes]:
        """Messages until the peer ends its output."""
        while True:
            try:
                yield self.recv()
            except EndOfStream:
                return

    def detach(
        self, through: type[LayerSpec] | None = None, *, timeout: Timeout = DEFAULT
    ) -> StreamConnection:
        """Take the layers from the top down to ``through`` off (by default the topmost), each in its own orderly way.

        The connection goes on as a byte stream under the object that is given, and begins with what the layers had
        received and not decoded. This object is used up.

        Raises:
            LocalProtocolError: a layer has no end that both sides can see, or messages wait to be received.
            Deadline: the peer did not end its side of a layer in time.
        """
        return StreamConnection(
            self._hub, self._take_off(through, timeout), self.timeout, self._owns_hub
        )

    def switch(
        self, layers: Spec[Stream, Message], *, timeout: Timeout = DEFAULT
    ) -> MessageConnection:
        """Put ``layers`` in the place of the topmost layer, on the live connection."""
        return self.detach(timeout=timeout).attach(layers, timeout=timeout)


class StreamConnection(Connection):
    """A connection of bytes without boundaries."""

    def send(self, data: bytes | bytearray | memoryview, timeout: Timeout = DEFAULT) -> None:
        """Send bytes, all of them; returns when they are accepted: queued or written."""
        body = data if type(data) is bytes else bytes(data)
        core = self._core
        with self._lock():
            if not core.offer(body):
                self._wait(lambda: core.offer(body) or None, core.sendable, timeout, "send")
            if self._hub.unattended:
                self._hub.leave()

    def recv(self, size: int = 65536, timeout: Timeout = DEFAULT) -> bytes:
        """What is there, at least one byte and at most ``size``.

        Raises:
            EndOfStream: the peer has ended its output.
            Deadline: nothing came in time.
        """
        core = self._core
        with self._lock():
            return self._wait(lambda: core.take_bytes(size), core.receivable, timeout, "recv")

    def recv_exactly(self, size: int, timeout: Timeout = DEFAULT) -> bytes:
        """Exactly ``size`` bytes. What came before a failure stays and can be received.

        Raises:
            EndOfStream: the peer ended before.
        """
        core = self._core
        with self._lock():
            return self._wait(
                lambda: core.take_exactly(size), core.receivable, timeout, "recv_exactly"
            )

    @overload
    def attach(self, layers: Spec[Stream, Mux], *, timeout: Timeout = 10.0) -> Session: ...
    @overload
    def attach(
        self, layers: Spec[Stream, Message], *, timeout: Timeout = 10.0
    ) -> MessageConnection: ...
    @overload
    def attach(
        self, layers: Spec[Stream, Stream], *, timeout: Timeout = 10.0
    ) -> StreamConnection: ...
    def attach(self, layers: Spec[Stream, Any], *, timeout: Timeout = 10.0) -> Connection:
        """Put layers on this live connection; they begin with what was received and not fetched.

        The connection goes on under the object that is given, when its layers are open. This object is used up.

        Raises:
            StackError: the layers do not fit; this object goes on.
            Deadline: they did not open in time.
        """
        fresh = self._put_on(layers_of(layers), timeout)
        return wrap(self._hub, fresh, self.timeout, self._owns_hub)

    def detach(
        self, through: type[LayerSpec] | None = None, *, timeout: Timeout = DEFAULT
    ) -> StreamConnection:
        """Take layers off, down to ``through``: see :meth:`MessageConnection.detach`."""
        return StreamConnection(
            self._hub, self._take_off(through, timeout), self.timeout, self._owns_hub
        )


class Session(Connection):
    """Many streams over one connection, opened from either side."""

    _core: SessionCore

    def open(self) -> StreamConnection:
        """A new stream. The peer learns of it at once; nothing waits for an answer.

        Raises:
            Closed: the session is over.
            LocalProtocolError: it has as many streams open as it may.
        """
        return self._wrap(self._core.open_stream, Role.DIALER)

    def accept(self, timeout: Timeout = DEFAULT) -> StreamConnection:
        """The next stream that the peer opens.

        Raises:
            EndOfStream: the peer has ended the session.
            Deadline: none was opened in time.
            SockstackError: what broke the session.
        """
        core = self._core
        return self._wrap(
            lambda: self._wait(core.take_stream, core.receivable, timeout, "accept"),
            Role.LISTENER,
        )

    def stream(self) -> SessionStream:
        """A stream of this session as the bottom of another stack: dialling opens one, listening takes the peer's."""
        return SessionStream(self._core)

    def _wrap(self, get: Callable[[], Link], role: Role) -> StreamConnection:
        """A connection object for a stream that ``get`` gives under the lock."""
        with self._lock():
            top = open_link(self._hub, self.stream(), get(), role)
            self._hub.leave()
        return StreamConnection(self._hub, top, self.timeout, owns_hub=False)


def wrap(
    hub: BlockingHub, core: ConnectionCore, timeout: float | None, owns_hub: bool
) -> Connection:
    """The connection object that fits the topmost interface."""
    if isinstance(core, SessionCore):
        return Session(hub, core, timeout, owns_hub)
    kind = StreamConnection if core.is_stream else MessageConnection
    return kind(hub, core, timeout, owns_hub)


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
            fresh = BlockingHub()
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
            self._core.close()
            self._leave()

    def after_fork(self, kept: bool) -> None:
        """In a forked child: goes on only if it was made to be inherited."""
        self._core.after_fork(kept, FORKED)

    def _leave(self) -> None:
        if self._owns_hub:
            self._hub.close()

    def __enter__(self) -> ConnectionListener[C]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


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
        connection. timeout: seconds that each ``send`` and ``recv`` of the result waits by default; None is for ever.
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
def take_over(channel: socket.socket, layers: Spec[Stream, Stream]) -> StreamConnection: ...
def take_over(channel: socket.socket, layers: Spec[Stream, Any] | None = None) -> Any:
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
