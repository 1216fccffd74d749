"""Rules of products of matrices and of arrays with named axes; a batch of tangents is one stack more."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.contraction import contracted
from polyad.engine.core.kinds import Like, conj, expand, fit, general
from polyad.engine.core.values import Primitive, Value, is_real, ndim_of, shape_of
from polyad.engine.rules.structure import reshape, total, transpose

__all__ = ["adjoint", "lifted", "matmul", "swapped"]

Pull = Any


def swapped(a: Value) -> Value:
    """The last two axes exchanged."""
    n = len(a.shape)
    return transpose(a, axes=(*range(n - 2), n - 1, n - 2))


def adjoint(a: Value) -> Value:
    """The conjugate transpose of every matrix of a stack."""
    return conj(swapped(a))


# -- products -----------------------------------------------------------------------------------------


def _row(a: Value) -> Value:
    return reshape(a, shape=(*a.shape[:-1], 1, a.shape[-1]))


def _column(a: Value) -> Value:
    return reshape(a, shape=(*a.shape, 1))


def _push_matmul(y: Value, tangents: tuple[Value, ...], a: Value, b: Value) -> Value:
    ta, tb = tangents
    if ta is not None and tb is not None and len(a.shape) == len(b.shape) == 1:
        return matmul(ta, b) + matmul(tb, a)
    parts = []
    if ta is not None:
        parts.append(_matmul_left(ta, a, b))
    if tb is not None:
        parts.append(_matmul_right(tb, a, b))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _matmul_left(ta: Value, a: Value, b: Value) -> Value:
    """Every tangent of ``a`` times ``b``."""
    na, nb = ndim_of(a), ndim_of(b)
    if nb <= 2:
        return matmul(ta, b)  # rows of the batch are further rows, or further matrices
    if na == 1:
        k = ta.shape[0]
        rows = reshape(ta, shape=(k, *(1,) * (nb - 2), 1, ta.shape[-1]))
        product = matmul(rows, b)
        return reshape(product, shape=(*product.shape[:-2], product.shape[-1]))
    return matmul(lifted(ta, na, nb), b)


def _matmul_right(tb: Value, a: Value, b: Value) -> Value:
    """``a`` times every tangent of ``b``."""
    na, nb = ndim_of(a), ndim_of(b)
    if nb == 1:
        if na <= 2:
            return matmul(tb, swapped(a) if na == 2 else a)
        columns = reshape(tb, shape=(tb.shape[0], *(1,) * (na - 2), tb.shape[-1], 1))
        product = matmul(a, columns)
        return reshape(product, shape=product.shape[:-1])
    if na == 1:
        product = matmul(_row(a), tb)
        return reshape(product, shape=(*product.shape[:-2], product.shape[-1]))
    return matmul(a, lifted(tb, nb, na))


def lifted(t: Value, have: int, want: int) -> Value:
    """A batch whose matrices broadcast against a stack of ``want`` axes."""
    if have >= want:
        return t
    return reshape(t, shape=(t.shape[0], *(1,) * (want - have), *t.shape[1:]))


def _pull_left(y: Value, a: Value, b: Value) -> Pull:
    na, nb = ndim_of(a), ndim_of(b)
    if na == nb == 1 and is_real(a) and is_real(b):
        return lambda w: w * b
    like = Like(a)

    def pull(w: Value) -> Value:
        if na == 1 and nb == 1:
            return fit(w * conj(b), like)
        if nb == 1:
            return fit(_column(w) * conj(b), like)
        if na == 1:
            product = matmul(_row(w), adjoint(b))
            return fit(reshape(product, shape=(*product.shape[:-2], product.shape[-1])), like)
        return fit(matmul(w, adjoint(b)), like)

    return pull


def _pull_right(y: Value, a: Value, b: Value) -> Pull:
    na, nb = ndim_of(a), ndim_of(b)
    if na == nb == 1 and is_real(a) and is_real(b):
        return lambda w: w * a
    like = Like(b)

    def pull(w: Value) -> Value:
        if na == 1 and nb == 1:
            return fit(w * conj(a), like)
        if na == 1:
            return fit(_column(conj(a)) * _row(w), like)
        if nb == 1:
            if na == 2:
                return fit(matmul(w, conj(a)), like)
            product = matmul(adjoint(a), _column(w))
            return fit(reshape(product, shape=product.shape[:-1]), like)
        return fit(matmul(adjoint(a), w), like)

    return pull


matmul: Primitive = general("matmul", np.matmul, _push_matmul, _pull_left, _pull_right)


# -- sums of products over named axes -------------------------------------------------------------------


def _push_einsum(y: Value, tangents: tuple[Value, ...], *operands: Value, subscripts: str) -> Value:
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    batch = next(c for c in LETTERS if c not in subscripts)
    result = None
    for k, t in enumerate(tangents):
        if t is None:
            continue
        named = ",".join(batch + term if j == k else term for j, term in enumerate(terms))
        part = einsum(
            *(t if j == k else o for j, o in enumerate(operands)), subscripts=f"{named}->{batch}{output}"
        )
        result = part if result is None else result + part
    return result


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _joint_einsum(which: tuple[int, ...], y: Value, *operands: Value, subscripts: str) -> Pull:
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    shapes = [shape_of(o) for o in operands]
    reals = [is_real(o) for o in operands]

    def one(k: int, w: Value) -> Value:
        others = [j for j in range(len(terms)) if j != k]
        reachable = set(output).union(*(terms[j] for j in others))
        present = "".join(c for c in terms[k] if c in reachable)
        named = ",".join([output, *(terms[j] for j in others)])
        g = einsum(w, *(conj(operands[j]) for j in others), subscripts=f"{named}->{present}")
        # letters that only this operand had were summed: its cotangent is constant along them
        missing = tuple(n if c in present else 1 for c, n in zip(terms[k], shapes[k], strict=True))
        g = expand(reshape(g, shape=missing), shapes[k])
        return fit(g, Real(shapes[k])) if reals[k] else g

    return lambda w: tuple(one(k, w) for k in which)


class Real:
    """A real operand of a shape, for ``fit``."""

    dtype = np.dtype(float)

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


# Every operand's letters are distinct, and the output is explicit: ``functions.products.einsum`` sees to it.
einsum: Primitive = general(
    "einsum",
    lambda *operands, subscripts: contracted(subscripts, *operands),
    _push_einsum,
    joint=_joint_einsum,
)


def trace_of(a: Value) -> Value:
    """The trace of every matrix of a stack."""
    eye = np.eye(a.shape[-2], a.shape[-1])
    return total(a * eye, axis=(len(a.shape) - 2, len(a.shape) - 1), keepdims=False)
