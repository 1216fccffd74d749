"""Products of constant sparse matrices of SciPy with traced arrays, entry by entry of the matrix.

``(S @ x)[i]`` is the sum of ``S[i, j] * x[j]`` over what is stored: a gather, a product and a scatter, which
every library has and which have derivatives to any order. The cost is that of the stored entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Value, ndim_of, shape_of
from polyad.engine.rules.structure import getitem, scatter, transpose

__all__ = ["is_sparse", "multiplies_as_matrix", "product", "refused"]


def is_sparse(a: Any) -> bool:
    """Whether an operand is a sparse matrix or array of SciPy."""
    kind = type(a)
    return kind.__module__.startswith("scipy.sparse") and hasattr(kind, "tocoo")


def multiplies_as_matrix(a: Any) -> bool:
    """Whether ``a * x`` is the product of matrices, as with ``scipy.sparse.csr_matrix``."""
    import scipy.sparse

    return isinstance(a, scipy.sparse.spmatrix)


def refused(a: Any) -> Exception:
    """The error for any other operation."""
    kind = f"scipy.sparse.{type(a).__name__}"
    return refuse(f"a {kind} meets a traced array in another operation than @", "use A @ x, or A.toarray()")


def product(a: Any, b: Any) -> Value:
    """``a @ b`` where one of them is sparse and the other a value."""
    if is_sparse(a) and is_sparse(b):
        raise refused(a)
    if is_sparse(b):
        return _turned(product(b.T, _turned(a)))
    if ndim_of(b) not in (1, 2) or a.ndim != 2:
        raise refused(a)
    if a.shape[1] != shape_of(b)[0]:
        raise ValueError(
            f"matmul: dimension mismatch with signature (n,k={a.shape[1]}),(k={shape_of(b)[0]},)"
        )
    entries = a.tocoo()
    rows, columns = (np.asarray(k, dtype=np.intp) for k in (entries.row, entries.col))
    # sorted by rows, as it is summed
    order = np.argsort(rows, kind="stable")
    data = entries.data[order]
    if ndim_of(b) == 2:
        data = data[:, None]
    terms = getitem(b, index=columns[order]) * data
    return scatter(terms, index=rows[order], shape=(a.shape[0], *shape_of(b)[1:]))


def _turned(a: Value) -> Value:
    """The transpose of a matrix; a vector is its own."""
    n = ndim_of(a)
    if n > 2:
        raise refuse("a product of a stack of matrices and a sparse one", "use A.toarray()")
    return transpose(a, axes=(1, 0)) if n == 2 else a
