"""Rules of ``scipy.special``'s universal functions, each a line.

Source of the formulas: NIST Digital Library of Mathematical Functions, chapters 5 to 8, 10 and 19.
A partial that is None has no closed form; asking for it is refused.
"""

from __future__ import annotations

import numpy as np
import scipy.special as sp

from polyad.engine.core import Primitive, Value
from polyad.engine.rules_arithmetic import equal, less, log, where
from polyad.engine.rules_elementwise import cos, cosh, exp, log1p, maximum, minimum, sign, sin, sinh, sqrt
from polyad.engine.table import constant_ufunc, map_ufunc, ufunc

PI, ROOT_PI, LN2 = float(np.pi), float(np.sqrt(np.pi)), float(np.log(2))
DEGREE = PI / 180

# -- error functions (DLMF 7) -----------------------------------------------------------------------

erf: Primitive = ufunc(sp.erf, lambda x: 2 / ROOT_PI * exp(-x * x))
erfc: Primitive = ufunc(sp.erfc, lambda x: -2 / ROOT_PI * exp(-x * x))
erfcx: Primitive = ufunc(sp.erfcx, lambda x, y: 2 * x * y - 2 / ROOT_PI)
erfi: Primitive = ufunc(sp.erfi, lambda x: 2 / ROOT_PI * exp(x * x))
dawsn: Primitive = ufunc(sp.dawsn, lambda x, y: 1 - 2 * x * y)
erfinv: Primitive = ufunc(sp.erfinv, lambda y: ROOT_PI / 2 * exp(y * y))
erfcinv: Primitive = ufunc(sp.erfcinv, lambda y: -ROOT_PI / 2 * exp(y * y))
ndtr: Primitive = ufunc(sp.ndtr, lambda x: exp(-x * x / 2) / float(np.sqrt(2 * np.pi)))
ndtri: Primitive = ufunc(sp.ndtri, lambda y: float(np.sqrt(2 * np.pi)) * exp(y * y / 2))
log_ndtr: Primitive = ufunc(sp.log_ndtr, lambda x, y: exp(-x * x / 2 - y) / float(np.sqrt(2 * np.pi)))

# -- logistic and entropy ---------------------------------------------------------------------------

expit: Primitive = ufunc(sp.expit, lambda y: y * (1 - y))
log_expit: Primitive = ufunc(sp.log_expit, lambda x: expit(-x))
logit: Primitive = ufunc(sp.logit, lambda x: 1 / (x * (1 - x)))
exprel: Primitive = ufunc(sp.exprel, lambda x, y: _exprel_slope(x, y))
xlogy: Primitive = ufunc(sp.xlogy, lambda a, b: _log_unless_zero(a, b), lambda a, b: a / b)
xlog1py: Primitive = ufunc(sp.xlog1py, lambda a, b: log1p(b), lambda a, b: a / (1 + b))
entr: Primitive = ufunc(sp.entr, lambda x: -log(x) - 1)
rel_entr: Primitive = ufunc(sp.rel_entr, lambda a, b: log(a / b) + 1, lambda a, b: -a / b)
kl_div: Primitive = ufunc(sp.kl_div, lambda a, b: log(a / b), lambda a, b: 1 - a / b)
cosm1: Primitive = ufunc(sp.cosm1, lambda x: -sin(x))
exp10: Primitive = ufunc(sp.exp10, lambda y: y * float(np.log(10)))
huber: Primitive = ufunc(sp.huber, None, lambda a, b: _clipped(a, b))
pseudo_huber: Primitive = ufunc(sp.pseudo_huber, None, lambda a, b: b / sqrt(1 + (b / a) * (b / a)))
boxcox: Primitive = ufunc(sp.boxcox, lambda a, b: a ** (b - 1), None)
boxcox1p: Primitive = ufunc(sp.boxcox1p, lambda a, b: (1 + a) ** (b - 1), None)
inv_boxcox: Primitive = ufunc(sp.inv_boxcox, lambda a, b, y: y / (1 + a * b), None)

