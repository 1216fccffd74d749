"""pygmo: a nonlinear program as a problem of its own, with sparse gradients and Hessians."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError
from polyad.solvers.nlp.program import Program
from polyad.solvers.packages.checks import program_of

__all__ = ["Problem"]


class Problem:
    """What ``pygmo.problem`` takes: ``pygmo.problem(Problem(p))``.

    Equations come first, then inequalities, each at most 0. Its gradients are the entries of the objective's
    and the constraints' in the order of the rows.

    Parameters
    ----------
    p : Program
        Of ``polyad.solvers.nlp``; all unknowns have finite bounds, which pygmo asks for.
    """

    def __init__(self, p: Program) -> None:
        p = program_of(p, "Problem")
        p.gradient(p.start)  # what cannot be differentiated is refused now
        if not (np.isfinite(p.lower).all() and np.isfinite(p.upper).all()):
            raise ArgumentError("pygmo searches within bounds: give every unknown a lower and an upper one")
        self._p = p
        same = p.constraint_lower == p.constraint_upper
        equal = np.flatnonzero(same)
        low = np.flatnonzero(~same & np.isfinite(p.constraint_lower))
        high = np.flatnonzero(~same & np.isfinite(p.constraint_upper))
        self._rows = np.concatenate([equal, low, high])
        self._signs = np.concatenate([np.ones(len(equal)), -np.ones(len(low)), np.ones(len(high))])
        self._shift = np.concatenate(
            [p.constraint_lower[equal], p.constraint_lower[low], p.constraint_upper[high]]
        )
        self._equal = len(equal)
        # which entries of the Jacobian, row by row
        pattern = p.jacobian_pattern
        starts = pattern.indptr
        runs = [np.arange(starts[k], starts[k + 1]) for k in self._rows]
        self._entries = np.concatenate([*runs, np.zeros(0, int)]).astype(int)
        self._factors = np.repeat(self._signs, [len(run) for run in runs])
        rows = np.repeat(np.arange(len(runs)) + 1, [len(run) for run in runs])
        first = np.stack([np.zeros(p.n, int), np.arange(p.n)], axis=1)
        rest = np.stack([rows, pattern.indices[self._entries]], axis=1)
        self._sparsity = np.concatenate([first, rest]).astype(np.int64)

    def fitness(self, x: Array) -> Array:
        """The objective, the equations, the inequalities."""
        values = self._signs * (self._p.constraints(x)[self._rows] - self._shift)
        return np.concatenate([[self._p.objective(x)], values])

    def gradient(self, x: Array) -> Array:
        """The entries of the gradients, in the order of ``gradient_sparsity``."""
        return np.concatenate([self._p.gradient(x), self._factors * self._p.jacobian(x)[self._entries]])

    def gradient_sparsity(self) -> list[tuple[int, int]]:
        """Function and unknown of each entry."""
        return [(int(i), int(j)) for i, j in self._sparsity]

    def hessians(self, x: Array) -> list[Array]:
        """The lower triangle of each function's Hessian, all on the structure of the Lagrangian's."""
        p, found = self._p, []
        found.append(p.hessian(x, np.zeros(p.m), 1.0))
        for row, sign in zip(self._rows, self._signs, strict=True):
            weights = np.zeros(p.m)
            weights[row] = sign
            found.append(p.hessian(x, weights, 0.0))
        return found

    def hessians_sparsity(self) -> list[list[tuple[int, int]]]:
        """Rows and columns of the entries, for each function."""
        rows, columns = self._p.hessianstructure()
        one = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True)]
        return [one] * (1 + len(self._rows))

    def get_bounds(self) -> tuple[Array, Array]:
        """The bounds of the unknowns."""
        return self._p.lower, self._p.upper

    def get_nec(self) -> int:
        """How many equations."""
        return self._equal

    def get_nic(self) -> int:
        """How many inequalities."""
        return len(self._rows) - self._equal

    def __getstate__(self) -> Any:
        return self.__dict__

    def __deepcopy__(self, memo: Any) -> Problem:
        return self  # pygmo copies a problem; this one never changes
