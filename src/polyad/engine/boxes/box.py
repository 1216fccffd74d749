"""The box: what the user's function sees instead of an array.

* A box holds a value (``core.values``), which is immutable. Writing to a box gives it another value, so
  nothing that was computed before changes, and the caller's array is never touched.
* A **view** remembers the box it was taken from. It is refreshed when that has been written to,
  and writing to it writes there: memory is shared where NumPy would share it.
* Where a plain number or array is demanded (``float(x)``, ``math.sin(x)``, ``np.zeros(n)[0] = x``)
  the derivative would be lost: that is an error with its remedy. A box without axes may stand in
  an array of objects, so that ``np.array([x[1], -x[0]])`` is right, and is read back as boxes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polyad.engine.boxes import asked
from polyad.engine.boxes.boxing import BOXES, unbox, unbox_index
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.indices import is_basic, keeps_array
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Tracer, Value, base, is_over
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.proxy import Proxy, numbers
from polyad.engine.interpretations.tape import Node
from polyad.engine.rules.assignment import set_at, without_leading
from polyad.engine.rules.structure import astype, getitem, setitem
from polyad.errors import ON_OTHER_ARRAYS, rule_out

__all__ = ["Box", "View", "as_array", "as_point", "number", "unbox", "wrap"]

# How a number, and an entry of a vector, become boxes, by the type of the value; ``numbers`` fills them.
NUMBERS: dict[type, Callable[[Any], Any]] = {}
ENTRIES: dict[type, Callable[[Any, int], Any]] = {}
_new = object.__new__


def wrap(value: Value) -> Any:
    """A value for the user: boxed, unless it is a plain number or an array that counts or compares."""
    if isinstance(value, Tracer) or (type(value) is np.ndarray and value.dtype.kind in "fc"):
        box = _new(Box)  # without a frame of Python's
        box._value = value
        return box
    return value


def number(value: Value) -> Any:
    """As ``wrap``, for what may be a number: those have a box of their own (``numbers``)."""
    make = NUMBERS.get(type(value))
    return wrap(value) if make is None else make(value)


class Box:
    """An array or number of any library under any interpretation, with NumPy's behaviour."""

    __slots__ = ("_layout", "_value")  # the layout is there only where it is known (``memory``)
    __array_priority__ = 1000.0

    _value: Value
    _layout: np.ndarray
    _is_python = False  # whether it stands for a number of Python's, not NumPy's

    def __init__(self, value: Value) -> None:
        self._value = value._value if type(value) in BOXES else value  # a caller's ``type(x)(x)``

    def __init_subclass__(cls) -> None:
        BOXES.add(cls)

    # -- what it is ---------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self._value.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        raise refuse("setting x.shape", "use x = x.reshape(shape)")

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._value.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._value.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of the entries."""
        return self._value.dtype

    def __len__(self) -> int:
        shape = self._value.shape
        if not shape:
            raise TypeError("len() of unsized object")
        return shape[0]

    def __hash__(self) -> int:
        known = None if self._is_array() else self._known()
        return hash(known) if known is not None else asked.no_key(self)

    def __iter__(self) -> Iterator[Any]:
        if not self._value.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        return bool((self == item).any())

    def _is_array(self) -> bool:
        """Whether it stands for an array, which can be written to; without axes it may be a number."""
        known: Any = self._value.shape or getattr(self, "_layout", None)
        return type(base(self._value)) is np.ndarray if known is None else known is not False

    def __repr__(self) -> str:
        if FOLLOWING.depth:  # code may make a text of a list, and a number of the text again
            return asked.text(base(self._value), "")
        return f"Box({self._value!r})"

    def __format__(self, spec: str) -> str:
        return asked.text(base(self._value), spec)

    def __str__(self) -> str:
        return self.__format__("")

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What ``isinstance`` is told in code that was written for NumPy: an array, or a number."""
        frame = sys._getframe(1)
        if frame.f_globals.get("__name__", "").startswith("polyad."):
            return type(self)
        return asked.stands_for(frame, self)

    # -- where the derivative would be lost -----------------------------------------------------------

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if is_over(self._value):
            return np.array(numbers(self._value), dtype=dtype)
        shape = self._value.shape
        if dtype is not None and np.dtype(dtype) == np.dtype(object):
            return asked.boxes_of_entries(self)
        frame = sys._getframe(1)
        if isinstance(self._value, np.ndarray) and asked.asks_for_numbers(frame):
            return asked.handed(self._value, dtype, copy)
        if not shape and (known := self._known()) is not None:
            return np.array(known, dtype=dtype)
        if dtype is None:
            if not shape:
                return self._entry()
            if self.size > asked.FEW and asked.asks_in_product(frame):
                raise refuse("A.dot(x) with a plain array A would lose the derivative", "use A @ x")
            if self.size <= asked.LARGEST and asked.asks_for_entries(frame, copy, self._value):
                return asked.boxes_of_entries(self)
            if asked.asks_for_itself(frame):
                itself = np.empty((), dtype=object)
                itself[()] = self
                return itself
        raise asked.no_plain_array(frame)

    def _known(self) -> np.ndarray | None:
        """The numbers, where they count or compare and their library has them, or where they are plain."""
        if FOLLOWING.depth and type(self._value) is np.ndarray:
            return self._value
        value = base(self._value)
        if type(value) is not Proxy or value.dtype.kind not in "iub":
            return None
        return adapter(value.library).kept(value.array)

    def _entry(self) -> np.ndarray:
        """What stands for a box without axes in a new array."""
        if self.dtype.kind == "b":
            # as objects NumPy would add them as truth values, where it counts those of an array
            error = refuse(
                "truth values that are not known yet, in a list or an array made of one",
                "compare whole arrays, x > 0, or make the array with np.stack([x[0] > 0, x[1] > 0])",
            )
            raise rule_out(error, ON_OTHER_ARRAYS)  # which would give something else
        return asked.boxes_of_entries(self)

    def __float__(self) -> float:
        if is_over(self._value):
            return float(numbers(self._value))
        if (known := self._known()) is not None:
            return float(known)
        if FOLLOWING.depth and (text := asked.spelled(sys._getframe(1), base(self._value))) is not None:
            return text
        if self.size != 1:
            raise TypeError("only length-1 arrays can be converted to Python scalars")
        raise refuse(
            "float(x), a math function, or writing x into a plain array would drop the derivative",
            "keep x as it is, np.sin instead of math.sin, np.zeros_like(x) instead of np.zeros(n) for a "
            "buffer, polyad.stop_gradient(x) where dropping it is meant",
        )

    def __complex__(self) -> complex:
        if is_over(self._value):
            return complex(numbers(self._value))
        return complex(float(self))

    def __int__(self) -> int:
        if is_over(self._value):
            return int(numbers(self._value))
        if (known := self._known()) is not None:
            return int(known)
        raise refuse(
            "int(x) would drop the derivative",
            "use np.floor(x), or int(polyad.stop_gradient(x)) for an index",
        )

    __index__ = __int__

    def __bool__(self) -> bool:
        value = base(self._value)
        return value.truth() if isinstance(value, Proxy) else bool(value)

    def __reduce__(self) -> Any:
        if is_over(self._value):
            return np.array, (numbers(self._value),)
        raise refuse("pickling or deep-copying x", "use x.copy(), or polyad.stop_gradient(x)")

    def __copy__(self) -> Box:
        return Box(self._value)

    def __deepcopy__(self, memo: Any) -> Box:
        return Box(self._value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if hasattr(np.ndarray, name) or (hasattr(np.float64, name) and not self._is_array()):
            raise refuse(f"x.{name} of a traced array is not supported", "use a NumPy function instead")
        raise AttributeError(f"'Box' object has no attribute {name!r}")

    # -- reading and writing --------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        kind = type(index)
        mine = self._value
        if kind is slice:
            if type(mine) is Node or type(mine) is Dual:
                return Slice(self, index, mine.sliced(index))
        elif kind is tuple:
            index = unbox_index(index, mine)
        elif kind is int or type(index := unbox_index(index, mine)) is int:
            entry = ENTRIES.get(type(mine))
            if entry is not None and (found := entry(mine, index)) is not None:
                return found
        value = getitem(mine, index=index)
        if value.shape:
            if kind is slice or kind is int:  # of what has axes
                return Slice(self, index, value)
            plain = is_basic(index) and (mine.shape or self._is_array())
            return Slice(self, index, value) if plain else wrap(value)
        if is_basic(index) and keeps_array(index):
            return Slice(self, index, value) if mine.shape or self._is_array() else as_array(value)
        return number(value)

    def __setitem__(self, index: Any, item: Any) -> None:
        if type(index) is not int:
            if type(item) is Slice and item._index is index and item._source is self:
                if item._seen is self._value:
                    return  # y[1:] += x, which has written there and hands its result back
            index = unbox_index(index, self._value)
        old = self._value
        value = self._written(unbox(item, old))
        if hasattr(value, "shape") and value.shape and type(index) is not slice:
            value = without_leading(value, old.shape, index)
        if type(index) is int or is_basic(index):
            self._value = setitem(old, value, index=index)
        else:
            self._value = set_at(old, value, index)

    def _written(self, value: Value) -> Value:
        """A value as it can be written here: in this dtype."""
        if isinstance(value, list | tuple):
            value = np.asarray(value)
        if not hasattr(value, "dtype"):
            return value
        mine = self._value.dtype
        if value.dtype == mine:
            return value
        if value.dtype.kind == "c" and mine.kind != "c":
            raise refuse("writing complex numbers into a real array", "use np.zeros_like(x, dtype=complex)")
        return astype(value, dtype=mine) if isinstance(value, Tracer) else value

    def _replace(self, value: Value) -> Box:
        """Write a whole array here, as ``x += 1`` does."""
        mine = self._value
        if value.shape != mine.shape:
            shapes = f"with shape {mine.shape} doesn't match the broadcast shape {value.shape}"
            error = ValueError(f"non-broadcastable output operand {shapes}")
            raise rule_out(error, ON_OTHER_ARRAYS)  # += makes a new array elsewhere
        value = self._written(value)
        self._value = value if value.dtype == mine.dtype else value.astype(mine.dtype)
        if not mine.shape:
            self._layout = _POINT  # an array, though its value may be a number now
        return self


BOXES.add(Box)
_POINT = np.empty((), dtype=bool)


def as_array(value: Value) -> Any:
    """As ``wrap``, for what is an array even without axes."""
    box = wrap(value)
    if isinstance(box, Box) and not value.shape:
        box._layout = _POINT
    return box


def as_point(leaf: Any) -> Any:
    """A leaf that was passed as an array without axes: one it is, not a number."""
    return as_array(leaf._value) if type(leaf) in BOXES and not leaf.shape else leaf


class View(Box):
    """A box whose entries are some of another's."""

    __slots__ = ("_cache", "_seen", "_source")

    def __init__(self, source: Box, value: Value) -> None:
        self._source = source
        self._seen = source._value
        self._cache = value

    @property
    def _value(self) -> Value:
        now = self._source._value
        if now is not self._seen:
            self._cache = self._read(now)
            self._seen = now
        return self._cache

    @_value.setter
    def _value(self, value: Value) -> None:
        self._source._value = self._write(self._source._value, value)
        self._seen = self._source._value
        self._cache = value

    def _is_array(self) -> bool:
        return True

    def _read(self, source: Value) -> Value:
        raise NotImplementedError

    def _write(self, source: Value, value: Value) -> Value:
        raise NotImplementedError


class Slice(View):
    """``x[1:]`` and every other basic index."""

    __slots__ = ("_index",)

    def __init__(self, source: Box, index: Any, value: Value) -> None:
        self._source = source
        self._seen = source._value
        self._cache = value
        self._index = index

    def _read(self, source: Value) -> Value:
        return getitem(source, index=self._index)

    def _write(self, source: Value, value: Value) -> Value:
        return setitem(source, value, index=self._index)


class Rearranged(View):
    """A view by any other map of all entries: reshaped, transposed, the real part."""

    __slots__ = ("_reader", "_writer")

    def __init__(
        self,
        source: Box,
        value: Value,
        reader: Callable[[Value], Value],
        writer: Callable[[Value, Value], Value],
    ) -> None:
        super().__init__(source, value)
        self._reader, self._writer = reader, writer

    def _read(self, source: Value) -> Value:
        return self._reader(source)

    def _write(self, source: Value, value: Value) -> Value:
        return self._writer(source, value)
