"""An array library that polyad does not know: the package in ``examples/mlx``, for MLX."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "mlx"

SUITE = """
import json, sys
from polyad.testing import check_backend
report = check_backend("mlx")
rows = [[r.status, str(r.scenario), r.message, sorted(r.scenario.needs)] for r in report]
json.dump(rows, sys.stdout)
"""

LIFTS = """
import json, sys
import mlx.core as mx, numpy as np, polyad as ad

def f(x):
    return np.sum(np.linalg.solve(np.outer(x, x) + 3 * np.eye(3), np.sin(x)) * np.exp(-x))

x = np.array([0.3, -0.7, 1.1])
found = {}
for name in ("gradient", "hessian"):
    ours, theirs = (getattr(ad, name)(f, x, backend=b) for b in ("numpy", "mlx"))
    found[name] = float(np.max(np.abs(ours - theirs)))
def second(t, backend="numpy"):
    return ad.second_derivative(lambda s: np.sin(s) * s**3, t, backend=backend)

third = ad.derivative(second, 0.7, backend="mlx")
s, c = np.sin(0.7), np.cos(0.7)
found["third"] = float(abs(third - (6 * s + 18 * 0.7 * c - 9 * 0.7**2 * s - 0.7**3 * c)))
native = ad.gradient(f, mx.array(x, dtype=mx.float64))  # the backend is chosen by the array
found["type"] = type(native).__module__
found["native"] = float(np.max(np.abs(np.asarray(native) - ad.gradient(f, x))))
lifts = {"mlx": lambda x: mx.logaddexp(0, x)}
softplus = ad.define(lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x)), lifts=lifts)
slopes = ad.gradient(lambda x: np.sum(softplus(x)), x, backend="mlx")
found["lifts"] = float(np.max(np.abs(slopes - 1 / (1 + np.exp(-x)))))
def inside(backend):  # a derivative of mlx's own around one of polyad's
    return mx.grad(lambda a: ad.gradient(f, a, backend=backend)[0])(mx.array(x, dtype=mx.float64))

found["inside"] = float(np.max(np.abs(np.asarray(inside("numpy")) - ad.hessian(f, x)[0])))
refused = []
for call in (
    lambda: inside("finite"),
    lambda: inside("mlx"),
    lambda: ad.derivative(lambda t: second(t, "mlx"), 0.7, backend="mlx"),
    lambda: ad.gradient(lambda x: mx.sum(mx.sin(x)), x, backend="mlx"),
    lambda: ad.gradient(lambda x: abs(np.fft.fft(x)[1]), x, backend="mlx"),
    lambda: ad.gradient(lambda x: x[5], x, backend="mlx"),
):
    try:
        refused.append(repr(call()))
    except Exception as error:
        refused.append(type(error).__name__)
found["refused"] = refused
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with MLX and the package, as an installer would leave them."""
    found = tmp_path_factory.mktemp("mlx")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(found), "mlx[cpu]>=0.30"]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["pip gives no reason"])[-1]
        pytest.skip(f"mlx cannot be installed here: {why}")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = found / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (info / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
            for group, entries in project["entry-points"].items()
        )
    )
    shutil.copytree(EXAMPLE / "polyad_mlx", found / "polyad_mlx")
    return found


def run(place: Path, code: str) -> Any:
    """What code prints as JSON in a process of its own, which finds the package."""
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT / "src"), str(place))))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=1500,
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_it_passes_the_conformance_suite(place: Path) -> None:
    rows = run(place, SUITE)
    assert len(rows) > 500
    assert not [row for row in rows if row[0] == "failed"]
    # complex numbers of double precision, which MLX has not, and nothing else
    assert all("complex" in needs for status, _, _, needs in rows if status == "refused")


def test_numpy_functions_are_lifted_to_it(place: Path) -> None:
    found = run(place, LIFTS)
    assert found.pop("type").startswith("mlx")
    *refused, bounds = found.pop("refused")
    assert set(refused) <= {"FunctionNotSupportedError", "OperationNotSupportedError"} and len(refused) == 5
    assert bounds == "IndexError"
    assert max(found.pop("lifts"), 0.0) < 1e-6  # MLX's own function there, in its own digits
    assert max(found.values()) < 1e-12, found


def test_no_line_of_polyad_knows_of_it() -> None:
    sources = (ROOT / "src" / "polyad").rglob("*.py")
    assert not [path for path in sources if "mlx" in path.read_text().lower()]
