"""NumPy's products of arrays, made of primitives."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.kinds import conj
from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import FUNCTIONS, function, map_ufunc
from polyad.engine.core.values import Value, axis_of, ndim_of, shape_of
from polyad.engine.functions.reduction import sum_
from polyad.engine.functions.structure import array_of, cast
from polyad.engine.rules import products as rules
from polyad.engine.rules.structure import broadcast_to, getitem, reshape, transpose

__all__ = ["dot", "tensordot", "trace"]

map_ufunc(np.matmul, rules.matmul)


@function(np.dot)
def dot(a: Value, b: Value) -> Value:
    a, b = array_of(a), array_of(b)
    na, nb = ndim_of(a), ndim_of(b)
    if na == 0 or nb == 0:
        return a * b
    if nb <= 2:
        return rules.matmul(a, b)
    return tensordot(a, b, axes=((na - 1,), (nb - 2,)))


@function(np.vdot)
def vdot(a: Value, b: Value) -> Value:
    return rules.matmul(conj(reshape(array_of(a), shape=(-1,))), reshape(array_of(b), shape=(-1,)))


@function(np.inner)
def inner(a: Value, b: Value) -> Value:
    a, b = array_of(a), array_of(b)
    if ndim_of(a) == 0 or ndim_of(b) == 0:
        return a * b
    return tensordot(a, b, axes=((ndim_of(a) - 1,), (ndim_of(b) - 1,)))


@function(np.outer, np.linalg.outer)
def outer(a: Value, b: Value) -> Value:
    return reshape(array_of(a), shape=(-1, 1)) * reshape(array_of(b), shape=(1, -1))


@function(np.tensordot, np.linalg.tensordot)
def tensordot(a: Value, b: Value, axes: Any = 2) -> Value:
    a, b = array_of(a), array_of(b)
    na, nb = ndim_of(a), ndim_of(b)
    if isinstance(axes, int | np.integer):
        left, right = tuple(range(na - axes, na)), tuple(range(axes))
    else:
        pairs = [tuple(k) if isinstance(k, tuple | list | np.ndarray) else (k,) for k in axes]
        left, right = tuple(int(k) % na for k in pairs[0]), tuple(int(k) % nb for k in pairs[1])
    rest_a = [k for k in range(na) if k not in left]
    rest_b = [k for k in range(nb) if k not in right]
    shape = tuple(a.shape[k] for k in rest_a) + tuple(b.shape[k] for k in rest_b)
    inner_size = 1
    for k in left:
        inner_size *= a.shape[k]
    rows, columns = 1, 1
    for k in rest_a:
        rows *= a.shape[k]
    for k in rest_b:
        columns *= b.shape[k]
    a = reshape(transpose(a, axes=(*rest_a, *left)), shape=(rows, inner_size))
    b = reshape(transpose(b, axes=(*right, *rest_b)), shape=(inner_size, columns))
    return reshape(rules.matmul(a, b), shape=shape)


@function(np.trace)
def trace(a: Value, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Value:
    return sum_(FUNCTIONS[np.diagonal](a, offset=offset, axis1=axis1, axis2=axis2), -1)


@function(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Value:
    parts = [array_of(a) for a in arrays]
    result = parts[0]
    for a in parts[1:]:
        result = dot(result, a)
    return result


@function(np.kron)
def kron(a: Value, b: Value) -> Value:
    a, b = array_of(a), array_of(b)
    n = max(ndim_of(a), ndim_of(b))
    shape_a = (1,) * (n - ndim_of(a)) + shape_of(a)
    shape_b = (1,) * (n - ndim_of(b)) + shape_of(b)
    wide = reshape(a, shape=tuple(m for k in shape_a for m in (k, 1)))
    narrow = reshape(b, shape=tuple(m for k in shape_b for m in (1, k)))
    return reshape(wide * narrow, shape=tuple(p * q for p, q in zip(shape_a, shape_b, strict=True)))


@function(np.cross)
def cross(
    a: Value, b: Value, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Value:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _last(array_of(a), axisa), _last(array_of(b), axisb)
    if shape_of(a)[-1] != 3 or shape_of(b)[-1] != 3:
        raise refuse("np.cross of vectors that are not of length 3", "use three components")
    p, q = [2, 0, 1], [1, 2, 0]
    part = lambda v, k: getitem(v, index=(..., np.array(k)))  # noqa: E731
    result = part(a, q) * part(b, p) - part(a, p) * part(b, q)
    n = ndim_of(result)
    place = axisc % n
    return transpose(result, axes=(*range(place), n - 1, *range(place, n - 1)))


function(np.linalg.matmul)(lambda x1, x2, /: rules.matmul(array_of(x1), array_of(x2)))
function(np.linalg.trace)(lambda x, /, *, offset=0, dtype=None: trace(x, offset, -2, -1))
function(np.linalg.cross)(lambda x1, x2, /, *, axis=-1: cross(x1, x2, axis=axis))


def _last(a: Value, axis: int) -> Value:
    n = ndim_of(a)
    return transpose(a, axes=(*(k for k in range(n) if k != axis_of(axis, n)), axis_of(axis, n)))


@function(np.linalg.vecdot)
def vecdot(x1: Value, x2: Value, /, axis: int = -1) -> Value:
    x1, x2 = array_of(x1), array_of(x2)
    return cast(sum_(conj(x1) * x2, axis), np.result_type(x1.dtype, x2.dtype))  # as a product, not as a sum


map_ufunc(np.vecdot, vecdot)
map_ufunc(np.matvec, lambda a, b: _vector(rules.matmul(a, reshape(b, shape=(*shape_of(b), 1)))))
map_ufunc(
    np.vecmat,
    lambda a, b: _vector(rules.matmul(rules.adjoint(b), reshape(a, shape=(*shape_of(a), 1))), True),
)


def _vector(column: Value, conjugated: bool = False) -> Value:
    flat = reshape(column, shape=shape_of(column)[:-1])
    return conj(flat) if conjugated else flat


# -- named axes ---------------------------------------------------------------------------------------


@function(np.einsum)
def einsum(
    *operands: Any, optimize: Any = False, dtype: Any = None, order: str = "K", casting: str = "safe"
) -> Value:
    """Explicit output, no ellipsis, no letter twice in an operand: then the rule's form holds."""
    if not isinstance(operands[0], str):
        subscripts, arrays = _from_lists(operands)
    else:
        subscripts, arrays = operands[0].replace(" ", ""), [array_of(a) for a in operands[1:]]
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    terms, output = _without_ellipsis(terms, output if arrow else None, [ndim_of(a) for a in arrays])
    for k, term in enumerate(terms):
        while len(set(term)) < len(term):
            arrays[k], term = _diagonal_of(arrays[k], term)
        terms[k] = term
    sizes: dict[str, int] = {}
    for term, a in zip(terms, arrays, strict=True):
        for c, n in zip(term, shape_of(a), strict=True):
            sizes[c] = max(sizes.get(c, 1), n)
    for k, term in enumerate(terms):
        full = tuple(sizes[c] for c in term)
        if full != shape_of(arrays[k]):
            arrays[k] = broadcast_to(arrays[k], shape=full)
    return rules.einsum(*arrays, subscripts=f"{','.join(terms)}->{output}")


