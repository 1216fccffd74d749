"""JAX's primitives of whole arrays in NumPy: shapes, reductions, products. A rule is as in ``primitives``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import Tracer, base
from polyad.engine.interpretations.adapter import adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.systems.derive.replay import NotReplayable

__all__ = ["RULES", "Rule", "is_bare", "one", "plain"]

Rule = Callable[[dict[str, Any], Any], Callable[..., list[Any]]]


def is_truth(a: Any) -> bool:
    """Whether a value is of truth values."""
    return bool(getattr(a, "dtype", np.dtype(float)) == np.bool_)


def one(make: Callable[[dict[str, Any]], Callable[..., Any]]) -> Rule:
    """A rule of one result that needs the parameters only."""

    def rule(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
        f = make(params)
        return lambda *args: [f(*args)]

    return rule


def _integer_pow(p: dict[str, Any]) -> Callable[..., Any]:
    y = p["y"]
    return lambda x: x**y


def _polygamma(p: dict[str, Any]) -> Callable[..., Any]:
    raise NotReplayable("JAX's polygamma of an order that is no whole number")


def _round(p: dict[str, Any]) -> Callable[..., Any]:
    if "EVEN" in str(p["rounding_method"]):
        return np.round
    return lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5)


def _precision(p: dict[str, Any]) -> Callable[..., Any]:
    bits = p["mantissa_bits"]

    def call(x: Any) -> Any:
        if bits < np.finfo(x.dtype).nmant:  # all of them is what jax.checkpoint asks for
            raise NotReplayable("JAX's reduce_precision")
        return x

    return call


def _convert(p: dict[str, Any]) -> Callable[..., Any]:
    dtype = np.dtype(p["new_dtype"])

    def call(x: Any) -> Any:
        if getattr(x, "dtype", None) == dtype:
            return x
        return (x if hasattr(x, "astype") else np.asarray(x)).astype(dtype)

    return call


def is_bare(x: Any) -> bool:
    """Whether a value is plain numbers, in a box or not."""
    return not isinstance(unbox(x), Tracer)


def plain(index: Any) -> Any:
    """The values of whole numbers, or None where they are not there yet."""
    value = unbox(index)
    if not isinstance(value, Tracer):
        return np.asarray(value)
    value = base(value)
    return adapter(value.library).values(value.array) if type(value) is Proxy else np.asarray(value)


def _broadcast(p: dict[str, Any]) -> Callable[..., Any]:
    shape, places = tuple(p["shape"]), p["broadcast_dimensions"]

    def call(x: Any) -> Any:
        if len(places) == len(shape):
            return np.broadcast_to(x, shape)
        middle = [1] * len(shape)
        for k, place in enumerate(places):
            middle[place] = np.shape(x)[k]
        return np.broadcast_to(np.reshape(x, middle), shape)

    return call


def _reshape(p: dict[str, Any]) -> Callable[..., Any]:
    if p.get("dimensions") is not None:
        raise NotReplayable("JAX's reshape with dimensions")
    shape = tuple(p["new_sizes"])
    return lambda x: np.reshape(x, shape)


def _squeeze(p: dict[str, Any]) -> Callable[..., Any]:
    axes = tuple(p["dimensions"])
    return lambda x: np.reshape(x, [n for k, n in enumerate(np.shape(x)) if k not in axes])


def _expand(p: dict[str, Any]) -> Callable[..., Any]:
    axes = tuple(p["dimensions"])
    return lambda x: np.expand_dims(x, axes)


def _transpose(p: dict[str, Any]) -> Callable[..., Any]:
    axes = tuple(p["permutation"])
    return lambda x: np.transpose(x, axes)


def _stack(p: dict[str, Any]) -> Callable[..., Any]:
    axis = p["axis"]
    return lambda *parts: np.stack(parts, axis=axis)


def _unstack(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    axis, count = params["axis"], len(eqn.outvars)
    return lambda x: [np.take(x, k, axis=axis) for k in range(count)]


def _tile(p: dict[str, Any]) -> Callable[..., Any]:
    reps = tuple(p["reps"])
    return lambda x: np.tile(x, reps)


def _slice(p: dict[str, Any]) -> Callable[..., Any]:
    strides = p["strides"] or (1,) * len(p["start_indices"])
    key = tuple(map(slice, map(int, p["start_indices"]), map(int, p["limit_indices"]), map(int, strides)))
    return lambda x: x[key]


def _rev(p: dict[str, Any]) -> Callable[..., Any]:
    axes = tuple(p["dimensions"])
    return lambda x: np.flip(x, axes)


def _concatenate(p: dict[str, Any]) -> Callable[..., Any]:
    axis = p["dimension"]
    return lambda *parts: np.concatenate(parts, axis=axis)


def _split(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    stops, axis = np.cumsum(params["sizes"])[:-1].tolist(), params["axis"]
    return lambda x: list(np.split(x, stops, axis=axis))


def _pad(p: dict[str, Any]) -> Callable[..., Any]:
    config = [tuple(map(int, each)) for each in p["padding_config"]]

    def call(x: Any, fill: Any) -> Any:
        shape = np.shape(x)
        size = [
            max(0, lo + hi + (n + (n - 1) * mid if n else 0))
            for n, (lo, hi, mid) in zip(shape, config, strict=True)
        ]
        if not is_bare(fill):
            raise NotReplayable("JAX's pad by a traced number")
        where = [lo + (1 + mid) * np.arange(n) for n, (lo, _, mid) in zip(shape, config, strict=True)]
        inside = [(w >= 0) & (w < s) for w, s in zip(where, size, strict=True)]
        if not all(i.all() for i in inside):  # cut off where padding is negative
            x = x[np.ix_(*[np.flatnonzero(i) for i in inside])]
            where = [w[i] for w, i in zip(where, inside, strict=True)]
        if len(size) == 1 and config[0][2] == 0 and not config[0][0] < 0:
            lo, n = max(config[0][0], 0), np.shape(x)[0]
            parts = [np.full(lo, fill), x, np.full(size[0] - lo - n, fill)]
            return np.concatenate([part for part in parts if np.shape(part)[0]]) if size[0] else x
        flat = np.ravel_multi_index(np.meshgrid(*where, indexing="ij"), size) if size else np.zeros((), int)
        return _placed(x, flat, tuple(size), fill)

    return call


def _placed(x: Any, flat: Any, shape: tuple[int, ...], fill: Any) -> Any:
    """An array of one number with others at places of its flat form, none named twice."""
    total = math.prod(shape)
    # taken from a row of all entries and one more, which is what fills the rest
    source = np.full(total, np.size(x))
    source[np.ravel(flat)] = np.arange(np.size(x))
    row = np.concatenate([np.ravel(x), np.reshape(np.asarray(fill), (1,))])
    return np.reshape(row[source], shape)


def _select(p: dict[str, Any]) -> Callable[..., Any]:
    def call(which: Any, *cases: Any) -> Any:
        if len(cases) == 1:
            return cases[0]
        if len(cases) == 2:
            return np.where(which if is_truth(which) else which == 1, cases[1], cases[0])
        chosen = cases[-1]
        for k in range(len(cases) - 2, -1, -1):
            chosen = np.where(which == k, cases[k], chosen)
        return chosen

    return call


def _iota(p: dict[str, Any]) -> Callable[..., Any]:
    shape, axis = tuple(p["shape"]), p["dimension"]
    row = np.arange(shape[axis], dtype=p["dtype"]).reshape(
        [-1 if k == axis else 1 for k in range(len(shape))]
    )
    return lambda: np.broadcast_to(row, shape)


def _empty(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    aval = eqn.outvars[0].aval
    return lambda: [np.zeros(aval.shape, dtype=aval.dtype)]


def _reduced(f: Callable[..., Any]) -> Rule:
    def make(p: dict[str, Any]) -> Callable[..., Any]:
        axes = tuple(p["axes"])
        return lambda x: f(x, axis=axes) if axes else x

    return one(make)


def _index_of(f: Callable[..., Any]) -> Rule:
    def make(p: dict[str, Any]) -> Callable[..., Any]:
        (axis,), dtype = p["axes"], p["index_dtype"]
        return lambda x: f(x, axis=axis).astype(dtype)

    return one(make)


def _running(f: Callable[..., Any]) -> Rule:
    def make(p: dict[str, Any]) -> Callable[..., Any]:
        axis, backwards = p["axis"], p["reverse"]

        def call(x: Any) -> Any:
            x = np.flip(x, axis) if backwards else x
            y = f(x, axis=axis)
            return np.flip(y, axis) if backwards else y

        return call

    return one(make)


def _dot(p: dict[str, Any]) -> Callable[..., Any]:
    (left, right), (left_batch, right_batch) = p["dimension_numbers"]

    def call(a: Any, b: Any) -> Any:
        na, nb = np.ndim(a), np.ndim(b)
        free_a = [k for k in range(na) if k not in left and k not in left_batch]
        free_b = [k for k in range(nb) if k not in right and k not in right_batch]
        sa, sb = np.shape(a), np.shape(b)
        batch = [sa[k] for k in left_batch]
        shape = [*batch, *(sa[k] for k in free_a), *(sb[k] for k in free_b)]
        inner = math.prod(sa[k] for k in left)
        if not left:  # nothing is summed
            a = np.reshape(
                np.transpose(a, [*left_batch, *free_a]),
                [*batch, *(sa[k] for k in free_a), *(1,) * len(free_b)],
            )
            b = np.reshape(
                np.transpose(b, [*right_batch, *free_b]),
                [*batch, *(1,) * len(free_a), *(sb[k] for k in free_b)],
            )
            return a * b
        rows = math.prod(sa[k] for k in free_a)
        columns = math.prod(sb[k] for k in free_b)
        a = _arranged(a, [*left_batch, *free_a, *left], [*batch, *([rows] if free_a else []), inner])
        b = _arranged(b, [*right_batch, *right, *free_b], [*batch, inner, *([columns] if free_b else [])])
        if batch:
            a = a if free_a else np.expand_dims(a, -2)
            b = b if free_b else np.expand_dims(b, -1)
        c = np.matmul(a, b)
        return c if np.shape(c) == tuple(shape) else np.reshape(c, shape)

    return call


def _arranged(a: Any, axes: list[int], shape: list[int]) -> Any:
    if axes != list(range(len(axes))):
        a = np.transpose(a, axes)
    return a if np.shape(a) == tuple(shape) else np.reshape(a, shape)


RULES: dict[str, Rule] = {
    "integer_pow": one(_integer_pow),
    "round": one(_round),
    "reduce_precision": one(_precision),
    "convert_element_type": one(_convert),
    "broadcast_in_dim": one(_broadcast),
    "reshape": one(_reshape),
    "squeeze": one(_squeeze),
    "expand_dims": one(_expand),
    "transpose": one(_transpose),
    "slice": one(_slice),
    "tile": one(_tile),
    "stack": one(_stack),
    "unstack": _unstack,
    "rev": one(_rev),
    "concatenate": one(_concatenate),
    "split": _split,
    "pad": one(_pad),
    "select_n": one(_select),
    "iota": one(_iota),
    "empty": _empty,
    "empty2": _empty,
    "reduce_sum": _reduced(np.sum),
    "reduce_prod": _reduced(np.prod),
    "reduce_max": _reduced(np.max),
    "reduce_min": _reduced(np.min),
    "reduce_and": _reduced(np.all),
    "reduce_or": _reduced(np.any),
    "argmax": _index_of(np.argmax),
    "argmin": _index_of(np.argmin),
    "cumsum": _running(np.cumsum),
    "cumprod": _running(np.cumprod),
    "dot_general": one(_dot),
}
