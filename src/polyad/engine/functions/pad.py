"""``np.pad`` in all its modes, made of primitives.

Modes that repeat entries run NumPy on their positions, linear ones on the unit vectors along each axis,
which gives the weights of every entry; the rest is statistics of slices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.refusals import refuse
from polyad.engine.core.table import FUNCTIONS, function
from polyad.engine.core.values import Tracer, Value, ndim_of, shape_of
from polyad.engine.functions.rearrange import positions_of
from polyad.engine.functions.structure import array_of, cast
from polyad.engine.rules import structure as rules
from polyad.engine.rules.arithmetic import where
from polyad.engine.rules.products import matmul

__all__: list[str] = []

REPEATING = frozenset(("edge", "reflect", "symmetric", "wrap"))
STATISTICS: dict[str, Any] = {
    "maximum": np.max,
    "minimum": np.min,
    "median": np.median,
}


@function(np.pad)
def pad(array: Value, pad_width: Any, mode: Any = "constant", **options: Any) -> Value:
    array = array_of(array)
    if callable(mode):
        raise refuse(
            "np.pad with a function as its mode", "write to a padded copy, np.pad(x, width)[...] = ..."
        )
    widths = _pairs(pad_width, ndim_of(array))
    if not widths:
        return array  # a number has no edges
    if mode == "constant":
        return _constant(array, pad_width, options.get("constant_values", 0))
    if mode == "empty":
        return _constant(array, pad_width, 0)
    if mode in REPEATING and options.get("reflect_type", "even") == "even":
        return rules.gather(array, np.pad(positions_of(array), widths, mode=mode, **options))
    for axis, width in enumerate(widths):
        array = _padded(array, axis, width, mode, options)
    return array


def _pairs(given: Any, ndim: int) -> list[tuple[int, int]]:
    """NumPy's ``pad_width`` written out for every axis."""
    if isinstance(given, dict):
        pairs = [(0, 0)] * ndim
        for axis, width in given.items():
            pairs[axis] = (width, width) if isinstance(width, int) else tuple(width)
        return pairs
    return [(int(a), int(b)) for a, b in np.broadcast_to(np.asarray(given), (ndim, 2))]


def _constant(array: Value, pad_width: Any, fill: Any) -> Value:
    """Constants at the edges, which may be traced as well."""
    ndim = ndim_of(array)
    if isinstance(fill, dict):
        rows: list[Any] = [0] * ndim
        for axis, pair in fill.items():
            rows[axis] = pair
        fill = [pair if isinstance(pair, list | tuple) else (pair, pair) for pair in rows]
    fills = array_of(fill)
    fills = rules.reshape(rules.broadcast_to(fills, shape=(ndim, 2)), shape=(2 * ndim,))
    fills = cast(fills, array.dtype)
    which = np.pad(
        np.full(shape_of(array), -1), pad_width, constant_values=np.arange(2 * ndim).reshape(ndim, 2)
    )
    where_from = np.pad(positions_of(array), pad_width)
    inside = rules.gather(array, where_from)
    return where(which < 0, inside, rules.getitem(fills, index=np.maximum(which, 0)))


def _padded(array: Value, axis: int, width: tuple[int, int], mode: str, options: dict[str, Any]) -> Value:
    """One axis; those before it are padded already."""
    n = shape_of(array)[axis]
    option = {name: _of_axis(value, axis, ndim_of(array)) for name, value in options.items()}
    if mode in STATISTICS:
        return _with_statistics(array, axis, width, FUNCTIONS[STATISTICS[mode]], option.get("stat_length"))
    if any(isinstance(v, Tracer) for v in option.values()):
        raise refuse(f"np.pad with mode={mode!r} and traced options", "make it of np.concatenate")
    unit = {**option, "end_values": (0, 0)} if mode == "linear_ramp" else option
    weights = np.pad(np.eye(n), (width, (0, 0)), mode=mode, **_for_columns(unit))  # type: ignore[call-overload]
    order = (*range(axis), *range(axis + 1, ndim_of(array)))
    last = rules.transpose(array, axes=(*order, axis))
    result = matmul(last, weights.T.astype(array.dtype))
    if mode == "linear_ramp":
        ramp = np.pad(np.zeros(n), width, mode="linear_ramp", end_values=option.get("end_values", (0, 0)))
        result = result + ramp.astype(array.dtype)
    place = ndim_of(array) - 1
    return rules.transpose(result, axes=(*range(axis), place, *range(axis, place)))


def _of_axis(value: Any, axis: int, ndim: int) -> Any:
    """An option of NumPy's for one axis: a pair, or a word as it is."""
    if value is None or isinstance(value, str | Tracer):
        return value
    return tuple(np.broadcast_to(np.asarray(value), (ndim, 2))[axis].tolist())


def _for_columns(option: dict[str, Any]) -> dict[str, Any]:
    """Options of the first axis of a matrix, of which the second is not padded."""
    return {
        name: value if value is None or isinstance(value, str) else (value, value)
        for name, value in option.items()
    }


def _with_statistics(
    array: Value, axis: int, width: tuple[int, int], f: Callable[..., Value], length: Any
) -> Value:
    n = shape_of(array)[axis]
    lead = (slice(None),) * axis
    spans = (n, n) if length is None else tuple(min(k, n) for k in length)
    parts = (slice(0, spans[0]), slice(n - spans[1], n))
    ends = []
    for part, count in zip(parts, width, strict=True):
        value = f(rules.getitem(array, index=(*lead, part)), axis, keepdims=True)
        shape = tuple(count if k == axis else m for k, m in enumerate(shape_of(array)))
        ends.append(rules.broadcast_to(value, shape=shape))
    return rules.concatenate(ends[0], array, ends[1], axis=axis)
