"""A hub with real descriptors and a clock that stands still, and shorthands for links on it."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from typing import Any

from sockstack.core.errors import SockstackError
from sockstack.core.layer import MANY, wire
from sockstack.core.transport import Bound, Link, TransportSpec
from sockstack.testing.clock import VirtualHub

from ..core.rig import Recorder

__all__ = [
    "Dialing",
    "Listening",
    "SelectHub",
    "SelectWatch",
    "free_sockets",
    "meet",
    "open_link",
]

PATIENCE = 20
"""Seconds after which something that must happen is taken not to happen."""


class SelectWatch:
    """A descriptor on a :class:`SelectHub`."""

    def __init__(
        self,
        hub: SelectHub,
        fd: int,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
        forked: Callable[[], None] | None,
    ) -> None:
        self.hub = hub
        self.fd = fd
        self.on_readable = on_readable
        self.on_writable = on_writable
        self.forked = forked
        self.mask = 0
        self.open = True
        self.read(True)

    def read(self, flag: bool) -> None:
        self._set(selectors.EVENT_READ, flag)

    def write(self, flag: bool) -> None:
        self._set(selectors.EVENT_WRITE, flag)

    def close(self) -> None:
        if self.open:
            self.read(False)
            self.write(False)
            self.open = False
            self.hub.watches.remove(self)

    def _set(self, bit: int, flag: bool) -> None:
        mask = self.mask | bit if flag else self.mask & ~bit
        if mask == self.mask or not self.open:
            return
        selector = self.hub.selector
        if self.mask:
            selector.unregister(self.fd)
        if mask:
            selector.register(self.fd, mask, self)
        self.mask = mask


class SelectHub(VirtualHub):
    """A virtual hub that also looks at descriptors, when a test says so.

    Attributes:
        watches: what is watched.
        in_thread_calls: how often a thread was asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.selector = selectors.DefaultSelector()
        self.watches: list[SelectWatch] = []
        self.in_thread_calls = 0

    def watch(
        self,
        fd: int,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
        forked: Callable[[], None] | None,
    ) -> SelectWatch:
        watch = SelectWatch(self, fd, on_readable, on_writable, forked)
        self.watches.append(watch)
        return watch

    def in_thread(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self.in_thread_calls += 1
        super().in_thread(work, done)

    def look(self, timeout: float = 0) -> bool:
        """Handle what is posted and what is ready; False: nothing was."""
        posted = self.step()
        self.run()
        ready = self.selector.select(0 if posted else timeout) if self.selector.get_map() else []
        for key, events in ready:
            watch: SelectWatch = key.data
            if events & selectors.EVENT_READ and watch.open:
                self.turn(watch.on_readable)
            if events & selectors.EVENT_WRITE and watch.open:
                self.turn(watch.on_writable)
        self.run()
        return posted or bool(ready)

    def until(self, condition: Callable[[], Any]) -> None:
        """Go on until it is so."""
        while not condition():
            assert self.look(PATIENCE), "nothing happens any more"

    def quiet(self) -> None:
        """Go on until nothing is ready."""
        for _ in range(10_000):
            if not self.look():
                return
        raise AssertionError("it never becomes quiet")


def open_link(link: Link, credit: int = MANY) -> Recorder:
    """Put a receiver on a link and open it."""
    top = Recorder()
    wire(top, [link])
    link.name = "link"
    link.open()
    if credit:
        link.want(credit)
    return top


class Dialing:
    """A dial, and what became of it."""

    def __init__(self, hub: SelectHub, spec: TransportSpec) -> None:
        self.hub = hub
        self.links: list[Any] = []
        self.errors: list[SockstackError] = []
        self.attempt = spec.dial(hub, self.links.append, self.errors.append)
        assert not self.links, "told before dial returned"
        assert not self.errors, "told before dial returned"

    def link(self) -> Any:
        """The link it led to."""
        self.hub.until(lambda: self.links or self.errors)
        assert not self.errors, self.errors
        return self.links[0]

    def error(self) -> SockstackError:
        """The error it led to."""
        self.hub.until(lambda: self.links or self.errors)
        assert not self.links
        return self.errors[0]


class Listening:
    """A listener, and whom it accepted."""

    def __init__(self, hub: SelectHub, spec: TransportSpec, inherit: bool = False) -> None:
        self.hub = hub
        self.links: list[Any] = []
        self.troubles: list[SockstackError] = []
        self.bound: Bound = spec.listen(hub, self.links.append, self.troubles.append, inherit)

    def link(self) -> Any:
        """The next one accepted."""
        self.hub.until(lambda: self.links)
        return self.links.pop(0)

    def close(self) -> None:
        """Stop, and let go of those whom nobody took."""
        self.bound.close()
        for link in self.links:
            link.abort()


def meet(hub: SelectHub, spec: TransportSpec, dialed: Callable[[str], TransportSpec]) -> Any:
    """Listen on ``spec``, dial what it says, stop listening; the two links."""
    listening = Listening(hub, spec)
    near = Dialing(hub, dialed(listening.bound.address)).link()
    far = listening.link()
    listening.close()
    return near, far


def free_sockets() -> tuple[socket.socket, socket.socket]:
    """Two connected stream sockets; the second one blocks, with a limit."""
    here, there = socket.socketpair()
    there.settimeout(PATIENCE)
    return here, there
