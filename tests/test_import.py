"""Importing polyad loads no framework, changes no setting and is quick."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import polyad
from backends import AVAILABLE

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


def modules_after(code: str) -> list[str]:
    """Modules that the code loads beside NumPy, SciPy and what they load."""
    before = "import json, sys, numpy, scipy; before = set(sys.modules)"
    report = f"{before}; {code}; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_importing_polyad_is_quick() -> None:
    # Seconds are measured by benchmarks/import_time.py. A test that asks no clock:
    new = modules_after("import polyad")
    assert [name for name in new if name.partition(".")[0] in ("polyad", "numpy", "scipy")] == ["polyad"]
    assert len(new) < 10, new


def test_an_operator_loads_no_rule_of_scipys_and_no_backend_of_a_framework() -> None:
    new = modules_after("import polyad; polyad.gradient")
    assert not [name for name in new if name.startswith(("scipy", "polyad.engine.rules.special"))]
    systems = {name.split(".")[2] for name in new if name.startswith("polyad.systems.")}
    assert not systems & {"autograd", "casadi", "jax", "sympy", "torch"}
    assert len([name for name in new if name.partition(".")[0] not in ("polyad", "optree")]) < 80, new


# -- names that bring their modules -----------------------------------------------------------------------


def test_every_name_is_where_a_type_checker_reads_it() -> None:
    tree = ast.parse(Path(polyad.__file__).read_text())
    (types,) = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    read = {
        alias.name: node.module
        for node in types.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.module != "polyad"
    }
    assert read == polyad._HOMES
    assert {*read, *polyad._MODULES} == set(polyad.__all__)


def test_names_stay_and_are_listed() -> None:
    assert set(polyad.__all__) <= set(dir(polyad))
    for name in polyad.__all__:
        assert getattr(polyad, name) is vars(polyad)[name]
    with pytest.raises(AttributeError, match="module 'polyad' has no attribute 'gradients'"):
        polyad.gradients  # noqa: B018


@pytest.mark.parametrize("name", ["polyad.engine.core.table", "polyad.engine.boxes.roots", "polyad.special"])
def test_a_module_may_be_the_first(name: str) -> None:
    # these once needed others to be loaded before
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True)


def test_the_scenarios_are_there_whatever_was_used_before() -> None:
    code = "from polyad.testing import smoke_scenarios; print(len(smoke_scenarios()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.returncode and int(done.stdout) > 100, done.stderr


BROKEN_OFF = """
import sys
import numpy as np, polyad as ad

class Interrupt:
    count = 0
    def find_spec(self, name, path=None, target=None):
        if name.startswith("autograd."):
            Interrupt.count += 1
            if Interrupt.count == 9:
                raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
f = lambda x: np.sum(np.sin(x))
for wanted in (KeyboardInterrupt, ad.errors.BackendNotInstalledError):
    try:
        ad.gradient(f, np.ones(3), backend="autograd")
    except wanted as error:
        print(error)
assert np.allclose(ad.gradient(f, np.ones(3)), np.cos(1.0))
"""


@pytest.mark.skipif("autograd" not in AVAILABLE, reason="it is autograd's import that is broken off")
def test_an_import_that_was_broken_off_is_told_of() -> None:
    """What is left of a framework then may give errors of any kind, and numbers."""
    done = subprocess.run([sys.executable, "-c", BROKEN_OFF], capture_output=True, text=True, check=True)
    assert "autograd, the import of which was broken off (KeyboardInterrupt)" in done.stdout
    assert "start Python anew" in done.stdout
