"""The SymPy backend: known values, formulas, NumPy's values at singular points, refusals, scenarios."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.special

import polyad as ad
from polyad.systems.sympy.backend import SymPy
from polyad.systems.sympy.calculus import ordered

sympy = pytest.importorskip("sympy")

X = np.array([1.0, 2.0, 2.0, -1.0])
A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]])


def test_the_known_hessian_product():
    x, v = np.arange(1.0, 6.0), np.arange(6.0, 11.0)
    expected = [
        1164.881764812144,
        1749.5486430921133,
        2346.2155213720825,
        2942.8823996520514,
        6431.86668789933,
    ]
    prepared = ad.prepare_hvp(lambda x: np.linalg.norm(x) ** 3 * x[-1] + x[0] ** 2, x, backend=SymPy())
    np.testing.assert_allclose(prepared(x, v=v), expected, rtol=1e-12)


# -- the formula ------------------------------------------------------------------------------------


def test_the_expression_is_structured_like_the_result():
    x0, x1, c = sympy.symbols("x_0 x_1 c", real=True)
    hessian = ad.prepare_hessian(lambda x, a: a * x[0] ** 2 * x[1], np.ones(2), 2.0, backend=SymPy())
    assert hessian.expression.tolist() == [[2 * c * x1, 2 * c * x0], [2 * c * x0, 0]]
    jacobian = ad.prepare_jacobian(lambda x: {"a": x**2, "b": x[1]}, np.ones(2), backend=SymPy())
    assert set(jacobian.expression) == {"a", "b"}
    assert jacobian.expression["a"].tolist() == [[2 * x0, 0], [0, 2 * x1]]
    slope = ad.prepare_derivative(lambda t: np.sin(t), 1.0, backend=SymPy())
    assert slope.expression == sympy.cos(sympy.Symbol("x", real=True))


def test_other_backends_say_who_has_an_expression():
    prepared = ad.prepare_gradient(lambda x: x @ x, X, backend="numpy")
    with pytest.raises(ad.errors.UnsupportedOperatorError, match="sympy"):
        prepared.expression  # noqa: B018


def test_constants_change_between_calls():
    def f(x, c, i, mask):
        return np.sum(np.where(mask, c * x[i] ** 2, x[i]))

    args = (X, 2.0, np.array([0, 1, 3]), np.array([True, False, True]))
    grad = ad.prepare_gradient(f, *args, backend=SymPy())
    others = (X + 1, -3.0, np.array([-1, 2, 2]), np.array([False, True, True]))
    for chosen in (args, others):
        np.testing.assert_allclose(grad(*chosen), ad.gradient(f, *chosen, backend="numpy"), rtol=1e-14)
    with pytest.raises(IndexError):
        grad(X, 1.0, np.array([4, 0, 0]), np.array([True, True, True]))


# -- values against the engine, which has rules of its own --------------------------------------------


def loop(x):
    s = x[0]
    for _ in range(60):  # as a tree, its expression has 2**60 parts
        s = np.sin(s) * s / 4 + s
    return s


def buffers(x):
    y = np.zeros_like(x)
    y[1:] = x[:-1] ** 2
    y[0] += x[1]
    y[[2, 3]] *= x[0]
    return np.sum(y * np.sin(y))


def mixture(x):
    y = np.zeros_like(x[:3])
    for k in range(3):
        y[k] += scipy.special.gammaln(x[k]) + scipy.special.erf(x[k])
    z = np.where(y > 0, np.einsum("ij,j->i", A, y), y)
    return np.sum(z * np.linalg.solve(A + np.outer(x[:3], x[:3]), x[:3]))


FUNCTIONS = {
    "loop": loop,
    "buffers": buffers,
    "mixture": mixture,
    "ties of max": lambda x: np.max(x) * x[0],
    "ties of maximum": lambda x: np.maximum(x[1], x[2]) * x[0] + np.logaddexp(x[1], x[2]),
    "ties of clip": lambda x: np.sum(np.clip(x, -1, 2) * x),
    "abs at 0": lambda x: np.abs(x[1] - x[2]) + x[0],
    "norm at 0": lambda x: np.linalg.norm(x[1:3] - x[1:3][::-1]),
    "root of a negative": lambda x: np.sum(np.sqrt(x) ** 2) + np.sum(x**1.5 * x**0.5),
    "logarithm of a negative": lambda x: np.log(x[3]) + x[0],
    "quotient by zero": lambda x: x[0] / (x[1] - x[3] * -2),
    "overflow": lambda x: np.exp(x[1] * 500),
    "small arguments": lambda x: np.log1p(x[0] * 1e-12) + np.expm1(x[1] * 1e-12),
    "reductions": lambda x: np.prod(x) + np.var(x) + np.std(x) + np.cumsum(x)[2],
    "linear algebra": lambda x: (
        np.linalg.slogdet(A + np.outer(x[:3], x[:3]))[1]
        + np.sum(np.linalg.cholesky(A + np.outer(x[:3], x[:3])))
        + np.linalg.inv(A * x[0])[0, 1]
    ),
    "Bessel": lambda x: scipy.special.jv(2.5, x[0]) * scipy.special.kv(1, x[1]) * scipy.special.i0(x[1]),
    "stopped": lambda x: np.sum(x * ad.stop_gradient(x)),
    "rounded": lambda x: np.sum(np.floor(x * 1.3) * x) + np.mod(x[0], 0.3),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_the_engine(name):
    f = FUNCTIONS[name]
    wanted = ad.value_and_gradient(f, X, backend="numpy")
    for got, want in zip(ad.value_and_gradient(f, X, backend=SymPy()), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_branch_not_taken_does_not_reach_the_derivative():
    x = np.array([0.0, 2.0, -1.0])
    grad = ad.gradient(lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)), x, backend=SymPy())
    np.testing.assert_array_equal(grad, [0.0, 0.5, 0.0])


def test_nan_is_asked_for_at_every_call():
    grad = ad.prepare_gradient(lambda x: np.sum(np.where(x == x, x**2, 7.0)), np.ones(2), backend=SymPy())
    np.testing.assert_array_equal(grad(np.array([3.0, np.nan])), [6.0, 0.0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_threads_share_a_prepared_object():
    grad = ad.prepare_gradient(lambda x: np.sum(np.sqrt(x)), np.ones(2), backend=SymPy())
    found: list[np.ndarray] = []

    def work(k):
        for _ in range(50):  # both ways of the code: of plain numbers, and at the pole
            grad(np.array([0.0, 1.0]))
            found.append(grad(np.full(2, float(k))) * 2 * np.sqrt(k))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200
    np.testing.assert_allclose(found, 1.0, rtol=1e-15)


# -- what its symbols must not do -------------------------------------------------------------------


def test_symbols_of_another_function_are_refused():
    """A name is no identity: a symbol of an earlier call is not one of this call."""
    left: list[object] = []

    def first(x):
        left.append(x[0])
        return x @ x

    ad.gradient(first, X, backend="sympy")
    with pytest.raises(ad.errors.OperationNotSupportedError, match="kept from a differentiation"):
        ad.gradient(lambda x: left[0] * x[0], X, backend="sympy")


def test_the_expression_has_plain_symbols_and_is_ones_own():
    grad = ad.prepare_gradient(loop, X, backend="sympy")  # also where parts are shared 2**60 times
    names = {e for e in ordered(grad.expression) if e.is_Symbol}
    assert names == {sympy.Symbol("x_0", real=True)}
    grad.expression[0] = 7
    assert grad.expression[0] != 7


@pytest.mark.parametrize("order", [0, 1, 6])
def test_taylor(order):
    """exp(a t) sin(b t) around zero: the imaginary parts of (a + i b)**k / k!."""
    found = ad.taylor(
        lambda x: np.exp(x[0]) * np.sin(x[1]),
        np.zeros(2),
        v=np.array([0.7, 2.0]),
        order=order,
        backend="sympy",
    )
    power = (0.7 + 2j) ** np.arange(order + 1) / scipy.special.factorial(np.arange(order + 1))
    np.testing.assert_allclose(found, power.imag, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("operator", ["gradient", "hvp", "hessian"])
def test_long_sums_and_many_symbols(operator):
    """A thousand terms in one sum, which must not end in the parser's recursion limit."""
    x = np.linspace(-1, 1, 120)
    seeds = {"v": x[::-1]} if operator == "hvp" else {}

    def f(x):
        total = 0.0
        for k in range(len(x)):
            total = total + x[k] ** 4 * (k + 1)
        return total * np.sum(x)

    wanted = getattr(ad, operator)(f, x, backend="numpy", **seeds)
    if operator == "hessian":
        x, wanted = x[:12], ad.hessian(f, x[:12], backend="numpy")
    found = getattr(ad, operator)(f, x, backend="sympy", **seeds)
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-9)


