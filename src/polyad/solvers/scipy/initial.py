"""``solve_ivp``: the stiff methods with exact Jacobians, sparse or banded where the pattern says so."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.trees import LEAF, flatten
from polyad.errors import ArgumentError
from polyad.operators.differentiate_with import PreparedValue
from polyad.operators.jacobian import PreparedJacobian
from polyad.solvers.caught import Caught
from polyad.solvers.function import Differentiated, in_a_row
from polyad.solvers.scipy import accepts
from polyad.solvers.unknown import Unknown
from polyad.systems.base import Backend

__all__ = ["solve_ivp"]

Call = Callable[..., Any]


def solve_ivp(
    fun: Call,
    t_span: Any,
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    *,
    backend: Backend | str | None = None,
    follow: bool | tuple[str, ...] | None = None,
    **options: Any,
) -> Any:
    """``scipy.integrate.solve_ivp`` with exact Jacobians for Radau, BDF and LSODA.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)``, the derivative of ``y`` by the time: an array, a list, or what has the form of
        ``y0``.
    y0 : array or tree of arrays
        The initial state.
    method : str or OdeSolver
        As SciPy has it. The explicit methods take no Jacobian, and nothing is differentiated.
    options
        SciPy's. With ``jac`` left out the Jacobian is polyad's: of more than 40 unknowns sparse for Radau and
        BDF, and banded for LSODA, where the pattern says so. ``jac="dense"``, ``"sparse"`` or ``"banded"``
        say which; ``jac_sparsity`` (or ``lband`` and ``uband``) is a pattern that is known, and is checked.
        ``jac="2-point"`` leaves the Jacobian to SciPy's differences.
    t_span, t_eval, dense_output, events, vectorized, args
        As SciPy has them.
    backend : Backend or str, optional
        Who differentiates, as in ``polyad.jacobian``.
    follow : bool or tuple of str, optional
        Whether code of packages that loses a derivative is followed, as in ``polyad.jacobian``.

    Returns
    -------
    Bunch object of SciPy's
        Of a tree ``y0`` the leaves of ``sol.y`` have one more axis, the last, over the times.

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
    >>> from polyad.solvers.scipy import solve_ivp
    >>> def robertson(t, y):
    ...     a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    ...     return [b - a, a - b - c, c]
    >>> sol = solve_ivp(robertson, (0, 40), [1, 0, 0], method="BDF", rtol=1e-6, atol=1e-9)
    >>> sol.y[:, -1].round(4), sol.njev < 20
    (array([0.7158, 0.    , 0.2842]), True)
    """
    import scipy.integrate

    name = _name(method)
    forms = accepts.IVP.get(name, ())
    caught = Caught()
    if not forms and name in accepts.IVP:
        for what, value in (("backend=", backend), ("jac=", options.get("jac"))):
            if value is not None:
                raise ArgumentError(
                    f"method {name!r} uses no Jacobian: leave {what} out, or take 'Radau', 'BDF' or 'LSODA'"
                )
    tree = flatten(y0)[1] is not LEAF and not isinstance(y0, list | tuple)
    unknown = None if not forms and not tree else Unknown(y0, "y0")
    rest = () if args is None else tuple(args) if isinstance(args, list | tuple) else (args,)
    if unknown is None:
        start = y0
        value = caught.watched(fun if not rest else lambda t, y: fun(t, y, *rest))
    else:
        start = unknown.start.copy()
        how = {"backend": backend, "follow": follow, "solver": f"solve_ivp(method={name!r})"}
        value, found = _problem(fun, float(t_span[0]), unknown, rest, name, options, caught, how)
        options = {**options, **found}
    sol = caught.run(
        scipy.integrate.solve_ivp,
        value,
        t_span,
        start,
        method=method,
        t_eval=t_eval,
        dense_output=dense_output,
        events=_events(events, unknown, rest, caught),
        vectorized=vectorized and unknown is None,
        **options,
    )
    if tree and unknown is not None:
        sol.y = unknown.columns(sol.y)
        if sol.y_events is not None:
            sol.y_events = [unknown.columns(np.asarray(y).T.reshape(unknown.size, -1)) for y in sol.y_events]
    return sol


def _name(method: Any) -> str:
    """The method in small letters; SciPy's classes by their name, other ones are left alone."""
    if isinstance(method, str):
        return accepts.method_name(method, tuple(accepts.IVP), "solve_ivp")
    module = getattr(method, "__module__", "") or ""
    return method.__name__.lower() if module.startswith("scipy.integrate") else ""


def _events(events: Any, unknown: Unknown | None, args: tuple[Any, ...], caught: Caught) -> Any:
    """Events of a state in the form of ``y0``, with the attributes by which SciPy knows what they do."""
    if events is None or (not args and (unknown is None or unknown.plain)):
        return events
    if not callable(events):
        return [_events(e, unknown, args, caught) for e in events]
    given = (lambda y: y) if unknown is None else unknown.given

    def event(t: Any, y: Any) -> Any:
        return events(t, given(y), *args)

    watched = caught.watched(event)
    for word in ("terminal", "direction"):
        if hasattr(events, word):
            setattr(watched, word, getattr(events, word))
    return watched


