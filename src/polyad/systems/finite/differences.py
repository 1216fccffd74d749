"""Derivatives along lines, by differences: first, second and mixed, real and complex.

A difference is called with the numbers of some of its lines (or pairs of lines) and a factor on
their steps, and gives an array ``(lines, outputs)``. ``solve`` runs one to the end.

Source of the complex step: W. Squire and G. Trapp, Using complex variables to estimate derivatives
of real functions, SIAM Review 40 (1998).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.arrays.silence import quiet
from polyad.errors import ArgumentError
from polyad.systems.contract import Leaves
from polyad.systems.finite.lines import Lines
from polyad.systems.finite.sampling import Point
from polyad.systems.finite.scales import Probe, probe_coefficients
from polyad.systems.finite.stencils import Stencil

__all__ = ["ComplexFirst", "ComplexPairs", "Difference", "First", "Pairs"]

Array = np.ndarray[Any, Any]


class Difference:
    """What is computed by differences.

    Attributes
    ----------
    count : int
        Number of lines or pairs.
    samples : int
        Evaluations for each.
    order : int
        Power of the step with which the error falls.
    power : int
        The error expansion runs in powers of ``h**power``; 0 where there is no error to expand.
    degree : int
        Power of the step by which differences of values are divided.
    watches : bool
        Whether ``peak`` is kept.
    bends : bool
        Whether the values beside the point bend away from the value at it, which tells of what the steps
        jump over.
    real : bool
        Whether it is one of the function's own values, and not of its complex steps.
    peak : array of shape (outputs,)
        Largest absolute value that entered a quotient, whose rounding the result inherits.
    probe : Probe, optional
        What the result is checked with where its steps rest on a guess.
    """

    count: int
    samples: int
    order: int
    power: int
    degree: int = 1
    watches: bool = False
    bends: bool = False
    real: bool = True
    peak: Array | float = 0.0
    probe: Probe | None = None
    point: Point
    stencil: Stencil

    def __call__(self, which: Array, scale: float) -> Array:
        """Derivatives along the lines ``which`` with steps times ``scale``."""
        raise NotImplementedError

    def divisor(self, which: Array) -> Array:
        """What differences of values are divided by, in size."""
        raise NotImplementedError

    def noise(self, which: Array, result: Array) -> Array:
        """What the rounding of values amounts to, in units of eps, ``(lines, outputs)``."""
        return np.broadcast_to(self.peak, result.shape)

    def name(self, k: int) -> str:
        """A line or pair, for messages."""
        raise NotImplementedError

    def check(self) -> None:
        """Refuse steps that rounding swallows."""

    # -- what a probe asks (see ``scales``) -----------------------------------------------------------

    def probed_lines(self) -> tuple[Lines, ...]:
        """The sets of lines along which the result is a derivative: one, or two for pairs."""
        raise NotImplementedError

    def probe_moves(self) -> tuple[tuple[int, ...], ...]:
        """At which multiples of a step along each set the probe has its points."""
        raise NotImplementedError

    def probe_point(self, steps: list[Array], scale: float) -> Leaves:
        """The point moved by ``scale`` times so many steps along all lines of each set."""
        moves = zip(self.probed_lines(), steps, strict=True)
        return self.point.combined([(lines, scale * t * lines.steps) for lines, t in moves])

    def probe_quotient(self, values: Array, base: Array) -> Array:
        """The difference of the values at the probe's points."""
        raise NotImplementedError

    def probe_peak(self, values: Array, base: Array) -> Array:
        """The largest of those values, whose rounding the quotient inherits."""
        return np.maximum(abs(values).max(axis=0, initial=0.0), abs(base))

    def probe_weights(self, which: Array, coefficients: list[Array]) -> tuple[Array, Array]:
        """How much each line or pair counts along the probe, and its rounded argument."""
        raise NotImplementedError

    def _seen(self, values: Array) -> None:
        if self.watches:
            # what is not finite is no peak: it is reported, or its step is shortened
            size = np.where(np.isfinite(values), abs(values), 0.0)
            high = size.max(axis=tuple(range(values.ndim - 1)), initial=0.0)
            self.peak = np.maximum(self.peak, high)


