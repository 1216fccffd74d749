"""``polyad.implicit`` and ``polyad.fixed_point``: solvers inside differentiated functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.implicit.equation import Equation, form_of, plainly, solution
from polyad.errors import ArgumentError, DomainError

__all__ = ["fixed_point", "implicit"]

Function = Callable[..., Any]
LINEAR = ("dense", "sparse", "matrix-free")


def implicit(
    solve: Function,
    residual: Function,
    *,
    linear: Any = "dense",
    jacobian: Function | None = None,
    like: Any = None,
) -> Function:
    """A solver as a function of its parameters, differentiated through the implicit function theorem.

    Nothing of the solver is differentiated: where ``residual(x, *args) = 0``, the derivative of ``x``
    solves a
    linear system with the derivative of the residual. It is taken in both modes and to every order.

    Parameters
    ----------
    solve : callable
        ``solve(*args)``, giving ``x``, an array or a number. It gets plain arrays, so anything may be in it.
    residual : callable
        ``residual(x, *args)``, zero at the solution, in the form of ``x``; written in NumPy.
    linear : {"dense", "sparse", "matrix-free"} or callable
        How the linear systems are solved: by LU factors; by sparse ones, where ``jacobian`` gives a sparse
        matrix; by GMRES on products, without a matrix; or by ``linear(a, b)``, with a matrix or a
        ``LinearOperator``, and with its transpose in reverse mode. Under other frameworks than NumPy it is
        always dense.
    jacobian : callable, optional
        ``jacobian(x, *args)``: the derivative of the residual by ``x``, as a matrix, dense or sparse; for
        plain numbers only, as ``polyad.prepare_jacobian`` gives it. Otherwise polyad finds it.
    like : array, optional
        An example of the solution, which compiled JAX has to know.

    Returns
    -------
    callable
        The solution as a function of ``*args``: arrays, numbers, and trees of them. What ``solve`` and
        ``residual`` take from around themselves and is differentiated counts as a parameter too.

    Raises
    ------
    polyad.errors.DomainError
        When it is called: if the solution is not finite, the residual is not zero there, or its derivative is
        singular, so that the solution has no derivative.
    polyad.errors.OperationNotSupportedError
        If something that is differentiated would be lost, or the backend has no numbers (CasADi, SymPy).

    Examples
    --------
    >>> import numpy as np, polyad as ad, scipy.optimize
    >>> def residual(x, a):
    ...     return x**3 + a * x - 1
    >>> root = ad.implicit(lambda a: scipy.optimize.brentq(residual, 0, 2, args=(a,)), residual)
    >>> float(ad.derivative(root, 1.0).round(6))
    -0.284693
    """
    if not callable(solve) or not callable(residual):
        raise ArgumentError("implicit takes two functions: solve(*args) and residual(x, *args)")
    if not callable(linear) and linear not in LINEAR:
        raise ArgumentError(
            f"linear is {linear!r}: it may be one of {', '.join(map(repr, LINEAR))}, or a function"
        )
    label = str(getattr(solve, "__name__", "solve"))

    @functools.wraps(solve)
    def solved(*args: Any) -> Any:
        equation = Equation(
            (args, solve, residual),
            lambda given: given[1](*given[0]),
            lambda x, given: given[2](x, *given[0]),
            label=label,
            linear=linear,
            jacobian=None if jacobian is None else lambda x, given: jacobian(x, *given[0]),
            like=None if like is None else np.asarray(like, dtype=float),
        )
        return solution(equation)

    return solved


def fixed_point(
    step: Function,
    start: Any,
    *args: Any,
    rtol: float = 1e-13,
    atol: float = 0.0,
    max_steps: int = 10_000,
    linear: Any = "dense",
) -> Any:
    """Where ``x = step(x, *args)``, found by repeating the step, and differentiated by what it is.

    Parameters
    ----------
    step : callable
        ``step(x, *args)``, in the form of ``x``, written in NumPy.
    start : array or number
        Where it begins; the fixed point does not depend on it.
    *args : tree
        What is differentiated, beside what the step takes from around itself.
    rtol, atol : float
        It ends when a step changes no entry by more than ``atol + rtol * max(abs(x))``.
    max_steps : int
        The largest number of steps.
    linear : {"dense", "matrix-free"} or callable
        As in ``implicit``.

    Returns
    -------
    array or number
        The fixed point.

    Raises
    ------
    polyad.errors.DomainError
        If it is not reached in ``max_steps`` steps.

    See Also
    --------
    polyad.optimize.fixed_point : SciPy's, with its acceleration.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> x = ad.fixed_point(lambda x, a: np.cos(a * x), 0.5, 1.0)
    >>> float(round(x, 6))
    0.739085
    >>> float(ad.derivative(lambda a: ad.fixed_point(lambda x, a: np.cos(a * x), 0.5, a), 1.0).round(6))
    -0.297474
    """

    def solve(given: Any) -> Any:
        f, first, rest = given
        f, x = plainly(f, "fixed_point"), np.asarray(first, dtype=float)[()]
        for _ in range(max_steps):
            heard = get_state()
            try:
                set_state(SILENT)
                after = np.asarray(f(x, *rest), dtype=float)[()]
                change = np.max(np.abs(after - x), initial=0.0)
            finally:
                set_state(heard)
            x = after
            if not np.isfinite(change):
                break
            if change <= atol + rtol * np.max(np.abs(x), initial=0.0):
                return x
        raise DomainError(
            f"fixed_point did not settle in {max_steps} steps: the last one changed {change:.1e}"
        )

    equation = Equation(
        (step, start, args),
        solve,
        lambda x, given: given[0](x, *given[2]) - x,
        label="fixed_point",
        linear=linear,
        like=form_of(start),
    )
    return solution(equation)
