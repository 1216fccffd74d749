"""``implicit`` and ``fixed_point``: against Newton's method followed, under every backend, to the "
"second order."""

from __future__ import annotations

import collections
import types

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.sparse
import scipy.stats

import polyad as ad
from backends import EXACT
from polyad.errors import (
    ArgumentError,
    DomainError,
    FunctionNotSupportedError,
    OperationNotSupportedError,
)

M = np.array([[2.0, 1.0], [0.5, 3.0]])
P = np.array([1.3, 0.7, 2.0])
VALUES = [name for name in EXACT if name not in ("casadi", "sympy")]


def residual(x, a, b):
    return x**3 + M @ x * a - b


def solve(a, b):
    return scipy.optimize.root(lambda x: residual(x, a, b), np.ones(2), tol=1e-14).x


def newton(p):
    """The same by Newton's method, all steps of which are followed."""
    x = np.ones(2) + 0 * p[:2]
    for _ in range(12):
        x = x - np.linalg.solve(np.diag(3 * x**2) + M * p[0], residual(x, p[0], p[1:]))
    return np.sum(np.sin(x))


def by_arguments(p):
    return np.sum(np.sin(ad.implicit(solve, residual, like=np.zeros(2))(p[0], p[1:])))


def by_closure(p):
    a = p[0]

    def equations(x, b):
        return residual(x, a, b)

    def found(b):
        return scipy.optimize.root(lambda x: equations(x, b), np.ones(2), tol=1e-14).x

    return np.sum(np.sin(ad.implicit(found, equations, like=np.zeros(2))(p[1:])))


FORMS = {"arguments": by_arguments, "closure": by_closure}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("backend", [*VALUES, "numpy:forward", "compiled"])
def test_every_backend_that_has_values(backend, form):
    f = FORMS[form]
    backend = {"compiled": ad.NumPy(compile=True), "jax": ad.JAX(jit=False)}.get(backend, backend)
    gradient = ad.prepare_gradient(f, P + 0.1, backend=backend)
    for p in (P, P * [1.1, 0.9, 0.8]):
        np.testing.assert_allclose(gradient(p), ad.gradient(newton, p), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        ad.hessian(f, P, backend=backend), ad.hessian(newton, P), rtol=1e-11, atol=1e-13
    )


def test_compiled_by_jax():
    pytest.importorskip("jax")
    gradient = ad.prepare_gradient(by_closure, P + 0.1, backend="jax")
    np.testing.assert_allclose(gradient(P), ad.gradient(newton, P), rtol=1e-12)
    with pytest.raises(FunctionNotSupportedError, match="like="):
        ad.prepare_gradient(lambda p: ad.implicit(solve, residual)(p[0], p[1:])[0], P, backend="jax")


def test_higher_orders_and_expansions():
    v = np.array([0.3, -0.2, 0.5])
    np.testing.assert_allclose(
        ad.taylor(by_arguments, P, v=v, order=5), ad.taylor(newton, P, v=v, order=5), rtol=1e-11, atol=1e-13
    )
    third = ad.derivative(lambda t: ad.hvp(by_closure, P + t * v, v=v), 0.0)
    np.testing.assert_allclose(
        third, ad.derivative(lambda t: ad.hvp(newton, P + t * v, v=v), 0.0), rtol=1e-11
    )


@pytest.mark.parametrize("backend", ["casadi", "sympy"])
def test_graphs_without_values_refuse(backend):
    pytest.importorskip(backend)
    with pytest.raises(FunctionNotSupportedError, match=r"needs numbers.*backend='numpy'"):
        ad.gradient(by_arguments, P, backend=backend)


