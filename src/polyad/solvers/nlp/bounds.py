"""Bounds as callers write them, as a number for each entry."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of
from polyad.arrays.trees import LEAF, flatten
from polyad.arrays.types import Array
from polyad.errors import ArgumentError
from polyad.solvers.unknown import without_none

__all__ = ["bound", "ordered", "pair"]


def bound(given: Any, structure: Any, shapes: list[tuple[int, ...]], default: float, name: str) -> Array:
    """A bound for each of the numbers of a tree."""
    count = sum(map(math.prod, shapes))
    if given is None:
        return np.full(count, default)
    if not isinstance(given, (int, float)) and structure is not LEAF and not hasattr(given, "shape"):
        leaves, found = flatten(without_none(given, default))
        if len(leaves) != len(shapes):
            raise ArgumentError(
                f"{name} has {len(leaves)} leaves ({found}), what it bounds has {len(shapes)} ({structure}): "
                f"pass a number, a vector of {count}, or a tree of that form, with {default} for no bound"
            )
        pairs = zip(leaves, shapes, strict=True)
        return np.concatenate([bound(leaf, LEAF, [shape], default, name) for leaf, shape in pairs])
    source = library_of(given)
    array = np.asarray(source.to_numpy(given) if source is not None and hasattr(given, "shape") else given)
    if array.dtype == object:
        array = np.array([default if v is None else v for v in array.flat]).reshape(array.shape)
    array = array.astype(np.float64)
    if np.isnan(array).any():
        raise ArgumentError(f"{name} has NaN: pass {default}, or None, where there is no bound")
    for shape in [(count,), shapes[0]] if len(shapes) == 1 else [(count,)]:
        try:
            return np.array(np.broadcast_to(array, shape), dtype=np.float64).reshape(-1)
        except ValueError:
            continue
    raise ArgumentError(
        f"{name} has shape {array.shape}, what it bounds {count} numbers: pass a number or {count} of them"
    )


def pair(bounds: Any, name: str) -> tuple[Any, Any]:
    """The lowest and the highest values, of a pair or of an object with ``lb`` and ``ub``."""
    if bounds is None:
        return None, None
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        return bounds.lb, bounds.ub
    if not (isinstance(bounds, (tuple, list)) and len(bounds) == 2):
        raise ArgumentError(
            f"{name} is a {type(bounds).__name__}: pass a pair of the lowest and the highest values, "
            "(0.0, None) for what has no upper bound"
        )
    return bounds[0], bounds[1]


def ordered(lower: Array, upper: Array, what: str) -> None:
    """Refuse a lower bound above the upper one."""
    wrong = np.flatnonzero(lower > upper)
    if len(wrong):
        k = int(wrong[0])
        raise ArgumentError(f"the lower bound of {what} {k} is {lower[k]}, above the upper one, {upper[k]}")
