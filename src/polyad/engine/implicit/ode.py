"""Solutions of ordinary differential equations as functions of where they begin and of their parameters.

Forward: the sensitivities are the solution of a larger system, under the same error control, whose own
sensitivities are of the same kind: so every order comes of it. Backward: the adjoint system along the
interpolated
solution, for which the number of parameters makes little difference. The right-hand sides of both are
recorded as
programs where that is possible.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine import run
from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import Tracer, Value, base, shape_of, under_way
from polyad.engine.implicit.captured import unfollowed
from polyad.engine.implicit.equation import Hosted, plain
from polyad.engine.interpretations.masked import settled as filled
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.interpretations.series import RULES, Series
from polyad.engine.programs.body import recorded
from polyad.errors import DomainError, PolyadError

__all__ = ["ODE", "Flow", "solved"]

Rhs = Callable[..., Value]
# entries of sensitivities from which on reverse mode solves the adjoint system
MANY = 100


class Flow:
    """A system of differential equations, and where its solution is wanted.

    Parameters
    ----------
    rhs : callable
        ``rhs(t, y, *values)``, of values, of the form of ``y``.
    integrate : callable
        ``integrate(f, y0, times, dense)``: SciPy's solution for plain numbers, of shape ``(n,
        len(times))``, and a
        function of the time where ``dense`` (None otherwise). The first time is where it begins.
    times : array
        Where it begins, and the times of the result.
    label : str
        What errors call it.
    how : {"auto", "forward", "adjoint"}
        How reverse mode works.
    """

    def __init__(
        self,
        rhs: Rhs,
        integrate: Callable[..., Any],
        times: np.ndarray[Any, Any],
        size: int,
        label: str,
        how: str = "auto",
        *,
        derived: bool = False,
        bound: Callable[[Sequence[Any]], Any] | None = None,
    ) -> None:
        self.bound = bound  # for plain values, the right-hand side of plain numbers, found once
        self.rhs, self.integrate, self.times, self.size = rhs, integrate, times, size
        self.label, self.how, self.derived = label, how, derived
        self.ready: Any = None  # operands, and the solution for them
        self.last: Any = None  # a solution, and a function of the time that gives it between its times
        self.like = np.zeros((size, len(times) - 1))

    def computed(self, y0: Any, *values: Any) -> Any:
        """The solution for plain numbers."""
        if self.ready is not None and all(map(np.array_equal, self.ready[0], (y0, *values))):
            return self.ready[1]
        y0 = np.asarray(y0, dtype=float)
        many = y0.size * (y0.size + _size(values)) > MANY
        dense = not self.derived and (self.how == "adjoint" or (self.how == "auto" and many))
        f = self.plainly(y0, values)
        with unfollowed():
            y, between = self.integrate(f, y0, self.times, dense)
        self.last = (y, between)
        return y

    def plainly(self, y0: np.ndarray[Any, Any], values: Sequence[Any]) -> Callable[[float, Any], Any]:
        """The right-hand side of plain numbers."""
        if self.derived:
            return program(self.rhs, [np.float64(self.times[0]), y0], values)
        return self.bound(values) if self.bound is not None else self._slowly(values)

    def _slowly(self, values: Sequence[Any]) -> Callable[[float, Any], Any]:
        rhs, label = self.rhs, self.label
        return lambda t, y: np.asarray(plain(rhs(t, y, *values), label), dtype=float)

    def like_this(self, rhs: Rhs, size: int) -> Flow:
        """A larger system."""
        return Flow(rhs, self.integrate, self.times, size, self.label, "forward", derived=True)


def _size(values: Sequence[Any]) -> int:
    return sum(int(np.prod(shape_of(v))) for v in values)


def program(f: Rhs, first: Sequence[Any], values: Sequence[Any]) -> Callable[..., Any]:
    """A function of values, as a program if it can be one; the last operands stay what they are."""
    try:
        code = recorded(lambda *cells: [f(*cells)], [*first, *values]).code
    except (PolyadError, np.linalg.LinAlgError, TypeError):
        return lambda *given: np.asarray(base(f(*given, *values)))
    constants = tuple(values)
    return lambda *given: code(*map(_number, given), *constants)[0]


def _number(a: Any) -> Any:
    return np.float64(a) if type(a) is float else a


def _direction(flow: Flow, number: int, moving: Sequence[int]) -> Rhs:
    """The system of a solution and its sensitivities; operands: the values, then the tangents of some."""
    n = flow.size

    def rhs(t: Value, z: Value, *given: Value) -> Value:
        values, tangents = given[:number], given[number:]
        y = unbox(wrap(z)[:n])
        rows = np.reshape(wrap(z)[n:], (-1, n))

        def f(boxes: Sequence[Any]) -> Any:
            full = list(values)
            for k, box in zip(moving, boxes[1:], strict=True):
                full[k] = box._value
            return (wrap(flow.rhs(t, boxes[0]._value, *full)),), ()

        moved, value, _ = run.push(
            f, [run.leave(y), *(run.leave(values[k]) for k in moving)], [rows, *map(run.leave, tangents)]
        )
        return unbox(np.concatenate([value[0], np.reshape(moved[0], (-1,))]))

    return rhs


def _sensitivities(
    flow: Flow,
    y0: Value,
    values: Sequence[Value],
    moving: Sequence[int],
    rows: Value,
    tangents: Sequence[Value],
) -> Value:
    """Of some directions the tangents of the solution, of shape ``(k, n, m)``."""
    count, n = shape_of(rows)[0], flow.size
    larger = flow.like_this(_direction(flow, len(values), moving), n * (1 + count))
    z0 = unbox(np.concatenate([wrap(y0), np.reshape(wrap(rows), (-1,))]))
    z = wrap(ODE(z0, *values, *tangents, flow=larger))
    return unbox(np.reshape(z[n:], (count, n, len(flow.times) - 1)))


def _push(y: Value, tangents: Sequence[Value], y0: Value, *values: Value, flow: Flow) -> Value:
    moving = [k for k, t in enumerate(tangents[1:]) if t is not None]
    count = shape_of(next(t for t in tangents if t is not None))[0]
    if any(type(base(v)) is Proxy for v in (y0, *values, *tangents)):
        # a framework may transpose this, so the tangents must stay outside of what runs on the host
        which = [0] * (tangents[0] is not None) + [1 + k for k in moving]
        slopes = wrap(_slopes(flow, y0, values, which))
        flat = [np.reshape(wrap(tangents[k]), (count, -1)) for k in which]
        return unbox(np.tensordot(np.concatenate(flat, axis=1), slopes, axes=1))
    rows = np.zeros((count, flow.size)) if tangents[0] is None else tangents[0]
    return _sensitivities(flow, y0, values, moving, rows, [tangents[1 + k] for k in moving])


def _slopes(flow: Flow, y0: Value, values: Sequence[Value], which: Sequence[int]) -> Value:
    """The derivatives of the solution by all entries of some operands, of shape ``(k, n, m)``."""
    shapes = [shape_of((y0, *values)[k]) for k in which]
    sizes = [int(np.prod(shape)) for shape in shapes]
    blocks = np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1], axis=1)
    seeds = {k: b.reshape(-1, *s) for k, b, s in zip(which, blocks, shapes, strict=True)}
    rows = seeds.pop(0, np.zeros((sum(sizes), flow.size)))
    moving = [k - 1 for k in which if k]
    return _sensitivities(flow, y0, values, moving, rows, [seeds[1 + k] for k in moving])


def _joint(
    which: tuple[int, ...], y: Value, y0: Value, *values: Value, flow: Flow
) -> Callable[[Value], tuple[Value, ...]]:
    operands = (y0, *values)
    shapes = [shape_of(operands[k]) for k in which]
    sizes = [int(np.prod(shape)) for shape in shapes]
    traced = any(isinstance(v, Tracer) for v in operands)
    many = flow.size * sum(sizes) > MANY
    adjoint = not traced and not flow.derived and (flow.how == "adjoint" or (flow.how == "auto" and many))

    def pull(w: Value) -> tuple[Value, ...]:
        w = filled(w)
        if adjoint and not isinstance(w, Tracer):
            return backward(flow, y, y0, values, which, np.asarray(w))
        slopes = wrap(_slopes(flow, y0, values, which))
        flat, found, start = np.tensordot(slopes, wrap(w), axes=2), [], 0
        for size, shape in zip(sizes, shapes, strict=True):
            found.append(unbox(np.reshape(flat[start : start + size], shape)))
            start += size
        return tuple(found)

    return pull


def interpolant(sol: Any) -> Callable[[float], Any]:
    """A dense output of SciPy's at single times, without its checks where a Runge-Kutta method gave it."""
    parts, ts = sol.interpolants, sol.ts
    if not all(hasattr(part, "Q") and hasattr(part, "y_old") for part in parts) or ts[-1] < ts[0]:
        return lambda t: sol(t)
    powers = np.arange(1.0, parts[0].Q.shape[1] + 1)
    marks, last = ts[1:-1].tolist(), len(parts) - 1

    def at(t: float) -> Any:
        part = parts[min(bisect.bisect_left(marks, t), last)]
        return part.y_old + part.h * (part.Q @ ((t - part.t_old) / part.h) ** powers)

    return at


