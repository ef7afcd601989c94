"""Standard streams that are closed, full, or read by nobody."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.cli.streams import safe

from .programs import STRICT, Program, sockstack

CLOSED = "standard output: Bad file descriptor\n"
FULL = "standard output: No space left on device\n"

BROKEN = [
    (">&-", CLOSED),
    pytest.param(
        ">/dev/full",
        FULL,
        marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full"),
    ),
]


def redirected(how: str, *arguments: str) -> Program:
    """The command, with a redirection of the shell."""
    run = (sys.executable, *STRICT, "-m", "sockstack", *arguments)
    return Program("sh", "-c", f'exec "$@" {how}', "sh", *run)


@pytest.mark.parametrize(("how", "why"), BROKEN)
@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "prefix | tcp(h:1)"),
        ("bench", "--list"),
        ("cat", "--help"),
        ("demo", "--once"),
        ("--help",),
        ("--version",),
    ],
    ids=" ".join,
)
def test_what_cannot_be_printed_is_a_failure(
    arguments: tuple[str, ...], how: str, why: str
) -> None:
    with redirected(how, *arguments) as run:
        code, out, said = run.end()
    assert (code, out) == (1, b"")
    assert said.startswith("sockstack")
    assert said.endswith(why.removeprefix("standard output: "))
    assert said.count("\n") == 1


@pytest.mark.parametrize(("how", "why"), BROKEN)
def test_cat_says_so_when_the_first_message_comes(how: str, why: str, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with redirected(how, "cat", "--pull", "-X", path, "-v") as pull:
        pull.listening()
        with sockstack("cat", "--push", "-x", path, "-D", "x") as push:
            assert push.end() == (0, b"", "")
        assert pull.end() == (1, b"", f"sockstack cat: {why}")


@pytest.mark.parametrize("how", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_what_cannot_be_said_is_not_printed(how: str) -> None:
    if "full" in how and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    for arguments, code in (
        (("cat", "--pull", "-L", "0", "--recv-timeout", "0.1"), 1),
        (("explain", "prefix | inproc(x) |"), 2),
        (("cat", "--no-such-option"), 2),
    ):
        with redirected(how, *arguments) as run:
            assert run.end() == (code, b"", "")


def test_no_socket_gets_the_number_of_a_closed_stream() -> None:
    code = (
        "import socket, sys; from sockstack.cli.streams import fill_in; fill_in(); "
        "sys.exit(socket.socket().detach())"
    )
    with Program("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code) as run:
        assert run.end()[0] > 2


@given(st.text())
def test_what_is_shown_is_one_line_that_no_terminal_obeys(text: str) -> None:
    shown = safe(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


def test_what_is_hidden_can_be_told() -> None:
    assert safe("\x1b[2J\n\udc80ü") == r"\x1b[2J\n\udc80ü"
