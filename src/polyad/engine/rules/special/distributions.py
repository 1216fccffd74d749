"""Rules of ``scipy.special``: cumulative distribution functions and their inverses.

Source of the formulas: NIST Digital Library of Mathematical Functions, chapters 7 and 8; Johnson, Kotz and
Balakrishnan, Continuous Univariate Distributions (2nd ed., 1995), chapters 29 to 31. The derivative of an
inverse is one over that of the function. A count is a whole number, and has no derivative.
"""

from __future__ import annotations

import numpy as np
import scipy.special as sp

from polyad.engine.core.kinds import elementwise
from polyad.engine.core.table import ufunc
from polyad.engine.core.values import Primitive, Value, base
from polyad.engine.rules.arithmetic import equal, less, log, real, where
from polyad.engine.rules.elementwise import exp, floor, imag, log1p, logical_or, maximum, sqrt, trunc
from polyad.engine.rules.special.gamma import (
    PI,
    ROOT_2PI,
    ROOT_PI,
    beta_density,
    betaln,
    erf,
    erfcx,
    gamma_density,
    gammaln,
    hyp0f1,
    inverse_slope,
    times_power,
    wofz,
)
from polyad.engine.rules.special.parameters import (
    beta_by_first,
    beta_by_second,
    gammainc_orders,
    student_density,
    student_orders,
)
from polyad.engine.rules.special.polynomials import hyp1f1

gammainc_1, stdtr_1 = gammainc_orders[1], student_orders[1]

# -- normal distribution ----------------------------------------------------------------------------

ndtr: Primitive = ufunc(sp.ndtr, lambda x: exp(-x * x / 2) / ROOT_2PI)
ndtri: Primitive = ufunc(sp.ndtri, lambda y: ROOT_2PI * exp(y * y / 2))
log_ndtr: Primitive = ufunc(sp.log_ndtr, lambda x: _hazard(x))
ndtri_exp: Primitive = ufunc(sp.ndtri_exp, lambda y: 1 / _hazard(y))
nrdtrimn: Primitive = ufunc(
    sp.nrdtrimn,
    lambda a, b: -b * ROOT_2PI * exp(ndtri(a) ** 2 / 2),
    lambda a: -ndtri(a),
    lambda: 1.0,
)
nrdtrisd: Primitive = ufunc(
    sp.nrdtrisd,
    lambda b: -1 / ndtri(b),
    lambda b, y: -y / ndtri(b) * ROOT_2PI * exp(ndtri(b) ** 2 / 2),
    lambda b: 1 / ndtri(b),
)
owens_t: Primitive = ufunc(
    sp.owens_t,
    lambda a, b: exp(-a * a / 2) * erf(a * b / float(np.sqrt(2))) / (-2 * ROOT_2PI),
    lambda a, b: exp(-a * a * (1 + b * b) / 2) / (2 * PI * (1 + b * b)),
)
voigt_profile: Primitive = ufunc(
    sp.voigt_profile,
    lambda a, b, c: real(_faddeeva(a, b, c)[1]) / (2 * ROOT_PI * b * b),
    lambda a, b, c, y: -(y + real(_faddeeva(a, b, c)[1] * _faddeeva(a, b, c)[0]) / (b * ROOT_2PI)) / b,
    lambda a, b, c: imag(_faddeeva(a, b, c)[1]) / (-2 * ROOT_PI * b * b),
)


def _hazard(x: Value) -> Value:
    """The density over the distribution function, without overflow and loss where both are tiny.

    Far out its derivatives are differences of nearly equal numbers, so there it is ``t / S(1 / t**2)`` with
    ``t = -x`` and the asymptotic series ``S`` of Mills' ratio (DLMF 7.12.1).
    """
    plain = base(x)
    far, near_one = less(x, _FAR), less(_ONE, x)
    if type(plain) in (np.ndarray, np.float64) and not np.any(far) and not np.any(near_one):
        return _HAZARD / erfcx(x / -ROOT_2)
    t = where(far, -x, -_FAR)
    q, tail = 1 / (t * t), 1.0
    for k in range(10, 0, -1):
        tail = 1 - (2 * k - 1) * q * tail
    middle = where(far, t / tail, _HAZARD / erfcx(where(logical_or(far, near_one), 0.0, x) / -ROOT_2))
    # where the distribution function is one, the square of the divisor would be infinite
    big = where(near_one, x, _ONE)
    return where(near_one, exp(big * big / -2) / ROOT_2PI, middle)


