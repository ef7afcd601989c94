"""The peers of a soak: what is killed and started again. A process is ``python -m bench.soak_peer PART``."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sockstack
from sockstack import Closed, Deadline, Socket
from sockstack.asyncio import Device as AsyncDevice
from sockstack.asyncio import Socket as AsyncSocket

from .soak_messages import Journal, message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PAUSE", "TICK", "Part", "Peer", "pattern"]

TICK = 0.1
"""Seconds that a sender waits before it looks whether it shall stop."""

PAUSE = 0.005
"""Seconds between two bursts of a sender: the peers share a machine."""

MOST = 200
"""Messages of one burst."""

RECONNECT = 0.2
"""Seconds between two attempts to connect, at most: peers are away for about so long."""

LINGER = 30
"""Seconds that a socket may take to write what is left, before it says that it could not."""

SMALL = 500
"""Messages of a queue that is meant to overflow at times."""

ROOM = 1 << 20
"""Messages that wait for a slow peer where none may be dropped."""


@dataclass(frozen=True)
class Part:
    """What one life of a peer has to do. It travels as JSON.

    Attributes:
        does: ``take``, ``give``, ``both``, ``answer`` or ``device``.
        name: of its pattern.
        urls: what it dials; a device listens: front, back.
        slot, life: who it is.
        journal: where it writes down what it takes.
        driver: ``blocking`` or ``asyncio``.
        seed: of what it does by chance.
    """

    does: str
    name: str
    urls: list[str]
    slot: int
    life: int
    journal: str
    driver: str
    seed: int


def pattern(name: str, *, measures: bool = False) -> Any:
    """A pattern as a soak uses it.

    What the main process sends may be dropped, as both of its ends are seen: its queue, and those of the subscribers,
    are small. What it receives may not, since nobody can ask a killed peer what it has dropped.
    """
    small = measures != (name == "Sub")
    if name == "Sub":
        return sockstack.Sub(b"", recv_buffer=SMALL if small else ROOM)
    if name in ("Pub", "Bus"):
        return getattr(sockstack, name)(send_buffer=SMALL if small else ROOM)
    return getattr(sockstack, name)()


@dataclass
class Peer:
    """One life in this process, by the blocking driver.

    Attributes:
        part: what it does.
        given: messages that it has sent.
    """

    part: Part
    given: int = 0
    _stopping: bool = False
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        part = self.part
        self._chance = random.Random(part.seed)
        if part.does == "device":
            self._device = sockstack.Device(sockstack.Rep(raw=True), sockstack.Req(raw=True))
            for side, url in zip((self._device.front, self._device.back), part.urls, strict=True):
                side.listen(url)
            return
        self._socket: Socket[Any] = Socket(pattern(part.name), reconnect_max=RECONNECT)
        for url in part.urls:
            self._socket.dial(url)

    def start(self) -> None:
        """Begin, in threads of its own."""
        does = self.part.does
        work = {
            "take": [self._take],
            "give": [self._give],
            "both": [self._take, self._give],
            "answer": [self._answer],
            "device": [],
        }[does]
        self._threads = [threading.Thread(target=each, daemon=True) for each in work]
        for thread in self._threads:
            thread.start()

    def stop(self) -> tuple[int, int]:
        """Send no more, and close in order: how many were given, and what ``close`` says was not written."""
        self._stopping = True
        if self.part.does in ("give", "both"):
            self._threads[-1].join()
        left = self._socket.close(linger=LINGER)
        return self.given, left

    def kill(self) -> None:
        """Be gone at once."""
        self._stopping = True
        if self.part.does == "device":
            self._device.front.linger = self._device.back.linger = 0
            self._device.close()
        else:
            self._socket.close(linger=0)
        for thread in self._threads:
            thread.join()

    def _take(self) -> None:
        journal = Journal(self.part.journal)
        sock, chance = self._socket, self._chance
        try:
            while True:
                bodies = sock.recv_many()
                journal.add(bodies, sock.stats()["overrun"])
                if chance.random() < 0.02:  # now and then it does not keep up
                    time.sleep(0.03)
        except Closed:
            journal.close()

    def _give(self) -> None:
        part, sock, chance = self.part, self._socket, self._chance
        while not self._stopping:
            for _ in range(chance.randint(1, MOST)):
                try:
                    sock.send(message(part.slot, part.life, self.given), TICK)
                except Deadline:
                    break
                except Closed:
                    return
                self.given += 1
            time.sleep(PAUSE)

    def _answer(self) -> None:
        name = message(self.part.slot, self.part.life, 0)
        for request in self._socket:
            try:
                self._socket.send(name + request)
            except Closed:
                return


class AsyncPeer:
    """One life, by the asyncio driver. It is never in the process that measures."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.given = 0
        self._chance = random.Random(part.seed)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Live until the parent says "stop"."""
        part = self.part
        loop = asyncio.get_running_loop()
        waiting = threading.Thread(
            target=lambda: _until_told(lambda: loop.call_soon_threadsafe(self._stopping.set)),
            daemon=True,
        )
        waiting.start()
        if part.does == "device":
            async with AsyncDevice(sockstack.Rep(raw=True), sockstack.Req(raw=True)) as device:
                for side, url in zip((device.front, device.back), part.urls, strict=True):
                    side.listen(url)
                await self._stopping.wait()
            return
        self._socket: AsyncSocket[Any] = AsyncSocket(pattern(part.name), reconnect_max=RECONNECT)
        for url in part.urls:
            self._socket.dial(url)
        async with asyncio.TaskGroup() as tasks:
            if part.does in ("take", "both"):
                tasks.create_task(self._take())
            if part.does == "answer":
                tasks.create_task(self._answer())
            if part.does in ("give", "both"):
                await self._give()
            await self._stopping.wait()
            left = await self._socket.close(linger=LINGER)
        _report(self.given, left)

    async def _take(self) -> None:
        journal = Journal(self.part.journal)
        sock = self._socket
        while True:
            try:
                bodies = await sock.recv_many()
            except Closed:
                return
            journal.add(bodies, sock.stats()["overrun"])
            if self._chance.random() < 0.02:
                await asyncio.sleep(0.03)

    async def _give(self) -> None:
        part, sock = self.part, self._socket
        while not self._stopping.is_set():
            for _ in range(self._chance.randint(1, MOST)):
                try:
                    await sock.send(message(part.slot, part.life, self.given), TICK)
                except Deadline:
                    break
                self.given += 1
            await asyncio.sleep(PAUSE)

    async def _answer(self) -> None:
        name = message(self.part.slot, self.part.life, 0)
        async for request in self._socket:
            await self._socket.send(name + request)


def main(argv: Sequence[str]) -> int:
    """Live until the parent says "stop"."""
    part = Part(**json.loads(argv[0]))
    if part.driver == "asyncio":
        asyncio.run(AsyncPeer(part).run())
        return 0
    threading.excepthook = _die
    peer = Peer(part)
    peer.start()
    _until_told(lambda: _report(*peer.stop()))
    return 0


def _until_told(stop: Callable[[], object]) -> None:
    """Wait for the parent to say "stop". When it is gone its end of the pipe is closed, and so are we."""
    if not sys.stdin.readline():
        os._exit(1)
    stop()


def _die(failed: threading.ExceptHookArgs) -> None:
    """A thread has failed: the parent shall see it."""
    sys.excepthook(failed.exc_type, failed.exc_value or failed.exc_type(), failed.exc_traceback)
    os._exit(1)


def _report(given: int, left: int) -> None:
    print(json.dumps({"given": given, "left": left}), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
