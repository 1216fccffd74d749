"""Operations of whole arrays as functions of torch with the rules of the table, where torch's own fail.

The values are torch's; the derivatives are the primitive's pullback and pushforward on tensors, so that they
can be differentiated again. The primitives are those on stacks of matrices: a batch is one axis more.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from polyad.arrays.libraries import library
from polyad.engine.core.values import Primitive, Value
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules.factorizations import unknown_use
from polyad.engine.rules.structure import getitem
from polyad.systems.torch.levels import pushed_below

__all__ = ["by_rules", "over_gap", "product"]

# Second derivatives of products with so many entries are made as a table: more entries, but fewer operations.
TABLE = 2**14


def over_gap(z: Any, gap: Any, same: Any, *, strict: bool, square: bool) -> Any:
    """``z / gap`` on tensors; refused where the gap is zero.

    While a graph is recorded there are no values to see it by, and NaN is what comes out of it, which
    ``call.degenerate`` looks for.
    """
    import torch

    wrong = same.clone()
    if square:
        wrong = wrong & ~torch.eye(gap.shape[-1], dtype=torch.bool, device=gap.device)
    if strict and _is_shown(wrong):
        raise unknown_use()
    nothing = torch.where(wrong, torch.nan, 0.0).to(gap.dtype)
    return z * torch.where(same, nothing, 1 / torch.where(same, 1.0, gap))


def _is_shown(wrong: Any) -> bool:
    """Whether a condition holds somewhere, as far as that can be asked now."""
    if library("torch").is_traced(wrong):
        return False
    try:
        return bool(wrong.any())
    except RuntimeError:  # of a tensor that has no values
        return False


def by_rules(own: Adapter, primitive: Primitive, value: Callable[..., Any]) -> Callable[..., Any]:
    """A primitive of one operand, a stack of matrices, as a function of torch.

    Parameters
    ----------
    own : Adapter
        That of torch.
    primitive : Primitive
        One with rules for both modes.
    value : callable
        Torch's own function.
    """
    import torch

    def enter(a: Any) -> Value:
        return None if a is None else Proxy(own.name, a)

    def leave(a: Value, like: Any) -> Any:
        if a is None:
            return None
        a = a.array if type(a) is Proxy else torch.as_tensor(a, dtype=like.dtype, device=like.device)
        return a if a.shape == like.shape else a.expand(like.shape)

    def results(y: Any) -> Any:
        return tuple(map(enter, y)) if primitive.multiple else enter(y[0])

    def along(t: Any, a: Any, *y: Any) -> Any:
        assert primitive.push is not None
        moved = primitive.push(results(y), (enter(t[None]),), enter(a))
        parts = moved if primitive.multiple else (moved,)
        made = tuple(
            torch.zeros_like(part) if p is None else leave(getitem(p, index=0), part)
            for p, part in zip(parts, y, strict=True)
        )
        return made if primitive.multiple else made[0]

    class ByRules(torch.autograd.Function):
        @staticmethod
        def forward(a: Any) -> Any:
            found = value(a)
            return tuple(found) if primitive.multiple else found

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            y = output if primitive.multiple else (output,)
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(*inputs, *y)
            ctx.save_for_forward(*inputs, *y)

        @staticmethod
        def backward(ctx: Any, *w: Any) -> Any:
            a, *y = ctx.saved_tensors
            if all(part is None for part in w):
                return None
            pull = primitive.pulls[0](results(y), enter(a))
            return leave(pull(results(w)), a)

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            a, *y = ctx.saved_tensors
            return pushed_below(along, primitive.name, t, a, *y)

        @staticmethod
        def vmap(info: Any, in_dims: Any, a: Any) -> Any:
            found = ByRules.apply(a.movedim(in_dims[0], 0))
            return found, (0,) * len(found) if primitive.multiple else 0

    ByRules.__name__ = f"table_{primitive.name}"
    return lambda a, **params: ByRules.apply(a)


def product(x: Any) -> Any:
    """The product along the last axis, with derivatives that are right at zeros, to any order.

    Torch divides the product by the entries: its second derivative is zero where two of them are zero, and
    its first one where the product underflows.
    """
    return _product()(x)


@functools.cache
def _product() -> Callable[[Any], Any]:
    return _with_rules(
        "product",
        lambda x: x.prod(-1),
        lambda w, x: w.unsqueeze(-1) * _others()(x).conj(),
        lambda t, x: (t * _others()(x)).sum(-1),
    )


@functools.cache
def _others() -> Callable[[Any], Any]:
    """For each entry the product of all others along the last axis."""
    import torch

    def value(x: Any) -> Any:
        one = torch.ones_like(x[..., :1])
        before = torch.cat((one, x[..., :-1]), -1).cumprod(-1)
        behind = torch.cat((one, x[..., 1:].flip(-1)), -1).cumprod(-1).flip(-1)
        return before * behind

    # its Jacobian is symmetric, being the Hessian of the product
    return _with_rules("others", value, lambda w, x: _along(x, w.conj()).conj(), lambda t, x: _along(x, t))


def _along(x: Any, t: Any) -> Any:
    """The tangent of the products of all others, along ``t``."""
    import torch

    count = x.shape[-1]
    if x.numel() * count <= TABLE:  # each without one more, for which there is a one
        mine = torch.eye(count, dtype=torch.bool, device=x.device)
        both = _others()(torch.where(mine, 1.0, x.unsqueeze(-2)))
        return (t.unsqueeze(-2) * torch.where(mine, 0.0, both)).sum(-1)
    # up a tree of products, and down with what is beside
    room = (0, (1 << (count - 1).bit_length()) - count)
    x, t = torch.nn.functional.pad(x, room, value=1.0), torch.nn.functional.pad(t, room)
    halves = []
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        (a, b), (da, db) = x.split(half, -1), t.split(half, -1)
        halves.append((a, b, da, db))
        x, t = a * b, a * db + b * da
    x, t = torch.ones_like(x), torch.zeros_like(t)
    for a, b, da, db in reversed(halves):
        x, t = torch.cat((x * b, x * a), -1), torch.cat((t * b + x * db, t * a + x * da), -1)
    return t[..., :count]


def _with_rules(
    name: str, value: Callable[..., Any], pull: Callable[..., Any], push: Callable[..., Any]
) -> Callable[[Any], Any]:
    """A function along the last axis as one of torch's, with rules ``pull(w, x)`` and ``push(t, x)``."""
    import torch

    class Within(torch.autograd.Function):
        @staticmethod
        def forward(*args: Any) -> Any:
            return value(*args)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, w: Any) -> Any:
            return pull(w, *ctx.saved_tensors)

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            return pushed_below(push, name, t, *ctx.saved_tensors)

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return Within.apply(x.movedim(in_dims[0], 0)), 0

    class Outside(Within):  # of functorch, for whose form torch reads the signature at every call
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            Within.setup_context(ctx, args, None)
            return value(*args)

        setup_context = torch.autograd.Function.setup_context

    Within.__name__ = Outside.__name__ = f"polyad_{name}"
    stack = torch._C._functorch.get_interpreter_stack
    return lambda x: (Within if stack() else Outside).apply(x)
