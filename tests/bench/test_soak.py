"""The soak: a short one, that nothing outlives it, and that its checks find what they are there for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.soak import Report, main
from bench.soak_checks import Incoming, Outgoing, Tally
from bench.soak_messages import OVERRUN, Damaged, Journal, Reader, message, read
from bench.soak_watch import FEWEST, GROWTH, Held, grown

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_short_soak_accounts_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "6"]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seed ")
    assert lines[-1] == "everything is accounted for"
    table = [
        line for line in lines if line.startswith(("req/rep", "pu", "sub", "sur", "pair", "bus"))
    ]
    assert len(table) == 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.timeout(120)
def test_no_process_outlives_it(number: signal.Signals, tmp_path: Path) -> None:
    soak = subprocess.Popen(
        [sys.executable, "-m", "bench.soak", "--minutes", "5", "--only", "sub/pub"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # a killed one cannot clean up
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert soak.stderr is not None
    assert soak.stderr.readline() == "sub/pub over tcp\n"
    soak.send_signal(number)
    out, _ = soak.communicate()  # its peers hold the other end of stderr as long as they live
    if number == signal.SIGTERM:
        assert soak.returncode == 0
        assert out.endswith("everything is accounted for\n")


def test_a_wrong_traffic_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--only", "nothing"])
    assert stop.value.code == 2
    assert "no traffic begins with 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("number", range(64))
def test_a_message_can_be_checked(number: int) -> None:
    body = message(3, 2, number)
    stamp = read(body)
    assert (stamp.slot, stamp.life, stamp.number) == (3, 2, number)
    with pytest.raises(Damaged):
        read(body + b"x")
    with pytest.raises(Damaged):
        read(body[:-1])


def test_a_journal_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = str(tmp_path / "journal")
    reader = Reader(path)
    assert list(reader.records()) == []
    journal = Journal(path)
    journal.add([message(0, 0, 5), message(1, 0, 6)], 0)
    assert list(reader.records()) == [(0, 5), (1, 6)]
    journal.add([message(1, 0, 9)], 2)
    with open(path, "ab") as file:
        file.write(b"half")  # of a record, where its process was killed
    assert list(reader.records()) == [(OVERRUN, 2), (1, 9)]
    journal.close()
    reader.close()
    assert not os.path.exists(path)


def judged(received: list[tuple[int, int, int]], sent: int, lives: dict[int, int]) -> Tally:
    tally = Tally()
    outgoing = Outgoing(0, False, tally)
    for slot, life, number in received:
        outgoing.note(slot, life, number)
    outgoing.judge(sent, lives)
    return tally


def test_what_is_missing_between_two_lives_had_been_handed_to_a_dead_peer() -> None:
    received = [(0, 0, 0), (1, 0, 1), (1, 0, 3), (0, 1, 4)]
    tally = judged(received, 5, {0: 1, 1: 0})
    assert tally.unexplained == 0
    assert tally.lost == Counter(died=1)


def test_a_life_that_wrote_nothing_down_may_have_been_handed_what_is_missing() -> None:
    assert judged([(1, 0, 0), (0, 1, 2)], 3, {0: 1, 1: 0}).unexplained == 0
    assert judged([(1, 0, 0), (1, 0, 1)], 4, {0: 1, 1: 0}).unexplained == 0


@pytest.mark.parametrize(
    ("received", "sent"),
    [
        ([(0, 0, 0), (1, 0, 1), (0, 0, 3)], 4),  # one is missing, and nobody had died
        ([(0, 0, 0), (1, 0, 1)], 3),  # the last one is
        ([(0, 0, 0), (0, 1, 3), (0, 1, 5)], 6),  # another one than had been handed to the dead
        ([(0, 0, 0), (1, 0, 0)], 1),  # one came to two
        ([(0, 0, 1), (0, 0, 0)], 2),  # one came late
    ],
)
def test_what_nothing_explains_is_found(received: list[tuple[int, int, int]], sent: int) -> None:
    assert judged(received, sent, {0: received[-1][1], 1: 0}).unexplained == 1


@pytest.mark.parametrize(
    ("dense", "numbers", "unexplained"),
    [
        (True, [4, 5, 6], 0),
        (True, [4, 6], 1),
        (False, [4, 6], 0),
        (False, [4, 4], 2),  # not above the one before, and it had come
        (True, [5, 4], 1),
    ],
)
def test_what_comes_from_peers(dense: bool, numbers: list[int], unexplained: int) -> None:
    tally = Tally()
    incoming = Incoming(dense, tally)
    for number in numbers:
        incoming.received(0, 1, message(0, 0, number))
    assert tally.unexplained == unexplained
    assert tally.messages == len(numbers)


def test_a_gap_is_explained_by_another_connection_of_the_same_life() -> None:
    tally = Tally()
    incoming = Incoming(True, tally)
    incoming.received(0, 1, message(0, 0, 3))
    incoming.received(0, 2, message(0, 0, 6))
    assert (tally.unexplained, tally.lost) == (0, Counter(reconnected=2))
    assert incoming.complete(0, 0, 7)
    assert not incoming.complete(0, 0, 8)


def test_a_damaged_message_is_found() -> None:
    tally = Tally()
    Incoming(True, tally).received(0, 1, message(0, 0, 1) + b"x")
    assert tally.unexplained == 1


def test_growth_is_judged_by_quarters() -> None:
    quarter = FEWEST // 4
    flat = [90 << 20] * quarter + [50 << 20] * 3 * quarter
    assert grown(flat) == 0
    assert grown(flat[1:]) is None
    leaking = [index << 20 for index in range(1, FEWEST + 1)]
    assert grown(leaking) == 2 * quarter << 20


def test_what_is_left_over_fails() -> None:
    report = Report()
    report.note("bus", Tally(), Held(1, 10, 3), Held(1, 11, 4))
    assert report.failures == [
        "bus: 1 descriptors are left open",
        "bus: 1 threads have not ended",
    ]
    report = Report(memory=[1] * FEWEST + [GROWTH + 2] * FEWEST)
    assert report.failures[0].startswith("memory: the last quarter holds 4.0 MiB more")
    tally = Tally()
    tally.fault("7 is missing")
    report = Report()
    report.note("bus", tally, Held(1, 10, 3), Held(1, 10, 3))
    assert report.failures == ["bus: 7 is missing"]
    assert report.lines[-1] == "FAILED bus: 7 is missing"
