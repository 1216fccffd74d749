"""polyad.stats: SciPy's values, derivatives in all parameters and in the data."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp
import scipy.stats as st

import exact_stats as exact
import polyad as ad
from polyad.systems.registry import is_installed, load

BACKENDS = [n for n in ("jax", "torch", "autograd", "sympy") if is_installed(load(n))]
CONTINUOUS = {
    "norm": (), "expon": (), "gamma": (2.3,), "beta": (2.3, 1.7), "chi2": (3.3,), "t": (4.2,),
    "f": (3.2, 5.5),
    "uniform": (), "cauchy": (), "laplace": (), "logistic": (), "lognorm": (0.8,), "weibull_min": (1.7,),
    "weibull_max": (1.7,), "pareto": (2.3,), "genpareto": (0.3,), "genextreme": (0.3,), "gumbel_r": (),
    "gumbel_l": (), "rayleigh": (), "maxwell": (), "halfnorm": (), "invgamma": (3.2,), "invgauss": (0.8,),
    "skewnorm": (1.3,), "truncnorm": (-0.7, 1.8), "triang": (0.3,), "vonmises": (1.7,), "chi": (2.6,),
    "rice": (0.9,), "nakagami": (1.4,), "loggamma": (1.2,), "fisk": (2.2,), "burr": (2.2, 1.3),
    "burr12": (2.2, 1.3), "lomax": (2.2,), "powerlaw": (1.7,), "exponpow": (1.6,), "exponweib": (1.7, 1.2),
    "gengamma": (1.7, 1.2), "gennorm": (1.4,), "norminvgauss": (1.4, 0.5), "genhyperbolic": (0.7, 1.5, -0.4),
    "geninvgauss": (0.7, 1.5), "johnsonsu": (0.6, 1.4), "johnsonsb": (0.6, 1.4), "hypsecant": (), "levy": (),
    "arcsine": (), "dweibull": (1.7,), "dgamma": (1.7,), "foldnorm": (0.9,), "halfcauchy": (),
    "halflogistic": (), "moyal": (), "loguniform": (0.5, 3.0), "betaprime": (2.3, 3.7), "bradford": (0.8,),
    "wald": (), "exponnorm": (1.3,), "truncexpon": (2.1,), "genlogistic": (1.3,), "gompertz": (0.8,),
    "powernorm": (1.8,), "invweibull": (1.8,), "fatiguelife": (0.8,), "laplace_asymmetric": (1.3,),
    "cosine": (), "anglit": (), "semicircular": (), "alpha": (1.7,), "recipinvgauss": (0.8,), "rdist": (3.2,),
}  # fmt: skip
# what is a count is not differentiated
DISCRETE = {
    "bernoulli": (0.3,), "binom": (7, 0.3), "poisson": (2.7,), "nbinom": (3.4, 0.4), "geom": (0.3,),
    "betabinom": (7, 2.3, 1.7), "betanbinom": (5, 2.3, 3.7), "zipf": (2.6,), "zipfian": (1.4, 12),
    "logser": (0.6,), "skellam": (1.8, 2.4), "planck": (0.7,), "boltzmann": (0.7, 9), "dlaplace": (0.8,),
    "yulesimon": (2.4,),
}  # fmt: skip
# no formula keeps all digits, or there is none: refused by name
REFUSED = {
    **dict.fromkeys(("norminvgauss", "genhyperbolic", "geninvgauss"), "cdf sf logcdf logsf ppf isf"),
}
Q = np.array([0.15, 0.4, 0.62, 0.9])


def continuous(name, method):
    """The method of a distribution of a module as a function of shapes, location, scale and data."""
    shapes = CONTINUOUS[name]
    x = getattr(st, name).ppf(Q, *shapes) * 1.3 + 0.2
    data = Q if method in ("ppf", "isf") else x

    def of(module):
        f = getattr(getattr(module, name), method)
        n = len(shapes)
        return lambda p: f(data + p[n + 2] / 4, *(p[k] for k in range(n)), loc=p[n], scale=p[n + 1])

    return of, np.array([*shapes, 0.2, 1.3, 0.0])


def discrete(name, method):
    shapes = DISCRETE[name]
    k = np.unique(getattr(st, name).ppf(Q, *shapes))
    k = k[:-1] if name == "bernoulli" and "log" in method else k
    places = [j for j, v in enumerate(shapes) if isinstance(v, float)]

    def of(module):
        f = getattr(getattr(module, name), method)

        def g(p):
            own = list(shapes)
            for i, j in enumerate(places):
                own[j] = p[i]
            return f(k, *own)

        return g

    return of, np.array([shapes[j] for j in places])


def check(of, point, message):
    value, jacobian = ad.value_and_jacobian(of(ad.stats), point)
    np.testing.assert_allclose(value, of(st)(point), rtol=1e-12, atol=1e-300, err_msg=message)
    kept = np.isfinite(value)
    finite = ad.jacobian(lambda p: of(st)(p)[kept], point, backend="finite")
    size = np.abs(finite).max()
    np.testing.assert_allclose(jacobian[kept], finite, rtol=2e-5, atol=2e-6 * size, err_msg=message)


@pytest.mark.filterwarnings("ignore")  # of differences that are rough
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name):
    for method in ("logpdf", "pdf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf"):
        of, point = continuous(name, method)
        if method in REFUSED.get(name, "").split():
            with pytest.raises(ad.errors.OperationNotSupportedError):
                ad.jacobian(of(ad.stats), point)
        else:
            check(of, point, f"{name}.{method}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name):
    for method in ("logpmf", "pmf", "cdf", "sf", "logcdf", "logsf"):
        of, point = discrete(name, method)
        if method in REFUSED.get(name, "").split():
            with pytest.raises(ad.errors.OperationNotSupportedError):
                ad.jacobian(of(ad.stats), point)
        else:
            check(of, point, f"{name}.{method}")


# what takes mpmath long: the distribution function is an integral
DEAR = {
    "skewnorm": ("logpdf", "nnlf", "logcdf"),
    "vonmises": ("logpdf", "nnlf", "logsf"),
    "rice": ("logpdf", "nnlf", "cdf"),
}


@pytest.mark.parametrize("name", [*exact.CONTINUOUS, *exact.DISCRETE, *exact.MULTIVARIATE])
def test_every_direction_to_second_order(name):
    """Against mpmath: each parameter and the data alone, and all together."""
    at = exact.point(name)
    for method in DEAR.get(name, exact.methods(name)):
        f = exact.function(name, method, ad.stats)
        first, second = exact.reference(name, method)
        for u, d, dd in zip(exact.directions(at.size), first, second, strict=True):
            _, slope, bend = ad.value_derivative_and_second_derivative(
                lambda t, u=u, f=f: f(at + t * u),
                0.0,
            )
            size = max(np.abs(d).max(), np.abs(dd).max())
            message = f"{name}.{method} along {u}"
            np.testing.assert_allclose(
                np.ravel(slope), d, rtol=1e-11, atol=1e-12 * size + 1e-14, err_msg=message
            )
            np.testing.assert_allclose(
                np.ravel(bend), dd, rtol=1e-10, atol=1e-11 * size + 1e-14, err_msg=message
            )


def test_thin_tails_of_a_skewed_and_of_a_circular_distribution():
    """Where SciPy's own differences of nearly equal numbers, and its approximation, have no digits left."""
    with mp.workdps(30):
        for a, x in ((3.0, -8.0), (-3.0, -3.0), (50.0, -0.5)):
            width = 1 / (abs(x) * (1 + max(a, 0) ** 2))
            ends = [x - n * width for n in (150, 100, 60, 45, 30, 20, 15, 10, 6, 3, 2, 1, 0.5, 0)]
            log = mp.log(mp.quad(lambda t, a=a: 2 * exact.phi(t) * mp.ncdf(a * t), ends))
            slope = 2 * exact.phi(x) * mp.ncdf(a * x) / mp.exp(log)
            found = ad.value_and_derivative(lambda x, a=a: ad.stats.skewnorm.logcdf(x, a), x)
            np.testing.assert_allclose(found, [float(log), float(slope)], rtol=1e-9)
        for k, x in ((30.0, -2.0), (300.0, -0.5), (1e4, -0.1)):
            density = lambda t, k=k: mp.exp(k * (mp.cos(t) - 1))  # noqa: E731
            norm = 2 * mp.pi * mp.besseli(0, k) * mp.exp(-k)
            width = 1 / (k * abs(mp.sin(x)))
            ends = sorted({max(-mp.pi, x - n * width) for n in (60, 30, 20, 10, 6, 3, 2, 1, 0)})
            cdf = mp.quad(density, ends) / norm
            found = ad.value_and_derivative(lambda x, k=k: ad.stats.vonmises.cdf(x, k), x)
            np.testing.assert_allclose(found, [float(cdf), float(density(x) / norm)], rtol=1e-10)
    turned = ad.value_and_derivative(lambda x: ad.stats.vonmises.cdf(x, 1.7), 0.6 + 2 * np.pi)
    once = ad.value_and_derivative(lambda x: ad.stats.vonmises.cdf(x, 1.7), 0.6)
    np.testing.assert_allclose(turned, np.add(once, [1.0, 0.0]), rtol=1e-13)


