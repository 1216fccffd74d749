"""``odeint``: initial value problems by LSODA, with its older signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.stopped import differenced
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.refusals import refuse
from polyad.engine.implicit.captured import active
from polyad.engine.implicit.equation import bare
from polyad.engine.implicit.ode import solved
from polyad.errors import ArgumentError, DomainError
from polyad.integrate.system import System, tight, vector

__all__ = ["odeint"]

Function = Callable[..., Any]


def odeint(
    func: Function,
    y0: Any,
    t: Any,
    args: Any = (),
    Dfun: Any = None,
    col_deriv: int = 0,
    full_output: int = 0,
    ml: Any = None,
    mu: Any = None,
    rtol: Any = None,
    atol: Any = None,
    tcrit: Any = None,
    h0: float = 0.0,
    hmax: float = 0.0,
    hmin: float = 0.0,
    ixpr: int = 0,
    mxstep: int = 0,
    mxhnil: int = 0,
    mxordn: int = 12,
    mxords: int = 5,
    printmessg: int = 0,
    tfirst: bool = False,
) -> Any:
    """``scipy.integrate.odeint``, differentiable in the initial values and all parameters.

    Parameters
    ----------
    func : callable
        ``func(y, t, *args)``, or ``func(t, y, *args)`` with ``tfirst``: the right-hand side, written in
        NumPy.
    y0 : array of shape (n,)
        The initial values.
    t : array
        Times of the result, the first of which is where it begins; plain numbers.
    args : tuple
        What else the right-hand side takes.
    Dfun, col_deriv, full_output, ml, mu, rtol, atol, tcrit, h0, hmax, hmin, ixpr, mxstep, mxhnil, mxordn, \
mxords, printmessg, tfirst
        As SciPy has them; no ``full_output`` where it is differentiated. Derivatives are solved to the same
        tolerances.

    Returns
    -------
    array of shape (len(t), n)
        The solution.

    Raises
    ------
    polyad.errors.DomainError
        If SciPy does not reach the last time and the solution is differentiated.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> t = np.array([0.0, 1.0])
    >>> def end(k):
    ...     return ad.integrate.odeint(lambda y, t: -k * y, [1.0], t)[-1, 0]
    >>> float(ad.derivative(end, 2.0).round(5))
    -0.13534
    """
    import scipy.integrate

    args = args if isinstance(args, tuple) else (args,)
    words: dict[str, Any] = {"rtol": rtol, "atol": atol, "tcrit": tcrit, "h0": h0, "hmax": hmax, "hmin": hmin}
    words |= {"ixpr": ixpr, "mxstep": mxstep, "mxhnil": mxhnil, "mxordn": mxordn, "mxords": mxords}
    own: dict[str, Any] = {"Dfun": Dfun, "col_deriv": col_deriv, "ml": ml, "mu": mu}
    if not active((func, y0, t, args)):
        if differenced():
            words |= tight(*(1.49012e-8 if v is None else v for v in (rtol, atol)))
        return scipy.integrate.odeint(
            func, y0, t, args, full_output=full_output, printmessg=printmessg, tfirst=tfirst, **own, **words
        )
    if full_output:
        raise ArgumentError("odeint with full_output is not differentiated: leave it out")
    if active(t):
        raise refuse(
            "odeint with active times", "use polyad.integrate.solve_ivp, which is differentiated in t_span"
        )

    def integrate(f: Function, start: Any, times: Any, dense: bool) -> Any:
        y, info = scipy.integrate.odeint(f, start, times, full_output=1, tfirst=True, **words)
        if info["message"] != "Integration successful.":
            raise DomainError(
                f"odeint: {info['message']} Take other tolerances (rtol, atol), or more steps (mxstep)"
            )
        between = None
        if dense:
            tight = {"rtol": 1e-9 if rtol is None else rtol, "atol": 1e-9 if atol is None else atol}
            between = solved(
                scipy.integrate.solve_ivp(
                    f, (times[0], times[-1]), start, "LSODA", dense_output=True, **tight
                ),
                "odeint",
            ).sol
        return y.T[:, 1:], between

    def fun(t: Any, y: Any, f: Any, *rest: Any) -> Any:
        return f(t, y, *rest) if tfirst else f(y, t, *rest)

    problem = System(fun, (func, *args), integrate, "odeint", "auto")
    first = vector(y0)
    y = wrap(problem.at(first, np.asarray(t, dtype=float)))
    found = unbox(np.transpose(np.concatenate([np.reshape(wrap(first), (-1, 1)), y], axis=1)))
    boxed = any(isinstance(leaf, Box) for leaf in active((func, y0, args)))
    return wrap(found) if boxed else bare(found)
