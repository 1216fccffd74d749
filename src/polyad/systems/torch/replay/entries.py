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

__all__ = ["OPERATIONS"]


def _is_bare(x: Any) -> bool:
    return not isinstance(unbox(x), Tracer)


# -- entries -------------------------------------------------------------------------------------------------


def _index(x: Any, indices: Sequence[Any]) -> Any:
    return x[tuple(slice(None) if i is None else i for i in indices)]


def _added(x: Any, key: Any, values: Any) -> Any:
    """An array with values added at places, any of which may be named twice."""
    places = np.arange(math.prod(np.shape(x))).reshape(np.shape(x))[key]
    values = np.broadcast_to(values, np.shape(places))
    rows = np.reshape(values, (places.size,))
    flat = np.reshape(x, (math.prod(np.shape(x)),))
    if _is_bare(rows):
        total = np.zeros(np.shape(flat), dtype=rows.dtype)
        np.add.at(total, np.ravel(places), rows)
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
    return (_added if accumulate else _written)(x, _key(indices), values)


def _along(x: Any, dim: int, index: Any) -> tuple[Any, ...]:
    index = _known(index)
    grid = list(np.indices(index.shape, sparse=True))
    grid[dim] = index
    return tuple(grid)


def _gather(x: Any, dim: int, index: Any, sparse_grad: bool = False) -> Any:
    return x[_along(x, dim, index)]


def _scatter_add(x: Any, dim: int, index: Any, values: Any) -> Any:
    taken = values[tuple(map(slice, np.shape(_known(index))))]
    return _added(x, _along(x, dim, index), taken)


def _scatter(x: Any, dim: int, index: Any, values: Any) -> Any:
    shape = np.shape(_known(index))
    taken = values[tuple(map(slice, shape))] if np.ndim(values) else values
    return _written(x, _along(x, dim, index), taken)


def _index_select(x: Any, dim: int, index: Any) -> Any:
    return x[(slice(None),) * (dim % np.ndim(x)) + (_known(index),)]


def _index_add(x: Any, dim: int, index: Any, values: Any, alpha: Any = 1) -> Any:
    return _added(x, (slice(None),) * (dim % np.ndim(x)) + (_known(index),), values * alpha)


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


def _sort(x: Any, dim: int = -1, descending: bool = False, stable: Any = None) -> list[Any]:
    if descending:
        raise NotReplayable("torch's sort from the largest on")
    order = np.argsort(x, axis=dim, kind="stable")
    return [np.take_along_axis(x, order, axis=dim), order]


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
    "sort": _sort,
}
