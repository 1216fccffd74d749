"""``newton`` and ``root_scalar``: equations of one number, with exact first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.errors import ArgumentError
from polyad.operators.derivative import PreparedDerivative
from polyad.operators.jvp import PreparedJVP
from polyad.operators.second_derivative import PreparedSecondDerivative
from polyad.operators.taylor import PreparedTaylor
from polyad.solvers.caught import Caught
from polyad.solvers.function import constant
from polyad.solvers.point import LastPoint
from polyad.solvers.scipy import accepts
from polyad.solvers.unknown import warn_of_precision
from polyad.systems.base import Backend
from polyad.systems.registry import resolve

__all__ = ["newton", "root_scalar"]

Call = Callable[..., Any]
BRACKETING = ("bisect", "brentq", "brenth", "ridder", "toms748")
METHODS = (*BRACKETING, "newton", "secant", "halley")


def newton(
    func: Call,
    x0: Any,
    fprime: Any = None,
    args: Any = (),
    tol: float = 1.48e-8,
    maxiter: int = 50,
    fprime2: Any = None,
    x1: Any = None,
    rtol: float = 0.0,
    full_output: bool = False,
    disp: bool = True,
    *,
    order: int = 1,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Any:
    """``scipy.optimize.newton`` with exact derivatives: Newton's method, or Halley's.

    Parameters
    ----------
    func : callable
        ``func(x, *args)``; of an array each entry must be a function of its own ``x`` alone.
    x0 : float, complex or array
        Where the search begins.
    fprime, fprime2 : callable, optional
        None takes polyad's; callables are SciPy's.
    args, tol, maxiter, rtol, full_output, disp
        As SciPy has them.
    x1 : float, optional
        A second point: then it is the secant method, which takes no derivatives.
    order : {1, 2}, default 1
        2 takes the second derivative as well, which is Halley's method.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.derivative``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.derivative``.

    Returns
    -------
    root : float, complex or array
        The root.
    ...
        With ``full_output`` what SciPy gives more.

    Raises
    ------
    RuntimeError
        SciPy's own, if it does not converge.
    polyad.errors.ArgumentError
        If an entry of the function depends on another entry of its argument.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import newton
    >>> newton(lambda x: x**3 - 8, 3.0, order=2)
    np.float64(2.0)
    >>> newton(lambda x, a: x**2 - a, np.ones(2), args=(np.array([4.0, 9.0]),))
    array([2., 3.])
    """
    import scipy.optimize

    args = args if isinstance(args, tuple) else (args,)
    if order not in (1, 2):
        raise ArgumentError(f"order={order!r}: pass 1 for Newton's method or 2 for Halley's")
    caught = Caught()
    if x1 is not None:
        if backend is not None or order == 2:
            raise ArgumentError("x1= is of the secant method, which takes no derivatives: leave it out")
        value, first, second, start, rest = caught.watched(func), None, None, x0, args
    elif fprime is not None:
        if order == 2 and fprime2 is None:
            raise ArgumentError("order=2 with fprime of your own: give fprime2 as well, or neither")
        value, first, start, rest = caught.watched(func), caught.watched(fprime), x0, args
        second = None if fprime2 is None else caught.watched(fprime2)
    else:
        start = _inexact(x0)
        value, first, second = _functions(func, start, args, order, caught, backend, follow, "newton")
        rest = ()
        if fprime2 is not None:
            own = fprime2
            second = caught.watched(lambda x: own(x, *args))
    return caught.run(
        scipy.optimize.newton,
        value,
        start,
        first,
        rest,
        tol,
        maxiter,
        second,
        x1,
        rtol,
        full_output,
        disp,
    )


def root_scalar(
    f: Call,
    args: Any = (),
    method: str | None = None,
    bracket: Any = None,
    fprime: Any = None,
    fprime2: Any = None,
    x0: Any = None,
    x1: Any = None,
    xtol: float | None = None,
    rtol: float | None = None,
    maxiter: int | None = None,
    options: Any = None,
    *,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Any:
    """``scipy.optimize.root_scalar`` with exact derivatives for ``"newton"`` and ``"halley"``.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``, a number.
    method : str, optional
        As SciPy has it; of a start without a bracket and without ``x1`` it is Newton's method.
    fprime, fprime2 : callable or bool, optional
        None takes polyad's where the method takes one; anything else is SciPy's.
    args, bracket, x0, x1, xtol, rtol, maxiter, options
        As SciPy has them.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.derivative``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.derivative``.

    Returns
    -------
    scipy.optimize.RootResults
        SciPy's.

    Raises
    ------
    polyad.errors.ArgumentError
        If the method takes no derivatives and a backend is given.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import root_scalar
    >>> round(float(root_scalar(lambda x: np.cos(x) - x, x0=1, method="halley").root), 9)
    0.739085133
    """
    import scipy.optimize

    args = args if isinstance(args, tuple) else (args,)
    name = "" if method is None else accepts.method_name(method, METHODS, "root_scalar")
    if not name and bracket is None and x0 is not None:
        name = "secant" if x1 is not None and fprime is None else "halley" if fprime2 else "newton"
    caught = Caught()
    given: dict[str, Any] = {"f": caught.watched(f), "fprime": fprime, "fprime2": fprime2, "args": args}
    takes = name in ("newton", "halley")
    if not takes and backend is not None:
        raise ArgumentError(
            f"method {name or 'brentq'!r} uses no derivatives: leave backend= out, or take method='newton'"
        )
    if takes and x0 is None:
        raise ArgumentError(f"method {name!r} begins at a point: give x0")
    if takes and (fprime is None or fprime is False):
        order = 2 if name == "halley" and not callable(fprime2) else 1
        x0 = _inexact(x0)
        if np.size(x0) > 1:
            raise ArgumentError(f"x0 has shape {np.shape(x0)}, and root_scalar takes a number: call newton")
        value, first, second = _functions(f, x0, args, order, caught, backend, follow, "root_scalar")
        if callable(fprime2):
            own = fprime2
            second = caught.watched(lambda x: own(x, *args))
        given = {"f": value, "fprime": first, "fprime2": second}
    return caught.run(
        scipy.optimize.root_scalar,
        method=name or None,
        bracket=bracket,
        x0=x0,
        x1=x1,
        xtol=xtol,
        rtol=rtol,
        maxiter=maxiter,
        options=options,
        **given,
    )


def _inexact(x0: Any) -> Any:
    """The start as floating-point numbers: a number, or an array of NumPy's."""
    if library_of(x0) is not None and not library_of(x0).plain:  # type: ignore[union-attr]
        raise ArgumentError("x0 is of another array library: SciPy's method works on NumPy's, pass these")
    x = np.asarray(x0)
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    if x.dtype.kind not in "fc":
        raise ArgumentError(f"x0={x0!r}: pass a number or an array of numbers")
    wrong = np.argwhere(~np.isfinite(x))
    if len(wrong):
        at = wrong[0].tolist()
        raise ArgumentError(
            f"x0 is {x[tuple(at)]}{f' at {at}' if at else ''}: pass finite numbers, from which a "
            "search can begin"
        )
    return x if x.ndim else x[()]


