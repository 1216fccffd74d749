"""Rules of Taylor mode: for each primitive, how the coefficients of its result are computed.

The recurrences are those of Griewank and Walther, Evaluating Derivatives (2nd ed., 2008), tables 13.1
and 13.2. A primitive without a line here follows from its partial derivatives as the differential
equation ``y' = sum(partial * operand')``. The partials of most special functions are others of their family
(the derivative of a Bessel function is two more), whose expansions are remembered during one operation, so
that ``k`` coefficients need ``k`` neighbours, not ``2**k``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from polyad.engine.core.kinds import PARTIALS, missing_partial, zeros_of
from polyad.engine.core.values import (
    PRIMITIVES,
    Primitive,
    Tracer,
    Value,
    is_real,
    new_level,
    shape_of,
    under_way,
)
from polyad.engine.interpretations.series import BILINEAR, ELEMENTWISE, LINEAR, RULES, Series
from polyad.engine.rules.arithmetic import (
    divide,
    equal,
    exponent_partial,
    greater,
    less,
    log,
    multiply,
    real,
    where,
)
from polyad.engine.rules.elementwise import cos, cosh, exp, sign, sin, sinh, sqrt
from polyad.engine.rules.reduction import tie_shares
from polyad.engine.rules.structure import broadcast_to, total

__all__: list[str] = []

Row = list[Value]
Rule = Callable[..., Any]

# During the expansion of one operation: what has been expanded so far, by operation and operands.
_KNOWN: ContextVar[dict[Any, Any] | None] = ContextVar("_KNOWN", default=None)


# -- helpers ----------------------------------------------------------------------------------------


def zeroth(a: Any) -> Value:
    return a[0] if type(a) is list else a


def filled(c: Value, y: Value) -> Value:
    """A coefficient in the shape of the value; zeros where there is none."""
    shape = shape_of(y)
    if c is None:
        return zeros_of(y, shape)
    return c if shape_of(c) == shape else broadcast_to(c, shape=shape)


def convolved(a: Row, b: Row, j: int, first: int, last: int, product: Rule = multiply) -> Value:
    """``sum(a[i] * b[j - i])`` for i from ``first`` to ``last``; None where there is no term."""
    result = None
    for i in range(first, last + 1):
        if b[j - i] is not None:
            term = product(a[i], b[j - i])
            result = term if result is None else result + term
    return result


def _slopes(a: Row) -> Row:
    """``i * a[i]``, as the recurrences want them; the first is not used."""
    return [None, *(c * i for i, c in enumerate(a[1:], 1))]


def minus(a: Value, b: Value) -> Value:
    """``a - b``, where None stands for zero."""
    if b is None:
        return a
    return -b if a is None else a - b


def coefficient(a: Any, j: int) -> Value:
    """The coefficient of an operand that may be constant."""
    if type(a) is list:
        return a[j]
    return None if j else a


def series_of(rows: Any, n: int, level: int) -> Value:
    """The first ``n`` coefficients as one value; a constant as it is."""
    if type(rows) is not list:
        return rows
    return rows[0] if n == 1 else Series(level, rows[:n])


def row_of(value: Value, n: int, level: int) -> Row:
    """The coefficients of a value; None for those of a constant."""
    if type(value) is Series and value.level == level:
        return value.coefficients
    return [value] + [None] * (n - 1)


# -- what everything without a rule of its own follows from -------------------------------------------------


def _remembered(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """``_by_partials``, once for the same coefficients within the expansion of one operation."""
    known = _KNOWN.get()
    if known is None:
        try:  # Ctrl-C may come between any two calls
            _KNOWN.set({})
            return _by_partials(primitive, order, operands, params)
        finally:
            _KNOWN.set(None)
    key = (primitive.name, order, *map(_identity, operands), *params.items())
    if key not in known:
        # with the operands, so that no other object takes the address of one of them meanwhile
        known[key] = operands, _by_partials(primitive, order, operands, params)
    return known[key][1]


RULES[ELEMENTWISE] = _remembered


def _identity(a: Any) -> Any:
    """What tells an operand from others: a constant its value, coefficients and tracers themselves."""
    if type(a) is list:
        return tuple(map(id, a))
    if isinstance(a, np.ndarray):
        return a.shape, a.dtype.str, a.tobytes()
    return id(a) if isinstance(a, Tracer) else a


def _by_partials(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """``y' = sum(partial * operand')`` for elementwise functions."""
    if primitive.home != "user":
        return _integrated(primitive, order, operands, params, new_level())
    with under_way() as level:  # a user's partial may differentiate in its turn
        return _integrated(primitive, order, operands, params, level)


def _integrated(
    primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any], level: int
) -> Row:
    partials, of_result = PARTIALS[primitive.name]
    y = [primitive(*map(zeroth, operands), **params)]
    active = [k for k, a in enumerate(operands) if type(a) is list]
    for k in active:
        if partials[k] is None:
            raise missing_partial(primitive.name, k)
    slopes = {k: _slopes(operands[k]) for k in active}

    def expanded(k: int, n: int) -> Row:
        """Coefficients of a partial, from the first ``n`` of operands and, if it needs it, result."""
        values = [series_of(a, n, level) for a in operands]
        known = series_of(y, n, level) if of_result else y[0]
        return row_of(partials[k](known, *values, **params), n, level)  # type: ignore[misc]

    rows = {k: [] if of_result else expanded(k, order) for k in active} if order else {}
    for j in range(1, order + 1):
        rise = None
        for k in active:
            if of_result:
                rows[k].append(expanded(k, j)[j - 1])
            term = convolved(slopes[k], rows[k], j, 1, j)
            rise = term if rise is None else rise if term is None else rise + term
        y.append(filled(rise if rise is None else rise / j, y[0]))
    return y


def through(f: Rule) -> Rule:
    """A rule in terms of other primitives."""

    def rule(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
        level = new_level()
        made = f(*(series_of(a, order + 1, level) for a in operands), **params)
        row = row_of(made, order + 1, level)
        return [filled(c, row[0]) for c in row]

    return rule


# -- linear and bilinear ----------------------------------------------------------------------------------


def _linear(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    return [primitive(c, **params) for c in operands[0]]


def _sum(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """Addition and subtraction: constants count once."""
    y = primitive(*map(zeroth, operands))
    a, b = operands
    if type(a) is list and type(b) is list:
        return [y, *(primitive(a[j], b[j]) for j in range(1, order + 1))]
    if type(a) is list:
        return [y, *(filled(c, y) for c in a[1:])]
    return [y, *(filled(primitive(0.0, c), y) for c in b[1:])]


def _together(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """Linear in all operands at once: joined, assigned."""
    y = [primitive(*map(zeroth, operands), **params)]
    for j in range(1, order + 1):
        parts = [a[j] if type(a) is list else zeros_of(a, shape_of(a)) for a in map(_array, operands)]
        y.append(primitive(*parts, **params))
    return y


def _array(a: Any) -> Any:
    """An operand with a dtype, which Python's numbers lack."""
    return a if type(a) is list or hasattr(a, "dtype") else np.asarray(a)


