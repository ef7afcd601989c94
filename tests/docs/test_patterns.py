"""The tables of docs/patterns.md are those of the code, and of NNG."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

import sockstack
from sockstack import EventKind
from sockstack.core.head import Stats
from sockstack.core.junction import PRIORITY
from sockstack.drivers import endpoints, events
from sockstack.drivers.blocking import burst
from sockstack.patterns import backtrace, pair, survey, unicast
from sockstack.patterns.base import PatternSpec

from .names import REQUIRED, default_of, exists, names_in
from .pages import ROOT, section, tables

PAGE = (ROOT / "docs" / "patterns.md").read_text(encoding="utf-8")

PATTERNS: dict[str, Any] = {
    name: value
    for name in sockstack.__all__
    if isinstance(value := getattr(sockstack, name), type) and issubclass(value, PatternSpec)
}

TABLES = tables(PAGE)


def rows(*head: str) -> list[list[str]]:
    """The rows of all tables with that head."""
    return [row for table in TABLES if table[0] == list(head) for row in table[1:]]


def test_every_pattern_is_described() -> None:
    overview = rows("pattern", "sockets", "a message goes to", "who waits")
    assert [name for row in overview for name in names_in(row[1])] == [
        *("Req", "Rep", "Push", "Pull", "Pair0", "Pair1", "Pub", "Sub"),
        *("Surveyor", "Respondent", "Bus", "Star"),
    ]
    assert len(PATTERNS) == 12
    for row in overview:
        (anchor,) = re.findall(r"\(#(.*?)\)", row[0])
        titles: list[str] = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
        (title,) = [title for title in titles if title.lower().replace(" ", "-") == anchor]
        text = section(PAGE, title)
        for name in names_in(row[1]):
            assert f"{name}(" in text, f"{title} shows no {name}"


def test_every_option_with_its_default() -> None:
    described = {
        (name, option.strip("`"), default.strip("`"))
        for sockets, option, default, _ in rows("socket", "option", "default", "")
        for name in names_in(sockets)
    }
    options = {
        (name, entry.name, repr(entry.default))
        for name, pattern in PATTERNS.items()
        for entry in dataclasses.fields(pattern)
    }
    raw = {(name, "raw", "False") for name in PATTERNS}
    assert described == options - raw
    assert raw <= options
    assert "`raw=True` on any pattern" in PAGE


def test_options_stand_in_the_section_of_their_pattern() -> None:
    for title, text in re.findall(r"^## (.*)\n((?:.*\n)*?)(?=## )", PAGE, re.MULTILINE):
        for table in tables(text):
            if table[0] == ["socket", "option", "default", ""]:
                named = {name for row in table[1:] for name in names_in(row[0])}
                assert all(name.rstrip("01").upper() in title for name in named), title


def test_what_is_dropped_is_counted() -> None:
    counters = [name for _, cell in rows("dropped", "counted as") for name in names_in(cell)]
    kinds = set(Stats.__slots__) - {"sent", "received", "resent", "refused"}
    assert set(counters) == kinds


def test_every_counter_is_described() -> None:
    assert [row[0].strip("`") for row in rows("counter", "")] == list(Stats.__slots__)


def test_every_kind_of_event_is_described() -> None:
    assert [row[0].strip("`") for row in rows("kind", "")] == [kind.name for kind in EventKind]


def test_every_raw_header_is_described() -> None:
    raw = rows("socket", "received header", "header to send")
    assert sorted(name for row in raw for name in names_in(row[0])) == sorted(PATTERNS)


def test_priorities() -> None:
    for calls, option, default, _ in rows("call", "option", "default", ""):
        for call in names_in(calls):
            assert default_of(f"{call}({option.strip('`')})") == int(default.strip("`")) == PRIORITY
    assert f"from 1, served first, to {endpoints.LOWEST_PRIORITY}; {PRIORITY} unless" in PAGE


def test_figures() -> None:
    assert f"up to {unicast.MOST_WAITING} |" in PAGE
    assert (pair.BACKLOG, survey.SURVEYS) == (2, 8)
    assert "for which two wait already" in PAGE
    assert "for which eight wait already" in PAGE
    assert f"1 to {backtrace.MOST_WORDS}" in PAGE
    assert f"At most {events.KEPT:,} events wait" in PAGE
    assert f"a burst is up to {burst.FULL} messages" in PAGE
    assert f"at most {(1 << 20) - 4:,} bytes" in PAGE


NNG = rows("NNG", "its default", "here", "default", "why it differs, or is missing")


@pytest.mark.parametrize("row", NNG, ids=lambda row: row[0] or row[2])
def test_what_stands_for_an_option_of_nng(row: list[str]) -> None:
    _, _, ours, default, why = row
    names = names_in(ours)
    assert names or ours.endswith("none"), "something stands for it, or nothing does"
    assert names or why, "what is missing has a reason"
    assert all(map(exists, names))
    if default:
        (option,) = names
        wanted = REQUIRED if default == REQUIRED else ast.literal_eval(default.strip("`"))
        assert default_of(option) == wanted


NNG_OPTIONS = {
    *("recv-timeout", "send-timeout", "recv-buffer", "send-buffer", "recv-size-max"),
    *("reconnect-time-min", "reconnect-time-max", "ttl-max", "recv-fd", "send-fd", "socket-name"),
    *("raw", "protocol", "protocol-name", "peer", "peer-name"),
    *("req:resend-time", "req:resend-tick", "surveyor:survey-time"),
    *("sub:subscribe", "sub:unsubscribe", "sub:prefnew", "pair1:polyamorous"),
    *("tcp-nodelay", "tcp-keepalive", "tcp-bound-port", "local-address", "remote-address", "url"),
    *("ipc:permissions", "ipc:security-descriptor"),
    *("ipc:peer-uid", "ipc:peer-gid", "ipc:peer-pid", "ipc:peer-zoneid", "socket:fd"),
    *("tls-config", "tls-ca-file", "tls-cert-key-file", "tls-server-name", "tls-authmode"),
    *("tls-verified", "tls-peer-cn", "tls-peer-alt-names"),
    *("ws:request-headers", "ws:request-header:", "ws:request-uri"),
    *("ws:response-headers", "ws:response-header:", "ws:protocol"),
    *("ws:rxframe-max", "ws:txframe-max", "ws:recv-text", "ws:send-text"),
}
"""The options of NNG 1.11."""


def test_every_option_of_nng_is_described() -> None:
    assert {name for row in NNG for name in names_in(row[0])} == NNG_OPTIONS


@pytest.mark.interop
def test_nng_has_these_options() -> None:
    pytest.importorskip("pynng", reason="pynng is not installed", exc_type=ImportError)
    import pynng._nng

    library = Path(pynng._nng.__file__).read_bytes()
    unknown = {name for name in NNG_OPTIONS if name.encode() + b"\0" not in library}
    assert unknown <= {"ipc:security-descriptor"}, "which Windows has"
