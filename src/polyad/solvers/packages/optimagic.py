"""optimagic: functions of trees, with gradients of the same form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import flatten
from polyad.errors import InputTypeError
from polyad.operators.gradient import PreparedGradient
from polyad.solvers.packages.checks import array, function, looked_at

__all__ = ["functions"]


def functions(
    f: Callable[..., Any], params: Any, *args: Any, backend: Any = None, follow: Any = None
) -> dict[str, Any]:
    """The arguments ``fun``, ``jac`` and ``fun_and_jac`` of ``optimagic.minimize`` and ``maximize``.

    Parameters
    ----------
    f : callable
        ``f(params, *args)``, one number.
    params : array or tree
        An example of the parameters, NumPy's arrays and numbers.
    *args
        Constants.
    backend, follow
        As for ``gradient``.

    Raises
    ------
    polyad.errors.InputTypeError
        If the parameters are arrays of another framework, which optimagic takes for single numbers.
    polyad.errors.ArgumentError
        If one is not finite.
    """
    function(f, "function")
    leaves, structure = flatten(params)
    for leaf, path in zip(leaves, structure.paths("params"), strict=True):
        owner = library_of(leaf)
        if owner is not None and not owner.plain:
            raise InputTypeError(
                f"{path} is an array of {owner.name}, which optimagic does not know: pass NumPy's, and "
                f"backend={owner.name!r}, which differentiates"
            )
        array(leaf, path)
    example = structure.unflatten([_floating(leaf) for leaf in leaves])
    made = PreparedGradient(f, (example, *args), on_mismatch="reprepare", backend=backend, follow=follow)
    looked_at(made, "function", "optimagic")

    def floats(params: Any) -> Any:
        leaves, structure = flatten(params)
        return structure.unflatten([_floating(leaf) for leaf in leaves])

    def fun(params: Any) -> float:
        return float(made.value_and(floats(params), *args)[0])

    def jac(params: Any) -> Any:
        return made(floats(params), *args)

    def fun_and_jac(params: Any) -> tuple[float, Any]:
        value, gradient = made.value_and(floats(params), *args)
        return float(value), gradient

    return {"fun": fun, "jac": jac, "fun_and_jac": fun_and_jac}


def _floating(leaf: Any) -> Any:
    """Whole numbers stand for floating-point ones."""
    if isinstance(leaf, int | np.integer):
        return float(leaf)
    return leaf.astype(np.float64) if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biu" else leaf
