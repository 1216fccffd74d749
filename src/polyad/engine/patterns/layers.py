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


def _sort(table: np.ndarray, spare: np.ndarray) -> None:
    """Sort the columns of a table of few rows, in place."""
    for i, j in _network(len(table)):
        np.minimum(table[i], table[j], out=spare)
        np.maximum(table[i], table[j], out=table[j])
        table[i] = spare


def _chunks(layers: Sequence[Layer], rows: int) -> Any:
    """Sorted tables of so many rows at a time, and where an entry stands that counts, None for everywhere."""
    flat = [layer.reshape(-1) for layer in layers]
    dtype = flat[0].dtype
    whole = np.empty((len(flat), min(rows, CHUNK)), dtype=dtype)
    spare = np.empty(whole.shape[1], dtype=dtype)
    for start in range(0, rows, CHUNK):
        stop = min(start + CHUNK, rows)
        table = whole[:, : stop - start]
        for k, layer in enumerate(flat):
            table[k] = layer[start:stop]
        _sort(table, spare[: stop - start])
        counts = np.empty(table.shape, dtype=bool)
        np.not_equal(table[0], 0, out=counts[0])
        np.not_equal(table[1:], table[:-1], out=counts[1:])
        yield start, stop, table, None if counts.all() else counts


def compressed(layers: Sequence[Layer], rows: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """``indptr`` and ``indices``, sorted within each row and each once."""
    depth = len(layers)
    indices = np.empty(depth * rows, dtype=dtype)
    indptr = np.zeros(rows + 1, dtype=dtype)
    at = 0
    for start, stop, table, counts in _chunks(layers, rows):
        if counts is None:
            size = table.size
            indices[at : at + size].reshape(-1, depth)[...] = table.T
            indptr[start + 1 : stop + 1] = np.arange(at + depth, at + size + 1, depth)
        else:
            found = table.T[counts.T]
            size = found.size
            indices[at : at + size] = found
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
    for start, stop, table, counts in _chunks(layers, rows):
        if counts is not None:
            table[~counts] = 0
            _sort(table, np.empty(table.shape[1], dtype=table.dtype))
        found[:, start:stop] = table
    first = 0
    while first < depth and not found[first].any():
        first += 1
    return tuple(found[first:])
