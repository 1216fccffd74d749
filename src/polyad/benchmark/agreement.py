"""Who agrees with whom: each result against the one that most others support.

* The distance of two results is the largest difference of their entries over the largest entry,
  over all leaves together, so that an entry that happens to be zero sets no scale.
* The reference is the result that the fewest contradict; it need not be right, so without a
  majority behind it nobody is called an outlier and everybody is called disputed.
* Backends that approximate (finite differences) are witnesses, held to a wider tolerance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Verdict", "compare_results", "distance"]

Leaves = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Where one result stands.

    Parameters
    ----------
    error : float or None
        Distance from the reference; None for the reference itself and for a single result.
    agrees : bool
        Whether it is within tolerance of the reference, and the reference has a majority.
    reference : bool
        Whether it is the reference.
    reason : str
        What is wrong, where something is.
    """

    error: float | None
    agrees: bool
    reference: bool = False
    reason: str = ""


def distance(a: Leaves, b: Leaves) -> float:
    """Largest difference over largest entry; infinite for different shapes or misplaced nans.

    Examples
    --------
    >>> import numpy as np
    >>> distance((np.array([1.0, 4.0]),), (np.array([2.0, 4.0]),))
    0.25
    """
    if [leaf.shape for leaf in a] != [leaf.shape for leaf in b]:
        return np.inf
    difference, scale = 0.0, 0.0
    for one, other in zip(a, b, strict=True):
        with np.errstate(invalid="ignore"):
            # equal infinities and nans in the same places count as equal
            same = (one == other) | (np.isnan(one) & np.isnan(other))
            gaps = np.where(same, 0.0, np.abs(one - other))
        finite = [np.abs(leaf[np.isfinite(leaf)]) for leaf in (one, other)]
        scale = max(scale, *(float(np.max(part, initial=0.0)) for part in finite))
        gap = float(np.max(gaps, initial=0.0))
        difference = np.inf if np.isnan(gap) else max(difference, gap)
    return float(difference if difference in (0.0, np.inf) else difference / scale)


def compare_results(
    results: Sequence[Leaves], labels: Sequence[str], exact: Sequence[bool], rtol: float | None
) -> list[Verdict]:
    """A verdict for each result.

    Parameters
    ----------
    results : sequence of tuple of arrays
        What each backend gave.
    labels : sequence of str
        Their names, for the reasons.
    exact : sequence of bool
        Whether each computes to rounding, or approximates.
    rtol : float, optional
        Tolerance; by default ``eps ** 0.6`` (4e-10 in float64) between exact results, and
        ``eps ** 0.25`` (1e-4) where one of the two approximates.
    """
    n = len(results)
    if n < 2:
        return [Verdict(None, True, reference=True)] * n
    apart = np.array([[distance(a, b) for b in results] for a in results])
    bounds = np.array([[_tolerance(results, exact, rtol, i, j) for j in range(n)] for i in range(n)])
    close = apart <= bounds
    chosen = min(range(n), key=lambda i: (-close[i].sum(), not exact[i], np.sum(apart[i])))
    supported = 2 * int(close[chosen].sum()) > n
    verdicts = []
    for k in range(n):
        if not supported:
            gap = float(np.max(apart[k]))
            rival = labels[int(np.argmax(apart[k]))]
            verdicts.append(Verdict(gap, False, reason=f"differs from {rival} and no majority decides"))
        elif k == chosen:
            verdicts.append(Verdict(None, True, reference=True))
        elif close[k, chosen]:
            verdicts.append(Verdict(float(apart[k, chosen]), True))
        else:
            verdicts.append(Verdict(float(apart[k, chosen]), False, reason=_difference(results, k, chosen)))
    return verdicts


def _tolerance(results: Sequence[Leaves], exact: Sequence[bool], rtol: float | None, i: int, j: int) -> float:
    kinds = [leaf.dtype for leaf in (*results[i], *results[j]) if leaf.dtype.kind in "fc"]
    eps = max((float(np.finfo(kind).eps) for kind in kinds), default=float(np.finfo(float).eps))
    wide = float(eps**0.25)
    if exact[i] and exact[j]:
        return float(eps**0.6) if rtol is None else rtol
    return wide if rtol is None else max(wide, rtol)


def _difference(results: Sequence[Leaves], k: int, chosen: int) -> str:
    """The worst entry in words."""
    a, b = results[k], results[chosen]
    shapes = [tuple(leaf.shape for leaf in leaves) for leaves in (a, b)]
    if shapes[0] != shapes[1]:
        mine, theirs = (" and ".join(map(str, s)) for s in shapes)
        return f"has shape {mine}, the others {theirs}"
    worst = [
        (float(np.nan_to_num(np.max(np.abs(x - y), initial=0.0), nan=np.inf)), leaf)
        for leaf, (x, y) in enumerate(zip(a, b, strict=True))
    ]
    leaf = max(worst)[1]
    gaps = np.nan_to_num(np.abs(a[leaf] - b[leaf]), nan=np.inf)
    place = np.unravel_index(int(np.argmax(gaps)), gaps.shape)
    where = f" at [{', '.join(map(str, place))}]" if place else ""
    which = f" of leaf {leaf}" if len(a) > 1 else ""
    return f"gives {a[leaf][place]:.6g}{where}{which}, the others {b[leaf][place]:.6g}"
