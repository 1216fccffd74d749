"""Sparse Jacobians and Hessians of every backend: values, forms, trees, dtypes, edges, wrong patterns."""

from __future__ import annotations

import dataclasses
import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import polyad as ad
from polyad.errors import (
    ArgumentError,
    FunctionNotSupportedError,
    OutMismatchError,
    PatternError,
    PreparationMismatchError,
    UnsupportedOperatorError,
)

EXACT = ["numpy", "numpy:forward", "numpy:reverse", "jax", "jax:reverse", "torch", "autograd", "casadi"]
# they cost seconds to prepare, or have few digits
OTHERS = ["numpy:compiled", "torch:forward", "sympy", "finite", "finite:adaptive", "finite:complex"]
TOLERANCES = {"finite": 1e-6, "finite:complex": 1e-9, "finite:adaptive": 1e-9}

N = 6
X = np.linspace(0.5, 1.5, N)
UPPER = scipy.sparse.eye_array(N) + scipy.sparse.eye_array(N, k=1)
TRIDIAGONAL = UPPER + scipy.sparse.eye_array(N, k=-1)


def chain(x: Any, a: Any = 2.0) -> Any:
    return np.concatenate([x[:-1] * x[1:] ** 2, a * x[-1:] ** 3])


def chain_jacobian(x: Any, a: float = 2.0) -> Any:
    found = np.diag(np.append(x[1:] ** 2, 3 * a * x[-1] ** 2))
    return found + np.diag(2 * x[:-1] * x[1:], k=1)


def energy(x: Any) -> Any:
    return np.sum(x[:-1] * x[1:] ** 2) + np.sum(np.sin(x))


def energy_hessian(x: Any) -> Any:
    found = np.diag(-np.sin(x) + np.append(0.0, 2 * x[:-1]))
    across = np.diag(2 * x[1:], k=1)
    return found + across + across.T


def square(x: Any) -> Any:
    return x**2


def sparse(backend: Any, pattern: Any, **options: Any) -> ad.Sparse:
    return ad.Sparse(backend, ad.KnownPattern(pattern), **options)


@pytest.mark.parametrize("backend", EXACT + OTHERS)
def test_jacobian_and_hessian(backend: str) -> None:
    near = TOLERANCES.get(backend, 1e-13)
    for prepare, single, f, pattern, reference in (
        (ad.prepare_jacobian, ad.jacobian, chain, UPPER, chain_jacobian),
        (ad.prepare_hessian, ad.hessian, energy, TRIDIAGONAL, energy_hessian),
    ):
        chosen = sparse(backend, pattern)
        before = X.copy()
        p = prepare(f, X + 0.1, backend=chosen)
        first, second = p(X), p(X + 0.2)  # run on other values than prepared on, twice
        assert isinstance(first, scipy.sparse.csr_array) and first.nnz == pattern.nnz
        for found, at in ((first, X), (second, X + 0.2), (single(f, X, backend=chosen), X)):
            assert np.allclose(found.toarray(), reference(at), rtol=near, atol=near)
        assert p(X, out=second) is second
        assert np.array_equal(second.toarray(), first.toarray())
        parts = p.value_and(X, out=second)
        assert np.allclose(parts[0], f(X), rtol=1e-12)
        assert parts[-1] is second
        assert np.allclose(second.toarray(), reference(X), rtol=near, atol=near)
        assert np.array_equal(X, before)
        assert p.pattern.nnz == pattern.nnz and f"{pattern.nnz} entries" in repr(p)


