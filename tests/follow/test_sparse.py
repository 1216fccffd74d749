"""Sparse matrices that packages assemble of what is differentiated, and trees of points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import coo_array, coo_matrix, csc_matrix, csr_matrix, issparse
from scipy.sparse.linalg import factorized, splu, spsolve
from scipy.spatial import cKDTree

import polyad as ad
from backends import AVAILABLE

X = np.array([1.5, 2.5, 0.7])
ROWS, COLUMNS = np.array([0, 0, 1, 2, 2, 1, 1]), np.array([0, 1, 1, 2, 0, 2, 1])
FIXED = csr_matrix(np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [1.0, 0.0, 1.0]]))


def differences(f, x, h=1e-5):
    steps = np.eye(x.size) * h
    far = [(f(x + 2 * s) - f(x - 2 * s)) / (4 * h) for s in steps]
    near = [(f(x + s) - f(x - s)) / (2 * h) for s in steps]
    return (4 * np.array(near) - np.array(far)) / 3


def stiffness(x, kind=coo_matrix):
    """Springs in a row: entries of one place are added."""
    data = np.array([x[0], -x[1], x[1] ** 2, x[2], 0.5, x[0] * x[1], 3.0])
    return kind((data, (ROWS, COLUMNS)), shape=(3, 3))


def solved(x):
    k = stiffness(x).tocsr()
    free = [0, 1, 2]
    return np.sum(spsolve(k[free, :][:, free], np.array([1.0, x[2], 0.0])) ** 2)


def factors(x):
    k = stiffness(x).tocsc()
    return np.sum(splu(k).solve(np.ones(3)) ** 2) + np.sum(factorized(k)(np.array([1.0, 2.0, x[0]])))


def products(x):
    k = stiffness(x, csc_matrix)
    y = FIXED * k + k.T * FIXED - 2 * k / x[0]
    assert issparse(y)
    assert y.shape == (3, 3)
    return np.sum((y @ np.array([1.0, x[1], 2.0])) ** 2) + y[1, 2] + y.multiply(FIXED).sum() + y.diagonal()[0]


def of_arrays(x):
    k = stiffness(x, coo_array).tocsr()
    return (
        np.sum((k * np.arange(9.0).reshape(3, 3)).toarray())
        + np.sum(np.ones(3) @ k)
        + np.sum(k.todense() ** 2)
    )


def of_rows(x):
    k = csr_matrix((np.array([x[0], x[1], x[2]]), [0, 2, 1], [0, 2, 2, 3]), shape=(3, 3))
    return np.sum(k.toarray() @ x) + np.sum(k[0].toarray() ** 2)


def with_complex_entries(x):
    k = csr_matrix((np.array([x[0] + 1j * x[1], 2.0 * x[2]]), ([0, 1], [1, 0])), shape=(2, 2))
    return np.sum(np.abs((k.conj().T * k).toarray() @ np.array([1.0, 1j])) ** 2)


def near(x):
    points = np.stack([x, 2 * x, np.sin(x), np.array([0.0, 1.0, 2.0])])
    tree = cKDTree(points)
    far, places = tree.query(points, k=2)
    pairs = sorted(tree.query_pairs(2.5))
    return np.sum(far[:, 1]) + sum(np.sum((points[i] - points[j]) ** 2) for i, j in pairs) + places[0, 1]


def plain_ones(x):
    """Of new arrays that hold nothing yet SciPy's own matrices are made."""
    k = csr_matrix((np.ones(3), (np.array([0, 1, 2]), np.array([1, 2, 0]))), shape=(3, 3))
    assert k.indptr.size == 4
    return np.sum((k @ x) ** 2) + math.exp(x[0])


FUNCTIONS = [plain_ones, solved, factors, products, of_arrays, of_rows, with_complex_entries]
CELLS = [("numpy", f) for f in [*FUNCTIONS, near]]
CELLS += [("torch", f) for f in (solved, products) if "torch" in AVAILABLE]


@pytest.mark.parametrize(("backend", "f"), CELLS, ids=lambda v: getattr(v, "__name__", v))
@pytest.mark.filterwarnings("ignore:.*non-zero diagonal")
def test_a_function_has_its_gradient(backend, f):
    prepared = ad.prepare_gradient(f, X, backend=backend)
    y = X * 1.01
    assert np.allclose(prepared(y), differences(f, y), rtol=1e-6, atol=1e-8)


def test_an_array_that_is_written_to_when_a_matrix_has_its_memory_is_refused():
    def f(x):
        data = np.zeros(3)
        data[0] = math.exp(x[0])
        k = coo_matrix((data, ([0, 1, 2], [0, 1, 2])), shape=(3, 3))
        data[1] = x[1]
        return np.sum(k.toarray() ** 2)

    with pytest.raises(ad.errors.FunctionNotSupportedError):
        ad.gradient(f, X)


def test_what_would_be_a_numpy_matrix_or_too_large_is_refused():
    large = lambda x: coo_matrix((x, ([0, 1, 2], [0, 1, 2])), shape=(5000, 5000)).sum()  # noqa: E731
    for f in (lambda x: np.sum(stiffness(x).todense()), lambda x: stiffness(x).sum(axis=0)[0, 0], large):
        with pytest.raises(ad.errors.FunctionNotSupportedError):
            ad.gradient(f, X)
