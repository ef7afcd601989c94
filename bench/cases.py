"""What is compared with what, as data; the marks to reach stand here and nowhere else."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .traffic import Role, Style, Traffic

__all__ = ["CASES", "Against", "Case", "Contender", "Import", "Measure"]


class Measure(enum.Enum):
    """What a figure counts.

    A comparison is a ratio, sockstack's figure over the peer's; for ``COST`` and ``START`` it is what is left when the
    peer's figure is taken away.
    """

    TIME = "µs"
    """One round trip. Less is better."""

    RATE = "k/s"
    """Thousands of messages a second. More is better."""

    BULK = "MB/s"
    """Millions of payload bytes a second. More is better."""

    COST = "µs each"
    """What each message takes. Less is better."""

    START = "ms"
    """Until an interpreter has started, imported and ended. Less is better."""

    @property
    def more_is_better(self) -> bool:
        """Whether the mark is a least figure."""
        return self in (Measure.RATE, Measure.BULK)

    @property
    def is_difference(self) -> bool:
        """Whether the peer's figure is taken away instead of divided by."""
        return self in (Measure.COST, Measure.START)


@dataclass(frozen=True)
class Import:
    """The work of starting an interpreter that imports one module."""


@dataclass(frozen=True)
class Contender:
    """A library and how it is used; of :class:`Import` work, the module (``""`` for none)."""

    library: str
    style: Style = Style.SINGLE

    @property
    def label(self) -> str:
        """The name in the table."""
        match self.style:
            case Style.ASYNCIO:
                return f"{self.library} asyncio"
            case Style.MANY:
                return f"{self.library} in batches"
            case Style.SINGLE:
                return self.library or "nothing imported"


@dataclass(frozen=True)
class Against:
    """One comparison.

    Attributes:
        peer: what our figure is compared with.
        reach: the mark, or None if the comparison is only shown.
        beyond: the mark after that.
    """

    peer: Contender
    reach: float | None = None
    beyond: float | None = None


@dataclass(frozen=True)
class Case:
    """One figure of ours and those beside it.

    Attributes:
        name: what ``--only`` takes.
        title: what the table says.
        measure: what the figure counts.
        work: what every contender does.
        ours: the contender that is compared.
        against: with whom.
    """

    name: str
    title: str
    measure: Measure
    work: Traffic | Import
    ours: Contender
    against: tuple[Against, ...]

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """All that run, ours first."""
        return (self.ours, *(entry.peer for entry in self.against))


SINGLE = Contender("sockstack")
MANY = Contender("sockstack", Style.MANY)
ASYNCIO = Contender("sockstack", Style.ASYNCIO)

ZMQ = Contender("pyzmq")
PYNNG = Contender("pynng")
NNG = Contender("nng")
BARE = Contender("bare socket")
ZMQ_ASYNCIO = Contender("pyzmq", Style.ASYNCIO)
PYNNG_ASYNCIO = Contender("pynng", Style.ASYNCIO)
NNG_ASYNCIO = Contender("nng", Style.ASYNCIO)
BARE_ASYNCIO = Contender("bare socket", Style.ASYNCIO)

ROUND_TRIP = Traffic(Role.REQ, Role.REP, 64)
ROUND_TRIP_PINNED = Traffic(Role.REQ, Role.REP, 64, pinned=True)


def _pipeline(size: int) -> Traffic:
    return Traffic(Role.PUSH, Role.PULL, size)


