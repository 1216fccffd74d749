"""NumPy's polynomials, made of primitives: coefficients from the highest power down."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import function
from polyad.engine.core.values import Tracer, Value, is_real, ndim_of, shape_of
from polyad.engine.functions.calculus import convolve
from polyad.engine.functions.reduction import sum_
from polyad.engine.functions.structure import array_of, cast, values_of
from polyad.engine.rules import factorizations, matrix_functions, products
from polyad.engine.rules import structure as rules
from polyad.engine.rules.arithmetic import add, real, subtract
from polyad.engine.rules.elementwise import absolute, sqrt
from polyad.engine.rules.structure import concatenate, getitem, reshape

__all__: list[str] = []


def _coefficients(p: Any) -> Value:
    """Coefficients along the first axis."""
    p = array_of(p)
    return p if ndim_of(p) else reshape(p, shape=(1,))


def _trimmed(p: Any) -> Value:
    """Coefficients without leading zeros, as ``np.poly1d`` has them."""
    p = _coefficients(p)
    found = values_of(p)
    if found is None or not p.size or found[0] != 0:
        return p
    if isinstance(p, Tracer):
        raise refuse("np.polymul of a traced polynomial that begins with zero", "use np.convolve")
    kept = np.flatnonzero(found)
    return found[kept[0] if kept.size else -1 :]


def _degree_at_least(p: Value, length: int) -> Value:
    """Zeros in front, up to that many coefficients."""
    have, *rest = shape_of(p)
    return p if have >= length else concatenate(np.zeros((length - have, *rest), dtype=p.dtype), p, axis=0)


def _values(p: Value, name: str) -> np.ndarray:
    """The numbers themselves, which decide about the length of the result."""
    found = values_of(p)
    if found is None:
        raise refuse(
            f"np.{name}, the form of whose result depends on values that are not known yet,",
            "use backend='numpy', or np.convolve and np.linalg.eigvals",
        )
    return found


# -- values -----------------------------------------------------------------------------------------------


@function(np.polyval)
def polyval(p: Value, x: Value) -> Value:
    p, x = array_of(p), array_of(x)
    result: Value = getitem(p, index=0) + x * 0
    for k in range(1, shape_of(p)[0]):
        result = result * x + getitem(p, index=k)
    return result


@function(np.vander)
def vander(x: Value, N: int | None = None, increasing: bool = False) -> Value:
    x = array_of(x)
    x = cast(x, np.promote_types(x.dtype, int))  # as NumPy has it, single precision too
    n = shape_of(x)[0] if N is None else N
    powers: list[Value] = [x * 0 + 1]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    powers = powers[:n]
    return rules.stack(*(powers if increasing else powers[::-1]), axis=1) if n else np.zeros((x.size, 0))


# -- arithmetic -------------------------------------------------------------------------------------------


def _sum(join: Any) -> Any:
    def apply(a1: Value, a2: Value) -> Value:
        a1, a2 = _coefficients(a1), _coefficients(a2)
        length = max(shape_of(a1)[0], shape_of(a2)[0])
        return join(_degree_at_least(a1, length), _degree_at_least(a2, length))

    return apply


function(np.polyadd)(_sum(add))
function(np.polysub)(_sum(subtract))


@function(np.polymul)
def polymul(a1: Value, a2: Value) -> Value:
    return convolve(_trimmed(a1), _trimmed(a2))


@function(np.polydiv)
def polydiv(u: Value, v: Value) -> tuple[Value, Value]:
    """Long division; the remainder without leading zeros."""
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    m, n = shape_of(u)[0], shape_of(v)[0]
    steps = max(m - n + 1, 1)
    head = getitem(v, index=0)
    quotient: list[Value] = []
    rest = u
    for k in range(m - n + 1):
        quotient.append(getitem(rest, index=k) / head)
        rest = rest - rules.scatter(quotient[-1] * v, index=slice(k, k + n), shape=(m,))
    # NumPy takes off what is zero up to rounding
    sizes = np.abs(_values(rest, "polydiv"))
    start = 0
    while start < m - 1 and sizes[start] <= 1e-8:
        start += 1
    q = rules.stack(*quotient, axis=0) if quotient else np.zeros(steps)
    return q, getitem(rest, index=slice(start, None))


@function(np.polyder)
def polyder(p: Value, m: int = 1) -> Value:
    p = _coefficients(p)
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    for _ in range(int(m)):
        n = shape_of(p)[0] - 1
        p = getitem(p, index=slice(0, n)) * np.arange(n, 0, -1.0)
    return p


@function(np.polyint)
def polyint(p: Value, m: int = 1, k: Any = None) -> Value:
    p, m = _coefficients(p), int(m)
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else array_of(k)
    constants = reshape(constants, shape=(-1,))
    if shape_of(constants)[0] == 1 and m > 1:
        constants = constants * np.ones(m)
    if shape_of(constants)[0] < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for j in range(m):
        n = shape_of(p)[0]
        p = concatenate(p / np.arange(n, 0, -1.0), getitem(constants, index=slice(j, j + 1)), axis=0)
    return p


# -- roots ------------------------------------------------------------------------------------------------


@function(np.roots)
def roots(p: Value) -> Value:
    """Eigenvalues of the companion matrix; equal ones have no derivative and are refused."""
    p = array_of(p)
    if ndim_of(p) != 1:
        raise ValueError("Input must be a rank-1 array.")
    found, n = values_of(p), p.size
    if found is not None and n and not (found[0] and found[-1]):
        raise refuse(
            "np.roots of coefficients that begin or end with zero, where a root enters or leaves,",
            "leave these coefficients out",
        )
    if n < 2:
        return np.zeros(0)
    top = reshape(-getitem(p, index=slice(1, None)) / getitem(p, index=0), shape=(1, n - 1))
    companion = concatenate(top, np.eye(n - 2, n - 1), axis=0)
    return matrix_functions.eig(companion)[0]


@function(np.poly)
def poly(seq_of_zeros: Value) -> Value:
    """From roots, or from the eigenvalues of a matrix."""
    zeros = array_of(seq_of_zeros)
    zeros = reshape(zeros, shape=(1,)) if not ndim_of(zeros) else zeros
    zeros = zeros * 1.0 if zeros.dtype.kind in "biu" else zeros
    of_real_matrix = ndim_of(zeros) == 2 and is_real(zeros)
    if ndim_of(zeros) == 2:
        zeros = matrix_functions.eig(zeros)[0]
    result: Value = np.ones(1, dtype=zeros.dtype)
    for k in range(shape_of(zeros)[0]):
        factor = concatenate(np.ones(1, dtype=zeros.dtype), -getitem(zeros, index=slice(k, k + 1)), axis=0)
        result = convolve(result, factor)
    if is_real(zeros):
        return result
    if of_real_matrix:
        return real(result)
    found = _values(zeros, "poly")
    return real(result) if np.all(np.sort(found) == np.sort(found.conjugate())) else result


# -- fits -------------------------------------------------------------------------------------------------


@function(np.polyfit)
def polyfit(
    x: Value, y: Value, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """By the pseudo-inverse of the scaled Vandermonde matrix."""
    if full or cov:
        raise refuse("np.polyfit with full=True or cov=True", "use np.linalg.lstsq of np.vander(x, deg + 1)")
    x, y = array_of(x) + 0.0, array_of(y) + 0.0
    if shape_of(x)[0] <= deg:
        raise refuse("np.polyfit with fewer points than coefficients", "lower the degree")
    left = vander(x, int(deg) + 1)
    if w is not None:
        w = array_of(w) + 0.0
        left = left * reshape(w, shape=(-1, 1))
        y = y * (reshape(w, shape=(-1, 1)) if ndim_of(y) == 2 else w)
    scale = sqrt(sum_(_squared(left), 0))
    eps = float(np.finfo(float).eps)
    inverse = factorizations.pinv(left / scale, rcond=shape_of(x)[0] * eps if rcond is None else rcond)
    solution = products.matmul(inverse, y)
    return solution / (reshape(scale, shape=(-1, 1)) if ndim_of(y) == 2 else scale)


def _squared(a: Value) -> Value:
    return a * a if is_real(a) else absolute(a) ** 2
