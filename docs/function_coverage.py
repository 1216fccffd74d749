"""The marks of the page "What is followed": every function of the engine's table, run.

A function is called in the ways of ``tests/engine/test_walk.py``; one that fits none of them is looked for
in the cases of ``tests/engine/cases*.py``. ``generate_tables.py --coverage`` writes the page.
"""

from __future__ import annotations

import functools
import importlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special

TESTS = Path(__file__).parents[1] / "tests" / "engine"
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

import oracle  # noqa: E402
import test_walk as walk  # noqa: E402

import polyad as ad  # noqa: E402
from polyad.engine import run  # noqa: E402
from polyad.engine.boxes import dispatch  # noqa: E402
from polyad.engine.boxes.box import Box  # noqa: E402
from polyad.errors import PolyadError  # noqa: E402

LIBRARIES = ("jax", "torch", "autograd", "casadi", "sympy")
COLUMNS = ("forward", "reverse", "second", "Taylor", *LIBRARIES)
# the module in which the engine has a function -> the heading under which it stands
HEADINGS = {
    "functions.reduction": "Reductions",
    "functions.nan": "Reductions",
    "functions.statistics": "Statistics",
    "functions.structure": "Shape, joining, indexing",
    "functions.rearrange": "Shape, joining, indexing",
    "boxes.views": "Shape, joining, indexing",
    "functions.order": "Sorting, searching, sets",
    "functions.calculus": "Differences, interpolation, polynomials",
    "functions.polynomials": "Differences, interpolation, polynomials",
    "functions.products": "Linear algebra",
    "functions.linalg": "Linear algebra",
    "functions.fft": "Fourier transforms",
}
ORDER = ("Universal functions", *dict.fromkeys(HEADINGS.values()), "Others", "scipy.special")
Function = Callable[[Any], Any]


def functions() -> dict[str, Any]:
    """Name to function, of everything in the table."""
    special = {getattr(scipy.special, name, None): f"scipy.special.{name}" for name in scipy.special.__all__}
    found = {}
    for f in (*dispatch.UFUNCS, *dispatch.FUNCTIONS, *dispatch.VIEWS):
        name = special.get(f)
        for module, prefix in ((np, "np"), (np.linalg, "np.linalg"), (np.fft, "np.fft")):
            if name is None and getattr(module, f.__name__, None) is f:
                name = f"{prefix}.{f.__name__}"
        if name is not None:
            found[name] = f
    return dict(sorted(found.items()))


def heading(f: Any) -> str:
    """Under which heading a function stands."""
    if f in dispatch.UFUNCS:
        return "scipy.special" if getattr(np, f.__name__, None) is not f else "Universal functions"
    rule = dispatch.FUNCTIONS.get(f) or dispatch.VIEWS.get(f)
    module = ".".join(getattr(rule, "__module__", "").split(".")[-2:])
    return HEADINGS.get(module, "Others")


# -- how a function is run ----------------------------------------------------------------------------


def joined(call: Function, x: np.ndarray) -> Function | None:
    """A call as a function to one real vector, or None where it gives no finite numbers."""
    try:
        plain = walk.leaves(call(x.copy()))
    except Exception:
        return None
    kinds = [np.asarray(leaf).dtype.kind for leaf in plain]
    places = [k for k, kind in enumerate(kinds) if kind in "fc"]
    if not places or not all(np.isfinite(np.asarray(plain[k])).all() for k in places):
        return None

    def f(x: Any) -> Any:
        out = walk.leaves(call(x))
        parts = [out[k] for k in places]
        real = [
            np.ravel(np.real(p)) if kinds[k] == "c" else np.ravel(p)
            for k, p in zip(places, parts, strict=True)
        ]
        imag = [np.ravel(np.imag(p)) for k, p in zip(places, parts, strict=True) if kinds[k] == "c"]
        return np.concatenate([*real, *imag]) if len(real) + len(imag) > 1 else real[0]

    return f


def ways(f: Any) -> list[tuple[Function, np.ndarray]]:
    """How the function alone can be called."""
    found = []
    for x, call in walk.WAYS.values():
        g = joined(lambda x, call=call: call(f, x), x)
        if g is not None:
            found.append((g, x))
    return found


def cases() -> list[tuple[frozenset[Any], Function, np.ndarray]]:
    """The cases of the tests of rules, each with the functions that it calls."""
    found = []
    plain_function, plain_ufunc = Box.__array_function__, Box.__array_ufunc__
    seen: set[Any] = set()

    def function(self: Any, func: Any, *rest: Any) -> Any:
        seen.add(func)
        return plain_function(self, func, *rest)

    def ufunc(self: Any, func: Any, *rest: Any, **named: Any) -> Any:
        seen.add(func)
        return plain_ufunc(self, func, *rest, **named)

    try:
        Box.__array_function__, Box.__array_ufunc__ = function, ufunc
        for path in sorted(TESTS.glob("cases*.py")):
            for call, at in importlib.import_module(path.stem).CASES.values():
                seen.clear()
                try:
                    run.evaluate(lambda boxes, call=call: (walk.leaves(call(boxes[0])), ()), (np.array(at),))
                except Exception:
                    continue
                g = joined(call, np.array(at))
                if g is not None:
                    found.append((frozenset(seen), g, np.array(at)))
    finally:
        Box.__array_function__, Box.__array_ufunc__ = plain_function, plain_ufunc
    return sorted(found, key=lambda case: len(case[0]))


