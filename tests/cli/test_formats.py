"""How messages are printed."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockstack.cli.formats import FORMATS

BODY = b'a "b" \\ \n\r\t\x00\x7f\xff~'


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("lines", BODY + b"\n"),
        ("no", b""),
        ("raw", BODY),
        ("ascii", b'a "b" \\ ......~'),
        ("quoted", rb'"a \"b\" \\ \n\r\t\x00\x7f\xff~"' + b"\n"),
        ("hex", rb'"\x61\x20\x22\x62\x22\x20\x5c\x20\x0a\x0d\x09\x00\x7f\xff\x7e"' + b"\n"),
        ("msgpack", b"\xc4\x0f" + BODY),
    ],
)
def test_one_of_each(name: str, printed: bytes) -> None:
    assert FORMATS[name](BODY) == printed


def test_every_format_is_tested() -> None:
    assert list(FORMATS) == ["lines", "no", "raw", "ascii", "quoted", "hex", "msgpack"]


@given(st.binary())
def test_quoted_and_hex_are_one_line_that_says_what_was_sent(body: bytes) -> None:
    for name in ("quoted", "hex"):
        printed = FORMATS[name](body)
        assert printed.count(b"\n") == 1
        assert ast.literal_eval("b" + printed.decode("ascii")) == body


@given(st.binary())
def test_ascii_is_safe_to_show(body: bytes) -> None:
    printed = FORMATS["ascii"](body)
    assert len(printed) == len(body)
    assert all(0x20 <= byte <= 0x7E for byte in printed)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\xc4\x00"),
        (255, b"\xc4\xff"),
        (256, b"\xc5\x01\x00"),
        (65535, b"\xc5\xff\xff"),
        (65536, b"\xc6\x00\x01\x00\x00"),
    ],
)
def test_msgpack_heads(size: int, head: bytes) -> None:
    assert FORMATS["msgpack"](b"x" * size) == head + b"x" * size
