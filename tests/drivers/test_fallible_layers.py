"""Layers of users that raise when they are given certain messages to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from sockstack import Deadline, Device, Inproc, Pull, Push, Rep, Req, Sp, StackError
from sockstack.extend import (
    MESSAGE,
    Build,
    Capabilities,
    Chunks,
    Filter,
    Kind,
    Layer,
    LayerSpec,
    MessageFilter,
    Requirement,
)

from .both import Driver, Threaded, in_thread
from .conftest import PATIENCE

COUNT = 40


@dataclass(frozen=True)
class Quiet(LayerSpec, MessageFilter):
    """Passes everything but what begins with an exclamation mark."""

    name: ClassVar[str] = "quiet"
    kind: ClassVar[Kind] = Kind.FILTER

    @property
    def requires(self) -> tuple[Requirement, ...]:
        return (MESSAGE,)

    def derive(self, below: Capabilities) -> Capabilities:
        return below

    def build(self, build: Build) -> Layer:
        return QuietLayer()


class QuietLayer(Filter):
    def encode(self, units: Sequence[Chunks]) -> list[Chunks]:
        for unit in units:
            if (unit if isinstance(unit, bytes) else unit[-1]).startswith(b"!"):
                raise ValueError("that is too loud")
        return list(units)

    def decode(self, units: list[bytes]) -> list[bytes | None]:
        return list(units)


@dataclass(frozen=True)
class Unbuilt(Quiet):
    """Its author has forgotten something."""

    name: ClassVar[str] = "unbuilt"

    def build(self, build: Build) -> Layer:
        raise NotImplementedError("build")


async def sends(push: object, bodies: list[bytes]) -> list[ValueError]:
    """Send them one after the other from one thread or task; the errors that came of it."""
    errors: list[ValueError] = []
    if isinstance(push, Threaded):

        def send() -> None:
            for body in bodies:
                try:
                    push.target.send(body)
                except ValueError as error:
                    errors.append(error)

        await in_thread(send)
    else:
        for body in bodies:
            try:
                await push.send(body)  # type: ignore[attr-defined]
            except ValueError as error:
                errors.append(error)
    return errors


BODIES = [b"%d" % number for number in range(COUNT)]
LOUD = [*BODIES[:30], b"!", *BODIES[30:]]


async def test_above_a_pattern_the_sender_is_told(driver: Driver) -> None:
    """And all other messages arrive, once."""
    pull = driver.socket(Pull(), listen="inproc://fallible", timeout=PATIENCE)
    push = driver.socket(Quiet() | Push(), timeout=PATIENCE)
    push.dial("inproc://fallible")
    await push.wait_for_peers()
    assert [str(error) for error in await sends(push, LOUD)] == ["that is too loud"]
    assert [await pull.recv() for _ in BODIES] == BODIES
    with pytest.raises(ValueError, match="too loud") as caught:
        await push.send_many(LOUD)
    assert caught.value.__notes__ == ["send_many: the first 30 messages were accepted"]
    assert [await pull.recv() for _ in range(30)] == BODIES[:30]
    assert await driver.close(push) == 0
    with pytest.raises(Deadline):
        await pull.recv(timeout=0)


async def test_below_a_pattern_what_was_accepted_is_dropped_and_counted(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    """If it was collected in a burst; else its sender is told."""
    where = Sp() | Quiet() | Inproc("fallible")
    pull = driver.socket(Pull(), timeout=PATIENCE)
    pull.listen(where)
    push = driver.socket(Push(), timeout=PATIENCE)
    push.dial(where)
    await push.wait_for_peers()
    errors = await sends(push, LOUD)
    assert [await pull.recv() for _ in BODIES] == BODIES
    assert len(errors) + push.stats()["lost"] == 1
    assert ("a layer cannot send b'!'" in caplog.text) is (not errors)
    caplog.clear()
    assert await driver.close(push) == 0


async def test_a_layer_that_cannot_be_built_fails_at_once(
    driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    pull = driver.socket(Pull(), timeout=PATIENCE)
    pull.listen("inproc://fallible")
    push = driver.socket(Push())
    with pytest.raises(Exception, match="internal fault: NotImplementedError") as caught:
        await push.reach(Sp() | Unbuilt() | Inproc("fallible"), PATIENCE)
    assert not isinstance(caught.value, Deadline)
    assert "a layer cannot be built" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("inside", [Push(), Sp(), Inproc("x")], ids=lambda each: each.name)
def test_what_is_no_filter_cannot_stand_in_a_device(inside: object) -> None:
    with pytest.raises(StackError, match="cannot stand where only filters of messages do"):
        Device(Rep(raw=True), Req(raw=True), inside=inside)  # type: ignore[arg-type]
