"""Bursts: single messages sent in quick succession are collected for a moment and sent together.

The first message of a burst is written at once. From the fifth quick one on, a send only appends to a list: no lock, no
clock, no system call. The list is sent when it is full, and by the helper thread at least each millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...core.errors import Closed
from ...core.head import Head
from .helper import Burst

if TYPE_CHECKING:
    from .hub import BlockingHub

__all__ = ["FULL", "SMALL", "Outbox"]

SMALL = 2048
"""Bytes up to which a message may be collected."""

FULL = 128
"""Messages that are sent together."""

QUICK = 2e-5
"""Seconds: a send that follows the one before sooner than this is quick. How long sending itself takes is not counted:
what goes to a hundred peers takes long, and gains most from being collected."""

QUICK_SENDS = 4
"""Quick sends in a row that make a burst."""

COSTLY = 3e-4
"""Seconds that a send may take; after one that takes longer, to very many peers, the first quick one makes a burst."""

STALE = 1e-3
"""Seconds after which a sender looks for news of its peers before it writes to them."""

QUIET_LOOKS = 2
"""Looks of the helper that find nothing new after which a burst is over."""


class Outbox(Burst):
    """The messages of one socket that are collected.

    Attributes:
        on: a burst is under way: whoever finds it on, and ``messages`` shorter than :data:`FULL`, may append. Who finds
            it off afterwards calls :meth:`late`; after it went off the helper looks once more, so nothing stays behind.
        closed: the socket is, and has told what was left.
        messages: accepted, and not yet handed to a pipe. Appended to by any thread; taken from under the hub's lock.
    """

    __slots__ = (
        "_begun",
        "_costly",
        "_head",
        "_hub",
        "_last",
        "_offer",
        "_quick",
        "_quiet",
        "_registered",
        "closed",
        "messages",
        "on",
    )

    def __init__(
        self, hub: BlockingHub, head: Head, offer: Callable[[Sequence[bytes]], int]
    ) -> None:
        """``offer`` takes messages, and tells how many."""
        self.on = self.closed = False
        self.messages: list[bytes] = []
        self._hub = hub
        self._head = head
        self._offer = offer
        self._begun = self._last = 0.0
        self._costly = False
        self._quick = 0
        self._quiet = 0
        self._registered = False

    def drain(self) -> bool | None:
        """Under the lock: hand on what was collected. True when nothing is left, None: not now."""
        messages = self.messages
        while messages:
            batch = messages[:FULL]
            del messages[: len(batch)]  # before: what a signal interrupts is not sent twice
            taken = self._offer(batch)
            messages[:0] = batch[taken:]
            if not taken:
                return None
        return True

    def joins(self) -> bool:
        """Under the lock: whether a small message is collected now. Else it is sent, and :meth:`after_send` called.

        News of peers are looked at first, if they have not been for a while.
        """
        if self.on:
            return True
        self._begun = now = self._hub.now()
        pause = now - self._last
        if pause >= QUICK:
            self._quick = 0
            if pause > STALE:
                self._hub.turn()
            return False
        self._quick += 1
        if (self._quick >= QUICK_SENDS or self._costly) and self._head.flowing:
            self._quick = self._quiet = 0
            self.on = True
            if not self._registered:
                self._registered = True
                self._hub.collect(self)
        return self.on

    def after_send(self) -> None:
        """Under the lock: a message was written."""
        self._last = self._hub.now()
        self._costly = self._last - self._begun > COSTLY

    def late(self) -> None:
        """Under the lock: a message was added while the burst ended. The helper fetches it.

        Raises:
            Closed: the socket was closed, and the message is not accepted.
        """
        if self.closed:
            self.messages.clear()
            raise Closed(self._hub.why if self._hub.closed else "the socket is closed")
        if self.messages and not self._registered:
            self._registered = True
            self._hub.collect(self)

    def flush(self) -> bool:
        if self.messages:
            self._quiet = 0
            try:
                if self.drain() is None:  # the next look is when there is room
                    self.on = False
                    self._head.sendable.add(self._go_on)
                    return False
            except Closed:  # the socket was closed, and has counted these
                self.on = False
                return False
        else:
            self._quiet += 1
            self.on = self.on and self._quiet < QUIET_LOOKS
        self._registered = self.on or self._quiet <= QUIET_LOOKS
        return self._registered

    def _go_on(self) -> None:
        """There is room again, perhaps."""
        self._hub.collect(self)