# -- refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: x[0] if x[0] > 0 else x[1], "branch"),
        (lambda x: np.sum(x[x > 0]), "mask"),
        (lambda x: np.sort(x)[0], "argsort"),
        (lambda x: np.sum(np.abs(np.fft.fft(x))), "fft"),
        (lambda x: np.linalg.eigvalsh(A * x[0])[0], "eigh"),
        (lambda x: np.linalg.det(np.eye(6) * x[0]), "limit is 5"),
        (lambda x: np.sum(np.real(x * 1j)), "complex"),
        (lambda x: scipy.special.jv(x[0], 1.0), "operand 0"),
        (lambda x: np.sum(np.asarray(x)), "drop its derivative"),
    ],
)
def test_refused_at_preparation(f, words):
    with pytest.raises(ad.errors.FunctionNotSupportedError, match=words):
        ad.prepare_gradient(f, X, backend=SymPy(), follow=False)


def test_too_many_symbols_are_refused():
    with pytest.raises(ad.errors.FunctionNotSupportedError, match="max_symbols=11"):
        ad.gradient(lambda x: x @ x, np.ones(11), backend=SymPy(max_symbols=10))


def test_too_many_operations_are_refused():
    with pytest.raises(ad.errors.FunctionNotSupportedError, match=r"max_operations=\d+"):
        ad.gradient(loop, X, backend=SymPy(max_operations=100))


