"""Colorings of columns and rows together: dense rows and columns apart, star and acyclic bicolorings."""

from __future__ import annotations

import dataclasses

import numpy as np

from polyad.arrays.types import Array
from polyad.sparse.coloring.graph import Adjacency, Incidence
from polyad.sparse.coloring.neutral import needed
from polyad.sparse.coloring.one_sided import best_of, one_sided
from polyad.sparse.coloring.symmetric import colored, compact, dense_vertices
from polyad.sparse.decompression import alone, equations
from polyad.sparse.pattern import Pattern

__all__ = ["Bicolored", "bidirectional"]

# a bicoloring is tried where it takes no more than so many steps for each entry
STEPS = 400.0
# with so few products nothing more is tried
ENOUGH = 3
AUTO = ("smallest_first", "largest_first", "random")


@dataclasses.dataclass(frozen=True, eq=False)
class Bicolored:
    """Colors of columns and rows, how many there are in all, and how they were found."""

    columns: Array
    rows: Array
    count: int
    method: str


def bidirectional(
    pattern: Pattern,
    orders: tuple[str, ...] | Array | None,
    seed: int,
    *,
    acyclic: bool,
) -> list[Bicolored]:
    """What was tried."""
    n = pattern.shape[1]
    if orders is not None:
        names = orders if isinstance(orders, tuple) else [orders]
        return [_bicolored(pattern, name, seed, acyclic=acyclic) for name in names]
    tried = []
    for columns, rows in _peelings(pattern):
        rest = _without(pattern, columns, rows)
        for by_columns in (True, False):
            tried.append(_peeled(pattern, rest, columns, rows, by_columns=by_columns, seed=seed))
            if tried[-1].count <= (ENOUGH if len(columns) and len(rows) else 1):
                return tried
        if min(t.count for t in tried) <= ENOUGH:
            return tried
        degrees = np.diff(rest.indptr), np.bincount(rest.indices, minlength=n)
        work = sum(float(d @ d.astype(float)) for d in degrees)
        if rest.nnz and work <= STEPS * rest.nnz:
            for name in AUTO:
                tried.append(_bicolored(pattern, name, seed, acyclic=acyclic, peeled=(columns, rows)))
    return tried


def _peelings(pattern: Pattern) -> list[tuple[Array, Array]]:
    """Which columns and rows get a product of their own: none, or the dense ones."""
    m, n = pattern.shape
    none = np.zeros(0, dtype=np.intp)
    rows = dense_vertices(np.diff(pattern.indptr))
    columns = dense_vertices(np.bincount(pattern.indices, minlength=n))
    found = [(none, none)]
    if len(rows) or len(columns):
        # with dense ones of both kinds, neither kind of product does without the other
        both = len(rows) > 0 and len(columns) > 0
        found = (
            [(columns, rows), (none, rows), (columns, none), *found] if both else [*found, (columns, rows)]
        )
    elif pattern.nnz:
        # a few rows that are merely longer than the others
        sizes = np.sort(np.diff(pattern.indptr))[::-1][: 1 + m // 2]
        cut = int(np.argmin(np.arange(len(sizes)) + sizes))
        if cut:
            found.append((none, np.argsort(-np.diff(pattern.indptr), kind="stable")[:cut]))
    return found


def _without(pattern: Pattern, columns: Array, rows: Array) -> Pattern:
    """The pattern with those columns and rows empty."""
    m, n = pattern.shape
    if not len(columns) and not len(rows):
        return pattern
    keep_row, keep_column = np.ones(m, dtype=bool), np.ones(n, dtype=bool)
    keep_row[rows] = keep_column[columns] = False
    here = pattern.row_ids()
    keep = keep_row[here] & keep_column[pattern.indices]
    indptr = np.zeros(m + 1, dtype=np.int64)
    np.cumsum(np.bincount(here[keep], minlength=m), out=indptr[1:])
    return Pattern.trusted((m, n), indptr, pattern.indices[keep])


def _peeled(
    pattern: Pattern, rest: Pattern, columns: Array, rows: Array, *, by_columns: bool, seed: int
) -> Bicolored:
    """Products of their own for some, and a coloring of the columns (rows) for what is left."""
    m, n = pattern.shape
    other = rest.T
    graph = Incidence(other, rest) if by_columns else Incidence(rest, other)
    found = best_of(one_sided(graph, None, seed, 0))
    of_columns = found.colors if by_columns else np.full(n, -1, dtype=np.int32)
    of_rows = np.full(m, -1, dtype=np.int32) if by_columns else found.colors
    of_columns[columns] = (found.count if by_columns else 0) + np.arange(len(columns))
    of_rows[rows] = (0 if by_columns else found.count) + np.arange(len(rows))
    apart = [f"{len(x)} dense {w}" for x, w in ((columns, "columns"), (rows, "rows")) if len(x)]
    side = "columns" if by_columns else "rows"
    return _pruned(pattern, of_columns, of_rows, ", ".join([*apart, f"{side}, {found.method}"]))


def _bicolored(
    pattern: Pattern,
    name: str | Array,
    seed: int,
    *,
    acyclic: bool,
    peeled: tuple[Array, Array] | None = None,
) -> Bicolored:
    """A star (acyclic) coloring of the graph of rows and columns, ``[[0, J], [J^T, 0]]``.

    References
    ----------
    .. [1] A. Montoison, G. Dalle, A. Gebremedhin, *Revisiting sparse matrix coloring and bicoloring*,
       arXiv 2505.07308.
    """
    m, n = pattern.shape
    other, indices = pattern.T, pattern.indices
    # the columns come first, so that the natural order is the one of a matrix with its columns in the front
    indptr = np.concatenate([other.indptr.astype(np.int64), other.nnz + pattern.indptr[1:].astype(np.int64)])
    both = Pattern.trusted((m + n, m + n), indptr, np.concatenate([other.indices + np.int32(n), indices]))
    columns, rows = (np.zeros(0, dtype=np.intp),) * 2 if peeled is None else peeled
    keep = np.diff(indptr) > 0
    keep[columns] = keep[rows + n] = False
    found = colored(Adjacency.of(both, keep), name, seed, acyclic=acyclic, members=keep)
    of_columns, of_rows = found.colors[:n].copy(), found.colors[n:].copy()
    of_columns[columns] = found.count + np.arange(len(columns))
    of_rows[rows] = found.count + np.arange(len(rows))
    method = f"{found.method} of columns and rows"
    if len(columns) + len(rows):
        method = f"{len(columns) + len(rows)} dense, the rest {method}"
    return _pruned(pattern, of_columns, of_rows, method)


def _pruned(pattern: Pattern, columns: Array, rows: Array, method: str) -> Bicolored:
    """Without the colors that no entry needs."""
    pushes, pulls = int(columns.max(initial=-1)) + 1, int(rows.max(initial=-1)) + 1
    first, second, size = equations(pattern, columns, rows, symmetric=False)
    a, b = columns[pattern.indices], rows[pattern.row_ids()]
    b = np.where(b >= 0, b + pushes, -1)
    keep = needed(a, alone(first, size), b, alone(second, size), pushes + pulls)
    columns, kept = compact(columns, keep[:pushes])
    rows, also = compact(rows, keep[pushes:])
    return Bicolored(columns, rows, kept + also, method)
