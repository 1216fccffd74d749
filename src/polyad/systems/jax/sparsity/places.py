"""Where the entries of JAX's gathers and scatters stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["gathered_from", "scattered_to"]


def gathered_from(
    shape: Sequence[int], indices: np.ndarray | None, out: Sequence[int], params: Any, lead: Sequence[int]
) -> np.ndarray:
    """For each entry of a gather's result its flat position in the operand of this shape, or -1.

    Where the indices are not known, all axes that they count must have length one in ``shape``.
    """
    d = params["dimension_numbers"]
    return _places(
        shape,
        indices,
        out,
        lead,
        sizes=params["slice_sizes"],
        offset=d.offset_dims,
        gone=d.collapsed_slice_dims,
        counted=d.start_index_map,
        pairs=dict(zip(d.operand_batching_dims, d.start_indices_batching_dims, strict=True)),
        clips="CLIP" in str(params["mode"]).upper(),
    )


def scattered_to(
    shape: Sequence[int], indices: np.ndarray, updates: Sequence[int], params: Any
) -> np.ndarray:
    """For each entry of a scatter's updates where it goes, or -1."""
    d = params["dimension_numbers"]
    gone = (*d.inserted_window_dims, *d.operand_batching_dims)
    windows = iter(d.update_window_dims)
    sizes = [1 if k in gone else updates[next(windows)] for k in range(len(shape))]
    return _places(
        shape,
        indices,
        updates,
        indices.shape[:-1],
        sizes=sizes,
        offset=d.update_window_dims,
        gone=d.inserted_window_dims,
        counted=d.scatter_dims_to_operand_dims,
        pairs=dict(zip(d.operand_batching_dims, d.scatter_indices_batching_dims, strict=True)),
        clips="CLIP" in str(params["mode"]).upper(),
    )


def _places(
    shape: Sequence[int],
    indices: np.ndarray | None,
    out: Sequence[int],
    lead: Sequence[int],
    *,
    sizes: Sequence[int],
    offset: Sequence[int],
    gone: Sequence[int],
    counted: Sequence[int],
    pairs: dict[int, int],
    clips: bool,
) -> np.ndarray:
    n = len(out)
    batch = [k for k in range(n) if k not in offset]
    windows = iter(offset)
    places: Any = np.zeros((1,) * n, dtype=np.int64)
    outside: Any = False
    for k, length in enumerate(shape):
        start: Any = np.zeros((1,) * n, dtype=np.int64)
        if k in pairs:
            form = [1] * n
            form[batch[pairs[k]]] = -1
            start = np.arange(lead[pairs[k]]).reshape(form)
        elif k in counted and indices is not None:
            form = [1] * n
            for b, m in zip(batch, lead, strict=True):
                form[b] = m
            start = indices[..., list(counted).index(k)].astype(np.int64).reshape(form)
            last = length - sizes[k]
            if not clips:
                outside = outside | (start < 0) | (start > last)
            start = np.clip(start, 0, last)
        if k not in gone and k not in pairs:
            axis = next(windows)
            if length > 1:  # one that is not known has been made one
                form = [1] * n
                form[axis] = -1
                start = start + np.arange(sizes[k]).reshape(form)
        places = places * length + start
    return np.broadcast_to(np.where(outside, -1, places), tuple(out))
