"""Rules of operations that move entries about: all linear, each with its transpose.

* ``reshape``, ``transpose``, ``broadcast_to``, ``getitem`` and ``concatenate`` have rules of their
  own because they are everywhere.
* Every other rearrangement (flip, roll, tile, diag, pad, ...) is one ``gather``: NumPy's function is
  run on the flat positions of the entries, which says where each entry of the result comes from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.indices import has_one_array, is_basic, is_mask, names_once, spelled
from polyad.engine.core.kinds import Like, fit, general, linear, zeros_batch, zeros_of
from polyad.engine.core.values import Primitive, Tracer, Value, is_real, keys_of, ndim_of, shape_of
from polyad.engine.interpretations.cotangents import Part
from polyad.engine.interpretations.masked import chosen, settled
from polyad.engine.rules.arithmetic import real

__all__ = [
    "astype",
    "broadcast_to",
    "concatenate",
    "gather",
    "getitem",
    "reshape",
    "scatter",
    "setitem",
    "stack",
    "take_along_axis",
    "total",
    "transpose",
]

Shape = tuple[int, ...]


# -- shapes -----------------------------------------------------------------------------------------

# whose methods are faster than NumPy's functions of the same names
_ARRAYS = frozenset({np.ndarray, np.float64})

zeros = Primitive("zeros", lambda like, shape: np.zeros(shape, dtype=like.dtype))

reshape: Primitive = linear(
    "reshape",
    lambda x, shape: x.reshape(shape) if type(x) in _ARRAYS else np.reshape(x, shape),
    lambda t, s, shape: reshape(t, shape=(t.shape[0], *shape)),
    lambda w, s, shape: reshape(w, shape=s),
)


def _undo(axes: Shape) -> Shape:
    inverse = [0] * len(axes)
    for k, axis in enumerate(axes):
        inverse[axis] = k
    return tuple(inverse)


transpose: Primitive = linear(
    "transpose",
    lambda x, axes: x.transpose(axes) if type(x) is np.ndarray else np.transpose(x, axes),
    lambda t, s, axes: transpose(t, axes=(0, *(1 + axis for axis in axes))),
    lambda w, s, axes: transpose(w, axes=_undo(axes)),
)


def _sum_broadcast(w: Value, s: Shape) -> Value:
    lead = len(w.shape) - len(s)
    axes = tuple(range(lead)) + tuple(lead + k for k, n in enumerate(s) if n == 1 and w.shape[lead + k] != 1)
    return reshape(total(w, axis=axes, keepdims=False), shape=s) if axes else w


broadcast_to: Primitive = linear(
    "broadcast_to",
    lambda x, shape: np.broadcast_to(x, shape),
    lambda t, s, shape: broadcast_to(
        reshape(t, shape=(t.shape[0], *(1,) * (len(shape) - len(s)), *s)), shape=(t.shape[0], *shape)
    ),
    lambda w, s, shape: _sum_broadcast(w, s),
)


def _axes(axis: Shape | None, ndim: int) -> Shape:
    return tuple(range(1, ndim + 1)) if axis is None else tuple(1 + k for k in axis)


def _pull_total(y: Value, x: Value, axis: Shape | None, keepdims: bool) -> Any:
    shape = shape_of(x)
    # the cotangent stays small: it is broadcast where somebody needs it in full
    if not shape:
        return lambda w: w
    ones = (1,) * len(shape) if axis is None else tuple(1 if k in axis else n for k, n in enumerate(shape))
    return lambda w: reshape(w, shape=ones)


total: Primitive = general(
    "sum",
    lambda x, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims),
    lambda y, tangents, x, axis, keepdims: total(
        tangents[0], axis=_axes(axis, ndim_of(x)), keepdims=keepdims
    ),
    _pull_total,
)

astype: Primitive = linear(
    "astype",
    lambda x, dtype: x.astype(dtype),
    lambda t, s, dtype: astype(t, dtype=dtype),
    lambda w, s, dtype: w,
)


# -- indexing ---------------------------------------------------------------------------------------


def positions_at(shape: Shape, index: Any) -> np.ndarray:
    """Flat positions of the entries that an index picks."""
    size = 1
    for n in shape:
        size *= n
    return np.arange(size).reshape(shape)[index]


def _batch_getitem(t: Value, s: Shape, index: Any) -> Value:
    if is_basic(index):
        return getitem(t, index=(slice(None), *index) if type(index) is tuple else (slice(None), index))
    if not isinstance(index, tuple) and not isinstance(index, Tracer) and index.dtype.kind in "iu":
        return getitem(t, index=(slice(None), index))
    if has_tracer(index):
        return transpose_batch_index(t, s, index)
    if has_one_array(index):
        return getitem(t, index=(slice(None), *index))
    flat = reshape(t, shape=(t.shape[0], -1))
    return getitem(flat, index=(slice(None), positions_at(s, index)))


def has_tracer(index: Any) -> bool:
    if type(index) is not tuple:
        return isinstance(index, Tracer)
    for k in index:  # asked at every indexing: a generator would cost more than the question
        if isinstance(k, Tracer):
            return True
    return False


def transpose_batch_index(t: Value, s: Shape, index: Any) -> Value:
    """An index computed by another library: the batch goes last, where no index reaches."""
    n = len(s)
    moved = transpose(t, axes=(*range(1, n + 1), 0))
    picked = getitem(moved, index=spelled(index, n))
    m = len(picked.shape) - 1
    return transpose(picked, axes=(m, *range(m)))


def _pull_getitem(y: Value, x: Value, index: Any) -> Part:
    basic = is_basic(index) or names_once(index)
    return Part(index, x.shape, x.dtype, basic=basic, unique=basic or is_mask(index))


_PLAIN = frozenset({int, slice})


def _beside(primitive: Primitive, x: Any, index: Any, *others: Value, **params: Any) -> Value:
    """An operation on a plain array whose index another library has computed: it is one of theirs then."""
    from polyad.engine.interpretations.proxy import Proxy, beside

    like = next(k for k in keys_of(index) if isinstance(k, Proxy))
    return primitive(beside(x, like), *others, index=index, **params)


getitem: Primitive = general(
    "getitem",
    lambda x, index: (
        x[index] if type(index) in _PLAIN or not has_tracer(index) else _beside(getitem, x, index)
    ),
    lambda y, tangents, x, index: _batch_getitem(tangents[0], shape_of(x), index),
    _pull_getitem,
)


def _scatter(w: Any, index: Any, shape: Shape) -> Any:
    out = np.zeros(shape, dtype=w.dtype)
    if is_basic(index) or is_mask(index) or names_once(index):
        out[index] = w
    elif has_tracer(index):
        return _beside(scatter, w, index, shape=shape)
    else:
        np.add.at(out, index, w)
    return out


def _batch_scatter(t: Value, s: Shape, index: Any, shape: Shape) -> Value:
    if is_basic(index) or has_one_array(index):
        lead = (slice(None), *index) if type(index) is tuple else (slice(None), index)
        return scatter(t, index=lead, shape=(t.shape[0], *shape))
    if has_tracer(index):
        m = len(t.shape) - 1
        lead = spelled(index, len(shape))
        moved = scatter(transpose(t, axes=(*range(1, m + 1), 0)), index=lead, shape=(*shape, t.shape[0]))
        return transpose(moved, axes=(len(shape), *range(len(shape))))
    size = int(np.prod(shape))
    flat = scatter(t, index=(slice(None), positions_at(shape, index)), shape=(t.shape[0], size))
    return reshape(flat, shape=(t.shape[0], *shape))


# The adjoint of getitem: an array of zeros to which the entries of w are added at the index.
scatter: Primitive = linear(
    "scatter", _scatter, _batch_scatter, lambda w, s, index, shape: getitem(w, index=index)
)


def _set(x: Any, v: Any, index: Any) -> Any:
    if type(index) not in _PLAIN and has_tracer(index):
        return _beside(setitem, x, index, v)
    out = np.array(x)
    out[index] = v
    return out


def _push_setitem(y: Value, tangents: tuple[Value, ...], x: Value, v: Value, index: Any) -> Value:
    tx, tv = tangents
    if tx is None:
        tx = zeros_batch(tv, x)
    if tv is None:
        tv = 0.0
    if has_tracer(index):
        n = len(x.shape)
        moved = transpose(tx, axes=(*range(1, n + 1), 0))
        if isinstance(tv, Tracer | np.ndarray):
            m = len(tv.shape) - 1
            tv = transpose(tv, axes=(*range(1, m + 1), 0))
        return transpose(setitem(moved, tv, index=spelled(index, n)), axes=(n, *range(n)))
    if not isinstance(tv, float):
        # the axes of v are the last of those picked: the batch must stand before all of them
        picked = getitem_shape(x.shape, index)
        tv = reshape(tv, shape=(tv.shape[0], *(1,) * (len(picked) - ndim_of(v)), *shape_of(v)))
    if is_basic(index):
        lead = (slice(None), *index) if type(index) is tuple else (slice(None), index)
        return setitem(tx, tv, index=lead)
    flat = reshape(tx, shape=(tx.shape[0], -1))
    done = setitem(flat, tv, index=(slice(None), positions_at(x.shape, index)))
    return reshape(done, shape=tx.shape)


def getitem_shape(shape: Shape, index: Any) -> Shape:
    """The shape that an index of an array of this shape picks."""
    return np.broadcast_to(np.empty(()), shape)[index].shape


def _pull_set_array(y: Value, x: Value, v: Value, index: Any) -> Any:
    shape = shape_of(x)

    def untouched() -> np.ndarray:
        mask = np.ones(shape, dtype=bool)
        mask[index] = False
        return mask

    def pull(w: Value) -> Value:
        rest = setitem(settled(w), 0.0, index=index)
        if not has_tracer(index):
            return chosen(w, untouched, True, rest)
        # of an index that another library computes, only a mask says by itself what it leaves
        return chosen(w, index, False, rest) if shape_of(index) == shape and index.dtype.kind == "b" else rest

    return pull


def _pull_set_value(y: Value, x: Value, v: Value, index: Any) -> Any:
    like = Like(v)

    def pull(w: Value) -> Value:
        part = getitem(w, index=index)
        lead = len(like.shape) - len(shape_of(part))
        if lead > 0:  # v had axes of length one in front
            part = reshape(part, shape=(1,) * lead + shape_of(part))
        return fit(part, like)

    return pull


setitem: Primitive = general("setitem", _set, _push_setitem, _pull_set_array, _pull_set_value)


def _positioned(x: Value, positions: np.ndarray) -> Value:
    return getitem(x if ndim_of(x) == 1 else reshape(x, shape=(-1,)), index=positions)


def gather(x: Value, positions: np.ndarray) -> Value:
    """The entries at flat positions, in the positions' shape."""
    return _positioned(x, positions) if shape_of(x) != () else broadcast_to(x, shape=positions.shape)


