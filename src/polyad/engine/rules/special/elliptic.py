"""Rules of ``scipy.special``: elliptic integrals and functions, in Carlson's symmetric form.

The derivatives of Legendre's integrals with respect to the parameter are ``0 / 0`` at ``m = 0``; those of
the symmetric ones have no such points. Every integral is a multivariate hypergeometric function R of
homogeneous degree ``-a`` (DLMF 19.16.9), and ``dR(-a; b; z) / dz_j = -a b_j / sum(b) R(-a - 1; b + e_j; z)``
(DLMF 19.18.4): so one function gives the derivatives to every order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.kinds import elementwise
from polyad.engine.core.table import ufunc
from polyad.engine.core.values import Primitive, Value
from polyad.engine.rules.arithmetic import equal, where
from polyad.engine.rules.elementwise import cos, rint, sin, sqrt
from polyad.engine.rules.special.gamma import PI, parts

# -- the function R ---------------------------------------------------------------------------------


def carlson(a: float, b: tuple[float, ...]) -> Primitive:
    """``R(-a; b; z)`` for ``a > 0`` as a primitive of the operands ``z``; its derivatives are others."""
    name = f"carlson_{a:g}_{'_'.join(f'{k:g}' for k in b)}".replace(".", "p")
    found = _MADE.get(name)
    if found is None:

        def compute(*z: Any) -> Any:
            return _quadrature(a, b, z)

        found = elementwise(name, compute, *(_partial(a, b, j) for j in range(len(b))))
        found.home = "polyad"
        _MADE[name] = found
    return found


_MADE: dict[str, Primitive] = {}


def _partial(power: float, b: tuple[float, ...], j: int) -> Callable[..., Value]:
    raised = (*b[:j], b[j] + 1, *b[j + 1 :])
    factor = -power * b[j] / sum(b)

    def slope(*z: Value) -> Value:
        return carlson(power + 1, raised)(*z) * factor

    return _OPERANDS[len(b)](slope)


# the names of its parameters say which operands a partial takes
_OPERANDS: dict[int, Callable[..., Callable[..., Value]]] = {
    2: lambda f: lambda a, b: f(a, b),
    3: lambda f: lambda a, b, c: f(a, b, c),
    4: lambda f: lambda a, b, c, d: f(a, b, c, d),
}


def _quadrature(a: float, b: tuple[float, ...], z: tuple[Any, ...]) -> Any:
    """``1 / B(a, a') * integral of t**(a' - 1) prod((t + z_j)**-b_j)`` (DLMF 19.16.9).

    With ``t = exp(s)`` the integrand is analytic for ``|imag s| < pi`` and decays at both ends, so the
    trapezoidal rule converges exponentially (Trefethen and Weideman, SIAM Review 56, 2014, section 5).
    Not a number for negative operands.
    """
    rest = sum(b) - a
    stack = np.stack(np.broadcast_arrays(*z)) * 1.0
    # on the negative axis there is the principal value of a divergent integral, or nothing
    outside = (np.abs(np.angle(stack)) > 3).any(axis=0)
    stack = np.where(outside, 1.0, stack)
    angle = np.abs(np.angle(stack)).max(initial=0.0)
    size = np.abs(stack)
    top = size.max(axis=0)
    heard = get_state()
    try:
        set_state(SILENT)
        scaled = stack / top
        lowest = np.where(size > 0, size / top, 1.0).min(axis=0)
        # what is zero takes its exponent from the decay at the lower end
        decay = rest - sum((size[j] == 0) * b[j] for j in range(len(b)))
        first = np.log(lowest) - _DIGITS / np.where(decay > 0, decay, 1.0)
        last = _DIGITS / a
        reach = np.max(last - first, initial=1.0, where=np.isfinite(first))
        count = math.ceil(float(reach) / (_STEP * (1 - angle / np.pi)))
        step = (last - first) / count
        total = np.zeros(top.shape, dtype=stack.dtype)
        for k in range(count + 1):
            t = np.exp(first + step * k)
            term = t**rest
            for part, power in zip(scaled, b, strict=True):
                term = term * (t + part) ** -power
            total += term
        value = total * step / sp.beta(a, rest) * top**-a
    finally:
        set_state(heard)
    return np.where(outside, np.nan, np.where(decay > 0, value, np.inf))[()]


_DIGITS, _STEP = 39.0, 0.4

# -- symmetric integrals (DLMF 19.16, 19.18) --------------------------------------------------------

_H = 0.5

elliprf: Primitive = ufunc(
    sp.elliprf,
    lambda a, b, c: elliprd(b, c, a) / -6,
    lambda a, b, c: elliprd(a, c, b) / -6,
    lambda a, b, c: elliprd(a, b, c) / -6,
)
elliprd: Primitive = ufunc(sp.elliprd, *(_partial(1.5, (_H, _H, 1.5), j) for j in range(3)))
elliprg: Primitive = ufunc(sp.elliprg, *(_partial(-_H, (_H, _H, _H), j) for j in range(3)))
elliprj: Primitive = ufunc(sp.elliprj, *(_partial(1.5, (_H, _H, _H, 1.0), j) for j in range(4)))
elliprc: Primitive = ufunc(sp.elliprc, *(_partial(_H, (_H, 1.0), j) for j in range(2)))
agm: Primitive = ufunc(sp.agm, lambda a, b, y: _agm_slope(a, b, y), lambda a, b, y: _agm_slope(b, a, y))


def _agm_slope(a: Value, b: Value, y: Value) -> Value:
    """From ``1 / agm(a, b) = 2 / pi RF(0, a**2, b**2)``; where an operand is zero, so is the mean."""
    zero, none = equal(a, 0), equal(y, 0)
    a, b = where(none, 1.0, a), where(none, 1.0, b)
    slope = y * y * a * elliprd(0.0, b * b, a * a) * (2 / (3 * PI))
    return where(none, where(zero, np.inf, 0.0), slope)


# -- Legendre's integrals by the parameter m (DLMF 19.25) -------------------------------------------

ellipk: Primitive = ufunc(sp.ellipk, lambda x: elliprd(0.0, 1.0, 1 - x) / 6)
ellipkm1: Primitive = ufunc(sp.ellipkm1, lambda x: elliprd(0.0, 1.0, x) / -6)
ellipe: Primitive = ufunc(sp.ellipe, lambda x: elliprd(0.0, 1 - x, 1.0) / -6)
ellipkinc: Primitive = ufunc(
    sp.ellipkinc, lambda a, b: 1 / _delta(a, b), lambda a, b: _first_kind_slope(a, b)
)
ellipeinc: Primitive = ufunc(sp.ellipeinc, lambda a, b: _delta(a, b), lambda a, b: _second_kind_slope(a, b))


def _delta(a: Value, b: Value) -> Value:
    s = sin(a)
    return sqrt(1 - b * s * s)


def _reduced(a: Value, b: Value) -> tuple[Value, Value, Value, Value]:
    """``sin``, ``cos**2`` and ``1 - m sin**2`` of an angle, and the number of half turns to it."""
    s, c = sin(a), cos(a)
    half_turns = rint(a / PI)
    # the sine of what is left of the angle; 1 - 2 (half_turns mod 2) is its sign
    return s * cos(PI * half_turns), c * c, 1 - b * s * s, half_turns


def _first_kind_slope(a: Value, b: Value) -> Value:
    s, cc, w, half_turns = _reduced(a, b)
    return s * s * s * elliprd(cc, 1.0, w) / 6 + half_turns * elliprd(0.0, 1.0, 1 - b) / 3


def _second_kind_slope(a: Value, b: Value) -> Value:
    s, cc, w, half_turns = _reduced(a, b)
    return (s * s * s * elliprd(cc, w, 1.0) / 6 + half_turns * elliprd(0.0, 1 - b, 1.0) / 3) * -1


# -- Jacobi's functions (DLMF 22.13, 22.16) ---------------------------------------------------------


def _amplitude_slope(a: Value, b: Value) -> Value:
    """The derivative of the amplitude by the parameter, from ``u = F(amplitude, m)``."""
    return -delta(a, b) * _first_kind_slope(amplitude(a, b), b)


sn: Primitive
cn: Primitive
delta: Primitive
amplitude: Primitive
sn, cn, delta, amplitude = parts(
    sp.ellipj,
    (lambda a, b: cn(a, b) * delta(a, b), lambda a, b: cn(a, b) * _amplitude_slope(a, b)),
    (lambda a, b: -sn(a, b) * delta(a, b), lambda a, b: -sn(a, b) * _amplitude_slope(a, b)),
    (
        lambda a, b: -b * sn(a, b) * cn(a, b),
        lambda a, b: -sn(a, b) * (sn(a, b) / 2 + b * cn(a, b) * _amplitude_slope(a, b)) / delta(a, b),
    ),
    (lambda a, b: delta(a, b), lambda a, b: _amplitude_slope(a, b)),
)
