"""What is colored: vertices and the lines (rows of a matrix, edges of a graph) that they share."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.types import Array
from polyad.sparse.coloring.compiled import run
from polyad.sparse.coloring.kernels import BITS, acyclic, distance2, few, star
from polyad.sparse.coloring.orders import dynamic, saturation

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern

__all__ = ["Adjacency", "Incidence", "frozen"]

MODES = {"smallest_last": 1, "dynamic_largest_first": 2, "incidence_degree": 3}
# steps up to which degrees come from a product of patterns
PRODUCT = 2e7
# the memory that DSATUR and dense lines may take, in bytes
ROOM = 2**28


def frozen(array: Array, dtype: Any = None) -> Array:
    """A read-only view: compiled loops know one type for each array, and write to none of these."""
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


class Incidence:
    """Vertices and lines: two vertices that share a line must not share a color (partial distance two).

    Parameters
    ----------
    vertices : Pattern
        The lines of each vertex.
    lines : Pattern
        The vertices of each line.
    """

    def __init__(self, vertices: Pattern, lines: Pattern) -> None:
        self.count = vertices.shape[0]
        self.ptr, self.idx = frozen(vertices.indptr, np.int64), vertices.indices
        self.eptr, self.eidx = frozen(lines.indptr, np.int64), lines.indices
        sizes = np.diff(self.eptr)
        self.sizes = sizes
        self.work = float(sizes @ sizes) + self.count
        self.bound = int(sizes.max(initial=0))
        self.natural = np.flatnonzero(np.diff(self.ptr)).astype(np.int32)

    def array(self, value: int = -1, size: int | None = None) -> Array:
        """Working memory: a number for each vertex."""
        return np.full(self.count if size is None else size, value, dtype=np.int32)

    @functools.cached_property
    def _dense(self) -> tuple[Array, int]:
        """Which lines are dense, and the steps that are left without looking through them."""
        nnz = len(self.idx)
        many = max(64.0, 8 * nnz**0.5, nnz * self.count / ROOM)
        dense = np.flatnonzero(self.sizes > many)
        slot = np.full(len(self.sizes), -1, dtype=np.int32)
        slot[dense] = np.arange(len(dense))
        slot.flags.writeable = False
        return slot, len(dense)

    def greedy(self, order: Array) -> tuple[Array, int]:
        """Each vertex in turn gets the first color that no neighbor has."""
        if self.bound <= 1:  # no two vertices share a line
            colors = self.array()
            colors[order] = 0
            return colors, min(1, len(order))
        if self.bound <= BITS:
            bits, taken = (np.zeros(n, dtype=np.int64) for n in (self.count, len(self.sizes)))
            work = 2.0 * len(self.idx)
            found = run(few, work, self.ptr, self.idx, frozen(order, np.int32), bits, taken)
            if found >= 0:
                # the exponents: -1 where there is no bit
                return np.frexp(bits.astype(float))[1] - np.int32(1), found.bit_length()
        slot, dense = self._dense
        colors, mark = self.array(), self.array()
        used = np.zeros(dense * self.count, dtype=np.int8)
        free = np.zeros(dense, dtype=np.int32)
        graph = self.ptr, self.idx, self.eptr, self.eidx
        found = run(distance2, self.work, *graph, frozen(order, np.int32), colors, mark, slot, used, free)
        return colors, found

    @functools.cached_property
    def _largest_first(self) -> Array:
        """The vertices by how many others each one shares a line with."""
        degree = self._degrees()[self.natural]
        return self.natural[np.argsort(-degree, kind="stable")]

    def _degrees(self) -> Array:
        """How many others each vertex shares a line with."""
        if self.work > PRODUCT:
            return self._dynamic(0)[0]
        import scipy.sparse

        # a product of patterns by SciPy is quicker than the loop without numba, and takes more memory
        shape = (self.count, len(self.sizes))
        one = scipy.sparse.csr_array((np.ones(len(self.idx), bool), self.idx, self.ptr), shape=shape)
        two = scipy.sparse.csr_array((np.ones(len(self.eidx), bool), self.eidx, self.eptr), shape=shape[::-1])
        found: Array = np.diff((one @ two).indptr) - (np.diff(self.ptr) > 0)
        return found

    @functools.cached_property
    def largest_first(self) -> tuple[Array, int]:
        """The greedy coloring in that order, which is a measure for others."""
        return self.greedy(self._largest_first)

    def _dynamic(self, mode: int) -> tuple[Array, Array]:
        degree, order = self.array(0), self.array(0)
        rest = self.array(), self.array(), self.array(size=self.count + 1), self.array(), self.array()
        run(dynamic, 2 * self.work, self.ptr, self.idx, self.eptr, self.eidx, mode, degree, order, *rest)
        return degree, order

    def order(self, name: str, seed: int = 0) -> Array:
        """The vertices that have lines, in the order of that name."""
        if name == "natural":
            return self.natural
        if name == "random":
            return np.random.default_rng(seed).permutation(self.natural)
        if name == "largest_first":
            return self._largest_first
        order = self._dynamic(MODES[name])[1]
        return order[np.diff(self.ptr)[order] > 0]

    def saturated(self, cap: int) -> tuple[Array, int] | None:
        """DSATUR with at most so many colors; None if they do not do, or it would take too much memory."""
        if cap * self.count > ROOM:
            return None
        rank, colors = self.order("largest_first"), self.array()
        seen = np.zeros(cap * self.count, dtype=np.int8)
        rest = self.array(), self.array(size=cap + 2), self.array(), self.array()
        graph = self.ptr, self.idx, self.eptr, self.eidx
        found = run(saturation, 3 * self.work, *graph, frozen(rank, np.int32), cap, colors, seen, *rest)
        return None if found < 0 else (colors, found)


@dataclasses.dataclass(frozen=True, eq=False)
class Adjacency:
    """A graph: the neighbors of each vertex, and the number of the edge to each of them."""

    ptr: Array
    idx: Array
    edge: Array
    edges: int

    @classmethod
    def of(cls, pattern: Pattern, keep: Array | None = None) -> Adjacency:
        """The graph of a symmetric pattern without its diagonal, on the vertices to keep."""
        n = pattern.shape[0]
        rows, columns = pattern.row_ids(), pattern.indices
        wanted = rows != columns
        if keep is not None:
            wanted &= keep[rows] & keep[columns]
        if not wanted.all():
            rows, columns = rows[wanted], columns[wanted]
        ptr = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.bincount(rows, minlength=n), out=ptr[1:])
        upper = rows < columns
        edge = np.empty(len(rows), dtype=np.int32)
        edges = len(rows) // 2
        edge[upper] = np.arange(edges, dtype=np.int32)
        # the entries below the diagonal in the order of columns are those above in the order of rows
        lower = np.flatnonzero(~upper)
        edge[lower[np.argsort(columns[lower], kind="stable")]] = np.arange(edges, dtype=np.int32)
        return cls(frozen(ptr), frozen(columns), frozen(edge), edges)

    @property
    def count(self) -> int:
        """How many vertices there are."""
        return len(self.ptr) - 1

    @functools.cached_property
    def work(self) -> float:
        """About how many steps a coloring takes."""
        degree = np.diff(self.ptr)
        return float(degree @ degree) + self.count

    def incidence(self) -> Incidence:
        """The graph with its edges as lines of two vertices, for the orders."""
        from polyad.sparse.pattern import Pattern

        vertices = Pattern.trusted((self.count, self.edges), self.ptr, self.edge)
        ends = np.empty((self.edges, 2), dtype=self.idx.dtype)
        rows = np.repeat(np.arange(self.count, dtype=self.idx.dtype), np.diff(self.ptr))
        upper = rows < self.idx
        ends[self.edge[upper], 0], ends[self.edge[upper], 1] = rows[upper], self.idx[upper]
        starts = np.arange(0, 2 * self.edges + 1, 2)
        return Incidence(vertices, Pattern.trusted((self.edges, self.count), starts, ends.reshape(-1)))

    def array(self, value: int = -1, size: int | None = None) -> Array:
        """Working memory: a number for each vertex."""
        return np.full(self.count if size is None else size, value, dtype=np.int32)

    def star(self, order: Array) -> tuple[Array, int]:
        """A greedy star coloring of the vertices in an order."""
        colors = self.array()
        if not self.edges:
            colors[order] = 0
            return colors, min(1, len(order))
        five = [self.array() for _ in range(5)]
        stars = self.array(0, self.edges), self.array(-1, self.edges)
        graph = self.ptr, self.idx, self.edge, frozen(order, np.int32)
        return colors, run(star, 2 * self.work, *graph, colors, *five, *stars)

    def acyclic(self, order: Array) -> tuple[Array, int]:
        """A greedy acyclic coloring of the vertices in an order."""
        colors = self.array()
        if not self.edges:
            colors[order] = 0
            return colors, min(1, len(order))
        three = [self.array() for _ in range(3)]
        forest = np.arange(self.edges, dtype=np.int32), self.array(-1, self.edges), self.array(-1, self.edges)
        graph = self.ptr, self.idx, self.edge, frozen(order, np.int32)
        return colors, run(acyclic, 4 * self.work, *graph, colors, *three, *forest)
