"""Patterns against dense derivatives at random points: no entry is missing, and few are too many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from constructs import BAND, CONSERVATIVE, DENSE, EXACT, POINTS, SCALAR_EXACT

import polyad as ad


def dense(pattern: Any) -> np.ndarray:
    return pattern.to_scipy().toarray().astype(bool)


def union(operator: Callable[..., Any], f: Any, shape: Any, points: Any = POINTS, tiny: float = 1e-11) -> Any:
    """Where a dense derivative has entries at any of the points."""
    found = np.zeros(shape, dtype=bool)
    for x in points:
        found |= np.abs(np.reshape(operator(f, x), shape)) > tiny
    return found


@pytest.mark.parametrize("name", EXACT)
def test_exact(name: str) -> None:
    f = EXACT[name]
    found = dense(ad.jacobian_sparsity(f, POINTS[0]))
    assert np.array_equal(found, union(ad.jacobian, f, found.shape))


@pytest.mark.parametrize("name", CONSERVATIVE)
def test_nothing_is_missing(name: str) -> None:
    f = CONSERVATIVE[name]
    found = dense(ad.jacobian_sparsity(f, POINTS[0]))
    assert not (union(ad.jacobian, f, found.shape) & ~found).any()


@pytest.mark.parametrize("name", [*EXACT, *CONSERVATIVE])
def test_local_patterns_hold_at_their_point(name: str) -> None:
    f = {**EXACT, **CONSERVATIVE}[name]
    for x in POINTS[:2]:
        found = dense(ad.jacobian_sparsity(f, x, local=True))
        assert not (union(ad.jacobian, f, found.shape, [x]) & ~found).any()


@pytest.mark.parametrize("name", SCALAR_EXACT)
def test_hessian(name: str) -> None:
    f = SCALAR_EXACT[name]
    found = dense(ad.hessian_sparsity(f, POINTS[0]))
    assert np.array_equal(found, union(ad.hessian, f, found.shape))


@pytest.mark.parametrize("name", [*EXACT, *CONSERVATIVE])
def test_hessian_of_a_sum_of_sines(name: str) -> None:
    inner = {**EXACT, **CONSERVATIVE}[name]

    def f(x: Any) -> Any:
        y = inner(x)
        return np.sum(np.sin(y) * np.arange(1.0, np.size(y) + 1).reshape(np.shape(y))) + np.sum(x[:1])

    found = dense(ad.hessian_sparsity(f, POINTS[0]))
    try:
        known = union(ad.hessian, f, found.shape, POINTS[:3], 1e-9)
    except ad.errors.PolyadError:
        pytest.skip("no dense Hessian to compare with")
    assert not (known & ~found).any()


def test_a_hessian_whose_pattern_is_found_with_more_on_one_side() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(np.unwrap(3 * x)) * x[::-1])

    x = POINTS[0]
    H = ad.hessian(f, x, backend=ad.Sparse("numpy"))
    assert np.allclose(H.toarray(), ad.hessian(f, x))
    pattern = ad.sparse.Pattern.from_coordinates((3, 3), [0, 1], [1, 1])
    assert dense(pattern.symmetric()).tolist() == [[0, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert pattern.symmetric().symmetric() == pattern.symmetric()


def test_what_rounding_leaves_of_a_row_that_is_zero_is_no_fault() -> None:
    def f(x: Any) -> Any:
        return np.corrcoef(np.reshape(np.tanh(x), (3, 4)) + np.arange(4) * np.reshape(x, (3, 4)))

    for seed in range(6):
        x = np.random.default_rng(seed).standard_normal(12)
        J = ad.jacobian(f, x, backend=ad.Sparse("numpy"))
        assert np.allclose(J.toarray(), np.reshape(ad.jacobian(f, x), (9, 12)), atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_what_rounding_leaves_of_all_rows_is_no_fault(seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(3)

    def f(x: Any) -> Any:  # zero, but for rounding
        return np.real((np.tanh(x) + 1j * np.tanh(x)) ** 2 * 1.1 * np.exp(np.sum(x)))

    def g(x: Any) -> Any:
        return np.sum(np.sin(f(x) + 0.3 * np.cross(x, x * x[0] * 1.7)))

    for backend in ("numpy", "numpy:compiled"):
        assert np.allclose(ad.jacobian(f, x, backend=ad.Sparse(backend)).toarray(), 0, atol=1e-14)
        assert np.allclose(
            ad.hessian(g, x, backend=ad.Sparse(backend)).toarray(), ad.hessian(g, x), atol=1e-9
        )


def test_a_rule_that_is_not_linear_is_told_of_however_small() -> None:
    f = ad.define(lambda x: x * 1e-17, jvp=lambda x, v: v * np.abs(v) * 1e-17)
    with pytest.raises(ad.errors.OperationNotSupportedError, match="is not linear"):
        ad.jacobian(lambda x: f(x), np.ones(3), backend=ad.Sparse("numpy:forward"))


def test_local_is_smaller_than_global() -> None:
    x = POINTS[0]
    for name in ("where", "sort", "argsort"):
        f = CONSERVATIVE[name]
        here = dense(ad.jacobian_sparsity(f, x, local=True))
        assert here.sum() == 6 < dense(ad.jacobian_sparsity(f, x)).sum()
        assert np.array_equal(here, union(ad.jacobian, f, here.shape, [x]))


def test_branches_are_for_local_patterns() -> None:
    def f(x: Any) -> Any:
        return x if x[0] > 0 else x[::-1]

    with pytest.raises(ad.errors.OperationNotSupportedError, match="local=True"):
        ad.jacobian_sparsity(f, np.ones(3))
    assert np.array_equal(dense(ad.jacobian_sparsity(f, np.ones(3), local=True)), np.eye(3))
    assert np.array_equal(dense(ad.jacobian_sparsity(f, -np.ones(3), local=True)), np.eye(3)[::-1])


def written(x: Any) -> Any:
    x[0] = 0.0
    return x


def test_choices_and_loops_of_polyad() -> None:
    x, eye = np.ones(4), np.eye(4, dtype=bool)

    def f(x: Any) -> Any:
        return ad.cond(x[0] > 0, lambda x: x, lambda x: x[::-1], x)

    assert np.array_equal(dense(ad.jacobian_sparsity(f, x)), eye | eye[::-1])
    assert np.array_equal(dense(ad.jacobian_sparsity(f, x, local=True)), eye)
    third = dense(ad.jacobian_sparsity(lambda x: ad.cond(x[1] > 0, written, lambda x: x, x), x))
    assert np.array_equal(third, eye)
    parts = [lambda x: x[:2], lambda x: x[2:], lambda x: x[1:3]]
    found = dense(ad.jacobian_sparsity(lambda x: ad.switch((x[0] > 0).astype(int), parts, x), x))
    assert np.array_equal(found, [[1, 1, 1, 0], [0, 1, 1, 1]])
    found = dense(ad.jacobian_sparsity(lambda x: ad.scan(lambda c, a: (c * a, c + a), 1.0, x)[1], x))
    assert np.array_equal(found, np.tri(4))
    second = ad.hessian_sparsity(
        lambda x: ad.cond(x[0] > 0, lambda x: x[0] * x[1], lambda x: x[2] * x[3], x), x
    )
    assert np.array_equal(dense(second), np.kron(np.eye(2), [[0, 1], [1, 0]]))


def newton(a: Any) -> Any:
    far = lambda s: np.max(np.abs(s[0] - s[1])) > 1e-12  # noqa: E731
    return ad.while_loop(far, lambda s: (0.5 * (s[0] + a / s[0]), s[0]), (a + 0, 0 * a))[0]


def down(p: Any) -> Any:
    """A curvature at the end of a queue, which comes to its head after four steps."""

    def step(s: Any) -> Any:
        return s[1], s[2], s[3], s[3] + p[0] ** 2 + p[1] * p[2]

    return ad.while_loop(lambda s: s[3] < 30, step, (0.0, 0.0, 0.0, 0.0 * p[3]))[0]


def test_loops_that_end_on_a_computed_condition_take_any_number_of_steps() -> None:
    x, ones = np.arange(1.0, 7.0), np.ones(4)
    assert np.array_equal(dense(ad.jacobian_sparsity(newton, x)), np.eye(6))
    chained = lambda c: np.append(c[0], c[1:] + c[:-1])  # noqa: E731
    found = dense(ad.jacobian_sparsity(lambda x: ad.while_loop(lambda c: c[5] < 99, chained, x), x))
    assert np.array_equal(found, np.tri(6))

    def picked(x: Any, most: int | None) -> Any:
        step = lambda s: (s[0] + 1, s[1] + x[s[0] % 4])  # noqa: E731
        return ad.while_loop(lambda s: s[1] < x[5], step, (0, 0.0), max_steps=most)[1]

    assert dense(ad.jacobian_sparsity(lambda x: picked(x, None), x)).sum() == 6
    assert dense(ad.jacobian_sparsity(lambda x: picked(x, 1), x)).tolist() == [[1, 0, 0, 0, 0, 0]]
    p = 1.1 * ones
    assert np.array_equal(dense(ad.hessian_sparsity(down, ones)), ad.hessian(down, p) != 0)
    assert np.array_equal(dense(ad.hessian_sparsity(lambda x: np.sum(newton(x)), x[:3])), np.eye(3))
    assert dense(ad.hessian_sparsity(lambda x: np.sum(newton(x)), x)).all()  # too many to be followed
    J = ad.jacobian(newton, x, backend=ad.Sparse("numpy"))
    assert J.nnz == 6 and np.allclose(J.diagonal(), 0.5 / np.sqrt(x))


def test_a_constant_argument_may_be_anything_but_an_index_is_itself() -> None:
    def f(x: Any, a: Any, at: Any) -> Any:
        return a @ x[at]

    at = np.array([2, 0])
    found = dense(ad.jacobian_sparsity(f, np.ones(3), np.zeros((2, 2)), at))
    assert np.array_equal(found, [[1, 0, 1], [1, 0, 1]])


def test_arguments_and_trees_lie_one_after_the_other() -> None:
    def f(p: Any, q: Any) -> Any:
        return {"b": p["y"] * q, "a": p["x"]}

    found = dense(ad.jacobian_sparsity(f, {"x": np.ones(2), "y": np.ones(2)}, np.ones(2), argnums=(0, 1)))
    eye, none = np.eye(2), np.zeros((2, 2))
    assert np.array_equal(found, np.block([[eye, none, none], [none, eye, eye]]))


def test_stop_gradient_cuts() -> None:
    found = dense(ad.jacobian_sparsity(lambda x: x * ad.stop_gradient(x[::-1]), np.ones(3)))
    assert np.array_equal(found, np.eye(3))


def test_a_defined_function_follows_its_table() -> None:
    f = ad.define(lambda x: np.floor(x), lambda x: 1.0 + 0 * x, name="straight")
    assert np.array_equal(dense(ad.jacobian_sparsity(lambda x: f(x), np.ones(3))), np.eye(3))


def test_code_that_loses_a_derivative_is_followed() -> None:
    def f(x: Any) -> Any:
        return np.array([math.sin(x[0]), x[1] * x[2]])

    wanted = [[1, 0, 0], [0, 1, 1]]
    for follow in (None, True):
        assert np.array_equal(dense(ad.jacobian_sparsity(f, np.ones(3), follow=follow)), wanted)
    second = ad.hessian_sparsity(lambda x: f(x)[0] + f(x)[1], np.ones(3), follow=True)
    assert np.array_equal(dense(second), [[1, 0, 0], [0, 0, 1], [0, 1, 0]])
    with pytest.raises(ad.errors.OperationNotSupportedError, match="derivative"):
        ad.jacobian_sparsity(f, np.ones(3), follow=False)


def test_a_mean_added_to_everything_needs_no_square() -> None:
    n = 20_000
    pattern = ad.jacobian_sparsity(lambda x: np.sum((x - np.mean(x)) ** 2), np.ones(n))
    assert pattern.shape == (1, n) and pattern.nnz == n


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_other_dtypes(dtype: str) -> None:
    found = ad.jacobian_sparsity(lambda x: BAND.astype(dtype) @ x * x, np.ones(6, dtype=dtype))
    assert np.array_equal(dense(found), BAND != 0)


def test_other_detectors() -> None:
    def f(x: Any) -> Any:
        return DENSE[:4, :3] @ x[:3] * x[2:]

    known = dense(ad.jacobian_sparsity(f, POINTS[0]))
    assert np.array_equal(
        known, dense(ad.jacobian_sparsity(f, POINTS[0], detector=ad.sparse.DenseDetector()))
    )
    assert np.array_equal(
        known, dense(ad.jacobian_sparsity(f, POINTS[0], detector=ad.sparse.ProbingDetector()))
    )
    second = ad.hessian_sparsity(lambda x: np.sum(f(x) ** 2), POINTS[0])
    also = ad.hessian_sparsity(lambda x: np.sum(f(x) ** 2), POINTS[0], detector=ad.sparse.DenseDetector())
    assert np.array_equal(dense(second), dense(also))
    with pytest.raises(ad.errors.UnsupportedOperatorError, match="DenseDetector"):
        ad.hessian_sparsity(lambda x: np.sum(x), POINTS[0], detector=ad.sparse.ProbingDetector())
    with pytest.raises(ad.errors.ArgumentError, match="detector"):
        ad.jacobian_sparsity(f, POINTS[0], detector="nonsense")


# -- index sets ---------------------------------------------------------------------------------------


def random_sets(rows: int, columns: int, seed: int) -> tuple[Any, np.ndarray]:
    from polyad.engine.patterns.sets import IndexSets

    random = np.random.default_rng(seed)
    table = random.random((rows, columns)) < random.choice([0.1, 0.4])
    full = random.random(rows) < 0.2
    matrix = scipy.sparse.csr_array(table & ~full[:, None])
    return IndexSets(matrix.indptr, matrix.indices, columns, full), table | full[:, None]


def table_of(sets: Any) -> np.ndarray:
    indptr, indices = sets.csr()
    assert all((np.diff(indices[a:b]) > 0).all() for a, b in itertools.pairwise(indptr))
    ones = np.ones(indices.size, dtype=bool)
    return scipy.sparse.csr_array((ones, indices, indptr), shape=(sets.rows, sets.columns)).toarray()


@pytest.mark.parametrize("seed", range(12))
def test_index_sets(seed: int) -> None:
    from polyad.engine.patterns.joining import joined

    random = np.random.default_rng(seed + 100)
    m, n = random.integers(1, 9, 2)
    (a, ta), (b, tb) = random_sets(m, n, 2 * seed), random_sets(m, n, 2 * seed + 1)
    assert np.array_equal(table_of(a), ta)
    assert np.array_equal(table_of(a.united(b)), ta | tb)
    assert np.array_equal(table_of(a.united(b).united(a)), ta | tb)
    at = random.integers(-1, m, 7)
    expected = np.where(at[:, None] < 0, False, ta[at])
    assert np.array_equal(table_of(a.gathered(at)), expected)
    assert np.array_equal(table_of(joined([a, b, a])), np.concatenate([ta, tb, ta]))
    targets, sources = random.integers(0, 5, 11), random.integers(0, m, 11)
    weights = np.zeros((5, m), dtype=bool)
    weights[targets, sources] = True
    assert np.array_equal(table_of(a.mapped(targets, sources, 5)), (weights.astype(int) @ ta) > 0)
    assert np.array_equal(table_of(a.grouped(np.zeros(m, dtype=int), 1))[0], ta.any(axis=0))


@pytest.mark.parametrize("seed", range(4))
def test_layers_that_are_mostly_the_same_are_one(seed: int) -> None:
    """Rows by hand of layers that agree but where one has nothing, or another column."""
    from polyad.engine.patterns import layers

    random = np.random.default_rng(seed)
    rows, depth = int(random.integers(65, 400)), int(random.integers(2, 9))
    shared = random.integers(0, 3, (depth, 1)) + np.arange(1, rows + 1)
    other = random.integers(0, 50, shared.shape)
    given = np.where(random.random(shared.shape) < random.choice([0.01, 0.1, 0.6]), other, shared)
    given = list(given.astype(np.int32))
    wanted = [sorted({int(a) - 1 for a in row if a}) for row in zip(*given, strict=True)]
    indptr, indices = layers.compressed(given, rows, np.int32)
    assert [indices[a:b].tolist() for a, b in itertools.pairwise(indptr)] == wanted
    indptr, indices = layers.compressed(layers.narrowed(given, rows), rows, np.int32)
    assert [indices[a:b].tolist() for a, b in itertools.pairwise(indptr)] == wanted
    assert len(layers.narrowed(given, rows)) == max(map(len, wanted))