# -- trigonometric, in degrees ----------------------------------------------------------------------

sindg: Primitive = ufunc(sp.sindg, lambda x: DEGREE * cosdg(x))
cosdg: Primitive = ufunc(sp.cosdg, lambda x: -DEGREE * sindg(x))
tandg: Primitive = ufunc(sp.tandg, lambda y: DEGREE * (1 + y * y))
cotdg: Primitive = ufunc(sp.cotdg, lambda y: -DEGREE * (1 + y * y))

# -- gamma and beta (DLMF 5, 8) ---------------------------------------------------------------------

gamma: Primitive = ufunc(sp.gamma, lambda x, y: y * digamma(x))
gammaln: Primitive = ufunc(sp.gammaln, lambda x: digamma(x))
loggamma: Primitive = ufunc(sp.loggamma, lambda x: digamma(x))
rgamma: Primitive = ufunc(sp.rgamma, lambda x, y: -y * digamma(x))
digamma: Primitive = ufunc(sp.psi, lambda x: zeta(2.0, x), name="digamma")
zeta: Primitive = ufunc(sp._ufuncs._zeta, None, lambda a, b: -a * zeta(a + 1, b), name="zeta")
beta: Primitive = ufunc(sp.beta, lambda a, b, y: y * _beta_slope(a, b), lambda a, b, y: y * _beta_slope(b, a))
betaln: Primitive = ufunc(sp.betaln, lambda a, b: _beta_slope(a, b), lambda a, b: _beta_slope(b, a))
gammainc: Primitive = ufunc(sp.gammainc, None, lambda a, b: exp((a - 1) * log(b) - b - gammaln(a)))
gammaincc: Primitive = ufunc(sp.gammaincc, None, lambda a, b: -exp((a - 1) * log(b) - b - gammaln(a)))
betainc: Primitive = ufunc(sp.betainc, None, None, lambda a, b, c: _beta_density(a, b, c))
poch: Primitive = ufunc(
    sp.poch, lambda a, b, y: y * (digamma(a + b) - digamma(a)), lambda a, b, y: y * digamma(a + b)
)

# -- exponential integrals (DLMF 6) -----------------------------------------------------------------

exp1: Primitive = ufunc(sp.exp1, lambda x: -exp(-x) / x)
expi: Primitive = ufunc(sp.expi, lambda x: exp(x) / x)
expn: Primitive = ufunc(sp.expn, None, lambda a, b: _expn_slope(a, b))
spence: Primitive = ufunc(sp.spence, lambda x: log(x) / (1 - x))

# -- Bessel functions (DLMF 10) ---------------------------------------------------------------------

j0: Primitive = ufunc(sp.j0, lambda x: -j1(x))
j1: Primitive = ufunc(sp.j1, lambda x: (j0(x) - jn(2.0, x)) / 2)
y0: Primitive = ufunc(sp.y0, lambda x: -y1(x))
y1: Primitive = ufunc(sp.y1, lambda x: (y0(x) - yv(2.0, x)) / 2)
jn: Primitive = ufunc(sp.jv, None, lambda a, b: (jn(a - 1, b) - jn(a + 1, b)) / 2)
yv: Primitive = ufunc(sp.yv, None, lambda a, b: (yv(a - 1, b) - yv(a + 1, b)) / 2)
iv: Primitive = ufunc(sp.iv, None, lambda a, b: (iv(a - 1, b) + iv(a + 1, b)) / 2)
kv: Primitive = ufunc(sp.kv, None, lambda a, b: -(kv(a - 1, b) + kv(a + 1, b)) / 2)
i0: Primitive = ufunc(sp.i0, lambda x: i1(x))
i1: Primitive = ufunc(sp.i1, lambda x: (i0(x) + iv(2.0, x)) / 2)
k0: Primitive = ufunc(sp.k0, lambda x: -k1(x))
k1: Primitive = ufunc(sp.k1, lambda x: -(k0(x) + kv(2.0, x)) / 2)
i0e: Primitive = ufunc(sp.i0e, lambda x, y: i1e(x) - sign(x) * y)
i1e: Primitive = ufunc(sp.i1e, lambda x, y: (i0e(x) + ive(2.0, x)) / 2 - sign(x) * y)
ive: Primitive = ufunc(sp.ive, None, lambda a, b, y: (ive(a - 1, b) + ive(a + 1, b)) / 2 - sign(b) * y)
kve: Primitive = ufunc(sp.kve, None, lambda a, b, y: y - (kve(a - 1, b) + kve(a + 1, b)) / 2)
k0e: Primitive = ufunc(sp.k0e, lambda x, y: y - k1e(x))
k1e: Primitive = ufunc(sp.k1e, lambda x, y: y - (k0e(x) + kve(2.0, x)) / 2)

