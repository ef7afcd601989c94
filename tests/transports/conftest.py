"""What the tests of the transports share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fakes import SelectHub


@pytest.fixture
def hub() -> Iterator[SelectHub]:
    """A hub, whose selector is closed with the test."""
    hub = SelectHub()
    yield hub
    hub.selector.close()
