"""From NumPy's functions to the table, and the box's methods.

What is in neither ``UFUNCS`` nor ``FUNCTIONS`` is refused: nothing is ever treated as constant
because it is unknown. The exception is what asks about structure only (``STRUCTURAL``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine import (  # noqa: F401  (importing them fills the table)
    numpy_calculus,
    numpy_linalg,
    numpy_reduction,
    numpy_structure,
    rules_special,
)
from polyad.engine import rules_elementwise as elementary
from polyad.engine.box import METHODS_OF_OBJECTS, Box, Rearranged, contains_box, recorder, unbox, wrap
from polyad.engine.core import PRIMITIVES, Tracer, Value, ndim_of, shape_of
from polyad.engine.refuse import refuse
from polyad.engine.rules_arithmetic import add, subtract, where
from polyad.engine.rules_structure import astype, reshape, scatter
from polyad.engine.table import FUNCTIONS, UFUNCS

__all__ = ["apply_function", "apply_ufunc"]


# -- functions ----------------------------------------------------------------------------------------


def apply_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function on boxes among other things."""
    own = FUNCTIONS.get(func)
    if own is not None and not kwargs and len(args) == 1 and type(args[0]) is Box:
        return rewrap(own(args[0]._value))
    if own is None:
        own = VIEWS.get(func)
        if own is not None:
            return own(*args, **kwargs)
    if own is None:
        if func in STRUCTURAL:
            return STRUCTURAL[func](*args, **kwargs)
        name = f"{getattr(func, '__module__', 'numpy')}.{getattr(func, '__name__', func)}"
        raise refuse(
            f"{name} of a traced array is not supported",
            "write it with supported functions (polyad's documentation lists them), "
            "or polyad.stop_gradient(x) where no derivative is meant to pass",
        )
    return call(own, args, kwargs)


