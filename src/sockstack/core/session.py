"""The top of a session: a connection whose topmost layer is a mux."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from .connection import ConnectionCore
from .errors import Closed, LocalProtocolError, SockstackError
from .life import Event, after
from .mux import MuxLayer
from .transport import Accepted, Link

if TYPE_CHECKING:
    from .capabilities import Capabilities

__all__ = ["SessionCore"]


class SessionCore(ConnectionCore):
    """The top of a session: streams that the peer opened wait here, as many as the mux lets be open at once."""

    __slots__ = ("_acceptor", "_released", "_streams")

    def __init__(self) -> None:
        super().__init__()
        self._streams: deque[Link] = deque()
        self._acceptor: Accepted | None = None
        self._released: Callable[[], None] | None = None

    @property
    def mux(self) -> MuxLayer:
        """The mux layer."""
        layer = self.chain.layers[0]
        assert isinstance(layer, MuxLayer)
        return layer

    @property
    def waiting(self) -> int:
        """How many streams wait to be taken."""
        return len(self._streams)

    # From below.

    def opened(self, record: Capabilities) -> None:
        self.mux.chain = self.chain
        self.mux.on_stream = self._incoming
        super().opened(record)

    def ended(self) -> None:
        """What the peer would have to answer cannot be answered any more, so our output ends too."""
        super().ended()
        self.state = after(self.state, Event.END)
        self._release()

    def _incoming(self, link: Link) -> None:
        if self._acceptor is not None:
            self._acceptor(link)
        else:
            self._streams.append(link)
            self.receivable.open()

    # From the caller.

    def open_stream(self) -> Link:
        """A new stream.

        Raises:
            Closed: the session is over, and will not open any again.
            LocalProtocolError: it has as many open as it may.
        """
        if not self.state.may_send:
            raise Closed(
                f"cannot open a stream: the session is over ({self.state.value})",
                layer="session",
                path=self.chain.path,
            ) from self.error
        return self.mux.open_stream()

    def take_stream(self) -> Link | None:
        """The next stream that the peer opened; None: none yet.

        Raises:
            EndOfStream: the peer has ended the session.
            LocalProtocolError: somebody listens on this session.
            SockstackError: what broke it.
        """
        if self._acceptor is not None:
            raise self._taken()
        if self._streams:
            return self._streams.popleft()
        if not self.state.may_receive:
            raise self._refusal("receive")
        return None

    def accept_with(self, acceptor: Accepted, released: Callable[[], None]) -> None:
        """Give the streams that come to ``acceptor``, and by :meth:`hand_out` those that wait.

        ``released`` is called when none will come any more.

        Raises:
            LocalProtocolError: somebody else takes them already.
            SockstackError: the session is over.
        """
        if self._acceptor is not None:
            raise self._taken()
        if not self._streams and not self.state.may_receive:
            raise self._refusal("receive")
        self._acceptor = acceptor
        self._released = released

    def hand_out(self) -> None:
        """Give the streams that wait to the acceptor."""
        while self._acceptor is not None and self._streams:
            self._acceptor(self._streams.popleft())

    def accept_no_more(self) -> None:
        """Nobody takes streams; those that come wait to be taken."""
        self._release()

    # Inside.

    def _taken(self) -> LocalProtocolError:
        return LocalProtocolError(
            "somebody listens on this session, and takes the streams that the peer opens",
            layer="session",
            path=self.chain.path,
        )

    def _over(self, error: SockstackError | None) -> None:
        super()._over(error)
        self._release()

    def _release(self) -> None:
        self._acceptor = None
        released, self._released = self._released, None
        if released is not None:
            released()
