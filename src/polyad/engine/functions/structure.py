"""NumPy's functions that create, join and rearrange arrays, made of primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.kinds import constant
from polyad.engine.core.table import function
from polyad.engine.core.values import Tracer, Value, axis_of, base, is_real, ndim_of, shape_of
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules import structure as rules
from polyad.engine.rules.arithmetic import not_equal, real, subtract, where
from polyad.engine.rules.elementwise import imag, maximum, minimum

__all__ = ["cast", "moved_last", "stacked", "values_of"]

_truncated = constant("truncate_to", lambda x, dtype: np.asarray(x).astype(dtype))


def cast(x: Value, dtype: np.dtype[Any]) -> Value:
    """``x.astype(dtype)``; whole numbers and truth values are constant in pieces."""
    if not isinstance(x, Tracer):
        return np.asarray(x).astype(dtype) if not isinstance(x, np.generic) else x.astype(dtype)
    if dtype == x.dtype:
        return x
    if dtype.kind in "iub":
        return _truncated(x, dtype=dtype)
    if dtype.kind != "c" and not is_real(x):
        x = real(x)
    return rules.astype(x, dtype=dtype)


def moved_last(a: Value, axes: tuple[int, ...] | None) -> Value:
    """The axes of a reduction as one last axis."""
    shape = shape_of(a)
    if len(shape) == 1 and axes != ():
        return a
    if axes is None:
        return rules.reshape(a, shape=(-1,) if 0 not in shape else (0,))
    others = [k for k in range(len(shape)) if k not in axes]
    count = 1
    for k in axes:
        count *= shape[k]
    a = rules.transpose(a, axes=(*others, *axes))
    return rules.reshape(a, shape=(*(shape[k] for k in others), count))


def array_of(a: Any) -> Value:
    """A value, or a nesting of lists of values, as one value with axes."""
    if isinstance(a, list | tuple):
        return stacked(a) if _has_tracer(a) else np.asarray(a)
    return a if hasattr(a, "shape") else np.asarray(a)


def _has_tracer(items: Any) -> bool:
    return any(
        isinstance(item, Tracer) or (isinstance(item, list | tuple) and _has_tracer(item)) for item in items
    )


def values_of(x: Value) -> np.ndarray | None:
    """The numbers in an array, or None where another library does not have them yet."""
    x = base(x)
    if isinstance(x, Proxy):
        return adapter(x.library).values(x.array)
    return np.asarray(x)


def stacked(items: Any) -> Value:
    """A list of values as one."""
    parts = [array_of(item) for item in items]
    return rules.stack(*_same_dtype(parts), axis=0)


def _same_dtype(parts: list[Value]) -> list[Value]:
    """Parts in NumPy's common type, the derivative of which casting keeps."""
    dtypes = {p.dtype for p in parts}
    if len(dtypes) == 1:
        return parts
    common = np.result_type(*dtypes)
    return [cast(p, common) for p in parts]


# -- creation -----------------------------------------------------------------------------------------


def _filled(a: Value, item: Any, dtype: Any, shape: Any) -> Value:
    size = shape_of(a) if shape is None else shape if isinstance(shape, tuple) else (shape,)
    kind = a.dtype if dtype is None else np.dtype(dtype)
    if kind.kind not in "fc":
        return np.full(size, item, dtype=kind)
    if not isinstance(base(a), Proxy) and not isinstance(item, Tracer):
        return np.full(size, item, dtype=kind)
    empty = cast(rules.zeros_like(a, size), kind)
    return empty if isinstance(item, float) and item == 0.0 else empty + item


