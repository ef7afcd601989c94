"""What addresses on the command line stand for."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from sockstack import Checksum, Rep, Req, Sp, StackError, Tcp, Tls, Unix
from sockstack.cli.command import UsageError
from sockstack.cli.peers import Peer, Place, anywhere, local_port, read_places, socket_file
from sockstack.core.spec import LayerSpec, Role


def read(
    where: str | LayerSpec, pattern: Any = None, max_size: int | None = None, **tls: Any
) -> Place:
    (place,) = read_places([Peer(Role.DIALER, where)], pattern, max_size, tls)
    return place


def test_a_url_without_a_pattern() -> None:
    place = read("tcp://127.0.0.1:5")
    assert (place.above, place.below) == ((), (Tcp("127.0.0.1:5"),))


def test_a_url_under_a_pattern_takes_what_nngcat_takes() -> None:
    place = read("tcp://127.0.0.1:5", Req())
    assert (place.above, place.below) == ((), (Sp(max_size=1 << 20), Tcp("127.0.0.1:5")))


def test_a_text_without_a_pattern_is_the_connection() -> None:
    place = read("sp | tls | tcp(h:5)", Req())
    assert (place.above, place.below) == ((), (Sp(), Tls(), Tcp("h:5")))


def test_a_text_with_a_pattern_is_the_whole() -> None:
    place = read("checksum | rep | sp | unix(/tmp/x)")
    assert (place.above, place.below) == ((Checksum(), Rep()), (Sp(), Unix("/tmp/x")))  # noqa: S108


def test_two_patterns_are_one_too_many() -> None:
    with pytest.raises(UsageError, match=r"holds a pattern, and --req"):
        read("rep | sp | tcp(h:5)", Req())


@pytest.mark.parametrize("where", ["tcp://h:5", "sp | tcp(h:5)", "sp+tcp://h:5?sp.max_size=77"])
def test_a_limit_belongs_to_sp_wherever_it_came_from(where: str) -> None:
    assert read(where, Req(), 99).below[0] == Sp(max_size=99)


def test_a_limit_without_sp_has_no_place() -> None:
    with pytest.raises(UsageError, match="--recv-maxsz is for patterns"):
        read("prefix | tcp(h:5)", max_size=99)


def test_tls_options_reach_the_tls_layers() -> None:
    place = read("tls+tcp://h:5", Req(), verify=False, ca="ca.pem", cert="c.pem", key="k.pem")
    tls = Tls(verify=False, ca="ca.pem", cert="c.pem", key="k.pem")
    assert place.below == (Sp(max_size=1 << 20), tls, Tcp("h:5"))


def test_tls_options_leave_the_others_alone() -> None:
    assert read("tls(server_name=x) | tcp(h:5)", ca="ca.pem").below[0] == Tls(
        server_name="x", ca="ca.pem"
    )


def test_tls_options_without_tls_would_promise_what_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"write tls\+tcp://"):
        read("tcp://h:5", Req(), ca="ca.pem")


def test_what_is_refused_is_refused_here() -> None:
    with pytest.raises(StackError, match="Put Prefix"):
        read("checksum | tcp(h:5)")
    with pytest.raises(StackError, match="cert="):
        read("tls+tcp://h:5", key="k.pem")


def test_readers_of_options() -> None:
    assert anywhere(Role.LISTENER)("tcp://h:5") == Peer(Role.LISTENER, "tcp://h:5")
    assert local_port(Role.DIALER)("5555") == Peer(Role.DIALER, "tcp://127.0.0.1:5555")
    peer = socket_file(Role.DIALER)("odd?path=|x")
    assert read(peer.where, Req()).below[-1] == Unix("odd?path=|x")
    assert read(peer.where).below == (Unix("odd?path=|x"),)


@pytest.mark.parametrize("text", ["", "x", "-1", "65536", "5.5", "\u0665"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no port"):
        local_port(Role.DIALER)(text)


def test_what_is_no_path() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="the path is empty"):
        socket_file(Role.DIALER)("")
