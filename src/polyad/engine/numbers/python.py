"""Python's floats under differentiation: what is calculated with them is Python's, not NumPy's.

A comparison of Python numbers is a Python truth value, on which ``~`` and ``+`` calculate as on whole
numbers; one of NumPy's numbers is NumPy's. So an argument that the caller passed as a float stays one,
as does what is calculated from it and other Python numbers.
"""

from __future__ import annotations

import operator
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes import operators  # noqa: F401  (gives the box its operators)
from polyad.engine.boxes.asked import DIGITS
from polyad.engine.boxes.box import Box
from polyad.engine.core.names import COMPARISONS
from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import LOOKED, base
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.numbers.functions import short_power
from polyad.engine.numbers.number import ScalarBox
from polyad.errors import ON_OTHER_ARRAYS, OperationNotSupportedError, rule_out

__all__ = ["as_python"]

ARITHMETIC = "add sub mul truediv floordiv mod pow"


class _Told(threading.local):
    """How often numbers of this thread were asked something that Python and NumPy answer differently."""

    count = 0


TOLD = _Told()


def as_python(leaf: Any) -> Any:
    """A number as one that was passed as a Python float."""
    kind = type(leaf)
    if kind is np.float64:
        return float(leaf)
    if kind is np.complex128:  # a complex step
        return complex(leaf)
    if kind is ScalarBox:
        new = PythonScalar()
        new._entries, new._index, new._x = leaf._entries, leaf._index, leaf._x
        return new
    if kind is Box and leaf._value.shape == ():
        if type(leaf._value) is np.float64:
            return float(leaf._value)
        return PythonBox(leaf._value)
    return leaf


def _plain(a: Any) -> Any:
    """The same number as one of NumPy's."""
    if type(a) is PythonScalar:
        new = ScalarBox()
        new._entries, new._index, new._x = a._entries, a._index, a._x
        return new
    return Box(a._value) if type(a) is PythonBox else a


def _is_python(a: Any) -> bool:
    return type(a) in (float, int, bool, complex, PythonScalar, PythonBox)


def _known(a: Any) -> Any:
    """The plain number that one of Python's stands for; None where it is not known."""
    if type(a) is PythonScalar:
        return a._x
    if type(a) is not PythonBox:
        return a
    value = base(a._value)
    value = adapter(value.library).kept(value.array) if type(value) is Proxy else value
    return None if value is None else complex(value) if value.dtype.kind == "c" else float(value)


_AGAIN = {
    name: getattr(operator, {"__divmod__": "mod"}.get(name, name.strip("_")))
    for name in ("__truediv__", "__floordiv__", "__mod__", "__pow__")
}
_AGAIN |= {f"__r{name[2:]}": (lambda a, b, f=f: f(b, a)) for name, f in _AGAIN.items()}
_AGAIN["__rpow__"] = lambda a, b: b**a


def _check(name: str, self: Any, other: Any) -> None:
    """Raise what Python raises of these numbers where NumPy goes on: of zero below the line, of overflow."""
    again = _AGAIN.get(name)
    if again is None:
        return
    a, b = _known(self), _known(other)
    if a is None or b is None:
        return
    try:
        y = again(a, b)
    except ArithmeticError:
        TOLD.count += 1  # which NumPy's numbers do not raise
        raise
    if isinstance(y, complex) and not (isinstance(a, complex) or isinstance(b, complex)):
        raise refuse(
            "a power of a negative number of Python's with a fraction for its exponent is a complex number",
            "use np.power, which is not a number there, or take the power of abs(x)",
        )


def _operator(name: str) -> Callable[[Any, Any], Any]:
    def operate(self: Any, other: Any) -> Any:
        mine, result = _plain(self), NotImplemented
        if name in _AGAIN and _is_python(other):
            _check(name, self, other)
        found = getattr(type(mine), name, None)
        if found is not None:
            result = found(mine, _plain(other))
        return as_python(result) if _is_python(other) else result

    operate.__name__ = name
    return operate


def _unary(name: str) -> Callable[[Any], Any]:
    return lambda self: as_python(getattr(_plain(self), name)())


def _comparison(name: str) -> Callable[[Any, Any], Any]:
    def compare(self: Any, other: Any) -> Any:
        TOLD.count += 1
        mine = _plain(self)
        result = getattr(type(mine), name)(mine, _plain(other))
        if not _is_python(other) or result is NotImplemented:
            return result
        if isinstance(result, np.bool_ | bool):
            return bool(result)
        value = base(result._value)
        try:
            return adapter(value.library).truth(value.array) if type(value) is Proxy else bool(value)
        except OperationNotSupportedError:
            return Truth(result._value)

    return compare


class PythonScalar(ScalarBox):
    """A Python float with a derivative of one level."""

    __slots__ = ()
    __hash__ = Box.__hash__


class PythonBox(Box):
    """A Python float under any interpretation."""

    __slots__ = ()
    __hash__ = Box.__hash__


