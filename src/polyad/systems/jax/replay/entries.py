"""JAX's primitives of entries (gather, scatter, sort) and matrices in NumPy; rules as in ``primitives``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import PRIMITIVES
from polyad.systems.derive.replay import NotReplayable
from polyad.systems.jax.replay.structure import Rule, is_bare, one, plain

__all__ = ["RULES"]

# -- entries ---------------------------------------------------------------------------------------------


def _positions(compute: Callable[..., Any], shape: tuple[int, ...], dtype: Any = np.int64) -> Any:
    """Where entries come from: what JAX makes of the array of its own places, -1 where it fills in."""
    import jax

    with jax.ensure_compile_time_eval():
        places = jax.numpy.arange(math.prod(shape)).reshape(shape)
        return np.asarray(compute(places))


def _gather(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    import jax

    shape = tuple(eqn.invars[0].aval.shape)
    fill = params["fill_value"]
    options = {k: params[k] for k in ("dimension_numbers", "slice_sizes", "mode", "unique_indices")}

    def call(x: Any, index: Any) -> list[Any]:
        known = plain(index)
        if known is None:
            return [_by_row(x, index, params)]
        where = _positions(
            lambda places: jax.lax.gather(places, jax.numpy.asarray(known), fill_value=-1, **options), shape
        )
        flat = np.reshape(x, (math.prod(shape),))
        if (where >= 0).all():
            return [flat[where]]
        other = np.nan if fill is None else fill
        return [np.where(where < 0, other, flat[np.maximum(where, 0)])]

    return call


def _by_row(x: Any, index: Any, params: dict[str, Any]) -> Any:
    """Rows taken by whole numbers that have no values yet."""
    numbers = params["dimension_numbers"]
    simple = (
        np.ndim(index) == 2
        and np.shape(index)[1] == 1
        and tuple(numbers.start_index_map) == (0,)
        and tuple(numbers.collapsed_slice_dims) == (0,)
        and tuple(params["slice_sizes"][1:]) == tuple(np.shape(x)[1:])
        and not numbers.operand_batching_dims
    )
    if not simple:
        raise NotReplayable("JAX's gather by numbers that are computed")
    return x[np.reshape(index, (np.shape(index)[0],))]


def _scattered(combine: str) -> Rule:
    def rule(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
        import jax

        shape = tuple(eqn.invars[0].aval.shape)
        updates = tuple(eqn.invars[2].aval.shape)
        numbers = params["dimension_numbers"]
        collapsed = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
        window = iter(updates[k] for k in numbers.update_window_dims)
        sizes = tuple(1 if k in collapsed else next(window) for k in range(len(shape)))
        taken = jax.lax.GatherDimensionNumbers(
            offset_dims=numbers.update_window_dims,
            collapsed_slice_dims=numbers.inserted_window_dims,
            start_index_map=numbers.scatter_dims_to_operand_dims,
            operand_batching_dims=numbers.operand_batching_dims,
            start_indices_batching_dims=numbers.scatter_indices_batching_dims,
        )
        mode = params["mode"]
        if mode == jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS:
            mode = jax.lax.GatherScatterMode.FILL_OR_DROP

        def call(x: Any, index: Any, u: Any) -> list[Any]:
            known = plain(index)
            if known is None:
                raise NotReplayable("JAX's scatter by numbers that are computed")
            where = np.ravel(
                _positions(
                    lambda places: jax.lax.gather(
                        places, jax.numpy.asarray(known), taken, sizes, mode=mode, fill_value=-1
                    ),
                    shape,
                )
            )
            flat, values = np.reshape(x, (math.prod(shape),)), np.reshape(u, (where.size,))
            inside = np.flatnonzero(where >= 0)
            if inside.size < where.size:
                where, values = where[inside], values[inside]
            return [np.reshape(_combined(combine, flat, where, values), shape)]

        return call

    return rule


def _combined(combine: str, flat: Any, where: Any, values: Any) -> Any:
    if combine == "add":
        if is_bare(values):
            values = unbox(values)
            if is_bare(flat):
                out = np.array(unbox(flat))
                np.add.at(out, where, values)
                return out
            out = np.zeros(np.shape(flat), dtype=values.dtype)
            np.add.at(out, where, values)
            return flat + out
        return flat + wrap(PRIMITIVES["scatter"](unbox(values), index=where, shape=np.shape(flat)))
    if combine != "set":
        f = {"mul": np.multiply, "max": np.maximum, "min": np.minimum}[combine]
        for some in _rounds(where):
            flat = _combined("set", flat, where[some], f(flat[where[some]], values[some]))
        return flat
    if np.unique(where).size != where.size:
        raise NotReplayable("JAX's scatter to one entry twice")
    keep = np.ones(np.shape(flat)[0], dtype=bool)
    keep[where] = False
    source = np.arange(np.shape(flat)[0])
    row = np.concatenate([flat, values])
    source[where] = np.shape(flat)[0] + np.arange(where.size)
    return row[source]


def _rounds(where: Any) -> list[Any]:
    """The numbers of places in groups that name none twice."""
    order = np.argsort(where, kind="stable")
    ordered = where[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if where.size else order
    rank = np.empty(where.size, dtype=int)
    rank[order] = np.arange(where.size) - np.repeat(first, np.diff(np.r_[first, where.size]))
    return [np.flatnonzero(rank == k) for k in range(rank.max(initial=-1) + 1)]


def _dynamic_slice(p: dict[str, Any]) -> Callable[..., Any]:
    sizes = tuple(p["slice_sizes"])

    def call(x: Any, *starts: Any) -> Any:
        key = []
        for start, size, n in zip(starts, sizes, np.shape(x), strict=True):
            known = plain(start)
            if known is not None:
                first = min(max(int(known), 0), n - size)
                key.append(slice(first, first + size))
            elif size == n:
                key.append(slice(None))
            else:
                raise NotReplayable("JAX's dynamic_slice at a place that is computed")
        return x[tuple(key)]

    return call


def _dynamic_update(p: dict[str, Any]) -> Callable[..., Any]:
    def call(x: Any, u: Any, *starts: Any) -> Any:
        shape, size = np.shape(x), np.shape(u)
        known = list(map(plain, starts))
        if any(k is None for k in known):
            raise NotReplayable("JAX's dynamic_update_slice at a place that is computed")
        firsts = [min(max(int(k), 0), n - m) for k, n, m in zip(known, shape, size, strict=True)]
        places = np.arange(math.prod(shape)).reshape(shape)
        where = places[tuple(slice(f, f + m) for f, m in zip(firsts, size, strict=True))]
        flat = np.reshape(x, (math.prod(shape),))
        return np.reshape(_combined("set", flat, np.ravel(where), np.reshape(u, (where.size,))), shape)

    return call


def _sort(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    axis = params["dimension"]
    if params["num_keys"] != 1:
        raise NotReplayable("JAX's sort by several keys")

    def call(key: Any, *others: Any) -> list[Any]:
        if not others:
            return [np.sort(key, axis=axis)]
        order = np.argsort(key, axis=axis, kind="stable")
        return [np.take_along_axis(a, order, axis=axis) for a in (key, *others)]

    return call


# -- linear algebra -----------------------------------------------------------------------------------------


def _triangular(p: dict[str, Any]) -> Callable[..., Any]:
    left, lower, unit = p["left_side"], p["lower"], p["unit_diagonal"]
    turned, conjugate = p["transpose_a"], p["conjugate_a"]

    def call(a: Any, b: Any) -> Any:
        below = lower
        if conjugate:
            a = np.conj(a)
        if turned:
            a, below = np.swapaxes(a, -1, -2), not below
        if not left:
            a, b, below = np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2), not below
        a = np.tril(a) if below else np.triu(a)
        x = wrap(PRIMITIVES["solve_triangular"](unbox(a), unbox(b), lower=below, unit_diagonal=unit))
        x = unbox(x) if is_bare(unbox(x)) else x
        return x if left else np.swapaxes(x, -1, -2)

    return call


def _cholesky(p: dict[str, Any]) -> Callable[..., Any]:
    # JAX leaves what is above the diagonal out of the result, and reads both triangles where it does not say
    return lambda a: np.linalg.cholesky(a)


def _eigh(params: dict[str, Any], eqn: Any) -> Callable[..., list[Any]]:
    def call(a: Any) -> list[Any]:
        w, v = np.linalg.eigh(a)
        return [v, w]

    return call


RULES: dict[str, Rule] = {
    "gather": _gather,
    "scatter": _scattered("set"),
    "scatter-add": _scattered("add"),
    "scatter_add": _scattered("add"),
    "scatter-mul": _scattered("mul"),
    "scatter_mul": _scattered("mul"),
    "scatter-max": _scattered("max"),
    "scatter-min": _scattered("min"),
    "dynamic_slice": one(_dynamic_slice),
    "dynamic_update_slice": one(_dynamic_update),
    "sort": _sort,
    "triangular_solve": one(_triangular),
    "cholesky": one(_cholesky),
    "eigh": _eigh,
}
