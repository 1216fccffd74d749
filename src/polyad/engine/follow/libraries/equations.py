"""Functions of SciPy's that solve equations of their own: Riccati's, fits of curves, sums of squares."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.follow.conversions import as_box
from polyad.engine.follow.counterparts import has_box

__all__ = ["continuous", "curve_fit", "discrete", "leastsq", "nnls", "riccati"]

# how near to the minimum a fit must come, for its derivative to be that of the minimum
TIGHT = {"ftol": 1e-13, "xtol": 1e-13, "gtol": 1e-13}


def _array(a: Any) -> Any:
    return as_box(a) if has_box((a,)) else np.asarray(a, dtype=float)


def _solution(bundle: Any, solve: Callable[..., Any], residual: Callable[..., Any], label: str) -> Any:
    room = importlib.import_module("polyad.engine.implicit.equation")
    return room.solution(room.Equation(bundle, solve, residual, label=label))


def riccati(original: Any, residual: Callable[..., Any]) -> Callable[..., Any]:
    """One of Riccati's equations, by SciPy's solution, whose residual is differentiated."""

    def solved(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: bool = True) -> Any:
        if e is not None:
            return original(a, b, q, r, e, s, balanced)  # refuses
        parts = [_array(v) for v in (a, b, q, r)]
        if np.shape(parts[3]) == ():
            parts[3] = np.reshape(parts[3], (1, 1))
        parts.append(np.zeros(np.shape(parts[1])) if s is None else _array(s))

        def solve(given: Any) -> Any:
            a, b, q, r, s = map(np.asarray, given)
            return original(a, b, q, r, None, s, balanced)

        return _solution(tuple(parts), solve, lambda x, given: residual(x, *given), original.__name__)

    return solved


def continuous(x: Any, a: Any, b: Any, q: Any, r: Any, s: Any) -> Any:
    """What the solution of the continuous equation makes zero."""
    return a.T @ x + x @ a - (x @ b + s) @ np.linalg.solve(r, b.T @ x + s.T) + q


def discrete(x: Any, a: Any, b: Any, q: Any, r: Any, s: Any) -> Any:
    """What the solution of the discrete equation makes zero."""
    gain = np.linalg.solve(r + b.T @ x @ b, b.T @ x @ a + s.T)
    return a.T @ x @ a - x - (a.T @ x @ b + s) @ gain + q


# -- fits ------------------------------------------------------------------------------------------------


def _fitted(residual: Callable[..., Any], start: Any, method: str, bounds: Any) -> Any:
    fit = importlib.import_module("polyad.optimize").least_squares
    return fit(residual, start, method=method, bounds=bounds, **TIGHT)


def curve_fit(original: Any) -> Callable[..., Any]:
    """The parameters of a curve and their covariance, as functions of the data."""

    def fit(
        f: Any,
        xdata: Any,
        ydata: Any,
        p0: Any = None,
        sigma: Any = None,
        absolute_sigma: bool = False,
        check_finite: Any = None,
        bounds: Any = (-np.inf, np.inf),
        method: Any = None,
        jac: Any = None,
        *,
        full_output: bool = False,
        nan_policy: Any = None,
        **more: Any,
    ) -> Any:
        active = importlib.import_module("polyad.engine.implicit.captured").active
        weights = sigma is not None and np.ndim(sigma) > 1
        options = {"check_finite": check_finite, "bounds": bounds, "method": method, "jac": jac}
        if not active((f, xdata, ydata, p0, sigma)) or full_output or nan_policy or weights or more:
            options.update(full_output=full_output, nan_policy=nan_policy, **more)
            return original(f, xdata, ydata, p0, sigma, absolute_sigma, **options)
        y, sigma = _array(ydata), None if sigma is None else _array(sigma)
        x = _array(xdata) if isinstance(xdata, list | tuple) or has_box((xdata,)) else xdata
        low, high = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
        bounded = bool(np.any(np.isfinite(low)) or np.any(np.isfinite(high)))
        if p0 is None:
            own = f.args[0] if isinstance(f, functools.partial) and f.args else f  # where it is followed
            n = len(inspect.signature(own).parameters) - 1
            if bounded:
                raise refuse(
                    "scipy.optimize.curve_fit with bounds and no p0", "pass p0, where the search begins"
                )
            p0 = np.ones(n)

        # what a solver is given says what it holds: a closure of this code would not be looked into
        residual = functools.partial(_deviation, f, x, y, sigma)
        start = np.atleast_1d(_plain(p0))
        found = _fitted(residual, start, method or ("trf" if bounded else "lm"), bounds)
        return found.x, _covariance(residual, found, absolute_sigma)

    return fit


def _deviation(f: Callable[..., Any], x: Any, y: Any, sigma: Any, p: Any) -> Any:
    r = f(x, *p) - y
    return r if sigma is None else r / sigma


def _called(f: Callable[..., Any], args: tuple[Any, ...], p: Any) -> Any:
    return f(p, *args)


def _plain(a: Any) -> Any:
    """Where a search begins, on which its end does not depend."""
    numbers = importlib.import_module("polyad.interpolate.pieces").known(_array(a))
    if numbers is None:
        raise refuse("a search that begins at numbers that are not known yet", "begin it at plain numbers")
    return numbers[0]


def _covariance(residual: Callable[..., Any], found: Any, is_absolute: bool) -> Any:
    """What the fit's curvature says of the parameters, which depends on the data as well."""
    size = found.x.shape[0]
    push = importlib.import_module("polyad.engine.run").push
    rows = push(lambda p: ((residual(p[0]),), ()), (found.x,), (np.eye(size),))[0][0]
    slopes = np.reshape(importlib.import_module("polyad.engine.boxes.box").wrap(rows), (size, -1))
    covariance = np.linalg.inv(slopes @ slopes.T)
    count = slopes.shape[1]
    if is_absolute:
        return covariance
    if count <= size:
        return np.full((size, size), np.inf)
    return covariance * (2 * found.cost / (count - size))


