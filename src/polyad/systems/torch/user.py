"""Functions that a user defined as functions of torch: values on the host, derivatives by their rules.

The rules run on tensors, so that what comes of them can be differentiated again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from polyad.engine.core.refusals import refuse
from polyad.engine.core.values import Primitive
from polyad.engine.interpretations.adapter import Adapter
from polyad.engine.interpretations.by_table import pulled, pushed, value_of
from polyad.systems.torch.levels import pushed_below

__all__ = ["by_rule"]


@functools.cache
def by_rule(own: Adapter, primitive: Primitive) -> Callable[..., Any]:
    """A primitive with rules for both modes and one result, as a function of tensors, arrays and numbers.

    Parameters
    ----------
    own : Adapter
        That of torch.
    primitive : Primitive
        What ``define`` has made.
    """
    import torch

    label = primitive.label  # type: ignore[attr-defined]

    class ByRule(torch.autograd.Function):
        @staticmethod
        def forward(params: Any, *args: Any) -> Any:
            like = next(a for a in args if own.is_own(a))
            arrays = [a.detach().resolve_conj().cpu().numpy() if own.is_own(a) else a for a in args]
            return torch.as_tensor(value_of(primitive, arrays, params), device=like.device)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            params, *args = inputs
            tensors = [a for a in args if own.is_own(a)]
            ctx.set_materialize_grads(False)
            ctx.params, ctx.constants = params, [None if own.is_own(a) else (a,) for a in args]
            ctx.save_for_backward(output, *tensors)
            ctx.save_for_forward(output, *tensors)

        @staticmethod
        def saved(ctx: Any) -> tuple[Any, list[Any]]:
            y, *tensors = ctx.saved_tensors
            waiting = iter(tensors)
            return y, [next(waiting) if a is None else a[0] for a in ctx.constants]

        @staticmethod
        def backward(ctx: Any, w: Any) -> Any:
            y, args = ByRule.saved(ctx)
            found: list[Any] = [None] * len(args)
            which = [k for k, needed in enumerate(ctx.needs_input_grad[1:]) if needed]
            if w is not None and which:
                for k, g in zip(which, pulled(own, primitive, which, y, args, ctx.params, w), strict=True):
                    found[k] = g.to(args[k].dtype)
            return None, *found

        @staticmethod
        def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
            y, args = ByRule.saved(ctx)
            if all(t is None for t in tangents):
                return torch.zeros_like(y)

            def along(y: Any, *given: Any) -> Any:
                moved, at = given[: len(args)], given[len(args) :]
                return pushed(own, primitive, moved, y, at, ctx.params).to(y.dtype)

            return pushed_below(along, label, y, *tangents, *args)

        @staticmethod
        def vmap(info: Any, in_dims: Any, params: Any, *args: Any) -> Any:
            rows = [
                ByRule.apply(
                    params,
                    *[a if d is None else a.select(d, i) for a, d in zip(args, in_dims[1:], strict=True)],
                )
                for i in range(info.batch_size)
            ]
            return torch.stack(rows), 0

    ByRule.__name__ = f"polyad_{label}"

    def call(*args: Any, **params: Any) -> Any:
        if torch.compiler.is_compiling():
            raise refuse(f"{label} under torch.compile", "leave it outside of what is compiled")
        return ByRule.apply(params, *args)

    return call