def _like(item: float) -> Callable[..., Value]:
    def create(a: Value, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Value:
        return _filled(a, item, dtype, shape)

    return create


function(np.zeros_like)(_like(0.0))
function(np.empty_like)(_like(0.0))
function(np.ones_like)(_like(1.0))


@function(np.full_like)
def full_like(
    a: Value, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Value:
    return _filled(a, fill_value, dtype, shape)


@function(np.copy)
def copy(a: Value, order: str = "K", subok: bool = False) -> Value:
    return a


# -- choice -------------------------------------------------------------------------------------------


@function(np.where)
def where_(condition: Value, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return nonzero(condition)
    return where(truth(condition), _or_array(x), _or_array(y))


def _or_array(x: Any) -> Value:
    return array_of(x) if isinstance(x, list | tuple) else x


def truth(condition: Value) -> Value:
    """A condition without derivatives; numbers count as true where they are not zero."""
    value = base(condition)
    if not isinstance(value, Tracer):
        return np.asarray(value, dtype=bool)
    return value if value.dtype.kind == "b" else not_equal(value, 0)


nonzero = constant("nonzero", lambda a: np.nonzero(a))
function(np.nonzero)(nonzero)


@function(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Value:
    result = default
    kinds = [getattr(condition, "dtype", np.dtype(bool)).kind for condition in condlist]
    if set(kinds) - {"b"}:
        raise TypeError(
            f"invalid entry {next(k for k, kind in enumerate(kinds) if kind != 'b')} in condlist: "
            "should be boolean ndarray"
        )
    for condition, choice in zip(reversed(list(condlist)), reversed(list(choicelist)), strict=True):
        result = where(truth(condition), _or_array(choice), result)
    return result


@function(np.choose)
def choose(a: Any, choices: Any, mode: str = "raise") -> Value:
    parts = list(choices)
    index = np.asarray(base(a))
    if mode == "raise" and (index.min(initial=0) < 0 or index.max(initial=0) >= len(parts)):
        raise ValueError("invalid entry in choice array")
    index = index % len(parts) if mode == "wrap" else np.clip(index, 0, len(parts) - 1)
    result: Value = parts[0]
    for k in range(1, len(parts)):
        result = where(index == k, parts[k], result)
    return where(np.ones(index.shape, dtype=bool), result, False)  # broadcast, in the type it has


@function(np.clip)
def clip(a: Value, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Value:
    low, high = a_min if min is None else min, a_max if max is None else max
    a = a if low is None else maximum(a, low)
    return a if high is None else minimum(a, high)


# -- joining ------------------------------------------------------------------------------------------


def _join(parts: list[Value], axis: int) -> Value:
    n = ndim_of(parts[0])
    if not -n <= axis < n:
        raise np.exceptions.AxisError(axis, n)
    return rules.concatenate(*_same_dtype(parts), axis=axis_of(axis, n))


@function(np.concatenate, np.concat)
def concatenate(
    arrays: Any, /, axis: int | None = 0, *, dtype: Any = None, casting: str = "same_kind"
) -> Value:
    parts = [array_of(a) for a in arrays]
    if axis is None:
        parts, axis = [rules.reshape(a, shape=(-1,)) for a in parts], 0
    result = _join(parts, axis)
    return result if dtype is None else cast(result, np.dtype(dtype))


@function(np.stack)
def stack(arrays: Any, axis: int = 0, *, dtype: Any = None, casting: str = "same_kind") -> Value:
    parts = _same_dtype([array_of(a) for a in arrays])
    result = rules.stack(*parts, axis=axis_of(axis, ndim_of(parts[0]) + 1))
    return result if dtype is None else cast(result, np.dtype(dtype))


def _at_least(a: Value, n: int) -> Value:
    """The shape that ``np.atleast_nd`` gives."""
    a = array_of(a)
    shape = shape_of(a)
    if len(shape) >= n:
        return a
    new = {1: (1,), 2: (1, 1) if not shape else (1, *shape)}.get(n) or {
        0: (1, 1, 1),
        1: (1, *shape, 1),
        2: (*shape, 1),
    }[len(shape)]
    return rules.reshape(a, shape=new)


def _at_least_all(n: int) -> Callable[..., Any]:
    def apply(*arrays: Any) -> Any:
        parts = tuple(_at_least(a, n) for a in arrays)
        return parts[0] if len(parts) == 1 else parts

    return apply


function(np.atleast_1d)(_at_least_all(1))
function(np.atleast_2d)(_at_least_all(2))
function(np.atleast_3d)(_at_least_all(3))


@function(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Value:
    parts = [_at_least(a, 1) for a in tup]
    return _join(parts, 0 if ndim_of(parts[0]) == 1 else 1)


@function(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Value:
    return _join([_at_least(a, 2) for a in tup], 0)


@function(np.dstack)
def dstack(tup: Any) -> Value:
    return _join([_at_least(a, 3) for a in tup], 2)


@function(np.column_stack)
def column_stack(tup: Any) -> Value:
    parts = [array_of(a) for a in tup]
    return _join([rules.reshape(a, shape=(-1, 1)) if ndim_of(a) < 2 else a for a in parts], 1)


@function(np.append)
def append(arr: Value, values: Value, axis: int | None = None) -> Value:
    return concatenate([arr, values], axis=axis)


@function(np.block)
def block(arrays: Any) -> Value:
    def depth(a: Any) -> int:
        return 1 + max(map(depth, a)) if isinstance(a, list) else 0

    deep = depth(arrays)

    def join(a: Any, level: int) -> Value:
        if not isinstance(a, list):
            a = array_of(a)
            shape = shape_of(a)
            return rules.reshape(a, shape=(1,) * (deep - len(shape)) + shape)
        parts = [join(part, level + 1) for part in a]
        return _join(parts, level - deep)

    return join(arrays, 0)


@function(np.broadcast_to)
def broadcast_to(array: Value, shape: Any, subok: bool = False) -> Value:
    return rules.broadcast_to(
        array_of(array), shape=tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    )


@function(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Value, ...]:
    parts = [array_of(a) for a in args]
    shape = np.broadcast_shapes(*map(shape_of, parts))
    return tuple(rules.broadcast_to(a, shape=shape) for a in parts)


# -- parts and differences ------------------------------------------------------------------------------


function(np.real)(lambda val: real(val))
function(np.imag)(lambda val: imag(val))


@function(np.diff)
def diff(a: Value, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Value:
    if n == 0:
        return a
    axis = axis_of(axis, ndim_of(a))
    lead = (slice(None),) * axis
    ends = [
        p
        if p is None
        else rules.broadcast_to(q, shape=tuple(1 if k == axis else m for k, m in enumerate(shape_of(a))))
        if not shape_of(q := array_of(p))
        else q
        for p in (prepend, append)
    ]
    parts = [p for p in (ends[0], a, ends[1]) if p is not None]
    a = _join(parts, axis) if len(parts) > 1 else a
    change = not_equal if a.dtype.kind == "b" else subtract
    for _ in range(n):
        late, early = (rules.getitem(a, index=(*lead, part)) for part in (slice(1, None), slice(0, -1)))
        a = change(late, early)
    return a


@function(np.ediff1d)
def ediff1d(ary: Value, to_end: Any = None, to_begin: Any = None) -> Value:
    steps = diff(rules.reshape(ary, shape=(-1,)))
    parts = [rules.reshape(array_of(p), shape=(-1,)) for p in (to_begin, steps, to_end) if p is not None]
    return _join(parts, 0) if len(parts) > 1 else steps


@function(np.round, np.around)
def round_(a: Value, decimals: int = 0) -> Value:
    return _rounded(a, decimals=decimals)


_rounded = constant("round", lambda a, decimals: np.round(a, decimals))
