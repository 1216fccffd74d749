"""A NumPy function taken apart into what selects numbers of its input and what computes with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine import run
from polyad.engine.patterns import selecting
from polyad.systems.contract import Leaves, Problem, Selection
from polyad.systems.derive.sparsity import jacobian_sets

__all__ = ["folded", "selection"]


def selection(problem: Problem, most: int) -> Selection | None:
    """What a function selects first, and the rest; None where it gathers nothing, or too much.

    Parameters
    ----------
    problem : Problem
        The function.
    most : int
        More numbers than these are not selected.
    """
    x = problem.x
    if not all(type(leaf) is np.ndarray and leaf.dtype.kind == "f" and leaf.shape for leaf in x):
        return None
    if problem.f(x, problem.c)[1]:
        return None
    path = selecting.found(problem.f, x, problem.c)
    if path is None or sum(p.size for p in path.positions) > most:
        return None
    # the longest axis of many small rows goes last, so that NumPy's loops are long
    places = [np.ascontiguousarray(p.T) for p in path.positions]
    parts = _Places(x, places)
    known = problem.outputs

    def rest(z: Leaves, c: Leaves) -> Any:
        return selecting.followed(problem.f, x, c, path, z)

    of_parts = Problem(rest, parts.select(x, problem.c), problem.c, lambda _: known, problem.label)
    sets = jacobian_sets(of_parts, local=False)
    sources = np.concatenate([p.reshape(-1) for p in places])
    return Selection(parts.select, of_parts, sources, *sets.csr(), otherwise=(selecting.Elsewhere,))


class _Places:
    """Where each number that is selected stands in the leaves."""

    def __init__(self, x: Leaves, places: list[np.ndarray]) -> None:
        ends = np.cumsum([leaf.size for leaf in x])
        self.parts = []
        for p in places:
            k = int(np.searchsorted(ends, p.reshape(-1)[:1], side="right")[0]) if p.size else 0
            start = int(ends[k] - x[k].size)
            whole = p.ndim == 1 and p.size == x[k].size and np.array_equal(p, np.arange(start, ends[k]))
            self.parts.append((k, None if whole else p - start))

    def select(self, x: Leaves, c: Leaves) -> Leaves:
        """What is selected of an input, each array with its axes the other way round."""
        return tuple(_taken(x[k], p) for k, p in self.parts)


def _taken(leaf: Any, places: np.ndarray | None) -> Any:
    if type(leaf) is np.ndarray:
        flat = leaf.reshape(-1)
        return flat if places is None else np.take(flat, places)
    flat = run.boxed(leaf).reshape(-1)
    return flat if places is None else flat[places]


def folded(a: Any, places: Any) -> Any:
    """A vector whose last entries are added to those at places."""
    count = len(a) - len(places)
    if type(a) is np.ndarray:
        whole = a[:count].copy()
        np.add.at(whole, places, a[count:])
        return whole
    whole = run.boxed(a)
    return whole[:count] + _scattered(whole[count:], places, count)


def _scattered(a: Any, places: Any, count: int) -> Any:
    from polyad.engine.rules.structure import scatter

    return run.boxed(scatter(run.enter(a), index=places, shape=(count,)))
