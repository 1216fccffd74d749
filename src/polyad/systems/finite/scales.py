"""Whether the steps of a difference fit the function, and longer or shorter ones where they do not.

The default step takes the scale of each entry to be ``max(1, abs(x))``. That is a guess, and a
wrong one gives a wrong derivative without a sign of it. So every result that rests on it is
checked: a ``Probe`` evaluates the function along one direction through all lines, with shorter
steps, at the cost of three evaluations whatever the size of the input. Where the probe and the
result disagree, ``fitting`` looks at each line by itself.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, quiet, set_state

if TYPE_CHECKING:
    from polyad.systems.finite.differences import Difference

__all__ = ["CLOSE", "NOISE_POINTS", "ONE_SIDED_TOLERANCE", "SHORT", "TOLERANCE", "Probe", "Rough", "scatter"]

Array = np.ndarray[Any, Any]

# The probe's steps in units of those of the result.
SHORT = 1 / 8
# Largest relative disagreement that passes: far more than a step that fits leaves, central and
# one-sided. A result that is off by more than LOUD even with fitted steps is warned of.
TOLERANCE, ONE_SIDED_TOLERANCE = 1e-6, 1e-4
LOUD, ONE_SIDED_LOUD = 1e-4, {1: 1e-3, 2: 3e-2}
# First and second derivatives whose rounding is larger than this, relatively, are tried with longer
# steps. What is not larger than its rounding is warned of where that is more than SMALL.
NOISY = {1: 1e-4, 2: 1e-6}
SMALL = 1e-6
LONGER = (4.0, 16.0, 64.0)
# The noise of the values shows at so many points, so far apart in units of the steps (closer to each other
# values of few digits are the same), in differences of these orders. Errors of an entry above so many times
# the noise over the step are rare.
NOISE_POINTS, CLOSE, NOISE_ORDERS = 9, 1 / 4, (4, 5, 6)
WORST = {1: 4.5, 2: 7.5}


class Rough(Exception):
    """The steps do not fit the function; they are to be fitted, or the user told.

    Parameters
    ----------
    difference : Difference
        Whose steps.
    cause : Exception, optional
        What to raise if no better steps are found.
    off : bool
        Whether the result is off, and not just near its rounding.
    """

    def __init__(self, difference: Difference, cause: Exception | None = None, *, off: bool = True) -> None:
        super().__init__()
        self.difference, self.cause, self.off = difference, cause, off


@functools.lru_cache(maxsize=64)
def probe_coefficients(count: int, *, same_sign: bool = False) -> Array:
    """How far a probe moves along each of so many lines, in units of their steps: fixed, never 0."""
    random = np.random.default_rng([20261127, count])
    t = random.uniform(0.5, 1.0, count)
    t = t if same_sign else t * random.choice([-1.0, 1.0], count)
    t.flags.writeable = False
    return t


@dataclasses.dataclass
class Verdict:
    """What a probe found: its own derivative beside the result's, along its direction."""

    found: Array
    expected: Array | float
    size: Array | float
    noise: Array
    rounding: Array
    weight: float
    tolerance: float
    sudden: bool

    @quiet
    def off(self, tolerance: float | None = None) -> Array:
        """Where they disagree by more than rounding and a relative tolerance, per output."""
        allowed = self.noise + (self.tolerance if tolerance is None else tolerance) * self.size
        return abs(self.found - self.expected) > allowed


