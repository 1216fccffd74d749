"""CasADi: what the suite of scenarios does not say: kinds of symbols, buffers, constants, refusals."""

from __future__ import annotations

import gc
import threading
import time
import warnings

import numpy as np
import pytest

import polyad as ad
from polyad import errors
from polyad.benchmark.problems import lotka_volterra
from polyad.testing import check_backend, smoke_scenarios

pytest.importorskip("casadi")

KINDS = ("SX", "MX")
V = np.array([0.34, 0.47, 0.61, 0.82])
M = np.array([[2.1, 0.31, 0.23], [0.31, 1.7, 0.43], [0.23, 0.43, 1.4]])


def weighted(x, a):
    return np.sum(a * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def slope(x, a):
    g = np.zeros_like(x)
    d = x[1:] - x[:-1] ** 2
    g[1:] += 2 * a * d
    g[:-1] += -4 * a * x[:-1] * d - 2 * (1 - x[:-1])
    return g


@pytest.mark.parametrize("kind", KINDS)
def test_known_hvp(kind):
    want = [1164.881764812144, 1749.5486430921133, 2346.2155213720825, 2942.8823996520514, 6431.86668789933]
    got = ad.hvp(
        lambda x: np.linalg.norm(x) ** 3 * x[-1] + x[0] ** 2,
        np.arange(1.0, 6.0),
        v=np.arange(6.0, 11.0),
        backend=ad.CasADi(kind),
    )
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("backend", [ad.CasADi("SX"), ad.CasADi("MX"), ad.CasADi("MX", mode="reverse")])
def test_scenarios_with_forced_symbols(backend):
    check_backend(backend, smoke_scenarios()).raise_if_failed()


def test_lotka_volterra_is_prepared_quickly_and_right():
    p = np.array([1.5, 1.0, 1.0, 3.0])
    start = time.perf_counter()
    prepared = ad.prepare_gradient(lotka_volterra, p, backend="casadi")
    assert time.perf_counter() - start < 10.0  # a loop unrolled badly would take minutes
    np.testing.assert_allclose(prepared(p), ad.gradient(lotka_volterra, p, backend="numpy"), rtol=1e-12)


# calls of NumPy's functions, each in value, forward and reverse against the engine on values
CALLS = {
    "polyval": (V, lambda x: np.polyval(x, x * x)),
    "select": (V, lambda x: np.select([x > 0.5], [x], x * x)),
    "matmul of stacks": (M, lambda x: np.stack([x, x.T]) @ np.stack([x, x])),
    "einsum": (M, lambda x: np.einsum("ij,jk,kk->ik", x, x, x)),
    "outer einsum": (M, lambda x: np.einsum("ij,k->kij", x, x[0])),
    "batched einsum": (M, lambda x: np.einsum("ij,ij->i", x, x.T)),
    "maximum": (V, lambda x: np.maximum(x, 0.5) + np.minimum(x, 2 * x[0])),
    "max with ties": (V, lambda x: np.max(np.stack([x, x]), axis=0)),
    "min over an axis": (M, lambda x: np.min(x, axis=1, keepdims=True)),
    "cumsum": (M, lambda x: np.cumsum(x, axis=0) * np.cumprod(x, axis=1)),
    "logaddexp at ties": (V, lambda x: np.logaddexp(x, x[::-1][::-1] * 1.0)),
    "remainder": (V, lambda x: np.mod(x, -0.3) + np.fmod(x, 0.3) + np.mod(1.0, x)),
    "rounding": (V, lambda x: x * (np.rint(3 * x) + np.trunc(4 * x) + np.floor(5 * x) + np.round(x, 1))),
    "truth values": (V, lambda x: x * np.sum((x > 0.4) & ~(x > 0.7)) + np.any(x > 0.8) * x),
    "solve": (M, lambda x: np.linalg.solve(x, x * x)),
    "inverse and determinant": (M, lambda x: np.linalg.inv(x) * np.linalg.det(x)),
    "large determinant": (M, lambda x: np.linalg.det(np.kron(np.eye(2), x) + 0.1)),
    "norm": (M, lambda x: np.linalg.norm(x) + np.linalg.norm(x, axis=0).sum()),
    "broadcast number": (V, lambda x: (x[0] + np.arange(3.0) * x[1]) ** 2 + x[2]),
    "assignment": (V, lambda x: _assigned(x)),
}


def _assigned(x):
    y = np.zeros_like(x)
    y[::2] = x[1]
    y[[0, 3, 3]] += x[:3]
    y *= x
    x[:] = 0.0
    return y


@pytest.mark.parametrize("kind", ["auto", "MX"])
@pytest.mark.parametrize("name", CALLS)
def test_numpy_functions(name, kind):
    x, f = CALLS[name]
    jacobian = ad.jacobian(f, x, backend="numpy")
    for mode in (None, "forward", "reverse"):
        y, got = ad.value_and_jacobian(f, x, backend=ad.CasADi(kind, mode=mode))
        np.testing.assert_allclose(y, f(x.copy()), rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(got, jacobian, rtol=1e-10, atol=1e-12)
    w = np.stack([np.ones_like(y), np.cos(y)])
    np.testing.assert_allclose(
        ad.vjp(f, x, w=w, batched=True, backend=ad.CasADi(kind)),
        ad.vjp(f, x, w=w, batched=True, backend="numpy"),
        rtol=1e-10,
        atol=1e-12,
    )


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sort(x),
        lambda x: x[x > 0.5],
        lambda x: np.linalg.svd(np.outer(x, x))[1],
        lambda x: np.abs(np.fft.fft(x)),
        lambda x: ad.stop_gradient(x) * x,
        lambda x: x if x[0] > 0 else x**2,
        lambda x: x[np.argmax(x)] * x,
        lambda x: 1j * x,
    ],
)
def test_refused_at_preparation(f):
    with pytest.raises(errors.FunctionNotSupportedError):
        ad.prepare_jacobian(f, V, backend="casadi")


