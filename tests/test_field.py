"""What users of other systems report, and its siblings: right, or refused with a remedy that works."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
import scipy.special as sp

import polyad as ad
from backends import AVAILABLE
from polyad.errors import FunctionNotSupportedError

ENGINE = ["numpy:forward", "numpy:reverse", ad.NumPy(compile=True)]
FRAMEWORKS = [name for name in ("jax", "torch", "autograd", "casadi", "sympy") if name in AVAILABLE]
EVERY = [*ENGINE, *FRAMEWORKS]


def ways(operator: str, f: Any, *args: Any, backend: Any, **kw: Any) -> list[Any]:
    """Without preparation and with it."""
    prepared = getattr(ad, f"prepare_{operator}")
    return [
        lambda: getattr(ad, operator)(f, *args, backend=backend, **kw),
        lambda: prepared(f, *args, backend=backend, **kw)(*args),
    ]


# -- gamma functions of negative numbers ----------------------------------------------------------


@pytest.mark.parametrize("backend", [b for b in EVERY if b != "casadi"], ids=repr)
@pytest.mark.parametrize("at", [-30.5, -0.5, -9.25, -100.7, 3.3])
def test_higher_derivatives_of_gamma_functions_left_of_zero(backend: Any, at: float) -> None:
    for f, n in ((sp.gammaln, 1), (sp.psi, 2)):
        expected = float(mp.psi(n, mp.mpf(at)))
        g = ad.prepare_second_derivative(lambda t, f=f: f(t), 1.5, backend=backend)
        assert math.isclose(g(at), expected, rel_tol=1e-9)
        if not isinstance(backend, ad.NumPy):
            got = ad.second_derivative(lambda t, f=f: f(t), at, backend=backend)
            assert math.isclose(got, expected, rel_tol=1e-9)


@pytest.mark.skipif("jax" not in AVAILABLE, reason="not installed")
def test_arrays_of_both_signs_and_single_precision_under_jax() -> None:
    x = np.array([-30.5, -2.25, 3.0])
    for dtype, tol in ((np.float64, 1e-12), (np.float32, 1e-5)):
        h = ad.prepare_hessian(lambda x: np.sum(sp.gammaln(x)), (x + 1).astype(dtype), backend="jax")
        got = h(x.astype(dtype))
        assert got.dtype == dtype
        np.testing.assert_allclose(got, np.diag(sp.zeta(2, x)), rtol=tol)


# -- derivatives that nobody has ------------------------------------------------------------------

# name -> operands, the one that has no derivative, what SciPy's values say of it
SHAPES = {
    "gammainc": ((2.5, 1.7), 0),
    "gammaincc": ((2.5, 1.7), 0),
    "gammaincinv": ((2.5, 0.3), 0),
    "betainc": ((2.5, 1.7, 0.4), 1),
    "betaincinv": ((2.5, 1.7, 0.4), 0),
    "jv": ((1.5, 2.0), 0),
    "chdtr": ((3.0, 0.4), 0),
    "stdtr": ((3.0, 0.4), 0),
}


@pytest.mark.parametrize("backend", [b for b in EVERY if b != "casadi"], ids=repr)
@pytest.mark.parametrize("name", SHAPES)
def test_shapes_without_a_derivative_are_refused_with_a_remedy(name: str, backend: Any) -> None:
    operands, k = SHAPES[name]

    def f(t: Any) -> Any:
        return getattr(sp, name)(*operands[:k], t, *operands[k + 1 :])

    h = 1e-4
    plain = [float(f(operands[k] + s * h)) for s in (1, 0, -1)]
    slopes = {
        "derivative": (plain[0] - plain[2]) / (2 * h),
        "second_derivative": (plain[0] - 2 * plain[1] + plain[2]) / h**2,
    }
    for operator, expected in slopes.items():
        assert math.isclose(
            getattr(ad, operator)(f, operands[k], backend="finite"), expected, rel_tol=1e-3, abs_tol=1e-5
        )
        for way in ways(operator, f, operands[k], backend=backend):
            try:
                got = way()
            except FunctionNotSupportedError as error:
                assert "backend='finite'" in str(error)
                assert "compile=False" not in str(error)  # which would refuse it too
            else:  # the framework has it
                assert math.isclose(got, expected, rel_tol=1e-3, abs_tol=1e-5)


@pytest.mark.skipif("jax" not in AVAILABLE, reason="not installed")
def test_an_order_that_jax_has_not_is_told() -> None:
    from jax.scipy.special import gammainc

    with pytest.raises(FunctionNotSupportedError, match=r"no derivative of this order.*finite"):
        ad.second_derivative(lambda a: gammainc(a, 1.7), 2.5, backend="jax")


# -- code of packages -----------------------------------------------------------------------------

MATRIX = scipy.sparse.csc_array(np.array([[1.0, 2, 0], [0, 3, 4], [5, 0, 6]]))
PLACES, ASKED = np.array([0.0, 1.0, 2.0, 3.5]), np.array([0.5, 1.7, 3.0])


def sparse(x: Any) -> Any:
    return np.sum(scipy.sparse.linalg.spsolve(MATRIX, x) ** 2)


def spline(x: Any) -> Any:
    return np.sum(scipy.interpolate.CubicSpline(PLACES[:3], x)(ASKED) ** 2)


def ode(x: Any) -> Any:
    return scipy.integrate.odeint(lambda y, t, k: -k * y, 1.0, PLACES, args=(x[0],))[-1, 0] * x[1]


def ivp(x: Any) -> Any:
    return scipy.integrate.solve_ivp(lambda t, y: -x[0] * y, (0, 1), [1.0]).y[0, -1]


def root(x: Any) -> Any:
    return scipy.optimize.brentq(lambda z: z**3 - x[0], 0, 5)


def newton(x: Any) -> Any:
    return scipy.optimize.fsolve(lambda z: z**3 - x, np.ones(3))[0]


def least(x: Any) -> Any:
    return scipy.optimize.minimize_scalar(lambda z: (z - x[0]) ** 2 + x[1], bounds=(0, 5), method="bounded").x


def area(x: Any) -> Any:
    return scipy.integrate.quad(lambda t: np.exp(-x[0] * t), 0, 1)[0]


CODE = [sparse, spline, ode, ivp, root, newton, least, area]


@pytest.mark.parametrize("backend", EVERY, ids=repr)
@pytest.mark.parametrize("f", CODE, ids=lambda f: f.__name__)
def test_code_of_packages_is_refused_with_a_remedy(f: Any, backend: Any) -> None:
    x = np.array([1.5, 2.0, 3.0])
    expected = ad.gradient(f, x, backend="finite")
    # where Python raises an error that is pending depends on what ran before
    dear = f in (ode, ivp)
    for _ in range(2 if backend == "numpy:reverse" and not dear else 1):
        for way in ways("gradient", f, x, backend=backend)[: 1 if dear else 2]:
            try:
                got = way()
            except FunctionNotSupportedError as error:
                if "compile=False)" in str(error) or "use backend='numpy'" in str(error):
                    np.testing.assert_allclose(ad.gradient(f, x), expected, rtol=1e-3, atol=1e-5)
                else:
                    assert "backend='finite'" in str(error), str(error)
            else:
                np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


def test_the_remedy_of_a_sparse_solve() -> None:
    transposed = MATRIX.T.tocsc()
    solve = ad.define(
        lambda b: scipy.sparse.linalg.spsolve(MATRIX, b),
        vjp=lambda b, w: scipy.sparse.linalg.spsolve(transposed, w),
        jvp=lambda b, v: scipy.sparse.linalg.spsolve(MATRIX, v),
    )
    x, a = np.array([1.0, 2.0, 3.0]), MATRIX.toarray()
    expected = 2 * np.linalg.inv(a).T @ np.linalg.solve(a, x)
    for backend in ENGINE[:2]:
        for way in ways("gradient", lambda x: np.sum(solve(x) ** 2), x, backend=backend):
            np.testing.assert_allclose(way(), expected, rtol=1e-12)


def test_a_pending_error_that_polyad_replaces_is_the_refusal() -> None:
    """Compiled code that goes on with an error pending makes any statement fail: here one of polyad's."""

    from polyad.engine.core import refusals

    def package(x: Any) -> Any:
        refusals.LAST.message = "float(x) would drop the derivative at there: keep x"
        return x._nothing  # polyad's own attribute error

    code = package.__code__.replace(co_filename="/lib/site-packages/solver/zeros.py")
    called = type(package)(code, {**globals(), "refusals": refusals}, "package", None, package.__closure__)
    try:
        called(object())
    except AttributeError as error:
        found = refusals.swallowed(error)
    assert found is not None and "compiled code of solver" in str(found)


