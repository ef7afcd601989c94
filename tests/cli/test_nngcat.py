"""``sockstack cat`` and nngcat: either end may be either."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .programs import Program, sockstack

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not shutil.which("nngcat"), reason="needs nngcat: apt-get install nng-utils"
    ),
]

BODY = b'a "b" \\ \n\r\t\x01\x7f\xff~'

FIRM = ("--interval", "2")
"""Where nngcat sends first and then receives, it fails now and then without this: "Cannot set recv timeout"."""


def nngcat(*arguments: str) -> Program:
    """The other one."""
    return Program("nngcat", *arguments)


@pytest.mark.parametrize("form", ["no", "ascii", "hex", "msgpack", "quoted", "raw"])
def test_every_format_prints_the_same(form: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(BODY)
    printed = []
    with sockstack("cat", "--rep", "-L", "0", "-F", str(path), "-C", "2", "-v") as server:
        port = server.listening().rpartition(":")[2]
        for run in (
            nngcat("--req", "-l", port, "-D", "x", "--format", form),
            sockstack("cat", "--req", "-l", port, "-D", "x", "--format", form),
        ):
            with run:
                code, out, said = run.end()
                assert (code, said) == (0, "")
                printed.append(out)
        assert server.end() == (0, b"x\nx\n", "")
    assert printed[0] == printed[1]


def test_its_rep_answers_us(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with nngcat("--rep", "--listen", f"ipc://{path}", "-D", "42", "-C", "2", "-Q") as server:
        arguments = ["--req", "-x", path, "--async", "-C", "2", "-D", "what?"]
        with sockstack("cat", *arguments) as run:
            assert run.end() == (0, b"42\n42\n", "")
        assert server.end() == (0, b'"what?"\n' * 2, "")


def test_its_push_reaches_our_pull() -> None:
    with sockstack("cat", "--pull", "-L", "0", "-C", "3", "-v") as pull:
        port = pull.listening().rpartition(":")[2]
        with nngcat("--push", "-l", port, "-D", "job", "-C", "3") as push:
            assert push.end() == (0, b"", "")
        assert pull.end() == (0, b"job\n" * 3, "")


def test_our_push_reaches_its_pull(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with nngcat("--pull", "--listen", f"ipc://{path}", "-C", "3", "--quoted") as pull:
        with sockstack("cat", "--push", "-x", path, "--async", input=b"a\nb\nc\n") as push:
            assert push.end() == (0, b"", "")
        assert pull.end() == (0, b'"a"\n"b"\n"c"\n', "")


@pytest.fixture
def ipc(tmp_path: Path) -> list[str]:
    """Options of ours to listen, and then of theirs to come."""
    path = str(tmp_path / "s")
    return ["-X", path, "-v", "-x", path]


def test_its_pub_reaches_our_sub(ipc: list[str]) -> None:
    with sockstack("cat", "--sub", *ipc[:3], "--subscribe", "ne", "-C", "2") as sub:
        sub.listening()
        with nngcat("--pub", *ipc[3:], "-D", "news", "-i", "1"):
            assert sub.end() == (0, b"news\n" * 2, "")


def test_our_pub_reaches_its_sub(ipc: list[str]) -> None:
    with sockstack("cat", "--pub", *ipc[:3], "-D", "news", "-i", "0.05") as pub:
        pub.listening()
        with nngcat("--sub", *ipc[3:], "--subscribe", "n", "-C", "2", "-Q") as sub:
            assert sub.end() == (0, b'"news"\n' * 2, "")


def test_its_surveyor_asks_our_respondent(ipc: list[str]) -> None:
    with sockstack("cat", "--respondent", *ipc[:3], "-D", "yes", "-C", "2") as respondent:
        respondent.listening()
        with nngcat("--surveyor", *ipc[3:], *FIRM, "-D", "sure?", "-C", "2", "-Q") as survey:
            assert survey.end() == (0, b'"yes"\n' * 2, "")
        assert respondent.end() == (0, b"sure?\n" * 2, "")


def test_our_surveyor_asks_its_respondent(ipc: list[str]) -> None:
    with sockstack("cat", "--surveyor", *ipc[:3], "-D", "sure?", "-i", "1") as survey:
        survey.listening()
        with nngcat("--respondent", *ipc[3:], "-D", "yes", "-Q") as respondent:
            assert survey.said() == b"yes\n"
            assert respondent.said() == b'"sure?"\n'


@pytest.mark.parametrize("pattern", ["--pair0", "--pair1", "--bus"])
def test_both_ways(pattern: str, ipc: list[str]) -> None:
    with sockstack("cat", pattern, *ipc[:3], "-D", "ours", "-i", "0.05", "-Q") as near:
        near.listening()
        with nngcat(pattern, *ipc[3:], *FIRM, "-D", "theirs", "-Q") as far:
            assert [far.said(), near.said()] == [b'"ours"\n', b'"theirs"\n']


def test_values_behind_a_colon(ipc: list[str]) -> None:
    path = ipc[-1]
    with sockstack("cat", "--pull", f"--listen:ipc://{path}", "--count:2", "-v") as pull:
        pull.listening()
        for program in (nngcat, lambda *words: sockstack("cat", *words)):
            with program("--push", f"--dial:ipc://{path}", "--data:job:1") as push:
                assert push.end() == (0, b"", "")
        assert pull.end() == (0, b"job:1\n" * 2, "")
