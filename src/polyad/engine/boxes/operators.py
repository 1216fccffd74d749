"""The box's operators, written for speed: most operations of a function are operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.box import Box, number, wrap
from polyad.engine.boxes.boxing import BOXES, is_stranger, steps_back, unbox
from polyad.engine.core.names import COMPARISONS
from polyad.engine.core.values import Value
from polyad.engine.functions.sparse_products import is_sparse, multiplies_as_matrix, product
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.interpretations.tape import Node
from polyad.engine.rules import arithmetic, elementwise, products

__all__ = ["left_to"]

# kinds of operands that no other package has made, besides boxes and what they hold
_ORDINARY = frozenset({np.ndarray, float, int, complex, bool, np.float64, np.int64, np.bool_})
_new = object.__new__


def left_to(self: Box, other: Any, name: str, is_reflected: bool = False) -> Any:
    """What an operator gives where the other operand is of a kind that has its own; None elsewhere."""
    if is_stranger(other):
        ufunc = getattr(np, name)
        return ufunc(other, self) if is_reflected else ufunc(self, other)
    if not is_reflected and steps_back(other, _REFLECTED[name], self._is_array()):
        return NotImplemented
    return None


def _operator(
    primitive: Callable[..., Value], name: str, boxed: Callable[[Value], Any] = wrap
) -> Callable[[Box, Any], Any]:
    def operate(self: Box, other: Any) -> Any:
        kind = type(other)
        value = self._value
        if kind is Box:
            other = other._value
        elif kind is not float and kind is not int:
            if other is None or kind is str:
                return NotImplemented
            if kind not in _ORDINARY and kind not in BOXES:
                result = left_to(self, other, name)
                if result is not None:
                    return result
            other = unbox(other, value)
        result = primitive(value, other)
        kind = type(result)
        if kind is Node or kind is Proxy:
            box = _new(Box)  # without a frame of Python's
            box._value = result
            return box
        return boxed(result)

    return operate


def _reflected(primitive: Callable[..., Value], name: str) -> Callable[[Box, Any], Any]:
    def operate(self: Box, other: Any) -> Any:
        value = self._value
        if type(other) is not float and type(other) is not int:
            if other is None or type(other) is str:
                return NotImplemented
            if type(other) not in _ORDINARY and is_stranger(other):
                return left_to(self, other, name, is_reflected=True)
            other = unbox(other, value)
        result = primitive(other, value)
        kind = type(result)
        if kind is Node or kind is Proxy:
            box = _new(Box)
            box._value = result
            return box
        return wrap(result)

    return operate


def _augmented(primitive: Callable[..., Value]) -> Callable[[Box, Any], Any]:
    def operate(self: Box, other: Any) -> Any:
        value = self._value
        result = primitive(value, unbox(other, value))
        if not value.shape and not self._is_array():
            return wrap(result)  # numbers are not written to, they are replaced
        return self._replace(result)

    return operate


ARITHMETIC: dict[str, Callable[..., Value]] = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
    "pow": arithmetic.power,
    "matmul": products.matmul,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder,
    "and": elementwise.bitwise_and,
    "or": elementwise.bitwise_or,
    "xor": elementwise.bitwise_xor,
}
_BITS = ("bitwise_and", "bitwise_or", "bitwise_xor")
_OTHERS = ("add", "subtract", "multiply", "divide", "power", "matmul", "floor_divide", "remainder")
UFUNCS = dict(zip(ARITHMETIC, _OTHERS + _BITS, strict=True))
# NumPy's name of an operator -> the method by which the operand on the right answers
_REFLECTED = {n: f"__r{short}__" for short, n in UFUNCS.items()}
_REFLECTED.update(less="__gt__", greater="__lt__", less_equal="__ge__", greater_equal="__le__")
_REFLECTED.update(equal="__eq__", not_equal="__ne__")
for _name, _primitive in ARITHMETIC.items():
    setattr(Box, f"__{_name}__", _operator(_primitive, UFUNCS[_name]))
    setattr(Box, f"__r{_name}__", _reflected(_primitive, UFUNCS[_name]))
    setattr(Box, f"__i{_name}__", _augmented(_primitive))


def _product(self: Box, other: Any) -> Any:
    kind = type(other)
    if kind not in BOXES and kind not in _ORDINARY:
        if other is None or kind is str:
            return NotImplemented
        if is_sparse(other):
            return number(product(self._value, other))
        if (result := left_to(self, other, "matmul")) is not None:
            return result
    return number(products.matmul(self._value, unbox(other, self._value)))  # of vectors it is a number


def _reflected_product(self: Box, other: Any) -> Any:
    kind = type(other)
    if other is None or kind is str:
        return NotImplemented
    if kind not in _ORDINARY and is_sparse(other):
        return number(product(other, self._value))
    return number(products.matmul(unbox(other, self._value), self._value))


_times = Box.__rmul__  # type: ignore[attr-defined]


def _reflected_times(self: Box, other: Any) -> Any:
    kind = type(other)
    if kind is not float and kind is not int:
        if is_sparse(other) and multiplies_as_matrix(other):
            return number(product(other, self._value))
        return _times(self, other)
    return wrap(arithmetic.multiply(other, self._value))


for _name, _method in {
    "matmul": _product,
    "rmatmul": _reflected_product,
    "rmul": _reflected_times,
}.items():
    setattr(Box, f"__{_name}__", _method)

for _name, _sign in COMPARISONS.items():
    setattr(Box, f"__{_sign.__name__}__", _operator(getattr(arithmetic, _name), _name))


def _unary(primitive: Callable[..., Value]) -> Callable[[Box], Any]:
    return lambda self: wrap(primitive(self._value))


UNARY: dict[str, Callable[..., Value]] = {
    "neg": arithmetic.negative,
    "pos": lambda x: x * 1.0,
    "abs": elementwise.absolute,
    "invert": elementwise.invert,
    "floor": elementwise.floor,
    "ceil": elementwise.ceil,
    "trunc": elementwise.trunc,
}
for _name, _function in UNARY.items():
    setattr(Box, f"__{_name}__", _unary(_function))


def _divmod(self: Box, other: Any) -> tuple[Any, Any]:
    return self // other, self % other


def _rdivmod(self: Box, other: Any) -> tuple[Any, Any]:
    return other // self, other % self


for _name, _method in {"divmod": _divmod, "rdivmod": _rdivmod}.items():
    setattr(Box, f"__{_name}__", _method)
