"""Jacobians and Hessians whose batches of directions are spread over workers, or bounded in memory."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import polyad as ad
from backends import EXACT, eager
from polyad.errors import (
    ArgumentError,
    FunctionNotSupportedError,
    NonScalarOutputError,
    NotPicklableError,
    PreparationMismatchError,
)

X = np.linspace(0.1, 1.0, 9)
PROCESSES = 2


def column(x: Any) -> Any:
    """Nine outputs of nine inputs, by hand: J = -outer(cos x, ...)."""
    return np.sin(x) * np.sum(x**2)


def jacobian_of_column(x: Any) -> Any:
    return np.diag(np.cos(x)) * np.sum(x**2) + 2 * np.outer(np.sin(x), x)


def two(x: Any) -> Any:
    return np.stack([np.sum(x**3), x[0] * x[1]])


def jacobian_of_two(x: Any) -> Any:
    return np.stack([3 * x**2, np.eye(9)[0] * x[1] + np.eye(9)[1] * x[0]])


def energy(x: Any) -> Any:
    return np.sum(x**2) ** 2


def hessian_of_energy(x: Any) -> Any:
    return 4 * np.sum(x**2) * np.eye(9) + 8 * np.outer(x, x)


def chain(x: Any) -> Any:
    return x * x[np.r_[1:9, 0]] ** 2


def jacobian_of_chain(x: Any) -> Any:
    after = x[np.r_[1:9, 0]]
    return np.diag(after**2) + np.eye(9)[np.r_[1:9, 0]] * (2 * x * after)[:, None]


def springs(x: Any) -> Any:
    return np.sum((x[1:] - x[:-1]) ** 4)


def unhappy(x: Any) -> Any:
    raise ValueError("no such state")


class Pool(ThreadPoolExecutor):
    """Threads that say how many pieces they were given."""

    pieces = 0

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        self.pieces += 1
        return super().submit(*args, **kwargs)


@pytest.mark.parametrize("name", [*EXACT, "numpy:compiled"])
def test_every_backend_is_spread(name: str) -> None:
    backend = eager(name) if name in EXACT else name
    with Pool(2) as pool:
        found = ad.jacobian(column, X, backend=backend, workers=pool, chunk=2)
        assert pool.pieces >= 5
        assert np.allclose(found, jacobian_of_column(X), rtol=1e-13)
        wide = ad.prepare_jacobian(two, X + 1, backend=backend, workers=pool)
        assert np.allclose(wide(X), jacobian_of_two(X), rtol=1e-13)
        second = ad.prepare_hessian(energy, X + 1, backend=backend, workers=pool, chunk=4)
        y, g, h = second.value_and(X)
        assert np.allclose(y, energy(X), rtol=1e-14)
        assert np.allclose(g, 4 * np.sum(X**2) * X, rtol=1e-13)
        assert np.allclose(h, hessian_of_energy(X), rtol=1e-13)


def test_the_result_does_not_depend_on_who_worked() -> None:
    for options in ({"backend": "numpy", "chunk": 4}, {"backend": "torch"}):
        alone = ad.prepare_jacobian(column, X, workers=1, **options)
        with Pool(3) as threads:
            for workers in (PROCESSES, threads, threads.map, map):
                p = ad.prepare_jacobian(column, X, workers=workers, **options)
                for x in (X, 2 * X):  # the second by what the workers have kept
                    assert np.array_equal(p(x), alone(x))
        found = [ad.hessian(energy, X, workers=workers, **options) for workers in (PROCESSES, 1)]
        assert np.array_equal(*found)


def test_color_groups_are_spread() -> None:
    for inner in (
        "numpy",
        "jax",
        "torch",
        "casadi",
        ad.MixedMode("numpy:forward", "numpy:reverse"),
        "finite",
    ):
        with Pool(2) as pool:
            sparse = ad.prepare_jacobian(chain, X, backend=ad.Sparse(inner), workers=pool, chunk=1)
            before = pool.pieces
            found = sparse(X)
            assert pool.pieces - before >= 2
        assert found.format == "csr"
        assert found.nnz == 18
        assert np.allclose(found.toarray(), jacobian_of_chain(X), atol=1e-13 if inner != "finite" else 1e-8)
    options: dict[str, Any] = {"backend": ad.Sparse("numpy"), "chunk": 1}
    spread = ad.prepare_hessian(springs, X, workers=PROCESSES, **options)
    d = 12 * np.diff(X) ** 2
    right = np.diag(np.r_[d, 0] + np.r_[0, d]) - np.diag(d, 1) - np.diag(d, -1)
    y, g, h = spread.value_and(X)
    assert np.allclose(h.toarray(), right, atol=1e-14)
    assert np.isclose(y, springs(X))
    assert np.allclose(g, np.r_[0, 4 * np.diff(X) ** 3] - np.r_[4 * np.diff(X) ** 3, 0], atol=1e-15)
    assert np.array_equal(h.data, ad.hessian(springs, X, workers=1, **options).data)


def tree(p: Any, c: float) -> Any:
    return {"s": c * p["b"] ** 3, "v": p["a"] ** 2 * p["b"]}, "kept"


def test_trees_aux_out_and_complex_numbers() -> None:
    p = {"a": X[:3], "b": 2.0}
    found, aux = ad.jacobian(tree, p, 0.5, has_aux=True, workers=PROCESSES, chunk=2)
    assert aux == "kept"
    assert np.allclose(found["s"]["b"], 0.5 * 12)
    assert np.allclose(found["v"]["a"], np.diag(4 * X[:3]))
    assert np.allclose(found["v"]["b"], X[:3] ** 2)
    out = np.empty((9, 9))
    assert ad.jacobian(column, X, workers=PROCESSES, out=out) is out
    assert np.allclose(out, jacobian_of_column(X))
    z = X[:3] * (1 + 2j)
    for name in ("numpy:forward", "numpy:reverse", "jax", "torch"):
        found = ad.jacobian(lambda z: z**3, z, backend=name, workers=1, chunk=2)
        assert np.allclose(found, np.diag(3 * z**2)), name
    empty = ad.hessian(lambda x: 1.0 + np.sum(x), np.ones(0), workers=1)
    assert empty.shape == (0, 0)
    assert ad.jacobian(column, X.astype(np.float32), workers=1).dtype == np.float32


def test_arrays_of_frameworks_travel() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor(X)
    found = ad.jacobian(torch_column, x, workers=PROCESSES, chunk=4)
    assert isinstance(found, torch.Tensor)
    assert np.allclose(found.numpy(), jacobian_of_column(X), rtol=1e-13)


def torch_column(x: Any) -> Any:
    return x.sin() * (x**2).sum()


def test_what_cannot_be_spread_says_so() -> None:
    with pytest.raises(ArgumentError, match="number of processes"):
        ad.jacobian(column, X, workers=0)
    with pytest.raises(ArgumentError, match="chunk is 0"):
        ad.hessian(energy, X, chunk=0)
    with pytest.raises(NonScalarOutputError, match="hessian needs a scalar"):
        ad.hessian(column, X, workers=1)
    with pytest.raises(ArgumentError, match="leave workers= out there"):
        ad.gradient(lambda x: np.sum(ad.jacobian(column, x, workers=1)), X)
    for workers in (1, PROCESSES):
        with pytest.raises(ValueError, match="no such state"):
            ad.jacobian(unhappy, X, workers=workers)
    with Pool(1) as pool:
        p = ad.prepare_jacobian(column, X, workers=pool)
        with pytest.raises(PreparationMismatchError):
            p(X[:3])
        with pytest.raises(NotPicklableError, match="options that can be sent"):
            pickle.dumps(p)
    again = pickle.loads(pickle.dumps(ad.prepare_jacobian(column, X, workers=1, chunk=2, memory=10**6)))
    assert np.allclose(again(X), jacobian_of_column(X))
    assert "5 batches" in repr(again)


def test_a_trace_around_is_refused() -> None:
    jax = pytest.importorskip("jax")
    with pytest.raises(Exception, match="leave workers= out there"):
        jax.jit(lambda x: ad.jacobian(column, x, workers=1))(X.astype(np.float32))


# -- memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["numpy", "jax", "torch"])
def test_memory_bounds_the_batches(name: str) -> None:
    # a direction and its product are 18 numbers of 8 bytes, and four of both are counted
    p = ad.prepare_jacobian(column, X, backend=name, memory=3 * 18 * 8 * 4)
    assert np.allclose(p(2 * X), jacobian_of_column(2 * X), rtol=1e-13)
    assert np.allclose(ad.hessian(energy, X, backend=name, memory=1), hessian_of_energy(X), rtol=1e-13)
    if name != "torch":
        assert "9 pushforwards in 3 batches" in repr(p)
        assert "in 9 batches" in repr(ad.prepare_hessian(energy, X, backend=name, memory=1))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jax_takes_many_batches_one_after_the_other(mode: str) -> None:
    pytest.importorskip("jax")
    backend = ad.JAX(mode=mode, chunk_size=2)
    p = ad.prepare_jacobian(column, X, backend=backend)
    assert "in 5 batches" in repr(p)
    assert np.allclose(p(2 * X), jacobian_of_column(2 * X), rtol=1e-13)
    y, g, h = ad.value_gradient_and_hessian(energy, X, backend=backend)
    assert np.isclose(y, energy(X))
    assert np.allclose(g, 4 * np.sum(X**2) * X, rtol=1e-13)
    assert np.allclose(h, hessian_of_energy(X), rtol=1e-13)
    at = {"a": X[:3], "b": 2.0}
    found, aux = ad.jacobian(tree, at, 0.5, has_aux=True, backend=ad.JAX(mode=mode, chunk_size=1))
    right, _ = ad.jacobian(tree, at, 0.5, has_aux=True, backend="numpy")
    assert aux == "kept"
    for one in ("s", "v"):
        for other in ("a", "b"):
            assert np.allclose(found[one][other], right[one][other], rtol=1e-13)
            assert np.shape(found[one][other]) == np.shape(right[one][other])


def test_memory_bounds_what_is_around_a_backend() -> None:
    memory = 3 * 18 * 8 * 4
    spread = ad.prepare_jacobian(column, X, workers=1, memory=memory)
    assert "9 batches" in repr(spread)  # a 64th of them is less
    assert "3 batches" in repr(ad.prepare_jacobian(column, X, workers=1, chunk=5, memory=memory))
    sparse = ad.prepare_jacobian(chain, X, backend=ad.Sparse("numpy"), memory=memory)
    assert np.allclose(sparse(X).toarray(), jacobian_of_chain(X))
    pair = ad.prepare_hessian(energy, X, backend=ad.SecondOrder("jax", "numpy"), memory=memory)
    assert np.allclose(pair(X), hessian_of_energy(X))
    for name in ("casadi", "sympy", "finite"):
        with pytest.raises(ArgumentError, match="has none: leave memory out"):
            ad.jacobian(column, X, backend=name, memory=memory)
    for wrong in (0, -1, 2.5, "1 GB", True):
        with pytest.raises(ArgumentError, match="number of bytes"):
            ad.jacobian(column, X, memory=wrong)


@pytest.mark.skipif("torch" not in EXACT, reason="torch is not installed")
def test_batches_of_torch_are_written_to_their_place() -> None:
    def f(z: Any) -> Any:
        return {"a": z**2 * z[0], "b": np.stack([z[0] * z[1], z[2]])}

    for x in (X[:4], X[:4] + 0.5j):
        whole = ad.jacobian(f, x, backend="numpy")
        for chunk in (1, 3):
            parts = ad.jacobian(f, x, backend=ad.Torch(chunk_size=chunk))
            for name, block in whole.items():
                np.testing.assert_allclose(parts[name], block, rtol=1e-12)
    # inside of another differentiation they are put together by torch
    twice = ad.jacobian(lambda x: ad.jacobian(lambda x: x**3, x, backend=ad.Torch(chunk_size=2)), X[:3])
    np.testing.assert_allclose(np.einsum("iii->i", twice), 6 * X[:3], rtol=1e-12)


@pytest.mark.skipif("torch" not in EXACT, reason="torch is not installed")
def test_arrays_of_another_device_are_not_sent() -> None:
    import torch

    from polyad.call.spread import _Leaves

    with pytest.raises(FunctionNotSupportedError, match=r"one here is on meta: pass x.cpu\(\), take threads"):
        pickle.dumps(_Leaves((torch.ones(2, device="meta"),), "torch"))
    (back,) = pickle.loads(pickle.dumps(_Leaves((torch.ones(2),), "torch"))).leaves
    assert torch.equal(back, torch.ones(2))
