"""Derivative: scalar -> anything; the result is like the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.call.holomorphic import check_holomorphic
from polyad.call.prepared import Prepared
from polyad.call.single.usual import single
from polyad.operators.docs import document
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = ["PreparedDerivative", "derivative", "prepare_derivative", "value_and_derivative"]


class PreparedDerivative(Prepared):
    """A derivative prepared by ``prepare_derivative``."""

    operator = "derivative"
    gives = "output"
    scalar_input = True

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        check_holomorphic(backend, problem, self.operator)
        return backend.derivative(problem)

    def __call__(self, *args: Any, out: Any = None) -> Any:
        """The derivative at ``args``; written into ``out`` where given."""
        return self._call(args, out)

    def value_and(self, *args: Any, out: Any = None) -> tuple[Any, Any]:
        """The value and the derivative at ``args``."""
        return self._value_and(args, out)


@document
def derivative(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> Any:
    """Derivative of a function of a scalar.

    Parameters
    ----------
    f : callable
        The function of a scalar.
    {args}
    {common}
    {out}

    Returns
    -------
    derivative : like the output
        ``f'(x)``, entry by entry.

    Raises
    ------
    polyad.errors.ArgumentError
        If the active argument is no scalar.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.derivative(lambda t: t**3, 2.0, backend="jax")
    np.float64(12.0)
    """
    return single(
        PreparedDerivative,
        f,
        args,
        out=out,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
    )


@document
def value_and_derivative(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> tuple[Any, Any]:
    """Value and derivative of a function of a scalar.

    Parameters
    ----------
    f : callable
        The function of a scalar.
    {args}
    {common}
    {out}

    Returns
    -------
    value : like the output
        ``f(*args)``.
    derivative : like the output
        As ``derivative`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> y, d = ad.value_and_derivative(lambda t: t**3, 2.0, backend="jax")
    >>> float(y), float(d)
    (8.0, 12.0)
    """
    return single(
        PreparedDerivative,
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
def prepare_derivative(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    on_mismatch: str = "raise",
) -> PreparedDerivative:
    """Prepare a derivative for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function of a scalar.
    {args}
    {common}
    {prepare}

    Returns
    -------
    PreparedDerivative
        Call it as ``p(*args)``, with ``out=`` to fill an array, or ``.value_and`` for what
        ``value_and_derivative`` gives.

    Raises
    ------
    polyad.errors.ArgumentError
        If the active argument is no scalar.
    {errors}
    {mismatch}

    Notes
    -----
    {freezes}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_derivative(lambda t, a: a * t**3, 2.0, 1.0, backend="jax")
    >>> float(p(1.0, 5.0))
    15.0
    """
    return PreparedDerivative(
        f, args, backend=backend, argnums=argnums, has_aux=has_aux, follow=follow, on_mismatch=on_mismatch
    )
