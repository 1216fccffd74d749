"""Index sets as a few layers: arrays with one column for every row, in no order, perhaps the same twice.

The layers of an array are made as the array itself is: where it is sliced, transposed or rolled, so are they,
mostly without a copy, and a union puts the layers of both together. Only at the end they are sorted, in
vectorised steps. A layer holds columns counted from one; zero is none.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Layer", "compressed", "narrowed", "put_together"]

Layer = np.ndarray
CHUNK = 1 << 14  # rows that are sorted at once, so that they stay in the cache


def key(layer: Layer) -> tuple[Any, ...]:
    """What is the same for two layers that are the same memory, seen the same way."""
    return layer.__array_interface__["data"][0], layer.shape, layer.strides


def put_together(first: Sequence[Layer], second: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers of both, those that are the same memory once."""
    known = set(map(key, first))
    return (*first, *(layer for layer in second if key(layer) not in known))


@functools.cache
def _network(n: int) -> tuple[tuple[int, int], ...]:
    """The exchanges that sort n values (K. E. Batcher, Sorting networks and their applications, 1968)."""
    found, p = [], 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        found.append((i + j, i + j + k))
            k //= 2
        p *= 2
    return tuple(found)


def _sort(lines: list[np.ndarray]) -> None:
    """Sort the columns of a table of few lines, the last of which is spare; they change places."""
    spare = len(lines) - 1
    for i, j in _network(spare):
        low, high, free = lines[i], lines[j], lines[spare]
        np.minimum(low, high, out=free)
        np.maximum(low, high, out=high)
        lines[i], lines[spare] = free, low


def _chunks(layers: Sequence[Layer], rows: int) -> Any:
    """So many rows at a time, sorted, as lines; and where an entry counts, None for everywhere."""
    flat = [layer.reshape(-1) for layer in layers]
    whole = np.empty((len(flat) + 1, min(rows, CHUNK)), dtype=flat[0].dtype)
    for start in range(0, rows, CHUNK):
        stop = min(start + CHUNK, rows)
        lines = list(whole[:, : stop - start])
        for line, layer in zip(lines, flat, strict=False):
            line[...] = layer[start:stop]
        _sort(lines)
        counts = np.empty((len(flat), stop - start), dtype=bool)
        np.not_equal(lines[0], 0, out=counts[0])
        for k in range(1, len(flat)):
            np.not_equal(lines[k], lines[k - 1], out=counts[k])
        yield start, stop, lines, None if counts.all() else counts


def compressed(layers: Sequence[Layer], rows: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """``indptr`` and ``indices``, sorted within each row and each once."""
    depth = len(layers)
    indices = np.empty(depth * rows, dtype=dtype)
    indptr = np.zeros(rows + 1, dtype=dtype)
    table = np.empty((min(rows, CHUNK), depth), dtype=dtype)
    wanted = np.empty(table.shape, dtype=bool)
    at = 0
    for start, stop, lines, counts in _chunks(layers, rows):
        size = depth * (stop - start)
        place = table[: stop - start]
        if counts is None:
            place = indices[at : at + size].reshape(-1, depth)
        for k in range(depth):
            place[:, k] = lines[k]
        if counts is None:
            indptr[start + 1 : stop + 1] = np.arange(at + depth, at + size + 1, depth)
        else:
            marks = wanted[: stop - start]
            marks[...] = counts.T
            # a mask would take ten times as long
            found = np.flatnonzero(marks)
            size = found.size
            place.reshape(-1).take(found, out=indices[at : at + size], mode="clip")
            np.cumsum(counts.sum(axis=0, dtype=dtype), out=indptr[start + 1 : stop + 1])
            indptr[start + 1 : stop + 1] += at
        at += size
    indices = indices[:at]
    indices -= 1
    return indptr, indices


def narrowed(layers: Sequence[Layer], rows: int) -> tuple[Layer, ...]:
    """The same with as few layers as the fullest row has columns."""
    depth = len(layers)
    found = np.empty((depth, rows), dtype=layers[0].dtype)
    for start, stop, lines, counts in _chunks(layers, rows):
        if counts is not None:
            for k in range(depth):
                lines[k][~counts[k]] = 0
            _sort(lines)
        for k in range(depth):
            found[k, start:stop] = lines[k]
    first = 0
    while first < depth and not found[first].any():
        first += 1
    return tuple(found[first:])
