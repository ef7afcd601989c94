"""Figures of one benchmark, compared with the marks, and kept as JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import TYPE_CHECKING, Any

from .cases import CASES, Against, Case

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Comparison", "Results", "Spread", "machine"]


@dataclass(frozen=True)
class Spread:
    """A median and what it lies between."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: list[float]) -> Spread:
        """The spread of at least one figure."""
        return cls(median(figures), min(figures), max(figures))


@dataclass(frozen=True)
class Comparison:
    """A peer beside us in one case.

    Attributes:
        case: what was measured.
        against: the peer and the marks.
        ours, theirs: figures in the case's unit.
        result: ratio or difference, taken round by round.
    """

    case: Case
    against: Against
    ours: Spread
    theirs: Spread
    result: Spread

    def reaches(self, mark: float) -> bool:
        """Whether the median is at the mark or better."""
        if self.case.measure.more_is_better:
            return self.result.middle >= mark
        return self.result.middle <= mark

    @property
    def verdict(self) -> str:
        """``beyond``, ``pass``, ``MISS``, or ``shown`` where there is no mark."""
        if self.against.reach is None:
            return "shown"
        if self.against.beyond is not None and self.reaches(self.against.beyond):
            return "beyond"
        return "pass" if self.reaches(self.against.reach) else "MISS"


@dataclass(frozen=True)
class Results:
    """What a benchmark gave.

    Attributes:
        about: when, where and how it was measured.
        figures: by case and contender, a figure a round; a case that failed has none.
        notes: what was skipped or failed, and why.
    """

    about: dict[str, Any]
    figures: dict[str, dict[str, list[float]]]
    notes: list[str]

    def comparisons(self) -> list[Comparison]:
        """All pairs that were measured, in the order of the cases."""
        found: list[Comparison] = []
        for case in CASES:
            figures = self.figures.get(case.name, {})
            ours = figures.get(case.ours.label)
            for against in case.against:
                theirs = figures.get(against.peer.label)
                if ours and theirs:
                    found.append(_compare(case, against, ours, theirs))
        return found

    def alone(self) -> list[tuple[Case, str, Spread]]:
        """Figures that have nothing of ours, or no peer's, beside them."""
        paired = {(entry.case.name, entry.against.peer.label) for entry in self.comparisons()}
        paired |= {(entry.case.name, entry.case.ours.label) for entry in self.comparisons()}
        return [
            (case, label, Spread.of(figures))
            for case in CASES
            for label, figures in self.figures.get(case.name, {}).items()
            if figures and (case.name, label) not in paired
        ]

    def save(self, path: Path) -> None:
        """Write JSON: the figures, and for readers what was made of them."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "about": self.about,
            "notes": self.notes,
            "comparisons": [
                {
                    "case": entry.case.name,
                    "title": entry.case.title,
                    "unit": entry.case.measure.value,
                    "ours": entry.ours.middle,
                    "peer": entry.against.peer.label,
                    "theirs": entry.theirs.middle,
                    "compared_by": "difference" if entry.case.measure.is_difference else "ratio",
                    "median": entry.result.middle,
                    "min": entry.result.least,
                    "max": entry.result.most,
                    "reach": entry.against.reach,
                    "beyond": entry.against.beyond,
                    "verdict": entry.verdict,
                }
                for entry in self.comparisons()
            ],
            "figures": self.figures,
        }
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Results:
        """What :meth:`save` wrote, compared with the marks of today."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["about"], content["figures"], content["notes"])


def _compare(case: Case, against: Against, ours: list[float], theirs: list[float]) -> Comparison:
    pairs = list(zip(ours, theirs, strict=True))
    if case.measure.is_difference:
        results = [mine - other for mine, other in pairs]
    else:
        results = [mine / other for mine, other in pairs]
    return Comparison(case, against, Spread.of(ours), Spread.of(theirs), Spread.of(results))


def machine() -> dict[str, Any]:
    """Where it is measured: the system and how busy it is, the interpreter, the versions of all that takes part."""
    versions: dict[str, str] = {}
    for name in ("sockstack", "pyzmq", "pynng", "nng", "uvloop"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": versions,
    }
