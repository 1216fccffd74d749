"""Python's own functions that lose a derivative, or that code asks what a number is."""

from __future__ import annotations

import builtins
import types
from typing import Any

import numpy as np

from polyad.engine.boxes.asked import PYTHON
from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.following import FOLLOWING
from polyad.engine.core.values import Tracer, base
from polyad.engine.follow.counterparts import BUILTINS, COUNTERPARTS, Counterpart, NumberClass, counterpart
from polyad.engine.follow.mathematics import NUMBERS, as_number, plain
from polyad.engine.numbers.python import as_python

__all__ = ["class_of"]


class _Float(NumberClass):
    """Stands for ``float``, which asks an object for its number: that may be a box."""

    __slots__ = ()

    def __call__(self, x: Any = 0.0, /) -> Any:
        if not FOLLOWING.depth:
            return self.original(x)
        if type(x) not in BOXES and isinstance(getattr(type(x), "__float__", None), types.FunctionType):
            given = x.__float__()
            x = given if type(given) in BOXES else x
        return self.own(x) if type(x) in BOXES else self.original(x)


def _float(x: Any = 0.0, /) -> Any:
    if type(x) in NUMBERS:
        return as_python(x)
    if type(x) in BOXES:
        if x.dtype.kind in "iub":
            return float(x)
        return as_python(as_number(x))
    return float(x)


COUNTERPARTS[id(builtins.float)] = _Float(builtins.float, _float)


@counterpart(builtins.int)
def _int(x: Any = 0, *base_: Any) -> Any:
    if type(x) in BOXES and not base_ and (known := plain(as_number(x))) is not None:
        return int(known)  # piecewise constant
    return int(x, *base_)


@counterpart(builtins.complex)
def _complex(real: Any = 0.0, imag: Any = 0.0) -> Any:
    return as_number(real) + 1j * as_number(imag)


def class_of(box: Any) -> type:
    """The class that ``isinstance`` is told."""
    if box._is_array():
        return np.ndarray
    kind: type = box.dtype.type
    return PYTHON.get(kind, kind) if box._is_python else kind


@counterpart(builtins.type)
def _type(*args: Any, **kwargs: Any) -> type:
    if len(args) == 1 and type(args[0]) in BOXES:
        return class_of(args[0])
    return type(*args, **kwargs)


@counterpart(builtins.isinstance)
def _isinstance(item: Any, kinds: Any, /) -> bool:
    if type(item) not in BOXES:
        return isinstance(item, kinds)
    kind = class_of(item)
    try:
        return issubclass(kind, kinds)
    except TypeError:  # a protocol, which looks at the object's own attributes
        return isinstance(np.empty(0) if kind is np.ndarray else kind(), kinds)


# what arrays have and numbers have not, where code asks which one it was given
_OF_ARRAYS = frozenset(("__len__", "__iter__", "__getitem__", "__contains__"))


@counterpart(builtins.hasattr)
def _hasattr(item: Any, name: str, /) -> bool:
    if name in _OF_ARRAYS and type(item) in BOXES:
        return hasattr(class_of(item), name)
    return hasattr(item, name)


@counterpart(builtins.round)
def _round(x: Any, ndigits: Any = None) -> Any:
    if type(x) not in BOXES:
        return round(x, ndigits)
    known = base(x._value)
    if x.shape or isinstance(known, Tracer):
        return np.round(x, ndigits or 0)
    return round(known.item(), ndigits) if ndigits is not None else round(known.item())


def _extreme(original: Any, function: Any) -> None:
    @counterpart(original)
    def choose(*args: Any, **kwargs: Any) -> Any:
        items = args[0] if len(args) == 1 else args
        numbers = [type(a) in BOXES and isinstance(base(a._value), Tracer) for a in items]
        if kwargs or not any(numbers):
            return original(*args, **kwargs)
        out = items[0]
        for a in items[1:]:
            out = function(out, a)
        return out


_extreme(builtins.max, np.maximum)
_extreme(builtins.min, np.minimum)

for _name in ("float", "int", "complex", "isinstance", "hasattr", "type", "round", "max", "min"):
    BUILTINS[_name] = COUNTERPARTS[id(getattr(builtins, _name))]

# one of these in a module says nothing of numbers
assert all(isinstance(a, Counterpart) for a in BUILTINS.values())
