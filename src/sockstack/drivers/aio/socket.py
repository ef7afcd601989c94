"""Sockets of the asyncio driver: the same names as the blocking ones, to be awaited."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any, TypeVar, Unpack

from ...core.errors import Closed, Deadline
from ...core.interfaces import CanContext, Os, Pattern, Pipe
from ...core.log import logger
from ...core.spec import Spec
from ..endpoints import DialerCore, DialOptions, EndpointOptions, ListenerCore, ListenOptions
from ..events import AcceptPipeAsync, PipeInfo
from ..handles import Dialer, Listener
from ..hub import FORKED
from ..socket_core import CommonOptions, SocketCore
from ..timeouts import DEFAULT, Timeout, check_seconds
from .events import Events
from .hub import AsyncioHub, current_hub, drop
from .talker import Context, Talker

__all__ = ["Socket", "SocketOptions"]

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
T = TypeVar("T")


class SocketOptions(CommonOptions, total=False):
    """The options of a socket, for whoever makes some and hands them on."""

    accept_pipe: AcceptPipeAsync | None


class Socket(Talker[P_co]):
    """A pattern with its peers. Made in a running loop; several tasks may use one socket."""

    def __init__(
        self: Socket[P],
        pattern: Spec[Pipe, Pattern[P]],
        *,
        dial: str | Spec[Os, Pipe] | None = None,
        listen: str | Spec[Os, Pipe] | None = None,
        timeout: float | None = None,
        linger: float = 1.0,
        reconnect_min: float = 0.1,
        reconnect_max: float = 5.0,
        handshake: float = 10.0,
        accept_pipe: AcceptPipeAsync | None = None,
    ) -> None:
        """Make a socket, and dial or listen at once if told to. The arguments are those of the blocking socket;
        ``accept_pipe`` may be a coroutine function here, which holds up nobody.

        Raises:
            StackError: the stack is refused; nothing was opened.
            EndpointError: the address to listen on cannot be bound.
            RuntimeError: no loop runs.
        """
        super().__init__(timeout)
        check_seconds("timeout", timeout)
        check_seconds("linger", linger)
        options = EndpointOptions(reconnect_min, reconnect_max, handshake)
        self.linger = linger
        self._core = SocketCore(pattern, options, current_hub, accept_pipe)
        self._core.use_hub(None)
        self._settle_on_hub()
        try:
            if listen is not None:
                self.listen(listen)
            if dial is not None:
                self.dial(dial)
        except BaseException:
            self._closed = True
            self._core.close(orderly=False)
            raise

    def dial(self, where: str | Spec[Os, Pipe], **options: Unpack[DialOptions]) -> Dialer:
        """Keep a connection to an address. Returns at once and goes on trying.

        Args:
            where: a URL, or the stack below the pattern.
            options: ``reconnect_min``, ``reconnect_max`` and ``handshake``, where they differ from the socket's;
                ``send_priority`` and ``recv_priority``, the place of this address's peers among those of the socket, 1
                (served first) to 16: what is sent goes to the best that is ready, and what arrived from the best is
                received first.

        Raises:
            StackError: the stack is refused.
        """
        specs = self._adopt(where)
        core = self._core.add_dialer(specs, **options)
        return Dialer(core)

    async def reach(
        self, where: str | Spec[Os, Pipe], within: float, **options: Unpack[DialOptions]
    ) -> Dialer:
        """Dial, and wait for the first connection. If there is none, the address is given up.

        The arguments are those of :meth:`dial`; ``within`` is seconds.

        Raises:
            SockstackError: why the first attempt failed.
            Deadline: nothing was decided in time.
        """
        specs = self._adopt(where)
        core = self._core.add_dialer(specs, **options)
        try:
            await self._wait(core.outcome, self._head.sendable, within, "dial")
        except BaseException:
            self._core.drop(core)
            raise
        return Dialer(core)

    def listen(self, where: str | Spec[Os, Pipe], **options: Unpack[ListenOptions]) -> Listener:
        """Accept connections on an address.

        Args:
            where: a URL, or the stack below the pattern.
            options: ``handshake``, where it differs from the socket's; ``send_priority`` and ``recv_priority`` as in
                :meth:`dial`.

        Raises:
            StackError: the stack is refused.
            EndpointError: the address cannot be bound.
        """
        specs = self._adopt(where)
        core = self._core.add_listener(specs, inherit=False, **options)
        return Listener(core)

    def context(self: Socket[CanContext], **options: float) -> Context[P_co]:
        """A context of its own state over this socket's pipes.

        Args:
            options: those of the pattern that may differ here: of a REQ ``resend``, ``best_effort`` and
                ``fail_no_peers``, of a SURVEYOR ``survey_time``.

        Raises:
            LocalProtocolError: the pattern has no contexts, or they have no such option.
            Closed: the socket is closed.
        """
        self._core.raw.check()
        return Context(self, self._head.context(options))

    async def wait_for_peers(self, count: int = 1, timeout: Timeout = DEFAULT) -> None:
        """Wait until at least so many peers are connected. What PUB, BUS or a survey sends earlier, nobody hears.

        Raises:
            Deadline: there were fewer in time.
            Closed: the socket is closed.
        """
        raw = self._core.raw

        def enough() -> bool | None:
            raw.check()
            return len(raw.pipes) >= count or None

        if not enough():
            await self._wait(enough, self._core.head.sendable, timeout, "wait_for_peers")

    @property
    def pipes(self) -> list[PipeInfo]:
        """The peers that are connected now."""
        return self._core.pipes()

    def pipe(self, number: int) -> PipeInfo | None:
        """The peer with that id, :attr:`Message.pipe <sockstack.Message.pipe>` for example; None if it has left."""
        return self._core.pipe(number)

    @property
    def dialers(self) -> list[Dialer]:
        """The addresses that it keeps dialling."""
        return [Dialer(core) for core in self._core.endpoints if isinstance(core, DialerCore)]

    @property
    def listeners(self) -> list[Listener]:
        """The addresses that it accepts on."""
        return [Listener(core) for core in self._core.endpoints if isinstance(core, ListenerCore)]

    def events(self) -> Events:
        """What happens to connections from now on: who came, who left, who was refused and what failed.

        Raises:
            Closed: the socket is closed.
        """
        self._core.raw.check()
        return Events(self._hub, self._core.listen_to_events())

    def stats(self) -> dict[str, int]:
        """Counters of this socket: see :class:`~sockstack.core.head.Stats`. Pipes and endpoints have their own."""
        return self._core.stats.snapshot()

    async def close(self, linger: float | None = None) -> int:
        """Accept and dial no more, write what was accepted, and end all connections. May be called twice.

        Returns:
            Messages, or parts of them in bytes if they were handed to a connection already, that could not be written.
        """
        if self._closed:
            return 0
        self._closed = True
        core = self._core
        linger = self.linger if linger is None else linger
        try:
            if self._drained() is None and linger > 0:
                await self._hub.wait(self._drained, core.head.sendable, linger, "close")
        except Deadline:
            pass
        finally:  # cancelled while it waited, it closes all the same
            left = core.unsent() + len(self._outbox or ())
            self._outbox = None
            core.close(orderly=not left)
        if left:
            logger("socket").warning("%r: %d bytes or messages were not written", self, left)
        return left

    async def __aenter__(self) -> Socket[P_co]:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def after_fork(self, kept: bool) -> None:
        """In a forked child: the connections are the parent's."""
        self._core.after_fork(kept, FORKED)
        self._outbox = None

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and hasattr(self, "_hub"):
            drop(self, self._hub, partial(self._core.close, orderly=not self._core.unsent()))

    def __repr__(self) -> str:
        return f"<Socket {self._core.describe(self.closed)}>"

    # Inside.

    def _adopt(self, where: object) -> Any:
        if self._closed:
            raise Closed("the socket is closed", layer="socket")
        self._core.raw.check()
        specs = self._core.check(where)
        self._core.adopt(specs, AsyncioHub)
        self._settle_on_hub()
        return specs

    def _settle_on_hub(self) -> None:
        if getattr(self, "_hub", None) is not self._core.hub:
            self._use(self._core.hub, self._core.head)
            self._offer_accepted = self._core.offer_accepted
            self._hub.residents.add(self)

    def _explain(self, error: Deadline) -> None:
        self._core.explain(error)

    def _drained(self) -> bool | None:
        if self._drain() is None or self._core.unsent():
            return None
        return True
