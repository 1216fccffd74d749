"""Operations of core ATen that read and write entries by indices, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import PRIMITIVES, Tracer
from polyad.systems.derive.replay import NotReplayable
from polyad.systems.torch.replay.shapes import span

__all__ = ["OPERATIONS", "added"]

LARGEST = 1_000_000  # comparisons for places that are computed


def _is_bare(x: Any) -> bool:
    return not isinstance(unbox(x), Tracer)


# -- entries -------------------------------------------------------------------------------------------------


def _index(x: Any, indices: Sequence[Any]) -> Any:
    return x[tuple(slice(None) if i is None else i for i in indices)]


def added(x: Any, key: Any, values: Any) -> Any:
    """An array with values added at places, any of which may be named twice."""
    places = np.arange(math.prod(np.shape(x))).reshape(np.shape(x))[key]
    values = np.broadcast_to(values, np.shape(places))
    rows = np.reshape(values, (places.size,))
    flat = np.reshape(x, (math.prod(np.shape(x)),))
    if _is_bare(rows):
        total = np.zeros(np.shape(flat), dtype=rows.dtype)
        np.add.at(total, np.ravel(places), unbox(rows))
    else:
        total = wrap(PRIMITIVES["scatter"](unbox(rows), index=np.ravel(places), shape=np.shape(flat)))
    return np.reshape(flat + total, np.shape(x))


def _written(x: Any, key: Any, values: Any) -> Any:
    """An array with values at places, of which the last one counts where one is named twice."""
    shape, size = np.shape(x), math.prod(np.shape(x))
    places = np.ravel(np.arange(size).reshape(shape)[key])
    if np.unique(places).size != places.size:
        raise NotReplayable("torch's writing to one entry twice")
    inside = np.shape(np.empty(shape, dtype=bool)[key])
    rows = np.reshape(np.broadcast_to(values, inside), (places.size,))
    source = np.arange(size)
    source[places] = size + np.arange(places.size)
    return np.reshape(np.concatenate([np.reshape(x, (size,)), rows])[source], shape)


def _key(indices: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(slice(None) if i is None else _known(i) for i in indices)


def _known(index: Any) -> Any:
    value = unbox(index)
    if isinstance(value, Tracer):
        from polyad.engine.lift import numbers_in

        value = numbers_in(index)
        if value is None:
            raise NotReplayable("torch's index that is computed")
    return np.asarray(value)


def _index_put(x: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    return (added if accumulate else _written)(x, _key(indices), values)


def _along(x: Any, dim: int, index: Any) -> tuple[Any, ...]:
    index = _known(index)
    grid = list(np.indices(index.shape, sparse=True))
    grid[dim] = index
    return tuple(grid)


def _is_computed(index: Any) -> bool:
    """Whether an index has no values yet, as while a framework traces."""
    value = unbox(index)
    if not isinstance(value, Tracer):
        return False
    from polyad.engine.lift import numbers_in

    return numbers_in(index) is None


def _beside(x: Any, dim: int, index: Any) -> tuple[slice, ...]:
    """The part of an array that has the form of an index, but for one axis."""
    axis = dim % np.ndim(x)
    return tuple(slice(None) if k == axis else slice(n) for k, n in enumerate(np.shape(index)))


def _placed(x: Any, dim: int, index: Any, values: Any) -> tuple[Any, Any]:
    """Values summed at places of one axis that are computed, and where there are any: by comparison."""
    shape, axis = np.shape(x), dim % np.ndim(x)
    form = np.shape(index)
    size = math.prod(form) * shape[axis]
    if size > LARGEST or any(m != n for k, (m, n) in enumerate(zip(form, shape, strict=True)) if k != axis):
        raise NotReplayable("torch's index that is computed")
    values = np.broadcast_to(values[tuple(map(slice, form))] if np.ndim(values) else values, form)
    here = np.expand_dims(index, -1) == np.arange(shape[axis])
    sums = np.sum(np.where(here, np.expand_dims(values, -1), 0.0), axis=axis)
    return np.moveaxis(sums, -1, axis), np.moveaxis(np.any(here, axis=axis), -1, axis)


def _gather(x: Any, dim: int, index: Any, sparse_grad: bool = False) -> Any:
    if _is_computed(index):
        return np.take_along_axis(x[_beside(x, dim, index)], index, axis=dim)
    return x[_along(x, dim, index)]


def _scatter_add(x: Any, dim: int, index: Any, values: Any) -> Any:
    if _is_computed(index):
        return x + _placed(x, dim, index, values)[0]
    taken = values[tuple(map(slice, np.shape(_known(index))))]
    return added(x, _along(x, dim, index), taken)


def _scatter(x: Any, dim: int, index: Any, values: Any) -> Any:
    if _is_computed(index):
        sums, here = _placed(x, dim, index, values)
        return np.where(here, sums, x)  # torch leaves open what comes of a place that is named twice
    shape = np.shape(_known(index))
    taken = values[tuple(map(slice, shape))] if np.ndim(values) else values
    return _written(x, _along(x, dim, index), taken)


def _index_select(x: Any, dim: int, index: Any) -> Any:
    return x[(slice(None),) * (dim % np.ndim(x)) + (_known(index),)]


def _index_add(x: Any, dim: int, index: Any, values: Any, alpha: Any = 1) -> Any:
    return added(x, (slice(None),) * (dim % np.ndim(x)) + (_known(index),), values * alpha)


def _slice_scatter(
    x: Any, values: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Any:
    return _written(x, span(x, dim, start, end, step), values)


def _select_scatter(x: Any, values: Any, dim: int, index: int) -> Any:
    return _written(x, (slice(None),) * (dim % np.ndim(x)) + (index,), values)


def _diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return np.diagonal(x, offset, dim1, dim2)


def _diagonal_scatter(x: Any, values: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    size = math.prod(np.shape(x))
    places = np.diagonal(np.arange(size).reshape(np.shape(x)), offset, dim1, dim2)
    rows = np.reshape(np.broadcast_to(values, places.shape), (places.size,))
    return np.reshape(_written(np.reshape(x, (size,)), (np.ravel(places),), rows), np.shape(x))


def _strided(x: Any, size: Sequence[int], stride: Sequence[int], offset: Any = None) -> Any:
    """Where the entries of a view of contiguous memory lie."""
    return _offsets(size, stride, offset), np.reshape(x, (math.prod(np.shape(x)),))


def _offsets(size: Sequence[int], stride: Sequence[int], offset: Any) -> Any:
    places = np.full((1,) * len(size), offset or 0)
    for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
        places = places + np.arange(n).reshape([-1 if k == axis else 1 for k in range(len(size))]) * step
    return places


def _as_strided(x: Any, size: Sequence[int], stride: Sequence[int], offset: Any = None) -> Any:
    places, flat = _strided(x, size, stride, offset)
    return np.reshape(flat[np.ravel(places)], tuple(size))


def _as_strided_scatter(
    x: Any, values: Any, size: Sequence[int], stride: Sequence[int], offset: Any = None
) -> Any:
    places, flat = _strided(x, size, stride, offset)
    rows = np.reshape(values, (math.prod(size),))
    return np.reshape(_written(flat, (np.ravel(places),), rows), np.shape(x))


def _put(x: Any, index: Any, values: Any, accumulate: bool = False) -> Any:
    flat = np.reshape(x, (math.prod(np.shape(x)),))
    rows = np.reshape(values, (math.prod(np.shape(values)),))
    key = (np.ravel(_known(index)) % max(np.shape(flat)[0], 1),)
    return np.reshape((added if accumulate else _written)(flat, key, rows), np.shape(x))


def _masked_scatter(x: Any, mask: Any, values: Any) -> Any:
    places = np.flatnonzero(np.broadcast_to(_known(mask), np.shape(x)))
    flat = np.reshape(x, (math.prod(np.shape(x)),))
    rows = np.reshape(values, (math.prod(np.shape(values)),))[: places.size]
    return np.reshape(_written(flat, (places,), rows), np.shape(x))


def _masked_scatter_backward(g: Any, mask: Any, size: Sequence[int]) -> Any:
    flat = np.reshape(g, (math.prod(np.shape(g)),))
    taken = flat[np.flatnonzero(np.broadcast_to(_known(mask), np.shape(g)))]
    rest = np.zeros(math.prod(size) - np.shape(taken)[0], dtype=g.dtype)
    return np.reshape(np.concatenate([taken, rest]), tuple(size))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "diagonal": _diagonal,
    "index": _index,
    "index_put": _index_put,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "scatter": _scatter,
    "index_select": _index_select,
    "index_add": _index_add,
    "slice_scatter": _slice_scatter,
    "select_scatter": _select_scatter,
    "diagonal_scatter": _diagonal_scatter,
    "as_strided": _as_strided,
    "as_strided_scatter": _as_strided_scatter,
    "put": _put,
    "masked_select": lambda x, mask: x[_known(mask)],
    "masked_scatter": _masked_scatter,
    "masked_scatter_backward": _masked_scatter_backward,
    "embedding": lambda weight, index, *rest: weight[_known(index)],
}
