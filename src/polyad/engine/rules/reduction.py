"""Rules of reductions that are not made of others: extrema and running sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from polyad.engine.core.kinds import constant, general, linear
from polyad.engine.core.values import Primitive, Value, ndim_of, shape_of
from polyad.engine.interpretations.masked import chosen, settled, shared
from polyad.engine.rules.arithmetic import equal, where
from polyad.engine.rules.structure import getitem, reshape, total

__all__ = [
    "all_",
    "any_",
    "argmax",
    "argmin",
    "argsort",
    "count_nonzero",
    "cumsum",
    "maximum_of",
    "minimum_of",
    "searchsorted",
]

Shape = tuple[int, ...]


def kept(shape: Shape, axis: Shape | None) -> Shape:
    """The shape of a reduction with keepdims."""
    if axis is None:
        return (1,) * len(shape)
    return tuple(1 if k in axis else n for k, n in enumerate(shape))


def tie_shares(y: Value, x: Value, axis: Shape | None) -> Value:
    """How much of a change of each entry reaches the extremum: ties share equally."""
    top = equal(x, reshape(y, shape=kept(shape_of(x), axis)))
    if type(top) is np.ndarray:
        return top / np.add.reduce(top, axis=axis, keepdims=True)
    top = where(top, 1.0, 0.0)
    return top / total(top, axis=axis, keepdims=True)


def _push_extremum(
    y: Value, tangents: tuple[Value, ...], x: Value, axis: Shape | None, keepdims: bool
) -> Value:
    axes = tuple(range(1, ndim_of(x) + 1)) if axis is None else tuple(1 + k for k in axis)
    shares = tie_shares(y, x, axis)
    # an entry that is not the extremum contributes nothing, even if its own derivative is infinite
    return total(shared(shares, tangents[0] * shares), axis=axes, keepdims=keepdims)


def _pull_extremum(y: Value, x: Value, axis: Shape | None, keepdims: bool) -> Any:
    ones = kept(shape_of(x), axis)

    def pull(w: Value) -> Value:
        w = reshape(w, shape=ones)
        shares = tie_shares(y, x, axis)
        return chosen(w, lambda: equal(shares, 0), False, settled(w) * shares)

    return pull


maximum_of: Primitive = general(
    "max",
    lambda x, axis, keepdims: np.maximum.reduce(x, axis=axis, keepdims=keepdims),
    _push_extremum,
    _pull_extremum,
)
minimum_of: Primitive = general(
    "min",
    lambda x, axis, keepdims: np.minimum.reduce(x, axis=axis, keepdims=keepdims),
    _push_extremum,
    _pull_extremum,
)


def flipped(x: Value, axis: int) -> Value:
    """The entries in reverse order along an axis."""
    return getitem(x, index=(slice(None),) * axis + (slice(None, None, -1),))


cumsum: Primitive = linear(
    "cumsum",
    lambda x, axis: np.cumsum(x, axis=axis),
    lambda t, s, axis: cumsum(t, axis=axis + 1),
    lambda w, s, axis: flipped(cumsum(flipped(w, axis), axis=axis), axis),
)

argmax = constant("argmax", lambda x, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims))
argmin = constant("argmin", lambda x, axis, keepdims: np.argmin(x, axis=axis, keepdims=keepdims))
# with the kind that NumPy was asked for: equal entries stand in the order of that algorithm
argsort = constant("argsort", lambda x, axis, kind: np.argsort(x, axis=axis, kind=kind))
all_ = constant("all", lambda x, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims))
any_ = constant("any", lambda x, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims))
count_nonzero = constant(
    "count_nonzero", lambda x, axis, keepdims: np.count_nonzero(x, axis=axis, keepdims=keepdims)
)
searchsorted = constant("searchsorted", lambda nodes, points, side: np.searchsorted(nodes, points, side=side))
