"""What all tests share."""

from __future__ import annotations

import os
import signal
import tempfile

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("sockstack", deadline=None)
settings.load_profile("sockstack")

ROOM = 24
"""Bytes of a temporary directory that leave room for what tests add: the address of a Unix socket has 107 bytes."""


def pytest_configure(config: pytest.Config) -> None:
    # Under -bb: hypothesis looks up what it has tried, bytes and numbers, in one table.
    config.addinivalue_line("filterwarnings", r"ignore:Comparison:BytesWarning:hypothesis\.")
    # What a shell runs in the background ignores Ctrl-C, and so would all children of the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if len(os.fsencode(tempfile.gettempdir())) > ROOM:
        # The system's own is short; this holds for the programs that tests start, too.
        os.environ.pop("TMPDIR", None)
        tempfile.tempdir = None
