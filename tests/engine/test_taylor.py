"""Taylor mode to order 10 against differences in 60 digits, closed forms and SymPy."""

from __future__ import annotations

from math import comb, factorial

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp
from cases import CASES as GENERAL
from cases_special import CASES as SPECIAL

import polyad as ad
from polyad.engine import expand as taylor
from polyad.engine import run
from polyad.engine.interpretations.series import RULES
from polyad.systems.registry import is_installed, load

CASES = GENERAL | SPECIAL

AVAILABLE = [name for name in ("jax", "torch", "autograd") if is_installed(load(name))]

ORDER = 10

# name -> the function in NumPy, the same in mpmath, a point inside both's domain
UNARY = {
    "exp": (np.exp, mp.exp, 0.7),
    "exp2": (np.exp2, lambda x: 2**x, 0.7),
    "expm1": (np.expm1, mp.expm1, 0.7),
    "log": (np.log, mp.log, 1.7),
    "log2": (np.log2, lambda x: mp.log(x, 2), 1.7),
    "log10": (np.log10, mp.log10, 1.7),
    "log1p": (np.log1p, lambda x: mp.log(1 + x), 0.7),
    "sqrt": (np.sqrt, mp.sqrt, 1.7),
    "cbrt": (np.cbrt, mp.cbrt, 1.7),
    "square": (np.square, lambda x: x * x, 1.7),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, 1.7),
    "sin": (np.sin, mp.sin, 0.7),
    "cos": (np.cos, mp.cos, 0.7),
    "tan": (np.tan, mp.tan, 0.7),
    "arcsin": (np.arcsin, mp.asin, 0.3),
    "arccos": (np.arccos, mp.acos, 0.3),
    "arctan": (np.arctan, mp.atan, 0.7),
    "sinh": (np.sinh, mp.sinh, 0.7),
    "cosh": (np.cosh, mp.cosh, 0.7),
    "tanh": (np.tanh, mp.tanh, 0.7),
    "arcsinh": (np.arcsinh, mp.asinh, 0.7),
    "arccosh": (np.arccosh, mp.acosh, 2.2),
    "arctanh": (np.arctanh, mp.atanh, 0.3),
    "deg2rad": (np.deg2rad, mp.radians, 0.7),
    "absolute": (np.abs, lambda x: -x, -0.7),
    "cube": (lambda x: x**3, lambda x: x**3, 1.7),
    "negative power": (lambda x: x**-2, lambda x: x**-2, 1.7),
    "real power": (lambda x: x**2.5, lambda x: x ** mp.mpf(2.5), 1.7),
    "exponential": (lambda x: 1.5**x, lambda x: mp.mpf(1.5) ** x, 1.7),
    "power of itself": (lambda x: x**x, lambda x: x**x, 1.7),
    "quotient": (lambda x: x / (1 + x * x), lambda x: x / (1 + x * x), 0.7),
    "over": (lambda x: 2 / (3 - x), lambda x: 2 / (3 - x), 0.7),
    "hypot": (lambda x: np.hypot(x, 1 + x), lambda x: mp.hypot(x, 1 + x), 0.7),
    "arctan2": (lambda x: np.arctan2(x, 2 - x), lambda x: mp.atan2(x, 2 - x), 0.7),
    "logaddexp": (lambda x: np.logaddexp(x, -x), lambda x: mp.log(mp.exp(x) + mp.exp(-x)), 0.7),
    "maximum": (lambda x: np.maximum(x * x, x), lambda x: x * x, 1.7),
    "where": (lambda x: np.where(x > 0, np.sin(x), x), mp.sin, 0.7),
    "erf": (sp.erf, mp.erf, 0.7),
    "erfc": (sp.erfc, mp.erfc, 0.7),
    "erfcx": (sp.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), 0.7),
    "erfinv": (sp.erfinv, mp.erfinv, 0.3),
    "ndtr": (sp.ndtr, mp.ncdf, 0.7),
    "expit": (sp.expit, lambda x: 1 / (1 + mp.exp(-x)), 0.7),
    "logit": (sp.logit, lambda x: mp.log(x / (1 - x)), 0.3),
    "gamma": (sp.gamma, mp.gamma, 2.7),
    "gammaln": (sp.gammaln, mp.loggamma, 2.7),
    "digamma": (sp.digamma, mp.digamma, 2.7),
    "gammainc": (lambda x: sp.gammainc(2.5, x), lambda x: mp.gammainc(2.5, 0, x, regularized=True), 1.7),
    "beta": (lambda x: sp.beta(x, 2 + x), lambda x: mp.beta(x, 2 + x), 1.7),
    "expi": (sp.expi, mp.ei, 1.7),
    "exp1": (sp.exp1, mp.e1, 1.7),
    "logaddexp over an axis": (
        lambda x: np.logaddexp.reduce(np.stack([x, 2 * x, 1 - x])),
        lambda x: mp.log(mp.exp(x) + mp.exp(2 * x) + mp.exp(1 - x)),
        0.7,
    ),
}