def _refuse_vanishing(lines: Lines) -> None:
    lost = lines.vanishing()
    if lost.any():
        k = int(np.argmax(lost))
        raise ArgumentError(
            f"step={lines.steps[k]:.3g} along {lines.name(k)} vanishes beside the value there, so that no "
            "difference is left: leave step out, or pass a longer one"
        )


class First(Difference):
    """First derivatives along lines, by real differences."""

    bends = True

    def __init__(self, point: Point, lines: Lines, stencil: Stencil) -> None:
        self.point, self.lines, self.stencil = point, lines, stencil
        self.count, self.samples, self.order = len(lines), len(stencil.offsets), stencil.order
        self.power = 2 if stencil.central else 1
        point.wanted |= not stencil.central

    def __call__(self, which: Array, scale: float) -> Array:
        point, lines = self.point, self.lines
        d = lines.displacements(which, self.stencil.offsets, scale)
        values = point.sample(lines.points(point, which, d))
        self._seen(values)
        shaped = values.reshape(*d.shape, values.shape[1])
        return self.stencil.first(shaped, None if self.stencil.central else point.base, d)

    def divisor(self, which: Array) -> Array:
        return self.lines.steps[which]

    def noise(self, which: Array, result: Array) -> Array:
        # the function rounds its argument as well as its value
        return self.peak + self.lines.spread[which][:, None] * abs(result)

    def name(self, k: int) -> str:
        return self.lines.name(k)

    def check(self) -> None:
        _refuse_vanishing(self.lines)

    def probed_lines(self) -> tuple[Lines, ...]:
        return (self.lines,)

    def probe_moves(self) -> tuple[tuple[int, ...], ...]:
        return ((1,), (-1,)) if self.stencil.central else ((self.stencil.offsets[0],),)

    def probe_quotient(self, values: Array, base: Array) -> Array:
        if self.stencil.central:
            return (values[0] - values[1]) / 2
        return (values[0] - base) * self.stencil.offsets[0]

    def probe_weights(self, which: Array, coefficients: list[Array]) -> tuple[Array, Array]:
        return (coefficients[0] * self.lines.steps)[which], self.lines.spread[which]


class ComplexFirst(Difference):
    """First derivatives along lines, by a step along the imaginary axis: no difference, no error."""

    order, power, samples, real = 2, 0, 1, False

    def __init__(self, point: Point, lines: Lines) -> None:
        self.point, self.lines, self.count = point, lines, len(lines)

    def __call__(self, which: Array, scale: float) -> Array:
        point, lines = self.point, self.lines
        t = lines.steps[which] * scale
        moves = zip(which.tolist(), t.tolist(), strict=True)
        values = point.sample(point.moved(((lines, k, h),), imaginary=True) for k, h in moves)
        return values.imag / t[:, None]

    def divisor(self, which: Array) -> Array:
        return self.lines.steps[which]

    def name(self, k: int) -> str:
        return self.lines.name(k)


