"""The loops around the libraries' calls: the same for everyone."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, NoReturn

from .traffic import BULK, Lost, Stopwatch, check, fresh, rows, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .libraries import AsyncCalls, Calls

__all__ = [
    "answer",
    "answer_async",
    "ask",
    "ask_async",
    "pull",
    "pull_async",
    "pull_many",
    "push",
    "push_async",
    "push_many",
]


def answer(calls: Calls) -> NoReturn:
    """Send back whatever comes."""
    recv, send = calls.recv, calls.send
    while True:
        send(recv())


def ask(calls: Calls, size: int, watch: Stopwatch) -> None:
    """Round trips, one at a time."""
    recv, send = calls.recv, calls.send
    for row in rows(size):
        for message in row:
            send(message)
            if recv() != message:
                raise Lost("the answer is not what was asked")
        if watch.lap(len(row)):
            return


def push(calls: Calls, size: int) -> None:
    """Send without end."""
    send = calls.send
    if size >= BULK:
        for message in fresh(size):
            send(message)
    for row in rows(size):
        for message in row:
            send(message)


def pull(calls: Calls, size: int, watch: Stopwatch) -> None:
    """Receive one at a time."""
    recv = calls.recv
    if size >= BULK:
        for number in count():
            check(recv(), number, size)
            if watch.lap(1):
                return
    for row in rows(size):
        for expected in row:
            if recv() != expected:
                raise Lost("a message is not the one that was due")
        if watch.lap(len(row)):
            return


def push_many(calls: Calls, size: int) -> None:
    """Send without end, a row a call."""
    assert calls.send_many is not None
    send_many = calls.send_many
    for row in rows(size):
        send_many(list(row))


def pull_many(calls: Calls, size: int, watch: Stopwatch) -> None:
    """Receive what is there, call by call."""
    assert calls.recv_many is not None
    recv_many = calls.recv_many

    def batches() -> Iterator[list[bytes]]:
        while True:
            yield recv_many()

    take(batches(), size, watch)


async def answer_async(calls: AsyncCalls) -> NoReturn:
    """Send back whatever comes."""
    recv, send = calls.recv, calls.send
    while True:
        await send(await recv())


async def ask_async(calls: AsyncCalls, size: int, watch: Stopwatch) -> None:
    """Round trips, one at a time."""
    recv, send = calls.recv, calls.send
    for row in rows(size):
        for message in row:
            await send(message)
            if await recv() != message:
                raise Lost("the answer is not what was asked")
        if watch.lap(len(row)):
            return


async def push_async(calls: AsyncCalls, size: int) -> None:
    """Send without end."""
    send = calls.send
    for row in rows(size):
        for message in row:
            await send(message)


async def pull_async(calls: AsyncCalls, size: int, watch: Stopwatch) -> None:
    """Receive one at a time."""
    recv = calls.recv
    for row in rows(size):
        for expected in row:
            if await recv() != expected:
                raise Lost("a message is not the one that was due")
        if watch.lap(len(row)):
            return
