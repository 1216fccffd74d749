"""Matrices of derivatives that are too large for one graph, column by column.

A graph of a whole Jacobian or Hessian holds the instructions of the function once for each color of
its pattern: for a dense one of 400 columns it takes a minute to build. There the graph of one product
is built instead, and called once for each color.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from polyad.systems.contract import Executable, Leaves, Problem

__all__ = ["TooLarge", "by_products", "check_size", "limited", "star_pays"]

Array = Any

# Instructions of a graph beyond which products are called one by one; one of matrices counts for many.
LIMIT = 300_000
MATRIX = 50
# CasADi's star coloring takes the number of entries times their mean number in a row, beyond which it is
# left out: 0.4 s (measured), and 12 s for a dense matrix of 400 columns, where it saves nothing.
STAR = 4_000_000

_LIMITED: ContextVar[bool] = ContextVar("whether graphs of matrices are limited", default=False)


class TooLarge(Exception):
    """The graph of a matrix would be too large.

    Parameters
    ----------
    pattern : tuple of two arrays
        Rows and columns of the entries that are not structurally zero.
    groups : list of arrays
        Columns that one product serves together.
    second : bool
        Whether it is a Hessian.
    """

    def __init__(self, pattern: tuple[Array, Array], groups: list[Array], *, second: bool) -> None:
        super().__init__()
        self.pattern, self.groups, self.second = pattern, groups, second


@contextlib.contextmanager
def limited(on: bool) -> Iterator[None]:
    """Within, ``check_size`` raises where a graph would be too large (or no longer does)."""
    before = _LIMITED.get()
    try:  # Ctrl-C may come between any two calls
        _LIMITED.set(on)
        yield
    finally:
        _LIMITED.set(before)


def star_pays(sparsity: Any) -> bool:
    """Whether a symmetric pattern is sparse enough to be colored as such."""
    return int(sparsity.nnz()) ** 2 <= STAR * max(1, sparsity.size2())


def check_size(column: Any, point: Any, *, second: bool = False) -> None:
    """Refuse to build the graph of a Jacobian that would be too large.

    Parameters
    ----------
    column : SX or MX
        What is differentiated.
    point : Column
        With respect to what.
    second : bool
        Whether it is a gradient.
    """
    import casadi

    if not _LIMITED.get() or column.numel() * point.size == 0:
        return
    most = min(column.numel(), point.size)
    free = casadi.symvar(column)
    instructions = casadi.Function("size", free, [column]).n_instructions()
    cost = instructions * (MATRIX if isinstance(column, casadi.MX) else 1)
    if cost * most <= LIMIT:
        return
    sparsity = casadi.jacobian_sparsity(column, point.column)
    coloring = sparsity.uni_coloring()
    if second and star_pays(sparsity):
        other = sparsity.star_coloring()
    else:
        other = coloring if second else sparsity.T.uni_coloring()
    if cost * min(coloring.size2(), other.size2()) <= LIMIT:
        return
    rows, columns = (np.array(k, dtype=np.intp) for k in sparsity.get_triplet())
    starts, members = np.array(coloring.colind()), np.array(coloring.row(), dtype=np.intp)
    groups = [members[a:b] for a, b in itertools.pairwise(starts)]
    raise TooLarge((rows, columns), groups, second=second)


def by_products(
    run: Callable[[Leaves, Leaves, Leaves], Sequence[Leaves]],
    problem: Problem,
    large: TooLarge,
    words: str,
    *,
    patterned: bool,
) -> Executable:
    """The executable of a matrix from that of its products.

    Parameters
    ----------
    run : callable
        ``run(x, c, v)`` gives the product with one direction, and what comes along.
    problem : Problem
        The problem, for the shapes of its leaves.
    large : TooLarge
        Pattern and groups.
    words : str
        The strategy.
    patterned : bool
        Whether they hold for all arguments; if not, columns are computed one by one.
    """
    outputs = problem.inputs if large.second else problem.outputs
    count, height = sum(s.size for s in problem.inputs), sum(s.size for s in outputs)
    rows, columns = large.pattern
    groups = large.groups if patterned else [np.array([k]) for k in range(count)]
    places: list[tuple[Array, Array]] = []
    color = np.empty(count, dtype=np.intp)
    for k, group in enumerate(groups):
        color[group] = k
    if patterned:
        order = np.argsort(color[columns], kind="stable")
        cuts = np.searchsorted(color[columns][order], np.arange(1, len(groups)))
        places = [(rows[part], columns[part]) for part in np.split(order, cuts)]

    def matrix(x: Leaves, c: Leaves) -> tuple[Array, Sequence[Leaves]]:
        full = np.zeros((height, count))
        outcome: Sequence[Leaves] = ()
        for k, group in enumerate(groups):
            v = np.zeros(count)
            v[group] = 1.0
            outcome = run(x, c, _split(v, problem.inputs))
            product = np.concatenate([np.ravel(leaf) for leaf in outcome[0]])
            if patterned:
                i, j = places[k]
                full[i, j] = product[i]
            else:
                full[:, k] = product
        return full, outcome

    def blocks(full: Array) -> Leaves:
        found, top = [], 0
        for out in outputs:
            left = 0
            for spec in problem.inputs:
                part = full[top : top + out.size, left : left + spec.size]
                shape, dtype = (*out.shape, *spec.shape), np.result_type(out.dtype, spec.dtype)
                found.append(np.array(part, dtype=dtype, order="C").reshape(shape))
                left += spec.size
            top += out.size
        return tuple(found)

    def result(x: Leaves, c: Leaves) -> Leaves:
        return blocks(matrix(x, c)[0])

    def full(x: Leaves, c: Leaves) -> tuple[Leaves, ...]:
        whole, outcome = matrix(x, c)
        return (blocks(whole), *outcome[1:])

    return Executable(full, result, f"{words}, {len(groups)} products one by one")


def _split(v: Array, specs: Sequence[Any]) -> Leaves:
    leaves, start = [], 0
    for spec in specs:
        stop = start + math.prod(spec.shape)
        leaves.append(v[start:stop].reshape(spec.shape).astype(spec.dtype, copy=False))
        start = stop
    return tuple(leaves)
