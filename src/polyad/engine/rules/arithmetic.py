"""Rules of arithmetic, written out for speed because every other rule uses them.

The operators of tracers are defined here.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable

import numpy as np

from polyad.engine.core.floating import silent
from polyad.engine.core.kinds import (
    PARTIALS,
    Like,
    aligned,
    beside,
    conj,
    constant,
    elementwise,
    expand,
    filled,
    fit,
    general,
)
from polyad.engine.core.table import map_ufunc
from polyad.engine.core.values import (
    PRIMITIVES,
    Binary,
    Primitive,
    Tracer,
    Value,
    base,
    is_real,
    ndim_of,
    shape_of,
)
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.masked import chosen

__all__ = [
    "add",
    "as_operand",
    "conjugate",
    "divide",
    "either",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "real",
    "subtract",
    "where",
]

Pull = Callable[[Value], Value]
_F8 = np.dtype(np.float64)


def _same(w: Value) -> Value:
    return w


def as_operand(a: Value, y: Value, factor: Pull) -> Pull:
    """``factor``, then summed to the operand's shape and made real where it is."""
    p, q = a, y
    while type(p) is Dual and type(q) is Dual:
        p, q = p.primal, q.primal
    if type(p) is np.ndarray and type(q) is np.ndarray and p.dtype is q.dtype and p.shape == q.shape:
        return factor  # as mostly
    there = shape_of(y)
    if shape_of(a) == there and (is_real(y) or not is_real(a)):
        return factor
    like = Like(a)
    if type(a) is np.float64 and type(y) is np.ndarray and y.dtype is _F8:
        return beside(factor, y, like)
    return lambda w: fit(expand(factor(w), there), like)


def _times(p: Value) -> Pull:
    """The product with the conjugate of a partial derivative."""
    return (lambda w: w * p) if is_real(p) else (lambda w: w * conj(p))


def _push_add(y: Value, tangents: tuple[Value, ...], a: Value, b: Value) -> Value:
    ta, tb = tangents
    ndim = ndim_of(y)
    if ta is None:
        return filled(aligned(tb, ndim), y)
    if tb is None:
        return filled(aligned(ta, ndim), y)
    if ta.ndim == tb.ndim:
        return ta + tb
    return aligned(ta, ndim) + aligned(tb, ndim)


def _push_subtract(y: Value, tangents: tuple[Value, ...], a: Value, b: Value) -> Value:
    ta, tb = tangents
    ndim = ndim_of(y)
    if ta is None:
        return filled(aligned(-tb, ndim), y)
    if tb is None:
        return filled(aligned(ta, ndim), y)
    if ta.ndim == tb.ndim:
        return ta - tb
    return aligned(ta, ndim) - aligned(tb, ndim)


def _push_multiply(y: Value, tangents: tuple[Value, ...], a: Value, b: Value) -> Value:
    ta, tb = tangents
    ndim = ndim_of(y)  # a complex number times a float64 of NumPy is a plain one
    if ta is None:
        return aligned(tb, ndim) * a
    if tb is None:
        return aligned(ta, ndim) * b
    if ndim:
        return aligned(ta, ndim) * b + aligned(tb, ndim) * a
    return ta * b + tb * a


def _push_divide(y: Value, tangents: tuple[Value, ...], a: Value, b: Value) -> Value:
    ta, tb = tangents
    ndim = ndim_of(y)
    if ta is None:
        return aligned(tb, ndim) * (-y / b)
    if tb is None:
        return aligned(ta, ndim) / b
    return (aligned(ta, ndim) - aligned(tb, ndim) * y) / b


def _pull_divided(y: Value, a: Value, b: Value) -> Pull:
    return as_operand(a, y, lambda w: w / conj(b))


def _pull_divisor(y: Value, a: Value, b: Value) -> Pull:
    return as_operand(b, y, lambda w: w * conj(-y / b))


def _keep(y: Value, t: Value, a: Value, b: Value) -> Value:
    return t


def _turn(y: Value, t: Value, a: Value, b: Value) -> Value:
    return -t


