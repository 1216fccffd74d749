"""Jacobian: array(s) -> array(s); blocks of shape ``output.shape + input.shape``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from polyad.call.holomorphic import check_holomorphic
from polyad.call.prepared import Prepared
from polyad.call.single.usual import single
from polyad.call.spread import Spreads
from polyad.operators.docs import document
from polyad.operators.jvp import PreparedJVP
from polyad.operators.vjp import PreparedVJP
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = ["PreparedJacobian", "jacobian", "prepare_jacobian", "value_and_jacobian"]


class PreparedJacobian(Spreads, Prepared):
    """A Jacobian prepared by ``prepare_jacobian``."""

    operator = "jacobian"
    products: ClassVar = {"jvp": PreparedJVP, "vjp": PreparedVJP}
    gives = "jacobian"

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        check_holomorphic(backend, problem, self.operator)
        return self._apportioned(backend, problem).jacobian(problem)

    def __call__(self, *args: Any, out: Any = None) -> Any:
        """The Jacobian at ``args``; written into ``out`` where given."""
        return self._call(args, out)

    def value_and(self, *args: Any, out: Any = None) -> tuple[Any, Any]:
        """The value and the Jacobian at ``args``."""
        return self._value_and(args, out)


@document
def jacobian(
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
    """Jacobian of a function of arrays.

    Parameters
    ----------
    f : callable
        The function of arrays that returns arrays.
    {args}
    {common}
    {spread}
    {out}

    Returns
    -------
    jacobian : array of shape ``output.shape + input.shape``
        For trees, the tree of the output with, at each leaf, the tree of the input, whose leaves are
        such blocks.

    Raises
    ------
    polyad.errors.HolomorphicError
        If ``f`` has complex arguments and is not holomorphic.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.jacobian(lambda x: x**2, np.array([1.0, 2.0]), backend="jax")
    array([[2., 0.],
           [0., 4.]])
    """
    return single(
        PreparedJacobian,
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
def value_and_jacobian(
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
) -> tuple[Any, Any]:
    """Value and Jacobian, at the cost of the Jacobian.

    Parameters
    ----------
    f : callable
        The function of arrays that returns arrays.
    {args}
    {common}
    {spread}
    {out}

    Returns
    -------
    value : like the output
        ``f(*args)``.
    jacobian : array of shape ``output.shape + input.shape``
        As ``jacobian`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> y, J = ad.value_and_jacobian(lambda x: x**2, np.array([1.0, 2.0]), backend="jax")
    >>> y
    array([1., 4.])
    """
    return single(
        PreparedJacobian,
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
def prepare_jacobian(
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
) -> PreparedJacobian:
    """Prepare a Jacobian for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function of arrays that returns arrays.
    {args}
    {common}
    {spread}
    {prepare}

    Returns
    -------
    PreparedJacobian
        Call it as ``p(*args)``, with ``out=`` to fill an array, or ``.value_and`` for what
        ``value_and_jacobian`` gives.

    Raises
    ------
    polyad.errors.HolomorphicError
        If ``f`` has complex arguments and is not holomorphic.
    {errors}
    {mismatch}

    Notes
    -----
    {freezes}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_jacobian(lambda x: x**2, np.ones(2), backend="jax")
    >>> p(np.array([3.0, 4.0]))
    array([[6., 0.],
           [0., 8.]])
    """
    return PreparedJacobian(
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
