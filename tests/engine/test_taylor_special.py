"""Taylor mode of special functions to order 10 against mpmath in 60 digits, at singular formulas as well."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import scipy.special as sp
from test_taylor import assert_close, coefficients, reference

import polyad as ad
from polyad.engine.core.values import PRIMITIVES


def _w(z):
    """Faddeeva's function."""
    return mp.exp(-z * z) * mp.erfc(-1j * z)


# name -> the function in SciPy, the same in mpmath, where
UNARY = {
    "exprel": (sp.exprel, lambda x: mp.expm1(x) / x, 0.7),
    "exprel, far": (sp.exprel, lambda x: mp.expm1(x) / x, 3.7),
    "exprel, at zero": (sp.exprel, lambda x: mp.hyp1f1(1, 2, x), 0.0),
    "j0": (sp.j0, lambda x: mp.besselj(0, x), 0.7),
    "j0, at zero": (sp.j0, lambda x: mp.besselj(0, x), 0.0),
    "j1": (sp.j1, lambda x: mp.besselj(1, x), 2.7),
    "jv": (lambda x: sp.jv(1.5, x), lambda x: mp.besselj(1.5, x), 2.7),
    "yv": (lambda x: sp.yv(1.5, x), lambda x: mp.bessely(1.5, x), 2.7),
    "iv": (lambda x: sp.iv(1.5, x), lambda x: mp.besseli(1.5, x), 2.7),
    "kv": (lambda x: sp.kv(1.5, x), lambda x: mp.besselk(1.5, x), 2.7),
    "i0e": (sp.i0e, lambda x: mp.besseli(0, x) * mp.exp(-x), 2.7),
    "kve": (lambda x: sp.kve(0.5, x), lambda x: mp.besselk(0.5, x) * mp.exp(x), 2.7),
    "struve": (lambda x: sp.struve(1, x), lambda x: mp.struveh(1, x), 1.3),
    "ai": (lambda x: sp.airy(x)[0], mp.airyai, -1.3),
    "bi'": (lambda x: sp.airy(x)[3], lambda x: mp.airybi(x, derivative=1), 1.3),
    "ber, at zero": (sp.ber, lambda x: mp.ber(0, x), 0.0),
    "pbdv": (lambda x: sp.pbdv(1.5, x)[0], lambda x: mp.pcfd(1.5, x), 0.4),
    "ellipk": (sp.ellipk, mp.ellipk, 0.3),
    "ellipk, at zero": (sp.ellipk, mp.ellipk, 0.0),
    "ellipe": (sp.ellipe, mp.ellipe, -1.3),
    "ellipkinc": (lambda x: sp.ellipkinc(x, x / 2), lambda x: mp.ellipf(x, x / 2), 0.7),
    "elliprj, ties": (
        lambda x: sp.elliprj(x, 1.0, x * x, 2.0),
        lambda x: mp.elliprj(x, 1, x * x, 2),
        1.0,
    ),
    "agm, a tie": (lambda x: sp.agm(x, 1.0), lambda x: mp.agm(x, 1), 1.0),
    "sn": (lambda x: sp.ellipj(x, 0.3)[0], lambda x: mp.ellipfun("sn", x, m=mp.mpf(0.3)), 0.4),
    "sici": (lambda x: sp.sici(x)[0], mp.si, 1e-9),
    "ci": (lambda x: sp.sici(x)[1], mp.ci, 1.7),
    "shi": (lambda x: sp.shichi(x)[0], mp.shi, 2.7),
    "fresnel": (lambda x: sp.fresnel(x)[0], mp.fresnels, 0.7),
    "spence, at one": (sp.spence, lambda x: mp.polylog(2, 1 - x), 1.0),
    "hyp2f1": (
        lambda x: sp.hyp2f1(0.5, 1.2, 1.7, x),
        lambda x: mp.hyp2f1(0.5, mp.mpf(1.2), mp.mpf(1.7), x),
        0.3,
    ),
    "hyperu": (lambda x: sp.hyperu(0.5, 1.25, x), lambda x: mp.hyperu(0.5, 1.25, x), 1.3),
    "eval_legendre": (lambda x: sp.eval_legendre(5, x), lambda x: mp.legendre(5, x), 0.3),
    "lambertw, at zero": (lambda x: sp.lambertw(x).real, mp.lambertw, 0.0),
    "wrightomega": (sp.wrightomega, lambda x: mp.lambertw(mp.exp(x)), 0.3),
    "log_ndtr": (sp.log_ndtr, lambda x: mp.log(mp.ncdf(x)), -1.3),
    "ndtri_exp": (sp.ndtri_exp, lambda x: mp.sqrt(2) * mp.erfinv(2 * mp.exp(x) - 1), -0.7),
    "stdtr": (
        lambda x: sp.stdtr(2.0, x),
        lambda x: mp.mpf(1) / 2 + x / (2 * mp.sqrt(2) * mp.sqrt(1 + x * x / 2)),
        0.4,
    ),
    "kolmogorov": (
        sp.kolmogorov,
        lambda x: 2 * mp.fsum((-1) ** (k - 1) * mp.exp(-2 * k * k * x * x) for k in range(1, 30)),
        0.9,
    ),
    "binom": (lambda x: sp.binom(x, 2.5), lambda x: mp.binomial(x, mp.mpf(2.5)), 4.7),
    "rgamma, at a pole": (sp.rgamma, mp.rgamma, -2.0),
    "zeta": (lambda x: sp.zeta(3.0, x), lambda x: mp.zeta(3, x), 1.4),
    "boxcox by its power, at zero": (
        lambda x: sp.boxcox(1.75, x),
        lambda x: mp.log(mp.mpf(1.75)) * mp.hyp1f1(1, 2, x * mp.log(mp.mpf(1.75))),
        0.0,
    ),
    "voigt_profile": (
        lambda x: sp.voigt_profile(x, 0.75, 0.5),
        lambda x: mp.re(_w((x + 0.5j) / (0.75 * mp.sqrt(2)))) / (0.75 * mp.sqrt(2 * mp.pi)),
        0.4,
    ),
}


@pytest.mark.parametrize("name", UNARY)
def test_a_function(name):
    f, exact, x = UNARY[name]
    assert_close(coefficients(f, np.float64(x), np.float64(0.8)), reference(exact, x, 0.8))


def test_families_cost_a_power_of_the_order(monkeypatch):
    """Every derivative of a Bessel function is two more; without sharing there would be 2**order."""
    counts = []
    compute = PRIMITIVES["jv"].compute

    def counted(*args):
        counts[-1] += 1
        return compute(*args)

    monkeypatch.setattr(PRIMITIVES["jv"], "compute", counted)
    for order in (5, 10, 20):
        counts.append(0)
        coefficients(lambda x: sp.jv(1.5, x), np.float64(2.7), np.float64(0.8), order)
    assert counts[1] < 4 * counts[0]
    assert counts[2] < 4 * counts[1]


def test_what_has_no_partial_is_refused():
    with pytest.raises(ad.errors.OperationNotSupportedError, match=r"struve has no derivative.*operand 0"):
        coefficients(lambda x: sp.struve(x, 2.0), np.float64(1.5), np.float64(1.0))
