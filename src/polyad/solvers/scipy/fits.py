"""``least_squares`` and ``curve_fit`` with exact Jacobians."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.solvers.caught import Caught
from polyad.solvers.function import Differentiated
from polyad.solvers.point import LastPoint
from polyad.solvers.scipy import accepts
from polyad.solvers.scipy.limits import bounded, weighted
from polyad.solvers.unknown import Unknown
from polyad.systems.base import Backend

__all__ = ["curve_fit", "least_squares"]

Call = Callable[..., Any]
# up to so many unknowns the exact solver of trust regions, which takes arrays, is the better choice
FEW_PARAMETERS = 100


def least_squares(
    fun: Call,
    x0: Any,
    jac: Any = None,
    bounds: Any = (-np.inf, np.inf),
    method: str = "trf",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: Any = None,
    loss: Any = "linear",
    f_scale: float = 1.0,
    diff_step: Any = None,
    tr_solver: Any = None,
    tr_options: Any = None,
    jac_sparsity: Any = None,
    max_nfev: int | None = None,
    verbose: int = 0,
    args: Any = (),
    kwargs: Any = None,
    callback: Any = None,
    workers: Any = None,
    *,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Any:
    """``scipy.optimize.least_squares`` with exact Jacobians, sparse ones where the method allows it.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)``, the residuals.
    x0 : scalar, array or tree of them
        Where the search begins; ``fun`` takes what has this form, and ``res.x`` has it.
    jac : callable or str, optional
        None takes polyad's Jacobian, computed together with the residuals: sparse of more than 100 unknowns
        where the pattern has few entries, and not for ``method="lm"`` or ``tr_solver="exact"``; an array
        otherwise. ``"dense"``, ``"sparse"`` and ``"products"`` (a LinearOperator) say which. ``"2-point"``,
        ``"3-point"``, ``"cs"`` and callables are SciPy's.
    bounds : pair or Bounds
        As SciPy has them; for trees also ``(lower, upper)`` with trees of the same form.
    jac_sparsity : sparse array, optional
        The pattern of the Jacobian, where it is known; it is checked.
    method, ftol, xtol, gtol, x_scale, loss, f_scale, diff_step, tr_solver, tr_options, max_nfev, verbose, \
