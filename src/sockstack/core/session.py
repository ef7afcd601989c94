"""The top of a session: a connection whose topmost layer is a mux."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .connection import ConnectionCore
from .errors import LocalProtocolError
from .mux import MuxLayer
from .transport import Accepted, Link

if TYPE_CHECKING:
    from .capabilities import Capabilities

__all__ = ["SessionCore"]


class SessionCore(ConnectionCore):
    """The top of a session: streams that the peer opened wait here."""

    __slots__ = ("_acceptor", "_streams")

    def __init__(self) -> None:
        super().__init__()
        self._streams: deque[Link] = deque()
        self._acceptor: Accepted | None = None

    @property
    def mux(self) -> MuxLayer:
        """The mux layer."""
        layer = self.chain.layers[0]
        assert isinstance(layer, MuxLayer)
        return layer

    def opened(self, record: Capabilities) -> None:
        self.mux.on_stream = self._incoming
        super().opened(record)

    def _incoming(self, link: Link) -> None:
        if self._acceptor is not None:
            self._acceptor(link)
        else:
            self._streams.append(link)
            self.receivable.open()

    def take_stream(self) -> Link | None:
        """The next stream that the peer opened; None: none yet.

        Raises:
            SockstackError: the session is over.
        """
        if self._streams:
            return self._streams.popleft()
        if not self.state.may_receive:
            raise self._refusal("receive")
        return None

    def accept_with(self, acceptor: Accepted | None) -> None:
        """Give incoming streams to ``acceptor`` from now on.

        Raises:
            LocalProtocolError: somebody else takes them already.
        """
        if acceptor is not None and self._acceptor is not None:
            raise LocalProtocolError("somebody listens on this session already", layer="session")
        self._acceptor = acceptor
        while acceptor is not None and self._streams:
            acceptor(self._streams.popleft())
