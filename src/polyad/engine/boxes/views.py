"""NumPy's functions whose result shares memory with their argument: views of boxes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes import asked
from polyad.engine.boxes.box import Box, Rearranged, as_array, number, wrap
from polyad.engine.boxes.boxing import contains_box, unbox, unbox_index
from polyad.engine.boxes.memory import layout, linked, rearranged
from polyad.engine.core.refusals import read_only, refuse
from polyad.engine.core.table import FUNCTIONS
from polyad.engine.core.values import PRIMITIVES, Value, ndim_of, shape_of
from polyad.engine.functions.structure import values_of
from polyad.engine.rules.structure import getitem, reshape
from polyad.errors import ON_OTHER_ARRAYS, rule_out

__all__ = ["VIEWS", "flat", "reshaped", "transposed"]


def _boxed(a: Any) -> Any:
    """The argument as a box; anything else is put into a new box, which shares no memory."""
    return a if isinstance(a, Box) else wrap(unbox(a))


def _view(
    x: Any, value: Value, reader: Callable[[Value], Value], writer: Callable[[Value, Value], Value]
) -> Any:
    return Rearranged(x, value, reader, writer) if isinstance(x, Box) and x._is_array() else wrap(value)


def _read_only(v: Value, w: Value) -> Value:
    raise read_only()


def reshaped(
    a: Any,
    /,
    shape: Any = None,
    order: str = "C",
    *,
    newshape: Any = None,
    copy: Any = None,
    by: Callable[[Any], Any] | None = None,
) -> Any:
    """``np.reshape``; the result shares memory with a box where NumPy's would.

    Parameters
    ----------
    a : array_like
        The array.
    shape, newshape, order, copy : object
        As for NumPy's function.
    by : callable, optional
        What NumPy would do instead of ``np.reshape``: ``np.ravel`` copies more often, ``np.squeeze``
        never.
    """
    shape = newshape if shape is None else shape
    shape = np.shape(a) if shape is None else shape
    shape = (shape,) if not isinstance(shape, tuple | list) else tuple(shape)
    shape = tuple(int(n) for n in shape)
    if order != "C":
        order = _order(a, order)
        if order == "F":
            return transposed(reshaped(transposed(a), shape[::-1], copy=copy, by=by))
    value = unbox(a)
    here = shape_of(value)
    shape = np.empty(0).reshape(_solve(here, shape)).shape if 0 in here else _solve(here, shape)
    result = reshape(value, shape=shape)
    if isinstance(a, Box) and not shape and not a._is_array():  # NumPy's numbers stay numbers
        return number(result)
    if copy or not isinstance(a, Box) or not a._is_array():
        return as_array(result)
    return rearranged(
        a,
        result,
        by or (lambda v: v.reshape(shape)),
        lambda v: reshape(v, shape=shape),
        lambda v, w: reshape(w, shape=here),
    )


def _order(a: Any, order: str) -> str:
    """``"C"`` or ``"F"`` for NumPy's four letters, of which two ask how the array lies in memory."""
    if order in ("C", "F"):
        return order
    if order not in ("A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")
    known = layout(a) if isinstance(a, Box) else np.empty(np.shape(a), dtype=bool)
    if known is None or not (order == "A" or known.flags.forc):
        refusal = refuse(
            f"order={order!r} of an array whose strides are not known", "use order='C' or 'F', which you mean"
        )
        raise rule_out(refusal, ON_OTHER_ARRAYS)  # which lie otherwise
    return "F" if known.flags.fnc else "C"


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
    """A function that only changes the shape or the order of axes, found out from NumPy's own result."""

    def apply(a: Any, *args: Any, **kwargs: Any) -> Any:
        shape = np.shape(a) if not isinstance(a, Box) else a.shape
        if kind == "axes":
            numbered = np.empty(tuple(range(2, 2 + len(shape))), dtype=bool)
            axes = tuple(n - 2 for n in f(numbered, *args, **kwargs).shape)
            return _permuted(a, unbox(a), axes)
        there = f(np.broadcast_to(np.empty(()), shape), *args, **kwargs).shape
        return of_one_memory(a, there)

    return apply


def of_one_memory(a: Any, shape: tuple[int, ...]) -> Any:
    """Another shape of the same memory, whatever its strides: axes of length one come and go."""
    here = a.shape if isinstance(a, Box) else np.shape(a)
    return _view(
        a,
        reshape(unbox(a), shape=shape),
        lambda v: reshape(v, shape=shape),
        lambda v, w: reshape(w, shape=here),
    )


# -- slices -------------------------------------------------------------------------------------------


def _along(axis: int, part: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, part)


def _flip(m: Any, axis: Any = None) -> Any:
    m = _boxed(m)
    if axis is None:
        axes = set(range(m.ndim))
    else:
        axes = set(np.lib.array_utils.normalize_axis_tuple(axis, m.ndim))
    return m[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(m.ndim))]


def _rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    m = _boxed(m)
    first, second = (int(axis) % m.ndim for axis in axes)
    if first == second:
        raise ValueError("Axes must be different.")
    turned = list(range(m.ndim))
    turned[first], turned[second] = second, first
    return {
        0: lambda: m[...],
        1: lambda: transposed(_flip(m, second), turned),
        2: lambda: _flip(m, (first, second)),
        3: lambda: _flip(transposed(m, turned), second),
    }[k % 4]()


