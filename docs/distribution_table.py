"""The table of the page on distributions: 44 of them, their methods, every backend, run.

The derivatives by all parameters and the data together are taken to the second order and compared with
``tests/exact_stats.py``. ``python docs/generate_tables.py --coverage`` writes the table.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import polyad as ad

TESTS = Path(__file__).parents[1] / "tests"
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

import exact_stats as exact  # noqa: E402

BACKENDS = {
    "NumPy": ad.NumPy(),
    "compiled": ad.NumPy(compile=True),
    "JAX": ad.JAX(),
    "torch": ad.Torch(),
    "autograd": ad.Autograd(),
    "CasADi": ad.CasADi(),
    "SymPy": ad.SymPy(),
}
NAMES = (*exact.CONTINUOUS, *exact.DISCRETE, *exact.MULTIVARIATE)
TOLERANCE = 1e-9
# what takes minutes to compile: functions of many parts, differentiated again in each of Newton's steps
DEAR = ("truncnorm", "rice", "skewnorm", "vonmises")
LONG = {(name, "ppf", "JAX") for name in DEAR} | {
    (name, method, "SymPy") for name in DEAR for method in ("logcdf", "logsf", "cdf", "ppf")
}


def error(name: str, method: str, backend: Any, directions: Iterable[int] = (-1,)) -> float:
    """The largest error of first and second derivatives along directions, over the size of both."""
    f, at = exact.function(name, method, ad.stats), exact.point(name)
    first, second = exact.reference(name, method)
    worst = 0.0
    for k in directions:
        u = exact.directions(at.size)[k]
        prepared = ad.prepare_second_derivative(lambda t, u=u: f(at + t * u), 0.01, backend=backend)
        _, d, dd = prepared.value_and(0.0)
        size = max(np.abs(first[k]).max(), np.abs(second[k]).max())
        worst = max(worst, np.abs(d - first[k]).max() / size, np.abs(dd - second[k]).max() / size)
    return float(worst)


def mark(name: str, method: str, backend: Any) -> str:
    """``right``, ``refused``, or what is to be repaired."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            off = error(name, method, backend)
        except Exception:  # by polyad, or by the framework itself
            return "refused"
    return "right" if off < TOLERANCE else f"failed by {off:.0e}"


def cell(name: str, backend: str) -> str:
    """What a backend has of a distribution."""
    left = [method for method in exact.methods(name) if (name, method, backend) in LONG]
    found = {m: mark(name, m, BACKENDS[backend]) for m in exact.methods(name) if m not in left}
    failed = [f"{method} {m}" for method, m in found.items() if m.startswith("failed")]
    right = [method for method, m in found.items() if m == "right"]
    refused = [method for method in found if method not in right]
    if failed:
        text = ", ".join(failed)
    elif not refused:
        text = "all"
    else:
        text = f"not {', '.join(refused)}" if len(right) >= len(refused) else ", ".join(right) or "none"
    return f"{text}; {', '.join(left)} not run" if left else text


def line(name: str, backends: Iterable[str] = tuple(BACKENDS)) -> str:
    """The line of a distribution."""
    return f"| `{name}` | {' | '.join(cell(name, b) for b in backends)} |"


def table() -> str:
    """The whole table, which takes some minutes."""
    head = [f"| | {' | '.join(BACKENDS)} |", "|---|" + "---|" * len(BACKENDS)]
    return "\n".join([*head, *map(line, NAMES)]) + "\n"