class Probe:
    """Values beside the point along one direction through all lines.

    Parameters
    ----------
    difference : First or Pairs
        What is to be checked, before its first block. The probe's values are evaluated along with
        that block.
    shorter : float
        Factor on the steps of the difference where it does not use them as they are (extrapolation).
    """

    def __init__(self, difference: Difference, shorter: float = 1.0) -> None:
        self.difference = difference
        self.scale = SHORT * shorter
        point = difference.point
        point.wanted = True
        self.central = difference.stencil.central
        self.coefficients = [
            probe_coefficients(len(lines), same_sign=not self.central) for lines in difference.probed_lines()
        ]
        self.expected: Array | float = 0.0
        self.size: Array | float = 0.0
        self.largest: Array | float = 0.0
        self.shortest = math.inf
        self.weight = 0.0
        self.peak: Array | float = 0.0
        self.spread: Array | float = 0.0
        point.probes.append((self, list(self.points(self.scale))))
        self.values: Array  # of the points, once they have been sampled

    def points(self, scale: float) -> Any:
        """The points that a quotient along the direction needs."""
        for move in self.difference.probe_moves():
            steps = [sign * t for sign, t in zip(move, self.coefficients, strict=True)]
            yield self.difference.probe_point(steps, scale)

    @quiet
    def add(self, which: Array, result: Array) -> None:
        """Take a block of the result in."""
        weight, spread = self.difference.probe_weights(which, self.coefficients)
        self.expected = self.expected + weight @ result
        self.size = self.size + abs(weight) @ abs(result)
        if self.difference.point.factors is not None:
            self.largest = np.maximum(self.largest, abs(result).max(axis=0, initial=0.0))
            self.shortest = min(self.shortest, float(self.difference.divisor(which).min(initial=math.inf)))
        self.weight += float(abs(weight).sum())
        self.spread = self.spread + spread @ abs(result)

    @quiet
    def quotient(self, values: Array, scale: float) -> Array:
        """The derivative along the direction, from values at ``points(scale)``."""
        base = self.difference.point.base
        return self.difference.probe_quotient(values, base) / scale**self.difference.degree

    @quiet
    def verdict(self, eps: float) -> Verdict:
        """Compare."""
        difference, base = self.difference, self.difference.point.base
        peak = difference.probe_peak(self.values, base)
        degree = difference.degree
        # the rounding of the probe, and that of all lines of the result together
        lines = len(self.coefficients[0])
        noise = 16 * eps * (peak + self.spread) * (1 / self.scale**degree + lines**degree)
        found = self.quotient(self.values, self.scale)
        tolerance = TOLERANCE if self.central else ONE_SIDED_TOLERANCE
        return Verdict(
            found,
            self.expected,
            self.size,
            noise,
            2 * eps * peak,
            self.weight,
            tolerance,
            self._sudden(eps, peak),
        )

    @quiet
    def _sudden(self, eps: float, peak: Array) -> bool:
        """Whether the function leaves its value at the point at once: the steps jump over something.

        A curve bends less the shorter the step; what bends as much at an eighth of the step is narrower
        than both.
        """
        if not (self.central and self.difference.bends):
            return False
        base = self.difference.point.base
        bend = abs(self.values.sum(axis=0) - len(self.values) * base)
        slope = self.scale * self.size
        if not np.any(bend > 16 * eps * peak + 0.1 * slope):
            return False
        nearer = self.difference.point.sample(self.points(self.scale * SHORT))
        less = abs(nearer.sum(axis=0) - len(nearer) * base)
        return bool(np.any((bend > 16 * eps * peak + 0.1 * slope) & (less > bend / 4 + 16 * eps * peak)))

    def confirm(self, eps: float) -> None:
        """Check the result that was added.

        Raises
        ------
        Rough
            If its steps do not fit the function and have not been fitted yet. Where they have been, a
            ``PrecisionWarning`` says how far it is off.
        """
        difference, verdict = self.difference, self.verdict(eps)
        if difference.point.factors is None:
            noisy = verdict.rounding > NOISY[difference.degree] * verdict.size
            off = verdict.sudden or bool(verdict.off().any())
            if off or noisy.any():
                raise Rough(difference, off=off)
            return
        loud = LOUD if self.central else ONE_SIDED_LOUD[difference.degree]
        measured = self._measured(eps)
        unsettled = verdict.off(loud) & ~self._vanishing(verdict, loud)
        rounding = verdict.rounding
        # what is not much larger than its rounding may well be zero: then the absolute error decides
        shown = (100 * rounding < verdict.size) | (rounding > SMALL * verdict.weight)
        rounded = (rounding > loud * verdict.size) & shown & (verdict.size > 0)
        # noise beyond the rounding of the values, which also hides what comes out as zero
        error = measured / self.shortest
        shown = (100 * error < self.largest) | (error > SMALL)
        rounded |= (error > loud * self.largest) & shown
        if not (verdict.sudden or np.any(unsettled | rounded)):
            return
        gap = abs(verdict.found - verdict.expected)
        heard = get_state()
        try:
            set_state(SILENT)
            told = np.where(unsettled | verdict.sudden, gap, np.where(rounded, rounding, 0.0))
            # noise counts by the largest entry: in the sum over all of them it would seem less than it is
            relative = np.maximum(told / verdict.size, error / self.largest)
            relative = np.where(told > 0, np.minimum(np.nan_to_num(relative, nan=1.0), 1.0), 0.0)
        finally:
            set_state(heard)
        worst = int(np.argmax(relative))
        order = "second" if difference.degree == 2 else "first"
        where = f" of output entry {worst}" if relative.size > 1 else ""
        difference.point.sampled.tell(
            f"has {order} derivatives{where} that differences give to about {relative[worst]:.0e} of their "
            "size only, whatever the step: it is noisy, has a kink at the point, or its values are large "
            "beside what they change by. Pass the step over which it changes by more than its noise, "
            "FiniteDifferences(step=...), or take a backend that differentiates exactly; error_estimate "
            "tells the error of each entry"
        )

    @quiet
    def _measured(self, eps: float) -> Array:
        """The error of one entry that comes of the noise of the values, whatever makes it; per output.

        A function that computes with differences itself, or with a solver, has far more noise than the
        rounding of its values. It is what is left of values close to each other when the smooth part is
        taken away by higher differences (R. W. Hamming, Introduction to Applied Numerical Analysis, 1971;
        J. J. More and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33, 2011).
        """
        difference = self.difference
        if not difference.real:
            return np.zeros(np.shape(self.expected))
        side = 1 if self.central else difference.stencil.offsets[0]
        steps = [side * t for t in self.coefficients]
        scales = min(CLOSE, 16 * self.scale) * np.arange(1, NOISE_POINTS + 1)
        values = difference.point.sample(difference.probe_point(steps, float(t)) for t in scales)
        return scatter(values, eps, difference.degree)

    @quiet
    def _vanishing(self, verdict: Verdict, loud: float) -> Array:
        """Where the derivative tends to zero with the step: what is off is a power of the step, and small."""
        if not verdict.off(loud).any():
            return np.zeros(verdict.found.shape, dtype=bool)
        scale = self.scale * SHORT
        nearer = self.quotient(self.difference.point.sample(self.points(scale)), scale)
        return abs(nearer) <= abs(verdict.found) / 4 + verdict.noise / SHORT**self.difference.degree

    @quiet
    def longer(self, eps: float) -> float:
        """The factor on the steps that lessens rounding most without showing the bend of the function.

        The rounding ``eps * f / h`` (for second derivatives ``eps * f / h**2``) can hide derivatives where
        the values are large beside them. The longest step that no shorter one contradicts (Lepski's rule).
        """
        base = self.difference.point.base
        peak = self.difference.probe_peak(self.values, base)
        rows = [(self.expected, 16 * eps * peak)]
        factor = 1.0
        for f in LONGER:
            values = self.difference.point.sample(self.points(f))
            quotient = self.quotient(values, f)
            high = np.maximum(peak, self.difference.probe_peak(values, base))
            noise = 16 * eps * high / f**self.difference.degree
            agree = [abs(quotient - q) <= n + noise + TOLERANCE * abs(quotient) for q, n in rows]
            if not np.all(agree):
                break
            rows.append((quotient, noise))
            factor = f
        return factor


def scatter(values: Array, eps: float, degree: int = 1) -> Array:
    """What errors of values at equal distances amount to, by the least of their high differences."""
    found = [
        math.sqrt(math.factorial(k) ** 2 / math.factorial(2 * k))
        * np.sqrt(np.mean(abs(np.diff(values, k, axis=0)) ** 2, axis=0))
        for k in NOISE_ORDERS
    ]
    noise = WORST[degree] * np.nan_to_num(np.min(found, axis=0), nan=0.0, posinf=0.0)
    return np.where(noise > 64 * eps * abs(values).max(axis=0), noise, 0.0)  # what is less is rounding
