"""Colorings of symmetric matrices: star (direct) and acyclic (substitution)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError
from polyad.sparse.coloring.graph import Adjacency, Incidence
from polyad.sparse.coloring.neutral import needed
from polyad.sparse.coloring.one_sided import Found, best_of, one_sided
from polyad.sparse.decompression import alone, equations

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern

__all__ = ["colored", "compact", "dense_vertices", "symmetric"]

# beyond this many neighbors, and so many times the mean, a vertex gets a color of its own
HUB, TIMES = 24, 8
AUTO = ("natural", "largest_first", "smallest_last")


def dense_vertices(degree: Array) -> Array:
    """The vertices to which a color of their own is given, so that they do not make the rest expensive."""
    some = degree[degree > 0]
    if not len(some):
        return some
    return np.flatnonzero(degree > max(HUB, TIMES * float(np.median(some))))


def colored(
    graph: Adjacency, name: str | Array, seed: int, *, acyclic: bool, members: Array | None = None
) -> Found:
    """A star or acyclic coloring of a graph in the order of that name."""
    make = graph.acyclic if acyclic else graph.star
    kind = "acyclic" if acyclic else "star"
    if not isinstance(name, str):
        return Found(*make(name), f"{kind}, given order")
    if name == "saturation":
        raise ArgumentError("order='saturation' is for colorings of columns or of rows alone")
    order: Array
    degree = np.diff(graph.ptr)
    if name == "natural":
        order = np.arange(graph.count)
    elif name == "random":
        order = np.random.default_rng(seed).permutation(graph.count)
    elif name in ("largest_first", "smallest_first"):
        order = np.argsort(-degree if name == "largest_first" else degree, kind="stable")
    else:
        linked = graph.incidence().order(name)
        order = np.concatenate([linked, np.flatnonzero(degree == 0)])
    if members is not None:
        order = order[members[order]]
    colors, count = make(order)
    return Found(colors, count, f"{kind}, {name.replace('_', ' ')} order")


def symmetric(
    pattern: Pattern, orders: tuple[str, ...] | Array | None, seed: int, *, acyclic: bool
) -> tuple[list[Found], int]:
    """What was tried, and the number below which no coloring of the kind can get."""
    n = pattern.shape[0]
    degree = np.diff(pattern.indptr)
    there = degree > 0
    hubs = dense_vertices(degree) if orders is None else np.zeros(0, dtype=np.intp)
    keep = there.copy()
    keep[hubs] = False
    graph = Adjacency.of(pattern, keep)
    # every pair of colors has a forest between its vertices
    edges = (pattern.nnz - int(np.count_nonzero(pattern.row_ids() == pattern.indices))) // 2
    full = 2 * edges + int(there.sum()) == pattern.nnz
    # without all of its diagonal, one more class of vertices may be without a color
    bound = max(int(there.any()), -(-edges // max(1, int(there.sum()))) + int(full and there.any()))
    names: tuple[str, ...] | list[Array]
    names = AUTO if orders is None else orders if isinstance(orders, tuple) else [orders]
    tried: list[Found] = []
    for name in names:
        found = colored(graph, name, seed, acyclic=acyclic, members=keep)
        tried.append(_whole(pattern, found, hubs, acyclic=acyclic))
        if tried[-1].count <= max(2, bound) or (orders is None and graph.work > 4e8):
            break
    if orders is None and best_of(tried).count > 3 and not len(hubs):
        # every coloring of columns is a star coloring
        lines = Incidence(pattern, pattern)
        best = best_of(tried).count
        if lines.bound < best and lines.work <= 400.0 * pattern.nnz:
            found = best_of(one_sided(lines, None if best - lines.bound > 1 else ("natural",), seed, 0))
            tried.append(_whole(pattern, Found(found.colors, found.count, f"columns, {found.method}"), hubs))
    return tried, min(bound, n)


def _whole(pattern: Pattern, found: Found, hubs: Array, *, acyclic: bool = False) -> Found:
    """With the colors of the dense vertices, and without those that no entry needs."""
    colors, method = found.colors.copy(), found.method
    if len(hubs):
        colors[hubs] = found.count + np.arange(len(hubs))
        method = f"{len(hubs)} dense, the rest {method}"
    first, second, size = equations(pattern, colors, None, symmetric=True)
    columns, rows = colors[pattern.indices], colors[pattern.row_ids()]
    count = int(colors.max(initial=-1)) + 1
    keep = needed(columns, alone(first, size), rows, alone(second, size), count)
    colors, count = compact(colors, keep)
    return Found(colors, count, method)


def compact(colors: Array, keep: Array) -> tuple[Array, int]:
    """Colors that are kept, numbered anew; -1 for the others."""
    number = np.full(len(keep) + 1, -1, dtype=np.int32)
    number[:-1][keep] = np.arange(int(keep.sum()))
    return number[colors], int(keep.sum())