def test_the_logarithm_of_the_normal_distribution_function_where_it_is_one():
    """``-exp(-x * x / 2) / (x sqrt(2 pi))`` and its derivatives, with no infinity on the way."""
    for x in (9.9, 10.1, 30.0, 36.0):
        found = ad.taylor(sp.log_ndtr, x, v=1.0, order=3)
        density = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
        np.testing.assert_allclose(found[1:], density * np.array([1, -x / 2, (x * x - 1) / 6]), rtol=1e-12)


@pytest.mark.parametrize("backend", ["torch", "autograd", ad.NumPy(compile=True)])
def test_a_quantile_that_is_found_by_a_search(backend):
    if isinstance(backend, str) and backend not in BACKENDS:
        pytest.skip(f"needs {backend}")
    f, at = exact.function("invgauss", "ppf", ad.stats), exact.point("invgauss")
    first, second = exact.reference("invgauss", "ppf")
    u = exact.directions(at.size)[-1]
    prepared = ad.prepare_second_derivative(lambda t: f(at + t * u), 0.05, backend=backend)
    _, d, dd = prepared.value_and(0.0)
    np.testing.assert_allclose(d, first[-1], rtol=1e-11)
    np.testing.assert_allclose(dd, second[-1], rtol=1e-10)


def test_every_backend():
    """One function of many densities, so that each backend compiles once."""
    x = np.array([0.3, 0.55, 0.8])
    names = (
        "norm gamma beta t f weibull_min lognorm genpareto invgauss skewnorm truncnorm vonmises burr".split()
    )

    def f(p):
        total = ad.stats.poisson.logpmf(np.array([1.0, 4.0]), p[0]).sum() + ad.stats.nbinom.logpmf(
            3.0, p[0], p[1] / 3
        )
        for name in names:
            shapes = [v + p[k] / 10 for k, v in enumerate(CONTINUOUS[name])]
            total = total + np.sum(
                getattr(ad.stats, name).logpdf(x * p[2], *shapes, loc=p[2] / 100, scale=p[3])
            )
        return total + np.sum(ad.stats.gamma.cdf(x, p[0])) + ad.stats.t(p[1]).sf(x * p[2]).sum()

    point = np.array([0.6, 1.1, 0.9, 1.6])
    expected = ad.gradient(f, point)
    np.testing.assert_allclose(ad.gradient(f, point, backend="finite"), expected, rtol=1e-6)
    for backend in (*(b for b in BACKENDS if b != "sympy"), ad.NumPy(compile=True)):
        np.testing.assert_allclose(ad.gradient(f, point, backend=backend), expected, rtol=1e-10)
    for backend in BACKENDS:
        of, p = continuous("gamma", "logpdf")
        np.testing.assert_allclose(
            ad.jacobian(of(ad.stats), p, backend=backend), ad.jacobian(of(ad.stats), p), rtol=1e-11
        )