def _along(x: Any, indices: np.ndarray, axis: int) -> Any:
    grid: list[Any] = list(np.indices(indices.shape, sparse=True))
    grid[axis] = indices
    return tuple(grid)


def take_along_axis(x: Value, indices: np.ndarray, axis: int) -> Value:
    """NumPy's ``take_along_axis`` with a concrete index array."""
    return getitem(x, index=_along(x, indices, axis))


# -- joining ----------------------------------------------------------------------------------------


def _push_concatenate(y: Value, tangents: tuple[Value, ...], *parts: Value, axis: int) -> Value:
    known = next(t for t in tangents if t is not None)
    full = [zeros_batch(known, p) if t is None else t for t, p in zip(tangents, parts, strict=True)]
    return concatenate(*full, axis=axis + 1)


def _joint_concatenate(which: Shape, y: Value, *parts: Value, axis: int) -> Any:
    stops = np.cumsum([p.shape[axis] for p in parts])
    lead = (slice(None),) * axis
    places = [(*lead, slice(int(stops[k]) - parts[k].shape[axis], int(stops[k]))) for k in which]
    reals = [is_real(parts[k]) and not is_real(y) for k in which]

    def pull(w: Value) -> tuple[Value, ...]:
        pieces = (getitem(w, index=place) for place in places)
        return tuple(real(g) if r else g for g, r in zip(pieces, reals, strict=True))

    return pull


concatenate: Primitive = general(
    "concatenate",
    lambda *parts, axis: np.concatenate(parts, axis=axis),
    _push_concatenate,
    joint=_joint_concatenate,
)


def _push_stack(y: Value, tangents: tuple[Value, ...], *parts: Value, axis: int) -> Value:
    known = next(t for t in tangents if t is not None)
    full = [zeros_batch(known, p) if t is None else t for t, p in zip(tangents, parts, strict=True)]
    return stack(*full, axis=axis + 1)


def _joint_stack(which: Shape, y: Value, *parts: Value, axis: int) -> Any:
    lead = (slice(None),) * axis
    reals = [is_real(parts[k]) and not is_real(y) for k in which]

    def pull(w: Value) -> tuple[Value, ...]:
        pieces = (getitem(w, index=(*lead, k)) for k in which)
        return tuple(real(g) if r else g for g, r in zip(pieces, reals, strict=True))

    return pull


stack: Primitive = general(
    "stack", lambda *parts, axis: np.stack(parts, axis=axis), _push_stack, joint=_joint_stack
)


def zeros_like(x: Value, shape: Shape | None = None) -> Value:
    """Zeros in the library and dtype of a value."""
    return zeros_of(x, shape_of(x) if shape is None else shape)