@pytest.mark.parametrize(
    "options", [{"mode": "forward"}, {"lift": False}, {"max_symbols": 0}, {"max_operations": 0}]
)
def test_options_that_are_none(options):
    with pytest.raises(ad.errors.ArgumentError):
        SymPy(**options)


@pytest.mark.parametrize(
    ("name", "f", "slope"),
    [
        ("besselj", scipy.special.j1, lambda x: scipy.special.jvp(1, x, 2)),
        ("bessely", lambda x: scipy.special.yv(1.5, x), lambda x: scipy.special.yvp(1.5, x, 2)),
        ("besseli", scipy.special.i0, lambda x: scipy.special.ivp(0, x, 2)),
        ("besselk", scipy.special.k1, lambda x: scipy.special.kvp(1, x, 2)),
        ("polygamma", scipy.special.digamma, lambda x: scipy.special.polygamma(2, x)),
        ("polygamma", scipy.special.gammaln, lambda x: scipy.special.polygamma(1, x)),
    ],
)
def test_derivatives_are_not_simplified(name, f, slope, monkeypatch):
    """SymPy's own derivative simplifies each new function of a long argument, for a second each."""
    ad.second_derivative(f, 1.7, backend="sympy")  # what SymPy simplifies once

    def simplified(*args):
        raise AssertionError(f"{name} is simplified")

    monkeypatch.setattr(getattr(sympy, name), "eval", classmethod(simplified))
    got = ad.second_derivative(lambda x: f(x), 1.83, backend="sympy")
    np.testing.assert_allclose(got, slope(1.83), rtol=1e-12)
