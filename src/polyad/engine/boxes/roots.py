"""Roots that remember their square: norms, deviations, sizes.

``norm(x)`` has no derivative at zero, and the convention that takes 0 for it is right to first order
only: ``norm(x) ** 2`` is smooth there. So a box of what is the root of a known value squares to that
value, in every mode and under every library; so do its multiples, its parts and what is joined of them. Even
functions (``cos``, ``cosh``, ``sinc``, Bessel's of order 0) are smooth functions of the square too. Multiples
need not be positive, so that their odd powers have a sign.
Where the values are known, boxes are of this kind only where one of them is zero: elsewhere the rules are
right. Where they are not, the square is computed when it is asked for, for most roots are never squared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.engine.boxes import operators  # noqa: F401  (gives the box its operators)
from polyad.engine.boxes.box import Box, Rearranged, number, wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.boxes.dispatch import BOXING, UFUNC_ROOTS, apply_function, apply_ufunc, rewrap
from polyad.engine.boxes.of_squares import SERIES, even, half_power
from polyad.engine.boxes.sameness import is_same
from polyad.engine.core.kinds import conj
from polyad.engine.core.table import FUNCTIONS, UFUNCS
from polyad.engine.core.values import Tracer, Value, base, is_real
from polyad.engine.functions.reduction import Rooted
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules.arithmetic import divide, less, multiply, negative, power, real, where
from polyad.engine.rules.elementwise import absolute, sign

__all__ = ["Root", "follow_methods", "rooted", "squared"]

SIMPLE = frozenset({float, int, np.float64, np.int64, np.float32})


def squared(x: Value) -> Value:
    """The square of the size of numbers."""
    return x * x if is_real(x) else real(x * conj(x))


# A square that waits for others that wait may be computed again for every use, and by recursion.
LONGEST = 8


class Later:
    """A square to be computed anew each time: a framework's trace in which it is asked for may soon end."""

    __slots__ = ("compute", "depth")

    def __init__(self, compute: Callable[[], Value], depth: int = 0) -> None:
        self.compute, self.depth = compute, depth


def _given(root: Any) -> Value:
    """A square itself."""
    return root.compute() if type(root) is Later else root


def _after(root: Any, change: Callable[[Value], Value]) -> Any:
    """The square of what is made of a root: later, where the root's own is."""
    if type(root) is not Later or root.depth >= LONGEST:
        return change(_given(root))
    return Later(lambda: change(root.compute()), root.depth + 1)


def _kept(factor: Value) -> Value:
    """A factor as it is now; the caller may write to an array."""
    return factor.copy() if isinstance(factor, np.ndarray) else factor


# Those that know their square are boxes and views of boxes, whose memory is laid out differently.
if TYPE_CHECKING:
    _Boxed = Box
else:
    _Boxed = object
NOTHING: tuple[str, ...] = ()
_BOX: dict[str, Any] = {name: getattr(Box, f"__{name}__") for name in "pow mul rmul truediv matmul".split()}


