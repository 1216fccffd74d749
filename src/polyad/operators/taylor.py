"""Taylor coefficients along a direction: any -> any; the result is like the output, one axis more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.call.prepared import Prepared
from polyad.errors import ArgumentError
from polyad.operators.docs import document
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = ["PreparedTaylor", "prepare_taylor", "taylor"]


class PreparedTaylor(Prepared):
    """Taylor coefficients prepared by ``prepare_taylor``."""

    operator = "taylor"
    gives = "output"
    differentiates = False
    seed_name = "v"
    rows = True

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], *, order: int, **options: Any) -> None:
        self.order = _checked(order)
        super().__init__(f, args, **options)

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        return backend.taylor(problem, self.order)

    def __call__(self, *args: Any, v: Any, out: Any = None) -> Any:
        """The Taylor coefficients at ``args`` along ``v``; written into ``out`` where given."""
        return self._call(args, out, v)

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "order": self.order}


def _checked(order: Any) -> int:
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or order < 0:
        raise ArgumentError(f"order is the highest power of the expansion, 0 or more, not {order!r}")
    return int(order)


@document
def taylor(
    f: Callable[..., Any],
    *args: Any,
    v: Any,
    order: int,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> Any:
    """Taylor coefficients along a direction: ``f(x + t v) = c[0] + c[1] t + ... + c[order] t**order``.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    v : like the active argument
        The direction.
    order : int
        The highest power of ``t``.
    {common}
    {out}

    Returns
    -------
    coefficients : like the output
        Every leaf has one more leading axis, of length ``order + 1``: ``c[0]`` is the value, ``c[1]`` the
        Jacobian-vector product, and ``j! c[j]`` the ``j``-th derivative along ``v``.

    Raises
    ------
    polyad.errors.TangentMismatchError
        If ``v`` does not have the structure and shapes of the active argument.
    polyad.errors.UnsupportedOperatorError
        If the backend can expand only by nesting derivatives, whose cost doubles with every order, and
        ``order`` is more than 3.
    {errors}

    Notes
    -----
    ``"numpy"`` carries the coefficients through every operation: ``order**2`` times the work of the
    function for most, a power of ``order`` more for a few (Griewank and Walther, Evaluating
    Derivatives, 2nd ed., 2008, chapter 13). ``"jax"`` does the same by ``jax.experimental.jet`` where
    that knows the function's operations. At a kink the coefficients are those of the convention for
    first derivatives: ties share equally.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.taylor(np.exp, 0.0, v=1.0, order=4)
    array([1.        , 1.        , 0.5       , 0.16666667, 0.04166667])
    """
    return PreparedTaylor(
        f,
        args,
        order=order,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        seed=v,
        once=True,
    )(*args, v=v, out=out)


@document
def prepare_taylor(
    f: Callable[..., Any],
    *args: Any,
    order: int,
    v: Any = None,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    on_mismatch: str = "raise",
) -> PreparedTaylor:
    """Prepare Taylor coefficients for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function.
    {args}
    order : int
        The highest power.
    v : optional
        An example of the direction.
    {common}
    {prepare}

    Returns
    -------
    PreparedTaylor
        Call it as ``p(*args, v=v)``, with ``out=`` to fill an array. There is no ``value_and``: the
        first coefficient is the value.

    Raises
    ------
    polyad.errors.UnsupportedOperatorError
        As for ``taylor``.
    {errors}
    {mismatch}

    Notes
    -----
    {freezes}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_taylor(lambda x: x**3, np.ones(2), order=3, backend="jax")
    >>> p(np.array([1.0, 2.0]), v=np.array([1.0, 1.0]))
    array([[ 1.,  8.],
           [ 3., 12.],
           [ 3.,  6.],
           [ 1.,  1.]])
    """
    return PreparedTaylor(
        f,
        args,
        order=order,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
        on_mismatch=on_mismatch,
        seed=v,
    )
