"""JAX's primitives in NumPy, for the replay of jaxprs.

A rule takes the parameters and the equation and gives a function of the operands, whose result is a list.
Derivatives are those of the NumPy code, so a primitive stands here only where they are right as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as sp

from polyad.engine.boxes.box import wrap
from polyad.engine.boxes.boxing import unbox
from polyad.engine.core.values import PRIMITIVES, Tracer
from polyad.engine.stop import stop_gradient
from polyad.systems.derive.replay import NotReplayable

__all__ = ["FLAT", "rule_of", "stopped"]

Rule = Callable[[dict[str, Any], Any], Callable[..., list[Any]]]


def rule_of(name: str) -> Rule | None:
    """The rule of a primitive, or None."""
    if name in ELEMENTWISE:
        f = ELEMENTWISE[name]
        return lambda params, eqn: lambda *args: [f(*args)]
    return RULES.get(name)


def _is_truth(a: Any) -> bool:
    return bool(getattr(a, "dtype", np.dtype(float)) == np.bool_)


def _div(a: Any, b: Any) -> Any:
    whole = all(getattr(v, "dtype", np.dtype(float)).kind in "iu" for v in (a, b))
    # JAX rounds towards zero
    return (np.sign(a) * np.sign(b)) * (np.abs(a) // np.abs(b)) if whole else a / b


def _not(a: Any) -> Any:
    return np.logical_not(a) if _is_truth(a) else np.invert(a)


def _logical(truth: Any, bits: Any) -> Callable[..., Any]:
    return lambda a, b: truth(a, b) if _is_truth(a) else bits(a, b)


def _clamp(low: Any, x: Any, high: Any) -> Any:
    return np.minimum(np.maximum(x, low), high)


def _logistic(x: Any) -> Any:
    return sp.expit(x)


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "is_finite": np.isfinite,
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "tan": np.tan,
    "sin": np.sin,
    "cos": np.cos,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "cbrt": np.cbrt,
    "square": lambda x: x * x,
    "logistic": _logistic,
    "erf": sp.erf,
    "erfc": sp.erfc,
    "erf_inv": sp.erfinv,
    "lgamma": sp.gammaln,
    "digamma": sp.digamma,
    "igamma": sp.gammainc,
    "igammac": sp.gammaincc,
    "regularized_incomplete_beta": sp.betainc,
    "bessel_i0e": sp.i0e,
    "bessel_i1e": sp.i1e,
    "zeta": sp.zeta,
    "abs": np.abs,
    "real": np.real,
    "imag": np.imag,
    "conj": np.conj,
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _div,
    "rem": np.fmod,
    "pow": np.power,
    "max": np.maximum,
    "min": np.minimum,
    "nextafter": np.nextafter,
    "not": _not,
    "and": _logical(np.logical_and, np.bitwise_and),
    "or": _logical(np.logical_or, np.bitwise_or),
    "xor": _logical(np.logical_xor, np.bitwise_xor),
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "clamp": _clamp,
    "copy": lambda x: x,
    "copy_p": lambda x: x,
    "reduce_precision": lambda x: x,
}


# -- rules with parameters ---------------------------------------------------------------------------------


def _one(make: Callable[[dict[str, Any]], Callable[..., Any]]) -> Rule:
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


def _convert(p: dict[str, Any]) -> Callable[..., Any]:
    dtype = np.dtype(p["new_dtype"])

    def call(x: Any) -> Any:
        if getattr(x, "dtype", None) == dtype:
            return x
        return (x if hasattr(x, "astype") else np.asarray(x)).astype(dtype)

    return call


def _bare(x: Any) -> bool:
    """Whether a value is plain numbers, in a box or not."""
    return not isinstance(unbox(x), Tracer)


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
        size = [max(0, lo + hi + (n + (n - 1) * mid if n else 0)) for n, (lo, hi, mid) in zip(shape, config)]
        if not _bare(fill):
            raise NotReplayable("JAX's pad by a traced number")
        where = [lo + (1 + mid) * np.arange(n) for n, (lo, _, mid) in zip(shape, config)]
        inside = [(w >= 0) & (w < s) for w, s in zip(where, size)]
        if not all(i.all() for i in inside):  # cut off where padding is negative
            x = x[np.ix_(*[np.flatnonzero(i) for i in inside])]
            where = [w[i] for w, i in zip(where, inside)]
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
            return np.where(which if _is_truth(which) else which == 1, cases[1], cases[0])
        chosen = cases[-1]
        for k in range(len(cases) - 2, -1, -1):
            chosen = np.where(which == k, cases[k], chosen)
        return chosen

    return call


def _iota(p: dict[str, Any]) -> Callable[..., Any]:
    shape, axis = tuple(p["shape"]), p["dimension"]
    row = np.arange(shape[axis], dtype=p["dtype"]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return lambda: np.broadcast_to(row, shape)


def _reduced(f: Callable[..., Any]) -> Rule:
    def make(p: dict[str, Any]) -> Callable[..., Any]:
        axes = tuple(p["axes"])
        return lambda x: f(x, axis=axes) if axes else x

    return _one(make)


def _index_of(f: Callable[..., Any]) -> Rule:
    def make(p: dict[str, Any]) -> Callable[..., Any]:
        (axis,), dtype = p["axes"], p["index_dtype"]
        return lambda x: f(x, axis=axis).astype(dtype)

    return _one(make)


def _running(f: Callable[..., Any]) -> Rule:
    def make(p: dict[str, Any]) -> Callable[..., Any]:
        axis, backwards = p["axis"], p["reverse"]

        def call(x: Any) -> Any:
            x = np.flip(x, axis) if backwards else x
            y = f(x, axis=axis)
            return np.flip(y, axis) if backwards else y

        return call

    return _one(make)


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
            a = np.reshape(np.transpose(a, [*left_batch, *free_a]), [*batch, *(sa[k] for k in free_a), *(1,) * len(free_b)])
            b = np.reshape(np.transpose(b, [*right_batch, *free_b]), [*batch, *(1,) * len(free_a), *(sb[k] for k in free_b)])
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
        if not _bare(index):
            return [_by_row(x, index, params)]
        where = _positions(
            lambda places: jax.lax.gather(places, jax.numpy.asarray(index), fill_value=-1, **options), shape
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
            if not _bare(index):
                raise NotReplayable("JAX's scatter by numbers that are computed")
            where = np.ravel(
                _positions(
                    lambda places: jax.lax.gather(
                        places, jax.numpy.asarray(index), taken, sizes, mode=mode, fill_value=-1
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
        if _bare(values):
            if _bare(flat):
                out = np.array(flat)
                np.add.at(out, where, values)
                return out
            out = np.zeros(np.shape(flat), dtype=values.dtype)
            np.add.at(out, where, values)
            return flat + out
        return flat + wrap(PRIMITIVES["scatter"](unbox(values), index=where, shape=np.shape(flat)))
    if np.unique(where).size != where.size:
        raise NotReplayable(f"JAX's scatter ({combine}) to one entry twice")
    keep = np.ones(np.shape(flat)[0], dtype=bool)
    keep[where] = False
    source = np.arange(np.shape(flat)[0])
    row = np.concatenate([flat, values if combine == "set" else flat[where] * values])
    source[where] = np.shape(flat)[0] + np.arange(where.size)
    return row[source]


def _dynamic_slice(p: dict[str, Any]) -> Callable[..., Any]:
    sizes = tuple(p["slice_sizes"])

    def call(x: Any, *starts: Any) -> Any:
        key = []
        for start, size, n in zip(starts, sizes, np.shape(x), strict=True):
            if _bare(start):
                first = min(max(int(start), 0), n - size)
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
        if not all(map(_bare, starts)):
            raise NotReplayable("JAX's dynamic_update_slice at a place that is computed")
        firsts = [min(max(int(s), 0), n - m) for s, n, m in zip(starts, shape, size, strict=True)]
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
        x = unbox(x) if _bare(unbox(x)) else x
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


# constant in pieces, or no floating-point numbers at all
FLAT = frozenset(
    "sign floor ceil round is_finite not and or xor eq ne lt le gt ge argmax argmin reduce_and reduce_or iota".split()
)


def stopped(x: Any) -> list[Any]:
    """What has no derivative though it is computed from something that has one."""
    return [stop_gradient(x)]


RULES: dict[str, Rule] = {
    "integer_pow": _one(_integer_pow),
    "round": _one(_round),
    "convert_element_type": _one(_convert),
    "broadcast_in_dim": _one(_broadcast),
    "reshape": _one(_reshape),
    "squeeze": _one(_squeeze),
    "expand_dims": _one(_expand),
    "transpose": _one(_transpose),
    "slice": _one(_slice),
    "rev": _one(_rev),
    "concatenate": _one(_concatenate),
    "split": _split,
    "pad": _one(_pad),
    "select_n": _one(_select),
    "iota": _one(_iota),
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
    "dot_general": _one(_dot),
    "gather": _gather,
    "scatter": _scattered("set"),
    "scatter-add": _scattered("add"),
    "scatter_add": _scattered("add"),
    "scatter-mul": _scattered("mul"),
    "scatter_mul": _scattered("mul"),
    "dynamic_slice": _one(_dynamic_slice),
    "dynamic_update_slice": _one(_dynamic_update),
    "sort": _sort,
    "triangular_solve": _one(_triangular),
    "cholesky": _one(_cholesky),
    "eigh": _eigh,
}
