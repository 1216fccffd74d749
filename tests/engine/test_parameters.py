"""Derivatives of special functions by their parameters, against differences of series in mpmath."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp

import polyad as ad
from polyad.engine.interpretations.dual import Dual
from polyad.engine.rules.arithmetic import multiply
from polyad.systems.registry import is_installed, load

BACKENDS = [n for n in ("jax", "torch", "autograd", "sympy") if is_installed(load(n))]
DIGITS = 50

# -- the functions, or less one: of a tail that is not near one, so that differences have its digits -----


def lower_gamma(a, x):
    term = total = 1 / a
    n = 0
    while abs(term) > abs(total) * mp.mpf(10) ** -DIGITS:
        n += 1
        term *= x / (a + n)
        total += term
    return total * mp.exp(a * mp.log(x) - x - mp.loggamma(a))


def upper_gamma(a, x):
    if x < a + 1:
        return 1 - lower_gamma(a, x)
    b = x + 1 - a
    c, d = mp.mpf(10) ** 200, 1 / b
    h = d
    for i in range(1, 100000):
        n, b = -i * (i - a), b + 2
        d = 1 / (n * d + b)
        c = b + n / c
        h *= d * c
        if abs(d * c - 1) < mp.mpf(10) ** -DIGITS:
            break
    return h * mp.exp(a * mp.log(x) - x - mp.loggamma(a))


def lower_beta(a, b, x):
    term = total = 1 / a
    n = 0
    while abs(term) > abs(total) * mp.mpf(10) ** -DIGITS:
        term *= x * (a + b + n) / (a + 1 + n)
        n += 1
        total += term
    front = mp.loggamma(a + b) - mp.loggamma(a) - mp.loggamma(b)
    return total * mp.exp(a * mp.log(x) + b * mp.log1p(-x) + front)


def gammainc(a, x):
    return lower_gamma(a, x) if x < mp.re(a) else -upper_gamma(a, x)


def betainc(a, b, x):
    return lower_beta(a, b, x) if x < a / (a + b) else -lower_beta(b, a, 1 - x)


def stdtr(n, t):
    """For negative ``t``."""
    half = mp.mpf(1) / 2
    low = n / (n + t * t) < n / (n + 1)
    return (
        lower_beta(n / 2, half, n / (n + t * t)) if low else -lower_beta(half, n / 2, t * t / (n + t * t))
    ) / 2


def fdtr(a, b, x):
    w = a * x / (b + a * x)
    return lower_beta(a / 2, b / 2, w) if x < 1 else -lower_beta(b / 2, a / 2, b / (b + a * x))


def derivatives(f, point, along):
    """The first and second derivative of ``f(point + d along)``, by differences."""
    with mp.workdps(DIGITS):
        exact = [mp.mpf(float(p)) for p in point]
        h = min(min(abs(p), 1 + mp.sqrt(abs(p))) for p, u in zip(exact, along, strict=True) if u) / 10**7
        a, b, c, d, e = (
            f(*(p + k * h * mp.mpf(float(u)) for p, u in zip(exact, along, strict=True)))
            for k in (-2, -1, 0, 1, 2)
        )
        first, second = (a - 8 * b + 8 * d - e) / (12 * h), (-a + 16 * b - 30 * c + 16 * d - e) / (12 * h * h)
        return float(first), float(second)


# name -> NumPy's function, mpmath's, points
POINTS = {
    "gammainc": (
        sp.gammainc,
        gammainc,
        [(2.3, 1.7), (1e-3, 1e-5), (0.01, 3.0), (0.3, 1e-8), (0.7, 30.0), (30.0, 3.0), (30.0, 28.0),
         (30.0, 90.0), (2000.0, 1900.0), (2000.0, 2300.0), (9000.0, 9050.0), (4.5, 1e-30), (50.0, 400.0)],
    ),
    "betainc": (
        sp.betainc,
        betainc,
        [(2.3, 1.7, 0.4), (0.01, 0.02, 0.3), (0.01, 30.0, 1e-20), (30.0, 0.01, 0.9999), (0.5, 400.0, 1e-3),
         (400.0, 0.5, 0.99), (90.0, 70.0, 0.6), (90.0, 70.0, 0.3), (90.0, 70.0, 0.8), (700.0, 3.0, 0.97),
         (3.0, 2.0, 1e-40), (1.0, 1.0, 0.4), (5e-3, 8.0, 0.2)],
    ),
    "stdtr": (
        sp.stdtr,
        stdtr,
        [(3.3, -1.2), (0.05, -2.4), (0.3, -190.0), (2.0, -1e-3), (40.0, -2.0), (40.0, -1.5), (300.0, -0.4),
         (300.0, -9.0), (1e3, -3.0)],
    ),
    "fdtr": (
        sp.fdtr,
        fdtr,
        [(3.0, 4.5, 1.7), (0.5, 20.0, 1e-3), (60.0, 40.0, 1.3), (60.0, 40.0, 0.3), (2.0, 7.0, 40.0)],
    ),
}  # fmt: skip


def directions(count):
    """Each operand alone, and each two together."""
    eye = np.eye(count)
    return [*eye, *(eye[i] + eye[j] for i in range(count) for j in range(i))]


@pytest.mark.parametrize("name", POINTS)
def test_wide_ranges(name):
    f, exact, points = POINTS[name]
    for point in points:
        point = np.array(point)
        hessian = ad.hessian(lambda p: f(*p), point)
        gradient = ad.gradient(lambda p: f(*p), point)
        parameters = point.size - 1
        for k, along in enumerate(directions(point.size)):
            # the data alone is a density; the directions of two operands have lost digits to their sizes
            if not along[:parameters].any() or (k >= point.size and along[parameters]):
                continue
            first, second = derivatives(exact, point, along)
            if k < point.size:
                np.testing.assert_allclose(
                    gradient @ along, first, rtol=1e-11, err_msg=f"{name} {point} {along}"
                )
            size = np.abs(along @ np.abs(hessian) @ along)
            assert abs(along @ hessian @ along - second) <= 1e-9 * size, f"{name} {point} {along}"


def test_the_data_and_a_parameter():
    for name, (f, exact, points) in POINTS.items():
        point = np.array(points[0])
        hessian = ad.hessian(lambda p: f(*p), point)  # noqa: B023
        for along in directions(point.size):
            _, second = derivatives(exact, point, along)
            np.testing.assert_allclose(along @ hessian @ along, second, rtol=1e-9, err_msg=f"{name} {along}")


def test_many_degrees_of_freedom():
    """``stdtr(n, t)`` is the normal distribution function less ``(t + t**3) density / 4 n``, and so on."""
    n = 1e8
    for t in (-4.0, -1.3, -0.2, 0.9):
        density = np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
        second = -(3 * t**7 - 7 * t**5 - 5 * t**3 - 3 * t) / 96 * density  # Fisher (1925), of 1 / n**2
        slope = ((t + t**3) / 4 * density - 2 * second / n) / n**2
        np.testing.assert_allclose(ad.derivative(lambda n: sp.stdtr(n, t), n), slope, rtol=1e-12)  # noqa: B023


@pytest.mark.parametrize(
    ("s", "q"), [(2.6, 1.0), (1.001, 1.0), (3.0, 0.01), (40.0, 0.7), (5.0, 1e4), (1.5, 300.0)]
)
def test_zeta_by_its_exponent(s, q):
    point = np.array([s, q])
    slope, hessian = ad.gradient(lambda p: sp.zeta(*p), point)[0], ad.hessian(lambda p: sp.zeta(*p), point)
    with mp.workdps(30):
        first, second = mp.zeta(mp.mpf(s), mp.mpf(q), 1), mp.zeta(mp.mpf(s), mp.mpf(q), 2)
        mixed = -mp.zeta(mp.mpf(s) + 1, mp.mpf(q)) - mp.mpf(s) * mp.zeta(mp.mpf(s) + 1, mp.mpf(q), 1)
    np.testing.assert_allclose(
        [slope, hessian[0, 0], hessian[1, 0]], np.array([first, second, mixed], float), rtol=1e-13
    )


@pytest.mark.parametrize(
    ("v", "x"), [(0.7, 1.5), (-0.7, 1.5), (3.0, 1e-5), (50.0, 3.0), (2.5, 90.0), (300.0, 250.0), (1e-3, 30.0)]
)
def test_modified_bessel_functions_by_their_order(v, x):
    kinds = {
        sp.kv: (mp.besselk, 0),
        sp.kve: (mp.besselk, 1),
        sp.iv: (mp.besseli, 0),
        sp.ive: (mp.besseli, -1),
    }
    for f, (plain, power) in kinds.items():
        point = np.array([v, x])
        gradient, hessian = ad.gradient(lambda p: f(*p), point), ad.hessian(lambda p: f(*p), point)  # noqa: B023

        def exact(v, x, plain=plain, power=power):
            return plain(v, x) * mp.exp(power * x)

        for along in directions(2)[:1] + directions(2)[2:]:
            first, second = derivatives(exact, point, along)
            np.testing.assert_allclose(gradient @ along, first, rtol=1e-10)
            assert abs(along @ hessian @ along - second) <= 1e-9 * (along @ np.abs(hessian) @ along)


@pytest.mark.parametrize(
    ("v", "x"),
    [
        *((0.0, 0.5), (0.7, 1.5), (-0.7, 1.5), (-2.0, 3.0), (3.0, 1e-4), (80.0, 70.0), (2.5, 90.0)),
        *((3.7, 900.0), (0.5, 7.9), (-0.5, 8.1), (-1.5, 2.0), (-1.0, 0.3), (-3.0, 25.0), (1 + 1e-7, 0.3)),
    ],
)
def test_bessel_functions_by_their_order(v, x):
    parts = {
        sp.jv: mp.besselj,
        sp.yv: mp.bessely,
        lambda v, x: np.real(sp.hankel1(v, x)): mp.besselj,
        lambda v, x: np.imag(sp.hankel1(v, x)): mp.bessely,
        lambda v, x: np.imag(sp.hankel2(v, x)): lambda v, x: -mp.bessely(v, x),
    }
    for f, exact in parts.items():
        with mp.workdps(DIGITS):
            h, at, y = mp.mpf(10) ** -9, mp.mpf(v), mp.mpf(x)
            a, b, c, d, e = (exact(at + k * h, y) for k in (-2, -1, 0, 1, 2))
            first, second = (a - 8 * b + 8 * d - e) / (12 * h), (16 * (b + d) - a - 30 * c - e) / (12 * h * h)
            by_both = (exact(at - 1 + h, y) - exact(at - 1 - h, y)) / (4 * h)
            by_both -= (exact(at + 1 + h, y) - exact(at + 1 - h, y)) / (4 * h)
        point = np.array([v, x])
        gradient, hessian = ad.gradient(lambda p: f(*p), point), ad.hessian(lambda p: f(*p), point)  # noqa: B023
        np.testing.assert_allclose(gradient[0], float(first), rtol=1e-11)
        np.testing.assert_allclose(hessian[0], [float(second), float(by_both)], rtol=1e-9)


def test_orders_beyond_what_is_computed_are_told_of():
    for v, x in ((0.5, 2000.0), (300.0, 250.0), (2.0, -1.0)):
        with pytest.warns(ad.errors.NonFiniteWarning):
            assert np.isnan(ad.derivative(lambda v: sp.jv(v, x), v))  # noqa: B023


INVERSES = {
    "gammaincinv": (sp.gammaincinv, sp.gammainc, (2.3, 0.3)),
    "gammainccinv": (sp.gammainccinv, sp.gammaincc, (2.3, 1e-9)),
    "betaincinv": (sp.betaincinv, sp.betainc, (2.3, 1.7, 0.4)),
    "betainccinv": (sp.betainccinv, sp.betaincc, (2.3, 1.7, 0.9)),
    "chdtri": (sp.chdtri, sp.chdtrc, (3.0, 0.2)),
    "fdtri": (sp.fdtri, sp.fdtr, (3.0, 4.5, 0.7)),
    "stdtrit": (sp.stdtrit, sp.stdtr, (3.0, 0.2)),
    "gdtrix": (sp.gdtrix, sp.gdtr, (0.7, 1.5, 0.3)),
}


@pytest.mark.parametrize("name", INVERSES)
def test_inverses_undo_their_functions(name):
    """``f(p, g(p, y))`` is ``y`` to every order, whatever the parameters."""
    g, f, point = INVERSES[name]

    def both(p):
        return f(*p[:-1], g(*p))

    point = np.array(point)
    np.testing.assert_allclose(ad.gradient(both, point), np.eye(point.size)[-1], atol=1e-9)
    size = np.abs(ad.hessian(lambda p: g(*p), point)).max()
    np.testing.assert_allclose(ad.hessian(both, point) / size, 0.0, atol=1e-8)


ALL = {
    **{name: (f, points[0]) for name, (f, _, points) in POINTS.items()},
    **{name: (g, point) for name, (g, _, point) in INVERSES.items()},
    "gammaincc": (sp.gammaincc, (2.3, 1.7)),
    "betaincc": (sp.betaincc, (2.3, 1.7, 0.4)),
    "chdtr": (sp.chdtr, (3.0, 2.0)),
    "chdtrc": (sp.chdtrc, (3.0, 2.0)),
    "fdtrc": (sp.fdtrc, (3.0, 4.5, 1.7)),
    "gdtr": (sp.gdtr, (0.7, 1.5, 1.2)),
    "gdtrc": (sp.gdtrc, (0.7, 1.5, 1.2)),
    "gdtria": (sp.gdtria, (0.3, 1.5, 1.2)),
    "zeta": (sp.zeta, (2.6, 1.3)),
    "kve": (sp.kve, (0.7, 1.5)),
    "kv": (sp.kv, (2.7, 1.5)),
    "ive": (sp.ive, (0.7, 1.5)),
    "iv": (sp.iv, (2.7, 1.5)),
    "jv": (sp.jv, (2.7, 1.5)),
    "yv": (sp.yv, (0.7, 1.5)),
    "jve": (sp.jve, (0.7, 9.5)),
    "hankel1": (lambda v, x: np.real((2 + 1j) * sp.hankel1(v, x)), (0.7, 1.5)),
    "hankel2": (lambda v, x: np.imag(sp.hankel2(v, x)) * v, (-0.7, 1.5)),
}


def test_bessel_functions_by_their_order_at_zero():
    """J is ``(x / 2)**v / gamma(v + 1)`` there: nothing in v for v > 0, minus infinity at 0; Y has a pole."""
    for v in (0.5, 1.0, 2.5):
        assert ad.derivative(lambda v: sp.jv(v, 0.0), v) == 0
    with pytest.warns(ad.errors.NonFiniteWarning):
        assert not np.isfinite(ad.derivative(lambda v: sp.jv(v, 0.0), 0.0))
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(ad.derivative(lambda v: sp.yv(v, 0.0), 0.5))


def test_a_complex_number_times_a_slope_by_a_parameter():
    """A complex number times a float64 of NumPy is Python's, which has no axes."""
    y = multiply(1j, Dual(1, np.float64(2.0), np.array([3.0, 4.0])))
    assert np.array_equal(y.tangent, [3j, 4j])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_every_backend(name):
    f, point = ALL[name]
    point = np.array(point)

    def g(p):
        return f(*p)

    gradient, hessian = ad.gradient(g, point), ad.hessian(g, point)
    finite = ad.gradient(g, point, backend="finite")
    np.testing.assert_allclose(gradient, finite, rtol=1e-5)
    compiled = ad.NumPy(compile=True)
    for backend in (*BACKENDS, compiled):
        # SymPy's own function, whose slope by the order it leaves open, or complex numbers, which it lacks
        if backend == "sympy" and name in ("kv", "iv", "jv", "yv", "hankel1", "hankel2"):
            with pytest.raises(ad.errors.OperationNotSupportedError):
                ad.gradient(g, point, backend=backend)
            continue
        np.testing.assert_allclose(ad.gradient(g, point, backend=backend), gradient, rtol=1e-12)
    for backend in ("torch", compiled) if "torch" in BACKENDS else (compiled,):
        np.testing.assert_allclose(ad.hessian(g, point, backend=backend), hessian, rtol=1e-11)


