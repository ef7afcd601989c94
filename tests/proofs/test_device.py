"""Proof 5: ``Checksum | Req | Sp | Tcp`` through a device to a server that dies and comes back."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from sockstack import Checksum, Rep, Req, Sp, Tcp, Trace
from sockstack.core.head import Message

from ..drivers.both import Driver, in_thread, until

ROOT = Path(__file__).parents[2]

ASKERS = 4
REQUESTS = 40
"""Of each asker."""

DEATHS = (20, 60, 100)
"""How many requests have been answered when the server dies."""


class Server:
    """A server process that can be killed and started again where it was."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [
            sys.executable,
            "-m",
            "tests.proofs.server",
            self._stack,
            f"tcp://{self.address}",
        ]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self.address = lines.readline().strip()

    def freeze(self) -> None:
        """From now on nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()


def make_device(driver: Driver, inside: Any) -> Any:
    """A device for REQ and REP, closed with the driver."""
    device = driver.device(Rep(raw=True), Req(raw=True), inside=inside)
    assert device.front._hub is device.back._hub
    return device


@pytest.mark.parametrize("layer", ["nothing", "checksum", "trace"])
async def test_all_are_answered_and_none_wrongly(driver: Driver, layer: str) -> None:
    """The server dies again and again, with requests in its hands."""
    seen: list[str] = []
    inside = {"nothing": None, "checksum": Checksum(), "trace": Trace(seen.append)}[layer]
    process = await in_thread(
        Server, "checksum | checksum | rep" if layer == "checksum" else "checksum | rep"
    )
    try:
        device = make_device(driver, inside)
        device.back.dial(Sp() | Tcp(process.address))
        listener = device.front.listen(Sp() | Tcp("127.0.0.1:0"))
        req = driver.socket(
            Checksum() | Req(resend=0.1), dial=Sp() | Tcp(listener.address), timeout=30
        )
        answered = 0

        async def ask(asker: int) -> None:
            nonlocal answered
            context = req.context()
            for number in range(asker, ASKERS * REQUESTS, ASKERS):
                await context.send(b"%d" % number)
                assert int(await context.recv()) == number**2
                answered += 1

        async def die_at(count: int) -> None:
            await until(lambda: answered >= count)
            process.freeze()
            resent = req.stats()["resent"]
            await until(lambda: req.stats()["resent"] > resent)
            process.kill()
            await in_thread(process.start)

        asking = [asyncio.create_task(ask(asker)) for asker in range(ASKERS)]
        for count in DEATHS:
            await die_at(count)
        await asyncio.gather(*asking)
        assert answered == ASKERS * REQUESTS
        assert req.stats()["refused"] == device.front.stats()["refused"] == 0
        assert device.forwarded >= 2 * answered
        assert len(seen) >= (2 * answered if layer == "trace" else 0)
    finally:
        process.kill()


async def test_wrong_answers_are_refused_and_late_ones_dropped(driver: Driver) -> None:
    """A server that answers each request three times: mangled, well, and well once more."""
    device = make_device(driver, None)
    server = driver.socket(Rep(raw=True), timeout=20)
    device.back.dial(Sp() | Tcp(server.listen(Sp() | Tcp("127.0.0.1:0")).address))
    listener = device.front.listen(Sp() | Tcp("127.0.0.1:0"))
    req = driver.socket(Checksum() | Req(), dial=Sp() | Tcp(listener.address), timeout=20)

    for number in range(REQUESTS):
        question, answer = b"%d" % number, b"%d" % number**2
        await req.send(question)
        request = await server.recv_message()
        assert request.body == question + crc32(question).to_bytes(4, "big")
        good = answer + crc32(answer).to_bytes(4, "big")
        mangled = bytes([good[0] ^ 1]) + good[1:]
        for body in (mangled, good, good):
            await server.send_message(Message(body, request.header))
        assert await req.recv() == answer
    assert req.stats()["refused"] == REQUESTS
    assert req.stats()["stray"] >= REQUESTS - 1  # the last one may be on its way