def backward(
    flow: Flow, y: Any, y0: Any, values: Sequence[Any], which: Sequence[int], w: np.ndarray[Any, Any]
) -> tuple[Any, ...]:
    """The cotangents of plain operands, by the adjoint system from the last time back to the first."""
    n, times = flow.size, flow.times
    y0, moving = np.asarray(y0, dtype=float), [k - 1 for k in which if k]
    shapes = [shape_of(values[k]) for k in moving]
    sizes = [int(np.prod(shape)) for shape in shapes]
    last = flow.last
    if last is None or last[0] is not y or last[1] is None:
        f = flow.plainly(y0, values)
        with unfollowed():
            last = flow.integrate(f, y0, times, True)
    between = interpolant(last[1])

    def pulled(t: Value, x: Value, a: Value, *given: Value) -> Value:
        def f(boxes: Sequence[Any]) -> Any:
            full = list(given)
            for k, box in zip(moving, boxes[1:], strict=True):
                full[k] = box._value
            return (wrap(flow.rhs(t, boxes[0]._value, *full)),), ()

        record = run.record(f, [run.leave(x), *(run.leave(given[k]) for k in moving)])
        parts = record.pull([run.leave(a)], free=True)
        return unbox(-np.concatenate([np.reshape(part, (-1,)) for part in parts]))

    run_back = program(pulled, [np.float64(times[-1]), y0, np.ones(n)], values)
    scale = float(np.max(np.abs(w), initial=0.0)) or 1.0
    state = np.zeros(n + sum(sizes))

    def rhs(t: float, z: np.ndarray[Any, Any]) -> Any:
        return run_back(t, between(t), z[:n])

    def down(state: Any, upper: Any, lower: Any) -> Any:
        with unfollowed():
            return flow.integrate(rhs, state, np.array([upper, lower]), False)[0][:, -1]

    upper = None
    for j in range(len(times) - 1, 0, -1):
        column = w[:, j - 1] / scale
        if not column.any():
            continue
        if upper is not None:
            state = down(state, upper, times[j])
        state[:n] += column
        upper = times[j]
    if upper is not None:
        state = down(state, upper, times[0])
    state = state * scale
    parts = (
        [p.reshape(s)[()] for p, s in zip(np.split(state[n:], np.cumsum(sizes)[:-1]), shapes, strict=True)]
        if sizes
        else []
    )
    return ((state[:n],) if 0 in which else ()) + tuple(parts)


