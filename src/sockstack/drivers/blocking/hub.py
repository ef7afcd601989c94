"""The hub of the blocking driver: whoever blocks leads it, others follow, a helper steps in when nobody is there."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from ...core.errors import Closed, Deadline
from ...core.junction import Gate
from ..hub import FORKED, BaseHub
from .helper import Burst, Helper
from .leadership import Action, Leadership, State
from .poller import IN, OUT, Waker, make_poller

__all__ = ["BlockingHub", "BlockingWatch"]

T = TypeVar("T")

EVENTS = 32
"""Descriptors looked at in one turn; room for more would be allocated anew each time."""

LONGEST = 86400.0
"""Seconds of one wait at the descriptors, which take no more than some weeks."""

# An enum's members are looked up slowly, and these are asked for at each wait.
FREE = State.FREE
LEAD = Action.LEAD
EVICT = Action.EVICT

live_hubs: weakref.WeakSet[BlockingHub] = weakref.WeakSet()


class BlockingWatch:
    """A descriptor on a blocking hub."""

    __slots__ = ("_hub", "fd", "forked", "mask", "on_readable", "on_writable")

    def __init__(
        self,
        hub: BlockingHub,
        fd: int,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
        forked: Callable[[], None] | None,
    ) -> None:
        self._hub: BlockingHub | None = hub
        self.fd = fd
        self.mask = IN
        self.on_readable = on_readable
        self.on_writable = on_writable
        self.forked = forked

    def read(self, flag: bool) -> None:
        """Whether to call ``on_readable``."""
        self._set(self.mask | IN if flag else self.mask & ~IN)

    def write(self, flag: bool) -> None:
        """Whether to call ``on_writable``."""
        self._set(self.mask | OUT if flag else self.mask & ~OUT)

    def close(self) -> None:
        """Stop watching."""
        hub, self._hub = self._hub, None
        if hub is not None:
            hub.forget(self)

    def _set(self, mask: int) -> None:
        if mask != self.mask and self._hub is not None:
            before, self.mask = self.mask, mask
            self._hub.change(self, before)


class BlockingHub(BaseHub):
    """One selector, one lock, one leader.

    Everything on the hub is touched under :attr:`lock` only. The lock is free while the leader waits for descriptors.

    Attributes:
        lock: the hub's lock.
        closed, why: nothing can be done here any more, and what to say to those who try.
        turns: how often descriptors were looked at.
        unattended: something must be attended to even while no caller waits, and there is no helper for it yet.
        owners: sockets with which it closes: all but the last one leave it open.
    """

    driver = "blocking"

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.closed = False
        self.why = "this object is closed"
        self.turns = 0
        self._leadership = Leadership()
        self._poller = make_poller()
        self._poll = self._poller.poll
        self._watches: dict[int, BlockingWatch] = {}
        self._waker = Waker()
        self._poller.register(self._waker.fileno, IN)
        self._polling = False
        self._followers: list[Callable[[], None]] = []
        self._helper = Helper(self)
        self.unattended = False
        self.owners = 1
        self._outside: deque[Callable[[], None]] = deque()
        self._disposed = False
        live_hubs.add(self)

    # For those who live here.

    def watch(
        self,
        fd: int,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
        forked: Callable[[], None] | None,
    ) -> BlockingWatch:
        """Watch a descriptor."""
        watch = BlockingWatch(self, fd, on_readable, on_writable, forked)
        self._watches[fd] = watch
        self._poller.register(fd, IN)
        return watch

    def change(self, watch: BlockingWatch, before: int) -> None:
        """A watch's mask has changed. With nothing to watch it is taken off: a hang-up would be told for ever."""
        if not watch.mask:
            self._poller.unregister(watch.fd)
        elif not before:
            self._poller.register(watch.fd, watch.mask)
        else:
            self._poller.modify(watch.fd, watch.mask)

    def forget(self, watch: BlockingWatch) -> None:
        """A watch is over."""
        if self._watches.get(watch.fd) is watch:
            del self._watches[watch.fd]
            self._poller.unregister(watch.fd)

    def timer_added(self, when: float) -> None:
        if self._polling:
            self._waker.wake()

    def need(self, who: object, flag: bool) -> None:
        super().need(who, flag)
        self.unattended = bool(self.needy) and not self._helper.running

    def attend(self, wake: Callable[[], None]) -> tuple[int | None, float | None]:
        """Under the lock, for one who waits elsewhere: do what there is to do, unless somebody else leads.

        Returns:
            A descriptor that is readable when there is more to do, and the instant of the next timer, or None. Neither
            while somebody leads: then ``wake`` is called when he stops.
        """
        if self.closed:
            return None, None
        if self._leadership.state is not FREE:
            if wake not in self._followers:
                self._followers.append(wake)
            return None, None
        self.turn()
        self.leave()
        heap = self._timer_heap
        return self._poller.fileno(), heap[0].when if heap else None

    def dismiss(self, wake: Callable[[], None]) -> None:
        """Under the lock: ``wake`` waits no longer. If it was called to lead, somebody else is."""
        if wake in self._followers:
            self._followers.remove(wake)
        self._promote()

    def ask(self, question: Callable[[], object], answer: Callable[[object], None]) -> None:
        """Under the lock: have whoever leads make a call of the application's, with the lock free.

        ``answer`` gets what it returned, or its exception.
        """

        def call() -> None:
            reply: object
            try:
                reply = question()
            except Exception as error:
                reply = error
            self.post(lambda: answer(reply))

        self._outside.append(call)
        self.need(self._outside, True)
        self.wake()

    def wake(self) -> None:
        if self._polling:
            self._waker.wake()
        elif self._leadership.state is FREE:
            self._helper.call()

    # For callers.

    def wait(
        self, attempt: Callable[[], T | None], gate: Gate, timeout: float | None, what: str
    ) -> T:
        """Under the lock: wait until ``attempt`` gives something, trying after each turn or when ``gate`` opens.

        Args:
            timeout: seconds, or None.
            what: the caller's verb, for the error.

        Raises:
            Deadline: the time has passed.
            Closed: the hub was closed meanwhile.
        """
        deadline = None if timeout is None else self.now() + timeout
        leadership = self._leadership
        while True:
            if self.closed:
                raise Closed(self.why)
            if timeout is not None and timeout <= 0 and leadership.state is not FREE:
                raise Deadline(
                    f"{what}: nothing within 0 s"
                )  # to push aside who leads takes longer
            leads = False
            try:
                action = leadership.enter()
                leads = action is LEAD
                if leads:
                    gate.leader = self._stir
                    result = self._lead(attempt, deadline)
                else:
                    if action is EVICT:
                        self._waker.wake()
                    self._follow(gate, deadline)
                    result = attempt()
            finally:
                if leads:
                    gate.leader = None
                    leadership.leave()
                    if self.closed:  # meanwhile, by another thread
                        self.dispose()  # type: ignore[unreachable]
                if self._followers or self.unattended:
                    self._promote()
            if result is not None:
                return result
            if deadline is not None and self.now() >= deadline:
                raise Deadline(f"{what}: nothing within {timeout:g} s")

    def leave(self) -> None:
        """Under the lock, after an operation that may have left work behind: see that somebody does it."""
        if self.unattended and self._leadership.state is FREE:
            self._helper.start()

    def collect(self, burst: Burst) -> None:
        """Under the lock: have the helper flush ``burst`` each millisecond until it is over."""
        self._helper.burst(burst)
        if self._polling:  # if it is the helper: it has something else to do now
            self._waker.wake()

    def turn(self) -> None:
        """Under the lock, if nobody leads: handle what is ready now, without waiting."""
        if self._leadership.state is FREE and not self.closed:
            self._turn(self._poll(0, EVENTS))

    def _lead(self, attempt: Callable[[], T | None], deadline: float | None) -> T | None:
        """Poll until ``attempt`` gives something; None when the instant has passed.

        A handler of signals may raise between any two calls, also while the lock is taken again; hence the loop over
        ``iter``, which takes it, or raises and has not taken it, with nothing in between.
        """
        lock, poll = self.lock, self._poll
        result: T | None = None
        if self._posted:
            self._turn(())
            result = attempt()
        while result is None:
            if self._outside:
                self._step_out()
                self._turn(())
                result = attempt()
                continue
            timeout = self._timeout(deadline)
            self._polling = True
            if self._posted:
                timeout = 0
            try:
                lock.release()
                events = poll(timeout, EVENTS)
            finally:
                try:
                    for _ in iter(lock.acquire, True):
                        pass
                except BaseException:
                    lock.acquire()
                    raise
                finally:
                    self._polling = False
            if self.closed:
                raise Closed(self.why)
            self._turn(events)
            result = attempt()
            if deadline is not None and result is None and self.now() >= deadline:
                break
        return result

    def _step_out(self) -> None:
        """Make the calls that want the lock free, one after the other.

        Raises:
            Closed: the hub was closed meanwhile.
        """
        lock, outside = self.lock, self._outside
        while outside and not self.closed:
            call = outside.popleft()
            try:
                lock.release()
                self.guarded(call)
            finally:
                try:
                    for _ in iter(lock.acquire, True):  # as in _lead
                        pass
                except BaseException:
                    lock.acquire()
                    raise
        self.need(outside, False)
        if self.closed:
            raise Closed(self.why)

    def _stir(self) -> None:
        """Under the lock: another thread may have done what the leader waits for; it looks again."""
        if self._polling:
            self._waker.wake()

    def _timeout(self, due: float | None) -> float | None:
        """Seconds until ``due`` or the next timer, a cancelled one perhaps; None: for ever."""
        heap = self._timer_heap
        if heap and (due is None or heap[0].when < due):
            due = heap[0].when
        if due is None:
            return None
        left = due - self.now()
        return min(left, LONGEST) if left > 0 else 0

    def _turn(self, events: list[tuple[int, int]] | tuple[()]) -> None:
        """Handle what is ready. Writes made meanwhile are done at the end."""
        self.turning = True
        self.turns += 1
        watches = self._watches
        try:
            for fd, mask in events:
                watch = watches.get(fd)
                if watch is None:
                    if fd == self._waker.fileno:
                        self._waker.clear()
                    continue
                try:
                    if mask != OUT:
                        watch.on_readable()
                    if mask & OUT:
                        watch.on_writable()
                except Exception:  # one connection's fault must not cost the others their turn
                    self.report(watch.on_readable)
            heap = self._timer_heap
            if self._posted or self._flushes or (heap and heap[0].when <= self.now()):
                self.end_turn()
        finally:
            self.turning = False

    def _follow(self, gate: Gate, deadline: float | None) -> None:
        """Wait, without the hub's lock, until the gate opens or leadership is free."""
        lock, bell = self.lock, threading.Lock()
        bell.acquire()
        ring = _Bell(bell)
        try:
            gate.add(ring)
            self._followers.append(ring)
            try:
                lock.release()
                if deadline is None:
                    bell.acquire()
                else:
                    bell.acquire(timeout=max(0.0, deadline - self.now()))
            finally:
                try:
                    for _ in iter(lock.acquire, True):  # as in _lead
                        pass
                except BaseException:
                    lock.acquire()
                    raise
        finally:
            gate.remove(ring)
            if ring in self._followers:
                self._followers.remove(ring)

    def _promote(self) -> None:
        """If nobody polls, somebody should now: a follower, or the helper if there is work."""
        if self._leadership.state is not FREE:
            return
        if self._followers:
            self._followers.pop(0)()
        elif self.unattended:
            self._helper.start()

    # For the helper thread.

    def help(self) -> bool:
        """Under the lock: lead until a caller wants to, or nothing is left to do. False if somebody leads already."""
        if self._leadership.take() is not LEAD:
            return False
        try:
            while self._leadership.helping and self._helped:
                if self._outside:
                    with contextlib.suppress(Closed):
                        self._step_out()
                    self._turn(())
                    continue
                timeout = self._timeout(None)
                self._polling = True
                if self._posted:
                    timeout = 0
                self.lock.release()
                try:
                    events = self._poll(timeout, EVENTS)
                finally:
                    self.lock.acquire()
                    self._polling = False
                self._turn(events)
            if self.closed:
                self.dispose()
        finally:
            self._leadership.leave()
            self._promote()
        return True

    @property
    def _helped(self) -> bool:
        """Whether the helper should poll: something may come, and no burst needs its attention."""
        return self.needed and not self.closed and not self._helper.bursts

    # The end.

    def release(self) -> None:
        """Under the lock: one of its owners has closed; with the last it closes."""
        self.owners -= 1
        if self.owners:
            self.leave()
        else:
            self.close()

    def close(self) -> None:
        """Under the lock: wake everybody who waits; they find it closed. Descriptors of the hub itself go last."""
        if self.closed:
            return
        self.closed = True
        self.needy.clear()
        self._outside.clear()
        followers, self._followers = self._followers, []
        for follower in followers:
            follower()
        self._helper.call()
        if self._polling:
            self._waker.wake()
        else:
            self.dispose()

    def dispose(self) -> None:
        """Let go of the hub's own descriptors, once nobody polls."""
        if not self._disposed:
            self._disposed = True
            self._poller.close()
            self._waker.close()

    def after_fork(self) -> None:
        """In a forked child: connections are the parent's, and close here. What is inherited is watched anew.

        The poller goes first: in the child it is still the parent's, and must not be told anything.
        """
        self.lock = threading.Lock()
        if self._disposed:
            return
        self._poller.close()
        self._waker.forked()
        watches, self._watches = self._watches, {}
        kept = [watch for watch in watches.values() if watch.forked is None]
        for watch in watches.values():
            if watch.forked is not None:
                watch.forked()
        self._leadership = Leadership()
        self._followers.clear()
        self._posted.clear()
        self._flushes.clear()
        self._outside.clear()
        self.turning = self._polling = False
        self._helper = Helper(self)
        self.timers.clear()
        for resident in list(self.residents):
            resident.after_fork(bool(kept))
        if not kept:
            self.closed = self._disposed = True
            self.why = FORKED
            return
        self._poller = make_poller()
        self._poll = self._poller.poll
        self._waker = Waker()
        self._poller.register(self._waker.fileno, IN)
        for watch in kept:
            self._watches[watch.fd] = watch
            if watch.mask:
                self._poller.register(watch.fd, watch.mask)
        self.unattended = bool(self.needy)
        self.leave()


def _after_fork() -> None:
    for hub in list(live_hubs):
        hub.after_fork()


os.register_at_fork(after_in_child=_after_fork)


class _Bell:
    """Wakes one follower; ringing twice is harmless."""

    __slots__ = ("_lock",)

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __call__(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._lock.release()
