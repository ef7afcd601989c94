"""The layers and the transport that the documentation writes work, pass the kits and the type checker, as it says."""

from __future__ import annotations

import itertools
import os
import re
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sockstack

from .pages import ROOT, blocks, wanted_output

LAYER = ROOT / "docs" / "writing-a-layer.md"
TRANSPORT = ROOT / "docs" / "writing-a-transport.md"

EACH_PAGE = pytest.mark.parametrize("page", [LAYER, TRANSPORT], ids=lambda page: page.stem)


def program(page: Path, *, whole: bool = True) -> str:
    """The Python of a page, in order; if it is not ``whole``, without the blocks that print."""
    parts = [block.text for block in blocks(page, "python")]
    return "\n".join(part for part in parts if whole or "print(" not in part)


def output(page: Path) -> Iterator[str]:
    """What the page says that its program prints: behind each ``print``, or in the block that follows."""
    shown = sorted((*blocks(page, "python"), *blocks(page, "text")), key=lambda block: block.line)
    for block, after in itertools.pairwise((*shown, None)):
        assert block is not None
        if block.language == "text":
            continue
        said = wanted_output(block.text)
        yield from said
        prints = block.text.count("print(")
        if after is not None and after.language == "text":
            prints -= 1
            yield from after.text.splitlines()
        assert prints == len(said), f"{block}: each print needs what it prints"


def python(room: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a directory of its own."""
    environment = dict(os.environ)
    source = str(Path(sockstack.__file__).parents[1])
    if source not in site.getsitepackages():  # where mypy looks by itself, and refuses to be told
        environment["MYPYPATH"] = source
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=room,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def run_kits(room: Path, code: str, test: str = "") -> subprocess.CompletedProcess[str]:
    """Run the kits in some code, all tests or one (``Kit::test``), as those who copy it would."""
    (room / "test_page.py").write_text(code, encoding="utf-8")
    what = f"test_page.py::{test}" if test else "test_page.py"
    return python(room, "-m", "pytest", "-v", "-W", "error", "-p", "no:cacheprovider", what)


@EACH_PAGE
def test_it_prints_what_is_said(page: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program(page), encoding="utf-8")
    run = python(tmp_path, "-X", "dev", "-W", "error", "program.py")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == list(output(page))
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"], "something was left"


@pytest.mark.timeout(300)
@EACH_PAGE
def test_types(page: Path, tmp_path: Path) -> None:
    """mypy takes the code, and refuses what the page says that it refuses."""
    refused = re.findall(r"mypy\b[^.]*\brefuses `(.+?)`", page.read_text(encoding="utf-8"))
    assert len(refused) == (page == LAYER)
    code = program(page)
    (tmp_path / "program.py").write_text("\n".join((code, *refused, "")), encoding="utf-8")
    command = ["-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    command += ["--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}", "program.py"]
    run = python(tmp_path, *command)
    assert run.stderr == ""
    places = re.findall(r"^program\.py:(\d+): error", run.stdout, re.MULTILINE)
    first = code.count("\n") + 2
    assert places == [str(first + index) for index in range(len(refused))], run.stdout


@pytest.mark.timeout(300)
@EACH_PAGE
def test_the_kits_pass(page: Path, tmp_path: Path) -> None:
    code = program(page, whole=False)
    kits = re.findall(r"^class (Test\w+)\(", code, re.MULTILINE)
    assert len(kits) == 2
    run = run_kits(tmp_path, code)
    assert run.returncode == 0, run.stdout
    for kit in kits:
        assert re.search(rf"::{kit}::\w+ PASSED", run.stdout), kit


FAULTS = (
    (LAYER, "            room -= 1\n", "", "TestLsp::test_one_unit_for_one_credit"),
    (LAYER, "        self.refused += out.count(None)\n", "", "TestTag::test_garbage"),
    (LAYER, "if len(data) - pos >= LONGEST", "if not data", "TestLsp::test_garbage"),
    (
        LAYER,
        "if size > self._limit:\n                self",
        "if not data:\n                self",
        "TestLsp::test_garbage",
    ),
    (TRANSPORT, "self._path if known", "None if known", "TestPortFile::test_metadata"),
    (
        TRANSPORT,
        "raise socket_error(",
        "raise OSError(",
        "TestPortFile::test_second_bind_is_refused",
    ),
)
"""Pages, what is taken away from their code, what is put there instead, and the test of a kit that must notice."""


@pytest.mark.parametrize(("page", "old", "new", "test"), FAULTS, ids=[fault[3] for fault in FAULTS])
def test_the_kits_notice(page: Path, old: str, new: str, test: str, tmp_path: Path) -> None:
    code = program(page, whole=False)
    assert code.count(old) == 1
    run = run_kits(tmp_path, code.replace(old, new), test)
    assert f"::{test} FAILED" in run.stdout


USE = """
from sockstack import dial, listen

def talk(listener):
    with dial(PortFile("demo.port"), timeout=10) as client, listener.accept() as server:
        client.send(b"hello")
        assert server.recv_exactly(5) == b"hello"
"""

FORK = """
with listen(PortFile("demo.port"), timeout=10, inherit=True) as listener:
    child = os.fork()
    if not child:
        listener.close()
        os._exit(0)
    assert os.waitpid(child, 0) == (child, 0)
    talk(listener)
assert not os.path.exists("demo.port")
"""

KILL = """
listener = listen(PortFile("demo.port"))
os.kill(os.getpid(), 9)
"""

AGAIN = """
with listen(PortFile("demo.port"), timeout=10) as listener:
    talk(listener)
"""


def run_transport(room: Path, code: str) -> tuple[int, str]:
    """Run some code that uses the transport; its exit code and what it complains about."""
    whole = program(TRANSPORT, whole=False) + USE + code
    quiet = "ignore:This process:DeprecationWarning"  # of forks where there are threads
    run = python(room, "-X", "dev", "-W", "error", "-W", quiet, "-c", whole)
    return run.returncode, run.stderr


def test_a_forked_child_leaves_the_file(tmp_path: Path) -> None:
    assert run_transport(tmp_path, FORK) == (0, "")


def test_a_file_that_was_left_behind_is_used_again(tmp_path: Path) -> None:
    assert run_transport(tmp_path, KILL) == (-9, "")
    assert (tmp_path / "demo.port").exists()
    assert run_transport(tmp_path, AGAIN) == (0, "")
