"""What pullbacks are made of, besides plain callables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core import PRIMITIVES, Tracer, Value, shape_of

__all__ = ["Part", "Pick", "expand"]


class Pick:
    """The pullback of taking one of an operation's several results."""

    __slots__ = ("count", "k")

    def __init__(self, k: int, count: int) -> None:
        self.k, self.count = k, count


class Part:
    """The pullback of indexing: the cotangent belongs at ``index`` of an array of this shape.

    Calling it gives that array; the tape adds into an existing one where it can.
    """

    __slots__ = ("dtype", "index", "scatter", "shape", "unique")

    def __init__(
        self, index: Any, shape: tuple[int, ...], dtype: Any, scatter: Callable[..., Value], *, unique: bool
    ) -> None:
        self.index, self.shape, self.dtype = index, shape, dtype
        self.scatter, self.unique = scatter, unique

    def __call__(self, w: Value) -> Value:
        return self.scatter(w, index=self.index, shape=self.shape)

    def add_to(self, buffer: np.ndarray, w: np.ndarray) -> None:
        """Add to a buffer that nobody else holds."""
        if self.unique:
            buffer[self.index] += w
        else:
            np.add.at(buffer, self.index, w)


def expand(w: Value, shape: tuple[int, ...]) -> Value:
    """A cotangent in full."""
    if shape_of(w) == shape:
        return w
    if isinstance(w, Tracer):
        return PRIMITIVES["broadcast_to"](w, shape=shape)
    full = np.empty(shape, dtype=w.dtype if hasattr(w, "dtype") else float)
    full[...] = w
    return full
