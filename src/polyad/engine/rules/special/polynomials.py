"""Rules of ``scipy.special``: hypergeometric functions, Legendre functions, orthogonal polynomials.

Source of the formulas: NIST Digital Library of Mathematical Functions, chapters 10.46, 13, 14, 15 and 18.
Derivatives with respect to degrees and parameters have no closed form.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.special as sp

from polyad.engine.core.table import map_ufunc, ufunc
from polyad.engine.core.values import Primitive, Value
from polyad.engine.rules.arithmetic import equal, where
from polyad.engine.rules.elementwise import exp, maximum

# -- hypergeometric functions (DLMF 13.3.15, 13.3.22, 15.5.1; 10.46.1 for Wright's) -----------------

hyp1f1: Primitive = ufunc(sp.hyp1f1, None, None, lambda a, b, c: hyp1f1(a + 1, b + 1, c) * (a / b))
hyperu: Primitive = ufunc(sp.hyperu, None, None, lambda a, b, c: hyperu(a + 1, b + 1, c) * -a)
hyp2f1: Primitive = ufunc(
    sp.hyp2f1, None, None, None, lambda a, b, c, d: hyp2f1(a + 1, b + 1, c + 1, d) * (a * b / c)
)
wright_bessel: Primitive = ufunc(sp.wright_bessel, None, None, lambda a, b, c: wright_bessel(a, a + b, c))
log_wright_bessel: Primitive = ufunc(
    sp.log_wright_bessel, None, None, lambda a, b, c, y: exp(log_wright_bessel(a, a + b, c) - y)
)

# -- Legendre functions (DLMF 14.10.5) --------------------------------------------------------------

lpmv: Primitive = ufunc(
    sp.lpmv, None, None, lambda a, b, c, y: (b * c * y - (a + b) * lpmv(a, b - 1, c)) / (c * c - 1)
)

# -- orthogonal polynomials (DLMF 18.9) -------------------------------------------------------------


def _lowered(n: Value, slope: Callable[[Value], Value]) -> Value:
    """``slope`` of the degree less one; nothing where the degree is zero."""
    zero = equal(n, 0)
    return where(zero, 0.0, slope(where(zero, 1, n) - 1))


eval_jacobi: Primitive = ufunc(
    sp.eval_jacobi,
    None,
    None,
    None,
    lambda a, b, c, d: _lowered(a, lambda n: eval_jacobi(n, b + 1, c + 1, d) * ((a + b + c + 1) / 2)),
)
eval_sh_jacobi: Primitive = ufunc(
    sp.eval_sh_jacobi,
    None,
    None,
    None,
    lambda a, b, c, d: _lowered(a, lambda n: eval_sh_jacobi(n, b + 2, c + 1, d) * a),
)
eval_legendre: Primitive = ufunc(
    sp.eval_legendre,
    None,
    lambda a, b: _lowered(a, lambda n: eval_jacobi(n, 1.0, 1.0, b) * ((a + 1) / 2)),
)
eval_sh_legendre: Primitive = ufunc(
    sp.eval_sh_legendre,
    None,
    lambda a, b: _lowered(a, lambda n: eval_jacobi(n, 1.0, 1.0, 2 * b - 1) * (a + 1)),
)
eval_gegenbauer: Primitive = ufunc(
    sp.eval_gegenbauer,
    None,
    None,
    lambda a, b, c: _lowered(a, lambda n: eval_gegenbauer(n, b + 1, c) * (2 * b)),
)
eval_chebyt: Primitive = ufunc(
    sp.eval_chebyt, None, lambda a, b: _lowered(a, lambda n: eval_chebyu(n, b) * a)
)
eval_chebyu: Primitive = ufunc(
    sp.eval_chebyu, None, lambda a, b: _lowered(a, lambda n: eval_gegenbauer(n, 2.0, b) * 2)
)
eval_chebyc: Primitive = ufunc(
    sp.eval_chebyc, None, lambda a, b: _lowered(a, lambda n: eval_chebyu(n, b / 2) * a)
)
eval_chebys: Primitive = ufunc(
    sp.eval_chebys, None, lambda a, b: _lowered(a, lambda n: eval_gegenbauer(n, 2.0, b / 2))
)
eval_sh_chebyt: Primitive = ufunc(
    sp.eval_sh_chebyt, None, lambda a, b: _lowered(a, lambda n: eval_chebyu(n, 2 * b - 1) * (2 * a))
)
eval_sh_chebyu: Primitive = ufunc(
    sp.eval_sh_chebyu, None, lambda a, b: _lowered(a, lambda n: eval_gegenbauer(n, 2.0, 2 * b - 1) * 4)
)
eval_laguerre: Primitive = ufunc(
    sp.eval_laguerre, None, lambda a, b: _lowered(a, lambda n: eval_genlaguerre(n, 1.0, b) * -1)
)
eval_genlaguerre: Primitive = ufunc(
    sp.eval_genlaguerre, None, None, lambda a, b, c: _lowered(a, lambda n: eval_genlaguerre(n, b + 1, c) * -1)
)
# these two take integers only, also instead of truth values
eval_hermite: Primitive = ufunc(
    sp.eval_hermite, None, lambda a, b: eval_hermite(maximum(a - 1, 0), b) * (2 * a)
)
eval_hermitenorm: Primitive = ufunc(
    sp.eval_hermitenorm, None, lambda a, b: eval_hermitenorm(maximum(a - 1, 0), b) * a
)


def _integer(n: Value) -> Value:
    return np.multiply(n, 1) if isinstance(n, np.ndarray | np.generic) and n.dtype.kind == "b" else n


map_ufunc(sp.eval_hermite, lambda n, x: eval_hermite(_integer(n), x))
map_ufunc(sp.eval_hermitenorm, lambda n, x: eval_hermitenorm(_integer(n), x))
