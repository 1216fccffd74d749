"""Rules of ``scipy.special``: error functions, gamma and beta functions, exponential integrals.

Source of the formulas: NIST Digital Library of Mathematical Functions, chapters 5 to 8. A partial that is
None has no closed form; asking for it is refused. Where a formula is ``0 / 0`` at a point, another one,
right to every order, stands for it around that point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.core.kinds import elementwise
from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import map_ufunc, ufunc
from polyad.engine.core.values import PRIMITIVES, Primitive, Value, base, is_real
from polyad.engine.rules.arithmetic import equal, less, real, where
from polyad.engine.rules.elementwise import absolute, cos, cosh, exp, log1p, maximum, sin, sinh

PI, ROOT_PI, ROOT_2PI = float(np.pi), float(np.sqrt(np.pi)), float(np.sqrt(2 * np.pi))

# -- helpers ----------------------------------------------------------------------------------------


def near_zero(
    x: Value, radius: float, inside: Callable[[Value], Value], outside: Callable[[Value], Value]
) -> Value:
    """``inside(x)`` where ``|x| < radius``, ``outside(x)`` elsewhere; each sees its own points only."""
    small = less(absolute(x), radius)
    return where(small, inside(where(small, x, 0.0)), outside(where(small, radius, x)))


def real_only(name: str, x: Value, slope: Value) -> Value:
    """A partial that holds for real arguments; of complex ones the function is not holomorphic."""
    if is_real(x):
        return slope
    raise refuse(f"{name} of complex numbers is not holomorphic", "write it with the unscaled function")


def parts(f: Any, *partials: tuple[Callable[..., Value] | None, ...]) -> tuple[Primitive, ...]:
    """A universal function of several results as one primitive for each."""

    def part(k: int) -> Callable[..., Value]:
        def compute(*args: Value) -> Value:
            return f(*args)[k]

        return compute

    made = tuple(elementwise(f"{f.__name__}_{k}", part(k), *rules) for k, rules in enumerate(partials))
    for primitive in made:
        primitive.home = "scipy.special"
    map_ufunc(f, lambda *args: tuple(g(*args) for g in made))
    return made


# -- error functions (DLMF 7) -----------------------------------------------------------------------

erf: Primitive = ufunc(sp.erf, lambda x: 2 / ROOT_PI * exp(-x * x))
erfc: Primitive = ufunc(sp.erfc, lambda x: -2 / ROOT_PI * exp(-x * x))
erfcx: Primitive = ufunc(sp.erfcx, lambda x, y: 2 * x * y - 2 / ROOT_PI)
erfi: Primitive = ufunc(sp.erfi, lambda x: 2 / ROOT_PI * exp(x * x))
dawsn: Primitive = ufunc(sp.dawsn, lambda x, y: 1 - 2 * x * y)
wofz: Primitive = ufunc(sp.wofz, lambda x, y: 2j / ROOT_PI - 2 * x * y)
erfinv: Primitive = ufunc(sp.erfinv, lambda y: ROOT_PI / 2 * exp(y * y))
erfcinv: Primitive = ufunc(sp.erfcinv, lambda y: -ROOT_PI / 2 * exp(y * y))
fresnel_s, fresnel_c = parts(sp.fresnel, (lambda x: sin(PI / 2 * x * x),), (lambda x: cos(PI / 2 * x * x),))
# the second results are scaled: exp(-i (x**2 + pi/4)) / sqrt(pi) times the first, and its conjugate
modfresnelp_f, modfresnelp_k = parts(
    sp.modfresnelp,
    (lambda x: -exp(1j * (x * x)),),
    (lambda x, y: -2j * x * y - complex(np.exp(-0.25j * np.pi)) / ROOT_PI,),
)
modfresnelm_f, modfresnelm_k = parts(
    sp.modfresnelm,
    (lambda x: -exp(-1j * (x * x)),),
    (lambda x, y: 2j * x * y - complex(np.exp(0.25j * np.pi)) / ROOT_PI,),
)

# -- gamma and beta (DLMF 5, 8) ---------------------------------------------------------------------

gamma: Primitive = ufunc(sp.gamma, lambda x, y: y * digamma(x))
gammaln: Primitive = ufunc(sp.gammaln, lambda x: digamma(x))
loggamma: Primitive = ufunc(sp.loggamma, lambda x: digamma(x))
rgamma: Primitive = ufunc(sp.rgamma, lambda x: _rgamma_slope(x))
digamma: Primitive = ufunc(sp.psi, lambda x: _trigamma(x), name="digamma")
zeta: Primitive = ufunc(
    sp._ufuncs._zeta,
    lambda a, b: PRIMITIVES["zeta_1"](a, b),
    lambda a, b: -a * zeta(a + 1, b),
    name="zeta",
)
beta: Primitive = ufunc(sp.beta, lambda a, b, y: y * _beta_slope(a, b), lambda a, b, y: y * _beta_slope(b, a))
betaln: Primitive = ufunc(sp.betaln, lambda a, b: _beta_slope(a, b), lambda a, b: _beta_slope(b, a))
gammainc: Primitive = ufunc(sp.gammainc, lambda a, b: _gammainc_1(a, b), lambda a, b: gamma_density(a, b))
gammaincc: Primitive = ufunc(sp.gammaincc, lambda a, b: -_gammainc_1(a, b), lambda a, b: -gamma_density(a, b))
gammaincinv: Primitive = ufunc(
    sp.gammaincinv,
    lambda a, y: inverse_slope(_gammainc_1(a, y), gamma_density(a, y), y, equal(y, 0)),
    lambda a, y: 1 / gamma_density(a, y),
)
gammainccinv: Primitive = ufunc(
    sp.gammainccinv,
    lambda a, y: inverse_slope(_gammainc_1(a, y), gamma_density(a, y), y, equal(y, 0)),
    lambda a, y: -1 / gamma_density(a, y),
)
betainc: Primitive = ufunc(
    sp.betainc,
    lambda a, b, c: _betainc_1(0, a, b, c),
    lambda a, b, c: _betainc_1(1, a, b, c),
    lambda a, b, c: beta_density(a, b, c),
)
betaincc: Primitive = ufunc(
    sp.betaincc,
    lambda a, b, c: -_betainc_1(0, a, b, c),
    lambda a, b, c: -_betainc_1(1, a, b, c),
    lambda a, b, c: -beta_density(a, b, c),
)
betaincinv: Primitive = ufunc(
    sp.betaincinv,
    lambda a, b, y: _betaincinv_1(0, a, b, y),
    lambda a, b, y: _betaincinv_1(1, a, b, y),
    lambda a, b, y: 1 / beta_density(a, b, y),
)
betainccinv: Primitive = ufunc(
    sp.betainccinv,
    lambda a, b, y: _betaincinv_1(0, a, b, y),
    lambda a, b, y: _betaincinv_1(1, a, b, y),
    lambda a, b, y: -1 / beta_density(a, b, y),
)
poch: Primitive = ufunc(
    sp.poch, lambda a, b, y: y * (digamma(a + b) - digamma(a)), lambda a, b, y: y * digamma(a + b)
)
binom: Primitive = ufunc(
    sp.binom,
    lambda a, b, y: y * (digamma(a + 1) - digamma(a - b + 1)),
    lambda a, b, y: y * (digamma(a - b + 1) - digamma(b + 1)),
)


def _gammainc_1(a: Value, x: Value) -> Value:
    """By ``a``; see ``parameters``."""
    return PRIMITIVES["gammainc_1"](a, x)


def _betainc_1(k: int, a: Value, b: Value, x: Value) -> Value:
    """By ``a`` or ``b``; see ``parameters``."""
    return PRIMITIVES[("betainc_1_0", "betainc_0_1")[k]](a, b, x)


def _betaincinv_1(k: int, a: Value, b: Value, y: Value) -> Value:
    edge = PRIMITIVES["logical_or"](equal(y, 0), equal(y, 1))
    return inverse_slope(_betainc_1(k, a, b, y), beta_density(a, b, y), y, edge)


def inverse_slope(slope: Value, density: Value, y: Value, edge: Value) -> Value:
    """The derivative of a quantile ``y`` by a parameter, from that of the distribution function.

    At an end of the support the quantile is the end, whatever the parameter. The root leaves the next
    derivative there undefined, which by the probability may be infinite.
    """
    return where(edge, PRIMITIVES["sqrt"](where(edge, y * 0.0, 1.0)), -slope / where(edge, 1.0, density))


def _rgamma_slope(x: Value) -> Value:
    """``-digamma(x) / gamma(x)``, on the left by reflection: both factors are singular at the poles."""
    left = less(real(x), 0.5)
    z = 1 - where(left, x, 0.0)
    reflected = gamma(z) * (cos(PI * z) * -PI - sin(PI * z) * digamma(z)) / PI
    right = where(left, 1.0, x)
    return where(left, reflected, -digamma(right) * rgamma(right))


def _trigamma(x: Value) -> Value:
    """``zeta(2, x)``; SciPy has it for real arguments only."""
    if is_real(x):
        return zeta(2.0, x)
    raise refuse("digamma of complex numbers has no derivative in scipy.special", "use real numbers")


def _beta_slope(a: Value, b: Value) -> Value:
    return digamma(a) - digamma(a + b)


def gamma_density(a: Value, x: Value) -> Value:
    """The derivative of ``gammainc(a, x)``."""
    return times_power(x, a - 1, -x - gammaln(a))


def beta_density(a: Value, b: Value, x: Value) -> Value:
    """The derivative of ``betainc(a, b, x)``."""
    edge = PRIMITIVES["logical_or"](base(equal(x, 0)), base(equal(x, 1)))
    p, q = a - 1, b - 1
    inside, at_edge = where(edge, 0.5, x), where(edge, x, 0.5)
    logarithm = PRIMITIVES["xlogy"](p, inside) + PRIMITIVES["xlog1py"](q, -inside)
    outside = exp(logarithm - betaln(a, b))
    return where(edge, at_edge**p * (1 - at_edge) ** q * exp(-betaln(a, b)), outside)


def times_power(x: Value, power: Value, rest: Value) -> Value:
    """``x**power * exp(rest)`` without overflow; by the power where ``x`` is zero, to every order."""
    zero = equal(x, 0)
    outside = exp(PRIMITIVES["xlogy"](power, where(zero, 1.0, x)) + rest)
    return where(zero, where(zero, x, 1.0) ** power * exp(rest), outside)


# -- exponential and other integrals (DLMF 6) -------------------------------------------------------

exp1: Primitive = ufunc(sp.exp1, lambda x: -exp(-x) / x)
expi: Primitive = ufunc(sp.expi, lambda x: exp(x) / x)
expn: Primitive = ufunc(sp.expn, None, lambda a, b: _expn_slope(a, b))
spence: Primitive = ufunc(sp.spence, lambda x: _spence_slope(x))
hyp0f1: Primitive = ufunc(sp.hyp0f1, None, lambda a, b: hyp0f1(a + 1, b) / a)
sine_integral, cosine_integral = parts(sp.sici, (lambda x: _sinc(x),), (lambda x: cos(x) / x,))
sinh_integral, cosh_integral = parts(sp.shichi, (lambda x: _sinhc(x),), (lambda x: cosh(x) / x,))


def _expn_slope(a: Value, b: Value) -> Value:
    """``-E(n - 1)``, of which SciPy has no ``E(-1)``."""
    lowest = -exp(-b) * (1 + b) / (b * b)
    return where(less(a, 1), lowest, -expn(maximum(a - 1, 0), b))


def _spence_slope(x: Value) -> Value:
    """``log(x) / (1 - x)``, which is ``-2F1(1, 1; 2; 1 - x)``."""
    f = PRIMITIVES["hyp2f1"]
    return near_zero(1 - x, 0.3, lambda t: -f(1.0, 1.0, 2.0, t), lambda t: log1p(-t) / t)


def _sinc(x: Value) -> Value:
    return near_zero(x, 1.0, lambda t: hyp0f1(1.5, -t * t / 4), lambda t: sin(t) / t)


def _sinhc(x: Value) -> Value:
    return near_zero(x, 1.0, lambda t: hyp0f1(1.5, t * t / 4), lambda t: sinh(t) / t)
