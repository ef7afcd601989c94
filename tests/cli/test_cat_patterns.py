"""``sockstack cat`` with the patterns that have many peers, or talk both ways at once."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockstack import Deadline
from sockstack.cli.cat_options import read_options
from sockstack.cli.cat_socket import PATTERNS, Work
from sockstack.cli.command import Talk
from sockstack.cli.feeder import Feeder
from sockstack.cli.main import main

from .programs import PATIENCE, Program, sockstack


def cat(*arguments: str, input: bytes | None = b"") -> Program:
    """The command."""
    return sockstack("cat", *arguments, input=input)


# Options.


def test_values_behind_a_colon() -> None:
    url = "tcp://127.0.0.1:5555"
    for word in (f"--dial:{url}", f"--dial={url}", f"--di:{url}"):
        args = read_options(["--req", word, "-l5", "tcp://h:1"])
        assert [str(peer) for peer in args.peers] == [url, "tcp://127.0.0.1:5"]
        assert args.where == ["tcp://h:1"]
    for words in (["--data:a=b:c"], ["--data=a=b:c"], ["-D", "a=b:c"], ["-Da=b:c"]):
        assert read_options(words).data == b"a=b:c"
    assert read_options(["-D", "--no:such option"]).data == b"--no:such option"


def test_a_colon_behind_what_takes_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options(["--raw:x"])
    assert "argument --raw: ignored explicit argument 'x'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "pattern"),
    [
        *((f"--{name}0", name) for name in ("pub", "sub", "surveyor", "respondent", "bus")),
        *((f"--{name}", name) for name in ("pub", "sub", "surveyor", "respondent", "bus")),
        *((f"--{name}", name) for name in ("pair", "pair0", "pair1", "star")),
        ("--surv", "surveyor"),
        ("--resp", "respondent"),
    ],
)
def test_names_of_patterns(word: str, pattern: str) -> None:
    assert read_options([word]).pattern == pattern


def test_names_of_options() -> None:
    args = read_options(["--subs", "a", "--subscribe=b", "--receive-t", "3", "--compat"])
    assert args.subscribe == [b"a", b"b"]
    assert args.recv_timeout == 3.0
    assert (args.compat, args.background) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--sub", "-l", "1", "-D", "x"], "sub does not send"),
        (["--su", "-l", "1"], "ambiguous option"),
        (["--sub", "-l", "1", "-i", "1"], "--interval is not for sub"),
        (["--respondent", "-l", "1", "-d", "1"], "--delay is not for respondent"),
        (["--bus", "-l", "1", "-i", "1"], "--interval is not for bus without --data"),
        (["--pair", "-l", "1", "-d", "1"], "--delay is not for pair1 without --data"),
        (["--pair", "--compat", "-l", "1", "-d", "1"], "--delay is not for pair0 without"),
        (["--star", "--bus", "-l", "1"], "not allowed with argument"),
        (["--pub", "-l", "1", "--subscribe", "x"], "--subscribe is not for pub"),
        (
            ["tcp://h:1", "--subscribe", "x"],
            "--subscribe is not for a connection without a pattern",
        ),
        (["tcp://h:1", "--compat"], "--compat is not for a connection without a pattern"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["cat", *arguments])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert complaint in said.err


# PUB and SUB.


@pytest.mark.parametrize(
    ("topics", "printed"),
    [
        ([], b"one\ntwo\nthree\nthe end\n"),
        (["--subscribe", "t"], b"two\nthree\nthe end\n"),
        (["--subscribe", "one", "--subscribe", "the "], b"one\nthe end\n"),
    ],
)
def test_sub_prints_what_begins_with_a_topic(topics: list[str], printed: bytes) -> None:
    count = str(printed.count(b"\n"))
    with cat("--sub", "-L", "0", "-v", "-C", count, *topics) as sub:
        address = sub.listening()
        with cat("--pub", f"tcp://{address}", input=b"one\ntwo\nthree\nthe end\n") as pub:
            assert pub.end() == (0, b"", "")
        assert sub.end() == (0, printed, "")


def test_a_sub_in_the_text_of_a_stack_prints_all_unless_told_otherwise(tmp_path: Path) -> None:
    stack = f"sub(recv_buffer=9) | sp | unix({tmp_path}/{{}})"
    with (
        cat("--listen", stack.format("all"), "-C", "2", "-v") as everything,
        cat("--listen", stack.format("t"), "--subscribe", "t", "-C", "1", "-v") as some,
    ):
        paths = [everything.listening(), some.listening()]
        with cat("--pub", "-x", paths[0], "-x", paths[1], input=b"one\ntwo\n") as pub:
            assert pub.end() == (0, b"", "")
        assert everything.end() == (0, b"one\ntwo\n", "")
        assert some.end() == (0, b"two\n", "")


def test_pub_sends_to_all(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("one", "two")]
    with (
        cat("--sub", "-X", paths[0], "-v", "-C", "2") as one,
        cat("--sub", "-X", paths[1], "-v", "-C", "2") as two,
    ):
        assert [one.listening(), two.listening()] == paths
        with cat("--pub", "-x", paths[0], "-x", paths[1], "-D", "news", "-C", "2") as pub:
            assert pub.end() == (0, b"", "")
        assert one.end() == two.end() == (0, b"news\nnews\n", "")


def test_what_nobody_hears_is_told() -> None:
    with cat("--pub", "-L", "0", input=b"one\ntwo\n") as pub:
        assert pub.end() == (
            0,
            b"",
            "sockstack cat: warning: nobody was there for 2 of the messages; see --delay\n",
        )


def test_what_a_slow_peer_misses_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        stack = f"pub(send_buffer=1) | sp | tcp(127.0.0.1:{server.getsockname()[1]})"
        with cat(stack, input=None) as pub:
            slow, _ = server.accept()
            with slow:
                slow.sendall(bytes.fromhex("0053500000210000"))
                for _ in range(40):  # more than any kernel holds
                    pub.write(b"x" * (1 << 20) + b"\n")
                pub.end_input()
                while slow.recv(1 << 20):
                    pass
            code, _, said = pub.end()
    assert code == 0
    told = (
        r"sockstack cat: warning: peers did not keep up: \d+ of the messages to them were dropped\n"
    )
    assert re.fullmatch(told, said)


# SURVEYOR and RESPONDENT.


def test_surveyor_prints_all_answers_until_the_survey_ends(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("one", "two")]
    with (
        cat("--respondent", "-X", paths[0], "-v", "-D", "yes") as one,
        cat("--respondent", "-X", paths[1], "-v", "-D", "no", "-Q", "-C", "1") as two,
    ):
        assert [one.listening(), two.listening()] == paths
        ends = ["-x", paths[0], "-x", paths[1]]
        with cat("--surveyor", *ends, "--recv-timeout", "3", "-D", "ready?") as survey:
            code, out, said = survey.end()
        assert (code, sorted(out.split()), said) == (0, [b"no", b"yes"], "")
        assert one.said() == b"ready?\n"
        assert two.end() == (0, b'"ready?"\n', "")


def test_a_survey_that_nobody_answers_is_a_failure() -> None:
    with cat("--respondent", "-L", "0", "-v", "-C", "2") as silent:
        address = silent.listening()
        times = ["--recv-timeout", "0.1", "-i", "0.2", "-C", "2"]
        with cat("--surveyor", f"tcp://{address}", "-D", "x", *times) as survey:
            code, out, said = survey.end()
        assert (code, out) == (1, b"")
        assert said == (
            "sockstack cat: survey 1 has no answer\nsockstack cat: survey 2 has no answer\n"
        )
        assert silent.end() == (0, b"x\nx\n", "")


# PAIR, BUS and STAR.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["--pair"], ["--pair1"]),
        (["--pair0"], ["--pair", "--compat"]),
        (["--bus"], ["--bus0"]),
        (["--star"], ["--star"]),
    ],
)
def test_both_ways(one: list[str], other: list[str]) -> None:
    with cat(*one, "-L", "0", "-v", "-D", "from one", "-i", "0.05") as near:
        address = near.listening()
        with cat(*other, f"tcp://{address}", "-D", "from the other", "-C", "2") as far:
            code, out, said = far.end()
        assert (code, out, said) == (0, b"from one\n" * 2, "")
        assert [near.said(), near.said()] == [b"from the other\n"] * 2


def test_with_a_count_each_sends_so_many_and_receives_so_many() -> None:
    with cat("--pair", "-L", "0", "-v", "-D", "a", "-C", "3") as near:
        address = near.listening()
        with cat("--pair", f"tcp://{address}", "-D", "b", "-C", "3") as far:
            assert far.end() == (0, b"a\n" * 3, "")
        assert near.end() == (0, b"b\n" * 3, "")


class Quiet:
    """A socket that receives one message, after it has sent one, and then no more."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.sending = threading.Event()
        self.bodies = [b"only this"]

    def send(self, body: bytes, timeout: float | None) -> None:
        self.sent.append(body)
        self.sending.set()

    def recv(self, timeout: float | None) -> bytes:
        assert self.sending.wait(PATIENCE)
        if not self.bodies:
            raise Deadline("recv: nothing within 7 s")
        return self.bodies.pop()


