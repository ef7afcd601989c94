"""Questions of a soak: REQ/REP through a device, and SURVEYOR/RESPONDENT. Those who answer are killed."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from sockstack import Req, Socket, SockstackError, Surveyor, SurveyOver
from sockstack.asyncio import Socket as AsyncSocket

from .soak_checks import Tally
from .soak_crew import Crew, driver
from .soak_messages import message, read
from .soak_peer import RECONNECT, Part

if TYPE_CHECKING:
    from sockstack import Context
    from sockstack.asyncio import Context as AsyncContext

    from .soak_crew import Ground

__all__ = ["Requests", "Surveys"]

PATIENCE = 60
"""Seconds for an answer; a request that has none by then is lost."""

RESEND = 0.3
"""Seconds after which a request is asked again: behind a device nobody sees that its server has died."""

ASKERS = 3
"""Contexts of each socket that asks."""

SERVERS = 3

SURVEY = 0.1
"""Seconds of a survey."""

STAMPED = len(message(0, 0, 0))


class Asking:
    """What the two have in common: a socket by each driver, with a few contexts that ask side by side.

    Attributes:
        tally: what it has come to so far.
    """

    def __init__(self, ground: Ground, pattern: Any) -> None:
        self.tally = Tally()
        self._lock = threading.Lock()
        self._stopping = False
        self._crew = Crew(ground, kills=True)
        self._blocking: Socket[Any] = Socket(pattern, reconnect_max=RECONNECT)
        self._pattern = pattern
        self._ready = threading.Event()
        self._stats: list[dict[str, int]] = []
        self._threads: list[threading.Thread] = []

    def step(self) -> None:
        """Kill, and start again."""
        self._crew.step()

    def finish(self) -> None:
        """All come back, and everybody who has asked gets an answer."""
        self._crew.revive()
        self._last()
        self._stopping = True
        for thread in self._threads:
            thread.join()
        self._stats.append(self._blocking.stats())
        self.tally.resent = sum(stats["resent"] for stats in self._stats)
        self.tally.kills = self._crew.killed
        for fault in self._crew.faults:
            self.tally.fault(fault)

    def leave(self) -> None:
        """Nothing is left, whatever has happened."""
        self._stopping = True
        for thread in self._threads:
            thread.join()
        self._blocking.close(linger=0)
        self._crew.sweep()

    def _last(self) -> None:
        """What is to be seen before the end, when nobody is killed any more."""

    def _begin(self) -> None:
        """Have everybody ask."""
        for asker in range(ASKERS):
            self._thread(lambda asker=asker: self._ask(asker))
        self._thread(lambda: asyncio.run(self._ask_async()))

    def _thread(self, work: Any) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _connect(self, sock: Socket[Any] | AsyncSocket[Any]) -> None:
        raise NotImplementedError

    def _ask(self, asker: int) -> None:
        with self._blocking.context() as context:
            number = 0
            while not self._stopping:
                if not self._one(context, asker, number):
                    return
                number += 1

    async def _ask_async(self) -> None:
        async with AsyncSocket(self._pattern, reconnect_max=RECONNECT) as sock:
            self._connect(sock)
            self._ready.set()
            contexts = [sock.context() for _ in range(ASKERS)]
            await asyncio.gather(
                *(
                    self._ask_in_turn(context, ASKERS + index)
                    for index, context in enumerate(contexts)
                )
            )
            self._stats.append(sock.stats())

    async def _ask_in_turn(self, context: AsyncContext[Any], asker: int) -> None:
        number = 0
        while not self._stopping:
            if not await self._one_async(context, asker, number):
                return
            number += 1

    def _one(self, context: Context[Any], asker: int, number: int) -> bool:
        """One question; False: no more."""
        raise NotImplementedError

    async def _one_async(self, context: AsyncContext[Any], asker: int, number: int) -> bool:
        """One question; False: no more."""
        raise NotImplementedError

    def _fault(self, text: str) -> None:
        with self._lock:
            self.tally.fault(text)


class Requests(Asking):
    """Every request is answered, with its own answer, however often the servers and the device between are killed."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, Req(resend=RESEND))
        self._front, back = ground.url(), ground.url()
        try:
            for slot in range(SERVERS + 1):
                does, urls = ("device", [self._front, back]) if not slot else ("answer", [back])

                def make(life: int, does: str = does, urls: Any = urls, slot: int = slot) -> Part:
                    return Part(does, "Rep", urls, slot, life, "", driver(ground), 0)

                self._crew.add(make)
            self._connect(self._blocking)
            self._begin()
        except BaseException:
            self.leave()
            raise

    def _connect(self, sock: Socket[Any] | AsyncSocket[Any]) -> None:
        sock.dial(self._front)

    def _one(self, context: Context[Any], asker: int, number: int) -> bool:
        request = message(asker, 0, number)
        try:
            context.send(request, PATIENCE)
            answer = context.recv(PATIENCE)
        except SockstackError as error:
            self._fault(f"request {number} of asker {asker}: {error!r}")
            return False
        self._check(request, answer)
        return True

    async def _one_async(self, context: AsyncContext[Any], asker: int, number: int) -> bool:
        request = message(asker, 0, number)
        try:
            await context.send(request, PATIENCE)
            answer = await context.recv(PATIENCE)
        except SockstackError as error:
            self._fault(f"request {number} of asker {asker}: {error!r}")
            return False
        self._check(request, answer)
        return True

    def _check(self, request: bytes, answer: bytes) -> None:
        with self._lock:
            self.tally.messages += 1
            if answer[STAMPED:] != request:
                self.tally.fault(f"{request[:STAMPED]!r} was answered by {answer[: 2 * STAMPED]!r}")


