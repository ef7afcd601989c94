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
