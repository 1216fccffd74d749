"""Differences along groups of entries that no output depends on together: compressed sparse Jacobians.

Each entry of a group moves by its own step, so that a difference is as accurate as those of single entries,
however different their scales; the quotients are in units of the steps, which each column is freed of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.systems.contract import Compression, Leaves
from polyad.systems.finite.kernels import Run
from polyad.systems.finite.lines import Coordinates, Lines
from polyad.systems.finite.sampling import Point

__all__ = ["Groups", "hessian_entries", "jacobian_entries"]

Array = np.ndarray[Any, Any]


class Groups(Lines):
    """One line per group, along which each of its entries moves by its own step.

    Parameters
    ----------
    point : Point
        Where.
    step : callable
        From an array of leaf values to the array of steps.
    groups : array of int
        The group of each entry of all leaves in a row; -1 for those of none.
    count : int
        Number of groups.
    round : bool
        Whether steps become powers of two, which hardly an entry rounds when it is moved.

    Attributes
    ----------
    units : array
        The step of each entry.
    """

    def __init__(
        self,
        point: Point,
        step: Callable[[Array], Array],
        groups: Array,
        count: int,
        *,
        round: bool,
    ) -> None:
        at = np.concatenate([np.real(a).reshape(-1) for a in point.x])
        units = np.concatenate([np.reshape(step(a), -1) for a in point.x])
        self._sizes = [a.size for a in point.x]
        # of what is not finite there is no step, and the function may as well see that
        if round:
            units = np.where(np.isfinite(units) & (units > 0), 2.0 ** np.floor(np.log2(units)), units)
        self.units = units.astype(at.dtype)
        self._groups = groups
        self._order = np.argsort(groups, kind="stable")
        self._starts = np.searchsorted(groups[self._order], np.arange(count + 1))
        heard = get_state()
        try:
            set_state(SILENT)
            sizes = abs(at) / self.units
        finally:
            set_state(heard)
        self.spread, self.resolution = np.zeros(count), np.full(count, np.inf)
        moving = groups >= 0
        np.maximum.at(self.spread, groups[moving], sizes[moving])
        np.minimum.at(self.resolution, groups[moving], sizes[moving])
        self._lost = np.zeros(count, dtype=bool)
        np.logical_or.at(self._lost, groups[moving], (at + self.units == at)[moving])
        self.steps = np.ones(count)

    def displacements(self, which: Array, offsets: tuple[int, ...], scale: float) -> Array:
        return np.multiply.outer(self.steps[which] * scale, np.asarray(offsets, dtype=float))

    def vanishing(self) -> Array:
        return self._lost

    def shift(self, leaves: list[Array], line: int, distance: Any) -> None:
        members = self._order[self._starts[line] : self._starts[line + 1]]
        self._move(leaves, members, distance * self.units[members])

    def shift_all(self, leaves: list[Array], distances: Array) -> None:
        members = np.flatnonzero(self._groups >= 0)
        self._move(leaves, members, distances[self._groups[members]] * self.units[members])

    def _move(self, leaves: list[Array], members: Array, by: Array) -> None:
        if len(leaves) == 1:
            leaves[0].reshape(-1)[members] += by
            return
        start = 0
        for leaf, size in zip(leaves, self._sizes, strict=True):
            mine = (members >= start) & (members < start + size)
            leaf.reshape(-1)[members[mine] - start] += by[mine]
            start += size

    def name(self, line: int) -> str:
        members = self._order[self._starts[line] : self._starts[line + 1]]
        shown = ", ".join(str(int(k)) for k in members[:3]) + ", ..." * (len(members) > 3)
        return f"input entries {shown} of all in a row, which share no output entry"


def jacobian_entries(run: Run, point: Point, plan: Compression) -> Leaves:
    """The entries of the Jacobian in the order of the pattern."""
    kind = np.result_type(*run.dtypes(point), *(spec.dtype for spec in run.problem.inputs))
    if not plan.pushes:
        return (np.zeros(0, dtype=kind),)
    rounded = run.backend.step is None and run.backend.scheme != "complex"
    lines = Groups(point, run.step(), plan.column_groups, plan.pushes, round=rounded)
    group = plan.column_groups[plan.columns]
    data: Array | None = None
    for where, block in run.solve(run.first(point, lines), point):
        if data is None:
            data = np.empty(len(plan.rows), dtype=np.result_type(block.dtype, kind))
        mine = np.flatnonzero((group >= where.start) & (group < where.stop))
        data[mine] = block[group[mine] - where.start, plan.rows[mine]] / lines.units[plan.columns[mine]]
    assert data is not None
    if data.dtype.kind == "c" and np.dtype(kind).kind != "c":
        data = data.real
    return (data.astype(kind, copy=False),)


def hessian_entries(run: Run, point: Point, plan: Compression) -> Leaves:
    """The entries of the Hessian: those of one triangle are computed."""
    kind = np.result_type(*(spec.dtype for spec in run.problem.inputs))
    upper = np.flatnonzero(plan.rows <= plan.columns)
    data = np.zeros(len(plan.rows))
    if upper.size:
        lines = Coordinates(point, run.step(second=True, real=True))
        pairs = np.stack([plan.rows[upper], plan.columns[upper]], axis=1)
        for where, block in run.solve(run.pairs(point, lines, lines, pairs), point):
            data[upper[where]] = block[:, 0].real
        # the entry below the diagonal is that above it, which stands first in the order of the columns
        mirror = np.lexsort((plan.rows, plan.columns))
        lower = plan.rows > plan.columns
        data[lower] = data[mirror][lower]
    return (data.astype(kind, copy=False),)