@pytest.mark.parametrize("format", ["csr", "csc", "coo", "dense"])
@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "casadi", "finite"])
def test_trees(backend: str, format: str) -> None:
    def f(p: Any) -> Any:
        return {"a": p[0] * 2 + np.sum(p[1] ** 2), "b": p[1] ** 2}

    x = (np.arange(3.0), np.arange(1.0, 5.0).reshape(2, 2))
    pattern = np.zeros((7, 7))
    pattern[:3, :3], pattern[:3, 3:], pattern[3:, 3:] = np.eye(3), 1, np.eye(4)
    reference = pattern.copy()
    reference[:3, :3] *= 2
    reference[:, 3:] *= 2 * x[1].reshape(-1)
    p = ad.prepare_jacobian(f, x, backend=sparse(backend, pattern, format=format))
    found = p(x)
    blocks = [[found["a"][0], found["a"][1]], [found["b"][0], found["b"][1]]]
    if format == "dense":
        assert blocks[0][1].shape == (3, 2, 2) and blocks[1][1].shape == (2, 2, 2, 2)
        arrays = [[b.reshape(rows, -1) for b in row] for row, rows in zip(blocks, (3, 4), strict=True)]
    else:
        assert blocks[0][0].format == format
        for leaf in (found["a"][0], found["b"][1]):
            leaf.data[...] = 0
        assert p(x, out=found) is found
        arrays = [[b.toarray() for b in row] for row in blocks]
        whole = ad.prepare_jacobian(f, x, backend=sparse(backend, pattern, format=format, flat=True))
        one = whole(x)
        one.data[...] = 0
        assert np.allclose(whole(x, out=one).toarray(), reference, atol=1e-7)
    assert np.allclose(np.block(arrays), reference, atol=1e-7)


# differences notice by themselves that their entries do not add up
@pytest.mark.filterwarnings("ignore::polyad.errors.PrecisionWarning")
@pytest.mark.parametrize("backend", ["numpy", "jax", "jax:reverse", "torch", "casadi", "finite"])
def test_an_entry_that_the_pattern_lacks_is_named(backend: str) -> None:
    pattern = UPPER.toarray()
    pattern[3, 4] = 0
    for call in (ad.jacobian, ad.prepare_jacobian):
        with pytest.raises(PatternError, match=r"Jacobian of chain has no entry in row 3, column 4 "):
            call(chain, X, backend=sparse(backend, pattern))
    pattern = np.diag(np.ones(N - 1), 1) + np.diag(np.ones(N - 1), -1) + np.eye(N)
    pattern[1, 2] = pattern[2, 1] = 0
    with pytest.raises(
        PatternError, match=r"Hessian of energy has no entry in row (1, column 2|2, column 1) "
    ):
        ad.hessian(energy, X, backend=sparse(backend, pattern))


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_without_the_check_nothing_is_compared(backend: str) -> None:
    def f(x: Any) -> Any:
        return x**2 + x[0]

    assert ad.jacobian(f, X, backend=sparse(backend, np.eye(N), check=False)).nnz == N
    with pytest.raises(PatternError, match=r"row [1-5], column 0 "):
        ad.jacobian(f, X, backend=sparse(backend, np.eye(N)))


EDGES: dict[str, tuple[Any, Callable[[Any], Any], Any]] = {
    "empty": (np.zeros((3, 2)), lambda x: np.ones(3) + 0 * np.sum(np.floor(x)), np.ones(2)),
    "one row": (np.ones((1, 3)), lambda x: np.sum(x**2), np.arange(3.0)),
    "one column": (np.ones((3, 1)), lambda x: x * np.arange(3.0), np.ones(1)),
    "dense": (np.ones((2, 2)), lambda x: np.stack([x[0] * x[1], x[0] + x[1]]), np.array([2.0, 3.0])),
    "empty row and column": (np.diag([1, 0, 1]), lambda x: x**2 * np.array([1.0, 0, 1]), np.ones(3)),
    "no output": (np.zeros((0, 2)), lambda x: x[:0], np.ones(2)),
    "matrix": (np.eye(4), lambda x: x**3, np.arange(1.0, 5.0).reshape(2, 2)),
}


@pytest.mark.parametrize(
    "backend", ["numpy", "numpy:reverse", "jax", "torch", "casadi", "finite", "autograd"]
)
@pytest.mark.parametrize("edge", EDGES)
def test_edges(backend: str, edge: str) -> None:
    pattern, f, x = EDGES[edge]
    found = ad.prepare_jacobian(f, x, backend=sparse(backend, pattern))(x)
    wanted = np.asarray(ad.jacobian(f, x, backend="numpy")).reshape(pattern.shape)
    assert found.shape == pattern.shape
    assert np.allclose(found.toarray(), wanted, atol=1e-7)


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "casadi", "finite"])
def test_single_precision(backend: str) -> None:
    found = ad.jacobian(square, np.arange(4, dtype=np.float32), backend=sparse(backend, np.eye(4)))
    assert found.dtype == np.float32
    assert np.allclose(found.diagonal(), 2 * np.arange(4), atol=1e-2)


