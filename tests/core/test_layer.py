"""The wiring of layers: who passes everything through costs nothing, and links outlive a change of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sockstack.core.capabilities import Capabilities, Unit
from sockstack.core.errors import RemoteProtocolError, SockstackError
from sockstack.core.layer import DOWN, UP, Above, Below, Layer, Top, wire
from sockstack.core.marks import PEER_ADDRESS

from .rig import Bottom, Recorder


class Passive(Layer):
    """Changes nothing."""


class Upper(Layer):
    """Changes what goes up."""

    def receive(self, units: list[Any]) -> None:
        self.above.receive([unit.upper() for unit in units])


class Lower(Layer):
    """Changes what goes down."""

    def send(self, units: Sequence[Any]) -> None:
        self.below.send([unit.lower() for unit in units])


class TestWiring:
    def test_neighbours_are_wired_past_those_who_change_nothing(self) -> None:
        top, bottom = Recorder(), Bottom()
        layers = [Passive(), Upper(), Passive(), Lower(), Passive()]
        wire(top, [*layers, bottom])
        assert top.below.send == layers[3].send
        assert top.below.want == bottom.want
        assert layers[3].below.send == bottom.send
        assert layers[3].above.receive == layers[1].receive
        assert layers[1].above.receive == top.receive
        assert layers[4].above.receive == layers[1].receive
        assert layers[4].above.ended == top.ended

    @pytest.mark.parametrize("count", [0, 1, 2, 5])
    def test_a_row_of_those_is_no_row_at_all(self, count: int) -> None:
        top, bottom = Recorder(), Bottom()
        wire(top, [*(Passive() for _ in range(count)), bottom])
        for call in DOWN:
            assert getattr(top.below, call).__self__ is bottom
        for call in UP:
            assert getattr(bottom.above, call).__self__ is top

    def test_units_pass_all(self) -> None:
        top, bottom = Recorder(), Bottom()
        wire(top, [Passive(), Upper(), Lower(), Passive(), bottom])
        top.below.send([b"Down"])
        bottom.above.receive([b"Up"])
        assert bottom.sent == [b"down"]
        assert top.units == [b"UP"]

    def test_links_outlive_another_wiring(self) -> None:
        """A layer in the middle of a call, or a caller that holds one, goes on with its new neighbours."""
        top, bottom = Recorder(), Bottom()
        upper, lower = Upper(), Lower()
        wire(top, [upper, lower, bottom])
        below, above = top.below, bottom.above
        held = lower.below, lower.above
        wire(top, [lower, bottom])
        assert (top.below, bottom.above) == (below, above)
        assert (lower.below, lower.above) == held
        above.receive([b"as it is"])
        assert top.units == [b"as it is"]
        other = Recorder()
        wire(other, [lower, bottom])
        above.receive([b"elsewhere"])
        assert other.units == [b"elsewhere"]
        assert top.units == [b"as it is"]

    def test_one_that_is_changed_on_the_object_alone_is_not_seen(self) -> None:
        """What counts is the class: the wiring looks there, once."""
        passive, top, bottom = Passive(), Recorder(), Bottom()
        passive.receive = lambda units: None  # type: ignore[method-assign]
        wire(top, [passive, bottom])
        bottom.above.receive([b"x"])
        assert top.units == [b"x"]

    def test_the_calls_of_a_link_are_those_of_a_layer(self) -> None:
        assert set(DOWN) == set(Below.__annotations__)
        assert set(UP) == set(Above.__annotations__)
        for call in (*DOWN, *UP):
            assert callable(getattr(Layer, call))
        for call in UP:
            assert callable(getattr(Top, call))


class TestLayer:
    def test_every_call_is_passed_through(self) -> None:
        """Also when it is made of the layer itself, as a subclass does with ``super()``."""
        log: list[Any] = []

        class Below_(Bottom):
            def carry(self, name: str, data: bytes) -> None:
                log.append((name, data))

            def carried(self, name: str) -> bytes | None:
                return name.encode()

        class Above_(Recorder):
            def opened(self, record: Capabilities) -> None:
                log.append(record)

        layer, top, bottom = Passive(), Above_(), Below_()
        wire(top, [layer, bottom])
        layer.carry("name", b"data")
        assert layer.carried("name") == b"name"
        layer.open()
        layer.send([b"x"])
        layer.want(5)
        layer.end()
        layer.abort()
        layer.tick(0.0)
        assert bottom.calls == ["open", "end", "abort"]
        assert (bottom.sent, bottom.credit) == ([b"x"], 5)
        record, error = Capabilities(Unit.STREAM), SockstackError("x")
        layer.opened(record)
        layer.receive([b"y"])
        layer.writable(False)
        layer.ended()
        layer.broken(error)
        assert log == [("name", b"data"), record]
        assert top.log == ["unit", "writable False", "ended", "broken"]

    def test_what_it_says_of_itself(self) -> None:
        layer = Passive()
        layer.name = "passive"
        assert layer.detachable() == "passive has no end that both sides can see"
        assert layer.leftover() == []
        assert layer.unsent == 0
        assert layer.get(PEER_ADDRESS) is None
        assert not layer.remote_ended
        layer.rearm()

    def test_fail_cuts_below_and_tells_above(self) -> None:
        layer, top, bottom = Passive(), Recorder(), Bottom()
        wire(top, [layer, bottom])
        layer.name, layer.path = "passive", "passive<bottom"
        error = RemoteProtocolError("bad byte")
        layer.fail(error)
        assert bottom.calls == ["abort"]
        assert top.errors == [error]
        assert str(error) == "bad byte [passive in passive<bottom]"

    def test_the_first_to_know_names_the_place(self) -> None:
        layer, top, bottom = Passive(), Recorder(), Bottom()
        wire(top, [layer, bottom])
        layer.name, layer.path = "passive", "passive<bottom"
        layer.fail(RemoteProtocolError("bad", layer="inner"))
        assert str(top.errors[0]) == "bad [inner in passive<bottom]"

    def test_a_top_ignores_what_it_does_not_override(self) -> None:
        top, bottom = Top(), Bottom()
        wire(top, [bottom])
        bottom.above.opened(Capabilities(Unit.STREAM))
        bottom.above.receive([b"x"])
        bottom.above.writable(False)
        bottom.above.ended()
        bottom.above.broken(SockstackError())
        assert bottom.calls == []