class Pairs(Difference):
    """Second derivatives along pairs of lines; a line paired with itself gives its curvature.

    Parameters
    ----------
    point : Point
        Where.
    a, b : Lines
        The lines; the same object where pairs of one set are meant.
    pairs : array of shape (pairs, 2)
        Numbers of the lines of each pair.
    stencil : Stencil
        One for second derivatives.
    """

    degree = 2

    def __init__(self, point: Point, a: Lines, b: Lines, pairs: Array, stencil: Stencil) -> None:
        self.point, self.a, self.b, self.pairs, self.stencil = point, a, b, pairs, stencil
        self.count, self.samples, self.order = len(pairs), len(stencil.offsets), stencil.order
        self.power = 2 if stencil.central else 1
        self._edges: dict[tuple[bool, float], tuple[Array, Array]] = {}
        self._steep: list[Array] = []
        point.wanted = True

    def __call__(self, which: Array, scale: float) -> Array:
        point, stencil = self.point, self.stencil
        i, j = self.pairs[which].T
        same = (i == j) if self.a is self.b else np.zeros(len(i), dtype=bool)
        # the edges are evaluated first, and once for all the corners that they bound
        if self.a is self.b:
            along_a = along_b = self._edge(True, np.concatenate([i, j]), scale)
        else:
            along_a, along_b = self._edge(True, i, scale), self._edge(False, j, scale)
        da = self.a.displacements(i, stencil.offsets, scale)
        db = self.b.displacements(j, stencil.offsets, scale)
        cross = np.flatnonzero(~same)
        n = stencil.corner
        moves = zip(i[cross].tolist(), j[cross].tolist(), da[cross].tolist(), db[cross].tolist(), strict=True)
        corners = point.sample(
            point.moved(((self.b, q, tb), (self.a, p, ta)))
            for p, q, ts, us in moves
            for ta, tb in zip(ts[:n], us[:n], strict=True)
        )
        self._seen(corners)
        if self.watches:
            if not self._steep:
                self._steep = [np.zeros((len(lines), corners.shape[1])) for lines in (self.a, self.b)]
            for steep, along, lines, d in (
                (self._steep[0], along_a, i, da),
                (self._steep[1], along_b, j, db),
            ):
                steep[lines] = _steepest(along[lines], point.base, d)
        result = np.empty((len(i), corners.shape[1]), dtype=corners.dtype)
        if len(cross):
            shaped = corners.reshape(len(cross), n, corners.shape[1])
            result[cross] = stencil.mixed(
                shaped, along_a[i[cross]], along_b[j[cross]], point.base, da[cross], db[cross]
            )
        if same.any():
            result[same] = stencil.second(along_a[i[same]], point.base, da[same])
        return result

    def _edge(self, first: bool, wanted: Array, scale: float) -> Array:
        """Values along single lines, ``(lines, offsets, outputs)``; those not wanted may be empty."""
        lines = self.a if first else self.b
        values, have = self._edges.get((first, scale), (None, np.zeros(len(lines), dtype=bool)))
        missing = np.setdiff1d(wanted, np.flatnonzero(have))
        if values is None or len(missing):
            point, offsets = self.point, self.stencil.offsets
            d = lines.displacements(missing, offsets, scale)
            new = point.sample(lines.points(point, missing, d))
            self._seen(new)
            if values is None:
                values = np.empty((len(lines), len(offsets), new.shape[1]), dtype=new.dtype)
            values[missing] = new.reshape(len(missing), *values.shape[1:])
            have[missing] = True
            self._edges[first, scale] = values, have
        return values

    def divisor(self, which: Array) -> Array:
        i, j = self.pairs[which].T
        return self.a.steps[i] * self.b.steps[j]

    def noise(self, which: Array, result: Array) -> Array:
        # the function rounds its argument as well as its value
        i, j = self.pairs[which].T
        steep = zip((self.a, self.b), (i, j), self._steep, strict=True)
        return self.peak + sum(lines.spread[k][:, None] * slope[k] for lines, k, slope in steep)

    def name(self, k: int) -> str:
        i, j = self.pairs[k]
        if self.a is self.b and i == j:
            return self.a.name(i)
        return f"{self.a.name(i)} and {self.b.name(j)}"

    def check(self) -> None:
        _refuse_vanishing(self.a)
        _refuse_vanishing(self.b)

    def probed_lines(self) -> tuple[Lines, ...]:
        return (self.a,) if self.a is self.b else (self.a, self.b)

    def probe_moves(self) -> tuple[tuple[int, ...], ...]:
        s = self.stencil.offsets[0]
        if self.a is self.b:
            return ((1,), (-1,)) if self.stencil.central else ((s,), (2 * s,))
        if self.stencil.central:
            return ((1, 1), (1, -1), (-1, 1), (-1, -1))
        return ((s, s), (s, 0), (0, s))

    def probe_quotient(self, values: Array, base: Array) -> Array:
        if self.a is self.b:
            if self.stencil.central:
                return (values[0] - base) + (values[1] - base)
            return (values[1] - values[0]) - (values[0] - base)
        if self.stencil.central:
            return ((values[0] - values[1]) - (values[2] - values[3])) / 4
        return (values[0] - values[1]) - (values[2] - base)

    def probe_weights(self, which: Array, coefficients: list[Array]) -> tuple[Array, Array]:
        a, b = coefficients[0] * self.a.steps, coefficients[-1] * self.b.steps
        return _pair_weights(self.pairs[which], a, b, triangle=self.a is self.b)