args, kwargs, callback, workers
        As SciPy has them.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.jacobian``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.jacobian``.

    Returns
    -------
    scipy.optimize.OptimizeResult
        SciPy's; ``x`` and ``grad`` have the form of ``x0``.

    Raises
    ------
    polyad.errors.ArgumentError
        If the method does not take the Jacobian in the form wanted.
    polyad.errors.FunctionNotSupportedError
        If the function cannot be differentiated by the backend; the message names line and remedy.

    Warns
    -----
    polyad.errors.PrecisionWarning
        If the function computes in less than float64.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import least_squares
    >>> t = np.linspace(0, 1, 20)
    >>> data = 3 * np.exp(-2 * t)
    >>> start = {"scale": 1, "rate": 1}
    >>> found = least_squares(lambda p: p["scale"] * np.exp(-p["rate"] * t) - data, start)
    >>> found.x["rate"].round(6)
    np.float64(2.0)
    """
    import scipy.optimize

    args = args if isinstance(args, tuple) else (args,)
    name = accepts.method_name(method, tuple(accepts.LEAST_SQUARES), "least_squares")
    forms = accepts.LEAST_SQUARES[name]
    unknown, caught = Unknown(x0), Caught()
    limits = bounded(unknown.limits(bounds), unknown.start, pairs=False)
    if name == "lm" and not _is_free(limits):
        raise ArgumentError("method 'lm' takes no bounds: leave them out, or take 'trf' or 'dogbox'")
    r = functools.partial(fun, **kwargs) if kwargs else fun
    wanted = _wanted(jac, jac_sparsity, forms, name, tr_solver, x_scale)
    given: dict[str, Any] = {}
    if wanted is None:
        value = caught.watched(lambda x: r(unknown.given(x), *args))
        given = {"fun": value, "jac": jac, "jac_sparsity": jac_sparsity, "diff_step": diff_step}
        if callable(jac):
            own = functools.partial(jac, **kwargs) if kwargs else jac
            given["jac"] = caught.watched(lambda x: _taken(own(unknown.given(x), *args), forms, name))
    else:
        f = Differentiated(
            r, unknown, args, backend=backend, follow=follow, solver="least_squares", several=True
        )
        at = LastPoint(caught.watched(_residuals(f, wanted, jac_sparsity)))
        given = {"fun": at.part(0), "jac": at.part(1)}
    words: dict[str, Any] = {"ftol": ftol, "xtol": xtol, "gtol": gtol, "loss": loss, "f_scale": f_scale}
    words |= {"tr_solver": tr_solver, "tr_options": tr_options, "max_nfev": max_nfev, "verbose": verbose}
    more = {"x_scale": x_scale, "callback": _callback(callback, unknown), "workers": workers}
    found = caught.run(
        scipy.optimize.least_squares,
        x0=unknown.start.copy(),
        bounds=limits,
        method=name,
        **given,
        **words,
        **{k: v for k, v in more.items() if v is not None},
    )
    if not unknown.plain:
        found.x, found.grad = unknown.result(found.x), unknown.result(found.grad)
    return found


def _wanted(
    jac: Any, pattern: Any, forms: tuple[str, ...], name: str, tr_solver: Any, x_scale: Any
) -> str | None:
    """The form of polyad's Jacobian, "auto" where that is to be found out; None where it is SciPy's."""
    if callable(jac) or jac in accepts.DIFFERENCES:
        return None
    if jac is None and pattern is None:
        return "dense" if name == "lm" or tr_solver == "exact" else "auto"
    form = "sparse" if jac is None else jac
    accepts.accepted(form, forms, name, "Jacobian")
    if form != "dense" and tr_solver == "exact":
        raise ArgumentError(f"tr_solver='exact' takes no {form} Jacobian: leave it out, or pass jac='dense'")
    if form == "products" and isinstance(x_scale, str) and x_scale == "jac":
        raise ArgumentError(
            "x_scale='jac' needs the entries of the Jacobian: pass jac='dense' or 'sparse', or x_scale=1.0"
        )
    return form


def _is_free(bounds: Any) -> bool:
    """Whether bounds bound nothing, or are none of SciPy's, which says so."""
    ends = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    if not (isinstance(ends, tuple | list) and len(ends) == 2):
        return True
    return all(end is None or np.all(np.isinf(np.asarray(end, dtype=np.float64))) for end in ends)


def _taken(J: Any, forms: tuple[str, ...], name: str) -> Any:
    accepts.accepted(accepts.container(J), forms, name, "Jacobian")
    return J


