"""A thread that sends while the main thread shows what comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from ..core.errors import SockstackError

__all__ = ["Feeder"]


class Feeder(threading.Thread):
    """Sends pieces, one after the other.

    Args:
        pieces: what to send.
        send: takes each of them.
        done: called after the last one.
        give_up: called when sending has failed; it makes the main thread notice.

    Attributes:
        error: what stopped it, or None.
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        send: Callable[[bytes], object],
        done: Callable[[], object],
        give_up: Callable[[], object],
    ) -> None:
        # A thread that waits for a terminal's next line cannot be stopped; it must not hold the process up.
        super().__init__(name="sockstack-cat-input", daemon=True)
        self.error: SockstackError | OSError | None = None
        self._pieces = pieces
        self._send = send
        self._done = done
        self._give_up = give_up
        self._stopped = False

    def stop(self) -> None:
        """Send no more; failures count no more, either."""
        self._stopped = True

    def run(self) -> None:
        try:
            for piece in self._pieces:
                if self._stopped:
                    return
                self._send(piece)
            self._done()
        except (SockstackError, OSError) as error:
            if not self._stopped:
                self.error = error
                self._give_up()
