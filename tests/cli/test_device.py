"""``sockstack device``."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sockstack import (
    Bus,
    Checksum,
    Pair1,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Respondent,
    Socket,
    Sub,
    Surveyor,
)
from sockstack.cli.device import KINDS
from sockstack.cli.main import main

PATIENCE = 20


@contextmanager
def device(
    *arguments: str, sides: int = 2, says: str = ""
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command at work, and the addresses of its sides; afterwards it is stopped by Ctrl-C, and must say so."""
    listening = [f"--{side}-listen=tcp://127.0.0.1:0" for side in ("front", "back")[:sides]]
    with subprocess.Popen(
        [sys.executable, "-m", "sockstack", "device", *arguments, *listening],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            lines = [process.stderr.readline() for _ in listening]
            yield process, ["tcp://" + line.split("listening on ")[1].strip() for line in lines]
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert "messages passed on" in said
    assert said.endswith(f"{says}\n")


def await_peers(process: subprocess.Popen[str], count: int) -> None:
    """Until so many peers have connected: what is sent earlier, nobody would hear."""
    assert process.stderr is not None
    while count:
        count -= ": connected" in process.stderr.readline()


def connected(pattern: Any, address: str) -> Socket[Any]:
    sock: Socket[Any] = Socket(pattern, timeout=PATIENCE)
    sock.dial(address, wait=True)
    return sock


def test_reqrep_and_who_comes_and_goes() -> None:
    with device("reqrep", "-v") as (process, (front, back)):
        with connected(Req(), front) as req, connected(Rep(), back) as rep:
            for number in range(3):
                req.send(b"%d" % number)
                rep.send(b"re " + rep.recv())
                assert req.recv() == b"re %d" % number
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(4)]
    assert sum("rep: connected" in line or "req: connected" in line for line in said) == 2
    assert sum("disconnected" in line for line in said) == 2


def test_pipeline_and_inside() -> None:
    with (
        device("pipeline", "--inside", "checksum") as (_, (front, back)),
        connected(Push(), front) as push,
        connected(Checksum() | Pull(), back) as pull,
    ):
        push.send(b"guarded from here on")
        assert pull.recv() == b"guarded from here on"


def test_what_the_filters_inside_refuse_is_counted() -> None:
    with (
        device("pair1", "--inside", "checksum", says=", 1 refused inside") as (_, (front, back)),
        connected(Pair1(), front) as one,
        connected(Pair1(), back) as other,
    ):
        one.send(b"there and back")
        guarded = other.recv()
        for body in (b"garbage", guarded):
            other.send(body)
        assert one.recv() == b"there and back"


def test_who_is_refused_is_said_with_the_reason() -> None:
    with device("pipeline", "-v") as (process, (front, _)), Socket(Pull(), dial=front):
        assert process.stderr is not None
        line = ""
        while ": refused" not in line:
            line = process.stderr.readline()
    assert line.startswith("sockstack device: pull: refused 127.0.0.1:")
    assert "the peer is pull (0x0051), and only push (0x0050) fits here" in line


def test_survey() -> None:
    with device("survey", "--ttl", "3", "-v") as (process, (front, back)):
        surveyor = connected(Surveyor(survey_time=PATIENCE), front)
        with surveyor, connected(Respondent(), back) as respondent:
            await_peers(process, 2)
            surveyor.send(b"who?")
            respondent.send(respondent.recv() + b" me")
            assert surveyor.recv() == b"who? me"


def test_pubsub() -> None:
    with (
        device("pubsub", "-v") as (process, (front, back)),
        connected(Pub(), front) as pub,
        connected(Sub(b"news"), back) as sub,
    ):
        await_peers(process, 2)
        for body in (b"olds", b"news"):
            pub.send(body)
        assert sub.recv() == b"news"


def test_pair1() -> None:
    with (
        device("pair1") as (_, (front, back)),
        connected(Pair1(), front) as one,
        connected(Pair1(), back) as other,
    ):
        one.send(b"there")
        assert other.recv() == b"there"
        other.send(b"and back")
        assert one.recv() == b"and back"


def test_bus_reflects() -> None:
    with device("bus", "-v", sides=1) as (process, (hub,)):
        buses = [connected(Bus(), hub) for _ in range(3)]
        await_peers(process, 3)
        buses[0].send(b"to the others")
        assert [bus.recv() for bus in buses[1:]] == [b"to the others"] * 2
        for bus in buses:
            bus.close()


BOTH = ("pair1", "--front-dial", "tcp://h:1", "--back-dial", "tcp://h:1")


def test_what_is_probably_not_meant_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--front-dial", "tls+tcp://h:1?tls.verify=false", "--back-dial", "sp"]
    assert main(["device", "pair1", *where]) == 2
    said = capsys.readouterr().err
    assert said.startswith("sockstack device: warning: Tls(verify=False) takes any certificate")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["reqrep"], "nobody can come"),
        (["reqrep", "--front-listen", "tcp://127.0.0.1:0"], "has two sides"),
        (["nonsense"], "invalid choice"),
        (["bus", "--front-listen", "tcp://127.0.0.1:0", "--inside", "checksum"], "no inside"),
        (
            ["reqrep", "--ttl", "0", "--front-dial", "tcp://h:1", "--back-dial", "tcp://h:1"],
            "ttl is 1 to 255",
        ),
        (["bus", "--ttl", "0", "--front-dial", "tcp://h:1"], "ttl is 1 to 255"),
        (["bus", "--ttl", "256", "--front-dial", "tcp://h:1"], "ttl is 1 to 255"),
        (["bus", "--front-listen", "tls | inproc(x)"], "Tls needs"),
        (["bus", "--front-dial", "tcp(h:1)"], "Put Sp() between Bus and Tcp."),
        (["bus", "--front-dial", "sp"], "sp has no transport"),
        (["bus", "--front-dial", "bus | sp | tcp(h:1)"], "this one has two: Bus and Bus"),
        (["bus", "--front-dial", "sp | tcp(h)"], "it needs a host and a port"),
        (["bus", "--front-dial", "sp | tcp(h:1"], "expected , or )"),
        (["bus", "--front-dial", "sp | tcp://h:1"], "this is a URL"),
        (["bus", "--front-dial", "h:1"], "Write tcp://h:1."),
        (["bus", "--front-dial", "5555"], "Write tcp://127.0.0.1:5555."),
        (["bus", "--front-dial", "/run/x"], "Write ipc:///run/x."),
        (["bus", "--front-listen", "tls+tcp://h:1"], "to listen takes a certificate"),
        ([*BOTH, "--inside", ""], "expected the name of a layer"),
        ([*BOTH, "--inside", "checksun"], "Did you mean checksum?"),
        ([*BOTH, "--inside", "checksum | req"], "and req is none"),
        ([*BOTH, "--inside", "tcp://h:1"], "and tcp is none"),
        ([*BOTH, "--inside", "prefix"], "and prefix is none"),
        ([*BOTH, "--inside", "tls"], "and tls is none"),
    ],
)
def test_wrong_usage(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code: object
    try:
        code = main(["device", *arguments])
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert complaint in capsys.readouterr().err


def test_help_lists_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["device", "--help"])
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in KINDS)
