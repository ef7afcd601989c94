"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("sockstack", deadline=None)
settings.load_profile("sockstack")


def pytest_configure(config: pytest.Config) -> None:
    # Under -bb: hypothesis looks up what it has tried, bytes and numbers, in one table.
    config.addinivalue_line("filterwarnings", r"ignore:Comparison:BytesWarning:hypothesis\.")