def test_silence_after_messages_ends_it_though_it_could_send_more() -> None:
    over = threading.Event()

    def bodies() -> Iterator[bytes]:
        yield b"x"
        over.wait(PATIENCE)
        yield b"too late"

    shown: list[bytes] = []
    quiet: Any = Quiet()
    work = Work(bodies(), None, shown.append, 0, 7.0, None, None, background=False)
    assert PATTERNS["pair1"].do(quiet, work, Talk("test")) == 0
    over.set()
    for thread in threading.enumerate():
        if isinstance(thread, Feeder):
            thread.join(PATIENCE)
    assert shown == [b"only this"]
    assert quiet.sent == [b"x"]


@pytest.mark.parametrize("pattern", ["--pair0", "--pair1", "--bus", "--star"])
def test_without_data_they_only_print(pattern: str) -> None:
    with cat(pattern, "-L", "0", "-v", "-C", "1", input=b"not sent\n") as near:
        address = near.listening()
        with cat(pattern, f"tcp://{address}", "-D", "x", "--recv-timeout", "0.3") as far:
            code, out, said = far.end()
        assert (code, out) == (1, b"")
        assert said.startswith("sockstack cat: ")
        assert near.end() == (0, b"x\n", "")


def test_a_pair_without_a_peer_says_so() -> None:
    with cat("--pair", "-L", "0", "-D", "x", "--send-timeout", "0.1") as run:
        code, out, said = run.end()
    assert (code, out, said.count("\n")) == (1, b"", 1)
    assert said.startswith("sockstack cat: send: nothing within 0.1 s")


def test_versions_of_pair_do_not_fit() -> None:
    with cat("--pair0", "-L", "0", "-v") as near:
        address = near.listening()
        with cat("--pair1", f"tcp://{address}", "-D", "x") as far:
            code, _, said = far.end()
    assert code == 1
    assert said.startswith("sockstack cat: the peer is pair")
