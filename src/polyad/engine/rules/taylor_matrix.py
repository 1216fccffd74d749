"""Rules of Taylor mode for matrices, and for functions with rules of the user's.

Products of several operands go two at a time. Factorisations have their forward rule as the
differential equation, one coefficient after the other; so has what a user defines.
"""

from __future__ import annotations

from typing import Any

from polyad.engine.core.values import Primitive, Value, new_level, shape_of, under_way
from polyad.engine.interpretations.series import RULED, RULES
from polyad.engine.rules.products import einsum, matmul
from polyad.engine.rules.structure import getitem, reshape
from polyad.engine.rules.taylor import (
    Row,
    bilinear,
    coefficient,
    convolved,
    filled,
    minus,
    row_of,
    series_of,
    through,
    zeroth,
)

__all__: list[str] = []


def _by_push(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Any:
    """The forward rule as a differential equation, for factorisations of matrices."""
    assert primitive.push is not None
    found = primitive(*map(zeroth, operands), **params)
    ys: list[Row] = [[part] for part in found] if primitive.multiple else [[found]]
    for j in range(1, order + 1):
        level = new_level()
        tangents = [_tangent(a, j, level) for a in operands]
        values = [series_of(a, j, level) for a in operands]
        known = [series_of(y, j, level) for y in ys]
        pushed = primitive.push(tuple(known) if primitive.multiple else known[0], tangents, *values, **params)
        for y, t in zip(ys, pushed if primitive.multiple else (pushed,), strict=True):
            rise = None if t is None else row_of(t, j, level)[j - 1]
            y.append(filled(None if rise is None else getitem(rise, index=0) / j, y[0]))
    return ys if primitive.multiple else ys[0]


def _by_rule(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """A user's pushforward as the differential equation ``y' = jvp(x, x')``.

    It does not take the result, so that one run of it, on expansions that are one shorter, has them all.
    """
    y = [primitive(*map(zeroth, operands), **params)]
    if not order:
        return y
    assert primitive.push is not None
    with under_way() as level:
        tangents = [_tangent(a, order, level) for a in operands]
        values = [series_of(a, order, level) for a in operands]
        rises = row_of(primitive.push(y[0], tangents, *values, **params), order, level)
    for j, rise in enumerate(rises, 1):
        y.append(filled(None if rise is None else getitem(rise, index=0) / j, y[0]))
    return y


def _tangent(a: Any, n: int, level: int) -> Value:
    """The derivative of an operand by t as a batch of one tangent, ``n`` coefficients of it."""
    if type(a) is not list:
        return None
    rise = [reshape(c * i, shape=(1, *shape_of(c))) for i, c in enumerate(a[1 : n + 1], 1)]
    return series_of(rise, n, level)


def _einsum(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """A sum of products: two operands at once, the others one after the other."""
    active = [k for k, a in enumerate(operands) if type(a) is list]
    if len(active) == 1:
        (k,) = active
        return [primitive(*operands[:k], c, *operands[k + 1 :], **params) for c in operands[k]]
    if len(operands) == 2:
        return bilinear(primitive, order, operands, params)
    return through(_pairwise)(primitive, order, operands, params)


def _pairwise(*operands: Value, subscripts: str) -> Value:
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    made, term = operands[0], terms[0]
    for k in range(1, len(terms)):
        wanted = set(output).union(*terms[k + 1 :])
        letters = dict.fromkeys(term + terms[k])
        kept = output if k == len(terms) - 1 else "".join(c for c in letters if c in wanted)
        made = einsum(made, operands[k], subscripts=f"{term},{terms[k]}->{kept}")
        term = kept
    return made


def _solve(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    """``a[0] y[j] = b[j] - sum(a[i] y[j - i])``."""
    a, b = operands
    y = [primitive(zeroth(a), zeroth(b))]
    for j in range(1, order + 1):
        known = convolved(a, y, j, 1, j, matmul) if type(a) is list else None
        y.append(filled(primitive(zeroth(a), minus(coefficient(b, j), known)), y[0]))
    return y


def _inv(primitive: Primitive, order: int, operands: list[Any], params: dict[str, Any]) -> Row:
    (a,) = operands
    y = [primitive(a[0])]
    for j in range(1, order + 1):
        y.append(matmul(-y[0], convolved(a, y, j, 1, j, matmul)))
    return y


RULES["solve"] = _solve
RULES["inv"] = _inv
for _name in (
    "gap_quotient det slogdet pinv cholesky eigh eigvalsh eig svd svdvals qr expm logm sqrtm solve_triangular"
).split():
    RULES[_name] = _by_push
RULES["einsum"] = _einsum
RULES[RULED] = _by_rule
