"""``root``, ``fsolve`` and ``newton_krylov``: systems of equations with exact Jacobians and products."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.errors import ArgumentError
from polyad.solvers.caught import Caught
from polyad.solvers.function import Differentiated
from polyad.solvers.point import LastPoint
from polyad.solvers.scipy import accepts
from polyad.solvers.unknown import Unknown
from polyad.systems.base import Backend

__all__ = ["fsolve", "newton_krylov", "root"]

Call = Callable[..., Any]


def root(
    fun: Call,
    x0: Any,
    args: Any = (),
    method: str = "hybr",
    jac: Any = None,
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
    *,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Any:
    """``scipy.optimize.root`` with exact Jacobians, and exact products for ``method="krylov"``.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, as many numbers as are unknown, in an array or a list.
    x0 : scalar, array or tree of them
        Where the search begins; ``fun`` takes what has this form, and ``res.x`` has it.
    args : tuple
        Further arguments of ``fun``.
    method : str
        As SciPy has it: ``"hybr"`` and ``"lm"`` take an array, ``"krylov"`` products; the others take no
        derivatives.
    jac : callable or bool, optional
        None takes polyad's Jacobian, computed together with the values; anything else is SciPy's.
    tol, callback, options
        As SciPy has them.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.jacobian``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.jacobian``.

    Returns
    -------
    scipy.optimize.OptimizeResult
        SciPy's; ``x`` has the form of ``x0``.

    Raises
    ------
    polyad.errors.ArgumentError
        If the method does not take what it is given, or there are not as many equations as unknowns.
    polyad.errors.FunctionNotSupportedError
        If the function cannot be differentiated by the backend; the message names line and remedy.

    Warns
    -----
    polyad.errors.PrecisionWarning
        If the function computes in less than float64.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import root
    >>> root(lambda x: [x[0] ** 2 + x[1] ** 2 - 2, x[0] - x[1]], [1, 2]).x.round(9)
    array([1., 1.])
    """
    import scipy.optimize

    args = args if isinstance(args, tuple) else (args,)
    name = accepts.method_name(method, tuple(accepts.ROOTS), "root")
    unknown, caught = Unknown(x0), Caught()
    forms = accepts.ROOTS[name]
    given: dict[str, Any] = {"fun": caught.watched(_called(fun, unknown, args)), "jac": None}
    if not forms or name == "krylov":
        if jac is not None and jac is not False:
            raise ArgumentError(f"method {name!r} takes no Jacobian: leave jac out, or take method='hybr'")
    if not forms and backend is not None:
        raise ArgumentError(f"method {name!r} uses no derivatives: leave backend= out, or take method='hybr'")
    how: dict[str, Any] = {"backend": backend, "follow": follow, "solver": f"root(method={name!r})"}
    if name == "krylov":
        exact = _Exact(Differentiated(fun, unknown, args, several=True, **how), caught)
        options = dict(options or {})
        options["jac_options"] = exact.options(dict(options.get("jac_options") or {}))
        given["fun"] = exact.value
    elif forms and jac is True:
        pair = given["fun"]

        def both(x: Any) -> tuple[Any, Any]:
            y, J = pair(x)
            return _numbers(y), _dense(J, name)

        at = LastPoint(both)
        given = {"fun": at.part(0), "jac": at.part(1)}
    elif callable(jac):
        own = _called(jac, unknown, args)
        given["jac"] = caught.watched(lambda x: _dense(own(x), name))
    elif forms:
        f = Differentiated(fun, unknown, args, several=True, **how)
        at = LastPoint(caught.watched(f.value_and_jacobian(_form(jac, name))))
        _square(f, exactly=name == "hybr")
        given = {"fun": at.part(0), "jac": at.part(1)}
    found = caught.run(
        scipy.optimize.root,
        x0=unknown.start.copy(),
        method=name,
        tol=tol,
        callback=callback if callback is None or unknown.plain else _callback(callback, unknown),
        options=options,
        **given,
    )
    found.x = unknown.result(found.x)
    return found


def _called(f: Call, unknown: Unknown, args: tuple[Any, ...]) -> Call:
    """The user's function as it is, of the solver's vector."""
    if unknown.plain:
        return f if not args else lambda x: f(x, *args)
    return lambda x: _numbers(f(unknown.given(x), *args))


def _numbers(y: Any) -> Any:
    return np.atleast_1d(np.asarray(y, dtype=np.float64)).reshape(-1)


def _dense(J: Any, name: str) -> Any:
    accepts.accepted(accepts.container(J), accepts.ROOTS[name], name, "Jacobian")
    return J


def _form(jac: Any, name: str) -> str:
    if jac is None or jac is False:
        return "dense"
    accepts.accepted(jac, accepts.ROOTS[name], name, "Jacobian")
    return str(jac)


def _square(f: Differentiated, *, exactly: bool) -> None:
    """Refuse what has no root in general, before SciPy says it in terms of shapes."""
    m, n = f.vector_output(), f.unknown.size
    if m < n or (exactly and m > n):
        remedy = "method='lm'" if m > n else "least_squares"
        raise ArgumentError(
            f"{m} equations for {n} unknowns: return as many as are unknown, or take {remedy}"
        )


def _callback(callback: Any, unknown: Unknown) -> Any:
    return lambda x, f: callback(unknown.result(x), f)


def fsolve(
    func: Call,
    x0: Any,
    args: Any = (),
    fprime: Any = None,
    full_output: bool = False,
    col_deriv: bool = False,
    xtol: float = 1.49012e-8,
    maxfev: int = 0,
    band: Any = None,
    epsfcn: float | None = None,
    factor: float = 100,
    diag: Any = None,
    *,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Any:
    """``scipy.optimize.fsolve`` with the exact Jacobian.

    Parameters
    ----------
    func : callable
        ``func(x, *args)``, as many numbers as are unknown, in an array or a list.
    x0 : scalar, array or tree of them
        Where the search begins; ``func`` takes what has this form, and the solution has it.
    fprime : callable, optional
        None takes polyad's Jacobian, computed together with the values.
    args, full_output, col_deriv, xtol, maxfev, band, epsfcn, factor, diag
        As SciPy has them; ``band`` and ``epsfcn`` are of differences, and not used.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.jacobian``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.jacobian``.

    Returns
    -------
    x : like ``x0``
        The solution.
    ...
        With ``full_output`` what SciPy gives more.

    Raises
    ------
    polyad.errors.ArgumentError
        If there are not as many equations as unknowns.

    Examples
    --------
    >>> from polyad.solvers.scipy import fsolve
    >>> fsolve(lambda x: [x[0] * x[1] - 4, x[0] - x[1]], [1, 3]).round(9)
    array([2., 2.])
    """
    import scipy.optimize

    args = args if isinstance(args, tuple) else (args,)
    unknown, caught = Unknown(x0), Caught()
    if fprime is None:
        f = Differentiated(func, unknown, args, backend=backend, follow=follow, solver="fsolve", several=True)
        at = LastPoint(caught.watched(f.value_and_jacobian()))
        _square(f, exactly=True)
        value, slope, col_deriv = at.part(0), at.part(1), False
    else:
        own = _called(fprime, unknown, args)
        value = caught.watched(_called(func, unknown, args))
        slope = caught.watched(lambda x: _dense(own(x), "hybr"))
    words: dict[str, Any] = {"full_output": full_output, "col_deriv": col_deriv, "xtol": xtol, "band": band}
    words |= {"maxfev": maxfev, "epsfcn": epsfcn, "factor": factor, "diag": diag}
    found = caught.run(scipy.optimize.fsolve, value, unknown.start.copy(), fprime=slope, **words)
    return (unknown.result(found[0]), *found[1:]) if full_output else unknown.result(found)


def newton_krylov(
    F: Call,
    xin: Any,
    iter: int | None = None,
    rdiff: float | None = None,
    method: Any = "lgmres",
    inner_maxiter: int = 20,
    inner_M: Any = None,
    outer_k: int = 10,
    verbose: bool = False,
    maxiter: int | None = None,
    f_tol: float | None = None,
    f_rtol: float | None = None,
    x_tol: float | None = None,
    x_rtol: float | None = None,
    tol_norm: Any = None,
    line_search: str | None = "armijo",
    callback: Any = None,
    *,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
    **kw: Any,
) -> Any:
    """``scipy.optimize.newton_krylov`` with exact products in the place of differences.

    Parameters
    ----------
    F : callable
        ``F(x)``, as many numbers as are unknown.
    xin : array or tree of arrays
        Where the search begins; ``F`` takes what has this form, and the solution has it.
    rdiff : None
        Of differences, and refused.
    iter, method, inner_maxiter, inner_M, outer_k, verbose, maxiter, f_tol, f_rtol, x_tol, x_rtol, tol_norm, \
