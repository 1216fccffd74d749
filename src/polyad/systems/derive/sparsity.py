"""Patterns of NumPy functions, for any backend: polyad's engine runs them or gradients on index sets."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.engine import run
from polyad.engine.core.values import Tracer
from polyad.engine.patterns.joining import joined
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.systems.contract import Leaves, Problem

__all__ = ["hessian_sets", "jacobian_sets"]


def jacobian_sets(problem: Problem, *, local: bool) -> IndexSets:
    """Of each output entry, which input entries its derivative depends on."""
    problem = _of_numpy(problem)
    x, c, columns = _entered(problem, local=local)
    with run.under_way():
        y, _ = problem.f(x, c)
        leaves = [run.outcome(leaf) for leaf in y]
        return _rows(leaves, columns)


def hessian_sets(problem: Problem, *, local: bool) -> IndexSets:
    """Of each entry of the gradient, which input entries it depends on."""
    problem = _of_numpy(problem)
    x, c, columns = _entered(problem, local=local)
    with run.under_way():
        recorded = run.record(problem.f, x, c)
        one = np.dtype(recorded.y[0].dtype).type(1.0)
        return _rows([run.outcome(leaf) for leaf in recorded.pull((one,))], columns)


def _of_numpy(problem: Problem) -> Problem:
    """The problem on NumPy's arrays, where it is one of another library's."""
    on_engine = getattr(problem.f, "on_engine", None)
    if on_engine is None:
        return problem
    x, c = (tuple(map(_as_numpy, leaves)) for leaves in (problem.x, problem.c))
    return dataclasses.replace(problem, f=on_engine(), x=x, c=c)


def _as_numpy(leaf: Any) -> Any:
    owner = library_of(leaf)
    return leaf if owner is None or owner.boxes or owner.is_traced(leaf) else owner.to_numpy(leaf)


def _entered(problem: Problem, *, local: bool) -> tuple[Leaves, Leaves, int]:
    """The leaves in boxes on which the analysis runs, and the number of columns."""
    columns = sum(int(np.size(leaf)) for leaf in problem.x)
    analysis = Analysis(columns, local=local)
    start, active = 0, []
    for leaf in problem.x:
        value = run.enter(leaf)
        active.append(run.lift("pattern", analysis.input(value, start)))
        start += int(np.size(value))
    constants = []
    for leaf in problem.c:
        if (
            isinstance(leaf, np.ndarray | np.generic | float | complex)
            and np.asarray(leaf).dtype.kind in "fc"
        ):
            # other numbers may come in its place; a whole number says which entries are meant
            constants.append(run.lift("pattern", analysis.input(run.enter(leaf), None)))
        else:
            constants.append(leaf)
    return tuple(active), tuple(constants), columns


def _rows(leaves: list[Any], columns: int) -> IndexSets:
    parts = []
    for leaf in leaves:
        array = leaf.array if isinstance(leaf, Tracer) else leaf  # type: ignore[attr-defined]
        if type(array) is Supported:
            parts.append(array.rows())
        else:
            parts.append(IndexSets.empty(int(np.size(array)), columns))
    return joined(parts) if len(parts) > 1 else parts[0]
