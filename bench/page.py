"""Putting what was measured into a page of the documentation, between two marks."""

from __future__ import annotations

from pathlib import Path

__all__ = ["fill"]


def fill(page: Path, mark: str, body: str) -> None:
    """Put ``body`` between ``<!-- MARK: begin -->`` and ``<!-- MARK: end -->``.

    Raises:
        ValueError: the page has no such marks.
    """
    first, last = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(
            f"{page} has no place for it: put {first} and {last} on lines of their own"
        )
    page.write_text(f"{before}{first}\n\n{body}\n\n{last}{after}", encoding="utf-8")
