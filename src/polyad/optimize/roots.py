"""``root``, ``brentq``, ``newton`` and ``fixed_point``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.implicit.captured import active
from polyad.engine.implicit.equation import Equation, form_of, plainly, solution
from polyad.errors import DomainError
from polyad.optimize.sharp import sharp

__all__ = ["brentq", "fixed_point", "newton", "root"]

Function = Callable[..., Any]


def as_tuple(args: Any) -> tuple[Any, ...]:
    """Further arguments, as SciPy takes them: a tuple, or the only one."""
    return args if isinstance(args, tuple) else (args,)


def root(
    fun: Function,
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
) -> Any:
    """``scipy.optimize.root``, differentiable in all that the equations depend on.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, zero at the root; written in NumPy.
    x0 : array
        Where the search begins.
    args, method, jac, tol, callback, options
        As SciPy has them.

    Returns
    -------
    OptimizeResult
        SciPy's, with an ``x`` that is followed. Its other fields are plain numbers.

    Raises
    ------
    polyad.errors.DomainError
        If SciPy does not converge and the root is differentiated; otherwise its result says so.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def circle(p):
    ...     equations = lambda x: np.array([x[0] ** 2 + x[1] ** 2 - p, x[0] - x[1]])
    ...     return ad.optimize.root(equations, np.ones(2)).x[0]
    >>> float(ad.derivative(circle, 2.0).round(6))
    0.25
    """
    import scipy.optimize

    args, words = as_tuple(args), {"method": method, "tol": tol, "callback": callback, "options": options}

    def residual(x: Any, given: Any) -> Any:
        out = given[0](x, *given[3])
        return np.reshape(_stacked(out[0] if jac is True else out), np.shape(x))

    bundle = (fun, jac, x0, args, (callback, options))
    if not active(bundle):
        found = scipy.optimize.root(fun, x0, args, jac=jac, **words)
        if found.success:
            found.x = sharp(found.x, lambda x: residual(x, bundle), "root")
        return found
    results = []

    def solve(given: Any) -> Any:
        f, slope, start, rest, helpers = given
        slope = plainly(slope, "root") if callable(slope) else slope
        here = words | dict(zip(("callback", "options"), helpers, strict=True))
        found = scipy.optimize.root(plainly(f, "root"), start, rest, jac=slope, **here)
        if not found.success:
            raise DomainError(
                f"root did not converge: {' '.join(str(found.message).split())}; begin nearer to the "
                f"root, or "
                "take another method="
            )
        results.append(found)
        return found.x

    like = form_of(x0)  # MINPACK, behind the first two methods, flattens it
    like = like.ravel() if method in ("hybr", "lm") else like
    equation = Equation(bundle, solve, residual, label="root", like=like)
    x = solution(equation)
    found = scipy.optimize.OptimizeResult(results[-1] if results else {"success": True})
    found.x = x
    return found


def _stacked(out: Any) -> Any:
    """Equations in a list as one array."""
    return np.stack([part * 1.0 for part in out]) if isinstance(out, list | tuple) else out


def brentq(
    f: Function,
    a: Any,
    b: Any,
    args: Any = (),
    xtol: float = 2e-12,
    rtol: float = 4 * float(np.finfo(float).eps),
    maxiter: int = 100,
    full_output: bool = False,
    disp: bool = True,
) -> Any:
    """``scipy.optimize.brentq``, differentiable in all that the equation depends on.

    Parameters
    ----------
    f : callable
        ``f(x, *args)``, zero at the root; written in NumPy.
    a, b : float
        Where ``f`` has different signs. The root does not depend on them.
    args, xtol, rtol, maxiter, full_output, disp
        As SciPy has them.

    Returns
    -------
    root : float
        The root.
    r : RootResults
        With ``full_output``: SciPy's, of plain numbers.

    Raises
    ------
    ValueError, RuntimeError
        SciPy's own, if the signs are equal or it does not converge.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def angle(e):  # Kepler's equation
    ...     return ad.optimize.brentq(lambda x: x - e * np.sin(x) - 1.0, 0, 3)
    >>> float(ad.derivative(angle, 0.5).round(6))
    1.034667
    """
    import scipy.optimize

    args = as_tuple(args)
    if not active((f, a, b, args)):
        found = scipy.optimize.brentq(f, a, b, args, xtol, rtol, maxiter, full_output, disp)
        if full_output:
            return sharp(found[0], lambda x: f(x, *args), "brentq"), found[1]
        return sharp(found, lambda x: f(x, *args), "brentq")
    results: list[Any] = []

    def solve(given: Any) -> Any:
        g, lower, upper, rest = given
        g = plainly(g, "brentq")
        x, found = scipy.optimize.brentq(g, lower, upper, rest, xtol, rtol, maxiter, True, True)
        results.append(found)
        return x

    equation = Equation((f, a, b, args), solve, _scalar_residual, label="brentq", like=np.zeros(()))
    x = solution(equation)
    return (x, results[-1] if results else None) if full_output else x


def _scalar_residual(x: Any, given: Any) -> Any:
    return np.reshape(given[0](x, *given[-1]), ())


def newton(
    func: Function,
    x0: Any,
    fprime: Function | None = None,
    args: Any = (),
    tol: float = 1.48e-8,
    maxiter: int = 50,
    fprime2: Function | None = None,
    x1: Any = None,
    rtol: float = 0.0,
    full_output: bool = False,
    disp: bool = True,
) -> Any:
    """``scipy.optimize.newton``, differentiable in all that the equation depends on.

    Parameters
    ----------
    func : callable
        ``func(x, *args)``, zero at the root, elementwise; written in NumPy.
    x0 : float or array
        Where it begins; of an array each entry has a root of its own.
    fprime, args, tol, maxiter, fprime2, x1, rtol, full_output, disp
        As SciPy has them.

    Returns
    -------
    root : float or array
        The root.
    ...
        With ``full_output`` what SciPy gives more, of plain numbers.

    Raises
    ------
    RuntimeError
        SciPy's own, if it does not converge.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def sqrt(a):
    ...     return ad.optimize.newton(lambda x: x * x - a, np.ones(2))
    >>> ad.gradient(lambda a: np.sum(sqrt(a)), np.array([1.0, 4.0]))
    array([0.5 , 0.25])
    """
    import scipy.optimize

    args = as_tuple(args)
    words: dict[str, Any] = {"tol": tol, "maxiter": maxiter, "rtol": rtol}
    if not active((func, fprime, fprime2, x0, x1, args)):
        found = scipy.optimize.newton(
            func, x0, fprime, args, fprime2=fprime2, x1=x1, full_output=full_output, disp=disp, **words
        )
        if full_output:
            return sharp(found[0], lambda x: func(x, *args), "newton"), *found[1:]
        return sharp(found, lambda x: func(x, *args), "newton")
    results: list[Any] = []

    def solve(given: Any) -> Any:
        f, first, second, start, other, rest = given
        first, second = (None if g is None else plainly(g, "newton") for g in (first, second))
        x, *more = scipy.optimize.newton(
            plainly(f, "newton"), start, first, rest, fprime2=second, x1=other, full_output=True, **words
        )
        if np.ndim(x) and not np.all(more[0]):
            raise DomainError("newton did not converge in every entry: allow more steps (maxiter)")
        results.append(more)
        return x

    bundle = (func, fprime, fprime2, x0, x1, args)
    equation = Equation(
        bundle, solve, lambda x, given: given[0](x, *given[5]), label="newton", like=form_of(x0)
    )
    x = solution(equation)
    return (x, *(results[-1] if results else (None,))) if full_output else x


def fixed_point(
    func: Function, x0: Any, args: Any = (), xtol: float = 1e-8, maxiter: int = 500, method: str = "del2"
) -> Any:
    """``scipy.optimize.fixed_point``, differentiable in all that the function depends on.

    Parameters
    ----------
    func : callable
        ``func(x, *args)``, in the form of ``x``; written in NumPy.
    x0 : float or array
        Where it begins.
    args, xtol, maxiter, method
        As SciPy has them.

    Returns
    -------
    float or array
        The fixed point.

    Raises
    ------
    RuntimeError
        SciPy's own, if it does not converge.

    See Also
    --------
    polyad.fixed_point : The plain iteration, for functions that are not elementwise.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> float(ad.derivative(lambda a: ad.optimize.fixed_point(lambda x: np.exp(-a * x), 0.5), 1.0).round(6))
    -0.205247
    """
    import scipy.optimize

    args = as_tuple(args)
    if not active((func, x0, args)):
        found = scipy.optimize.fixed_point(func, x0, args, xtol, maxiter, method)
        return sharp(found, lambda x: func(x, *args) - x, "fixed_point")

    def solve(given: Any) -> Any:
        f, start, rest = given
        return scipy.optimize.fixed_point(plainly(f, "fixed_point"), start, rest, xtol, maxiter, method)

    equation = Equation(
        (func, x0, args),
        solve,
        lambda x, given: given[0](x, *given[2]) - x,
        label="fixed_point",
        like=form_of(x0),
    )
    return solution(equation)
