"""What REQ/REP and SURVEYOR/RESPONDENT share: header words that lead an answer back, and the half that answers.

Wire (RFC drafts sp-request-reply-01 and sp-surveyor-01, and what NNG, nanomsg and mangos do)::

    [0|pipe id] … [0|pipe id] [1|id] body      words of 32 bits, big-endian

Who asks writes the id word only; each device puts the id of the pipe a question came in on in front, and takes it off
again when an answer comes back.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from ..core.errors import LocalProtocolError, RemoteProtocolError
from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Timing
from ..core.junction import Pipe
from ..core.layer import Chunks
from .base import Incoming, Raw, RawHead

__all__ = [
    "MOST_WORDS",
    "AnswerHead",
    "RawAnswerHead",
    "RawAnswers",
    "RawAskHead",
    "Worded",
    "end_of_words",
    "free_ids",
    "headed",
]

FIRST_ID = 0x80000000
LAST_ID = 0xFFFFFFFF

MOST_WORDS = 255
"""Words that an answer may carry."""

REPLIES = 64
"""Answers that wait for one pipe to take more; only raw sockets let any wait."""


def free_ids(bits: int, taken: Container[bytes]) -> Iterator[bytes]:
    """Words with ids, one after the other and round again, without those that are ``taken`` when their turn comes.

    Args:
        bits: what the first one has below its top bit: chance, so that a peer that asked before under the same id,
            in an earlier life, does not get the answer.
        taken: the words of questions that are under way.
    """
    first = FIRST_ID | bits
    while True:
        for number in range(first, LAST_ID + 1):
            word = number.to_bytes(4, "big")
            if word not in taken:
                yield word
        first = FIRST_ID


def end_of_words(unit: bytes, most: int) -> int:
    """Where the body begins: after the first word with the top bit set.

    Returns:
        The position; -1 if the unit ends before such a word; -2 if there are more than ``most`` words.
    """
    size = len(unit)
    for count in range(1, most + 1):
        start = 4 * count - 4
        if start + 4 > size:
            return -1
        if unit[start] & 0x80:
            return start + 4
    return -2


def headed(header: bytes, body: Chunks) -> tuple[bytes, ...]:
    """A body behind its header."""
    return (header, *body) if isinstance(body, tuple) else (header, body)


class Worded(Raw):
    """A raw half whose messages come with words in front, at most ``most``."""

    def __init__(self, env: Timing, filters: FilterChain | None, stats: Stats, most: int) -> None:
        super().__init__(env, filters, stats)
        self._most = most

    def receive(self, pipe: Pipe, units: list[bytes]) -> None:
        incoming: list[Incoming] = []
        for unit in units:
            stop = 4 if len(unit) >= 4 and unit[0] & 0x80 else end_of_words(unit, self._most)
            if stop > 0:
                incoming.append((unit[:stop], unit[stop:]))
            elif stop == -1:
                if incoming:
                    self.arrive(pipe, incoming)
                pipe.close(
                    RemoteProtocolError("a message without the id word", layer=self.head.name)
                )
                return
            else:
                self.stats.looped += 1
        if incoming:
            self.arrive(pipe, incoming)


class RawAnswers(Worded):
    """Questions from all pipes in turn; an answer goes back where its header says, or nowhere."""

    depth = REPLIES

    def put(self, header: bytes, body: Chunks) -> bool:
        """``header`` begins with the id of the pipe to answer, as it came.

        A device hands on whatever header a peer's answer had: one that names no pipe goes nowhere.
        """
        pipe = self.pipes.get(int.from_bytes(header[:4], "big"))
        if pipe is None:
            self.check()
            self.stats.unheard += 1
        else:
            self.give(pipe, (headed(header[4:], body),))
        return True

    def detached(self, pipe: Pipe) -> None:
        super().detached(pipe)
        self.head.sendable.open()  # an answer that waits for this pipe has nowhere to go

    @property
    def can_put(self) -> bool:
        return True

    def route_header(self, pipe: Pipe, header: bytes) -> bytes:
        return pipe.id.to_bytes(4, "big") + header


class RawAnswerHead(RawHead):
    """A raw socket that answers: its caller is told when there is no telling whom to answer."""

    def offer_message(self, message: Message) -> bool:
        if len(message.header) < 8:
            raise LocalProtocolError(
                "a raw answer needs a header: the pipe's word, then the asker's", layer=self.name
            )
        return super().offer_message(message)


class RawAskHead(RawHead):
    """A raw socket that asks: its caller is told when no answer could come back."""

    def offer_message(self, message: Message) -> bool:
        if len(message.header) < 4 or not message.header[-4] & 0x80:
            raise LocalProtocolError(
                "a raw question needs a header that ends with an id: 4 bytes, top bit set",
                layer=self.name,
            )
        return super().offer_message(message)


class AnswerHead(Head):
    """A socket that answers, or one context of it: at most one question being answered."""

    def __init__(self, name: str, raw: RawAnswers, socket: AnswerHead | None = None) -> None:
        super().__init__()
        self.name = name
        self._raw = raw
        self._pipe: Pipe | None = None
        self._header = b""
        if socket is not None:
            self.receivable = socket.receivable
            self.sendable = socket.sendable

    @property
    def can_send(self) -> bool:
        return self._pipe is not None and (self._pipe.ready or not self._pipe.alive)

    @property
    def can_recv(self) -> bool:
        return self._raw.can_pop

    def take(self) -> bytes | None:
        if self.closed:
            self.check()
        popped = self._raw.pop()
        if popped is None:
            return None
        if self._pipe is not None:
            self._raw.stats.unanswered += 1
        self._pipe, self._header, body = popped
        return body

    def take_message(self) -> Message | None:
        body = self.take()
        if body is None:
            return None
        assert self._pipe is not None
        return Message(body, b"", self._pipe.id)

    def offer(self, body: bytes) -> bool:
        pipe = self._pipe
        if pipe is None:
            self.check()
            self._raw.check()
            raise LocalProtocolError("there is nothing to answer: receive first", layer=self.name)
        raw = self._raw
        if pipe.alive:
            if not pipe.ready:
                return False
            chunks: Chunks = body if raw.filters is None else raw.encode(body)
            pipe.sent += 1
            pipe.below.send((headed(self._header, chunks),))
            raw.stats.sent += 1
        else:
            raw.check()
            raw.stats.unheard += 1
        self._pipe = None
        return True

    def _context(self) -> Head:
        return AnswerHead(self.name, self._raw, self)

    def close(self) -> None:
        self._pipe = None
        super().close()
