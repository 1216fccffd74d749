"""Settings that all tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # tests/backends.py, for tests in any worker

settings.register_profile(
    "polyad",
    deadline=None,  # the first call into a framework compiles
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("polyad")

HEARD = np.geterr()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """What NumPy says of floating point is as before after each test, or that test fails and no later one."""
    try:
        return (yield)
    finally:
        heard = np.geterr()
        np.seterr(**HEARD)
        assert heard == HEARD, f"{item.nodeid} leaves NumPy with {heard}"
