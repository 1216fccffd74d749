"""``solve_ivp`` and ``odeint``: initial value problems, with sensitivities forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer, settled, shape_of
from polyad.engine.implicit.captured import active, replaced, unfollowed
from polyad.engine.implicit.equation import Equation, bare, entered, plain, plainly, solution
from polyad.engine.implicit.lifting import numbers_of
from polyad.engine.implicit.ode import ODE, Flow, solved
from polyad.errors import ArgumentError, DomainError

__all__ = ["odeint", "solve_ivp"]

Function = Callable[..., Any]
WAYS = ("auto", "forward", "adjoint")
# options that are about the system as it was given, not a larger one
OWN = ("jac", "jac_sparsity", "lband", "uband")


class _Problem:
    """A right-hand side with its active values, and the integrator."""

    def __init__(
        self, fun: Function, args: tuple[Any, ...], integrate: Function, label: str, how: str
    ) -> None:
        self.bundle = (fun, args)
        self.leaves = active(self.bundle)
        self.integrate, self.label, self.how = integrate, label, how
        self.values = [settled(unbox(leaf)) for leaf in self.leaves]

    def rhs(self, t: Any, y: Any, *values: Any) -> Any:
        """The right-hand side of values."""
        fun, args = replaced(self.bundle, self.leaves, [entered(v) for v in values])
        out = fun(entered(t), entered(y), *args)
        found = unbox(np.stack([part * 1.0 for part in out]) if _has_boxes(out) else out)
        if not hasattr(found, "shape") or isinstance(found, np.ndarray):
            found = np.asarray(found, dtype=float)
        return found if shape_of(found) == shape_of(y) else unbox(np.reshape(wrap(found), shape_of(y)))

    def plainly(self, values: Sequence[Any]) -> Function:
        """The right-hand side of plain numbers, for plain values."""
        fun, args = replaced(self.bundle, self.leaves, [entered(v) for v in values])
        label = self.label

        def rhs(t: float, y: Any) -> Any:
            out = fun(t, y, *args)
            return out if type(out) is np.ndarray and out.dtype.kind == "f" else plain(out, label)

        return rhs

    def at(self, y0: Any, times: np.ndarray[Any, Any]) -> Any:
        """The solution at times, the first of which is where it begins, as a value."""
        flow = Flow(
            self.rhs, self.integrate, times, shape_of(y0)[0], self.label, self.how, bound=self.plainly
        )
        return ODE(y0, *self.values, flow=flow)

    def until(self, y0: Any, start: Any, end: Any, places: np.ndarray[Any, Any]) -> Any:
        """As ``at``, where begin and end may be active, at places between 0 and 1 of the way."""

        def rhs(s: Any, y: Any, a: Any, b: Any, *values: Any) -> Any:
            a, b = wrap(a), wrap(b)
            return unbox((b - a) * wrap(self.rhs(unbox(a + s * (b - a)), y, *values)))

        flow = Flow(
            rhs, self.integrate, np.concatenate([[0.0], places]), shape_of(y0)[0], self.label, self.how
        )
        return ODE(y0, start, end, *self.values, flow=flow)


def _has_boxes(out: Any) -> bool:
    return isinstance(out, list | tuple) and any(isinstance(part, Box) for part in out)


def _vector(y0: Any) -> Any:
    """Initial values as a value of one axis."""
    if isinstance(y0, list | tuple) and active(y0):
        y0 = np.stack([part * 1.0 for part in y0])
    value = settled(unbox(y0))
    value = value if isinstance(value, Tracer) else np.asarray(value, dtype=float)
    return value if len(shape_of(value)) == 1 else unbox(np.reshape(wrap(value), (-1,)))


def _number(t: Any) -> Any:
    value = settled(unbox(t))
    return value if isinstance(value, Tracer) else np.float64(value)


def solve_ivp(
    fun: Function,
    t_span: Sequence[Any],
    y0: Any,
    method: Any = "RK45",
    t_eval: Any = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: Any = None,
    *,
    sensitivities: str = "auto",
    **options: Any,
) -> Any:
    """``scipy.integrate.solve_ivp``, differentiable in the initial values, the times and all parameters.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)``, the right-hand side, written in NumPy.
    t_span : pair of float
        Where it begins and ends.
    y0 : array of shape (n,)
        The initial values.
    t_eval : array, optional
        Times of the result, plain numbers; without it the result is at SciPy's own steps.
    method, dense_output, events, vectorized, args, **options
        As SciPy has them (``rtol``, ``atol``, ...); no ``dense_output`` where it is differentiated.
    sensitivities : {"auto", "forward", "adjoint"}
        How reverse mode works: by the sensitivities of all parameters, solved beside the solution, or by the
        adjoint system, solved backward along its interpolant. "auto" takes the adjoint where the solution has
        more than 100 sensitivities. Forward mode, and orders above the first, solve the sensitivities.

    Returns
    -------
    OdeResult
        SciPy's, with ``y`` that is followed, and ``t_events`` and ``y_events``, and ``t`` where it depends on
        them or on an active end. Its other fields are plain.

    Raises
    ------
    polyad.errors.DomainError
        If SciPy does not reach the end and the solution is differentiated.

    Notes
    -----
    The sensitivities are under the same error control as the solution, so derivatives have its accuracy. A
    right-hand side with jumps, at a time or a value, is to be split there by an event.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> def end(k):
    ...     return ad.integrate.solve_ivp(lambda t, y: -k * y, (0, 1), [2.0], rtol=1e-9, atol=1e-9).y[0, -1]
    >>> float(ad.derivative(end, 1.0).round(6))  # -2 / e
    -0.735759
    """
    import scipy.integrate

    if sensitivities not in WAYS:
        raise ArgumentError(f"sensitivities is {sensitivities!r}: it may be one of {', '.join(WAYS)}")
    rest = () if args is None else tuple(args)
    if not active((fun, t_span, y0, events, rest, t_eval)):
        return scipy.integrate.solve_ivp(
            fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **options
        )
    if dense_output or vectorized:
        raise ArgumentError("solve_ivp with dense_output or vectorized is not differentiated: give t_eval=")
    if active(t_eval) or active(options):
        raise refuse(
            "solve_ivp with active t_eval or options", "differentiate in t_span, and solve piece by piece"
        )

    def integrate(f: Function, start: Any, times: Any, dense: bool) -> Any:
        own = options if len(start) == size else {k: v for k, v in options.items() if k not in OWN}
        # as SciPy would be called, whose last step may end beyond the last time
        whole = len(start) == size and whole_until is not None and times[-1] == whole_until[0]
        stop = whole_until[1] if whole and whole_until is not None else times[-1]
        found = scipy.integrate.solve_ivp(
            f, (times[0], stop), start, method, times[1:], dense_output=dense, **own
        )
        return solved(found, "solve_ivp").y, found.sol

    problem = _Problem(fun, rest, integrate, "solve_ivp", sensitivities)
    start, end = map(_number, t_span)
    whole_until: tuple[float, float] | None = None
    if t_eval is not None and len(t_eval) and not isinstance(end, Tracer):
        whole_until = float(t_eval[-1]), float(end)
    first = _vector(y0)
    size = shape_of(first)[0]
    moved = isinstance(start, Tracer) or (isinstance(end, Tracer) and t_eval is None)
    boxed = any(isinstance(leaf, Box) for leaf in active((fun, t_span, y0, events, rest)))

    def leave(value: Any) -> Any:
        return wrap(value) if boxed else bare(value)

    if t_eval is not None and events is None and not moved:
        times = np.asarray(t_eval, dtype=float)
        begins = bool(len(times)) and times[0] == start
        found = _result(True)
        later = times[1:] if begins else times
        y = wrap(problem.at(first, np.concatenate([[start], later])))
        found.t = times
        found.y = leave(unbox(np.concatenate([np.reshape(wrap(first), (-1, 1)), y], axis=1) if begins else y))
        return found
    label = "solve_ivp without t_eval, with events, or between active times,"
    lows = [numbers_of(v, label) for v in (start, end, first)]
    # the steps and the events, of plain numbers
    bundle = (fun, rest, events)
    held = active(bundle)
    plain_fun, plain_rest, plain_events = replaced(bundle, held, [numbers_of(v, label) for v in held])
    plain_events = _plain_events(plain_events)
    with unfollowed():
        found = scipy.integrate.solve_ivp(
            plainly(plain_fun, "solve_ivp"), (lows[0], lows[1]), lows[2], method, t_eval, events=plain_events,
            args=plain_rest or None, **options,
        )  # fmt: skip
    solved(found, "solve_ivp")
    if moved and t_eval is not None:
        raise refuse(
            "solve_ivp with t_eval and an active begin", "leave t_eval out, or shift the time in fun"
        )
    steps = np.asarray(found.t)
    if events is not None:
        _with_events(found, problem, first, start, events, leave)
    terminated = found.status == 1
    if terminated:
        which = max(
            (k for k, t in enumerate(found.t_events) if len(shape_of(t)) and shape_of(t)[0]),
            key=lambda k: float(np.max(np.abs(numbers_of(found.t_events[k], label) - lows[0]))),
        )
        end = unbox(wrap(unbox(found.t_events[which]))[-1])
    if moved or (terminated and t_eval is None):
        span = lows[1] if not terminated else numbers_of(end, label)
        places = (steps - lows[0]) / (span - lows[0])
        y = wrap(problem.until(first, start, end, places[1:]))
        a, b = wrap(start), wrap(end)
        found.t = leave(_anchored(a + places * (b - a), steps, label))
    else:
        y = wrap(problem.at(first, np.concatenate([[lows[0]], steps[1:] if steps[0] == lows[0] else steps])))
    if len(steps) and steps[0] == lows[0]:
        y = np.concatenate([np.reshape(wrap(first), (-1, 1)), y], axis=1)
    found.y = leave(_anchored(y, found.y, label))
    return found


def _anchored(followed: Any, plain: Any, label: str) -> Any:
    """What is followed, with SciPy's own numbers: it was solved again, to the same tolerance."""
    return unbox(wrap(unbox(followed)) + (plain - numbers_of(followed, label)))


