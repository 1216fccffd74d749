"""CasADi: what the suite of scenarios does not say: kinds of symbols, buffers, constants, refusals."""

from __future__ import annotations

import gc
import re
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyad as ad
from polyad import errors
from polyad.benchmark.problems import lotka_volterra
from polyad.testing import check_backend, smoke_scenarios

pytest.importorskip("casadi")

sys.path.insert(0, str(Path(__file__).parent / "engine"))
from cases import CASES

# what CasADi cannot follow: complex numbers, and orders, indices and sizes that depend on values
REFUSED = re.compile(
    "real numbers only|depends on a value|depends on values|not known yet|each part to chance|"
    "no counterpart of "
    "(fft|ifft|eig|nonzero|isin|nextafter|frexp_exponent|i0)"
)

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


def calls_of(work):
    """How many functions are called in the course of a call, Python's and C's: work without a clock."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        result = work()
    finally:
        sys.setprofile(before)
    return count, result


def test_lotka_volterra_is_prepared_quickly_and_right():
    p = np.array([1.5, 1.0, 1.0, 3.0])
    ad.prepare_gradient(weighted, V, 1.0, backend="casadi")  # imports and tables are nobody's work here
    count, prepared = calls_of(lambda: ad.prepare_gradient(lotka_volterra, p, backend="casadi"))
    assert count < 3_000_000  # 0.9 million; a loop unrolled badly would take a hundred times that
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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("sp.")])
def test_every_case_is_right_to_second_order_or_refused(name, kind):
    """Against the engine on values, which ``engine/test_rules`` compares with differences."""
    f, x = CASES[name]
    x = x * (1 + 1e-3 * np.cos(np.arange(x.size)).reshape(x.shape))  # no special point
    y, v = np.asarray(f(x.copy())), np.sin(1 + np.arange(x.size)).reshape(x.shape)
    w = np.cos(np.arange(2 * y.size)).reshape(2, *y.shape)
    backend = ad.CasADi(kind)
    try:
        value, jacobian = ad.value_and_jacobian(f, x, backend=backend)
    except errors.FunctionNotSupportedError as error:
        whole = kind == "SX" and "symbols='MX'" in str(error)
        assert whole or REFUSED.search(str(error)), error
        return
    np.testing.assert_allclose(value, y, rtol=1e-9, atol=1e-11)
    want = ad.jacobian(f, x, backend="numpy")
    np.testing.assert_allclose(jacobian, want, rtol=1e-8, atol=1e-9)
    pulled = ad.vjp(f, x, w=w, batched=True, backend=backend)
    np.testing.assert_allclose(pulled, np.tensordot(w, want, y.ndim), rtol=1e-8, atol=1e-8)
    hv = ad.hvp(lambda x: np.sum(w[1] * f(x)), x, v=v, backend=backend)
    want = ad.hvp(lambda x: np.sum(w[1] * f(x)), x, v=v, backend="numpy")
    np.testing.assert_allclose(hv, want, rtol=1e-7, atol=1e-8 * (1 + np.max(np.abs(want))))


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
        lambda x: np.sort(np.outer(x, np.arange(100.0)), axis=None),
        lambda x: x[x > 0.5],
        lambda x: np.linalg.eigvals(np.outer(x, x)).real,
        lambda x: np.abs(np.fft.fft(x)),
        lambda x: x if x[0] > 0 else x**2,
        lambda x: np.unique(x),
        lambda x: 1j * x,
    ],
)
def test_refused_at_preparation(f):
    with pytest.raises(errors.FunctionNotSupportedError):
        ad.prepare_jacobian(f, V, backend="casadi")


@pytest.mark.parametrize("symbols", ["SX", "MX"])
def test_a_derivative_is_stopped_within_a_graph(symbols):
    def f(x):
        return np.sum(ad.stop_gradient(np.sin(x)) * x**2)

    backend = ad.CasADi(symbols=symbols)
    np.testing.assert_allclose(ad.gradient(f, V, backend=backend), 2 * V * np.sin(V), rtol=1e-15)
    np.testing.assert_allclose(ad.hessian(f, V, backend=backend), np.diag(2 * np.sin(V)), rtol=1e-15)


# what has a kink, a tie or a singularity of CasADi's own rule: f, x, its gradient by polyad's convention
P = np.array
CONVENTIONS = {
    "abs": (lambda x: np.sum(np.abs(x)), P([-2.0, 0.0, 3.0]), P([-1.0, 0.0, 1.0])),
    "fabs": (lambda x: np.sum(np.fabs(x)), P([-2.0, 0.0, 3.0]), P([-1.0, 0.0, 1.0])),
    "sign": (lambda x: np.sum(x * np.sign(x)), P([-2.0, 0.0, 3.0]), P([-1.0, 0.0, 1.0])),
    "maximum": (
        lambda x: np.sum(np.maximum(x[:3], x[3:])), P([1.0, 2, 3, 1, 5, 0]), P([0.5, 0, 1, 0.5, 1, 0])
    ),
    "minimum": (
        lambda x: np.sum(np.minimum(x[:3], x[3:])), P([1.0, 2, 3, 1, 5, 0]), P([0.5, 1, 0, 0.5, 0, 1])
    ),
    "fmax": (
        lambda x: np.sum(np.fmax(x[:3], x[3:])), P([1.0, np.nan, 3, 1, 5, np.nan]), P([0.5, 0, 1, 0.5, 1, 0])
    ),
    "fmin": (
        lambda x: np.sum(np.fmin(x[:3], x[3:])), P([1.0, np.nan, 3, 1, 5, 4]), P([0.5, 0, 1, 0.5, 1, 0])
    ),
    "max": (lambda x: np.max(x**2), P([1.0, 2, -2, 2]), P([0, 4, -4, 4]) / 3),
    "min": (lambda x: np.min(x**2), P([1.0, -1, 2]), P([1.0, -1, 0])),
    "relu": (lambda x: np.sum(np.maximum(x, 0)), P([-1.0, 0, 2]), P([0, 0.5, 1])),
    "hypot": (lambda x: np.sum(np.hypot(x[:2], x[2:])), P([0.0, 3, 0, 4]), P([0, 0.6, 0, 0.8])),
    "norm": (lambda x: np.linalg.norm(x), np.zeros(3), np.zeros(3)),
    "copysign": (
        lambda x: np.sum(np.copysign(x[:3], x[3:])), P([-2.0, 2, 3, 5, -6, -0.0]), P([-1.0, -1, -1, 0, 0, 0])
    ),
    "base": (
        lambda x: np.sum(x[:4] ** x[4:]), P([0.0, 0, 0, 1, 1, 2, 0, 3]), P([1, 0, 0, 3, 0, 0, 0, 0.0])
    ),
    "base zero": (lambda x: np.sum(0.0**x), P([1.0, 2.5]), np.zeros(2)),
    "isnan": (lambda x: np.nansum(np.where(x > 2, np.nan, x) ** 2), P([1.0, 3, 2]), P([2.0, 0, 4])),
    "prod": (lambda x: np.prod(x), P([0.0, 2, 3]), P([6.0, 0, 0])),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONVENTIONS)
def test_conventions(name, kind):
    f, x, want = CONVENTIONS[name]
    y, got = ad.value_and_gradient(f, x, backend=ad.CasADi(kind))
    np.testing.assert_allclose(y, f(x), rtol=1e-15)
    np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(
            ad.gradient(f, x, backend=ad.CasADi(kind, mode=mode)), want, rtol=1e-14, atol=1e-15
        )


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_of_powers_at_a_base_of_zero(kind):
    """Of ``a ** b``, both active: ``b (b - 1) a ** (b - 2)`` and, in ``b``, zero for positive exponents."""
    for b, want in ((1.0, 0.0), (2.0, 2.0), (3.0, 0.0), (4.0, 0.0), (5.0, 0.0), (3.5, 0.0)):
        h = ad.hessian(lambda x: x[0] ** x[1], np.array([0.0, b]), backend=ad.CasADi(kind))
        np.testing.assert_array_equal([h[0, 0], h[1, 1]], [want, 0.0])
    h = ad.hessian(lambda x, b: np.sum(x**b), np.zeros(3), P([1.0, 2.0, 3.0]), backend=ad.CasADi(kind))
    np.testing.assert_array_equal(h, np.diag([0.0, 2.0, 0.0]))
    # where it is regular, by hand: a = 1.5, b = 2.5
    a, b = 1.5, 2.5
    h = ad.hessian(lambda x: x[0] ** x[1], np.array([a, b]), backend=ad.CasADi(kind))
    mixed = a ** (b - 1) * (1 + b * np.log(a))
    want = [[b * (b - 1) * a ** (b - 2), mixed], [mixed, a**b * np.log(a) ** 2]]
    np.testing.assert_allclose(h, want, rtol=1e-13)


def _spd(a):
    return a @ a.T + 0.3 * np.eye(len(a))


def _factors(x):
    return np.linalg.cholesky(np.stack([_spd(x), _spd(x.T)]))


def _rebuilt(u, s, vh):
    return (u * s**2) @ vh + np.sum(s)


MATRICES = {
    "slogdet": lambda x: np.linalg.slogdet(x)[0] * np.linalg.slogdet(x)[1],
    "slogdet, small": lambda x: np.linalg.slogdet(x * 1e-100)[1],
    "solve, small": lambda x: np.linalg.solve(x * 1e-100, x[0] ** 2 * 1e-100),
    "large determinant, small": lambda x: np.linalg.det(np.kron(np.eye(2), x * 1e-30) * 1e10),
    "cholesky": lambda x: np.linalg.cholesky(_spd(x)),
    "qr": lambda x: np.linalg.qr(x)[0] + np.linalg.qr(x)[1] ** 2,
    "pinv": lambda x: np.linalg.pinv(x[:, :2]),
    "lstsq": lambda x: np.linalg.lstsq(x[:, :2], x[:, 2])[0],
    "eigh": lambda x: np.linalg.eigh(x + x.T)[0] * np.sum(np.abs(np.linalg.eigh(x + x.T)[1])),
    "svd": lambda x: _rebuilt(*np.linalg.svd(x)),
    "singular values": lambda x: np.linalg.norm(x, 2) + np.linalg.norm(x, "nuc") + np.linalg.cond(x),
    "stacks": lambda x: np.linalg.slogdet(np.stack([x, x.T @ x]))[1] * _factors(x)[:, 2, 0],
}  # fmt: skip


def differences(f, x, v):
    """The derivative along ``v`` by central differences, extrapolated twice."""

    def at(h):
        return (f(x + h * v) - f(x - h * v)) / (2 * h)

    a, b, c = (at(h) for h in (4e-3, 2e-3, 1e-3))
    b, c = (4 * b - a) / 3, (4 * c - b) / 3
    return (16 * c - b) / 15


@pytest.mark.parametrize("name", MATRICES)
def test_factorisations_are_those_of_numpy(name):
    f, v = MATRICES[name], np.cos(np.arange(9.0)).reshape(3, 3)
    prepared = ad.prepare_jvp(f, np.eye(3) + 0.1 * v, v=v, backend="casadi")
    assert "MX" in repr(prepared)  # chosen, as scalar expressions cannot
    y, dy = prepared.value_and(M, v=v)
    np.testing.assert_allclose(y, f(M), rtol=1e-14)
    np.testing.assert_allclose(dy, differences(f, M, v), rtol=1e-8, atol=1e-9)
    w = np.sin(1 + np.arange(np.size(y))).reshape(np.shape(y))
    pulled = ad.vjp(f, M, w=w, backend="casadi")
    np.testing.assert_allclose(np.sum(pulled * v), np.sum(w * dy), rtol=1e-12)

    def gradient(x):
        return ad.gradient(lambda x: np.sum(w * f(x)), x, backend="casadi")

    got = ad.hvp(lambda x: np.sum(w * f(x)), M, v=v, backend="casadi")
    np.testing.assert_allclose(got, differences(gradient, M, v), rtol=1e-7, atol=1e-8)


def test_factorisations_under_scalar_expressions_say_what_to_do():
    with pytest.raises(errors.FunctionNotSupportedError, match="symbols='MX'"):
        ad.prepare_gradient(lambda x: np.linalg.slogdet(x)[1], M, backend=ad.CasADi("SX"))


def test_a_factorisation_that_fails_is_an_error_and_the_next_call_is_right(capfd):
    prepared = ad.prepare_gradient(lambda x: np.sum(np.linalg.cholesky(x)), M, backend="casadi")
    for bad in (-M, np.full((3, 3), np.nan)):
        with pytest.raises(errors.DomainError):
            prepared(bad)
    v = np.cos(np.arange(9.0)).reshape(3, 3)
    along = differences(lambda x: np.sum(np.linalg.cholesky(x)), M, v)
    np.testing.assert_allclose(np.sum(prepared(M) * v), along, rtol=1e-9)
    assert capfd.readouterr() == ("", "")  # CasADi would print the traceback of an exception


def test_several_cotangents_of_a_factorisation_at_once():
    """As CasADi may ask of it within its own derivatives."""
    import casadi

    from polyad.engine.rules import factorizations
    from polyad.systems.casadi import numpy_nodes

    node = numpy_nodes._node(factorizations.cholesky, ((3, 3),), {}, [(3, 3)], ())
    w = np.cos(np.arange(27.0)).reshape(9, 3)
    factor = np.linalg.cholesky(M).ravel()
    got = np.asarray(node.reverse(3)(M.ravel(), casadi.DM(factor), casadi.DM(w)))
    for k in range(3):
        want = ad.vjp(np.linalg.cholesky, M, w=w[:, k].reshape(3, 3), backend="numpy")
        np.testing.assert_allclose(got[:, k].reshape(3, 3), (want + want.T) / 2, rtol=1e-12)


# at ties, at what is no number, and at both ends
T = P([[3.0, 1, 2, 1], [np.nan, 2, -1, np.nan], [0, -0.0, np.inf, -np.inf]])
NODES = P([-1.0, 0, 1, 1, 2])
ORDERS = {
    "sort": lambda x: np.sort(x, axis=1),
    "sort columns": lambda x: np.sort(x, axis=0),
    "argsort": lambda x: np.argsort(x, axis=1, kind="stable") * 1.0,
    "argmax": lambda x: np.argmax(x, axis=1) * 1.0,
    "argmin": lambda x: np.argmin(x, axis=0, keepdims=True) * 1.0,
    "max": lambda x: np.stack([np.max(x, axis=1), np.min(x, axis=1)]),
    "median": lambda x: np.median(x, axis=0),
    "searchsorted": lambda x: np.searchsorted(NODES, x) + 10.0 * np.searchsorted(NODES, x, side="right"),
    "entry": lambda x: x[..., np.argmax(x[0])] + x[:, np.argmin(x[0]) - 4],
    "entries": lambda x: x[[0, 2], np.argsort(x[0], kind="stable")[:2]],
    "entries, separated": lambda x: np.stack([x, 2 * x])[1, :, np.argsort(x[0], kind="stable")],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ORDERS)
def test_orders_are_those_of_numpy(name, kind):
    f = ORDERS[name]
    prepared = ad.prepare_jacobian(f, np.ones_like(T), backend=ad.CasADi(kind))  # for other values
    np.testing.assert_array_equal(prepared.value_and(T)[0], f(T))
    x = np.where(np.isfinite(T), T, 7.0) + np.arange(12.0).reshape(3, 4) / 100  # no ties
    w = np.cos(np.arange(np.size(f(x)))).reshape(np.shape(f(x)))
    along = differences(lambda x: np.sum(w * f(x)), x, np.cos(x))
    np.testing.assert_allclose(np.sum(np.tensordot(w, prepared(x), w.ndim) * np.cos(x)), along, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_outside_of_the_array_is_no_number(kind):
    def f(x, k):
        return np.sum(x[(k + 0.0 * x[0]).astype(int)] ** 2)

    prepared = ad.prepare_gradient(f, P([1.0, 2, 3]), 0.0, backend=ad.CasADi(kind))
    np.testing.assert_array_equal(prepared(P([1.0, 2, 3]), 2.0), [0, 0, 6])
    np.testing.assert_array_equal(prepared(P([1.0, 2, 3]), -2.0), [0, 4, 0])
    y, g = prepared.value_and(P([1.0, 2, 3]), 3.0)
    assert np.isnan(y) and np.isnan(g).any()


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_of_one_entry_may_be_repeated(kind):
    """CasADi makes a row of a repeated entry of a 1 x 1 matrix."""
    f = lambda x: (x[[0, 0, 0]] * np.arange(3.0) + np.repeat(x, 3) ** 2) @ np.ones((3, 3))  # noqa: E731
    np.testing.assert_allclose(ad.jacobian(f, P([2.0]), backend=ad.CasADi(kind)), np.full((3, 1), 15.0))


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


@pytest.mark.parametrize("f", [weighted, lambda x, a: a * np.linalg.slogdet(np.outer(x, x) + np.eye(4))[1]])
def test_prepared_objects_are_dropped_while_threads_call_them(f):
    """A trigger whose buffer is gone reads freed memory; a call that is under way keeps its own."""
    want = [ad.gradient(f, V, float(a), backend="numpy") for a in range(8)]
    current = [ad.prepare_gradient(f, V, 1.0, backend="casadi")]
    wrong: list[int] = []
    stop = threading.Event()

    def work(a):
        while not stop.is_set():
            prepared = current[0]
            found = [prepared(V, float(a)) for _ in range(20)]
            del prepared
            if not all(np.allclose(g, want[a], rtol=1e-12) for g in found):
                wrong.append(a)

    threads = [threading.Thread(target=work, args=(a,)) for a in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        current[0] = ad.prepare_gradient(f, V, 1.0, backend="casadi")
        gc.collect()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


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


@pytest.mark.parametrize("kind", KINDS)
def test_linearization_has_no_dense_jacobian_and_stays_at_its_point(kind):
    def f(x, a):
        return np.stack([a * np.sum(x**2), np.prod(x)]), a * x**2

    x, v, w = P([1.0, 2.0, 3.0]), P([1.0, -1.0, 0.5]), (P([1.0, 2.0]), P([0.5, 1.0, -1.0]))
    (y, z), linear = ad.linearize(f, x, 2.0, backend=ad.CasADi(kind))
    x[:] = 9.0  # the caller's array is his own again
    np.testing.assert_allclose(np.concatenate([y, z]), [28, 6, 2, 8, 18])
    for dy, dz in (linear.jvp(v), (leaf[1] for leaf in linear.jvp(np.stack([0 * v, v]), batched=True))):
        np.testing.assert_allclose(np.concatenate([dy, dz]), [2, 4, 4, -8, 6], rtol=1e-14)
    pulled = linear.vjp(w)
    np.testing.assert_allclose(pulled, [4 + 12 + 2, 8 + 6 + 8, 12 + 4 - 12], rtol=1e-14)
    assert linear.jvp(np.zeros((0, 3)), batched=True)[0].shape == (0, 2)
    n = 100_000  # whose dense Jacobian would take 80 GB
    _, large = ad.linearize(lambda x: x[::-1] ** 2, np.ones(n), backend=ad.CasADi("MX"))
    np.testing.assert_array_equal(large.vjp(np.arange(float(n))), 2 * np.arange(float(n))[::-1])


def test_large_inputs_take_matrix_expressions():
    x = np.linspace(0.5, 1.5, 20_000)
    prepared = ad.prepare_gradient(weighted, x, 1.0, backend="casadi")
    assert "MX" in repr(prepared)
    np.testing.assert_allclose(prepared(x, 2.0), slope(x, 2.0), rtol=1e-12, atol=1e-12)


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


# -- matrices too large for one graph ---------------------------------------------------------------


def test_a_dense_hessian_is_computed_product_by_product() -> None:
    n = 300
    x = np.linspace(0.1, 1.0, n)

    def f(p: Any, k: Any) -> Any:
        return np.sin(np.sum(p["a"] ** 2) + p["b"] * p["a"][k])

    for k in (0, 3):  # an integer argument may change the pattern
        p = ad.prepare_hessian(f, {"a": x, "b": 2.0}, 0, backend="casadi")
        assert f"{n + 1} products one by one" in p.strategy
        y, g, h = p.value_and({"a": x, "b": 2.0}, k)
        y1, g1, h1 = ad.value_gradient_and_hessian(f, {"a": x, "b": 2.0}, k)
        assert abs(y - y1) < 1e-14
        assert np.allclose(g["a"], g1["a"], rtol=1e-13, atol=1e-13)
        for i in "ab":
            for j in "ab":
                assert np.allclose(h[i][j], h1[i][j], rtol=1e-12, atol=1e-12)


def test_a_sparse_matrix_takes_as_many_products_as_it_has_colors() -> None:
    n = 1500
    x = np.linspace(0.1, 1.0, n)

    def f(x: Any) -> Any:
        for _ in range(4):
            x = np.sin(x[1:] * x[:-1])
        return x

    p = ad.prepare_jacobian(f, x, backend="casadi")
    assert "5 products one by one" in p.strategy or "one by one" not in p.strategy
    v = np.cos(np.arange(n))
    assert np.allclose(p(x) @ v, ad.jvp(f, x, v=v), rtol=1e-12, atol=1e-14)


def test_a_jacobian_inside_another_function_stays_part_of_its_graph() -> None:
    x = np.linspace(0.1, 1.0, 120)

    def outer(x: Any) -> Any:
        return np.sum(ad.jacobian(lambda z: np.sin(np.sum(z)) * z, x, backend="casadi") ** 2)

    assert np.allclose(
        ad.gradient(outer, x, backend="casadi"),
        ad.gradient(lambda x: np.sum(ad.jacobian(lambda z: np.sin(np.sum(z)) * z, x) ** 2), x),
        rtol=1e-10,
    )


def test_a_long_loop_that_fills_an_array() -> None:
    n = 1500

    def f(x: Any) -> Any:
        y = np.zeros_like(x, shape=n + 1)
        y[0] = x[0]
        for k in range(n):
            y[k + 1] = y[k] + 1e-3 * np.sin(y[k]) * x[1]
        y[[1, 2, 1]] = x[:3]  # a place written twice keeps the last
        return y[-1] + y[1]

    x = np.array([0.5, 1.0, 0.3])
    assert np.allclose(ad.gradient(f, x, backend="casadi"), ad.gradient(f, x), rtol=1e-12)


def test_a_value_that_depends_on_little_of_a_large_input_is_a_short_program() -> None:
    def last(x: Any, y: Any) -> Any:
        for _ in range(4):
            y = np.concatenate([x[:1], x[1:] * y[:-1]])
        return y[-1]

    x, y = np.linspace(0.5, 1.5, 8000), np.linspace(1.5, 0.5, 8000)
    p = ad.prepare_gradient(last, x, y, backend="casadi")
    assert "SX graph" in p.strategy
    assert np.allclose(p(x, y), ad.gradient(last, x, y), rtol=1e-14)
    assert "MX graph" in ad.prepare_gradient(lambda x: np.sum(np.sin(x)), x, backend="casadi").strategy


@pytest.mark.parametrize("kind", KINDS)
def test_operations_by_their_numbers_are_casadis_own(kind):
    import casadi

    from polyad.systems.casadi import direct

    symbol = getattr(casadi, kind).sym
    for shape in ((1, 1), (3, 1)):
        a, b, c = symbol("a", *shape), symbol("b", *shape), symbol("c")
        for name in direct._UNARY:
            for x in (a, -b, a * c):
                assert str(direct.direct(name)(x)) == str(getattr(casadi, name)(x)), name
        numbers = (2.0, 0.5, 0.0, -0.0, 1.0, -1.0, 3.0, np.inf, np.nan)
        for name in direct._BINARY:
            pairs = [(a, b), (a, c), (c, b), (a, a)] + [p for v in numbers for p in ((a, v), (v, a))]
            for x, y in pairs:
                assert str(direct.direct(name)(x, y)) == str(getattr(casadi, name)(x, y)), (name, x, y)
