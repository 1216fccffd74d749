"""Pattern of the Hessian: which pairs of inputs may act together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.operators.docs import document
from polyad.operators.jacobian_sparsity import Sparsity, chosen
from polyad.sparse.pattern import Pattern
from polyad.systems.base import Backend

__all__ = ["hessian_sparsity"]


class HessianSparsity(Sparsity):
    """A function of whose Hessian the pattern is looked for while it is prepared."""

    operator = "hessian_sparsity"
    scalar_output = True
    listed = False
    second = True


@document
def hessian_sparsity(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    detector: Any = "auto",
    local: bool = False,
    unknown: str = "raise",
) -> Pattern:
    """Pattern of the Hessian of a scalar function.

    It is that of the Jacobian of the gradient, so that linear parts vanish and separable ones stay apart.

    Parameters
    ----------
    f : callable
        The function of arrays that returns a scalar.
    {args}
    {common}
    detector, local, unknown
        As ``jacobian_sparsity`` has them.

    Returns
    -------
    polyad.sparse.Pattern
        Its rows and columns are the entries of the active arguments, in flat order; alone, also with
        ``has_aux``.

    Raises
    ------
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> pattern = ad.hessian_sparsity(lambda x: np.sum(x**2) + x[0] * x[1] + 3 * x[2], np.zeros(3))
    >>> pattern.to_scipy().toarray().astype(int)
    array([[1, 1, 0],
           [1, 1, 0],
           [0, 0, 1]])
    """
    return HessianSparsity(
        f,
        args,
        chosen(detector, local, unknown),
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
    ).found
