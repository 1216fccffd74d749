"""``color``: the coloring of a pattern with the fewest products that was found in reasonable time."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.arrays.types import Array
from polyad.errors import ArgumentError, PatternError
from polyad.sparse.coloring.bidirectional import bidirectional
from polyad.sparse.coloring.graph import Incidence
from polyad.sparse.coloring.one_sided import ORDERS, best_of, one_sided
from polyad.sparse.coloring.result import Coloring
from polyad.sparse.coloring.symmetric import symmetric as colored_symmetric
from polyad.sparse.pattern import Pattern

__all__ = ["color"]

PARTITIONS = ("column", "row", "bidirectional")
DECOMPRESSIONS = ("direct", "substitution", "auto")


def color(
    pattern: Any,
    partition: str = "column",
    *,
    symmetric: bool = False,
    decompression: str = "direct",
    order: Any = "auto",
    seed: int = 0,
) -> Coloring:
    """Color the columns, the rows, or both, so that those of one color share a product.

    Parameters
    ----------
    pattern : Pattern, SciPy sparse matrix
        Where the matrix may have entries.
    partition : str
        "column" (products with J from the right, forward mode), "row" (from the left, reverse mode), or
        "bidirectional" (both, for matrices with dense rows and dense columns).
    symmetric : bool
        Whether the matrix is symmetric, as a Hessian is: an entry may then be read from its mirror image
        (star coloring), which takes fewer colors.
    decompression : str
        "direct": each entry stands alone in a product. "substitution": entries may be found one after the
        other (acyclic coloring of a symmetric matrix, or of columns and rows), which takes fewer colors and
        adds rounding errors. "auto": substitution where it saves products.
    order : str, tuple of str, or array of int
        "auto" tries what pays for a pattern of that size and keeps the fewest products. Or the order in which
        the greedy coloring goes: "natural", "random", "largest_first", "smallest_last", "incidence_degree",
        "dynamic_largest_first", "saturation" (DSATUR; for columns or rows only); a tuple tries each of them;
        an array is an order of the columns (rows, or columns and after them rows).
    seed : int
        Of whatever is random.

    Returns
    -------
    Coloring
        The result depends on the pattern and the arguments alone.

    Raises
    ------
    ArgumentError
        If an argument is none of these.
    PatternError
        If the pattern of a symmetric matrix is not symmetric.

    Examples
    --------
    An arrow: a dense row makes a coloring of the columns useless, one product with that row mends it.

    >>> import numpy as np, polyad as ad
    >>> arrow = np.eye(100)
    >>> arrow[0, :] = 1
    >>> pattern = ad.sparse.Pattern.from_coordinates(arrow.shape, *arrow.nonzero())
    >>> ad.sparse.color(pattern).ncolors
    100
    >>> ad.sparse.color(pattern, "bidirectional").ncolors
    2
    """
    pattern = pattern if isinstance(pattern, Pattern) else Pattern.from_scipy(pattern)
    _check("partition", partition, PARTITIONS)
    _check("decompression", decompression, DECOMPRESSIONS)
    if symmetric and partition != "column":
        raise ArgumentError(f"partition={partition!r}: with symmetric=True pass 'column'")
    if symmetric and not pattern.is_symmetric:
        raise PatternError(
            f"{pattern!r} is not symmetric: with symmetric=True pass both triangles, as S + S.T has them"
        )
    orders = _orders(order, pattern, partition)
    if symmetric or partition == "bidirectional":
        if decompression == "auto":
            made = [_two_sided(pattern, orders, seed, symmetric, a) for a in (False, True)]
            return min(made, key=lambda c: c.ncolors)
        return _two_sided(pattern, orders, seed, symmetric, decompression == "substitution")
    other = pattern.T
    graph = Incidence(other, pattern) if partition == "column" else Incidence(pattern, other)
    found = one_sided(graph, orders, seed, 0)
    best = best_of(found)
    colors = _fixed(best.colors)
    columns, rows = (colors, None) if partition == "column" else (None, colors)
    tried = tuple((f.method, f.count) for f in found)
    return Coloring(pattern, columns, rows, False, "direct", best.method, graph.bound, tried)


def _two_sided(pattern: Pattern, orders: Any, seed: int, symmetric: bool, acyclic: bool) -> Coloring:
    if symmetric:
        found, bound = colored_symmetric(pattern, orders, seed, acyclic=acyclic)
        best = best_of(found)
        columns, rows, method = _fixed(best.colors), None, best.method
        tried = tuple((f.method, f.count) for f in found)
    else:
        both = bidirectional(pattern, orders, seed, acyclic=acyclic)
        chosen = min(both, key=lambda f: f.count)
        columns, rows, method = _fixed(chosen.columns), _fixed(chosen.rows), chosen.method
        tried, bound = tuple((b.method, b.count) for b in both), min(1, pattern.nnz)
    made = Coloring(pattern, columns, rows, symmetric, "direct", method, bound, tried)
    if acyclic and not made.plan.direct:
        return Coloring(pattern, columns, rows, symmetric, "substitution", method, bound, tried)
    return made


def _fixed(colors: Array | None) -> Array | None:
    if colors is not None:
        colors.flags.writeable = False
    return colors


def _check(what: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ArgumentError(f"{what}={value!r}: pass {', '.join(map(repr, known))}")


def _orders(order: Any, pattern: Pattern, partition: str) -> Any:
    if isinstance(order, str):
        if order == "auto":
            return None
        order = (order,)
    if isinstance(order, tuple) and order and all(isinstance(name, str) for name in order):
        for name in order:
            _check("order", name, ORDERS)
        return order
    array = np.asarray(order)
    m, n = pattern.shape
    count = {"column": n, "row": m, "bidirectional": m + n}[partition]
    if (
        array.shape != (count,)
        or array.dtype.kind not in "iu"
        or not np.array_equal(np.sort(array), np.arange(count))
    ):
        raise ArgumentError(f"order must be the name of an order, or a permutation of range({count})")
    return array
