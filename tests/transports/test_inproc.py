"""Connections inside the process: order, marks, endings, and two hubs in two threads."""

from __future__ import annotations

import errno
import itertools
import logging
import subprocess
import sys
import threading
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.core.errors import EndpointError, PeerAborted, SockstackError
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

    def test_who_stopped_listening_and_does_nothing_any_more(self) -> None:
        """A hub that is closed with its last listener makes no calls; who dialled is told all the same."""
        here, there = SelectHub(), SelectHub()
        spec = fresh()
        listening = Listening(there, spec)
        top = open_link(Dialing(here, spec).link())
        listening.close()
        here.run()
        assert top.log == ["broken"]

    def test_who_listens_cannot_take_the_connection(self) -> None:
        here, there = SelectHub(), SelectHub()
        spec = fresh()

        def raises(link: object) -> None:
            raise ZeroDivisionError("a bug")

        bound = spec.listen(there, raises, raises)
        top = open_link(Dialing(here, spec).link())
        with pytest.raises(ZeroDivisionError):
            there.run()
        here.run()
        assert top.log == ["broken"]
        bound.close()


FORKS = """
import os, signal, threading
from sockstack.testing.clock import VirtualHub
bound = None

def in_the_child():
    signal.alarm(20)  # rather than for ever
    bound.close()

os.register_at_fork(after_in_child=in_the_child)  # before that of the transport, as the hubs' may be
from sockstack.transports import inproc
bound = inproc.Inproc("x").listen(VirtualHub(), print, print)
held, forking = threading.Event(), threading.Event()

def hold():
    with inproc._lock:
        held.set()
        forking.wait()

threading.Thread(target=hold).start()
held.wait()
os.register_at_fork(before=forking.set)
pid = os.fork()
if pid == 0:
    inproc.Inproc("x").listen(VirtualHub(), print, print).close()
    os._exit(0)
status = os.waitpid(pid, 0)[1]
bound.close()
raise SystemExit(status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not fork")
def test_a_fork_while_another_thread_looks_for_a_name() -> None:
    """In the child that thread is not there to let go of the names."""
    python = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS]
    assert subprocess.run(python, check=False).returncode == 0


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

    @pytest.mark.parametrize("ended", [False, True])
    @pytest.mark.parametrize("unread", [False, True])
    def test_who_waits_for_room_is_told_that_there_will_be_none(
        self, ended: bool, unread: bool
    ) -> None:
        two = Two(credit=0)
        if unread:
            two.near.want(0)
        two.near.send([b"12"] * HIGH)
        if unread:
            two.far.send([b"unread"])
        if ended:
            two.far.end()
        two.far.abort()
        two.run()
        ending = ["ended"] if ended and not unread else []
        assert two.near_top.log == ["writable False", *ending, "broken"]
        assert isinstance(two.near_top.errors[0], PeerAborted)
        assert two.near.unsent == 2 * HIGH
        two.run()
        assert len(two.near_top.errors) == 1

    def test_what_came_goes_up_before_who_waits_for_room_is_told(self) -> None:
        two = Two()
        two.far.want(0)
        two.near.send([b""] * HIGH)
        two.far.send([b"good"])
        two.far.end()
        two.far.abort()
        two.run()
        assert two.near_top.log == ["writable False", "unit", "ended", "broken"]

    def test_who_fills_the_queue_of_one_that_is_gone_is_told(self) -> None:
        """Its last words, which nobody has asked for, do not hide that it is gone."""
        two = Two()
        two.near.want(0)
        two.far.send([b"last words"])
        two.far.abort()
        two.run()
        assert two.near_top.log == []
        two.near.send([b""] * HIGH)
        two.run()
        assert two.near_top.log == ["writable False", "broken"]

    def test_gone_while_it_is_looked_at_comes_after_its_last_words(self) -> None:
        """Between a look at the inbox and one at the peer, the peer may say something and go."""
        two = Two()
        two.far.want(0)
        two.near.send([b""] * HIGH)

        class Late(deque[Any]):
            def __bool__(self) -> bool:
                empty = len(self) == 0
                if empty and not two.far._gone:
                    two.far.send([b"good"])
                    two.far.abort()
                return not empty

        two.near._inbox = Late()
        two.near._schedule()
        two.run()
        assert two.near_top.log == ["writable False", "unit", "broken"]

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


class TestUnsent:
    """What nobody will receive is counted where it was sent, and nothing else is."""

    def test_the_living_hand_over_at_once(self) -> None:
        two = Two(credit=0)
        two.near.send([b"123"])
        assert two.near.unsent == 0
        two.near.abort()
        assert two.near.unsent == 0, "it is there to be received"
        two.far.want(1)
        two.run()
        assert two.far_top.units == [b"123"]

    def test_what_the_dead_are_given(self) -> None:
        two = Two()
        two.near.abort()
        two.near.send([b"12", (b"3", b"45")])
        two.near.end()
        two.near.send([b"6"])
        assert two.near.unsent == 6

    @pytest.mark.parametrize("heard", [False, True])
    def test_what_the_peer_leaves_lying(self, heard: bool) -> None:
        two = Two(credit=1)
        two.near.send([b"1", b"23", b"456"])
        two.run()
        two.far.abort()
        if heard:
            two.run()
            assert two.near_top.log == ["broken"]
        else:
            two.near.abort()
        assert two.far_top.units == [b"1"]
        assert two.near.unsent == 5
        assert two.far.unsent == 0

    def test_counted_when_it_is_found_dead_on_the_way_down(self) -> None:
        """Before it is told above, where it may be sent another way."""
        two = Two()
        two.far.end()
        two.run()
        two.far.abort()
        two.run()
        seen: list[int] = []
        two.near.above.broken = lambda error: seen.append(two.near.unsent)
        two.near.send([b"12", (b"3", b"4")])
        assert seen == [4]
        assert two.near.unsent == 4


class TestFaults:
    """A layer above one end that raises costs this connection, both ends of it, and nothing else."""

    @pytest.fixture(autouse=True)
    def quiet(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.ERROR, logger="sockstack.link")

    @staticmethod
    def raises(*anything: object) -> None:
        raise ZeroDivisionError("a bug")

    def test_on_receiving(self, caplog: pytest.LogCaptureFixture) -> None:
        two, others = Two(credit=3), Two()
        two.far.path = "far"
        two.far_top.on_receive = self.raises
        two.near.send([b"1", b"23", b"456", b"7890"])
        others.near.send([b"well"])
        two.run()
        others.run()
        [fault] = two.far_top.errors
        assert type(fault) is SockstackError
        assert str(fault) == "internal fault: ZeroDivisionError('a bug') [link in far]"
        assert isinstance(fault.__cause__, ZeroDivisionError)
        [record] = caplog.records
        assert (record.name, record.getMessage()) == ("sockstack.link", str(fault))
        assert two.near_top.log == ["broken"]
        assert isinstance(two.near_top.errors[0], PeerAborted)
        assert two.near.unsent == 10, "nobody has received them"
        assert others.far_top.units == [b"well"]

    def test_who_waits_for_room_is_told(self) -> None:
        two = Two(credit=0)
        two.far_top.on_receive = self.raises
        two.near.send([b"12"] * (HIGH + 5))
        two.far.want(MANY)
        two.run()
        assert two.near_top.log == ["writable False", "broken"]
        assert two.near.unsent == 2 * (HIGH + 5)

    @pytest.mark.parametrize("call", ["ended", "writable"])
    def test_on_other_calls(self, call: str) -> None:
        two = Two()
        two.near.want(0)
        two.far.send([b""] * HIGH)
        setattr(two.far.above, call, self.raises)
        two.near.end()
        two.near.want(MANY)
        two.run()
        assert two.far_top.log[-1] == "broken"
        assert two.near_top.log[-1] == "broken"

    def test_after_it_has_let_go(self) -> None:
        two = Two()

        def let_go(units: list[bytes]) -> None:
            two.far.abort()
            self.raises()

        two.far_top.on_receive = let_go
        two.near.send([b"12"])
        two.run()
        assert two.near_top.log == two.far_top.log[1:] == ["broken"]

    def test_a_handler_of_signals_is_not_kept_from_its_caller(self) -> None:
        two = Two()

        def interrupted(units: list[bytes]) -> None:
            raise KeyboardInterrupt

        two.far_top.on_receive = interrupted
        two.near.send([b"12"])
        with pytest.raises(KeyboardInterrupt):
            two.run()
        two.run()
        assert two.far_top.log == ["unit", "broken"]
        assert two.near_top.log == ["broken"]
        assert two.near.unsent == 2


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
