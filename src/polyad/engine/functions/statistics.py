"""NumPy's statistics, made of primitives: averages, covariances, counts in bins."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.kinds import conj, constant
from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import function
from polyad.engine.core.values import Value, base, is_real, ndim_of, shape_of
from polyad.engine.functions.reduction import Axis, axes_of, max_, mean, min_, sum_
from polyad.engine.functions.structure import array_of, cast, values_of
from polyad.engine.rules import structure as rules
from polyad.engine.rules.arithmetic import equal, real, where
from polyad.engine.rules.elementwise import imag, maximum, minimum, sqrt
from polyad.engine.rules.products import matmul, swapped
from polyad.engine.rules.reduction import searchsorted
from polyad.engine.rules.structure import broadcast_to, concatenate, getitem, reshape, transpose

__all__ = ["average"]


@function(np.average)
def average(
    a: Value, axis: Axis = None, weights: Value = None, returned: bool = False, *, keepdims: Any = False
) -> Any:
    a = array_of(a)
    keepdims = keepdims is True
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        count = a.size // max(1, int(np.prod(shape_of(result))))
        scale: Value = np.full(shape_of(result), float(count))
    else:
        weights = array_of(weights)
        if shape_of(weights) != shape_of(a):
            weights = _aligned(weights, shape_of(a), axes_of(axis, ndim_of(a)))
        scale = sum_(broadcast_to(weights, shape=shape_of(a)), axis, keepdims=keepdims)
        result = sum_(a * weights, axis, keepdims=keepdims) / scale
    return (result, scale) if returned else result


def _aligned(weights: Value, shape: tuple[int, ...], axes: tuple[int, ...] | None) -> Value:
    """Weights of some axes, in the place of these."""
    if axes is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    if shape_of(weights) != tuple(shape[k] for k in axes):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    ordered = transpose(weights, axes=tuple(int(k) for k in np.argsort(axes)))
    return reshape(ordered, shape=tuple(n if k in axes else 1 for k, n in enumerate(shape)))


@function(np.cov)
def cov(
    m: Value,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Value:
    x = _variables(m, rowvar or ndim_of(array_of(m)) == 1)
    if y is not None:
        x = concatenate(x, _variables(y, rowvar or shape_of(array_of(y))[0] == 1), axis=0)
    x = cast(x, np.result_type(x.dtype, np.float64))  # in double precision at least, as NumPy's
    ddof = ddof if ddof is not None else 0 if bias else 1
    weights: Value = None
    if fweights is not None:
        weights = array_of(fweights)
    if aweights is not None:
        aweights = array_of(aweights)
        weights = aweights if weights is None else weights * aweights
    if weights is None:
        count: Value = x.shape[1]
        centre = mean(x, 1, keepdims=True)
    else:
        count = sum_(weights * 1.0)
        centre = reshape(matmul(x, weights * 1.0) / count, shape=(-1, 1))
    if ddof == 0 or weights is None or aweights is None:
        divisor = count - ddof
    else:
        divisor = count - ddof * sum_(weights * aweights) / count
    deviation = x - centre
    weighted = deviation if weights is None else deviation * weights
    result = matmul(weighted, conj(swapped(deviation))) / divisor
    return reshape(result, shape=()) if result.shape == (1, 1) else result


def _variables(m: Value, rowvar: bool) -> Value:
    """One variable in a row, one observation in a column."""
    x = array_of(m)
    if ndim_of(x) > 2:
        raise ValueError("m has more than 2 dimensions")
    x = reshape(x, shape=(1, -1)) if ndim_of(x) < 2 else x
    return x if rowvar else swapped(x)


@function(np.corrcoef)
def corrcoef(x: Value, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Value:
    c = cov(x, y, rowvar)
    if not shape_of(c):
        return c / c
    n = c.shape[0]
    scale = sqrt(real(getitem(c, index=(np.arange(n), np.arange(n)))))
    result = c / reshape(scale, shape=(n, 1)) / reshape(scale, shape=(1, n))
    if is_real(result):
        return _within(result)
    return _within(real(result)) + _within(imag(result)) * 1j


def _within(r: Value) -> Value:
    """Values that rounding put outside of -1 to 1, moved back to the bound; the derivative stays."""
    values = base(r)
    return r + (minimum(maximum(values, -1.0), 1.0) - values)


# -- counts -----------------------------------------------------------------------------------------------


@function(np.digitize)
def digitize(x: Value, bins: Value, right: bool = False) -> Value:
    x, bins = base(array_of(x)), base(array_of(bins))
    known = values_of(bins)
    if known is None:
        raise refuse("np.digitize with bins whose order is not known yet", "use np.searchsorted")
    if known.size > 1 and known[0] > known[-1]:
        found = searchsorted(getitem(bins, index=slice(None, None, -1)), x, side="right" if right else "left")
        return len(bins) - found
    return searchsorted(bins, x, side="left" if right else "right")


@function(np.searchsorted)
def searchsorted_(a: Value, v: Value, side: str = "left", sorter: Any = None) -> Value:
    a = base(array_of(a))
    return searchsorted(a if sorter is None else getitem(a, index=sorter), base(array_of(v)), side=side)


_bincount = constant("bincount", np.bincount)


@function(np.bincount)
def bincount(x: Value, /, weights: Value = None, minlength: int = 0) -> Value:
    """The weights summed at their places: ``x`` counts, so it is constant."""
    places = values_of(array_of(x))
    if places is None:
        raise refuse("np.bincount of values that are not known yet", "use np.add.at into np.zeros_like(x)")
    if weights is None:
        return _bincount(places, minlength=minlength)
    length = max(int(places.max(initial=-1)) + 1, minlength)
    return rules.scatter(array_of(weights), index=places, shape=(length,))


@function(np.histogram_bin_edges)
def histogram_bin_edges(a: Value, bins: Any = 10, range: Any = None, weights: Any = None) -> Value:
    """Between the extremes of the data, which move with it."""
    if isinstance(bins, str):
        raise refuse(
            "a histogram whose number of bins depends on the data", "give their number or their edges"
        )
    if ndim_of(array_of(bins)):
        return array_of(bins)
    a, count = array_of(a), int(bins)
    low, high = range if range is not None else (min_(a), max_(a)) if a.size else (0.0, 1.0)
    same = equal(low, high)
    low, high = where(same, low - 0.5, low), where(same, high + 0.5, high)
    k = np.arange(count + 1)
    edges = low + k * ((high - low) / count)
    return where(k == count, high, edges)


@function(np.histogram)
def histogram(
    a: Value, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Value, Value]:
    """Sums of the weights; which bin a number is in is constant in pieces."""
    edges = histogram_bin_edges(a, bins, range)
    places, found = values_of(reshape(array_of(a), shape=(-1,))), values_of(edges)
    n = shape_of(edges)[0] - 1
    if places is None or found is None:
        raise refuse("np.histogram of values that are not known yet", "use backend='numpy'")
    bin_of = np.searchsorted(found, places, side="right") - 1
    bin_of[places == found[-1]] = n - 1  # the last bin has both its edges
    inside = np.flatnonzero((bin_of >= 0) & (bin_of < n))
    if weights is None:
        counts: Value = np.bincount(bin_of[inside], minlength=n)
    else:
        w = reshape(array_of(weights), shape=(-1,))
        counts = rules.scatter(getitem(w, index=inside), index=bin_of[inside], shape=(n,))
    if density:
        widths = getitem(edges, index=slice(1, None)) - getitem(edges, index=slice(0, -1))
        counts = counts / widths / sum_(counts)
    return counts, edges