# -- elliptic integrals (DLMF 19.4), by the parameter m ---------------------------------------------

ellipk: Primitive = ufunc(sp.ellipk, lambda x, y: (ellipe(x) / (1 - x) - y) / (2 * x))
ellipe: Primitive = ufunc(sp.ellipe, lambda x, y: (y - ellipk(x)) / (2 * x))

# -- of several results -----------------------------------------------------------------------------


def _sici(x: Value) -> tuple[Value, Value]:
    return sine_integral(x), cosine_integral(x)


def _shichi(x: Value) -> tuple[Value, Value]:
    return sinh_integral(x), cosh_integral(x)


def _part(f: np.ufunc, k: int) -> object:
    """One of a universal function's results."""

    def compute(x: Value) -> Value:
        return f(x)[k]

    compute.__name__ = f"{f.__name__}_{k}"
    return compute


sine_integral: Primitive = ufunc(_part(sp.sici, 0), lambda x: _over(sin(x), x, 1.0))
cosine_integral: Primitive = ufunc(_part(sp.sici, 1), lambda x: cos(x) / x)
sinh_integral: Primitive = ufunc(_part(sp.shichi, 0), lambda x: _over(sinh(x), x, 1.0))
cosh_integral: Primitive = ufunc(_part(sp.shichi, 1), lambda x: cosh(x) / x)
map_ufunc(sp.sici, _sici)
map_ufunc(sp.shichi, _shichi)

round_ = constant_ufunc(sp.round)


# -- helpers ----------------------------------------------------------------------------------------


def _over(a: Value, b: Value, limit: float) -> Value:
    zero = equal(b, 0)
    return where(zero, limit, a / where(zero, 1.0, b))


def _log_unless_zero(a: Value, b: Value) -> Value:
    zero = equal(b, 0) & equal(a, 0) if not isinstance(equal(b, 0), float) else False
    return log(where(zero, 1.0, b))


def _clipped(a: Value, b: Value) -> Value:
    return maximum(minimum(b, a), -a)


def _expn_slope(a: Value, b: Value) -> Value:
    """``-E(n - 1)``, of which SciPy has no ``E(-1)``."""
    lowest = -exp(-b) * (1 + b) / (b * b)
    return where(less(a, 1), lowest, -expn(maximum(a - 1, 0), b))


def _exprel_slope(x: Value, y: Value) -> Value:
    """``(exp(x) - y) / x``, and its limit 1/2 at zero."""
    zero = equal(x, 0)
    return where(zero, 0.5, (exp(x) - y) / where(zero, 1.0, x))


def _beta_slope(a: Value, b: Value) -> Value:
    return digamma(a) - digamma(a + b)


def _beta_density(a: Value, b: Value, x: Value) -> Value:
    return exp((a - 1) * log(x) + (b - 1) * log1p(-x) - betaln(a, b))
