"""A process that runs out of descriptors: ``python -m tests.drivers.starved DRIVER``. A limit is a process's own."""

from __future__ import annotations

import os
import resource
import socket
import sys
from typing import Any

import pytest

from sockstack import Rep, Req, Sp, Tcp

from .both import DRIVERS, BlockingDriver, Driver, in_thread, until
from .conftest import PATIENCE

HELLO = bytes.fromhex("0053500000300000")


async def ask(req: Any, rep: Any) -> None:
    """One question and its answer."""
    await req.send(b"question")
    assert await rep.recv() == b"question"
    await rep.send(b"answer")
    assert await req.recv() == b"answer"


async def starve(driver: Driver) -> None:
    """Connections come while no descriptor is left; they are accepted when there is one again."""
    rep = driver.socket(Rep(), timeout=PATIENCE)
    listener = rep.listen(Sp() | Tcp("127.0.0.1:0"))
    before = driver.socket(Req(), timeout=PATIENCE)
    await before.reach(Sp() | Tcp(listener.address), PATIENCE)
    await ask(before, rep)
    host, _, port = listener.address.rpartition(":")
    waiting = driver.listen(Tcp("127.0.0.1:0"), timeout=PATIENCE)
    early = driver.keep(await driver.dial(Tcp(waiting.address)))
    await until(lambda: waiting._core._ready)
    comers = [socket.socket() for _ in range(5)]
    taken = [os.dup(0)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, hard))
    try:
        while True:
            taken.append(os.dup(0))
    except OSError:
        pass
    if isinstance(driver, BlockingDriver):
        with pytest.raises(OSError, match="Too many open files"):  # each connection gets a hub
            await waiting.accept()
    for comer in comers:
        comer.connect((host, int(port)))
        comer.sendall(HELLO)
    core = rep._core.endpoints[0]
    await until(lambda: core.error)
    await ask(before, rep)
    assert len(rep.pipes) == 1
    for fd in taken:
        os.close(fd)
    for comer in comers:
        with comer:
            comer.settimeout(PATIENCE)
            assert len(await in_thread(comer.recv, 8)) == 8
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    accepted = driver.keep(await waiting.accept())
    await early.send(b"still there")
    assert await accepted.recv() == b"still there"
    after = driver.socket(Req(), timeout=PATIENCE)
    await after.reach(Sp() | Tcp(listener.address), PATIENCE)
    await ask(after, rep)
    await ask(before, rep)
    print("answered before, while and after")


if __name__ == "__main__":
    chosen = DRIVERS[sys.argv[1]]()
    chosen.run(starve(chosen))
