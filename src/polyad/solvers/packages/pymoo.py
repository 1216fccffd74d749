"""pymoo: a problem of one or more objectives with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.operators.jacobian import PreparedJacobian

__all__ = ["problem"]


def problem(
    f: Callable[..., Any], lower: Any, upper: Any, *args: Any, constraints: Any = None, **options: Any
) -> Any:
    """An ``ElementwiseProblem`` whose ``dF`` (and ``dG``) are there where pymoo asks for them.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``, one number or an array of objectives.
    lower, upper : array
        The bounds, as vectors.
    *args
        Constants.
    constraints : callable, optional
        ``constraints(x, *args)``, each at most 0.
    **options
        ``backend=`` and ``follow=``, as for ``jacobian``.
    """
    from pymoo.core.problem import ElementwiseProblem

    low = np.asarray(lower, dtype=np.float64)
    high = np.broadcast_to(np.asarray(upper, dtype=np.float64), low.shape)
    parts = {"F": PreparedJacobian(f, ((low + high) / 2, *args), **options)}
    if constraints is not None:
        parts["G"] = PreparedJacobian(constraints, ((low + high) / 2, *args), **options)
    sizes = {name: sum(spec.size for spec in made.problem.outputs) for name, made in parts.items()}

    class Differentiated(ElementwiseProblem):
        def _evaluate(self, x: Any, out: Any, *_: Any, **__: Any) -> None:
            x = np.asarray(x, dtype=np.float64)
            for name, made in parts.items():
                values, jacobian = made.value_and(x, *args)
                out[name] = np.reshape(values, -1)
                out["d" + name] = np.reshape(jacobian, (-1, len(low)))

    return Differentiated(n_var=len(low), n_obj=sizes["F"], n_ieq_constr=sizes.get("G", 0), xl=low, xu=high)
