"""SIGTERM and Ctrl-C: everything ends in order, and a second signal ends it at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from sockstack import Push, Socket
from sockstack.cli.command import ALERT, Talk, Terminated, run, terminable
from sockstack.cli.demo_stage import Stage

from .programs import STRICT, Program, sockstack

PATIENCE = 20

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]

PATIENT = """\
import sys
from sockstack import Socket
from sockstack.cli.main import main

Socket.__init__.__kwdefaults__["linger"] = 600.0
sys.exit(main())
"""
"""The command, with so much patience at its end that the tests would see it."""

PAIR0, PUSH, PULL = 0x10, 0x50, 0x51

LARGE = bytes(4_000_000)
"""More than the kernel takes while nobody reads."""


def patient(*arguments: str) -> Program:
    return Program(sys.executable, *STRICT, "-c", PATIENT, *arguments)


UNSEEN = """\
import signal, sys, threading
from sockstack.cli.command import Talk, program, run

def work():
    never = threading.Semaphore(0)
    # Python's main thread does not wake from a signal that another thread gets.
    threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
    never.acquire()

sys.exit(program("test", lambda: run(Talk("test"), work)))
"""
"""A command that sleeps for ever, and a signal that does not wake it."""


def stop(run: Program, number: int) -> None:
    """Send a signal, and wait for its end."""
    run.process.send_signal(number)
    run.process.wait(PATIENCE)


def heard(run: Program) -> str:
    """The next address that it listens on."""
    line = run.told()
    assert ": listening on " in line, line
    return line.rpartition(" ")[2]


def idle(path: str, ours: int, theirs: int) -> socket.socket:
    """A peer that reads the beginning of a message, and no more. The numbers are those of the patterns."""
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(PATIENCE)
    peer.connect(path)
    peer.sendall(b"\0SP\0\0%c\0\0" % ours)
    assert [peer.recv(1) for _ in range(9)][5] == bytes((theirs,))
    return peer


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_device_says_what_it_did_and_leaves_nothing_behind(
    number: int, code: int, tmp_path: Path
) -> None:
    front, back = tmp_path / "front", tmp_path / "back"
    with sockstack(
        *("device", "pipeline"),
        *("--front-listen", f"ipc://{front}", "--back-listen", f"unix://{back}"),
    ) as run:
        assert [heard(run), heard(run)] == [str(front), str(back)]
        assert front.exists()
        assert back.exists()
        run.process.send_signal(number)
        assert run.end() == (0, b"", "sockstack device: 0 messages passed on\n")
    assert not front.exists()
    assert not back.exists()


@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("pattern", [["--rep", "-D", "x"], ["--pair", "-D", "x"], []])
def test_cat_leaves_nothing_behind(
    number: int, code: int, pattern: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    with sockstack("cat", *pattern, "--listen", f"unix://{path}", "-v") as run:
        assert run.listening() == str(path)
        assert path.exists()
        stop(run, number)
        assert run.end() == (code, b"", "")
    assert not path.exists()


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_connection_ends_in_order(number: int, code: int, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with sockstack("cat", "--listen", f"unix://{path}", "-v", input=None) as run:
        run.listening()
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(PATIENCE)
            peer.connect(str(path))
            run.write(b"before the end")
            assert peer.recv(14, socket.MSG_WAITALL) == b"before the end"
            stop(run, number)
            assert peer.recv(1) == b""
        assert run.end()[:2] == (code, b"")


def test_what_cat_has_accepted_is_still_written(tmp_path: Path) -> None:
    path, data = tmp_path / "socket", tmp_path / "data"
    data.write_bytes(LARGE)
    with patient("cat", "--pair0", "-X", str(path), "-F", str(data), "-i", "600", "-v") as run:
        run.listening()
        with idle(str(path), PAIR0, PAIR0) as peer:
            peer.sendall(b"\1" + (2).to_bytes(8, "big") + b"hi")
            assert run.said() == b"hi\n"
            run.process.terminate()
            with peer.makefile("rb") as stream:
                assert len(stream.read()) == 8 + len(LARGE)
        assert run.end() == (143, b"", "")


def test_cat_does_not_wait_for_a_peer_that_reads_no_more(tmp_path: Path) -> None:
    path, data = tmp_path / "socket", tmp_path / "data"
    data.write_bytes(LARGE)
    with sockstack("cat", "--push", "-X", str(path), "-F", str(data), "-v") as run:
        run.listening()
        with idle(str(path), PULL, PUSH):
            run.process.terminate()
            assert run.end()[:2] == (143, b"")
    assert not path.exists()


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_second_signal_ends_a_device_that_lingers(number: int, code: int, tmp_path: Path) -> None:
    front, back = tmp_path / "front", tmp_path / "back"
    with patient(
        *("device", "pipeline"),
        *("--front-listen", f"ipc://{front}", "--back-listen", f"ipc://{back}"),
    ) as run:
        heard(run)
        heard(run)
        with Socket(Push(), dial=f"ipc://{front}", timeout=PATIENCE) as push:
            push.send(LARGE)
            with idle(str(back), PULL, PUSH):
                run.process.terminate()
                assert run.told() == "sockstack device: 1 messages passed on"
                stop(run, number)
                assert run.end() == (code, b"", "")
    assert not front.exists()
    assert not back.exists()


def test_a_signal_is_seen_even_if_it_wakes_nobody() -> None:
    with Program(sys.executable, *STRICT, "-c", UNSEEN) as run:
        assert run.end() == (143, b"", "")


def test_who_uses_alarms_keeps_them() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    timer = signal.setitimer(signal.ITIMER_REAL, 1000.0)
    try:
        assert run(Talk("test"), lambda: int(signal.getitimer(signal.ITIMER_REAL)[0] > 900)) == 1
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def test_alarms_end_with_the_command() -> None:
    def work() -> int:
        assert signal.getitimer(signal.ITIMER_REAL)[1] == ALERT
        return 5

    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        assert run(Talk("test"), work) == 5
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


class Stopped(Stage):
    """A stage where the first line is the last."""

    def say(self, text: str = "") -> None:
        assert text == "begun"
        signal.raise_signal(signal.SIGTERM)


def test_what_the_demo_has_started_ends_with_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # Two processes hold the pipe open; its reader sees an end when both are gone.
    code = f"""
import os, subprocess, sys
held = os.open({str(fifo)!r}, os.O_WRONLY)
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleep, pass_fds=[held])
print("begun", flush=True)
child.wait()
"""
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with terminable(), pytest.raises(Terminated):
            Stopped(Path.cwd(), color=False).run("-c", code)
        os.set_blocking(reader, True)
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_sigterm_is_handled_for_so_long_only() -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with terminable():
        for _ in range(2):
            with pytest.raises(Terminated):
                signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_who_has_decided_about_sigterm_keeps_it() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with terminable():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_another_thread_sets_no_handler() -> None:
    found: list[object] = []

    def work() -> None:
        with terminable():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]
