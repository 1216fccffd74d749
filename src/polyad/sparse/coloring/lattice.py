"""Colorings of grids: (a*i + b*j + ...) mod m, with what the stencil allows."""

from __future__ import annotations

import itertools

import numpy as np

from polyad.arrays.types import Array
from polyad.sparse.coloring.graph import Incidence

__all__ = ["lattice", "separates"]

# lines that are looked at, at most; vertices of a line; strides, grids and choices of factors that are tried
SAMPLE, WIDE, STRIDES, GRIDS, CHOICES = 400, 40, 10, 6, 20_000


def lattice(graph: Incidence, below: int) -> tuple[Array, int] | None:
    """A coloring by a lattice with fewer than ``below`` colors; None if none is found.

    The vertices are taken as the points of a grid, numbered one axis after the other; fields (u and v in each
    point) are an axis as well. The strides are read from the distances of vertices that share a line. Two
    vertices in conflict must differ in ``sum(factor * coordinate) mod m``, which is linear, so a conflict
    counts only by its differences of coordinates, and a sample of lines shows nearly all of them. The
    coloring is checked against every line before it is given.
    """
    n = graph.count
    if not 2 < graph.bound <= min(WIDE, below - 1) or n < 9:
        return None
    pairs = _pairs(graph, _sampled(graph))
    best: tuple[Array, int] | None = None
    for strides in _grids(n, pairs):
        limit = below if best is None else best[1]
        for _ in range(3):
            found = _factors(_differences(strides, pairs), graph.bound, limit)
            if found is None:
                break
            factors, m = found
            colors = (np.stack(_coordinates(np.arange(n), strides), axis=1) @ factors) % m
            wrong = separates(graph, colors, m)
            if not len(wrong):
                colors, count = _dense(colors, graph)
                if count < limit:
                    best = colors, count
                break
            pairs = np.concatenate([pairs, _pairs(graph, wrong[:SAMPLE])])
        if best is not None and best[1] == graph.bound:
            break
    return best


def _dense(colors: Array, graph: Incidence) -> tuple[Array, int]:
    """Colors from 0 on without gaps; -1 where a vertex has no line."""
    found = np.full(graph.count, -1, dtype=np.int32)
    values, inverse = np.unique(colors[graph.natural], return_inverse=True)
    found[graph.natural] = inverse
    return found, len(values)


def separates(graph: Incidence, colors: Array, count: int) -> Array:
    """The lines on which a color stands twice: none, if it is a coloring."""
    lines = np.repeat(np.arange(len(graph.sizes)), graph.sizes)
    keys = lines * np.int64(count) + colors[graph.eidx]
    return np.unique(np.flatnonzero(np.bincount(keys) > 1) // count)


def _sampled(graph: Incidence) -> Array:
    lines = len(graph.sizes)
    if lines <= SAMPLE:
        return np.arange(lines)
    # evenly, with steps that are no multiple of a stride, and both ends
    spread = np.random.default_rng(0).integers(0, lines, SAMPLE // 2)
    return np.concatenate([np.arange(SAMPLE // 4), spread, np.arange(lines - SAMPLE // 4, lines)])


def _pairs(graph: Incidence, lines: Array) -> Array:
    """Pairs of vertices that share one of some lines."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for size in np.unique(graph.sizes[lines]):
        if size > 1:
            starts = graph.eptr[lines[graph.sizes[lines] == size]]
            members = graph.eidx[starts[:, None] + np.arange(size)].astype(np.int64)
            left, right = np.triu_indices(size, 1)
            found.append(np.stack([members[:, left].ravel(), members[:, right].ravel()], axis=1))
    return np.concatenate(found)


def _grids(n: int, pairs: Array) -> list[tuple[int, ...]]:
    """Rows of strides, each a multiple of the one before, that may be those of the grid."""
    distances, counts = np.unique(pairs[:, 1] - pairs[:, 0], return_counts=True)
    frequent = distances[np.argsort(-counts, kind="stable")][:30]
    near = {int(d) + k for d in frequent for k in (0, -1, 1)}
    halves = {d // 2 for d in near if d % 2 == 0}
    divisors = [d for d in near | halves if 1 < d < n and n % d == 0]
    by_distance = sorted(divisors, key=lambda d: (d not in distances, d))[:STRIDES]
    chains = [
        (1, *chain)
        for length in range(4)
        for chain in itertools.combinations(sorted(by_distance), length)
        if all(b % a == 0 for a, b in itertools.pairwise(chain))
    ]
    # in the coordinates of the grid that it is, a stencil has the fewest differences
    few = pairs[:: 1 + len(pairs) // 2000]
    chains.sort(key=lambda strides: (len(_differences(strides, few)), len(strides)))
    return chains[:GRIDS]


def _coordinates(vertices: Array, strides: tuple[int, ...]) -> list[Array]:
    ends = (*strides[1:], None)
    return [
        vertices // s if end is None else vertices % end // s for s, end in zip(strides, ends, strict=True)
    ]


def _differences(strides: tuple[int, ...], pairs: Array) -> Array:
    """The differences of coordinates, each once, the frequent ones first."""
    left, right = (_coordinates(pairs[:, k], strides) for k in (0, 1))
    steps = [a - b for a, b in zip(left, right, strict=True)]
    key = np.zeros(len(pairs), dtype=np.int64)
    for step in steps:
        low = int(step.min(initial=0))
        key = key * (int(step.max(initial=0)) - low + 1) + step - low
    _, first, counts = np.unique(key, return_index=True, return_counts=True)
    first = first[np.argsort(-counts, kind="stable")]
    return np.stack([step[first] for step in steps], axis=1)


def _factors(differences: Array, bound: int, below: int) -> tuple[Array, int] | None:
    """The factors that separate all differences with the smallest modulus."""
    axes = differences.shape[1]
    for m in range(bound, below):
        if m**axes > CHOICES:
            return None
        factors = np.indices((m,) * axes).reshape(axes, -1).T
        apart = np.ones(len(factors), dtype=bool)
        for difference in differences:
            apart[apart] = (factors[apart] @ difference) % m != 0
            if not apart.any():
                break
        if apart.any():
            return factors[np.argmax(apart)], m
    return None
