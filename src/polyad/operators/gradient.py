"""Gradient: anything -> scalar; the result is like the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.call.prepared import Prepared
from polyad.call.single.usual import single
from polyad.operators.docs import document
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = ["PreparedGradient", "gradient", "prepare_gradient", "value_and_gradient"]


class PreparedGradient(Prepared):
    """A gradient prepared by ``prepare_gradient``."""

    operator = "gradient"
    gives = "input"
    scalar_output = True

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return backend.gradient(problem)

    def __call__(self, *args: Any, out: Any = None) -> Any:
        """The gradient at ``args``; written into ``out`` where given."""
        return self._call(args, out)

    def value_and(self, *args: Any, out: Any = None) -> tuple[Any, Any]:
        """The value and the gradient at ``args``."""
        return self._value_and(args, out)


@document
def gradient(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> Any:
    """Gradient of a scalar function.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    {common}
    {out}

    Returns
    -------
    gradient : like the active argument
        For complex arguments the direction of steepest ascent: ``|z|**2`` has gradient ``2 z``.

    Raises
    ------
    polyad.errors.NonScalarOutputError
        If the output is no scalar.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.gradient(lambda x: (x**2).sum(), np.array([1.0, 2.0]), backend="jax")
    array([2., 4.])
    """
    return single(
        PreparedGradient,
        f,
        args,
        out=out,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
    )


@document
def value_and_gradient(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> tuple[Any, Any]:
    """Value and gradient of a scalar function, at the cost of the gradient.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    {common}
    {out}

    Returns
    -------
    value : scalar
        ``f(*args)``.
    gradient : like the active argument
        As ``gradient`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> y, g = ad.value_and_gradient(lambda x: (x**2).sum(), np.array([1.0, 2.0]), backend="jax")
    >>> float(y), g
    (5.0, array([2., 4.]))
    """
    return single(
        PreparedGradient,
        f,
        args,
        out=out,
        drop=0,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
    )


@document
def prepare_gradient(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    on_mismatch: str = "raise",
) -> PreparedGradient:
    """Prepare a gradient for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    {common}
    {prepare}

    Returns
    -------
    PreparedGradient
        Call it as ``g = p(*args)``, ``p(*args, out=g)`` or ``y, g = p.value_and(*args)``.

    Raises
    ------
    polyad.errors.NonScalarOutputError
        If the output is no scalar.
    {errors}
    {mismatch}

    Notes
    -----
    {freezes}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> grad = ad.prepare_gradient(lambda x, a: (a * x**2).sum(), np.ones(2), 1.0, backend="jax")
    >>> grad(np.array([1.0, 2.0]), 3.0)
    array([ 6., 12.])
    """
    return PreparedGradient(
        f, args, backend=backend, argnums=argnums, has_aux=has_aux, follow=follow, on_mismatch=on_mismatch
    )
