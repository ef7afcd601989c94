"""The public functions of both drivers under one set of plain calls: what the kit for connections stands on."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from typing import Any

from .runners import PATIENCE

__all__ = ["APIS", "Api", "AsyncioApi", "BlockingApi", "Running"]


class Running:
    """A call that is under way beside the test."""

    def result(self) -> Any:
        """Wait for its result, or its exception.

        Raises:
            AssertionError: it goes on and on.
        """
        raise NotImplementedError


class Api:
    """The functions of one driver; what they give is used through :meth:`call`."""

    module: Any

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call, and wait for what comes of it."""
        raise NotImplementedError

    def start(self, function: Callable[..., Any], *args: Any, **options: Any) -> Running:
        """Call beside the test: in a thread or in a task."""
        raise NotImplementedError

    def close(self) -> None:
        """The test is over."""


class BlockingApi(Api):
    """:mod:`sockstack`: calls block, and threads run beside each other."""

    def __init__(self) -> None:
        import sockstack

        self.module = sockstack

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return function(*args, **options)

    def start(self, function: Callable[..., Any], *args: Any, **options: Any) -> Running:
        return _Thread(function, args, options)


class AsyncioApi(Api):
    """:mod:`sockstack.asyncio`: calls are awaited on a loop of the test's own, in debug mode."""

    def __init__(self) -> None:
        import sockstack.asyncio

        self.module = sockstack.asyncio
        self._loop = asyncio.new_event_loop()
        self._loop.set_debug(True)

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return self._loop.run_until_complete(_call(function, args, options))

    def start(self, function: Callable[..., Any], *args: Any, **options: Any) -> Running:
        return _Task(self._loop, self._loop.create_task(_call(function, args, options)))

    def close(self) -> None:
        left = asyncio.all_tasks(self._loop)
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
        assert not left, f"tasks are left: {left}"


async def _call(
    function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    result = function(*args, **options)
    return await result if inspect.isawaitable(result) else result


class _Thread(Running):
    """A call in a thread."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        self._result: Any = None
        self._error: BaseException | None = None

        def run() -> None:
            try:
                self._result = function(*args, **options)
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=run, name=f"test {function!r}", daemon=True)
        self._thread.start()

    def result(self) -> Any:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"{self._thread.name} goes on and on"
        if self._error is not None:
            raise self._error
        return self._result


class _Task(Running):
    """A call in a task."""

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
        self._loop = loop
        self._task = task

    def result(self) -> Any:
        done, _ = self._loop.run_until_complete(asyncio.wait([self._task], timeout=PATIENCE))
        assert done, f"{self._task} goes on and on"
        return self._task.result()

    def cancel(self) -> None:
        """Cancel the task, at its present await."""
        self._task.cancel()


APIS: dict[str, type[Api]] = {"blocking": BlockingApi, "asyncio": AsyncioApi}
