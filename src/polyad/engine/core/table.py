"""Which NumPy function is which primitive or composite.

``UFUNCS`` and ``FUNCTIONS`` lead from NumPy's functions to functions on values; the modules
of ``rules`` and ``functions`` fill them. A user adds a function with ``polyad.define``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.kinds import elementwise
from polyad.engine.core.values import Primitive, Value

__all__ = ["FUNCTIONS", "UFUNCS", "function", "map_ufunc", "ufunc"]

UFUNCS: dict[Any, Callable[..., Value]] = {}
FUNCTIONS: dict[Any, Callable[..., Any]] = {}


def ufunc(f: Any, *partials: Callable[..., Value] | None, name: str | None = None) -> Primitive:
    """A universal function and its partial derivatives: one line of the table.

    Parameters
    ----------
    f : numpy.ufunc
        The function, of NumPy, SciPy or anyone.
    *partials : callable or None
        As for ``kinds.elementwise``.
    name : str, optional
        The name under which other libraries are searched for it; that of ``f`` by default.

    Examples
    --------
    >>> import numpy as np
    >>> squared = np.frompyfunc(lambda x: x * x, 1, 1)
    >>> ufunc(squared, lambda x: 2 * x, name="squared")
    <primitive squared>
    """
    primitive = elementwise(name or f.__name__, f, *partials)
    primitive.home = _home(f)
    UFUNCS[f] = primitive
    return primitive


def _home(f: Any) -> str:
    return "numpy" if getattr(np, f.__name__, None) is f else "scipy.special"


def map_ufunc(f: Any, to: Callable[..., Value]) -> None:
    """Let a universal function be computed by a function on values."""
    UFUNCS[f] = to


def function(*numpy_functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function on values that stands for one or more of NumPy's, with their signature."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        for g in numpy_functions:
            FUNCTIONS[g] = f
        return f

    return register


def constant_ufunc(f: Any, *, name: str | None = None) -> Callable[..., Value]:
    """A universal function whose derivative is zero wherever it has one."""
    from polyad.engine.core.kinds import constant

    apply = constant(name or f.__name__, f)
    UFUNCS[f] = apply
    return apply
