"""Two problems of GradBench: sparse Jacobians from the function alone, in as few products as can be."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

import polyad as ad

FILE = Path(__file__).parents[2] / "benchmarks" / "sparse_gradbench.py"
SPEC = importlib.util.spec_from_file_location("sparse_gradbench", FILE)
problems: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(problems)


def test_bundle_adjustment_takes_a_product_for_each_parameter_of_an_observation() -> None:
    backend = "numpy"  # the others take seconds to compile it; the benchmark has them
    args = problems.bundle(3, 8, 20)
    p = ad.prepare_jacobian(
        problems.reprojection, *args, argnums=(0, 1, 2), backend=ad.Sparse(backend, flat=True)
    )
    # the two coordinates of an image share the parameters of its principal point
    assert p.ncolors == 14
    moved = (args[0] + 0.01, args[1] - 0.01, args[2] + 0.1, *args[3:])
    matrix, _ = problems.bundle_matrix(moved)
    matrix.data[:] = np.append(problems.bundle_by_hand(*moved).reshape(-1), -2.0 * moved[2])
    found = p(*moved)
    assert np.allclose(found.toarray(), matrix.toarray(), rtol=1e-9, atol=1e-9)
    blocks = ad.jacobian(problems.reprojection, *moved, argnums=(0, 1, 2), backend=ad.Sparse(backend))
    assert [b.shape for b in blocks] == [(60, 33), (60, 24), (60, 20)]
    assert np.allclose(np.hstack([b.toarray() for b in blocks]), matrix.toarray(), rtol=1e-9, atol=1e-9)


def test_hand_tracking_takes_two_products_beside_the_dense_columns() -> None:
    theta, places, model = problems.hand_data(12, 10)

    def f(theta: Any, places: Any) -> Any:
        return problems.hand(theta, places, model)

    p = ad.prepare_jacobian(f, theta, places, argnums=(0, 1), backend=ad.Sparse("numpy", flat=True))
    # of the three translations each coordinate has one, so that 24 products are for the 26 angles and shifts
    assert p.ncolors == 26 and p.pattern.shape == (30, 46)
    found = p(theta + 0.1, places).toarray()
    blocks = ad.jacobian(f, theta + 0.1, places, argnums=(0, 1), backend=ad.FiniteDifferences(adaptive=True))
    assert np.allclose(found, np.hstack([b.reshape(30, -1) for b in blocks]), atol=1e-8)
