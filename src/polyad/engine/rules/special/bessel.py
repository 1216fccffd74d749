"""Rules of ``scipy.special``: Bessel functions and what satisfies an equation like theirs.

Source of the formulas: NIST Digital Library of Mathematical Functions, chapters 9 to 12, 28 and 30.
Derivatives with respect to the order have no closed form; ``orders`` has those of ``iv`` and ``kv``,
``oscillating`` those of ``jv`` and ``yv``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.special as sp

from polyad.engine.core.table import map_ufunc, ufunc
from polyad.engine.core.values import Primitive, Value, is_real
from polyad.engine.rules.arithmetic import equal, real, where
from polyad.engine.rules.elementwise import absolute, cos, cosh, exp, imag, sign, sqrt, trunc
from polyad.engine.rules.special import orders, oscillating
from polyad.engine.rules.special.gamma import PI, near_zero, parts, real_only, rgamma

ive_1, kve_1 = orders.ive_orders[1], orders.kve_orders[1]
jv_1, yv_1 = oscillating.jv_orders[1], oscillating.yv_orders[1]

# -- Bessel and Hankel functions (DLMF 10) ----------------------------------------------------------

j0: Primitive = ufunc(sp.j0, lambda x: -j1(x))
j1: Primitive = ufunc(sp.j1, lambda x: (j0(x) - jn(2.0, x)) / 2)
y0: Primitive = ufunc(sp.y0, lambda x: -y1(x))
y1: Primitive = ufunc(sp.y1, lambda x: (y0(x) - yv(2.0, x)) / 2)
jn: Primitive = ufunc(
    sp.jv,
    lambda a, b: real_only("the slope by its order of jv", b, jv_1(a, b)),
    lambda a, b: (jn(a - 1, b) - jn(a + 1, b)) / 2,
)
yv: Primitive = ufunc(
    sp.yv,
    lambda a, b: real_only("the slope by its order of yv", b, yv_1(a, b)),
    lambda a, b: (yv(a - 1, b) - yv(a + 1, b)) / 2,
)
yn: Primitive = ufunc(sp.yn, None, lambda a, b: (yv(trunc(a) - 1, b) - yv(trunc(a) + 1, b)) / 2)
iv: Primitive = ufunc(
    sp.iv,
    lambda a, b: real_only("the slope by its order of iv", b, ive_1(a, b) * exp(absolute(b))),
    lambda a, b: (iv(a - 1, b) + iv(a + 1, b)) / 2,
)
kv: Primitive = ufunc(
    sp.kv,
    lambda a, b: real_only("the slope by its order of kv", b, kve_1(a, b) * exp(-b)),
    lambda a, b: -(kv(a - 1, b) + kv(a + 1, b)) / 2,
)
kn: Primitive = ufunc(sp.kn, None, lambda a, b: (kv(trunc(a) - 1, b) + kv(trunc(a) + 1, b)) / -2)
i0: Primitive = ufunc(sp.i0, lambda x: i1(x))
i1: Primitive = ufunc(sp.i1, lambda x: i0(x) - near_zero(x, 1.0, _i1_over, lambda t: i1(t) / t))
k0: Primitive = ufunc(sp.k0, lambda x: -k1(x))
k1: Primitive = ufunc(sp.k1, lambda x: -(k0(x) + kv(2.0, x)) / 2)
hankel1: Primitive = ufunc(
    sp.hankel1,
    lambda a, b: real_only("the slope by its order of hankel1", b, jv_1(a, b) + 1j * yv_1(a, b)),
    lambda a, b: (hankel1(a - 1, b) - hankel1(a + 1, b)) / 2,
)
hankel2: Primitive = ufunc(
    sp.hankel2,
    lambda a, b: real_only("the slope by its order of hankel2", b, jv_1(a, b) - 1j * yv_1(a, b)),
    lambda a, b: (hankel2(a - 1, b) - hankel2(a + 1, b)) / 2,
)

# scaled: by exp(-|x|), exp(x), exp(-ix), exp(ix); jve and yve by exp(-|imag x|), nothing for real numbers
i0e: Primitive = ufunc(sp.i0e, lambda x, y: i1e(x) - sign(x) * y)
i1e: Primitive = ufunc(sp.i1e, lambda x, y: i0e(x) - _i1e_over(x) - sign(x) * y)
ive: Primitive = ufunc(
    sp.ive,
    lambda a, b: real_only("the slope by its order of ive", b, ive_1(a, b)),
    lambda a, b, y: real_only("ive", b, (ive(a - 1, b) + ive(a + 1, b)) / 2 - sign(b) * y),
)
kve: Primitive = ufunc(
    sp.kve,
    lambda a, b: real_only("the slope by its order of kve", b, kve_1(a, b)),
    lambda a, b, y: y - (kve(a - 1, b) + kve(a + 1, b)) / 2,
)
k0e: Primitive = ufunc(sp.k0e, lambda x, y: y - k1e(x))
k1e: Primitive = ufunc(sp.k1e, lambda x, y: y - (k0e(x) + kve(2.0, x)) / 2)
jve: Primitive = ufunc(
    sp.jve,
    lambda a, b: real_only("the slope by its order of jve", b, jv_1(a, b)),
    lambda a, b: real_only("jve", b, (jve(a - 1, b) - jve(a + 1, b)) / 2),
)
yve: Primitive = ufunc(
    sp.yve,
    lambda a, b: real_only("the slope by its order of yve", b, yv_1(a, b)),
    lambda a, b: real_only("yve", b, (yve(a - 1, b) - yve(a + 1, b)) / 2),
)
hankel1e: Primitive = ufunc(
    sp.hankel1e, None, lambda a, b, y: (hankel1e(a - 1, b) - hankel1e(a + 1, b)) / 2 - 1j * y
)
hankel2e: Primitive = ufunc(
    sp.hankel2e, None, lambda a, b, y: (hankel2e(a - 1, b) - hankel2e(a + 1, b)) / 2 + 1j * y
)


def _i1_over(x: Value) -> Value:
    """``i1(x) / x`` by the power series, exact to rounding for ``|x| <= 1``."""
    z, tail = x * x / 4, 1.0
    for k in range(14, 0, -1):
        tail = 1 + z * tail / (k * (k + 1))
    return tail / 2


def _i1e_over(x: Value) -> Value:
    return near_zero(x, 1.0, lambda t: exp(-absolute(t)) * _i1_over(t), lambda t: i1e(t) / t)


# -- integrals of Bessel functions ------------------------------------------------------------------

int_j0, int_y0 = parts(sp.itj0y0, (lambda x: j0(x),), (lambda x: y0(x),))
int_i0, int_k0 = parts(sp.iti0k0, (lambda x: i0(x),), (lambda x: k0(x),))
int_j0_over, int_y0_over = parts(
    sp.it2j0y0,
    (lambda x: near_zero(x, 1.0, lambda t: _rest(t, -1), lambda t: (1 - j0(t)) / t),),
    (lambda x: -y0(x) / x,),
)
int_i0_over, int_k0_over = parts(
    sp.it2i0k0,
    (lambda x: near_zero(x, 1.0, lambda t: _rest(t, 1), lambda t: (i0(t) - 1) / t),),
    (lambda x: -k0(x) / x,),
)
besselpoly: Primitive = ufunc(
    sp.besselpoly,
    lambda a, b, c: besselpoly(a, b + 1, c - 1) - besselpoly(a, b + 1, c + 1),
    None,
    None,
)


def _rest(x: Value, sign: int) -> Value:
    """``(1 - j0(x)) / x`` or ``(i0(x) - 1) / x`` by the power series, exact to rounding for ``|x| <= 1``."""
    z, tail = x * x / 4, 1.0
    for k in range(20, 1, -1):
        tail = 1 + sign * z * tail / (k * k)
    return x / 4 * tail


# -- Struve functions (DLMF 11.4) -------------------------------------------------------------------


def _struve_term(a: Value, b: Value) -> Value:
    """``(x/2)**v / (sqrt(pi) gamma(v + 3/2))``."""
    return (b / 2) ** a * rgamma(a + 1.5) / float(np.sqrt(np.pi))


def _struve_slope(f: Callable[..., Value], turn: int, a: Value, b: Value) -> Value:
    """The mean of two formulas, regular at zero; the second alone for order 0, whose neighbour is not."""
    zero = equal(a, 0)
    v = where(zero, 1.0, a)
    return where(
        zero,
        turn * f(1.0, b) + 2 / PI,
        (f(v - 1, b) + turn * f(v + 1, b) + _struve_term(v, b)) / 2,
    )


struve: Primitive = ufunc(sp.struve, None, lambda a, b: _struve_slope(struve, -1, a, b))
modstruve: Primitive = ufunc(sp.modstruve, None, lambda a, b: _struve_slope(modstruve, 1, a, b))
# the integrals take |x|
itstruve0: Primitive = ufunc(sp.itstruve0, lambda x: struve(0.0, x))
it2struve0: Primitive = ufunc(sp.it2struve0, lambda x: -struve(0.0, x) / x)
itmodstruve0: Primitive = ufunc(sp.itmodstruve0, lambda x: modstruve(0.0, x))

# -- Airy functions (DLMF 9) ------------------------------------------------------------------------

airy_ai: Primitive
airy_aip: Primitive
airy_bi: Primitive
airy_bip: Primitive
airy_ai, airy_aip, airy_bi, airy_bip = parts(
    sp.airy,
    (lambda x: airy_aip(x),),
    (lambda x: x * airy_ai(x),),
    (lambda x: airy_bip(x),),
    (lambda x: x * airy_bi(x),),
)
# scaled by exp(2/3 x sqrt(x)), and the second pair by the exponential of minus its real part's modulus
airye_ai: Primitive
airye_aip: Primitive
airye_bi: Primitive
airye_bip: Primitive
airye_ai, airye_aip, airye_bi, airye_bip = parts(
    sp.airye,
    (lambda x, y: airye_aip(x) + _root(x) * y,),
    (lambda x, y: x * airye_ai(x) + _root(x) * y,),
    (lambda x, y: real_only("airye", x, airye_bip(x) - _root(x) * y),),
    (lambda x, y: real_only("airye", x, x * airye_bi(x) - _root(x) * y),),
)


def _root(x: Value) -> Value:
    """``sqrt(x)``; zero for negative real numbers, where the factor is one or the function not a number."""
    if not is_real(x):
        return sqrt(x)
    positive = equal(sign(x), 1)
    return where(positive, sqrt(where(positive, x, 1.0)), 0.0)


# -- Kelvin functions (DLMF 10.61), by Bessel functions of a complex argument -----------------------

_TURN = complex(np.exp(0.75j * np.pi))


def _second(x: Value) -> Value:
    """The second derivative of ``ber(x) + i bei(x) = J0(x exp(3 pi i / 4))``."""
    z = _TURN * x
    return (jn(2.0, z) - jn(0.0, z)) * -0.5j


ber: Primitive = ufunc(sp.ber, lambda x: berp(x))
bei: Primitive = ufunc(sp.bei, lambda x: beip(x))
berp: Primitive = ufunc(sp.berp, lambda x: real(_second(x)))
beip: Primitive = ufunc(sp.beip, lambda x: imag(_second(x)))
ker: Primitive = ufunc(sp.ker, lambda x: kerp(x))
kei: Primitive = ufunc(sp.kei, lambda x: keip(x))
kerp: Primitive = ufunc(sp.kerp, lambda x, y: -kei(x) - y / x)
keip: Primitive = ufunc(sp.keip, lambda x, y: ker(x) - y / x)
map_ufunc(
    sp.kelvin,
    lambda x: (
        ber(x) + 1j * bei(x),
        ker(x) + 1j * kei(x),
        berp(x) + 1j * beip(x),
        kerp(x) + 1j * keip(x),
    ),
)

# -- parabolic cylinder, Mathieu and spheroidal functions: the second result is the slope of the first

parabolic_d: Primitive
parabolic_dp: Primitive
parabolic_d, parabolic_dp = parts(
    sp.pbdv,
    (None, lambda a, b: parabolic_dp(a, b)),
    (None, lambda a, b: (b * b / 4 - a - 0.5) * parabolic_d(a, b)),
)
parabolic_v: Primitive
parabolic_vp: Primitive
parabolic_v, parabolic_vp = parts(
    sp.pbvv,
    (None, lambda a, b: parabolic_vp(a, b)),
    (None, lambda a, b: (b * b / 4 - a - 0.5) * parabolic_v(a, b)),
)
parabolic_w: Primitive
parabolic_wp: Primitive
parabolic_w, parabolic_wp = parts(
    sp.pbwa,
    (None, lambda a, b: parabolic_wp(a, b)),
    (None, lambda a, b: (a - b * b / 4) * parabolic_w(a, b)),
)
DEGREE = PI / 180


mathieu_a: Primitive = ufunc(sp.mathieu_a, None, None)
mathieu_b: Primitive = ufunc(sp.mathieu_b, None, None)


def _mathieu(f: np.ufunc, characteristic: Primitive) -> None:
    """Angular functions, of degrees; the second result is the slope by radians (DLMF 28.2.1)."""

    def bend(a: Value, b: Value, c: Value) -> Value:
        return (2 * b * cos(2 * DEGREE * c) - characteristic(a, b)) * value(a, b, c) * DEGREE

    value, slope = parts(f, (None, None, lambda a, b, c: slope(a, b, c) * DEGREE), (None, None, bend))


def _modified_mathieu(f: np.ufunc, characteristic: Primitive) -> None:
    """Radial functions (DLMF 28.20.1)."""

    def bend(a: Value, b: Value, c: Value) -> Value:
        return (characteristic(a, b) - 2 * b * cosh(2 * c)) * value(a, b, c)

    value, slope = parts(f, (None, None, lambda a, b, c: slope(a, b, c)), (None, None, bend))


_mathieu(sp.mathieu_cem, mathieu_a)
_mathieu(sp.mathieu_sem, mathieu_b)
_modified_mathieu(sp.mathieu_modcem1, mathieu_a)
_modified_mathieu(sp.mathieu_modcem2, mathieu_a)
_modified_mathieu(sp.mathieu_modsem1, mathieu_b)
_modified_mathieu(sp.mathieu_modsem2, mathieu_b)


def _angular(f: np.ufunc, eigenvalue: Primitive, turn: int) -> None:
    """``((1 - x**2) y')' + (eigenvalue - turn c**2 x**2 - m**2 / (1 - x**2)) y = 0`` (DLMF 30.2.1).

    ``turn`` is 1 for prolate and -1 for oblate coordinates; the prolate radial functions satisfy it as well.
    """

    def bend(y: Value, a: Value, b: Value, c: Value, d: Value) -> Value:
        w = 1 - d * d
        rest = eigenvalue(a, b, c) - turn * (c * d) * (c * d) - a * a / w
        return (2 * d * y - rest * value(a, b, c, d)) / w

    value, slope = parts(
        f, (None, None, None, lambda a, b, c, d: slope(a, b, c, d)), (None, None, None, bend)
    )


def _oblate_radial(f: np.ufunc, eigenvalue: Primitive) -> None:
    """The same for an imaginary argument: ``((1 + x**2) y')' = (eigenvalue - ...) y``."""

    def bend(y: Value, a: Value, b: Value, c: Value, d: Value) -> Value:
        w = 1 + d * d
        rest = eigenvalue(a, b, c) - (c * d) * (c * d) - a * a / w
        return (rest * value(a, b, c, d) - 2 * d * y) / w

    value, slope = parts(
        f, (None, None, None, lambda a, b, c, d: slope(a, b, c, d)), (None, None, None, bend)
    )


pro_cv: Primitive = ufunc(sp.pro_cv, None, None, None)
obl_cv: Primitive = ufunc(sp.obl_cv, None, None, None)
# not of the second kind: SciPy's values are wrong where its series has not converged
_angular(sp.pro_ang1, pro_cv, 1)
_angular(sp.pro_rad1, pro_cv, 1)
_angular(sp.obl_ang1, obl_cv, -1)
_oblate_radial(sp.obl_rad1, obl_cv)
