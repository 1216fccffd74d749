"""Hessian: array(s) -> scalar; blocks of shape ``input.shape * 2``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from polyad.call.prepared import Prepared
from polyad.call.single.usual import single
from polyad.call.spread import Spreads
from polyad.operators.docs import document
from polyad.operators.hvp import PreparedHVP
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = ["PreparedHessian", "hessian", "prepare_hessian", "value_gradient_and_hessian"]


class PreparedHessian(Spreads, Prepared):
    """A Hessian prepared by ``prepare_hessian``."""

    operator = "hessian"
    products: ClassVar = {"hvp": PreparedHVP}
    gives = "hessian"
    lower = "input"
    scalar_output = True

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return self._apportioned(backend, problem).hessian(problem)

    def __call__(self, *args: Any, out: Any = None) -> Any:
        """The Hessian at ``args``; written into ``out`` where given."""
        return self._call(args, out)

    def value_and(self, *args: Any, out: Any = None) -> tuple[Any, Any, Any]:
        """The value, the gradient and the Hessian at ``args``."""
        return self._value_and(args, out)


@document
def hessian(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    workers: Any = None,
    chunk: int | None = None,
    memory: int | None = None,
    out: Any = None,
) -> Any:
    """Hessian of a scalar function.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    {common}
    {spread}
    {out}

    Returns
    -------
    hessian : array of shape ``input.shape * 2``
        For trees, a tree of trees of such blocks.

    Raises
    ------
    polyad.errors.NonScalarOutputError
        If the output is no scalar.
    polyad.errors.HolomorphicError
        If an active argument is complex: use ``hvp``.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.hessian(lambda x: (x**3).sum(), np.array([1.0, 2.0]), backend="jax")
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return single(
        PreparedHessian,
        f,
        args,
        out=out,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        workers=workers,
        chunk=chunk,
        memory=memory,
    )


@document
def value_gradient_and_hessian(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    workers: Any = None,
    chunk: int | None = None,
    memory: int | None = None,
    out: Any = None,
) -> tuple[Any, Any, Any]:
    """Value, gradient and Hessian of a scalar function, in one computation.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    {common}
    {spread}
    {out}

    Returns
    -------
    value : scalar
        ``f(*args)``.
    gradient : like the active argument
        As ``gradient`` gives it.
    hessian : array of shape ``input.shape * 2``
        As ``hessian`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> y, g, H = ad.value_gradient_and_hessian(lambda x: (x**3).sum(), np.ones(2), backend="jax")
    >>> float(y), g
    (2.0, array([3., 3.]))
    """
    return single(
        PreparedHessian,
        f,
        args,
        out=out,
        drop=0,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        workers=workers,
        chunk=chunk,
        memory=memory,
    )


@document
def prepare_hessian(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    workers: Any = None,
    chunk: int | None = None,
    memory: int | None = None,
    on_mismatch: str = "raise",
) -> PreparedHessian:
    """Prepare a Hessian for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function; its output must be a real scalar.
    {args}
    {common}
    {spread}
    {prepare}

    Returns
    -------
    PreparedHessian
        Call it as ``p(*args)``, with ``out=`` to fill an array, or ``.value_and`` for what
        ``value_gradient_and_hessian`` gives.

    Raises
    ------
    polyad.errors.NonScalarOutputError
        If the output is no scalar.
    polyad.errors.HolomorphicError
        If an active argument is complex: use ``hvp``.
    {errors}
    {mismatch}

    Notes
    -----
    {freezes}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_hessian(lambda x: (x**3).sum(), np.ones(2), backend="jax")
    >>> p(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return PreparedHessian(
        f,
        args,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        workers=workers,
        chunk=chunk,
        memory=memory,
        on_mismatch=on_mismatch,
    )