def _residuals(f: Differentiated, wanted: str, pattern: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Residuals and Jacobian, as functions of a vector."""
    if wanted == "products":
        return _lazily(f)
    if pattern is not None and wanted != "dense":
        return f.value_and_jacobian("sparse", pattern)
    found = f.worthwhile_jacobian(few=FEW_PARAMETERS) if wanted == "auto" else None
    return found or f.value_and_jacobian("sparse" if wanted == "sparse" else "dense")


def _lazily(f: Differentiated) -> Callable[[Any], tuple[Any, Any]]:
    from scipy.sparse.linalg import LinearOperator

    value, left, (push, pull) = f.value, f.left, f.products()
    m, n = f.vector_output(), f.unknown.size

    def both(x: Any) -> tuple[Any, Any]:
        at = x.copy()
        J = LinearOperator(
            (m, n), matvec=lambda v: push(at, v), rmatvec=lambda w: pull(at, w), dtype=np.float64
        )
        return np.atleast_1d(left(value(at))).reshape(-1), J

    return both


def _callback(callback: Any, unknown: Unknown) -> Any:
    if callback is None or unknown.plain:
        return callback

    def told(intermediate_result: Any) -> Any:
        shown = type(intermediate_result)(intermediate_result)
        shown.x = unknown.result(intermediate_result.x)
        return callback(shown)

    return told


def curve_fit(
    f: Call,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = (-np.inf, np.inf),
    method: str | None = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    nan_policy: str | None = None,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
    **kwargs: Any,
) -> Any:
    """``scipy.optimize.curve_fit`` with the exact Jacobian of the model.

    Parameters
    ----------
    f : callable
        The model, ``f(xdata, *parameters)``.
    xdata, ydata : array_like
        The data.
    p0 : array_like, optional
        Where the search begins, as SciPy has it; whole numbers do.
    jac : callable or str, optional
        None takes polyad's Jacobian, computed together with the model's values; anything else is SciPy's.
    sigma, absolute_sigma, check_finite, bounds, method, full_output, nan_policy, **kwargs
        As SciPy has them.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.jacobian``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.jacobian``.

    Returns
    -------
    popt : numpy.ndarray
        The parameters.
    pcov : numpy.ndarray
        Their covariance; the square roots of its diagonal are the standard errors.
    ...
        With ``full_output`` what SciPy gives more.

    Raises
    ------
    RuntimeError
        SciPy's own, if the fit fails.
    polyad.errors.FunctionNotSupportedError
        If the model cannot be differentiated by the backend; the message names line and remedy.

    Warns
    -----
    polyad.errors.PrecisionWarning
        If the model computes in less than float64.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import curve_fit
    >>> x = np.linspace(0, 1, 20)
    >>> popt, pcov = curve_fit(lambda x, a, b: a * np.exp(-b * x), x, 3 * np.exp(-2 * x), p0=(1, 1))
    >>> popt.round(6)
    array([3., 2.])
    """
    import scipy.optimize

    if isinstance(jac, str) and (method == "lm" or jac not in accepts.DIFFERENCES):
        raise ArgumentError(
            f"jac={jac!r}: leave it out, and the model's exact Jacobian is taken, an array; "
            "methods 'trf' and 'dogbox' take '2-point', '3-point' and 'cs' as well"
        )
    if p0 is not None:
        p0 = Unknown(p0, "p0").start
        bounded(bounds, p0, pairs=False)
    weighted(sigma, xdata, ydata, omit=nan_policy == "omit")
    if kwargs.get("args") is not None:
        raise ArgumentError("args: the model of curve_fit takes the parameters only, bind others in a lambda")
    caught = Caught()
    model, slope = f, jac
    if jac is None:
        fitted = _Model(f, {"backend": backend, "follow": follow})
        model, slope = functools.wraps(f)(caught.watched(fitted.value)), caught.watched(fitted.jacobian)
    return caught.run(
        scipy.optimize.curve_fit,
        model,
        xdata,
        ydata,
        p0,
        sigma,
        absolute_sigma,
        check_finite,
        bounds,
        method,
        slope,
        full_output=full_output,
        nan_policy=nan_policy,
        **kwargs,
    )


class _Model:
    """A model of data as a function of a vector of parameters, prepared when the data are first seen."""

    def __init__(self, f: Call, how: dict[str, Any]) -> None:
        self._f, self._how = f, how
        self._data: Any = None
        self._at: LastPoint | None = None

    def _here(self, xdata: Any, parameters: tuple[Any, ...]) -> tuple[Any, ...]:
        p = np.array(parameters, dtype=np.float64)
        if self._at is None or self._data is not xdata:
            f, many = self._f, range(len(p))

            @functools.wraps(f)
            def of_vector(p: Any, x: Any) -> Any:
                return f(x, *[p[k] for k in many])

            made = Differentiated(
                of_vector, Unknown(p), (xdata,), solver="curve_fit", several=True, **self._how
            )
            self._data, self._at = xdata, LastPoint(made.value_and_jacobian())
        return self._at(p)

    def value(self, xdata: Any, *parameters: Any) -> Any:
        """The model at the data."""
        return self._here(xdata, parameters)[0].copy()

    def jacobian(self, xdata: Any, *parameters: Any) -> Any:
        """Its derivatives by the parameters, a column for each."""
        return self._here(xdata, parameters)[1].copy()
