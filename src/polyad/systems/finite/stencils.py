"""The numbers behind finite differences: weights, steps and extrapolation.

* Everything is written on **difference quotients** over the displacements that really happened,
  ``(x + h) - x`` in floating point, so that the rounding of a step costs no accuracy. A quotient is
  exact for the lowest polynomial and has an error expansion in powers of the step (``h**2`` for
  central ones); a stencil is the set of weights that extrapolates several quotients to ``h = 0``.
* The weights are Fornberg's, generated in rational arithmetic.
* ``extrapolate`` chooses step and order by itself: the tableau of Ridders.

Sources: B. Fornberg, Generation of finite difference formulas on arbitrarily spaced grids,
Math. Comp. 51 (1988), section 2. C. J. F. Ridders, Accurate computation of F'(x) and F'(x)F''(x),
Adv. Eng. Software 4 (1982). Steps: W. H. Press et al., Numerical Recipes (3rd ed., 2007), 5.7.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, quiet, set_state

__all__ = ["CENTRAL_ORDERS", "ONE_SIDED_ORDERS", "Stencil", "extrapolate", "fornberg", "stencil"]

Array = np.ndarray[Any, Any]

CENTRAL_ORDERS = (2, 4, 6, 8)
ONE_SIDED_ORDERS = (1, 2, 3, 4)


def fornberg(nodes: Sequence[int | Fraction], derivative: int) -> list[Fraction]:
    """Weights that give a derivative at 0 from values at the nodes.

    Parameters
    ----------
    nodes : sequence of int
        Where the values are known; all different.
    derivative : int
        Which derivative; 0 extrapolates the value itself.

    Returns
    -------
    weights : list of Fraction
        Exact for polynomials of degree ``len(nodes) - 1``.

    Notes
    -----
    Fornberg (1988), section 2, in rational arithmetic.

    Examples
    --------
    >>> [str(w) for w in fornberg((-2, -1, 0, 1, 2), 1)]
    ['1/12', '-2/3', '0', '2/3', '-1/12']
    """
    count = len(nodes)
    x = [Fraction(node) for node in nodes]
    table = [[Fraction(0)] * (derivative + 1) for _ in range(count)]
    table[0][0] = Fraction(1)
    before = Fraction(1)
    for n in range(1, count):
        product = Fraction(1)
        previous = list(table[n - 1])
        for k in range(n):
            gap = x[n] - x[k]
            product *= gap
            for m in range(min(n, derivative), -1, -1):
                lower = table[k][m - 1] if m else Fraction(0)
                table[k][m] = (x[n] * table[k][m] - m * lower) / gap
        for m in range(min(n, derivative) + 1):
            lower = previous[m - 1] if m else Fraction(0)
            table[n][m] = before / product * (m * lower - x[n - 1] * previous[m])
        before = product
    return [row[derivative] for row in table]


# Values that are not finite are handled by the caller, which knows where they come from.


@dataclasses.dataclass(frozen=True)
class Stencil:
    """Where to evaluate a function along a line, and how to combine what comes back.

    Values are arrays of shape ``(lines, offsets, outputs)``, displacements ``(lines, offsets)``,
    the value at the point itself ``(outputs,)``; results have shape ``(lines, outputs)``.

    Attributes
    ----------
    central : bool
        Offsets come in pairs of both signs, the positive half first.
    order : int
        Power of the step with which the error of the result falls.
    offsets : tuple of int
        In multiples of the step.
    corner : int
        How many of the offsets a mixed derivative needs at its corners.
    weights : tuple of float
        For quotients that tend to the result as the step falls.
    slope : tuple of float
        For one-sided second derivatives, which are twice the slope of the first quotient.
    """

    central: bool
    order: int
    offsets: tuple[int, ...]
    corner: int
    weights: tuple[float, ...]
    slope: tuple[float, ...]

    @quiet
    def first(self, values: Array, base: Array | None, d: Array) -> Array:
        """First derivatives along the lines; ``base`` is not used by central stencils."""
        if self.central:
            half = len(self.offsets) // 2
            quotients = values[:, :half] - values[:, half:]
            quotients /= (d[:, :half] - d[:, half:])[:, :, None]
        else:
            quotients = values - base
            quotients /= d[:, :, None]
        return _combined(self.weights, quotients)

    @quiet
    def second(self, values: Array, base: Array, d: Array) -> Array:
        """Second derivatives along the lines."""
        quotients = (values - base) / d[:, :, None]
        if self.central:
            half = len(self.offsets) // 2
            slopes = quotients[:, :half] - quotients[:, half:]
            slopes /= ((d[:, :half] - d[:, half:]) / 2)[:, :, None]
            return _combined(self.weights, slopes)
        return _combined(self.slope, quotients) * (2 / d[:, :1])

    @quiet
    def mixed(self, corners: Array, a: Array, b: Array, base: Array, da: Array, db: Array) -> Array:
        """Mixed second derivatives from the corners ``x + da + db`` and both edges."""
        n = self.corner
        # this order of the sums loses least: each difference is small already
        quotients = (corners - a[:, :n]) - (b[:, :n] - base)
        quotients /= (da[:, :n] * db[:, :n])[:, :, None]
        if self.central:
            half = n // 2
            quotients = (quotients[:, :half] + quotients[:, half:]) / 2
        return _combined(self.weights, quotients)


def _combined(weights: tuple[float, ...], quotients: Array) -> Array:
    if weights == (1.0,):
        return quotients[:, 0]
    return np.tensordot(quotients, np.asarray(weights, dtype=quotients.real.dtype), axes=(1, 0))


@functools.cache
def stencil(scheme: str, order: int, *, second: bool = False) -> Stencil:
    """The stencil of a scheme and order, for first or for second derivatives.

    Parameters
    ----------
    scheme : {"central", "forward", "backward"}
        On which sides of the point the function is evaluated.
    order : int
        Order of accuracy.
    second : bool
        Whether second derivatives are wanted, for which one-sided stencils need one more value.

    Examples
    --------
    >>> stencil("central", 4).offsets, stencil("forward", 2).weights
    ((1, 2, -1, -2), (2.0, -1.0))
    """
    if scheme == "central":
        half = range(1, order // 2 + 1)
        weights = fornberg([s * s for s in half], 0)
        offsets = (*half, *(-s for s in half))
        return Stencil(True, order, offsets, len(offsets), _floats(weights), ())
    steps = range(1, order + 1 + second)
    sign = 1 if scheme == "forward" else -1
    slope = _floats(fornberg(steps, 1)) if second else ()
    return Stencil(
        False, order, tuple(sign * s for s in steps), order, _floats(fornberg(steps[:order], 0)), slope
    )


def _floats(weights: Sequence[Fraction]) -> tuple[float, ...]:
    return tuple(float(w) for w in weights)


# -- choosing step and order by extrapolation -----------------------------------------------------

# Levels of the tableau; the step halves from one to the next.
LEVELS = 16
# An entry is finished when this many levels in a row have not improved it.
PATIENCE = 2


def extrapolate(
    quotient: Callable[[Array, float], Array],
    lines: Array,
    power: int,
    tolerance: float,
    anchor: Array,
    reach: Array,
    doubtful: Array,
) -> tuple[Array, Array, Array]:
    """Derivatives and their errors by Ridders' extrapolation over halved steps.

    Parameters
    ----------
    quotient : callable
        ``quotient(lines, scale)`` gives an array ``(lines, outputs)`` with steps times ``scale``.
    lines : array of int
        Which lines.
    power : int
        The error expansion runs in powers of ``h**power``.
    tolerance : float
        Relative error at which an entry needs no more levels.
    anchor, reach : arrays of shape ``(lines, outputs)``
        The derivative by one short step, and how far it may be off.
    doubtful : array of bool of the same shape
        Where even the short step is long for the function, so that no level is to be spared.

    Returns
    -------
    best, error, scale : arrays of shape ``(lines, outputs)``
        The entries of the tableau with the smallest estimated error, that estimate, and the
        smallest factor on the steps that went into each (0 where the anchor was not improved on).

    Notes
    -----
    Ridders (1982). An estimate is the larger of the differences to the two entries of the tableau
    from which one was made. An entry is finished when two levels have brought no better one: from
    there on roundoff grows. Long steps over a function that varies quickly give entries that agree
    by chance; so none counts that is not within reach of the anchor, which has no such chance.
    Values that are not finite count as little, so that a step out of the domain is no harm.
    """
    best, error = anchor.copy(), reach.copy()
    scale = np.zeros(anchor.shape)
    active = np.arange(len(lines))
    stale = np.zeros(anchor.shape, dtype=int)
    rows: list[Array] = []
    for level in range(LEVELS):
        old, rows = rows, [quotient(lines[active], 0.5**level)]
        improved = np.zeros(rows[0].shape, dtype=bool)
        for j, above in enumerate(old, start=1):
            heard = get_state()
            try:
                set_state(SILENT)
                refined = rows[-1] + (rows[-1] - above) / (2.0 ** (power * j) - 1)
                estimate = np.maximum(abs(refined - rows[-1]), abs(refined - above))
                near = abs(refined - anchor[active]) <= reach[active]
            finally:
                set_state(heard)
            better = near & (estimate < error[active])
            best[active] = np.where(better, refined, best[active])
            error[active] = np.where(better, estimate, error[active])
            scale[active] = np.where(better, 0.5**level, scale[active])
            improved |= better
            rows.append(refined)
        begun = scale[active] > 0
        stale[active] = np.where(improved | ~begun, 0, stale[active] + 1)
        small = error[active] <= tolerance * abs(best[active])
        hopeless = ~np.isfinite(anchor[active])
        tired = (stale[active] >= PATIENCE) & ~doubtful[active]
        keep = ~np.all(hopeless | (begun & (small | tired)), axis=1)
        if not keep.any():
            break
        active = active[keep]
        rows = [row[keep] for row in rows]
    return best, error, scale
