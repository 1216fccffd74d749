"""Colorings of the columns, or of the rows, alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from polyad.arrays.types import Array
from polyad.sparse.coloring.compiled import ahead
from polyad.sparse.coloring.graph import Incidence
from polyad.sparse.coloring.lattice import lattice

__all__ = ["ORDERS", "Found", "best_of", "one_sided"]

ORDERS = (
    "natural",
    "random",
    "largest_first",
    "smallest_last",
    "incidence_degree",
    "dynamic_largest_first",
    "saturation",
)
# What "auto" may spend on further orders, in steps for each entry and in all: the greedy coloring itself
# takes as many steps as there are pairs of vertices on a line.
STEPS, CEILING = 400.0, 4e8
SWEEPS = 8


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """Colors of vertices, how many there are, and how they were found."""

    colors: Array
    count: int
    method: str


def best_of(candidates: list[Found]) -> Found:
    """The one with the fewest colors, the first one of several."""
    return min(candidates, key=lambda found: found.count)


def one_sided(graph: Incidence, orders: tuple[str, ...] | Array | None, seed: int, limit: int) -> list[Found]:
    """What was tried: the given orders, or what pays (None).

    ``limit``: with as many colors or fewer nothing more is tried.
    """
    if orders is None:
        return _automatic(graph, max(limit, graph.bound), seed)
    if not isinstance(orders, tuple):
        return [Found(*graph.greedy(orders), "given order")]
    return [_ordered(graph, name, seed) for name in orders]


def _ordered(graph: Incidence, name: str, seed: int) -> Found:
    if name == "largest_first":
        return Found(*graph.largest_first, "largest first order")
    if name != "saturation":
        return Found(*graph.greedy(graph.order(name, seed)), f"{name.replace('_', ' ')} order")
    cap = graph.largest_first[1]
    found = None
    # it is seldom worse than largest first, so there is little to be reserved beyond that
    while found is None:
        cap += max(4, cap // 4)
        found = graph.saturated(cap)
        if found is None and cap > graph.bound * graph.bound + 4:
            return Found(*graph.largest_first, "largest first order")
    return Found(*found, "saturation (DSATUR)")


def _automatic(graph: Incidence, limit: int, seed: int) -> list[Found]:
    vertices = len(graph.natural)
    if graph.bound == vertices:
        colors = graph.array()
        colors[graph.natural] = np.arange(vertices)
        return [Found(colors, vertices, "a line has them all")]
    best = _ordered(graph, "natural", seed)
    tried = [best]
    if best.count > limit:
        found = lattice(graph, best.count)
        if found is not None:
            tried.append(Found(*found, "lattice"))
            best = best_of(tried)
    budget = min(STEPS * len(graph.idx), CEILING)

    def affordable(passes: float) -> bool:
        nonlocal budget
        budget -= passes * graph.work
        return best.count > limit and budget >= 0

    # a lattice that was found is far better than what the orders give
    if best.method == "lattice":
        return tried
    if best.count > limit:
        ahead(8 * graph.work)
    for name, passes in (("largest_first", 2), ("saturation", 3), ("smallest_last", 4)):
        # saturation is seldom beaten where it is better than largest first
        superfluous = name == "smallest_last" and best.method.startswith("saturation")
        if not superfluous and affordable(passes):
            tried.append(_ordered(graph, name, seed))
            best = best_of(tried)
    if affordable(1):
        improved = _improved(graph, best, limit, lambda: affordable(1), seed)
        if improved.count < best.count:
            tried.append(improved)
    return tried


def _improved(graph: Incidence, best: Found, limit: int, affordable: Callable[[], bool], seed: int) -> Found:
    """Iterated greedy: colored again class by class, a coloring never gets worse [1]_.

    References
    ----------
    .. [1] J. C. Culberson, *Iterated greedy graph coloring and the difficulty landscape* (1992).
    """
    colors, count = best.colors, best.count
    rng = np.random.default_rng(seed)
    for sweep in range(SWEEPS):
        if not affordable():
            break
        sizes = np.bincount(colors[graph.natural], minlength=count)
        ranks = (
            np.arange(count)[::-1],
            np.argsort(np.argsort(-sizes, kind="stable")),
            rng.permutation(count),
        )
        rank = ranks[(0, 1, 0, 2)[sweep % 4]]
        order = graph.natural[np.argsort(rank[colors[graph.natural]], kind="stable")]
        colors, count = graph.greedy(order)
        if count <= limit:
            break
    return Found(colors, count, f"{best.method}, then iterated greedy")
