"""Whether two values are known to be the same function of the input, so that their product is a square."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.interpretations.cotangents import Part
from polyad.engine.interpretations.dual import Dual
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.interpretations.tape import Node

__all__ = ["is_same"]


def is_same(a: Any, b: Any) -> bool:
    """Whether two values are known to be the same function of the input, like two uses of one entry."""
    kind = type(a)
    if a is b or kind is not type(b):
        return a is b
    if kind is Node:
        return a.tape is b.tape and (a.index == b.index or _same_entry(a.tape[a.index], b.tape[b.index]))
    if kind is Dual:  # all that is computed of them is the same
        return a.level == b.level and is_same(a.primal, b.primal) and is_same(a.tangent, b.tangent)
    if kind is Proxy:
        return (
            a.entry is not None
            and b.entry is not None
            and a.entry[0] is b.entry[0]
            and a.entry[1:] == b.entry[1:]
        )
    if kind is np.ndarray:
        return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())
    return isinstance(a, str | int | float | tuple | None) and bool(a == b)


def _same_entry(a: Any, b: Any) -> bool:
    """Whether two lines of a tape take the same part of the same array."""
    if a is None or b is None or len(a) != 3 or len(b) != 3 or type(a[1]) is not int or a[1] != b[1]:
        return False
    mine, other = a[0], b[0]
    if type(mine) is Part and type(other) is Part:
        mine, other = (_plain(k.index) if k.basic else None for k in (mine, other))
    known = type(mine) in (int, tuple) and type(mine) is type(other)
    return known and bool(mine == other)


def _plain(index: Any) -> Any:
    return (
        index if type(index) is int or (type(index) is tuple and all(type(k) is int for k in index)) else None
    )
