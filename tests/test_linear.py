"""Lazy operators: products, matrices, moving points and estimates, against dense matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse.linalg as sla

import polyad as ad
from polyad import errors

BACKENDS = [
    "numpy",
    "jax",
    "torch",
    "autograd",
    "casadi",
    "sympy",
    "finite",
]
X = np.array([0.3, -0.7, 1.1])
Z = np.array([1.2, 0.4, -0.5])
LOOSE = {"finite": 1e-4}


def f(x: Any) -> Any:
    return np.stack([x[0] * x[1], np.sin(x[2]), x[1] ** 2, x[0] + 3.0 * x[2]])


def jacobian(x: Any) -> Any:
    return np.array([[x[1], x[0], 0], [0, 0, np.cos(x[2])], [0, 2 * x[1], 0], [1, 0, 3]])


def g(x: Any) -> Any:
    return np.sum(x**3) + x[0] * x[1] * x[2]


def hessian(x: Any) -> Any:
    return np.diag(6 * x) + np.array([[0, x[2], x[1]], [x[2], 0, x[0]], [x[1], x[0], 0]])


def loss(r: Any) -> Any:
    return np.sum(np.sqrt(1.0 + r**2))


def gauss_newton(x: Any) -> Any:
    J = jacobian(x)
    return J.T @ np.diag((1.0 + f(x) ** 2) ** -1.5) @ J


MAKERS = {
    "jacobian": (lambda b: ad.jacobian_operator(f, X, backend=b), jacobian),
    "prepared": (lambda b: ad.jacobian_operator(f, X, backend=b, keep=False), jacobian),
    "hessian": (lambda b: ad.hessian_operator(g, X, backend=b), hessian),
    "squares": (lambda b: ad.gauss_newton_operator(f, X, backend=b), lambda x: jacobian(x).T @ jacobian(x)),
    "loss": (lambda b: ad.gauss_newton_operator(f, X, loss=loss, backend=b), gauss_newton),
}


def available(backend: str) -> str:
    pytest.importorskip({"numpy": "numpy", "finite": "numpy"}.get(backend, backend))
    return backend


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_products_at_two_points(backend: str, kind: str) -> None:
    make, exact = MAKERS[kind]
    A = make(available(backend))
    rng = np.random.default_rng(0)
    tolerance = LOOSE.get(backend, 1e-10)
    for x in (X, Z):
        if x is Z:
            assert A.update(Z) is A
        M = exact(x)
        assert A.shape == M.shape
        assert A.dtype == np.float64
        m, n = M.shape
        v, w = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
        for found, expected in (
            (A @ v[:, 0], M @ v[:, 0]),
            (A @ v, M @ v),
            (A.T @ w[:, 0], M.T @ w[:, 0]),
            (A.H @ w, M.T @ w),
            (A.T.T @ v, M @ v),
        ):
            assert type(found) is np.ndarray
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(A.to_dense(), M, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(A.T.to_dense(), M.T, rtol=tolerance, atol=tolerance)
        if m == n:
            np.testing.assert_allclose(A.diagonal(), np.diag(M), rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(A.trace(), np.trace(M), rtol=tolerance, atol=tolerance)
    assert repr(A.backend) in repr(A)
    assert str(A.shape) in repr(A)
    assert A.strategy in repr(A)
    assert "transposed" in repr(A.T)


@pytest.mark.parametrize("kind", MAKERS)
def test_sparse_matrices_at_two_points(kind: str) -> None:
    make, exact = MAKERS[kind]
    A = make("numpy")
    for x in (X, Z):
        S = A.update(x).to_sparse()
        np.testing.assert_allclose(S.toarray(), exact(x), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(A.T.to_sparse().toarray(), exact(x).T, rtol=1e-12, atol=1e-14)
        if S.shape[0] == S.shape[1]:
            np.testing.assert_allclose(A.diagonal(method="coloring"), np.diag(exact(x)), atol=1e-14)
    assert make(ad.Sparse("numpy", format="dense")).to_sparse().shape == A.shape


@pytest.mark.parametrize("kind", ["numpy:compiled", "jax", "casadi", "jax arrays"])
def test_a_kept_point_is_asked_nothing_of(kind: str) -> None:
    """Compiled programs are called with what the operator has kept, other directions go as before."""
    f = lambda x, a: np.sum(a * x**4)  # noqa: E731
    x, v, a = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 0.5]), np.array([1.0, 2.0, 3.0])
    backend, argument = kind, x
    if kind == "jax arrays":
        jax = pytest.importorskip("jax")
        backend = "jax"
        with jax.enable_x64(True):
            argument, direction = jax.numpy.array(x), jax.numpy.array(v)
    else:
        pytest.importorskip(kind.partition(":")[0])
        direction = v
    h = ad.hessian_operator(f, argument, a, backend=backend)
    assert h._fast is not None
    for _ in range(2):
        found = h @ direction
        assert type(found) is type(direction)
        assert np.allclose(found, 12 * a * x**2 * v, rtol=1e-14)
        assert np.allclose(h @ v.astype(np.float32), 12 * a * x**2 * v, rtol=1e-14)
        assert np.allclose(h @ np.stack([v, x], axis=1), (12 * a * x**2)[:, None] * np.stack([v, x], axis=1))
        with pytest.raises(errors.TangentMismatchError):
            h @ v[:2]
        if kind != "jax arrays":
            found[...] = 0.0  # it is the caller's
            argument[0] = 99.0
        x = np.array([0.5, 1.0, 2.0])
        argument = x.copy()
        if kind == "jax arrays":
            with jax.enable_x64(True):
                argument = jax.numpy.array(x)
        h.update(argument)
    h.update(argument, a + 1)
    assert np.allclose(h @ direction, 12 * (a + 1) * x**2 * v, rtol=1e-14)


def test_arrays_of_several_axes_are_flattened() -> None:
    x = np.arange(1.0, 7.0).reshape(2, 3)
    h = lambda x: np.stack([x[0] * x[1], x[0] ** 2])  # noqa: E731
    M = ad.jacobian(h, x, backend="numpy").reshape(6, 6)
    for keep in (True, False):
        A = ad.jacobian_operator(h, x, backend="numpy", keep=keep)
        v = np.random.default_rng(0).normal(size=(6, 2))
        np.testing.assert_allclose(A @ v, M @ v)
        np.testing.assert_allclose(A.T @ v[:, 0], M.T @ v[:, 0])
        np.testing.assert_allclose(A.to_sparse().toarray(), M)
    H = ad.hessian_operator(lambda x: np.sum(x**3), x, backend="numpy")
    np.testing.assert_allclose(H @ v, 6 * x.reshape(6, 1) * v)
    scalar = ad.jacobian_operator(lambda x: np.sum(x**2), x, backend="numpy")
    assert scalar.shape == (1, 6)
    np.testing.assert_allclose(scalar.to_dense(), 2 * x.reshape(1, 6))


def test_blocks_of_many_columns() -> None:
    n = 150
    x = np.linspace(1.0, 2.0, n)
    H = ad.hessian_operator(lambda x: np.sum(x[1:] ** 2 * x[:-1]), x, backend="numpy")
    S = H.to_sparse()
    np.testing.assert_allclose(H.to_dense(), S.toarray())
    np.testing.assert_allclose(H.diagonal(), S.diagonal())
    assert (H @ np.zeros((n, 0))).shape == (n, 0)


def test_the_point_is_run_once_and_shared() -> None:
    runs = []

    def counted(x: Any) -> Any:
        runs.append(1)
        return f(x)

    A = ad.jacobian_operator(counted, X, backend="numpy")
    before = len(runs)
    for _ in range(3):
        A @ X, A.T @ np.ones(4), A @ np.ones((3, 2))
    assert len(runs) == before
    A.update(Z)
    at_the_new = len(runs)
    A @ X, A.T @ np.ones(4)
    assert len(runs) == at_the_new


def test_update_prepares_nothing() -> None:
    pytest.importorskip("jax")
    traces = []

    def traced(x: Any) -> Any:
        traces.append(1)
        return g(x)

    H = ad.hessian_operator(traced, X, backend="jax")
    G = ad.jacobian_operator(traced, X, backend="jax", keep=False)
    for A in (H, G):
        A @ X, A @ np.ones((3, 2))
        before = len(traces)
        A.update(Z)
        A @ X, A @ np.ones((3, 2))
        assert len(traces) == before


def test_constants_move_with_the_point() -> None:
    h = lambda a, x: a * x**2  # noqa: E731
    for keep in (True, False):
        A = ad.jacobian_operator(h, 2.0, X, argnums=1, backend="numpy", keep=keep)
        np.testing.assert_allclose(A @ np.ones(3), 4 * X)
        np.testing.assert_allclose(A.update(Z) @ np.ones(3), 4 * Z)
        np.testing.assert_allclose(A.update(3.0, X) @ np.ones(3), 6 * X)
        with pytest.raises(errors.ArgumentError, match="pass all 2"):
            A.update(1.0, X, X)


def test_the_caller_may_write_to_their_array() -> None:
    for make, exact in MAKERS.values():
        x = X.copy()
        A = make("numpy").update(x)
        x[:] = 100.0
        np.testing.assert_allclose(A.to_dense(), exact(X), atol=1e-12)


def test_the_loss_follows_its_jacobian() -> None:
    G = ad.gauss_newton_operator(f, X, loss=loss, backend="numpy")
    G.jacobian.update(Z)
    np.testing.assert_allclose(G.to_dense(), gauss_newton(Z), atol=1e-12)
    np.testing.assert_allclose(G.residuals, f(Z))


def test_scipy_solves_with_them() -> None:
    b = np.array([1.0, -2.0, 0.5])
    G = ad.gauss_newton_operator(f, X, backend="numpy")
    found, failed = sla.cg(G.to_scipy(), b, rtol=1e-12)
    assert not failed
    np.testing.assert_allclose(gauss_newton_of_squares(X) @ found, b, rtol=1e-8)
    H = ad.hessian_operator(g, X, backend="numpy")
    found, failed = sla.gmres(H.to_scipy(), b, rtol=1e-12)
    assert not failed
    np.testing.assert_allclose(hessian(X) @ found, b, rtol=1e-8)
    A, w = ad.jacobian_operator(f, X, backend="numpy"), np.array([1.0, 2.0, 3.0, 4.0])
    expected = np.linalg.lstsq(jacobian(X), w, rcond=None)[0]
    np.testing.assert_allclose(
        sla.lsqr(A.to_scipy(), w, atol=1e-14, btol=1e-14)[0], expected, rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(A.to_scipy() @ np.ones((3, 2)), jacobian(X) @ np.ones((3, 2)))
    np.testing.assert_allclose(A.to_scipy().H @ np.ones((4, 2)), jacobian(X).T @ np.ones((4, 2)))
    assert A.to_scipy().dtype == np.float64


def gauss_newton_of_squares(x: Any) -> Any:
    return jacobian(x).T @ jacobian(x)


def quadratic(n: int) -> tuple[Any, Any]:
    """An operator with eigenvalues that fall quickly, and its matrix."""
    rng = np.random.default_rng(1)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    M = Q @ np.diag(1.0 / np.arange(1, n + 1) ** 2) @ Q.T
    M = (M + M.T) / 2
    return ad.hessian_operator(lambda x: 0.5 * np.sum(x * (M @ x)), np.zeros(n), backend="numpy"), M


@pytest.mark.parametrize("method", ["hutchinson", "hutch++"])
def test_estimates_of_a_trace_lie_within_their_errors(method: str) -> None:
    H, M = quadratic(80)
    found = [H.estimate_trace(samples=45, seed=seed, method=method) for seed in range(20)]
    off = np.array([(e.value - np.trace(M)) / e.error for e in found])
    assert np.all(np.abs(off) < 5)
    assert np.sum(np.abs(off) < 2) >= 15
    again = H.estimate_trace(samples=45, seed=3, method=method)
    assert again == found[3]
    assert H.estimate_trace(samples=80, method=method) == (H.trace(), 0.0)


def test_hutch_plus_plus_is_closer_where_eigenvalues_fall() -> None:
    H, _ = quadratic(80)
    assert (
        H.estimate_trace(samples=45, method="hutch++").error < H.estimate_trace(samples=45, seed=0).error / 2
    )


def test_estimates_of_a_diagonal_lie_within_their_errors() -> None:
    H, M = quadratic(80)
    value, error = H.estimate_diagonal(samples=40, seed=0)
    off = np.abs(value - np.diag(M)) / error
    assert np.all(off < 5)
    assert np.mean(off < 2) > 0.9
    np.testing.assert_allclose(H.estimate_diagonal(samples=100).value, np.diag(M), atol=1e-14)


def test_arrays_of_other_libraries() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float32)
    A = ad.jacobian_operator(lambda x: torch.sin(x) * x[0], x)
    v = torch.ones((3, 2))
    assert isinstance(A @ v, torch.Tensor)
    assert (A @ v).shape == (3, 2)
    assert A.dtype == np.float32
    dense = A.to_dense()
    assert dense.dtype == np.float32
    np.testing.assert_allclose((A.T @ v[:, 0]).numpy(), dense.T @ np.ones(3), rtol=1e-5)
    assert A.trace() == pytest.approx(float(np.trace(dense)), rel=1e-6)
    assert (A.to_scipy() @ np.ones(3)).dtype == np.float32


def test_what_is_refused() -> None:
    with pytest.raises(errors.HolomorphicError, match="active argument is complex"):
        ad.jacobian_operator(f, X + 1j, backend="numpy")
    with pytest.raises(errors.HolomorphicError, match="output is complex"):
        ad.jacobian_operator(lambda x: np.exp(1j * x), X, backend="numpy")
    with pytest.raises(errors.HolomorphicError):
        ad.hessian_operator(g, X + 1j, backend="numpy")
    with pytest.raises(errors.ArgumentError, match="is a tree"):
        ad.jacobian_operator(lambda p: p["a"], {"a": X}, backend="numpy")
    with pytest.raises(errors.ArgumentError, match="returns a tree"):
        ad.jacobian_operator(lambda x: {"a": x, "b": x}, X, backend="numpy")
    with pytest.raises(errors.ArgumentError, match="one active argument"):
        ad.jacobian_operator(lambda x, y: x * y, X, X, argnums=(0, 1), backend="numpy")  # type: ignore[arg-type]
    with pytest.raises(errors.NonScalarOutputError):
        ad.hessian_operator(f, X, backend="numpy")
    with pytest.raises(errors.ArgumentError, match="loss='huber'"):
        ad.gauss_newton_operator(f, X, loss="huber", backend="numpy")  # type: ignore[arg-type]
    A = ad.jacobian_operator(f, X, backend="numpy")
    for v in (np.ones(4), np.ones((1, 3)), np.ones((3, 1, 1)), 1.0):
        with pytest.raises(errors.TangentMismatchError, match="pass one of shape"):
            A @ v
    with pytest.raises(errors.TangentMismatchError, match="complex"):
        A @ (X + 1j)
    for what in (A.diagonal, A.trace, A.estimate_trace, A.estimate_diagonal):
        with pytest.raises(errors.ArgumentError, match="square"):
            what()
    for x in (np.ones(4), np.ones(3, np.float32), {"a": X}):
        with pytest.raises(errors.ArgumentError, match="another form"):
            A.update(x)
    np.testing.assert_allclose(A.to_dense(), jacobian(X))
    H, _ = quadratic(40)
    with pytest.raises(errors.ArgumentError, match="samples=5"):
        H.estimate_trace(samples=5)
    with pytest.raises(errors.ArgumentError, match="at least 30"):
        H.estimate_trace(samples=20, method="hutch++")
    with pytest.raises(errors.ArgumentError, match="method='x'"):
        H.estimate_trace(method="x")
    with pytest.raises(errors.ArgumentError, match="method='x'"):
        H.diagonal(method="x")
    with pytest.raises(errors.ArgumentError, match="keep=True"):
        ad.jacobian_operator(f, X, backend="numpy", keep=False).value  # noqa: B018
    grows = ad.jacobian_operator(lambda x: x if x[0] < 1 else np.stack([x, x]), X, backend="numpy")
    with pytest.raises(errors.ArgumentError, match="at the new point"):
        grows.update(Z)
    np.testing.assert_allclose(grows @ X, X)


# -- lineax ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["numpy", "jax", "torch"])
def test_solvers_of_lineax_take_an_operator(name):
    jax, lineax = pytest.importorskip("jax"), pytest.importorskip("lineax")
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 6))
    a = (a @ a.T + 6 * np.eye(6)).astype(np.float32)
    b = rng.normal(size=6).astype(np.float32)
    operator = ad.hessian_operator(lambda x: 0.5 * x @ a @ x, np.ones(6, np.float32), backend=name)
    op = operator.to_lineax(lineax.positive_semidefinite_tag)
    solver = lineax.CG(rtol=1e-6, atol=1e-6)
    right = np.linalg.solve(a, b)
    assert np.allclose(lineax.linear_solve(op, b, solver=solver).value, right, atol=1e-4)
    assert np.allclose(
        jax.jit(lambda b: lineax.linear_solve(op, b, solver=solver).value)(b), right, atol=1e-4
    )
    assert np.allclose(op.as_matrix(), a, atol=1e-4)


def test_an_operator_of_lineax_is_transposed_and_stays_at_its_point():
    jax = pytest.importorskip("jax")
    pytest.importorskip("lineax")
    m = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    operator = ad.jacobian_operator(lambda x: (m @ x) ** 2, np.ones(3, np.float32))
    op, dense = operator.to_lineax(), operator.to_dense()
    w = np.array([1.0, -2.0], np.float32)
    assert np.allclose(op.T.mv(w), dense.T @ w)
    assert np.allclose(jax.vmap(op.mv)(np.eye(3, dtype=np.float32)).T, dense)
    assert np.allclose(jax.jvp(op.mv, (np.ones(3, np.float32),), (np.ones(3, np.float32),))[1], dense.sum(1))
    operator.update(np.zeros(3, np.float32))
    assert np.allclose(op.as_matrix(), dense)
    assert not operator.to_dense().any()


def test_what_lineax_would_solve_in_less_precision_is_refused():
    pytest.importorskip("lineax")
    with pytest.raises(ad.errors.ArgumentError, match="JAX makes no float64 arrays now"):
        ad.hessian_operator(lambda x: x @ x, np.ones(2)).to_lineax()


def test_products_from_the_left():
    A = np.arange(12.0).reshape(4, 3)
    J = ad.jacobian_operator(lambda x: A @ x, np.ones(3))
    W = np.arange(8.0).reshape(2, 4)
    np.testing.assert_allclose(W[1] @ J, W[1] @ A, rtol=1e-14)
    np.testing.assert_allclose(W @ J, W @ A, rtol=1e-14)
    np.testing.assert_allclose([1, 0, 2] @ J.T, A @ [1, 0, 2], rtol=1e-14)
    with pytest.raises(TypeError):
        2.0 * J
