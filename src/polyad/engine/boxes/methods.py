"""The box's methods and attributes, made of the functions in the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes import (
    operators,  # noqa: F401  (gives the box its operators)
    roots,
)
from polyad.engine.boxes.box import Box, Rearranged, as_array, number, wrap
from polyad.engine.boxes.boxing import has_stranger, is_stranger, recorder
from polyad.engine.boxes.computing import COMPUTING_METHODS, as_in_numpy
from polyad.engine.boxes.dispatch import UFUNC_ROOTS, apply_function, apply_ufunc, call, out_named, rewrap
from polyad.engine.boxes.memory import layout, linked
from polyad.engine.boxes.views import VIEWS, flat, reshaped, transposed
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import FUNCTIONS, UFUNCS
from polyad.engine.core.values import PRIMITIVES, Tracer, Value
from polyad.engine.functions import structure

__all__: list[str] = []

_DOUBLE = np.dtype(np.float64)


def _method(f: Any) -> Callable[..., Any]:
    own = FUNCTIONS[f]

    def method(self: Box, *args: Any, **kwargs: Any) -> Any:
        given = (self, *args)
        if len(args) > 1:
            given, kwargs = out_named(f, given, kwargs)
        if "out" in kwargs:
            return call(own, given, kwargs)
        return as_in_numpy(f, call(own, given, kwargs))

    method.__name__ = f.__name__
    return method if f.__name__ in COMPUTING_METHODS else _asking(f.__name__, method)


def _asking(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose result may be a view of the array."""
    plain = getattr(np.ndarray, name)

    def apply(self: Box, *args: Any, **kwargs: Any) -> Any:
        return linked(plain, (self, *args), kwargs, method(self, *args, **kwargs))

    apply.__name__ = name
    return apply


for _name in (
    "sum prod mean std var max min argmax argmin argsort cumsum cumprod all any dot clip round take repeat "
    "trace choose searchsorted nonzero argpartition"
).split():
    if getattr(np, _name) in FUNCTIONS:
        setattr(Box, _name, _method(getattr(np, _name)))


def _elementwise(ufunc: Any) -> Callable[..., Any]:
    """A universal function as the method that NumPy calls on the entries of an array of objects."""

    def apply(self: Box, *others: Any) -> Any:
        return ufunc(self, *others)

    apply.__name__ = ufunc.__name__
    return apply


def _box_compress(self: Box, condition: Any, axis: Any = None, out: Any = None) -> Any:
    return np.compress(condition, self, axis, out)  # the function has the condition first


if np.compress in FUNCTIONS:
    setattr(Box, "compress", _box_compress)  # noqa: B010


def _box_reshape(self: Box, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    return reshaped(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)


def _box_transpose(self: Box, *axes: Any) -> Any:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], tuple | list)):
        return transposed(self, axes[0])
    return transposed(self, axes or None)


