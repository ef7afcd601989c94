"""The helper thread of a blocking hub: it lives only while something must happen that no caller may be there to do."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .hub import BlockingHub

__all__ = ["Helper"]

GRACE = 0.02
"""Seconds for which callers must have been away before the helper polls in their place."""

BURST = 0.001
"""Seconds between two looks at what a burst has left behind."""


class Helper:
    """Rests while callers lead the hub, leads it while they are away, and ends when nothing is left to do.

    Attributes:
        running: the thread is there.
    """

    def __init__(self, hub: BlockingHub) -> None:
        self._hub = hub
        self.running = False
        self._bell = threading.Event()
        self.bursts: list[Burst] = []

    def start(self) -> None:
        """Under the hub's lock: see that the thread is there."""
        if not self.running and not self._hub.closed:
            self.running = True
            self._hub.unattended = False
            threading.Thread(target=self._run, name="sockstack-helper", daemon=True).start()

    def call(self) -> None:
        """Wake it from its rest: something was posted, or the hub is closed. Any thread may call."""
        self._bell.set()

    def burst(self, burst: Burst) -> None:
        """Under the lock: flush ``burst`` each millisecond until it says that it is over."""
        self.bursts.append(burst)
        self.start()
        self._bell.set()

    def _run(self) -> None:
        hub = self._hub
        seen = -1
        while True:
            with hub.lock:
                self.bursts = [burst for burst in self.bursts if burst.flush()]
                if hub.closed or not (hub.needed or self.bursts):
                    self.running = False
                    return
                called = self._bell.is_set()
                self._bell.clear()
                if self.bursts:
                    hub.turn()
                else:
                    if called or hub.turns == seen:
                        hub.help()
                    seen = hub.turns
            self._bell.wait(BURST if self.bursts else GRACE)


class Burst:
    """Something that collects messages for a moment."""

    __slots__ = ()

    def flush(self) -> bool:
        """Send what was collected; False when the burst is over."""
        raise NotImplementedError
