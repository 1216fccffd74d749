"""Steps that fit the function along each line, where the default ones do not.

* A step is short enough where the derivative does not change when the step falls by 64.
* It is long enough where the rounding of the values does not show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.silence import quiet
from polyad.systems.finite.scales import (
    CLOSE,
    NOISE_POINTS,
    ONE_SIDED_TOLERANCE,
    SHORT,
    TOLERANCE,
    scatter,
)

if TYPE_CHECKING:
    from polyad.systems.finite.differences import First

__all__ = ["fitting"]

Array = np.ndarray[Any, Any]

# From one rung of the ladder to the next the step falls by 8, at most so often.
RUNG, RUNGS = 1 / 8, 26
# Three rungs that agree so well, relatively, are a plateau.
PLATEAU = 1e-2


@quiet
def fitting(first: First, start: float) -> Array:
    """Factors on the steps of lines with which their first derivatives settle.

    Parameters
    ----------
    first : First
        First differences along the lines.
    start : float
        Factor on their steps with which they suit a function whose scale is 1.

    Returns
    -------
    scales : array of shape ``(lines,)``
        The scale found; 1 where such a step fits, or where no shorter one fits better.
    """
    eps, point, lines = first.point.sampled.eps, first.point, first.lines
    which = np.arange(len(lines))
    first.watches = True
    long, short = first(which, start), first(which, start * SHORT)
    noise = _noise(first, which, short, start * SHORT)
    tolerance = TOLERANCE if first.stencil.central else ONE_SIDED_TOLERANCE
    rough = ~(abs(long - short) <= noise + tolerance * abs(long))
    if first.stencil.central:
        bends = [_bend(first, which, scale) for scale in (start, start * SHORT)]
        shown = bends[0] > 16 * eps * first.peak + 0.1 * start * lines.steps[:, None] * abs(long)
        rough |= shown & (bends[1] > bends[0] / 4)
    rough &= np.isfinite(point.base)
    factors = np.ones(len(lines))
    flagged = np.flatnonzero(rough.any(axis=1) & np.isfinite(lines.steps))
    if len(flagged):
        factors[flagged] = _climbed(first, flagged, rough[flagged], start)
    return factors


def _bend(first: First, which: Array, scale: float) -> Array:
    d = first.lines.displacements(which, (1, -1), scale)
    values = first.point.sample(first.lines.points(first.point, which, d))
    return abs(values.reshape(len(which), 2, -1).sum(axis=1) - 2 * first.point.base)


def _noise(first: First, which: Array, row: Array, scale: float) -> Array:
    """What the rounding of values and arguments leaves of a quotient."""
    lines = first.lines
    size = first.peak + lines.spread[which][:, None] * abs(row)
    return 16 * first.point.sampled.eps * size / (scale * lines.steps[which][:, None])


def _climbed(first: First, which: Array, rough: Array, start: float) -> Array:
    """Down the ladder of steps to the shortest plateau of each line.

    Long steps over a function that varies quickly may agree by chance, and steps below the
    resolution of the argument see nothing: the plateau that counts is the one of the shortest
    steps whose rounding does not hide it.
    """
    eps, lines = first.point.sampled.eps, first.lines
    rungs = RUNG ** np.arange(RUNGS)
    rows, noises = [], []
    for scale in rungs:
        first.peak = 0.0  # of this rung alone: values of longer steps may be huge
        row = first(which, float(start * scale))
        lost = (start * scale * lines.steps <= 4 * eps * lines.resolution)[which][:, None]
        noise = _noise(first, which, row, float(start * scale))
        hidden = lost | ~np.isfinite(row) | ~(noise <= PLATEAU * abs(row))
        rows.append(np.where(hidden, np.nan, row))
        noises.append(noise)
        if np.all(lost):
            break
    table, noise = np.array(rows), np.array(noises)
    if len(table) < 3:
        return np.ones(len(which))
    rung = _lowest(table, noise, rough)
    short = np.flatnonzero(rung)
    if len(short):
        # Two short steps may also agree by chance where the function has noise of its own, which shows
        # over the step that was found: with it longer steps may be better.
        h = start * rungs[rung[short]] * lines.steps[which[short]]
        offsets = CLOSE * np.arange(1, NOISE_POINTS + 1) * first.stencil.offsets[0]
        values = first.point.sample(lines.points(first.point, which[short], np.multiply.outer(h, offsets)))
        own = scatter(np.moveaxis(values.reshape(len(short), NOISE_POINTS, -1), 1, 0), eps)
        steps = np.multiply.outer(start * rungs[: len(table)], lines.steps[which[short]])
        noise[:, short] += own / steps[:, :, None]
        rung[short] = _lowest(table[:, short], noise[:, short], rough[short])
    return rungs[rung]


def _lowest(table: Array, noise: Array, rough: Array) -> Array:
    """The rung of each line with the least error on its lowest plateau; 0 where there is none."""
    high = np.maximum(abs(table[:-2]), abs(table[2:]))
    flat = np.maximum(abs(table[:-2] - table[1:-1]), abs(table[1:-1] - table[2:])) <= PLATEAU * high
    # the run of plateaus that ends lowest, and in it the rung with the least error
    error = np.where(flat, abs(table[:-2] - table[1:-1]) + noise[:-2], np.inf)
    best = np.zeros(table.shape[1:], dtype=int)
    found = np.zeros(table.shape[1:], dtype=bool)
    ended = np.zeros(table.shape[1:], dtype=bool)
    least = np.full(table.shape[1:], np.inf)
    for k in range(len(flat) - 1, -1, -1):
        ended |= found & ~flat[k]
        # of steps that serve as well the longest, whose rounding is surest
        better = flat[k] & ~ended & (error[k] <= 2 * least)
        best = np.where(better, k, best)
        least = np.where(better, error[k], least)
        found |= flat[k]
    return np.where(found & rough, best, 0).max(axis=1)
