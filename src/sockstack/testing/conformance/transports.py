"""The kit for transports: links over the operating system's own means, on the hub of either driver."""

from __future__ import annotations

import random
from collections.abc import Callable
from unittest import SkipTest

from ...core.capabilities import Backpressure, Capabilities, HalfClose, Unit, satisfies
from ...core.errors import SockstackError
from ...core.layer import MANY
from ...core.spec import Role
from ...core.transport import Link, TransportSpec
from ..recorder import Recorder
from .runners import PATIENCE, RUNNERS, Runner, descriptors, our_threads

__all__ = ["TransportKit"]

UNBOUNDED = 256 << 20
"""Bytes that nobody reads, after which a transport that still takes more has no back-pressure."""


class TransportKit:
    """Tests for transports that dial. Subclass it, and say how two connected ends are made::

        class TestSocketPair(TransportKit):
            def make_ends(self):
                return tuple(Fd(sock) for sock in socket.socketpair())

    One that also listens is tested with :class:`ListeningTransportKit`. Whatever a test did, no descriptor and no
    thread may be left when it is over.

    Attributes:
        driver: on whose hub it runs, ``blocking`` or ``asyncio``; subclass once for each.
        sizes: of the payloads that are tried, as far as they fit the record.
        cycles: how often a connection is opened and closed where leaks are looked for.
    """

    driver: str = "blocking"
    sizes: tuple[int, ...] = (1, 255, 256, 65535, 65536, 1 << 20, 16 << 20)
    cycles: int = 200

    runner: Runner

    def make_ends(self) -> tuple[TransportSpec, TransportSpec]:
        """Two specs; dialling both gives two ends of one connection."""
        raise NotImplementedError

    # For tests.

    def setup_method(self) -> None:
        self._before = (descriptors(), our_threads())
        self._runners = [self.fresh_runner()]
        self.runner = self._runners[0]

    def teardown_method(self) -> None:
        for runner in self._runners:
            runner.close()
        for thread in our_threads() - self._before[1]:
            thread.join(PATIENCE)
        left = (descriptors(), our_threads())
        assert left == self._before, f"left: {left}, and before there was: {self._before}"

    def fresh_runner(self) -> Runner:
        """A hub of the driver in question."""
        return RUNNERS[self.driver]()

    def another_hub(self) -> Runner:
        """A second hub."""
        runner = self.fresh_runner()
        self._runners.append(runner)
        return runner

    def skip_unless(self, met: object, why: str) -> None:
        """Leave the test if it does not apply."""
        if not met:
            raise SkipTest(why)

    def until(self, met: Callable[[], object], what: str) -> None:
        """Run the hub until something has happened."""
        self.runner.until(met, what)

    def links(self) -> tuple[tuple[TransportSpec, Link], tuple[TransportSpec, Link]]:
        """Two connected ends, not open yet, with the specs that they came from."""
        first, second = self.make_ends()
        return (first, self.dial(first)), (second, self.dial(second))

    def ends(self, credit: int = MANY) -> tuple[Recorder, Recorder]:
        """Two connected ends, open; ``credit`` is what the second one gives."""
        near, far = self.links()
        tops = (
            self.runner.open(*near, Role.DIALER, MANY),
            self.runner.open(*far, Role.LISTENER, credit),
        )
        self.until(lambda: all(top.is_open or top.error for top in tops), "both ends open")
        return tops

    def dial(self, spec: TransportSpec) -> Link:
        """The link that dialling gives."""
        links: list[Link] = []
        errors: list[SockstackError] = []
        spec.dial(self.runner.hub, links.append, errors.append)
        assert not links, "dialled before dial had returned"
        assert not errors, "failed before dial had returned"
        self.until(lambda: links or errors, "dialled or failed")
        assert not errors, f"dialling failed: {errors}"
        return links[0]

    def record(self, top: Recorder) -> Capabilities:
        """What the link promises."""
        return top.chain.record

    def is_stream(self, top: Recorder) -> bool:
        """Whether the link carries bytes without boundaries."""
        return self.record(top).unit is Unit.STREAM

    def arrived(self, top: Recorder, units: list[bytes]) -> Callable[[], bool]:
        """Whether all of ``units`` have come up, as far as counting tells."""
        if self.is_stream(top):
            size = sum(map(len, units))
            return lambda: sum(map(len, top.units)) >= size
        return lambda: len(top.units) >= len(units)

    def check(self, top: Recorder, units: list[bytes]) -> None:
        """Wait for ``units``, and see that it is exactly these that came."""
        arrived = self.arrived(top, units)
        self.until(lambda: arrived() or top.error or top.has_ended, "all that was sent arrives")
        assert top.error is None, f"broken: {top.error}"
        if self.is_stream(top):
            assert top.data == b"".join(units)
        else:
            assert top.units == units

    def fill(self, top: Recorder, unit: bytes) -> list[bytes]:
        """Send until the link asks for no more; what was sent."""
        sent = []
        while top.ready:
            top.send(unit)
            sent.append(unit)
            self.runner.settle()
            assert len(sent) * len(unit) < UNBOUNDED, "nobody reads, and it still takes more"
        return sent

    def payload(self, size: int) -> bytes:
        """Random bytes."""
        return random.Random(size).randbytes(size)

    # Opening.

    def test_opens(self) -> None:
        near, far = self.ends()
        assert near.events == far.events == ["opened"]
        for top in (near, far):
            promised = top.chain.specs[-1].derive(Capabilities(Unit.STREAM))
            assert satisfies(self.record(top), promised), "the link promises less than its spec"

    def test_cancelled_dial(self) -> None:
        """Whenever a dial is called off, nothing is called and nothing stays open."""
        for turns in range(3):
            for spec in self.to_dial():
                links: list[Link] = []
                errors: list[SockstackError] = []
                attempt = spec.dial(self.runner.hub, links.append, errors.append)
                for _ in range(turns):
                    self.runner.settle()
                dialed = len(links)
                attempt.cancel()
                attempt.cancel()
                self.runner.settle()
                assert not errors
                assert len(links) == dialed, "dialled, after it was called off"
                for link in links:
                    link.abort()
                self.discard(spec)

    def to_dial(self) -> tuple[TransportSpec, ...]:
        """Specs that somebody answers."""
        return self.make_ends()

    def discard(self, spec: TransportSpec) -> None:
        """Let go of what a spec holds that was perhaps never dialled. A spec of an address holds nothing."""

    def test_aborted_before_it_is_open(self) -> None:
        for _, link in self.links():
            link.abort()
            link.abort()

    def test_opening_and_closing_leaves_nothing(self) -> None:
        """Many times over: no descriptor, no thread, nobody who needs attention."""
        self._open_and_close()  # what is there from the first time on stays, a listener for example
        before = (descriptors(), our_threads(), len(self.runner.hub.needy))
        for _ in range(self.cycles):
            self._open_and_close()
        assert (descriptors(), our_threads(), len(self.runner.hub.needy)) == before

    def _open_and_close(self) -> None:
        near, far = self.ends()
        near.send(b"x")
        self.check(far, [b"x"])
        near.abort()
        far.abort()
        self.runner.settle()
        self.runner.tops.clear()

    # Data.

    def test_sizes(self) -> None:
        near, far = self.ends()
        for size in self.sizes:
            if size <= self.record(near).max_unit:
                unit = self.payload(size)
                near.send(unit)
                self.check(far, [unit])
                far.send(unit[::-1])
                self.check(near, [unit[::-1]])
                near.units.clear()
                far.units.clear()

    def test_empty_units(self) -> None:
        """A message of no bytes is a message if the record says so; on a stream it is nothing. It is never an end."""
        near, far = self.ends()
        if self.is_stream(near):
            near.send(b"", b"a", b"")
            near.send(b"")
            self.check(far, [b"a"])
        else:
            self.skip_unless(self.record(near).empty_unit, "empty_unit is no")
            near.send(b"", b"a", b"")
            near.send(b"")
            self.check(far, [b"", b"a", b"", b""])
        self.runner.settle()
        assert not far.has_ended

    def test_many_in_order(self) -> None:
        near, far = self.ends()
        units = [b"%05d" % number for number in range(10_000)]
        for at in range(0, len(units), 7):
            near.send(*units[at : at + 7])
            if not near.ready:
                self.until(lambda: near.ready or near.error, "room")
        self.check(far, units)

    def test_chunks_of_all_sizes_both_ways(self) -> None:
        """A million random bytes in each direction at once."""
        near, far = self.ends()
        chance = random.Random(1)
        limit = min(30_000, self.record(near).max_unit)
        chunks: list[bytes] = []
        while sum(map(len, chunks)) < 1_000_000:
            chunks.append(chance.randbytes(chance.randrange(1, limit)))
        for chunk in chunks:
            near.send(chunk)
            far.send(chunk)
        self.check(far, chunks)
        self.check(near, chunks)

    def test_message_in_chunks(self) -> None:
        near, far = self.ends()
        self.skip_unless(not self.is_stream(near), "chunks are for messages")
        near.send((b"he", b"", b"llo"), (b"world",))
        self.check(far, [b"hello", b"world"])

    def test_send_from_inside_receive(self) -> None:
        near, far = self.ends()
        far.on_units = lambda units: far.send(*units)
        units = [b"%d" % number for number in range(100)]
        near.send(*units)
        self.check(near, units)

    def test_largest_message(self) -> None:
        near, far = self.ends()
        limit = self.record(near).max_unit
        self.skip_unless(not self.is_stream(near) and limit <= 1 << 24, "no such limit")
        unit = self.payload(limit)
        near.send(unit)
        self.check(far, [unit])

    # Credit and back-pressure.

    def test_nothing_without_credit(self) -> None:
        near, far = self.ends(credit=0)
        near.send(b"wait")
        self.runner.settle()
        assert far.units == []
        far.want(MANY)
        self.check(far, [b"wait"])

    def test_credit_taken_back(self) -> None:
        """``want(0)`` from inside ``receive`` stops at once, and what is there stays."""
        near, far = self.ends()
        far.on_units = lambda units: far.want(0)
        near.send(b"one")
        self.until(lambda: far.units, "the first unit")
        near.send(b"two")
        self.runner.settle()
        assert far.data == b"one"
        far.on_units = lambda units: None
        far.want(MANY)
        self.check(far, [b"one", b"two"])

    def test_credit_is_counted(self) -> None:
        """Messages come up to the number that was wanted."""
        near, far = self.ends(credit=0)
        self.skip_unless(not self.is_stream(near), "on a stream credit is on or off")
        units = [b"%d" % number for number in range(10)]
        near.send(*units)
        far.want(3)
        self.until(lambda: len(far.units) == 3, "three units")
        self.runner.settle()
        assert far.units == units[:3]
        far.want(MANY)
        self.check(far, units)

    def test_back_pressure(self) -> None:
        """A peer that does not read: soon no more is asked for; when it reads, all arrives and more is asked for."""
        near, far = self.ends(credit=0)
        blocks = self.record(near).backpressure is Backpressure.BLOCK
        self.skip_unless(blocks, "what has no room is dropped")
        sent = self.fill(near, self.payload(min(65536, self.record(near).max_unit)))
        far.want(MANY)
        self.check(far, sent)
        self.until(lambda: near.ready, "writable again")
        assert near.chain.unsent == 0

    def test_a_paused_link_stops_no_other(self) -> None:
        stuck, unread = self.ends(credit=0)
        self.fill(stuck, self.payload(min(65536, self.record(stuck).max_unit)))
        near, far = self.ends()
        near.send(b"passes by")
        self.check(far, [b"passes by"])
        assert unread.units == []

    # Endings.

    def test_data_then_end(self) -> None:
        """What was sent before the end arrives before it; the end is told once."""
        near, far = self.ends()
        units = [self.payload(min(300_000, self.record(near).max_unit))] * 3
        near.send(*units)
        near.end()
        near.end()
        self.check(far, units)
        self.until(lambda: far.has_ended or far.error, "the end")
        assert far.has_ended
        self.runner.settle()

    def test_data_then_abort_after_it_was_written(self) -> None:
        """Who ends, has all written and lets go loses nothing."""
        near, far = self.ends()
        near.send(b"last words")
        near.end()
        self.until(lambda: not near.chain.unsent, "all is written")
        near.abort()
        self.check(far, [b"last words"])
        self.until(lambda: far.has_ended or far.error, "the end")

    def test_end_waits_for_credit(self) -> None:
        near, far = self.ends(credit=0)
        near.send(b"first")
        near.end()
        self.runner.settle()
        assert not far.has_ended
        far.want(MANY)
        self.check(far, [b"first"])
        self.until(lambda: far.has_ended, "the end")

    def test_half_close(self) -> None:
        near, far = self.ends()
        goes_on = self.record(near).half_close > HalfClose.NONE
        self.skip_unless(goes_on, "half_close is none")
        near.end()
        self.until(lambda: far.has_ended, "the end")
        far.send(b"still", b" here")
        far.end()
        self.check(near, [b"still", b" here"])
        self.until(lambda: near.has_ended, "the other end")

    def test_send_after_end(self) -> None:
        """It does nothing: no exception, no bytes."""
        near, far = self.ends()
        near.send(b"before")
        near.end()
        near.send(b"after")
        self.check(far, [b"before"])
        self.until(lambda: far.has_ended, "the end")

    def test_abort_is_noticed(self) -> None:
        near, far = self.ends()
        near.abort()
        self.until(lambda: far.has_ended or far.error, "the peer sees that we are gone")

    def test_abort_twice(self) -> None:
        near, _ = self.ends()
        near.end()
        near.abort()
        near.abort()
        near.send(b"into the void")
        near.end()
        near.want(1)
        self.runner.settle()

    def test_abort_with_data_on_the_way(self) -> None:
        """Nothing comes up any more, whatever was about to."""
        near, far = self.ends()
        near.send(b"x" * 1000)
        far.abort()
        self.runner.settle()
        assert far.units == []

    def test_abort_from_inside_receive(self) -> None:
        near, far = self.ends()
        far.on_units = lambda units: far.abort()
        near.send(*[b"x" * 1000] * 100)
        self.until(lambda: near.error or near.has_ended, "the peer sees that we are gone")

    def test_sending_to_nobody(self) -> None:
        """A peer that is gone breaks the connection, with a declared error; no send raises."""
        near, far = self.ends()
        far.abort()
        for _ in range(100):
            if near.error is not None:
                break
            near.send(b"anybody?")
            self.runner.settle()
        assert near.error is not None, "what is sent goes nowhere, and nobody is told"
        near.send(b"anybody?")
        self.runner.settle()

    def test_sending_to_one_who_has_closed(self) -> None:
        """Nor is anything lost silently where the peer had ended its output before it went."""
        near, far = self.ends()
        far.end()
        self.until(lambda: near.has_ended, "the end")
        far.abort()
        self.runner.settle()
        for _ in range(100):
            if near.error is not None:
                break
            near.send(b"anybody?")
            self.runner.settle()
        assert near.error is not None, "what is sent goes nowhere, and nobody is told"

    # Hubs.

    def test_moves_to_another_hub(self) -> None:
        """A live link goes on on another hub, with what had arrived; the old hub has forgotten it."""
        near, far = self.ends()
        far.send(b"before")
        other = self.another_hub()
        near.chain.move(other.hub)
        self.runner.tops.remove(near)
        other.tops.append(near)
        far.send(b" and after")
        done = self.arrived(near, [b"before", b" and after"])
        other.until(done, "what was sent arrives on the other hub")
        assert near.data == b"before and after"
        near.send(b"answer")
        self.check(far, [b"answer"])
