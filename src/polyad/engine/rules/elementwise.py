"""Rules of NumPy's universal functions: a name and its partial derivatives.

Piecewise functions follow one convention: ties share equally (``maximum`` of two equal numbers
has the partial 1/2 in each), ``|x|`` and ``sign`` have derivative 0 at 0, and a function that
is constant in pieces has derivative 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from polyad.engine.core.kinds import aligned, conj, elementwise, filled, general
from polyad.engine.core.names import COMPARISONS
from polyad.engine.core.table import constant_ufunc, map_ufunc, ufunc
from polyad.engine.core.values import PRIMITIVES, Primitive, Value, is_real, ndim_of
from polyad.engine.interpretations.masked import chosen, settled, shared
from polyad.engine.rules import arithmetic
from polyad.engine.rules.arithmetic import as_operand, equal, greater, where

LN2, LN10 = float(np.log(2)), float(np.log(10))

# -- exponentials, logarithms, roots ------------------------------------------------------------------

exp: Primitive = ufunc(np.exp, lambda y: y)
exp2: Primitive = ufunc(np.exp2, lambda y: y * LN2)
expm1: Primitive = ufunc(np.expm1, lambda x: exp(x))
log2: Primitive = ufunc(np.log2, lambda x: 1 / (x * LN2))
log10: Primitive = ufunc(np.log10, lambda x: 1 / (x * LN10))
log1p: Primitive = ufunc(np.log1p, lambda x: 1 / (1 + x))
sqrt: Primitive = ufunc(np.sqrt, lambda y: 0.5 / y)
cbrt: Primitive = ufunc(np.cbrt, lambda y: 1 / (3 * (y * y)))
square: Primitive = ufunc(np.square, lambda x: x * 2)
reciprocal: Primitive = ufunc(np.reciprocal, lambda y: -y * y)

# -- trigonometric and hyperbolic ---------------------------------------------------------------------

sin: Primitive = ufunc(np.sin, lambda x: cos(x))
cos: Primitive = ufunc(np.cos, lambda x: -sin(x))
tan: Primitive = ufunc(np.tan, lambda y: 1 + y * y)
arcsin: Primitive = ufunc(np.arcsin, lambda x: 1 / _other_leg(x))
arccos: Primitive = ufunc(np.arccos, lambda x: -1 / _other_leg(x))
arctan: Primitive = ufunc(np.arctan, lambda x: 1 / (1 + x * x))
sinh: Primitive = ufunc(np.sinh, lambda x: cosh(x))
cosh: Primitive = ufunc(np.cosh, lambda x: sinh(x))
tanh: Primitive = ufunc(np.tanh, lambda y: 1 - y * y)
arcsinh: Primitive = ufunc(np.arcsinh, lambda x: 1 / sqrt(x * x + 1))
arccosh: Primitive = ufunc(np.arccosh, lambda x: 1 / (sqrt(x - 1) * sqrt(x + 1)))
arctanh: Primitive = ufunc(np.arctanh, lambda x: 1 / (_other_leg(x) * _other_leg(x)))
deg2rad: Primitive = ufunc(np.deg2rad, lambda: np.pi / 180)
rad2deg: Primitive = ufunc(np.rad2deg, lambda: 180 / np.pi)


# sqrt(1 - x**2) with all its digits beside 1, and a slope that has all of its own beside 0
leg: Primitive = elementwise("leg", lambda x: np.sqrt((1 - x) * (1 + x)), lambda x, y: -x / y)
leg.home = "polyad"


def _other_leg(x: Value) -> Value:
    """Of complex numbers on the side of the cut that the sign of a zero says."""
    return leg(x) if is_real(x) else sqrt(-(x - 1)) * sqrt(x + 1)


def _choice(f: np.ufunc, *shares: Callable[[Value, Value], Value]) -> Primitive:
    """A choice between two operands; the other contributes nothing, even if its derivative is infinite."""
    primitive = ufunc(f, *shares)

    def push(y: Value, tangents: tuple[Value, ...], a: Value, b: Value) -> Value:
        total = None
        for t, share in zip(tangents, shares, strict=True):
            if t is None:
                continue
            part = share(a, b)
            term = shared(part, aligned(t, ndim_of(y)) * part)
            total = term if total is None else total + term
        return filled(total, y)

    def pull(k: int) -> Callable[..., Callable[[Value], Value]]:
        def start(y: Value, a: Value, b: Value) -> Callable[[Value], Value]:
            fitted = as_operand((a, b)[k], y, lambda w: w)

            def back(w: Value) -> Value:
                part = shares[k](a, b)
                return fitted(chosen(w, lambda: equal(part, 0), False, settled(w) * part))

            return back

        return start

    primitive.push, primitive.pulls = push, (pull(0), pull(1))
    return primitive


# -- of two operands ----------------------------------------------------------------------------------

arctan2: Primitive = ufunc(np.arctan2, lambda a, b: _turn(b, a), lambda a, b: -_turn(a, b))
hypot: Primitive = ufunc(np.hypot, lambda a, y: _cone(a, y), lambda b, y: _cone(b, y))
logaddexp: Primitive = ufunc(np.logaddexp, lambda a, b: _first_share(a, b), lambda a, b: _first_share(b, a))
logaddexp2: Primitive = ufunc(
    np.logaddexp2, lambda a, b: _first_share(a, b, LN2), lambda a, b: _first_share(b, a, LN2)
)
maximum: Primitive = _choice(np.maximum, lambda a, b: _share(a, b), lambda a, b: _share(b, a))
minimum: Primitive = _choice(np.minimum, lambda a, b: _share(b, a), lambda a, b: _share(a, b))
fmax: Primitive = _choice(np.fmax, lambda a, b: _valid_share(a, b), lambda a, b: _valid_share(b, a))
fmin: Primitive = _choice(np.fmin, lambda a, b: _valid_share(a, b, -1), lambda a, b: _valid_share(b, a, -1))
copysign: Primitive = ufunc(np.copysign, lambda a, b: sign(a) * copysign(1.0, b), lambda: 0.0)
remainder: Primitive = ufunc(np.remainder, lambda: 1.0, lambda a, b: -floor_divide(a, b))
fmod: Primitive = ufunc(np.fmod, lambda: 1.0, lambda a, b: -trunc(a / b))
heaviside: Primitive = ufunc(np.heaviside, lambda: 0.0, lambda a: where(equal(a, 0), 1.0, 0.0))
ldexp: Primitive = ufunc(np.ldexp, lambda b: exp2(b * 1.0), None)
nextafter: Primitive = ufunc(np.nextafter, lambda: 1.0, lambda: 0.0)


def _turn(a: Value, b: Value) -> Value:
    """``a / (a**2 + b**2)`` without overflow, zero at the origin."""
    size = hypot(a, b)
    return _cone(_ratio(a, size), size)


def _ratio(a: Value, y: Value) -> Value:
    """``a / y``, zero where both are."""
    zero = equal(y, 0)
    return where(zero, 0.0, a / where(zero, 1.0, y))


def _cone(a: Value, y: Value) -> Value:
    """As ``_ratio``, but where both are zero its derivative is no number, rather than a silent zero."""
    zero = equal(y, 0)
    return where(zero, sqrt(y), a / where(zero, 1.0, y))


def _first_share(a: Value, b: Value, unit: float = 1.0) -> Value:
    """``exp(a) / (exp(a) + exp(b))``, with all digits of its derivatives; equal infinities share equally."""
    gap = a - b
    infinite = logical_and(isnan(gap), equal(a, b))
    return PRIMITIVES["expit"](where(infinite, 0.0, gap) * unit)


def _share(a: Value, b: Value) -> Value:
    """1 where a is larger, 1/2 where they are equal, 0 elsewhere."""
    same, larger = equal(a, b), greater(a, b)
    if type(same) is np.ndarray:
        return np.where(same, 0.5, larger)
    return where(same, 0.5, where(larger, 1.0, 0.0))


def _valid_share(a: Value, b: Value, order: int = 1) -> Value:
    """As ``_share`` where neither is nan; all of it where only ``b`` is."""
    share = _share(a, b) if order > 0 else _share(b, a)
    return where(isnan(a), 0.0, where(isnan(b), 1.0, share))


# -- constant in pieces ---------------------------------------------------------------------------------

floor: Callable[..., Value] = constant_ufunc(np.floor)
ceil: Callable[..., Value] = constant_ufunc(np.ceil)
trunc: Callable[..., Value] = constant_ufunc(np.trunc)
rint: Callable[..., Value] = constant_ufunc(np.rint)
_sign: Callable[..., Value] = constant_ufunc(np.sign)
floor_divide: Callable[..., Value] = constant_ufunc(np.floor_divide)
spacing = constant_ufunc(np.spacing)
isnan: Callable[..., Value] = constant_ufunc(np.isnan)
isinf = constant_ufunc(np.isinf)
isfinite = constant_ufunc(np.isfinite)
signbit = constant_ufunc(np.signbit)
logical_and = constant_ufunc(np.logical_and)
logical_or = constant_ufunc(np.logical_or)
logical_xor = constant_ufunc(np.logical_xor)
logical_not = constant_ufunc(np.logical_not)
for _name in COMPARISONS:
    map_ufunc(getattr(np, _name), getattr(arithmetic, _name))
# Of boxes only comparisons are boolean, and those of another library's arrays.
bitwise_and = constant_ufunc(np.bitwise_and)
bitwise_or = constant_ufunc(np.bitwise_or)
bitwise_xor = constant_ufunc(np.bitwise_xor)
invert = constant_ufunc(np.invert)
for _name in ("left_shift", "right_shift", "gcd", "lcm", "bitwise_count"):
    constant_ufunc(getattr(np, _name))

# -- of complex numbers, where the derivative is not a multiple ------------------------------------------


def _push_absolute(y: Value, tangents: tuple[Value, ...], x: Value) -> Value:
    (t,) = tangents
    if is_real(x):
        return t * _sign(x)
    return arithmetic.real(t * conj(_ratio(x, y)))


def _pull_absolute(y: Value, x: Value) -> object:
    if is_real(x):
        return lambda w: w * _sign(x)
    return lambda w: w * _ratio(x, y)


absolute = general("absolute", np.absolute, _push_absolute, _pull_absolute, lazy=True)


def sign(x: Value) -> Value:
    """Constant in pieces; of complex numbers ``x / |x|``, which turns with them."""
    return _sign(x) if is_real(x) else _ratio(x, absolute(x))


def _push_imag(y: Value, tangents: tuple[Value, ...], x: Value) -> Value:
    return imag(tangents[0])


imag = general(
    "imag", np.imag, _push_imag, lambda y, x: lambda w: w * 0.0 if is_real(x) else w * 1j, lazy=True
)


map_ufunc(np.absolute, absolute)
map_ufunc(np.sign, sign)
map_ufunc(np.degrees, rad2deg)
map_ufunc(np.radians, deg2rad)
