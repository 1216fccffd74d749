"""Rules of ``scipy.special``'s universal functions, each a line.

Here: logistic functions, entropies, powers, degrees, and what fits nowhere else. ``gamma`` has error,
gamma and beta functions and exponential integrals; ``bessel``, ``elliptic``,
``polynomials`` and ``distributions`` the families they are named after. A partial that is None has
no closed form; asking for it is refused.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.special as sp

from polyad.engine.core.table import constant_ufunc, map_ufunc, ufunc
from polyad.engine.core.values import Primitive, Value
from polyad.engine.rules.arithmetic import base_partial, equal, exponent_partial, log, where
from polyad.engine.rules.elementwise import (
    absolute,
    cbrt,
    exp,
    exp2,
    expm1,
    log1p,
    logical_and,
    maximum,
    minimum,
    sin,
    sqrt,
)
from polyad.engine.rules.special.gamma import PI, near_zero
from polyad.engine.rules.special.polynomials import hyp1f1, hyp2f1

DEGREE = PI / 180

# -- logistic and entropy ---------------------------------------------------------------------------

expit: Primitive = ufunc(sp.expit, lambda x, y: y * expit(-x))
log_expit: Primitive = ufunc(sp.log_expit, lambda x: expit(-x))
logit: Primitive = ufunc(sp.logit, lambda x: 1 / (x * (1 - x)))
exprel: Primitive = ufunc(sp.exprel, lambda x: exprel_slope(x))
xlogy: Primitive = ufunc(
    sp.xlogy, lambda a, b: _log_unless_zero(a, b), lambda a, b: _over_unless_both_zero(a, b)
)
xlog1py: Primitive = ufunc(
    sp.xlog1py,
    lambda a, b: log1p(where(logical_and(equal(a, 0), equal(b, -1)), 0.0, b)),
    lambda a, b: _over_unless_both_zero(a, 1 + b),
)
entr: Primitive = ufunc(sp.entr, lambda x: -log(x) - 1)
rel_entr: Primitive = ufunc(sp.rel_entr, lambda a, b: _log_ratio(a, b) + 1, lambda a, b: -a / b)
kl_div: Primitive = ufunc(sp.kl_div, lambda a, b: _log_ratio(a, b), lambda a, b: 1 - a / b)
cosm1: Primitive = ufunc(sp.cosm1, lambda x: -sin(x))
exp10: Primitive = ufunc(sp.exp10, lambda y: y * float(np.log(10)))
huber: Primitive = ufunc(sp.huber, lambda a, b: _beyond(a, b), lambda a, b: _clipped(a, b))
pseudo_huber: Primitive = ufunc(
    sp.pseudo_huber, lambda a, b: _pseudo_huber_slope(a, b), lambda a, b: b / sqrt(1 + (b / a) * (b / a))
)

# -- powers -----------------------------------------------------------------------------------------

boxcox: Primitive = ufunc(
    sp.boxcox, lambda a, b: a ** (b - 1), lambda a, b: _boxcox_slope(log, a, equal(a, 0), b)
)
boxcox1p: Primitive = ufunc(
    sp.boxcox1p, lambda a, b: (1 + a) ** (b - 1), lambda a, b: _boxcox_slope(log1p, a, equal(a, -1), b)
)
inv_boxcox: Primitive = ufunc(
    sp.inv_boxcox, lambda a, b, y: y / (1 + a * b), lambda a, b, y: y * a * a * _logrel_slope(a * b)
)
inv_boxcox1p: Primitive = ufunc(
    sp.inv_boxcox1p,
    lambda a, b, y: (1 + y) / (1 + a * b),
    lambda a, b, y: (1 + y) * a * a * _logrel_slope(a * b),
)
powm1: Primitive = ufunc(sp.powm1, lambda a, b: exponent_partial(a, b), lambda a, b: base_partial(a**b, a, b))

# what SciPy has beside NumPy
for _f, _same in ((sp.cbrt, cbrt), (sp.exp2, exp2), (sp.expm1, expm1), (sp.log1p, log1p)):
    map_ufunc(_f, _same)

# -- angles in degrees ------------------------------------------------------------------------------

sindg: Primitive = ufunc(sp.sindg, lambda x: DEGREE * cosdg(x))
cosdg: Primitive = ufunc(sp.cosdg, lambda x: -DEGREE * sindg(x))
tandg: Primitive = ufunc(sp.tandg, lambda y: DEGREE * (1 + y * y))
cotdg: Primitive = ufunc(sp.cotdg, lambda y: -DEGREE * (1 + y * y))
radian: Primitive = ufunc(sp.radian, lambda: DEGREE, lambda: DEGREE / 60, lambda: DEGREE / 3600)

# -- inverses of x exp(x) (DLMF 4.13) ---------------------------------------------------------------

wrightomega: Primitive = ufunc(sp.wrightomega, lambda y: y / (1 + y))
lambertw: Primitive = ufunc(sp._ufuncs._lambertw, lambda y: exp(-y) / (1 + y), None, None, name="lambertw")

round_ = constant_ufunc(sp.round, name="nearest_integer")  # np.round has the name
gammasgn = constant_ufunc(sp.gammasgn)


# -- helpers ----------------------------------------------------------------------------------------


def _log_unless_zero(a: Value, b: Value) -> Value:
    return log(where(logical_and(equal(a, 0), equal(b, 0)), 1.0, b))


def _over_unless_both_zero(a: Value, b: Value) -> Value:
    """``a / b``, zero at the origin: there the function is constant along ``b``."""
    return a / where(logical_and(equal(a, 0), equal(b, 0)), 1.0, b)


def _log_ratio(a: Value, b: Value) -> Value:
    """``log(a / b)``, whose derivative by ``b`` is right where ``a`` is zero as well."""
    zero = equal(a, 0)
    at_zero = log(where(zero, a, 1.0)) - log(where(zero, b, 1.0))
    return where(zero, at_zero, log(where(zero, 1.0, a) / where(zero, 1.0, b)))


def _clipped(a: Value, b: Value) -> Value:
    return maximum(minimum(b, a), -a)


def _beyond(a: Value, b: Value) -> Value:
    """How far ``|r|`` is beyond the threshold."""
    return maximum(absolute(b) - a, 0.0)


def _pseudo_huber_slope(a: Value, b: Value) -> Value:
    """``d/da a**2 (sqrt(1 + r**2) - 1)`` with ``r = b / a``, without cancellation."""
    r = b / a
    root = sqrt(1 + r * r)
    return a * (r * r / (1 + root)) ** 2 / root


def exprel_slope(x: Value) -> Value:
    """``(exp(x) (x - 1) + 1) / x**2``, around zero as ``1F1(2; 3; x) / 2``."""
    return near_zero(x, 1.0, lambda t: hyp1f1(2.0, 3.0, t) / 2, lambda t: (exp(t) - (exp(t) - 1) / t) / t)


def _boxcox_slope(log: Callable[[Value], Value], a: Value, zero: Value, b: Value) -> Value:
    """The derivative of ``exprel(b log(a)) log(a)`` by ``b``; of a base of zero it is that of ``-1 / b``."""
    size = log(where(zero, 1.0, a))
    b_ = where(zero, b, 1.0)
    return where(zero, 1 / (b_ * b_), size * size * exprel_slope(b * size))


def _logrel_slope(t: Value) -> Value:
    """The derivative of ``log1p(t) / t``, around zero as ``-2F1(2, 2; 3; -t) / 2``."""
    return near_zero(
        t, 0.5, lambda t: hyp2f1(2.0, 2.0, 3.0, -t) / -2, lambda t: (1 / (1 + t) - log1p(t) / t) / t
    )