class Truth(Box):
    """The truth value of Python numbers that have no values yet."""

    __slots__ = ()
    _is_python = True
    __hash__ = Box.__hash__

    def _refused(self, *others: Any) -> Any:
        raise _unknown(
            "arithmetic with a comparison of Python floats, which counts as 0 or 1, met a value that is not "
            "known yet",
            "use np.where(s > 0, 1, 0), pass an array or a NumPy number, or use backend='numpy'",
        )

    __invert__ = __neg__ = __pos__ = __abs__ = _refused
    __add__ = __radd__ = __sub__ = __rsub__ = _refused


def _unknown(operation: str, remedy: str) -> Exception:
    return rule_out(refuse(operation, remedy), ON_OTHER_ARRAYS)  # which would give something else


def _numbers(value: Any) -> Any:
    TOLD.count += 1
    value = base(value)
    return adapter(value.library).kept(value.array) if type(value) is Proxy else value


def _whole(f: Callable[[float], Any]) -> Callable[..., Any]:
    """A function whose result is a whole number, so that it is piecewise constant; it needs a value."""

    def call(self: Any) -> Any:
        known = _numbers(self._value)
        if known is None:
            raise _unknown(
                "a whole number was asked of a value that is not known yet",
                "use np.floor or np.round, or backend='numpy'",
            )
        return f(float(known))

    return call


def _format(self: Any, spec: str) -> str:
    LOOKED.bits += DIGITS
    known = _numbers(self._value)
    if known is None:
        raise _unknown("a text was made of a value that is not known yet", "use backend='numpy'")
    return format(float(known), spec)


def _round(self: Any, digits: int | None = None) -> Any:
    return self._whole() if digits is None else as_python(np.round(_plain(self), digits))


def _is_asked(self: Any) -> bool:
    """Whether it is a number of Python's; what ``isinstance`` is told depends on it."""
    TOLD.count += 1
    return True


_KINDS: tuple[Any, ...] = (PythonScalar, PythonBox)
for _kind in _KINDS:
    for _name in ARITHMETIC.split():
        setattr(_kind, f"__{_name}__", _operator(f"__{_name}__"))
        setattr(_kind, f"__r{_name}__", _operator(f"__r{_name}__"))
        setattr(_kind, f"__i{_name}__", _operator(f"__{_name}__"))  # replaced, not written to
    for _name in ("neg", "pos", "abs"):
        setattr(_kind, f"__{_name}__", _unary(f"__{_name}__"))
    for _name in (f.__name__ for f in COMPARISONS.values()):
        setattr(_kind, f"__{_name}__", _comparison(f"__{_name}__"))
    _kind._whole = _whole(round)
    _kind.__round__ = _round
    _kind.__int__ = _kind.__trunc__ = _whole(int)
    _kind.__floor__ = _whole(lambda x: int(np.floor(x)))
    _kind.__ceil__ = _whole(lambda x: int(np.ceil(x)))
    _kind.__format__ = _format
    _kind._is_python = property(_is_asked)
    _kind.is_integer = _whole(float.is_integer)


# -- the fast path, as for NumPy's numbers ---------------------------------------------------------------


_FORWARD = {f"__r{name}__": f"__{name}__" for name in ("add", "sub", "mul", "truediv")}


def _general(self: Any, other: Any, again: Any, primitive: Any) -> Any:
    """An operator where the fast path does not apply, by the general code of NumPy's numbers."""
    name = "__pow__" if again is None else again.__name__
    if type(other) is ScalarBox and name in _FORWARD:  # of which the fast path has the operator itself
        return getattr(ScalarBox, _FORWARD[name])(other, _plain(self))
    if _is_python(other):
        _check(name, self, other)
    result = getattr(ScalarBox, name)(_plain(self), _plain(other))
    return as_python(result) if _is_python(other) else result


def _twin(f: Any) -> Any:
    """An operator of NumPy's numbers, written out for speed, as one of these."""
    names = {**f.__globals__, "ScalarBox": PythonScalar, "_general": _general}
    return types.FunctionType(f.__code__, names, f.__name__, f.__defaults__, f.__closure__)


def _array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    return ScalarBox.__array_ufunc__(_plain(self), ufunc, method, *map(_plain, inputs), **kwargs)


for _name in ("add", "sub", "mul", "truediv"):
    _short = _twin(getattr(ScalarBox, f"__{_name}__"))
    setattr(PythonScalar, f"__{_name}__", _short)
    setattr(PythonScalar, f"__i{_name}__", _short)
    setattr(PythonScalar, f"__r{_name}__", _twin(getattr(ScalarBox, f"__r{_name}__")))
_twins: Any = PythonScalar
_twins.__pow__ = _twins.__ipow__ = _twin(short_power)
_twins.__neg__ = _twin(ScalarBox.__neg__)
_twins.__array_ufunc__ = _array_ufunc
