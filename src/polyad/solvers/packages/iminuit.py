"""iminuit: a ``Minuit`` with exact gradient and Hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError
from polyad.solvers.packages.checks import dense_hessian, described, needing

__all__ = ["minuit"]


def minuit(
    f: Callable[..., Any], start: Any, *args: Any, name: Any = None, backend: Any = None, follow: Any = None
) -> Any:
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
    backend, follow
        As for ``gradient``.

    Returns
    -------
    iminuit.Minuit
        With gradient and Hessian, of which it takes the diagonal too.

    Raises
    ------
    polyad.errors.ArgumentError
        If the start, or the cost there, is no finite number, or names are not one for each entry.
    """
    with needing("iminuit", "iminuit"):
        from iminuit import Minuit

    p = described(f, start, args, backend, follow)
    if name is not None and len(name) != p.n:
        raise ArgumentError(f"name has {len(name)} names for {p.n} numbers: pass one for each")

    def cost(x: Array) -> float:
        return p.objective(np.asarray(x, dtype=np.float64))

    def gradient(x: Array) -> Array:
        return p.gradient(np.asarray(x, dtype=np.float64))

    def hessian(x: Array) -> Array:
        return dense_hessian(p, x)

    return Minuit(cost, p.start, grad=gradient, hessian=hessian, name=name)
