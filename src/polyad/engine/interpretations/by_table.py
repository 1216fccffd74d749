"""A library's own operations with the values of NumPy and SciPy and the rules of the table.

For libraries with a way to give a function its derivatives. The rules run on the library's arrays, so that
what comes of them can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyad.arrays.silence import SILENT, get_state, set_state
from polyad.engine.core.values import PRIMITIVES, Primitive, Value, shape_of
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.masked import settled
from polyad.engine.interpretations.proxy import Proxy

__all__ = ["pulled", "pushed", "value_of"]


def value_of(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """The result on NumPy arrays and numbers: an array, or a tuple of them; nothing warns."""
    heard = get_state()
    try:
        set_state(SILENT)
        y = primitive.compute(*args, **params)
    finally:
        set_state(heard)
    return tuple(map(np.asarray, y)) if primitive.multiple else np.asarray(y)


def pulled(
    own: Adapter,
    primitive: Primitive,
    which: Sequence[int],
    y: Any,
    args: Sequence[Any],
    params: dict[str, Any],
    w: Any,
) -> tuple[Any, ...]:
    """The cotangents of operands, by the rule of the table.

    Parameters
    ----------
    own : Adapter
        Of the library.
    primitive : Primitive
        The operation.
    which : sequence of int
        Numbers of the operands.
    y : array, or tuple of them
        The result.
    args, params : sequence, dict
        What it was computed of: arrays of the library, or NumPy's.
    w : array, or tuple of them
        The cotangent of the result, by which ``Re(sum(conj(w) * dy))`` is meant.

    Returns
    -------
    tuple
        Arrays of the library, of the shapes of the operands.
    """
    y, w, values = _entered(own, y), _entered(own, w), [_enter(own, a) for a in args]
    if primitive.joint is not None:
        found = primitive.joint(tuple(which), y, *values, **params)(w)
    else:
        found = tuple(primitive.pulls[k](y, *values, **params)(w) for k in which)
    return tuple(
        _left(own, _shaped(g, shape_of(values[k])), args[k]) for k, g in zip(which, found, strict=True)
    )


def pushed(
    own: Adapter,
    primitive: Primitive,
    tangents: Sequence[Any],
    y: Any,
    args: Sequence[Any],
    params: dict[str, Any],
) -> Any:
    """The tangent of the result, by the rule of the table; ``tangents`` has None for a constant operand.

    Returns
    -------
    array, or tuple of them
        Arrays of the library, of the shapes of the result.
    """
    assert primitive.push is not None
    reshape, getitem = PRIMITIVES["reshape"], PRIMITIVES["getitem"]
    y, values = _entered(own, y), [_enter(own, a) for a in args]
    rows = tuple(
        None if t is None else reshape(_enter(own, t), shape=(1, *shape_of(values[k])))
        for k, t in enumerate(tangents)
    )
    moved = primitive.push(y, rows, *values, **params)
    like = next((a for a in (*args, *tangents) if own.is_own(a)), args[0])

    def first(t: Value, part: Value) -> Any:
        """The only tangent of a batch of one; zeros where there is none."""
        shape = shape_of(part)
        alone = np.zeros(shape) if t is None else getitem(t, index=0)
        return _left(own, _spread(alone, shape), like)

    if primitive.multiple:
        return tuple(first(t, part) for t, part in zip(moved, y, strict=True))
    return first(moved, y)


def _enter(own: Adapter, a: Any) -> Value:
    return Proxy(own.name, a) if own.is_own(a) else a


def _entered(own: Adapter, y: Any) -> Any:
    return tuple(_enter(own, part) for part in y) if isinstance(y, tuple | list) else _enter(own, y)


def _left(own: Adapter, value: Value, like: Any) -> Any:
    """A value as the library's array; one that carries no derivative is brought to where ``like`` is."""
    value = settled(value)
    return value.array if type(value) is Proxy else own.constant(np.asarray(value), like)


def _shaped(g: Value, shape: tuple[int, ...]) -> Value:
    if shape_of(g) == shape:
        return g
    size = 1
    for n in shape_of(g):
        size *= n
    wanted = int(np.prod(shape))
    return PRIMITIVES["reshape"](g, shape=shape) if size == wanted else _spread(g, shape)


def _spread(value: Value, shape: tuple[int, ...]) -> Value:
    """A value that only broadcasts to the shape, in that shape."""
    return value if shape_of(value) == shape else PRIMITIVES["broadcast_to"](value, shape=shape)
