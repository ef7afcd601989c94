"""How connections end over each transport, as who uses them sees it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sockstack import Inproc, Prefix, Pull, Push, Rep, Sp, Tcp, Unix
from sockstack.core.capabilities import MESSAGE, Capabilities, Requirement
from sockstack.core.errors import PeerAborted
from sockstack.core.filtering import Filter
from sockstack.core.layer import Chunks
from sockstack.core.spec import Build, Kind, LayerSpec, MessageFilter
from sockstack.transports.inproc import HIGH

from .both import Driver, until
from .conftest import PATIENCE, Place, pair

names = itertools.count()

POISON = b"poison"


class FaultyLayer(Filter):
    """Raises where it should refuse."""

    infallible = True

    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        return list(units)

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        if POISON in units:
            raise ZeroDivisionError("a bug")
        return [*units]


@dataclass(frozen=True)
class Faulty(LayerSpec, MessageFilter):
    """A filter with a bug."""

    name: ClassVar[str] = "faulty"
    kind: ClassVar[Kind] = Kind.FILTER

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (MESSAGE,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below

    def build(self, build: Build) -> FaultyLayer:
        return FaultyLayer()


@pytest.fixture(autouse=True)
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What bugs write into the log is not shown."""
    with caplog.at_level(logging.CRITICAL, logger="sockstack.link"):
        yield


async def test_a_filter_of_the_receiver_that_raises(driver: Driver, anywhere: Place) -> None:
    """It costs the connection, at both ends; the sender comes again, and all goes on."""
    server = driver.socket(Faulty() | Pull(), timeout=PATIENCE)
    listener = server.listen(anywhere.listen)
    client = driver.socket(Push(), timeout=PATIENCE, reconnect_min=0.001)
    await client.reach(anywhere.dial(listener), PATIENCE)
    await until(lambda: client.pipes)
    [first] = client.pipes
    await client.send_many([POISON] + [b"behind"] * (2 * HIGH))
    await until(lambda: any(pipe.id != first.id for pipe in client.pipes))
    await client.send(b"well")
    while await server.recv() != b"well":
        pass
    assert listener.stats().lost == 1


async def test_what_nobody_received_is_counted(driver: Driver) -> None:
    place = Place("inproc", Sp() | Inproc(f"ending-{next(names)}"))
    client, _ = await pair(driver, place, Push(), Faulty() | Pull())
    await client.send(POISON)
    await until(lambda: client.stats()["lost"])
    assert client.stats()["lost"] == len(POISON)


def message_stack(kind: str, directory: Path) -> Any:
    """A place for connections of messages."""
    if kind == "inproc":
        return Inproc(f"ending-{next(names)}")
    return Prefix(4) | (Tcp("127.0.0.1:0") if kind == "tcp" else Unix(str(directory / "s")))


@pytest.mark.parametrize("orderly", [True, False])
@pytest.mark.parametrize("kind", ["inproc", "tcp", "unix"])
async def test_who_waits_for_room_is_told_that_the_peer_has_gone(
    driver: Driver, tmp_path: Path, kind: str, orderly: bool
) -> None:
    stack = message_stack(kind, tmp_path)
    listener = driver.listen(stack, timeout=PATIENCE)
    accepting = asyncio.ensure_future(listener.accept())
    near = await driver.dial(
        Prefix(4) | Tcp(listener.address) if kind == "tcp" else stack, timeout=PATIENCE
    )
    far = driver.keep(await accepting)

    async def fill() -> None:
        while True:
            await near.send(bytes(65536))

    filling = asyncio.ensure_future(fill())
    await until(lambda: not near._core._writable)
    if orderly:
        await driver.close(far)
    else:
        far.abort()
    with pytest.raises(PeerAborted):
        await filling


async def test_a_file_is_removed_from_where_it_was_made(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rep = driver.socket(Rep())
    rep.listen(Sp() | Unix("s"))
    assert os.listdir(tmp_path) == ["s"]
    monkeypatch.chdir("/")
    await driver.close(rep)
    assert os.listdir(tmp_path) == []