CASES = (
    Case(
        "reqrep-pinned",
        "REQ/REP round trip, 64 B, both ends on one CPU",
        Measure.TIME,
        ROUND_TRIP_PINNED,
        SINGLE,
        (Against(ZMQ, 0.6, 0.45), Against(PYNNG, 0.4, 0.3), Against(NNG), Against(BARE)),
    ),
    Case(
        "reqrep-free",
        "REQ/REP round trip, 64 B, not pinned",
        Measure.TIME,
        ROUND_TRIP,
        SINGLE,
        (Against(ZMQ), Against(PYNNG), Against(NNG), Against(BARE)),
    ),
    Case(
        "reqrep-asyncio-pinned",
        "asyncio REQ/REP round trip, 64 B, both ends on one CPU",
        Measure.TIME,
        ROUND_TRIP_PINNED,
        ASYNCIO,
        (
            Against(ZMQ_ASYNCIO, 0.4, 0.3),
            Against(PYNNG_ASYNCIO, 0.15),
            Against(NNG_ASYNCIO),
            Against(BARE_ASYNCIO),
        ),
    ),
    Case(
        "reqrep-asyncio-free",
        "asyncio REQ/REP round trip, 64 B, not pinned",
        Measure.TIME,
        ROUND_TRIP,
        ASYNCIO,
        (
            Against(ZMQ_ASYNCIO),
            Against(PYNNG_ASYNCIO),
            Against(NNG_ASYNCIO),
            Against(BARE_ASYNCIO),
        ),
    ),
    Case(
        "pipeline-64",
        "PUSH/PULL, 64 B, one at a time",
        Measure.RATE,
        _pipeline(64),
        SINGLE,
        (Against(ZMQ, 1.2, 2.0), Against(PYNNG, 30.0), Against(NNG)),
    ),
    Case(
        "pipeline-1k",
        "PUSH/PULL, 1 KiB, one at a time",
        Measure.RATE,
        _pipeline(1024),
        SINGLE,
        (Against(ZMQ, 1.2, 2.0), Against(PYNNG, 30.0), Against(NNG)),
    ),
    Case(
        "pipeline-asyncio-64",
        "asyncio PUSH/PULL, 64 B, one at a time",
        Measure.RATE,
        _pipeline(64),
        ASYNCIO,
        (Against(ZMQ_ASYNCIO, 10.0), Against(PYNNG_ASYNCIO, 30.0), Against(NNG_ASYNCIO)),
    ),
    Case(
        "pipeline-asyncio-1k",
        "asyncio PUSH/PULL, 1 KiB, one at a time",
        Measure.RATE,
        _pipeline(1024),
        ASYNCIO,
        (Against(ZMQ_ASYNCIO, 10.0), Against(PYNNG_ASYNCIO, 30.0), Against(NNG_ASYNCIO)),
    ),
    Case(
        "pipeline-many-64",
        "PUSH/PULL, 64 B, send_many and recv_many",
        Measure.RATE,
        _pipeline(64),
        MANY,
        (Against(ZMQ, 2.0, 4.0),),
    ),
    Case(
        "pipeline-many-1k",
        "PUSH/PULL, 1 KiB, send_many and recv_many",
        Measure.RATE,
        _pipeline(1024),
        MANY,
        (Against(ZMQ, 2.0, 4.0),),
    ),
    Case(
        "bulk",
        "PUSH/PULL, 1 MiB",
        Measure.BULK,
        _pipeline(1 << 20),
        SINGLE,
        (Against(ZMQ, 1.3), Against(BARE, 0.8, 0.95)),
    ),
    Case(
        "pubsub-100",
        "PUB to 100 subscribers, 64 B, one at a time",
        Measure.RATE,
        Traffic(Role.PUB, Role.SUB, 64, crowd=100),
        SINGLE,
        (Against(ZMQ, 1.0), Against(PYNNG), Against(NNG)),
    ),
    Case(
        "pubsub-100-many",
        "PUB to 100 subscribers, 64 B, send_many",
        Measure.RATE,
        Traffic(Role.PUB, Role.SUB, 64, crowd=100),
        MANY,
        (Against(ZMQ, 1.0),),
    ),
    Case(
        "filter-many",
        "a filter of one byte on each 64 B message, in batches",
        Measure.COST,
        _pipeline(64),
        Contender("sockstack+tag", Style.MANY),
        (Against(MANY, 0.1),),
    ),
    Case(
        "filter-single",
        "a filter of one byte on each 64 B message, alone",
        Measure.COST,
        _pipeline(64),
        Contender("sockstack+tag"),
        (Against(SINGLE),),
    ),
    Case(
        "checksum-many",
        "a checksum on each 64 B message, in batches",
        Measure.COST,
        _pipeline(64),
        Contender("sockstack+checksum", Style.MANY),
        (Against(MANY),),
    ),
    Case(
        "checksum-single",
        "a checksum on each 64 B message, alone",
        Measure.COST,
        _pipeline(64),
        Contender("sockstack+checksum"),
        (Against(SINGLE),),
    ),
    Case(
        "import",
        "import sockstack",
        Measure.START,
        Import(),
        Contender("sockstack"),
        (Against(Contender(""), 60.0),),
    ),
)
