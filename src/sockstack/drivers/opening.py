"""One connection from a transport's link to an open stack: built, given a deadline, and watched until it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..core.chain import Chain, ChainTop
from ..core.errors import Deadline, SockstackError
from ..core.hub import Cancellable, Hub
from ..core.layer import Layer
from ..core.log import logger
from ..core.spec import LayerSpec, Role
from ..core.transport import Link

__all__ = ["Opening", "Ticker"]


class Opening:
    """A connection that is being opened. Ends with ``done`` or ``failed``, once.

    Args:
        top: the end of the connection.
        above: the pattern and what stands on it, top first; empty without a pattern.
        specs: the layers of the connection, top first.
        allowed: seconds within which all of them must be open.
    """

    def __init__(
        self,
        hub: Hub,
        top: ChainTop,
        above: tuple[LayerSpec, ...],
        specs: Sequence[LayerSpec],
        role: Role,
        allowed: float,
        done: Callable[[Opening, ChainTop], None],
        failed: Callable[[Opening, SockstackError], None],
    ) -> None:
        self._hub = hub
        self.top = top
        self._above = above
        self._specs = specs
        self._role = role
        self._allowed = allowed
        self._done = done
        self._failed = failed
        self._timer: Cancellable | None = None
        self._started = False

    def start(self, link: Link) -> None:
        """Build the layers over ``link`` and open them, all within the time allowed."""
        hub, top = self._hub, self.top
        try:
            chain = Chain(self._specs, link, link.record, self._role, top, hub, self._above)
        except Exception as error:
            link.abort()
            if not isinstance(error, SockstackError):
                logger("opening").exception("a layer cannot be built")
                error = SockstackError(f"internal fault: {error!r}", layer=self._specs[0].name)
            self._failed(self, error)
            return
        self._started = True
        top.chain = chain
        timed = chain.timed
        if timed:
            chain.on_move = Ticker(hub, timed).move
        top.on_opened = self._opened
        top.on_closed = self._closed
        self._timer = hub.call_at(hub.now() + self._allowed, self._late)
        chain.open()

    def abort(self) -> None:
        """Give it up without a word."""
        if self._timer is not None:
            self._timer.cancel()
        if self._started:
            self.top.tell_nobody()
            self.top.chain.abort()

    def _opened(self) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._done(self, self.top)

    def _closed(self, error: SockstackError | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._failed(self, error or SockstackError("the peer left while the connection opened"))

    def _late(self) -> None:
        self.abort()
        waiting = ", ".join(layer.name for layer in self.top.chain.layers if layer.session)
        self._failed(
            self,
            Deadline(
                f"the peer did not finish its part of the opening within {self._allowed:g} s",
                layer=waiting or "stack",
                path=self.top.chain.path,
            ),
        )


class Ticker:
    """Keeps the time for the layers of a chain that have deadlines."""

    def __init__(self, hub: Hub, layers: Sequence[Layer]) -> None:
        self._hub = hub
        self._layers = layers
        self._timer: Cancellable | None = None
        self._armed = float("inf")
        for layer in layers:
            layer.rearm = self.rearm
        self.rearm()

    def move(self, hub: Hub) -> None:
        """Keep the time on another hub."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = float("inf")
        self._hub = hub
        self.rearm()

    def rearm(self) -> None:
        """A deadline has changed."""
        due = min(
            (layer.deadline for layer in self._layers if layer.deadline is not None),
            default=float("inf"),
        )
        if due == self._armed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = due
        if due != float("inf"):
            self._timer = self._hub.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._armed = float("inf")
        now = self._hub.now()
        for layer in self._layers:
            if layer.deadline is not None and layer.deadline <= now:
                layer.deadline = None
                layer.tick(now)
        self.rearm()