# -- the marks ----------------------------------------------------------------------------------------


def marks(f: Function, x: np.ndarray) -> dict[str, str]:
    """Every column of one call: ``+`` right, ``-`` refused, ``failed``, or nothing."""
    v = np.cos(np.arange(x.size)).reshape(x.shape)
    if x is walk.M:
        v = v + v.T  # functions of symmetric matrices read one triangle
    first, second, trusted = reference(f, x, v)
    found: dict[str, Any] = {}

    def mark(column: str, compute: Callable[[], Any], wanted: Any, rtol: float) -> None:
        try:
            value = np.asarray(compute())
        except PolyadError:
            found[column] = "-"
            return
        except Exception as error:
            found[column] = f"failed ({type(error).__name__})"
            return
        scale = 1 + np.max(np.abs(wanted), initial=0)
        good = value.shape == np.shape(wanted) and np.max(np.abs(value - wanted), initial=0) <= rtol * scale
        found[column] = "+" if good else "failed"

    w = np.linspace(0.5, 1.5, first.size)
    mark("forward", lambda: ad.jvp(f, x, v=v, backend="numpy:forward"), first, 1e-6)
    mark("reverse", lambda: np.sum(ad.vjp(f, x, w=w, backend="numpy:reverse") * v), np.sum(w * first), 1e-6)
    if trusted:
        total = lambda x: np.sum(f(x) * w)  # noqa: E731
        mark("second", lambda: np.sum(ad.hvp(total, x, v=v, backend="numpy") * v), np.sum(w * second), 1e-5)
        mark("Taylor", lambda: ad.taylor(f, x, v=v, order=3, backend="numpy")[2] * 2, second, 1e-5)
    if found["forward"] != "+" and found["reverse"] != "+":
        return found
    way = "numpy:reverse" if found["reverse"] == "+" else "numpy:forward"
    try:
        product = ad.vjp(f, x, w=w, backend=way)
    except PolyadError:  # other operators refuse it: it is no function of arrays on boxes
        return found
    backends = {
        "jax": ad.JAX(lift=True, jit=False),
        "torch": ad.Torch(lift=True),
        "autograd": ad.Autograd(lift=True),
    }
    for library in LIBRARIES:
        chosen = backends.get(library, library)
        mark(library, functools.partial(ad.vjp, f, x, w=w, backend=chosen), product, 1e-7)
    return found


def reference(f: Function, x: np.ndarray, v: np.ndarray) -> tuple[Any, Any, bool]:
    """First and second derivative along ``v`` by differences, and whether the second can be trusted."""
    step = walk.STEP
    near = (f(x + step * v) - f(x - step * v)) / (2 * step)
    try:
        first, second, _ = oracle.derivatives(f, x, v)
        first, second = np.float64(first), np.float64(second)
    except Exception:
        return near, None, False
    scale = 1 + np.max(np.abs(near), initial=0)
    if np.isfinite(second).all() and np.max(np.abs(first - near), initial=0) < 1e-6 * scale:
        return first, second, True
    return near, None, False  # a kink or a jump is near


def row(f: Any, others: list[tuple[frozenset[Any], Function, np.ndarray]]) -> dict[str, str]:
    """The marks of one function: right in one way is enough, refused is in all of them."""
    own = ways(f)
    best: dict[str, str] = {}
    for g, x in own[:2]:
        for column, mark in marks(g, x).items():
            if best.get(column, "-") == "-" or mark.startswith("failed"):
                best[column] = mark
        if all(best.get(column) == "+" for column in COLUMNS):
            break
    if "+" not in (best.get("forward"), best.get("reverse")):
        for _, g, x in [case for case in others if f in case[0]][:2]:
            for column, mark in marks(g, x).items():
                if mark != "-":  # another function of the case may be the one that is refused
                    best[column] = mark
    return best


def line(name: str, best: dict[str, str]) -> str:
    """One line of the table."""
    return f"| `{name}` | " + " | ".join(best.get(column, "") for column in COLUMNS) + " |"


def lines(chosen: list[str] | None = None) -> dict[str, str]:
    """The lines of the functions of these names, or of all."""
    table = functions()
    others = cases()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {name: line(name, row(table[name], others)) for name in chosen or table}


def page() -> str:
    """All tables."""
    table, found = functions(), lines()
    out = []
    for title in ORDER:
        names = [name for name in table if heading(table[name]) == title]
        if names:
            out += [f"## {title}", "", f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
            out += [*(found[name] for name in names), ""]
    structural = sorted({f"`np.{f.__name__}`" for f in dispatch.STRUCTURAL})
    out += ["## Structure only", "", "Answered from shape and dtype: " + ", ".join(structural) + ".", ""]
    return "\n".join(out)
