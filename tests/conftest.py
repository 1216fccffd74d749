"""Settings that all tests share."""

from __future__ import annotations

import sys
from pathlib import Path

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
