"""A function that somebody else computes and differentiates: one vector in, one vector out.

A ``Delegate`` knows its values on plain arrays and which functions its pushforward and its pullback are,
which are delegates again, to any order. It is a primitive here, so it stands in every interpretation; a
framework has a version of its own (``own_delegated`` of its adapter) or calls NumPy for the values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.arrays.lazily import Lazily
from polyad.engine.core.kinds import general
from polyad.engine.core.values import PRIMITIVES, Primitive, Value

__all__ = ["Delegate", "delegated"]


class Delegate:
    """A function of one vector that is computed elsewhere.

    Parameters
    ----------
    value : callable
        From a plain vector to a plain vector.
    sizes : tuple of int
        The lengths of both.
    dtype : dtype
        Of both.
    push, pull : callable
        Make the delegate of the pushforward, a function of ``[x, v]``, and of the pullback, of ``[x, w]``.
    label : str
        What it is, and who computes it, for messages.
    """

    def __init__(
        self,
        value: Callable[[Any], Any],
        sizes: tuple[int, int],
        dtype: Any,
        push: Callable[[], Delegate],
        pull: Callable[[], Delegate],
        label: str,
    ) -> None:
        self.value, self.sizes, self.dtype, self.label = value, sizes, np.dtype(dtype), label
        self._push, self._pull = push, pull

    @Lazily
    def pushed(self) -> Delegate:
        """The pushforward, as a function of the point and the direction in a row."""
        return self._push()

    @Lazily
    def pulled(self) -> Delegate:
        """The pullback, as a function of the point and the cotangent in a row."""
        return self._pull()


def _compute(x: Any, by: Delegate) -> Any:
    return by.value(np.asarray(x))


def _row(a: Value, b: Value) -> Value:
    return PRIMITIVES["concatenate"](a, b, axis=0)


def _push(y: Value, tangents: tuple[Value, ...], x: Value, by: Delegate) -> Value:
    (t,) = tangents
    rows = [delegated(_row(x, PRIMITIVES["getitem"](t, index=i)), by=by.pushed) for i in range(t.shape[0])]
    return PRIMITIVES["stack"](*rows, axis=0)


def _pull(y: Value, x: Value, by: Delegate) -> Any:
    return lambda w: delegated(_row(x, w), by=by.pulled)


delegated: Primitive = general("delegated", _compute, _push, _pull)
