"""NumPy's functions that make an array of what they are given, and those that make a new one."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box, as_array, number
from polyad.engine.boxes.boxing import BOXES, gathered, unbox
from polyad.engine.boxes.memory import layout, linked
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.values import Tracer, base
from polyad.engine.follow.counterparts import Counterpart, Maker, NumberClass, counterpart, has_box
from polyad.engine.rules.structure import stack

__all__ = ["as_box", "buffer", "dtype_of", "is_subclass"]


def dtype_of(dtype: Any) -> Any:
    """A dtype as NumPy has it, whatever says it."""
    if isinstance(dtype, NumberClass):
        return dtype.dtype
    if isinstance(dtype, Counterpart):
        dtype = dtype.original
    return None if dtype is None else np.dtype(dtype)


def as_box(a: Any) -> Box:
    """A box, or a nesting of lists and arrays with boxes in it, as one box that is an array."""
    if type(a) not in BOXES:
        a = a.view(np.ndarray) if isinstance(a, np.ndarray) else a
        a = gathered(a) if type(a) is np.ndarray else _stacked(a)
        return as_array(a) if not a.shape else Box(a)
    if not a._is_array():
        return as_array(a._value)
    return a


def _stacked(items: Any) -> Any:
    parts = []
    for k in items:
        if type(k) in BOXES:
            parts.append(k._value)
        elif isinstance(k, list | tuple) and has_box(k):
            parts.append(_stacked(k))
        else:
            k = np.asarray(k)
            parts.append(unbox(k) if k.dtype.kind == "O" else k)
    shape = np.shape(parts[0]) if not isinstance(parts[0], Tracer) else parts[0].shape
    if any(p.shape != shape for p in parts):
        raise ValueError(
            "setting an array element with a sequence. The requested array has an inhomogeneous shape"
        )
    return stack(*parts, axis=0)


def _cast(box: Box, dtype: Any) -> Any:
    """A box in another dtype; what is not a floating-point number any more is asked of NumPy."""
    if dtype is None:
        return box
    wanted, own = dtype_of(dtype), box._value.dtype
    if wanted is own or wanted == own:
        return box
    if wanted.kind in "fc" and not (wanted.kind == "f" and box.dtype.kind == "c"):
        return as_array(box.astype(wanted)._value)
    return np.asarray(box, dtype=wanted)


def is_subclass(a: Any) -> bool:
    """Whether it is a view of a box as a subclass of arrays."""
    kind = type(a)
    return kind is not np.ndarray and kind not in BOXES and isinstance(a, np.ndarray) and a.dtype == object


class Conversion(Counterpart):
    """Stands for a function that makes an array of anything, also of such a view."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if FOLLOWING.depth and args and is_subclass(args[0]):
            return self.own(*args, **kwargs)
        return super().__call__(*args, **kwargs)


@counterpart(np.asarray, Conversion)
def _asarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    box = _cast(as_box(a), dtype)
    if box is a and (copy is True or copy is np._CopyMode.ALWAYS):
        return box.copy(order or "K")
    return box if order in (None, "K") else _laid_out(box, np.asarray, order=order)


def _laid_out(box: Any, f: Any, **how: Any) -> Any:
    """The same numbers as NumPy's function lays them out: the same memory where they lie so already."""
    if not isinstance(box, Box) or box.ndim == 0:
        return box
    known = layout(box)
    if known is None:
        return linked(f, (box,), how, Box(box._value))
    after = f(known, **how)
    if not box.size or np.may_share_memory(known, after):
        return box
    copy = Box(box._value)
    copy._layout = after
    return copy


@counterpart(np.asanyarray, Conversion)
def _asanyarray(a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None) -> Any:
    if is_subclass(a) and (dtype is None or dtype_of(dtype) == np.float64):
        return a.copy() if copy else a
    return _asarray(a, dtype, order, copy=copy)


@counterpart(np.array, Conversion)
def _array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
) -> Any:
    box: Any = (
        _asanyarray(object, dtype, order, copy=copy) if subok else _asarray(object, dtype, order, copy=copy)
    )
    if getattr(box, "ndim", 0) < ndmin:
        box = box.reshape((1,) * (ndmin - box.ndim) + box.shape)
    return box


@counterpart(np.ascontiguousarray)
def _ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    box = _laid_out(_asarray(a, dtype), np.ascontiguousarray)
    return box if box.shape else box.reshape(1)


@counterpart(np.asfortranarray)
def _asfortranarray(a: Any, dtype: Any = None) -> Any:
    return _laid_out(_asarray(a, dtype), np.asfortranarray)


@counterpart(np.require)
def _require(a: Any, dtype: Any = None, requirements: Any = None) -> Any:
    return _laid_out(_asarray(a, dtype), np.require, requirements=requirements)


@counterpart(np.asarray_chkfinite)
def _asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    box = _asarray(a, dtype, order)
    known = base(box._value)
    if isinstance(known, np.ndarray) and not np.isfinite(known).all():
        raise ValueError("array must not contain infs or NaNs")
    return box


def _number_class(kind: type) -> None:
    dtype = np.dtype(kind)

    @counterpart(kind)
    def convert(x: Any = 0, /) -> Any:
        if type(x) in BOXES and not x._is_array():
            value = x._value
            return number(value if value.dtype == dtype else _cast(x, dtype)._value)
        box = _cast(as_box(x), dtype)
        return box if box.shape else number(box._value)


for _kind in (np.float64, np.float32, np.complex128):
    _number_class(_kind)


# -- new arrays ----------------------------------------------------------------------------------------------


_full_of: Any = np.full
_full_as: Any = np.full_like


def buffer(a: Any) -> Any:
    """A new array as one that can take active values; those that count or compare stay as they are."""
    if not FOLLOWING.buffers or type(a) is not np.ndarray or a.dtype.kind not in "fc":
        return a
    FOLLOWING.made = True
    if not a.shape:
        return Box(a)
    box = Box(a)
    if a.ndim != 1:
        box._layout = a
    return box


def _maker(original: Any) -> None:
    @counterpart(original, Maker)
    def make(*args: Any, **kwargs: Any) -> Any:
        if "dtype" in kwargs:
            kwargs["dtype"] = dtype_of(kwargs["dtype"])
        return buffer(original(*args, **kwargs))


for _original in (
    np.zeros,
    np.ones,
    np.empty,
    np.eye,
    np.identity,
    np.zeros_like,
    np.ones_like,
    np.empty_like,
    np.repeat,
    np.tile,
    np.copy,
):
    _maker(_original)


@counterpart(np.full, Maker)
def _full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **rest: Any) -> Any:
    if not has_box((fill_value, shape)):
        return buffer(_full_of(shape, fill_value, dtype_of(dtype), order, **rest))
    filled = np.broadcast_to(_asarray(fill_value, dtype), shape)
    return np.copy(filled)


@counterpart(np.full_like, Maker)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, *args: Any, shape: Any = None, **rest: Any) -> Any:
    if not has_box((fill_value,)):
        if dtype is not None:
            rest["dtype"] = dtype_of(dtype)
        if shape is not None:
            rest["shape"] = shape
        return buffer(_full_as(a, fill_value, *args, **rest))
    wanted = dtype_of(dtype) or getattr(a, "dtype", None) or np.asarray(a).dtype
    filled = np.broadcast_to(_asarray(fill_value, wanted), np.shape(a) if shape is None else shape)
    return np.copy(filled)
