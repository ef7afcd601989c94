"""Bursts of a socket that listens: its helper thread, which waits for new peers, leaves that to look after them."""

from __future__ import annotations

import contextlib

import pytest

from sockstack import Pull, Push, Sp, Tcp
from sockstack.core.errors import Deadline

from .both import Driver, in_thread, until
from .conftest import PATIENCE


@pytest.mark.parametrize("driver", ["blocking"], indirect=True)
async def test_the_tail_of_a_burst_arrives_from_one_that_listens(driver: Driver) -> None:
    push = driver.socket(Push(), timeout=PATIENCE)
    listener = push.listen(Sp() | Tcp("127.0.0.1:0"))
    pull = driver.socket(Pull(), timeout=PATIENCE)
    await pull.reach(Sp() | Tcp(listener.address), PATIENCE)
    await until(lambda: push.pipes)
    sent = [b"%d" % number for number in range(100)]

    def send() -> None:
        for body in sent:
            push.target.send(body)

    for _ in range(10):
        await until(lambda: push._hub._polling)  # the helper does
        await in_thread(send)
        got: list[bytes] = []
        while len(got) < len(sent):
            got += await pull.recv_many()
        assert got == sent


@pytest.mark.parametrize("driver", ["blocking"], indirect=True)
async def test_a_burst_that_nobody_takes_ends_with_its_socket(driver: Driver) -> None:
    """The helper finds messages of a socket that is closed; pytest would tell if it died of that."""
    push = driver.socket(Push(), timeout=0)
    listener = push.listen(Sp() | Tcp("127.0.0.1:0"))
    pull = driver.socket(Pull(), timeout=PATIENCE)
    await pull.reach(Sp() | Tcp(listener.address), PATIENCE)
    await until(lambda: push.pipes)

    def fill() -> None:
        with contextlib.suppress(Deadline):
            while True:
                push.target.send(b"x" * 2048)

    await in_thread(fill)
    assert push._outbox.messages
    await push.close(linger=0)
    await until(lambda: not push._hub._helper.running)
