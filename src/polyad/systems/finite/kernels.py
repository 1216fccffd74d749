"""What the kernels of finite differences do when they run.

``Run`` is a kernel; ``gradient``, ``jacobian`` and ``hessian`` are what some of them compute, and
the lower derivatives that come along with others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.errors import FunctionNotSupportedError
from polyad.systems.contract import Leaves, Problem
from polyad.systems.finite.differences import ComplexFirst, ComplexPairs, Difference, First, Pairs
from polyad.systems.finite.fitting import fitting
from polyad.systems.finite.lines import Coordinates, Directions
from polyad.systems.finite.sampling import EPS64, Coarser, Point, Sampled
from polyad.systems.finite.scales import SHORT, Probe, Rough
from polyad.systems.finite.solve import START, extrapolated, solve
from polyad.systems.finite.stencils import stencil

if TYPE_CHECKING:
    from polyad.systems.finite.backend import FiniteDifferences

__all__ = ["Run", "gradient", "hessian", "jacobian", "real_size"]

Array = np.ndarray[Any, Any]

# The imaginary step in units of max(1, |x|): its square is lost beside anything, itself never.
IMAGINARY = 1e-20


def real_size(problem: Problem) -> int:
    """Number of real entries of the input."""
    return sum(spec.size * (2 if spec.is_complex else 1) for spec in problem.inputs)


class Run:
    """A kernel: what all operators share when they run."""

    def __init__(
        self,
        backend: FiniteDifferences,
        problem: Problem,
        compute: Callable[..., Leaves],
        words: str,
        lower: Callable[..., Leaves] | None = None,
    ) -> None:
        self.backend, self.problem, self.compute, self.lower = backend, problem, compute, lower
        self.strategy = words
        self.sampled = Sampled(problem, backend.workers, backend.chunk, step=backend.step is not None)

    def __call__(self, x: Leaves, c: Leaves, *seeds: Leaves) -> Any:
        """The result with the value, aux and the lower derivative."""
        return self._repeat(x, c, seeds, full=True)

    def result(self, x: Leaves, c: Leaves, *seeds: Leaves) -> Leaves:
        """The result alone."""
        return self._repeat(x, c, seeds, full=False)

    def _repeat(self, x: Leaves, c: Leaves, seeds: tuple[Leaves, ...], *, full: bool) -> Any:
        factors: dict[str, Array] | None = None
        while True:
            point = Point(self.sampled, x, c, base=full, factors=factors)
            try:
                result = self.compute(self, point, *seeds)
                if not full:
                    return result
                first = () if self.lower is None else (self.lower(self, point),)
                return (result, self.value(point), point.aux, *first)
            except Coarser:  # the function has fewer digits than was thought: again, with longer steps
                continue
            except Rough as rough:
                try:
                    factors = self._fitted({} if factors is None else factors, rough)
                except Coarser:
                    factors = None

    # -- steps --------------------------------------------------------------------------------------

    def step(self, *, second: bool = False, real: bool = False) -> Callable[[Array], Array]:
        """The rule from the values of a leaf to its steps."""
        backend = self.backend
        step = None if backend.scheme == "complex" and real else backend.step
        unit = step if step is not None else self.unit(second=second, real=real)
        if step is not None and not backend.relative:
            return lambda a: np.full(a.shape, unit, dtype=a.real.dtype)
        return lambda a: unit * self.scale(a)

    def scale(self, a: Array) -> Array:
        """The scale of the entries of a leaf, as far as it can be guessed."""
        return np.where(a == 0, 1.0, abs(a)) if self.backend.relative else np.maximum(1, abs(a))

    def unit(self, *, second: bool = False, real: bool = False) -> float:
        """The step that suits a function whose scale is 1."""
        backend = self.backend
        if backend.scheme == "complex" and not real:
            return IMAGINARY
        if backend.adaptive:
            return START
        # along the imaginary axis nothing is lost, and what is left is a first derivative
        root = backend.stencil_for().order + (2 if second and backend.scheme != "complex" else 1)
        return float(self.sampled.eps ** (1 / root))

    def _fitted(self, known: dict[str, Array], rough: Rough) -> dict[str, Array]:
        """Factors on the steps of the lines of a difference whose steps do not fit the function."""
        difference, eps = rough.difference, self.sampled.eps
        assert difference.probe is not None
        sided = self.backend.scheme if difference.power == 1 else "central"
        rule = stencil(sided, difference.power)
        start = eps ** (1 / (rule.order + 1)) / self._unit_of(difference)
        # a higher order takes longer steps, but the rounding of the argument asks for shorter ones: halfway
        shorter = start**0.5 if difference.degree == 1 and not self.backend.adaptive else 1.0
        sides = {side: lines for side, lines in zip("ab", difference.probed_lines(), strict=False)}
        factors = {}
        for side, lines in sides.items():
            found = fitting(First(difference.point, lines, rule), start)
            factors[side] = np.where(found < 1, np.minimum(found * shorter, 1.0), 1.0)
        fits = all(np.all(f == 1) for f in factors.values())
        if fits and rough.cause is not None:
            raise rough.cause
        if fits and not self.backend.adaptive:
            # steps that fit a low order may be too long for the chosen one; if not, rounding is to blame
            other = (
                SHORT if rough.off and difference.order > difference.power else difference.probe.longer(eps)
            )
            factors = {side: other * f for side, f in factors.items()}
        return known | {type(difference).__name__ + side: f for side, f in factors.items()}

    def _unit_of(self, difference: Difference) -> float:
        return self.unit(second=not isinstance(difference, First), real=True)

    # -- differences --------------------------------------------------------------------------------

    def solve(self, difference: Difference, point: Point) -> Any:
        backend = self.backend
        return solve(
            difference,
            point,
            adaptive=backend.adaptive,
            estimate=backend.estimates,
            own_step=backend.step is not None,
        )

    def first(self, point: Point, lines: Any) -> Difference:
        if self.backend.scheme == "complex":
            return ComplexFirst(point, lines)
        return self._probed(First(point, lines, self.backend.stencil_for()))

    def pairs(self, point: Point, a: Any, b: Any, pairs: Array) -> Difference:
        """Second derivatives; in the complex scheme ``a`` must have imaginary steps."""
        if self.backend.scheme == "complex":
            triangle = a is b
            if triangle:
                a = Coordinates(point, self.step())
            difference = ComplexPairs(point, a, b, pairs, self.backend.stencil_for(), triangle=triangle)
            return self._probed(difference)
        return self._probed(Pairs(point, a, b, pairs, self.backend.stencil_for(second=True)))

    def _probed(self, difference: Difference) -> Difference:
        """The difference, with its steps as fitted before, and a probe where they rest on a guess."""
        real = isinstance(difference, First | Pairs)
        # of a function in less than float64 the user has been told already
        if (real and self.backend.step is not None) or not difference.count or self.sampled.eps > EPS64:
            return difference
        factors = difference.point.factors or {}
        for side, lines in zip("ab", difference.probed_lines(), strict=False):
            lines.steps = lines.steps * factors.get(type(difference).__name__ + side, 1.0)
        # the probe is a quotient of the lowest order, whatever the order of the result
        own = self.sampled.eps ** (1 / (difference.power + difference.degree))
        difference.probe = Probe(difference, own / self._unit_of(difference))
        return difference

    def along(self, point: Point, v: Leaves) -> Array:
        """Derivatives along directions, ``(directions, outputs)``."""
        lines = Directions(point, self.step(), v, cut=self.backend.scheme != "complex")
        rows = [block for _, block in self.solve(self.first(point, lines), point)]
        return lines.joined(np.concatenate(rows)) if rows else np.zeros((0, point.base.size))

    def pulled(self, point: Point, w: Leaves) -> Array:
        """Pullbacks of cotangents, ``(cotangents, real entries of the input)``."""
        count = len(w[0])
        flat = np.concatenate([np.conj(leaf).reshape(count, math.prod(leaf.shape[1:])) for leaf in w], axis=1)
        if self.backend.estimates:
            flat = abs(flat)
        lines = Coordinates(point, self.step(), real=True)
        result = np.zeros((count, len(lines)), dtype=self.real)
        for where, block in self.solve(self.first(point, lines), point):
            result[:, where] = np.real(flat @ block.T)
        return result

    def curved(self, point: Point, v: Leaves) -> Array:
        """Hessian-vector products, ``(directions, real entries of the input)``."""
        complex_step = self.backend.scheme == "complex"
        entries = Coordinates(point, self.step(second=True, real=True), real=True)
        directions = Directions(point, self.step(second=not complex_step), v, cut=not complex_step)
        n, k = len(entries), len(directions)
        grid = np.stack(np.meshgrid(np.arange(n), np.arange(k), indexing="ij"), axis=-1).reshape(-1, 2)
        if complex_step:
            difference = self.pairs(point, directions, entries, grid[:, ::-1])
        else:
            difference = self.pairs(point, entries, directions, grid)
        result = np.zeros(n * k, dtype=self.real)
        for where, block in self.solve(difference, point):
            result[where] = block[:, 0].real
        return directions.joined(result.reshape(n, k).T)

    @property
    def real(self) -> Any:
        """The dtype of real results."""
        return np.result_type(*(np.finfo(d).dtype for d in self.sampled.dtypes))

    # -- results ------------------------------------------------------------------------------------

    def dtypes(self, point: Point) -> list[Any]:
        """Dtypes of the output for inputs that were not promoted."""
        specs = self.problem.outputs if self.sampled.promotes else point.specs
        if self.backend.scheme == "complex":  # the function was called with complex arguments
            return [np.finfo(spec.dtype).dtype for spec in specs]
        return [spec.dtype for spec in specs]

    def value(self, point: Point) -> Leaves:
        return tuple(a.astype(d, copy=False) for a, d in zip(point.y, self.dtypes(point), strict=True))

    def like_output(self, point: Point, rows: Array) -> Leaves:
        """Rows of outputs as leaves like the output with a leading axis."""
        leaves, start = [], 0
        for spec, kind in zip(point.specs, self.dtypes(point), strict=True):
            part = rows[:, start : start + spec.size].reshape(len(rows), *spec.shape)
            leaves.append(_cast(part, kind))
            start += spec.size
        return tuple(leaves)

    def like_input(self, rows: Array) -> Leaves:
        """Rows over the real entries of the input as leaves like it with a leading axis."""
        leaves, start = [], 0
        for spec in self.problem.inputs:
            n = spec.size
            part = rows[:, start : start + n]
            start += n
            if spec.is_complex:
                part = part + 1j * rows[:, start : start + n]
                start += n
            leaves.append(_cast(part.reshape(len(rows), *spec.shape), spec.dtype))
        return tuple(leaves)

    def check_complex(self) -> None:
        """Compare the complex step with real differences, along a direction through all entries.

        Raises
        ------
        FunctionNotSupportedError
            If they disagree, or if it cannot be found out.
        """
        try:
            self._compare(Point(self.sampled, self.problem.x, self.problem.c, base=True))
        except Coarser:
            self._compare(Point(self.sampled, self.problem.x, self.problem.c, base=True))

    def _compare(self, point: Point) -> None:
        label = self.problem.label
        if any(spec.is_complex for spec in point.specs):
            raise FunctionNotSupportedError(
                f"{label} returns complex numbers for real arguments, which a complex step cannot tell "
                "from its own: use scheme='central'"
            )
        random = np.random.default_rng(20261121)
        v = tuple(
            (self.scale(a) * random.uniform(0.5, 1, a.shape) * random.choice([-1, 1], a.shape))[None]
            for a in point.x
        )
        tried = ComplexFirst(point, Directions(point, self.step(), v, cut=False))
        which = np.arange(1)
        along = tried(which, 1.0)
        eps = self.sampled.eps
        short = Directions(point, lambda a: eps ** (1 / 3) * self.scale(a), v, cut=False)
        # long steps may leave the domain
        heard = get_state()
        try:
            set_state(SILENT)
            fits = float(fitting(First(point, short, stencil("central", 2)), 1.0)[0])
        finally:
            set_state(heard)
        real = Directions(point, lambda a: 0.01 * fits * self.scale(a), v, cut=False)
        difference = First(point, real, stencil("central", 2))
        difference.watches = True
        heard = get_state()
        try:
            set_state(SILENT)
            oracle, error = extrapolated(difference, which, eps, eps ** (1 / 3) / 0.01)
        finally:
            set_state(heard)
        size = abs(along) + abs(oracle)
        noise = 1e-9 * abs(point.base)
        finite = np.isfinite(point.base)[None] & np.isfinite(along)
        agree = abs(along - oracle) <= 10 * error + 1e-6 * size + noise
        known = error <= 1e-3 * size + noise
        if np.all(agree & known | ~finite):
            return
        if np.all(agree | ~finite | ~known):
            raise FunctionNotSupportedError(
                f"the complex step of {label} could not be checked against real differences, which do not "
                "settle: use scheme='central'"
            )
        m = int(np.argmax((finite & known & ~agree)[0]))
        step = self.backend.step
        long = "" if step is None else f" (or step={step:g} is too long for it: leave it out)"
        raise FunctionNotSupportedError(
            f"the complex step of {label} gives {along[0, m]:.6g} for output entry {m} along a test "
            f"direction, real differences {oracle[0, m]:.6g}: the function loses the imaginary part (abs, "
            f"conj, norm, real, float) or is not analytic, so use scheme='central'{long}"
        )


# -- operators that are also lower derivatives ----------------------------------------------------


def gradient(run: Run, point: Point) -> Leaves:
    """The gradient: a pullback of 1."""
    one = (np.ones((1,)),)
    return tuple(leaf[0] for leaf in run.like_input(run.pulled(point, one)))


def jacobian(run: Run, point: Point) -> Leaves:
    """Blocks of the Jacobian, by columns."""
    lines = Coordinates(point, run.step())
    columns: Array | None = None
    for where, block in run.solve(run.first(point, lines), point):
        if columns is None:
            columns = np.empty((block.shape[1], len(lines)), dtype=block.dtype)
        columns[:, where] = block.T
    if columns is None:
        columns = np.zeros((point.base.size, 0))
    blocks, top = [], 0
    for spec, kind in zip(point.specs, run.dtypes(point), strict=True):
        left = 0
        for other in run.problem.inputs:
            block = columns[top : top + spec.size, left : left + other.size]
            block = np.ascontiguousarray(block).reshape(spec.shape + other.shape)
            blocks.append(_cast(block, np.result_type(kind, other.dtype)))
            left += other.size
        top += spec.size
    return tuple(blocks)


def hessian(run: Run, point: Point) -> Leaves:
    """Blocks of the Hessian: one triangle is computed, both are filled."""
    inputs = run.problem.inputs
    lines = Coordinates(point, run.step(second=True, real=True))
    n = len(lines)
    pairs = np.stack(np.triu_indices(n), axis=1)
    full = np.zeros((n, n), dtype=run.real)
    for where, block in run.solve(run.pairs(point, lines, lines, pairs), point):
        i, j = pairs[where].T
        full[i, j] = full[j, i] = block[:, 0].real
    blocks, top = [], 0
    for spec in inputs:
        left = 0
        for other in inputs:
            block = full[top : top + spec.size, left : left + other.size].reshape(spec.shape + other.shape)
            blocks.append(_cast(block, np.result_type(spec.dtype, other.dtype)))
            left += other.size
        top += spec.size
    return tuple(blocks)


def _cast(a: Array, dtype: Any) -> Array:
    """An array in a dtype; a real one drops the imaginary zeros of its neighbours."""
    if a.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        a = a.real
    return a.astype(dtype, copy=False)
