"""The receiver of a test: it stands on a stack, keeps what goes up, and holds the stack to the contract of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.capabilities import Capabilities, Unit
from ..core.chain import ChainTop
from ..core.errors import SockstackError
from ..core.layer import MANY

__all__ = ["ContractError", "Recorder"]


class ContractError(AssertionError):
    """A layer did what the contract of layers (:mod:`sockstack.core.layer`) does not allow."""


class Recorder(ChainTop):
    """Keeps what goes up, in order, and fails where a call must not come.

    These are checked at each call: ``opened`` comes first and once; units come within the credit, are ``bytes``, and
    are no larger than the record says; nothing comes after ``broken``, after our ``abort``, or, but for ``writable``
    and ``broken``, after ``ended``; ``receive`` is not re-entered and its batches are not empty.

    Attributes:
        units: what was received.
        events: the names of the calls, in order; ``receive`` once for each unit.
        error: what ``broken`` said, or None.
        fault: the first breach of the contract, or None. It is raised too; a hub that survives it would hide it.
        is_open, has_ended, aborted: what was said so far.
        ready: what ``writable`` said last.
        after_opened, on_units: called from inside ``opened`` and ``receive``, to act there.

    Args:
        credit: what is wanted as soon as the stack is open.
    """

    def __init__(self, credit: int = MANY) -> None:
        super().__init__()
        self.units: list[Any] = []
        self.events: list[str] = []
        self.error: SockstackError | None = None
        self.fault: ContractError | None = None
        self.is_open = self.has_ended = self.aborted = False
        self.ready = True
        self.after_opened: Callable[[], None] = lambda: None
        self.on_units: Callable[[list[Any]], None] = lambda units: None
        self._first_credit = credit
        self._credit = 0
        self._receiving = False

    @property
    def data(self) -> bytes:
        """The units joined: what a stream carried."""
        return b"".join(self.units)

    @property
    def credit(self) -> int:
        """How many more units may come; of a stream, whether any may."""
        return self._credit

    # What a test does.

    def send(self, *units: Any) -> None:
        """Send a batch."""
        self.below.send(list(units))

    def want(self, n: int) -> None:
        """Give credit."""
        self._credit = n
        self.below.want(n)

    def end(self) -> None:
        """End our output."""
        self.below.end()

    def abort(self) -> None:
        """Let go. Nothing may come from then on."""
        self.aborted = True
        self.below.abort()

    # From below.

    def opened(self, record: Capabilities) -> None:
        self._note("opened")
        self._hold(not self.is_open, "opened came twice")
        self._hold(not self.has_ended, "opened came after ended")
        self.is_open = True
        if self._first_credit:
            self.want(self._first_credit)
        self.after_opened()
        self.tell_opened()

    def receive(self, units: list[Any]) -> None:
        self._note(*["receive"] * len(units))
        self._hold(bool(units), "an empty batch came up")
        self._hold(self.is_open, "units came before opened")
        self._hold(not self.has_ended, "units came after ended")
        self._hold(not self._receiving, "receive was re-entered")
        self._check(units)
        self.units += units
        self._receiving = True
        try:
            self.on_units(units)
        finally:
            self._receiving = False

    def writable(self, flag: bool) -> None:
        self._note(f"writable {flag}")
        self.ready = flag

    def ended(self) -> None:
        self._note("ended")
        self._hold(self.is_open, "ended came before opened")
        self._hold(not self.has_ended, "ended came twice")
        self.has_ended = True

    def broken(self, error: SockstackError) -> None:
        self._note("broken")
        self._hold(isinstance(error, SockstackError), f"broken with {error!r}, no declared error")
        self.error = error
        self.tell_closed(error)

    # Inside.

    def _note(self, *events: str) -> None:
        if self.error is not None:
            self._hold(False, f"{events[0]} came after broken")
        if self.aborted:
            self._hold(False, f"{events[0]} came after abort")
        self.events += events

    def _check(self, units: list[Any]) -> None:
        record = self.chain.record
        for unit in units:
            if record.unit is Unit.FRAMES:
                self._hold(isinstance(unit, list), f"a message of frames is {unit!r:.80}, no list")
            else:
                self._hold(isinstance(unit, bytes), f"a unit is {type(unit).__name__}, not bytes")
        if record.unit is Unit.STREAM:
            self._hold(self._credit > 0, "bytes came without credit")
            self._hold(all(units), "an empty unit came up on a stream")
            return
        self._hold(
            len(units) <= self._credit,
            f"{len(units)} units came, and the credit was {self._credit}",
        )
        self._credit -= len(units)
        if record.unit is Unit.MESSAGE:
            largest = max(map(len, units))
            self._hold(
                largest <= record.max_unit,
                f"a message of {largest} bytes came up; max_unit is {record.max_unit}",
            )
            self._hold(
                record.empty_unit or all(units), "an empty message came up; empty_unit is no"
            )

    def _hold(self, kept: bool, what: str) -> None:
        if not kept:
            fault = ContractError(f"{what} [{self.chain.path}; events: {self.events[-8:]}]")
            self.fault = self.fault or fault
            raise fault