def coefficients(f, x, v, order=ORDER):
    return taylor.expand(lambda boxes: ((f(boxes[0]),), ()), (x,), (v,), order)[0][0]


def reference(f, x, v, order=ORDER):
    with mp.workdps(60):
        found = mp.taylor(lambda t: f(mp.mpf(x) + t * mp.mpf(v)), 0, order)
        return np.array([float(c) for c in found])


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13 * np.max(np.abs(expected)))


@pytest.mark.parametrize("name", UNARY)
def test_a_function(name):
    f, exact, x = UNARY[name]
    assert_close(coefficients(f, np.float64(x), np.float64(0.8)), reference(exact, x, 0.8))


@pytest.mark.parametrize("name", ["exp", "sin", "log", "power"])
def test_a_closed_form(name):
    x, v, k = 0.7, -1.3, np.arange(ORDER + 1)
    factorials = np.array([float(factorial(j)) for j in k])
    f, expected = {
        "exp": (np.exp, np.exp(x) * v**k / factorials),
        "sin": (np.sin, np.sin(x + k * np.pi / 2) * v**k / factorials),
        "log": (np.log, [np.log(x), *(-((-v / x) ** k[1:]) / k[1:])]),
        "power": (lambda x: x**6, [comb(6, j) * x ** (6 - j) * v**j if j <= 6 else 0.0 for j in k]),
    }[name]
    assert_close(coefficients(f, np.float64(x), np.float64(v)), expected)


def test_a_power_at_zero():
    found = coefficients(lambda x: x**3 + x**1 + x**0.0 + 0.0**x, np.float64(0.0), np.float64(2.0), 5)
    np.testing.assert_array_equal(found[1:], [2.0, 0.0, 8.0, 0.0, 0.0])


def test_sinc_at_zero_to_any_order():
    expected = [(-1) ** (j // 2) * np.pi**j / factorial(j + 1) if j % 2 == 0 else 0.0 for j in range(21)]
    assert_close(coefficients(np.sinc, np.float64(0.0), np.float64(1.0), 20), expected)


def test_against_sympy():
    sympy = pytest.importorskip("sympy")
    t = sympy.symbols("t")
    x, v = np.array([0.25, 0.5, -0.75]), np.array([1.0, -2.0, 0.5])
    z = [sympy.Rational(a) + sympy.Rational(b) * t for a, b in zip(x, v, strict=True)]
    exact = sympy.exp(z[0] * z[1]) / (1 + z[2] ** 2) + sympy.sin(z[0]) ** 3 * sympy.sqrt(2 + z[1])
    expected = []
    for j in range(ORDER + 1):
        expected.append(float(exact.subs(t, 0).evalf(40)) / factorial(j))
        exact = exact.diff(t)

    def f(x):
        return np.exp(x[0] * x[1]) / (1 + x[2] ** 2) + np.sin(x[0]) ** 3 * np.sqrt(2 + x[1])

    assert_close(ad.taylor(f, x, v=v, order=ORDER), expected)
    if "jax" in AVAILABLE:
        assert_close(ad.taylor(f, x, v=v, order=ORDER, backend="jax"), expected)


def _fn(f):
    return lambda boxes: ((f(boxes[0]),), ())


def nested(f, x, v, order):
    """The derivative along v by duals of duals, an interpretation of its own."""
    if order == 0:
        return f(x)
    (found,), _, _ = run.push(_fn(lambda box: nested(f, box, v, order - 1)), (x,), (run.as_row(v),))
    return run.first_row(found)


@pytest.mark.parametrize("name", CASES)
def test_every_rule_of_the_table(name):
    f, x = CASES[name]
    x = np.array(x)
    v = np.random.default_rng(3).normal(size=x.shape)
    v = v + 0j if np.iscomplexobj(x) else v
    found = coefficients(f, x, v, 3)
    for j in range(4):
        expected = run.evaluate(_fn(f), (x,))[0][0] if j == 0 else nested(f, x, v, j)
        assert found[j].shape == np.shape(expected)
        scale = 1 + np.max(np.abs(expected))
        np.testing.assert_allclose(found[j] * factorial(j), expected, rtol=0, atol=1e-10 * scale)


def test_matrices_to_order_ten():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 3)) + 4 * np.eye(3), rng.normal(size=(3, 3))

    def exact(g):
        with mp.workdps(60):
            return np.array(
                [float(c) for c in mp.taylor(lambda t: g(mp.matrix(a) + t * mp.matrix(b)), 0, ORDER)]
            )

    for f, g in (
        (lambda a: np.linalg.inv(a)[0, 1], lambda m: (m**-1)[0, 1]),
        (np.linalg.det, mp.det),
        (lambda a: np.linalg.slogdet(a)[1], lambda m: mp.log(mp.det(m))),
        (lambda a: np.linalg.solve(a, np.ones(3))[2], lambda m: mp.lu_solve(m, mp.ones(3, 1))[2]),
        (lambda a: np.einsum("ij,jk,ki->", a, a, a), lambda m: sum((m**3)[k, k] for k in range(3))),
        (lambda a: np.linalg.cholesky(a @ a.T)[2, 1], lambda m: mp.cholesky(m * m.T)[2, 1]),
        (lambda a: np.linalg.eigh(a @ a.T)[0][2], lambda m: mp.eigsy(m * m.T, eigvals_only=True)[2]),
    ):
        np.testing.assert_allclose(coefficients(f, a, b), exact(g), rtol=1e-9, atol=1e-12)


