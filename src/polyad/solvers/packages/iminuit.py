"""iminuit: a ``Minuit`` with exact gradient and Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.solvers.packages.scalar import dense_hessian, described

__all__ = ["minuit"]


def minuit(f: Callable[..., Any], start: Any, *args: Any, name: Any = None, **options: Any) -> Any:
    """A ``Minuit`` of a function of one vector (or tree, which it sees as a vector).

    Parameters
    ----------
    f : callable
        ``f(x, *args)``, a cost.
    start : array or tree
        Where it starts.
    *args
        Data.
    name : list of str, optional
        Names of the entries, for its tables.
    **options
        ``backend=`` and ``follow=``, as for ``gradient``.

    Returns
    -------
    iminuit.Minuit
        With gradient and Hessian, of which it takes the diagonal too.
    """
    from iminuit import Minuit

    p = described(f, start, args, options)

    def cost(x: Array) -> float:
        return p.objective(np.asarray(x, dtype=np.float64))

    def gradient(x: Array) -> Array:
        return p.gradient(np.asarray(x, dtype=np.float64))

    def hessian(x: Array) -> Array:
        return dense_hessian(p, x)

    return Minuit(cost, p.start, grad=gradient, hessian=hessian, name=name)
