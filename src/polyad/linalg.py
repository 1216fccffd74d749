"""Linear algebra that NumPy does not have, on everything that polyad follows.

SciPy's functions read plain arrays only, so a function that is differentiated cannot call them; these
take NumPy's arrays, what polyad hands to your function under any backend, and other frameworks' arrays.
What ``numpy.linalg`` has is followed there: ``inv``, ``solve``, ``det``, ``cholesky``, ``qr``, ``svd``,
``eigh``, ``eig``, ``norm``, ``pinv``, ``lstsq`` and the others.
"""

from __future__ import annotations

from typing import Any

from polyad.engine.boxes import scipy as own
from polyad.engine.boxes.scipy import on_values

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "expm",
    "logm",
    "solve_triangular",
    "spsolve",
    "sqrtm",
    "toeplitz",
]


@on_values
def expm(a: Any) -> Any:
    """The exponential of a square matrix.

    Parameters
    ----------
    a : array of shape (..., n, n)
        A matrix or a stack of them.

    Returns
    -------
    array of shape (..., n, n)
        As ``scipy.linalg.expm``; JAX's and torch's own function on their arrays.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> ad.derivative(lambda t: ad.linalg.expm(t * turn), 0.0)
    array([[ 0., -1.],
           [ 1.,  0.]])
    """
    return own.expm(a)


@on_values
def logm(a: Any) -> Any:
    """The logarithm of a square matrix, the inverse of ``expm``; JAX and torch have none.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Without eigenvalues that are zero or real and negative.

    Returns
    -------
    array of shape (..., n, n)
        The principal logarithm, as ``scipy.linalg.logm``.
    """
    return own.logm(a)


@on_values
def sqrtm(a: Any) -> Any:
    """The square root of a square matrix; torch has none.

    Parameters
    ----------
    a : array of shape (..., n, n)
        Without eigenvalues that are zero or real and negative.

    Returns
    -------
    array of shape (..., n, n)
        The principal square root, as ``scipy.linalg.sqrtm``.
    """
    return own.sqrtm(a)


@on_values
def solve_triangular(
    a: Any, b: Any, *, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Any:
    """Solve ``a @ x = b`` where ``a`` is triangular; the other triangle is not read.

    Parameters
    ----------
    a : array of shape (..., n, n)
        The matrix.
    b : array of shape (n,) or (..., n, k)
        The right-hand sides.
    trans : {0, 1, 2, 'N', 'T', 'C'}
        Whether ``a``, its transpose or its conjugate transpose is meant.
    lower : bool
        Whether the lower triangle of ``a`` counts.
    unit_diagonal : bool
        Whether the diagonal is taken as ones.

    Returns
    -------
    array
        ``x``, of the shape of ``b``.
    """
    return own.solve_triangular(a, b, trans=trans, lower=lower, unit_diagonal=unit_diagonal)


@on_values
def cho_factor(a: Any, *, lower: bool = False) -> tuple[Any, bool]:
    """The Cholesky factor of a positive definite matrix, for ``cho_solve``.

    Parameters
    ----------
    a : array of shape (..., n, n)
        The matrix, of which one triangle is read.
    lower : bool
        Which triangle is read, and returned.

    Returns
    -------
    c : array of shape (..., n, n)
        The factor; its other triangle is zero.
    lower : bool
        As given.
    """
    return own.cho_factor(a, lower=lower)


@on_values
def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> Any:
    """Solve ``a @ x = b`` with the factor of ``a`` from ``cho_factor``.

    Parameters
    ----------
    c_and_lower : tuple
        What ``cho_factor`` returned.
    b : array of shape (n,) or (..., n, k)
        The right-hand sides.

    Returns
    -------
    array
        ``x``, of the shape of ``b``.
    """
    return own.cho_solve(c_and_lower, b)


@on_values
def block_diag(*arrs: Any) -> Any:
    """A matrix with the given ones along its diagonal and zeros elsewhere.

    Parameters
    ----------
    *arrs : array
        The blocks; a vector is a block of one row.

    Returns
    -------
    array
        The matrix.
    """
    return own.block_diag(*arrs)


@on_values
def toeplitz(c: Any, r: Any = None) -> Any:
    """A matrix with constant diagonals.

    Parameters
    ----------
    c : array
        The first column.
    r : array, optional
        The first row, of which the first entry is not read; by default the conjugate of ``c``.

    Returns
    -------
    array of shape (len(c), len(r))
        The matrix.
    """
    return own.toeplitz(c, r)


def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True, *, data: Any = None) -> Any:
    """Solve ``A @ x = b`` for a sparse matrix of SciPy, differentiable in ``b`` and in the stored values.

    Parameters
    ----------
    A : sparse matrix or array of SciPy, of shape (n, n)
        The matrix.
    b : array of shape (n,) or (n, k)
        The right-hand side.
    permc_spec, use_umfpack
        As ``scipy.sparse.linalg.spsolve`` has them.
    data : array, optional
        Other values in the places of ``A.data``, which may be differentiated; ``A`` is then in csr, csc
        or coo.

    Returns
    -------
    array like ``b``
        The solution.

    Raises
    ------
    polyad.errors.DomainError
        If the matrix is singular and the solution is differentiated.

    Examples
    --------
    >>> import numpy as np, polyad as ad, scipy.sparse
    >>> A = scipy.sparse.csr_array(np.array([[2.0, 0.0], [1.0, 4.0]]))
    >>> ad.jacobian(lambda b: ad.linalg.spsolve(A, b), np.ones(2)) + 0.0
    array([[ 0.5  ,  0.   ],
           [-0.125,  0.25 ]])
    >>> ad.gradient(lambda data: ad.linalg.spsolve(A, np.ones(2), data=data)[1], A.data)
    array([ 0.0625 , -0.125  , -0.03125])
    """
    from polyad.engine.implicit.sparse import spsolve as solve

    return solve(A, b, data, {"permc_spec": permc_spec, "use_umfpack": use_umfpack})
