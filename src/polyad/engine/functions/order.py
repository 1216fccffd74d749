"""NumPy's functions of the order of entries, made of primitives: sorts, quantiles, sets."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.kinds import constant
from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import function
from polyad.engine.core.values import Tracer, Value, base, ndim_of, shape_of
from polyad.engine.functions.reduction import Axis, axes_of, sum_
from polyad.engine.functions.structure import array_of, moved_last, values_of
from polyad.engine.rules import reduction as rules
from polyad.engine.rules.arithmetic import equal, less, where
from polyad.engine.rules.elementwise import ceil, floor, isnan
from polyad.engine.rules.structure import astype, gather, getitem, reshape, take_along_axis, transpose

__all__ = ["quantile", "sort"]


def _along(a: Value, axis: Axis) -> tuple[Value, int]:
    """An array and the axis to work along; all entries in a row where there is none."""
    a = array_of(a)
    if axis is None:
        return reshape(a, shape=(-1,)), 0
    return a, axes_of(axis, ndim_of(a))[0]  # type: ignore[index]


# -- sorts ------------------------------------------------------------------------------------------------


@function(np.sort)
def sort(a: Value, axis: Axis = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Value:
    # the sort is stable, because the order of equal entries shows in the derivative
    a, k = _along(a, axis)
    return take_along_axis(a, rules.argsort(a, axis=k, kind="stable"), k)


@function(np.argsort)
def argsort(a: Value, axis: Axis = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Value:
    a, k = _along(a, axis)
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    if stable is not None:
        if kind is not None:
            raise ValueError("`kind` and `stable` parameters can't be provided at the same time.")
        kind = "stable" if stable else None
    return rules.argsort(a, axis=k, kind=kind)


_argpartition = constant("argpartition", lambda a, kth, axis: np.argpartition(a, kth, axis=axis))


@function(np.partition)
def partition(a: Value, kth: Any, axis: Axis = -1, kind: str = "introselect", order: Any = None) -> Value:
    a, k = _along(a, axis)
    return take_along_axis(a, _argpartition(a, kth=kth, axis=k), k)


@function(np.argpartition)
def argpartition(a: Value, kth: Any, axis: Axis = -1, kind: str = "introselect", order: Any = None) -> Value:
    a, k = _along(a, axis)
    return _argpartition(a, kth=kth, axis=k)


@function(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Value:
    """One sort after the other, of which each leaves equal entries in their order."""
    parts = keys if isinstance(keys, list) else list(array_of(keys))
    order: Value = None
    if not ndim_of(array_of(parts[0])):  # the keys are numbers
        return np.intp(0)
    for key in map(base, map(array_of, parts)):
        k = axes_of(axis, ndim_of(key))[0]  # type: ignore[index]
        if order is None:
            order = rules.argsort(key, axis=k, kind="stable")
        else:
            order = take_along_axis(
                order, rules.argsort(take_along_axis(key, order, k), axis=k, kind="stable"), k
            )
    return order


# -- quantiles --------------------------------------------------------------------------------------------


@function(np.median)
def median(a: Value, axis: Axis = None, keepdims: bool = False, overwrite_input: bool = False) -> Value:
    return quantile(a, 0.5, axis, keepdims=keepdims)


@function(np.quantile)
def quantile(
    a: Value,
    q: Any,
    axis: Axis = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Value:
    """Between two neighbours in the order, at a place that depends on their number only."""
    lanes, restored = _lanes(a, q, axis, keepdims, weights)
    count = shape_of(lanes)[-1]
    # of the numbers 0, 1, 2, ... the quantile is the place itself
    place = np.quantile(np.arange(float(count)), _concrete(q), method=method)  # type: ignore[call-overload]
    ordered = sort(lanes)
    low, high = np.floor(place).astype(int), np.ceil(place).astype(int)
    below, above = getitem(ordered, index=(..., low)), getitem(ordered, index=(..., high))
    share = np.asarray(place - low)
    if isinstance(q, int | float) and lanes.dtype.kind == "f":
        share = share.astype(lanes.dtype)  # a number adapts to the array
    if lanes.dtype.kind == "b":
        below, above = below * 1.0, above * 1.0
    result = below + (above - below) * share
    missing = rules.any_(isnan(lanes), axis=(ndim_of(lanes) - 1,), keepdims=False)
    missing = reshape(missing, shape=shape_of(missing) + (1,) * place.ndim) if place.ndim else missing
    return restored(where(missing, np.nan, result))


@function(np.nanmedian)
def nanmedian(a: Value, axis: Axis = None, overwrite_input: bool = False, keepdims: Any = False) -> Value:
    return nanquantile(a, 0.5, axis, keepdims=keepdims)


@function(np.nanquantile)
def nanquantile(
    a: Value,
    q: Any,
    axis: Axis = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Value:
    """As ``quantile``; in every lane the entries that are nan stand last and are not counted."""
    if method != "linear":
        raise refuse(f"np.nanquantile with method={method!r}", "use method='linear'")
    lanes, restored = _lanes(a, q, axis, keepdims, weights)
    q = _concrete(q)
    last = ndim_of(lanes) - 1
    count = sum_(where(isnan(base(lanes)), 0.0, 1.0), -1, keepdims=True)
    place = (count - 1.0) * q.reshape(-1)
    empty = less(place, 0.0)
    place = where(empty, 0.0, place)
    ordered = sort(lanes)
    below = take_along_axis(ordered, _whole(floor(place)), last)
    above = take_along_axis(ordered, _whole(ceil(place)), last)
    part = place - floor(place)
    # the neighbour above the last one may be nan: it does not take part
    exact = equal(part, 0.0)
    result = below + where(exact, 0.0, (where(exact, 0.0, above) - below) * part)
    return restored(reshape(where(empty, np.nan, result), shape=(*shape_of(lanes)[:-1], *q.shape)))


def _whole(x: Value) -> Value:
    return astype(x, dtype=np.dtype(int)) if isinstance(x, Tracer) else x.astype(int)


def _concrete(q: Any) -> np.ndarray:
    if isinstance(q, Tracer):
        raise refuse("a quantile at a traced probability", "make q a constant")
    return np.asarray(q, dtype=float)


def _lanes(a: Value, q: Any, axis: Axis, keepdims: Any, weights: Any) -> tuple[Value, Any]:
    """The reduced axes as one last axis, and how the result gets its shape from ``(*lanes, *q)``."""
    if weights is not None:
        raise refuse("a quantile with weights=", "sort, and interpolate in the running sums of the weights")
    a = array_of(a)
    axes, more = axes_of(axis, ndim_of(a)), np.ndim(q)
    kept = rules.kept(shape_of(a), axes)

    def restored(result: Value) -> Value:
        n = ndim_of(result)
        if more:
            result = transpose(result, axes=(*range(n - more, n), *range(n - more)))
        return reshape(result, shape=(*shape_of(result)[:more], *kept)) if keepdims is True else result

    return moved_last(a, axes), restored


@function(np.percentile)
def percentile(a: Value, q: Any, axis: Axis = None, **options: Any) -> Value:
    return quantile(a, _concrete(q) / 100, axis, **options)


@function(np.nanpercentile)
def nanpercentile(a: Value, q: Any, axis: Axis = None, **options: Any) -> Value:
    return nanquantile(a, _concrete(q) / 100, axis, **options)


# -- sets -------------------------------------------------------------------------------------------------


def _known(a: Value, name: str) -> np.ndarray:
    """The values themselves, which decide how many there are in the result."""
    values = values_of(a)
    if values is None:
        raise refuse(
            f"np.{name}, the size of whose result depends on values that are not known yet,",
            "use np.sort, or backend='numpy'",
        )
    return values


def _distinct(a: Value, name: str) -> np.ndarray:
    """Values of which no two may be equal: how many there are would change otherwise."""
    values = _known(a, name)
    if np.unique(values).size < values.size:
        raise refuse(
            f"np.{name} of entries of which some are equal has no derivative",
            "polyad.stop_gradient(x), or np.sort where they should stay",
        )
    return values


@function(np.unique)
def unique(
    ar: Value,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Axis = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    if axis is not None:
        raise refuse("np.unique along an axis", "np.unique of all entries")
    ar = array_of(ar)
    _, index, inverse, counts = np.unique(
        _distinct(ar, "unique"), return_index=True, return_inverse=True, return_counts=True
    )
    result = gather(ar, index)
    wanted = zip((return_index, return_inverse, return_counts), (index, inverse, counts), strict=True)
    rest = tuple(part for flag, part in wanted if flag)
    return (result, *rest) if rest else result


UNIQUE: Any = {f: type(f(np.zeros(1))) for f in (np.unique_all, np.unique_counts, np.unique_inverse)}
function(np.unique_all)(lambda x: UNIQUE[np.unique_all](*unique(x, True, True, True)))
function(np.unique_counts)(lambda x: UNIQUE[np.unique_counts](*unique(x, return_counts=True)))
function(np.unique_inverse)(lambda x: UNIQUE[np.unique_inverse](*unique(x, return_inverse=True)))


@function(np.unique_values)
def unique_values(x: Value) -> Value:
    x = array_of(x)
    values = _distinct(x, "unique_values").ravel()
    order = np.argsort(values)
    return gather(x, order[np.searchsorted(values[order], np.unique_values(values))])


_isin = constant(
    "isin", lambda a, b, assume_unique, invert: np.isin(a, b, assume_unique=assume_unique, invert=invert)
)


@function(np.isin)
def isin(
    element: Value,
    test_elements: Value,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
) -> Value:
    return _isin(array_of(element), array_of(test_elements), assume_unique=assume_unique, invert=invert)
