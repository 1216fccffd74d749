"""NLopt: objectives and constraints that fill the gradient they are given."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.caught import Caught
from polyad.solvers.nlp.program import Program
from polyad.solvers.packages.checks import described, program_of

__all__ = ["constraints", "objective", "optimize"]

# what remembers the errors of the search that goes on, where it is ours
_UNDER_WAY: contextvars.ContextVar[Caught | None] = contextvars.ContextVar("caught", default=None)


def objective(
    f: Callable[..., Any], start: Any, *args: Any, backend: Any = None, follow: Any = None
) -> Callable[[Array, Array], float]:
    """The function for ``set_min_objective``, ``set_max_objective`` and ``add_..._constraint``.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``, one number.
    start : array or tree
        An example of ``x``.
    *args
        Constants.
    backend, follow
        As for ``gradient``.

    Returns
    -------
    callable
        ``objective(x, grad)``, which writes into ``grad`` where it has entries.
    """
    p = described(f, start, args, backend, follow, starts=False)

    def objective(x: Array, grad: Array) -> float:
        if grad.size:
            grad[:] = p.gradient(x)
        return p.objective(x)

    return _watched(objective)


def constraints(p: Program, *, equal: bool) -> tuple[Callable[[Array, Array, Array], None], Array]:
    """The equations, or the inequalities, of a nonlinear program for ``add_..._mconstraint``.

    Parameters
    ----------
    p : Program
        Of ``polyad.solvers.nlp``.
    equal : bool
        Which ones.

    Returns
    -------
    function, tolerances
        In the order in which ``opt.add_equality_mconstraint`` takes them; NLopt's inequalities are at most 0.
    """
    p = program_of(p, "constraints")
    same = p.constraint_lower == p.constraint_upper
    if equal:
        rows, signs, shift = np.flatnonzero(same), np.ones(int(same.sum())), p.constraint_lower[same]
    else:
        low = np.flatnonzero(~same & np.isfinite(p.constraint_lower))
        high = np.flatnonzero(~same & np.isfinite(p.constraint_upper))
        rows = np.concatenate([low, high])
        signs = np.concatenate([-np.ones(len(low)), np.ones(len(high))])
        shift = np.concatenate([p.constraint_lower[low], p.constraint_upper[high]])

    def fill(result: Array, x: Array, grad: Array) -> None:
        result[:] = signs * (p.constraints(x)[rows] - shift)
        if grad.size:
            grad[:] = signs[:, None] * p.jacobian_matrix(x)[rows].toarray()

    return _watched(fill), np.full(len(rows), 1e-8)


def optimize(opt: Any, start: Array) -> Array:
    """``opt.optimize(start)``, with an error of a function as it was raised.

    Some of NLopt's methods end with an empty ``runtime_error`` where a function fails.

    Parameters
    ----------
    opt : nlopt.opt
        With functions from here.
    start : array
        Where the search begins, a vector.

    Returns
    -------
    numpy.ndarray
        What NLopt found.
    """
    caught = Caught()
    token = _UNDER_WAY.set(caught)
    try:
        found: Array = caught.run(opt.optimize, np.array(start, dtype=np.float64))
        return found
    finally:
        _UNDER_WAY.reset(token)


def _watched(f: Callable[..., Any]) -> Callable[..., Any]:
    """A callback whose error is remembered by the search that goes on."""

    def watched(*args: Any) -> Any:
        caught = _UNDER_WAY.get()
        return f(*args) if caught is None else caught.watched(f)(*args)

    return watched
