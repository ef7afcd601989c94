"""The code in the documentation runs, and prints what the page says."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys

import pytest

from sockstack.cli.main import main

from .pages import PAGES, ROOT, Block, blocks, wanted_output

WHOLE = (
    "README.md",
    "stacks.md",
    "drivers.md",
    "patterns.md",
    "coming-from-pynng.md",
    "cookbook.md",
)
"""Pages whose Python is whole programs; the others show fragments."""

PROGRAMS = [block for page in PAGES if page.name in WHOLE for block in blocks(page, "python")]
SESSIONS = [block for page in PAGES for block in blocks(page, "console")]

OPTIONAL = ("pynng", "trustme")
"""Modules that a page may use, and that not everybody has."""


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_programs_print_what_is_said(block: Block) -> None:
    wanted = wanted_output(block.text)
    assert block.text.count("print(") == len(wanted), "each print needs a remark: what it prints"
    for module in OPTIONAL:
        if f"import {module}" in block.text:
            pytest.importorskip(module)
    if "abstract://" in block.text and sys.platform != "linux":
        pytest.skip("names without a file exist on Linux only")
    code = block.text.replace("abstract://", f"abstract://{os.getpid()}-")
    for port in set(re.findall(r"127\.0\.0\.1:(\d{4})", code)):
        code = code.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == wanted


@pytest.mark.parametrize("block", SESSIONS, ids=str)
def test_sessions_show_what_is_said(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    first, _, rest = block.text.partition("\n")
    shown = ""
    while first:
        assert first.startswith("$ sockstack "), first
        output, _, following = rest.partition("$ ")
        main(shlex.split(first.removeprefix("$ sockstack ")))
        said = capsys.readouterr()
        assert said.out + said.err == output
        shown += output
        first, _, rest = f"$ {following}".partition("\n") if following else ("", "", "")
    assert shown


def test_the_readme_has_code() -> None:
    for language, least in (("python", 4), ("console", 1)):
        assert len(blocks(ROOT / "README.md", language)) >= least
