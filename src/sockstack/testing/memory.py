"""Two ends of a connection in memory: no I/O, no thread, nothing moves until a test says so.

::

    near.top                 far.top            Recorder, or what the test puts there
      │  ▲                     ▲  │
    layers                   layers             of the stacks under test
      │  ▲                     ▲  │
    MemoryLink ──── Lane ────▶ MemoryLink       what is sent waits in the lane …
              ◀──── Lane ────                   … and :meth:`Pair.step` delivers one batch of it

A lane decides how what was sent arrives: as it was sent (:class:`~.lanes.Lane`), cut where a test says
(:class:`~.lanes.CutLane`), or as badly as the record allows (:class:`~.hostile.HostileLane`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast, overload

from ..core.capabilities import Backpressure, Capabilities, CleanEnd, HalfClose, Unit
from ..core.chain import Chain, ChainTop
from ..core.errors import PeerAborted
from ..core.hub import Hub
from ..core.interfaces import Os
from ..core.marks import LOCAL_ADDRESS, PEER_ADDRESS, Key
from ..core.spec import Composable, Kind, LayerSpec, Role, Spec, Stack
from ..core.transport import Link
from ..drivers.opening import Ticker
from ..drivers.socket_core import split_pattern
from .clock import VirtualHub
from .lanes import Lane, Sign
from .recorder import ContractError, Recorder

__all__ = [
    "MESSAGES",
    "STREAM",
    "Memory",
    "MemoryLink",
    "Pair",
    "connect",
]

T = TypeVar("T")
A = TypeVar("A", bound=ChainTop)
B = TypeVar("B", bound=ChainTop)

STREAM = Capabilities(
    Unit.STREAM,
    half_close=HalfClose.NATIVE,
    clean_end=CleanEnd.PEER_CLAIMS,
    features=frozenset({"detach"}),
)
"""A reliable byte stream; what TCP promises."""

MESSAGES = Capabilities(
    Unit.MESSAGE,
    empty_unit=True,
    half_close=HalfClose.NATIVE,
    clean_end=CleanEnd.PEER_CLAIMS,
    features=frozenset({"carry", "detach"}),
)
"""Reliable, ordered messages; what connections inside a process promise."""

HIGH = 1 << 20
"""Bytes under way in one direction above which a link says ``writable(False)``."""

STEPS = 1_000_000
"""Steps after which :meth:`Pair.run` takes it that the two ends will never be quiet."""


class MemoryLink(Link):
    """The bottom layer of one end. It holds the layer above to the contract of what goes down.

    Attributes:
        lane: what is under way from here.
        peer: the other end.
        sent: all units that came down, joined where they were in chunks.
        late: those of them that came down after ``end`` or ``abort``; a sound stack sends none.
        ending, aborted: the stack has ended its output, or let go.

    Args:
        hub: where it lives.
        record: what it promises.
        lane: how what it sends arrives.
        high: bytes under way above which it says ``writable(False)``; said to be writable again at half of it.
    """

    peer: MemoryLink

    def __init__(self, hub: Hub, record: Capabilities, lane: Lane, high: int = HIGH) -> None:
        self.hub = hub
        self.record = record
        self.lane = lane
        self.sent: list[bytes] = []
        self.late: list[bytes] = []
        self.ending = self.aborted = False
        self._high = high
        self._wanted = 0
        self._open = False
        self._opened = False
        self._over = False  # nothing goes up any more
        self._blocked = False
        self._sign: Sign | None = None
        self._told = False  # the sign has gone on its way
        self._carried: dict[str, bytes] = {}

    # From above.

    def carry(self, name: str, data: bytes) -> None:
        self._carried[name] = data

    def carried(self, name: str) -> bytes | None:
        return self.peer._carried.get(name) if self._opened else None

    def open(self) -> None:
        self._hold(not self._open, "open came down twice")
        self._open = True
        if "carry" not in self.record.features:
            self._meet()

    def send(self, units: Sequence[Any]) -> None:
        self._hold(self._opened, "units came down before the link had said opened")
        flat = [self._flat(unit) for unit in units]
        self.sent += flat
        if self.ending or self.aborted:
            self.late += flat
            return
        if self.record.unit is Unit.STREAM:
            flat = [unit for unit in flat if unit]
        if not flat or self.peer.aborted or self._over:
            return
        self.lane.put(flat)
        blocks = self.record.backpressure is Backpressure.BLOCK
        if blocks and self.lane.size > self._high and not self._blocked:
            self._blocked = True
            self.above.writable(False)

    def want(self, n: int) -> None:
        self._hold(n >= 0, f"want({n}) came down")
        self._wanted = n

    def end(self) -> None:
        self._hold(self._opened or self.aborted, "end came down before the link had said opened")
        if not self.ending and not self.aborted:
            self.ending = True
            self._sign = Sign.ENDED

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = self._over = True
            self._sign, self._told = Sign.GONE, False
            self.peer.lane.clear()

    @property
    def unsent(self) -> int:
        """Bytes under way beyond the mark: what a kernel would not have taken."""
        return max(0, self.lane.size - self._high)

    def get(self, key: Key[T]) -> T | None:
        answer: Any = "memory" if key is PEER_ADDRESS or key is LOCAL_ADDRESS else None
        return cast("T | None", answer)

    def move(self, hub: Hub) -> None:
        self.hub = hub

    # From the test.

    def forge(self, *units: bytes) -> None:
        """Have the other end receive ``units`` as if they had been sent from here. No layer sees them on this side."""
        self.lane.put(list(units))

    def cut(self) -> None:
        """The peer vanishes: what is under way to here still arrives, then the connection is broken."""
        if not self.peer.aborted:
            self.peer.aborted = self.peer._over = True
            self.peer._sign, self.peer._told = Sign.GONE, False
            self.lane.clear()

    def step(self) -> bool:
        """Let one thing arrive here: a batch, or how the peer ended. False: there is nothing, or no credit for it."""
        peer = self.peer
        if self._over or not self._open:
            return False
        if not self._opened and peer._open:
            return self._meet()
        lane = peer.lane
        if not lane.empty:
            if self._wanted <= 0:
                return False
            units = lane.take(self._wanted)
            if units:
                if self.record.unit is not Unit.STREAM:
                    self._wanted -= len(units)
                self.above.receive(units)
                peer._eased()
            return True
        if peer._sign is None or peer._told:
            return False
        peer._told = True
        sign = lane.tell(peer._sign)
        if sign is Sign.GONE:
            self._over = True
            self.above.broken(PeerAborted("the other end is gone", layer=self.name, path=self.path))
        elif sign is Sign.ENDED and not self.remote_ended:
            self.remote_ended = True
            if self.record.half_close is HalfClose.NONE:
                self.end()
            self.above.ended()
        return True

    # Inside.

    def _meet(self) -> bool:
        self._opened = True
        self.above.opened(self.record)
        return True

    def _eased(self) -> None:
        if self._blocked and self.lane.size <= self._high // 2 and not self._over:
            self._blocked = False
            if not self.ending:
                self.above.writable(True)

    def _flat(self, unit: Any) -> bytes:
        if self.record.unit is Unit.STREAM:
            self._hold(isinstance(unit, bytes), f"a {type(unit).__name__} came down on a stream")
            return cast(bytes, unit)
        if isinstance(unit, tuple):
            self._hold(all(isinstance(chunk, bytes) for chunk in unit), "a chunk is not bytes")
            unit = b"".join(unit)
        self._hold(isinstance(unit, bytes), f"a {type(unit).__name__} came down as a message")
        limit = self.record.max_unit
        self._hold(len(unit) <= limit, f"{len(unit)} bytes came down; max_unit is {limit}")
        self._hold(
            bool(unit) or self.record.empty_unit, "an empty message came down; empty_unit is no"
        )
        return cast(bytes, unit)

    def _hold(self, kept: bool, what: str) -> None:
        if not kept:
            raise ContractError(f"{what} [{self.path}]")


@dataclass(frozen=True)
class Memory(LayerSpec, Spec[Os, Any]):
    """The bottom of a stack that stands on a memory link. It is not dialled: :func:`connect` makes both ends."""

    record: Capabilities = STREAM

    name: ClassVar[str] = "memory"
    kind: ClassVar[Kind] = Kind.TRANSPORT

    def derive(self, below: Capabilities) -> Capabilities:
        return self.record


class Pair(Generic[A, B]):
    """Two stacks back to back.

    Attributes:
        near, far: what stands on each: the dialler's end and the listener's.
        hub: the clock and the posted calls of both.
        links: the two bottom layers.
    """

    def __init__(
        self, near: A, far: B, hub: VirtualHub, links: tuple[MemoryLink, MemoryLink]
    ) -> None:
        self.near = near
        self.far = far
        self.hub = hub
        self.links = links
        self._turn = 0

    def open(self) -> None:
        """Open both ends; :meth:`run` finishes it."""
        self.near.chain.open()
        self.far.chain.open()

    def step(self) -> bool:
        """Let one thing happen: a posted call, or a delivery, at each end in turn. False: all is quiet."""
        if self.hub.step():
            return True
        for _ in self.links:
            link = self.links[self._turn]
            self._turn = 1 - self._turn
            moved = False

            def deliver(link: MemoryLink = link) -> None:
                nonlocal moved
                moved = link.step()

            self.hub.turn(deliver)
            if moved:
                return True
        return False

    def run(self) -> int:
        """Step until all is quiet; how many steps it took.

        Raises:
            ContractError: the two ends go on for ever.
        """
        for count in range(STEPS):
            if not self.step():
                return count
        raise ContractError(f"the two ends are not quiet after {STEPS} steps")


@overload
def connect(
    near: Composable | None = None,
    far: Composable | None = None,
    *,
    record: Capabilities | None = None,
    lanes: tuple[Lane, Lane] | None = None,
    hub: VirtualHub | None = None,
    high: int = HIGH,
    run: bool = True,
) -> Pair[Recorder, Recorder]: ...
@overload
def connect(
    near: Composable | None = None,
    far: Composable | None = None,
    *,
    tops: tuple[A, B],
    record: Capabilities | None = None,
    lanes: tuple[Lane, Lane] | None = None,
    hub: VirtualHub | None = None,
    high: int = HIGH,
    run: bool = True,
) -> Pair[A, B]: ...
def connect(
    near: Composable | None = None,
    far: Composable | None = None,
    *,
    tops: tuple[Any, Any] | None = None,
    record: Capabilities | None = None,
    lanes: tuple[Lane, Lane] | None = None,
    hub: VirtualHub | None = None,
    high: int = HIGH,
    run: bool = True,
) -> Pair[Any, Any]:
    """Two stacks back to back over memory links, opened.

    Args:
        near: the layers of the dialler's end, without a transport; a pattern on top is for layers that ask for one, and
            gets no socket. None: the bare link.
        far: those of the listener's end; by default the same.
        tops: what stands on each end; two :class:`~sockstack.testing.recorder.Recorder` by default.
        record: what the links promise; by default :data:`STREAM`, or :data:`MESSAGES` where the layers need that.
        lanes: how what the near and the far end send arrives.
        hub: time and chance; by default a fresh one.
        high: bytes under way above which a link says ``writable(False)``.
        run: go on until all is quiet; else nothing has been opened yet, and the test opens and steps.

    Raises:
        StackError: the stacks are refused, as they would be over a transport with that record.
    """
    hub = VirtualHub() if hub is None else hub
    lanes = (Lane(), Lane()) if lanes is None else lanes
    stacks = (near, near if far is None else far)
    record = _fitting(stacks[0]) if record is None else record
    first, second = (MemoryLink(hub, record, lane, high) for lane in lanes)
    first.peer, second.peer = second, first
    ends: tuple[Any, Any] = (Recorder(), Recorder()) if tops is None else tops
    parts = zip(stacks, ends, (first, second), (Role.DIALER, Role.LISTENER), strict=True)
    for stack, top, link, role in parts:
        _build(stack, top, link, role, hub)
    pair: Pair[Any, Any] = Pair(*ends, hub, (first, second))
    if run:
        pair.open()
        pair.run()
    return pair


def _fitting(stack: Composable | None) -> Capabilities:
    """The record that the lowest layer can stand on."""
    demands = stack.layers[-1].requires if stack is not None else ()
    streams = not demands or any(demand.unit in (None, Unit.STREAM) for demand in demands)
    return STREAM if streams else MESSAGES


def _build(
    stack: Composable | None, top: ChainTop, link: MemoryLink, role: Role, hub: VirtualHub
) -> None:
    specs: tuple[LayerSpec, ...] = (Memory(link.record),)
    if stack is not None:
        specs = (*stack.layers, *specs)
        Stack(specs)  # checks
    above, rest = split_pattern(specs)
    chain = Chain(rest, link, link.record, role, top, hub, above)
    top.chain = chain
    timed = chain.timed
    if timed:
        chain.on_move = Ticker(hub, timed).move
