"""Which results agree: each is compared with the one that most others support.

* The distance of two results is the largest difference of their entries over the largest entry,
  over all leaves together, so that an entry that happens to be zero sets no scale. A result that is
  zero altogether has the scale of the function: where it cancels, rounding is left.
* The reference is the result that the fewest contradict; it need not be right, so without a
  majority behind it nobody is called an outlier and everybody is called disputed.
* Backends that approximate (finite differences) are witnesses, held to a wider tolerance, and to
  none where an exact result is not finite: no difference can show that.
* A nan has no vote against a number: a framework that lost the derivative gives nan, however many do.
* Where the others agree to rounding, one that agrees as single precision would has lost digits, though
  it is within the tolerance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.arrays.types import Leaves

__all__ = ["Verdict", "compare_results", "distance", "where_not_finite"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The verdict on one result.

    Parameters
    ----------
    error : float or None
        Distance from the reference; None for the reference itself and for a single result.
    agrees : bool
        Whether it is within tolerance of the reference, the reference has a majority, and no digits
        are lost.
    reference : bool
        Whether it is the reference.
    reason : str
        What is wrong, where something is.
    """

    error: float | None
    agrees: bool
    reference: bool = False
    reason: str = ""


# What agrees to rounding, entry by entry, and what does not while others do. Single precision in the
# middle of a computation leaves errors of 1e-9 to 1e-6.
ROUNDING, LOST, APART = 1e-12, 1e-10, 1e4
# entries below this part of the largest are as uncertain as it is
SMALL = 1e-3
# a derivative below this part of value over argument (over its square) is held to that part: what is
# left where larger terms cancel
CANCELLED = {1: 1e-4, 2: 1e-2}


def distance(a: Leaves, b: Leaves, least: float = 0.0) -> float:
    """Largest difference over largest entry; infinite for different shapes or misplaced nans.

    Parameters
    ----------
    a, b : tuple of arrays
        The two results.
    least : float
        The least that counts as largest entry.

    Examples
    --------
    >>> import numpy as np
    >>> distance((np.array([1.0, 4.0]),), (np.array([2.0, 4.0]),))
    0.25
    """
    if [leaf.shape for leaf in a] != [leaf.shape for leaf in b]:
        return np.inf
    difference, scale = 0.0, least
    for one, other in zip(a, b, strict=True):
        heard = get_state()
        try:
            set_state(SILENT)
            # equal infinities and nans in the same places count as equal
            same = (one == other) | (np.isnan(one) & np.isnan(other))
            gaps = np.where(same, 0.0, np.abs(one - other))
        finally:
            set_state(heard)
        finite = [np.abs(leaf[np.isfinite(leaf)]) for leaf in (one, other)]
        scale = max(scale, *(float(np.max(part, initial=0.0)) for part in finite))
        gap = float(np.max(gaps, initial=0.0))
        difference = np.inf if np.isnan(gap) else max(difference, gap)
    return float(difference if difference in (0.0, np.inf) else difference / scale)