@pytest.mark.parametrize("backend", ["numpy", "numpy:reverse", "jax", "jax:reverse", "torch", "finite"])
def test_complex_numbers(backend: str) -> None:
    z = np.arange(4) + 1j
    assert np.allclose(ad.jacobian(square, z, backend=sparse(backend, np.eye(4))).diagonal(), 2 * z)
    found = ad.jacobian(lambda x: x * x * (1 + 2j), np.arange(4.0), backend=sparse(backend, np.eye(4)))
    assert np.allclose(found.diagonal(), 2 * np.arange(4) * (1 + 2j))


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch"])
def test_constants_argnums_and_aux(backend: str) -> None:
    chosen = sparse(backend, np.eye(4))

    def f(a: Any, x: Any) -> Any:
        return a * x**2, {"a": a}

    p = ad.prepare_jacobian(f, 1.0, np.ones(4), argnums=1, has_aux=True, backend=chosen)
    found, aux = p(3.0, np.arange(4.0))
    assert np.allclose(found.diagonal(), 6 * np.arange(4))
    assert float(aux["a"]) == 3.0
    (_, aux), found = p.value_and(5.0, np.arange(4.0))
    assert np.allclose(found.diagonal(), 10 * np.arange(4)) and float(aux["a"]) == 5.0


def test_what_is_not_jacobian_or_hessian_is_the_other_backends() -> None:
    chosen = sparse("jax", np.eye(N))
    assert np.allclose(ad.gradient(energy, X, backend=chosen), ad.gradient(energy, X, backend="jax"))
    v = np.arange(float(N))
    assert np.allclose(ad.hvp(energy, X, v=v, backend=chosen), energy_hessian(X) @ v)
    assert np.allclose(ad.jvp(chain, X, v=v, backend=chosen), chain_jacobian(X) @ v)


def test_a_prepared_object_says_what_was_chosen_and_travels() -> None:
    p = ad.prepare_jacobian(chain, X, backend=sparse("numpy", UPPER))
    assert p.ncolors == 2 and len(p.groups) == 2 and list(p.colors[:2]) == [0, 1]
    assert "2 pushforwards" in p.strategy and p.spy() == "⠙⢦⡀\n⠀⠀⠙"
    other = pickle.loads(pickle.dumps(p))
    assert np.array_equal(other(X).toarray(), p(X).toarray())
    with pytest.raises(UnsupportedOperatorError, match="Sparse"):
        ad.prepare_jacobian(chain, X).pattern  # noqa: B018


def test_out_must_be_such_a_matrix() -> None:
    p = ad.prepare_jacobian(chain, X, backend=sparse("numpy", UPPER))
    good = p(X)
    for bad, words in (
        (good.tocsc(), "csr format"),
        (np.zeros((N, N)), "csr format"),
        (good[:4], "shape"),
        (good.astype(np.float32), "dtype"),
        (TRIDIAGONAL.tocsr().astype(float), "another pattern"),
    ):
        with pytest.raises(OutMismatchError, match=words):
            p(X, out=bad)
    # a result has index arrays of its own, so that what is done to it stays with it
    good.data[0] = 0
    good.eliminate_zeros()
    assert np.allclose(p(X).toarray(), chain_jacobian(X))


# torch warns once of its compressed rows
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
def test_matrices_of_the_frameworks() -> None:
    jax = pytest.importorskip("jax")
    torch = pytest.importorskip("torch")
    found = ad.jacobian(square, np.arange(4.0), backend=sparse("jax", np.eye(4), format="bcoo"))
    assert str(found.dtype) == "float64" and np.allclose(np.asarray(found.data), 2 * np.arange(4))
    in_trace = jax.jit(
        lambda x: ad.jacobian(square, x, backend=sparse("jax", np.eye(4), format="bcoo")).todense()
    )
    assert np.allclose(in_trace(np.arange(4, dtype=np.float32)).diagonal(), 2 * np.arange(4))
    with pytest.raises(ArgumentError, match="bcoo"):
        jax.jit(lambda x: ad.jacobian(square, x, backend=sparse("jax", np.eye(4))))(jax.numpy.ones(4))
    x = torch.arange(4, dtype=torch.float64)
    found = ad.jacobian(square, x, backend=sparse("torch", np.eye(4), format="torch_coo"))
    assert np.allclose(found.to_dense().numpy().diagonal(), 2 * np.arange(4))
    p = ad.prepare_jacobian(lambda x: x[1:] * x[0], x, backend=ad.Sparse("torch", format="torch_csr"))
    found = p(x + 1)
    assert found.layout == torch.sparse_csr and found.crow_indices().tolist() == [0, 2, 4, 6]
    assert found.to_dense().tolist() == [[2, 1, 0, 0], [3, 0, 1, 0], [4, 0, 0, 1]]