@pytest.mark.skipif(not is_installed(load("casadi")), reason="needs casadi")
def test_casadi():
    for name in (
        "norm",
        "expon",
        "logistic",
        "weibull_min",
        "genpareto",
        "triang",
        "gumbel_r",
        "cauchy",
        "gamma",
    ):
        of, point = continuous(name, "logpdf")
        expected = ad.jacobian(of(ad.stats), point)
        np.testing.assert_allclose(ad.jacobian(of(ad.stats), point, backend="casadi"), expected, rtol=1e-10)
    of, point = continuous("beta", "cdf")
    with pytest.raises(ad.errors.OperationNotSupportedError, match="betainc"):
        ad.jacobian(of(ad.stats), point, backend="casadi")


@pytest.mark.filterwarnings("ignore")  # of infinite slopes at the ends
def test_outside_of_the_support_and_of_the_domain():
    x = np.array([-1.0, 0.0, 0.5, 2.0, np.nan])
    for name, shapes in (("beta", (2.0, 3.0)), ("gamma", (1.0,)), ("uniform", ()), ("genpareto", (-0.7,))):
        for method in ("logpdf", "pdf", "cdf", "sf", "logcdf", "logsf"):
            with np.errstate(all="ignore"):
                expected = getattr(getattr(st, name), method)(x, *shapes)
            f = getattr(getattr(ad.stats, name), method)
            value, slope = ad.value_and_derivative(lambda s, f=f, shapes=shapes: f(x, *shapes, scale=s), 1.0)
            np.testing.assert_allclose(value, expected, rtol=1e-12, err_msg=f"{name}.{method}")
            assert slope[0] == 0  # below the support nothing changes
    q = np.array([-0.1, 0.0, 0.5, 1.0, 1.1])
    for name, shapes in (("beta", (2.0, 3.0)), ("gamma", (1.5,)), ("norm", ())):
        for method in ("ppf", "isf"):
            f = getattr(getattr(ad.stats, name), method)
            value = ad.value_and_derivative(lambda s, f=f, shapes=shapes: f(q, *shapes, scale=s), 1.0)[0]
            np.testing.assert_allclose(value, getattr(getattr(st, name), method)(q, *shapes), rtol=1e-12)
    value = ad.value_and_derivative(lambda a: ad.stats.gamma.logpdf(0.5, a), -1.0)[0]
    assert np.isnan(value)
    mass = ad.value_and_derivative(lambda m: ad.stats.poisson.pmf(np.array([-1.0, 0.5, 2.0]), m), 2.0)
    np.testing.assert_allclose(mass, [st.poisson.pmf([-1, 0.5, 2], 2.0), [0, 0, 0]], atol=1e-16)


RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3))
COV, MEAN, X = A @ A.T + np.eye(3), RNG.normal(size=3), RNG.normal(size=(5, 3))
SIMPLEX = RNG.dirichlet([1.0, 2, 3], size=4).T
MATRICES = np.moveaxis(st.wishart.rvs(5.5, COV, size=4, random_state=0), 0, -1)


def symmetric(p):
    m = np.reshape(p, (3, 3))
    return (m + m.T) / 2


BOTH = np.append(MEAN, COV)
ALPHA = np.array([1.5, 2.5, 0.7])
FLAT = np.diag([1.0, 2, 0])
MULTIVARIATE = {
    "normal": (lambda m, p: m.multivariate_normal.logpdf(X, p[:3], symmetric(p[3:])), BOTH),
    "normal, density": (lambda m, p: m.multivariate_normal.pdf(X, p[:3], symmetric(p[3:])), BOTH),
    "normal, data": (lambda m, p: m.multivariate_normal.logpdf(p, MEAN, COV), X[0]),
    "normal, singular": (
        lambda m, p: m.multivariate_normal.logpdf(p, MEAN, FLAT, allow_singular=True),
        MEAN + np.array([1, 1, 0]),
    ),
    "normal of one dimension": (
        lambda m, p: m.multivariate_normal.logpdf(X[:, 0], p[0], p[1]),
        np.array([0.3, 1.2]),
    ),
    "normal with parameters": (lambda m, p: m.multivariate_normal(p[:3], symmetric(p[3:])).logpdf(X), BOTH),
    "Student": (
        lambda m, p: m.multivariate_t.logpdf(X, p[:3], symmetric(p[3:12]), p[12]),
        np.append(BOTH, 4.5),
    ),
    "Dirichlet": (lambda m, p: m.dirichlet.logpdf(SIMPLEX, p), ALPHA),
    "Dirichlet, data": (lambda m, p: m.dirichlet.logpdf(p, ALPHA), np.array([0.2, 0.3])),
    "Wishart": (lambda m, p: m.wishart.logpdf(MATRICES, p[0], symmetric(p[1:])), np.append(5.5, COV)),
    "Wishart, data": (lambda m, p: m.wishart.logpdf(symmetric(p), 4.5, COV), (COV + np.eye(3)).ravel()),
    "gamma with parameters": (
        lambda m, p: m.gamma(p[0], scale=p[1]).logpdf(np.abs(X)),
        np.array([2.3, 1.2]),
    ),
    "nnlf": (lambda m, p: m.gamma.nnlf(p, np.abs(X[:, 0]) + 1), np.array([2.3, 0.1, 1.2])),
}


