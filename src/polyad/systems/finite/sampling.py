"""A function as a black box: evaluated beside a point, on copies, in no less than float64.

* ``Sampled`` is one function for the life of a kernel, ``Point`` one call of that kernel.
* Every evaluation gets its own copies of the active arrays, so that nothing the function does reaches
  the caller's memory or the next evaluation; constants are kept from it by the problem's function.
* Inputs in less than float64 are promoted. If what comes back holds fewer digits nevertheless
  (by its dtype, or by its values where float32 hides in a float64 array), a ``PrecisionWarning``
  says so and the steps are chosen for the digits there are.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.libraries import ArraySpec, library_of
from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.arrays.stopped import Stops, elsewhere
from polyad.arrays.user_code import stack_level
from polyad.errors import OutputTypeError, PrecisionWarning
from polyad.systems.contract import Leaves, Problem
from polyad.workers.pools import count_of
from polyad.workers.run import each

__all__ = ["Coarser", "Point", "Sampled", "as_numpy", "natural"]

if TYPE_CHECKING:
    from polyad.systems.finite.lines import Lines

Array = np.ndarray[Any, Any]

EPS64 = float(np.finfo(np.float64).eps)


class Coarser(Exception):
    """The function turned out to compute with fewer digits; the steps must be chosen again."""


def as_numpy(leaf: Any) -> Any:
    """An output leaf of any library, or a number, as a NumPy array or scalar."""
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf
    owner = library_of(leaf)
    assert owner is not None  # the operators have refused what no library owns
    if not owner.plain:
        return owner.to_numpy(leaf)
    return np.complex128(leaf) if isinstance(leaf, complex) else np.float64(leaf)


def wide(dtype: Any) -> np.dtype:
    """The dtype in which a leaf is perturbed: float64 or complex128, or what is wider."""
    kind = np.dtype(dtype).kind
    if kind == "c":
        return np.result_type(dtype, np.complex128)
    return np.result_type(dtype, np.float64) if kind == "f" else np.dtype(np.float64)


def natural(problem: Problem) -> tuple[ArraySpec, ...]:
    """Specs of the output for inputs as they are, by one evaluation on copies."""
    x = tuple(_like(np.array(leaf), leaf) for leaf in problem.x)
    y, _ = problem.f(x, problem.c)
    return tuple(ArraySpec(np.shape(leaf), leaf.dtype) for leaf in y)


def _like(a: Array, leaf: Any) -> Any:
    """An array as the function expects it: NumPy scalars where it was given numbers."""
    return a if isinstance(leaf, np.ndarray) else a[()]


def _lying(a: Array, example: Array) -> Array:
    """A copy whose axes lie in memory in the order of an example's."""
    copy = np.empty_like(example, dtype=a.dtype, subok=False)
    copy[...] = a
    return copy


class Sampled:
    """A function to be sampled: how its arguments are promoted, and what is known of its digits.

    Parameters
    ----------
    problem : Problem
        The function with its examples.
    workers : int, executor or callable, optional
        Who evaluates; None for this process.
    chunk : int, optional
        Evaluations that are sent at once.
    step : bool
        Whether the user has chosen the step, which then is not chosen again.
    """

    def __init__(self, problem: Problem, workers: Any, chunk: int | None, *, step: bool) -> None:
        self.problem = problem
        self.workers = None if count_of(workers) == 1 else workers
        self.chunk = chunk
        self.step = step
        self.dtypes = tuple(wide(spec.dtype) for spec in problem.inputs)
        self.scalars = tuple(not isinstance(leaf, np.ndarray) for leaf in problem.x)
        self.has_scalars = any(self.scalars)
        # Python numbers are float64 already
        self.promotes = any(
            not spec.weak and d != spec.dtype for d, spec in zip(self.dtypes, problem.inputs, strict=True)
        )
        self.eps = max(float(np.finfo(d).eps) for d in self.dtypes)
        # whether a value that float32 cannot hold has been seen
        self.proved = self.eps < EPS64

    def evaluate(self, points: Iterable[Leaves], c: Leaves, stops: Stops) -> Iterator[tuple[Leaves, Leaves]]:
        """Output and aux leaves at each point, in the order of the points."""
        f: Any = self.problem.f
        if self.workers is None:
            for x in points:
                yield stops.run(f, x, c)
            return
        points = list(points)
        if not points:
            return
        task, items = f.remote(points, c) if hasattr(f, "remote") else (_Call(f, c), points)
        for outcome in each(task, items, self.workers, chunk=self.chunk, label="evaluation"):
            yield f.read(outcome) if hasattr(f, "read") else outcome

    def tell(self, what: str, category: type[Warning] = PrecisionWarning) -> None:
        """Warn, at the line that called polyad."""
        warnings.warn(f"{self.problem.label} {what}", category, stacklevel=stack_level())

    def warn(self, digits: str, eps: float) -> None:
        """Say that the function computes in less than float64, and remember it."""
        if eps > EPS64:
            self.tell(
                f"{digits}, although it is given float64: finite differences keep about half of the digits, "
                "so compute in float64 inside the function (for float32 JAX use backend='jax', or "
                "jax.enable_x64)"
            )
        self.eps, self.proved = eps, True
        if not self.step:
            raise Coarser


