"""``minimize``: every method is given the derivatives that it takes, in the form that it takes them."""

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
from polyad.solvers.scipy.constraints import any_sparse, with_derivatives
from polyad.solvers.scipy.limits import bounded
from polyad.solvers.unknown import Unknown
from polyad.systems.base import Backend

__all__ = ["minimize"]

Call = Callable[..., Any]
METHODS = (*accepts.GRADIENTS, *accepts.HESSIANS, *accepts.WITHOUT)
# up to so many unknowns trust-constr is given Hessians as arrays that are not sparse
DENSE = 200


def minimize(
    fun: Call,
    x0: Any,
    args: Any = (),
    method: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Any = None,
    options: Any = None,
    *,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
) -> Any:
    """``scipy.optimize.minimize`` with exact gradients, Hessians and derivatives of constraints.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)``, a number. With ``jac=True`` value and gradient, as SciPy has it.
    x0 : scalar, array or tree of them
        Where the search begins; ``fun`` takes what has this form, and ``res.x`` has it.
    args : tuple
        Further arguments of ``fun``.
    method : str or callable, optional
        As SciPy has it; None is BFGS, L-BFGS-B with bounds, SLSQP with constraints.
    jac : callable, bool or str, optional
        None takes polyad's gradient, computed together with the value; anything else is SciPy's.
    hess : callable, str or HessianUpdateStrategy, optional
        None takes polyad's Hessian where the method takes one: products for Newton-CG, trust-ncg and
        trust-krylov, an array for trust-exact and dogleg, for trust-constr an array of few unknowns, a sparse
        one where the pattern has few entries, else products. ``"dense"``, ``"sparse"`` and ``"products"`` say
        which; anything else is SciPy's.
    hessp : callable, optional
        As SciPy has it.
    bounds : sequence of pairs, Bounds or pair of trees, optional
        As SciPy has them; for trees also ``(lower, upper)``, each None, a number or a tree of the same form.
    constraints : constraints of SciPy's
        Where they have no ``jac`` or ``"2-point"`` they get polyad's, sparse where that pays, and for
        trust-constr the Hessian weighted by the multipliers.
    tol, callback, options
        As SciPy has them; ``callback`` sees ``x`` in the form of ``x0``.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.gradient``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.gradient``.

    Returns
    -------
    scipy.optimize.OptimizeResult
        SciPy's; ``x`` and the gradient in ``jac`` have the form of ``x0``.

    Raises
    ------
    polyad.errors.ArgumentError
        If the method does not take what it is given: a form of the Hessian, bounds, constraints.
    polyad.errors.FunctionNotSupportedError
        If the function cannot be differentiated by the backend; the message names line and remedy.

    Warns
    -----
    polyad.errors.PrecisionWarning
        If the function computes in less than float64.

    Examples
    --------
    >>> import numpy as np
    >>> from polyad.solvers.scipy import minimize
    >>> def f(x):
    ...     return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> minimize(f, np.zeros(4), method="trust-exact", tol=1e-8).x.round(6)
    array([1., 1., 1., 1.])
    >>> start = {"a": 0.0, "b": np.ones(2)}
    >>> minimize(lambda p: (p["a"] - 1) ** 2 + np.sum(p["b"] ** 2), start).x["a"].round(6)
    np.float64(1.0)
    """
    import scipy.optimize

    args = args if isinstance(args, tuple) else (args,)
    name = _chosen(method, bounds, constraints)
    unknown, caught = Unknown(x0), Caught()
    limits = bounded(unknown.limits(bounds), unknown.start, pairs=True)
    _refuse(name, jac, hess, hessp, bounds, constraints, backend)
    how: dict[str, Any] = {"backend": backend, "follow": follow, "solver": _title(name)}
    given = _objective(name, fun, unknown, args, jac, hess, hessp, caught, how)
    if constraints is not None and not _none(constraints):
        constraints = with_derivatives(name, constraints, unknown, caught, how)
        if name == "trust-constr" and any_sparse(constraints, unknown.start):
            options = {"sparse_jacobian": True, **(options or {})}  # all or none, for this method
    found = caught.run(
        scipy.optimize.minimize,
        x0=unknown.start.copy(),
        method=method,
        bounds=limits,
        constraints=() if constraints is None else constraints,
        tol=tol,
        callback=callback if unknown.plain else _callback(callback, unknown),
        options=options,
        **given,
    )
    return _result(found, unknown)


def _none(constraints: Any) -> bool:
    return isinstance(constraints, tuple | list) and not constraints


def _chosen(method: Any, bounds: Any, constraints: Any) -> str:
    """The method's name, SciPy's choice where none is given."""
    if callable(method):
        return "custom"
    if method is None:
        if constraints is not None and not _none(constraints):
            return "slsqp"
        return "bfgs" if bounds is None else "l-bfgs-b"
    return accepts.method_name(method, METHODS, "minimize")


def _title(name: str) -> str:
    return "the method given" if name == "custom" else f"minimize(method={name!r})"


