"""pymoo: a problem of one or more objectives with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.operators.jacobian import PreparedJacobian
from polyad.solvers.function import joined
from polyad.solvers.nlp.bounds import ordered
from polyad.solvers.packages.checks import function, looked_at, needing, vector

__all__ = ["problem"]


def problem(
    f: Callable[..., Any],
    lower: Any,
    upper: Any,
    *args: Any,
    constraints: Any = None,
    backend: Any = None,
    follow: Any = None,
) -> Any:
    """An ``ElementwiseProblem`` whose ``dF`` (and ``dG``) are there where pymoo asks for them.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``, one number or an array of objectives.
    lower, upper : array
        The bounds, as vectors of finite numbers, between which pymoo searches; the upper one may be a number.
    *args
        Constants.
    constraints : callable, optional
        ``constraints(x, *args)``, each at most 0.
    backend, follow
        As for ``jacobian``.

    Raises
    ------
    polyad.errors.ArgumentError
        If bounds are not vectors of finite numbers, or one is above the other.
    """
    with needing("pymoo", "pymoo"):
        from pymoo.core.problem import ElementwiseProblem

    function(f, "function")
    low = vector(lower, "lower")
    high = vector(np.full(low.shape, upper) if np.ndim(upper) == 0 else upper, "upper")
    if low.shape != high.shape:
        raise ArgumentError(f"lower has {low.size} numbers and upper {high.size}: pass one of both for each")
    ordered(low, high, "unknown")
    how: dict[str, Any] = {"backend": backend, "follow": follow}
    parts = {"F": PreparedJacobian(joined(f), ((low + high) / 2, *args), **how)}
    sizes = {"F": looked_at(parts["F"], "function", "pymoo")}
    if constraints is not None:
        function(constraints, "constraints")
        parts["G"] = PreparedJacobian(joined(constraints), ((low + high) / 2, *args), **how)
        sizes["G"] = looked_at(parts["G"], "constraints", "pymoo")

    class Differentiated(ElementwiseProblem):
        def _evaluate(self, x: Any, out: Any, *_: Any, **__: Any) -> None:
            x = np.asarray(x, dtype=np.float64)
            for name, made in parts.items():
                values, jacobian = made.value_and(x, *args)
                out[name] = np.reshape(values, -1)
                out["d" + name] = np.reshape(jacobian, (-1, len(low)))

    return Differentiated(n_var=len(low), n_obj=sizes["F"], n_ieq_constr=sizes.get("G", 0), xl=low, xu=high)