_ONE, _FAR, ROOT_2, _HAZARD = 10.0, -25.0, float(np.sqrt(2)), float(np.sqrt(2 / np.pi))


def _faddeeva(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    """``z`` of Voigt's profile ``real(w(z)) / (sigma sqrt(2 pi))``, and ``w'(z)``."""
    z = (a + 1j * c) / (b * float(np.sqrt(2)))
    return z, 2j / ROOT_PI - 2 * z * wofz(z)


# -- what is an incomplete gamma function -----------------------------------------------------------


def _poisson(a: Value, b: Value) -> Value:
    return gamma_density(floor(a) + 1, b)


def _chi2(a: Value, b: Value) -> Value:
    return gamma_density(a / 2, b / 2) / 2


def _gamma_scaled(b: Value, a: Value, c: Value) -> Value:
    """``gamma_density(b, a * c) * c``, where an infinite density meets ``c = 0`` too."""
    t, none = a * c, equal(a, 0)
    whole = times_power(t, b, -t - gammaln(b)) / where(none, 1.0, a)
    return where(none, gamma_density(b, t) * c, whole)


def _chi2_by_df(a: Value, b: Value) -> Value:
    """The derivative of the distribution function by the degrees of freedom."""
    return gammainc_1(a / 2, b / 2) / 2


chdtr: Primitive = ufunc(sp.chdtr, lambda a, b: _chi2_by_df(a, b), lambda a, b: _chi2(a, b))
chdtrc: Primitive = ufunc(sp.chdtrc, lambda a, b: -_chi2_by_df(a, b), lambda a, b: -_chi2(a, b))
chdtri: Primitive = ufunc(
    sp.chdtri,
    lambda a, y: inverse_slope(_chi2_by_df(a, y), _chi2(a, y), y, equal(y, 0)),
    lambda a, y: -1 / _chi2(a, y),
)
pdtr: Primitive = ufunc(sp.pdtr, None, lambda a, b: -_poisson(a, b))
pdtrc: Primitive = ufunc(sp.pdtrc, None, lambda a, b: _poisson(a, b))
pdtri: Primitive = ufunc(sp.pdtri, None, lambda a, y: -1 / _poisson(a, y))
gdtr: Primitive = ufunc(
    sp.gdtr,
    lambda a, b, c: _gamma_scaled(b, a, c),
    lambda a, b, c: gammainc_1(b, a * c),
    lambda a, b, c: _gamma_scaled(b, c, a),
)
gdtrc: Primitive = ufunc(
    sp.gdtrc,
    lambda a, b, c: -_gamma_scaled(b, a, c),
    lambda a, b, c: -gammainc_1(b, a * c),
    lambda a, b, c: -_gamma_scaled(b, c, a),
)
gdtria: Primitive = ufunc(
    sp.gdtria,
    lambda b, c, y: 1 / (gamma_density(b, y * c) * c),
    lambda b, c, y: inverse_slope(gammainc_1(b, y * c), gamma_density(b, y * c) * c, y, equal(y, 0)),
    lambda c, y: -y / c,
)
gdtrix: Primitive = ufunc(
    sp.gdtrix,
    lambda a, y: -y / a,
    lambda a, b, y: inverse_slope(gammainc_1(b, a * y), gamma_density(b, a * y) * a, y, equal(y, 0)),
    lambda a, b, y: 1 / (gamma_density(b, a * y) * a),
)

# -- what is an incomplete beta function ------------------------------------------------------------


def _binomial(a: Value, b: Value, c: Value) -> Value:
    return beta_density(floor(a) + 1, trunc(b) - floor(a), c)


def _negative_binomial(a: Value, b: Value, c: Value) -> Value:
    return beta_density(trunc(b), trunc(a) + 1, c)


def _snedecor(a: Value, b: Value, c: Value) -> Value:
    total = b + a * c
    return beta_density(a / 2, b / 2, a * c / total) * (a * b / (total * total))


def _snedecor_by_first(a: Value, b: Value, c: Value) -> Value:
    """The derivative of the distribution function by the degrees of freedom of the numerator."""
    total = b + a * c
    w, rest = a * c / total, b / total
    return beta_by_first(a / 2, b / 2, w, rest) / 2 + _snedecor(a, b, c) * c / a


def _snedecor_by_second(a: Value, b: Value, c: Value) -> Value:
    total = b + a * c
    w, rest = a * c / total, b / total
    return beta_by_second(a / 2, b / 2, w, rest) / 2 - _snedecor(a, b, c) * c / b


bdtr: Primitive = ufunc(sp.bdtr, None, None, lambda a, b, c: -_binomial(a, b, c))
bdtrc: Primitive = ufunc(sp.bdtrc, None, None, lambda a, b, c: _binomial(a, b, c))
bdtri: Primitive = ufunc(sp.bdtri, None, None, lambda a, b, y: -1 / _binomial(a, b, y))
nbdtr: Primitive = ufunc(sp.nbdtr, None, None, lambda a, b, c: _negative_binomial(a, b, c))
nbdtrc: Primitive = ufunc(sp.nbdtrc, None, None, lambda a, b, c: -_negative_binomial(a, b, c))
nbdtri: Primitive = ufunc(sp.nbdtri, None, None, lambda a, b, y: 1 / _negative_binomial(a, b, y))
fdtr: Primitive = ufunc(
    sp.fdtr,
    lambda a, b, c: _snedecor_by_first(a, b, c),
    lambda a, b, c: _snedecor_by_second(a, b, c),
    lambda a, b, c: _snedecor(a, b, c),
)
fdtrc: Primitive = ufunc(
    sp.fdtrc,
    lambda a, b, c: -_snedecor_by_first(a, b, c),
    lambda a, b, c: -_snedecor_by_second(a, b, c),
    lambda a, b, c: -_snedecor(a, b, c),
)
fdtri: Primitive = ufunc(
    sp.fdtri,
    lambda a, b, y: -_snedecor_by_first(a, b, y) / _snedecor(a, b, y),
    lambda a, b, y: -_snedecor_by_second(a, b, y) / _snedecor(a, b, y),
    lambda a, b, y: 1 / _snedecor(a, b, y),
)
stdtr: Primitive = ufunc(sp.stdtr, lambda a, b: stdtr_1(a, b), lambda a, b: student_density(a, b))
stdtrit: Primitive = ufunc(
    sp.stdtrit,
    lambda a, y: -stdtr_1(a, y) / student_density(a, y),
    lambda a, y: 1 / student_density(a, y),
)

# -- noncentral distributions -----------------------------------------------------------------------


def _chi2_noncentral(x: Value, df: Value, nc: Value) -> Value:
    """The density; by ``nc`` the distribution function has minus that of two more degrees of freedom."""
    return _chi2(df, x) * exp(nc / -2) * hyp0f1(df / 2, nc * x / 4)


chndtr: Primitive = ufunc(
    sp.chndtr,
    lambda a, b, c: _chi2_noncentral(a, b, c),
    None,
    lambda a, b, c: -_chi2_noncentral(a, b + 2, c),
)
chndtrix: Primitive = ufunc(
    sp.chndtrix,
    lambda b, c, y: 1 / _chi2_noncentral(y, b, c),
    None,
    lambda b, c, y: _chi2_noncentral(y, b + 2, c) / _chi2_noncentral(y, b, c),
)
chndtrinc: Primitive = ufunc(
    sp.chndtrinc,
    lambda a, b, y: _solved(y, _chi2_noncentral(a, b, y) / _chi2_noncentral(a, b + 2, y)),
    None,
    lambda a, b, y: _solved(y, -1 / _chi2_noncentral(a, b + 2, y)),
)


def _solved(y: Value, slope: Value) -> Value:
    """A partial of a noncentrality; where none gives the probability, SciPy's result is constant (tiny)."""
    return where(less(y, 1e-200), 0.0, slope)


def _f_noncentral(a: Value, b: Value, nc: Value, f: Value) -> Value:
    w = a * f / (b + a * f)
    return _snedecor(a, b, f) * exp(nc / -2) * hyp1f1((a + b) / 2, a / 2, nc * w / 2)


def _f_by_noncentrality(a: Value, b: Value, nc: Value, f: Value) -> Value:
    p, q, w = a / 2, b / 2, a * f / (b + a * f)
    front = exp(p * log(w) + q * log1p(-w) - betaln(p, q) - nc / 2) / p
    return front * hyp1f1(p + q, p + 1, nc * w / 2) / -2


ncfdtr: Primitive = ufunc(
    sp.ncfdtr,
    None,
    None,
    lambda a, b, c, d: _f_by_noncentrality(a, b, c, d),
    lambda a, b, c, d: _f_noncentral(a, b, c, d),
)
ncfdtri: Primitive = ufunc(
    sp.ncfdtri,
    None,
    None,
    lambda a, b, c, y: -_f_by_noncentrality(a, b, c, y) / _f_noncentral(a, b, c, y),
    lambda a, b, c, y: 1 / _f_noncentral(a, b, c, y),
)
ncfdtrinc: Primitive = ufunc(
    sp.ncfdtrinc,
    None,
    None,
    lambda a, b, d, y: _solved(y, 1 / _f_by_noncentrality(a, b, y, d)),
    lambda a, b, d, y: _solved(y, -_f_noncentral(a, b, y, d) / _f_by_noncentrality(a, b, y, d)),
)


def _t_noncentral(df: Value, nc: Value, t: Value) -> Value:
    """The density, as two confluent hypergeometric functions for the even and the odd part."""
    w = df + t * t
    z = nc * nc * t * t / (2 * w)
    front = exp(df / 2 * log(df * 1.0) + gammaln(df + 1) - nc * nc / 2 - df * LN2 - df / 2 * log(w))
    odd = hyp1f1(df / 2 + 1, 1.5, z) * nc * t * float(np.sqrt(2)) / w * exp(-gammaln((df + 1) / 2))
    even = hyp1f1((df + 1) / 2, 0.5, z) / sqrt(w) * exp(-gammaln(df / 2 + 1))
    return front * exp(-gammaln(df / 2)) * (odd + even)


LN2 = float(np.log(2))
nctdtr: Primitive = ufunc(sp.nctdtr, None, None, lambda a, b, c: _t_noncentral(a, b, c))
nctdtrit: Primitive = ufunc(sp.nctdtrit, None, None, lambda a, b, y: 1 / _t_noncentral(a, b, y))

# -- tests of Kolmogorov and Smirnov ----------------------------------------------------------------


def _kolmogorov_slope(x: Value) -> Value:
    """One series for large arguments, Jacobi's transformation of it for small ones."""
    large = less(1.0, x)
    far, near = where(large, x, 1.0), where(large, 1.0, maximum(x, 0.02))
    tail = sum(((-1.0) ** k * 8 * k * k) * far * exp(-2.0 * k * k * far * far) for k in range(1, 8))
    q = 1 / (near * near)
    head = sum(exp(-c * q) * (1 - 2 * c * q) for c in ((2 * k - 1) ** 2 * PI * PI / 8 for k in range(1, 8)))
    return where(large, tail, head * q * ROOT_2PI)


kolmogorov: Primitive = ufunc(sp.kolmogorov, lambda x: _kolmogorov_slope(x))
kolmogi: Primitive = ufunc(sp.kolmogi, lambda y: 1 / _kolmogorov_slope(y))
# a piecewise polynomial: SciPy has its first derivative
smirnov_slope: Primitive = elementwise("smirnov_slope", sp._ufuncs._smirnovp, None, None)
smirnov_slope.home = "scipy.special"
smirnov: Primitive = ufunc(sp.smirnov, None, lambda a, b: smirnov_slope(a, b))
smirnovi: Primitive = ufunc(sp.smirnovi, None, lambda a, y: 1 / smirnov_slope(a, y))

# -- Tukey's lambda ---------------------------------------------------------------------------------

tklmbda: Primitive = ufunc(sp.tklmbda, lambda b, y: _tukey_density(b, y), None)


def _tukey_density(b: Value, y: Value) -> Value:
    """From ``x = (y**b - (1 - y)**b) / b``; zero beyond the support."""
    outside = equal(y * (1 - y), 0)
    y = where(outside, 0.5, y)
    return where(outside, 0.0, 1 / (y ** (b - 1) + (1 - y) ** (b - 1)))
