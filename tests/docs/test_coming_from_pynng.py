"""docs/coming-from-pynng.md leaves nothing of pynng out, and names nothing that is not here."""

from __future__ import annotations

import inspect
from itertools import pairwise

import pytest

from .names import exists, names_in
from .pages import ROOT, blocks, section, tables, wanted_output

PATH = ROOT / "docs" / "coming-from-pynng.md"
PAGE = PATH.read_text(encoding="utf-8")

ROWS = [row for table in tables(section(PAGE, "The table")) for row in table[1:]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_named_exists(row: list[str]) -> None:
    _, ours, remark = row
    assert all(map(exists, names_in(ours)))
    assert ours or remark, "what is missing has a reason"


def test_nothing_is_left_out() -> None:
    """Every class, keyword, method, attribute and exception of pynng has its place."""
    pynng = pytest.importorskip("pynng", reason="pynng is not installed", exc_type=ImportError)
    named = [name for row in ROWS for name in names_in(row[0]) if "=" not in name]
    assert len(named) == len(set(named)), "something is there twice"

    kinds = [
        kind
        for kind in vars(pynng).values()
        if inspect.isclass(kind) and issubclass(kind, pynng.Socket) and kind is not pynng.Socket
    ]
    wanted = {kind.__name__ for kind in kinds}
    for kind in (pynng.Socket, *kinds):
        wanted |= {
            name
            for name, parameter in inspect.signature(kind).parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD
        }
    others = (pynng.Context, pynng.Pipe, pynng.Dialer, pynng.Listener, pynng.Message)
    for owner in (pynng.Socket, *others, pynng.TLSConfig):
        wanted |= {f"{owner.__name__}.{name}" for name in dir(owner) if not name.startswith("_")}
    wanted |= {f"TLSConfig({name})" for name in inspect.signature(pynng.TLSConfig).parameters}
    wanted |= {"Sub0.subscribe", "Sub0.unsubscribe"}
    wanted |= {
        name
        for name, kind in vars(pynng.exceptions).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert set(named) == wanted


def test_before_and_after_end_with_the_same() -> None:
    programs = blocks(PATH, "python")
    pairs = list(pairwise(programs))[::2]
    assert len(pairs) == 3
    for before, after in pairs:
        assert "import pynng" in before.text
        assert "import pynng" not in after.text
        assert wanted_output(before.text)[-1] == wanted_output(after.text)[-1]
