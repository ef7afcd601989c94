"""Results as a picture: a bar a comparison, as an SVG file without any library."""

from __future__ import annotations

from html import escape
from math import log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .results import Comparison, Results

__all__ = ["chart"]

BAR = 18
STEP = 26
LABELS = 500
WIDTH = 420
HEAD = 58
COLOURS = {"beyond": "#1a7f37", "pass": "#4c9f70", "MISS": "#c0392b", "shown": "#8a94a6"}


def chart(results: Results) -> str:
    """How many times as fast as the peer, on a logarithmic scale, with a tick at each mark.

    A bar to the right of the line means that sockstack is faster. Differences are not drawn.
    """
    entries = [entry for entry in results.comparisons() if not entry.case.measure.is_difference]
    factors = [_factor(entry, entry.result.middle) for entry in entries]
    marks = [
        None if entry.against.reach is None else _factor(entry, entry.against.reach)
        for entry in entries
    ]
    known = [1.0, *factors, *(mark for mark in marks if mark is not None)]
    low, high = log10(min(known)) - 0.08, log10(max(known)) + 0.2

    def across(factor: float) -> float:
        return LABELS + WIDTH * (log10(factor) - low) / (high - low)

    height = HEAD + STEP * len(entries) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABELS + WIDTH + 60} {height}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img" '
        'aria-label="How many times as fast as each peer">',
        f'<rect width="100%" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="22" font-size="15" font-weight="600">sockstack, times as fast as …</text>',
        '<text x="12" y="42" fill="#57606a">bars on a logarithmic scale; a tick is the mark to reach</text>',
    ]
    for place, (entry, factor, mark) in enumerate(zip(entries, factors, marks, strict=True)):
        top = HEAD + STEP * place
        start, end = sorted((across(1.0), across(factor)))
        label = escape(f"{entry.case.title} · {entry.against.peer.label}")
        lines += [
            f'<text x="{LABELS - 8}" y="{top + 14}" text-anchor="end">{label}</text>',
            f'<rect x="{start:.1f}" y="{top}" width="{max(end - start, 1):.1f}" height="{BAR}" '
            f'fill="{COLOURS[entry.verdict]}"/>',
            f'<text x="{max(end, across(mark or 1.0)) + 8:.1f}" y="{top + 14}">{factor:.2f}</text>',
        ]
        if mark is not None:
            x = f"{across(mark):.1f}"
            lines.append(f'<path d="M{x} {top - 3}v{BAR + 6}" stroke="#24292f" stroke-width="2"/>')
    x = f"{across(1.0):.1f}"
    lines += [f'<path d="M{x} {HEAD - 6}V{height - 6}" stroke="#57606a"/>', "</svg>", ""]
    return "\n".join(lines)


def _factor(entry: Comparison, ratio: float) -> float:
    return ratio if entry.case.measure.more_is_better else 1 / ratio
