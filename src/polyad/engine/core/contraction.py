"""Sums of products of two arrays over named axes, by products of matrices where they are such."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["contracted"]

# with fewer products than these the call of a product of matrices takes longer
MANY = 4096
# an axis along which it pays to go
LONG = 16


def contracted(subscripts: str, *operands: Any) -> Any:
    """As ``np.einsum``, which goes through two operands without BLAS.

    Parameters
    ----------
    subscripts : str
        With the output in it; each operand's letters are distinct.
    *operands : array
        The operands.
    """
    if len(operands) == 2:
        found = _by_matrices(subscripts, *operands)
        if found is not None:
            return found
    return np.einsum(subscripts, *operands, optimize=len(operands) > 2)


def _by_matrices(subscripts: str, a: Any, b: Any) -> Any:
    """A product of two matrices, or a sum of weighted parts; None where it is neither, or a small one."""
    if not (type(a) is type(b) is np.ndarray and a.dtype == b.dtype and a.dtype.kind in "fc"):
        return None
    inputs, output = subscripts.split("->")
    first, second = inputs.split(",")
    shared = [c for c in first if c in second]
    rows, columns = [c for c in first if c in output], [c for c in second if c in output]
    # what only one of them has and the output has not is a sum of its own
    plain = len(rows) + len(shared) == len(first) and len(columns) + len(shared) == len(second)
    if any(c in output for c in shared):
        return _by_weights(first, second, output, a, b)
    if not shared or not plain:
        return None
    sizes = dict(zip(first + second, a.shape + b.shape, strict=True))
    if any(a.shape[first.index(c)] != b.shape[second.index(c)] for c in shared):
        return None  # einsum says what is wrong, or broadcasts
    if math.prod(sizes.values()) < MANY:
        return None
    inner = math.prod(sizes[c] for c in shared)
    left = a.transpose([first.index(c) for c in (*rows, *shared)]).reshape(-1, inner)
    right = b.transpose([second.index(c) for c in (*shared, *columns)]).reshape(inner, -1)
    found = np.matmul(left, right).reshape([sizes[c] for c in (*rows, *columns)])
    return found.transpose([(*rows, *columns).index(c) for c in output])


def _by_weights(first: str, second: str, output: str, a: Any, b: Any) -> Any:
    """One operand times the other, which has no letter of its own, and summed; None elsewhere.

    Where the axis that lies last in memory is left, both go through memory once in long loops.
    """
    if len(first) < len(second):
        first, second, a, b = second, first, b, a
    if not set(second) <= set(first) or a.size < MANY:
        return None
    if any(b.shape[second.index(c)] != a.shape[first.index(c)] for c in second):
        return None
    last = min((k for k, n in enumerate(a.shape) if n > 1), key=lambda k: abs(a.strides[k]))
    summed = tuple(k for k, c in enumerate(first) if c not in output)
    if last in summed or a.shape[last] < LONG or not summed:
        return None
    there = [c for c in first if c in second]
    weights = b.transpose([second.index(c) for c in there])
    weights = weights.reshape([n if c in second else 1 for c, n in zip(first, a.shape, strict=True)])
    left = [c for c in first if c in output]
    return np.add.reduce(a * weights, axis=summed).transpose([left.index(c) for c in output])