def test_loops_buffers_and_branches():
    def f(x):
        y = np.zeros_like(x)
        for k in range(1, len(x)):
            y[k] = 0.5 * y[k - 1] + np.sin(x[k] * x[k - 1])
        return y[-1] if x[0] > 0 else y[-1] * 0

    x, v = np.array([0.5, 1.0, 1.5]), np.array([1.0, -1.0, 0.5])

    def exact(t):
        z = [mp.mpf(a) + t * mp.mpf(b) for a, b in zip(x, v, strict=True)]
        return mp.sin(z[1] * z[0]) / 2 + mp.sin(z[2] * z[1])

    with mp.workdps(60):
        expected = [float(c) for c in mp.taylor(exact, 0, ORDER)]
    assert_close(ad.taylor(f, x, v=v, order=ORDER), expected)


def test_cost_grows_like_a_power_of_the_order():
    """Operations are counted, not timed: nested derivatives would take 2**order times the function."""
    counts = []

    class Counted(float):
        def __mul__(self, other):
            counts[-1] += 1
            return Counted(float(self) * float(other))

        def __add__(self, other):
            return Counted(float(self) + float(other))

    for order in (10, 20, 40):
        counts.append(0)
        row = [Counted(1.0)] * (order + 1)
        RULES["multiply"](lambda a, b: a * b, order, [row, row], {})
    assert counts == [66, 231, 861]


