"""Linear systems with sparse matrices of SciPy: a solution is that of an equation, factored once."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.implicit.captured import active
from polyad.engine.implicit.equation import Equation, solution
from polyad.engine.rules.structure import getitem, scatter
from polyad.errors import ArgumentError

__all__ = ["spsolve"]


def spsolve(a: Any, b: Any, data: Any, options: dict[str, Any]) -> Any:
    """The solution of ``a @ x = b``, with other stored values maybe; see ``polyad.linalg.spsolve``."""
    import scipy.sparse
    import scipy.sparse.linalg

    if not scipy.sparse.issparse(a):
        raise ArgumentError("spsolve takes a sparse matrix of SciPy: np.linalg.solve for any other")
    if data is not None and a.format not in ("csr", "csc", "coo"):
        raise ArgumentError(
            f"spsolve takes data= of a matrix in csr, csc or coo, and this one is in {a.format}"
        )
    if not active((b, data)):
        known = a if data is None else _with(a, np.asarray(data, dtype=float))
        return scipy.sparse.linalg.spsolve(scipy.sparse.csc_array(known), b, **options)
    b = np.stack(b) if isinstance(b, list | tuple) else b
    if len(b.shape) == 2:
        columns = [spsolve(a, b[:, k], data, options) for k in range(b.shape[1])]
        return np.stack(columns, axis=1)
    places = a.tocoo()
    rows, cols = np.asarray(places.row, dtype=np.intp), np.asarray(places.col, dtype=np.intp)
    n = a.shape[0]

    def matrix(given: Any) -> Any:
        return scipy.sparse.csc_array(a if given[1] is None else _with(a, np.asarray(given[1])))

    def residual(x: Any, given: Any) -> Any:
        right, values = given
        if values is None:
            return a @ x - right
        terms = unbox(values * wrap(getitem(unbox(x), index=cols)))
        return wrap(scatter(terms, index=rows, shape=(n,))) - right

    equation = Equation(
        (b, data),
        lambda given: scipy.sparse.linalg.spsolve(
            matrix(given), np.asarray(given[0], dtype=float), **options
        ),
        residual,
        label="spsolve",
        linear="sparse",
        jacobian=lambda x, given: matrix(given),
        like=np.zeros(n),
    )
    return solution(equation)


def _with(a: Any, data: np.ndarray[Any, Any]) -> Any:
    """The matrix with other stored values."""
    if data.shape != a.data.shape:
        raise ValueError(f"data has shape {data.shape}, and the matrix stores values of shape {a.data.shape}")
    other = a.copy()
    other.data = data
    return other