# -- code that speaks of no library, on NumPy's arrays --------------------------------------------

PLACES_OF_ROWS, POWERS = [True, False], np.array([1.0, 0.0, 2.0, 3.0])


def doubled(y: Any) -> Any:
    y = y * 1.0
    y[0, :, [0, 1]] *= 2.0
    return y


def flattened(y: Any) -> Any:
    y = y * 1.0
    z = y.flatten()
    z[0] = 0.0
    return y * z.reshape(y.shape)


WORDS = {
    "var": lambda x: x.var(0),
    "std": lambda x: x.std(axis=(0, 1)),
    "repeat": lambda x: x.repeat(2),
    "repeat along an axis": lambda x: x.repeat(2, axis=0),
    "list between slices": lambda x: x[0, :, [0, 1]],
    "tuple between slices": lambda x: x[-1, :, (0, 1)],
    "list of lists": lambda x: x[[[0, 1], [1, 0]]],
    "captured mask": lambda x: x[PLACES_OF_ROWS],
    "written": doubled,
    "flattened": flattened,
    "largest": lambda x: x.max(0)[0],
    "remainder": lambda x: x % 0.3,
    "quotient": lambda x: x // 0.1 * x,
    "take": lambda x: x.take([0, 5]),
    "sorted": lambda x: x[x[:, 0, 0].argsort()],
    "diagonal": lambda x: x.diagonal(),
    "compress": lambda x: x.compress([True, False], axis=0),
    "compress all": lambda x: x.compress([True, False, True]),
    "size": lambda x: x.size * x,
    "products": lambda x: x.cumprod(2) * x.prod(1).sum(),
}


