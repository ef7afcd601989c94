"""How sessions end, are cut and are taken off, wherever the byte stream is cut into reads."""

from __future__ import annotations

import pytest

from sockstack.core.errors import LocalProtocolError, PeerAborted
from sockstack.core.layer import MANY
from sockstack.layers.tls import Tls

from .tls_pair import (
    NAME,
    VERSIONS,
    CutAt,
    End,
    Files,
    ends,
    joined,
    make_files,
    pump,
    singly,
    specs_of,
    with_early_data,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls"), NAME)


@pytest.fixture(scope="module", params=list(VERSIONS))
def specs(request: pytest.FixtureRequest, files: Files) -> tuple[Tls, Tls]:
    return specs_of(files, request.param)


# Endings.


@pytest.mark.parametrize("first", ["client", "server"])
def test_half_close(specs: tuple[Tls, Tls], first: str) -> None:
    """The end of one direction leaves the other, and the connection below, as they are."""
    client, server = joined(specs)
    one, two = (client, server) if first == "client" else (server, client)
    one.send(b"last words")
    one.end()
    one.end()
    pump(one, two)
    assert two.top.events[-2:] == ["receive", "ended"]
    assert two.layer.remote_ended
    assert not one.bottom.output_ended
    for part in (b"still", b" going", b" on" * 20_000):
        two.send(part)
        pump(two, one)
    two.end()
    pump(two, one)
    assert one.top.data == b"still going" + b" on" * 20_000
    assert one.top.events[-1] == "ended"
    assert one.top.events.count("ended") == two.top.events.count("ended") == 1
    assert not two.bottom.output_ended


def test_ends_that_cross(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    client.send(b"from client")
    server.send(b"from server")
    client.end()
    server.end()
    pump(client, server)
    assert client.top.events[-2:] == server.top.events[-2:] == ["receive", "ended"]
    assert client.layer.detachable() is server.layer.detachable() is None


def test_end_from_inside_receive(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.top.on_receive = server.end
    client.send(b"the only request")
    client.end()
    pump(client, server)
    assert server.top.events[-2:] == ["receive", "ended"]
    assert client.top.events[-1] == "ended"


def test_end_while_data_waits_for_credit_loses_nothing(specs: tuple[Tls, Tls]) -> None:
    """Data that came with the handshake is inside OpenSSL already when the end is asked for."""
    client, server = ends(specs, credit=0)
    client.top.on_opened = lambda: client.send(b"early", b"x" * 20_000)
    client.open()
    server.open()
    pump(client, server)
    server.end()
    pump(server, client)
    client.want(MANY)
    pump(server, client)
    assert client.top.events[-1] == "ended"
    client.send(b", and late")
    client.end()
    server.want(MANY)
    pump(client, server)
    assert server.top.data == b"early" + b"x" * 20_000 + b", and late"
    assert server.top.events[-1] == "ended"


def test_end_from_inside_opened_with_data_in_the_same_read(specs: tuple[Tls, Tls]) -> None:
    def end(last: End) -> None:
        last.want(0)
        last.end()

    last = with_early_data(specs, end)
    assert last.top.events == ["opened"]
    assert last.bottom.credit == 0
    last.want(1)
    assert last.top.data == b"early"


def test_end_with_the_peers_end_already_inside(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs, credit=0)

    def burst() -> None:
        client.send(b"all of it")
        client.end()

    client.top.on_opened = burst
    client.open()
    server.open()
    while not client.ready:
        server.bottom.give(client.bottom.take())
        client.bottom.give(server.bottom.take())
    server.layer.receive([client.bottom.take() + b"plain"])
    server.end()
    assert "ended" not in server.top.events
    server.want(1)
    assert server.top.events[-2:] == ["receive", "ended"]
    assert server.top.data == b"all of it"
    assert server.layer.leftover() == [b"plain"]


def test_sending_after_the_end_is_the_callers_fault(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    client.end()
    with pytest.raises(LocalProtocolError, match=r"after end\(\)"):
        client.send(b"x")
    server.send(b"fine")
    pump(client, server)
    assert client.top.data == b"fine"


def test_sending_before_the_session_is_open_is_the_callers_fault(specs: tuple[Tls, Tls]) -> None:
    client, _ = ends(specs)
    with pytest.raises(LocalProtocolError, match="before the session is open"):
        client.send(b"x")


def test_a_cut_is_told_after_the_good_data(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    client.send(b"good")
    data = client.bottom.take()
    client.send(b"cut")
    server.bottom.give(data + client.bottom.take()[:-1])
    server.layer.ended()
    assert server.top.data == b"good"
    assert isinstance(server.top.error, PeerAborted)
    assert "without close_notify" in str(server.top.error)
    assert str(server.top.error).endswith("[tls in tls<memory]")
    assert "ended" not in server.top.events
    assert server.bottom.aborted


def test_a_cut_waits_for_the_data_before_it_to_be_wanted(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(0)
    client.send(b"good")
    server.layer.receive([client.bottom.take()])
    server.layer.ended()
    assert server.top.error is None
    server.want(MANY)
    assert server.top.events[-2:] == ["receive", "broken"]
    assert isinstance(server.top.error, PeerAborted)


def test_a_cut_waits_for_data_that_came_with_the_handshake(specs: tuple[Tls, Tls]) -> None:
    last = with_early_data(specs, lambda last: last.want(0))
    last.layer.ended()
    assert last.top.events == ["opened"]
    last.want(MANY)
    assert last.top.events == ["opened", "receive", "broken"]
    assert last.top.data == b"early"


def test_a_break_below_waits_for_the_data_before_it_to_be_wanted(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(0)
    client.send(b"good")
    server.layer.receive([client.bottom.take()])
    error = PeerAborted("reset")
    server.layer.broken(error)
    assert server.top.error is None
    server.want(MANY)
    assert server.top.data == b"good"
    assert server.top.error is error


def test_the_end_below_after_close_notify_is_no_cut(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    client.end()
    pump(client, server)
    server.layer.ended()
    assert server.top.error is None
    server.send(b"not cut")
    pump(server, client)
    assert client.top.data == b"not cut"


def test_end_and_cut_in_one_turn_without_credit(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(0)
    client.send(b"data")
    client.end()
    server.layer.receive([client.bottom.take()])
    server.layer.ended()
    server.want(MANY)
    assert server.top.events[-2:] == ["receive", "ended"]
    assert server.top.error is None


def test_a_break_below_after_the_peers_end_is_told_after_it(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(0)
    client.end()
    server.layer.receive([client.bottom.take()])
    server.layer.broken(PeerAborted("reset"))
    server.want(MANY)
    assert server.top.events[-2:] == ["ended", "broken"]


def test_after_abort_nothing_happens(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.send(b"unseen")
    client.top.below.abort()
    client.top.below.abort()
    client.layer.receive([server.bottom.take()])
    client.layer.ended()
    client.layer.broken(PeerAborted("late"))
    client.want(MANY)
    client.send(b"nowhere")
    client.end()
    assert client.layer.leftover() == []
    assert client.bottom.aborted
    assert client.bottom.out == b""
    assert client.top.events == ["opened"]


def test_abort_from_inside_receive_stops_at_once(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.top.on_receive = server.top.below.abort
    client.send(b"one")
    client.end()
    server.layer.receive([client.bottom.take()])
    assert server.top.events == ["opened", "receive"]


def test_abort_from_inside_opened_stops_at_once(specs: tuple[Tls, Tls]) -> None:
    last = with_early_data(specs, lambda last: last.top.below.abort())
    assert last.top.events == ["opened"]
    assert last.bottom.aborted


def test_abort_drops_what_nobody_wanted(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs, credit=0)
    client.send(b"unwanted")
    server.layer.receive([client.bottom.take()])
    server.top.below.abort()
    server.want(MANY)
    assert server.layer.leftover() == []
    assert server.top.events == ["opened"]


def test_abort_from_inside_ended_is_the_last_thing_that_happens(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(0)
    client.end()
    server.layer.receive([client.bottom.take()])
    server.layer.broken(PeerAborted("reset"))
    server.top.on_ended = server.top.below.abort
    server.want(MANY)
    assert server.top.events[-1] == "ended"


def test_after_it_passed_the_second_end_up_it_leaves_the_layer_below_alone(
    specs: tuple[Tls, Tls],
) -> None:
    """Whoever hears of the end may take the layer off at once."""
    client, server = joined(specs)
    server.end()
    client.end()
    server.top.on_ended = server.bottom.wants.clear
    pump(client, server)
    assert server.top.events[-1] == "ended"
    assert server.bottom.wants == []
    assert server.bottom.credit == 0


# Taking the layer off.


def test_what_keeps_it_from_being_taken_off(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs)
    assert client.layer.detachable() == "the TLS handshake is not done"
    client.open()
    assert client.layer.detachable() == "the TLS handshake is not done"
    server.open()
    pump(client, server)
    own = "this end has not ended it: end()"
    peers = "the peer's close_notify has not been received"
    assert client.layer.detachable() == f"{own} and {peers}"
    client.end()
    pump(client, server)
    assert client.layer.detachable() == peers
    assert server.layer.detachable() == own
    server.end()
    pump(client, server)
    assert client.layer.detachable() is None
    assert server.layer.detachable() is None
    server.layer.broken(PeerAborted("reset"))
    assert server.layer.detachable() == "the TLS session is broken"


def test_there_is_no_leftover_where_nothing_followed(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    client.end()
    server.end()
    pump(client, server)
    assert client.layer.leftover() == server.layer.leftover() == []


def test_after_both_ends_it_asks_for_no_more_bytes(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    client.end()
    server.end()
    pump(client, server)
    assert client.bottom.credit == server.bottom.credit == 0
    client.bottom.give(b"plain")
    assert client.bottom.held == [b"plain"]


@pytest.mark.parametrize("ended_before", [True, False])
def test_leftover_at_every_cut(specs: tuple[Tls, Tls], ended_before: bool) -> None:
    """Wherever a read ends, each byte is plaintext that came up or leftover, and none is both or lost."""
    size, at = MANY, 1
    while at < size:
        client, server = joined(specs)
        if ended_before:
            client.end()
            pump(client, server)
        server.send(b"one")
        server.send(b"two")
        server.end()
        wire = server.bottom.take() + b"next protocol"
        size = len(wire)
        client.bottom.give(wire[:at])
        client.layer.receive([wire[at:]])
        client.end()
        assert client.top.data == b"onetwo"
        assert client.top.events[-1] == "ended"
        assert client.layer.detachable() is None
        assert client.layer.leftover() == [b"next protocol"]
        assert client.layer.leftover() == []
        at += 1
    assert at > 60


def test_end_at_every_cut_of_what_the_peer_sends(specs: tuple[Tls, Tls]) -> None:
    """Our end may come while a record of the peer is half here."""
    size, at = MANY, 0
    while at < size:
        client, server = joined(specs)
        server.send(b"one")
        server.send(b"two")
        wire = server.bottom.take()
        size = len(wire)
        client.bottom.give(wire[:at])
        client.end()
        pump(client, server)
        server.send(b"three")
        server.end()
        client.bottom.give(wire[at:] + server.bottom.take())
        assert client.top.data == b"onetwothree"
        assert client.top.events[-1] == "ended"
        assert client.layer.detachable() is None
        at += 1


# Cuts.


def test_byte_by_byte(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs)

    def answer() -> None:
        if server.top.data == b"ping":
            server.send(b"pong")

    client.top.on_opened = lambda: client.send(b"ping")
    server.top.on_receive = answer
    client.open()
    server.open()
    pump(client, server, singly, singly)
    client.end()
    server.end()
    pump(client, server, singly, singly)
    assert server.top.data == b"ping"
    assert client.top.data == b"pong"
    assert client.top.events[-1] == server.top.events[-1] == "ended"


@pytest.mark.parametrize("towards", ["client", "server"])
def test_every_cut_of_the_handshake(specs: tuple[Tls, Tls], towards: str) -> None:
    size, at = MANY, 1
    while at < size:
        client, server = ends(specs)
        client.top.on_opened = lambda client=client: client.send(b"hi")  # type: ignore[misc]
        server.top.on_opened = lambda server=server: server.send(b"ho")  # type: ignore[misc]
        one, two = (server, client) if towards == "client" else (client, server)
        client.open()
        server.open()
        size = pump(one, two, CutAt(at))
        assert (client.top.data, server.top.data) == (b"ho", b"hi")
        at += 1
