"""NumPy's reductions and running reductions, made of primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.table import function
from polyad.engine.core.values import Tracer, Value, axis_of, is_real, ndim_of, shape_of
from polyad.engine.functions.structure import array_of, cast, moved_last
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules import reduction as rules
from polyad.engine.rules.arithmetic import conjugate, either, equal, log, multiply, power, real, where
from polyad.engine.rules.elementwise import exp, isfinite, sqrt
from polyad.engine.rules.elementwise import maximum as pair_maximum
from polyad.engine.rules.elementwise import minimum as pair_minimum
from polyad.engine.rules.structure import concatenate, getitem, reshape, total

__all__ = ["Axis", "Rooted", "axes_of", "in_segments", "logaddexp_reduce", "root_of", "running"]

# which axes a reduction goes over; None for all of them
Axis = int | tuple[int, ...] | None
_NONE = np._NoValue
# so few factors are multiplied by themselves, in whatever library
PAIRS = 3


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...] | None:
    """An axis argument as a tuple of numbers from 0 on; None for all axes."""
    if axis is None:
        return None
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(axis_of(k, ndim) for k in axes)


def count_of(shape: tuple[int, ...], axes: tuple[int, ...] | None) -> int:
    """How many entries are reduced to one."""
    count = 1
    for k, n in enumerate(shape):
        if axes is None or k in axes:
            count *= n
    return count


def _masked(x: Value, mask: Any, neutral: Any) -> Value:
    return x if mask is _NONE or mask is True else where(mask, x, neutral)


def _typed(x: Value, dtype: Any) -> Value:
    return x if dtype is None else cast(x, np.dtype(dtype))


@function(np.sum)
def sum_(
    a: Value,
    axis: Axis = None,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _NONE,
    where: Any = _NONE,
) -> Value:
    if axis is dtype is None and keepdims is False and initial is where is _NONE and isinstance(a, Tracer):
        return total(a, axis=None, keepdims=False)
    a = _masked(_typed(_array(a), dtype), where, False)
    result = total(a, axis=None if axis is None else axes_of(axis, ndim_of(a)), keepdims=keepdims is True)
    return result if initial is _NONE else result + _first(initial, result)


def _counted_up(a: Value) -> Value:
    """Truth values and small whole numbers in the type in which NumPy adds and multiplies them."""
    return cast(a, np.add.reduce(np.ones(1, a.dtype)).dtype) if a.dtype.kind in "biu" else a


def _first(initial: Any, result: Value) -> Any:
    """What a reduction begins with, in its type."""
    return initial if result.dtype.kind in "fc" else result.dtype.type(initial)


def _lowest(a: Any, sign: int) -> Any:
    """What is below (``sign`` -1) or above everything of a type."""
    dtype = _array(a).dtype
    if dtype.kind in "fc":
        return sign * np.inf
    if dtype.kind == "b":
        return sign > 0
    return np.iinfo(dtype).max if sign > 0 else np.iinfo(dtype).min


def _array(a: Any) -> Value:
    """What may be a list of values as one value."""
    return a if hasattr(a, "shape") else array_of(a)


@function(np.mean)
def mean(
    a: Value, axis: Axis = None, dtype: Any = None, keepdims: Any = False, *, where: Any = _NONE
) -> Value:
    a = _array(a)
    summed = sum_(a, axis, dtype, keepdims, where=where)
    if where is _NONE or where is True:
        return summed / count_of(shape_of(a), axes_of(axis, ndim_of(a)))
    return summed / np.sum(np.broadcast_to(where, shape_of(a)), axis=axis, keepdims=keepdims is True)


@function(np.var)
def var(
    a: Value,
    axis: Axis = None,
    dtype: Any = None,
    ddof: float = 0,
    keepdims: Any = False,
    *,
    where: Any = _NONE,
    mean: Any = _NONE,
    correction: Any = _NONE,
) -> Value:
    a = _array(a)
    ddof = ddof if correction is _NONE else correction
    centre = _mean(a, axis, dtype, True, where=where) if mean is _NONE else mean
    deviation = a - centre
    squares = deviation * deviation if is_real(deviation) else real(deviation * conjugate(deviation))
    if where is _NONE or where is True:
        count: Any = count_of(shape_of(a), axes_of(axis, ndim_of(a)))
    else:
        count = np.sum(np.broadcast_to(where, shape_of(a)), axis=axis, keepdims=keepdims is True)
    return sum_(squares, axis, dtype, keepdims, where=where) / (count - ddof)


_mean = mean


class Rooted:
    """A result that is the root of another: its value, its square, and of what it is the root."""

    __slots__ = ("key", "square", "value")

    def __init__(self, value: Value, square: Value, *key: Any) -> None:
        self.value, self.square, self.key = value, square, key

    def map(self, f: Callable[[Value], Value]) -> Rooted:
        """The same entries at other places."""
        return Rooted(f(self.value), f(self.square), object())


def root_of(s: Value, exponent: float = 0.5) -> Value:
    """The root of a sum of squares or powers; at zero its derivative is 0, as that of ``|x|`` is.

    There is no second one: there it is not a number, which is better than a silent zero.
    """
    root = sqrt if exponent == 0.5 else lambda a: power(a, exponent)
    zero = equal(s, 0)
    if isinstance(zero, np.bool_) and not zero:
        return root(s)
    return either(zero, power(s, 1.5), root(either(zero, 1.0, s)))


@function(np.std)
def std(a: Value, axis: Axis = None, *rest: Any, **options: Any) -> Rooted:
    square = var(a, axis, *rest, **options)
    return Rooted(
        root_of(square), square, "std", a, repr((axis, rest, sorted(options))) if options else (axis, rest)
    )


@function(np.max, np.amax)
def max_(
    a: Value, axis: Axis = None, keepdims: Any = False, initial: Any = _NONE, where: Any = _NONE
) -> Value:
    a = _array(a)
    if where is not _NONE:
        a = _masked(a, where, _lowest(a, -1))
    result = rules.maximum_of(a, axis=axes_of(axis, ndim_of(a)), keepdims=keepdims is True)
    return result if initial is _NONE else pair_maximum(result, initial)


@function(np.min, np.amin)
def min_(
    a: Value, axis: Axis = None, keepdims: Any = False, initial: Any = _NONE, where: Any = _NONE
) -> Value:
    a = _array(a)
    if where is not _NONE:
        a = _masked(a, where, _lowest(a, 1))
    result = rules.minimum_of(a, axis=axes_of(axis, ndim_of(a)), keepdims=keepdims is True)
    return result if initial is _NONE else pair_minimum(result, initial)


@function(np.ptp)
def ptp(a: Value, axis: Axis = None, keepdims: Any = False) -> Value:
    return max_(a, axis, keepdims) - min_(a, axis, keepdims)


@function(np.prod)
def prod(
    a: Value,
    axis: Axis = None,
    dtype: Any = None,
    keepdims: Any = False,
    initial: Any = _NONE,
    where: Any = _NONE,
) -> Value:
    """A tree of products: exact where entries are zero, to any order of derivative."""
    a = _masked(_counted_up(_typed(_array(a), dtype)), where, True)
    shape, axes = shape_of(a), axes_of(axis, ndim_of(a))
    a = moved_last(a, axes)
    whole = a.product() if type(a) is Proxy and a.shape[-1] > PAIRS else None
    while whole is None and shape_of(a)[-1] > 1:
        half = shape_of(a)[-1] // 2
        pairs = multiply(
            getitem(a, index=(..., slice(0, half))), getitem(a, index=(..., slice(half, 2 * half)))
        )
        rest = shape_of(a)[-1] - 2 * half
        a = (
            concatenate(pairs, getitem(a, index=(..., slice(-1, None))), axis=ndim_of(a) - 1)
            if rest
            else pairs
        )
    result: Value = whole
    if whole is None:
        result = getitem(a, index=(..., 0)) if shape_of(a)[-1] else np.ones(shape_of(a)[:-1], dtype=a.dtype)
    if keepdims is True:
        result = reshape(result, shape=rules.kept(shape, axes))
    elif axes is None:
        result = reshape(result, shape=()) if shape_of(result) else result
    return result if initial is _NONE else result * _first(initial, result)


def logaddexp_reduce(a: Value, axis: Axis = None, keepdims: Any = False) -> Value:
    """``np.logaddexp.reduce``: the logarithm of a sum of exponentials, without overflow."""
    top = rules.maximum_of(_value_of(a), axis=axes_of(axis, ndim_of(a)), keepdims=True)
    top = where(isfinite(top), top, 0.0)
    result = log(sum_(exp(a - top), axis, keepdims=keepdims))
    return result + reshape(top, shape=shape_of(result))


def _value_of(a: Value) -> Value:
    from polyad.engine.core.values import base

    return base(a)


# -- running ------------------------------------------------------------------------------------------


@function(np.cumsum)
def cumsum(a: Value, axis: Axis = None, dtype: Any = None) -> Value:
    a = _typed(_array(a), dtype)
    if axis is None:
        return rules.cumsum(reshape(a, shape=(-1,)), axis=0)
    return rules.cumsum(a, axis=axes_of(axis, ndim_of(a))[0])  # type: ignore[index]


def running(pair: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    """``ufunc.accumulate`` of an associative function, in a logarithmic number of steps."""

    def accumulate(a: Value, axis: Axis = 0, dtype: Any = None) -> Value:
        a = _typed(_array(a), dtype)
        k = axes_of(axis, ndim_of(a))[0]  # type: ignore[index]
        lead = (slice(None),) * k
        step, count = 1, shape_of(a)[k]
        while step < count:
            head = getitem(a, index=(*lead, slice(0, step)))
            late, early = (
                getitem(a, index=(*lead, slice(step, None))),
                getitem(a, index=(*lead, slice(0, -step))),
            )
            a = concatenate(head, pair(early, late), axis=k)
            step *= 2
        return a

    return accumulate


def in_segments(f: Callable[..., Value]) -> Callable[..., Value]:
    """``ufunc.reduceat``: each segment reaches to the next index; one that goes back is a single entry."""

    def reduce(a: Value, indices: Any, axis: Axis = 0, dtype: Any = None) -> Value:
        a = _typed(_array(a), dtype)
        k = axes_of(axis, ndim_of(a))[0]  # type: ignore[index]
        lead, n = (slice(None),) * k, shape_of(a)[k]
        starts = np.atleast_1d(np.asarray(indices)).tolist()
        for start in starts:
            if not 0 <= start < n:
                raise IndexError(f"index {start} out-of-bounds in reduceat [0, {n})")
        parts = []
        for start, stop in zip(starts, [*starts[1:], n], strict=True):
            segment = slice(start, max(stop, start + 1))
            parts.append(f(getitem(a, index=(*lead, segment)), axis=k, keepdims=True))
        return concatenate(*parts, axis=k) if parts else getitem(a, index=(*lead, slice(0, 0)))

    return reduce


@function(np.cumprod)
def cumprod(a: Value, axis: Axis = None, dtype: Any = None) -> Value:
    a = _array(a)
    if axis is None:
        a, axis = reshape(a, shape=(-1,)), 0
    return running(multiply)(_counted_up(a) if dtype is None else a, axis, dtype)


def _cumulative(f: Callable[..., Value], first: float) -> Callable[..., Value]:
    """The array API's form, which may begin with what there is before the first entry."""

    def apply(x: Value, /, *, axis: Axis = None, dtype: Any = None, include_initial: bool = False) -> Value:
        x = _array(x)
        if axis is None:
            if ndim_of(x) != 1:
                raise ValueError(
                    "For arrays which have more than one dimension ``axis`` argument is required."
                )
            axis = 0
        k = axes_of(axis, ndim_of(x))[0]  # type: ignore[index]
        result = f(x, k, dtype)
        if not include_initial:
            return result
        shape = tuple(1 if j == k else n for j, n in enumerate(shape_of(x)))
        return concatenate(np.full(shape, first, dtype=result.dtype), result, axis=k)

    return apply


function(np.cumulative_sum)(_cumulative(cumsum, 0.0))
function(np.cumulative_prod)(_cumulative(cumprod, 1.0))


# -- what has no derivative ---------------------------------------------------------------------------


def _counted(f: Callable[..., Value]) -> Callable[..., Value]:
    def apply(a: Value, axis: Axis = None, keepdims: Any = False) -> Value:
        return f(_array(a), axis=axes_of(axis, ndim_of(a)), keepdims=keepdims is True)

    return apply


def _placed(f: Callable[..., Value]) -> Callable[..., Value]:
    def apply(a: Value, axis: int | None = None, *, keepdims: Any = False) -> Value:
        return f(_array(a), axis=None if axis is None else int(axis), keepdims=keepdims is True)

    return apply


function(np.all)(_counted(rules.all_))
function(np.any)(_counted(rules.any_))
function(np.count_nonzero)(_counted(rules.count_nonzero))
function(np.argmax)(_placed(rules.argmax))
function(np.argmin)(_placed(rules.argmin))
