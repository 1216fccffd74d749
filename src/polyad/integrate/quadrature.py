"""``quad`` and ``quad_vec``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.implicit.captured import active
from polyad.engine.implicit.integral import integrated
from polyad.errors import ArgumentError, DomainError

__all__ = ["quad", "quad_vec"]

Function = Callable[..., Any]
# what SciPy says where the result is no integral
FAILED = (
    "maximum number of subdivisions",
    "extremely bad integrand",
    "divergent",
    "maximum number of cycles",
)


def quad(
    func: Function,
    a: Any,
    b: Any,
    args: Any = (),
    full_output: int = 0,
    epsabs: float = 1.49e-8,
    epsrel: float = 1.49e-8,
    limit: int = 50,
    points: Any = None,
    weight: str | None = None,
    wvar: Any = None,
    wopts: Any = None,
    maxp1: int = 50,
    limlst: int = 50,
    complex_func: bool = False,
) -> Any:
    """``scipy.integrate.quad``, differentiable in its limits and in all that the integrand depends on.

    Parameters
    ----------
    func : callable
        ``func(t, *args)``, giving a number. Continuous in what is differentiated: of a jump that moves with a
        parameter the derivative would know nothing.
    a, b : float
        The limits, infinite ones too.
    args : tuple
        What else the integrand takes.
    full_output, epsabs, epsrel, limit, points, weight, wvar, wopts, maxp1, limlst, complex_func
        As SciPy has them. Integrals of derivatives are computed to the same tolerances.

    Returns
    -------
    y : float
        The integral.
    abserr : float
        SciPy's estimate of its error; NaN in compiled code of JAX.
    ...
        More with ``full_output``, for plain numbers only.

    Raises
    ------
    polyad.errors.DomainError
        If SciPy reports that a result, of the integral or of its derivative, is no integral.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def mean(rate):
    ...     return ad.integrate.quad(lambda t: rate * t * np.exp(-rate * t), 0, np.inf)[0]
    >>> float(ad.derivative(mean, 2.0).round(6))
    -0.25
    """
    import scipy.integrate

    args = args if isinstance(args, tuple) else (args,)
    options: dict[str, Any] = {"epsabs": epsabs, "epsrel": epsrel, "limit": limit, "points": points}
    options |= {"weight": weight, "wvar": wvar, "wopts": wopts, "maxp1": maxp1, "limlst": limlst}
    if not active((func, a, b, args)):
        return scipy.integrate.quad(func, a, b, args, full_output, complex_func=complex_func, **options)
    if full_output or complex_func:
        raise ArgumentError("quad with full_output or complex_func is not differentiated: leave them out")
    if active((points, wvar)):
        raise ArgumentError("quad takes points and wvar as plain numbers: put a weight into the integrand")
    errors = []

    def once(f: Function, lower: float, upper: float) -> float:
        y, error, *more = scipy.integrate.quad(f, lower, upper, full_output=1, **options)
        errors.append(error)
        if len(more) > 1:
            message = " ".join(str(more[1]).split())
            if any(words in message for words in FAILED):
                raise DomainError(f"quad: {message}")
            warnings.warn(message, scipy.integrate.IntegrationWarning, stacklevel=2)
        return float(y)

    def integrate(f: Function, lower: float, upper: float, derived: bool) -> Any:
        if not derived:
            return once(f, lower, upper)
        form = np.shape(f(_inside(lower, upper)))
        if weight is None and int(np.prod(form)) > 1:
            y, _, info = scipy.integrate.quad_vec(
                f, lower, upper, epsabs=epsabs, epsrel=epsrel, norm="max", limit=200 * limit,
                points=points, full_output=True,
            )  # fmt: skip
            if info.success:
                return y
        size, kept = int(np.prod(form)), {}

        def part(t: float, k: int) -> float:
            if t not in kept:
                kept[t] = np.ravel(f(t))
            return float(kept[t][k])

        found = [once(lambda t, k=k: part(t, k), lower, upper) for k in range(size)]
        return np.reshape(found, form)

    y = integrated(func, a, b, args, integrate, "quad", scalar=True)
    return y, errors[0] if errors else np.nan


def _inside(a: float, b: float) -> float:
    """A point between limits that may be infinite."""
    if np.isinf(a) and np.isinf(b):
        return 0.0
    if np.isinf(a):
        return b - 1.0
    return a + 1.0 if np.isinf(b) else 0.5 * (a + b)


def quad_vec(
    f: Function,
    a: Any,
    b: Any,
    epsabs: float = 1e-200,
    epsrel: float = 1e-8,
    norm: str = "2",
    cache_size: float = 100e6,
    limit: int = 10000,
    workers: Any = 1,
    points: Any = None,
    quadrature: str | None = None,
    full_output: bool = False,
    *,
    args: Any = (),
) -> Any:
    """``scipy.integrate.quad_vec``, differentiable in its limits and in all that the integrand depends on.

    Parameters
    ----------
    f : callable
        ``f(t, *args)``, giving an array.
    a, b : float
        The limits, infinite ones too.
    epsabs, epsrel, norm, cache_size, limit, workers, points, quadrature, full_output, args
        As SciPy has them. Integrals of derivatives are computed to the same tolerances.

    Returns
    -------
    res : array
        The integral.
    err : float
        SciPy's estimate of its error; NaN in compiled code of JAX.

    Raises
    ------
    polyad.errors.DomainError
        If the tolerance is not reached within ``limit`` intervals.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def moments(rate):
    ...     return ad.integrate.quad_vec(lambda t: rate * np.exp(-rate * t) * t ** np.arange(3), 0, np.inf)[0]
    >>> ad.derivative(moments, 2.0).round(6) + 0.0
    array([ 0.  , -0.25, -0.5 ])
    """
    import scipy.integrate

    args = args if isinstance(args, tuple) else (args,)
    options: dict[str, Any] = {"epsabs": epsabs, "epsrel": epsrel, "norm": norm, "cache_size": cache_size}
    options |= {"limit": limit, "workers": workers, "points": points, "quadrature": quadrature}
    if not active((f, a, b, args)):
        return scipy.integrate.quad_vec(f, a, b, full_output=full_output, args=args, **options)
    if full_output:
        raise ArgumentError("quad_vec with full_output is not differentiated: leave it out")
    errors = []

    def integrate(g: Function, lower: float, upper: float, derived: bool) -> Any:
        y, error, info = scipy.integrate.quad_vec(g, lower, upper, full_output=True, **options)
        if not info.success and not error <= max(epsabs, 1e-14 * float(np.max(np.abs(y), initial=0.0))):
            raise DomainError(f"quad_vec: {info.message} (of the {'derivative' if derived else 'integral'})")
        errors.append(error)
        return y

    y = integrated(f, a, b, args, integrate, "quad_vec", scalar=False)
    return y, errors[0] if errors else np.nan