def _expanded(primitive: Any, order: int, operands: list[Any], params: dict[str, Any]) -> list[Value]:
    """Of an expansion, the coefficients: a larger system as well."""
    flow: Flow = params["flow"]
    n = flow.size
    y0 = operands[0] if type(operands[0]) is list else [operands[0], *[0.0 * operands[0]] * order]
    flat = [c for v in operands[1:] if type(v) is list for c in v]
    others = [None if type(v) is list else v for v in operands[1:]]
    counts = [len(v) if type(v) is list else 0 for v in operands[1:]]

    def rhs(t: Value, z: Value, *given: Value) -> Value:
        waiting, rows = iter(given), np.reshape(wrap(z), (order + 1, n))
        with under_way() as level:  # the right-hand side may differentiate in its turn
            y = Series(level, [unbox(rows[k]) for k in range(order + 1)])
            full = [
                Series(level, [next(waiting) for _ in range(c)]) if c else v
                for v, c in zip(others, counts, strict=True)
            ]
            found = flow.rhs(t, y, *full)
        row = (
            found.coefficients
            if type(found) is Series and found.level == level
            else [found, *[0.0 * found] * order]
        )
        return unbox(np.concatenate([wrap(c) for c in row]))

    z0 = unbox(np.concatenate([wrap(c) for c in y0]))
    z = wrap(ODE(z0, *flat, flow=flow.like_this(rhs, n * (order + 1))))
    return [unbox(z[k * n : (k + 1) * n]) for k in range(order + 1)]


def _made() -> Hosted:
    made = Hosted("ode", lambda *args, flow: flow.computed(*args), _push, (), joint=_joint)
    made.ready(lambda *args, flow: flow.like)
    return made


ODE = _made()
RULES["ode"] = _expanded


def solved(found: Any, label: str) -> Any:
    """SciPy's result, if it is one."""
    if not found.success:
        raise DomainError(f"{label}: {found.message} Take other tolerances (rtol, atol) or another method")
    return found