def _refuse(name: str, jac: Any, hess: Any, hessp: Any, bounds: Any, constraints: Any, backend: Any) -> None:
    """What the method would not use, or trip over later."""
    if name == "custom":
        return
    if name in accepts.WITHOUT:
        for what, value in (("jac", jac), ("hess", hess), ("hessp", hessp), ("backend", backend)):
            if value is not None and value is not False:
                raise ArgumentError(
                    f"method {name!r} uses no derivatives: leave {what}= out, or take a method that does, "
                    "such as 'L-BFGS-B'"
                )
    forms = accepts.HESSIANS.get(name, ())
    if hess is not None:
        wanted = hess if isinstance(hess, str) and hess not in accepts.DIFFERENCES else None
        if wanted is not None or not forms:
            accepts.accepted(wanted or "dense", forms, name, "Hessian")
    if hessp is not None and "products" not in forms:
        accepts.accepted("products", forms, name, "Hessian")
    if bounds is not None and name not in accepts.BOUNDED:
        raise ArgumentError(
            f"method {name!r} takes no bounds: leave them out, or take one of {', '.join(accepts.BOUNDED)}"
        )
    if constraints is not None and not _none(constraints) and name not in accepts.CONSTRAINED:
        raise ArgumentError(
            f"method {name!r} takes no constraints: leave them out, or take one of "
            f"{', '.join(accepts.CONSTRAINED)}"
        )


def _objective(
    name: str,
    fun: Call,
    unknown: Unknown,
    args: tuple[Any, ...],
    jac: Any,
    hess: Any,
    hessp: Any,
    caught: Caught,
    how: dict[str, Any],
) -> dict[str, Any]:
    """``fun``, ``jac``, ``hess`` and ``hessp`` for SciPy: functions of a vector alone."""
    first = (lambda *a: fun(*a)[0]) if jac is True else fun  # of which a Hessian is taken
    f = Differentiated(first, unknown, args, **how)
    given: dict[str, Any] = {}
    if jac is True:
        pair = caught.watched(_called(fun, unknown, args))

        def both(x: Any) -> tuple[Any, Any]:
            y, g = pair(x)
            return np.asarray(y).item(), unknown.vector(g, "the gradient")

        at = LastPoint(both)
        given["fun"], given["jac"] = at.part(0), at.part(1)
    elif (jac is None or jac is False) and name not in accepts.WITHOUT:
        at = LastPoint(caught.watched(f.value_and_gradient()))
        given["fun"], given["jac"] = at.part(0), at.part(1)
    else:
        given["fun"] = caught.watched(_called(fun, unknown, args))
        given["jac"] = None if name in accepts.WITHOUT else jac
        if callable(jac):
            own = _called(jac, unknown, args)
            given["jac"] = caught.watched(lambda x: unknown.vector(own(x), "the gradient"))
    if name in accepts.HESSIANS or name == "custom":
        given |= _second(name, f, args, hess, hessp, caught)
    return given


def _called(f: Call, unknown: Unknown, args: tuple[Any, ...]) -> Call:
    """A user's function, called as it is: of the solver's vector, or of two."""
    if unknown.plain:
        return f if not args else lambda *vectors: f(*vectors, *args)
    return lambda *vectors: f(*map(unknown.given, vectors), *args)


def _second(
    name: str, f: Differentiated, args: tuple[Any, ...], hess: Any, hessp: Any, caught: Caught
) -> dict[str, Any]:
    """``hess`` or ``hessp``."""
    unknown = f.unknown
    if hessp is not None:
        product = _called(hessp, unknown, args)
        return {"hessp": caught.watched(lambda x, p: unknown.vector(product(x, p), "hessp"))}
    if callable(hess):
        own = _called(hess, unknown, args)
        return {"hess": caught.watched(lambda x: _checked(own(x), name))}
    if hess is not None and not (isinstance(hess, str) and hess in accepts.FORMS):
        return {"hess": hess}  # differences, or an approximation that SciPy updates
    form = hess or ("products" if name == "custom" else accepts.HESSIANS[name][0])
    call = None
    if hess is None and name == "trust-constr":
        call, form = f.worthwhile_hessian(), "dense" if unknown.size <= DENSE else "products"
    if call is None and form == "products":
        return {"hessp": caught.watched(f.hessian_product())}
    if call is None:
        call = f.dense_hessian() if form == "dense" else f.sparse_hessian()
    return {"hess": caught.watched(call)}


def _checked(H: Any, name: str) -> Any:
    if name == "custom":
        return H
    form = accepts.container(H)
    if form == "products" and form in accepts.HESSIANS[name] and name not in accepts.OPERATORS:
        raise ArgumentError(
            f"method {name!r} takes no LinearOperator from hess: pass hessp=lambda x, p: ..., or leave both "
            "out and have it chosen"
        )
    accepts.accepted(form, accepts.HESSIANS[name], name, "Hessian")
    return H


def _callback(callback: Any, unknown: Unknown) -> Any:
    """A callback that sees the unknown in its own form."""
    if callback is None:
        return None
    try:
        names = set(inspect.signature(callback).parameters)
    except (TypeError, ValueError):
        names = set()
    if names == {"intermediate_result"}:

        def told(intermediate_result: Any) -> Any:
            shown = type(intermediate_result)(intermediate_result)
            shown.x = unknown.result(intermediate_result.x)
            return callback(intermediate_result=shown)

        return told
    return lambda x, *state: callback(unknown.result(x), *state)


def _result(found: Any, unknown: Unknown) -> Any:
    """SciPy's result, with what is like the unknown in its form."""
    if not unknown.plain:
        for name in ("x", "jac", "grad"):
            value = found.get(name)
            if isinstance(value, np.ndarray) and value.shape == (unknown.size,):
                found[name] = unknown.result(value)
    return found
