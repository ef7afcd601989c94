"""STAR: everyone to everyone, over nodes that pass messages on. SP protocol number 0x640 at both ends; of mangos alone.

Wire (what mangos does; there is no draft)::

    00 00 00 hops  body      hops: 0 at the source, one more at each node that passes it on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.errors import LocalProtocolError, RemoteProtocolError
from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Timing
from ..core.interfaces import CanRecv, CanSend, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import Pipe
from ..core.layer import Chunks
from ..core.spec import Header, Spec
from .backtrace import headed
from .base import Incoming, PatternSpec, Raw, RawHead, check_ttl
from .fanout import SEND_BUFFER, FanOut, FanOutHead, check_buffer
from .mailbox import RECV_BUFFER, Mailbox

__all__ = ["Star", "StarOps"]

ZEROES = b"\0\0\0"
SOURCE = b"\0\0\0\0"
"""The word of a message that begins here."""


class StarOps(CanSend, CanRecv):
    """What a STAR socket does."""


@dataclass(frozen=True)
class Star(PatternSpec, Spec[PipeInterface, Pattern[StarOps]]):
    """Each message goes to all nodes: a node receives what a peer sends, and passes it on to all its other peers.

    The connections should be a tree, a star say: where they form a circle, messages are received again and again until
    they have gone ``ttl`` hops, and a node receives its own. Messages are passed on as they came, whatever the filters
    above the pattern make of them here.

    Neither sending nor passing on ever waits. What finds the queue of a peer full is dropped for that peer and counted
    as ``shed``; what finds the queue of those who receive full is passed on all the same, and counted as ``overrun``.
    Without a peer sending succeeds, and the message is counted as ``unheard``. A message that has gone too far, or
    whose word does not begin with zeroes, is dropped and counted as ``looped``. A peer whose message is shorter than
    the word is disconnected.

    Args:
        ttl: connections that a message may go over, 1 to 255.
        send_buffer: messages that wait for one peer, 1 or more. What the connection has taken is not counted.
        recv_buffer: messages that wait to be received, 1 or more, and never more than 64 MiB of them. A raw socket
            stops its peers instead.
        raw: nothing is passed on. Messages are received and sent with a header of 8 bytes: the id of the pipe they came
            from, to which they do not go (0: they go to all), and the word as it is to be sent. For devices.
    """

    _: KW_ONLY
    ttl: int = 8
    send_buffer: int = SEND_BUFFER
    recv_buffer: int = RECV_BUFFER
    raw: bool = False

    name: ClassVar[str] = "star"
    number: ClassVar[int] = 0x640
    peer_number: ClassVar[int] = 0x640
    verbatim: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_ttl(self.name, self.ttl)
        check_buffer(self.name, "send_buffer", self.send_buffer)
        check_buffer(self.name, "recv_buffer", self.recv_buffer)

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("hops", 4, "nodes that passed it on, 0 at the source"),)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        if self.raw:
            raw = RawStar(env, filters, stats, self.send_buffer, self.ttl)
            raw.head = RawStarHead(self.name, raw)
            return raw.head, raw
        node = Node(env, filters, stats, self.send_buffer, self.ttl)
        node.head = StarHead(node, self.recv_buffer)
        return node.head, node


class RawStar(FanOut):
    """To all pipes but the one that the header names; from all of them, the hop counted."""

    def __init__(
        self,
        env: Timing,
        filters: FilterChain | None,
        stats: Stats,
        send_buffer: int,
        ttl: int,
    ) -> None:
        super().__init__(env, filters, stats, send_buffer)
        self._words = [ZEROES + bytes((hops + 1,)) for hops in range(ttl)]

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        words = self._words
        incoming: list[Incoming] = []
        whole = True
        for unit in units:
            if len(unit) < 4:
                whole = False
                break
            hops = unit[3]
            if hops < len(words) and unit.startswith(ZEROES):
                incoming.append((words[hops], unit[4:]))
            else:
                self.stats.looped += 1
        if incoming:
            self.arrive(pipe, incoming)
        if not whole:
            pipe.close(RemoteProtocolError("a message without the hop word", layer=self.head.name))

    def put(self, header: bytes, body: Chunks) -> bool:
        self.spread((headed(header[4:], body),), self.pipes.get(int.from_bytes(header[:4], "big")))
        return True

    def route_header(self, pipe: Pipe, header: bytes) -> bytes:
        return pipe.id.to_bytes(4, "big") + header


class RawStarHead(RawHead):
    """A raw STAR socket: its caller is told of a header that is none."""

    def offer_message(self, message: Message) -> bool:
        header = message.header
        if len(header) != 8 or not header.startswith(ZEROES, 4):
            raise LocalProtocolError(
                "a raw star message needs a header: the word of a pipe, then three zero bytes and the hops",
                layer=self.name,
            )
        return super().offer_message(message)


class Node(RawStar):
    """The cooked half of STAR: what comes from one pipe goes to the others, and to the application."""

    head: StarHead

    def arrive(self, pipe: Pipe, incoming: list[Incoming]) -> None:
        if len(self.pipes) > 1:  # else this is a leaf
            self.spread(tuple(incoming), pipe)
        bodies = self.passed([body for _, body in incoming])
        if bodies:
            self.head.deliver(pipe, bodies)

    def close(self, why: str = "the socket is closed") -> None:
        self.head.clear()
        super().close(why)


class StarHead(FanOutHead, Mailbox):
    """A STAR socket."""

    name = "star"
    _raw: RawStar

    def __init__(self, raw: RawStar, recv_buffer: int) -> None:
        super().__init__(raw, recv_buffer, prefer_new=False)

    def _worded(self, units: Sequence[Chunks]) -> Sequence[Chunks]:
        return tuple(headed(SOURCE, unit) for unit in units)
