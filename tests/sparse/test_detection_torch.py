"""Patterns of torch functions against dense derivatives at random points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from constructs import POINTS
from test_detection import dense, union

import polyad as ad

torch = pytest.importorskip("torch")

from torch_constructs import CONSERVATIVE, EXACT  # noqa: E402


def jacobian(f: Any, x: Any) -> np.ndarray:
    return np.asarray(torch.autograd.functional.jacobian(f, torch.as_tensor(x)))


def hessian(f: Any, x: Any) -> np.ndarray:
    return np.asarray(torch.autograd.functional.hessian(f, torch.as_tensor(x)))


@pytest.mark.parametrize("name", [*EXACT, *CONSERVATIVE])
def test_nothing_is_missing(name: str) -> None:
    f = {**EXACT, **CONSERVATIVE}[name]
    found = dense(ad.jacobian_sparsity(f, torch.tensor(POINTS[0])))
    if name == "empty":  # torch has no dense Jacobian to compare with
        assert found.shape == (0, 6)
        return
    known = union(jacobian, f, found.shape, [*POINTS, -POINTS[0]] if name in EXACT else POINTS[:2])
    assert not (known & ~found).any()
    assert name not in EXACT or np.array_equal(known, found)


# linear parts vanish in a Hessian, and rounding as well
CURVED = "square sign index matmul conv2d layer_norm written index_add solve checkpoint buffer sort".split()


@pytest.mark.parametrize(
    "name", [*CURVED, "take", "avg_pool", "max_pool", "custom function", "cumprod", "fft"]
)
def test_hessian(name: str) -> None:
    inner = {**EXACT, **CONSERVATIVE}[name]

    def f(x: Any) -> Any:
        y = inner(x)
        weights = torch.arange(1.0, y.numel() + 1, dtype=x.dtype).reshape(y.shape)
        return (torch.sin(y) * weights).sum() + x[0]

    found = dense(ad.hessian_sparsity(f, torch.tensor(POINTS[0])))
    known = union(hessian, f, found.shape, POINTS[:2], 1e-9)
    assert not (known & ~found).any()
    assert name not in ("square", "index", "written", "buffer") or np.array_equal(known, found)


def test_sparse_matrices_of_torch_functions() -> None:
    x = torch.linspace(0.0, 1.0, 50, dtype=torch.float64)
    f = lambda x: x[1:] ** 2 * x[:-1]  # noqa: E731
    J = ad.jacobian(f, x, backend=ad.Sparse("torch"))
    assert J.nnz == 98 and np.allclose(J.toarray(), jacobian(f, x))
    H = ad.hessian(lambda x: f(x).sum(), x, backend=ad.Sparse("torch"))
    assert H.nnz == 49 + 98 and np.allclose(H.toarray(), hessian(lambda x: f(x).sum(), x))


def branching(x: Any) -> Any:
    return x if x[0] > 0 else x.flip(0)


def test_branches_are_for_local_patterns() -> None:
    x = torch.ones(3, dtype=torch.float64)
    with pytest.raises(ad.errors.OperationNotSupportedError, match="local=True"):
        ad.jacobian_sparsity(branching, x)
    assert np.array_equal(dense(ad.jacobian_sparsity(branching, x, local=True)), np.eye(3))
    assert np.array_equal(dense(ad.jacobian_sparsity(branching, -x, local=True)), np.eye(3)[::-1])
    here = dense(ad.jacobian_sparsity(lambda x: x.sort()[0], -torch.arange(3.0), local=True))
    assert np.array_equal(here, np.eye(3)[::-1])


def test_constants_may_be_anything_but_an_index_is_itself() -> None:
    at = torch.tensor([2, 0])
    f = lambda x, a, at: a @ x[at]  # noqa: E731
    found = dense(ad.jacobian_sparsity(f, torch.ones(3), torch.zeros(2, 2), at))
    assert np.array_equal(found, [[1, 0, 1], [1, 0, 1]])


def test_an_unknown_operation_is_refused_or_dense() -> None:
    def f(x: Any) -> Any:
        return torch.pdist(x.reshape(3, 2))

    x = torch.tensor(POINTS[0])
    with pytest.raises(ad.errors.PatternError, match="unknown='dense'"):
        ad.jacobian_sparsity(f, x)
    assert ad.jacobian_sparsity(f, x, unknown="dense").nnz == 18