@pytest.mark.parametrize("backend", EVERY, ids=repr)
@pytest.mark.parametrize("name", WORDS)
def test_methods_mean_what_they_mean_in_numpy(name: str, backend: Any) -> None:
    f, x = WORDS[name], np.random.default_rng(5).normal(size=(2, 3, 4))
    for prepared in (False, True):
        try:
            if prepared:
                value, found = ad.prepare_jacobian(f, 1.01 * x, backend=backend).value_and(x)
            else:
                value, found = ad.value_and_jacobian(f, x, backend=backend)
        except FunctionNotSupportedError:
            assert backend in ("jax", "casadi", "sympy") or isinstance(backend, ad.NumPy)
            continue
        np.testing.assert_allclose(value, f(x), rtol=1e-13)
        np.testing.assert_allclose(found, ad.jacobian(f, x, backend="finite"), rtol=1e-4, atol=1e-5)


SPECIAL = {
    "power of an array": (lambda x: (x**POWERS).sum(), np.zeros(4), [1.0, 0, 0, 0], np.diag([0, 0, 2.0, 0])),
    "prod": (lambda x: x.prod(), np.array([0.0, 0.0, 3.0]), [0.0, 0, 0], [[0, 3.0, 0], [3, 0, 0], [0, 0, 0]]),
    "abs": (lambda x: (abs(x) ** 2).sum(), np.zeros(2), [0.0, 0.0], 2 * np.eye(2)),
    "std": (lambda x: x.std() ** 2, np.ones(2), [0.0, 0.0], [[0.5, -0.5], [-0.5, 0.5]]),
    "nanstd": (lambda x: np.nanstd(x) ** 2, np.ones(2), [0.0, 0.0], [[0.5, -0.5], [-0.5, 0.5]]),
}


@pytest.mark.parametrize("backend", EVERY, ids=repr)
@pytest.mark.parametrize("name", SPECIAL)
def test_special_points_of_methods(name: str, backend: Any) -> None:
    f, x, g, h = SPECIAL[name]
    at = np.linspace(0.5, 1.5, x.size)
    with np.errstate(all="ignore"):  # infinite slopes, which are masked, warn where they are made
        special(f, at, x, g, h, backend)


def special(f: Any, at: Any, x: Any, g: Any, h: Any, backend: Any) -> None:
    np.testing.assert_allclose(ad.prepare_gradient(f, at, backend=backend)(x), g, atol=1e-12)
    np.testing.assert_allclose(ad.prepare_hessian(f, at, backend=backend)(x), h, atol=1e-12)
    if not isinstance(backend, ad.NumPy):
        np.testing.assert_allclose(ad.gradient(f, x, backend=backend), g, atol=1e-12)


@pytest.mark.parametrize("backend", EVERY, ids=repr)
def test_deviations_of_equal_numbers_have_slope_zero(backend: Any) -> None:
    for f in (lambda x: np.nanstd(x), lambda x: x.std(), lambda x: abs(x - 1.0).sum()):
        assert not ad.gradient(f, np.ones(3), backend=backend).any()


@pytest.mark.skipif("torch" not in AVAILABLE, reason="not installed")
def test_tensors_keep_their_own_meaning() -> None:
    import torch

    x = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    value, g = ad.value_and_gradient(lambda x: x.var(), x, backend="torch")
    assert math.isclose(float(value), float(x.var()))  # of the sample
    np.testing.assert_allclose(g.numpy(), (x - x.mean()).numpy(), rtol=1e-12)
    assert "lifted" not in repr(ad.prepare_gradient(lambda x: (x**2).sum(), x.numpy(), backend="torch"))
