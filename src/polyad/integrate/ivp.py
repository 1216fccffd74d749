"""``solve_ivp``: initial value problems, with sensitivities forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.stopped import differenced
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer, shape_of
from polyad.engine.implicit.captured import active, replaced, unfollowed
from polyad.engine.implicit.equation import Equation, bare, plainly, solution
from polyad.engine.implicit.lifting import numbers_of
from polyad.engine.implicit.ode import solved
from polyad.errors import ArgumentError
from polyad.integrate.system import System, number, tight, vector

__all__ = ["solve_ivp"]

Function = Callable[..., Any]
WAYS = ("auto", "forward", "adjoint")
# options that are about the system as it was given, not a larger one
OWN = ("jac_sparsity", "lband", "uband")


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
    slope = options.pop("jac", None)
    given = {} if slope is None else {"jac": slope}
    if not active((fun, t_span, y0, events, rest, t_eval, slope)):
        if differenced():
            options |= tight(options.get("rtol", 1e-3), options.get("atol", 1e-6))
        return scipy.integrate.solve_ivp(
            fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **given, **options
        )
    if dense_output or vectorized:
        raise ArgumentError("solve_ivp with dense_output or vectorized is not differentiated: give t_eval=")
    if active(t_eval) or active(options):
        raise refuse(
            "solve_ivp with active t_eval or options", "differentiate in t_span, and solve piece by piece"
        )

    def integrate(f: Function, start: Any, times: Any, dense: bool) -> Any:
        own = options if len(start) == size else {k: v for k, v in options.items() if k not in OWN}
        own_slope = getattr(f, "slope", None)
        own = own if own_slope is None else {**own, "jac": own_slope}
        # as SciPy would be called, whose last step may end beyond the last time
        whole = len(start) == size and whole_until is not None and times[-1] == whole_until[0]
        stop = whole_until[1] if whole and whole_until is not None else times[-1]
        found = scipy.integrate.solve_ivp(
            f, (times[0], stop), start, method, times[1:], dense_output=dense, **own
        )
        return solved(found, "solve_ivp").y, found.sol

    problem = System(fun, rest, integrate, "solve_ivp", sensitivities, slope)
    start, end = map(number, t_span)
    whole_until: tuple[float, float] | None = None
    if t_eval is not None and len(t_eval) and not isinstance(end, Tracer):
        whole_until = float(t_eval[-1]), float(end)
    first = vector(y0)
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
    bundle = (fun, rest, events, given)
    held = active(bundle)
    plain_fun, plain_rest, plain_events, given = replaced(bundle, held, [numbers_of(v, label) for v in held])
    plain_events = _plain_events(plain_events)
    with unfollowed():
        found = scipy.integrate.solve_ivp(
            plainly(plain_fun, "solve_ivp"), (lows[0], lows[1]), lows[2], method, t_eval, events=plain_events,
            args=plain_rest or None, **given, **options,
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


def _with_events(found: Any, problem: System, first: Any, start: Any, events: Any, leave: Function) -> None:
    """The times of events as roots of equations, and the solution there."""
    many = events if isinstance(events, list | tuple) else [events]
    times, states = [], []
    for k, event in enumerate(many):
        known = np.asarray(found.t_events[k], dtype=float)
        roots = []
        for t in known:

            def residual(x: Any, given: Any) -> Any:
                g, rest, begin, y0, f = given
                own = System(f, rest, problem.integrate, problem.label, problem.how)
                y = own.until(vector(y0), number(begin), unbox(x), np.ones(1))
                return np.reshape(g(x, wrap(y)[:, 0], *rest), ())

            bundle = (event, problem.bundle[1], wrap(start), wrap(first), problem.bundle[0])
            equation = Equation(bundle, _constantly(t), residual, label="an event of solve_ivp")
            roots.append(number(solution(equation)))
        if not roots:
            times.append(known)
            states.append(np.asarray(found.y_events[k], dtype=float))
            continue
        times.append(leave(unbox(np.stack([wrap(r) for r in roots]))))
        rows = [wrap(problem.until(first, start, r, np.ones(1)))[:, 0] for r in roots]
        states.append(leave(_anchored(np.stack(rows), np.asarray(found.y_events[k]), "solve_ivp")))
    found.t_events, found.y_events = times, states
