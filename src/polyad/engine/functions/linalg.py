"""NumPy's linear algebra, made of primitives; products are in ``functions.products``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.engine.core.kinds import conj, constant
from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import FUNCTIONS, function
from polyad.engine.core.values import Value, base, is_real, ndim_of, shape_of
from polyad.engine.functions.reduction import Axis, Rooted, axes_of, max_, min_, root_of, sum_
from polyad.engine.functions.structure import array_of, cast
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules import degenerate, determinant, factorizations, matrix_functions, products
from polyad.engine.rules.arithmetic import equal, less_equal, multiply, power, real, where
from polyad.engine.rules.elementwise import absolute, imag, sign
from polyad.engine.rules.products import swapped
from polyad.engine.rules.rank import unless
from polyad.engine.rules.reduction import argmax, argsort
from polyad.engine.rules.structure import (
    broadcast_to,
    concatenate,
    getitem,
    reshape,
    take_along_axis,
    transpose,
)

__all__ = ["norm", "svdvals", "triangle"]

EPS = float(np.finfo(float).eps)

# -- norms --------------------------------------------------------------------------------------------


@function(np.linalg.norm)
def norm(x: Value, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    x = array_of(x)
    axes = axes_of(axis, ndim_of(x))
    if axes is None:
        if ord is None:
            return _euclidean(x, None, keepdims)
        axes = tuple(range(ndim_of(x)))
    if len(axes) == 1:
        return _of_vector(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) == 2 and axes[0] != axes[1]:
        return _of_matrix(x, "fro" if ord is None else ord, axes, keepdims)
    raise ValueError("Improper number of dimensions to norm.")


@function(np.linalg.vector_norm)
def vector_norm(x: Value, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = array_of(x)
    if axis is None:
        flat = _of_vector(reshape(x, shape=(-1,)), ord, (0,), False)
        if keepdims and isinstance(flat, Rooted):
            return flat.map(lambda a: reshape(a, shape=(1,) * ndim_of(x)))
        return reshape(flat, shape=(1,) * ndim_of(x)) if keepdims else flat
    axes = axes_of(axis, ndim_of(x)) or ()
    return _of_vector(x, ord, axes, keepdims)


@function(np.linalg.matrix_norm)
def matrix_norm(x: Value, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    x = array_of(x)
    return _of_matrix(x, ord, (ndim_of(x) - 2, ndim_of(x) - 1), keepdims)


def _euclidean(x: Value, axes: Any, keepdims: bool) -> Rooted:
    """The root of the sum of squares, which remembers its square."""
    s = sum_(_squared(x), axes, keepdims=keepdims)
    return Rooted(root_of(s), s, "norm", x, (axes, keepdims))


def _of_vector(x: Value, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == 2:
        return _euclidean(x, axes, keepdims)
    size = absolute(x)
    if ord == np.inf:
        return max_(size, axes, keepdims)
    if ord == -np.inf:
        return min_(size, axes, keepdims)
    if ord == 1:
        return sum_(size, axes, keepdims=keepdims)
    if ord == 0:
        return sum_(cast(where(equal(size, 0), 0.0, 1.0), size.dtype), axes, keepdims=keepdims)
    if ord < 0:
        return power(sum_(power(size, ord), axes, keepdims=keepdims), 1.0 / ord)
    return root_of(sum_(power(size, ord), axes, keepdims=keepdims), 1.0 / ord)


def _of_matrix(x: Value, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    rows, columns = axes
    if ord == "fro":
        return _euclidean(x, axes, keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
        result = (max_ if ord > 0 else min_)(sum_(absolute(x), first, keepdims=True), second, True)
    elif ord in (2, -2, "nuc"):
        others = [k for k in range(ndim_of(x)) if k not in axes]
        s = svdvals(transpose(x, axes=(*others, rows, columns)))
        result = sum_(s, -1) if ord == "nuc" else getitem(s, index=(..., 0 if ord > 0 else -1))
    else:
        raise ValueError("Invalid norm order for matrices.")
    return reshape(
        result,
        shape=tuple(1 if k in axes else n for k, n in enumerate(shape_of(x)) if keepdims or k not in axes),
    )


def _squared(x: Value) -> Value:
    return x * x if is_real(x) else real(x * conj(x))


@function(np.linalg.cond)
def cond(x: Value, p: Any = None) -> Value:
    """The norm of a matrix times that of its inverse."""
    x = array_of(x)
    if p in (None, 2, -2):
        s = svdvals(x)
        largest, smallest = getitem(s, index=(..., 0)), getitem(s, index=(..., -1))
        return smallest / largest if p == -2 else largest / smallest
    sizes = [norm(m, p, (-2, -1)) for m in (x, factorizations.inv(x))]
    first, second = (n.value if isinstance(n, Rooted) else n for n in sizes)
    return first * second


_matrix_rank = constant("matrix_rank", np.linalg.matrix_rank)


@function(np.linalg.matrix_rank)
def matrix_rank(A: Value, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Value:
    """Constant in pieces."""
    options = {"tol": tol, "hermitian": hermitian, "rtol": rtol}
    return _matrix_rank(A, **{k: base(v) for k, v in options.items() if v is not None and v is not False})


# the named tuples of NumPy's results
SLOGDET: Any = type(np.linalg.slogdet(np.eye(1)))
EIGH: Any = type(np.linalg.eigh(np.eye(1)))
EIG: Any = type(np.linalg.eig(np.eye(1)))
QR: Any = type(np.linalg.qr(np.eye(1)))
SVD: Any = type(np.linalg.svd(np.eye(1)))

# -- inverses and determinants --------------------------------------------------------------------------


@function(np.linalg.solve)
def solve(a: Value, b: Value) -> Value:
    a, b = array_of(a), array_of(b)
    if ndim_of(b) > 1:
        return factorizations.solve(a, b)
    x = factorizations.solve(a, reshape(b, shape=(*shape_of(b), 1)))
    return reshape(x, shape=shape_of(x)[:-1])


function(np.linalg.inv)(lambda a: factorizations.inv(array_of(a)))


@function(np.linalg.det)
def det(a: Value) -> Value:
    a = array_of(a)
    if a.shape[-1:] == (0,) and a.shape[-2:] == (0, 0):  # which the formulas of some libraries do not reach
        return sum_(sum_(a, -1), -1) + 1.0
    return determinant.det(a)


function(np.linalg.slogdet)(lambda a: SLOGDET(*determinant.slogdet(array_of(a))))
function(np.linalg.matrix_transpose)(lambda x, /: swapped(array_of(x)))
function(np.linalg.diagonal)(
    lambda x, /, *, offset=0: FUNCTIONS[np.diagonal](x, offset=offset, axis1=-2, axis2=-1)
)


@function(np.linalg.pinv)
def pinv(a: Value, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Value:
    """Its derivative is that at constant rank; the pseudo-inverse jumps where the rank does."""
    a = array_of(a)
    chosen = rcond if rtol is None else rtol
    if chosen is None:
        chosen = 1e-15 if rtol is None else max(a.shape[-2:]) * EPS
    return factorizations.pinv(a, rcond=chosen)


@function(np.linalg.lstsq)
def lstsq(a: Value, b: Value, rcond: Any = None) -> Any:
    """By the pseudo-inverse: the matrix must have full rank."""
    a, b = array_of(a), array_of(b)
    rcond = EPS * max(a.shape) if rcond is None else rcond
    s = svdvals(a)
    known, least = base(s), min(a.shape)
    x = products.matmul(factorizations.pinv(a, rcond=rcond), b)
    if isinstance(known, Proxy):
        rank: Any = _matrix_rank(a)
        # not a number where nobody can look, and no derivative either
        factor = unless(
            1.0,
            known,
            lambda s: _full_rank(s, rcond, least),
            lambda s: less_equal(getitem(s, index=-1), multiply(getitem(s, index=0), rcond)),
        )
        x = x if type(factor) is float else multiply(x, factor)
    else:
        rank = _full_rank(known, rcond, least)
    if a.shape[0] <= a.shape[1]:
        return x, np.zeros(0), rank, s
    squares = sum_(_squared(b - products.matmul(a, x)), 0)
    return x, squares if shape_of(squares) else reshape(squares, shape=(1,)), rank, s


def _full_rank(s: Any, rcond: float, least: int) -> int:
    rank = int((s > rcond * s[0]).sum())
    if rank < least:
        raise refuse("np.linalg.lstsq of a matrix without full rank", "add a regularisation")
    return rank


@function(np.linalg.tensorinv)
def tensorinv(a: Value, ind: int = 2) -> Value:
    a = array_of(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = shape_of(a)
    rows = math.prod(shape[:ind])
    return reshape(factorizations.inv(reshape(a, shape=(rows, -1))), shape=(*shape[ind:], *shape[:ind]))


@function(np.linalg.tensorsolve)
def tensorsolve(a: Value, b: Value, axes: Any = None) -> Value:
    a, b = array_of(a), array_of(b)
    n = ndim_of(a)
    if axes is not None:
        last = [int(k) % n for k in axes]
        a = transpose(a, axes=(*(k for k in range(n) if k not in last), *last))
    free = shape_of(a)[ndim_of(b) :]
    columns = math.prod(free)
    x = solve(reshape(a, shape=(-1, columns)), reshape(b, shape=(-1,)))
    return reshape(x, shape=free)


@function(np.linalg.matrix_power)
def matrix_power(a: Value, n: int) -> Value:
    if n < 0:
        a, n = factorizations.inv(a), -n
    result: Value = None
    while n:
        if n & 1:
            result = a if result is None else products.matmul(result, a)
        n >>= 1
        if n:
            a = products.matmul(a, a)
    return a * 0 + np.eye(a.shape[-1], dtype=a.dtype) if result is None else result


# -- factorisations -------------------------------------------------------------------------------------


@function(np.linalg.cholesky)
def cholesky(a: Value, /, *, upper: bool = False) -> Value:
    """Of what LAPACK reads: one triangle."""
    if upper:
        return products.adjoint(factorizations.cholesky(triangle(array_of(a), "U")))
    return factorizations.cholesky(triangle(array_of(a), "L"))


def triangle(a: Value, uplo: str) -> Value:
    """What NumPy reads of a matrix that is said to be symmetric."""
    n = a.shape[-1]
    ones, one = np.ones((n, n), dtype=bool), np.eye(n, dtype=bool)
    part = np.tril(ones, -1) if uplo.upper() == "L" else np.triu(ones, 1)
    diagonal = a * one if is_real(a) else cast(real(a * one), a.dtype)
    return a * part + diagonal + products.adjoint(a * part)


function(np.linalg.eigh)(lambda a, UPLO="L": EIGH(*degenerate.eigh(triangle(array_of(a), UPLO))))
function(np.linalg.eigvalsh)(lambda a, UPLO="L": degenerate.eigvalsh(triangle(array_of(a), UPLO)))
function(np.linalg.eigvals)(lambda a: matrix_functions.eig(array_of(a))[0])


@function(np.linalg.eig)
def eig(a: Value) -> Any:
    """Eigenvectors of length one, as LAPACK has them: of complex ones the largest component is real."""
    values, vectors = matrix_functions.eig(array_of(a))
    if not is_real(vectors):
        # which component LAPACK took: of those without imaginary part the largest
        v = base(vectors)
        sizes = absolute(v)
        largest = argmax(where(equal(imag(v), 0), sizes, sizes * 1e-3), axis=ndim_of(v) - 2, keepdims=True)
        pivot = take_along_axis(vectors, largest, ndim_of(v) - 2)
        vectors = vectors * (conj(pivot) / absolute(pivot) * sign(real(pivot)))
    return EIG(values, vectors / norm(vectors, None, -2, True).value)


@function(np.linalg.svdvals)
def svdvals(x: Value, /) -> Value:
    return degenerate.svdvals(array_of(x))


@function(np.linalg.svd)
def svd(a: Value, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = array_of(a)
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    if not compute_uv:
        return svdvals(a)
    if full_matrices and a.shape[-1] != a.shape[-2]:
        raise refuse(
            "np.linalg.svd with full_matrices=True, whose additional vectors are not determined,",
            "pass full_matrices=False",
        )
    if not is_real(a):
        raise refuse(
            "np.linalg.svd of a complex matrix, whose vectors have a phase that is not determined,",
            "use np.linalg.svdvals, or np.linalg.svd of real matrices",
        )
    return SVD(*degenerate.svd(a))


def _hermitian_svd(a: Value, compute_uv: bool) -> Any:
    """The singular values are the sizes of the eigenvalues."""
    d, v = degenerate.eigh(triangle(a, "L"))
    s, last = absolute(d), ndim_of(d) - 1
    order = argsort(-s, axis=last, kind="stable")
    s = take_along_axis(s, order, last)
    if not compute_uv:
        return s
    signs = take_along_axis(sign(d), order, last)
    places = broadcast_to(reshape(order, shape=(*shape_of(order)[:-1], 1, -1)), shape=shape_of(v))
    u = take_along_axis(v, places, last + 1)
    return SVD(u, s, products.adjoint(u * reshape(signs, shape=(*shape_of(signs)[:-1], 1, -1))))


@function(np.linalg.qr)
def qr(a: Value, mode: str = "reduced") -> Any:
    a = array_of(a)
    m, n = a.shape[-2:]
    if mode == "complete" and m <= n:
        mode = "reduced"
    if mode not in ("reduced", "r"):
        raise refuse(f"np.linalg.qr with mode={mode!r}", "use mode='reduced' or 'r'")
    if m < n:  # the further columns do not change the first factor
        q, r = factorizations.qr(getitem(a, index=(..., slice(0, m))))
        rest = products.matmul(products.adjoint(q), getitem(a, index=(..., slice(m, None))))
        r = concatenate(r, rest, axis=ndim_of(a) - 1)
    else:
        q, r = factorizations.qr(a)
    return r if mode == "r" else QR(q, r)
