"""Both drivers under the same awaitable names, so that one test body can drive either.

A body is a coroutine function that takes the fixture ``driver``. On asyncio the objects are sockstack's own. On the
blocking driver each call that waits runs in a thread of its own, and is awaited; so several tasks of a body are
several threads on one socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Protocol, TypeVar

import uvloop

import sockstack
import sockstack.asyncio
from sockstack.core.junction import Gate
from sockstack.drivers.blocking.connection import Connection
from sockstack.drivers.blocking.establish import ConnectionListener
from sockstack.drivers.blocking.leadership import State
from sockstack.drivers.blocking.talker import Context

__all__ = [
    "DRIVERS",
    "LOOKS",
    "AsyncioDriver",
    "BlockingDriver",
    "Driver",
    "Threaded",
    "descriptors",
    "in_thread",
    "no_leak",
    "ours",
    "until",
    "what",
]

T = TypeVar("T")

LOOKS = 2_000_000
"""How often :func:`until` looks before it gives up."""

WAITING = frozenset(
    {
        "accept",
        "attach",
        "close",
        "detach",
        "open",
        "reach",
        "recv",
        "recv_exactly",
        "recv_many",
        "recv_message",
        "send",
        "send_many",
        "send_message",
        "switch",
        "wait_for_peers",
    }
)
"""Calls that may wait."""


async def until(met: Callable[[], object]) -> None:
    """Look again and again until ``met`` gives something true."""
    for _ in range(LOOKS):
        if met():
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{what(met)} never came true")


def what(met: Callable[[], object]) -> str:
    """A condition as it is written."""
    return inspect.getsource(met).strip() if inspect.isfunction(met) else repr(met)


async def in_thread(call: Callable[..., T], *args: Any, **options: Any) -> T:
    """Make a blocking call in a thread of its own."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result: T | None = None
        raised: BaseException | None = None
        try:
            result = call(*args, **options)
        except BaseException as error:
            raised = error
        with contextlib.suppress(RuntimeError):  # the loop has gone: nobody waits for this
            loop.call_soon_threadsafe(settle, result, raised)

    threading.Thread(target=run, name=f"test-{call!r}", daemon=True).start()
    return await future


class Driver(Protocol):
    """What a body is given."""

    name: str

    def run(self, body: Coroutine[Any, Any, None]) -> None:
        """Run a body, then close what it has left open."""

    def socket(self, pattern: Any, **options: Any) -> Any:
        """A socket."""

    def device(self, front: Any, back: Any = None, **options: Any) -> Any:
        """A device."""

    def listen(self, stack: Any, **options: Any) -> Any:
        """A listener of connections."""

    async def dial(self, stack: Any, **options: Any) -> Any:
        """A connection, or a connected socket."""

    async def attach(self, stack: Any, **options: Any) -> Any:
        """A stack on something that is connected already."""

    async def close(self, thing: Any, **options: Any) -> Any:
        """Close, whether that has to be awaited or not."""

    def keep(self, thing: Any) -> Any:
        """Close this too at the end, an accepted connection for example."""

    def waiters(self, thing: Any, gate: Gate) -> int:
        """How many callers wait at a gate of a socket, context, connection or listener."""


