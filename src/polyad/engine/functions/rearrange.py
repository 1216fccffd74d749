"""NumPy's functions that move entries about, done by running NumPy itself on the positions of the entries."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.table import function
from polyad.engine.core.values import Tracer, Value, axis_of, base, ndim_of, shape_of
from polyad.engine.functions.structure import array_of
from polyad.engine.rules import structure as rules
from polyad.engine.rules.arithmetic import where
from polyad.engine.rules.elementwise import maximum, minimum, remainder

__all__ = ["rearranged", "spread"]


# where the entries of arrays go that have no more than so many is remembered
FEW = 64


def positions_of(x: Value) -> np.ndarray:
    """The flat position of every entry."""
    return np.arange(x.size).reshape(shape_of(x))


def rearranged(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that only moves entries about, or leaves some out, or repeats them."""

    def apply(x: Value, *args: Any, **kwargs: Any) -> Any:
        x = array_of(x)
        found = f(positions_of(x), *args, **kwargs)
        if isinstance(found, list | tuple):
            return type(found)([rules.gather(x, np.asarray(p)) for p in found])
        return rules.gather(x, np.asarray(found))

    return apply


REARRANGED: tuple[Callable[..., Any], ...] = (
    np.flip,
    np.fliplr,
    np.flipud,
    np.roll,
    np.rot90,
    np.tile,
    np.repeat,
    np.diagonal,
    np.resize,
    np.delete,
    np.array_split,
    np.split,
    np.hsplit,
    np.vsplit,
    np.dsplit,
    np.unstack,
    np.lib.stride_tricks.sliding_window_view,
    np.fft.fftshift,
    np.fft.ifftshift,
)
for _f in REARRANGED:
    function(_f)(rearranged(_f))


def spread(f: Callable[..., Any]) -> Callable[..., Any]:
    """As ``rearranged``, for functions that also put zeros: position 0 stands for one."""

    def apply(x: Value, *args: Any, **kwargs: Any) -> Value:
        x = array_of(x)
        if not kwargs and x.size <= FEW and all([type(a) is int for a in args]):
            kept, places = remembered(x.shape, args)
        else:
            kept, places = found(x.shape, args, **kwargs)
        zero = 0.0 if x.dtype.kind in "fc" else False  # which changes no type
        return where(kept, rules.gather(x, places), zero)

    def found(shape: tuple[int, ...], args: tuple[Any, ...], **kwargs: Any) -> tuple[np.ndarray, np.ndarray]:
        """Where something is put, and from which places."""
        positions = f(np.arange(1, 1 + math.prod(shape)).reshape(shape), *args, **kwargs)
        kept, places = positions > 0, np.maximum(positions - 1, 0)
        kept.flags.writeable = places.flags.writeable = False
        return kept, places

    remembered = functools.lru_cache(maxsize=64)(found)
    return apply


SPREAD: tuple[Callable[..., Any], ...] = (np.diag, np.diagflat, np.tril, np.triu)
for _f in SPREAD:
    function(_f)(spread(_f))


@function(np.take)
def take(a: Value, indices: Any, axis: int | None = None, mode: str = "raise") -> Value:
    indices = base(indices) if isinstance(indices, Tracer) else np.asarray(indices)
    a = array_of(a)
    if axis is None:
        a, axis = rules.reshape(a, shape=(-1,)), 0
    axis = axis_of(axis, ndim_of(a))
    n = shape_of(a)[axis]
    if mode == "wrap":
        indices = remainder(indices, n)
    elif mode == "clip":
        indices = minimum(maximum(indices, 0), n - 1)
    return rules.getitem(a, index=(*(slice(None),) * axis, indices))


@function(np.take_along_axis)
def take_along_axis(arr: Value, indices: Any, axis: int | None = -1) -> Value:
    if axis is None:
        arr, axis = rules.reshape(arr, shape=(-1,)), 0
    axis = axis_of(axis, ndim_of(arr))
    shape = list(shape_of(indices))
    grid = [
        indices if k == axis else np.arange(n).reshape([-1 if j == k else 1 for j in range(len(shape))])
        for k, n in enumerate(shape_of(arr))
    ]
    return rules.getitem(arr, index=tuple(grid))


@function(np.compress)
def compress(condition: Any, a: Value, axis: int | None = None) -> Value:
    return take(a, np.flatnonzero(np.asarray(condition)), axis)


@function(np.extract)
def extract(condition: Any, arr: Value) -> Value:
    return take(arr, np.flatnonzero(np.asarray(condition)))


@function(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    parts = [rules.reshape(array_of(a), shape=(-1,)) for a in xi]
    grids = np.meshgrid(*(np.arange(shape_of(a)[0]) for a in parts), sparse=sparse, indexing=indexing)  # type: ignore[call-overload]
    return tuple(rules.gather(a, np.asarray(g)) for a, g in zip(parts, grids, strict=True))


@function(np.insert)
def insert(arr: Value, obj: Any, values: Any, axis: int | None = None) -> Value:
    arr = array_of(arr)
    if axis is None:
        arr, axis = rules.reshape(arr, shape=(-1,)), 0
    found = np.insert(positions_of(arr) + 1, obj, 0, axis=axis)
    kept = rules.gather(arr, np.maximum(found - 1, 0))
    if axis == 0 and ndim_of(arr) == 1:
        return rules.setitem(kept, values, index=found == 0)
    moved = np.moveaxis(found, axis, 0) == 0
    rows = np.flatnonzero(moved.reshape(moved.shape[0], -1).all(axis=1))
    return rules.setitem(kept, values, index=(*(slice(None),) * axis_of(axis, ndim_of(arr)), rows))
