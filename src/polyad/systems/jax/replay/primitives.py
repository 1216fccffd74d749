"""JAX's primitives in NumPy, for the replay of jaxprs.

A rule takes the parameters and the equation and gives a function of the operands, whose result is a list.
Derivatives are those of the NumPy code, so a primitive stands here only where they are right as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.boxes.boxing import unbox
from polyad.engine.stop import stop_gradient
from polyad.systems.jax.replay import entries, rolling, structure, windows
from polyad.systems.jax.replay.structure import Rule, is_bare, is_truth

__all__ = ["FLAT", "rule_of", "stopped"]


def rule_of(name: str) -> Rule | None:
    """The rule of a primitive, or None."""
    if name in ELEMENTWISE:
        f = ELEMENTWISE[name]
        return lambda params, eqn: lambda *args: [f(*args)]
    for room in (structure, entries, rolling, windows):
        if name in room.RULES:
            return room.RULES[name]
    return None


def _div(a: Any, b: Any) -> Any:
    whole = all(getattr(v, "dtype", np.dtype(float)).kind in "iu" for v in (a, b))
    # JAX rounds towards zero
    return (np.sign(a) * np.sign(b)) * (np.abs(a) // np.abs(b)) if whole else a / b


def _not(a: Any) -> Any:
    return np.logical_not(a) if is_truth(a) else np.invert(a)


def _logical(truth: Any, bits: Any) -> Callable[..., Any]:
    return lambda a, b: truth(a, b) if is_truth(a) else bits(a, b)


def _before(a: Any, b: Any, order: Any) -> Any:
    """In the total order of floating-point numbers: -0 before 0, NaN after all."""
    if not (is_bare(a) and is_bare(b)):
        return order(a, b)
    a, b = np.asarray(unbox(a)), np.asarray(unbox(b))
    if a.dtype.kind != "f":
        return order(a, b)
    a_lost, b_lost = np.isnan(a), np.isnan(b)
    signs = (a == 0) & (b == 0)
    by_sign = order(np.copysign(1.0, a), np.copysign(1.0, b))
    return np.where(a_lost | b_lost, order(a_lost, b_lost), np.where(signs, by_sign, order(a, b)))


def _clamp(low: Any, x: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, low), high)


def _logistic(x: Any) -> Any:
    return sp.expit(x)


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "is_finite": np.isfinite,
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "tan": np.tan,
    "sin": np.sin,
    "cos": np.cos,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "cbrt": np.cbrt,
    "square": lambda x: x * x,
    "logistic": _logistic,
    "erf": sp.erf,
    "erfc": sp.erfc,
    "erf_inv": sp.erfinv,
    "lgamma": sp.gammaln,
    "digamma": sp.digamma,
    "igamma": sp.gammainc,
    "igammac": sp.gammaincc,
    "regularized_incomplete_beta": sp.betainc,
    "bessel_i0e": sp.i0e,
    "bessel_i1e": sp.i1e,
    "zeta": sp.zeta,
    "abs": np.abs,
    "real": np.real,
    "imag": np.imag,
    "conj": np.conj,
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _div,
    "rem": np.fmod,
    "pow": np.power,
    "max": np.maximum,
    "min": np.minimum,
    "nextafter": np.nextafter,
    "not": _not,
    "and": _logical(np.logical_and, np.bitwise_and),
    "or": _logical(np.logical_or, np.bitwise_or),
    "xor": _logical(np.logical_xor, np.bitwise_xor),
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt_to": lambda a, b: _before(a, b, np.less),
    "le_to": lambda a, b: _before(a, b, np.less_equal),
    "clamp": _clamp,
    "copy": lambda x: x,
    "copy_p": lambda x: x,
    "complex": lambda re, im: re + 1j * im,
}

# constant in pieces, or no floating-point numbers at all
FLAT = frozenset(
    (
        "sign floor ceil round is_finite not and or xor eq ne lt le gt ge lt_to le_to argmax argmin "
        "reduce_and reduce_or iota empty empty2"
    ).split()
)


def stopped(x: Any) -> list[Any]:
    """What has no derivative though it is computed from something that has one."""
    return [stop_gradient(x)]