def _result(success: bool) -> Any:
    from scipy.optimize import OptimizeResult

    return OptimizeResult(
        t=None, y=None, sol=None, t_events=None, y_events=None, status=0, success=success,
        message="The solver successfully reached the end of the integration interval.",
    )  # fmt: skip


def _plain_events(events: Any) -> Any:
    """Events as SciPy calls them, with their attributes."""
    if events is None:
        return None
    made = []
    for event in events if isinstance(events, list | tuple) else [events]:
        call = plainly(event, "an event of solve_ivp")
        for name in ("terminal", "direction"):
            if hasattr(event, name):
                setattr(call, name, getattr(event, name))
        made.append(call)
    return made


def _constantly(t: Any) -> Function:
    return lambda given: t


def _with_events(found: Any, problem: _Problem, first: Any, start: Any, events: Any, leave: Function) -> None:
    """The times of events as roots of equations, and the solution there."""
    many = events if isinstance(events, list | tuple) else [events]
    times, states = [], []
    for k, event in enumerate(many):
        known = np.asarray(found.t_events[k], dtype=float)
        roots = []
        for t in known:

            def residual(x: Any, given: Any) -> Any:
                g, rest, begin, y0, f = given
                own = _Problem(f, rest, problem.integrate, problem.label, problem.how)
                y = own.until(_vector(y0), _number(begin), unbox(x), np.ones(1))
                return np.reshape(g(x, wrap(y)[:, 0], *rest), ())

            bundle = (event, problem.bundle[1], wrap(start), wrap(first), problem.bundle[0])
            equation = Equation(bundle, _constantly(t), residual, label="an event of solve_ivp")
            roots.append(_number(solution(equation)))
        if not roots:
            times.append(known)
            states.append(np.asarray(found.y_events[k], dtype=float))
            continue
        times.append(leave(unbox(np.stack([wrap(r) for r in roots]))))
        rows = [wrap(problem.until(first, start, r, np.ones(1)))[:, 0] for r in roots]
        states.append(leave(_anchored(np.stack(rows), np.asarray(found.y_events[k]), "solve_ivp")))
    found.t_events, found.y_events = times, states


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

    problem = _Problem(fun, (func, *args), integrate, "odeint", "auto")
    first = _vector(y0)
    y = wrap(problem.at(first, np.asarray(t, dtype=float)))
    found = unbox(np.transpose(np.concatenate([np.reshape(wrap(first), (-1, 1)), y], axis=1)))
    boxed = any(isinstance(leaf, Box) for leaf in active((func, y0, args)))
    return wrap(found) if boxed else bare(found)
