"""The functions of ``math`` and ``cmath``, on boxes by NumPy's and SciPy's."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.boxes.boxing import BOXES
from polyad.engine.core.table import UFUNCS
from polyad.engine.core.values import Primitive, Tracer, base
from polyad.engine.follow.counterparts import counterpart
from polyad.engine.numbers.functions import unary
from polyad.engine.numbers.number import ScalarBox
from polyad.engine.numbers.python import PythonScalar, as_python

__all__: list[str] = []

# numbers that are entries of vectors, by far the commonest here: for these in fewer steps
NUMBERS = frozenset((ScalarBox, PythonScalar))


def plain(x: Any) -> Any:
    """The number under all differentiations; None where it is not known."""
    if type(x) not in BOXES:
        return x
    value = base(x._value)
    return None if isinstance(value, Tracer) else np.asarray(value).item()


def as_number(x: Any) -> Any:
    """An array of one entry as a number, as ``math`` takes it."""
    if type(x) in BOXES and x.shape:
        if x.size != 1:
            raise TypeError("only length-1 arrays can be converted to Python scalars")
        x = x.reshape(-1)[0]
    elif type(x) in BOXES and x._is_array():
        x = x[()]
    return x


def _on_boxes(original: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    rule = UFUNCS.get(own) if isinstance(own, np.ufunc) else None

    def apply(*args: Any) -> Any:
        if len(args) == 1 and type(args[0]) in NUMBERS and isinstance(rule, Primitive):
            number = args[0]
            original(number._x)
            found = unary(number, rule, PythonScalar)
            if found is not None:
                return found
        args = tuple(map(as_number, args))
        known = [plain(a) for a in args]
        if not any(k is None for k in known):
            original(*known)  # its errors: of domain and of overflow
        return as_python(own(*args))

    return apply


for _name, _own in {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "cbrt": np.cbrt,
    "pow": lambda x, y: np.power(x * 1.0, y * 1.0),
    "atan2": np.arctan2,
    "fabs": np.abs,
    "fmod": np.fmod,
    "copysign": np.copysign,
    "degrees": np.degrees,
    "radians": np.radians,
    "erf": sp.erf,
    "erfc": sp.erfc,
    "gamma": sp.gamma,
    "lgamma": sp.gammaln,
    "ldexp": lambda x, n: x * 2.0**n,
}.items():
    if hasattr(math, _name):
        counterpart(getattr(math, _name))(_on_boxes(getattr(math, _name), _own))

_natural = _on_boxes(math.log, np.log)


@counterpart(math.log)
def _log(x: Any, base_: Any = None, /) -> Any:
    if base_ is None:
        return _natural(x)
    args = [as_number(a) for a in (x, base_)]
    known = [plain(a) for a in args]
    if not any(k is None for k in known):
        math.log(*known)
    return as_python(np.log(args[0]) / np.log(args[1]))


@counterpart(math.hypot)
def _hypot(*coordinates: Any) -> Any:
    total: Any = 0.0
    for c in coordinates:
        total = np.hypot(total, as_number(c))
    return as_python(total)


@counterpart(math.dist)
def _dist(p: Any, q: Any, /) -> Any:
    return _hypot(*[a - b for a, b in zip(p, q, strict=True)])


def _whole(original: Callable[..., Any]) -> None:
    @counterpart(original)
    def apply(x: Any, /) -> Any:
        known = plain(as_number(x))
        return original(x if known is None else known)  # piecewise constant


def _asked(original: Callable[..., Any], own: Callable[..., Any]) -> None:
    @counterpart(original)
    def apply(*args: Any, **kwargs: Any) -> Any:
        args = tuple(map(as_number, args))
        known = [plain(a) for a in args]
        if any(k is None for k in known):
            return bool(own(*args, **kwargs))  # a branch, where its value is known
        return original(*known, **kwargs)


for _original in (math.floor, math.ceil, math.trunc):
    _whole(_original)
for _name in ("isnan", "isinf", "isfinite"):
    _asked(getattr(math, _name), getattr(np, _name))


def _isclose(a: Any, b: Any, *, rel_tol: float = 1e-09, abs_tol: float = 0.0) -> Any:
    far = np.abs(a - b)
    return (a == b) | (
        np.isfinite(far) & (far <= np.maximum(rel_tol * np.maximum(np.abs(a), np.abs(b)), abs_tol))
    )


_asked(math.isclose, _isclose)


@counterpart(math.remainder)
def _remainder(x: Any, y: Any, /) -> Any:
    x, y = as_number(x), as_number(y)
    rest = np.fmod(x, y)  # of which it differs by none or one y, to the last bit
    known = [plain(a) for a in (x, y, rest)]
    if any(k is None for k in known):
        return as_python(x - y * np.rint(x / y))
    steps = round((math.remainder(known[0], known[1]) - known[2]) / known[1])
    return as_python(rest + steps * y)


@counterpart(math.frexp)
def _frexp(x: Any, /) -> Any:
    x = as_number(x)
    known = plain(x)
    if known is None:
        return math.frexp(x)  # refuses
    part, exponent = math.frexp(known)
    return as_python(x * math.ldexp(1.0, -exponent) if math.isfinite(part) else x * 1.0), exponent


@counterpart(math.modf)
def _modf(x: Any, /) -> Any:
    whole = _trunc(x)
    return x - whole, whole


def _trunc(x: Any) -> float:
    known = plain(as_number(x))
    return float(math.trunc(x if known is None else known))


def _complex(original: Callable[..., Any], own: Callable[..., Any]) -> None:
    @counterpart(original)
    def apply(*args: Any) -> Any:
        return own(*[as_number(a) + 0j for a in args])


for _name, _own in {
    **{n: getattr(np, n) for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "sqrt", "log10")},
    **{
        "asin": np.arcsin,
        "acos": np.arccos,
        "atan": np.arctan,
        "asinh": np.arcsinh,
        "acosh": np.arccosh,
        "atanh": np.arctanh,
    },
    "phase": lambda z: as_python(np.angle(z)),
    "polar": lambda z: (as_python(np.abs(z)), as_python(np.angle(z))),
}.items():
    _complex(getattr(cmath, _name), _own)


@counterpart(cmath.log)
def _clog(x: Any, b: Any = None, /) -> Any:
    out = np.log(as_number(x) + 0j)
    return out if b is None else out / np.log(as_number(b) + 0j)


@counterpart(cmath.rect)
def _rect(r: Any, phi: Any, /) -> Any:
    r, phi = as_number(r), as_number(phi)
    return r * np.cos(phi) + 1j * (r * np.sin(phi))
