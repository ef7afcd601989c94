"""The end of a connection without a pattern: what arrived, what was asked for, and how it ended.

Credit is given one unit at a time, when somebody asks for one. Nothing is decoded ahead, so a layer can be taken off or
changed between two units and nothing is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .capabilities import UNLIMITED, Unit
from .chain import ChainTop
from .errors import EndOfStream, LocalProtocolError, SockstackError, TooBig
from .junction import Gate
from .layer import MANY
from .life import Event, State, after
from .spec import LayerSpec, Stack

if TYPE_CHECKING:
    from .capabilities import Capabilities
    from .layer import Layer

__all__ = ["ConnectionCore"]


class ConnectionCore(ChainTop):
    """The top of one connection.

    Attributes:
        state: where it is in its life.
        error: what broke it, or None.
        receivable, sendable: where callers wait.
    """

    __slots__ = (
        "_asked",
        "_ending",
        "_inbox",
        "_writable",
        "error",
        "receivable",
        "sendable",
        "state",
    )

    def __init__(self) -> None:
        super().__init__()
        self.state = State.OPENING
        self.error: SockstackError | None = None
        self.receivable = Gate()
        self.sendable = Gate()
        self._inbox: deque[bytes] = deque()
        self._asked = 0
        self._writable = True
        self._ending: list[Layer] = []

    @property
    def is_stream(self) -> bool:
        """Whether its units are bytes without boundaries."""
        return self.chain.record.unit is Unit.STREAM

    # From below.

    def opened(self, record: Capabilities) -> None:
        self.state = after(self.state, Event.OPENED)
        self.receivable.open()
        self.tell_opened()

    def receive(self, units: list[bytes]) -> None:
        self._inbox.extend(units)
        self._asked -= len(units)
        if self.is_stream:
            self._asked = 0
            self.below.want(0)
        self.receivable.open()

    def writable(self, flag: bool) -> None:
        self._writable = flag
        if flag:
            self.sendable.open()

    def ended(self) -> None:
        self.state = after(self.state, Event.ENDED)
        self.receivable.open()

    def broken(self, error: SockstackError) -> None:
        self._over(error)
        self.tell_closed(error)

    # From the caller.

    def offer(self, data: bytes) -> bool:
        """Send a unit; False: not now.

        Raises:
            LocalProtocolError: our output has ended.
            SockstackError: what broke the connection.
        """
        if not self.state.may_send:
            raise self._refusal("send")
        if not self._writable:
            return False
        if data or not self.is_stream:
            self.below.send([data])
            if self.error is not None:
                raise self._refusal("send")
        return True

    def check_size(self, data: bytes) -> None:
        """Refuse a unit that the stack cannot carry, before any of it is sent."""
        limit = self.chain.record.max_unit
        if len(data) > limit and limit != UNLIMITED and not self.is_stream:
            raise TooBig(
                f"the message has {len(data)} bytes, this stack carries {limit}",
                limit=limit,
                size=len(data),
                layer=self.chain.specs[0].name,
                path=self.chain.path,
            )

    def take(self) -> bytes | None:
        """The next unit; None: not now.

        Raises:
            EndOfStream: the peer has ended its output.
            SockstackError: what broke the connection.
        """
        bodies = self.take_many(1)
        return None if bodies is None else bodies[0]

    def take_many(self, most: int) -> list[bytes] | None:
        """Up to ``most`` units that are there. Raises like :meth:`take`."""
        inbox = self._inbox
        if len(inbox) < most and self.state.may_receive and self._asked < most - len(inbox):
            self._asked = most - len(inbox)
            self.below.want(MANY if self.is_stream else self._asked)
        if inbox:
            self._ask_no_more()
            return [inbox.popleft() for _ in range(min(most, len(inbox)))]
        if not self.state.may_receive:
            raise self._refusal("receive")
        return None

    def give_up(self) -> None:
        """A caller has waited in vain: what it asked for is not decoded when it comes. Others who wait ask again."""
        if self.state.may_receive:
            self._ask_no_more()
            self.receivable.open()

    def _ask_no_more(self) -> None:
        if self._asked:
            self._asked = 0
            self.below.want(0)

    def take_bytes(self, size: int) -> bytes | None:
        """Of a stream: what is there, up to ``size`` bytes; None: not now. Raises like :meth:`take`."""
        data = self.take()
        if data is not None and len(data) > size:
            self._inbox.appendleft(data[size:])
            data = data[:size]
        return data

    def take_exactly(self, size: int) -> bytes | None:
        """Of a stream: ``size`` bytes; None: not yet, and what is there stays. Raises like :meth:`take`."""
        inbox = self._inbox
        while sum(map(len, inbox)) < size:
            if not self.state.may_receive:
                raise self._refusal("receive")
            held = len(inbox)
            if not self._asked:
                self._asked = 1
                self.below.want(MANY)
            if len(inbox) == held:
                return None
        data = b"".join(inbox)
        inbox.clear()
        if len(data) > size:
            inbox.append(data[size:])
        return data[:size]

    def end(self) -> None:
        """End our output; the peer's may go on."""
        if self.state.may_send:
            self.state = after(self.state, Event.END)
            self.below.end()

    def abort(self, error: SockstackError | None = None) -> None:
        """Let go at once."""
        if self.state is not State.BROKEN:
            self._over(error)
            self.below.abort()
            self.tell_closed(error)

    def forget(self, error: SockstackError) -> None:
        """The connection belongs to another process now; ``error`` says so to whoever uses this end."""
        if self.state is not State.DETACHED:
            self._over(error)

    def drained(self) -> bool | None:
        """True when all that was accepted is with the kernel or cannot get there any more; None: not yet."""
        return True if self.state is State.BROKEN or not self.chain.unsent else None

    def is_open(self) -> bool | None:
        """True once all layers are open; None: not yet.

        Raises:
            SockstackError: why they will not open.
        """
        if self.error is not None:
            raise self.error
        return None if self.state is State.OPENING else True

    # Taking layers off and putting others on.

    def settle(self, count: int) -> bool | None:
        """Bring the topmost ``count`` layers to their ends, one after the other; True when they can be taken off.

        Raises:
            LocalProtocolError: units of theirs wait to be received, or still arrive.
            SockstackError: what broke the connection.
        """
        if self.state is State.BROKEN:
            raise self._refusal("detach")
        for layer in self.chain.layers[:count]:
            if layer.detachable() is None:
                continue
            if self.state.may_send:
                self.state = after(self.state, Event.END)
            if layer not in self._ending:
                self._ending.append(layer)
                layer.end()
            if self.state.may_receive and not self._asked:
                self._asked = 1
                self.below.want(1)
            break
        if self._inbox:
            what = "the peer still sends; receive until EndOfStream first"
            if not self._ending:
                what = "something has arrived that nobody has received; receive it first"
            raise LocalProtocolError(
                f"cannot detach: {what}",
                layer="connection",
                path=self.chain.path,
            )
        return True if self.chain.obstacle(count) is None else None

    def take_off(self, count: int, fresh: ConnectionCore) -> None:
        """Take the topmost ``count`` layers off, which have settled; the connection goes on under the end ``fresh``.

        What they had received and not decoded comes first there.
        """
        chain = self.chain
        session = any(layer.session for layer in chain.layers[:count])
        ended = not session and self.state in (State.LOCAL_ENDED, State.ENDED)
        leftover = chain.take_off(count)
        self._hand_on((), fresh, leftover, ended)

    def put_on(self, specs: Sequence[LayerSpec], fresh: ConnectionCore) -> None:
        """Put layers on; the connection goes on under the end ``fresh``, once that is open.

        Raises:
            StackError: the layers do not fit on what is there.
            SockstackError: what broke the connection.
        """
        if self.state is State.BROKEN:
            raise self._refusal("attach")
        Stack((*specs, *self.chain.specs))  # checks
        ended = self.state in (State.LOCAL_ENDED, State.ENDED)
        self._hand_on(specs, fresh, list(self._inbox), ended)
        self._inbox.clear()

    def _hand_on(
        self,
        specs: Sequence[LayerSpec],
        fresh: ConnectionCore,
        leftover: list[bytes],
        ended: bool,
    ) -> None:
        fresh.chain = self.chain
        fresh._writable = self._writable
        self.chain.put_on(specs, fresh, leftover)  # raises before it changes anything
        self.state = State.DETACHED
        self.receivable.open()
        self.sendable.open()
        if ended and fresh.state.may_send:
            fresh.state = after(fresh.state, Event.END)

    def fetch_all(self) -> list[bytes]:
        """All that was received and not fetched; the connection is handed over, and nobody may use this end again."""
        units = list(self._inbox)
        self._inbox.clear()
        self.state = State.DETACHED
        return units

    def begin_with(self, data: bytes) -> None:
        """Before anything newly received, what another process had received."""
        if data:
            self._inbox.append(data)

    def _over(self, error: SockstackError | None) -> None:
        self.error = error
        self.state = State.BROKEN
        self.receivable.open()
        self.sendable.open()

    def _refusal(self, what: str) -> SockstackError:
        if self.error is not None:
            return self.error.again()
        path = self.chain.path
        if what == "receive" and self.state in (State.REMOTE_ENDED, State.ENDED):
            return EndOfStream("the peer has ended its output", layer="connection", path=path)
        if what == "send" and self.state in (State.LOCAL_ENDED, State.ENDED):
            return LocalProtocolError(
                "cannot send: our output was ended", layer="connection", path=path
            )
        return LocalProtocolError(
            f"cannot {what}: the connection is {self.state.value}", layer="connection", path=path
        )
