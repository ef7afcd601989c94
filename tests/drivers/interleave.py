"""A scheduler that draws which thread runs next, so that a test goes through interleavings instead of hoping for them.

The threads are real, but one at a time moves. At each lock, wait and poll it stops, and so it does between any two
bytecodes of functions that are named; then the next one is drawn. Time stands still until somebody's time runs out. A
hub that is made inside :func:`world` knows nothing of all this.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType, SimpleNamespace
from typing import Any

import pytest

from sockstack.drivers.blocking import helper, hub
from sockstack.drivers.blocking.poller import IN

__all__ = ["Run", "world"]

STEPS = 20_000
"""Draws after which a run has got stuck without standing still."""

OVERDUE = 8
"""One draw in so many lets somebody's time run out although others could move."""


class Abandoned(BaseException):
    """Raised in a thread that is left over when a run ends."""


@dataclass(eq=False)
class Task:
    """One thread of a run."""

    name: str
    daemon: bool
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ready: Callable[[], object] = lambda: True
    deadline: float | None = None
    expired: bool = False
    error: BaseException | None = None


class Run:
    """One interleaving.

    Attributes:
        now: the time.
        readable: descriptors of the test's own that have something to read.
    """

    def __init__(self, seed: int, preempted: Iterable[CodeType] = ()) -> None:
        self.now = 0.0
        self.readable: set[int] = set()
        self.over = False
        self._chance = random.Random(seed)
        self._preempted = frozenset(preempted)
        self._tasks: list[Task] = []
        self._threads: list[threading.Thread] = []
        self._steps = 0
        self._here = threading.local()
        self._finished = threading.Semaphore(0)
        self._failure: str | None = None
        self._errors: list[BaseException] = []

    def spawn(self, call: Callable[[], object], name: str = "", daemon: bool = False) -> None:
        """Another thread. A daemon may be left over when the others have ended."""
        task = Task(name or call.__name__, daemon)

        def run() -> None:
            self._here.task = task
            task.go.acquire()
            try:
                if not self.over:
                    sys.settrace(self._trace)
                    call()
            except Abandoned:
                pass
            except BaseException as error:
                self._errors.append(error)
            finally:
                sys.settrace(None)
                self._tasks.remove(task)
                if not self.over:
                    self._next()

        self._tasks.append(task)
        thread = threading.Thread(target=run, name=task.name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def pause(
        self, ready: Callable[[], object] = lambda: True, within: float | None = None
    ) -> bool:
        """Let others run, until ``ready`` gives something true (True) or ``within`` seconds have passed (False)."""
        task: Task | None = getattr(self._here, "task", None)
        if task is None:  # the test itself, before and after
            return bool(ready())
        if self.over:
            raise Abandoned
        task.ready = ready
        task.deadline = None if within is None else self.now + within
        self._next()
        task.go.acquire()
        if self.over:
            raise Abandoned
        return not task.expired

    def go(self) -> None:
        """Run until all threads but daemons have ended, and raise what went wrong in any of them."""
        self._next()
        self._finished.acquire()
        self.over = True
        for task in list(self._tasks):
            task.go.release()
        for thread in self._threads:
            thread.join()
        assert self._failure is None, self._failure
        for error in self._errors:
            raise error

    def _next(self) -> None:
        """Draw who moves, and let it."""
        self._steps += 1
        if all(task.daemon for task in self._tasks):
            self._finished.release()
            return
        able = [task for task in self._tasks if task.ready()]
        late = [task for task in self._tasks if task.deadline is not None and task not in able]
        if self._steps > STEPS:
            self._fail("they go round in circles")
        elif late and (not able or self._chance.randrange(OVERDUE) == 0):
            task = self._chance.choice(late)
            assert task.deadline is not None
            self.now = max(self.now, task.deadline)
            task.expired = True
            task.go.release()
        elif able:
            task = self._chance.choice(able)
            task.expired = False
            task.go.release()
        else:
            self._fail("nobody can move")

    def _fail(self, why: str) -> None:
        self._failure = f"{why}: {[task.name for task in self._tasks]}"
        self._finished.release()

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code in self._preempted:
            frame.f_trace_opcodes = True
            return self._preempt
        return None

    def _preempt(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "opcode":
            self.pause()
        return self._preempt


class Lock:
    """A lock."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._run.over:
            raise Abandoned
        within = None if timeout < 0 else timeout
        if not self._run.pause(lambda: not self._held, within if blocking else 0):
            return False
        self._held = True
        return True

    def release(self) -> None:
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False
        self._run.pause()

    def locked(self) -> bool:
        return self._held

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class Event:
    """An event."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._set = False

    def set(self) -> None:
        self._set = True
        self._run.pause()

    def clear(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        return self._run.pause(self.is_set, timeout)


class Waker:
    """A descriptor that wakes."""

    fileno = 3

    def __init__(self, run: Run) -> None:
        self._run = run

    def wake(self) -> None:
        self._run.readable.add(self.fileno)
        self._run.pause()

    def clear(self) -> None:
        self._run.readable.discard(self.fileno)

    def close(self) -> None:
        """Late wakes do no harm."""


class Poller:
    """Readiness, as the test says."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._watched: set[int] = set()
        self._polling = 0
        self._closed = False

    def register(self, fd: int, mask: int) -> None:
        assert not self._closed
        self._watched.add(fd)

    def modify(self, fd: int, mask: int) -> None:
        assert not self._closed

    def unregister(self, fd: int) -> None:
        self._watched.discard(fd)

    def poll(self, timeout: float | None, most: int) -> list[tuple[int, int]]:
        assert not self._closed
        assert not self._polling, "two poll at once"
        self._polling += 1
        self._run.pause(self._ready, timeout)
        self._polling -= 1
        return [(fd, IN) for fd in self._ready()]

    def close(self) -> None:
        assert not self._polling, "closed while somebody polls"
        self._closed = True

    def _ready(self) -> set[int]:
        return self._run.readable & self._watched


@contextmanager
def world(seed: int, preempted: Iterable[Callable[..., Any]] = ()) -> Iterator[Run]:
    """A run, and hubs whose threads, locks, descriptors and time are the run's.

    ``preempted``: functions between whose bytecodes another thread may come in.
    """
    run = Run(seed, [call.__code__ for call in preempted])

    class Hub(hub.BlockingHub):
        def __init__(self) -> None:
            super().__init__()
            self.now = lambda: run.now

    def thread(target: Callable[[], object], name: str, daemon: bool) -> Any:
        return SimpleNamespace(start=lambda: run.spawn(target, name, daemon))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "threading", SimpleNamespace(Lock=lambda: Lock(run)))
        patch.setattr(helper, "threading", SimpleNamespace(Event=lambda: Event(run), Thread=thread))
        patch.setattr(hub, "make_poller", lambda: Poller(run))
        patch.setattr(hub, "Waker", lambda: Waker(run))
        run.hub = Hub  # type: ignore[attr-defined]
        yield run
