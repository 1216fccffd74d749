"""lmfit: residuals of named parameters, and the Jacobian of those that vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError
from polyad.operators.jacobian import PreparedJacobian

__all__ = ["functions"]


def functions(
    residual: Callable[..., Any], params: Any, *args: Any, **options: Any
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
    **options
        ``backend=`` and ``follow=``, as for ``jacobian``.

    Returns
    -------
    function, jacobian
        Both of ``lmfit.Parameters``. Bounds are lmfit's: it scales what it gets.

    Raises
    ------
    polyad.errors.ArgumentError
        If a parameter is an expression of others, whose derivative lmfit alone would know.
    """
    bound = [name for name, p in params.items() if p.expr]
    if bound:
        raise ArgumentError(
            f"the parameter {bound[0]!r} is the expression {params[bound[0]].expr!r}: compute it in the "
            "residual, where it is differentiated, and leave it out of the parameters"
        )
    varying = [name for name, p in params.items() if p.vary]
    names = list(params)

    def of_vector(x: Any, rest: dict[str, float], *args: Any) -> Any:
        values = dict(rest)
        for k, name in enumerate(varying):
            values[name] = x[k]
        return residual({name: values[name] for name in names}, *args)

    def parts(params: Any) -> tuple[Array, dict[str, float]]:
        values = {name: float(value) for name, value in params.valuesdict().items()}
        x = np.array([values[name] for name in varying])
        return x, {name: value for name, value in values.items() if name not in varying}

    made = PreparedJacobian(of_vector, (*parts(params), *args), **options)

    def function(params: Any) -> Array:
        values = {name: float(value) for name, value in params.valuesdict().items()}
        return np.asarray(residual(values, *args))

    def jacobian(params: Any) -> Array:
        J = np.asarray(made(*parts(params), *args))
        return J.reshape(-1, len(varying))

    return function, jacobian
