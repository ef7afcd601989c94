"""Devices of the asyncio driver."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Unpack

from ...core.interfaces import Message, Pattern, Pipe
from ...core.spec import Same, Spec, layers_of
from ...patterns.device import Device as DeviceCore
from ...patterns.device import check_pair
from ..socket_core import build_filters
from .hub import current_hub
from .socket import Socket, SocketOptions

__all__ = ["Device"]


class Device:
    """Joins two raw sockets, or reflects what comes to one, as long as the loop runs; see the blocking device.

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
        """Make the two sockets and join them. The arguments are those of the blocking device.

        Raises:
            StackError: the two make no device.
        """
        check_pair(layers_of(front)[-1], None if back is None else layers_of(back)[-1], inside)
        filters = build_filters(() if inside is None else layers_of(inside), current_hub())
        self.front: Socket[Any] = Socket(front, **options)
        self.back: Socket[Any] = self.front if back is None else Socket(back, **options)
        self._core = DeviceCore(self.front._core.raw, self.back._core.raw, filters)

    @property
    def forwarded(self) -> int:
        """Messages passed on so far, both ways."""
        return self._core.forwarded

    @property
    def refused(self) -> int:
        """Messages that the filters inside did not let pass, or raised on."""
        return self._core.refused

    async def close(self) -> None:
        """Pass nothing on any more, and close both sockets."""
        self._core.close()
        try:
            await self.back.close()
        finally:  # cancelled while that one lingers, too
            await self.front.close()

    def __repr__(self) -> str:
        return f"<Device {self.front!r}, {self.back!r}>"

    async def __aenter__(self) -> Device:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