def _keep_back(y: Value, a: Value, b: Value) -> Pull:
    return _same


def _turn_back(y: Value, a: Value, b: Value) -> Pull:
    return operator.neg


add = Binary(
    "add",
    operator.add,
    _push_add,
    (lambda y, a, b: as_operand(a, y, _same), lambda y, a, b: as_operand(b, y, _same)),
    (_keep, _keep_back, _keep, _keep_back),
)
subtract = Binary(
    "subtract",
    operator.sub,
    _push_subtract,
    (lambda y, a, b: as_operand(a, y, _same), lambda y, a, b: as_operand(b, y, operator.neg)),
    (_keep, _keep_back, _turn, _turn_back),
)
multiply = Binary(
    "multiply",
    operator.mul,
    _push_multiply,
    (
        lambda y, a, b: as_operand(a, y, _times(b)),
        lambda y, a, b: as_operand(b, y, _times(a)),
    ),
    (
        lambda y, t, a, b: t * b,
        lambda y, a, b: lambda w: w * b,
        lambda y, t, a, b: t * a,
        lambda y, a, b: lambda w: w * a,
    ),
)
divide = Binary(
    "divide",
    operator.truediv,
    _push_divide,
    (_pull_divided, _pull_divisor),
    (
        lambda y, t, a, b: t / b,
        lambda y, a, b: lambda w: w / b,
        lambda y, t, a, b: t * (-y / b),
        lambda y, a, b: lambda w: w * conj(-y / b),
    ),
)
negative: Primitive = general(
    "negative",
    operator.neg,
    lambda y, tangents, x: -tangents[0],
    lambda y, x: operator.neg,
    lazy=True,
)

# -- complex parts ----------------------------------------------------------------------------------

conjugate: Primitive = general(
    "conjugate",
    np.conjugate,
    lambda y, tangents, x: conj(tangents[0]),
    lambda y, x: conj,
    lazy=True,
)
real: Primitive = general(
    "real",
    np.real,
    lambda y, tangents, x: real(tangents[0]),
    lambda y, x: _same if is_real(x) else lambda w: w + 0j,
    lazy=True,
)

# -- comparisons and choice -------------------------------------------------------------------------

less = constant("less", operator.lt)
less_equal = constant("less_equal", operator.le)
greater = constant("greater", operator.gt)
greater_equal = constant("greater_equal", operator.ge)
equal = constant("equal", operator.eq)
not_equal = constant("not_equal", operator.ne)


def _push_where(y: Value, tangents: tuple[Value, ...], condition: Value, a: Value, b: Value) -> Value:
    _, ta, tb = tangents
    ndim = ndim_of(y)
    ta = 0.0 if ta is None else aligned(ta, ndim)
    tb = 0.0 if tb is None else aligned(tb, ndim)
    return filled(where(condition, ta, tb), y)


def _pull_where(y: Value, c: Value, operand: Value, side: bool) -> Pull:
    fitted = as_operand(operand, y, _same)

    def pull(w: Value) -> Value:
        w = chosen(w, c, side)
        return None if w is None else fitted(w)

    return pull


where: Primitive = general(
    "where",
    np.where,
    _push_where,
    lambda y, c, a, b: lambda w: None,
    lambda y, c, a, b: _pull_where(y, c, a, True),
    lambda y, c, a, b: _pull_where(y, c, b, False),
)

# ``where`` of two sides that have finite derivatives wherever they are taken or not: nothing is to be gated
either = copy.copy(where)
either.chooses = False

# -- powers -----------------------------------------------------------------------------------------

log = elementwise("log", np.log, lambda x: 1 / x)


def exponent_partial(a: Value, b: Value) -> Value:
    """``b * a ** (b - 1)``, exact where the exponent is zero.

    Where the exponent carries a derivative, only the origin is left out: elsewhere it is a smooth function of
    both.
    """
    if type(b) is int or type(b) is float:
        if b == 2:
            return a * 2
        if b == 1:
            return 1.0
        return 0.0 if b == 0 else b * a ** (b - 1)
    constant_one = equal(b, 0)
    if isinstance(b, Tracer):
        constant_one = PRIMITIVES["logical_and"](base(constant_one), base(equal(a, 0)))
    return b * a ** where(constant_one, 1.0, b - 1)