def of_module(name):
    f, point = MULTIVARIATE[name]
    return lambda m: lambda p: f(m, p), point


@pytest.mark.parametrize("name", MULTIVARIATE)
def test_multivariate(name):
    of, point = of_module(name)
    value, jacobian = ad.value_and_jacobian(of(ad.stats), point)
    np.testing.assert_allclose(value, of(st)(point), rtol=1e-12)
    if "singular" in name:  # SciPy has no density beside the plane
        np.testing.assert_allclose(jacobian, [-1, -0.5, 0], atol=1e-14)
        return
    np.testing.assert_allclose(jacobian, ad.jacobian(of(st), point, backend="finite"), rtol=1e-6, atol=1e-7)
    for backend in (b for b in BACKENDS if b != "sympy"):
        np.testing.assert_allclose(
            ad.jacobian(of(ad.stats), point, backend=backend), jacobian, rtol=1e-9, atol=1e-12
        )


def test_counterparts():
    counterpart = ad.stats.counterpart
    assert counterpart(st.norm) is ad.stats.norm
    assert (
        counterpart(np.sin) is None and counterpart(st.norm.rvs) is None and counterpart(st.describe) is None
    )
    for f in (st.gamma.logpdf, st.poisson.logpmf, st.multivariate_normal.logpdf, st.norm(0, 2).sf):
        assert counterpart(f) is not None
    frozen = counterpart(st.gamma(2.3, scale=1.4).logpdf)
    found = ad.value_and_derivative(frozen, 0.9)
    np.testing.assert_allclose(found, [st.gamma.logpdf(0.9, 2.3, scale=1.4), 1.3 / 0.9 - 1 / 1.4], rtol=1e-13)
    # on plain arrays, SciPy's own
    x = np.linspace(0.1, 3, 7)
    for name, shapes in (("gamma", (2.3,)), ("t", (3.0,)), ("beta", (2.0, 3.0))):
        for method in ("logpdf", "cdf", "ppf"):
            ours, own = (getattr(getattr(m, name), method)(x / 4, *shapes) for m in (ad.stats, st))
            assert np.array_equal(ours, own)
    assert ad.stats.gamma.mean(2.0) == 2.0 and ad.stats.norm(1.0, 2.0).std() == 2.0


def test_somebody_elses_distribution():
    class Ramp(st.rv_continuous):
        def _pdf(self, x, c):
            return (1 + c * (2 * x - 1)) * 1.0

        def _argcheck(self, c):
            return (c > -1) & (c < 1)

    ramp = Ramp(a=0.0, b=1.0, name="beta")  # SciPy has another one of this name
    logpdf = ad.stats.counterpart(ramp.logpdf)
    found = ad.value_and_derivative(lambda c: logpdf(0.7, c), 0.3)
    np.testing.assert_allclose(found, [np.log(1.12), 0.4 / 1.12], rtol=1e-14)


def test_refusals():
    refused = ad.errors.OperationNotSupportedError
    with pytest.raises(refused, match="location of scipy"):
        ad.derivative(lambda loc: ad.stats.poisson.logpmf(2, 1.5, loc=loc), 0.0)
    with pytest.raises(refused, match="poisson is a step function"):
        ad.derivative(lambda m: ad.stats.poisson.ppf(0.3, m), 1.5)
    with pytest.raises(refused, match="is a step function of its data"):
        ad.derivative(lambda x: ad.stats.poisson.cdf(x, 1.5), 2.5)
    with pytest.raises(refused, match="may be singular"):
        ad.derivative(lambda c: ad.stats.multivariate_normal.logpdf([0.3], cov=c, allow_singular=True), 1.5)
    with pytest.raises(AttributeError, match="no distribution 'nrm'"):
        ad.stats.nrm  # noqa: B018


@pytest.mark.skipif(not is_installed(load("torch")), reason="needs torch")
def test_tensors_of_torch():
    import torch

    x = torch.tensor([0.3, 0.8], dtype=torch.float64)
    a = torch.tensor(2.3, dtype=torch.float64, requires_grad=True)
    y = ad.stats.gamma.logpdf(x, a).sum()
    (slope,) = torch.autograd.grad(y, a)
    expected = ad.derivative(lambda a: ad.stats.gamma.logpdf(x.numpy(), a).sum(), 2.3)
    np.testing.assert_allclose(slope, expected, rtol=1e-13)
