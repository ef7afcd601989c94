"""Results as text: one table for a terminal, one for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .page import fill

if TYPE_CHECKING:
    from pathlib import Path

    from .cases import Case
    from .results import Comparison, Results, Spread

__all__ = ["MARK", "markdown_table", "text_table", "update_page"]

MARK = "benchmark"
"""What the place for the table is called on a page."""

HEAD = ("what", "beside", "sockstack", "peer", "result", "least to most", "to reach", "beyond", "")


def text_table(results: Results) -> str:
    """The table for a terminal, with what has no place in it below."""
    rows = [HEAD, *(_row(entry) for entry in results.comparisons())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    rest = [*(_alone(*entry) for entry in results.alone()), *results.notes, _about(results)]
    return "\n".join([*lines, "", *rest])


def markdown_table(results: Results) -> str:
    """The table for a page."""
    lines = [f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    lines += [f"| {' | '.join(_row(entry))} |" for entry in results.comparisons()]
    lines += ["", _about(results)]
    if results.notes:
        lines += ["", *(f"- {note}" for note in results.notes)]
    return "\n".join(lines)


def update_page(page: Path, results: Results) -> None:
    """Put the table between the two marks of a page.

    Raises:
        ValueError: the page has no such marks.
    """
    fill(page, MARK, markdown_table(results))


def _row(entry: Comparison) -> tuple[str, ...]:
    unit = entry.case.measure.value
    return (
        entry.case.title,
        entry.against.peer.label,
        f"{figure(entry.ours.middle)} {unit}",
        f"{figure(entry.theirs.middle)} {unit}",
        _result(entry, entry.result.middle),
        f"{_result(entry, entry.result.least)} to {_result(entry, entry.result.most)}",
        _mark(entry, entry.against.reach),
        _mark(entry, entry.against.beyond),
        entry.verdict,
    )


def _result(entry: Comparison, value: float) -> str:
    if entry.case.measure.is_difference:
        return f"{value:+.3f}" if abs(value) < 1 else f"{value:+.1f}"
    return f"{value:.2f} ×"


def _mark(entry: Comparison, mark: float | None) -> str:
    if mark is None:
        return ""
    return f"{'≥' if entry.case.measure.more_is_better else '≤'} {mark:g}"


def _alone(case: Case, label: str, spread: Spread) -> str:
    return f"{case.title}: {label} alone gave {figure(spread.middle)} {case.measure.value}"


def _about(results: Results) -> str:
    about = results.about
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    loop = ", asyncio on uvloop" if about["uvloop"] else ""
    return (
        f"{about['when']}: {about['python']} on {about['system']}, {about['cpus']} CPUs, "
        f"load {about['load']:g} before, {versions}; "
        f"median of {about['rounds']} rounds of {about['seconds']:g} s{loop}."
    )


def figure(value: float) -> str:
    """Three digits, or all before the point."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