class Squared(_Boxed):
    """The behaviour of a box that knows the square of its value."""

    __slots__: tuple[str, ...] = NOTHING
    _root: Any  # the square, or ``Later``
    _key: tuple[Any, ...]  # what it is the root of, and how
    _is_positive: bool  # whether it is the root itself, no multiple of it: positive, or the principal one
    _was: Value  # the value that this is true of

    def holds(self) -> bool:
        """Whether the square is still the value's: it has not been written to since."""
        return self._value is self._was

    def square(self) -> Value:
        """The value's square; None where it has been written to since."""
        return _given(self._root) if self._value is self._was else None

    def _same(self, value: Value) -> Any:
        """The box of the same value in another array."""
        return Root(value, self._root, None, self._is_positive) if self.holds() else number(value)

    def _alike(self, other: Any) -> bool:
        """Whether another root is of the same."""
        if not isinstance(other, Squared) or not self.holds() or not other.holds():
            return False
        a, b = self._key, other._key
        return self is other or (
            len(a) == len(b) and all(p is q or is_same(p, q) for p, q in zip(a, b, strict=True))
        )

    def __pow__(self, other: Any) -> Any:
        if self.holds() and type(other) in SIMPLE and 2 <= other <= 64:
            k, root = float(other), self.square()
            if k % 2 == 0:
                return number(root if k == 2 else power(root, int(k) // 2))
            if self._is_positive:
                return number(half_power(root, k))
            if k % 2 == 1 and is_real(self._value):
                return number(sign(self._value) * half_power(root, k))
        return _BOX["pow"](self, other)

    def __mul__(self, other: Any) -> Any:
        if self._alike(other):
            return number(self.square())
        result = _BOX["mul"](self, other)
        return _scaled(self, result, other)

    def __rmul__(self, other: Any) -> Any:
        return _scaled(self, _BOX["rmul"](self, other), other)

    def __truediv__(self, other: Any) -> Any:
        result = _BOX["truediv"](self, other)
        if not isinstance(result, Box) or not self.holds():
            return result
        factor = _kept(unbox(other, self._value))
        return Root(result._value, _after(self._root, lambda s: divide(s, multiply(factor, factor))))

    def __matmul__(self, other: Any) -> Any:
        if self._alike(other) and self.ndim == 1:
            return number(FUNCTIONS[np.sum](self.square()))
        return _BOX["matmul"](self, other)

    def __neg__(self) -> Any:
        return Root(negative(self._value), self._root) if self.holds() else number(negative(self._value))

    def __pos__(self) -> Any:
        return self._same(self._value * 1.0)

    def __abs__(self) -> Any:
        if not self.holds() or not is_real(self._value):
            return _absolute(self)
        return Root(absolute(self._value), self._root, None, True)

    def __getitem__(self, index: Any) -> Any:
        return self._part(Box.__getitem__(self, index), lambda a: a[index], _is_fixed(index))

    def __setitem__(self, index: Any, item: Any) -> None:
        root = self.square()
        squares = None if root is None else _square_of(item)
        Box.__setitem__(self, index, item)
        if root is not None:
            (box := Box(root))[index] = squares
            self._root, self._key, self._was = box._value, (object(),), self._value
            self._is_positive = False

    def _part(self, part: Any, move: Callable[[Any], Any], fixed: bool) -> Any:
        """Some of it, or all at other places, with the squares moved alike.

        Later, where what says how is ``fixed``: the caller may write to an array of places.
        """
        if not self.holds() or not isinstance(part, Box):
            return part
        root = self._root if fixed else self.square()
        squares = _after(root, lambda s: unbox(move(Box(s))))
        if part._is_array() and part.ndim:  # which may be written to, where NumPy would share memory
            return RootView(part, squares, self._is_positive)
        return Root(part._value, squares, None, self._is_positive)

    def _augmented(self, result: Any) -> Any:
        return self._replace(unbox(result)) if self.shape else result

    def __ipow__(self, other: Any) -> Any:
        return self._augmented(self**other)

    def __imul__(self, other: Any) -> Any:
        return self._augmented(self * other)

    def __itruediv__(self, other: Any) -> Any:
        return self._augmented(self / other)

    def _even(self, f: Any) -> Any:
        return number(even(SERIES[f], UFUNCS.get(f) or FUNCTIONS[f], self._value, self.square()))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = method == "__call__" and not kwargs
        if (short := SHORT.get(ufunc) if plain else None) and isinstance(inputs[0], Squared):
            return short(*inputs)
        if plain and ufunc in SERIES and self.holds():
            return self._even(ufunc)
        if ufunc is np.multiply and short:
            return self.__rmul__(inputs[0])
        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func in PRODUCTS and not kwargs and len(args) == 2 and isinstance(args[0], Squared):
            a, b = args
            if a._alike(b) and a.ndim < 2 and (func is not np.vdot or is_real(a._value)):
                return number(FUNCTIONS[np.sum](a.square()))
        if func in SERIES and len(args) == 1 and not kwargs and self.holds():
            return self._even(func)
        if func is np.copy and len(args) == 1 and not kwargs:
            return self._same(self._value)
        result = apply_function(func, args, kwargs)
        if func in MOVES and args and args[0] is self:
            fixed = _is_fixed((args[1:], *kwargs.values()))
            return self._part(result, lambda a: func(a, *args[1:], **kwargs), fixed)
        if func in JOINS and isinstance(result, Box) and isinstance(args[0], list | tuple):
            squares = func([_square_of(a) for a in args[0]], *args[1:], **kwargs)
            return RootView(result, unbox(squares))
        return result


class Root(Squared, Box):
    """A box and the square of its value."""

    __slots__ = ("_is_positive", "_key", "_root", "_was")

    def __init__(self, value: Value, root: Any, key: Any = None, positive: bool = False) -> None:
        self._value = self._was = value
        self._root, self._key, self._is_positive = root, key or (object(),), positive


class RootView(Squared, Rearranged):
    """Some or all entries of a root, as a view of the box that shares their memory."""

    __slots__ = ("_is_positive", "_key", "_root", "_was")

    def __init__(self, view: Box, root: Any, positive: bool = False) -> None:
        Rearranged.__init__(self, view, view._value, lambda v: v, lambda v, w: w)
        self._root, self._key, self._was, self._is_positive = root, (object(),), view._value, positive


def _square_of(a: Any) -> Any:
    root = a.square() if isinstance(a, Squared) else None
    return Box(root) if root is not None else wrap((value := unbox(a)) * value)


def _moving(name: str) -> Any:
    whole = getattr(Box, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        fixed = _is_fixed((args, *kwargs.values()))
        return self._part(whole(self, *args, **kwargs), lambda a: getattr(a, name)(*args, **kwargs), fixed)

    return method


def _turning(name: str, whole: Any) -> Callable[[Any], Any]:
    return lambda self: self._part(whole(self), lambda a: getattr(a, name), True)


def follow_methods() -> None:
    """Let the squares go along where the box's methods move entries; they are defined after this module."""
    for name in "reshape transpose ravel flatten squeeze swapaxes repeat take copy".split():
        setattr(Squared, name, _moving(name))
    for name in ("T", "mT"):
        whole = getattr(Box, name).__get__
        setattr(Squared, name, property(_turning(name, whole)))


def _is_fixed(index: Any) -> bool:
    """Whether the indices that say where entries go cannot be written to."""
    if type(index) is tuple:
        return all(map(_is_fixed, index))
    return index is None or index is Ellipsis or type(index) in FIXED


FIXED = frozenset({bool, int, np.int64, slice, str})


def _scaled(root: Any, result: Any, other: Any) -> Any:
    if not isinstance(result, Box) or not root.holds():
        return result
    factor = _kept(unbox(other, root._value))
    return Root(result._value, _after(root._root, lambda s: multiply(s, multiply(factor, factor))))


SHORT: dict[Any, Callable[..., Any]] = {
    np.square: lambda a: a**2,
    np.power: lambda a, b: a**b,
    np.float_power: lambda a, b: a**b,
    np.multiply: lambda a, b: a * b,
    np.divide: lambda a, b: a / b,
    np.matmul: lambda a, b: a @ b,
    np.negative: lambda a: -a,
    np.positive: lambda a: +a,
    np.absolute: abs,
    np.fabs: abs,
}
PRODUCTS = frozenset({np.dot, np.vdot, np.inner})
# functions of one array that move entries about, and of several that join them
MOVES = frozenset(
    getattr(np, name)
    for name in (
        "reshape ravel transpose permute_dims matrix_transpose squeeze expand_dims swapaxes moveaxis "
        "rollaxis broadcast_to repeat tile take flip fliplr flipud roll rot90 "
        "atleast_1d atleast_2d atleast_3d diagonal"
    ).split()
    if hasattr(np, name)
)
JOINS = frozenset({np.stack, np.concatenate, np.vstack, np.hstack, np.column_stack})


def rooted(value: Value, square: Callable[[], Value], *key: Any) -> Any:
    """The box of a value that is the root of another.

    Parameters
    ----------
    value : Value
        The root.
    square : callable
        Gives its square.
    *key : object
        What it is the root of, and how: two of the same are equal.
    """
    if not isinstance(value, Tracer):
        return number(value)
    known = base(value)
    if isinstance(known, Proxy):
        return Root(value, Later(square), key, True)
    if known.all() if type(known) is np.ndarray else np.count_nonzero(known) == known.size:
        return number(value)
    return Root(value, square(), key, True)


def _of_root(x: Value) -> Value:  # what ``sqrt(x) ** 2`` is
    return where(less(x, 0), np.nan, x) if is_real(x) else x


def _raised(self: Box, other: Any) -> Any:
    if type(other) is int:  # as mostly
        return wrap(power(self._value, other))
    if type(other) is not float or other != 0.5:
        return _BOX["pow"](self, other)
    return _to_power(power(self._value, 0.5), self._value, other)


def _to_power(y: Value, a: Value, b: Value) -> Any:
    half = type(b) is float and b == 0.5
    return rooted(y, lambda: _of_root(a), "sqrt", a) if half else rewrap(y)


def _absolute(self: Box) -> Any:
    x = self._value
    return rooted(absolute(x), lambda: squared(x), "absolute", x)


def _hypotenuse(y: Value, a: Value, b: Value) -> Any:
    return rooted(y, lambda: a * a + b * b, "hypot", a, b)


setattr(Box, "__abs__", _absolute)  # noqa: B010
setattr(Box, "__pow__", _raised)  # noqa: B010
BOXING[Rooted] = lambda r: rooted(r.value, lambda: r.square, *r.key)
UFUNC_ROOTS.update(
    {
        np.sqrt: lambda y, x: rooted(y, lambda: _of_root(x), "sqrt", x),
        np.power: _to_power,
        np.absolute: lambda y, x: rooted(y, lambda: squared(x), "absolute", x),
        np.fabs: lambda y, x: rooted(y, lambda: squared(x), "absolute", x),
        np.hypot: lambda y, a, b: _hypotenuse(y, _kept(a), _kept(b)),
    }
)
