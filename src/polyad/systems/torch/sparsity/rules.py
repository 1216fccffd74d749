"""What torch's operations on tangents depend on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.patterns.reading import (
    Reader,
    cumulative,
    labels,
    reaches,
    size_of,
)
from polyad.engine.patterns.rules import elementwise
from polyad.engine.patterns.supported import Supported

__all__ = ["BLANK", "ELEMENTWISE", "MOVES", "RULES", "Context", "plain", "rule"]

# results whose values are not those of the operand, and the value that they have
BLANK = {
    **dict.fromkeys("zeros_like new_zeros _new_zeros_with_same_feature_meta _efficientzerotensor".split(), 0),
    **dict.fromkeys("empty_like new_empty new_empty_strided".split(), 0),
    **dict.fromkeys("ones_like new_ones".split(), 1),
    **dict.fromkeys("full_like new_full".split(), None),
}

ELEMENTWISE = frozenset(
    "mul div add sub neg rsub clone alias detach _to_copy to conj _conj conj_physical _conj_physical real "
    "imag addcmul addcdiv lerp positive contiguous lift_fresh lift_fresh_copy _neg_view resolve_conj "
    "resolve_neg complex polar sgn threshold_backward gelu_backward tanh_backward sigmoid_backward "
    "softplus_backward elu_backward hardtanh_backward leaky_relu_backward silu_backward "
    "log_sigmoid_backward hardswish_backward hardsigmoid_backward mish_backward softshrink_backward "
    "hardshrink_backward logit_backward native_dropout_backward masked_scale convert_element_type "
    "true_divide angle_backward mse_loss_backward l1_loss_backward smooth_l1_loss_backward "
    "huber_loss_backward prelu_kernel_backward xlogy special_xlog1py".split()
)
MOVES = frozenset(
    "view _unsafe_view reshape _reshape_alias permute transpose t expand squeeze unsqueeze slice select "
    "diagonal diag_embed flip roll unfold as_strided split split_with_sizes unbind chunk repeat index "
    "index_select gather take tril triu constant_pad_nd slice_backward select_backward diagonal_backward "
    "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d "
    "replication_pad3d im2col upsample_nearest1d upsample_nearest2d pixel_shuffle pixel_unshuffle "
    "channel_shuffle rot90 repeat_interleave narrow movedim view_copy expand_copy permute_copy "
    "transpose_copy slice_copy select_copy squeeze_copy unsqueeze_copy diagonal_copy broadcast_in_dim "
    "collapse_view split_dim".split()
)

Rule = Callable[["Context"], Any]


@dataclasses.dataclass
class Context:
    """One operation and what it was given."""

    reader: Reader
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shapes: list[tuple[int, ...]]
    several: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the one result."""
        return self.shapes[0]

    def argument(self, name: str, default: Any = None) -> Any:
        """An argument by its name in the schema."""
        for k, a in enumerate(self.target._schema.arguments):
            if a.name == name:
                if k < len(self.args):
                    return self.args[k]
                return self.kwargs.get(name, a.default_value if a.default_value is not None else default)
        return default

    def run(self, *args: Any) -> Any:
        """The operation on other arrays."""
        return self.target(*args, **{k: a for k, a in self.kwargs.items() if k not in ("dtype", "device")})

    def elementwise(self) -> Any:
        """The union of the operands."""
        given = [a for a in (*self.args, *self.kwargs.values()) if type(a) is Supported]
        example = np.broadcast_to(np.zeros(()), self.shape)
        return self.reader.tangent(self.shape, elementwise(self.reader.analysis, given, {}, example))

    def alone(self) -> bool:
        """Whether the first operand is the one that a tangent reaches, and all else is known."""
        rest = [b for a in self.args[1:] for b in (a if isinstance(a, list | tuple) else [a])]
        return reaches(self.args[0]) and not any(type(a) is Supported for a in rest)

    def moved(self) -> Any:
        """Run on positions."""
        import torch

        x, rest = self.args[0], self.args[1:]
        numbered = torch.arange(1, x.size + 1, dtype=torch.float64).reshape(x.shape)
        found = self.run(numbered, *rest)
        if not self.several:
            return self.reader.placed(x, numbers(found), self.shape)
        return [self.reader.placed(x, numbers(part), s) for part, s in zip(found, self.shapes, strict=True)]

    def together(self, arrays: list[Any], run: Callable[[list[Any]], Any]) -> Any:
        """Run on the positions of several arrays."""
        import torch

        return self.reader.together(
            arrays,
            lambda parts: numbers(run([torch.from_numpy(p.astype(np.float64)) for p in parts])),
            self.shape,
        )

    def positions(self, shape: Any) -> Any:
        """The positions of an array, counted from zero."""
        import torch

        return torch.arange(size_of(shape)).reshape(tuple(shape))