@pytest.mark.parametrize("scheme", [{}, {"scheme": "forward"}, {"order": 4}, {"adaptive": True}])
def test_differences_of_a_group_are_accurate_for_badly_scaled_variables(scheme: dict[str, Any]) -> None:
    x = 10.0 ** np.arange(-6, 7)  # one group of all, from 1e-6 to 1e6
    backend = ad.FiniteDifferences(relative=True, **scheme)
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return np.sin(np.log(x)) * x

    p = ad.prepare_jacobian(f, x, backend=sparse(backend, np.eye(len(x)), check=False))
    calls = 0
    found = p(x).diagonal()
    wanted = np.sin(np.log(x)) + np.cos(np.log(x))
    single = np.diag(ad.jacobian(lambda x: np.sin(np.log(x)) * x, x, backend=backend))
    # the whole matrix costs no more than a difference along one entry, and is as accurate as all of them
    assert calls <= (70 if scheme.get("adaptive") else 12)
    assert np.max(abs(found / wanted - 1)) <= 4 * np.max(abs(single / wanted - 1)) + 1e-12


def test_mistakes_in_the_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="bcoo"):
        ad.Sparse("numpy", format="bcoo")
    with pytest.raises(ArgumentError, match="detector"):
        ad.Sparse("numpy", detector=np.eye(3))
    with pytest.raises(PatternError, match=r"shape \(6, 6\)"):
        ad.jacobian(chain, X, backend=sparse("numpy", np.eye(3)))
    with pytest.raises(PatternError, match="symmetric"):
        ad.hessian(energy, X, backend=sparse("numpy", UPPER))
    with pytest.raises(ArgumentError, match="library"):
        ad.MixedMode("jax", "torch")


@pytest.mark.parametrize(
    "backend", ["numpy", "numpy:compiled", "jax", "torch", "autograd", "casadi", "finite"]
)
def test_the_pattern_is_found_from_the_function(backend: str) -> None:
    p = ad.prepare_jacobian(chain, X, backend=ad.Sparse(backend))
    assert p.pattern == ad.sparse.Pattern.from_scipy(UPPER)
    assert np.allclose(p(X + 0.5).toarray(), chain_jacobian(X + 0.5), atol=1e-6)
    q = ad.prepare_hessian(energy, X, backend=ad.Sparse(backend))
    assert q.pattern == ad.sparse.Pattern.from_scipy(TRIDIAGONAL)
    assert np.allclose(q(X + 0.5).toarray(), energy_hessian(X + 0.5), atol=1e-5)


def test_a_function_whose_pattern_cannot_be_found_is_refused_with_the_remedy() -> None:
    jnp = pytest.importorskip("jax.numpy")
    with pytest.raises(FunctionNotSupportedError, match="KnownPattern"):
        ad.jacobian(lambda x: jnp.linalg.solve(jnp.eye(3), x), np.ones(3), backend=ad.Sparse("numpy"))


