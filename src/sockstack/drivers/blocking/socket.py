"""Sockets of the blocking driver: everything happens in the caller's own thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, Unpack

from ...core.errors import Closed, Deadline, StackError
from ...core.interfaces import CanContext, Os, Pattern, Pipe
from ...core.log import logger
from ...core.spec import Spec
from ..endpoints import DialerCore, DialOptions, EndpointOptions, ListenerCore, ListenOptions
from ..events import AcceptPipe, PipeInfo
from ..handles import Dialer, Listener
from ..hub import FORKED
from ..socket_core import CommonOptions, SocketCore
from ..timeouts import DEFAULT, Timeout, check_seconds
from .burst import Outbox
from .events import Events
from .exit import close_at_exit, drop
from .hub import BlockingHub
from .talker import Context, Talker

__all__ = ["Socket", "SocketOptions"]

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
T = TypeVar("T")


class SocketOptions(CommonOptions, total=False):
    """The options of a socket, for whoever makes some and hands them on."""

    accept_pipe: AcceptPipe | None


class Socket(Talker[P_co]):
    """A pattern with its peers. Several threads may use one socket."""

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
        accept_pipe: AcceptPipe | None = None,
        beside: Socket[Any] | None = None,
    ) -> None:
        """Make a socket, and dial or listen at once if told to.

        Args:
            pattern: a pattern, or filters of messages over a pattern.
            dial, listen: a URL (``tcp://127.0.0.1:5555``) or the stack below the pattern (``Sp() | Tcp("…")``).
            timeout: seconds that ``send`` and ``recv`` wait by default; None is for ever.
            linger: seconds for which ``close`` keeps trying to write what was accepted.
            reconnect_min, reconnect_max: bounds in seconds of the random pause before a lost or refused connection is
                dialled again; it doubles from the one to the other.
            handshake: seconds within which all layers of a connection must be open.
            accept_pipe: asked about each peer before it takes part; only True lets it in. It is called by whichever
                thread leads the socket, without any lock, and holds up the other peers while it thinks.
            beside: live on the hub of that socket: one leader serves both. Either may be closed first.

        Raises:
            StackError: the stack is refused; nothing was opened.
            EndpointError: the address to listen on cannot be bound.
        """
        super().__init__(timeout)
        check_seconds("timeout", timeout)
        check_seconds("linger", linger)
        if inspect.iscoroutinefunction(accept_pipe):
            raise StackError(
                "nobody awaits accept_pipe here: a blocking socket takes a plain function",
                layer="socket",
                field="accept_pipe",
            )
        options = EndpointOptions(reconnect_min, reconnect_max, handshake)
        self._core = SocketCore(pattern, options, BlockingHub, accept_pipe)
        self.linger = linger
        close_at_exit(self)
        self._core.use_hub(None if beside is None else beside._hub)
        if beside is not None and beside._core.owns_hub:
            self._core.owns_hub = True
            beside._hub.owners += 1
        self._settle_on_hub()
        try:
            if listen is not None:
                self.listen(listen)
            if dial is not None:
                self.dial(dial)
        except BaseException:
            self.close(linger=0)
            raise

    def dial(
        self,
        where: str | Spec[Os, Pipe],
        *,
        wait: bool = False,
        timeout: Timeout = DEFAULT,
        **options: Unpack[DialOptions],
    ) -> Dialer:
        """Keep a connection to an address. Returns at once and goes on trying.

        Args:
            where: a URL, or the stack below the pattern.
            wait: wait for the first success, so many seconds as ``timeout`` says.
            options: ``reconnect_min``, ``reconnect_max`` and ``handshake``, where they differ from the socket's;
                ``send_priority`` and ``recv_priority``, the place of this address's peers among those of the socket, 1
                (served first) to 16: what is sent goes to the best that is ready, and what arrived from the best is
                received first.

        Raises:
            StackError: the stack is refused.
            Deadline: ``wait`` was asked for, and nobody was reached in time; it goes on trying. Its cause is why the
                last attempt has failed.
        """
        specs = self._core.check(where)
        hub = self._adopt(specs)
        with hub.lock:
            core = self._core.add_dialer(specs, **options)
            hub.leave()
            if wait:
                self._wait(core.is_up, self._head.sendable, timeout, "dial")
        return Dialer(core, lambda: hub.lock)

    def reach(
        self, where: str | Spec[Os, Pipe], within: float, **options: Unpack[DialOptions]
    ) -> Dialer:
        """Dial, and wait for the first connection. If there is none, the address is given up.

        The arguments are those of :meth:`dial`; ``within`` is seconds.

        Raises:
            SockstackError: why the first attempt failed.
            Deadline: nothing was decided in time.
        """
        specs = self._core.check(where)
        hub = self._adopt(specs)
        with hub.lock:
            core = self._core.add_dialer(specs, **options)
            try:
                self._wait(core.outcome, self._head.sendable, within, "dial")
            except BaseException:
                self._core.drop(core)
                raise
        return Dialer(core, lambda: hub.lock)

    def listen(
        self,
        where: str | Spec[Os, Pipe],
        *,
        inherit: bool = False,
        **options: Unpack[ListenOptions],
    ) -> Listener:
        """Accept connections on an address.

        Args:
            where: a URL, or the stack below the pattern.
            inherit: a forked child goes on accepting on the same descriptor.
            options: ``handshake``, where it differs from the socket's; ``send_priority`` and ``recv_priority`` as in
                :meth:`dial`.

        Raises:
            StackError: the stack is refused.
            EndpointError: the address cannot be bound.
        """
        specs = self._core.check(where)
        hub = self._adopt(specs)
        with hub.lock:
            core = self._core.add_listener(specs, inherit, **options)
            hub.leave()
        return Listener(core, lambda: hub.lock)

    def context(self: Socket[CanContext], **options: float) -> Context[P_co]:
        """A context of its own state over this socket's pipes.

        Args:
            options: those of the pattern that may differ here: of a REQ ``resend``, ``best_effort`` and
                ``fail_no_peers``, of a SURVEYOR ``survey_time``.

        Raises:
            LocalProtocolError: the pattern has no contexts, or they have no such option.
            Closed: the socket is closed.
        """
        with self._hub.lock:
            self._core.raw.check()
            return Context(self, self._head.context(options))

    def wait_for_peers(self, count: int = 1, timeout: Timeout = DEFAULT) -> None:
        """Wait until at least so many peers are connected. What PUB, BUS or a survey sends earlier, nobody hears.

        Raises:
            Deadline: there were fewer in time.
            Closed: the socket is closed.
        """
        raw = self._core.raw

        def enough() -> bool | None:
            raw.check()
            return len(raw.pipes) >= count or None

        with self._hub.lock:
            if not enough():
                self._wait(enough, self._head.sendable, timeout, "wait_for_peers")

    @property
    def pipes(self) -> list[PipeInfo]:
        """The peers that are connected now."""
        with self._hub.lock:
            self._look()
            return self._core.pipes()

    def pipe(self, number: int) -> PipeInfo | None:
        """The peer with that id, :attr:`Message.pipe <sockstack.Message.pipe>` for example; None if it has left."""
        with self._hub.lock:
            self._look()
            return self._core.pipe(number)

    @property
    def dialers(self) -> list[Dialer]:
        """The addresses that it keeps dialling."""
        return [
            Dialer(core, lambda: self._hub.lock)
            for core in self._core.endpoints
            if isinstance(core, DialerCore)
        ]

    @property
    def listeners(self) -> list[Listener]:
        """The addresses that it accepts on."""
        return [
            Listener(core, lambda: self._hub.lock)
            for core in self._core.endpoints
            if isinstance(core, ListenerCore)
        ]

    def events(self) -> Events:
        """What happens to connections from now on: who came, who left, who was refused and what failed.

        Raises:
            Closed: the socket is closed.
        """
        with self._hub.lock:
            self._core.raw.check()
            return Events(self._hub, self._core.listen_to_events())

    def stats(self) -> dict[str, int]:
        """Counters of this socket: see :class:`~sockstack.core.head.Stats`. Pipes and endpoints have their own."""
        with self._hub.lock:
            self._look()
            return self._core.stats.snapshot()

    def close(self, linger: float | None = None) -> int:
        """Accept and dial no more, write what was accepted, and end all connections. May be called twice.

        Args:
            linger: seconds for which to keep trying; by default the socket's.

        Returns:
            Messages, or parts of them in bytes if they were handed to a connection already, that could not be written.
        """
        if self._closed:
            return 0
        self._closed = True
        linger = self.linger if linger is None else linger
        hub, core = self._hub, self._core
        with hub.lock:
            outbox, self._outbox = self._outbox, None
            if outbox is not None:
                outbox.on = False
            try:
                if not hub.closed and not self._drained(outbox) and linger > 0:
                    hub.wait(
                        lambda: self._drained(outbox) or None, self._head.sendable, linger, "close"
                    )
            except (Closed, Deadline):
                pass
            finally:  # interrupted while it waited, it closes all the same
                left = core.unsent()
                if outbox is not None:
                    left += len(outbox.messages)
                    outbox.closed = True
                core.close(orderly=not left)
                self._hide()
                if not core.owns_hub:
                    hub.leave()
                elif not hub.closed:
                    hub.release()
        if left:
            logger("socket").warning("%r: %d bytes or messages were not written", self, left)
        return left

    def __enter__(self) -> Socket[P_co]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def after_fork(self, kept: bool) -> None:
        """In a forked child: only what was made to be inherited goes on."""
        self._core.after_fork(kept, FORKED)
        if self._outbox is not None:
            self._outbox.messages.clear()
            self._outbox.on = False

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and hasattr(self, "_hub") and not self._hub.closed:
            drop(self, self._hub, self._letting_go())

    def _letting_go(self) -> Callable[[], None]:
        """Closes what this object stands for, and does not hold the object."""
        core, hub, outbox, hide = self._core, self._hub, self._outbox, self._hiding()

        def close() -> None:
            if outbox is not None:
                outbox.on = False
                outbox.drain()
                outbox.closed = True
            hide()
            core.close(orderly=not core.unsent())
            if core.owns_hub and not hub.closed:
                hub.release()

        return close

    def __repr__(self) -> str:
        return f"<Socket {self._core.describe(self.closed)}>"

    # Inside.

    def _adopt(self, specs: Any) -> BlockingHub:
        """The hub to work on: a session's, if the endpoint stands on one."""
        if self._closed:
            raise Closed("the socket is closed", layer="socket")
        self._core.raw.check()
        self._core.adopt(specs, BlockingHub)
        self._settle_on_hub()
        return self._hub

    def _settle_on_hub(self) -> None:
        if getattr(self, "_hub", None) is not self._core.hub:
            self._use(self._core.hub, self._core.head)
            self._hub.residents.add(self)
            if self._head.bursts:
                self._outbox = Outbox(self._hub, self._head, self._core.offer_accepted)

    def _look(self) -> None:
        """Under the lock: what has happened meanwhile, if nobody else looks."""
        self._hub.turn()
        if self._hub.unattended:
            self._hub.leave()

    def _explain(self, error: Deadline) -> None:
        self._core.explain(error)

    def _drained(self, outbox: Outbox | None) -> bool:
        if outbox is not None and not outbox.drain():
            return False
        return not self._core.unsent()