def _functions(
    func: Call,
    x0: Any,
    args: tuple[Any, ...],
    order: int,
    caught: Caught,
    backend: Any,
    follow: Any,
    who: str,
) -> tuple[Call, Call, Call | None]:
    """Value, first and, where wanted, second derivative, of one run at each point."""
    found = resolve(backend)
    given: tuple[Any, ...] = tuple(constant(a, found) for a in args)
    how: dict[str, Any] = {"backend": found, "follow": follow}
    if np.ndim(x0):
        call, outputs = _elementwise(func, x0, given, order, how)
    else:
        prepared = (PreparedSecondDerivative if order == 2 else PreparedDerivative)(func, (x0, *given), **how)
        outputs, kind = prepared.problem.outputs, type(x0)
        call = lambda x: tuple(np.asarray(y)[()] for y in prepared.value_and(kind(x), *given))  # noqa: E731
    narrow = [s.dtype for s in outputs if np.dtype(s.dtype).itemsize < 8]
    if narrow or x0.dtype.itemsize < 8:
        warn_of_precision(f"the function computes in {narrow[0] if narrow else x0.dtype}", who)
    at = LastPoint(caught.watched(call))

    def part(k: int) -> Call:
        one = at.part(k)
        return lambda x: one(np.asarray(x))

    return part(0), part(1), part(2) if order == 2 else None


def _elementwise(
    func: Call, x0: Any, args: tuple[Any, ...], order: int, how: dict[str, Any]
) -> tuple[Call, tuple[Any, ...]]:
    """Derivatives of each entry by its own argument: products with ones, if the Jacobian is diagonal."""
    one = np.ones_like(x0)
    push = PreparedJVP(func, (x0, *args), **how)
    # with a matrix that is not diagonal the products with random weights are no multiples of these
    weights = np.random.default_rng(0).uniform(1.0, 2.0, x0.shape).astype(x0.dtype)
    # beside the start as well, where an entry that is 0 there may show
    for x in (x0, (x0 + 1e-3 * weights * (1.0 + np.abs(x0))).astype(x0.dtype)):
        plain, weighted = push(x, *args, v=one), push(x, *args, v=weights)
        scale = np.max(np.abs(plain), initial=0.0)
        if plain.shape == x0.shape and np.allclose(
            weighted, weights * plain, rtol=1e-5, atol=1e-8 * scale, equal_nan=True
        ):
            continue
        raise ArgumentError(
            "an entry of the function depends on other entries of x, and newton finds the root of each entry "
            "by itself: use polyad.solvers.scipy.root"
        )
    if order == 1:
        return lambda x: push.value_and(x, *args, v=one), push.problem.outputs
    taylor = PreparedTaylor(func, (x0, *args), order=2, **how)

    def call(x: Any) -> tuple[Any, ...]:
        y, first, half = taylor(x, *args, v=one)
        return y, first, 2 * half

    return call, taylor.problem.outputs
