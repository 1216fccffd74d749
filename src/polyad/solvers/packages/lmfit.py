"""lmfit: residuals of named parameters, and the Jacobian of those that vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError, InputTypeError
from polyad.operators.jacobian import PreparedJacobian
from polyad.solvers.function import joined
from polyad.solvers.packages.checks import function, looked_at, number, valued

__all__ = ["functions"]


def functions(
    residual: Callable[..., Any], params: Any, *args: Any, backend: Any = None, follow: Any = None
) -> tuple[Callable[[Any], Array], Callable[[Any], Array]]:
    """The residual and its Jacobian, for ``lmfit.minimize(fcn, params, Dfun=jacobian)``.

    Parameters
    ----------
    residual : callable
        ``residual(values, *args)``, where ``values`` is a dict of numbers by name; an array.
    params : lmfit.Parameters
        Which there are, and which of them vary.
    *args
        Data.
    backend, follow
        As for ``jacobian``.

    Returns
    -------
    function, jacobian
        Both of ``lmfit.Parameters``. Bounds are lmfit's: it scales what it gets.

    Raises
    ------
    polyad.errors.ArgumentError
        If a parameter is an expression of others, whose derivative lmfit alone would know; if none varies,
        one is no finite number, or there are fewer residuals than parameters that vary.
    """
    function(residual, "residual")
    if not hasattr(params, "valuesdict"):
        raise InputTypeError(
            f"params is a {type(params).__name__}: pass lmfit.Parameters, lmfit.create_params(rate=1.0)"
        )
    bound = [name for name, p in params.items() if p.expr]
    if bound:
        raise ArgumentError(
            f"the parameter {bound[0]!r} is the expression {params[bound[0]].expr!r}: compute it in the "
            "residual, where it is differentiated, and leave it out of the parameters"
        )
    varying = [name for name, p in params.items() if p.vary]
    if not varying:
        raise ArgumentError("no parameter varies: leave vary=False out for what is to be found")
    for name, value in params.valuesdict().items():
        number(value, f"the parameter {name!r}")
    names = list(params)
    of_values = joined(residual)

    def of_vector(x: Any, rest: dict[str, float], *args: Any) -> Any:
        values = dict(rest)
        for k, name in enumerate(varying):
            values[name] = x[k]
        return of_values({name: values[name] for name in names}, *args)

    def parts(params: Any) -> tuple[Array, dict[str, float]]:
        values = {name: float(value) for name, value in params.valuesdict().items()}
        x = np.array([values[name] for name in varying])
        return x, {name: value for name, value in values.items() if name not in varying}

    given, how = (*parts(params), *args), {"backend": backend, "follow": follow}
    made = PreparedJacobian(of_vector, given, **how)
    count = looked_at(made, "residual", "lmfit")
    if count < len(varying):
        raise ArgumentError(
            f"the residual is {count} number(s), and {len(varying)} parameters vary: return one for each "
            "observation, not their sum"
        )
    value = valued(of_vector, given, **how)

    def fcn(params: Any) -> Array:
        return np.asarray(value(*parts(params), *args))

    def jacobian(params: Any) -> Array:
        J = np.asarray(made(*parts(params), *args))
        return J.reshape(-1, len(varying))

    return fcn, jacobian
