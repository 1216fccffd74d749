"""Finite differences: accuracy, cost, digits, domains, workers, estimates of the error."""

from __future__ import annotations

import math
import multiprocessing
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyad as ad
from polyad.errors import (
    ArgumentError,
    DomainError,
    FunctionNotSupportedError,
    NotPicklableError,
    OutputTypeError,
    PrecisionWarning,
    UnsupportedOperatorError,
)
from polyad.systems.finite.stencils import CENTRAL_ORDERS, ONE_SIDED_ORDERS, fornberg, stencil

FD = ad.FiniteDifferences
SCHEMES = (
    [("central", q) for q in CENTRAL_ORDERS]
    + [(s, q) for s in ("forward", "backward") for q in ONE_SIDED_ORDERS]
    + [("complex", None)]
)
X = np.array([0.7, -1.3, 2.1])
V = np.array([0.3, 1.1, -0.4])


def smooth(x: Any) -> Any:
    """exp(x0 x1) + sin(x2) x0, whose derivatives are below."""
    return np.exp(x[0] * x[1]) + np.sin(x[2]) * x[0]


def smooth_gradient(x: Any) -> Any:
    e = np.exp(x[0] * x[1])
    return np.array([x[1] * e + np.sin(x[2]), x[0] * e, np.cos(x[2]) * x[0]])


def smooth_hessian(x: Any) -> Any:
    e, s, c = np.exp(x[0] * x[1]), np.sin(x[2]), np.cos(x[2])
    mixed = (1 + x[0] * x[1]) * e
    return np.array([[x[1] ** 2 * e, mixed, c], [mixed, x[0] ** 2 * e, 0.0], [c, 0.0, -s * x[0]]])