def _problem(
    fun: Call,
    t0: float,
    unknown: Unknown,
    args: tuple[Any, ...],
    name: str,
    options: dict[str, Any],
    caught: Caught,
    how: dict[str, Any],
) -> tuple[Call, dict[str, Any]]:
    """The right-hand side as a function of a vector, and the options that say the Jacobian."""
    forms, jac = accepts.IVP[name], options.get("jac")
    together = _one_vector(fun, unknown)
    if not forms or callable(jac) or not (jac is None or isinstance(jac, str)) or jac in accepts.DIFFERENCES:
        value = caught.watched(lambda t, y: together(t, unknown.given(y), *args))
        if callable(jac):
            own = jac
            jac = caught.watched(lambda t, y: _taken(own(t, unknown.given(y), *args), forms, name))
        elif jac is not None and not isinstance(jac, str):
            jac = _taken(jac, forms, name)
        return value, {} if not forms else {"jac": None if isinstance(jac, str) else jac}

    @functools.wraps(fun)
    def of_state(y: Any, t: Any, *args: Any) -> Any:
        return together(t, y, *args)

    f = Differentiated(of_state, unknown, (t0, *args), several=True, **how)
    enter, left, rest = unknown.enter, f.left, f.args[1:]
    if f.runs_plainly:
        value = lambda t, y: together(t, unknown.given(y), *args)  # noqa: E731
        if unknown.plain:
            value = fun if not args else lambda t, y: fun(t, y, *args)
    else:
        prepared = f.prepared(PreparedValue)
        value = lambda t, y: left(prepared(enter(y), float(t), *rest))  # noqa: E731
    matrix, found = _matrix(f, name, jac, options)
    if f.vector_output() != unknown.size:
        raise ArgumentError(
            f"the function returns {f.vector_output()} numbers for a state of {unknown.size}: return as many"
        )
    slope = lambda t, y: matrix(enter(y), float(t), *rest)  # noqa: E731
    return caught.watched(value), {"jac": caught.watched(slope), **found}


def _taken(J: Any, forms: tuple[str, ...], name: str) -> Any:
    accepts.accepted(accepts.container(J), ("dense", *forms), name, "Jacobian")
    return J


def _one_vector(fun: Call, unknown: Unknown) -> Call:
    """The right-hand side with what it returns, which may have the form of the state, as one vector."""
    if unknown.one_axis:
        return fun

    return functools.wraps(fun)(lambda t, y, *args: in_a_row(fun(t, y, *args)))


def _matrix(f: Differentiated, name: str, jac: Any, options: dict[str, Any]) -> tuple[Call, dict[str, Any]]:
    """The Jacobian as ``call(y, t, *args)`` of arrays of the backend, and more options for SciPy."""
    forms, pattern = accepts.IVP[name], options.get("jac_sparsity")
    bands = options.get("lband"), options.get("uband")
    if jac is not None:
        accepts.accepted(jac, forms, name, "Jacobian")
    if name == "lsoda":
        if pattern is not None:
            raise ArgumentError("method 'lsoda' takes no jac_sparsity: give lband and uband, or take 'BDF'")
        if jac == "banded" or bands != (None, None) or jac is None:
            return _banded(f, bands, must=jac == "banded" or bands != (None, None))
    elif pattern is not None and jac != "dense":
        return f.sparse_jacobian("csc", pattern), {"jac_sparsity": None}
    elif jac == "sparse":
        return f.sparse_jacobian("csc"), {}
    elif jac is None:
        found = f.worthwhile(PreparedJacobian, "csc")
        if found is not None:
            return found, {}
    dense, left, n = f.prepared(PreparedJacobian), f.left, f.unknown.size
    return lambda y, *rest: left(dense(y, *rest)).reshape(n, n), {}


def _banded(f: Differentiated, bands: tuple[Any, Any], *, must: bool) -> tuple[Call, dict[str, Any]]:
    """The Jacobian packed by its diagonals, as LSODA takes it; an array where that has no fewer rows."""
    n = f.unknown.size
    pattern = None
    if bands != (None, None):
        import scipy.sparse

        lower, upper = (0 if b is None else int(b) for b in bands)
        offsets = range(-lower, upper + 1)
        pattern = scipy.sparse.diags_array([1.0] * len(offsets), offsets=list(offsets), shape=(n, n))
    prepared = f.sparse_jacobian("csr", pattern) if must else f.worthwhile(PreparedJacobian)
    if prepared is not None:
        rows, columns = prepared.pattern.row_ids(), prepared.pattern.indices
        lower, upper = int(np.max(rows - columns, initial=0)), int(np.max(columns - rows, initial=0))
        if must or lower + upper + 1 <= n // 2:
            place = upper + rows - columns

            def packed(y: Any, *rest: Any) -> Any:
                diagonals = np.zeros((lower + upper + 1, n))
                diagonals[place, columns] = prepared(y, *rest).data
                return diagonals

            return packed, {"lband": lower, "uband": upper}
    dense, left = f.prepared(PreparedJacobian), f.left
    return lambda y, *rest: left(dense(y, *rest)).reshape(n, n), {}
