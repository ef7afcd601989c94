"""Sessions between two ends in memory: data, credit, endings, detaching, and every cut of the byte stream."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from sockstack.core.capabilities import (
    Auth,
    Capabilities,
    CleanEnd,
    Confidential,
    HalfClose,
    Integrity,
    satisfies,
)
from sockstack.core.errors import LocalProtocolError, PeerAborted, SockstackError
from sockstack.core.layer import MANY
from sockstack.core.marks import (
    PEER_ADDRESS,
    TLS_ALPN,
    TLS_CHANNEL_BINDING,
    TLS_CIPHER,
    TLS_PEER_CERTIFICATE,
    TLS_SERVER_NAME,
    TLS_VERSION,
)
from sockstack.core.spec import Role
from sockstack.layers.tls import Tls
from sockstack.layers.tls_layer import TlsLayer

from .tls_pair import NAME, RECORD, CutAt, End, Files, context_for, make_files, pump, singly

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("tls"), NAME)


@pytest.fixture(scope="module", params=list(VERSIONS))
def specs(request: pytest.FixtureRequest, files: Files) -> tuple[Tls, Tls]:
    """Client and server, of one version."""
    context = context_for(files, server=False, version=VERSIONS[request.param])
    return Tls(context=context), Tls(cert=files.cert, key=files.key)


def ends(specs: tuple[Tls, Tls], *, credit: int = MANY) -> tuple[End, End]:
    client, server = specs
    return (
        End(client, Role.DIALER, credit=credit),
        End(server, Role.LISTENER, credit=credit),
    )


def joined(specs: tuple[Tls, Tls], *, credit: int = MANY) -> tuple[End, End]:
    """Two ends after the handshake."""
    client, server = ends(specs, credit=credit)
    client.open()
    server.open()
    pump(client, server)
    assert client.ready
    assert server.ready
    return client, server


def with_early_data(specs: tuple[Tls, Tls], on_opened: Callable[[End], None]) -> End:
    """The end that is done last, by a read that holds the other's first data too.

    With TLS 1.2 that is the client, with TLS 1.3 the server.
    """
    client, server = ends(specs)
    last: list[End] = []

    def opened(end: End, other: End) -> None:
        if other.ready:
            last.append(end)
            on_opened(end)
        else:
            end.send(b"early")

    client.top.on_opened = lambda: opened(client, server)
    server.top.on_opened = lambda: opened(server, client)
    client.open()
    server.open()
    pump(client, server)
    return last[0]


# The handshake.


def test_nothing_is_promised_before_the_handshake_is_done(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs)
    client.open()
    server.open()
    assert client.bottom.out
    assert not client.ready
    assert client.layer.get(TLS_VERSION) is None
    pump(client, server)
    assert client.top.events == server.top.events == ["opened"]


def test_the_handshake_asks_for_bytes_by_itself_and_stops_asking_when_done(
    specs: tuple[Tls, Tls],
) -> None:
    client, server = joined(specs, credit=0)
    assert client.bottom.wants == server.bottom.wants == [MANY, 0]


def test_what_is_sent_from_inside_opened_arrives(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs)
    client.top.on_opened = lambda: client.send(b"from the client")
    server.top.on_opened = lambda: server.send(b"from the server")
    client.open()
    server.open()
    pump(client, server)
    assert client.top.events == server.top.events == ["opened", "receive"]
    assert client.top.data == b"from the server"
    assert server.top.data == b"from the client"


def test_data_in_one_read_with_the_last_flight_comes_up_after_opened(
    specs: tuple[Tls, Tls],
) -> None:
    last = with_early_data(specs, lambda last: None)
    assert last.top.events == ["opened", "receive"]
    assert last.top.data == b"early"


def test_data_with_the_last_flight_waits_for_credit(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs, credit=0)
    client.top.on_opened = lambda: client.send(b"early")
    client.open()
    server.open()
    pump(client, server)
    assert server.top.events == ["opened"]
    server.want(MANY)
    pump(client, server)
    assert server.top.data == b"early"


def test_the_end_may_be_asked_for_before_the_handshake_is_done(specs: tuple[Tls, Tls]) -> None:
    client, server = ends(specs)
    client.end()
    client.open()
    client.end()
    server.open()
    pump(client, server)
    assert client.top.events == ["opened"]
    assert server.top.events == ["opened", "ended"]


def test_closing_the_connection_in_the_handshake_is_told(specs: tuple[Tls, Tls]) -> None:
    client, _ = ends(specs)
    client.open()
    client.layer.ended()
    assert isinstance(client.top.error, PeerAborted)
    assert "middle of the TLS handshake" in str(client.top.error)
    assert client.bottom.aborted


def test_a_break_below_in_the_handshake_is_passed_on(specs: tuple[Tls, Tls]) -> None:
    client, _ = ends(specs)
    client.open()
    error = PeerAborted("reset", layer="memory", path="tls<memory")
    client.layer.broken(error)
    assert client.top.error is error


# Data.


def test_data_passes_both_ways(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    client.send(b"ping")
    pump(client, server)
    server.send(b"pong")
    pump(client, server)
    assert server.top.data == b"ping"
    assert client.top.data == b"pong"


def test_nothing_of_the_plaintext_is_on_the_wire(specs: tuple[Tls, Tls]) -> None:
    client, _ = joined(specs)
    client.send(b"a secret that is long enough not to appear by chance")
    assert b"secret" not in client.bottom.out


def test_a_batch_is_one_send_and_one_read_is_one_chunk(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    sends = client.bottom.sends
    client.send(b"a" * 10, b"b" * 10, b"", b"c" * 50_000, b"d" * 10)
    assert client.bottom.sends == sends + 1
    pump(client, server)
    assert len(server.top.chunks) == 1
    assert server.top.data == b"a" * 10 + b"b" * 10 + b"c" * 50_000 + b"d" * 10


def test_small_chunks_share_a_record(specs: tuple[Tls, Tls]) -> None:
    client, _ = joined(specs)
    client.send(*[b"x" * 10] * 100)
    together = len(client.bottom.take())
    client.send(b"x" * 1000)
    assert together == len(client.bottom.take())


def test_sending_nothing_writes_nothing(specs: tuple[Tls, Tls]) -> None:
    client, _ = joined(specs)
    client.send()
    client.send(b"")
    client.send(b"", b"")
    assert client.bottom.out == b""


def test_a_mebibyte_each_way_at_once(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    chance = random.Random(1)
    there, back = chance.randbytes(1 << 20), chance.randbytes(1 << 20)
    for start in range(0, 1 << 20, 100_000):
        client.send(there[start : start + 100_000])
        server.send(back[start : start + 100_000])

    def reads(data: bytes) -> list[bytes]:
        return [data[index : index + 65_536] for index in range(0, len(data), 65_536)]

    pump(client, server, reads, reads)
    assert server.top.data == there
    assert client.top.data == back


def test_writes_that_are_taken_in_part_are_completed(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    assert isinstance(client.layer, TlsLayer)
    write = client.layer._write
    client.layer._write = lambda data: write(memoryview(data)[:1000])
    client.send(bytes(range(256)) * 40)
    pump(client, server)
    assert server.top.data == bytes(range(256)) * 40


def test_what_comes_from_below_in_the_middle_of_a_turn_keeps_its_order(
    specs: tuple[Tls, Tls],
) -> None:
    client, server = joined(specs)
    client.send(b"one, ")
    first = client.bottom.take()
    client.send(b"two")
    second = client.bottom.take()

    def more() -> None:
        if len(server.top.chunks) == 1:
            server.layer.receive([second])
            server.layer.ended()
            server.layer.broken(PeerAborted("reset"))

    server.top.on_receive = more
    server.layer.receive([first])
    assert server.top.data == b"one, two"
    assert server.top.events[-3:] == ["receive", "receive", "broken"]


# Credit.


def test_nothing_goes_up_without_credit(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(0)
    assert server.bottom.credit == 0
    client.send(b"wait")
    server.layer.receive([client.bottom.take()])
    assert server.top.data == b""
    server.want(MANY)
    assert server.top.data == b"wait"
    assert server.bottom.credit == MANY


def test_credit_of_one_lets_one_chunk_up(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(1)
    client.send(b"first")
    pump(client, server)
    client.send(b"second")
    pump(client, server)
    assert server.top.data == b"first"
    assert server.bottom.credit == 0
    server.want(1)
    server.bottom.give()
    assert server.top.data == b"firstsecond"


def test_credit_counts_bytes(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.want(5)
    client.send(b"123")
    pump(client, server)
    assert server.bottom.credit == MANY
    client.send(b"45")
    pump(client, server)
    assert server.bottom.credit == 0


def test_steady_credit_is_not_used_up(
    specs: tuple[Tls, Tls], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sockstack.layers.tls_layer.MANY", 1000)
    client, server = joined(specs, credit=1000)
    for _ in range(3):
        client.send(b"x" * 600)
        pump(client, server)
    assert server.top.data == b"x" * 1800
    server.want(999)
    for _ in range(3):
        client.send(b"x" * 600)
        pump(client, server)
    assert server.top.data == b"x" * 3000


def test_credit_taken_back_from_inside_receive_holds(specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    server.top.on_receive = lambda: server.want(0)
    client.send(b"one")
    pump(client, server)
    assert server.bottom.credit == 0
    client.send(b"two")
    server.layer.receive([client.bottom.take()])
    assert server.top.data == b"one"


def test_writable_passes_through(specs: tuple[Tls, Tls]) -> None:
    client, _ = joined(specs)
    client.bottom.above.writable(False)
    client.bottom.above.writable(True)
    assert client.top.events[-2:] == ["writable False", "writable True"]


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


# What is known about a session.


def test_metadata(files: Files, specs: tuple[Tls, Tls]) -> None:
    client, server = joined(specs)
    context = specs[0].context
    assert context is not None
    version = {member: name for name, member in VERSIONS.items()}[context.maximum_version]
    for end in (client, server):
        assert end.layer.get(TLS_VERSION) == version
        assert end.layer.get(TLS_CIPHER) == client.layer.get(TLS_CIPHER)
        assert end.layer.get(TLS_SERVER_NAME) == NAME
        assert end.layer.get(TLS_ALPN) is None
        assert end.layer.get(PEER_ADDRESS) is None
    certificate = ssl.PEM_cert_to_DER_cert(Path(files.cert).read_text())
    assert client.layer.get(TLS_PEER_CERTIFICATE) == certificate
    assert server.layer.get(TLS_PEER_CERTIFICATE) is None


def test_channel_binding_is_common_to_both_ends_and_to_no_others(specs: tuple[Tls, Tls]) -> None:
    (client, server), (other, _) = joined(specs), joined(specs)
    binding = client.layer.get(TLS_CHANNEL_BINDING)
    assert binding
    assert binding == server.layer.get(TLS_CHANNEL_BINDING)
    assert binding != other.layer.get(TLS_CHANNEL_BINDING)


def test_alpn(files: Files) -> None:
    client, server = joined(
        (Tls(ca=files.ca, alpn=("h3", "sp")), Tls(cert=files.chain, alpn=("sp", "h2")))
    )
    assert client.layer.get(TLS_ALPN) == server.layer.get(TLS_ALPN) == "sp"


def test_alpn_without_anything_in_common_goes_on_without(files: Files) -> None:
    client, server = joined((Tls(ca=files.ca, alpn=("a",)), Tls(cert=files.chain, alpn=("b",))))
    assert client.layer.get(TLS_ALPN) is server.layer.get(TLS_ALPN) is None


def test_by_address_there_is_no_server_name(tmp_path: Path) -> None:
    files = make_files(tmp_path, "10.0.0.1")
    client = End(Tls(ca=files.ca), Role.DIALER, host="10.0.0.1")
    server = End(Tls(cert=files.chain), Role.LISTENER)
    client.open()
    server.open()
    pump(client, server)
    assert client.ready
    assert server.layer.get(TLS_SERVER_NAME) is None


def certified(record: Capabilities) -> bool:
    return record.peer_auth is Auth.CERTIFICATE


def test_the_record_of_a_session_is_at_least_what_was_promised(specs: tuple[Tls, Tls]) -> None:
    for end, spec in zip(joined(specs), specs, strict=True):
        (record,) = end.top.records
        assert satisfies(record, spec.derive(RECORD))
        assert record.confidential is Confidential.HOP
        assert record.integrity is Integrity.HOP
        assert record.clean_end is CleanEnd.AUTHENTICATED
        assert record.half_close is HalfClose.NATIVE


@pytest.mark.parametrize("auth", ["none", "optional", "required"])
@pytest.mark.parametrize("shown", [True, False])
def test_client_certificates(files: Files, auth: str, shown: bool) -> None:
    ca = None if auth == "none" else files.ca
    client_spec = Tls(ca=files.ca, cert=files.chain if shown else None)
    server_spec = Tls(cert=files.chain, ca=ca, client_auth=auth)  # type: ignore[arg-type]
    client, server = ends((client_spec, server_spec))
    client.open()
    server.open()
    pump(client, server)
    assert certified(client.top.records[0])
    if auth == "required" and not shown:
        assert isinstance(server.top.error, SockstackError)
        return
    assert certified(server.top.records[0]) is (shown and auth != "none")
    certificate = server.layer.get(TLS_PEER_CERTIFICATE)
    assert (certificate is not None) is (shown and auth != "none")


def test_an_unverified_certificate_proves_nothing(files: Files) -> None:
    client, _ = joined((Tls(verify=False), Tls(cert=files.chain)))
    assert not certified(client.top.records[0])
    assert client.layer.get(TLS_PEER_CERTIFICATE)
