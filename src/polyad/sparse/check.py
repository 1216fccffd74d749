"""One random product with the matrix, compared with the backend's own: a pattern that lacks an entry shows.

An entry that the pattern lacks is added to another one of its row (or is lost), so that the product differs
there. The search for its column is a bisection among the columns in which the pattern has nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.arrays.types import Array
from polyad.errors import PatternError

if TYPE_CHECKING:
    from polyad.sparse.pattern import Pattern

__all__ = ["check_product", "turned"]

SEED = 20261130
# rows in which the column is searched before the search is given up
ROWS = 8
# products that approximate differ by so many times what they lack in being linear
NOISY = 20.0
# so many times the rounding of the largest row no row differs by rounding
ROUNDING = 30.0
# what is in doubt is looked at so many times more
SPLITS = 2
# by so much of a difference rounding moves a product that is rounding, in one of so many attempts
ERRATIC, MOVES = 0.1, 24

_REMEDY = "correct the known pattern, or let detector='auto' find it"
_LOCAL = (
    "it is that of the points where it was looked for, so prepare again here, or let detector='auto' "
    "find one that holds for every input"
)
_CHANGED = (
    "it was found at preparation, and what the function captures ({}) has changed since, or may have: "
    "prepare again, or make that an argument of the function"
)

Product = Callable[[Array], Array]


def check_product(
    pattern: Pattern,
    entries: Array,
    product: Product,
    *,
    eps: float,
    exact: bool,
    transposed: bool,
    what: str,
    local: bool = False,
    changed: str = "",
    floor: Callable[[], Any] = lambda: 0.0,
    nearby: Callable[[Array, Array], Any] | None = None,
) -> None:
    """Compare the product of a matrix with a random vector with the backend's own.

    Parameters
    ----------
    pattern : Pattern
        Of the matrix.
    entries : array
        Its entries.
    product : callable
        The backend's product with a vector.
    eps : float
        Rounding of the computation.
    exact : bool
        Whether the product is right to rounding.
    transposed : bool
        Whether ``pattern`` and ``product`` are those of the transposed matrix.
    what : str
        The matrix, for the message.
    local : bool
        Whether the pattern is that of some points, for the message.
    changed : str
        What may have changed since the pattern was found, for the message.
    floor : callable
        How far the rounding of the values alone reaches in a product that approximates, a number or one for
        each of its entries; asked after the first one.
    nearby : callable, optional
        The backend's product with a vector where each number of the point is multiplied by one of the second
        argument, or by its entries in turn.

    Raises
    ------
    PatternError
        If they differ, with the row and the column of the entry that the pattern lacks.
    """
    if not all(pattern.shape):
        return
    random = np.random.default_rng(SEED)
    v = random.uniform(0.5, 1.0, pattern.shape[1]) * random.choice([-1.0, 1.0], pattern.shape[1])
    wanted = np.asarray(product(v))
    found, size = _times(pattern, entries, v)
    heard = get_state()
    try:
        set_state(SILENT)
        off = abs(wanted - found)
        bound = (eps**0.5 if exact else 1e-3) * (size + abs(wanted))
        wrong = np.flatnonzero((off > bound) & np.isfinite(wanted) & np.isfinite(found))
    finally:
        set_state(heard)
    if not wrong.size:
        return
    noise = np.zeros(len(off))
    certain = np.ones(len(off), dtype=bool)
    if not exact:
        # how far from linear the products are tells how much of them is noise
        apart = _apart(product, v, wanted, random)
        # as where all products happen to be wrong in the same way
        noise = np.broadcast_to(floor(), off.shape)
        loud = np.maximum(NOISY * np.max(apart), np.max(noise))
        certain = off > np.maximum(bound + 1e-3 * np.max(size[np.isfinite(size)], initial=0.0), loud)
        if not certain[wrong].all():
            # a row of small numbers beside one of large ones has less noise than that one
            for _ in range(SPLITS):
                apart = np.maximum(apart, _apart(product, v, wanted, random))
            noise = np.maximum(NOISY * apart, noise)
        noise = np.where(certain, loud, noise)
        wrong = wrong[off[wrong] > noise[wrong]]
        if not wrong.size:
            return
    # beside a row of large numbers, what is left where such cancel is rounding: these rows come last
    large = off > ROUNDING * eps * np.max(size[np.isfinite(size)], initial=0.0)
    ratio = np.where(large, off, 0.0)[wrong] / (bound[wrong] + np.finfo(float).tiny)
    wrong = wrong[np.argsort(-ratio, kind="stable")]
    remedy = _CHANGED.format(changed) if changed else _LOCAL if local else _REMEDY
    for row in wrong[:ROWS]:
        column = _missing(pattern, int(row), product, v, eps, float(noise[row]))
        if column is not None:
            place = (column, int(row)) if transposed else (int(row), column)
            raise PatternError(
                f"the pattern of the {what} has no entry in row {place[0]}, column {place[1]} (of all "
                f"output and input entries in a row), where the derivative is not zero: {remedy}"
            )
    wrong = wrong[certain[wrong] & large[wrong]]
    wrong = wrong[off[wrong] > 1e3 * bound[wrong]]
    if wrong.size and nearby is not None:
        wrong = wrong[~_erratic(product, nearby, v, wanted, found, eps, random)[wrong]]
    if wrong.size:
        row = int(wrong[0])
        line = "column" if transposed else "row"
        raise PatternError(
            f"a random product with the compressed {what} differs in {line} {row} from the product of "
            f"the backend ({found[row]:.6g}, {wanted[row]:.6g}), though the pattern lacks nothing there: the "
            "function does not give the same derivative twice, or a rule of derivatives is not linear"
        )


def _apart(product: Product, v: Array, wanted: Array, random: np.random.Generator) -> Array:
    """How far a product is from the sum of those with two parts of the vector."""
    some = np.where(random.random(len(v)) < 0.5, v, 0.0)
    found = np.asarray(product(some)) + np.asarray(product(v - some))
    heard = get_state()
    try:
        set_state(SILENT)
        apart = abs(wanted - found)
        return np.where(np.isfinite(apart), apart, 0.0)
    finally:
        set_state(heard)


def _erratic(
    product: Product,
    nearby: Callable[[Array, Array], Any],
    v: Array,
    wanted: Array,
    found: Array,
    eps: float,
    random: np.random.Generator,
) -> Array:
    """Which entries of a product are rounding alone: the same each time at a point, and others beside it."""
    moved = np.zeros(len(wanted))
    heard = get_state()
    try:
        set_state(SILENT)
        for trial in range(MOVES):
            # where all is exactly zero along the vector, it is not along others
            part = v if trial % 2 else v * random.random(len(v)) * (random.random(len(v)) < 0.5)
            here = wanted if trial % 2 else np.asarray(product(part))
            near = abs(np.asarray(nearby(part, 1 + eps * random.integers(-64, 65, 16))) - here)
            moved = np.maximum(moved, np.where(np.isfinite(near), near, 0.0))
        same = np.asarray(product(v)) == wanted
        return same & (moved > ERRATIC * abs(wanted - found))
    finally:
        set_state(heard)


def _times(pattern: Pattern, entries: Array, v: Array) -> tuple[Array, Array]:
    """The product of the matrix with a vector, and that of the absolute values."""
    import scipy.sparse

    matrix = scipy.sparse.csr_array((entries, pattern.indices, pattern.indptr), shape=pattern.shape)
    return matrix @ v, abs(matrix) @ abs(v)


def _missing(pattern: Pattern, row: int, product: Product, v: Array, eps: float, noisy: float) -> int | None:
    """A column that the pattern does not have in a row, and the derivative does."""
    known = pattern.indices[pattern.indptr[row] : pattern.indptr[row + 1]]
    rest = np.setdiff1d(np.arange(pattern.shape[1]), known)

    def share(columns: Array) -> Any:
        part = np.zeros(pattern.shape[1])
        part[columns] = v[columns]
        images = np.asarray(product(part))
        size = np.max(abs(images[np.isfinite(images)]), initial=0.0)
        return abs(images[row]), max(eps**0.75 * size, noisy)

    value, noise = share(rest)
    if not value > noise:
        return None
    while len(rest) > 1:
        half = rest[: len(rest) // 2]
        other = rest[len(rest) // 2 :]
        rest = half if share(half)[0] > share(other)[0] else other
    return int(rest[0])


def turned(pattern: Pattern, entries: Array) -> tuple[Pattern, Array]:
    """A matrix transposed."""
    import scipy.sparse

    numbers = scipy.sparse.csr_array(
        (np.arange(pattern.nnz), pattern.indices, pattern.indptr), shape=pattern.shape
    ).T.tocsr()
    return pattern.T, entries[numbers.data]
