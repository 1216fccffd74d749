"""NumPy's functions that write into an array, or that call the user's: they get the boxes themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import axis_of

__all__ = ["BOXED"]

# -- functions that write -----------------------------------------------------------------------------------


def _writing(f: Callable[..., None]) -> Callable[..., None]:
    """Refuse to write into anything but a box: a plain array cannot hold a traced value."""
    name = f.__name__.removesuffix("_")

    def apply(array: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(array, Box):
            raise refuse(
                f"np.{name} into a plain array would drop the derivative",
                "create the array with np.zeros_like(x) instead of np.zeros(n)",
            )
        f(array, *args, **kwargs)

    return apply


def _repeated(values: Any, size: int) -> Any:
    """Values from the beginning again until there are that many."""
    values = values if isinstance(values, Box) else np.stack(values) if _has_box(values) else values
    values = np.ravel(values)
    if values.size == 0:
        raise ValueError("cannot write from an empty array")
    return values[np.arange(size) % values.size]


def _has_box(values: Any) -> bool:
    return isinstance(values, list | tuple) and any(isinstance(v, Box) for v in values)


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    places = np.ravel(np.asarray(ind)).astype(int)
    if not places.size:
        return
    if mode == "wrap":
        places = places % a.size
    elif mode == "clip":
        places = np.clip(places, 0, a.size - 1)
    elif ((places < -a.size) | (places >= a.size)).any():
        raise IndexError(f"index out of bounds for an array of size {a.size}")
    places = np.where(places < 0, places + a.size, places)
    a[np.unravel_index(places, a.shape)] = _repeated(v, places.size)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    if axis is None:
        arr[np.unravel_index(indices, arr.shape)] = values
        return
    axis = axis_of(axis, arr.ndim)
    sizes = (*arr.shape[:axis], np.shape(indices)[axis], *arr.shape[axis + 1 :])
    grid: list[Any] = list(np.indices(sizes, sparse=True))
    grid[axis] = indices
    arr[tuple(grid)] = values


def place(arr: Any, mask: Any, vals: Any) -> None:
    # how many were written before
    count = np.cumsum(np.where(np.ravel(mask), 1, 0)).astype(int) - 1
    vals = np.ravel(np.stack(vals) if _has_box(vals) else vals)
    if not vals.size:
        raise ValueError("Cannot insert from an empty array!")
    arr[...] = np.where(mask, vals[np.maximum(count, 0) % vals.size].reshape(arr.shape), arr)


def putmask(a: Any, mask: Any, values: Any) -> None:
    a[...] = np.where(mask, _repeated(values, a.size).reshape(a.shape), a)


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if a.ndim > 2 and len(set(a.shape)) > 1:
        raise ValueError("All dimensions of input must be of equal length")
    step = 1 + sum(int(np.prod(a.shape[k:])) for k in range(1, a.ndim))
    end = a.shape[1] * a.shape[1] if a.ndim == 2 and not wrap else a.size
    places = np.arange(0, min(end, a.size), step)
    a[np.unravel_index(places, a.shape)] = _repeated(val, places.size)


# -- functions that call ------------------------------------------------------------------------------------


def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    lanes = np.moveaxis(arr, axis, -1)
    lead = lanes.shape[:-1]
    axis = axis_of(axis, arr.ndim)
    results = [func1d(lanes[place], *args, **kwargs) for place in np.ndindex(*lead)]
    if not results:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    first = np.shape(results[0])
    stacked = np.stack([r if isinstance(r, Box) else np.asarray(r) for r in results])
    whole = np.reshape(stacked, (*lead, *first))
    n, more = len(lead), len(first)
    order = (*range(axis), *range(n, n + more), *range(axis, n))
    return np.transpose(whole, order)


def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    for axis in np.ravel(np.asarray(axes)):
        axis = int(axis) % a.ndim
        result = func(a, axis)
        if np.ndim(result) != a.ndim:
            result = np.expand_dims(result, axis)
            if np.ndim(result) != a.ndim:
                raise ValueError("function is not returning an array of the correct shape")
        a = result
    return a


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    if not isinstance(condlist, list | tuple):
        condlist = [condlist] if np.ndim(condlist) == np.ndim(x) else list(condlist)
    elif condlist and not isinstance(condlist[0], list | np.ndarray | Box) and np.ndim(x) != 0:
        condlist = [condlist]
    condlist, funclist = list(condlist), list(funclist)
    if len(funclist) == len(condlist) + 1:
        rest = condlist[0]
        for condition in condlist[1:]:
            rest = np.logical_or(rest, condition)
        condlist.append(np.logical_not(rest))
    elif len(funclist) != len(condlist):
        raise ValueError("the number of functions is neither that of the conditions nor one more")
    flat = np.reshape(x, -1)
    y = np.zeros_like(flat)
    for condition, f in zip(condlist, funclist, strict=True):
        mask = np.reshape(condition, -1)
        if callable(f):
            part = flat[mask]
            if part.size:
                y[mask] = f(part, *args, **kw)
        else:
            y = np.where(mask, f if isinstance(f, Box) else np.asarray(f, dtype=y.dtype), y)
    return np.reshape(y, np.shape(x))  # an array without axes, too


BOXED: dict[Any, Callable[..., Any]] = {
    np.put: _writing(put),
    np.put_along_axis: _writing(put_along_axis),
    np.place: _writing(place),
    np.putmask: _writing(putmask),
    np.fill_diagonal: _writing(fill_diagonal),
    np.apply_along_axis: apply_along_axis,
    np.apply_over_axes: apply_over_axes,
    np.piecewise: piecewise,
    # these take out= by position
    np.fix: lambda x, out=None: np.trunc(x, out=out),
    np.isposinf: lambda x, out=None: np.logical_and(np.isinf(x), x > 0, out=out),
    np.isneginf: lambda x, out=None: np.logical_and(np.isinf(x), x < 0, out=out),
}