def test_a_plot_has_the_colors(tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    p = ad.prepare_jacobian(chain, X, backend=ad.Sparse("numpy"))
    figure = p.plot(tmp_path / "spy.png")
    assert "2 colors" in figure.axes[0].get_title() and (tmp_path / "spy.png").stat().st_size > 1000


def test_the_command_line_reports(capsys: Any, tmp_path: Any, monkeypatch: Any) -> None:
    from polyad.cli.main import main

    module = tmp_path / "chained.py"
    module.write_text("import numpy as np\ndef f(x):\n    return x[1:] * x[:-1] ** 2\n")
    assert main(["sparsity", f"{module}:f", "--args", "np.ones(50)"]) == 0
    text = capsys.readouterr().out
    assert "49 x 50, 98 entries" in text and "2 products in place of 49" in text


def arrow(x: Any) -> Any:
    return np.concatenate([np.sum(x**2)[None], x[1:] ** 2 + x[0] * x[1:]])


@pytest.mark.parametrize("inner", ["numpy", "jax", "torch"])
@pytest.mark.parametrize("format", ["csr", "csc"])
def test_an_arrow_takes_three_products_with_both_modes(inner: str, format: str) -> None:
    x = np.linspace(0.5, 1.5, 40)
    for backend in (ad.MixedMode(inner), inner):
        p = ad.prepare_jacobian(arrow, x + 1, backend=ad.Sparse(backend, format=format))
        assert p.ncolors <= 3 and p.coloring.row_colors is not None
        found = p(x)
        assert np.allclose(found.toarray(), ad.jacobian(arrow, x, backend="numpy"))
        found.data[...] = 0
        assert np.allclose(p(x, out=found).toarray(), ad.jacobian(arrow, x, backend="numpy"))


@pytest.mark.parametrize("inner", ["numpy", "jax", "torch"])
@pytest.mark.parametrize("decompression", ["direct", "substitution"])
def test_colorings_of_the_caller(inner: str, decompression: str) -> None:
    def make(pattern: Any, partition: str, symmetric: bool = False) -> Any:
        return ad.sparse.color(pattern, partition, symmetric=symmetric, decompression=decompression)

    x = np.linspace(0.5, 1.5, 12)
    for coloring in (make, make(ad.hessian_sparsity(energy, x), "column", symmetric=True)):
        p = ad.prepare_hessian(energy, x + 1, backend=ad.Sparse(inner, coloring=coloring))
        assert p.ncolors == (2 if decompression == "substitution" else 3)
        _, g, found = p.value_and(x)
        assert np.allclose(found.toarray(), energy_hessian(x))
        assert np.allclose(g, ad.gradient(energy, x))
    with pytest.raises(PatternError, match="color that one"):
        ad.hessian(energy, X, backend=ad.Sparse(inner, coloring=p.coloring))
    with pytest.raises(ArgumentError, match="auto"):
        ad.hessian(energy, X, backend=ad.Sparse(inner, coloring="greedy"))


def picked(x: Any, index: Any) -> Any:
    return x[index] ** 2


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "casadi", "finite"])
def test_whole_numbers_that_make_another_pattern_are_refused(backend: str) -> None:
    index = np.array([0, 2, 1])
    p = ad.prepare_jacobian(picked, X, index, backend=ad.Sparse(backend))
    assert np.allclose(p(X, index.copy()).toarray(), np.diag(2 * X)[index], atol=1e-6)
    for call in (p, p.value_and):
        with pytest.raises(PreparationMismatchError, match="whole numbers"):
            call(X, np.array([0, 1, 2]))
    index[:] = [0, 1, 2]  # what the caller does to their array does not change what is compared with
    with pytest.raises(PreparationMismatchError, match="whole numbers"):
        p(X, index)
    # with the same pattern they may be others, and then again the first ones
    q = ad.prepare_jacobian(lambda x, k: k * x**2, X, 2, backend=ad.Sparse(backend))
    for k in (3, 3, 2):
        assert np.allclose(q(X, k).diagonal(), 2 * k * X, atol=1e-6)


def test_a_known_pattern_is_the_callers_word_for_all_whole_numbers() -> None:
    p = ad.prepare_jacobian(picked, X, np.array([0, 2, 1]), backend=sparse("numpy", np.ones((3, N))))
    assert np.allclose(p(X, np.array([5, 5, 0])).toarray(), np.diag(2 * X)[[5, 5, 0]])


@pytest.mark.parametrize("backend", ["numpy:reverse", "finite"])
def test_a_coloring_of_a_mode_that_the_backend_lacks_is_refused(backend: str) -> None:
    coloring = ad.sparse.color(ad.jacobian_sparsity(arrow, X), "bidirectional")
    assert coloring.pushes and coloring.pulls
    with pytest.raises(PatternError, match="mode, which the coloring needs: color with partition="):
        ad.jacobian(arrow, X, backend=ad.Sparse(backend, coloring=coloring, check=False))
    symmetric = ad.sparse.color(TRIDIAGONAL, symmetric=True)
    with pytest.raises(PatternError, match="symmetric=True"):
        ad.jacobian(chain, X, backend=sparse(backend, TRIDIAGONAL, coloring=symmetric, check=False))


