"""The kits find what is wrong: each deliberate fault is caught by the test that is named for it.

The table below is the claim, fault by fault. For each row the named test of the kit fails with the fault in place, and
passes without it.
"""

from __future__ import annotations

import gc
import os
import socket
from typing import Any
from unittest import SkipTest

import pytest

from sockstack import Tcp
from sockstack.layers.prefix import PrefixLayer
from sockstack.testing import (
    ListeningTransportKit,
    MessageLayerKit,
    MuxKit,
    StreamLayerKit,
    TransportKit,
)
from sockstack.testing.conformance import runners
from sockstack.testing.mux import HEAD, SmallMuxLayer
from sockstack.transports.fd import Fd, SocketLink

from . import faults


class Messages(MessageLayerKit):
    """Length-prefixed messages."""

    garbage = (b"\xff\xff\xff\xff",)
    most_cuts = 50

    def __init__(self, fault: Any = None) -> None:
        self.layer = fault or PrefixLayer

    def make(self) -> faults.Framed:
        return faults.Framed(self.layer)


class Bytes(StreamLayerKit):
    """A filter of bytes."""

    most_cuts = 50

    def __init__(self, fault: Any = None) -> None:
        self.layer = fault or faults.XorLayer

    def make(self) -> faults.Xor:
        return faults.Xor(self.layer)


class SocketPair(TransportKit):
    """A pair of sockets; the fault is at the first end, or at both if it is in the reading."""

    cycles = 3

    def __init__(self, fault: Any = None) -> None:
        self.fault = fault or SocketLink

    def make_ends(self) -> tuple[Any, Any]:
        pair = socket.socketpair()
        if isinstance(self.fault, type) and issubclass(self.fault, Fd):
            return self.fault(pair[0]), self.fault(pair[1])
        first, second = (faults.FaultyFd(sock, self.fault) for sock in pair)
        return first, second

    def discard(self, spec: Any) -> None:
        spec.source.close()


class Port(ListeningTransportKit):
    """TCP; the fault is a spec, or what a listener is wrapped in."""

    bad_addresses = ("127.0.0.1:99999",)
    at_once = 5
    cycles = 3

    def __init__(self, fault: Any = None) -> None:
        self.spec = fault or Tcp
        self.wrap: dict[str, Any] = {}
        if isinstance(fault, type) and issubclass(fault, faults.Loose):
            self.spec, self.wrap = faults.ListensLoosely, {"wrap": fault}

    def make_listener(self) -> Tcp:
        return self.spec("127.0.0.1:0", **self.wrap)

    def make_dialer(self, address: str) -> Tcp:
        return self.spec(address, **self.wrap)

    def nobody(self) -> str:
        return "127.0.0.1:1"


class Streams(MuxKit):
    """A small mux."""

    window = 1 << 18
    limit = 4
    garbage = (HEAD.pack(1, 1, (1 << 18) + 1),)
    most_cuts = 20

    def __init__(self, fault: Any = None) -> None:
        self.layer = fault or SmallMuxLayer

    def make(self) -> faults.Muxed:
        return faults.Muxed(window=self.window, layer=self.layer)

    def make_limited(self) -> faults.Muxed:
        return faults.Muxed(window=self.window, streams=self.limit, layer=self.layer)