def test_inverse_error_function_is_refused_for_casadi_has_half_its_digits():
    special = pytest.importorskip("scipy.special")
    with pytest.raises(errors.OperationNotSupportedError, match="erfinv"):
        ad.prepare_jacobian(special.erfinv, V, backend="casadi")


def test_a_singular_matrix_is_an_error_and_the_next_call_is_right():
    prepared = ad.prepare_gradient(lambda A: np.sum(np.linalg.inv(A)), M, backend="casadi")
    with pytest.raises(errors.DomainError, match="singular"):
        prepared(np.zeros((3, 3)))
    want = ad.gradient(lambda A: np.sum(np.linalg.inv(A)), M, backend="numpy")
    np.testing.assert_allclose(prepared(M), want, rtol=1e-12)


def test_real_constants_are_inputs_and_integers_make_graphs_of_their_own():
    prepared = ad.prepare_gradient(lambda x, i, a: np.sum(a * x[i] ** 3), V, np.array([0, 1]), 1.0,
                                   backend="casadi")  # fmt: skip
    for i, a in (([0, 1], 2.0), ([3, 3], 0.5), ([0, 1], 3.0)):
        want = 3 * a * V**2 * np.bincount(i, minlength=4)
        np.testing.assert_allclose(prepared(V, np.array(i), a), want, rtol=1e-14)


def test_batches_of_several_sizes():
    prepared = ad.prepare_jvp(lambda x: x**2, V, v=np.ones((2, 4)), batched=True, backend="casadi")
    for count in (2, 5, 0, 2):
        v = np.arange(count * 4.0).reshape(count, 4)
        np.testing.assert_allclose(prepared(V, v=v), 2 * V * v)


@pytest.mark.parametrize("kind", KINDS)
def test_nested_in_itself(kind):
    backend = ad.CasADi(kind)

    def outer(x):
        return np.sum(x * ad.gradient(lambda y: np.sum(x * y**3), x**2, backend=backend))

    np.testing.assert_allclose(ad.gradient(outer, V, backend=backend), 18 * V**5, rtol=1e-13)


def test_results_stand_on_their_own_memory_and_outlive_the_prepared_object():
    prepared = ad.prepare_gradient(weighted, V, 1.0, backend="casadi")
    first = prepared(V, 1.0)
    second = prepared(2 * V, 3.0)
    del prepared
    gc.collect()
    np.testing.assert_allclose(first, slope(V, 1.0), rtol=1e-13)
    np.testing.assert_allclose(second, slope(2 * V, 3.0), rtol=1e-13)


def test_threads_share_a_prepared_object():
    x = np.linspace(0.5, 1.5, 100)
    prepared = ad.prepare_gradient(weighted, x, 1.0, backend="casadi")
    wrong: list[float] = []

    def work(k):
        for i in range(50):
            point, a = x + k / 7, float(i)
            if not np.allclose(prepared(point, a), slope(point, a), rtol=1e-12):
                wrong.append(a)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_sparse_hessian_into_a_dense_array():
    x = np.linspace(0.5, 1.5, 40)
    prepared = ad.prepare_hessian(weighted, x, 2.0, backend="casadi")
    assert "sparse" in repr(prepared)
    want = ad.hessian(weighted, x, 2.0, backend="numpy")
    np.testing.assert_allclose(prepared(x, 2.0), want, rtol=1e-12, atol=1e-12)


def test_options_are_checked():
    with pytest.raises(errors.ArgumentError, match="symbols"):
        ad.CasADi("DM")
    with pytest.raises(errors.ArgumentError, match="lift"):
        ad.CasADi(lift=False)


def test_no_warning_of_numpy():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ad.hessian(weighted, V, 1.0, backend="casadi")