@pytest.mark.filterwarnings("ignore::polyad.errors.PrecisionWarning")
def test_differences_of_second_order_are_taken_entry_by_entry() -> None:
    p = ad.prepare_hessian(energy, X, backend=ad.Sparse("finite"))
    assert p.coloring is None and p.ncolors is None
    with pytest.raises(ArgumentError, match="leave out coloring="):
        ad.hessian(energy, X, backend=ad.Sparse("finite", coloring=ad.sparse.color))
    # the noise of the differences of a linear function is not taken for entries
    for scale in (1.0, 1e8):
        found = ad.hessian(lambda x, a: a * (np.sum(x) + 3), X, scale, backend=ad.Sparse("finite"))
        assert found.nnz == 0
    with pytest.raises(PatternError, match="has no entry in row"):
        ad.hessian(lambda x: energy(x) + x[0] * x[3], X, backend=sparse("finite", TRIDIAGONAL))


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch", "casadi"])
@pytest.mark.parametrize("format", ["csr", "csc"])
def test_a_matrix_is_filled_without_more_memory_than_its_products(backend: str, format: str) -> None:
    x = np.linspace(0.5, 1.5, 30_000)
    inner = ad.NumPy(compile=True) if backend == "numpy" else backend  # where the function itself needs none
    for prepare, f in ((ad.prepare_jacobian, chain), (ad.prepare_hessian, energy)):
        p = prepare(f, x, backend=ad.Sparse(inner, format=format, check=False))
        out = p(x)
        p(x, out=out)
        tracemalloc.start()
        try:
            p(x, out=out)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        products = p.ncolors * 8 * len(x) if backend == "numpy" else out.data.nbytes * (backend == "casadi")
        assert peak <= products + 2**17  # parts of the index arrays are compared at a time


@pytest.mark.parametrize("backend", ["numpy", "jax", "casadi"])
def test_what_was_found_is_kept_in_a_file_and_in_a_pickle(
    backend: str, tmp_path: Any, monkeypatch: Any
) -> None:
    from polyad.sparse.detection import TracingDetector

    for prepare, f in ((ad.prepare_jacobian, arrow), (ad.prepare_hessian, energy)):
        p = prepare(f, X, backend=ad.Sparse(backend), on_mismatch="reprepare")
        p.save_pattern(tmp_path / "known")
        packed = pickle.dumps(p)
        with monkeypatch.context() as patch:
            patch.setattr(TracingDetector, "jacobian_sparsity", None)
            patch.setattr(TracingDetector, "hessian_sparsity", None)
            patch.setattr("polyad.sparse.choice.color", None)
            q = prepare(f, X, backend=ad.Sparse(backend, ad.KnownPattern.load(tmp_path / "known")))
            r = pickle.loads(packed)
            for other in (q, r):
                assert np.array_equal(other(X + 1).toarray(), p(X + 1).toarray())
                assert other.pattern == p.pattern and other.ncolors == p.ncolors
        assert repr(r.backend) == repr(p.backend)
        assert np.array_equal(r(X[:4]).toarray(), p(X[:4]).toarray())  # of another size it is found anew
        twice = pickle.loads(pickle.dumps(r))
        assert np.array_equal(twice(X).toarray(), p(X).toarray())


