"""What a mux states beside what every layer does: it opens streams, and it is told who takes those of the peer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .layer import Layer
from .transport import Link

if TYPE_CHECKING:
    from .chain import Chain
    from .hub import Hub

__all__ = ["MuxLayer"]


class MuxLayer(Layer):
    """The top of a session: one connection below, many streams above, each the bottom of a chain of its own.

    Attributes:
        on_stream: called with the link of each stream that the peer opens.
        chain: the connection that it is the top of. Both are set before ``opened`` has returned.
    """

    on_stream: Callable[[Link], None]
    chain: Chain

    @property
    def hub(self) -> Hub:
        """Where the session lives, and all its streams with it."""
        link: Any = self.chain.link
        hub: Hub = link.hub
        return hub

    def open_stream(self) -> Link:
        """A new stream.

        Raises:
            LocalProtocolError: the session takes no more streams.
        """
        raise NotImplementedError
