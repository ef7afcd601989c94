"""The fixture ``driver`` of the drivers' tests: a proof holds on each of them."""

from __future__ import annotations

from ..drivers.conftest import driver, pytest_pyfunc_call, warm

__all__ = ["driver", "pytest_pyfunc_call", "warm"]
