"""PAIR: two peers that talk to each other as they like. SP protocol numbers 0x10 (v0) and 0x11 (v1).

Version 0 has no header. Version 1 has one word of 32 bits, big-endian, in front (RFC draft sp-pair-v1, and what NNG and
mangos do)::

    00 00 00 HH  body      hops: 1 from who sends, one more from each device

There is no acknowledgement: a message that was written to a peer that then dies is lost, and what the kernel had not
taken yet is counted (:attr:`~sockstack.core.head.Stats.lost`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from ..core.errors import Busy, LocalProtocolError, RemoteProtocolError, StackError
from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Timing
from ..core.interfaces import CanRecv, CanSend, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import Pipe
from ..core.layer import Chunks
from ..core.marks import PEER_ADDRESS
from ..core.spec import Header, Spec
from .backtrace import headed
from .base import Incoming, PatternSpec, Raw, RawHead, check_ttl
from .pipeline import PullHead, RawPull
from .unicast import SendOptions, Unicast, UnicastHead, check_send_options

__all__ = ["Pair0", "Pair0Ops", "Pair1", "Pair1Ops"]

FIRST_HOP = b"\0\0\0\1"
LAST_HOP = b"\0\0\0\xff"

BACKLOG = 2
"""Messages that wait for one of many peers to take more, as in NNG."""


class Pair0Ops(CanSend, CanRecv):
    """What a PAIR version 0 socket does."""


class Pair1Ops(CanSend, CanRecv):
    """What a PAIR version 1 socket does."""


@dataclass(frozen=True)
class Pair0(PatternSpec, Spec[PipeInterface, Pattern[Pair0Ops]]):
    """One end of a conversation with one peer. Messages arrive in order.

    Without a peer that takes more, ``send`` waits, once the send buffer is full. While there is a peer, any other that
    connects is closed at once with :class:`~sockstack.core.errors.Busy`; when it has gone, the next that connects takes
    its place, and is sent what waits: the send buffer, and messages that were being handed to a connection when it was
    found dead, before anything of them was written. A peer that is refused cannot tell this from a connection that
    breaks: what it has sent by then is lost.

    Whoever connects first has the place: where strangers can connect, put a layer below that knows the peer.

    Args:
        raw: no difference to the bytes; for devices.
        send_buffer: messages that are accepted while no peer takes them, 0 to 8192. They go to the next peer, in order.
            A burst of small ones may be collected besides.
        best_effort: ``send`` never waits. What finds no peer that takes it, and no room in the send buffer, is dropped,
            and counted as ``shed``, or as ``unheard`` if nobody is connected.
        fail_no_peers: ``send`` raises :class:`~sockstack.core.errors.NoPeers` while nobody is connected, rather than
            wait.
    """

    _: KW_ONLY
    raw: bool = False
    send_buffer: int = 0
    best_effort: bool = False
    fail_no_peers: bool = False

    name: ClassVar[str] = "pair0"
    number: ClassVar[int] = 0x10
    peer_number: ClassVar[int] = 0x10

    def __post_init__(self) -> None:
        check_send_options(self.name, self)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawPair0(env, filters, stats, self)
        raw.head = RawHead(self.name, raw) if self.raw else PairHead(self.name, raw)
        return raw.head, raw


@dataclass(frozen=True)
class Pair1(PatternSpec, Spec[PipeInterface, Pattern[Pair1Ops]]):
    """One end of a conversation with one peer, or with many. Messages of one peer arrive in order.

    With one peer it is like :class:`Pair0`, and counts hops.

    With many (``poly``), ``recv_message`` says by its ``pipe`` who sent a message, and ``send_message`` sends to the
    ``pipe`` it names; what names none goes to the peer that has been connected longest, and waits while there is none.
    Otherwise sending never waits: what names a peer that is not there is dropped and counted as ``unheard``, and what
    finds two messages waiting for a peer that does not keep up, as ``shed``.

    Args:
        poly: many peers. They cannot tell.
        ttl: hops that a message may have come, 1 to 255. One with more is dropped, and counted as ``looped``.
        raw: messages carry their hop word, which goes out plus one. For devices; with one peer only.
        send_buffer: messages that are accepted while no peer takes them, 0 to 8192. They go to the next peer, in order.
            A burst of small ones may be collected besides.
        best_effort, fail_no_peers: as those of :class:`Pair0`.
    """

    _: KW_ONLY
    poly: bool = False
    ttl: int = 8
    raw: bool = False
    send_buffer: int = 0
    best_effort: bool = False
    fail_no_peers: bool = False

    name: ClassVar[str] = "pair1"
    number: ClassVar[int] = 0x11
    peer_number: ClassVar[int] = 0x11
    verbatim: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_ttl(self.name, self.ttl)
        check_send_options(self.name, self)
        if self.raw and self.poly:
            raise StackError(
                "pair1: a raw socket has one peer; a device could not say to which of many a message goes",
                layer=self.name,
                field="poly",
                mend="Leave raw or poly out.",
            )

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("hops", 4, "1 from the sender, one more from each device"),)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        if self.raw:
            raw = RawPair1(env, filters, stats, self, self.ttl)
            raw.head = RawPair1Head(self.name, raw)
            return raw.head, raw
        if self.poly:
            many = PolyPair1(env, filters, stats, self, self.ttl)
            many.head = PolyHead(self.name, many)
            return many.head, many
        one = CookedPair1(env, filters, stats, self, self.ttl)
        one.head = PairHead(self.name, one)
        return one.head, one


class PairRaw(Unicast):
    """The sending side of a pair: one peer, unless ``many``.

    Attributes:
        many: there is room for more than one peer.
    """

    many = False

    def attached(self, pipe: Pipe) -> None:
        if self.pipes and not self.many:
            pipe.close(self._taken())
        else:
            super().attached(pipe)

    def detached(self, pipe: Pipe) -> None:
        if pipe.id in self.pipes:  # one that was refused leaves no trace
            super().detached(pipe)

    def _taken(self) -> Busy:
        """What is said of a peer for whom there is no place."""
        (holder,) = self.pipes.values()
        address = holder.chain.get(PEER_ADDRESS)
        where = "" if address is None else f" ({address})"
        return Busy(
            f"a {self.head.name} socket has one peer, and pipe {holder.id}{where} is it",
            layer=self.head.name,
        )


class RawPair0(PairRaw, RawPull):
    """Bodies both ways. The raw half of version 0, and the base of the cooked ones of version 1."""


class RawPair1(PairRaw):
    """Messages with their hop word."""

    def __init__(
        self,
        env: Timing,
        filters: FilterChain | None,
        stats: Stats,
        options: SendOptions,
        ttl: int,
    ) -> None:
        super().__init__(env, filters, stats, options)
        self._limit = ttl.to_bytes(4, "big")

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        limit = self._limit
        near: list[bytes] = []
        malformed = False
        for unit in units:
            word = unit[:4]  # words of four bytes compare like their numbers
            malformed = len(word) < 4 or word > LAST_HOP
            if malformed:
                break
            if word <= limit:
                near.append(unit)
            else:
                self.stats.looped += 1
        if near:
            self.admit(pipe, near)
        if malformed:
            pipe.close(RemoteProtocolError("a message without the hop word", layer=self.head.name))

    def admit(self, pipe: Pipe, units: list[bytes]) -> None:
        """Queue messages whose word is in order."""
        incoming: list[Incoming] = [(unit[:4], unit[4:]) for unit in units]
        self.arrive(pipe, incoming)

    def put(self, header: bytes, body: Chunks) -> bool:
        """``header`` is the hop word as it came. A device can be handed one that has reached the end."""
        if header >= LAST_HOP:
            self.stats.looped += 1
            return True
        hops = int.from_bytes(header, "big") + 1
        return bool(self.push((headed(hops.to_bytes(4, "big"), body),)))


class CookedPair1(RawPair1, RawPair0):
    """The hop word stays here."""

    def dress(self, bodies: Sequence[bytes]) -> Sequence[Chunks]:
        if self.filters is None:
            return [(FIRST_HOP, body) for body in bodies]
        return [headed(FIRST_HOP, body) for body in self.filters.encode_front(bodies)]

    def admit(self, pipe: Pipe, units: list[bytes]) -> None:
        RawPair0.receive(self, pipe, [unit[4:] for unit in units])


class PolyPair1(CookedPair1):
    """Many peers, of which the first is meant where none is named."""

    many = True
    depth = BACKLOG

    @property
    def reachable(self) -> bool:
        return bool(self.pipes) and not self.closed

    def hand_on(self, units: Sequence[Chunks]) -> int:
        self.give(next(iter(self.pipes.values())), units)
        return len(units)

    def flush(self) -> None:
        """All at once: of shares, those after the first might find no room."""
        if self.waiting and self.reachable:
            units, self.waiting = self.waiting, deque()
            self.hand_on(tuple(units))
            self.head.sendable.open()

    def push_to(self, number: int, units: Sequence[Chunks]) -> None:
        """To the peer with that pipe, or nowhere.

        Raises:
            Closed: the socket is closed.
        """
        self.check()
        pipe = self.pipes.get(number)
        if pipe is None:
            self.stats.unheard += len(units)
        else:
            self.give(pipe, units)


class PairHead(UnicastHead, PullHead):
    """A PAIR socket with one peer."""

    _raw: RawPair0

    def __init__(self, name: str, raw: RawPair0) -> None:
        PullHead.__init__(self, raw)
        self.name = name


class PolyHead(PairHead):
    """A PAIR socket with many peers."""

    _raw: PolyPair1

    def _share(self, bodies: Sequence[bytes], start: int, turns: int) -> int:
        """The whole batch: of shares, those after the first might find no room."""
        return len(bodies)

    def offer_message(self, message: Message) -> bool:
        if not message.pipe:
            return self.offer(message.body)
        raw = self._raw
        raw.push_to(message.pipe, raw.dress((message.body,)))
        raw.stats.sent += 1
        return True


class RawPair1Head(RawHead):
    """A raw PAIR socket of version 1: its caller is told of a header that cannot go out."""

    def offer_message(self, message: Message) -> bool:
        if len(message.header) != 4 or message.header >= LAST_HOP:
            raise LocalProtocolError(
                "a raw pair1 message needs its hop word as header: 00 00 00 and 00 to fe",
                layer=self.name,
            )
        return super().offer_message(message)
