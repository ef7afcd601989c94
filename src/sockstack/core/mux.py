"""What a mux states beside what every layer does: it opens streams, and it is told who takes those of the peer."""

from __future__ import annotations

from collections.abc import Callable

from .layer import Layer
from .transport import Link

__all__ = ["MuxLayer"]


class MuxLayer(Layer):
    """The top of a session: one connection below, many streams above, each the bottom of a chain of its own.

    Attributes:
        on_stream: called with the link of each stream that the peer opens.
    """

    on_stream: Callable[[Link], None]

    def open_stream(self) -> Link:
        """A new stream.

        Raises:
            LocalProtocolError: the session takes no more streams.
        """
        raise NotImplementedError
