"""Devices: two raw halves back to back."""

from __future__ import annotations

import pytest

from sockstack.core.errors import StackError
from sockstack.core.filtering import Filter
from sockstack.core.layer import MANY
from sockstack.core.spec import LayerSpec
from sockstack.layers.checksum import Checksum, ChecksumLayer
from sockstack.patterns.device import Device, check_pair
from sockstack.patterns.pipeline import Pull, Push
from sockstack.patterns.reqrep import Rep, Req

from .fakes import BAD, Clock, Picky, Rig

ID = b"\x80\0\0\0"


class Between:
    """A device, and the sockets in front of it and behind it."""

    def __init__(
        self, front: Rep | Pull, back: Req | Push, *inside: Filter, outer: Filter | None = None
    ) -> None:
        self.clock = Clock()
        filters = () if outer is None else (outer,)
        self.front = Rig(front, *filters, clock=self.clock, first=0x01000000)
        self.back = Rig(back, clock=self.clock, first=0x02000000)
        self.device = Device(self.front.raw, self.back.raw, inside)


def reqrep(*inside: Filter) -> Between:
    return Between(Rep(raw=True), Req(raw=True), *inside)


def test_requests_gain_the_pipes_word_and_answers_lose_it() -> None:
    between = reqrep()
    client, server = between.front.peer(), between.back.peer()
    client.deliver(ID + b"question")
    assert server.sent == [b"\1\0\0\0" + ID + b"question"]
    server.deliver(b"\1\0\0\0" + ID + b"answer")
    assert client.sent == [ID + b"answer"]
    assert between.device.forwarded == 2


def test_two_devices_in_a_row() -> None:
    one, two = reqrep(), reqrep()
    client, server = one.front.peer(), two.back.peer()
    middle = (one.back.peer(), two.front.peer())
    client.deliver(ID + b"question")
    middle[1].deliver(*middle[0].sent)
    assert server.sent == [b"\1\0\0\0" * 2 + ID + b"question"]
    server.deliver(server.sent[0][:12] + b"answer")
    middle[0].deliver(*middle[1].sent)
    assert client.sent == [ID + b"answer"]


def test_each_answer_finds_its_asker() -> None:
    between = reqrep()
    clients = [between.front.peer() for _ in range(3)]
    server = between.back.peer()
    for number, client in enumerate(clients):
        client.deliver(ID + b"%d" % number)
    server.deliver(*reversed(server.sent))
    assert [client.sent for client in clients] == [[ID + b"0"], [ID + b"1"], [ID + b"2"]]


def test_an_answer_to_one_that_has_gone_is_dropped() -> None:
    between = reqrep()
    client, server = between.front.peer(), between.back.peer()
    client.deliver(ID + b"question")
    client.lose()
    server.deliver(*server.sent)
    assert between.front.stats.unheard == 1


def test_a_device_too_far_away_drops() -> None:
    between = Between(Rep(raw=True, ttl=1), Req(raw=True))
    client, server = between.front.peer(), between.back.peer()
    client.deliver(b"\0\0\0\1" + ID + b"far", ID + b"near")
    assert server.sent == [b"\1\0\0\0" + ID + b"near"]
    assert between.front.stats.looped == 1


def test_an_answer_without_the_devices_word_costs_nothing() -> None:
    between = reqrep()
    between.front.peer()
    server = between.back.peer()
    server.deliver(ID + b"whose?")
    assert between.device.forwarded == 1
    assert server.closed == []
    server.deliver(b"\1\0\0\0" + ID)
    assert between.front.peers[0].sent == [ID]


def test_nothing_is_taken_that_the_far_side_does_not_take() -> None:
    between = reqrep()
    client = between.front.peer()
    for number in range(30):
        client.deliver(ID + b"%d" % number)
    assert client.wire.credit == 0
    assert len(client.wire.held) == 22
    server = between.back.peer(ready=False)
    assert len(client.wire.held) == 22
    server.busy(False)
    assert [unit[8:] for unit in server.sent] == [b"%d" % number for number in range(30)]
    assert client.wire.credit == MANY
    server.busy()
    client.deliver(ID + b"more")
    assert len(server.sent) == 30
    server.busy(False)
    assert len(server.sent) == 31


def test_a_pipeline_goes_one_way() -> None:
    between = Between(Pull(raw=True), Push(raw=True))
    source = between.front.peer()
    sinks = [between.back.peer(), between.back.peer()]
    source.deliver(b"a", b"b", b"", b"c")
    assert [sink.sent for sink in sinks] == [[b"a", b""], [b"b", b"c"]]
    sinks[0].deliver(b"wrong way")
    assert between.back.stats.stray == 1
    assert source.sent == []


def test_a_pipeline_the_other_way_round() -> None:
    rig = Rig(Push(raw=True))
    other = Rig(Pull(raw=True), clock=rig.clock)
    device = Device(rig.raw, other.raw)
    other.peer().deliver(b"a")
    assert device.forwarded == 0
    assert rig.peer().sent == [b"a"]
    assert device.forwarded == 1


def test_filters_inside_encode_outwards_and_decode_back() -> None:
    between = reqrep(ChecksumLayer())
    client, server = between.front.peer(), between.back.peer()
    client.deliver(ID + b"question")
    (unit,) = server.sent
    assert unit[:16] == b"\1\0\0\0" + ID + b"question"
    assert ChecksumLayer().decode([unit[8:]]) == [b"question"]
    (good,) = ChecksumLayer().encode([b"answer"])
    assert isinstance(good, bytes)
    server.deliver(b"\1\0\0\0" + ID + b"forged", b"\1\0\0\0" + ID + good)
    assert client.sent == [ID + b"answer"]
    assert between.device.refused == 1
    assert between.device.forwarded == 2


