"""Which arrays share memory, of whatever library: entry by entry, not by the ends alone.

An array that has memory is described to NumPy by its address, shape and strides (nothing is read
there, so it may be on a device), and NumPy's own solver answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.arrays.libraries import library_of

__all__ = ["meets_itself", "overlap", "same_place", "separate"]

# Steps of NumPy's solver (``numpy.shares_memory``), after which memory counts as shared.
WORK = 100_000


def _described(a: Any) -> np.ndarray | None:
    """A NumPy array over the same memory, never to be read; None where there is no such memory."""
    if isinstance(a, np.ndarray):
        return a
    owner = library_of(a)
    return None if owner is None else owner.describe_memory(a)


def overlap(a: Any, b: Any) -> bool:
    """Whether an entry of one array is an entry of the other as well."""
    first, second = _described(a), _described(b)
    if first is None or second is None or not np.may_share_memory(first, second):
        return False
    try:
        return np.shares_memory(first, second, max_work=WORK)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def same_place(a: Any, b: Any) -> bool:
    """Whether two arrays are one: the same entries in the same order."""
    first, second = _described(a), _described(b)
    if first is None or second is None:
        return a is b
    one, other = first.__array_interface__, second.__array_interface__
    return one["data"][0] == other["data"][0] and (first.shape, first.strides, first.dtype) == (
        second.shape,
        second.strides,
        second.dtype,
    )


def meets_itself(a: Any) -> bool:
    """Whether two entries of an array lie in the same place (zero strides, overlapping windows)."""
    described = _described(a)
    if described is None or described.size < 2 or described.flags.forc:
        return False
    steps = sorted((abs(s), n) for s, n in zip(described.strides, described.shape, strict=True) if n > 1)
    reach = described.itemsize
    for stride, n in steps:
        if stride < reach:  # the usual criterion leaves it open: look at every entry
            return _collide(described)
        reach += stride * (n - 1)
    return False


def _collide(a: np.ndarray) -> bool:
    offsets = np.zeros((1,) * a.ndim, dtype=np.int64)
    for axis, (stride, n) in enumerate(zip(a.strides, a.shape, strict=True)):
        shape = [1] * a.ndim
        shape[axis] = n
        offsets = offsets + (np.arange(n) * stride).reshape(shape)
    return bool(np.any(np.diff(np.sort(offsets, axis=None)) < a.itemsize))


def separate(arrays: Sequence[Any], others: Sequence[Any] = ()) -> list[Any]:
    """The arrays, copies in place of those that share memory with ``others`` or an earlier one.

    Parameters
    ----------
    arrays : sequence of array
        Results, each already free of ``others``' memory unless they are given here.
    others : sequence of array
        More arrays that they must not share memory with.
    """
    if len(arrays) == 1 and not others:
        return list(arrays)
    found: list[Any] = []
    known: dict[int, list[Any]] = {}
    for other in others:
        known.setdefault(_root(other), []).append(other)
    for a in arrays:
        beside = known.setdefault(_root(a), [])
        if any(overlap(a, b) for b in beside):
            owner = library_of(a)
            assert owner is not None
            a = owner.own(a)
            beside = known.setdefault(_root(a), [])
        beside.append(a)
        found.append(a)
    return found


def _root(a: Any) -> int:
    """What tells whose memory an array is in: only arrays of one root can share some."""
    if isinstance(a, np.ndarray):
        while isinstance(base := a.base, np.ndarray):
            a = base
        if a.base is None:
            return id(a)
        a = a.base
    owner = library_of(a)
    return 0 if owner is None else owner.memory_of(a)
