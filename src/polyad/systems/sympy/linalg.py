"""Linear algebra on SymPy expressions, by formulas without pivoting.

A pivot cannot be chosen by the size of a symbol, and elimination without one loses digits without
saying so. Determinants and inverses of small matrices are therefore written out (minors shared), and
larger ones are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.systems.sympy.expressions import Expressions
from polyad.systems.sympy.functions import added, named, product

__all__ = ["FUNCTIONS"]

# The formula of an inverse has a term per permutation: from here on another backend is the answer.
LARGEST = 5


def _array(items: Any, shape: tuple[int, ...]) -> np.ndarray:
    flat = np.empty(len(items), dtype=object)
    flat[:] = items
    return flat.reshape(shape)


def _own(a: Any) -> Expressions:
    from polyad.engine.interpretations.adapter import adapter

    return a if isinstance(a, Expressions) else adapter("sympy").constant(a, None)


def _dtype(*args: Expressions) -> Any:
    found = np.result_type(*(a.dtype for a in args))
    return found if found.kind == "f" else np.dtype(np.float64)


def matmul(a: Any, b: Any) -> Expressions:
    """The product of matrices or vectors; every entry is one sum."""
    a, b = _own(a), _own(b)
    left = a.array if a.ndim > 1 else a.array[None, :]
    right = b.array if b.ndim > 1 else b.array[:, None]
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not match")
    first, second = np.broadcast_arrays(left[..., :, None, :], np.swapaxes(right, -1, -2)[..., None, :, :])
    shape = first.shape[:-1]
    rows = (int(np.prod(shape, dtype=int)), left.shape[-1])
    pairs = zip(first.reshape(rows), second.reshape(rows), strict=True)
    result = _array([added(*map(product, one, other)) for one, other in pairs], shape)
    if b.ndim == 1:
        result = result[..., 0]
    if a.ndim == 1:
        result = result[..., 0] if b.ndim == 1 else result[..., 0, :]
    if not isinstance(result, np.ndarray):
        result = _array([result], ())
    return Expressions(result, np.result_type(a.dtype, b.dtype))


def einsum(*operands: Any, subscripts: str) -> Expressions:
    """NumPy's own, on objects."""
    own = [_own(a) for a in operands]
    result = np.einsum(subscripts, *(a.array for a in own))
    if not isinstance(result, np.ndarray):
        result = _array([result], ())
    return Expressions(result, np.result_type(*(a.dtype for a in own)))


def _minors(m: np.ndarray) -> Callable[[int, int], Any]:
    """``minor(row, columns)``: of the rows from ``row`` on and the columns in the bit set."""
    import sympy

    n = m.shape[0]
    known: dict[tuple[int, int], Any] = {}

    def minor(row: int, columns: int) -> Any:
        if row == n:
            return sympy.S.One
        key = (row, columns)
        if key not in known:
            sign, terms = 1, []
            for k in range(m.shape[1]):
                if columns >> k & 1:
                    terms.append(sign * m[row, k] * minor(row + 1, columns & ~(1 << k)))
                    sign = -sign
            known[key] = sympy.Add(*terms)
        return known[key]

    return minor


def _det(m: np.ndarray) -> Any:
    return _minors(m)(0, (1 << m.shape[1]) - 1)


def _adjugate(m: np.ndarray) -> np.ndarray:
    n = m.shape[0]
    out = np.empty((n, n), dtype=object)
    for i in range(n):
        minor = _minors(np.delete(m, i, axis=0))
        for j in range(n):
            out[j, i] = (-1) ** (i + j) * minor(0, ((1 << n) - 1) & ~(1 << j))
    return out


def _matrices(a: Expressions, name: str) -> list[np.ndarray]:
    n = a.shape[-1]
    if a.ndim < 2 or a.shape[-2] != n:
        raise ValueError(f"{name}: the last two axes must be square, the shape is {a.shape}")
    if n > LARGEST:
        raise refuse(
            f"{name} of a {n} x {n} matrix of symbols, whose formula has a term per permutation "
            f"(the limit is {LARGEST})",
            "use backend='numpy', 'jax' or 'torch'",
        )
    return list(a.array.reshape(-1, n, n))


def det(a: Any) -> Expressions:
    """The determinant, written out."""
    a = _own(a)
    return Expressions(_array([_det(m) for m in _matrices(a, "det")], a.shape[:-2]), _dtype(a))


def slogdet(a: Any) -> tuple[Expressions, Expressions]:
    """Sign and logarithm of the determinant."""
    import sympy

    d = det(a)
    signs = _array([named("sign")(e) for e in d.array.flat], d.shape)
    logs = _array([sympy.log(sympy.Abs(e, evaluate=False)) for e in d.array.flat], d.shape)
    return Expressions(signs, d.dtype), Expressions(logs, d.dtype)


def inv(a: Any) -> Expressions:
    """The inverse: the adjugate by the determinant."""
    a = _own(a)
    found = []
    for m in _matrices(a, "inv"):
        found.append(_adjugate(m) * (1 / _det(m)))
    return Expressions(_array([e for m in found for e in m.flat], a.shape), _dtype(a))


def solve(a: Any, b: Any) -> Expressions:
    """The solution of linear equations, by the inverse written out."""
    return matmul(inv(a), b)


def cholesky(a: Any) -> Expressions:
    """The lower factor, by the recurrence, which needs no pivots."""
    import sympy

    a = _own(a)
    factors = []
    for m in _matrices(a, "cholesky"):
        n = m.shape[0]
        low = np.full((n, n), sympy.S.Zero, dtype=object)
        for j in range(n):
            low[j, j] = sympy.sqrt(sympy.Add(m[j, j], *(-(low[j, k] ** 2) for k in range(j))))
            for i in range(j + 1, n):
                low[i, j] = sympy.Add(m[i, j], *(-low[i, k] * low[j, k] for k in range(j))) / low[j, j]
        factors.append(low)
    return Expressions(_array([e for m in factors for e in m.flat], a.shape), _dtype(a))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "matmul": matmul,
    "einsum": einsum,
    "det": det,
    "slogdet": slogdet,
    "inv": inv,
    "solve": solve,
    "cholesky": cholesky,
}
