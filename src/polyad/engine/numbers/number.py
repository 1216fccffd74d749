"""Numbers that carry a derivative: the fast path of scalar code.

Functions that index an array and calculate with its entries in Python loops are made of operations
on single float64 numbers. A ``ScalarBox`` handles them without arrays: it computes with Python's
floats and writes the partial derivatives down, as ``(parent, partial, ...)``, on the tape in reverse
mode and in a ``ScalarTangents`` in forward mode. Where it comes from, and functions of it, are in
``functions``; everything else that meets it gets the ordinary tracer (``_value``).

Python's floats calculate as NumPy's, except that division by zero, overflow and the like raise
errors or pass in silence where NumPy warns and goes on. So whatever is not finite is left to the general
code, and what is written down is finite.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes import operators  # which gives the box its operators, the general code
from polyad.engine.boxes.box import Box, number
from polyad.engine.boxes.boxing import BOXES, unbox
from polyad.engine.core.values import Value, look
from polyad.engine.interpretations.tape import Tape
from polyad.engine.numbers.tangents import F8, ScalarTangents
from polyad.engine.rules.arithmetic import add, divide, multiply, negative, power, subtract

__all__ = ["ScalarBox"]

float64 = np.float64
TRUE, FALSE = np.True_, np.False_
NUMBERS_OF_NUMPY = frozenset(np.dtype(code).type for code in "?bBhHiIlLqQefd")


class ScalarBox(Box):
    """A float64 number with a derivative of one level."""

    __slots__ = ("_entries", "_index", "_x")
    __init__ = object.__init__  # the attributes are set by hand: that is faster
    __hash__ = Box.__hash__

    _entries: Tape | ScalarTangents  # where it is written down
    _index: int  # at which place
    _x: float  # its value
    _layout = None  # type: ignore[assignment]

    @property
    def _value(self) -> Value:
        return self._entries.tracer(self._index, self._x)

    @_value.setter
    def _value(self, value: Value) -> None:
        raise TypeError("a number does not support item assignment")

    # -- arithmetic -----------------------------------------------------------------------------------
    #
    # Each operator is written out, since a call or a branch more would be noticed here.

    def __add__(self, other: Any) -> Any:
        entries = self._entries
        kind = type(other)
        if kind is ScalarBox:
            if other._entries is entries:
                y = self._x + other._x
                index = len(entries)
                if y - y == 0.0 and index < entries.limit:
                    entries.append((self._index, 1.0, other._index, 1.0))
                    new = ScalarBox()
                    new._entries = entries
                    new._index = index
                    new._x = y
                    return new
        elif kind is float or kind is int:
            y = self._x + other
            if y - y == 0.0:
                new = ScalarBox()
                new._entries = entries
                new._index = self._index  # the same derivative
                new._x = y
                return new
        return _general(self, other, ScalarBox.__add__, add)

    def __radd__(self, other: Any) -> Any:
        kind = type(other)
        if kind is float or kind is int:
            y = other + self._x
            if y - y == 0.0:
                new = ScalarBox()
                new._entries = self._entries
                new._index = self._index
                new._x = y
                return new
        return _general(self, other, ScalarBox.__radd__, _reflected(add))

    def __sub__(self, other: Any) -> Any:
        entries = self._entries
        kind = type(other)
        if kind is ScalarBox:
            if other._entries is entries:
                y = self._x - other._x
                index = len(entries)
                if y - y == 0.0 and index < entries.limit:
                    entries.append((self._index, 1.0, other._index, -1.0))
                    new = ScalarBox()
                    new._entries = entries
                    new._index = index
                    new._x = y
                    return new
        elif kind is float or kind is int:
            y = self._x - other
            if y - y == 0.0:
                new = ScalarBox()
                new._entries = entries
                new._index = self._index
                new._x = y
                return new
        return _general(self, other, ScalarBox.__sub__, subtract)

    def __rsub__(self, other: Any) -> Any:
        kind = type(other)
        if kind is float or kind is int:
            y = other - self._x
            entries = self._entries
            index = len(entries)
            if y - y == 0.0 and index < entries.limit:
                entries.append((self._index, -1.0))
                new = ScalarBox()
                new._entries = entries
                new._index = index
                new._x = y
                return new
        return _general(self, other, ScalarBox.__rsub__, _reflected(subtract))

    def __mul__(self, other: Any) -> Any:
        entries = self._entries
        kind = type(other)
        if kind is ScalarBox:
            if other._entries is entries:
                a = self._x
                b = other._x
                y = a * b
                index = len(entries)
                if y - y == 0.0 and index < entries.limit:
                    entries.append((self._index, b, other._index, a))
                    new = ScalarBox()
                    new._entries = entries
                    new._index = index
                    new._x = y
                    return new
        elif kind is float or kind is int:
            y = self._x * other
            index = len(entries)
            if y - y == 0.0 and index < entries.limit:
                entries.append((self._index, other))
                new = ScalarBox()
                new._entries = entries
                new._index = index
                new._x = y
                return new
        return _general(self, other, ScalarBox.__mul__, multiply)

    def __rmul__(self, other: Any) -> Any:
        kind = type(other)
        if kind is float or kind is int:
            y = other * self._x
            entries = self._entries
            index = len(entries)
            if y - y == 0.0 and index < entries.limit:
                entries.append((self._index, other))
                new = ScalarBox()
                new._entries = entries
                new._index = index
                new._x = y
                return new
        return _general(self, other, ScalarBox.__rmul__, _reflected(multiply))

    def __truediv__(self, other: Any) -> Any:
        entries = self._entries
        kind = type(other)
        if kind is ScalarBox:
            b = other._x
            if b and other._entries is entries:  # division by zero is left to the general code
                y = self._x / b
                p = 1.0 / b
                q = -y / b
                index = len(entries)
                if y - y == 0.0 and p - p == 0.0 and q - q == 0.0 and index < entries.limit:
                    entries.append((self._index, p, other._index, q))
                    new = ScalarBox()
                    new._entries = entries
                    new._index = index
                    new._x = y
                    return new
        elif (kind is float or kind is int) and other:
            y = self._x / other
            p = 1.0 / other
            index = len(entries)
            if y - y == 0.0 and p - p == 0.0 and index < entries.limit:
                entries.append((self._index, p))
                new = ScalarBox()
                new._entries = entries
                new._index = index
                new._x = y
                return new
        return _general(self, other, ScalarBox.__truediv__, divide)

    def __rtruediv__(self, other: Any) -> Any:
        kind = type(other)
        b = self._x
        if b and (kind is float or kind is int):
            y = other / b
            p = -y / b
            entries = self._entries
            index = len(entries)
            if y - y == 0.0 and p - p == 0.0 and index < entries.limit:
                entries.append((self._index, p))
                new = ScalarBox()
                new._entries = entries
                new._index = index
                new._x = y
                return new
        return _general(self, other, ScalarBox.__rtruediv__, _reflected(divide))

    def __pow__(self, other: Any) -> Any:
        kind = type(other)
        if kind is float or kind is int:
            a = self._x
            try:
                y = a**other
                p = a * 2 if other == 2 else other * a ** (other - 1) if other else 0.0
            except (ZeroDivisionError, OverflowError):
                return (
                    _general(self, other, None, power) if a or self._is_python else Box(self._value) ** other
                )
            entries = self._entries
            index = len(entries)
            # a negative base with a fractional exponent is complex in Python
            if type(y) is float and y - y == 0.0 and p - p == 0.0 and index < entries.limit:
                entries.append((self._index, p))
                new = ScalarBox()
                new._entries = entries
                new._index = index
                new._x = y
                return new
        return _general(self, other, ScalarBox.__pow__, power)

    def __neg__(self) -> Any:
        entries = self._entries
        index = len(entries)
        if index >= entries.limit:
            return -self if _moved(self) else number(negative(self._value))
        entries.append((self._index, -1.0))
        new = ScalarBox()
        new._entries = entries
        new._index = index
        new._x = -self._x
        return new

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        if self._x > 0.0:
            return self
        return -self if self._x < 0.0 else abs(Box(self._value))

    # numbers are not written to, they are replaced
    __iadd__ = __add__
    __isub__ = __sub__
    __imul__ = __mul__
    __itruediv__ = __truediv__

    # -- truth -----------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        return self._x != 0.0

    # -- what a number is -----------------------------------------------------------------------------

    shape = ()
    ndim = 0
    size = 1
    dtype = F8

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __getitem__(self, index: Any) -> Any:
        return Box(self._value)[index]  # an array of its own, as from NumPy's numbers

    def __setitem__(self, index: Any, item: Any) -> None:
        raise TypeError("a number does not support item assignment")

    def _replace(self, value: Value) -> Any:
        raise TypeError("return arrays must be of ArrayType")


# -- the general code -------------------------------------------------------------------------------------


def _general(
    self: ScalarBox, other: Any, again: Callable[..., Any] | None, primitive: Callable[..., Value]
) -> Any:
    """An operator's result where the fast path does not apply.

    Parameters
    ----------
    self, other : object
        The operands.
    again : callable or None
        The operator, for another attempt when an operand has been made fit for it.
    primitive : callable
        The operation on values.
    """
    kind = type(other)
    if other is None or kind is str:
        return NotImplemented
    if again is not None:
        if kind in NUMBERS_OF_NUMPY:  # which promote to float64
            return again(self, float(other))
        if _moved(self, other):
            return again(self, other)
        if kind not in BOXES:
            name = again.__name__.strip("_")
            is_reflected = name not in operators.UFUNCS
            result = operators.left_to(self, other, operators.UFUNCS[name[is_reflected:]], is_reflected)
            if result is not None:
                return result
    value = self._value
    return number(primitive(value, unbox(other, value)))


def _moved(*operands: Any) -> bool:
    """Move numbers of a program that is full to its successor, and say whether there were any."""
    done = False
    for s in operands:
        if type(s) is ScalarBox and (now := s._entries.successor()) is not s._entries:
            s._index = now.leaf(s._entries.row(s._index))
            s._entries = now
            done = True
    return done


def _reflected(primitive: Callable[..., Value]) -> Callable[..., Value]:
    return lambda value, other: primitive(other, value)


def _comparison(compare: Callable[[Any, Any], bool], name: str) -> Callable[[ScalarBox, Any], Any]:
    general = getattr(Box, name)

    def operate(self: ScalarBox, other: Any) -> Any:
        kind = type(other)
        look()
        if kind is ScalarBox:  # of whichever level
            return TRUE if compare(self._x, other._x) else FALSE
        if kind is float or kind is float64:
            return TRUE if compare(self._x, other) else FALSE
        return compare(float64(self._x), other) if kind is int else general(self, other)

    return operate


for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(ScalarBox, f"__{_name}__", _comparison(getattr(operator, _name), f"__{_name}__"))