CAUGHT: list[tuple[type[Any], Any, str]] = [
    # the kit, the fault, the test that catches it
    (Messages, faults.SwapsTwo, "test_one_batch"),
    (Messages, faults.DropsAByte, "test_huge_units"),
    (Messages, faults.ForgetsChunks, "test_chunks"),
    (Messages, faults.SkipsEmpty, "test_empty_messages"),
    (Messages, faults.EndsTwice, "test_data_then_end"),
    (Messages, faults.SendsAfterEnd, "test_data_then_end"),
    (Messages, faults.EndOvertakes, "test_end_waits_for_credit"),
    (Messages, faults.IgnoresCredit, "test_one_unit_for_one_credit"),
    (Messages, faults.IgnoresNoCredit, "test_credit_taken_back"),
    (Messages, faults.AddsCredit, "test_credit_is_not_added_up"),
    (Messages, faults.DeliversAfterBroken, "test_garbage"),
    (Messages, faults.SwallowsGarbage, "test_garbage"),
    (Messages, faults.RaisesOnGarbage, "test_garbage_in_one_piece"),
    (Messages, faults.KeepsTheLinkOnGarbage, "test_garbage"),
    (Messages, faults.BreaksFirst, "test_good_units_before_broken"),
    (Messages, faults.AliasesABuffer, "test_both_ways"),
    (Messages, faults.HandsUpAPiece, "test_end_inside_a_unit"),
    (Messages, faults.LosesLeftover, "test_leftover_and_consumed_are_all"),
    (Messages, faults.LosesLeftover, "test_detach_hands_on_what_follows"),
    (Messages, faults.WantsWholeReads, "test_split_at_every_index"),
    (Messages, faults.WantsWholeReads, "test_hostile_link"),
    (Messages, faults.HidesWritable, "test_back_pressure"),
    (Messages, faults.KeepsTheLinkOnAbort, "test_abort_twice"),
    (Messages, faults.KeepsTheLinkOnAbort, "test_abort_during_open"),
    (Messages, faults.SaysEndForCut, "test_cut_is_no_end"),
    (Messages, faults.WastesRoom, "test_header_is_as_declared"),
    (Messages, faults.HidesMetadata, "test_metadata_is_not_hidden"),
    (Bytes, faults.ForgetsItsPlace, "test_one_byte_at_a_time"),
    (Bytes, faults.SendsEmpty, "test_both_ways"),
    (Bytes, faults.ClosesBothHalves, "test_half_close"),
    (Bytes, faults.NeverOpens, "test_opens"),
    (Bytes, faults.TakesEmptyForEnd, "test_empty_sends"),
    (SocketPair, faults.SwapsWrites, "test_many_in_order"),
    (SocketPair, faults.LosesTheTail, "test_sizes"),
    (SocketPair, faults.ReadsWithoutCredit, "test_nothing_without_credit"),
    (SocketPair, faults.KeepsOnReading, "test_credit_taken_back"),
    (SocketPair, faults.ReusesItsBuffer, "test_many_in_order"),
    (SocketPair, faults.LeaksADescriptor, "test_opening_and_closing_leaves_nothing"),
    (SocketPair, faults.LeaksADescriptor, "test_abort_twice"),
    (SocketPair, faults.StaysNeedy, "test_opening_and_closing_leaves_nothing"),
    (SocketPair, faults.NeverSaysFull, "test_back_pressure"),
    (SocketPair, faults.NeverSaysRoom, "test_back_pressure"),
    (SocketPair, faults.EndsTooSoon, "test_data_then_end"),
    (SocketPair, faults.EndsAgain, "test_half_close"),
    (SocketPair, faults.RaisesWhenCut, "test_sending_to_nobody"),
    (SocketPair, faults.StaysOnTheOldHub, "test_moves_to_another_hub"),
    (SocketPair, faults.DialsAtOnce, "test_opens"),
    (SocketPair, faults.DialsAnyway, "test_cancelled_dial"),
    (Port, faults.TellsPortZero, "test_address_is_real"),
    (Port, faults.ClosesLiveLinks, "test_live_links_survive_the_listener"),
    (Port, faults.IgnoresPause, "test_paused_listener"),
    (Port, faults.GoesOnListening, "test_closed_listener_accepts_nobody"),
    (Port, faults.GoesOnListening, "test_bind_again_after_close"),
    (Port, faults.SharesTheAddress, "test_second_bind_is_refused"),
    (Port, faults.FailsTwice, "test_refused"),
    (Port, faults.FailsStrangely, "test_refused"),
    (Port, faults.TakesAnyAddress, "test_bad_addresses"),
    (Streams, faults.GivesNoRoomBack, "test_much_data"),
    (Streams, faults.ReadsBeyondTheWindow, "test_garbage"),
    (Streams, faults.HasEndlessCredit, "test_a_slow_stream_stops_no_other"),
    (Streams, faults.StopsForOne, "test_a_slow_stream_stops_no_other"),
    (Streams, faults.ServesOneToTheEnd, "test_streams_take_turns"),
    (Streams, faults.CutsNoStreams, "test_session_is_aborted"),
    (Streams, faults.ForgetsNoStreams, "test_many_streams"),
    (Streams, faults.ResetsAfterAnEnd, "test_end_then_abort_loses_nothing"),
    (Streams, faults.EndsAllAtOnce, "test_session_ends"),
    (Streams, faults.CountsNoStreams, "test_streams_are_counted"),
]


def run(kit: Any, name: str) -> Exception | None:
    """Run one test of a kit as pytest does; what it failed with, or else what clearing up after it did."""
    failures = []
    for step in ("setup_method", name, "teardown_method"):
        try:
            getattr(kit, step, lambda: None)()
        except SkipTest:
            raise
        except Exception as error:
            failures.append(error)
    return failures[0] if failures else None


@pytest.mark.parametrize(
    ("kit", "fault", "name"), CAUGHT, ids=lambda value: getattr(value, "__name__", value)
)
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_fault_is_caught(
    kit: type[Any], fault: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runners, "PATIENCE", 0.5)
    assert run(kit(fault), name) is not None
    while faults.LeaksADescriptor.leaked:
        os.close(faults.LeaksADescriptor.leaked.pop())
    gc.collect()  # what else the faults have left open is closed, and complained about, here


@pytest.mark.parametrize(("kit", "name"), sorted({(row[0].__name__, row[2]) for row in CAUGHT}))
def test_sound_original_passes(kit: str, name: str) -> None:
    error = run(globals()[kit](), name)
    if error is not None:
        raise error
