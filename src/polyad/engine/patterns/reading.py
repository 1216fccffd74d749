"""What readers of a framework's programs have in common: linear operations on rows of index sets.

A reader goes through the program of a derivative, which is linear in the tangents. Values that are known are
plain, others are ``Supported``; those that no tangent reaches have no sets.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.patterns.joining import assembled
from polyad.engine.patterns.rules import reduced, spread
from polyad.engine.patterns.sets import IndexSets
from polyad.engine.patterns.supported import Analysis, Supported
from polyad.errors import PatternError

__all__ = ["Reader", "cumulative", "labels", "size_of", "triangular", "windows"]

Shape = tuple[int, ...]


def size_of(shape: Sequence[int]) -> int:
    """How many entries an array of this shape has."""
    size = 1
    for n in shape:
        size *= n
    return size


class Reader:
    """Rows of index sets moved about as a program says.

    Parameters
    ----------
    analysis : Analysis
        The run.
    dense : bool
        Whether an operation that is not known counts as one of which everything depends on everything.
    source : str
        Whose operations these are, for messages.
    """

    def __init__(self, analysis: Analysis, dense: bool, source: str) -> None:
        self.analysis, self.dense, self.source = analysis, dense, source

    def unknown(self, shape: Sequence[int]) -> Supported:
        """An array that no tangent reaches and whose values are not known."""
        return self.tangent(shape, None)

    def tangent(self, shape: Sequence[int], sets: IndexSets | None) -> Supported:
        """An array with index sets."""
        sets = None if sets is not None and sets.is_empty else sets
        return Supported(_blank(tuple(shape)), sets, self.analysis)

    def refused(self, name: str) -> PatternError:
        """The error for an operation that is not known."""
        return PatternError(
            f"the pattern of {self.source}'s operation {name} is not known: unknown='dense' lets it count as "
            "one of which every result depends on every operand; DenseDetector() finds patterns by numbers"
        )

    def everything(self, args: Sequence[Any], shapes: Sequence[Shape]) -> list[Supported]:
        """Every result of every operand."""
        all_of: IndexSets | None = None
        for a in args:
            if reaches(a):
                small = reduced(a.sets, a.shape, tuple(range(len(a.shape))))
                all_of = small if all_of is None else all_of.united(small)
        return [
            self.tangent(s, None if all_of is None else all_of.gathered(np.zeros(size_of(s), dtype=np.int64)))
            for s in shapes
        ]

    def moved(self, x: Supported, run: Callable[[np.ndarray], np.ndarray], shape: Sequence[int]) -> Supported:
        """What an operation that moves entries makes of them: run on positions, counted from one.

        What is zero there came from nowhere.
        """
        assert x.sets is not None
        return self.tangent(shape, x.sets.moved(x.shape, run))

    def placed(self, x: Supported, places: Any, shape: Sequence[int]) -> Supported:
        """What stands at places, counted from one; zero is none."""
        assert x.sets is not None
        return self.tangent(shape, x.sets.gathered(np.asarray(places).reshape(-1) - 1))

    def together(
        self, args: Sequence[Any], run: Callable[[list[np.ndarray]], np.ndarray], shape: Sequence[int]
    ) -> Supported:
        """The same of several arrays, numbered through."""
        parts = [a.sets if reaches(a) else None for a in args]
        shapes = [tuple(a.shape) if hasattr(a, "shape") else np.shape(a) for a in args]
        return self.tangent(shape, assembled(parts, shapes, run))

    def added(
        self, x: Any, updates: Any, targets: np.ndarray | None, shape: Sequence[int], replaces: bool = False
    ) -> Supported:
        """Entries of ``updates`` added to those of ``x`` at ``targets``; of all to all where these are None.

        A target that is negative is none.
        """
        found: IndexSets | None = x.sets if reaches(x) else None
        if reaches(updates):
            if targets is None:
                small = reduced(updates.sets, updates.shape, tuple(range(len(updates.shape))))
                more = small.gathered(np.zeros(size_of(shape), dtype=np.int64))
            else:
                flat = np.asarray(targets).ravel()
                inside = np.flatnonzero(flat >= 0)
                more = updates.sets.mapped(flat[inside], inside, size_of(shape))
            found = more if found is None else found.united(more)
        return self.tangent(shape, found)

    def along(self, x: Supported, axes: Sequence[int], shape: Sequence[int]) -> Supported:
        """Every result of all entries along axes, which have another length in it perhaps."""
        n = len(x.shape)
        axes = tuple(k % n for k in axes)
        kept = tuple(1 if k in axes else m for k, m in enumerate(x.shape))
        assert x.sets is not None
        small = reduced(x.sets, x.shape, axes)
        if small.rows == size_of(shape):
            return self.tangent(shape, small)
        return self.tangent(shape, spread(small, kept, tuple(shape)))


def reaches(a: Any) -> bool:
    """Whether a tangent reaches an array."""
    return type(a) is Supported and a.sets is not None


def labels(shape: Shape, axes: Sequence[int]) -> np.ndarray:
    """For every entry the number of the group, of those that differ in ``axes`` only, in which it is."""
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    return np.broadcast_to(np.arange(size_of(kept)).reshape(kept), shape)


def cumulative(sets: IndexSets, shape: Shape, axis: int, *, reverse: bool = False) -> IndexSets:
    """Along an axis the union with all before, or all after."""
    if not shape:
        return sets
    axis %= len(shape)
    n = shape[axis]
    lines = np.moveaxis(np.arange(sets.rows).reshape(shape), axis, -1).reshape(-1, n)
    upto, each = np.triu_indices(n) if reverse else np.tril_indices(n)
    return sets.mapped(lines[:, upto], lines[:, each], sets.rows)


def triangular(sets: IndexSets, shape: Shape, *, left: bool, lower: bool) -> IndexSets:
    """The solution ``x`` of ``a x = b``, or ``x a = b``, from the sets of ``b``, for a triangular ``a``."""
    return cumulative(sets, shape, -2 if left else -1, reverse=lower != left)


def windows(
    size: Sequence[int],
    kernel: Sequence[int],
    out: Sequence[int],
    *,
    stride: Sequence[int],
    before: Sequence[int],
    dilation: Sequence[int],
    base: Sequence[int] | None = None,
) -> np.ndarray:
    """What a window over a grid sees: shape ``kernel + out``, the flat position on the grid or -1.

    Parameters
    ----------
    size, kernel, out : sequence of int
        Lengths of the grid, of the window, of the result.
    stride, before, dilation : sequence of int
        Steps of the window, what is padded before the grid, steps within the window.
    base : sequence of int, optional
        Steps between the points of the grid, with zeros in between.
    """
    n = len(size)
    places = np.zeros((1,) * (2 * n), dtype=np.int64)
    outside = np.zeros((1,) * (2 * n), dtype=bool)
    for d in range(n):
        at = (np.arange(out[d]) * stride[d])[None] + (np.arange(kernel[d]) * dilation[d])[:, None] - before[d]
        step = 1 if base is None else base[d]
        wrong = (at < 0) | (at >= (size[d] - 1) * step + 1) | (at % step != 0)
        form = [1] * (2 * n)
        form[d], form[n + d] = kernel[d], out[d]
        places = places * size[d] + (at // step).reshape(form)
        outside = outside | wrong.reshape(form)
    return np.where(outside, -1, places)


@functools.lru_cache(256)
def _blank(shape: Shape) -> np.ndarray:
    return np.broadcast_to(np.zeros(()), shape)
