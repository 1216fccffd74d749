"""JAX's convolutions and reductions over windows in NumPy: sums over the places of a window."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.systems.derive.replay import NotReplayable
from polyad.systems.jax.replay.structure import RULES as STRUCTURE
from polyad.systems.jax.replay.structure import Rule, one

__all__ = ["RULES"]


def _padded(x: Any, config: Any, fill: Any) -> Any:
    """As JAX's ``pad``: before, after, and between entries."""
    if not any(any(each) for each in config):
        return x
    return STRUCTURE["pad"]({"padding_config": config}, None)(x, fill)[0]


def _taken(x: Any, axis: int, start: int, count: int, stride: int) -> Any:
    key = [slice(None)] * len(np.shape(x))
    key[axis] = slice(start, start + (count - 1) * stride + 1, stride)
    return x[tuple(key)]


def _reduced(combine: Callable[[Any, Any], Any], start: Any) -> Rule:
    def make(p: dict[str, Any]) -> Callable[..., Any]:
        sizes, strides = p["window_dimensions"], p["window_strides"]
        steps, inner = p["window_dilation"], p["base_dilation"]

        def call(x: Any) -> Any:
            fill = np.asarray(start, dtype=x.dtype)[()] if np.isfinite(start) or x.dtype.kind == "f" else None
            if fill is None:
                raise NotReplayable("JAX's reduce_window of whole numbers")
            config = [(int(a), int(b), int(d) - 1) for (a, b), d in zip(p["padding"], inner, strict=True)]
            x = _padded(x, config, fill)
            counts = [
                (n - (size - 1) * step - 1) // stride + 1
                for n, size, step, stride in zip(np.shape(x), sizes, steps, strides, strict=True)
            ]
            for axis, (size, step, stride, count) in enumerate(
                zip(sizes, steps, strides, counts, strict=True)
            ):
                if size == 1 and stride == 1:
                    continue
                found = _taken(x, axis, 0, count, stride)
                for k in range(1, size):
                    found = combine(found, _taken(x, axis, k * step, count, stride))
                x = found
            return x

        return call

    return one(make)


def _convolved(p: dict[str, Any]) -> Callable[..., Any]:
    numbers, strides = p["dimension_numbers"], p["window_strides"]
    groups, padding = p["feature_group_count"], p["padding"]
    left, right = p["lhs_dilation"], p["rhs_dilation"]
    if p["batch_group_count"] != 1:
        raise NotReplayable("JAX's conv_general_dilated by groups of the batch")

    def call(x: Any, w: Any) -> Any:
        x, w = np.transpose(x, numbers.lhs_spec), np.transpose(w, numbers.rhs_spec)
        config = [(int(a), int(b), int(d) - 1) for (a, b), d in zip(padding, left, strict=True)]
        x = _padded(x, [(0, 0, 0), (0, 0, 0), *config], np.asarray(0, dtype=x.dtype)[()])
        batch, features = np.shape(x)[:2]
        out = np.shape(w)[0]
        sizes = np.shape(w)[2:]
        counts = [
            (n - (size - 1) * step - 1) // stride + 1
            for n, size, step, stride in zip(np.shape(x)[2:], sizes, right, strides, strict=True)
        ]
        w = np.reshape(w, (groups, out // groups, *np.shape(w)[1:]))
        total: Any = 0.0
        for place in itertools.product(*map(range, sizes)):
            part = x
            for axis, (k, step, stride, count) in enumerate(
                zip(place, right, strides, counts, strict=True), start=2
            ):
                part = _taken(part, axis, k * step, count, stride)
            rows = np.reshape(part, (batch, groups, features // groups, -1))
            total = total + np.einsum("bgfs,gof->bgos", rows, w[(slice(None),) * 3 + place])
        total = np.reshape(total, (batch, out, *counts))
        return np.transpose(total, np.argsort(numbers.out_spec))

    return call


RULES: dict[str, Rule] = {
    "reduce_window_sum": _reduced(np.add, 0.0),
    "reduce_window_max": _reduced(np.maximum, -np.inf),
    "reduce_window_min": _reduced(np.minimum, np.inf),
    "conv_general_dilated": one(_convolved),
}