class Counted:
    """A function that counts its calls."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.calls, self.__name__ = f, 0, "counted"

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        return self.f(*args)

    def during(self, call: Callable[[], Any]) -> int:
        self.calls = 0
        call()
        return self.calls


def error(a: Any, b: Any) -> float:
    return float(np.max(np.abs(np.asarray(a) - b)) / np.max(np.abs(b)))


# -- weights ------------------------------------------------------------------------------------------


def test_fornberg_gives_the_weights_of_his_table() -> None:
    assert fornberg((-2, -1, 0, 1, 2), 1) == [Fraction(k, 12) for k in (1, -8, 0, 8, -1)]
    assert fornberg((-2, -1, 0, 1, 2), 2) == [Fraction(k, 12) for k in (-1, 16, -30, 16, -1)]
    assert fornberg((0, 1, 2), 1) == [Fraction(-3, 2), Fraction(2), Fraction(-1, 2)]


@given(st.lists(st.integers(-6, 6), min_size=2, max_size=7, unique=True), st.data())
def test_fornberg_is_exact_for_polynomials(nodes: list[int], data: Any) -> None:
    m = data.draw(st.integers(0, len(nodes) - 1))
    weights = fornberg(nodes, m)
    for degree in range(len(nodes)):
        value = sum(w * Fraction(n) ** degree for w, n in zip(weights, nodes, strict=True))
        assert value == (math.factorial(m) if degree == m else 0)


# -- accuracy -----------------------------------------------------------------------------------------

# Relative errors that the default steps must reach: gradient, Hessian.
ACCURACY: dict[tuple[str, int | None], tuple[float, float]] = {
    ("central", 2): (1e-9, 1e-6),
    ("central", 4): (1e-11, 1e-8),
    ("central", 6): (1e-12, 1e-9),
    ("central", 8): (1e-12, 1e-10),
    **{(s, 1): (1e-6, 2e-3) for s in ("forward", "backward")},
    **{(s, 2): (1e-8, 2e-5) for s in ("forward", "backward")},
    **{(s, 3): (1e-9, 2e-6) for s in ("forward", "backward")},
    **{(s, 4): (1e-10, 1e-6) for s in ("forward", "backward")},
    ("complex", None): (1e-15, 1e-9),
}


@pytest.mark.parametrize(("scheme", "order"), SCHEMES)
def test_every_operator_with_its_default_step(scheme: Any, order: Any) -> None:
    b = FD(scheme, order=order)
    first, second = ACCURACY[scheme, order]
    g, h = smooth_gradient(X), smooth_hessian(X)
    assert error(ad.gradient(smooth, X, backend=b), g) < first
    assert error(ad.jvp(smooth, X, v=V, backend=b), g @ V) < 2 * first
    assert error(ad.vjp(smooth, X, w=2.0, backend=b), 2 * g) < first
    y, lower, hv = ad.value_gradient_and_hvp(smooth, X, v=V, backend=b)
    assert y == smooth(X)
    assert error(lower, g) < first
    assert error(hv, h @ V) < second
    y, lower, full = ad.value_gradient_and_hessian(smooth, X, backend=b)
    assert y == smooth(X)
    assert error(lower, g) < first
    assert error(full, h) < second
    assert np.array_equal(full, full.T)
    y, d, d2 = ad.value_derivative_and_second_derivative(lambda t: np.sin(2 * t), 0.7, backend=b)
    assert y == np.sin(1.4)
    assert error(d, 2 * np.cos(1.4)) < 2 * first
    assert error(d2, -4 * np.sin(1.4)) < second


@pytest.mark.parametrize("scheme", ["central", "forward", "backward"])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 6, 8])
def test_error_falls_with_the_order_of_the_scheme(scheme: str, order: int) -> None:
    if order not in (CENTRAL_ORDERS if scheme == "central" else ONE_SIDED_ORDERS):
        pytest.skip("no such order")
    # steps at which truncation is far above roundoff
    long, short = (0.2, 0.1) if scheme == "central" else (0.02, 0.01)
    x = np.array([0.4])

    def f(x: Any) -> Any:
        return np.exp(2 * x).sum()

    def observed(derivative: Any, exact: float) -> float:
        errors = [abs(derivative(FD(scheme, order=order, step=h)) - exact) for h in (long, short)]
        return math.log2(errors[0] / errors[1])

    exact = math.exp(0.8)
    assert abs(observed(lambda b: ad.gradient(f, x, backend=b)[0], 2 * exact) - order) < 0.35
    assert abs(observed(lambda b: ad.hessian(f, x, backend=b)[0, 0], 4 * exact) - order) < 0.35


@pytest.mark.parametrize("scheme", ["central", "forward", "backward", "complex"])
def test_adaptive_reaches_nearly_all_digits(scheme: str) -> None:
    b = FD(scheme, adaptive=True)
    assert error(ad.gradient(smooth, X, backend=b), smooth_gradient(X)) < 1e-12
    assert error(ad.jvp(smooth, X, v=V, backend=b), smooth_gradient(X) @ V) < 1e-12
    tolerance = 1e-9 if scheme in ("forward", "backward") else 1e-10
    assert error(ad.hessian(smooth, X, backend=b), smooth_hessian(X)) < tolerance
    assert error(ad.hvp(smooth, X, v=V, backend=b), smooth_hessian(X) @ V) < tolerance


@pytest.mark.parametrize("scheme", ["central", "forward"])
@pytest.mark.parametrize("frequency", [1.0, 10.0, 1e2, 1e3, 1e4])
def test_adaptive_is_not_deceived_by_a_fast_function(scheme: str, frequency: float) -> None:
    """Long steps over an oscillation agree by chance; the estimate must hold all the same."""
    x, b = np.array([0.3]), FD(scheme, adaptive=True)

    def f(x: Any) -> Any:
        return np.sin(frequency * x).sum()

    exact = frequency * math.cos(frequency * 0.3)
    off = abs(ad.gradient(f, x, backend=b)[0] - exact)
    assert off < 1e-9 * frequency
    assert off <= ad.gradient(f, x, backend=b.error_estimate)[0] + 4e-16 * frequency
    exact = -(frequency**2) * math.sin(frequency * 0.3)
    off = abs(ad.hessian(f, x, backend=b)[0, 0] - exact)
    assert off < 1e-7 * frequency**2
    assert off <= ad.hessian(f, x, backend=b.error_estimate)[0, 0]


@given(
    st.sampled_from([("central", q) for q in CENTRAL_ORDERS] + [("forward", q) for q in ONE_SIDED_ORDERS]),
    st.lists(st.floats(-4, 4), min_size=9, max_size=9),
    st.floats(-2, 2),
)
def test_stencils_are_exact_for_polynomials(
    chosen: tuple[str, int], coefficients: list[float], x: float
) -> None:
    """A stencil of order q differentiates degree q exactly, with any step, up to roundoff."""
    scheme, order = chosen
    p = np.polynomial.Polynomial(coefficients[: order + 1])
    b = FD(scheme, order=order, step=0.5)
    size = np.polynomial.Polynomial(np.abs(coefficients[: order + 1]))(abs(x) + 4.0) + 1
    assert abs(ad.derivative(p, x, backend=b) - p.deriv()(x)) < 1e-12 * size
    # second derivatives: the central stencil of order q is exact to degree q + 1
    assert abs(ad.second_derivative(p, x, backend=b) - p.deriv(2)(x)) < 1e-11 * size


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.sampled_from(["central", "forward"]))
def test_quadratic_forms_have_exact_hessians(entries: list[float], scheme: str) -> None:
    a = np.outer(entries, [1.0, -2.0, 0.5])
    a = a + a.T
    x = np.array([0.5, -0.25, 2.0])
    h = ad.hessian(lambda x: x @ a @ x / 2, x, backend=FD(scheme, step=0.25))
    assert np.max(np.abs(h - a)) < 1e-12


# -- cost ---------------------------------------------------------------------------------------------


def test_no_evaluation_is_wasted() -> None:
    f, n = Counted(smooth), 3
    # the default step is a guess, which is checked by one or two evaluations and the value at the point
    for scheme, count in (("central", 2 * n + 3), ("forward", n + 2)):
        g = ad.prepare_gradient(f, X, backend=FD(scheme))
        assert f.during(lambda g=g: g(X)) == count
        assert f.during(lambda g=g: g.value_and(X)) == count
        assert f.during(lambda scheme=scheme: ad.gradient(f, X, backend=FD(scheme))) == count
    for scheme, result, full in (("central", 2 * n, 2 * n + 1), ("forward", n + 1, n + 1)):
        g = ad.prepare_gradient(f, X, backend=FD(scheme, step=1e-6))
        assert f.during(lambda g=g: g(X)) == result
        assert f.during(lambda g=g: g.value_and(X)) == full
    g = ad.prepare_gradient(f, X, backend=FD("complex"))
    assert f.during(lambda: g(X)) == n
    g = ad.prepare_gradient(f, X, backend=FD("central", order=6))
    assert f.during(lambda: g(X)) == 6 * n + 3
    w = ad.prepare_vjp(f, X, backend=FD())
    assert f.during(lambda: w(X, w=1.0)) == 2 * n + 3
    v = ad.prepare_jvp(f, X, backend=FD())
    assert f.during(lambda: v(X, v=V)) == 5
    assert f.during(lambda: v.value_and(X, v=V)) == 5
    # 2 per pair of entries, 2 per entry, 1 at the point, 2 that check
    h = ad.prepare_hessian(f, X, backend=FD())
    assert f.during(lambda: h(X)) == n * (n - 1) + 2 * n + 3
    h = ad.prepare_hessian(f, X, backend=FD("complex"))
    assert f.during(lambda: h(X)) == n * (n + 1) + 3
    # no Hessian is formed: linear in n
    p = ad.prepare_hvp(f, X, backend=FD())
    assert f.during(lambda: p(X, v=V)) == 4 * n + 3 + 4
    p = ad.prepare_hvp(f, X, v=np.eye(3), batched=True, backend=FD())
    assert f.during(lambda: p(X, v=np.eye(3))) == 2 * n + 3 * 2 * (n + 1) + 1 + 4
    _, linear = ad.linearize(f, X, backend=FD())
    assert f.during(lambda: (linear.jvp(V), linear.vjp(1.0))) == 0


def test_repr_tells_scheme_order_and_cost() -> None:
    p = ad.prepare_gradient(smooth, X, backend=FD(order=4))
    assert p.strategy == "central differences of order 4, 12 evaluations"
    assert "FiniteDifferences(order=4)" in repr(p)
    assert ad.prepare_gradient(smooth, X, backend=FD("forward")).strategy.endswith("3 + 1 evaluations")
    assert ad.prepare_gradient(smooth, X, backend=FD("complex")).strategy == "complex step, 3 evaluations"
    assert "Ridders" in ad.prepare_gradient(smooth, X, backend=FD(adaptive=True)).strategy


# -- arguments and results ------------------------------------------------------------------------------


def test_the_function_cannot_reach_the_callers_arrays() -> None:
    def greedy(x: Any) -> Any:
        x *= 2
        return (x**2).sum()

    x = X.copy()
    for b in (FD(), FD("forward"), FD("complex"), FD(adaptive=True)):
        assert error(ad.gradient(greedy, x, backend=b), 8 * X) < 1e-6
        ad.value_gradient_and_hessian(greedy, x, backend=b)
        assert np.array_equal(x, X)
    c = X.copy()
    g = ad.gradient(lambda x, c: (x * np.multiply(c, 2, out=c)).sum(), X, c, backend=FD())
    assert error(g, 2 * X) < 1e-9
    assert np.array_equal(c, X)


def test_trees_aux_and_several_arguments() -> None:
    def f(p: Any, c: Any) -> Any:
        return (p["a"] ** 2).sum() * p["b"] * c, {"seen": p["b"], "tag": "t"}

    p = {"a": np.array([1.0, 2.0]), "b": 3.0}
    (y, aux), g, h = ad.value_gradient_and_hessian(f, p, 2.0, has_aux=True, backend=FD(order=4))
    assert (y, aux) == (30.0, {"seen": 3.0, "tag": "t"})  # of the point, not of one beside it
    assert error(g["a"], np.array([12.0, 24.0])) < 1e-11
    assert error(g["b"], 10.0) < 1e-11
    assert error(h["a"]["a"], 12 * np.eye(2)) < 1e-8
    assert error(h["a"]["b"], np.array([4.0, 8.0])) < 1e-8
    assert error(h["b"]["a"], np.array([4.0, 8.0])) < 1e-8
    assert abs(h["b"]["b"]) < 1e-7
    jac = ad.jacobian(lambda x, y: {"s": x * y, "t": y[0]}, X, V, argnums=(0, 1), backend=FD(order=4))
    assert error(jac["s"][0], np.diag(V)) < 1e-11
    assert error(jac["s"][1], np.diag(X)) < 1e-11
    assert np.array_equal(jac["t"][0], np.zeros(3))


def test_batches_are_the_single_products() -> None:
    seeds = np.stack([V, X, 0 * X])
    b = FD(order=4)
    d = np.cos(X)
    assert error(ad.jvp(np.sin, X, v=seeds, batched=True, backend=b), seeds * d) < 1e-11
    assert error(ad.vjp(np.sin, X, w=seeds, batched=True, backend=b), seeds * d) < 1e-11
    hv = ad.hvp(smooth, X, v=seeds, batched=True, backend=b)
    assert error(hv, seeds @ smooth_hessian(X)) < 1e-8
    for k in (0, 1):
        assert np.allclose(hv[k], ad.hvp(smooth, X, v=seeds[k], backend=b), rtol=1e-7)
    for none in (
        ad.jvp(np.sin, X, v=seeds[:0], batched=True, backend=b),
        ad.vjp(np.sin, X, w=seeds[:0], batched=True, backend=b),
        ad.hvp(smooth, X, v=seeds[:0], batched=True, backend=b),
    ):
        assert none.shape == (0, 3)


def test_empty_arrays_and_numbers() -> None:
    e = np.zeros(0)
    for b in (FD(), FD("forward"), FD("complex"), FD(adaptive=True), FD().error_estimate):
        assert ad.gradient(np.sum, e, backend=b).shape == (0,)
        assert ad.jacobian(lambda x: x, e, backend=b).shape == (0, 0)
        assert ad.jacobian(lambda x: x[:0], X, backend=b).shape == (0, 3)
        assert ad.hessian(np.sum, e, backend=b).shape == (0, 0)
        assert ad.hvp(np.sum, e, v=e, backend=b).shape == (0,)
    d = ad.derivative(lambda t: t * t, 3.0, backend=FD())
    assert isinstance(d, np.float64)
    assert ad.derivative(lambda t: t * t, np.array(3.0), backend=FD()).shape == ()


def test_complex_arguments_follow_the_convention() -> None:
    z = np.array([1 + 2j, -0.5j])
    v = np.array([0.3 - 1j, 2.0])
    b = FD(order=4)
    assert error(ad.gradient(lambda z: (abs(z) ** 2).sum(), z, backend=b), 2 * z) < 1e-11
    # d(z^2 conj(z)) = 2 |z|^2 v + z^2 conj(v)
    f = lambda z: z**2 * np.conj(z)  # noqa: E731
    assert error(ad.jvp(f, z, v=v, backend=b), 2 * abs(z) ** 2 * v + z**2 * np.conj(v)) < 1e-11
    w = np.array([1j, 1 - 1j])
    dx = ad.vjp(f, z, w=w, backend=b)
    dy = ad.jvp(f, z, v=v, backend=b)
    assert abs(np.vdot(dx, v).real - np.vdot(w, dy).real) < 1e-10
    hv = ad.hvp(lambda z: (abs(z) ** 4).sum(), z, v=v, backend=b)
    exact = 4 * abs(z) ** 2 * v + 8 * z * (z.real * v.real + z.imag * v.imag)
    assert error(hv, exact) < 1e-7
    with pytest.raises(ArgumentError, match="takes no complex inputs"):
        ad.gradient(lambda z: (abs(z) ** 2).sum(), z, backend=FD("complex"))


def test_entries_of_very_different_scale_move_by_their_own_steps() -> None:
    x = np.array([1.0, 1e12, 1e5])
    d = ad.jvp(lambda x: np.array([x[0] ** 2, x[1], x[2] ** 2]), x, v=np.ones(3), backend=FD())
    assert np.allclose(d, [2.0, 1.0, 2e5], rtol=1e-8)
    assert np.allclose(ad.gradient(lambda x: np.log(x).sum(), x, backend=FD()), 1 / x, rtol=1e-8)
    x = np.array([1e-9, 1e-3])
    g = ad.gradient(lambda x: np.log(x).sum(), x, backend=FD(step=1e-5, relative=True))
    assert np.allclose(g, 1 / x, rtol=1e-9)


# -- digits ---------------------------------------------------------------------------------------------


def test_float32_is_promoted_and_comes_back() -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append(x.dtype)
        return np.sin(x)

    x = X.astype(np.float32)
    for scheme in ("central", "forward", "complex"):
        j = ad.jacobian(f, x, backend=FD(scheme))
        y, d = ad.value_and_jvp(f, x, v=x, backend=FD(scheme))
        assert j.dtype == y.dtype == d.dtype == np.float32
        assert error(j, np.diag(np.cos(x.astype(float)))) < (1e-6 if scheme == "forward" else 1e-7)
        assert np.array_equal(y, np.sin(x.astype(float)).astype(np.float32))
    wide = [d for d in seen if d != np.float32]
    assert set(wide) == {np.dtype(np.float64), np.dtype(np.complex128)}
    p = ad.prepare_gradient(lambda x: (x**2).sum(), x, backend=FD())
    out = np.zeros(3, np.float32)
    assert p(x, out=out) is out
    assert error(out, 2 * x) < 1e-6


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x.astype(np.float32) ** 2),
        lambda x: float(np.sum(x.astype(np.float32) ** 2)),  # float32 behind a Python float
    ],
    ids=["dtype", "hidden"],
)
def test_float32_inside_the_function_is_noticed(f: Any) -> None:
    for b in (FD(), FD("forward"), FD(order=4), FD(adaptive=True)):
        with pytest.warns(PrecisionWarning, match=r"float32.*compute in float64") as caught:
            g = ad.gradient(f, X, backend=b)
        assert caught[0].filename == __file__
        # the steps are those of float32, so that some digits are right; without this none would be
        assert error(g, 2 * X) < 2e-3
    with pytest.warns(PrecisionWarning):
        p = ad.prepare_gradient(f, X, backend=FD())
        p(X)
    with warnings.catch_warnings():  # said once
        warnings.simplefilter("error")
        p(X + 0.1)


def test_half_precision_inside_is_noticed() -> None:
    with pytest.warns(PrecisionWarning, match="float16"):
        j = ad.jacobian(lambda x: (x.astype(np.float16) ** 2).astype(float), X, backend=FD())
    assert error(j, np.diag(2 * X)) < 0.1


def test_constants_and_counts_are_no_float32() -> None:
    for f in (lambda x: 1.0, lambda x: np.float64(np.sum(x > 0)), lambda x: np.floor(10 * x).sum()):
        for b in (FD(), FD("forward"), FD(adaptive=True)):
            assert np.array_equal(ad.gradient(f, X + 0.03, backend=b), np.zeros(3))


def test_longdouble_keeps_its_digits() -> None:
    if np.finfo(np.longdouble).eps >= np.finfo(float).eps:
        pytest.skip("long double is float64 here")
    x = X.astype(np.longdouble)
    g = ad.gradient(lambda x: np.exp(x).sum(), x, backend=FD(order=8))
    assert g.dtype == np.longdouble
    assert np.max(np.abs(g - np.exp(x))) < 5e-16


# -- the complex step ---------------------------------------------------------------------------------


def test_complex_step_is_exact() -> None:
    x = np.array([1.3])
    g = ad.gradient(
        lambda x: (np.exp(x) / np.sqrt(np.sin(x) ** 3 + np.cos(x) ** 3)).sum(), x, backend=FD("complex")
    )
    t = x[0]  # the example of Squire and Trapp
    s, c = math.sin(t), math.cos(t)
    q = s**3 + c**3
    exact = math.exp(t) * (q - 1.5 * (s**2 * c - c**2 * s)) / q**1.5
    assert abs(g[0] - exact) <= 4e-15 * abs(exact)


@pytest.mark.filterwarnings("ignore:Casting complex values:numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.abs(x).sum(),
        lambda x: np.linalg.norm(x),
        lambda x: (x * np.conj(x)).real.sum(),
        lambda x: float(x[0]) * 2,
        lambda x: math.sin(x[0]),
        lambda x: np.array([x[0], x[1]], dtype=float).sum(),
        lambda x: np.stack([x[0] ** 2, np.abs(x[1])]).sum(),
        lambda x: x[0] ** 2 + x[1].real,
    ],
    ids=["abs", "norm", "conj", "float", "math", "cast", "one-entry", "real"],
)
def test_complex_step_refuses_functions_that_lose_it(f: Any) -> None:
    with pytest.raises(FunctionNotSupportedError, match="use scheme='central'"):
        ad.prepare_gradient(f, X, backend=FD("complex"))
    with pytest.raises(FunctionNotSupportedError):
        ad.gradient(f, X, backend=FD("complex"))


def test_complex_step_refuses_what_it_cannot_tell_apart() -> None:
    with pytest.raises(FunctionNotSupportedError, match="returns complex numbers"):
        ad.jacobian(lambda x: 1j * x, X, backend=FD("complex"))
    with pytest.raises(FunctionNotSupportedError, match="does not follow complex arguments"):
        ad.gradient(lambda x: math.sin(complex(x[0])), X, backend=FD("complex"))
    # not written with abs, analytic on each side: right
    g = ad.gradient(lambda x: np.maximum(x, 0).sum(), X, backend=FD("complex"))
    assert np.array_equal(g, [1.0, 0.0, 1.0])
    assert np.array_equal(ad.gradient(lambda x: 1.0, X, backend=FD("complex")), np.zeros(3))


# -- domains, steps -------------------------------------------------------------------------------------


def root(x: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return np.sqrt(x).sum()


def test_the_edge_of_the_domain_is_an_error_with_remedies() -> None:
    x = np.array([1.0, 1e-7])
    edge = np.array([1.0, 0.0])
    for call in (
        lambda: ad.gradient(root, edge, backend=FD()),
        lambda: ad.gradient(root, x, backend=FD("backward", step=1e-6)),
        lambda: ad.hessian(root, edge, backend=FD()),
    ):
        with pytest.raises(DomainError, match=r"entry \(1,\).*forward"):
            call()
    assert np.all(np.isfinite(ad.gradient(root, x, backend=FD("forward"))))
    g = ad.gradient(root, np.array([1.0, 1e-3]), backend=FD(adaptive=True))
    assert np.allclose(g, [0.5, 0.5 / math.sqrt(1e-3)], rtol=1e-11)
    g = ad.gradient(root, x, backend=FD(step=1e-5, relative=True))
    # the value is 1, rounded to 1e-16, the step of the second entry 1e-12, the derivative 1.6e3
    assert np.allclose(g, 0.5 / np.sqrt(x), rtol=1e-6)
    # shorter steps stay in the domain
    assert np.allclose(ad.gradient(root, x, backend=FD()), 0.5 / np.sqrt(x), rtol=1e-8)
    with pytest.raises(FunctionNotSupportedError, match="outside its domain"):
        ad.derivative(math.log, 1e-9, backend=FD())


def test_a_step_that_rounding_swallows_is_refused() -> None:
    with pytest.raises(ArgumentError, match="vanishes"):
        ad.gradient(smooth, X, backend=FD(step=1e-20))
    with pytest.raises(ArgumentError, match="vanishes"):
        ad.jvp(np.sum, np.array([1.0, 1e14]), v=np.ones(2), backend=FD(step=1e-6))


def test_a_noisy_function_with_a_step_of_its_own_scale() -> None:
    random = np.random.default_rng(0)

    def noisy(x: Any) -> Any:
        return (x**2).sum() + 1e-6 * random.uniform(-1, 1)

    assert error(ad.gradient(noisy, X, backend=FD(step=1e-2)), 2 * X) < 1e-4


def test_options_are_checked() -> None:
    for wrong, words in (
        ({"scheme": "centre"}, "one of 'central'"),
        ({"order": 3}, "has 2, 4, 6, 8"),
        ({"scheme": "forward", "order": 6}, "has 1, 2, 3, 4"),
        ({"step": -1.0}, "positive"),
        ({"step": math.nan}, "positive"),
        ({"adaptive": True, "order": 4}, "leave order out"),
        ({"workers": 0}, "number of processes"),
        ({"workers": True}, "pool.map"),
        ({"workers": "4"}, "pool.map"),
        ({"mode": "reverse"}, "mode"),
    ):
        with pytest.raises(ArgumentError, match=words):
            FD(**wrong)
    with pytest.raises(OutputTypeError, match="same shape"):
        ad.jacobian(lambda x: x if x[0] > X[0] else x[:2], X, backend=FD())
    with pytest.raises(UnsupportedOperatorError):  # no difference of differences
        ad.hvp(smooth, X, v=V, backend=ad.FromPrimitive(FD()))


# -- estimates of the error -------------------------------------------------------------------------------

FUNCTIONS: dict[str, tuple[Any, Any, Any]] = {
    "smooth": (smooth, smooth_gradient, smooth_hessian),
    "exp": (
        lambda x: np.exp(x).sum(),
        lambda x: np.exp(x),
        lambda x: np.diag(np.exp(x)),
    ),
    "oscillating": (
        lambda x: np.sin(30 * x).sum(),
        lambda x: 30 * np.cos(30 * x),
        lambda x: np.diag(-900 * np.sin(30 * x)),
    ),
    "large": (
        lambda x: 1e6 + (x**4).sum(),
        lambda x: 4 * x**3,
        lambda x: np.diag(12 * x**2),
    ),
    "rational": (
        lambda x: (1 / (1 + 25 * x**2)).sum(),
        lambda x: -50 * x / (1 + 25 * x**2) ** 2,
        lambda x: np.diag((3750 * x**2 - 50) / (1 + 25 * x**2) ** 3),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "b",
    [FD(scheme, order=order) for scheme, order in SCHEMES]
    + [FD(adaptive=True), FD("forward", adaptive=True), FD("complex", adaptive=True), FD(step=1e-2)],
    ids=repr,
)
def test_the_true_error_is_within_the_estimate(b: Any, name: str) -> None:
    f, gradient, hessian = FUNCTIONS[name]
    e = b.error_estimate
    for x in (X, X / 3 + 0.1):
        scale = np.max(np.abs(gradient(x)))
        checks = [
            (ad.gradient(f, x, backend=b), gradient(x), ad.gradient(f, x, backend=e)),
            (ad.jvp(f, x, v=V, backend=b), gradient(x) @ V, ad.jvp(f, x, v=V, backend=e)),
            (ad.hessian(f, x, backend=b), hessian(x), ad.hessian(f, x, backend=e)),
            (ad.hvp(f, x, v=V, backend=b), hessian(x) @ V, ad.hvp(f, x, v=V, backend=e)),
        ]
        for result, exact, estimate in checks:
            assert np.shape(estimate) == np.shape(exact)
            assert np.all(np.asarray(estimate) >= 0)
            assert np.all(np.abs(result - exact) <= 3 * estimate + 1e-14 * scale)


def test_estimates_have_the_structure_of_the_result_and_are_not_absurd() -> None:
    e = FD().error_estimate
    p = {"a": X[:2], "b": 2.0}

    def f(p: Any) -> Any:
        return (p["a"] ** 2).sum() * p["b"]

    y, g = ad.value_and_gradient(f, p, backend=e)
    assert y == f(p)
    assert set(g) == {"a", "b"}
    assert g["a"].shape == (2,)
    assert np.all(g["a"] < 1e-7)
    h = ad.hessian(f, p, backend=e)
    assert h["a"]["b"].shape == (2,)
    w = ad.vjp(np.sin, X, w=-V, backend=e)
    assert np.all(w >= 0)
    assert np.all(w < 1e-8)
    assert "ErrorEstimate" in repr(ad.prepare_gradient(f, p, backend=e))


# -- workers and threads ----------------------------------------------------------------------------------


def shifted(x: Any, c: Any) -> Any:
    """At module level, so that other processes know it."""
    return (np.exp(x) * c["k"]).sum(), {"x": x}


def test_a_process_pool_gives_the_same_derivatives(monkeypatch: pytest.MonkeyPatch) -> None:
    c = {"k": np.array([1.0, 2.0, 3.0])}
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for scheme in ("central", "forward", "complex"):
            b, serial = FD(scheme, workers=pool.map), FD(scheme)
            y, g = ad.value_and_gradient(shifted, X, c, has_aux=True, backend=b)
            y1, g1 = ad.value_and_gradient(shifted, X, c, has_aux=True, backend=serial)
            assert np.array_equal(g, g1)
            assert y[0] == y1[0]
            assert np.array_equal(y[1]["x"], X)
        p = ad.prepare_hessian(smooth, X, backend=FD(workers=pool.map))
        assert np.array_equal(p(X), ad.hessian(smooth, X, backend=FD()))
        assert np.array_equal(
            ad.gradient(smooth, X, backend=FD(workers=pool.imap_unordered)),
            ad.gradient(smooth, X, backend=FD()),
        )
        assert np.allclose(ad.gradient(lambda x: x.sum(), X, backend=FD(workers=pool.map)), 1)
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "cloudpickle", None)
            with pytest.raises(NotPicklableError, match="at module level"):
                ad.gradient(lambda x: x.sum(), X, backend=FD(workers=pool.map))


def test_a_number_of_processes_serves() -> None:
    p = ad.prepare_gradient(smooth, X, backend=FD(workers=2))
    for x in (X, X + 1):  # the processes of the first call serve the second
        assert np.array_equal(p(x), ad.gradient(smooth, x, backend=FD()))
    assert np.allclose(ad.gradient(lambda x: x.sum(), X, backend=FD(workers=2)), 1)


def test_any_map_serves() -> None:
    exact = ad.gradient(smooth, X, backend=FD())
    maps: list[Any] = [map, lambda f, items: [f(item) for item in items]]
    with ThreadPoolExecutor(4) as pool:
        executor: Executor = pool
        maps += [executor, executor.map, lambda f, items: [executor.submit(f, item) for item in items]]
        for workers in maps:
            assert np.array_equal(ad.gradient(smooth, X, backend=FD(workers=workers)), exact)
    assert np.array_equal(ad.gradient(smooth, X, backend=FD(workers=1)), exact)
    with pytest.raises(ArgumentError, match="8 results for 9 evaluations"):
        ad.gradient(smooth, X, backend=FD(workers=lambda f, items: [f(i) for i in list(items)[:-1]]))


def test_all_evaluations_of_a_call_go_to_the_workers_at_once() -> None:
    sizes = []

    def workers(f: Any, items: Any) -> Any:
        items = list(items)
        sizes.append(len(items))
        return map(f, items)

    ad.value_and_gradient(smooth, X, backend=FD("forward", workers=workers))
    assert sizes == [5]  # the point itself and the one that checks among them


def test_threads_share_a_prepared_object() -> None:
    p = ad.prepare_gradient(smooth, X, backend=FD(adaptive=True))
    points = [X + 0.01 * k for k in range(40)]
    expected = [p(x) for x in points]
    wrong = []

    def hammer() -> None:
        for x, g in zip(points, expected, strict=True):
            if not np.array_equal(p(x), g):
                wrong.append(x)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_stencils_say_where_they_sample() -> None:
    assert stencil("central", 6).offsets == (1, 2, 3, -1, -2, -3)
    assert stencil("backward", 2, second=True).offsets == (-1, -2, -3)
