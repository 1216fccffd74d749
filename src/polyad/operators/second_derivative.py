"""Second derivative: scalar -> anything; the result is like the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.call.holomorphic import check_holomorphic
from polyad.call.prepared import Prepared
from polyad.call.single.usual import single
from polyad.operators.docs import document
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Problem

__all__ = [
    "PreparedSecondDerivative",
    "prepare_second_derivative",
    "second_derivative",
    "value_derivative_and_second_derivative",
]


class PreparedSecondDerivative(Prepared):
    """A second derivative prepared by ``prepare_second_derivative``."""

    operator = "second_derivative"
    gives = "output"
    lower = "output"
    scalar_input = True

    def _kernel(self, backend: Backend, problem: Problem) -> Kernel:
        check_holomorphic(backend, problem, self.operator)
        return backend.second_derivative(problem)

    def __call__(self, *args: Any, out: Any = None) -> Any:
        """The second derivative at ``args``; written into ``out`` where given."""
        return self._call(args, out)

    def value_and(self, *args: Any, out: Any = None) -> tuple[Any, Any, Any]:
        """The value, the derivative and the second derivative at ``args``."""
        return self._value_and(args, out)


@document
def second_derivative(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> Any:
    """Second derivative of a function of a scalar.

    Parameters
    ----------
    f : callable
        The function of a scalar.
    {args}
    {common}
    {out}

    Returns
    -------
    second_derivative : like the output
        ``f''(x)``, entry by entry.

    Raises
    ------
    polyad.errors.ArgumentError
        If the active argument is no scalar.
    polyad.errors.UnsupportedOperatorError
        If the backend cannot differentiate its own derivatives.
    {errors}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.second_derivative(lambda t: t**3, 2.0, backend="jax")
    np.float64(12.0)
    """
    return single(
        PreparedSecondDerivative,
        f,
        args,
        out=out,
        backend=backend,
        argnums=argnums,
        has_aux=has_aux,
        follow=follow,
    )


@document
def value_derivative_and_second_derivative(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    out: Any = None,
) -> tuple[Any, Any, Any]:
    """Value, derivative and second derivative, in one computation.

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
        ``f'(x)``.
    second_derivative : like the output
        As ``second_derivative`` gives it.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> parts = ad.value_derivative_and_second_derivative(lambda t: t**3, 2.0, backend="jax")
    >>> [float(part) for part in parts]
    [8.0, 12.0, 12.0]
    """
    return single(
        PreparedSecondDerivative,
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
def prepare_second_derivative(
    f: Callable[..., Any],
    *args: Any,
    backend: Backend | str | None = None,
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    follow: bool | tuple[str, ...] | None = None,
    on_mismatch: str = "raise",
) -> PreparedSecondDerivative:
    """Prepare a second derivative for many calls: trace, compile and check once.

    Parameters
    ----------
    f : callable
        The function of a scalar.
    {args}
    {common}
    {prepare}

    Returns
    -------
    PreparedSecondDerivative
        Call it as ``p(*args)``, with ``out=`` to fill an array, or ``.value_and`` for what
        ``value_derivative_and_second_derivative`` gives.

    Raises
    ------
    polyad.errors.ArgumentError
        If the active argument is no scalar.
    polyad.errors.UnsupportedOperatorError
        If the backend cannot differentiate its own derivatives.
    {errors}
    {mismatch}

    Notes
    -----
    {freezes}

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> p = ad.prepare_second_derivative(lambda t: t**3, 2.0, backend="jax")
    >>> float(p(1.0))
    6.0
    """
    return PreparedSecondDerivative(
        f, args, backend=backend, argnums=argnums, has_aux=has_aux, follow=follow, on_mismatch=on_mismatch
    )
