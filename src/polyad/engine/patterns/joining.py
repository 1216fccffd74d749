"""Index sets of several arrays as those of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polyad.engine.patterns.sets import IndexSets, index_type

__all__ = ["assembled", "joined"]


def joined(parts: list[IndexSets]) -> IndexSets:
    """The rows of all, one after the other."""
    if len(parts) == 1:
        return parts[0]
    columns = parts[0].columns
    if _go_together(parts):
        return assembled(parts, [(p.rows,) for p in parts], np.concatenate)
    total = sum(p.indices.size for p in parts)
    dtype = index_type(max(total, columns))
    starts = np.cumsum([0, *(p.indices.size for p in parts)])
    indptr = np.concatenate(
        [np.zeros(1, dtype), *(p.indptr[1:] + dtype.type(s) for p, s in zip(parts, starts, strict=False))]
    ).astype(dtype, copy=False)
    indices = np.concatenate([p.indices for p in parts]).astype(dtype, copy=False)
    full = None
    if any(p.full is not None for p in parts):
        full = np.concatenate([np.zeros(p.rows, bool) if p.full is None else p.full for p in parts])
    return IndexSets(indptr, indices, columns, full)


def assembled(
    parts: Sequence[IndexSets | None],
    shapes: Sequence[tuple[int, ...]],
    run: Callable[[list[np.ndarray]], np.ndarray],
) -> IndexSets:
    """The rows of several arrays as ``run`` moves their entries into one; what is zero has none."""
    known = [p for p in parts if p is not None]
    columns = known[0].columns
    if _go_together(known):
        dtype = next((p.layers[0].dtype for p in known if p.layers), np.dtype(np.int32))
        found = []
        for k in range(max(len(p.layers or ()) for p in known)):
            found.append(run([_layer(p, s, k, dtype) for p, s in zip(parts, shapes, strict=True)]))
        rows = found[0].size if found else run([np.zeros(s, dtype) for s in shapes]).size
        return IndexSets.of_layers(found, rows, columns)
    numbered, start = [], 1
    for p, shape in zip(parts, shapes, strict=True):
        if p is None:
            numbered.append(np.zeros(shape, dtype=np.int64))
        else:
            numbered.append(np.arange(start, start + p.rows).reshape(shape))
            start += p.rows
    return joined(known).gathered(run(numbered) - 1)


def _layer(part: IndexSets | None, shape: tuple[int, ...], k: int, dtype: Any) -> np.ndarray:
    layers = None if part is None else part.layers
    if layers is None or k >= len(layers):
        return np.broadcast_to(np.zeros((), dtype=dtype), shape)
    return layers[k].reshape(shape)


def _go_together(parts: Sequence[IndexSets]) -> bool:
    """Whether all are in layers, and do not get much larger with as many as one of them has."""
    if any(p.layers is None for p in parts):
        return False
    depth = max(len(p.layers or ()) for p in parts)
    return depth * sum(p.rows for p in parts) <= 1024 + 3 * sum(len(p.layers or ()) * p.rows for p in parts)
