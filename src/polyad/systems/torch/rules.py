"""Operations of whole arrays as functions of torch with the rules of the table, where torch's own fail.

The values are torch's; the derivatives are the primitive's pullback and pushforward on tensors, so that they
can be differentiated again. The primitives are those on stacks of matrices: a batch is one axis more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyad.arrays.libraries import library
from polyad.engine.core.values import Primitive, Value
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.proxy import Proxy
from polyad.engine.rules.factorizations import unknown_use
from polyad.engine.rules.structure import getitem
from polyad.systems.torch.levels import pushed_below

__all__ = ["by_rules", "over_gap"]


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
