"""What pullbacks are made of, besides plain callables."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.values import PRIMITIVES, Tracer, Value, keys_of
from polyad.engine.interpretations.dual import Dual

__all__ = ["Part", "Pick", "add", "is_number", "is_plain"]


def add(a: Value, b: Value) -> Value:
    """The sum of two cotangents."""
    return PRIMITIVES["add"](a, b)


def is_plain(a: Value) -> bool:
    """Whether a value is made of plain numbers only, which can be looked at."""
    while type(a) is Dual:
        if not is_plain(a.tangent):
            return False
        a = a.primal
    return not isinstance(a, Tracer)


def is_number(a: Value) -> bool:
    """Whether all entries are plain numbers, none of them NaN; None is zero."""
    kind = type(a)
    if kind is np.ndarray:
        total = np.add.reduce(a, axis=None)  # which is NaN where an entry is, and where infinities cancel
        return bool(total == total) or not np.count_nonzero(a != a)
    if kind is Dual:
        return is_number(a.primal) and is_number(a.tangent)
    return a is None or (not isinstance(a, Tracer) and bool(a == a))


class Pick:
    """The pullback of taking one of an operation's several results."""

    __slots__ = ("count", "k")

    def __init__(self, k: int, count: int) -> None:
        self.k, self.count = k, count


class Part:
    """The pullback of indexing: the cotangent belongs at ``index`` of an array of this shape.

    Calling it gives that array; the tape adds into an existing one where it can, also with tangents.
    """

    __slots__ = ("basic", "dtype", "index", "shape", "unique")

    def __init__(
        self,
        index: Any,
        shape: tuple[int, ...],
        dtype: Any,
        *,
        basic: bool,
        unique: bool,
    ) -> None:
        self.index, self.shape, self.dtype = index, shape, dtype
        self.basic, self.unique = basic, unique

    def __call__(self, w: Value) -> Value:
        return PRIMITIVES["scatter"](w, index=self.index, shape=self.shape)

    def can_add(self, w: Value) -> bool:
        """Whether the entries can be added in place, without a rule."""
        if not isinstance(w, Tracer):
            return self.unique or not any(isinstance(k, Tracer) for k in keys_of(self.index))
        return (
            self.basic
            and type(w) is Dual
            and not isinstance(w.primal, Tracer)
            and not isinstance(w.tangent, Tracer)
        )

    def is_known(self) -> bool:
        """Whether the place is known, not computed by another library."""
        return not any(isinstance(k, Tracer) for k in keys_of(self.index))

    def buffer(self, w: Value) -> Value:
        """Zeros for cotangents like this one."""
        if type(w) is Dual:
            tangent = np.zeros((w.tangent.shape[0], *self.shape), dtype=w.tangent.dtype)
            return Dual(w.level, np.zeros(self.shape, dtype=w.primal.dtype), tangent)
        return np.zeros(self.shape, dtype=w.dtype)

    def accepts(self, buffer: Value, w: Value) -> bool:
        """Whether a buffer can take this cotangent."""
        if type(w) is Dual:
            same = type(buffer) is Dual and buffer.level == w.level and buffer.dtype == w.dtype
            return same and buffer.tangent.dtype == w.tangent.dtype  # a complex number's may be real
        return type(buffer) is np.ndarray and buffer.dtype == w.dtype

    def add_to(self, buffer: Value, w: Value) -> None:
        """Add to a buffer that nobody else holds."""
        if type(w) is Dual:
            lead = (slice(None), *self.index) if type(self.index) is tuple else (slice(None), self.index)
            buffer.primal[self.index] += w.primal
            buffer.tangent[lead] += w.tangent
        elif self.unique:
            buffer[self.index] += w
        else:
            np.add.at(buffer, self.index, w)
