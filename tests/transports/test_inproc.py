"""Connections inside the process: order, marks, endings, and two hubs in two threads."""

from __future__ import annotations

import errno
import itertools
import threading
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import EndpointError, PeerAborted
from sockstack.core.layer import MANY
from sockstack.core.marks import LOCAL_ADDRESS, PEER_ADDRESS, PEER_CREDENTIALS
from sockstack.transports.inproc import HIGH, Inproc, InprocLink

from ..core.rig import Recorder
from .fakes import Dialing, Listening, SelectHub, open_link

_names = itertools.count()


def fresh() -> Inproc:
    """A name that nobody has."""
    return Inproc(f"test-inproc-{next(_names)}")


class Opened(Recorder):
    """Notes ``opened`` too."""

    def opened(self, record: Any) -> None:
        self.log.append("opened")


class Two:
    """Two ends, each on a hub of its own, open."""

    def __init__(self, credit: int = MANY) -> None:
        spec = fresh()
        self.hubs = SelectHub(), SelectHub()
        listening = Listening(self.hubs[1], spec)
        self.near: InprocLink = Dialing(self.hubs[0], spec).link()
        self.far: InprocLink = listening.link()
        listening.close()
        self.near_top, self.far_top = open_link(self.near, credit), open_link(self.far, credit)
        self.run()

    def run(self) -> None:
        """Until nothing is posted on either hub."""
        while any(hub.step() for hub in self.hubs):
            pass


class TestNames:
    @pytest.mark.parametrize("address", ["", "name", "a/b c\0é"])
    def test_any_text_is_one(self, hub: SelectHub, address: str) -> None:
        spec = Inproc(address)
        listening = Listening(hub, spec)
        assert listening.bound.address == address
        near, far = Dialing(hub, spec).link(), listening.link()
        for end in (near, far):
            assert end.get(PEER_ADDRESS) == end.get(LOCAL_ADDRESS) == address
            assert end.get(PEER_CREDENTIALS) is None
        listening.close()

    def test_taken(self, hub: SelectHub) -> None:
        spec = fresh()
        listening = Listening(hub, spec)
        with pytest.raises(EndpointError) as caught:
            Listening(SelectHub(), spec)
        assert caught.value.errno == errno.EADDRINUSE
        assert "the name is taken in this process" in str(caught.value)
        listening.close()
        listening.close()
        again = Listening(hub, spec)
        listening.close()
        with pytest.raises(EndpointError):
            Listening(hub, spec)
        again.close()
        assert not hub.needy

    def test_nobody_listens(self, hub: SelectHub) -> None:
        error = Dialing(hub, fresh()).error()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.ECONNREFUSED
        assert "nobody listens on" in str(error)

    def test_cancelled(self, hub: SelectHub) -> None:
        spec = fresh()
        listening = Listening(hub, spec)
        dialing = Dialing(hub, spec)
        dialing.attempt.cancel()
        dialing.attempt.cancel()
        hub.run()
        assert dialing.links == dialing.errors == listening.links == []
        listening.close()

    def test_who_stopped_listening_accepts_nobody(self, hub: SelectHub) -> None:
        spec = fresh()
        listening = Listening(hub, spec)
        dialing = Dialing(hub, spec)
        listening.close()
        error = dialing.error()
        assert isinstance(error, EndpointError)
        assert error.errno == errno.ECONNREFUSED
        assert listening.links == []

    def test_who_stopped_listening_when_the_other_had_connected(self) -> None:
        here, there = SelectHub(), SelectHub()
        spec = fresh()
        listening = Listening(there, spec)
        link = Dialing(here, spec).link()
        top = open_link(link)
        listening.close()
        there.run()
        here.run()
        assert listening.links == []
        assert top.log == ["broken"]


class TestUnits:
    @given(batches=st.lists(st.lists(st.binary(max_size=5), min_size=1, max_size=5), max_size=5))
    def test_arrive_in_order_and_one_by_one(self, batches: list[list[bytes]]) -> None:
        two = Two()
        for batch in batches:
            two.near.send(batch)
        two.run()
        assert two.far_top.units == [unit for batch in batches for unit in batch]

    def test_are_passed_as_they_are(self) -> None:
        two = Two()
        unit = bytes(100)
        two.near.send([unit, (b"head", unit), ()])
        two.run()
        assert two.far_top.units[0] is unit
        assert two.far_top.units[1:] == [b"head" + unit, b""]

    def test_wait_for_credit(self) -> None:
        two = Two(credit=0)
        two.near.send([b"1", b"2", b"3"])
        two.run()
        assert two.far_top.units == []
        two.far.want(2)
        assert two.far_top.units == [], "not from inside want"
        two.run()
        assert two.far_top.units == [b"1", b"2"]
        two.far.want(1)
        two.run()
        assert two.far_top.units == [b"1", b"2", b"3"]
        two.near.send([b"4"])
        two.run()
        assert two.far_top.units == [b"1", b"2", b"3"]

    def test_answered_from_inside_receive(self) -> None:
        two = Two()
        two.far_top.on_receive = lambda units: two.far.send(units)
        two.near.send([b"a", b"b"])
        two.run()
        assert two.near_top.units == [b"a", b"b"]