def base_partial(y: Value, a: Value, b: Value) -> Value:
    """``y * log(a)``, whose limit at ``a = 0`` is 0 for every positive exponent."""
    a = where(equal(a, 0), 1.0, a)
    # a negative base has a complex power where the exponent is complex
    return y * log(a + 0j if is_real(a) and not is_real(y) else a)


def _pull_power(y: Value, a: Value, b: float) -> Pull:
    if b == 2:  # the factor first: most cotangents are still one number here, and a pass is saved
        return (lambda w: w * 2 * a) if is_real(a) else (lambda w: w * 2 * conj(a))
    return lambda w: w * conj(exponent_partial(a, b))


def _push_exponent(y: Value, t: Value, a: Value, b: float) -> Value:
    if b == 2:
        return t * (a * 2)
    return t * exponent_partial(a, b) if b >= 1 else _push_root(y, t, a, b)


# from one on nothing is infinite, so that nothing has to be silent
_push_root = silent(lambda y, t, a, b: t * exponent_partial(a, b))


def _push_power(y: Value, tangents: tuple[Value, ...], a: Value, b: Value) -> Value:
    ta, tb = tangents
    ndim = ndim_of(y)
    if tb is None:
        return filled(aligned(ta, ndim) * exponent_partial(a, b), y)
    t = aligned(tb, ndim) * base_partial(y, a, b)
    if ta is not None:
        t = aligned(ta, ndim) * exponent_partial(a, b) + t
    return filled(t, y)


power = Binary(
    "power",
    operator.pow,
    _push_power,
    (
        lambda y, a, b: as_operand(a, y, lambda w: w * conj(exponent_partial(a, b))),
        lambda y, a, b: as_operand(b, y, lambda w: w * conj(base_partial(y, a, b))),
    ),
    (
        _push_exponent,
        _pull_power,
        lambda y, t, a, b: t * base_partial(y, a, b),
        lambda y, a, b: lambda w: w * conj(base_partial(y, a, b)),
    ),
)
# for the frameworks that take the rule from the table
PARTIALS["power"] = (lambda y, a, b: exponent_partial(a, b), base_partial), True


# -- the operators of tracers -----------------------------------------------------------------------


def _binary(primitive: Binary) -> tuple[Callable[..., Value], Callable[..., Value]]:
    # as the primitive itself does, in a step less
    def forward(self: Tracer, other: Value) -> Value:
        kind = type(other)
        if kind is float or kind is int:
            return self.with_number(primitive, self, other, 0)
        return self.with_value(primitive, self, other) if kind is np.ndarray else primitive(self, other)

    def reflected(self: Tracer, other: Value) -> Value:
        kind = type(other)
        if kind is float or kind is int:
            return self.with_number(primitive, other, self, 1)
        return self.with_value(primitive, other, self) if kind is np.ndarray else primitive(other, self)

    return forward, reflected


for _name, _primitive in {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": divide,
    "pow": power,
}.items():
    _forward, _reflected = _binary(_primitive)
    setattr(Tracer, f"__{_name}__", _forward)
    setattr(Tracer, f"__r{_name}__", _reflected)


def _matmul(self: Tracer, other: Value) -> Value:
    return PRIMITIVES["matmul"](self, other)


def _rmatmul(self: Tracer, other: Value) -> Value:
    return PRIMITIVES["matmul"](other, self)


def _negative(self: Tracer) -> Value:
    return negative(self)


for _name, _method in {"matmul": _matmul, "rmatmul": _rmatmul, "neg": _negative}.items():
    setattr(Tracer, f"__{_name}__", _method)


for _name in ("add", "subtract", "multiply", "divide", "negative", "power", "conjugate", "log"):
    map_ufunc(getattr(np, _name), PRIMITIVES[_name])