def test_without_filters_inside_nothing_is_refused() -> None:
    assert reqrep().device.refused == 0


def test_end_filters_of_its_sockets_stand_at_their_sides() -> None:
    between = Between(Rep(raw=True), Req(raw=True), outer=ChecksumLayer())
    client, server = between.front.peer(), between.back.peer()
    (good,) = ChecksumLayer().encode([b"question"])
    assert isinstance(good, bytes)
    client.deliver(ID + good, ID + b"forged")
    assert server.sent == [b"\1\0\0\0" + ID + b"question"]
    assert between.front.stats.refused == 1
    server.deliver(b"\1\0\0\0" + ID + b"answer")
    assert ChecksumLayer().decode([client.sent[0][4:]]) == [b"answer"]


@pytest.mark.parametrize("inside", [True, False])
def test_a_message_on_which_a_filter_raises_costs_no_other(
    inside: bool, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    front = Rig(Rep(raw=True), clock=clock, first=0x01000000)
    back = Rig(Req(raw=True), *(() if inside else (Picky(),)), clock=clock, first=0x02000000)
    device = Device(front.raw, back.raw, (Picky(),) if inside else ())
    client, other, server = front.peer(), front.peer(), back.peer()
    client.deliver(ID + b"1", ID + BAD, ID + b"2", ID + BAD)
    other.deliver(ID + b"3")
    client.deliver(ID + BAD)
    other.deliver(ID + b"4")
    assert [unit[8:] for unit in server.sent] == [b"1", b"2", b"3", b"4"]
    assert (device.forwarded, device.refused) == (4, 3)
    assert client.closed == other.closed == server.closed == []
    assert front.stats.received == 7
    assert back.stats.sent == 4
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("sockstack.device", "ERROR")
    assert "not this one: b'BAD'" in record.getMessage()
    assert record.exc_info


def test_a_filter_that_raises_on_the_way_back_costs_no_other_either() -> None:
    between = reqrep(Picky())
    client, server = between.front.peer(), between.back.peer()
    server.deliver(b"\1\0\0\0" + ID + BAD, b"\1\0\0\0" + ID + b"good")
    assert client.sent == [ID + b"good"]
    assert (between.device.forwarded, between.device.refused) == (1, 1)
    assert server.closed == []


def test_what_does_not_pass_and_what_is_raised_on_are_one_count() -> None:
    between = reqrep(Picky(), ChecksumLayer())
    client, server = between.front.peer(), between.back.peer()
    client.deliver(ID + BAD, ID + b"good")
    assert len(server.sent) == 1
    server.deliver(b"\1\0\0\0" + ID + b"forged")
    assert between.device.refused == 2


def test_both_sockets_count_what_passes() -> None:
    between = reqrep(ChecksumLayer())
    client, server = between.front.peer(), between.back.peer()
    (answer,) = ChecksumLayer().encode([b"answer"])
    for _ in range(3):
        client.deliver(ID + b"question", ID + b"another")
        server.deliver(b"\1\0\0\0" + ID + bytes(answer), b"\1\0\0\0" + ID + b"forged")  # type: ignore[arg-type]
    front, back = between.front.stats, between.back.stats
    assert (front.received, back.sent) == (6, 6)
    assert (back.received, front.sent) == (6, 3)
    assert (between.device.forwarded, between.device.refused) == (9, 3)


def test_a_closed_device_passes_nothing_on() -> None:
    between = reqrep()
    client, server = between.front.peer(), between.back.peer()
    between.device.close()
    client.deliver(ID + b"question")
    assert server.sent == []
    between.back.close()
    between.front.close()
    assert between.device.forwarded == 0


@pytest.mark.parametrize("side", ["front", "back"])
def test_closing_one_of_its_sockets_alone(side: str) -> None:
    between = reqrep()
    client, server = between.front.peer(), between.back.peer()
    (between.front if side == "front" else between.back).close()
    for _ in range(3):
        client.deliver(ID + b"question")
        server.deliver(b"\1\0\0\0" + ID + b"answer")
    (between.back if side == "front" else between.front).close()
    assert between.device.forwarded == 0


@pytest.mark.parametrize(
    ("front", "back"),
    [
        (Rep(raw=True), Req(raw=True)),
        (Req(raw=True), Rep(raw=True)),
        (Pull(raw=True), Push(raw=True)),
        (Push(raw=True), Pull(raw=True)),
    ],
)
def test_pairs_that_make_a_device(front: LayerSpec, back: LayerSpec) -> None:
    check_pair(front, back)


@pytest.mark.parametrize(
    ("front", "back", "layer", "field", "mend"),
    [
        (Rep(), Req(raw=True), "rep", "raw", "Use Rep(raw=True)."),
        (Rep(raw=True), Req(), "req", "raw", "Use Req(raw=True)."),
        (Rep(raw=True), Rep(raw=True), "rep", "peer", None),
        (Push(raw=True), Req(raw=True), "push", "peer", None),
        (Checksum(), Req(raw=True), "checksum", "R1", None),
        (Rep(raw=True), Checksum(), "checksum", "R1", None),
    ],
)
def test_pairs_that_make_none(
    front: LayerSpec, back: LayerSpec, layer: str, field: str, mend: str | None
) -> None:
    with pytest.raises(StackError, match="a device") as caught:
        check_pair(front, back)
    assert (caught.value.layer, caught.value.field, caught.value.mend) == (layer, field, mend)
