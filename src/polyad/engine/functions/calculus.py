"""NumPy's functions of sampled functions, polynomials and signals, made of primitives."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from polyad.engine.core.kinds import conj
from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import UFUNCS, function
from polyad.engine.core.values import Tracer, Value, axis_of, base, dtype_of, is_real, ndim_of, shape_of
from polyad.engine.functions.reduction import axes_of, sum_
from polyad.engine.functions.structure import array_of, cast, diff, values_of
from polyad.engine.interpretations.series import order_of
from polyad.engine.rules import structure as rules
from polyad.engine.rules.arithmetic import equal, greater, less, less_equal, not_equal, real, where
from polyad.engine.rules.elementwise import (
    absolute,
    arctan2,
    imag,
    isfinite,
    isinf,
    isnan,
    logical_and,
    logical_or,
    maximum,
    minimum,
    remainder,
    sin,
)
from polyad.engine.rules.products import matmul
from polyad.engine.rules.reduction import all_, argsort, cumsum, searchsorted
from polyad.engine.rules.structure import broadcast_to, getitem, reshape

__all__ = ["convolve"]

# -- sampled functions --------------------------------------------------------------------------------


@function(np.trapezoid)
def trapezoid(y: Value, x: Value = None, dx: float = 1.0, axis: int = -1) -> Value:
    y = array_of(y)
    axis = axis_of(axis, ndim_of(y))
    lead = (slice(None),) * axis
    middle = (getitem(y, index=(*lead, slice(1, None))) + getitem(y, index=(*lead, slice(0, -1)))) * 0.5
    if x is None:
        return sum_(middle * dx, axis)
    x = array_of(x)
    if ndim_of(x) == 1:
        steps = diff(x)
        steps = reshape(steps, shape=tuple(-1 if k == axis else 1 for k in range(ndim_of(y))))
    else:
        steps = diff(x, axis=axis)
    return sum_(middle * steps, axis)


@function(np.gradient)
def gradient(f: Value, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = array_of(f)
    axes = axes_of(axis, ndim_of(f))
    axes = tuple(range(ndim_of(f))) if axes is None else axes
    spacings = list(varargs) if len(varargs) == len(axes) else list(varargs or (1.0,)) * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    results = [_slope(f, step, k, edge_order) for k, step in zip(axes, spacings, strict=True)]
    return results[0] if len(results) == 1 else tuple(results)


def _slope(f: Value, step: Value, axis: int, edge_order: int) -> Value:
    """Second-order differences inside, one-sided ones at the ends."""
    n, adapts = shape_of(f)[axis], isinstance(step, int | float) and f.dtype.kind in "fc"
    step = cast(array_of(step), np.empty(0, f.dtype).real.dtype) if adapts else array_of(step)
    if n < edge_order + 1 or edge_order not in (1, 2):
        raise ValueError("too few points for differences, or edge_order is neither 1 nor 2")
    lead = (slice(None),) * axis
    rises, uniform = diff(f, axis=axis), not ndim_of(step)
    steps = broadcast_to(step * 1.0, shape=(n - 1,)) if uniform else diff(step)
    steps = reshape(steps, shape=tuple(-1 if k == axis else 1 for k in range(ndim_of(f))))

    def at(a: Value, start: int, stop: int | None) -> Value:
        return getitem(a, index=(*lead, slice(start, stop)))

    slopes = rises / steps  # between neighbours
    ends = [at(slopes, 0, 1), at(slopes, n - 2, None)]
    if edge_order == 2:  # the parabola through the last three points
        for k, (near, far) in enumerate(((0, 1), (n - 2, n - 3))):
            width, next_width = at(steps, near, near + 1), at(steps, far, far + 1)
            bend = (at(slopes, near, near + 1) - at(slopes, far, far + 1)) / (width + next_width)
            ends[k] = ends[k] + bend * width
    if n == 2:
        return rules.concatenate(*ends, axis=axis)
    if uniform:
        inner = (at(f, 2, None) - at(f, 0, -2)) / (step * 2.0)
    else:
        before, after = at(steps, 0, -1), at(steps, 1, None)
        inner = (at(slopes, 1, None) * before + at(slopes, 0, -1) * after) / (before + after)
    return rules.concatenate(ends[0], inner, ends[1], axis=axis)


@function(np.interp)
def interp(x: Value, xp: Value, fp: Value, left: Any = None, right: Any = None, period: Any = None) -> Value:
    """Piecewise linear interpolation; its derivative at a node is that of the piece to the right."""
    x, xp, fp = array_of(x), array_of(xp), array_of(fp)
    if period is not None:
        x, xp = remainder(x, period), remainder(xp, period)
        order = argsort(xp, axis=0, kind="stable")
        xp, fp = getitem(xp, index=order), getitem(fp, index=order)
        ends = slice(-1, None), slice(0, 1)
        low, high = (getitem(xp, index=k) for k in ends)
        xp = rules.concatenate(low - period, xp, high + period, axis=0)
        fp = rules.concatenate(getitem(fp, index=ends[0]), fp, getitem(fp, index=ends[1]), axis=0)
        left = right = None
    nodes, points = base(xp), base(x)
    k = searchsorted(nodes, points, side="right") - 1
    k = minimum(maximum(k, 0), max(shape_of(nodes)[0] - 2, 0))
    low, start = getitem(xp, index=k), getitem(fp, index=k)
    inside = start
    if shape_of(nodes)[0] > 1:
        high, stop = getitem(xp, index=k + 1), getitem(fp, index=k + 1)
        inside = start + (x - low) * (stop - start) / (high - low)
    first = getitem(fp, index=0) if left is None else left
    last = getitem(fp, index=-1) if right is None else right
    before, after = less(points, getitem(nodes, index=0)), greater(points, getitem(nodes, index=-1))
    return where(before, first, where(after, last, inside))


@function(np.unwrap)
def unwrap(p: Value, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Value:
    """Whole periods are added, whose number is constant in pieces."""
    if isinstance(period, Tracer):
        raise refuse("np.unwrap with a traced period", "make it a constant")
    p = array_of(p)
    values, k = base(p), axis_of(axis, ndim_of(p))
    steps = diff(values, axis=k)
    turned = remainder(steps + period / 2, period) - period / 2
    turned = where(logical_and(equal(turned, -period / 2), greater(steps, 0.0)), period / 2, turned)
    added = where(less(absolute(steps), period / 2 if discont is None else discont), 0.0, turned - steps)
    added = cumsum(added, axis=k)
    none = np.zeros(tuple(1 if j == k else n for j, n in enumerate(shape_of(p))), dtype=added.dtype)
    return p + rules.concatenate(none, added, axis=k)


@function(np.convolve)
def convolve(a: Value, v: Value, mode: str = "full") -> Value:
    """A product with the band matrix of the shorter one."""
    a, v = reshape(array_of(a), shape=(-1,)), reshape(array_of(v), shape=(-1,))
    if a.size < v.size:
        a, v = v, a
    n, m = a.size, v.size
    lag = np.arange(n + m - 1)[:, None] - np.arange(m)[None, :]
    band = where((lag >= 0) & (lag < n), getitem(a, index=np.clip(lag, 0, n - 1)), False)
    full = matmul(band, v)
    if mode == "full":
        return full
    if mode == "same":
        start = (m - 1) // 2
        return getitem(full, index=slice(start, start + n))
    return getitem(full, index=slice(m - 1, n))


@function(np.correlate)
def correlate(a: Value, v: Value, mode: str = "valid") -> Value:
    a, v = reshape(array_of(a), shape=(-1,)), reshape(array_of(v), shape=(-1,))
    if a.size < v.size:
        return conj(getitem(correlate(v, a, mode), index=slice(None, None, -1)))
    return convolve(a, conj(getitem(v, index=slice(None, None, -1))), mode)


# -- complex numbers and special forms -------------------------------------------------------------------


@function(np.angle)
def angle(z: Value, deg: bool = False) -> Value:
    result = arctan2(imag(z), real(z))
    return result * (180 / np.pi) if deg else result


@function(np.sinc)
def sinc(x: Value) -> Value:
    """By its power series where the quotient and its derivatives would be ``0 / 0``."""
    z = array_of(x) * np.pi
    small = less(absolute(z), 0.05)
    safe = where(small, 1.0, z)
    s = where(small, z, 0.0) ** 2
    series = 1.0
    for k in range(4 + order_of(z) // 2, 0, -1):
        series = 1 - s / (2 * k * (2 * k + 1)) * series
    return where(small, series, sin(safe) / safe)


@function(np.i0)
def i0(x: Value) -> Value:
    return UFUNCS[scipy.special.i0](array_of(x))


@function(np.nan_to_num)
def nan_to_num(x: Value, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Value:
    x = array_of(x)
    if not is_real(x) and copy:
        return nan_to_num(real(x), True, nan, posinf, neginf) + 1j * nan_to_num(
            imag(x), True, nan, posinf, neginf
        )
    if not copy:
        raise refuse("np.nan_to_num with copy=False", "write x[...] = np.nan_to_num(x)")
    if dtype_of(x).kind in "biu":
        return x
    values, limits = base(x), np.finfo(dtype_of(x))
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    x = where(isnan(values), nan, x)
    x = where(logical_and(isinf(values), greater(values, 0.0)), high, x)
    return where(logical_and(isinf(values), less(values, 0.0)), low, x)


@function(np.real_if_close)
def real_if_close(a: Value, tol: float = 100) -> Value:
    if is_real(a):
        return a
    values = values_of(a)
    if values is None:
        raise refuse("np.real_if_close of values that are not known yet", "use np.real")
    return a if np.iscomplexobj(np.real_if_close(values, tol)) else real(a)


# -- questions --------------------------------------------------------------------------------------------


@function(np.isreal)
def isreal(x: Value) -> Value:
    return equal(imag(base(array_of(x))), 0)


@function(np.iscomplex)
def iscomplex(x: Value) -> Value:
    return not_equal(imag(base(array_of(x))), 0)


@function(np.isclose)
def isclose(a: Value, b: Value, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Value:
    a, b = base(array_of(a)), base(array_of(b))
    close = logical_and(less_equal(absolute(a - b), absolute(b) * rtol + atol), isfinite(b))
    result = logical_or(close, equal(a, b))
    return logical_or(result, logical_and(isnan(a), isnan(b))) if equal_nan else result


def _answer(flags: Value) -> Value:
    """Whether all of them hold: Python's truth value, where it is known."""
    found = all_(flags, axis=None, keepdims=False)
    return found if isinstance(found, Tracer) else bool(found)


@function(np.allclose)
def allclose(a: Value, b: Value, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Value:
    return _answer(isclose(a, b, rtol, atol, equal_nan))


@function(np.array_equal)
def array_equal(a1: Value, a2: Value, equal_nan: bool = False) -> Value:
    a, b = base(array_of(a1)), base(array_of(a2))
    if shape_of(a) != shape_of(b):
        return False
    same = equal(a, b)
    same = logical_or(same, logical_and(isnan(a), isnan(b))) if equal_nan else same
    return _answer(same)


@function(np.array_equiv)
def array_equiv(a1: Value, a2: Value) -> Value:
    a, b = base(array_of(a1)), base(array_of(a2))
    try:
        np.broadcast_shapes(shape_of(a), shape_of(b))
    except ValueError:
        return False
    return _answer(equal(a, b))
