"""The rules R1 to R11 and the lint, each with the least stack that breaks it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from sockstack.core.capabilities import (
    Capabilities,
    Confidential,
    Duplex,
    HalfClose,
    Ordered,
    Peers,
    Requirement,
    Scope,
    Unit,
)
from sockstack.core.check import check, lint
from sockstack.core.errors import StackError, StackWarning
from sockstack.core.spec import Header, Kind, LayerSpec, Placement, Stack
from sockstack.layers.checksum import Checksum
from sockstack.layers.line import Line
from sockstack.layers.prefix import Prefix
from sockstack.layers.sp import Sp
from sockstack.patterns.reqrep import Rep, Req

from .fakes import (
    LOSSY,
    Again,
    Datagram,
    Flow,
    Muxer,
    Passer,
    Pieces,
    Plain,
    Seal,
    Secure,
    Session,
    Squeeze,
    Wire,
)

LOSSY_WIRE = Wire(LOSSY)
GROUP_WIRE = Wire(LOSSY.but(peers=Peers.GROUP))
MESSAGES = Wire(Capabilities(Unit.MESSAGE, empty_unit=True))
CARRYING = Wire(Capabilities(Unit.MESSAGE, features=frozenset({"carry"})))
FD_WIRE = Wire(Capabilities(Unit.STREAM, features=frozenset({"fd_pass"})))


def refused(*layers: LayerSpec) -> StackError:
    with pytest.raises(StackError) as caught:
        check(layers)
    return caught.value


def reasons(error: StackError) -> tuple[Any, ...]:
    return (error.layer, error.field, error.wanted, error.got, error.set_by)


# What a refusal looks like.


def test_a_refusal_in_full() -> None:
    error = refused(Prefix(), Datagram())
    assert str(error) == (
        "Prefix needs an ordered, reliable byte stream below, "
        "and Datagram gives unreliable, unordered datagrams.\n"
        "  Prefix\n"
        "  └─ Datagram   unit=datagram reliable=no ordered=no   ← here\n"
        "Put Prefix over Tcp."
    )
    assert reasons(error) == ("prefix", "unit", "stream", "datagram", "datagram")


def test_the_layer_that_set_the_field_is_blamed_and_not_the_one_right_below() -> None:
    error = refused(Passer(), Prefix(), Wire(FD_WIRE.record.but(reliable=True)))
    assert reasons(error) == ("passer", "features", "fd_pass", "detach", "prefix")
    error = refused(Req(), Sp(), Plain(), Line(), FD_WIRE)
    assert reasons(error)[:2] == ("sp", "any_bytes")
    assert error.set_by == "line"
    assert error.picture.splitlines()[3] == "        └─ Line   any_bytes=no   ← here"


def test_the_nearest_of_several_demands_is_told() -> None:
    # Sp takes a byte stream, or messages under a handshake that carries its greeting.
    error = refused(Req(), Sp(), Prefix(), FD_WIRE)
    assert error.field == "features"
    assert error.message == (
        "Sp needs ordered, reliable messages with a handshake that carries data along below, "
        "and Prefix gives messages without a handshake that carries data along."
    )
    assert error.mend == "Remove Prefix: Sp can stand on Wire."


@pytest.mark.parametrize(
    ("demand", "record", "message"),
    [
        ({"peers": Peers.ONE}, {"peers": Peers.MANY}, "{} from one peer | from many peers"),
        ({"session": True}, {"session": False}, "{} with a session | without a session"),
        ({"nodup": True}, {"nodup": False}, "{} without duplicates | with duplicates"),
        ({"duplex": Duplex.BOTH}, {"duplex": Duplex.IN}, "{} in both directions | inwards only"),
        ({"duplex": Duplex.OUT}, {"duplex": Duplex.IN}, "{} outwards only | inwards only"),
        ({"max_unit": 1200}, {"max_unit": 508}, "{} of 1200 bytes or more | of at most 508 bytes"),
        ({"empty_unit": True}, {}, "{} that may be empty | that may not be empty"),
        (
            {"half_close": HalfClose.NATIVE},
            {"half_close": HalfClose.EMULATED},
            "{} with half-close native | with half-close emulated",
        ),
        (
            {"scope": frozenset({Scope.HOST, Scope.PROCESS})},
            {},
            "{} within host,process | within net",
        ),
        (
            {"features": frozenset({"alpn", "peer_cred"})},
            {"features": frozenset({"alpn"})},
            "{} with ALPN and peer credentials | without peer credentials",
        ),
        (
            {"reliable": True, "ordered": Ordered.PER_SENDER},
            {"reliable": True, "ordered": Ordered.NO},
            "per-sender ordered, reliable {} | unordered",
        ),
    ],
)
@pytest.mark.parametrize("unit", [Unit.STREAM, Unit.MESSAGE])
def test_demands_and_records_in_words(
    demand: dict[str, Any], record: dict[str, Any], message: str, unit: Unit
) -> None:
    class Picky(Plain):
        @property
        def requires(self) -> tuple[Requirement, ...]:
            return (Requirement(unit=unit, **demand),)

    error = refused(Picky(), Wire(Capabilities(unit).but(**record)))
    wanted, got = message.split(" | ")
    noun = "byte stream" if unit is Unit.STREAM else "messages"
    wanted = wanted.format(noun)
    adjective = got == "unordered"
    got = f"{got} {noun}" if adjective else f"{noun} {got}"
    if unit is Unit.STREAM:
        wanted, got = f"a {wanted}", f"{'an' if adjective else 'a'} {got}"
    assert error.message == f"Picky needs {wanted} below, and Wire gives {got}."


# R1


@pytest.mark.parametrize(
    ("layers", "layer", "message", "mend"),
    [
        (
            (Wire(), Prefix()),
            "wire",
            "Wire is a transport, and stands above Prefix.",
            "Put Wire at the bottom: the transport comes last.",
        ),
        (
            (Datagram(), Wire()),
            "datagram",
            "A stack has one transport, and this one has 2: Datagram, Wire.",
            "Take Datagram away.",
        ),
        (
            (Prefix(), Datagram(), Secure(), Wire()),
            "datagram",
            "A stack has one transport, and this one has 2: Datagram, Wire.",
            "Take Datagram away.",
        ),
    ],
)
def test_r1_one_transport_at_the_bottom(
    layers: tuple[LayerSpec, ...], layer: str, message: str, mend: str
) -> None:
    error = refused(*layers)
    assert (error.layer, error.field, error.message, error.mend) == (layer, "R1", message, mend)


# R2 and what would mend it


@pytest.mark.parametrize(
    ("layers", "mend"),
    [
        ((Req(), Wire()), "Put Sp() between Req and Wire."),
        ((Checksum(), Wire()), "Put Prefix() between Checksum and Wire."),
        ((Checksum(), Line(), Wire()), "Put Prefix() in the place of Line."),
        ((Prefix(), Prefix(2), Wire()), "Remove Prefix: Prefix gives messages already."),
        ((Prefix(), MESSAGES), "Remove Prefix: Wire gives messages already."),
        ((Flow(), Wire()), "Remove Flow: Wire gives a byte stream already."),
        ((Session(), Prefix(), Wire()), "Put Session below Prefix."),
        ((Req(), Checksum(), Wire()), "Put Sp() between Checksum and Wire."),
        ((Checksum(), Req(), Checksum(), Wire()), "Put Sp() between Checksum and Wire."),
        ((Req(), Checksum(), CARRYING), "Put Sp() between Req and Checksum."),
        ((Req(), Prefix(), Wire()), "Put Sp() in the place of Prefix."),
        ((Req(), Line(), Secure(), Wire()), "Put Sp() in the place of Line."),
        ((Req(), Checksum(), Prefix(), Wire()), "Put Sp() in the place of Prefix."),
        ((Req(), Prefix(), CARRYING), "Put Sp() in the place of Prefix."),
        ((Req(), Sp(), Checksum(), Wire()), "Put Checksum above Sp."),
        ((Prefix(), Checksum(), Wire()), "Put Checksum above Prefix."),
        ((Req(), Sp(), Prefix(), Wire()), "Remove Prefix: Sp can stand on Wire."),
        ((Req(), Sp(), Line(), Wire()), "Remove Line: Sp can stand on Wire."),
        ((Session(), Datagram()), "Put Session over Tcp."),
        ((Passer(), Secure(), Prefix(), FD_WIRE), None),
        ((Passer(), Prefix(), FD_WIRE), "Put Passer below Prefix."),
        ((Again(), GROUP_WIRE), None),
    ],
)
def test_a_mend_is_suggested_if_it_mends(layers: tuple[LayerSpec, ...], mend: str | None) -> None:
    assert refused(*layers).mend == mend


def test_a_mend_is_for_the_whole_stack() -> None:
    # Removing the lower framer would do for the upper one, but then the checksum has lines.
    error = refused(Checksum(), Line(), Prefix(), Wire())
    assert error.layer == "line"
    assert error.mend == "Remove Line: Prefix gives messages already."
    # Prefix() would do for the checksum, and not for the pattern, which has two faults below it.
    assert refused(Req(), Prefix(), Checksum(), Wire()).mend is None


def test_a_layer_may_say_itself_what_would_mend_it() -> None:
    error = refused(Squeeze(streaming=True), LOSSY_WIRE)
    assert error.mend == "Use Squeeze() for each message over Wire."


# R3


def test_r3_only_framers_and_their_like_change_the_unit() -> None:
    error = refused(Plain(changes=(("unit", Unit.MESSAGE),)), Wire())
    assert reasons(error)[:4] == ("plain", "R3", "unit=stream", "unit=message")
    check((Plain(changes=(("unit", Unit.MESSAGE),), sort=Kind.FRAMER), Wire()))


def test_r3_a_session_may_pick_one_peer_out_of_datagrams() -> None:
    change = (("unit", Unit.MESSAGE), ("peers", Peers.ONE))
    check((Plain(changes=change, sort=Kind.REPAIR), Datagram()))
    assert refused(Plain(changes=change), Datagram()).field == "R3"


@pytest.mark.parametrize("above", [Prefix(), Secure(), Plain(), Muxer()])
def test_r3_nothing_stands_on_a_mux(above: LayerSpec) -> None:
    error = refused(above, Muxer(), Wire())
    assert reasons(error) == (above.name, "unit", "stream", "mux", "muxer")
    name = type(above).__name__
    assert error.mend == f"Put {name} on a stream of the session: {name} | session.stream()."
    assert "unit=mux   ← here" in error.picture


def test_r3_what_asks_for_a_mux_may_stand_on_one() -> None:
    class Pool(Plain):
        @property
        def requires(self) -> tuple[Requirement, ...]:
            return (Requirement(unit=Unit.MUX),)

    assert check((Pool(), Muxer(), Wire()))[0].unit is Unit.MUX


# R4


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("layers", "layer", "mend"),
    [
        ((Prefix(), Req(), Sp()), "prefix", "Put Prefix below Req."),
        ((Secure(), Req(), Sp()), "secure", "Put Secure below Req."),
        ((Sp(), Req()), "sp", "Put Sp below Req."),
        ((Rep(), Req(), Sp()), "rep", "Take Rep away, or join two sockets by a device."),
        (
            (Checksum(), Rep(), Req(), Sp()),
            "rep",
            "Take Rep away, or join two sockets by a device.",
        ),
        ((Seal(Placement.HOP), Req(), Sp()), "seal", "Put Seal below Req."),
        ((Req(), Seal(), Sp()), "seal", "Put Seal above Req."),
        ((Checksum(), Req(), Sp(), Seal()), "seal", "Put Seal above Req."),
    ],
)
def test_r4_where_layers_stand_about_a_pattern(
    layers: tuple[LayerSpec, ...], layer: str, mend: str, whole: bool
) -> None:
    error = refused(*layers, *([Wire()] if whole else []))
    assert (error.layer, error.field, error.mend) == (layer, "R4", mend)
    assert f"{layer.capitalize()}   ← here" in error.picture


def test_r4_legal_places() -> None:
    check((Seal(), Checksum(), Req(), Plain(), Sp(), Secure(), Wire()))
    check((Seal(), Prefix(), Secure(), Wire()))
    check((Seal(Placement.HOP), Prefix(), Wire()))


# R5


def test_r5_a_session_over_no_session_must_bring_its_own() -> None:
    line = Wire(Capabilities(Unit.STREAM, session=False))
    assert reasons(refused(Session(), line)) == ("session", "session", "yes", "no", "wire")
    assert check((Session(own=True), line))[0].session
    assert check((Session(), Wire()))[0].session


# R6


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reliable": False}, "reliable"),
        ({"ordered": Ordered.PER_SENDER}, "ordered"),
        ({"nodup": False}, "nodup"),
    ],
)
def test_r6_running_state_needs_all_units_once_in_order(change: dict[str, Any], field: str) -> None:
    record = Capabilities(Unit.MESSAGE).but(**change)
    error = refused(Squeeze(streaming=True), Wire(record))
    assert (error.layer, error.field) == ("squeeze", field)
    assert check((Squeeze(), Wire(record)))
    assert check((Squeeze(streaming=True), MESSAGES))


# R7


def test_r7_no_room_for_a_payload() -> None:
    tight = Wire(LOSSY.but(max_unit=40))
    error = refused(Seal(), tight)
    assert reasons(error)[:4] == ("seal", "max_unit", "1", "0")
    assert "adds 40 bytes to each unit, and what stands below carries at most 40" in error.message
    assert check((Seal(), Wire(LOSSY.but(max_unit=41))))[0].max_unit == 1


def test_r7_no_layer_promises_units_that_do_not_fit() -> None:
    boast = Plain(head=4, changes=(("max_unit", 1200),))
    error = refused(boast, LOSSY_WIRE)
    assert reasons(error)[:4] == ("plain", "R7", "max_unit=1196", "max_unit=1200")
    assert check((Pieces(), LOSSY_WIRE))[0].max_unit == 64 * 1192


# R8


def test_r8_a_switch_needs_an_end() -> None:
    assert reasons(refused(Plain(sort=Kind.SWITCH), Wire()))[:3] == ("plain", "R8", "detach")
    ending = (("features", frozenset({"detach"})),)
    check((Plain(sort=Kind.SWITCH, changes=ending), Wire()))


# R10, the part that refuses


def test_r10_reliability_over_reliability() -> None:
    error = refused(Again(), Prefix(), Wire())
    assert reasons(error)[:4] == ("again", "reliable", "no", "yes")
    assert error.mend == "Remove Again."
    assert check((Again(), LOSSY_WIRE))[0].reliable


# R11


def test_r11_growth_has_a_maximum() -> None:
    growing = (Header("name", 0),)
    assert reasons(refused(Plain(growing), Wire()))[:4] == ("plain", "R11", "a maximum", "none")
    check((Plain(growing, head=255), Wire()))
    check((Plain((Header("hello", 0, once=True),)), Wire()))


@pytest.mark.parametrize(
    "above",
    [Checksum(), Secure(), Flow(), Muxer(), Plain((Header("count", 1),), head=1)],
    ids=lambda spec: spec.name,
)
def test_r11_what_writes_bytes_needs_any_bytes_below(above: LayerSpec) -> None:
    unit = Unit.STREAM if above == Muxer() else Unit.MESSAGE
    text = Wire(Capabilities(unit, any_bytes=False))
    error = refused(above, text)
    assert reasons(error) == (above.name, "any_bytes", "yes", "no", "wire")
    check((above, Wire(Capabilities(unit))))


def test_r11_what_writes_nothing_may_stand_on_lines() -> None:
    assert not check((Plain(), Line(), Wire()))[0].any_bytes


# Lint


def warned(*layers: LayerSpec) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records = check(layers)
    assert all(entry.category is StackWarning for entry in caught)
    found = [str(entry.message) for entry in caught]
    assert found == lint(layers, records)
    return found


@pytest.mark.parametrize(
    ("layers", "begins"),
    [
        ((Prefix(), Wire()), []),
        ((Squeeze(), Prefix(), Wire()), []),
        ((Squeeze(), Prefix(), Secure(), Wire()), ["Squeeze stands above Secure"]),
        ((Seal(), Squeeze(), Prefix(), Wire()), ["Squeeze stands below Seal"]),
        (
            (Seal(), Squeeze(), Prefix(), Secure(), Wire()),
            ["Squeeze stands below Seal", "Squeeze stands above Secure"],
        ),
        ((Secure(), Secure(), Wire()), ["Secure and Secure encrypt between the same two ends"]),
        ((Secure(), Prefix(), Secure(), Wire()), ["Secure and Secure encrypt"]),
        ((Seal(), Req(), Sp(), Secure(), Wire()), []),
        ((Secure(), Flow(), Prefix(), Secure(), Wire()), []),
        ((Pieces(), Prefix(), Wire()), []),
        ((Pieces(), MESSAGES), ["Pieces stands above Wire, which leaves it nothing to do"]),
        ((Again(), Pieces(), LOSSY_WIRE), []),
        ((Muxer(), Flow(), Again(), LOSSY_WIRE), ["Muxer and Again each ask a silent peer"]),
        ((Plain(doubts=("Nobody is checked.", "At all.")), Wire()), ["Nobody is", "At all."]),
    ],
)
def test_findings(layers: tuple[LayerSpec, ...], begins: list[str]) -> None:
    found = warned(*layers)
    assert len(found) == len(begins)
    for finding, begin in zip(found, begins, strict=True):
        assert finding.startswith(begin)
        assert finding.endswith(".")


def test_a_transport_that_is_private_by_itself_is_no_second_encryption() -> None:
    local = Wire(Capabilities(Unit.STREAM, confidential=Confidential.HOP, scope=Scope.HOST))
    assert warned(Prefix(), Secure(), local) == []


@pytest.mark.parametrize(
    "compose",
    [
        lambda: Secure() | Secure() | Wire(),
        lambda: Stack((Secure(), Secure(), Wire())),
        lambda: check((Secure(), Secure(), Wire())),
    ],
)
def test_a_warning_points_at_the_line_that_composes(compose: Callable[[], object]) -> None:
    with pytest.warns(StackWarning) as caught:
        compose()
    assert [entry.filename for entry in caught] == [__file__]
    assert caught[0].lineno == compose.__code__.co_firstlineno


# Stacks without a transport


def test_without_a_transport_nothing_is_derived() -> None:
    assert check((Session(), Prefix())) == ()
    assert check((Req(),)) == ()


def test_records_come_top_first_and_are_what_each_layer_derives() -> None:
    layers = (Checksum(), Req(), Sp(), Secure(), Wire())
    records = check(layers)
    assert records[-1] == Wire().record
    for index, spec in enumerate(layers[:-1]):
        assert records[index] == spec.derive(records[index + 1])
