"""Special functions where a formula for the derivative is ``0 / 0``, loses its digits, or is missing."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp
from cases_special import FAR, LINE

import polyad as ad
from polyad.engine.boxes.dispatch import UFUNCS
from polyad.engine.core.values import PRIMITIVES
from polyad.engine.rules.decompositions import DECOMPOSITIONS
from polyad.engine.rules.special.elliptic import carlson
from polyad.systems.registry import is_installed, load

BACKENDS = {
    "numpy": "numpy",
    **{
        name: backend
        for name, backend in {
            "jax": ad.JAX(lift=True),
            "torch": ad.Torch(lift=True),
            "autograd": ad.Autograd(lift=True),
        }.items()
        if is_installed(load(name))
    },
}
PI, LN2, Y = np.pi, np.log(2), 0.75

# name -> the function, the point, first and second derivative there
POINTS = {
    "exprel": (sp.exprel, 0.0, 1 / 2, 1 / 3),
    "spence": (sp.spence, 1.0, -1.0, 1 / 2),
    "rgamma at a pole": (sp.rgamma, -2.0, 2.0, float(mp.diff(mp.rgamma, -2, 2))),
    "sici": (lambda x: sp.sici(x)[0], 0.0, 1.0, 0.0),
    "shichi": (lambda x: sp.shichi(x)[0], 0.0, 1.0, 0.0),
    "ellipk": (sp.ellipk, 0.0, PI / 8, 9 * PI / 64),
    "ellipe": (sp.ellipe, 0.0, -PI / 8, -3 * PI / 64),
    "ellipkinc by m": (lambda m: sp.ellipkinc(PI / 2 - 1e-9, m), 0.0, PI / 8, 9 * PI / 64),
    "agm": (lambda x: sp.agm(x, 1.0), 1.0, 1 / 2, -1 / 8),
    "boxcox by the power": (lambda p: sp.boxcox(2.0, p), 0.0, LN2**2 / 2, LN2**3 / 3),
    "boxcox1p by the power": (lambda p: sp.boxcox1p(1.0, p), 0.0, LN2**2 / 2, LN2**3 / 3),
    "inv_boxcox by the power": (
        lambda p: sp.inv_boxcox(Y, p),
        0.0,
        -np.exp(Y) * Y**2 / 2,
        np.exp(Y) * (Y**4 / 4 + 2 * Y**3 / 3),
    ),
    "lambertw": (lambda x: sp.lambertw(x).real, 0.0, 1.0, -2.0),
    "huber": (lambda r: sp.huber(1.0, r), 0.0, 0.0, 1.0),
    "huber at the threshold": (lambda r: sp.huber(1.0, r), 1.0, 1.0, 1 / 2),
    "i1": (sp.i1, 1e-9, 1 / 2, 3 / 8 * 1e-9),
    "pseudo_huber": (lambda r: sp.pseudo_huber(2.0, r), 0.0, 0.0, 1.0),
    "xlogy": (lambda x: sp.xlogy(x, 2.0), 0.0, LN2, 0.0),
    "xlog1py": (lambda x: sp.xlog1py(x, 1.0), 0.0, LN2, 0.0),
    "struve": (lambda x: sp.struve(0, x), 0.0, 2 / PI, 0.0),
    "bei": (sp.bei, 0.0, 0.0, 1 / 2),
    "it2j0y0": (lambda x: sp.it2j0y0(x)[0], 0.0, 0.0, 1 / 4),
    "j1": (sp.j1, 0.0, 1 / 2, 0.0),
    "eval_chebyt of degree 1": (lambda x: sp.eval_chebyt(1, x), 0.3, 1.0, 0.0),
    "eval_hermite of degree 0": (lambda x: sp.eval_hermite(0, x), 0.3, 0.0, 0.0),
    "log_ndtr, far out": (
        sp.log_ndtr,
        -40.0,
        *(float(mp.diff(lambda x: mp.log(mp.erfc(-x / mp.sqrt(2))), -40, k)) for k in (1, 2)),
    ),
    "kolmogorov where the series change": (
        sp.kolmogorov,
        1.0,
        *(
            float(mp.fsum(2 * (-1) ** (k - 1) * mp.exp(-2 * k * k) * f(k) for k in range(1, 30)))
            for f in (lambda k: -4 * k * k, lambda k: 16 * k**4 - 4 * k * k)
        ),
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", POINTS)
@pytest.mark.filterwarnings("ignore")  # of the other results, which are infinite there
def test_at_a_point(name, backend):
    f, x, first, second = POINTS[name]
    # elliptic integrals: the angle is not a right one; log_ndtr: JAX's own, and the hazard rate, lose digits
    rtol = 1e-8 if "inc" in name else 1e-10 if "far" in name else 1e-12
    found = ad.derivative(f, np.float64(x), backend=BACKENDS[backend])
    np.testing.assert_allclose(found, first, rtol=rtol, atol=1e-14)
    found = ad.second_derivative(f, np.float64(x), backend=BACKENDS[backend])
    np.testing.assert_allclose(found, second, rtol=1e-8 if "far" in name else rtol, atol=1e-14)


def test_smirnov_to_first_order():
    def exact(d, n=5):
        terms = (mp.binomial(n, j) * (d + j / mp.mpf(n)) ** (j - 1) * (1 - d - j / mp.mpf(n)) ** (n - j)
                 for j in range(int(n * (1 - d)) + 1))  # fmt: skip
        return d * mp.fsum(terms)

    x = np.array([0.13, 0.41, 0.77])
    slopes = [float(mp.diff(exact, v)) for v in x]
    found = ad.derivative(lambda t: sp.smirnov(5, x * t), 1.0)
    np.testing.assert_allclose(found, slopes * x, rtol=1e-10)
    p = sp.smirnov(5, x)
    found = ad.derivative(lambda t: sp.smirnovi(5, p * t), 1.0)
    np.testing.assert_allclose(found, p / slopes, rtol=1e-8)
    with pytest.raises(ad.errors.OperationNotSupportedError, match=r"smirnov_slope has no derivative"):
        ad.second_derivative(lambda t: sp.smirnov(5, x * t), 1.0)


def test_noncentral_inverses():
    """Inverses of distributions undo them; SciPy finds them to ten digits or so."""
    p = np.array([0.2, 0.5, 0.8])
    for inverse, density in (
        (lambda p: sp.chndtrix(p, 3.5, 1.2), lambda x: sp._ufuncs._ncx2_pdf(x, 3.5, 1.2)),
        (lambda p: sp.ncfdtri(3.0, 5.0, 1.2, p), lambda x: sp._ufuncs._ncf_pdf(x, 3.0, 5.0, 1.2)),
        (lambda p: sp.nctdtrit(3.5, 0.7, p), lambda x: sp._ufuncs._nct_pdf(x, 3.5, 0.7)),
    ):
        slopes = ad.jacobian(inverse, p).diagonal()
        np.testing.assert_allclose(slopes, 1 / density(inverse(p)), rtol=1e-8)
    nc = np.array([0.7, 1.4])
    for there, back in (
        (lambda nc: sp.chndtr(3.0, 3.5, nc), lambda p: sp.chndtrinc(3.0, 3.5, p)),
        (lambda nc: sp.ncfdtr(3.0, 5.0, nc, 2.0), lambda p: sp.ncfdtrinc(3.0, 5.0, p, 2.0)),
    ):
        product = ad.jacobian(there, nc).diagonal() * ad.jacobian(back, there(nc)).diagonal()
        np.testing.assert_allclose(product, 1.0, rtol=1e-6)  # SciPy's roots are no better


@pytest.mark.parametrize(
    "z", [(0.3, 0.7, 1.9), (1.0, 1.0, 1.0), (1e-8, 2.0, 1e6), (0.5 + 1j, 2.0, 0.3 - 0.2j)]
)
def test_carlsons_function(z):
    x, y, w = z
    exact = mp.elliprd(x, y, w)
    exact = complex(exact) if exact.imag else float(exact)
    np.testing.assert_allclose(carlson(1.5, (0.5, 0.5, 1.5))(*z), exact, rtol=1e-13)


def test_what_has_no_formula_is_refused():
    cases = {
        "struve": lambda x: sp.struve(x, 2.0),
        "eval_jacobi": lambda x: sp.eval_jacobi(3, x, 0.5, 0.2),
        "pdtr": lambda x: sp.pdtr(x, 2.0),
        "mathieu_cem_0": lambda x: sp.mathieu_cem(2, x, 0.3)[0],
    }
    for name, f in cases.items():
        with pytest.raises(ad.errors.OperationNotSupportedError, match=f"{name} has no derivative"):
            ad.derivative(f, 1.5)


# inverses with respect to a parameter without closed form; zetac; those of five operands; what SciPy does not
# compute well enough
REFUSED = frozenset(
    "bdtrik bdtrin btdtria btdtrib chdtriv chndtridf fdtridfd gdtrib nbdtrik nbdtrin ncfdtridfd ncfdtridfn "
    "nctdtridf nctdtrinc pdtrik stdtridf zetac "
    "obl_ang1_cv obl_rad1_cv obl_rad2_cv pro_ang1_cv pro_rad1_cv pro_rad2_cv "
    "itairy obl_rad2 pro_rad2".split()
)


def test_every_other_universal_function_has_a_rule():
    every = {name for name in dir(sp) if isinstance(getattr(sp, name), np.ufunc) and name[0] != "_"}
    assert {name for name in every if getattr(sp, name) not in UFUNCS} == REFUSED & every


def test_what_is_not_holomorphic_is_refused():
    for name in ("ive", "jve", "yve"):
        f = getattr(sp, name)
        ad.derivative(lambda x: f(1.5, x), 0.7)  # noqa: B023
        with pytest.raises(ad.errors.OperationNotSupportedError, match=f"{name} of complex numbers"):
            ad.derivative(lambda x: f(1.5, x + 1j).real, 0.7)  # noqa: B023
    # a principal value; the other entries are right
    with pytest.warns(ad.errors.NonFiniteWarning, match=r"entries \[0, 0\], \[0, 1\]"):
        found = ad.jacobian(lambda y: sp.elliprc(1.0, y), np.array([-0.7, 2.0])).diagonal()
    np.testing.assert_allclose(found, [np.nan, float(mp.diff(lambda y: mp.elliprc(1, y), 2))], rtol=1e-12)


@pytest.mark.skipif("jax" not in BACKENDS, reason="needs jax")
def test_the_host_inside_jax():
    import jax

    from polyad.engine.run import lift, unlift

    def f(x):
        return unlift(sp.jv(1.5, lift("jax", x)))

    with jax.enable_x64(True):
        x = LINE
        slope = (sp.jv(0.5, x) - sp.jv(2.5, x)) / 2
        np.testing.assert_allclose(jax.jit(jax.vmap(f))(x), sp.jv(1.5, x), rtol=1e-14)
        np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(f)))(x), slope, rtol=1e-13)
        np.testing.assert_allclose(jax.vmap(jax.jacfwd(f))(x), slope, rtol=1e-13)


@pytest.mark.skipif("torch" not in BACKENDS, reason="needs torch")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch imports its own relics
def test_the_host_inside_torch():
    import torch

    from polyad.engine.run import lift, unlift

    def f(v, x):
        return unlift(sp.jv(lift("torch", v), lift("torch", x)))

    x, v = torch.tensor(LINE), torch.tensor([0.5, 1.5])
    slope = (sp.jv(0.5, LINE) - sp.jv(2.5, LINE)) / 2
    over = torch.func.vmap(torch.func.grad(lambda v, x: f(v, x).sum(), argnums=1), in_dims=(0, None))
    np.testing.assert_allclose(over(v, x)[1].numpy(), slope, rtol=1e-13)
    np.testing.assert_allclose(
        torch.func.jacfwd(lambda x: f(v[1], x))(x).diagonal().numpy(), slope, rtol=1e-13
    )
    assert torch.autograd.gradcheck(lambda x: f(v[1], x), x.clone().requires_grad_())
    assert torch.autograd.gradgradcheck(lambda x: f(v[1], x), x.clone().requires_grad_())
    by_order = ad.derivative(lambda v: np.sum(sp.jv(v, LINE)), 0.5)  # v is of single precision
    np.testing.assert_allclose(torch.func.grad(lambda v: f(v, x).sum())(v[0]).item(), by_order, rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_single_precision_stays(backend):
    x = np.float32(FAR[2:])
    if backend == "numpy":
        return
    found = ad.jacobian(lambda x: sp.jv(1.5, x) + sp.boxcox(x, 0.5), x, backend=BACKENDS[backend])
    assert np.asarray(found).dtype == np.float32
    expected = ad.jacobian(lambda x: sp.jv(1.5, x) + sp.boxcox(x, 0.5), np.float64(x), backend="numpy")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


# name -> operands at and beyond the edges of the domain, SciPy's result being the reference
EDGES = {
    "entr": [(0.0,), (-1.0,), (np.nan,), (np.inf,), (1e-310,)],
    "rel_entr": [(0.0, 1.0), (0.0, 0.0), (-1.0, 1.0), (1.0, 0.0), (1.0, -1.0), (np.nan, 1.0), (1e-300, 2.0)],
    "kl_div": [(0.0, 2.0), (0.0, 0.0), (-1.0, 1.0), (1.0, 0.0), (1.0, np.nan), (2.0, 2.0)],
    "xlogy": [(0.0, 0.0), (0.0, -1.0), (2.0, 0.0), (0.0, np.nan), (1.0, -1.0), (0.0, 3.0)],
    "xlog1py": [(0.0, -1.0), (0.0, -2.0), (2.0, -1.0), (1.0, -2.0), (1.0, 1e-20)],
    "exprel": [(0.0,), (1e-20,), (-800.0,), (700.0,), (0.5,), (-0.5,), (np.nan,)],
    "boxcox": [(0.5, 0.0), (0.0, 1.0), (-1.0, 1.0), (2.0, 1e-20), (2.0, -3.0), (1.0, 5.0)],
    "boxcox1p": [(1e-20, 2.0), (-1.0, 1.0), (-2.0, 1.0), (1e-20, 0.0), (3.0, -2.0)],
    "inv_boxcox": [(0.5, 0.0), (2.0, 1e-20), (3.0, 2.0), (-0.1, 2.0), (0.4, -0.5)],
    "inv_boxcox1p": [(1e-20, 1.0), (1e-20, 0.0), (3.0, 2.0), (0.4, -0.5)],
    "huber": [(1.0, 1.0), (1.0, -1.0), (-1.0, 0.5), (0.0, 0.0), (2.0, 1e-200)],
    "pseudo_huber": [(1.0, 1e-9), (1e-9, 1.0), (3.0, -4.0)],
    "cosm1": [(1e-9,), (np.pi,), (0.0,)],
    "sindg": [(180.0,), (1e6 * 360 + 30.0,), (-90.0,)],
    "cosdg": [(90.0,), (1e6 * 360 + 60.0,), (-180.0,)],
    "log_expit": [(-800.0,), (800.0,), (0.0,)],
    "agm": [(0.0, 1.0), (1.0, 0.0), (-1.0, -2.0), (-1.0, 2.0), (1e-300, 1.0), (1e200, 1e210), (2.0, 2.0)],
    "ellipk": [(1.0,), (0.0,), (-1e10,), (1 - 1e-16,), (1.5,)],
    "ellipkm1": [(1e-300,), (0.0,), (1.0,), (2.0,)],
    "gammasgn": [(0.0,), (3.0,), (-0.5,), (-1.5,), (-2.0,)],
    "heaviside": [(-1.0, 0.5), (0.0, 0.5), (2.0, 0.5), (np.nan, 0.5)],
    "fmax": [(1.0, 2.0), (np.nan, 1.0), (1.0, np.nan), (2.0, 2.0)],
    "fmin": [(1.0, 2.0), (np.nan, 1.0), (1.0, np.nan), (2.0, 2.0)],
    "ldexp": [(0.5, 3), (1.5, -2)],
    "leg": [(0.0,), (1.0,), (-1.0,), (1 - 1e-15,), (0.6,)],
    "cbrt": [(-8.0,), (0.0,), (1e-300,)],
    "exp10": [(2.0,), (-400.0,), (308.0,)],
}


@pytest.mark.parametrize("name", EDGES)
def test_compositions_at_edges(name):
    f = PRIMITIVES[name].compute
    for operands in EDGES[name]:
        with np.errstate(all="ignore"):
            found = DECOMPOSITIONS[name](*map(np.float64, operands))
            np.testing.assert_allclose(found, f(*operands), rtol=4e-15, atol=2e-16, err_msg=str(operands))


GAMMAS = {
    "gamma": mp.gamma,
    "gammaln": lambda x: mp.log(abs(mp.gamma(x))),
    "digamma": mp.digamma,
}


@pytest.mark.parametrize("name", GAMMAS)
def test_the_gamma_function_and_its_logarithm(name):
    for x in (1e-8, 1e-3, 0.3, 0.5, 1.0, 1.4616, 1.5, 2.0, 3.7, 9.5, 50.3, 170.2, -0.3, -1.5, -3.3):
        with np.errstate(all="ignore"):
            found = DECOMPOSITIONS[name](np.float64(x))
        np.testing.assert_allclose(found, float(GAMMAS[name](mp.mpf(x))), rtol=1e-13, atol=1e-15)


def test_every_composition_is_tested():
    polynomials = {name for name in DECOMPOSITIONS if name.startswith("eval_")}
    assert {*EDGES, *GAMMAS, "radian"} == DECOMPOSITIONS.keys() - polynomials
    for name in polynomials:
        rest = {"eval_jacobi": (0.5, 1.5), "eval_genlaguerre": (0.5,), "eval_gegenbauer": (0.7,)}.get(
            name, ()
        )
        for n in (0, 1, 2, 7):
            found = DECOMPOSITIONS[name](n, *rest, LINE)
            np.testing.assert_allclose(found, getattr(sp, name)(n, *rest, LINE), rtol=1e-12, atol=1e-14)
        assert DECOMPOSITIONS[name](1.5, *rest, LINE) is NotImplemented