class TestBackPressure:
    def test_marks(self) -> None:
        two = Two(credit=0)
        two.near.send([b""] * (HIGH - 1))
        assert two.near_top.log == []
        two.near.send([b""])
        assert two.near_top.log == ["writable False"]
        two.near.send([b"more"])
        assert two.near_top.log == ["writable False"], "said once; nothing is dropped"
        two.far.want(HIGH // 2)
        two.run()
        assert two.near_top.log == ["writable False"]
        two.far.want(1)
        two.run()
        assert two.near_top.log == ["writable False", "writable True"]
        two.far.want(MANY)
        two.run()
        assert two.far_top.units[-1] == b"more"
        assert len(two.far_top.units) == HIGH + 1
        assert two.near_top.log == ["writable False", "writable True"]

    def test_taken_by_another_thread_before_the_mark_was_told(self) -> None:
        """The reader may have emptied the queue, and looked for who is blocked, before the writer says that it is."""
        two = Two()

        class Emptied(deque[Any]):
            def __len__(self) -> int:
                size = super().__len__()
                if size == HIGH:
                    two.hubs[1].run()
                return size

        two.far._inbox = Emptied()
        two.near.send([b""] * HIGH)
        two.run()
        assert len(two.far_top.units) == HIGH
        assert two.near_top.log == ["writable False", "writable True"]

    def test_nothing_is_said_to_the_dead(self) -> None:
        two = Two(credit=0)
        two.near.send([b""] * HIGH)
        two.near.abort()
        two.far.want(MANY)
        two.run()
        assert two.near_top.log == ["writable False"]


class TestEndings:
    def test_end_comes_after_the_units(self) -> None:
        two = Two(credit=1)
        two.near.send([b"1", b"2"])
        two.near.end()
        two.near.end()
        two.near.send([b"never"])
        two.run()
        assert two.far_top.log == ["unit"]
        two.far.want(5)
        two.run()
        assert two.far_top.log == ["unit", "unit", "ended"]
        assert two.far.remote_ended
        two.far.send([b"back"])
        two.run()
        assert two.near_top.units == [b"back"]

    def test_gone_comes_after_the_units(self) -> None:
        two = Two()
        two.near.send([b"1"])
        two.near.abort()
        two.near.abort()
        two.near.send([b"never"])
        two.near.end()
        two.run()
        assert two.far_top.log == ["unit", "broken"]
        assert isinstance(two.far_top.errors[0], PeerAborted)
        assert "the other end was closed" in str(two.far_top.errors[0])
        two.far.send([b"to nobody"])
        two.run()
        assert two.near_top.log == []

    def test_gone_after_its_end_is_orderly(self) -> None:
        two = Two()
        two.near.end()
        two.near.abort()
        two.run()
        assert two.far_top.log == ["ended"]

    def test_both_abort(self) -> None:
        two = Two()
        two.near.abort()
        two.far.abort()
        two.run()
        assert two.near_top.log == two.far_top.log == []

    def test_abort_from_inside_receive_stops_the_rest(self) -> None:
        two = Two(credit=1)
        two.far_top.on_receive = lambda units: two.far.abort()
        two.near.send([b"1", b"2"])
        two.run()
        two.far.want(5)
        two.run()
        assert two.far_top.units == [b"1"]


class TestOpening:
    def test_both_are_open_when_both_have_opened(self) -> None:
        spec, hub = fresh(), SelectHub()
        listening = Listening(hub, spec)
        near, far = Dialing(hub, spec).link(), listening.link()
        tops = Opened(), Opened()
        near.carry("hello", b"from near")
        near.above = near_above = _links(near, tops[0])
        far.above = _links(far, tops[1])
        assert near_above is near.above
        near.open()
        hub.run()
        assert tops[0].log == tops[1].log == []
        far.open()
        hub.run()
        assert tops[0].log == tops[1].log == ["opened"]
        assert far.carried("hello") == b"from near"
        assert near.carried("hello") is None
        listening.close()

    def test_nothing_is_carried_before(self) -> None:
        spec, hub = fresh(), SelectHub()
        listening = Listening(hub, spec)
        near = Dialing(hub, spec).link()
        assert near.carried("hello") is None
        listening.close()


def _links(link: InprocLink, top: Recorder) -> Any:
    from sockstack.core.layer import wire

    wire(top, [link])
    return link.above


class TestMoving:
    def test_with_units_that_wait(self) -> None:
        two = Two(credit=0)
        two.near.send([b"1", b"2"])
        two.run()
        other = SelectHub()
        two.far.move(other)
        two.far.want(5)
        other.run()
        assert two.far_top.units == [b"1", b"2"]
        two.near.send([b"3"])
        two.run()
        assert two.far_top.units == [b"1", b"2"]
        other.run()
        assert two.far_top.units == [b"1", b"2", b"3"]

    def test_what_was_posted_on_the_old_hub_is_not_done_there(self) -> None:
        """The old hub may be another thread's by now."""
        two = Two()
        two.near.send([b"1"])
        other = SelectHub()
        two.far.move(other)
        two.run()
        assert two.far_top.units == []
        other.run()
        assert two.far_top.units == [b"1"]
        two.near.send([b"2"])
        other.run()
        assert two.far_top.units == [b"1", b"2"]


def test_two_hubs_in_two_threads() -> None:
    """Many units each way, each thread heeding the marks of the other."""
    two, count = Two(), 3000

    tops = (two.near_top, two.far_top)

    def work(link: InprocLink, top: Recorder, hub: SelectHub) -> None:
        numbers = iter(range(count))
        while not all(len(each.units) == count for each in tops):
            said = [entry for entry in top.log if entry.startswith("writable")]
            ready = not said or said[-1] == "writable True"
            for number in itertools.islice(numbers, 50 if ready else 0):
                link.send([str(number).encode()])
            hub.run()

    ends = zip((two.near, two.far), tops, two.hubs, strict=True)
    threads = [threading.Thread(target=work, args=end, daemon=True) for end in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    expected = [str(number).encode() for number in range(count)]
    assert two.near_top.units == two.far_top.units == expected
