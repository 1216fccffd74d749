"""A difference run to its end, along all its lines.

In blocks that bound the memory, extrapolated where the step is to be found, with an estimate of the
error where that is asked for instead of the derivative, and never with a NaN that the function does
not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from polyad.errors import DomainError, NonFiniteWarning
from polyad.systems.derive.basis import BATCH_ENTRIES
from polyad.systems.finite.differences import Difference
from polyad.systems.finite.sampling import Point
from polyad.systems.finite.scales import Rough
from polyad.systems.finite.stencils import extrapolate

__all__ = ["START", "extrapolated", "solve"]

Array = np.ndarray[Any, Any]

# First step of an extrapolation, in units of max(1, |x|). Not a round number, so that it does not
# fall on a period of the function.
START = 0.0973
# Lines of the first block, after which the size of the output is known.
FIRST_BLOCK = 64
# Values of one block where they are not computed in parallel: they stay in the cache.
CACHED_ENTRIES = 2**17


def solve(
    difference: Difference, point: Point, *, adaptive: bool, estimate: bool, own_step: bool
) -> Iterator[tuple[slice, Array]]:
    """Derivatives along all lines, block by block.

    Parameters
    ----------
    difference : Difference
        What to compute.
    point : Point
        Where.
    adaptive : bool
        Extrapolate until the error no longer falls.
    estimate : bool
        Give estimates of the absolute error in place of the derivatives.
    own_step : bool
        Whether the steps are the user's, and may be too short.

    Yields
    ------
    lines : slice
        Which lines.
    result : array of shape ``(lines, outputs)``

    Raises
    ------
    DomainError
        If a derivative is not finite although the function is finite at the point.
    """
    if own_step:
        difference.check()
    difference.watches = estimate or adaptive
    start = 0
    while start < difference.count:
        stop = min(difference.count, start + _block(difference, point))
        which = np.arange(start, stop)
        eps = point.sampled.eps
        if adaptive and difference.power:
            # a step of the user's is as long as the function allows: stay near it
            short = 2.0**-6 if own_step else eps ** (1 / (difference.order + difference.degree)) / START
            result, error = extrapolated(difference, which, eps, short)
        else:
            result = difference(which, 1.0)
            if estimate:
                error = _truncation(difference, which, result) + _roundoff(difference, which, eps, result)
        _check_finite(difference, point, which, result)
        if difference.probe is not None:
            difference.probe.add(which, result)
        if estimate:
            # neighbours in a tableau may agree better than they are right
            result = (2 if adaptive else 1) * error + 8 * eps * abs(result)
        yield slice(start, stop), result
        start = stop
    if difference.probe is not None:
        difference.probe.confirm(point.sampled.eps)


def extrapolated(difference: Difference, which: Array, eps: float, short: float) -> tuple[Array, Array]:
    """Derivatives by extrapolation, and their errors.

    Parameters
    ----------
    difference : Difference
        What to compute; it must keep its peak.
    which : array of int
        Which lines.
    eps : float
        Relative rounding of the function's values.
    short : float
        Factor on the steps that makes them short enough for the derivative that no result of
        longer steps may contradict.
    """
    anchor = difference(which, short)
    change = abs(difference(which, 2 * short) - anchor)
    noise = _roundoff(difference, which, eps, anchor) / short**difference.degree
    best, error, scale = extrapolate(
        difference,
        which,
        difference.power,
        32 * eps,
        anchor,
        reach=2 * change + noise + 1e-6 * abs(anchor),
        doubtful=change > 1e-2 * abs(anchor) + noise,
    )
    scale = np.where(scale > 0, scale, short)
    return best, error + _roundoff(difference, which, eps, best) / scale**difference.degree


def _block(difference: Difference, point: Point) -> int:
    """Lines per block: bounded by memory, and few while the size of the output is unknown."""
    outputs = point.outputs
    if outputs is None:
        return FIRST_BLOCK
    if point.sampled.workers is None:
        return max(1, CACHED_ENTRIES // (max(1, outputs) * difference.samples))
    # what is sent to the workers and what comes back
    return max(1, BATCH_ENTRIES // (max(1, outputs, sum(a.size for a in point.x)) * difference.samples))


def _truncation(difference: Difference, which: Array, result: Array) -> Array:
    """The error of a result with the chosen step, from a result with a longer one."""
    if not difference.power:
        return abs(difference(which, 1.7) - result)
    # what the doubled step changes is 2**order - 1 errors; where the order is high, roundoff may
    # hide in the change, which is therefore not divided by more than 3
    return abs(difference(which, 2.0) - result) / min(2**difference.order - 1, 3)


def _roundoff(difference: Difference, which: Array, eps: float, result: Array) -> Array | float:
    """The rounding of the values, after division."""
    if not difference.power:
        return 0.0
    return 8 * eps * difference.noise(which, result) / difference.divisor(which)[:, None]


def _check_finite(difference: Difference, point: Point, which: Array, result: Array) -> None:
    finite = np.isfinite(result)
    if finite.all():
        return
    # inputs that are not finite themselves have no finite steps
    guilty = ~finite & np.isfinite(point.base) & np.isfinite(difference.divisor(which))[:, None]
    if guilty.any():
        k, m = np.argwhere(guilty)[0]
        error = DomainError(
            f"{point.sampled.problem.label} is finite at the point but not beside it, along "
            f"{difference.name(int(which[k]))} (output entry {m} of all in a row): the point is near the "
            "edge of the function's domain. Use scheme='forward' or 'backward' to stay on one side, a "
            "shorter step=, or adaptive=True, which shortens the step until the values are finite"
        )
        if difference.probe is not None and point.factors is None:
            raise Rough(difference, error)
        raise error
    undefined = np.flatnonzero(~np.isfinite(point.base) & ~finite.all(axis=0))
    if undefined.size:
        m = int(undefined[0])
        more = f" (and {undefined.size - 1} more)" if undefined.size > 1 else ""
        point.sampled.tell(
            f"is {point.base[m]:.6g} at the point in output entry {m}{more} of all in a row: differences "
            "give NaN for its derivatives. Move the point into the function's domain, or take a backend that "
            "differentiates exactly",
            NonFiniteWarning,
        )
