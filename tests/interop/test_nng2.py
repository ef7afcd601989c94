"""All patterns with NNG 2, by the package ``nng``, which has no PAIR with many peers."""

from __future__ import annotations

import pytest

from ..drivers.both import Driver
from .exchange import CASES, TCP, Start, exchange, matrix
from .places import Place

pytest.importorskip("nng", reason="nng is not installed", exc_type=ImportError)

pytestmark = pytest.mark.interop

THEIRS = [case for case in CASES if case != ("poly", "poly")]


@pytest.mark.parametrize(
    ("driver", "place", "role", "theirs", "how"),
    matrix([*THEIRS, ("poly", "pair1")], ["tcp"]) + matrix([("req", "rep")], ["ipc", "abstract"]),
    indirect=["driver", "place"],
)
async def test_sizes(
    driver: Driver, start: Start, place: Place, role: str, theirs: str, how: str
) -> None:
    """From none to 16 MiB, and each side's bytes arrive as they were."""
    await exchange(driver, start, "nng", role, theirs, how, place, "large")


@pytest.mark.parametrize(
    ("driver", "role", "theirs"),
    [("blocking", "push", "pull"), ("asyncio", "pull", "push")],
    indirect=["driver"],
)
async def test_ten_thousand_in_order(driver: Driver, start: Start, role: str, theirs: str) -> None:
    await exchange(driver, start, "nng", role, theirs, "listen", TCP, "many")
