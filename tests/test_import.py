"""Importing polyad loads no framework, changes no setting and is quick."""

from __future__ import annotations

import json
import subprocess
import sys

FORBIDDEN = (
    "autograd",
    "casadi",
    "jax",
    "jaxlib",
    "matplotlib",
    "numba",
    "pandas",
    "rich",
    "sympy",
    "torch",
)

# What an unprepared call and the list of backends may not load either: the framework of another.
USE = """
import numpy as np, polyad as ad
ad.gradient(lambda x: (x**2).sum(), np.ones(2), backend="finite")
if hasattr(ad, "backends"):
    repr(ad.backends())
"""


def loaded_after(code: str) -> list[str]:
    """Forbidden top-level modules that the code loads in a fresh interpreter."""
    report = f"{code}\nimport sys, json; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return sorted(set(json.loads(done.stdout)) & set(FORBIDDEN))


def test_importing_polyad_loads_no_framework() -> None:
    assert loaded_after("import polyad") == []


def test_the_test_can_fail() -> None:
    assert loaded_after("import autograd") == ["autograd"]


def test_differences_and_the_list_of_backends_load_no_framework() -> None:
    assert loaded_after(USE) == []


def test_importing_polyad_is_quick() -> None:
    # Seconds are measured by benchmarks/import_time.py (the goal is 200 ms on a quiet machine). A test that
    # asks no clock: beyond NumPy and SciPy come polyad's own modules and a few of the standard library.
    code = "import json, sys, numpy, scipy; before = set(sys.modules); import polyad; "
    report = f"{code}print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    new = [name for name in json.loads(done.stdout) if name.partition(".")[0] not in ("polyad", "optree")]
    assert len(new) < 120, new
