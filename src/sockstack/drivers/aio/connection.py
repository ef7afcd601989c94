"""Connections and sessions of the asyncio driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, overload

from ...core.connection import ConnectionCore
from ...core.errors import Closed, Deadline, EndOfStream, Owned
from ...core.head import as_body
from ...core.interfaces import Message, Mux, Stream
from ...core.junction import Gate
from ...core.life import State
from ...core.marks import Key
from ...core.session import SessionCore
from ...core.spec import LayerSpec, Role, Same, Spec, layers_of
from ...core.transport import Link
from ..connection_core import (
    SessionStream,
    is_stream_of_a_session,
    new_core,
    open_link,
)
from ..hub import FORKED
from ..timeouts import DEFAULT, Default, Timeout
from .hub import AsyncioHub, drop

__all__ = ["Connection", "MessageConnection", "Session", "StreamConnection", "wrap"]

T = TypeVar("T")
C = TypeVar("C", bound="Connection")


class Connection:
    """What connections of all interfaces have in common. Several tasks may use one."""

    def __init__(self, hub: AsyncioHub, core: ConnectionCore, timeout: float | None) -> None:
        self.timeout = timeout
        self._hub = hub
        self._core = core
        self._taken = False
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
        return self._mine().chain.get(key)

    def end(self) -> None:
        """End our output, in order; the peer's may go on. What was sent before arrives before the end."""
        self._mine().end()

    async def close(self, linger: float = 1.0) -> int:
        """End our output, give what was accepted ``linger`` seconds to be written, and let go. May be called twice.

        Returns:
            Bytes that could not be written.
        """
        if self._taken:
            return 0
        core = self._core
        core.end()
        try:
            if linger > 0 and core.drained() is None:
                await self._hub.wait(core.drained, core.sendable, linger, "close")
        except Deadline:
            pass
        finally:  # cancelled while it waited, it closes all the same
            left = core.chain.unsent
            core.abort(Closed("this connection is closed", layer="connection"))
        return left

    def abort(self) -> None:
        """Let go at once; what was accepted and not written is lost."""
        if not self._taken:
            self._core.abort(Closed("this connection was aborted", layer="connection"))

    async def __aenter__(self: C) -> C:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def after_fork(self, kept: bool) -> None:
        """In a forked child the connection is gone; the parent goes on with it."""
        self._core.forget(Closed(FORKED, layer="connection"))

    def __del__(self) -> None:
        if self._taken or self._core.state is State.BROKEN:
            return
        if not is_stream_of_a_session(self._core):
            drop(self, self._hub, partial(_let_go, self._core))
        elif not self._hub.loop.is_closed():
            self._hub.post(partial(_let_go, self._core))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}, {self.state.value}>"

    # Layers on a live connection.

    async def _take_off(self, through: type[Any] | None, timeout: Timeout) -> ConnectionCore:
        core = self._mine()
        count = core.chain.count_through(through)
        await self._wait(lambda: core.settle(count), core.receivable, timeout, "detach")
        fresh = ConnectionCore()
        core.take_off(count, fresh)
        self._taken = True
        return fresh

    async def _put_on(self, specs: tuple[LayerSpec, ...], timeout: Timeout) -> ConnectionCore:
        fresh = new_core(specs)
        self._mine().put_on(specs, fresh)
        self._taken = True
        try:
            await self._wait(fresh.is_open, fresh.receivable, timeout, "attach")
        except BaseException:  # half opened, nobody can go on with it
            fresh.abort()
            raise
        return fresh

    # Inside.

    def _mine(self) -> ConnectionCore:
        if self._taken:
            raise Owned("this connection goes on under another object", layer="connection")
        return self._core

    async def _wait(
        self, attempt: Callable[[], T | None], gate: Gate, timeout: Timeout, what: str
    ) -> T:
        result = attempt()
        if result is not None:
            return result
        if isinstance(timeout, Default):
            timeout = self.timeout
        try:
            return await self._hub.wait(attempt, gate, timeout, what)
        except BaseException:
            self._core.give_up()
            raise


def _let_go(core: ConnectionCore) -> None:
    core.end()
    core.abort(Closed("this connection was dropped", layer="connection"))


