"""NumPy's functions that make arrays from numbers or shapes, made of primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import function
from polyad.engine.core.values import Value, is_real, ndim_of, shape_of
from polyad.engine.functions.reduction import axes_of
from polyad.engine.functions.structure import array_of, cast, nonzero, values_of
from polyad.engine.rules.arithmetic import less, log, power, where
from polyad.engine.rules.elementwise import (
    absolute,
    arccos,
    arcsin,
    arctanh,
    exp,
    log2,
    log10,
    sqrt,
)
from polyad.engine.rules.structure import reshape, stack, transpose

__all__: list[str] = []

# -- ranges -----------------------------------------------------------------------------------------------


def _parts(num: int, endpoint: bool, ndim: int) -> tuple[np.ndarray, int]:
    """The numbers of the points along a leading axis, and of how many steps there are."""
    return np.arange(float(num)).reshape(-1, *(1,) * ndim), num - 1 if endpoint else num


def _placed(result: Value, axis: int, dtype: Any) -> Value:
    n = ndim_of(result)
    place = axes_of(axis, n)[0]  # type: ignore[index]
    if place:
        result = transpose(result, axes=(*range(1, place + 1), 0, *range(place + 1, n)))
    return result if dtype is None else cast(result, np.dtype(dtype))


@function(np.linspace)
def linspace(
    start: Value,
    stop: Value,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    ends = [array_of(a) if isinstance(a, list | tuple) else a for a in (start, stop)]
    # Python numbers adapt to the other end
    common = np.result_type(*(getattr(a, "dtype", a) for a in ends), 1.0)
    start, stop = (cast(array_of(a) * 1.0, common) for a in (start, stop))
    width = stop - start
    k, steps = _parts(int(num), endpoint, ndim_of(width))
    step = width / steps if steps > 0 else width * np.nan
    result = start + (k * step if steps > 0 else k * width)
    if endpoint and num > 1:
        result = where(k == steps, stop, result)
    result = _placed(result, axis, common if dtype is None else dtype)
    return (result, step) if retstep else result


@function(np.logspace)
def logspace(
    start: Value,
    stop: Value,
    num: int = 50,
    endpoint: bool = True,
    base: Value = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Value:
    return _placed(power(base, linspace(start, stop, num, endpoint)), axis, dtype)


@function(np.geomspace)
def geomspace(
    start: Value, stop: Value, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Value:
    """Of real numbers of one sign."""
    start, stop = array_of(start) * 1.0, array_of(stop) * 1.0
    if not (is_real(start) and is_real(stop)):
        raise refuse("np.geomspace between complex numbers", "np.exp of np.linspace between their logarithms")
    growth = log(stop / start)
    k, steps = _parts(int(num), endpoint, ndim_of(growth))
    result = start * exp(k * (growth / max(steps, 1)))
    if endpoint and num > 1:
        result = where(k == steps, stop, result)
    return _placed(result, axis, dtype)


@function(np.ix_)
def ix_(*args: Any) -> tuple[Value, ...]:
    parts = [array_of(a) for a in args]
    parts = [nonzero(a)[0] if a.dtype.kind == "b" else a for a in parts]
    if any(ndim_of(a) != 1 for a in parts):
        raise ValueError("Cross index must be 1 dimensional")
    shapes = [tuple(-1 if j == k else 1 for j in range(len(parts))) for k in range(len(parts))]
    return tuple(reshape(a, shape=shape) for a, shape in zip(parts, shapes, strict=True))


@function(np.astype)
def astype(x: Value, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Value:
    return cast(x, np.dtype(dtype))


# -- places, which depend on the shape or are constant in pieces ---------------------------------------

function(np.tril_indices_from)(lambda arr, k=0: np.tril_indices(shape_of(arr)[-2], k, shape_of(arr)[-1]))
function(np.triu_indices_from)(lambda arr, k=0: np.triu_indices(shape_of(arr)[-2], k, shape_of(arr)[-1]))
function(np.diag_indices_from)(lambda arr: np.diag_indices_from(np.empty(shape_of(arr))))
function(np.flatnonzero)(lambda a: nonzero(reshape(array_of(a), shape=(-1,)))[0])


@function(np.argwhere)
def argwhere(a: Value) -> Value:
    found = nonzero(array_of(a))
    return np.stack(found, axis=-1) if isinstance(found[0], np.ndarray) else stack(*found, axis=1)


# -- functions that become complex where the real ones end ------------------------------------------------


def _within(x: Value, outside: Callable[[Value], Any]) -> Value:
    """Complex numbers where one of the real ones is outside."""
    x = array_of(x)
    values = values_of(x)
    if values is None:
        raise refuse("np.emath of values that are not known yet", "use x + 0j, or np.sqrt and the like")
    return cast(x, np.dtype(complex)) if is_real(x) and np.any(outside(values)) else x * 1.0


def _extended(f: Callable[..., Value], outside: Callable[[Value], Any]) -> Callable[..., Value]:
    return lambda x: f(_within(x, outside))


def _negative(values: Value) -> Value:
    return less(values, 0.0)


def _beyond_one(values: Value) -> Value:
    return absolute(values) > 1


for _f, _own, _outside in (
    (np.emath.sqrt, sqrt, _negative),
    (np.emath.log, log, _negative),
    (np.emath.log2, log2, _negative),
    (np.emath.log10, log10, _negative),
    (np.emath.arccos, arccos, _beyond_one),
    (np.emath.arcsin, arcsin, _beyond_one),
    (np.emath.arctanh, arctanh, _beyond_one),
):
    function(_f)(_extended(_own, _outside))
function(np.emath.power)(lambda x, p: power(_within(x, _negative), array_of(p) * 1.0))
function(np.emath.logn)(lambda n, x: log(_within(x, _negative)) / log(_within(n, _negative)))