@quiet
def _steepest(along: Array, base: Array, d: Array) -> Array:
    """The largest slope from the point to its neighbours along each line."""
    return (abs(along - base) / abs(d)[:, :, None]).max(axis=1, initial=0.0)


def _pair_weights(pairs: Array, a: Array, b: Array, *, triangle: bool) -> tuple[Array, Array]:
    """The weights of pairs in a bilinear form; a triangle of pairs stands for both."""
    i, j = pairs.T
    weights = a[i] * b[j]
    if triangle:
        weights = np.where(i == j, weights, weights + a[j] * b[i])
    return weights, np.zeros(len(pairs))


class ComplexPairs(Difference):
    """Second derivatives along pairs: a difference along ``b`` of complex-step derivatives along ``a``.

    Where ``triangle``, both are lines through the same entries, and a pair stands for its mirror image.
    """

    def __init__(
        self, point: Point, a: Lines, b: Lines, pairs: Array, stencil: Stencil, *, triangle: bool
    ) -> None:
        self.point, self.a, self.b, self.pairs, self.stencil = point, a, b, pairs, stencil
        self.triangle, self.real = triangle, False
        self.count, self.samples, self.order, self.power = len(pairs), len(stencil.offsets), stencil.order, 2

    def __call__(self, which: Array, scale: float) -> Array:
        point, offsets = self.point, self.stencil.offsets
        i, j = self.pairs[which].T
        h = self.a.steps[i]
        d = self.b.displacements(j, offsets, scale)
        moves = zip(i.tolist(), j.tolist(), h.tolist(), d.tolist(), strict=True)
        values = point.sample(
            point.moved(((self.a, p, ta), (self.b, q, tb)), imaginary=True)
            for p, q, ta, row in moves
            for tb in row
        )
        slopes = values.imag.reshape(*d.shape, values.shape[1]) / h[:, None, None]
        self._seen(slopes)
        return self.stencil.first(slopes, None, d)

    def divisor(self, which: Array) -> Array:
        return self.b.steps[self.pairs[which, 1]]

    def name(self, k: int) -> str:
        i, j = self.pairs[k]
        return f"{self.a.name(i)} and {self.b.name(j)}"

    def probed_lines(self) -> tuple[Lines, ...]:
        return (self.b,)

    def probe_moves(self) -> tuple[tuple[int, ...], ...]:
        return ((1,), (-1,))

    def probe_point(self, steps: list[Array], scale: float) -> Leaves:
        moves = [(self.b, scale * steps[0] * self.b.steps), (self.a, 1j * self._imaginary())]
        return self.point.combined(moves, imaginary=True)

    def _imaginary(self) -> Array:
        """How far the probe moves along the lines with imaginary steps."""
        return probe_coefficients(len(self.a)) * self.a.steps

    def probe_quotient(self, values: Array, base: Array) -> Array:
        return (values[0] - values[1]).imag / 2

    def probe_peak(self, values: Array, base: Array) -> Array:
        return abs(values.imag).max(axis=0, initial=0.0)

    def probe_weights(self, which: Array, coefficients: list[Array]) -> tuple[Array, Array]:
        a, b = self._imaginary(), coefficients[0] * self.b.steps
        return _pair_weights(self.pairs[which], a, b, triangle=self.triangle)
