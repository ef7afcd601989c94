"""The examples run by themselves, check what they show, and are listed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_runs_and_says_what_happens(file: Path) -> None:
    """As a user runs it, but with warnings as errors."""
    command = [sys.executable, "-W", "error", "-bb", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) >= 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_can_be_read_and_called(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree)
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "main" in functions


def test_all_are_listed() -> None:
    listed = re.findall(r"^\| \[`(\S+)`\]\((\S+)\) \|", (EXAMPLES / "README.md").read_text(), re.M)
    assert sorted(name for name, _ in listed) == [file.name for file in FILES]
    assert all(name == target for name, target in listed)


@pytest.mark.parametrize("name", ["events.py", "tls_then_plain.py"])
def test_temporary_files_may_be_deep_down(name: str, tmp_path: Path) -> None:
    """The address of a Unix socket has room for about 100 bytes."""
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env=os.environ | {"TMPDIR": str(deep)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(deep.iterdir())


def test_a_certificate_without_openssl(tmp_path: Path) -> None:
    """The other way to make one, on a machine without the command."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "tls_then_plain.py")],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