@pytest.mark.parametrize("kind", ["sparse", "matrix-free", "given"])
def test_large_systems(kind):
    """Steady diffusion with reaction, against a dense solve."""
    n = 40
    lap = (
        scipy.sparse.diags_array([-np.ones(n - 1), 2 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1]) * 4.0
    )

    def equations(x, k, s):
        return lap @ x + k * x**3 - s

    def jacobian(x, k, s):
        return scipy.sparse.csc_array(lap + scipy.sparse.diags_array(3 * k * x**2))

    def steady(k, s):
        x = np.zeros(n)
        for _ in range(30):
            x = x - scipy.sparse.linalg.spsolve(jacobian(x, k, s), equations(x, k, s))
        return x

    options = {
        "sparse": {"jacobian": jacobian, "linear": "sparse"},
        "matrix-free": {"linear": "matrix-free"},
        "given": {"linear": lambda a, b: scipy.sparse.linalg.bicgstab(a, b, rtol=1e-14, maxiter=2000)[0]},
    }[kind]
    s = np.linspace(0.5, 1.5, n)
    x = ad.implicit(steady, equations, **options)
    dense = ad.implicit(steady, equations)

    def cost(f):
        return lambda p: np.sum(f(p[0] ** 2, s * p[1]) ** 2)

    p = np.array([0.7, 1.2])
    for operator in (ad.gradient, ad.hessian):
        np.testing.assert_allclose(operator(cost(x), p), operator(cost(dense), p), rtol=1e-9)


def test_fixed_points():
    def f(p):
        return np.sum(ad.fixed_point(lambda x, q: np.cos(M @ x * q * 0.2), np.ones(2), p) ** 3)

    def followed(p):
        x = np.ones(2) + 0 * p
        for _ in range(200):
            x = np.cos(M @ x * p * 0.2)
        return np.sum(x**3)

    p = np.array([0.8, 0.6])
    for operator in (ad.gradient, ad.hessian):
        np.testing.assert_allclose(operator(f, p), operator(followed, p), rtol=1e-10)
    with pytest.raises(DomainError, match="did not settle"):
        ad.fixed_point(lambda x: 2 * x + 1, 1.0)


@pytest.mark.parametrize("backend", VALUES)
def test_a_failed_solve_gives_no_number_anywhere(backend):
    far = ad.implicit(lambda a: a + 0.3, lambda x, a: x - a, like=0.0)
    with pytest.raises(DomainError, match="residual is not zero"):
        ad.derivative(far, 1.0, backend=backend)
    double = ad.implicit(lambda a: a, lambda x, a: (x - a) ** 2, like=0.0)
    with pytest.raises(DomainError, match="singular"):
        ad.derivative(double, 1.0, backend=backend)


def test_a_failed_solve_gives_no_number():
    lost = ad.implicit(lambda a: np.nan * a, lambda x, a: x - a)
    with pytest.raises(DomainError, match="not finite"):
        ad.derivative(lost, 1.0)
    other = ad.implicit(lambda a: a * np.ones(2), lambda x, a: x[0] - a)
    with pytest.raises(OperationNotSupportedError, match="as many equations"):
        ad.gradient(lambda a: np.sum(other(a[0])), np.ones(1))
    for call in (lambda: ad.implicit(1, residual), lambda: ad.implicit(solve, residual, linear="LU")):
        with pytest.raises(ArgumentError):
            call()


class Model:
    """Something that keeps an active value where no closure has it."""

    a = None

    def __init__(self, a):
        type(self).a = a

    def residual(self, x, b):
        return x**3 + self.a * x - b

    def solve(self, b):
        return 0.5


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", [name for name in ("autograd", "torch") if name in EXACT])
def test_what_is_captured_out_of_sight_is_not_dropped(backend):
    def f(p):
        model = Model(p[0])
        return ad.implicit(model.solve, model.residual)(p[1])

    with pytest.raises(FunctionNotSupportedError, match=r"around itself|differentiated"):
        ad.gradient(f, np.array([1.0, 0.625]), backend=backend)
    # NumPy's engine finds it in the residual
    np.testing.assert_allclose(
        ad.gradient(f, np.array([1.0, 0.625])), np.array([-0.5, 1.0]) / 1.75, rtol=1e-12
    )


class Slotted:
    __slots__ = ("rate",)

    def __init__(self, rate):
        self.rate = rate


class Table(dict):
    pass


class Holder:
    rate = None


HELD = {
    "ordered": lambda v: (lambda d: lambda: d["rate"])(collections.OrderedDict(rate=v)),
    "dictionary": lambda v: (lambda d: lambda: d["rate"])(Table(rate=v)),
    "queue": lambda v: (lambda d: lambda: d[0])(collections.deque([v])),
    "slots": lambda v: (lambda d: lambda: d.rate)(Slotted(v)),
    "namespace": lambda v: (lambda d: lambda: d.rate)(types.SimpleNamespace(rate=v)),
}


def _held_by_a_class(v):
    Holder.rate = v
    return lambda: Holder.rate


