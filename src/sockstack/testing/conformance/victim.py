"""A process that connects, says so, and waits to be killed."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from unittest import SkipTest

from ...core.transport import TransportSpec

__all__ = ["ALIVE", "main", "start_victim"]

ALIVE = b"alive"
"""What it sends when it is connected."""

PROGRAM = f"from {__name__} import main; main()"


def start_victim(spec: TransportSpec) -> subprocess.Popen[bytes]:
    """Start it; it dials ``spec``. It ends by itself when this process does.

    Raises:
        SkipTest: the spec cannot be sent to another process.
    """
    try:
        parcel = pickle.dumps(spec)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SkipTest(f"the spec cannot be sent to another process: {error}") from None
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    peer = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, env=environment)
    assert peer.stdin is not None
    peer.stdin.write(parcel)
    peer.stdin.flush()
    return peer


def main() -> None:
    """What the process does."""
    import sockstack

    spec = pickle.load(sys.stdin.buffer)  # noqa: S301  # our own parent has written it
    connection = sockstack.dial(spec)
    connection.send(ALIVE)
    sys.stdin.buffer.read()
