"""PUB and SUB: each message goes to all who subscribed to it. SP protocol numbers 0x20 and 0x21; no header.

Subscriptions are never sent: PUB sends everything to everyone, and SUB keeps what begins with one of its topics.
Nothing is ever resent. A message that finds a queue full is dropped, and counted by the side that dropped it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar

from ..core.errors import LocalProtocolError, RemoteProtocolError, StackError
from ..core.filtering import FilterChain
from ..core.head import Head, Stats
from ..core.hub import Timing
from ..core.interfaces import CanContext, CanRecv, CanSend, CanSubscribe, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import Pipe
from ..core.spec import Spec
from .base import PatternSpec, Raw, RawHead
from .fanout import SEND_BUFFER, FanOut, FanOutHead, check_buffer
from .mailbox import RECV_BUFFER, Mailbox
from .pipeline import RawPull

__all__ = ["Pub", "PubOps", "Sub", "SubOps"]


class PubOps(CanSend):
    """What a PUB socket does."""


class SubOps(CanRecv, CanContext, CanSubscribe):
    """What a SUB socket does."""


@dataclass(frozen=True)
class Pub(PatternSpec, Spec[PipeInterface, Pattern[PubOps]]):
    """Publishes: each message goes to every peer that is connected, and sending never waits.

    A peer that does not keep up has a queue of ``send_buffer`` messages; of more than that the oldest are dropped and
    counted as ``shed``. So a peer may miss messages, but it never gets one twice, and never out of order. Without a
    peer sending succeeds, and the message is counted as ``unheard``. A peer that sends is disconnected.

    Args:
        send_buffer: messages that wait for one peer, 1 or more. What the connection has taken is not counted. The
            default of NNG is 16; this one is larger, because messages are sent in batches: a burst holds up to 128,
            and a queue of 16 would lose most of one whenever a peer pauses.
        raw: no difference to the bytes; for devices.
    """

    _: KW_ONLY
    send_buffer: int = SEND_BUFFER
    raw: bool = False

    name: ClassVar[str] = "pub"
    number: ClassVar[int] = 0x20
    peer_number: ClassVar[int] = 0x21

    def __post_init__(self) -> None:
        check_buffer(self.name, "send_buffer", self.send_buffer)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawPub(env, filters, stats, self.send_buffer)
        raw.head = RawHead(self.name, raw) if self.raw else PubHead(raw)
        return raw.head, raw


@dataclass(frozen=True, init=False)
class Sub(PatternSpec, Spec[PipeInterface, Pattern[SubOps]]):
    """Subscribes: receives the messages that begin with one of its topics, from all peers, in the order of arrival.

    **Without a topic nothing is received**, as with NNG: ``Sub()`` drops every message until ``subscribe`` is called.
    The topic ``b""`` is in front of every message, so ``Sub(b"")`` receives all.

    Peers are never stopped. Messages wait in a queue of ``recv_buffer``, and of no more than 64 MiB; what is too much
    is dropped and counted as ``overrun``. What has no subscriber here is counted as ``unmatched``. Topics are compared
    with the body after the filters above the pattern have decoded it. A context has its own topics, none at first, and
    its own queue; a message goes to each that subscribed to it.

    Args:
        topics: prefixes, as bytes, that the socket itself subscribes to from the beginning.
        recv_buffer: messages that wait to be received, 1 or more; for each context too.
        prefer_new: the oldest message of a full queue is dropped; else the new one.
        raw: nothing is filtered and nothing is dropped: a peer is stopped while its messages wait. For devices. The
            other options are without effect.
    """

    topics: tuple[bytes, ...] = field(default=(), metadata={"variadic": True})
    _: KW_ONLY
    recv_buffer: int = RECV_BUFFER
    prefer_new: bool = True
    raw: bool = False

    name: ClassVar[str] = "sub"
    number: ClassVar[int] = 0x21
    peer_number: ClassVar[int] = 0x20

    def __init__(
        self,
        *topics: bytes,
        recv_buffer: int = RECV_BUFFER,
        prefer_new: bool = True,
        raw: bool = False,
    ) -> None:
        for topic in topics:
            if not isinstance(topic, bytes):
                raise StackError(
                    f"sub: a topic is bytes, not {topic!r}",
                    layer="sub",
                    field="topics",
                    mend='Write Sub(b"one.", b"other.").',
                )
        for name, value in (
            ("topics", topics),
            ("recv_buffer", recv_buffer),
            ("prefer_new", prefer_new),
            ("raw", raw),
        ):
            object.__setattr__(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        check_buffer(self.name, "recv_buffer", self.recv_buffer)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        if self.raw:
            raw = RawPull(env, filters, stats)
            raw.head = RawHead(self.name, raw)
            return raw.head, raw
        subscribers = Subscribers(env, filters, stats, self)
        return subscribers.head, subscribers


class RawPub(FanOut):
    """All pipes; nothing may come back."""

    keeps_newest = True

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        pipe.close(RemoteProtocolError("a subscriber sent data", layer=self.head.name))


class PubHead(FanOutHead):
    """A PUB socket."""

    name = "pub"

    def __init__(self, raw: RawPub) -> None:
        super().__init__()
        self._raw = raw


class Subscribers(Raw):
    """The cooked half of SUB: the socket and its contexts, and what they subscribed to, all together."""

    def __init__(
        self, env: Timing, filters: FilterChain | None, stats: Stats, options: Sub
    ) -> None:
        super().__init__(env, filters, stats)
        self.options = options
        self.heads: list[SubHead] = []
        self._topics: tuple[bytes, ...] | None = None
        self.head = SubHead(self, options.topics)

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        units = self.passed(units)
        if self._topics is None:
            self._topics = tuple({topic for head in self.heads for topic in head.topics})
        wanted = matching(units, self._topics)
        self.stats.unmatched += len(units) - len(wanted)
        for head in self.heads:
            own = wanted if len(self.heads) == 1 else matching(wanted, head.topics)
            if own:
                head.deliver(pipe, own)

    def changed(self) -> None:
        """The topics of one head are others; those of all are gathered when they are needed."""
        self._topics = None

    def close(self, why: str = "the socket is closed") -> None:
        for head in self.heads:
            head.clear()
        super().close(why)
        for head in self.heads:
            head.receivable.open()


class SubHead(Mailbox):
    """A SUB socket, or one context of it."""

    name = "sub"

    def __init__(self, raw: Subscribers, topics: Sequence[bytes] = ()) -> None:
        super().__init__(raw, raw.options.recv_buffer, raw.options.prefer_new)
        self._subscribers = raw
        self._chosen = dict.fromkeys(topics)
        self._topics: tuple[bytes, ...] | None = None
        raw.heads.append(self)
        raw.changed()

    @property
    def topics(self) -> tuple[bytes, ...]:
        """What it has subscribed to."""
        if self._topics is None:
            self._topics = tuple(self._chosen)
        return self._topics

    def subscribe(self, prefix: bytes) -> None:
        """Receive the messages, from now on, that begin with ``prefix``. Twice is the same as once.

        Raises:
            Closed: the socket or the context is closed.
        """
        self._check_open()
        if not isinstance(prefix, bytes):
            raise TypeError(f"a topic is bytes, not {prefix!r}")
        self._chosen[prefix] = None
        self._changed()

    def unsubscribe(self, prefix: bytes) -> None:
        """Receive them no more, not even those that wait here already, unless another topic fits them.

        Raises:
            LocalProtocolError: there is no subscription to exactly this prefix.
            Closed: the socket or the context is closed.
        """
        self._check_open()
        if prefix not in self._chosen:
            raise LocalProtocolError(f"there is no subscription to {prefix!r}", layer=self.name)
        del self._chosen[prefix]
        self._changed()
        if self.can_recv:
            self._raw.stats.unmatched += self.sift(lambda bodies: matching(bodies, self.topics))

    def _context(self) -> Head:
        self._check_open()
        return SubHead(self._subscribers)

    def close(self) -> None:
        if not self.closed:
            self._subscribers.heads.remove(self)
            self._subscribers.changed()
            self.clear()
        super().close()

    def _changed(self) -> None:
        self._topics = None
        self._subscribers.changed()

    def _check_open(self) -> None:
        if self.closed:
            self.check()
        self._raw.check()


def matching(bodies: list[bytes], topics: tuple[bytes, ...]) -> list[bytes]:
    """The bodies that begin with one of the topics."""
    if b"" in topics:  # all do, as is common, and need not be looked at
        return bodies
    return [body for body in bodies if body.startswith(topics)]