def numbers(t: Any) -> np.ndarray:
    """A tensor as whole numbers."""
    import torch

    found: np.ndarray = t.to(torch.int64).numpy()
    return found


def plain(a: Any) -> Any:
    """A known tensor as an array."""
    if type(a) is Supported or not hasattr(a, "detach"):
        return a
    a = a.detach()
    return a.clone().resolve_conj().resolve_neg().numpy()


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorate the rule of operations."""

    def keep(f: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, f))
        return f

    return keep


RULES: dict[str, Rule] = {}


# -- sums ---------------------------------------------------------------------------------------------


@rule(
    "sum", "mean", "nansum", "trace", "_softmax_backward_data", "_log_softmax_backward_data", "logcumsumexp"
)
def _sum(call: Context) -> Any:
    x = call.args[0]
    if not reaches(x):
        return None
    dim = call.argument("dim")
    n = len(x.shape)
    if dim is None or (isinstance(dim, list | tuple) and not dim):
        axes = tuple(range(n))
        if call.target._schema.name == "aten::trace":
            return call.reader.along(_diagonal(call, x), (0,), call.shape)
    else:
        axes = tuple(k % n for k in (dim if isinstance(dim, list | tuple) else [dim])) if n else ()
    return call.reader.along(x, axes, call.shape)


def _diagonal(call: Context, x: Supported) -> Supported:
    return call.reader.moved(x, np.diagonal, (min(x.shape),))


@rule("cumsum", "cumprod")
def _cumsum(call: Context) -> Any:
    x = call.args[0]
    return call.reader.tangent(call.shape, cumulative(x.sets, x.shape, call.args[1]))


# -- choices and joins ----------------------------------------------------------------------------------


@rule("where")
def _where(call: Context) -> Any:
    import torch

    if len(call.args) != 3:
        return None
    c, a, b = call.args
    if type(c) is Supported:
        return call.elementwise()
    return call.together([_at_least(a), _at_least(b)], lambda p: torch.where(c, p[0], p[1]))


def _at_least(a: Any) -> Any:
    return a if type(a) is Supported else plain(a)


@rule("masked_fill")
def _masked_fill(call: Context) -> Any:
    x, mask, value = call.args
    if type(mask) is Supported or reaches(value):
        return call.elementwise()
    return call.together([x], lambda p: p[0].masked_fill(mask, 0.0))


@rule("cat", "stack", "hstack", "vstack")
def _cat(call: Context) -> Any:
    arrays, rest = call.args[0], call.args[1:]
    return call.together([_at_least(a) for a in arrays], lambda p: call.run(p, *rest))


@rule("slice_scatter", "select_scatter", "diagonal_scatter", "as_strided_scatter", "block_diag")
def _into(call: Context) -> Any:
    x, src, *rest = call.args
    return call.together([_at_least(x), _at_least(src)], lambda p: call.run(*p, *rest))


@rule("copy")
def _copy(call: Context) -> Any:
    src = call.args[1]
    if not reaches(src):
        return call.reader.unknown(call.shape)
    places = np.broadcast_to(np.arange(src.size).reshape(src.shape), call.shape)
    return call.reader.tangent(call.shape, src.sets.gathered(places))


@rule("view_as_real")
def _view_as_real(call: Context) -> Any:
    x = call.args[0]
    return call.reader.moved(x, lambda p: np.repeat(p[..., None], 2, axis=-1), call.shape)


@rule("view_as_complex")
def _view_as_complex(call: Context) -> Any:
    x = call.args[0]
    small = call.reader.along(x, (-1,), (*x.shape[:-1], 1))
    return call.reader.tangent(call.shape, small.sets)


# -- indices ------------------------------------------------------------------------------------------------


@rule("index", "gather", "index_select", "take")
def _at(call: Context) -> Any:
    """At places that are not known: of everything along the axes that they count."""
    import torch

    x = call.args[0]
    if not reaches(x):
        return None
    name, n = call.target._schema.name, len(x.shape)

    def zeros(a: Any) -> Any:
        return torch.zeros(a.shape, dtype=torch.int64) if type(a) is Supported else a

    if name == "aten::take":
        return call.reader.along(x, tuple(range(n)), call.shape) if n else None
    if name == "aten::index":
        indices = call.args[1]
        if any(type(k) is not Supported and k is not None and k.dtype == torch.bool for k in indices):
            return call.reader.everything([x], call.shapes)[0]
        axes = tuple(k for k, a in enumerate(indices) if type(a) is Supported)
        rest: tuple[Any, ...] = ([None if a is None else zeros(a) for a in indices],)
    else:
        axes = (call.args[1] % n,) if n else ()
        rest = (call.args[1], zeros(call.args[2]))
    groups = labels(x.shape, axes)
    small = call.reader.along(x, axes, tuple(1 if k in axes else m for k, m in enumerate(x.shape)))
    places = numbers(call.run(torch.from_numpy(np.ascontiguousarray(groups)).to(torch.float64), *rest))
    assert small.sets is not None
    return call.reader.tangent(call.shape, small.sets.gathered(places))


@rule("index_put", "_unsafe_index_put")
def _index_put(call: Context) -> Any:
    x, indices, values = call.args[:3]
    adds = len(call.args) > 3 and bool(call.args[3])
    if any(type(k) is Supported for k in indices):
        return call.reader.added(x, values, None, call.shape)
    places = call.positions(x.shape)[tuple(slice(None) if k is None else k for k in indices)]
    return _put(call, x, values, places, adds=adds)


def _put(call: Context, x: Any, values: Any, places: Any, *, adds: bool) -> Any:
    """Entries of ``values``, broadcast, at the places; added to what is there or instead of it."""
    if not adds:

        def put(parts: list[Any]) -> Any:
            old, new = parts
            return old.reshape(-1).index_put((places.reshape(-1),), new.expand(places.shape).reshape(-1))

        return call.together([_at_least(x), _at_least(values)], put)
    if reaches(values) and values.shape != tuple(places.shape):
        spread = np.broadcast_to(np.arange(values.size).reshape(values.shape), tuple(places.shape))
        values = call.reader.tangent(tuple(places.shape), values.sets.gathered(spread))
    return call.reader.added(x, values, places.numpy(), call.shape)


@rule("scatter_add", "scatter", "scatter_reduce")
def _scatter(call: Context) -> Any:
    x, dim, index, src = call.args[:4]
    name, overload = call.target._schema.name, call.target._schema.overload_name
    adds = name != "aten::scatter" or "reduce" in overload
    if type(index) is Supported:
        if reaches(src) and len(x.shape) and tuple(index.shape) == tuple(src.shape):
            axis = dim % len(x.shape)
            if all(a == b for k, (a, b) in enumerate(zip(src.shape, x.shape, strict=True)) if k != axis):
                src = call.reader.along(src, (axis,), x.shape)
                return call.reader.added(x, src, np.arange(size_of(x.shape)), call.shape)
        return call.reader.added(x, src, None, call.shape)
    places = call.positions(x.shape).gather(dim, index)
    if reaches(src) and src.shape != tuple(index.shape):
        cut = tuple(slice(m) for m in index.shape)
        src = call.reader.moved(src, lambda p: p[cut], tuple(index.shape))
    return _put(call, x, src, places, adds=adds)


@rule("put")
def _put_flat(call: Context) -> Any:
    x, index, src = call.args[:3]
    adds = len(call.args) > 3 and bool(call.args[3])
    if type(index) is Supported:
        return call.reader.added(x, src, None, call.shape)
    return _put(call, x, src, call.positions((size_of(x.shape),))[index], adds=adds)


@rule("index_add", "index_copy")
def _index_add(call: Context) -> Any:
    x, dim, index, src = call.args[:4]
    if type(index) is Supported:
        return call.reader.added(x, src, None, call.shape)
    places = call.positions(x.shape).index_select(dim, index)
    return _put(call, x, src, places, adds=call.target._schema.name == "aten::index_add")


@rule("embedding")
def _embedding(call: Context) -> Any:
    weight, index = call.args[:2]
    if type(index) is Supported:
        small = call.reader.along(weight, (0,), (1, *weight.shape[1:]))
        return call.reader.tangent(
            call.shape, call.reader.along(small, (0,), (size_of(index.shape), *weight.shape[1:])).sets
        )
    return call.reader.moved(weight, lambda p: p[index.numpy()], call.shape)
