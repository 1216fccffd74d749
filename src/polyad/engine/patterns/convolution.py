"""What convolutions depend on: the entries that a window sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyad.engine.patterns.reading import size_of
from polyad.engine.patterns.rules import reduced
from polyad.engine.patterns.sets import IndexSets

__all__ = ["convolved", "convolved_back", "convolved_weights", "pooled"]

Shape = tuple[int, ...]


def convolved(
    sets: IndexSets, shape: Shape, seen: np.ndarray, out: int, groups: int, taps: np.ndarray | None = None
) -> IndexSets:
    """The result ``(N, out, ...)`` from an input ``(N, C, ...)``; ``seen`` is what ``windows`` gives.

    ``taps`` says of each place in the window whether any weight is there.
    """
    n, c, *grid = shape
    per = reduced(sets, (n, groups, c // groups, size_of(grid)), (2,))
    dims = seen.ndim // 2
    flat = seen.reshape(size_of(seen.shape[:dims]), -1)
    if taps is not None:
        flat = flat[taps.ravel()]
    points = flat.shape[1]
    k, s = np.nonzero(flat >= 0)
    lead = np.arange(n * groups)[:, None]
    found = per.mapped(lead * points + s, lead * size_of(grid) + flat[k, s], n * groups * points)
    places = np.arange(n * groups * points).reshape(n, groups, 1, points)
    return found.gathered(np.broadcast_to(places, (n, groups, out // groups, points)))


def convolved_back(
    sets: IndexSets,
    shape: Shape,
    seen: np.ndarray,
    channels: int,
    size: int,
    groups: int,
    taps: np.ndarray | None = None,
) -> IndexSets:
    """The cotangent ``(N, channels, size)`` of the input from that of the result, ``(N, out, ...)``."""
    n, out = shape[:2]
    points = size_of(shape[2:])
    per = reduced(sets, (n, groups, out // groups, points), (2,))
    dims = seen.ndim // 2
    flat = seen.reshape(size_of(seen.shape[:dims]), -1)
    if taps is not None:
        flat = flat[taps.ravel()]
    k, s = np.nonzero(flat >= 0)
    lead = np.arange(n * groups)[:, None]
    found = per.mapped(lead * size + flat[k, s], lead * points + s, n * groups * size)
    places = np.arange(n * groups * size).reshape(n, groups, 1, size)
    return found.gathered(np.broadcast_to(places, (n, groups, channels // groups, size)))


def convolved_weights(sets: IndexSets, weights: Shape, result: Shape) -> IndexSets:
    """The result ``(N, out, ...)`` from weights ``(out, C, ...)``."""
    per = reduced(sets, (weights[0], size_of(weights[1:])), (1,))
    places = np.arange(weights[0]).reshape(1, -1, *(1,) * (len(result) - 2))
    return per.gathered(np.broadcast_to(places, result))


def pooled(
    sets: IndexSets, lead: Sequence[int], size: int, seen: np.ndarray, *, back: bool = False
) -> IndexSets:
    """The union of what each window sees, of ``(*lead, grid)``; with ``back`` the transposed map."""
    dims = seen.ndim // 2
    flat = seen.reshape(size_of(seen.shape[:dims]), -1)
    k, s = np.nonzero(flat >= 0)
    many = np.arange(size_of(lead))[:, None]
    points = flat.shape[1]
    out, into = many * points + s, many * size + flat[k, s]
    if back:
        return sets.mapped(into, out, size_of(lead) * size)
    return sets.mapped(out, into, size_of(lead) * points)
