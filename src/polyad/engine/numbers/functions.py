"""Numbers that carry a derivative: where they come from, and functions of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.box import ENTRIES, NUMBERS, Box, number
from polyad.engine.boxes.boxing import has_stranger, is_stranger
from polyad.engine.boxes.computing import ARRAYS, as_number
from polyad.engine.boxes.dispatch import LIKE, apply_function, apply_ufunc
from polyad.engine.boxes.views import VIEWS
from polyad.engine.core.floating import silent
from polyad.engine.core.kinds import PARTIALS
from polyad.engine.core.names import ARITHMETIC, COMPARISONS
from polyad.engine.core.table import UFUNCS
from polyad.engine.core.values import PRIMITIVES, Primitive, Value
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.tape import Node
from polyad.engine.numbers.number import NUMBERS_OF_NUMPY, ScalarBox, float64
from polyad.engine.numbers.tangents import F8, program_of
from polyad.engine.rules import arithmetic

__all__ = ["entered"]

_new = object.__new__

# -- where they come from ---------------------------------------------------------------------------------


def _of_node(value: Node) -> Box:
    x = value.value
    if type(x) is not float64:
        box = _new(Box)  # without a frame of Python's
        box._value = value
        return box
    new = ScalarBox()
    new._entries = value.tape
    new._index = value.index
    new._x = float(x)
    return new


def _of_dual(value: Dual, *, begin: bool = False) -> Box:
    # A number that a reduction gives begins no program, since mostly it is the function's result.
    x = value.primal
    if (
        type(x) is not float64
        or (program := program_of(value, begin=begin)) is None
        or value.tangent.shape != (program.width,)
    ):
        return Box(value)
    new = ScalarBox()
    new._entries = program
    new._index = program.leaf(value.tangent)
    new._x = float(x)
    return new


def entered(value: Value) -> Box:
    """A number that comes in as an argument."""
    if type(value) is Dual:
        return _of_dual(value, begin=True)
    return _of_node(value) if type(value) is Node else Box(value)


def _entry_of_node(value: Node, index: int) -> Box | None:
    """One entry of a vector; None where it is no vector of float64."""
    array = value.value
    if type(array) is not np.ndarray or array.ndim != 1 or array.dtype is not F8:
        return None
    new = ScalarBox()
    new._x = float(array[index])
    new._entries = tape = value.tape
    new._index = len(tape)
    tape.append((index, value.index, array.shape))
    return new


def _entry_of_dual(value: Dual, index: int) -> Box | None:
    array, tangent = value.primal, value.tangent
    if type(array) is not np.ndarray or array.ndim != 1 or array.dtype is not F8:
        return None
    if (program := program_of(value)) is None or tangent.shape[1:] != array.shape:
        return None
    new = ScalarBox()
    new._x = float(array[index])
    new._entries = program
    new._index = program.leaf(tangent[:, index])
    return new


NUMBERS.update({Node: _of_node, Dual: _of_dual})
ENTRIES.update({Node: _entry_of_node, Dual: _entry_of_dual})

# -- universal functions ----------------------------------------------------------------------------------

NUMERIC = frozenset({float, int, float64})
OPERATORS: dict[Any, Callable[..., Any]] = {
    **{getattr(np, name): f for name, f in {**ARITHMETIC, **COMPARISONS}.items()},
    np.power: operator.pow,
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.absolute: abs,
}


# The partials of choices, for numbers: ties share equally.
_FIRST = (lambda y, a, b: float(a > b) + 0.5 * (a == b), lambda y, a, b: float(b > a) + 0.5 * (a == b))
CHOICES: dict[Any, tuple[Callable[..., float], ...]] = {np.maximum: _FIRST, np.minimum: _FIRST[::-1]}


def through(
    partials: tuple[Any, ...], compute: Callable[..., Any], inputs: tuple[Any, ...]
) -> ScalarBox | None:
    """An elementwise function of numbers by its partial derivatives; None for the general code to do.

    Parameters
    ----------
    partials : tuple of callable or None
        As functions of ``(y, *operands)``.
    compute : callable
        The function on NumPy's numbers.
    inputs : tuple
        What the user wrote, a ``ScalarBox`` at least.
    """
    entries = None
    values = []
    for a in inputs:
        kind = type(a)
        if kind is ScalarBox:
            if entries is not None and a._entries is not entries:
                return None
            entries = a._entries
            values.append(float64(a._x))
        elif kind in NUMERIC:
            values.append(a)
        else:
            return None
    y = compute(*values)
    if entries is None or len(entries) >= entries.limit or type(y) is not float64 or not y - y == 0.0:
        return None
    entry: list[Any] = []
    for a, d in zip(inputs, partials, strict=True):
        if type(a) is ScalarBox:
            if d is None:
                return None
            p = float(d(y, *values)) if y else float(silent(d)(y, *values))
            if p - p != 0.0:
                return None
            entry += (a._index, p)
    new = ScalarBox()
    new._x = float(y)
    new._entries = entries
    new._index = len(entries)
    entries.append(tuple(entry))
    return new


# how primitives of one operand are computed, their partial as a function of ``(y, x)``, and whether that may
# be infinite; each is looked up when it is first met
_KNOWN: dict[Any, tuple[Callable[..., Any], Callable[..., Any], bool]] = {}


def unary(x: ScalarBox, own: Primitive, kind: type[ScalarBox] = ScalarBox) -> ScalarBox | None:
    """``through`` for one operand, in fewer steps, and as a number of a kind."""
    known = _KNOWN.get(own)
    if known is None:
        rule = PARTIALS.get(own.name)
        if rule is None or (partial := rule[0][0]) is None or PRIMITIVES.get(own.name) is not own:
            return None
        known = _KNOWN[own] = own.compute, partial, own.steep
    compute, d, steep = known
    entries = x._entries
    index = len(entries)
    if index >= entries.limit:
        return None
    a = float64(x._x)
    y = compute(a)
    if type(y) is not float64:
        return None
    value = float(y)
    if value - value != 0.0 or (steep and (not value or abs(x._x) == 1.0)):
        return None  # the general code is silent where the partial is infinite
    p = float(d(y, a))
    if p - p != 0.0:
        return None
    entries.append((x._index, p))
    new = kind()
    new._entries = entries
    new._index = index
    new._x = value
    return new


def _array_ufunc(self: ScalarBox, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if len(inputs) == 1 and not kwargs and method == "__call__":
        own = UFUNCS.get(ufunc)
        if own in _KNOWN and ufunc not in OPERATORS:  # as mostly
            found = unary(self, own)  # type: ignore[arg-type]
            if found is not None:
                return found
    if method == "__call__" and not kwargs:
        short = OPERATORS.get(ufunc)
        if short is not None:
            if type(inputs[0]) is float64 and type(inputs[1]) is ScalarBox:
                return short(float(inputs[0]), inputs[1])
            if all(type(a) is ScalarBox or type(a) in NUMERIC or type(a) in NUMBERS_OF_NUMPY for a in inputs):
                # by Python's floats, for NumPy's would come back here
                return short(*[float(a) if type(a) in NUMBERS_OF_NUMPY else a for a in inputs])
        elif isinstance(own := UFUNCS.get(ufunc), Primitive) and PRIMITIVES.get(own.name) is own:
            if len(inputs) == 1:
                found = unary(self, own)
            elif any(map(is_stranger, inputs)):
                return NotImplemented
            else:
                rule = CHOICES.get(ufunc) or PARTIALS.get(own.name, (None,))[0]
                found = None if rule is None else through(rule, own.compute, inputs)
            if found is not None:
                return found
    if any(map(is_stranger, inputs)):
        return NotImplemented
    return _reborn(apply_ufunc(ufunc, method, inputs, kwargs))


def _reborn(result: Any) -> Any:
    if type(result) is not Box or result.shape:
        return result
    again = number(result._value)
    return as_number(again) if type(again) is Box else again


def _array_function(self: ScalarBox, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    if has_stranger(types, args):
        return NotImplemented
    if func in VIEWS:  # of NumPy's numbers these are arrays of their own
        args = tuple([Box(a._value) if type(a) is ScalarBox else a for a in args])
        kwargs = {name: Box(a._value) if type(a) is ScalarBox else a for name, a in kwargs.items()}
    result = apply_function(func, args, kwargs)
    return result if func in LIKE or func in ARRAYS else _reborn(result)


# -- operators and methods --------------------------------------------------------------------------------

short_power, _power = ScalarBox.__pow__, arithmetic.power
_general_rpow: Callable[[Box, Any], Any] = getattr(Box, "__rpow__")  # noqa: B009  (given to it elsewhere)
_POWERS = (lambda y, a, b: _power.numbers[0](y, 1.0, a, b), lambda y, a, b: _power.numbers[2](y, 1.0, a, b))


def _pow(self: ScalarBox, other: Any) -> Any:
    if type(other) is ScalarBox and (found := through(_POWERS, _power.compute, (self, other))) is not None:
        return found
    return short_power(self, other)


def _rpow(self: ScalarBox, other: Any) -> Any:
    base = float(other) if type(other) is int and 0 < other < 2**53 else other
    if type(base) is float and base > 0.0:
        try:
            y = base**self._x
        except OverflowError:
            return _general_rpow(self, other)
        p = y * float(np.log(base))
        entries = self._entries
        index = len(entries)
        if y - y == 0.0 and p - p == 0.0 and index < entries.limit:
            entries.append((self._index, p))
            new = ScalarBox()
            new._entries = entries
            new._index = index
            new._x = y
            return new
    found = through(_POWERS, _power.compute, (other, self))
    return _general_rpow(self, other) if found is None else found


def _mod(self: ScalarBox, other: Any) -> Any:
    return NotImplemented if other is None or type(other) is str else np.remainder(self, other)


def _rmod(self: ScalarBox, other: Any) -> Any:
    return NotImplemented if other is None or type(other) is str else np.remainder(other, self)


def _astype(self: ScalarBox, dtype: Any, *args: Any, **kwargs: Any) -> Any:
    return self if np.dtype(dtype) == F8 else Box(self._value).astype(dtype, *args, **kwargs)


def _as_array(name: str) -> Callable[..., Any]:
    """A method of which NumPy's numbers give an array of its own."""
    return lambda self, *args, **kwargs: getattr(Box(self._value), name)(*args, **kwargs)


for _name, _member in {
    "__pow__": _pow,
    "__ipow__": _pow,
    "__rpow__": _rpow,
    "__mod__": _mod,
    "__imod__": _mod,
    "__rmod__": _rmod,
    "__array_ufunc__": _array_ufunc,
    "__array_function__": _array_function,
    "astype": _astype,
    "copy": lambda self, order="C": self,
    "T": property(lambda self: self),
    "flat": property(lambda self: Box(self._value).flat),
    **{name: _as_array(name) for name in ("reshape", "transpose", "ravel", "flatten", "squeeze", "swapaxes")},
}.items():
    setattr(ScalarBox, _name, _member)
