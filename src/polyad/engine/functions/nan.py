"""NumPy's functions that pass over nan, made of those that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.table import FUNCTIONS, function
from polyad.engine.core.values import Value, base, is_real
from polyad.engine.functions import reduction
from polyad.engine.functions.reduction import Axis
from polyad.engine.functions.structure import array_of, cast
from polyad.engine.interpretations.proxy import Proxy, later
from polyad.engine.rules.arithmetic import conjugate, real, where
from polyad.engine.rules.elementwise import isnan

__all__: list[str] = []

_NONE = np._NoValue


def _without(a: Value, fill: float) -> Value:
    a = array_of(a)
    return where(isnan(a), fill, a)


def _filled(f: Callable[..., Value], fill: float) -> Callable[..., Value]:
    """A function of an array in which nan is replaced by a number that does not change the result."""

    def apply(a: Value, axis: Axis = None, *args: Any, **options: Any) -> Value:
        return f(_without(a, fill), axis, *args, **options)

    return apply


function(np.nansum)(_filled(reduction.sum_, 0.0))
function(np.nanprod)(_filled(reduction.prod, 1.0))
function(np.nancumsum)(_filled(reduction.cumsum, 0.0))
function(np.nancumprod)(_filled(reduction.cumprod, 1.0))


def _extremum(f: Callable[..., Value], fill: float) -> Callable[..., Value]:
    """The extremum of what is not nan; nan where nothing is left."""

    def apply(a: Value, axis: Axis = None, keepdims: Any = False, **options: Any) -> Value:
        a = array_of(a)
        empty = FUNCTIONS[np.all](isnan(a), axis, keepdims)
        return where(empty, np.nan, f(_without(a, fill), axis, keepdims, **options))

    return apply


function(np.nanmax)(_extremum(reduction.max_, -np.inf))
function(np.nanmin)(_extremum(reduction.min_, np.inf))


def _not_empty(empty: Any) -> None:
    if empty:
        raise ValueError("All-NaN slice encountered")


def _placed(f: Any, fill: float) -> Callable[..., Value]:
    def apply(a: Value, axis: Axis = None, *, keepdims: Any = False) -> Value:
        a = array_of(a)
        empty = FUNCTIONS[np.any](FUNCTIONS[np.all](isnan(a), axis))
        empty = base(empty)
        if isinstance(empty, Proxy):
            later(_not_empty, empty)
        else:
            _not_empty(empty)
        return FUNCTIONS[f](_without(a, fill), axis, keepdims=keepdims)

    return apply


function(np.nanargmax)(_placed(np.argmax, -np.inf))
function(np.nanargmin)(_placed(np.argmin, np.inf))


def _count(a: Value, axis: Axis, keepdims: Any, mask: Any) -> Value:
    """How many entries are counted, in the precision of the array."""
    counted = where(isnan(base(a)), 0.0, 1.0)
    if a.dtype.kind in "fc":
        counted = cast(counted, np.empty(0, a.dtype).real.dtype)
    return reduction.sum_(counted, axis, keepdims=keepdims, where=mask)


@function(np.nanmean)
def nanmean(
    a: Value, axis: Axis = None, dtype: Any = None, keepdims: Any = False, *, where: Any = _NONE
) -> Value:
    a = array_of(a)
    summed = reduction.sum_(_without(a, 0.0), axis, dtype, keepdims, where=where)
    return summed / _count(a, axis, keepdims, where)


@function(np.nanvar)
def nanvar(
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
    a = array_of(a)
    ddof = ddof if correction is _NONE else correction
    centre = nanmean(a, axis, dtype, True, where=where) if mean is _NONE else mean
    deviation = _choice(isnan(a), 0.0, _without(a, 0.0) - centre)
    squares = deviation * deviation if is_real(deviation) else real(deviation * conjugate(deviation))
    total = reduction.sum_(squares, axis, dtype, keepdims, where=where)
    return cast(total / (_count(a, axis, keepdims, where) - ddof), total.dtype)  # counts are of 64 bits


_choice = where


@function(np.nanstd)
def nanstd(a: Value, axis: Axis = None, *rest: Any, **options: Any) -> reduction.Rooted:
    square = nanvar(a, axis, *rest, **options)
    key = repr((axis, rest, sorted(options))) if options else (axis, rest)
    return reduction.Rooted(reduction.root_of(square), square, "nanstd", a, key)
