"""A process that takes connections over: ``python -m tests.proofs.worker DRIVER LAYER DESCRIPTOR``.

The descriptor is a Unix socket. What comes on the connections that are handed over there is answered until their peers
end; the process ends with the channel.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Any

import sockstack
import sockstack.asyncio
from sockstack import Line, Prefix

__all__ = ["answer"]

LAYERS: dict[str, Any] = {"line": Line(), "prefix": Prefix(4)}


def answer(pid: int, body: bytes) -> bytes:
    """What process ``pid`` makes of a line or a message."""
    return b"%d: %d bytes, %s" % (pid, len(body), body[-40:])


def blocking(channel: socket.socket, layer: Any) -> None:
    """Take over by the blocking driver."""
    while True:
        try:
            connection = sockstack.take_over(channel, layer)
        except EOFError:
            return
        with connection:
            for body in connection:
                connection.send(answer(os.getpid(), body))


async def awaited(channel: socket.socket, layer: Any) -> None:
    """Take over on asyncio."""
    while True:
        try:
            connection = await sockstack.asyncio.take_over(channel, layer)
        except EOFError:
            return
        async with connection:
            async for body in connection:
                await connection.send(answer(os.getpid(), body))


def main(driver: str, layer: str, descriptor: str) -> None:
    """Be the worker."""
    with socket.socket(fileno=int(descriptor)) as channel:
        if driver == "blocking":
            blocking(channel, LAYERS[layer])
        else:
            asyncio.run(awaited(channel, LAYERS[layer]))


if __name__ == "__main__":
    main(*sys.argv[1:])