def _box_astype(
    self: Box, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    value = structure.cast(self._value, np.dtype(dtype))
    result = as_array(value) if not value.shape and self._is_array() else wrap(value)
    return (
        result if copy else linked(np.ndarray.astype, (self, dtype, order, casting, subok, copy), {}, result)
    )


def _box_copy(self: Box, order: Any = "C") -> Any:
    if not self._is_array():  # NumPy's numbers stay numbers
        return number(self._value)
    copy = Box(self._value)
    if order == "C":
        copy._layout = np.empty(self.shape, dtype=bool)
    elif (known := layout(self)) is not None:
        copy._layout = known.copy(order)
    return copy


def _view(self: Box, *given: Any, **named: Any) -> Any:
    dtype = given[0] if given else named.get("dtype")
    cls = named.get("type", dtype)
    if (
        FOLLOWING.depth
        and isinstance(cls, type)
        and issubclass(cls, np.ndarray)
        and len(given) + len(named) == 1
    ):
        return self[...] if cls is np.ndarray else _as_subclass(self, cls)
    if len(given) > 1 or "type" in named or not (dtype is None or np.dtype(dtype) == self.dtype):
        raise refuse("x.view as another type would drop the derivative", "use x.astype(dtype), or x.real")
    return self[...] if self._is_array() else number(self._value)


def _as_subclass(self: Box, cls: type) -> Any:
    """A view as a subclass of arrays, of boxes: the end of the run asks whether they still hold."""
    value = self._value
    if type(value) is np.ndarray:
        entries = value.copy()
    else:
        entries = np.empty(self.shape, dtype=object)
        for index in np.ndindex(self.shape):
            entries[index] = self[index] if index else number(value)
    entries.flags.writeable = False  # it would not be written into this one
    FOLLOWING.viewed.append((self, value if entries.dtype == object else entries))
    return entries.view(cls)


def _conjugate(self: Box, out: Any = None) -> Any:
    if out is None and self.dtype.kind != "c":
        return self  # as NumPy does
    return np.conjugate(self, out=out)


def _box_fill(self: Box, item: Any) -> None:
    if self._is_array():  # NumPy's numbers ignore it
        self[...] = item


def _box_sort(self: Box, axis: int = -1, kind: Any = None, order: Any = None) -> None:
    self._replace(FUNCTIONS[np.sort](self._value, axis=axis))


def _box_partition(self: Box, kth: Any, axis: int = -1, kind: Any = None, order: Any = None) -> None:
    self._replace(FUNCTIONS[np.partition](self._value, kth, axis=axis))


class Item(Box):
    """What ``x.item()`` gives: as a Python number, it has no ``item``.

    Compiled code that wants a number and is given something with an ``item`` asks again, and would forever.
    """

    __slots__ = ()
    _is_python = True

    @property
    def item(self) -> Any:
        raise AttributeError("'float' object has no attribute 'item'")


def _box_item(self: Box, *index: Any) -> Any:
    if index:
        where = index[0] if len(index) == 1 else index
        return self.ravel()[where] if isinstance(where, int) else self[where]
    if self.size != 1:
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    entry = self.reshape(-1)[0]
    return Item(entry._value) if isinstance(entry, Box) else entry.item()  # of a plain array in a box


def _box_tolist(self: Box) -> Any:
    return (
        [part.tolist() if isinstance(part, Box) and part.ndim else part for part in self]
        if self.ndim
        else self
    )


def _parts(name: str) -> property:
    part = PRIMITIVES[name]

    def write(v: Value, w: Value) -> Value:
        other = PRIMITIVES["imag" if name == "real" else "real"](v)
        return w + other * 1j if name == "real" else other + w * 1j

    def get(self: Box) -> Any:
        if self.dtype.kind != "c":
            zeros = as_array if self._is_array() else wrap
            return self if name == "real" else zeros(part(self._value))
        if not self._is_array():
            return number(part(self._value))
        return Rearranged(self, part(self._value), part, write)

    def put(self: Box, item: Any) -> None:
        get(self)[...] = item

    return property(get, put)


def _array_ufunc(self: Box, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if len(inputs) == 2 and not kwargs and method == "__call__" and ufunc not in UFUNC_ROOTS:
        # what most pairs are: nothing is to be found out of either
        own, (a, b) = UFUNCS.get(ufunc), inputs
        if own is None:
            pass
        elif type(a) is Box and isinstance(value := a._value, Tracer):
            if type(b) is float or type(b) is int:
                return rewrap(own(value, b))
            if type(b) is Box and isinstance(other := b._value, Tracer):
                return rewrap(own(value, other))
        elif type(b) is Box and type(a) is np.ndarray and a.dtype is _DOUBLE:
            if isinstance(value := b._value, Tracer):
                tape = recorder(value)
                return rewrap(own(a if tape is None else tape.hold(a), value))
    if len(inputs) > 1 and any(map(is_stranger, inputs)):
        return NotImplemented
    return apply_ufunc(ufunc, method, inputs, kwargs)


def _array_function(self: Box, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    if has_stranger(types, args):
        return NotImplemented
    return apply_function(func, args, kwargs)


_ADDITIONS: dict[str, Any] = {
    "reshape": _box_reshape,
    "transpose": _box_transpose,
    "astype": _box_astype,
    "copy": _box_copy,
    "diagonal": lambda self, offset=0, axis1=0, axis2=1: VIEWS[np.diagonal](self, offset, axis1, axis2),
    "fill": _box_fill,
    "sort": _box_sort,
    "partition": _box_partition,
    "put": lambda self, indices, values, mode="raise": np.put(self, indices, values, mode),
    "item": _box_item,
    "tolist": _box_tolist,
    "ravel": lambda self, order="C": VIEWS[np.ravel](self, order),
    "flatten": lambda self, order="C": reshaped(self, -1, order, copy=True),
    "squeeze": lambda self, axis=None: VIEWS[np.squeeze](self, axis),
    "swapaxes": lambda self, a, b: VIEWS[np.swapaxes](self, a, b),
    "view": _view,
    "setflags": lambda self, write=None, align=None, uic=None: None,
    "device": property(lambda self: "cpu"),
    "conj": _conjugate,
    "conjugate": _conjugate,
    "itemsize": property(lambda self: self.dtype.itemsize),
    "nbytes": property(lambda self: self.size * self.dtype.itemsize),
    "flags": property(lambda self: np.empty(self.shape, dtype=self.dtype).flags),
    "T": property(transposed),
    "mT": property(VIEWS[np.matrix_transpose]),
    "flat": property(flat, lambda self, values: np.put(self, np.arange(self.size), values)),
    "real": _parts("real"),
    "imag": _parts("imag"),
    "__array_ufunc__": _array_ufunc,
    "__array_function__": _array_function,
    "__round__": lambda self, decimals=0: np.round(self, decimals),
}
for _name, _member in _ADDITIONS.items():
    setattr(Box, _name, _member)

# What NumPy calls on objects: np.sin of an array of boxes. As attributes of the class, because
# a __getattr__ was seen to be lost for the rest of a process, after an error in compiled code it seems.
for _ufunc in UFUNCS:
    if not hasattr(np.ndarray, _ufunc.__name__):
        setattr(Box, _ufunc.__name__, _elementwise(_ufunc))

roots.follow_methods()
