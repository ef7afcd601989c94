"""The ends of a soak's streams that are never killed: one by each driver, in the process that measures."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sockstack import Closed, Deadline, Event, EventKind, PipeInfo, Socket
from sockstack.asyncio import Socket as AsyncSocket

from .soak_messages import message
from .soak_peer import MOST, PAUSE, RECONNECT, TICK, pattern

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

__all__ = ["AsyncEnd", "BlockingEnd", "End", "Gone", "Received"]

T = TypeVar("T")

MANY = 0.3
"""Of the bursts, how many are sent with one call."""

Received: TypeAlias = Callable[[int, int, bytes], None]
"""Is told of the number of the end, the pipe, and the message."""


@dataclass
class Gone:
    """What pipes that are no more had been handed, and what they were not.

    Attributes:
        sent, shed: messages.
    """

    sent: int = 0
    shed: int = 0


class End:
    """A socket that listens for each slot on an address of its own, so that each pipe can be told to be whose.

    Attributes:
        number: which end it is.
        sent: messages accepted so far, numbered from 0.
        gone: of the pipes of each slot that are over.
    """

    _socket: Any

    def __init__(self, name: str, number: int, urls: Sequence[str], seed: int) -> None:
        self.number = number
        self.sent = 0
        self.gone = [Gone() for _ in urls]
        self._name = name
        self._urls = urls
        self._chance = random.Random(seed)
        self._slots: dict[str, int] = {}
        self._owners: dict[int, int] = {}
        self._pausing = False

    def send(self) -> None:
        """Begin to send."""
        raise NotImplementedError

    def receive(self, received: Received) -> None:
        """Begin to receive."""
        raise NotImplementedError

    def pause(self) -> None:
        """Send no more."""
        raise NotImplementedError

    def follow(self) -> None:
        """Note who has come and gone."""
        raise NotImplementedError

    def pipes(self) -> dict[int, PipeInfo]:
        """The peers that are connected now, by slot."""
        raise NotImplementedError

    def stats(self) -> dict[str, int]:
        """The socket's counters."""
        raise NotImplementedError

    def close(self, linger: float) -> int:
        """Close; what the socket says that it could not write."""
        raise NotImplementedError

    def _listen(self) -> None:
        for slot, url in enumerate(self._urls):
            self._slots[self._socket.listen(url).address] = slot

    def _note(self, event: Event) -> None:
        pipe = event.pipe
        if pipe is None:
            return
        if event.kind is EventKind.CONNECTED:
            self._owners[pipe.id] = self._slots[event.address]
        elif event.kind is EventKind.DISCONNECTED:
            self._owners.pop(pipe.id, None)
            gone = self.gone[self._slots[event.address]]
            gone.sent += pipe.sent
            gone.shed += pipe.shed

    def _by_slot(self, pipes: list[PipeInfo]) -> dict[int, PipeInfo]:
        return {self._owners[pipe.id]: pipe for pipe in pipes if pipe.id in self._owners}

    def _burst(self) -> list[bytes]:
        count = self._chance.randint(1, MOST)
        return [message(self.number, 0, self.sent + index) for index in range(count)]


class BlockingEnd(End):
    """An end by the blocking driver, with a thread to send and one to receive."""

    _socket: Socket[Any]

    def __init__(self, name: str, number: int, urls: Sequence[str], seed: int) -> None:
        super().__init__(name, number, urls, seed)
        self._socket = Socket(pattern(name, measures=True), reconnect_max=RECONNECT)
        self._events = self._socket.events()
        self._threads: list[threading.Thread] = []
        self._sending: threading.Thread | None = None
        self._listen()

    def send(self) -> None:
        self._sending = threading.Thread(target=self._send, daemon=True)
        self._sending.start()

    def receive(self, received: Received) -> None:
        thread = threading.Thread(target=self._receive, args=(received,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def pause(self) -> None:
        self._pausing = True
        if self._sending is not None:
            self._sending.join()

    def follow(self) -> None:
        while True:
            try:
                self._note(self._events.recv(timeout=0))
            except Deadline:
                return

    def pipes(self) -> dict[int, PipeInfo]:
        return self._by_slot(self._socket.pipes)

    def stats(self) -> dict[str, int]:
        return self._socket.stats()

    def close(self, linger: float) -> int:
        self.pause()
        left = self._socket.close(linger=linger)
        for thread in self._threads:
            thread.join()
        return left

    def _send(self) -> None:
        sock = self._socket
        while not self._pausing:
            burst = self._burst()
            try:
                if self._chance.random() < MANY:
                    try:
                        sock.send_many(burst, TICK)
                    except Deadline as error:
                        self.sent += error.accepted
                        continue
                    self.sent += len(burst)
                else:
                    for body in burst:
                        sock.send(body, TICK)
                        self.sent += 1
            except Deadline:
                continue
            time.sleep(PAUSE)

    def _receive(self, received: Received) -> None:
        while True:
            try:
                got = self._socket.recv_message()
            except Closed:
                return
            received(self.number, got.pipe, got.body)


class AsyncEnd(End):
    """An end by the asyncio driver, with a loop in a thread of its own."""

    _socket: AsyncSocket[Any]

    def __init__(self, name: str, number: int, urls: Sequence[str], seed: int) -> None:
        super().__init__(name, number, urls, seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._tasks: list[asyncio.Task[None]] = []
        self._sending: asyncio.Task[None] | None = None
        self._do(self._open())

    def send(self) -> None:
        async def begin() -> None:
            self._sending = asyncio.create_task(self._send())

        self._do(begin())

    def receive(self, received: Received) -> None:
        async def begin() -> None:
            self._tasks.append(asyncio.create_task(self._receive(received)))

        self._do(begin())

    def pause(self) -> None:
        async def ended() -> None:
            if self._sending is not None:
                await self._sending

        self._pausing = True
        self._do(ended())

    def follow(self) -> None:
        async def note() -> None:
            while True:
                try:
                    self._note(await self._events.recv(timeout=0))
                except Deadline:
                    return

        self._do(note())

    def pipes(self) -> dict[int, PipeInfo]:
        async def ask() -> dict[int, PipeInfo]:
            return self._by_slot(self._socket.pipes)

        return self._do(ask())

    def stats(self) -> dict[str, int]:
        async def ask() -> dict[str, int]:
            return self._socket.stats()

        return self._do(ask())

    def close(self, linger: float) -> int:
        async def end() -> int:
            left = await self._socket.close(linger=linger)
            await asyncio.gather(*self._tasks)
            return left

        if self._loop.is_closed():
            return 0
        self.pause()
        left = self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        return left

    async def _open(self) -> None:
        self._socket = AsyncSocket(pattern(self._name, measures=True), reconnect_max=RECONNECT)
        self._events = self._socket.events()
        self._listen()

    async def _send(self) -> None:
        sock = self._socket
        while not self._pausing:
            burst = self._burst()
            try:
                if self._chance.random() < MANY:
                    try:
                        await sock.send_many(burst, TICK)
                    except Deadline as error:
                        self.sent += error.accepted
                        continue
                    self.sent += len(burst)
                else:
                    for body in burst:
                        await sock.send(body, TICK)
                        self.sent += 1
            except Deadline:
                continue
            await asyncio.sleep(PAUSE)

    async def _receive(self, received: Received) -> None:
        while True:
            try:
                got = await self._socket.recv_message()
            except Closed:
                return
            received(self.number, got.pipe, got.body)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done by the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
