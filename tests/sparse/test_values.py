"""What a pattern must not take from the values of the example, and matrices by two backends."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import polyad as ad
from polyad.errors import OperationNotSupportedError, PatternError, PolyadError

X = np.array([0.5, 1.5, 0.7, 2.0])


def chosen(x: Any) -> Any:
    return np.where(x > 1, x**2, x[::-1])


LOCAL = ad.sparse.TracingDetector(local=True)
DETECTORS = {"numpy": LOCAL, "torch": LOCAL, "jax": LOCAL, "casadi": LOCAL}
DETECTORS |= {"autograd": ad.sparse.DenseDetector(points=1)}


@pytest.mark.parametrize("backend", DETECTORS)
def test_a_pattern_of_a_point_is_compared_at_every_other_one(backend: str, tmp_path: Any) -> None:
    detector = DETECTORS[backend]
    p = ad.prepare_jacobian(chosen, X, backend=ad.Sparse(backend, detector))
    near = X + 0.01
    assert np.allclose(p(near).toarray(), ad.jacobian(chosen, near))
    calls = [p, p.value_and]
    if backend == "numpy":
        p.save_pattern(tmp_path / "known")
        loaded = ad.Sparse(backend, ad.KnownPattern.load(tmp_path / "known"))
        calls += [ad.prepare_jacobian(chosen, X, backend=loaded), pickle.loads(pickle.dumps(p))]
    for call in calls:
        with pytest.raises(PatternError, match="prepare again here"):
            call(X[::-1].copy())
    unchecked = ad.prepare_jacobian(chosen, X, backend=ad.Sparse(backend, detector, check=False))
    assert unchecked(X[::-1].copy()).nnz == p.pattern.nnz


def test_a_whole_number_is_not_read_from_the_example() -> None:
    def first(x: Any, a: Any) -> Any:
        return x[int(float(a[0]))] ** 2 + 0 * x

    with pytest.raises(PolyadError, match="not known yet"):
        ad.jacobian_sparsity(first, X, np.array([0.0, 1.0]))
    assert ad.jacobian_sparsity(first, X, np.array([0.0, 1.0]), local=True).nnz == 4
    shown = []

    def told(x: Any) -> Any:  # people may look on
        shown.append(f"{np.sum(x):.1f}")
        return x**2

    assert ad.jacobian(told, X, backend=ad.Sparse("numpy")).nnz == 4 and set(shown) == {"4.7"}


READS = {
    "numpy": lambda x, a: x[a.numpy().astype(int)] ** 2,
    "tolist": lambda x, a: x[[int(k) for k in a.tolist()]] ** 2,
    "an order of x": lambda x, a: x[x.detach().numpy().argsort()] ** 2,
    "a mask of x": lambda x, a: x[x.detach() > 1] ** 2,
    "nonzero": lambda x, a: x[(x > 1).nonzero()[:, 0]] ** 2,
}


@pytest.mark.parametrize("name", READS)
def test_numbers_that_torch_gives_away_decide_no_pattern(name: str) -> None:
    torch = pytest.importorskip("torch")
    f = READS[name]
    x, a = torch.tensor(X), torch.tensor([0.0, 1.0])
    with pytest.raises(OperationNotSupportedError):
        ad.prepare_jacobian(f, x, a, backend=ad.Sparse("torch"))
    found = ad.jacobian_sparsity(f, x, a, backend="torch", local=True)
    dense = np.asarray(ad.jacobian(f, x, a, backend="torch"))
    assert not ((dense != 0) & ~found.to_scipy().toarray()).any()


def test_a_captured_tensor_may_be_read() -> None:
    torch = pytest.importorskip("torch")
    order = torch.tensor([2, 0, 1, 3])
    f = lambda x: x[order.numpy()] * order.tolist()[0]  # noqa: E731
    found = ad.jacobian(f, torch.tensor(X), backend=ad.Sparse("torch"))
    assert np.array_equal(found.toarray(), 2 * np.eye(4)[order.numpy()])


PAIRS = [("numpy", "jax"), ("torch", "numpy"), ("numpy", "casadi"), ("numpy", "torch"), ("numpy", "numpy")]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_matrices_by_two_backends(pair: tuple[str, str]) -> None:
    backend = ad.Sparse(ad.SecondOrder(*pair))
    weights = np.arange(4.0)

    def line(x: Any) -> Any:  # without a second derivative there is nothing for the outer one to do
        return np.sum(x * weights)

    p = ad.prepare_hessian(line, X, backend=backend)
    y, g, found = p.value_and(X + 1)
    assert found.nnz == 0 and np.isclose(y, line(X + 1)) and np.allclose(g, weights)
    q = ad.prepare_jacobian(lambda x: x[1:] * x[:-1], X, backend=backend)
    wanted = np.eye(3, 4) * (X + 1)[1:, None] + np.eye(3, 4, 1) * (X + 1)[:-1, None]
    found = q(X + 1)
    assert np.allclose(found.toarray(), wanted)
    found.data[...] = 0
    assert np.allclose(q(X + 1, out=found).toarray(), wanted)
    y, found = q.value_and(X)
    assert np.allclose(y, X[1:] * X[:-1])


def test_results_of_two_backends_are_the_callers_own() -> None:
    pytest.importorskip("jax")
    backend = ad.SecondOrder("numpy", "jax")
    for found in (
        ad.jacobian(lambda x: x**2, X, backend=backend),
        ad.prepare_gradient(lambda x: np.sum(x**2), X, backend=backend)(X),
        ad.prepare_hessian(lambda x: np.sum(x**3), X, backend=backend).value_and(X)[1],
    ):
        found += 1