line_search, callback, **kw
        As SciPy has them.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.jvp``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.jvp``.

    Returns
    -------
    like ``xin``
        The solution.

    Raises
    ------
    scipy.optimize.NoConvergence
        SciPy's own.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import newton_krylov
    >>> newton_krylov(lambda x: x + 0.1 * np.roll(x, 1) ** 2 - 1.1, np.zeros(3), f_tol=1e-12).round(9)
    array([1., 1., 1.])
    """
    import scipy.optimize

    if rdiff is not None:
        raise ArgumentError("rdiff is the step of differences, and products are exact here: leave it out")
    unknown, caught = Unknown(xin, "xin"), Caught()
    f = Differentiated(F, unknown, backend=backend, follow=follow, solver="newton_krylov", several=True)
    exact = _Exact(f, caught)
    inner = {"method": method, "inner_maxiter": inner_maxiter, "inner_M": inner_M, "outer_k": outer_k, **kw}
    words: dict[str, Any] = {"iter": iter, "verbose": verbose, "maxiter": maxiter, "f_tol": f_tol}
    words |= {"f_rtol": f_rtol, "x_tol": x_tol, "x_rtol": x_rtol, "tol_norm": tol_norm}
    words |= {"line_search": line_search}
    words["callback"] = callback if callback is None or unknown.plain else _callback(callback, unknown)
    found = caught.run(
        scipy.optimize.newton_krylov, exact.value, unknown.start.copy(), **exact.options(inner), **words
    )
    return unknown.result(found)


class _Exact:
    """Exact products inside of SciPy's Newton-Krylov methods, which have differences only.

    SciPy asks a Krylov method, which may be any callable, to solve with an operator of differences, and tells
    a preconditioner of each new point. So the callable here puts an operator of exact products in the place
    of that operator, at the point of which the preconditioner was told.
    """

    def __init__(self, f: Differentiated, caught: Caught) -> None:
        self._products_at = caught.watched(f.products_at())
        self._watched = caught.watched
        self.value: Call = caught.watched(f.plain_value())
        _square(f, exactly=True)
        self._at: Any = f.unknown.start
        self._M: Any = None
        self._product: Any = None

    def options(self, inner: dict[str, Any]) -> dict[str, Any]:
        """The options of SciPy's ``KrylovJacobian`` by which it works with exact products."""
        from scipy.optimize import KrylovJacobian

        if inner.get("rdiff") is not None:
            raise ArgumentError("rdiff is the step of differences, and products are exact here: leave it out")
        method = inner.get("method", "lgmres")
        if isinstance(method, str) and method not in accepts.KRYLOV:
            raise ArgumentError(
                f"method={method!r} is none of SciPy's Krylov methods: pass one of "
                f"{', '.join(accepts.KRYLOV)}"
            )
        self._theirs = KrylovJacobian(**inner)  # knows each method's own options
        self._M = inner.get("inner_M")
        return {"method": _Method(self._solve, self._theirs.method), "inner_M": self}

    def setup(self, x: Any, f: Any, func: Any) -> None:
        """SciPy's word to a preconditioner on the first point."""
        self._at, self._product = np.array(x), None
        if hasattr(self._M, "setup"):
            self._M.setup(x, f, func)

    def update(self, x: Any, f: Any) -> None:
        """SciPy's word to a preconditioner on each further point."""
        self._at, self._product = np.array(x), None
        if hasattr(self._M, "update"):
            self._M.update(x, f)

    def _solve(self, op: Any, rhs: Any, **ours: Any) -> Any:
        from scipy.sparse.linalg import LinearOperator

        if self._product is None:
            self._product = self._watched(self._products_at(self._at))
        J = LinearOperator(op.shape, matvec=self._product, dtype=np.float64)
        words = dict(self._theirs.method_kw)
        words.setdefault("rtol", ours.get("rtol", 1e-5))
        return self._theirs.method(J, rhs, **words)


class _Method:
    """A Krylov method with the signature of another, by which SciPy checks its options."""

    def __init__(self, solve: Call, like: Call) -> None:
        self._solve = solve
        self.__signature__ = inspect.signature(like)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._solve(*args, **kwargs)