class MessageConnection(Connection):
    """A connection of messages: units arrive whole, in order, or the connection fails visibly."""

    async def send(self, data: bytes | bytearray | memoryview, timeout: Timeout = DEFAULT) -> None:
        """Send a message; returns when it is accepted: queued or written.

        Raises:
            TooBig: the stack cannot carry it; nothing was sent.
            Deadline: there was no room in time; it is not accepted.
            LocalProtocolError: our output has ended, or the payload cannot go through a layer.
        """
        body = as_body(data)
        core = self._mine()
        core.check_size(body)
        if not core.offer(body):
            await self._wait(lambda: core.offer(body) or None, core.sendable, timeout, "send")

    async def recv(self, timeout: Timeout = DEFAULT) -> bytes:
        """The next message. A timeout or a cancellation loses none.

        Raises:
            EndOfStream: the peer has ended its output.
            Deadline: nothing came in time.
            SockstackError: what broke the connection, after all good messages.
        """
        core = self._mine()
        return await self._wait(core.take, core.receivable, timeout, "recv")

    async def recv_many(self, most: int = 1024, timeout: Timeout = DEFAULT) -> list[bytes]:
        """What is there, at least one message and at most ``most``. Raises like :meth:`recv`."""
        core = self._mine()
        return await self._wait(lambda: core.take_many(most), core.receivable, timeout, "recv_many")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Messages until the peer ends its output."""
        while True:
            try:
                yield await self.recv()
            except EndOfStream:
                return

    async def detach(
        self, through: type[LayerSpec] | None = None, *, timeout: Timeout = DEFAULT
    ) -> StreamConnection:
        """Take the layers from the top down to ``through`` off (by default the topmost), each in its own orderly way.

        The connection goes on as a byte stream under the object that is given, and begins with what the layers had
        received and not decoded. This object is used up.

        Raises:
            LocalProtocolError: a layer has no end that both sides can see, or messages wait to be received.
            Deadline: the peer did not end its side of a layer in time.
        """
        return StreamConnection(self._hub, await self._take_off(through, timeout), self.timeout)

    async def switch(
        self, layers: Spec[Stream, Message], *, timeout: Timeout = DEFAULT
    ) -> MessageConnection:
        """Put ``layers`` in the place of the topmost layer, on the live connection."""
        below = await self.detach(timeout=timeout)
        return await below.attach(layers, timeout=timeout)


class StreamConnection(Connection):
    """A connection of bytes without boundaries."""

    async def send(self, data: bytes | bytearray | memoryview, timeout: Timeout = DEFAULT) -> None:
        """Send bytes, all of them; returns when they are accepted: queued or written."""
        body = as_body(data)
        core = self._mine()
        if not core.offer(body):
            await self._wait(lambda: core.offer(body) or None, core.sendable, timeout, "send")

    async def recv(self, size: int = 65536, timeout: Timeout = DEFAULT) -> bytes:
        """What is there, at least one byte and at most ``size``.

        Raises:
            EndOfStream: the peer has ended its output.
            Deadline: nothing came in time.
        """
        core = self._mine()
        return await self._wait(lambda: core.take_bytes(size), core.receivable, timeout, "recv")

    async def recv_exactly(self, size: int, timeout: Timeout = DEFAULT) -> bytes:
        """Exactly ``size`` bytes. What came before a failure stays and can be received.

        Raises:
            EndOfStream: the peer ended before.
        """
        core = self._mine()
        return await self._wait(
            lambda: core.take_exactly(size), core.receivable, timeout, "recv_exactly"
        )

    @overload
    async def attach(self, layers: Spec[Stream, Mux], *, timeout: Timeout = 10.0) -> Session: ...
    @overload
    async def attach(
        self, layers: Spec[Stream, Message], *, timeout: Timeout = 10.0
    ) -> MessageConnection: ...
    @overload
    async def attach(
        self, layers: Spec[Stream, Stream] | Same, *, timeout: Timeout = 10.0
    ) -> StreamConnection: ...
    async def attach(
        self, layers: Spec[Stream, Any] | Same, *, timeout: Timeout = 10.0
    ) -> Connection:
        """Put layers on this live connection; they begin with what was received and not fetched.

        The connection goes on under the object that is given, when its layers are open. This object is used up.

        Raises:
            StackError: the layers do not fit; this object goes on.
            Deadline: they did not open in time. The connection is over.
        """
        return wrap(self._hub, await self._put_on(layers_of(layers), timeout), self.timeout)

    async def detach(
        self, through: type[LayerSpec] | None = None, *, timeout: Timeout = DEFAULT
    ) -> StreamConnection:
        """Take layers off, down to ``through``: see :meth:`MessageConnection.detach`."""
        return StreamConnection(self._hub, await self._take_off(through, timeout), self.timeout)


class Session(Connection):
    """Many streams over one connection, opened from either side."""

    _core: SessionCore

    async def open(self) -> StreamConnection:
        """A new stream. The peer learns of it at once; nothing waits for an answer.

        Raises:
            Closed: the session is over.
            LocalProtocolError: it has as many streams open as it may.
        """
        self._mine()
        return self._wrap(self._core.open_stream(), Role.DIALER)

    async def accept(self, timeout: Timeout = DEFAULT) -> StreamConnection:
        """The next stream that the peer opens.

        Raises:
            EndOfStream: the peer has ended the session.
            Deadline: none was opened in time.
            SockstackError: what broke the session.
        """
        self._mine()
        core = self._core
        link = await self._wait(core.take_stream, core.receivable, timeout, "accept")
        return self._wrap(link, Role.LISTENER)

    def stream(self) -> SessionStream:
        """A stream of this session as the bottom of another stack: dialling opens one, listening takes the peer's."""
        return SessionStream(self._core)

    def _wrap(self, link: Link, role: Role) -> StreamConnection:
        top = open_link(self._hub, self.stream(), link, role)
        return StreamConnection(self._hub, top, self.timeout)


def wrap(hub: AsyncioHub, core: ConnectionCore, timeout: float | None) -> Connection:
    """The connection object that fits the topmost interface."""
    if isinstance(core, SessionCore):
        return Session(hub, core, timeout)
    kind = StreamConnection if core.is_stream else MessageConnection
    return kind(hub, core, timeout)