class Surveys(Asking):
    """Each respondent answers each survey at most once, and nobody gets answers to another survey.

    When nobody is killed any more, everybody answers.
    """

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, Surveyor(survey_time=SURVEY))
        self._urls = [ground.url() for _ in range(2)]
        self._full: set[int] = set()
        try:
            self._connect(self._blocking)
            self._begin()
            self._ready.wait(PATIENCE)
            for slot in range(SERVERS):

                def make(life: int, slot: int = slot) -> Part:
                    urls = self._urls
                    return Part("answer", "Respondent", urls, slot, life, "", driver(ground), 0)

                self._crew.add(make)
        except BaseException:
            self.leave()
            raise

    def _connect(self, sock: Socket[Any] | AsyncSocket[Any]) -> None:
        sock.listen(self._urls[0 if sock is self._blocking else 1])

    def _one(self, context: Context[Any], asker: int, number: int) -> bool:
        survey = message(asker, 0, number)
        context.send(survey)
        answers = []
        try:
            while True:
                answers.append(context.recv(PATIENCE))
        except SurveyOver:
            self._check(asker, survey, answers)
            return True

    async def _one_async(self, context: AsyncContext[Any], asker: int, number: int) -> bool:
        survey = message(asker, 0, number)
        await context.send(survey)
        answers = []
        try:
            while True:
                answers.append(await context.recv(PATIENCE))
        except SurveyOver:
            self._check(asker, survey, answers)
            return True

    def _last(self) -> None:
        with self._lock:
            self._full.clear()
        late = time.monotonic() + PATIENCE
        while len(self._full) < 2 * ASKERS:
            if time.monotonic() > late:
                self._fault("nobody was killed any more, and not everybody answered")
                return
            self._crew.revive()
            time.sleep(SURVEY / 2)

    def _check(self, asker: int, survey: bytes, answers: list[bytes]) -> None:
        with self._lock:
            tally = self.tally
            tally.messages += len(answers)
            names = [answer[:STAMPED] for answer in answers]
            if any(answer[STAMPED:] != survey for answer in answers):
                tally.fault("a survey got the answer to another one")
            if len(set(names)) < len(names):
                tally.fault("somebody answered a survey twice")
            slots = {read(name).slot for name in names}
            tally.lost["unanswered"] += SERVERS - len(slots)
            if len(slots) == SERVERS:
                self._full.add(asker)