def _choice(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    condition, a, b = operands
    y = primitive(condition, zeroth(a), zeroth(b))
    rest = (
        primitive(condition, a[j] if type(a) is list else 0.0, b[j] if type(b) is list else 0.0)
        for j in range(1, order + 1)
    )
    return [y, *(filled(c, y) for c in rest)]


def bilinear(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    a, b = operands

    def product(u: Value, v: Value) -> Value:
        return primitive(u, v, **params)

    if type(a) is list and type(b) is list:
        return [convolved(a, b, j, 0, j, product) for j in range(order + 1)]
    row = [product(c, b) for c in a] if type(a) is list else [product(a, c) for c in b]
    return [filled(c, row[0]) for c in row]


def _extremum(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """The coefficients where the extremum is; ties share equally, as in all modes."""
    (x,) = operands
    y = primitive(x[0], **params)
    shares = tie_shares(y, x[0], params["axis"])
    return [y, *(total(c * shares, **params) for c in x[1:])]


for _name in (
    "negative conjugate real imag reshape transpose broadcast_to sum astype getitem scatter cumsum fft ifft"
).split():
    RULES[_name] = _linear
RULES["add"] = RULES["subtract"] = _sum
RULES["concatenate"] = RULES["stack"] = RULES["setitem"] = _together
RULES["where"] = _choice
RULES["multiply"] = RULES["matmul"] = bilinear
RULES["max"] = RULES["min"] = _extremum
LINEAR.update(name for name, rule in RULES.items() if rule in (_linear, _sum, _together, _choice, _extremum))
BILINEAR.update(("multiply", "matmul"))

# -- quotients and powers ---------------------------------------------------------------------------------


def _divide(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    a, b = operands
    y = [divide(zeroth(a), zeroth(b))]
    if type(b) is not list:
        return [filled(c, y[0]) for c in (y[0], *(divide(c, b) for c in a[1:]))]
    for j in range(1, order + 1):
        y.append(filled(minus(coefficient(a, j), convolved(b, y, j, 1, j)) / b[0], y[0]))
    return y


def _power(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """A constant exponent loses one at every order, which stays right at zero; others are exponentials."""
    a, b = operands
    y = [primitive(zeroth(a), zeroth(b))]
    if not order:
        return y
    level = new_level()
    if type(b) is list:
        if type(a) is not list:
            # 0**b is zero for every positive b, and so are its derivatives
            a = where(equal(a, 0), 1.0, a)
        base = log(series_of(a, order + 1, level))
        exponent = row_of(multiply(series_of(b, order + 1, level), base), order + 1, level)
        return _growing(y[0], exponent, order)
    partial = row_of(exponent_partial(series_of(a, order, level), b), order, level)
    slopes = _slopes(a)
    for j in range(1, order + 1):
        rise = convolved(slopes, partial, j, 1, j)
        y.append(filled(None if rise is None else rise / j, y[0]))
    return y


def _growing(y0: Value, u: Row, order: int) -> Row:
    """``y' = y u'``, from its value."""
    y, slopes = [y0], _slopes(u)
    for j in range(1, order + 1):
        y.append(filled(convolved(slopes, y, j, 1, j) / j, y0))
    return y


def _larger(a: Value, b: Value, first: Value, second: Value) -> Value:
    """``first`` where a is larger, ``second`` where b is, both halves of ties."""
    return where(greater(a, b), first, where(less(a, b), second, (a + b) * 0.5))


def _sqrt(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    (x,) = operands
    y = [sqrt(x[0])]
    for j in range(1, order + 1):
        y.append(minus(x[j], convolved(y, y, j, 1, j - 1)) / (y[0] * 2))
    return y


def _log(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    (x,) = operands
    slopes: Row = [None]
    y = [log(x[0])]
    for j in range(1, order + 1):
        slopes.append((minus(x[j] * j, convolved(slopes, x, j, 1, j - 1))) / x[0])
        y.append(slopes[j] / j)
    return y


def _absolute(x: Value) -> Value:
    if is_real(x):
        return x * sign(x)
    a, b = real(x), PRIMITIVES["imag"](x)
    return sqrt(a * a + b * b)


RULES["maximum"] = through(lambda a, b: _larger(a, b, a, b))
RULES["minimum"] = through(lambda a, b: _larger(a, b, b, a))
RULES["divide"] = _divide
RULES["power"] = _power
RULES["sqrt"] = _sqrt
RULES["log"] = _log
RULES["square"] = through(lambda x: x * x)
RULES["reciprocal"] = through(lambda x: 1.0 / x)
RULES["absolute"] = through(_absolute)
RULES["exp"] = lambda primitive, order, operands, params: _growing(exp(operands[0][0]), operands[0], order)

# -- pairs that are each other's derivative, and functions with a quadratic equation -----------------


def _pair(f: Primitive, g: Primitive, turn: int, which: int) -> Rule:
    """``f' = g``, ``g' = turn * f``; the rule of the one or the other."""

    def rule(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
        (x,) = operands
        a, b, slopes = [f(x[0])], [g(x[0])], _slopes(x)
        for j in range(1, order + 1):
            rise, fall = (convolved(slopes, other, j, 1, j) / j for other in (b, a))
            a.append(rise)
            b.append(fall * turn)
        return (a, b)[which]

    return rule


def _quadratic(turn: int) -> Rule:
    """``y' = (1 + turn * y**2) x'``."""

    def rule(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
        (x,) = operands
        y, slopes = [primitive(x[0])], _slopes(x)
        q = [1 + turn * y[0] * y[0]]
        for j in range(1, order + 1):
            y.append(convolved(slopes, q, j, 1, j) / j)
            q.append(turn * convolved(y, y, j, 0, j))
        return y

    return rule


RULES["sin"], RULES["cos"] = _pair(sin, cos, -1, 0), _pair(sin, cos, -1, 1)
RULES["sinh"], RULES["cosh"] = _pair(sinh, cosh, 1, 0), _pair(sinh, cosh, 1, 1)
RULES["tan"], RULES["tanh"] = _quadratic(1), _quadratic(-1)