def leastsq(original: Any) -> Callable[..., Any]:
    """The parameters that make a sum of squares least."""

    def fit(func: Any, x0: Any, args: Any = (), Dfun: Any = None, *rest: Any, **options: Any) -> Any:
        active = importlib.import_module("polyad.engine.implicit.captured").active
        if rest or set(options) - {"ftol", "xtol", "gtol", "maxfev"} or not active((func, x0, args)):
            return original(func, x0, args, Dfun, *rest, **options)
        args = args if isinstance(args, tuple) else (args,)
        found = _fitted(
            functools.partial(_called, func, args), np.atleast_1d(_plain(x0)), "lm", (-np.inf, np.inf)
        )
        return found.x, 1

    return fit


def _held(a: Any, b: Any, x: Callable[..., Any], label: str) -> Any:
    """Least squares for a plain set of unknowns that are free, the others being at their ends."""
    numbers = importlib.import_module("polyad.interpolate.pieces").known(a, b)
    if numbers is None:
        raise refuse(
            f"scipy.optimize.{label} of numbers that are not known yet", "use a backend that runs on values"
        )
    found, low, high = x(*numbers)
    free = np.flatnonzero((found > low) & (found < high))
    slope = numbers[0].T @ (numbers[0] @ found - numbers[1])
    bound = np.setdiff1d(np.arange(found.size), free)
    scale = np.abs(numbers[0]).T @ np.abs(numbers[1]) + 1e-300
    if np.any(np.abs(slope[bound]) <= 1e-9 * scale[bound]):
        raise importlib.import_module("polyad.errors").DomainError(
            f"{label} has no derivative here: an unknown is at its end, where nothing holds it"
        )
    kept = np.where(np.isin(np.arange(found.size), free), 0.0, found)
    if not free.size:
        return kept + 0.0 * np.sum(b)
    part = a[:, free]
    rest = b - a @ kept
    solved = np.linalg.solve(part.T @ part, part.T @ rest)
    return kept + np.eye(found.size)[:, free] @ solved


def nnls(original: Any) -> Callable[..., Any]:
    """Least squares with unknowns that are not negative: those that are zero stay so nearby."""

    def fit(A: Any, b: Any, *rest: Any, **options: Any) -> Any:
        a, b = _array(A), _array(b)
        x = _held(a, b, lambda a, b: (original(a, b, *rest, **options)[0], 0.0, np.inf), "nnls")
        return x, np.sqrt(np.sum((a @ x - b) ** 2))

    return fit
