"""Both ends' loops, back to back over a queue."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from bench import loops
from bench.libraries import AsyncCalls, Calls
from bench.traffic import BULK, Lost, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable


class Over(Exception):
    """The sender is stopped."""


class Wire:
    """Carries what the sending loop sends until it holds ``room`` messages, then stops that loop."""

    def __init__(self, room: int) -> None:
        self.held: list[bytes] = []
        self.room = room

    def send(self, data: bytes) -> None:
        if len(self.held) == self.room:
            raise Over
        self.held.append(data)

    def send_many(self, batch: list[bytes]) -> None:
        for data in batch:
            self.send(data)


class Count(Stopwatch):
    """Has seen enough after a number of messages."""

    def __init__(self, wanted: int) -> None:
        super().__init__(1.0)
        self.wanted = wanted

    def lap(self, messages: int) -> bool:
        self.messages += messages
        return self.messages >= self.wanted


def unused(*_: Any) -> Any:
    raise AssertionError("not a call of this loop")


def sent(size: int, room: int, push: Callable[[Calls, int], object]) -> list[bytes]:
    wire = Wire(room)
    with pytest.raises(Over):
        push(Calls(wire.send, unused, wire.send_many), size)
    return wire.held


@pytest.mark.parametrize(("size", "room"), [(64, 600), (1024, 600), (BULK, 5)])
def test_what_push_sends_pull_takes(size: int, room: int) -> None:
    messages = iter(sent(size, room, loops.push))
    watch = Count(min(room, 512))
    loops.pull(Calls(unused, lambda: next(messages)), size, watch)
    assert watch.messages == watch.wanted


@pytest.mark.parametrize("size", [64, BULK])
def test_pull_sees_a_message_that_is_missing(size: int) -> None:
    messages = sent(size, 5, loops.push)
    del messages[1]
    rest = iter(messages)
    with pytest.raises(Lost):
        loops.pull(Calls(unused, lambda: next(rest)), size, Count(4))


def test_what_push_many_sends_pull_many_takes() -> None:
    messages = sent(64, 512, loops.push_many)
    batches = iter([messages[:100], messages[100:400], messages[400:]])
    watch = Count(512)
    loops.pull_many(Calls(unused, unused, None, lambda: next(batches)), 64, watch)
    assert watch.messages == 512


def test_push_many_never_hands_out_its_own_list() -> None:
    batches: list[list[bytes]] = []

    def send_many(batch: list[bytes]) -> None:
        if len(batches) == 2:
            raise Over
        batches.append(batch)

    with pytest.raises(Over):
        loops.push_many(Calls(unused, unused, send_many), 64)
    assert batches[0] is not batches[1]
    assert batches[0][0] != batches[1][0]


def test_ask_and_answer() -> None:
    requests: SimpleQueue[bytes] = SimpleQueue()
    replies: SimpleQueue[bytes] = SimpleQueue()

    def served() -> bytes:
        request = requests.get()
        if not request:
            raise Over
        return request

    def serve() -> None:
        with pytest.raises(Over):
            loops.answer(Calls(replies.put, served))

    server = threading.Thread(target=serve)
    server.start()
    watch = Count(256)
    try:
        loops.ask(Calls(requests.put, replies.get), 64, watch)
    finally:
        requests.put(b"")
        server.join()
    assert watch.messages == 256


def test_ask_sees_a_wrong_answer() -> None:
    with pytest.raises(Lost):
        loops.ask(Calls(lambda data: None, lambda: b"another"), 64, Count(1))


def test_coroutines() -> None:
    async def stream() -> int:
        queue: asyncio.Queue[bytes] = asyncio.Queue(10)
        pushing = asyncio.create_task(loops.push_async(AsyncCalls(queue.put, unused), 64))
        watch = Count(512)
        await loops.pull_async(AsyncCalls(unused, queue.get), 64, watch)
        pushing.cancel()
        return watch.messages

    async def round_trips() -> int:
        requests: asyncio.Queue[bytes] = asyncio.Queue(10)
        replies: asyncio.Queue[bytes] = asyncio.Queue(10)
        answering = asyncio.create_task(loops.answer_async(AsyncCalls(replies.put, requests.get)))
        watch = Count(256)
        await loops.ask_async(AsyncCalls(requests.put, replies.get), 64, watch)
        answering.cancel()
        return watch.messages

    assert asyncio.run(stream()) == 512
    assert asyncio.run(round_trips()) == 256
