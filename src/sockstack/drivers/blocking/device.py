"""Devices of the blocking driver."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Any, Unpack

from ...core.errors import Closed
from ...core.interfaces import Message, Pattern, Pipe
from ...core.junction import Gate
from ...core.spec import Same, Spec, layers_of
from ...patterns.device import Device as DeviceCore
from ...patterns.device import check_pair
from ..socket_core import build_filters
from .exit import let_go
from .hub import BlockingHub
from .socket import Socket, SocketOptions

__all__ = ["Device"]


class Device:
    """Joins two raw sockets and passes messages on both ways, headers and all; or reflects what comes to one.

    Both live on one hub. Whoever calls :meth:`run` leads it; when nobody does, a helper thread does the work.

    Attributes:
        front, back: the two sockets, or twice the one that reflects: they dial, listen, and have pipes and statistics.
    """

    def __init__(
        self,
        front: Spec[Pipe, Pattern[Any]],
        back: Spec[Pipe, Pattern[Any]] | None = None,
        *,
        inside: Spec[Message, Message] | Same | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        """Make the two sockets and join them.

        Args:
            front, back: raw patterns that are peers: ``Rep(raw=True)`` and ``Req(raw=True)``, ``Sub(raw=True)``
                and ``Pub(raw=True)``. One alone, ``Bus(raw=True)`` for example, reflects: what one peer sends it passes
                on to the others.
            inside: filters between the two. What goes from front to back is encoded, what comes back is decoded.
            options: those of :class:`~sockstack.Socket`, ``accept_pipe`` or ``linger`` for example, for both.

        Raises:
            StackError: the two make no device.
        """
        check_pair(layers_of(front)[-1], None if back is None else layers_of(back)[-1], inside)
        self.front: Socket[Any] = Socket(front, **options)
        self.back: Socket[Any] = self.front
        self._hub = hub = self.front._hub
        self._closed = Gate()
        try:
            filters = build_filters(() if inside is None else layers_of(inside), hub)
            if back is not None:
                self.back = Socket(back, beside=self.front, **options)
        except BaseException:
            self.front.close()
            raise
        for side in (self.front, self.back):
            side._core.stays = True
        with hub.lock:
            self._core = DeviceCore(self.front._core.raw, self.back._core.raw, filters)
            hub.need(self._core, True)
            hub.leave()

    @property
    def forwarded(self) -> int:
        """Messages passed on so far, both ways."""
        return self._core.forwarded

    @property
    def refused(self) -> int:
        """Messages that the filters inside did not let pass, or raised on."""
        return self._core.refused

    def run(self, timeout: float | None = None) -> None:
        """Do the work in this thread until the device is closed.

        Raises:
            Deadline: the time has passed; the device goes on.
        """
        hub = self._hub
        with hub.lock:
            try:
                hub.wait(lambda: None, self._closed, timeout, "run")
            except Closed:
                return

    def close(self) -> None:
        """Pass nothing on any more, and close both sockets, which linger as they were told to."""
        with self._hub.lock:
            _stop(self._hub, self._core)
        try:
            self.back.close()
        finally:  # interrupted while that one lingers, too
            self.front.close()

    def __del__(self) -> None:
        if hasattr(self, "_core") and not self._hub.closed:  # its sockets warn
            let_go(self._hub, partial(_stop, self._hub, self._core))

    def __repr__(self) -> str:
        return f"<Device {self.front!r}, {self.back!r}>"

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _stop(hub: BlockingHub, core: DeviceCore) -> None:
    """Under the lock: pass nothing on any more."""
    core.close()
    hub.need(core, False)
