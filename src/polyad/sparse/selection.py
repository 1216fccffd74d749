"""Jacobians of functions that gather what they compute with: few pullbacks of the rest, and no scatter.

An observation needs one of many cameras and one of many points. As a function of these its residuals are on
their own, so the rows of one kind share a pullback, whatever else looks at the same camera.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.libraries import library
from polyad.sparse.coloring.choose import color
from polyad.sparse.coloring.result import Coloring
from polyad.sparse.decompression import Decompression
from polyad.sparse.pattern import Pattern
from polyad.sparse.plan import compression
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem

__all__ = ["Apart", "by_selection"]

# with so few products nothing else is looked for
FEW = 6
# a pullback costs about so many pushforwards
DEAR = 2
# of the numbers that are selected there may be so many times the entries of the matrix
ROOMY = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Apart:
    """The kernel of a function taken apart.

    Parameters
    ----------
    kernel : Kernel
        It gives the entries, or the products.
    products : int
        How many there are.
    decompress : Decompression or None
        From the products to the entries, where the kernel does not do that.
    anywhere : bool
        Whether it is right where the function selects other numbers too.
    """

    kernel: Kernel
    products: int
    decompress: Decompression | None
    anywhere: bool


def by_selection(
    inner: Backend, problem: Problem, pattern: Pattern, whole: Coloring, memory: int | None
) -> Apart | None:
    """The entries of a Jacobian by pullbacks of what comes after the selection; None where it does not pay.

    Parameters
    ----------
    inner : Backend
        Who differentiates.
    problem : Problem
        The function.
    pattern : Pattern
        Of the Jacobian.
    whole : Coloring
        The coloring of the whole.
    memory : int, optional
        Bytes for a batch of products.
    """
    products = whole.ncolors
    if products <= FEW or not inner.reverse:
        return None
    try:
        found = inner.selection(problem, ROOMY * pattern.nnz)
    except Exception:  # what goes wrong on this way is computed, or refused with its reason, as a whole
        return None
    if found is None:
        return None
    m = pattern.shape[0]
    rest = Pattern.trusted((m, len(found.sources)), found.indptr, found.indices)
    rows, columns = rest.row_ids(), found.sources[rest.indices]
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    # an entry that is used several times in its row is a sum
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    places = np.cumsum(new)[~new] - 1
    same = np.array_equal(rows[new], pattern.row_ids()) and np.array_equal(columns[new], pattern.indices)
    if not same or 2 * len(places) > pattern.nnz:
        return None
    coloring = color(rest, "row")
    if DEAR * coloring.ncolors > products:
        return None
    plan = compression(rest, coloring)
    if plan.index is None:
        return None
    index = plan.index[order]
    plan = dataclasses.replace(plan, index=np.concatenate([index[new], index[~new]]), memory=memory)
    outside = None
    if library(inner.library).plain and not len(places):
        # the gather costs nothing more outside, where its result is written to where the caller wants it
        outside = Decompression(plan.pulls * plan.shape[1], index)
        plan = dataclasses.replace(plan, index=None)
    kernel, select = inner.sparse_jacobian(found.rest, plan), found.select

    def call(x: Leaves, c: Leaves, *given: Any) -> Any:
        try:
            (entries,), *others = kernel.call(select(x, c), c, *given)
        except found.otherwise:
            return _whole(inner, problem, whole, memory, outside)(x, c)
        return (inner.folded(entries, places) if len(places) else entries,), *others

    words = f"{kernel.words} of what comes after the selection"
    anywhere = bool(found.otherwise) and whole.plan.direct
    return Apart(dataclasses.replace(kernel, call=call, words=words), plan.pulls, outside, anywhere)


def _whole(
    inner: Backend, problem: Problem, coloring: Coloring, memory: int | None, outside: Decompression | None
) -> Callable[..., Any]:
    """The entries by the products of the whole function, where it selects other numbers than it did."""
    plan = dataclasses.replace(compression(coloring.pattern, coloring), memory=memory)
    kernel = inner.sparse_jacobian(problem, plan)

    def call(x: Leaves, c: Leaves) -> Any:
        (entries,), *others = kernel.call(x, c)
        if plan.index is None:
            entries = coloring.plan(np.asarray(entries))
        if outside is not None:  # they are looked for among products
            at = np.full(outside.size, len(entries))
            at[outside.index] = np.arange(len(entries))
            entries = inner.take(inner.xp.concat((entries, entries[:1])), at)
        return (entries,), *others

    return call
