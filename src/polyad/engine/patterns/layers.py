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
MANY = 64  # rows beyond which layers are looked through for some that are mostly the same
SAMPLES = 7  # rows that are looked at for that


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


def _united(lines: list[np.ndarray]) -> list[np.ndarray]:
    """The lines, those made one that mostly have the same, and where they differ one has nothing.

    A gradient puts contributions together that come from slices of an array: they differ at its ends.
    """
    count = lines[0].size
    places = [(2 * k + 1) * count // (2 * SAMPLES) for k in range(SAMPLES)]
    found: dict[int, np.ndarray] = {}
    rest = []
    for line in lines:
        typical = sorted(line[places].tolist())[SAMPLES // 2]
        known = found.setdefault(typical, line)
        if known is not line and not _takes(known, line):
            rest.append(line)
    return [*found.values(), *rest]


def _takes(line: np.ndarray, other: np.ndarray) -> bool:
    """Whether a line has now all that another one has, which is put where there is nothing."""
    places = np.flatnonzero(line != other)
    if places.size > line.size >> 3:
        return False
    mine, theirs = line[places], other[places]
    if np.any((mine != 0) & (theirs != 0)):
        return False
    line[places] = mine | theirs
    return True


def _chunks(layers: Sequence[Layer], rows: int) -> Any:
    """So many rows at a time, sorted, as lines; and where an entry counts, None for everywhere."""
    flat = [layer.reshape(-1) for layer in layers]
    whole = np.empty((len(flat) + 1, min(rows, CHUNK)), dtype=flat[0].dtype)
    for start in range(0, rows, CHUNK):
        stop = min(start + CHUNK, rows)
        *lines, spare = whole[:, : stop - start]
        for line, layer in zip(lines, flat, strict=True):
            line[...] = layer[start:stop]
        if stop - start > MANY:
            lines = _united(lines)
        lines.append(spare)
        _sort(lines)
        lines.pop()
        counts = np.empty((len(lines), stop - start), dtype=bool)
        np.not_equal(lines[0], 0, out=counts[0])
        for k in range(1, len(lines)):
            np.not_equal(lines[k], lines[k - 1], out=counts[k])
        yield start, stop, lines, None if counts.all() else counts


def compressed(layers: Sequence[Layer], rows: int, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """``indptr`` and ``indices``, sorted within each row and each once."""
    depth = len(layers)
    indices = np.empty(depth * rows, dtype=dtype)
    indptr = np.zeros(rows + 1, dtype=dtype)
    table = np.empty(min(rows, CHUNK) * depth, dtype=dtype)
    wanted = np.empty(table.shape, dtype=bool)
    at = 0
    for start, stop, lines, counts in _chunks(layers, rows):
        depth = len(lines)
        size = depth * (stop - start)
        place = table[:size].reshape(-1, depth)
        if counts is None:
            place = indices[at : at + size].reshape(-1, depth)
        for k in range(depth):
            place[:, k] = lines[k]
        if counts is None:
            indptr[start + 1 : stop + 1] = np.arange(at + depth, at + size + 1, depth)
        else:
            marks = wanted[:size].reshape(-1, depth)
            for k in range(depth):
                marks[:, k] = counts[k]
            ones = counts.view(np.uint8)
            each = ones[0] + ones[1] if depth > 1 else ones[0]
            for k in range(2, depth):
                each += ones[k]
            ends = np.cumsum(each, dtype=dtype, out=indptr[start + 1 : stop + 1])
            total = int(ends[-1])
            if 10 * total > 9 * size:
                indices[at : at + total] = place[marks]
            else:  # where many are left out a mask takes up to five times as long
                np.take(place, np.flatnonzero(marks), out=indices[at : at + total], mode="clip")
            ends += at
            size = total
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
            for line, count in zip(lines, counts, strict=True):
                line[~count] = 0
            lines.append(np.empty_like(lines[0]))
            _sort(lines)
            lines.pop()
        found[: depth - len(lines), start:stop] = 0
        found[depth - len(lines) :, start:stop] = lines
    first = 0
    while first < depth and not found[first].any():
        first += 1
    return tuple(found[first:])