def test_second_order_of_frameworks():
    point = np.array([2.3, 1.7, 0.4])
    expected = ad.hessian(lambda p: sp.betainc(*p) + sp.gammainc(p[0], p[1]), point)
    for backend in BACKENDS:
        found = ad.hessian(lambda p: sp.betainc(*p) + sp.gammainc(p[0], p[1]), point, backend=backend)
        np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_at_the_ends():
    a = np.array([0.5, 1.0, 3.0])
    for f in (sp.gammainc, sp.gammaincc, lambda a, x: sp.betainc(a, 2.0, min(x, 1.0))):
        for x in (0.0, np.inf):
            assert np.array_equal(ad.jacobian(lambda a: f(a, x), a).diagonal(), np.zeros(3))  # noqa: B023
    assert ad.derivative(lambda n: sp.stdtr(n, 0.0), 3.0) == 0
    assert ad.derivative(lambda n: sp.stdtr(n, -np.inf), 3.0) == 0
    by_both = ad.derivative(lambda x: ad.derivative(lambda a: sp.gammainc(a, x), 2.5), 0.0)
    assert by_both == 0


def test_single_precision_and_shapes():
    a, x = np.array([[0.7], [2.5]], np.float32), np.array([0.3, 1.0, 4.0], np.float32)
    found = ad.vjp(lambda a: sp.gammainc(a, x), a, w=np.ones((2, 3), np.float32))
    assert found.dtype == np.float32 and found.shape == (2, 1)
    slopes = [[sum(float(derivatives(gammainc, (v, t), (1, 0))[0]) for t in x)] for v in a[:, 0]]
    np.testing.assert_allclose(found, slopes, rtol=1e-5)
    empty = ad.jacobian(lambda a: sp.gammainc(a, np.zeros((0,))), np.array(2.0))
    assert empty.shape == (0,)


def test_third_order_and_beyond():
    third = ad.taylor(lambda a: sp.gammainc(a, 1.7), 2.3, v=1.0, order=3)[3] * 6
    with mp.workdps(40):
        exact = mp.diff(lambda a: lower_gamma(a, mp.mpf(1.7)), mp.mpf(2.3), 3)
    np.testing.assert_allclose(third, float(exact), rtol=1e-9)
    with pytest.raises(ad.errors.OperationNotSupportedError, match=r"gammainc_3 has no derivative"):
        ad.taylor(lambda a: sp.gammainc(a, 1.7), 2.3, v=1.0, order=4)
