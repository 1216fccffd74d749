"""Assignment at an index as in NumPy: which of several values stays, and which axes are dropped."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.indices import is_basic, is_mask
from polyad.engine.core.kinds import constant
from polyad.engine.core.values import Tracer, Value, keys_of, ndim_of, shape_of
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules.arithmetic import less, where
from polyad.engine.rules.structure import (
    Shape,
    broadcast_to,
    getitem,
    getitem_shape,
    has_tracer,
    positions_at,
    reshape,
    setitem,
)

__all__ = ["set_at", "without_leading", "written_once"]


def written_once(shape: Shape, index: Any, v: Value) -> tuple[Any, Value]:
    """An index that names no entry twice, and the values for it: the last one written stays."""
    if has_tracer(index) or is_mask(index):
        return index, v
    places = np.asarray(positions_at(shape, index))
    _, last = np.unique(places.ravel()[::-1], return_index=True)
    if last.size == places.size:
        return index, v
    last = places.size - 1 - last
    if shape_of(v):
        extra = ndim_of(v) - places.ndim
        v = reshape(v, shape=shape_of(v)[extra:]) if extra > 0 else v
        v = getitem(reshape(broadcast_to(v, shape=places.shape), shape=(-1,)), index=last)
    return np.unravel_index(places.ravel()[last], shape), v


def set_at(x: Value, v: Value, index: Any) -> Value:
    """``x[index] = v`` for an index with arrays in it: of several values for one entry the last one stays."""
    if not has_tracer(index):
        index, v = written_once(x.shape, index, v)
    elif _may_repeat(x, v, index):
        return _set_last(x, v, index)
    return setitem(x, v, index=index)


def _may_repeat(x: Value, v: Value, index: Any) -> bool:
    """Whether an index that another library has computed may name an entry twice, which no rule allows."""
    keys = [k for k in keys_of(index) if isinstance(k, Proxy)]
    if any(k.dtype.kind == "b" for k in keys):
        return False
    plain = all(type(a) is Proxy or not isinstance(a, Tracer) for a in (x, v))
    return adapter(keys[0].library).may_repeat(x.shape, _arrays_of(index), plain)


def _arrays_of(index: Any) -> Any:
    """An index with the library's own arrays in it."""
    if type(index) is tuple:
        return tuple(map(_arrays_of, index))
    return index.array if isinstance(index, Proxy) else index


# which of the values written to places is the last one, for every entry; -1 where there is none
last_written = constant("last_written", lambda places, size: _last_written(places, size))


def _last_written(places: Any, size: int) -> Any:
    last = np.full(size, -1)
    np.maximum.at(last, np.ravel(places), np.arange(np.size(places)))
    return last


def _set_last(x: Value, v: Value, index: Any) -> Value:
    """Assignment as a choice between the old entries and the last ones written."""
    size = x.size
    places = getitem(np.arange(size).reshape(x.shape), index=index)
    if places.size == 0:
        return x
    last = last_written(places, size=size)
    if shape_of(v):
        full = broadcast_to(v, shape=shape_of(places)) if shape_of(v) != shape_of(places) else v
        v = getitem(reshape(full, shape=(-1,)), index=where(less(last, 0), 0, last))
    return reshape(where(less(last, 0), reshape(x, shape=(-1,)), v), shape=x.shape)


def without_leading(v: Value, shape: Shape, index: Any) -> Value:
    """The value to assign, without leading axes of length one that the place does not have.

    NumPy drops them in assignments, though not in calculations.
    """
    kind, n, have = type(index), len(shape), len(v.shape)
    if kind is int or kind is slice or index is Ellipsis:
        n -= kind is int
    elif kind is tuple and is_basic(index):
        for k in index:
            if k is None:
                n += 1
            elif k is not Ellipsis and type(k) is not slice:
                n -= 1
    elif have == 1 and isinstance(index, np.ndarray):
        return v
    else:
        n = len(getitem_shape(shape, _stand_in(index)))
    if have <= n:
        return v
    # NumPy's own verdict, with its error
    np.empty(shape, dtype=bool)[_stand_in(index)] = np.zeros(v.shape, dtype=bool)
    return reshape(v, shape=v.shape[have - n :])


def _stand_in(index: Any) -> Any:
    """An index of plain arrays, of the same shapes and kinds."""
    if type(index) is tuple:
        return tuple(map(_stand_in, index))
    if not isinstance(index, Tracer):
        return index
    return np.ones(index.shape, dtype=bool) if index.dtype.kind == "b" else np.zeros(index.shape, dtype=int)