class _Call:
    """``f(x, c)`` at a point; other processes can be sent it where they can be sent f."""

    def __init__(self, f: Any, c: Leaves) -> None:
        self.f, self.c = f, c

    def __call__(self, x: Leaves) -> Any:
        return elsewhere(self.f, x, self.c)


class Point:
    """The function at and around one point, for one call.

    Parameters
    ----------
    sampled : Sampled
        The function.
    x, c : tuple
        Active and constant leaves; neither is ever changed.
    base : bool
        Whether the value at the point will be wanted; it is then evaluated along with the rest.
    factors : dict, optional
        Factors on the steps, by which lines they belong to, where they have been fitted to the function.

    Attributes
    ----------
    probes : list of (probe, points)
        Points to be evaluated along with the next ones; their values become ``probe.values``.
    """

    def __init__(
        self, sampled: Sampled, x: Leaves, c: Leaves, *, base: bool, factors: dict[str, Array] | None = None
    ) -> None:
        self.sampled = sampled
        self.x = tuple(np.array(a, dtype=d, order="C") for a, d in zip(x, sampled.dtypes, strict=True))
        # what lies otherwise in memory is given so: ``x.ravel("K")`` goes by it
        lie = [a if isinstance(a, np.ndarray) and not a.flags.c_contiguous else None for a in x]
        self.lie = lie if any(a is not None for a in lie) else None
        self.c = c
        self.wanted = base
        self.factors = factors
        self.probes: list[tuple[Any, list[Leaves]]] = []
        self._stops = Stops(lambda: sampled.problem.f(self._given([a.copy() for a in self.x]), c))
        self._base: tuple[Leaves, Leaves, Array] | None = None
        self._specs: list[ArraySpec] | None = None

    # -- the point itself -----------------------------------------------------------------------

    @property
    def base(self) -> Array:
        """The value at the point, all output leaves in one row."""
        return self._at_point()[2]

    @property
    def y(self) -> Leaves:
        """The value at the point."""
        return self._at_point()[0]

    @property
    def aux(self) -> Leaves:
        """What the function returned beside its value at the point."""
        return self._at_point()[1]

    def _at_point(self) -> tuple[Leaves, Leaves, Array]:
        if self._base is None:
            self.wanted = True
            self.sample(())
        assert self._base is not None
        return self._base

    @property
    def specs(self) -> list[ArraySpec]:
        """Specs of the output leaves as they came."""
        if self._specs is None:
            self._at_point()
        assert self._specs is not None
        return self._specs

    @property
    def outputs(self) -> int | None:
        """Number of output entries, or None before anything was evaluated."""
        return None if self._specs is None else sum(spec.size for spec in self._specs)

    # -- evaluation -----------------------------------------------------------------------------

    def moved(self, shifts: Sequence[tuple[Lines, int, Any]], *, imaginary: bool = False) -> Leaves:
        """New arrays: the point moved along lines; the first along ``1j`` where ``imaginary``."""
        leaves = [a.astype(np.result_type(a, 1j)) if imaginary else a.copy() for a in self.x]
        for k, (lines, line, distance) in enumerate(shifts):
            lines.shift(leaves, line, 1j * distance if imaginary and k == 0 else distance)
        return self._given(leaves)

    def combined(self, moves: Sequence[tuple[Lines, Array]], *, imaginary: bool = False) -> Leaves:
        """New arrays: the point moved along all lines at once, by a distance along each."""
        leaves = [a.astype(np.result_type(a, 1j)) if imaginary else a.copy() for a in self.x]
        for lines, distances in moves:
            lines.shift_all(leaves, distances)
        return self._given(leaves)

    def _given(self, leaves: Sequence[Array]) -> Leaves:
        if self.lie is not None:
            leaves = [a if b is None else _lying(a, b) for a, b in zip(leaves, self.lie, strict=True)]
        if not self.sampled.has_scalars:
            return tuple(leaves)
        return tuple([a[()] if s else a for a, s in zip(leaves, self.sampled.scalars, strict=True)])

    def sample(self, points: Iterable[Leaves]) -> Array:
        """Values at the points, ``(points, outputs)``, in float64 or complex128 or wider.

        Raises
        ------
        Coarser
            If the function computes with fewer digits than the steps were chosen for.
        """
        first = self.wanted and self._base is None
        if first:
            points = itertools.chain((self._given([a.copy() for a in self.x]),), points)
        probes, self.probes = self.probes, []
        count = sum(len(moved) for _, moved in probes)
        points = itertools.chain(points, *(moved for _, moved in probes))
        rows: list[Any] = []
        for y, aux in self.sampled.evaluate(points, self.c, self._stops):
            if self._specs is None:
                self._learn(y)
            row = y[0] if len(y) == 1 else np.concatenate([np.ravel(a) for a in y])
            if first:
                self._base = (y, aux, np.ravel(row).astype(wide(row.dtype)))
                first = False
            else:
                rows.append(row)
        values = self._stacked(rows)
        if not self.sampled.proved:
            self._prove(values)
        values, probed = values[: len(values) - count], values[len(values) - count :]
        for probe, moved in probes:
            probe.values, probed = probed[: len(moved)], probed[len(moved) :]
        return values

    def _stacked(self, rows: list[Any]) -> Array:
        if not rows:
            count = sum(spec.size for spec in self.specs)
            return np.zeros((0, count), dtype=np.result_type(np.float64, *(s.dtype for s in self.specs)))
        try:
            values = np.array(rows)
        except ValueError:
            shapes = sorted({np.shape(row) for row in rows})
            raise OutputTypeError(
                f"the function returned shapes {' and '.join(map(str, shapes))} at points beside each "
                "other: its output must always have the same shape"
            ) from None
        return values.reshape(len(rows), -1).astype(wide(values.dtype), copy=False)

    def _learn(self, y: Leaves) -> None:
        """Shapes and dtypes of the output, and the digits that its dtype can hold."""
        self._specs = [ArraySpec(np.shape(a), a.dtype) for a in y]
        eps = max(float(np.finfo(spec.dtype).eps) for spec in self._specs)
        if eps > self.sampled.eps:
            narrow = {str(s.dtype) for s in self._specs if float(np.finfo(s.dtype).eps) == eps}
            self.sampled.warn(f"returns {' and '.join(sorted(narrow))}", eps)

    def _prove(self, values: Array) -> None:
        """See a value that float32 cannot hold, or find out whether float32 is hidden inside.

        A float64 computation gives such a value at once, with a chance of ``2**-29`` against it.
        Where none is seen one more point is tried, at which all digits of the input are filled: if
        the value moves there and still fits in float32, then it was computed in float32. Small whole
        numbers are taken for counts, whose derivative is zero, and not for float32.
        """
        if any(not _fits(row, np.float32) for row in values):
            self.sampled.proved = True
            return
        if not len(values) or not values.shape[1] or not np.isfinite(values).all():
            return
        kind = np.float16 if _fits(values, np.float16) else np.float32
        unit = 100 * float(np.finfo(kind).eps)
        random = np.random.default_rng(20261121)
        beside = [a + unit * np.maximum(1, abs(a)) * random.uniform(0.5, 1, a.shape) for a in self.x]
        given = [np.asarray(a, d) for a, d in zip(beside, self.sampled.dtypes, strict=True)]
        ((y, _),) = self.sampled.evaluate([self._given(given)], self.c, self._stops)
        probe = np.concatenate([np.ravel(a) for a in y])
        if not _fits(probe, np.float32):
            self.sampled.proved = True
            return
        constant = np.any(np.all(values == probe, axis=1))
        counts = np.all((probe == np.round(probe)) & (abs(probe) < 1024))
        if not constant and not counts:
            kind = np.float16 if _fits(probe, np.float16) else np.float32
            name = np.dtype(kind).name
            self.sampled.warn(f"returns values with no more digits than {name}", float(np.finfo(kind).eps))


def _fits(row: Array, real: Any) -> bool:
    """Whether the real parts of all values are representable in a narrower dtype."""
    row = np.real(row)
    heard = get_state()
    try:
        set_state(SILENT)
        return bool(np.all((row == row.astype(real)) | np.isnan(row)))
    finally:
        set_state(heard)
