"""Patterns from numbers, where the function cannot be followed: dense derivatives, and probing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from polyad.arrays.libraries import library
from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.errors import ArgumentError, UnsupportedOperatorError
from polyad.sparse.detection.tracing import size
from polyad.sparse.pattern import Pattern
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem

__all__ = ["DenseDetector", "ProbingDetector"]


@dataclasses.dataclass(frozen=True)
class _Numeric:
    backend: Backend | None = dataclasses.field(default=None, kw_only=True)

    # whether the pattern is that of some points, not of the function
    of_points: ClassVar[bool] = True

    def bound(self, backend: Backend) -> Any:
        """The same for a backend."""
        return dataclasses.replace(self, backend=backend)

    def _backend(self) -> Backend:
        if self.backend is None:
            raise ArgumentError("this detector must know who differentiates: detector.bound(backend)")
        return self.backend

    def _numbers(self, leaves: Leaves) -> list[np.ndarray]:
        owner = library(self._backend().library)
        return [np.array(owner.to_numpy(leaf)) for leaf in leaves]


@dataclasses.dataclass(frozen=True)
class DenseDetector(_Numeric):
    """The entries that are larger than a threshold in dense derivatives at several points.

    For small problems, and as a check of others. An entry that is zero at every one of these points is
    missed: the pattern is that of the points, not of the function.

    Parameters
    ----------
    points : int
        The given point, and so many less one around it.
    threshold : float
        An entry counts if it is larger than this.
    scale : float
        How far away the others are, relative to the size of each number (and absolutely, for small ones).
    seed : int
        Of the random numbers.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.jacobian_sparsity(lambda x: x[1:] * x[:-1], np.ones(4), detector=ad.sparse.DenseDetector())
    <Pattern of shape (3, 4), 6 entries, 50 %>
    """

    points: int = 3
    threshold: float = 0.0
    scale: float = 1.0
    seed: int = 20261130

    def __post_init__(self) -> None:
        if type(self.points) is not int or self.points < 1:
            raise ArgumentError(f"points is a positive number of points, not {self.points!r}")

    def jacobian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern of the Jacobian."""
        return self._found(problem, self._backend().jacobian(problem), size(problem.outputs))

    def hessian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern of the Hessian."""
        return self._found(problem, self._backend().hessian(problem), size(problem.inputs))

    def _found(self, problem: Problem, kernel: Kernel | Callable[..., Any], rows: int) -> Pattern:
        backend, columns = self._backend(), size(problem.inputs)
        run = backend.finish(kernel, problem, (), prepared=self.points > 1).result  # type: ignore[arg-type]
        random = np.random.default_rng(self.seed)
        owner = library(backend.library)
        known = np.zeros((rows, columns), dtype=bool)
        for k in range(self.points):
            x = problem.x
            if k:
                x = tuple(owner.from_numpy(self._moved(a, random)) for a in self._numbers(problem.x))
            blocks = self._numbers(run(x, problem.c))
            known |= self._matrix(blocks, problem, columns)
        return Pattern.from_scipy(scipy.sparse.csr_array(known))

    def _moved(self, a: np.ndarray, random: np.random.Generator) -> np.ndarray:
        step = random.standard_normal(a.shape)
        if a.dtype.kind == "c":
            step = step + 1j * random.standard_normal(a.shape)
        return (a + self.scale * (0.1 + 0.5 * np.abs(a)) * step).astype(a.dtype)

    def _matrix(self, blocks: list[np.ndarray], problem: Problem, columns: int) -> np.ndarray:
        """The blocks, row by row, as one matrix of what counts."""
        widths = [spec.size for spec in problem.inputs]
        lines = []
        for k in range(0, len(blocks), len(widths)):
            row = [b.reshape(-1, n) for b, n in zip(blocks[k : k + len(widths)], widths, strict=True)]
            lines.append(np.concatenate(row, axis=1))
        whole = np.concatenate(lines).reshape(-1, columns)
        return ~(np.abs(whole) <= self.threshold)  # what is no number counts


@dataclasses.dataclass(frozen=True)
class ProbingDetector(_Numeric):
    """What becomes NaN when an input does: the last resort, for a function that nobody can look into.

    The function is called once for every input entry, on plain arrays. The pattern is that at the point: a
    branch that is not taken there is not seen. What only rounds or compares lets no NaN pass, or marks an
    entry that is zero.

    Examples
    --------
    >>> import numpy as np, polyad as ad
    >>> ad.jacobian_sparsity(lambda x: x[1:] * x[:-1], np.ones(4), detector=ad.sparse.ProbingDetector())
    <Pattern of shape (3, 4), 6 entries, 50 %>
    """

    def jacobian_sparsity(self, problem: Problem) -> Pattern:
        """The pattern of the Jacobian."""
        backend = self._backend()
        owner = library(backend.library)
        run = backend.finish(backend.value(problem), problem, (), prepared=True).result
        leaves = self._numbers(problem.x)
        rows, columns, start = [], [], 0
        count = size(problem.outputs)
        for k, leaf in enumerate(leaves):
            for place in range(leaf.size):
                moved = [a.copy() for a in leaves]
                moved[k].reshape(-1)[place] = np.nan
                heard = get_state()
                try:
                    set_state(SILENT)
                    y = self._numbers(run(tuple(map(owner.from_numpy, moved)), problem.c))
                finally:
                    set_state(heard)
                found = np.flatnonzero(np.concatenate([np.isnan(a).reshape(-1) for a in y]))
                rows.append(found)
                columns.append(np.full(found.size, start + place))
            start += leaf.size
        return Pattern.from_coordinates(
            (count, start),
            np.concatenate([np.zeros(0, int), *rows]),
            np.concatenate([np.zeros(0, int), *columns]),
        )

    def hessian_sparsity(self, problem: Problem) -> Pattern:
        """Refused: of second derivatives a NaN tells nothing."""
        raise UnsupportedOperatorError(
            "probing finds patterns of Jacobians only: use DenseDetector(), or KnownPattern(S)"
        )
