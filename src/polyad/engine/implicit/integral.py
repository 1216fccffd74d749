"""An integral as a function of its limits and of what its integrand depends on, to every order.

A derivative of an integral is an integral of derivatives (Leibniz), of the same kind: so it is integrated to
the same tolerance by the same means, adaptively, whatever the integrand itself needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine import run
from polyad.engine.boxes.box import Box, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer, Value, base, settled, shape_of, under_way
from polyad.engine.implicit.captured import active, replaced, unfollowed
from polyad.engine.implicit.equation import Hosted, bare, entered, plain
from polyad.engine.interpretations.masked import settled as filled
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.interpretations.series import RULES, Series

__all__ = ["Integral", "integrated"]

Integrand = Callable[..., Value]
Integrate = Callable[[Callable[[float], Any], float, float, bool], Any]


class Integral:
    """An integrand, and how it is integrated.

    Parameters
    ----------
    function : callable
        ``function(t, *values)``, of values.
    integrate : callable
        ``integrate(f, a, b, derived)``: the integral of a function of one plain number with plain arrays as
        its values; ``derived`` where it is an integral of derivatives.
    shape : tuple of int
        Of what the integrand gives.
    label : str
        What errors call it.
    """

    def __init__(
        self,
        function: Integrand,
        integrate: Integrate,
        shape: tuple[int, ...],
        label: str,
        *,
        derived: bool = False,
        bound: Callable[[Sequence[Any]], Any] | None = None,
    ) -> None:
        self.bound = bound  # for plain values, the integrand of one plain number, found once
        self.function, self.integrate, self.shape, self.label = function, integrate, shape, label
        self.derived = derived
        self.like = np.zeros(shape)

    def computed(self, a: Any, b: Any, *values: Any) -> Any:
        """The integral for plain numbers."""
        bound = None if self.bound is None else self.bound(values)

        def f(t: float) -> Any:
            out = self.function(np.float64(t), *values) if bound is None else bound(t)
            return np.asarray(plain(out, self.label, alone=True), dtype=float)[()]

        if not (np.ndim(a) == 0 and np.ndim(b) == 0):
            raise ValueError(f"{self.label} takes numbers as limits")
        with unfollowed():
            return np.asarray(self.integrate(f, float(a), float(b), self.derived))[()]

    def like_this(self, function: Integrand, shape: tuple[int, ...]) -> Integral:
        """An integral of derivatives."""
        return Integral(function, self.integrate, shape, self.label, derived=True)


def _push(
    y: Value, tangents: Sequence[Value], a: Value, b: Value, *values: Value, problem: Integral
) -> Value:
    of_limits, moving = tangents[:2], [k for k, t in enumerate(tangents[2:]) if t is not None]
    count = shape_of(next(t for t in tangents if t is not None))[0]
    total: Any = 0.0
    if moving and any(type(base(v)) is Proxy for v in (a, b, *values, *tangents)):
        # a framework may transpose this, so the tangents must stay outside of what runs on the host
        flat = wrap(_slopes(a, b, values, problem, moving))
        start = 0
        for k in moving:
            size = int(np.prod(shape_of(values[k])))
            rows = np.reshape(wrap(tangents[2 + k]), (count, size))
            total = total + np.tensordot(rows, flat[start : start + size], axes=1)
            start += size
    elif moving:
        number = len(values)

        def pushed(t: Value, *given: Value) -> Value:
            moved = run.push(
                _of(problem, t, given[:number], moving),
                [run.leave(given[k]) for k in moving],
                [run.leave(v) for v in given[number:]],
            )
            return unbox(moved[0][0])

        derived = problem.like_this(pushed, (count, *problem.shape))
        total = wrap(INTEGRAL(a, b, *values, *[tangents[2 + k] for k in moving], problem=derived))
    for sign, t, limit in zip((-1.0, 1.0), of_limits, (a, b), strict=True):
        if t is not None:
            rows = np.reshape(wrap(t), (count,) + (1,) * len(problem.shape))
            total = total + sign * rows * _at_limit(problem, limit, values)
    return unbox(total)


def _at_limit(problem: Integral, limit: Value, values: Sequence[Value]) -> Any:
    """The integrand at a limit; one that is infinite cannot be moved."""
    at = base(limit)
    if type(at) is not Proxy:
        return wrap(problem.function(limit, *values)) if np.isfinite(at) else np.zeros(problem.shape)
    far = np.isinf(wrap(limit))
    return np.where(far, 0.0, wrap(problem.function(unbox(np.where(far, 0.0, wrap(limit))), *values)))


def _slopes(a: Value, b: Value, values: Sequence[Value], problem: Integral, moving: Sequence[int]) -> Value:
    """The derivatives by the operands, one after the other along the first axis."""
    shapes = [shape_of(values[k]) for k in moving]
    sizes = [int(np.prod(shape)) for shape in shapes]
    if problem.shape == ():
        return _gathered(a, b, values, np.float64(1.0), problem, moving, sum(sizes))
    blocks = np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1], axis=1)
    seeds = [block.reshape(-1, *shape) for block, shape in zip(blocks, shapes, strict=True)]

    def pushed(t: Value, *given: Value) -> Value:
        moved = run.push(_of(problem, t, given, moving), [run.leave(given[k]) for k in moving], seeds)
        return unbox(moved[0][0])

    return INTEGRAL(a, b, *values, problem=problem.like_this(pushed, (sum(sizes), *problem.shape)))


def _gathered(
    a: Value,
    b: Value,
    values: Sequence[Value],
    w: Value,
    problem: Integral,
    moving: Sequence[int],
    size: int,
) -> Value:
    """The cotangents of operands, one after the other."""

    def pulled(t: Value, *given: Value) -> Value:
        recorded = run.record(_of(problem, t, given[:-1], moving), [run.leave(given[k]) for k in moving])
        parts = recorded.pull([run.leave(given[-1])])
        return unbox(np.concatenate([np.reshape(part, (-1,)) for part in parts]))

    return INTEGRAL(a, b, *values, w, problem=problem.like_this(pulled, (size,)))


def _joint(
    which: tuple[int, ...], y: Value, a: Value, b: Value, *values: Value, problem: Integral
) -> Callable[[Value], tuple[Value, ...]]:
    moving = [k - 2 for k in which if k > 1]

    def pull(w: Value) -> tuple[Value, ...]:
        w, found = filled(w), []
        for k in which[: len(which) - len(moving)]:
            at = _at_limit(problem, (a, b)[k], values)
            found.append(unbox(np.sum((-1.0, 1.0)[k] * wrap(w) * at)))
        if not moving:
            return tuple(found)
        shapes = [shape_of(values[k]) for k in moving]
        sizes = [int(np.prod(shape)) for shape in shapes]

        flat, start = wrap(_gathered(a, b, values, w, problem, moving, sum(sizes))), 0
        for size, shape in zip(sizes, shapes, strict=True):
            found.append(unbox(np.reshape(flat[start : start + size], shape)))
            start += size
        return tuple(found)

    return pull


def _of(problem: Integral, t: Value, values: Sequence[Value], moving: Sequence[int]) -> Callable[..., Any]:
    def f(boxes: Sequence[Any]) -> Any:
        given = list(values)
        for k, box in zip(moving, boxes, strict=True):
            given[k] = box._value
        return (wrap(problem.function(t, *given)),), ()

    return f


def _expanded(primitive: Any, order: int, operands: list[Any], params: dict[str, Any]) -> list[Value]:
    """Of an expansion, the integrals of its coefficients."""
    problem: Integral = params["problem"]
    (a, b), values = operands[:2], operands[2:]
    if type(a) is list or type(b) is list:
        raise refuse(
            f"an expansion of {problem.label} in its limits", "nest polyad.jvp for the first few orders"
        )
    flat = [c for v in values if type(v) is list for c in v]

    def coefficients(t: Value, *given: Value) -> Value:
        waiting, full = iter(given), []
        with under_way() as level:  # the integrand may differentiate in its turn
            for v in values:
                full.append(Series(level, [next(waiting) for _ in v]) if type(v) is list else v)
            y = problem.function(t, *full)
        row = y.coefficients if type(y) is Series and y.level == level else [y] + [0.0 * y] * order
        return unbox(np.stack([wrap(c) for c in row]))

    derived = problem.like_this(coefficients, (order + 1, *problem.shape))
    found = wrap(INTEGRAL(a, b, *flat, problem=derived))
    return [unbox(found[k]) for k in range(order + 1)]


def _made() -> Hosted:
    made = Hosted("integral", lambda *args, problem: problem.computed(*args), _push, (), joint=_joint)
    made.ready(lambda *args, problem: problem.like)
    return made


INTEGRAL = _made()
RULES["integral"] = _expanded


def integrated(
    func: Callable[..., Any],
    a: Any,
    b: Any,
    args: tuple[Any, ...],
    integrate: Integrate,
    label: str,
    *,
    scalar: bool,
) -> Any:
    """The integral of ``func(t, *args)`` from ``a`` to ``b``."""
    bundle = (func, args)
    leaves = active((a, b, bundle))
    inner = active(bundle)
    boxed = any(isinstance(leaf, Box) for leaf in leaves)

    def function(t: Value, *values: Value) -> Value:
        f, rest = replaced(bundle, inner, [entered(v) for v in values])
        out = f(entered(t), *rest)
        found = unbox(out)
        if not hasattr(found, "shape"):
            found = np.asarray(found, dtype=float)[()]
        if scalar and shape_of(found) == (1,):
            found = unbox(np.reshape(wrap(found), ()))
        if scalar and shape_of(found) != ():
            raise TypeError(f"only 0-dimensional results: the integrand gave shape {shape_of(found)}")
        return found

    def bound(values: Sequence[Any]) -> Callable[[float], Any]:
        f, rest = replaced(bundle, inner, [entered(v) for v in values])
        return lambda t: f(t, *rest)

    lower, upper, *values = (settled(unbox(v)) for v in (a, b, *inner))
    lower, upper = (v if isinstance(v, Tracer) else np.float64(v) for v in (lower, upper))
    shape: tuple[int, ...] = ()
    if not scalar:
        heard = get_state()
        try:
            set_state(SILENT)
            finite = [v for v in (lower, upper) if isinstance(v, Tracer) or np.isfinite(v)]
            at: Any = finite[0] if finite else np.float64(0.0)
            if len(finite) == 2 and not any(isinstance(v, Tracer) for v in finite):
                at = np.float64(0.5 * (float(lower) + float(upper)))  # type: ignore[arg-type]
            shape = tuple(shape_of(function(at, *values)))
        finally:
            set_state(heard)
    found = INTEGRAL(lower, upper, *values, problem=Integral(function, integrate, shape, label, bound=bound))
    return wrap(found) if boxed else bare(found) if type(found) is Proxy else found
