"""The pages of the documentation, and the code in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "blocks", "section", "tables", "wanted_output"]

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINT = re.compile(r"^\s*print\(.*\)  +# (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        page: the file that it is in.
        line: where it begins.
        language: what stands behind the fence.
        text: the code.
    """

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of one language on a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in _FENCE.finditer(text)
        if found[1] == language
    ]


def wanted_output(code: str) -> list[str]:
    """What the calls of ``print`` are said to print, by the remarks behind them."""
    return _PRINT.findall(code)


def section(text: str, title: str) -> str:
    """What stands under a headline of a page, up to the next of its rank."""
    found = re.search(
        rf"^(##+) {re.escape(title)}\n(.*?)(?=^\1 |^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, title
    return found[2]


def tables(text: str) -> list[list[list[str]]]:
    """The tables in a text: rows of cells, heads included."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not inside:
            found.append([])
        if not set("".join(cells)) <= set("-: "):  # else the line below the head
            found[-1].append(cells)
        inside = True
    return found
