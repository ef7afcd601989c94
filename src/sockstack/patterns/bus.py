"""BUS: everyone to all neighbours. SP protocol number 0x70 at both ends; no header.

A node does not pass on what it receives: all nodes that shall hear each other are connected with each other.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.errors import LocalProtocolError
from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Timing
from ..core.interfaces import CanRecv, CanSend, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import Pipe
from ..core.layer import Chunks
from ..core.spec import Spec
from .base import PatternSpec, Raw, RawHead
from .fanout import SEND_BUFFER, FanOut, FanOutHead, check_buffer
from .pipeline import PullHead, RawPull

__all__ = ["Bus", "BusOps"]


class BusOps(CanSend, CanRecv):
    """What a BUS socket does."""


@dataclass(frozen=True)
class Bus(PatternSpec, Spec[PipeInterface, Pattern[BusOps]]):
    """Each message goes to every peer that is connected; sending never waits. A node does not receive its own messages.

    A peer that does not keep up has a queue of ``send_buffer`` messages; what finds it full is dropped for that peer
    and counted as ``shed``. Without a peer sending succeeds, and the message is counted as ``unheard``.

    Nothing is dropped on receipt: messages of all peers are received in turn, and a peer whose messages nobody fetches
    is stopped. Its queue for this node then fills, and it drops. (NNG reads on, and drops at the receiver.)

    Args:
        send_buffer: messages that wait for one peer, 1 or more. What the connection has taken is not counted. NNG has
            16; messages are sent in batches here, which need more room.
        raw: messages are received with the id of their pipe as header, 4 bytes. Sent with such a header a message goes
            to all pipes but that one; the header never goes out. For devices.
    """

    _: KW_ONLY
    send_buffer: int = SEND_BUFFER
    raw: bool = False

    name: ClassVar[str] = "bus"
    number: ClassVar[int] = 0x70
    peer_number: ClassVar[int] = 0x70

    def __post_init__(self) -> None:
        check_buffer(self.name, "send_buffer", self.send_buffer)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawBus(env, filters, stats, self.send_buffer)
        raw.head = RawBusHead(self.name, raw) if self.raw else BusHead(raw)
        return raw.head, raw


class RawBus(FanOut, RawPull):
    """To all pipes but the one that the header names; from all of them as PULL does."""

    def put(self, header: bytes, body: Chunks) -> bool:
        self.spread((body,), self.pipes.get(int.from_bytes(header, "big")))
        return True

    def route_header(self, pipe: Pipe, header: bytes) -> bytes:
        return pipe.id.to_bytes(4, "big")


class RawBusHead(RawHead):
    """A raw BUS socket: its caller is told of a header that means nothing."""

    def offer_message(self, message: Message) -> bool:
        if len(message.header) not in (0, 4):
            raise LocalProtocolError(
                f"a raw bus message has no header, or the word of a pipe: 4 bytes, not {len(message.header)}",
                layer=self.name,
            )
        return super().offer_message(message)


class BusHead(FanOutHead, PullHead):
    """A BUS socket."""

    name = "bus"
    _raw: RawBus
