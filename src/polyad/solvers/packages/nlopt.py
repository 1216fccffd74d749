"""NLopt: objectives and constraints that fill the gradient they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.nlp.program import Program
from polyad.solvers.packages.scalar import described

__all__ = ["constraints", "objective"]


def objective(
    f: Callable[..., Any], start: Any, *args: Any, **options: Any
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
    **options
        ``backend=`` and ``follow=``, as for ``gradient``.

    Returns
    -------
    callable
        ``objective(x, grad)``, which writes into ``grad`` where it has entries.
    """
    p = described(f, start, args, options)

    def objective(x: Array, grad: Array) -> float:
        if grad.size:
            grad[:] = p.gradient(x)
        return p.objective(x)

    return objective


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

    return fill, np.full(len(rows), 1e-8)
