"""All patterns with NNG 2, by the package ``nng``, which has no PAIR with many peers, and is built without TLS."""

from __future__ import annotations

import pytest

from ..drivers.both import Driver
from .exchange import CASES, Start, exchange, matrix
from .places import Place

nng = pytest.importorskip("nng", reason="nng is not installed", exc_type=ImportError)

pytestmark = pytest.mark.interop

THEIRS = [case for case in CASES if case != ("poly", "poly")]


@pytest.mark.parametrize(
    ("driver", "place", "role", "theirs", "how"),
    matrix([*THEIRS, ("poly", "pair1")], ["tcp", "ipc", "abstract"]),
    indirect=["driver", "place"],
)
async def test_sizes(
    driver: Driver, start: Start, place: Place, role: str, theirs: str, how: str
) -> None:
    """From none to 16 MiB, and each side's bytes arrive as they were."""
    await exchange(driver, start, "nng", role, theirs, how, place, "large")


@pytest.mark.parametrize(
    ("driver", "place", "role", "theirs", "how"),
    [
        ("blocking", "tcp", "push", "pull", "listen"),
        ("asyncio", "tcp", "pull", "push", "dial"),
        ("asyncio", "ipc", "push", "pull", "dial"),
        ("blocking", "ipc", "pull", "push", "listen"),
    ],
    indirect=["driver", "place"],
)
async def test_a_hundred_thousand_in_order(
    driver: Driver, start: Start, place: Place, role: str, theirs: str, how: str
) -> None:
    await exchange(driver, start, "nng", role, theirs, how, place, "order")


@pytest.mark.skipif(
    nng.tls_engine_name() != "none", reason="this build of nng has TLS, which is not tried here"
)
def test_it_has_no_tls() -> None:
    """This is why TLS is not among the places above."""
    with nng.PullSocket() as pull, pytest.raises(nng.NngNotSupported):
        pull.add_listener("tls+tcp://127.0.0.1:0")