BACKENDS = [name for name in ("numpy", "jax", "torch", "autograd") if name == "numpy" or name in AVAILABLE]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_operator(backend):
    def f(x, a):
        return {"s": a * np.sum(np.exp(x)), "p": x[:2] * x[1:]}

    x, v = np.array([0.5, 1.0, 1.5]), np.array([1.0, -1.0, 0.5])
    p = ad.prepare_taylor(f, x + 1, 3.0, order=3, backend=backend)
    kept = x.copy()
    for found in (p(x, 2.0, v=v), p(x, 2.0, v=v), ad.taylor(f, x, 2.0, v=v, order=3, backend=backend)):
        powers = np.array([2 * np.sum(np.exp(x) * v**j) / factorial(j) for j in range(4)])
        np.testing.assert_allclose(found["s"], powers, rtol=1e-14)
        rows = [x[:2] * x[1:], x[:2] * v[1:] + v[:2] * x[1:], v[:2] * v[1:], np.zeros(2)]
        np.testing.assert_allclose(found["p"], rows, rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(x, kept)
    assert "Taylor" in p.strategy or "jet" in p.strategy or "nested" in p.strategy


@pytest.mark.parametrize("backend", BACKENDS)
def test_aux_out_argnums_and_order_zero(backend):
    x, v = np.array([0.5, 1.0]), np.array([1.0, -1.0])
    result, aux = ad.taylor(
        lambda a, x: (x**2, a * 1.0), 3.0, x, v=v, order=2, argnums=1, has_aux=True, backend=backend
    )
    np.testing.assert_allclose(result, [x**2, 2 * x * v, v**2])
    assert aux == 3.0
    out = np.empty((3, 2))
    p = ad.prepare_taylor(np.square, x, order=2, backend=backend)
    assert p(x, v=v, out=out) is out
    np.testing.assert_allclose(out, [x**2, 2 * x * v, v**2])
    assert ad.taylor(np.square, x, v=v, order=0, backend=backend).tolist() == [(x**2).tolist()]
    with pytest.raises(ad.errors.PreparationMismatchError):
        p(np.ones(3), v=np.ones(3))
    q = ad.prepare_taylor(np.square, x, order=2, backend=backend, on_mismatch="reprepare")
    np.testing.assert_allclose(q(np.ones(3), v=np.ones(3)), [np.ones(3), 2 * np.ones(3), np.ones(3)])


def test_what_is_refused():
    with pytest.raises(ad.errors.ArgumentError, match="order is"):
        ad.taylor(np.sin, 1.0, v=1.0, order=-1)
    with pytest.raises(ad.errors.UnsupportedOperatorError, match="'numpy'"):
        ad.taylor(np.sin, 1.0, v=1.0, order=2, backend="finite")
    with pytest.raises(ad.errors.TangentMismatchError):
        ad.taylor(np.sin, 1.0, v=np.ones(2), order=2)
    if "torch" in AVAILABLE:
        with pytest.raises(ad.errors.UnsupportedOperatorError, match="order 3"):
            ad.taylor(np.sin, 1.0, v=1.0, order=4, backend="torch")
    if "jax" in AVAILABLE:
        with pytest.raises(ad.errors.UnsupportedOperatorError, match="no rule for tan"):
            ad.taylor(np.tan, 1.0, v=1.0, order=4, backend="jax")


@pytest.mark.skipif("jax" not in AVAILABLE, reason="needs jax")
def test_jax_takes_its_taylor_mode_only_where_that_is_right():
    x, v = np.array([0.3, 1.2]), np.array([1.0, -0.5])
    exact = ad.prepare_taylor(np.exp, x, order=3, backend="jax")
    assert "jet" in exact.strategy
    wrong = ad.prepare_taylor(lambda x: np.fmod(x * x * x, 0.5), x, order=3, backend="jax")
    assert "nested" in wrong.strategy
    np.testing.assert_allclose(wrong(x, v=v)[1:], [3 * x**2 * v, 3 * x * v**2, v**3], rtol=1e-12)


def test_within_a_gradient():
    x, v = np.array([0.3, 1.2]), np.array([1.0, -0.5])
    third = ad.gradient(lambda x: ad.taylor(lambda z: np.sum(np.sin(z)), x, v=v, order=3)[3], x)
    np.testing.assert_allclose(third, np.sin(x) * v**3 / 6, rtol=1e-13)


def test_of_a_gradient():
    x, v = np.array([0.3, 1.2]), np.array([1.0, -0.5])
    rows = ad.taylor(lambda x: ad.gradient(lambda z: np.sum(np.sin(z)), x), x, v=v, order=2)
    np.testing.assert_allclose(rows, [np.cos(x), -np.sin(x) * v, -np.cos(x) * v**2 / 2], rtol=1e-13)


def test_mutation_trap():
    x = np.array([1.0, 2.0])

    def g(x):
        r = np.sum(x * x)
        x[:] = 0
        return r

    np.testing.assert_allclose(ad.taylor(g, x, v=np.ones(2), order=2), [5.0, 6.0, 2.0])
    assert x.tolist() == [1.0, 2.0]


def test_a_gradient_of_coefficients_keeps_what_a_captured_array_was():
    def f(x):
        c = np.array([2.0, 3.0])
        coefficients = ad.taylor(lambda u: (u**2 * c).sum(), x, v=np.ones(2), order=2, backend="numpy")
        c[:] = 0.0  # the pullback comes later, and must not see this
        return coefficients[0]

    np.testing.assert_allclose(ad.gradient(f, np.array([1.0, 5.0]), backend="numpy:reverse"), [4.0, 30.0])
