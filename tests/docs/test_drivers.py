"""The tables of docs/drivers.md are those of the code."""

from __future__ import annotations

import builtins
import re

import sockstack
from sockstack.core import errors
from sockstack.core.head import Stats
from sockstack.drivers.blocking import burst

from .pages import ROOT

PAGE = (ROOT / "docs" / "drivers.md").read_text(encoding="utf-8")


def test_every_error_is_described() -> None:
    table = PAGE.partition("## Errors")[2]
    first_cells = "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    named = re.findall(r"`(\w+)`", first_cells)
    assert sorted(named) == sorted(set(errors.__all__) - {"SockstackError", "StackWarning"})


def test_other_bases_are_named() -> None:
    named = []
    for name, base in re.findall(r"^\| `(\w+)` \|.*; also an? `(\w+)`", PAGE, re.MULTILINE):
        assert issubclass(getattr(sockstack, name), vars(builtins)[base])
        named.append(base)
    assert named == ["OSError", "TimeoutError", "ConnectionError"]


def test_figures_of_bursts() -> None:
    assert burst.QUICK_SENDS + 1 == 5
    assert "from the fifth on they are collected" in PAGE
    assert f"up to {burst.FULL} messages of up to {burst.SMALL >> 10} KiB" in PAGE


def test_counters_exist() -> None:
    named = re.findall(r'stats\(\)\["(\w+)"\]', PAGE)
    section = PAGE[PAGE.index("`socket.stats()` also counts") :].split("\n- ")[0]
    named += re.findall(r"\(`(\w+)`\)", section)
    assert set(Stats().snapshot()) == {*named, "sent", "received"}