def _split(f: Callable[..., Any]) -> Callable[..., Any]:
    def apply(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
        ary = _boxed(ary)
        axis = range(ary.ndim)[axis]
        parts = f(np.arange(ary.shape[axis]), indices_or_sections)
        ends = [(int(p[0]), int(p[-1]) + 1) if len(p) else (0, 0) for p in parts]
        return [ary[_along(axis, slice(*end))] for end in ends]

    return apply


def _split_at(axis: int, least: int) -> Callable[..., Any]:
    def apply(ary: Any, indices_or_sections: Any) -> list[Any]:
        ary = _boxed(ary)
        if ary.ndim < least:
            raise ValueError(f"this split only works on arrays of {least} or more dimensions")
        along = 0 if least == 1 and ary.ndim == 1 else axis
        return VIEWS[np.split](ary, indices_or_sections, along)

    return apply


def _at_least(n: int) -> Callable[..., Any]:
    def one(a: Any) -> Any:
        a = _boxed(a)
        if not isinstance(a, Box):
            return {1: np.atleast_1d, 2: np.atleast_2d, 3: np.atleast_3d}[n](a)
        if n == 1 and asked.looks_before_compiled_code(frame := sys._getframe(1)):
            raise asked.no_plain_array(frame)
        if a.ndim >= n:
            return a
        before = 1 if a.ndim < 2 and n > 1 else 0
        lead = (1,) * (before if a.ndim else 0)
        shape = (*lead, *a.shape)
        return of_one_memory(a, (*shape, *(1,) * (n - len(shape))))

    return lambda *arrays: one(arrays[0]) if len(arrays) == 1 else tuple(map(one, arrays))


def _unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    x = _boxed(x)
    axis = range(x.ndim)[axis]
    return tuple(x[_along(axis, k)] for k in range(x.shape[axis]))


def _trim_zeros(filt: Any, trim: Any = "fb", axis: Any = None) -> Any:
    filt = _boxed(filt)
    values = values_of(unbox(filt))
    if values is None:
        raise refuse("np.trim_zeros of values that are not known yet", "use backend='numpy'")
    kept = np.trim_zeros(values != 0, trim, axis)
    if values.ndim != 1:
        raise refuse("np.trim_zeros of an array with several axes", "use slices")
    start = int(np.argmax(values != 0)) if "f" in trim.lower() and kept.size else 0
    return filt[start : start + kept.size]


# -- views that only read -----------------------------------------------------------------------------


def _reading(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose result follows its argument and cannot be written to."""

    def apply(a: Any, *args: Any, **kwargs: Any) -> Any:
        own = FUNCTIONS[f]
        a = _boxed(a)
        return _view(
            a,
            own(unbox(a), *args, **kwargs),
            lambda v: f(v, *args, **kwargs) if isinstance(v, np.ndarray) else own(v, *args, **kwargs),
            _read_only,
        )

    return apply


def _diag(v: Any, k: int = 0) -> Any:
    v = _boxed(v)
    if v.ndim == 2:
        return VIEWS[np.diagonal](v, k)
    return wrap(FUNCTIONS[np.diag](unbox(v), k))


class Flat(Rearranged):
    """``a.flat``: all entries in C order, written to where they are; what is read is a copy."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        index = unbox_index(index, self._value)
        value = getitem(self._value, index=index[0] if type(index) is tuple and len(index) == 1 else index)
        return wrap(value) if value.shape else number(value)


def flat(a: Box) -> Any:
    """``a.flat``."""
    here = a.shape
    value = reshape(a._value, shape=(a.size,))
    if not a._is_array():
        return wrap(value)
    return Flat(a, value, lambda v: reshape(v, shape=value.shape), lambda v, w: reshape(w, shape=here))


def _one_by_one(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a result for every argument, which may share the memory of that one."""

    def apply(*arrays: Any, **options: Any) -> Any:
        own = FUNCTIONS[f](*map(unbox, arrays), **options)
        results = linked(f, arrays, options, tuple(map(as_array, own)))
        if all(isinstance(a, Box) for a in arrays):
            return results
        # NumPy's own results for plain arrays, which may be written to later
        plain = f(*(np.empty(a.shape) if isinstance(a, Box) else a for a in arrays), **options)
        return type(plain)(
            r if isinstance(a, Box) or (isinstance(a, list | tuple) and contains_box(a)) else p
            for a, r, p in zip(arrays, results, plain, strict=True)
        )

    return apply


VIEWS: dict[Any, Callable[..., Any]] = {
    np.real: lambda val: _boxed(val).real,
    np.imag: lambda val: _boxed(val).imag,
    np.reshape: reshaped,
    np.transpose: transposed,
    np.permute_dims: transposed,
    np.ravel: lambda a, order="C": reshaped(a, -1, order, by=np.ravel),
    np.matrix_transpose: lambda a: _permuted(a, unbox(a), (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2)),
    np.swapaxes: _like_numpy(np.swapaxes, "axes"),
    np.moveaxis: _like_numpy(np.moveaxis, "axes"),
    np.rollaxis: _like_numpy(np.rollaxis, "axes"),
    np.squeeze: _like_numpy(np.squeeze, "shape"),
    np.expand_dims: _like_numpy(np.expand_dims, "shape"),
    np.flip: _flip,
    np.flipud: lambda m: _flip(m, 0),
    np.fliplr: lambda m: _flip(m, 1),
    np.rot90: _rot90,
    np.split: _split(np.split),
    np.array_split: _split(np.array_split),
    np.hsplit: _split_at(1, 1),
    np.vsplit: _split_at(0, 2),
    np.dsplit: _split_at(2, 3),
    np.unstack: _unstack,
    np.atleast_1d: _at_least(1),
    np.atleast_2d: _at_least(2),
    np.atleast_3d: _at_least(3),
    np.trim_zeros: _trim_zeros,
    np.diagonal: _reading(np.diagonal),
    np.diag: _diag,
    np.broadcast_to: _reading(np.broadcast_to),
    np.broadcast_arrays: _one_by_one(np.broadcast_arrays),
    np.meshgrid: _one_by_one(np.meshgrid),
}