def compare_results(
    results: Sequence[Leaves],
    labels: Sequence[str],
    exact: Sequence[bool],
    rtol: float | None,
    *,
    size: float = 0.0,
    order: int = 1,
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
    size : float
        Value of the function over its argument, to the power of the order: what its derivatives are
        like if nothing cancels.
    order : int
        Of the derivative.
    """
    n = len(results)
    if n < 2:
        return [Verdict(None, True, reference=True)] * n
    apart = np.array(
        [[_apart(results, exact, i, j, CANCELLED[order] * size) for j in range(n)] for i in range(n)]
    )
    bounds = np.array([[_tolerance(results, exact, rtol, i, j) for j in range(n)] for i in range(n)])
    close = apart <= bounds
    numbers = [i for i in range(n) if not any(np.isnan(leaf).any() for leaf in results[i])]
    voters = numbers if any(exact[i] for i in numbers) else list(range(n))
    votes = close[:, voters].sum(axis=1)
    chosen = min(voters, key=lambda i: (-votes[i], not exact[i], np.sum(apart[i])))
    supported = 2 * int(votes[chosen]) > len(voters)
    verdicts = []
    for k in range(n):
        if k not in voters or (supported and not close[k, chosen]):
            verdicts.append(Verdict(float(apart[k, chosen]), False, reason=_difference(results, k, chosen)))
        elif not supported:
            gaps = [float(apart[k, i]) for i in voters]
            rival = labels[voters[int(np.argmax(gaps))]]
            verdicts.append(Verdict(max(gaps), False, reason=f"differs from {rival} and no majority decides"))
        elif k == chosen:
            verdicts.append(Verdict(None, True, reference=True))
        else:
            verdicts.append(Verdict(float(apart[k, chosen]), True))
    if rtol is None and supported:
        agreeing = [k for k in range(n) if exact[k] and verdicts[k].agrees]
        for k, error in _lost(results, agreeing, chosen, size):
            verdicts[k] = dataclasses.replace(verdicts[k], agrees=False, reason=_loss(error))
    return verdicts


def where_not_finite(leaves: Leaves) -> str:
    """Where a result is not finite, in words; empty where it is."""
    for k, leaf in enumerate(leaves):
        bad = ~np.isfinite(leaf)
        if bad.any():
            place = np.unravel_index(int(np.argmax(bad)), bad.shape)
            where = f" at [{', '.join(map(str, place))}]" if place else ""
            return f"{leaf[place]}{where}{f' of leaf {k}' if len(leaves) > 1 else ''}"
    return ""


def _apart(results: Sequence[Leaves], exact: Sequence[bool], i: int, j: int, least: float) -> float:
    """The distance of two results, without what an approximation cannot show."""
    a, b = results[i], results[j]
    if exact[i] != exact[j] and [leaf.shape for leaf in a] == [leaf.shape for leaf in b]:
        seen = [np.isfinite(leaf) for leaf in (a if exact[i] else b)]
        a = tuple(leaf[part] for leaf, part in zip(a, seen, strict=True))
        b = tuple(leaf[part] for leaf, part in zip(b, seen, strict=True))
    return distance(a, b, least)


def _lost(
    results: Sequence[Leaves], agreeing: Sequence[int], chosen: int, size: float
) -> list[tuple[int, float]]:
    """Those among agreeing results that have lost digits which the others have, with their error."""
    if chosen not in agreeing or any(leaf.dtype.itemsize < 8 for k in agreeing for leaf in results[k]):
        return []
    errors = {k: _relative(results[k], results[chosen], size) for k in agreeing}
    good = [k for k in agreeing if errors[k] <= ROUNDING]
    bound = max(LOST, APART * max(errors[k] for k in good))
    bad = [k for k in agreeing if errors[k] > bound]
    # an ill-conditioned function scatters every backend that sums in an order of its own; those that
    # share a lost constant give the same wrong number
    alike = all(_relative(results[k], results[bad[0]], size) <= 0.01 * errors[k] for k in bad[1:])
    if len(good) < 2 or 2 * len(good) < len(agreeing) or len(good) + len(bad) < len(agreeing) or not alike:
        return []
    return [(k, errors[k]) for k in bad]


def _relative(a: Leaves, b: Leaves, size: float) -> float:
    """Largest relative difference of two results of the same shapes, entry by entry."""
    scale = max((float(np.max(np.abs(leaf[np.isfinite(leaf)]), initial=0.0)) for leaf in b), default=0.0)
    scale = max(scale, size)
    worst = 0.0
    for x, y in zip(a, b, strict=True):
        seen = np.isfinite(x) & np.isfinite(y)
        least = max(SMALL * scale, np.finfo(float).tiny)
        gaps = np.abs(x[seen] - y[seen]) / np.maximum(np.abs(y[seen]), least)
        worst = max(worst, float(np.max(gaps, initial=0.0)))
    return worst


def _loss(error: float) -> str:
    like = ", as if in single precision" if error < 1e-5 else ""
    return f"loses precision: right to {error:.0e} only{like}, where the others agree to rounding"


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
    leaf, gaps, largest = 0, np.zeros(()), -1.0
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        heard = get_state()
        try:
            set_state(SILENT)
            same = (x == y) | (np.isnan(x) & np.isnan(y))
            apart = np.where(same, 0.0, np.nan_to_num(np.abs(x - y), nan=np.inf))
        finally:
            set_state(heard)
        if float(np.max(apart, initial=-1.0)) > largest:
            leaf, gaps, largest = k, apart, float(np.max(apart, initial=-1.0))
    place = np.unravel_index(int(np.argmax(gaps)), gaps.shape)
    where = f" at [{', '.join(map(str, place))}]" if place else ""
    which = f" of leaf {leaf}" if len(a) > 1 else ""
    return f"gives {a[leaf][place]:.6g}{where}{which}, the others {b[leaf][place]:.6g}"
