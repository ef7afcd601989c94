"""The tables of docs/architecture.md are those of the code."""

from __future__ import annotations

import re

from sockstack.core import layer
from sockstack.core.junction import FairQueue
from sockstack.drivers.blocking.leadership import TABLE
from sockstack.transports.link import READ_SIZE

from .pages import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_table_of_leadership() -> None:
    rows = re.findall(r"^\| ([A-Z]+) \| ([A-Z]+) \| ([A-Z]+) \| ([A-Z]+) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (state.name, event.name, after.name, action.name)
        for (state, event), (after, action) in TABLE.items()
    ]


def test_every_room_is_described() -> None:
    rooms = {
        path.name
        for path in (ROOT / "src" / "sockstack").iterdir()
        if path.is_dir() and any(path.rglob("*.py"))
    }
    assert set(re.findall(r"^\| `(\w+)` \| .* \| (?:yes|no) \|$", PAGE, re.MULTILINE)) == rooms


def test_the_calls_of_the_contract() -> None:
    for way, calls in (("down", layer.DOWN), ("up", layer.UP)):
        found = re.search(rf"^\| {way} \| (.*) \|$", PAGE, re.MULTILINE)
        assert found is not None
        assert set(re.findall(r"`(\w+)`", found[1])) == set(calls)


def test_figures() -> None:
    queue: FairQueue[bytes] = FairQueue()
    assert queue._high == 8
    assert "eight batches waiting" in PAGE
    assert READ_SIZE == 64 << 10
    assert "at most 64 KiB for each read" in PAGE