def call(own: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function on values, called with what the user wrote."""
    out = kwargs.pop("out", None) if kwargs else None
    tape = _recorder((*args, *kwargs.values()) if kwargs else args)
    values = [_enter(a, tape) for a in args]
    named = {name: _enter(a, tape) for name, a in kwargs.items()}
    result = rewrap(own(*values, **named))
    return result if out is None else write_out(out, result)


def _recorder(args: tuple[Any, ...]) -> Any:
    for a in args:
        if isinstance(a, Box):
            found = recorder(a._value)
        elif isinstance(a, list | tuple):
            found = _recorder(tuple(a))
        else:
            continue
        if found is not None:
            return found
    return None


def _enter(a: Any, tape: Any) -> Any:
    if isinstance(a, Box):
        return a._value
    if type(a) is np.ndarray:
        if a.dtype == object:
            return unbox(a)
        return a if tape is None else tape.hold(a)
    if isinstance(a, list | tuple) and (contains_box(a) or any(isinstance(k, np.ndarray) for k in a)):
        return [_enter(k, tape) for k in a]
    if a is None or isinstance(a, float | int | str | tuple | list):
        return a
    return unbox(a)


def rewrap(result: Any) -> Any:
    """Values of a result as the user's objects."""
    if isinstance(result, Tracer):
        return Box(result)
    if isinstance(result, tuple | list):
        parts = [rewrap(part) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return wrap(result)


def write_out(out: Any, result: Any) -> Any:
    """The result written where ``out`` says."""
    if isinstance(out, tuple):
        if len(out) > 1:
            return tuple(r if o is None else write_out(o, r) for o, r in zip(out, result, strict=True))
        out = out[0]
        if out is None:
            return result
    if not isinstance(out, Box):
        if not isinstance(unbox(result), Tracer) and isinstance(out, np.ndarray):
            out[...] = unbox(result)
            return out
        raise refuse(
            "writing a traced result into a plain array (out=, or +=) would drop its derivative",
            "create the array with np.zeros_like(x) instead of np.zeros(n), or leave out= away",
        )
    value = unbox(result)
    if shape_of(value) != out.shape:
        raise ValueError(f"output has shape {out.shape}, the result {shape_of(value)}")
    return out._replace(value)


# -- universal functions ------------------------------------------------------------------------------


def apply_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A universal function, or one of its methods, on boxes among other things."""
    own = UFUNCS.get(ufunc)
    if own is not None and len(inputs) == 1 and not kwargs and method == "__call__":
        return rewrap(own(inputs[0]._value))
    if own is None:
        raise refuse(
            f"{ufunc.__name__} has no derivative rule",
            "polyad.engine.table.ufunc(f, partial) adds one; polyad.stop_gradient(x) where no derivative "
            "is meant to pass",
        )
    out = kwargs.pop("out", None)
    if method != "__call__":
        return _ufunc_method(ufunc, method, inputs, kwargs, out)
    tape = _recorder(inputs)
    values = [a._value if type(a) is Box else _enter(a, tape) for a in inputs]
    if kwargs:
        result = _with_options(own, values, out, **kwargs)
    else:
        result = own(*values)
    result = rewrap(result)
    return result if out is None else write_out(out, result)


def _with_options(
    own: Callable[..., Value],
    values: list[Value],
    out: Any,
    where: Any = True,
    dtype: Any = None,
    casting: str = "same_kind",
    order: str = "K",
    subok: bool = True,
) -> Value:
    """``where=`` and ``dtype=`` of a universal function."""
    if where is not True:
        mask = unbox(where)
        # what is left out must not take part: neither in the value nor, as 0 * nan, in the derivative
        values = [choose(mask, v, 1.0) if isinstance(v, Tracer) or _is_float(v) else v for v in values]
    result = own(*values)
    if dtype is not None:
        result = result.astype(dtype) if not isinstance(result, Tracer) else astype(result, dtype=np.dtype(dtype))
    if where is not True:
        target = out[0] if isinstance(out, tuple) else out
        result = choose(mask, result, 0.0 if target is None else unbox(target))
    return result


def _is_float(v: Value) -> bool:
    return isinstance(v, float) or getattr(getattr(v, "dtype", None), "kind", "") in "fc"


choose = where

REDUCTIONS: dict[Any, Callable[..., Value]] = {
    np.add: FUNCTIONS[np.sum],
    np.multiply: FUNCTIONS[np.prod],
    np.maximum: FUNCTIONS[np.max],
    np.minimum: FUNCTIONS[np.min],
    np.logaddexp: numpy_reduction.logaddexp_reduce,
    np.logical_and: FUNCTIONS[np.all],
    np.logical_or: FUNCTIONS[np.any],
}
ACCUMULATIONS: dict[Any, Callable[..., Value]] = {
    np.add: FUNCTIONS[np.cumsum],
    np.multiply: FUNCTIONS[np.cumprod],
    np.maximum: numpy_reduction.running(elementary.maximum),
    np.minimum: numpy_reduction.running(elementary.minimum),
    np.logaddexp: numpy_reduction.running(elementary.logaddexp),
}


def _ufunc_method(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    if out is not None:
        kwargs["out"] = out[0] if isinstance(out, tuple) else out
    if method == "reduce" and ufunc in REDUCTIONS:
        array, *rest = inputs
        if rest:
            kwargs["axis"] = rest[0]
        kwargs.setdefault("axis", 0)
        return call(REDUCTIONS[ufunc], (array,), kwargs)
    if method == "accumulate" and ufunc in ACCUMULATIONS:
        kwargs.setdefault("axis", 0)
        return call(ACCUMULATIONS[ufunc], inputs, kwargs)
    if method == "outer":
        return call(lambda a, b: UFUNCS[ufunc](_outer(a, ndim_of(b)), b), inputs, kwargs)
    if method == "at" and ufunc in AT:
        return _at(ufunc, *inputs)
    raise refuse(
        f"np.{ufunc.__name__}.{method} of a traced array is not supported", "use a function of the whole array"
    )


def _outer(a: Value, ndim: int) -> Value:
    return reshape(a, shape=(*shape_of(a), *(1,) * ndim)) if ndim and hasattr(a, "shape") else a


AT: dict[Any, Callable[..., Value]] = {np.add: add, np.subtract: subtract}


def _at(ufunc: Any, target: Any, index: Any, item: Any = None) -> None:
    """``np.add.at``: unbuffered addition at an index."""
    if not isinstance(target, Box):
        raise refuse(
            f"np.{ufunc.__name__}.at on this array would drop the derivative",
            "make the array with np.zeros_like(x)",
        )
    from polyad.engine.box import unbox_index
    from polyad.engine.rules_structure import broadcast_to, getitem_shape

    old = target._value
    place = unbox_index(index, old)
    value = unbox(item, old)
    shape = getitem_shape(old.shape, place)
    if not hasattr(value, "shape"):
        value = np.asarray(value, dtype=old.dtype)
    value = broadcast_to(value, shape=shape)
    target._replace(AT[ufunc](old, scatter(value, index=place, shape=old.shape)))


# -- views --------------------------------------------------------------------------------------------


def _view(x: Any, value: Value, reader: Callable[[Value], Value], writer: Callable[[Value, Value], Value]) -> Any:
    return Rearranged(x, value, reader, writer) if isinstance(x, Box) else wrap(value)


def _reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    """``np.reshape``; the result shares memory with a box, as with an array in C order."""
    shape = newshape if shape is None else shape
    shape = (shape,) if not isinstance(shape, tuple | list) else tuple(shape)
    shape = tuple(int(n) for n in shape)
    if order != "C":
        if order != "F":
            raise refuse(f"reshape with order={order!r}", "use order='C' or 'F'")
        return _transpose(_reshape(_transpose(a), shape[::-1]))
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


def _transpose(a: Any, axes: Any = None) -> Any:
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
        return _reshape(a, f(np.broadcast_to(np.empty(()), shape), *args, **kwargs).shape)

    return apply


VIEWS: dict[Any, Callable[..., Any]] = {
    np.reshape: _reshape,
    np.transpose: _transpose,
    np.permute_dims: _transpose,
    np.ravel: lambda a, order="C": _reshape(a, -1, order="C" if order in "KA" else order),
    np.matrix_transpose: lambda a: _permuted(a, unbox(a), (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2)),
    np.swapaxes: _like_numpy(np.swapaxes, "axes"),
    np.moveaxis: _like_numpy(np.moveaxis, "axes"),
    np.rollaxis: _like_numpy(np.rollaxis, "axes"),
    np.squeeze: _like_numpy(np.squeeze, "shape"),
    np.expand_dims: _like_numpy(np.expand_dims, "shape"),
}

STRUCTURAL: dict[Any, Callable[..., Any]] = {
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else a.shape[axis],
    np.iscomplexobj: lambda a: a.dtype.kind == "c",
    np.isrealobj: lambda a: a.dtype.kind != "c",
    np.result_type: lambda *a: np.result_type(*(k.dtype if isinstance(k, Box) else k for k in a)),
    np.common_type: lambda *a: np.common_type(*(np.empty(0, dtype=k.dtype) for k in a)),
    np.can_cast: lambda a, to, casting="safe": np.can_cast(a.dtype if isinstance(a, Box) else a, to, casting),
    np.min_scalar_type: lambda a: a.dtype,
    np.shares_memory: lambda a, b, max_work=None: a is b,
    np.may_share_memory: lambda a, b, max_work=None: a is b,
    np.array_repr: lambda a, *args, **kwargs: repr(a),
    np.array_str: lambda a, *args, **kwargs: str(a),
    np.copyto: lambda dst, src, casting="same_kind", where=True: _copyto(dst, src, where),
}


def _copyto(dst: Any, src: Any, where: Any) -> None:
    if not isinstance(dst, Box):
        raise refuse(
            "np.copyto into a plain array would drop the derivative", "create the array with np.zeros_like(x)"
        )
    dst[...] = src if where is True else np.where(where, src, dst)


# -- the box's methods --------------------------------------------------------------------------------


def _method(f: Any) -> Callable[..., Any]:
    own = FUNCTIONS[f]

    def method(self: Box, *args: Any, **kwargs: Any) -> Any:
        return call(own, (self, *args), kwargs)

    method.__name__ = f.__name__
    return method


for _name in (
    "sum prod mean std var max min argmax argmin argsort cumsum cumprod all any dot clip round take repeat "
    "diagonal trace choose compress searchsorted ptp copy nonzero"
).split():
    if getattr(np, _name) in FUNCTIONS:
        setattr(Box, _name, _method(getattr(np, _name)))


def _box_reshape(self: Box, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    return _reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)


def _box_transpose(self: Box, *axes: Any) -> Any:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)):
        return _transpose(self, axes[0])
    return _transpose(self, axes or None)


def _box_astype(
    self: Box, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    return wrap(numpy_structure.cast(self._value, np.dtype(dtype)))


def _box_fill(self: Box, item: Any) -> None:
    self[...] = item


def _box_sort(self: Box, axis: int = -1, kind: Any = None, order: Any = None) -> None:
    self._replace(FUNCTIONS[np.sort](self._value, axis=axis))


def _box_item(self: Box, *index: Any) -> Any:
    if index:
        where = index[0] if len(index) == 1 else index
        return self.ravel()[where] if isinstance(where, int) else self[where]
    if self.size != 1:
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    return self.reshape(-1)[0]


def _box_tolist(self: Box) -> Any:
    return [part.tolist() if isinstance(part, Box) and part.ndim else part for part in self] if self.ndim else self


def _parts(name: str) -> property:
    part = PRIMITIVES[name]

    def write(v: Value, w: Value) -> Value:
        other = PRIMITIVES["imag" if name == "real" else "real"](v)
        return w + other * 1j if name == "real" else other + w * 1j

    def get(self: Box) -> Any:
        if self.dtype.kind != "c":
            return self if name == "real" else wrap(part(self._value))
        return Rearranged(self, part(self._value), part, write)

    def put(self: Box, item: Any) -> None:
        get(self)[...] = item

    return property(get, put)


def _array_ufunc(self: Box, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    return apply_ufunc(ufunc, method, inputs, kwargs)


def _array_function(self: Box, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    return apply_function(func, args, kwargs)


_ADDITIONS: dict[str, Any] = {
    "reshape": _box_reshape,
    "transpose": _box_transpose,
    "astype": _box_astype,
    "fill": _box_fill,
    "sort": _box_sort,
    "item": _box_item,
    "tolist": _box_tolist,
    "ravel": lambda self, order="C": VIEWS[np.ravel](self, order),
    "flatten": lambda self, order="C": wrap(unbox(VIEWS[np.ravel](self, order))),
    "squeeze": lambda self, axis=None: VIEWS[np.squeeze](self, axis),
    "swapaxes": lambda self, a, b: VIEWS[np.swapaxes](self, a, b),
    "conj": lambda self: np.conjugate(self),
    "conjugate": lambda self: np.conjugate(self),
    "T": property(_transpose),
    "mT": property(VIEWS[np.matrix_transpose]),
    "flat": property(lambda self: _reshape(self, -1)),
    "real": _parts("real"),
    "imag": _parts("imag"),
    "__array_ufunc__": _array_ufunc,
    "__array_function__": _array_function,
    "__round__": lambda self, decimals=0: np.round(self, decimals),
}
for _name, _member in _ADDITIONS.items():
    setattr(Box, _name, _member)

for _ufunc in UFUNCS:
    METHODS_OF_OBJECTS[_ufunc.__name__] = _ufunc
