"""A run of operations of which torch keeps the operands alone, and which its backward computes again.

``torch.utils.checkpoint`` does that by hooks on what is kept, which ``torch.func`` does not have. This is a
function of torch's whose derivatives are ``torch.func``'s, so it nests with everything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from polyad.engine.interpretations.looping import compared

__all__ = ["again"]


def _numbers(tensors: Sequence[Any]) -> list[int]:
    """The places of the tensors that have derivatives."""
    return [k for k, a in enumerate(tensors) if a.is_floating_point() or a.is_complex()]


def _between(f: Callable[[Sequence[Any]], Any], tensors: Sequence[Any], out: list[int]) -> Any:
    """``f`` from the tensors that have derivatives to the results that have."""
    mine = _numbers(tensors)

    def g(*args: Any) -> Any:
        given = list(tensors)
        for k, a in zip(mine, args, strict=True):
            given[k] = a
        found = f(given)
        return tuple([found[k] for k in out])

    return g


@functools.cache
def _function() -> Any:
    import torch

    class Again(torch.autograd.Function):
        """``apply(f, count, *results, *tensors)``: the results, which are there already."""

        generate_vmap_rule = True

        @staticmethod
        def forward(f: Any, count: int, *tensors: Any) -> Any:
            return tuple([y.clone() for y in tensors[:count]])

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.f, ctx.count = inputs[:2]
            ctx.out = _numbers(output)
            ctx.mark_non_differentiable(*[y for k, y in enumerate(output) if k not in ctx.out])
            ctx.save_for_backward(*inputs[2:])
            ctx.save_for_forward(*inputs[2:])

        @staticmethod
        def backward(ctx: Any, *w: Any) -> Any:
            count, tensors = ctx.count, ctx.saved_tensors[ctx.count :]
            mine = _numbers(tensors)
            made = torch.func.vjp(_between(ctx.f, tensors, ctx.out), *[tensors[k] for k in mine])
            for k, y in zip(ctx.out, made[0], strict=True):
                compared(_is_same(y, ctx.saved_tensors[k]))
            found = dict(zip(mine, made[1](tuple([w[k] for k in ctx.out])), strict=True))
            return None, None, *[None] * count, *[found.get(k) for k in range(len(tensors))]

        @staticmethod
        def jvp(ctx: Any, _: Any, __: Any, *t: Any) -> Any:
            tensors, t = ctx.saved_tensors[ctx.count :], t[ctx.count :]
            mine = _numbers(tensors)
            primals = tuple([tensors[k] for k in mine])
            along = tuple([torch.zeros_like(tensors[k]) if t[k] is None else t[k] for k in mine])
            moved = torch.func.jvp(_between(ctx.f, tensors, ctx.out), primals, along)[1]
            found = dict(zip(ctx.out, moved, strict=True))
            return tuple([found.get(k) for k in range(ctx.count)])

    return Again


def _is_same(a: Any, b: Any) -> bool:
    """Whether two tensors hold the same numbers, where that can be seen: those of a batch are hidden."""
    a, b = a.detach(), b.detach()
    try:
        return bool(((a == b) | ((a != a) & (b != b))).all())
    except RuntimeError:
        return True


def again(f: Callable[[Sequence[Any]], Any], tensors: Sequence[Any]) -> Sequence[Any] | None:
    """``f(tensors)``; None where it depends on other tensors that are differentiated."""
    from torch.autograd.forward_ad import unpack_dual

    y = f([a.detach() for a in tensors])
    for a in y:
        if a.requires_grad or (a.is_floating_point() and unpack_dual(a).tangent is not None):
            return None
    found: Sequence[Any] = _function().apply(f, len(y), *y, *tensors)
    return found