@pytest.mark.parametrize("backend", ["numpy", "numpy:forward"])
@pytest.mark.parametrize("name", HELD)
def test_integrands_take_what_is_differentiated_from_containers(name, backend):
    def f(x):
        rate = HELD[name](x[0])
        return scipy.integrate.quad(lambda t: t * (x[1] + rate()), 0, 2)[0]

    np.testing.assert_allclose(ad.gradient(f, np.array([0.3, 0.7]), backend=backend), [2.0, 2.0], rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numpy:forward"])
def test_integrands_lose_nothing_that_is_out_of_sight(backend):
    def f(x):
        rate = _held_by_a_class(x[0])
        return ad.integrate.quad(lambda t: t * (x[1] + rate()), 0, 2)[0]

    try:
        with pytest.raises(OperationNotSupportedError, match="not looked at"):
            ad.gradient(f, np.array([0.3, 0.7]), backend=backend)  # its first half was 0
    finally:
        Holder.rate = None


@pytest.mark.parametrize("backend", [*VALUES, "numpy:forward"])
def test_limits_at_infinity_do_not_move(backend):
    def f(x):
        return ad.integrate.quad(lambda t: x[0] * np.exp(-((t - x[1]) ** 2)), x[1] - np.inf, x[1] + np.inf)[0]

    x = np.array([0.3, 0.7])
    np.testing.assert_allclose(
        ad.gradient(f, x, backend=backend), [np.sqrt(np.pi), 0.0], rtol=1e-7, atol=1e-7
    )


def test_expectations_of_distributions():
    expect = lambda x: scipy.stats.norm.expect(lambda t: t * x[0], loc=x[1])  # noqa: E731
    np.testing.assert_allclose(ad.gradient(expect, np.array([0.3, 0.7])), [0.7, 0.3], rtol=1e-7)


@pytest.mark.parametrize("backend", [*[b for b in VALUES if b != "jax"], "numpy:forward"])
def test_sparse_systems(backend):
    dense = np.array([[4.0, 1.0, 0.0], [0.0, 3.0, 0.5], [1.0, 0.0, 2.0]])
    b = np.array([1.0, 2.0, 3.0])
    for kind in (scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array):
        a = kind(dense)
        places = a.tocoo()

        def f(z, a=a):
            return np.sum(ad.linalg.spsolve(a, b * z[0], data=a.data * z) ** 2 + ad.linalg.spsolve(a, z[:3]))

        def full(z, a=a, places=places):
            m = np.zeros_like(z[0] * dense)
            for k, (i, j) in enumerate(zip(places.row, places.col, strict=True)):
                m[i, j] = a.data[k] * z[k]
            return np.sum(np.linalg.solve(m, b * z[0]) ** 2 + np.linalg.solve(dense, z[:3]))

        z = np.linspace(0.8, 1.2, a.nnz)
        np.testing.assert_allclose(ad.gradient(f, z, backend=backend), ad.gradient(full, z), rtol=1e-11)
        np.testing.assert_allclose(
            ad.hessian(f, z, backend=backend), ad.hessian(full, z), rtol=1e-10, atol=1e-12
        )
    found = ad.value_and_jvp(lambda y: ad.linalg.spsolve(a, y), np.eye(3), v=np.eye(3))
    np.testing.assert_allclose(found, [np.linalg.inv(dense)] * 2, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("backend", VALUES)
def test_hessians_of_systems_whose_sparse_matrix_is_made_of_what_is_differentiated(backend):
    places = np.array([0, 1, 2, 0, 1]), np.array([0, 1, 2, 1, 2])

    def f(x):
        entries = np.concatenate([2 + x**2, np.sin(x[:2])])
        return np.sum(scipy.sparse.linalg.spsolve(scipy.sparse.csc_array((entries, places)), x * x) ** 3)

    def full(x):
        return np.sum(np.linalg.solve(np.diag(2 + x**2) + np.diag(np.sin(x[:2]), 1), x * x) ** 3)

    x = np.array([0.3, 1.2, 0.7])
    np.testing.assert_allclose(ad.hessian(f, x, backend=backend), ad.hessian(full, x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", [b for b in VALUES if b != "jax"])
def test_single_precision(backend):
    found = ad.gradient(by_arguments, P.astype(np.float32), backend=backend)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, ad.gradient(newton, P), rtol=1e-5)
