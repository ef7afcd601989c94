"""What all tests share."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("sockstack", deadline=None)
settings.load_profile("sockstack")


def pytest_configure(config: pytest.Config) -> None:
    # Under -bb: hypothesis looks up what it has tried, bytes and numbers, in one table.
    config.addinivalue_line("filterwarnings", r"ignore:Comparison:BytesWarning:hypothesis\.")
    # What a shell runs in the background ignores Ctrl-C, and so would all children of the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)
