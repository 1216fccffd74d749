"""Scenarios as data, and the conformance suite for backends.

* ``check_backend(backend)`` runs every scenario under a backend and returns a ``Report``; it is
  what the author of a backend calls, and what polyad's own tests are.
* ``check_derivatives(f, *args, backend=...)`` compares a user's function with differences.
* ``Scenario`` and ``Point`` are plain data, so that anybody can add their own.

Nothing here needs a test runner.
"""

from __future__ import annotations

from polyad.errors import ConformanceError, DerivativeMismatchError
from polyad.testing.check import Refused, check_scenario
from polyad.testing.derivatives import check_derivatives
from polyad.testing.report import Report, Row
from polyad.testing.scenario import Point, Scenario
from polyad.testing.scenarios import all_scenarios, smoke_scenarios
from polyad.testing.suite import Profile, check_backend, profile_of, support_table

__all__ = [
    "ConformanceError",
    "DerivativeMismatchError",
    "Point",
    "Profile",
    "Refused",
    "Report",
    "Row",
    "Scenario",
    "all_scenarios",
    "check_backend",
    "check_derivatives",
    "check_scenario",
    "profile_of",
    "smoke_scenarios",
    "support_table",
]
