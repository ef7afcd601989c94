"""SURVEYOR and RESPONDENT: a question to all, and answers for a while. SP protocol numbers 0x62 and 0x63.

The header is that of REQ and REP (:mod:`.backtrace`): an id word, and a word of each device in front of it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import KW_ONLY, dataclass
from math import inf
from typing import ClassVar

from ..core.errors import LocalProtocolError, StackError, SurveyOver
from ..core.filtering import FilterChain
from ..core.head import Head, Message, Stats
from ..core.hub import Cancellable, Timing
from ..core.interfaces import CanContext, CanRecv, CanSend, Pattern
from ..core.interfaces import Pipe as PipeInterface
from ..core.junction import Pipe
from ..core.layer import Chunks
from ..core.spec import Header, Spec
from .backtrace import (
    MOST_WORDS,
    AnswerHead,
    RawAnswerHead,
    RawAnswers,
    RawAskHead,
    Worded,
    free_ids,
    headed,
)
from .base import Incoming, PatternSpec, Raw, check_ttl
from .fanout import FanOut, check_buffer
from .mailbox import RECV_BYTES

__all__ = ["Respondent", "RespondentOps", "Surveyor", "SurveyorOps"]

SURVEYS = 8
"""Surveys that wait for one pipe, as in NNG."""

RESPONSES = 1024
"""Answers that wait to be received, unless told otherwise."""


class SurveyorOps(CanSend, CanRecv, CanContext):
    """What a SURVEYOR socket does."""


class RespondentOps(CanSend, CanRecv, CanContext):
    """What a RESPONDENT socket does."""


@dataclass(frozen=True)
class Surveyor(PatternSpec, Spec[PipeInterface, Pattern[SurveyorOps]]):
    """Asks everybody who is connected, and takes answers until the survey's time is over.

    ``send`` begins a survey, never waits, and ends the one before. ``recv`` gives one answer after the other, and
    raises :class:`~sockstack.core.errors.SurveyOver` when the time is over; iterating ends then. Who is connected later
    is not asked, and nobody is asked twice. Answers that come too late are dropped (``stray``), and so is a question to
    a peer for whom 8 wait already (``shed``).

    Args:
        survey_time: seconds for which answers are taken; ``math.inf`` for as long as there is no new survey.
        recv_buffer: answers that wait to be received, never more than 64 MiB of them; of more, the new ones are dropped
            (``overrun``). NNG has 128, which fewer peers than that can fill when they answer at once.
        raw: no bookkeeping; messages carry their header words. For devices.
    """

    _: KW_ONLY
    survey_time: float = 1.0
    recv_buffer: int = RESPONSES
    raw: bool = False

    name: ClassVar[str] = "surveyor"
    number: ClassVar[int] = 0x62
    peer_number: ClassVar[int] = 0x63
    verbatim: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_survey_time(self.survey_time)
        check_buffer(self.name, "recv_buffer", self.recv_buffer)

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("survey id", 4, "top bit set; hops of devices in front, 4 bytes each"),)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        if self.raw:
            raw = RawSurveys(env, filters, stats)
            raw.head = RawAskHead(self.name, raw)
            return raw.head, raw
        surveys = Surveys(env, filters, stats, self.survey_time, self.recv_buffer)
        return surveys.head, surveys


@dataclass(frozen=True)
class Respondent(PatternSpec, Spec[PipeInterface, Pattern[RespondentOps]]):
    """Answers surveys: ``recv`` gives a question, ``send`` answers it. Receiving again without an answer keeps silent.

    Args:
        ttl: words that a question may carry, its id included: 1 to 255, so ``ttl - 1`` devices. One with more is
            dropped (``looped``).
        raw: no bookkeeping; messages carry their header words. For devices.
    """

    _: KW_ONLY
    ttl: int = 8
    raw: bool = False

    name: ClassVar[str] = "respondent"
    number: ClassVar[int] = 0x63
    peer_number: ClassVar[int] = 0x62
    verbatim: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_ttl(self.name, self.ttl)

    @property
    def header(self) -> tuple[Header, ...]:
        return (Header("survey id", 4, "as it came; hops of devices in front, 4 bytes each"),)

    def head(self, env: Timing, filters: FilterChain | None, stats: Stats) -> tuple[Head, Raw]:
        raw = RawAnswers(env, filters, stats, self.ttl)
        raw.head = (RawAnswerHead if self.raw else AnswerHead)(self.name, raw)
        return raw.head, raw


def check_survey_time(seconds: float) -> None:
    """Refuse a survey that is over before it begins.

    Raises:
        StackError: there is no time for an answer.
    """
    if not seconds > 0:
        raise StackError(
            f"surveyor: survey_time is more than 0 seconds, not {seconds!r}",
            layer="surveyor",
            field="survey_time",
        )


class RawSurveys(FanOut, Worded):
    """Questions to all pipes; answers with the words that devices left on them."""

    def __init__(self, env: Timing, filters: FilterChain | None, stats: Stats) -> None:
        Worded.__init__(self, env, filters, stats, MOST_WORDS)
        self.depth = SURVEYS
        self.keeps_newest = True  # an answer to an older one would come too late

    def put(self, header: bytes, body: Chunks) -> bool:
        self.spread((headed(header, body),))
        return True


class Surveys(RawSurveys):
    """The cooked half of SURVEYOR: surveys of the socket and its contexts, by id."""

    def __init__(
        self,
        env: Timing,
        filters: FilterChain | None,
        stats: Stats,
        survey_time: float,
        recv_buffer: int,
    ) -> None:
        super().__init__(env, filters, stats)
        self.recv_buffer = recv_buffer
        self.running: dict[bytes, SurveyHead] = {}
        self._ids = free_ids(env.randbits(31), self.running)
        self.head = SurveyHead(self, survey_time)

    def begin(self, asker: SurveyHead, body: Chunks) -> None:
        """Ask everybody on behalf of ``asker``, in place of what it asked before."""
        self.check()
        encoded = self.encode(body)  # first: if it raises, the old survey goes on
        asker.forget()
        key = next(self._ids)
        self.running[key] = asker
        asker.start(key)  # before the questions go out, which may bring answers or the socket's end
        self.stats.sent += 1
        self.spread((headed(key, encoded),))

    def arrive(self, pipe: Pipe, incoming: list[Incoming]) -> None:
        for header, body in incoming:
            asker = self.running.get(header)
            if asker is None:
                self.stats.stray += 1
                continue
            for answer in self.passed([body]):
                if asker.keep(pipe, answer, self.recv_buffer):
                    self.stats.received += 1
                    asker.receivable.open()
                else:
                    self.stats.overrun += 1

    def close(self, why: str = "the socket is closed") -> None:
        super().close(why)
        for asker in list(self.running.values()):
            asker.forget()
            asker.receivable.open()


class SurveyHead(Head):
    """A SURVEYOR socket, or one context of it: at most one survey under way."""

    name = "surveyor"
    context_options = frozenset({"survey_time"})

    def __init__(self, surveys: Surveys, survey_time: float, socket: Head | None = None) -> None:
        super().__init__()
        self._surveys = surveys
        self._survey_time = survey_time
        if socket is not None:
            self.sendable = socket.sendable
        self._answers: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._id: bytes | None = None
        self._timer: Cancellable | None = None
        self._over = False

    @property
    def survey_time(self) -> float:
        """Seconds for which the next survey takes answers."""
        return self._survey_time

    @survey_time.setter
    def survey_time(self, seconds: float) -> None:
        check_survey_time(seconds)
        self._survey_time = seconds

    @property
    def can_send(self) -> bool:
        return True

    @property
    def can_recv(self) -> bool:
        return (bool(self._answers) or self._over) and not self._surveys.closed

    def offer(self, body: bytes) -> bool:
        if self.closed:
            self.check()
        self._surveys.begin(self, body)
        return True

    def take_message(self) -> Message | None:
        if self.closed or self._surveys.closed:
            self.check()
            self._surveys.check()
        if self._answers:
            number, body = self._answers.popleft()
            self._bytes -= len(body)
            return Message(body, b"", number)
        if self._over:
            self._over = False
            raise SurveyOver("the survey's time is over", layer=self.name)
        if self._id is None:
            raise LocalProtocolError("there is no survey: send one first", layer=self.name)
        return None

    def take(self) -> bytes | None:
        message = self.take_message()
        return None if message is None else message.body

    def _more(self) -> bytes | None:
        return self.take() if self._answers else None

    def _context(self) -> Head:
        return SurveyHead(self._surveys, self._survey_time, self)

    def close(self) -> None:
        self.forget()
        super().close()

    def keep(self, pipe: Pipe, answer: bytes, most: int) -> bool:
        """Have an answer wait to be received; False: there is no room."""
        if len(self._answers) >= most or self._bytes + len(answer) > max(RECV_BYTES, len(answer)):
            return False
        self._answers.append((pipe.id, answer))
        self._bytes += len(answer)
        return True

    def forget(self) -> None:
        """Stop, and drop the answers that nobody has fetched."""
        self.stop()
        self._answers.clear()
        self._bytes = 0

    def start(self, key: bytes) -> None:
        """Take answers to the survey with this id, until its time is over."""
        self._id = key
        surveys = self._surveys
        if self._survey_time != inf:
            env = surveys.env
            self._timer = env.call_at(env.now() + self._survey_time, self._expire)

    def stop(self) -> None:
        """Take no more answers, and forget that there was a survey."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._id is not None:
            self._surveys.running.pop(self._id, None)
            self._id = None
        self._over = False

    def _expire(self) -> None:
        self._timer = None
        self.stop()
        self._over = True
        self.receivable.open()