def test_a_file_of_something_else_is_refused(tmp_path: Any) -> None:
    pattern = ad.sparse.Pattern.from_scipy(UPPER)
    colors = ad.sparse.color(pattern)
    with pytest.raises(PatternError, match="color that one"):
        ad.KnownPattern(TRIDIAGONAL, colors)
    ad.KnownPattern(pattern, colors).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as found:
        parts = dict(found)
    parts["columns"] = np.zeros(N, dtype=int)
    np.savez(tmp_path / "b.npz", **parts)
    wrong = ad.KnownPattern.load(tmp_path / "b.npz")
    with pytest.raises(PatternError, match="does not fit the pattern"):
        ad.jacobian(chain, X, backend=ad.Sparse("numpy", wrong, check=False))
    np.savez(tmp_path / "c.npz", **{**parts, "columns": np.zeros(2, dtype=int)})
    with pytest.raises(PatternError, match="as many whole numbers"):
        ad.KnownPattern.load(tmp_path / "c.npz")
    with pytest.raises(UnsupportedOperatorError, match="Sparse"):
        ad.prepare_jacobian(chain, X).save_pattern(tmp_path / "d")


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_second_order_in_every_form(backend: str) -> None:
    def f(a: Any, x: Any, scale: float) -> Any:
        return scale * (np.sum(a * x) + np.sum(x[1:] * x[:-1])), {"first": x[0]}

    a, wanted = X[::-1].copy(), np.zeros((2 * N, 2 * N))
    wanted[:N, N:] = wanted[N:, :N] = np.eye(N)
    wanted[N:, N:] = np.eye(N, k=1) + np.eye(N, k=-1)
    p = ad.prepare_hessian(f, a, X, 1.0, argnums=(0, 1), has_aux=True, backend=ad.Sparse(backend))
    assert p.ncolors <= 4
    blocks, aux = p(a, X, 2.0)
    assert blocks[0][0].nnz == 0 and float(aux["first"]) == X[0]
    assert np.allclose(np.block([[b.toarray() for b in row] for row in blocks]), 2 * wanted)
    (y, aux), g, blocks = p.value_and(a, X, 3.0, out=blocks)
    assert np.allclose(np.block([[b.toarray() for b in row] for row in blocks]), 3 * wanted)
    assert (
        np.isclose(y, f(a, X, 3.0)[0])
        and np.allclose(g[0], 3 * X)
        and np.allclose(g[1][0], 3 * (a[0] + X[1]))
    )
    flat = ad.Sparse(backend, flat=True, format="csc")
    y, g, whole = ad.value_gradient_and_hessian(
        lambda *args: f(*args, 1.0)[0], a, X, argnums=(0, 1), backend=flat
    )
    assert whole.format == "csc" and np.allclose(whole.toarray(), wanted)
    whole, aux = ad.jacobian(lambda a: (a**2, a), a, has_aux=True, backend=flat)
    assert np.allclose(whole.diagonal(), 2 * a)


def test_memory_bounds_a_batch() -> None:
    seen = []

    class Told(ad.NumPy):
        def jvp_batched(self, problem: Any) -> Any:
            kernel = super().jvp_batched(problem)

            def call(x: Any, c: Any, v: Any) -> Any:
                seen.append(len(v[0]))
                return kernel.call(x, c, v)

            return dataclasses.replace(kernel, call=call)

    wide = np.ones((4, N))
    f = lambda x: wide @ x**2  # noqa: E731
    each = 8 * (N + 4)
    for memory, wanted in ((None, {N}), (2 * each, {2}), (1, {1})):
        seen.clear()
        backend = ad.Sparse(Told(mode="forward"), memory=memory, check=False)
        found = ad.jacobian(f, X, backend=backend)
        assert np.allclose(found.toarray(), 2 * X * wide) and set(seen) == wanted
    with pytest.raises(ArgumentError, match="number of bytes"):
        ad.Sparse("numpy", memory=0)


def test_more_entries_than_an_int_can_count() -> None:
    from polyad.systems.contract import Compression
    from polyad.systems.derive.compressed import tables

    wide = ad.sparse.Pattern.from_coordinates((2, 2**31 + 5), [0, 1, 1], [2**31 + 1, 3, 0])
    assert wide.indices.dtype == wide.indptr.dtype == np.int64
    assert wide.indices.tolist() == [2**31 + 1, 0, 3] and wide.shape[1] == 2**31 + 5
    assert ad.sparse.Pattern.from_scipy(wide.to_scipy()) == wide
    p = ad.prepare_jacobian(chain, X, backend=ad.Sparse("numpy"))
    none = np.zeros(0, dtype=int)
    far = Compression((512, 1), none, none, none, none, 2**23, none, 0, np.array([2**32 - 1]))
    assert tables(p.problem, far).leaves[-1].tolist() == [2**32 - 1]


@pytest.mark.parametrize("scheme", ["central", "forward"])
def test_the_groups_of_differences_are_handed_to_workers_as_a_list(scheme: str) -> None:
    handed: list[int] = []

    def workers(f: Any, items: list[Any]) -> Any:
        assert isinstance(items, list)
        handed.append(len(items))
        return map(f, items)

    x = np.linspace(0.5, 1.5, 100)
    plain = ad.FiniteDifferences(scheme)
    p, q = (
        ad.prepare_jacobian(chain, x, backend=ad.Sparse(inner, check=False))
        for inner in (plain.replace(workers=workers), plain)
    )
    handed.clear()
    found = p(x + 0.1)
    assert np.array_equal(found.toarray(), q(x + 0.1).toarray())
    assert len(handed) <= 2 and sum(handed) <= 4 * p.ncolors + 2
