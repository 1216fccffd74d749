"""NumPy's functions whose result shares memory with their argument: views of boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.box import Box, Rearranged, unbox, wrap
from polyad.engine.core import PRIMITIVES, Value, ndim_of, shape_of
from polyad.engine.refuse import refuse
from polyad.engine.rules_structure import reshape

__all__ = ["VIEWS", "reshaped", "transposed"]


def _view(
    x: Any, value: Value, reader: Callable[[Value], Value], writer: Callable[[Value, Value], Value]
) -> Any:
    return Rearranged(x, value, reader, writer) if isinstance(x, Box) else wrap(value)


def reshaped(
    a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None
) -> Any:
    """``np.reshape``; the result shares memory with a box, as with an array in C order."""
    shape = newshape if shape is None else shape
    shape = (shape,) if not isinstance(shape, tuple | list) else tuple(shape)
    shape = tuple(int(n) for n in shape)
    if order != "C":
        if order != "F":
            raise refuse(f"reshape with order={order!r}", "use order='C' or 'F'")
        return transposed(reshaped(transposed(a), shape[::-1]))
    value = unbox(a)
    here = shape_of(value)
    shape = np.empty(0).reshape(_solve(here, shape)).shape if 0 in here else _solve(here, shape)
    result = reshape(value, shape=shape)
    if copy:
        return wrap(result)
    return _view(a, result, lambda v: reshape(v, shape=shape), lambda v, w: reshape(w, shape=here))


def _solve(here: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with -1 filled in."""
    if -1 not in shape:
        return shape
    return np.broadcast_to(np.empty(()), here).reshape(shape).shape if 0 in here else _fill(here, shape)


def _fill(here: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    known = 1
    for n in shape:
        known *= 1 if n == -1 else n
    size = 1
    for n in here:
        size *= n
    if known == 0 or size % known:
        raise ValueError(f"cannot reshape array of size {size} into shape {shape}")
    return tuple(size // known if n == -1 else n for n in shape)


def transposed(a: Any, axes: Any = None) -> Any:
    value = unbox(a)
    n = ndim_of(value)
    axes = tuple(range(n))[::-1] if axes is None else tuple(int(k) % n for k in axes)
    return _permuted(a, value, axes)


def _permuted(a: Any, value: Value, axes: tuple[int, ...]) -> Any:
    permute = PRIMITIVES["transpose"]
    inverse = tuple(int(k) for k in np.argsort(axes))
    return _view(
        a,
        permute(value, axes=axes),
        lambda v: permute(v, axes=axes),
        lambda v, w: permute(w, axes=inverse),
    )


def _like_numpy(f: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """A function that only changes the shape or the order of axes: NumPy is asked what it does."""

    def apply(a: Any, *args: Any, **kwargs: Any) -> Any:
        shape = np.shape(a) if not isinstance(a, Box) else a.shape
        if kind == "axes":
            numbered = np.empty(tuple(range(2, 2 + len(shape))), dtype=bool)
            axes = tuple(n - 2 for n in f(numbered, *args, **kwargs).shape)
            return _permuted(a, unbox(a), axes)
        return reshaped(a, f(np.broadcast_to(np.empty(()), shape), *args, **kwargs).shape)

    return apply


VIEWS: dict[Any, Callable[..., Any]] = {
    np.reshape: reshaped,
    np.transpose: transposed,
    np.permute_dims: transposed,
    np.ravel: lambda a, order="C": reshaped(a, -1, order="C" if order in "KA" else order),
    np.matrix_transpose: lambda a: _permuted(a, unbox(a), (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2)),
    np.swapaxes: _like_numpy(np.swapaxes, "axes"),
    np.moveaxis: _like_numpy(np.moveaxis, "axes"),
    np.rollaxis: _like_numpy(np.rollaxis, "axes"),
    np.squeeze: _like_numpy(np.squeeze, "shape"),
    np.expand_dims: _like_numpy(np.expand_dims, "shape"),
}
