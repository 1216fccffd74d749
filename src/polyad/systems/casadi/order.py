"""Orders and places that depend on values, on CasADi's symbols: by comparing everything with everything.

A graph cannot branch, so the place of an entry is a count of comparisons, and what stands at a place is
chosen among all candidates. That is quadratic, and meant for the few entries of a median, an interpolation
or an ``argmax`` in a model; more is refused. Places are constant in pieces; entries keep their derivatives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import keys_of
from polyad.systems.casadi.arrays import Arrays
from polyad.systems.casadi.forms import Forms
from polyad.systems.casadi.symbolic import Symbolic, positions

__all__ = ["Orders"]

# comparisons of one operation that a graph may have
COMPARISONS = 100_000


class Orders(Arrays):
    """Sorting, searching, and indexing by what they find."""

    def _compared(self, count: int, what: str) -> None:
        if count > COMPARISONS:
            raise refuse(
                f"{what} that depends on values takes {count} comparisons in a graph of casadi",
                "use backend='numpy'",
            )

    def _beaten(self, x: Symbolic, axis: int, first: str) -> tuple[Any, Symbolic]:
        """For every entry how many of its lane come before it, as a matrix with a column for each lane."""
        import casadi

        moved, n, _, _ = self._sides(x, axis, True)
        lanes = x.size // max(n, 1)
        self._compared(x.size * n, "an order")
        grid = positions((lanes, n))
        a = moved.take(np.repeat(grid.ravel(), n)).column
        b = moved.take(np.repeat(grid, n, axis=0).ravel()).column
        none, other = Forms.isnan(a), Forms.isnan(b)
        ahead = {"low": casadi.lt, "lowest": casadi.lt, "highest": casadi.gt}[first](b, a)
        # NumPy sorts what is no number to the end, and takes it for the extremum
        extreme = (none, other) if first == "low" else (other, none)
        ahead = casadi.logic_or(ahead, casadi.logic_and(extreme[0], casadi.logic_not(extreme[1])))
        same = casadi.logic_or(casadi.eq(a, b), casadi.logic_and(none, other))
        earlier = casadi.DM(np.tile(np.tri(n, k=-1).ravel(), lanes))
        beaten = casadi.reshape(ahead + casadi.if_else(earlier, same, 0.0), n, x.size)
        return casadi.reshape(casadi.sum1(beaten), n, lanes), moved

    def own_argsort(self, x: Any, axis: int, kind: Any) -> Symbolic:
        import casadi

        if kind not in ("stable", "mergesort") and x.size > 1:
            raise refuse(
                "np.argsort in casadi: NumPy's default algorithm leaves the order of equal entries to chance",
                'use np.argsort(x, kind="stable")',
            )
        axis %= max(len(x.shape), 1)
        if x.size == 0:
            return self.own_zeros(x.typed(np.int64), x.shape)
        place, moved = self._beaten(x, axis, "low")
        rows = []
        index = casadi.DM(np.arange(place.shape[0]))
        for k in range(place.shape[0]):
            rows.append(casadi.mtimes(index.T, casadi.eq(place, float(k))))
        order = Symbolic(casadi.vec(casadi.vertcat(*rows)), moved.shape, np.int64)
        lead = [k for k in range(len(x.shape)) if k != axis]
        return self.own_transpose(order, tuple(int(k) for k in np.argsort([*lead, axis])))

    def own_argpartition(self, x: Any, kth: Any, axis: int) -> Symbolic:
        raise refuse(
            "np.partition in casadi: NumPy leaves the order within each part to chance",
            "use np.sort, or np.argsort(x, kind='stable')",
        )

    def may_repeat(self, shape: tuple[int, ...], index: Any, plain: bool) -> bool:
        """Such an assignment is refused anyway."""
        return False

    def own_argmax(self, x: Any, axis: Any, keepdims: bool) -> Symbolic:
        return self._extreme_place(x, axis, keepdims, "highest")

    def own_argmin(self, x: Any, axis: Any, keepdims: bool) -> Symbolic:
        return self._extreme_place(x, axis, keepdims, "lowest")

    def _extreme_place(self, x: Symbolic, axis: Any, keepdims: bool, first: str) -> Symbolic:
        import casadi

        _, count, shape, _ = self._sides(x, axis, keepdims)
        if count == 0:
            raise ValueError("attempt to get the place of an extremum of an empty sequence")
        flat = x.reshaped((x.size,)) if axis is None else x
        place, _ = self._beaten(flat, 0 if axis is None else axis, first)
        index = casadi.DM(np.arange(count))
        return Symbolic(casadi.vec(casadi.mtimes(index.T, casadi.eq(place, 0.0))), shape, np.int64)

    def own_searchsorted(self, nodes: Any, points: Any, side: str) -> Symbolic:
        import casadi

        nodes, points = self._beside(nodes, points)
        if nodes.size * points.size == 0:
            return self.own_zeros(points.typed(np.int64), points.shape)
        self._compared(nodes.size * points.size, "a search")
        among = casadi.repmat(nodes.column, 1, points.size)
        sought = casadi.repmat(points.column.T, nodes.size, 1)
        before = (casadi.lt if side == "left" else casadi.le)(among, sought)
        before = casadi.logic_or(before, Forms.isnan(sought))  # which NumPy puts at the end
        return Symbolic(casadi.sum1(before).T, points.shape, np.int64)

    # -- indexing ---------------------------------------------------------------------------------------

    def own_getitem(self, x: Any, index: Any) -> Symbolic:
        parts = keys_of(index)
        unknown = [k for k, part in enumerate(parts) if isinstance(part, Symbolic)]
        if not unknown:
            return super().own_getitem(x, index)
        plain = all(not _is_mask(part) for part in parts)
        if len(unknown) > 1 or not plain or any(part is None for part in parts):
            return super().own_getitem(x, self._known(index))
        return self._chosen(x, parts, unknown[0])

    def _chosen(self, x: Symbolic, parts: tuple[Any, ...], k: int) -> Symbolic:
        """Indexing where one index is known by value only: among all that it may be."""
        import casadi

        index = parts[k]
        after = len(parts) - k - 1
        axis = len(x.shape) - 1 - after if any(part is Ellipsis for part in parts[:k]) else k
        n = x.shape[axis]

        def with_index(array: Any, part: Any) -> Any:
            return np.asarray(array[(*parts[:k], part, *parts[k + 1 :])])

        # which entry of the index each entry of the result takes
        entries = np.arange(index.size).reshape(index.shape)
        shape = (*x.shape[:axis], index.size, *x.shape[axis + 1 :])
        along = np.arange(index.size).reshape(-1, *(1,) * (len(x.shape) - axis - 1))
        which = with_index(np.broadcast_to(along, shape), entries)
        self._compared(n * which.size, "an index")
        if which.size == 0:
            return self.own_zeros(x, which.shape)
        grid = positions(x.shape)
        table = np.stack([with_index(grid, np.full(index.shape, j)).ravel() for j in range(n)], axis=-1)
        candidates = casadi.reshape(x.take(table.ravel()).column, n, which.size)
        wanted = index.take(which.ravel()).column.T
        wanted = casadi.repmat(casadi.if_else(casadi.lt(wanted, 0.0), wanted + n, wanted), n, 1)
        here = casadi.eq(wanted, casadi.DM(np.tile(np.arange(n)[:, None], which.size)))
        found = casadi.sum1(casadi.if_else(here, candidates, 0.0))
        # outside of the array there is nothing, which NumPy would raise an error for
        # (NaN as a factor of its own, since zero times NaN would be one where the index is right)
        inside = casadi.sum1(here)
        lost = casadi.if_else(inside, 0.0, casadi.sum1(candidates)) * casadi.if_else(inside, 1.0, math.nan)
        found = found + lost
        return x.like(found.T, which.shape)


def _is_mask(part: Any) -> bool:
    """Whether an index takes entries by truth values."""
    return isinstance(part, bool | np.bool_) or (hasattr(part, "dtype") and part.dtype.kind == "b")