class AsyncioDriver:
    """sockstack.asyncio as it is, on a given loop, in debug mode."""

    def __init__(
        self, name: str, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> None:
        self.name = name
        self._loop_factory = loop_factory
        self._open: list[Any] = []

    def run(self, body: Coroutine[Any, Any, None]) -> None:
        """Run a body; afterwards no task of ours may be left."""
        with asyncio.Runner(debug=True, loop_factory=self._loop_factory) as runner:
            runner.run(self._whole(body))

    async def _whole(self, body: Coroutine[Any, Any, None]) -> None:
        try:
            await body
        finally:
            for thing in reversed(self._open):
                await self.close(thing, linger=0)
            self._open.clear()
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def socket(self, pattern: Any, **options: Any) -> Any:
        return self.keep(sockstack.asyncio.Socket(pattern, **options))

    def device(self, front: Any, back: Any = None, **options: Any) -> Any:
        return self.keep(sockstack.asyncio.Device(front, back, **options))

    def listen(self, stack: Any, **options: Any) -> Any:
        return self.keep(sockstack.asyncio.listen(stack, **options))

    async def dial(self, stack: Any, **options: Any) -> Any:
        return self.keep(await sockstack.asyncio.dial(stack, **options))

    async def attach(self, stack: Any, **options: Any) -> Any:
        return self.keep(await sockstack.asyncio.attach(stack, **options))

    async def close(self, thing: Any, **options: Any) -> Any:
        takes = inspect.signature(thing.close).parameters
        result = thing.close(**{key: value for key, value in options.items() if key in takes})
        return await result if inspect.isawaitable(result) else result

    def waiters(self, thing: Any, gate: Gate) -> int:
        return len(gate._waiting)

    def keep(self, thing: Any) -> Any:
        self._open.append(thing)
        return thing


class BlockingDriver:
    """The blocking driver, each call in a thread of its own."""

    name = "blocking"

    def __init__(self) -> None:
        self._open: list[Threaded] = []

    def run(self, body: Coroutine[Any, Any, None]) -> None:
        """Run a body on a loop that does nothing but wait for threads."""
        asyncio.run(self._whole(body))

    async def _whole(self, body: Coroutine[Any, Any, None]) -> None:
        try:
            await body
        finally:
            for thing in reversed(self._open):
                await self.close(thing, linger=0)
            self._open.clear()
            await until(lambda: not ours())

    def socket(self, pattern: Any, **options: Any) -> Any:
        return self.keep(sockstack.Socket(pattern, **options))

    def device(self, front: Any, back: Any = None, **options: Any) -> Any:
        return self.keep(sockstack.Device(front, back, **options))

    def listen(self, stack: Any, **options: Any) -> Any:
        return self.keep(sockstack.listen(stack, **options))

    async def dial(self, stack: Any, **options: Any) -> Any:
        return self.keep(await in_thread(sockstack.dial, stack, **options))

    async def attach(self, stack: Any, **options: Any) -> Any:
        return self.keep(await in_thread(sockstack.attach, stack, **options))

    async def close(self, thing: Any, **options: Any) -> Any:
        takes = inspect.signature(thing.target.close).parameters
        return await thing.close(**{key: value for key, value in options.items() if key in takes})

    def waiters(self, thing: Any, gate: Gate) -> int:
        hub = thing._hub
        leads = hub._leadership.state is State.LED and hub._polling
        return len(hub._followers) + leads

    def keep(self, thing: Any) -> Threaded:
        threaded = thing if isinstance(thing, Threaded) else Threaded(thing, self)
        self._open.append(threaded)
        return threaded


class Threaded:
    """A blocking object whose waiting calls are awaited."""

    def __init__(self, target: Any, driver: BlockingDriver) -> None:
        self.target = target
        self._driver = driver

    def __repr__(self) -> str:
        return repr(self.target)

    @property
    def timeout(self) -> float | None:
        """The object's own timeout."""
        return self.target.timeout  # type: ignore[no-any-return]

    @timeout.setter
    def timeout(self, timeout: float | None) -> None:
        self.target.timeout = timeout

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.target, name)
        if name in WAITING:
            return functools.partial(self._call, value)
        if name in ("context", "events"):
            return lambda: Threaded(value(), self._driver)
        return value

    async def _call(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        result = await in_thread(call, *args, **options)
        kinds = (Connection, ConnectionListener, Context)
        return self._driver.keep(result) if isinstance(result, kinds) else result

    async def __aenter__(self) -> Threaded:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Any]:
        """What iterating over the target gives, each step in the thread that the first one began."""
        steps = iter(self.target)
        end = object()
        while True:
            item = await in_thread(next, steps, end)
            if item is end:
                return
            yield self._driver.keep(item) if isinstance(item, Connection) else item


DRIVERS: dict[str, Callable[[], Driver]] = {
    "blocking": BlockingDriver,
    "asyncio": lambda: AsyncioDriver("asyncio"),
    "uvloop": lambda: AsyncioDriver("uvloop", uvloop.new_event_loop),
}


def ours() -> list[threading.Thread]:
    """Threads that sockstack has started."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("sockstack")]


def descriptors() -> dict[int, str]:
    """This process's open descriptors and what they are; empty where the system does not tell."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                found[int(entry)] = os.readlink(f"/proc/self/fd/{entry}")
    return found


@contextlib.contextmanager
def no_leak() -> Iterator[None]:
    """Whoever runs inside must leave no descriptor open."""
    before = descriptors()
    yield
    left = {fd: what for fd, what in descriptors().items() if before.get(fd) != what}
    assert not left, left
