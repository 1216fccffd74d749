"""Colors that no entry needs are taken away: their products are not computed."""

from __future__ import annotations

import numpy as np

from polyad.arrays.types import Array

__all__ = ["needed"]


def needed(first: Array, alone: Array, second: Array, also: Array, count: int) -> Array:
    """Which colors must stay.

    Parameters
    ----------
    first, second : array of int
        For each entry, the two colors whose products have it; -1 for none.
    alone, also : array of bool
        Whether it stands alone in the product of the first, and of the second.
    count : int
        How many colors there are.

    Returns
    -------
    array of bool
        Two colors of which every common entry stands alone in one of them need that one only: a vertex cover
        of the colors, by the greedy rule. Two colors that share entries in which neither suffices both stay.
    """
    base = count + 1
    key = (first + 1) * np.int64(base) + second + 1
    if base * base <= max(4 * len(key), 2**16):  # a table is cheaper than sorting
        pairs = np.flatnonzero(np.bincount(key, minlength=1))
        number = np.zeros(base * base, dtype=np.int64)
        number[pairs] = np.arange(len(pairs))
        inverse = number[key]
    else:
        pairs, inverse = np.unique(key, return_inverse=True)
    sufficient = np.bincount(inverse, ~alone, len(pairs)) == 0
    other = np.bincount(inverse, ~also, len(pairs)) == 0
    a, b = pairs // base - 1, pairs % base - 1
    sufficient &= a >= 0
    other &= b >= 0
    keep = np.zeros(base, dtype=bool)
    neither = ~sufficient & ~other
    keep[a[neither]] = keep[b[neither]] = True
    keep[a[sufficient & ~other]] = True
    keep[b[~sufficient & other]] = True
    both = sufficient & other
    keep[a[both & (a == b)]] = True
    while True:
        # the place for -1 is the last one, which is never kept as a color
        keep[-1] = False
        both &= ~(keep[a] | keep[b])
        if not both.any():
            return keep[:-1]
        votes = np.bincount(np.concatenate([a[both], b[both]]), minlength=base)
        keep[int(np.argmax(votes))] = True
