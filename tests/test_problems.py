"""The built-in problems against references that know nothing of polyad."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import polyad as ad
from polyad.benchmark import PROBLEMS, built_in
from polyad.benchmark.problems import gaussian_mixture, lotka_volterra
from polyad.systems.overview import backends

# 40-digit arithmetic
LOTKA_VALUE = 448.77608945617291
LOTKA_GRADIENT = [8.3130676760779534, -159.50126895412032, -339.24977622704474, 75.236252883826313]

INSTALLED = [info.name for info in backends() if info.installed]
EXACT = [name for name in INSTALLED if name != "finite"]


def relative(found, expected):
    """Largest difference over the largest entry."""
    found, expected = np.asarray(found), np.asarray(expected)
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


def ravel(tree):
    return np.concatenate([np.ravel(tree[key]) for key in sorted(tree)])


def unravel(flat, like):
    parts, start = {}, 0
    for key in sorted(like):
        size = like[key].size
        parts[key] = flat[start : start + size].reshape(like[key].shape)
        start += size
    return parts


def complex_step(problem, at):
    """The gradient to rounding, by one evaluation per entry in complex arithmetic."""
    params, *constants = problem.args

    def entry(k):
        x = at.astype(complex)
        x[k] += 1e-40j
        return problem.f(unravel(x, params), *constants).imag / 1e-40

    return np.array([entry(k) for k in range(at.size)])


# -- Lotka-Volterra -----------------------------------------------------------------------------


def test_lotka_volterra_value():
    (p,) = built_in("lotka_volterra").args
    assert lotka_volterra(p) == pytest.approx(LOTKA_VALUE, rel=1e-13)


@pytest.mark.parametrize("backend", EXACT)
def test_lotka_volterra_gradient(backend):
    # not prepared: XLA takes minutes to compile the unrolled loop
    (p,) = built_in("lotka_volterra").args
    y, g = ad.value_and_gradient(lotka_volterra, p, backend=backend)
    assert y == pytest.approx(LOTKA_VALUE, rel=1e-11)
    assert relative(g, LOTKA_GRADIENT) < 1e-11


@pytest.mark.skipif("finite" not in INSTALLED, reason="no finite differences")
def test_lotka_volterra_gradient_by_differences():
    (p,) = built_in("lotka_volterra").args
    assert relative(ad.gradient(lotka_volterra, p, backend="finite"), LOTKA_GRADIENT) < 1e-6


# -- the others -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", EXACT)
@pytest.mark.parametrize("name", ["spiral", "gaussian_mixture"])
def test_gradient_and_hvp(name, backend):
    problem = built_in(name)
    params, *constants = problem.args
    if (name, backend) == ("gaussian_mixture", "sympy"):
        with pytest.raises(ad.errors.FunctionNotSupportedError, match="max_operations"):
            ad.gradient(problem.f, *problem.args, backend=backend)
        return
    x = ravel(params)
    v = np.random.default_rng(5).normal(size=x.size)
    h = 1e-5
    curvature = (complex_step(problem, x + h * v) - complex_step(problem, x - h * v)) / (2 * h)
    g, hv = ad.gradient_and_hvp(problem.f, params, *constants, v=unravel(v, params), backend=backend)
    assert relative(ravel(g), complex_step(problem, x)) < 1e-12
    assert relative(ravel(hv), curvature) < 1e-7


@pytest.mark.parametrize("backend", [ad.NumPy(), ad.NumPy(compile=True), ad.JAX(), ad.CasADi()], ids=repr)
@pytest.mark.parametrize("name", ["lotka_volterra", "spiral"])
def test_the_form_with_scan_is_the_same_function(name, backend):
    loop, scan = built_in(name), built_in(f"{name}_scan")
    assert float(scan.f(*scan.args)) == pytest.approx(float(loop.f(*loop.args)), rel=1e-13)
    expected, found = ad.gradient(loop.f, *loop.args), ad.gradient(scan.f, *scan.args, backend=backend)
    if name == "spiral":
        expected, found = ravel(expected), ravel(found)
    assert relative(found, expected) < 1e-12


def test_spiral_data_is_the_true_trajectory():
    from scipy.integrate import solve_ivp

    _, u0, data = built_in("spiral").args
    matrix = np.array([[-0.1, 2.0], [-2.0, -0.1]])
    times = 0.05 * np.arange(1, len(data) + 1)
    true = solve_ivp(lambda t, u: u**3 @ matrix, (0, times[-1]), u0, t_eval=times, rtol=1e-10, atol=1e-12).y.T
    assert np.max(np.abs(data - true)) < 0.02  # the fixed step's own error, on a spiral of radius 2


def test_gaussian_mixture_against_scipy():
    params, x, lower = built_in("gaussian_mixture").args
    weights = np.exp(params["logits"]) / np.sum(np.exp(params["logits"]))
    density = np.zeros(len(x))
    for k, weight in enumerate(weights):
        root = np.diag(np.exp(params["log_scales"][k])) + np.tril(params["shears"][k], -1)
        covariance = np.linalg.inv(root.T @ root)
        density += weight * stats.multivariate_normal(params["means"][k], covariance).pdf(x)
    assert gaussian_mixture(params, x, lower) == pytest.approx(np.sum(np.log(density)), rel=1e-12)


def test_the_same_data_every_time():
    for name in PROBLEMS:
        first, second = built_in(name).args, built_in(name).args
        assert str(first) == str(second)


def test_unknown_problem():
    with pytest.raises(KeyError):
        built_in("nope")