def _from_lists(operands: tuple[Any, ...]) -> tuple[str, list[Value]]:
    """The form ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""
    letters = rules.LETTERS
    count = len(operands) // 2
    name = lambda axes: "".join("..." if k is Ellipsis else letters[k] for k in axes)  # noqa: E731
    text = ",".join(name(operands[2 * k + 1]) for k in range(count))
    if len(operands) % 2:
        text += "->" + name(operands[-1])
    return text, [array_of(operands[2 * k]) for k in range(count)]


def _without_ellipsis(terms: list[str], output: str | None, ndims: list[int]) -> tuple[list[str], str]:
    """Letters in place of ``...``, and the output that NumPy implies where none is given."""
    free = [c for c in rules.LETTERS if c not in "".join(terms)]
    longest = max(
        (n - len(t.replace("...", "")) for t, n in zip(terms, ndims, strict=True) if "..." in t), default=0
    )
    named = "".join(free[:longest])
    spelled = [
        t.replace("...", named[longest - (n - len(t) + 3) :]) if "..." in t else t
        for t, n in zip(terms, ndims, strict=True)
    ]
    if output is None:
        letters = "".join(terms).replace(".", "")
        output = (named if any("..." in t for t in terms) else "") + "".join(
            sorted(c for c in set(letters) if letters.count(c) == 1)
        )
    return spelled, output.replace("...", named)


def _diagonal_of(a: Value, term: str) -> tuple[Value, str]:
    """The first letter that stands twice, once."""
    c = next(c for c in term if term.count(c) > 1)
    i = term.index(c)
    j = term.index(c, i + 1)
    n = shape_of(a)[i]
    rest = [k for k in range(len(term)) if k not in (i, j)]
    moved = transpose(a, axes=(i, j, *rest))
    return getitem(moved, index=(np.arange(n), np.arange(n))), c + "".join(term[k] for k in rest)
