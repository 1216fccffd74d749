"""A function that is computed elsewhere as one of torch's, in both modes and to any order."""

from __future__ import annotations

import functools
from typing import Any

from polyad.systems.torch.levels import pushed_below

__all__ = ["call"]


@functools.cache
def _function() -> Any:
    import torch

    class Delegated(torch.autograd.Function):
        """``apply(x, d)``; derivatives are calls of the same kind."""

        @staticmethod
        def forward(x: Any, d: Any) -> Any:
            if x.device.type != "cpu":
                return torch.as_tensor(d.value(x.detach().cpu().numpy()), device=x.device, dtype=x.dtype)
            return torch.from_numpy(d.value(x.detach().numpy())).to(x.dtype)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            x, d = inputs
            ctx.d = d
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)

        @staticmethod
        def backward(ctx: Any, w: Any) -> Any:
            (x,) = ctx.saved_tensors
            return Delegated.apply(torch.cat([x, w]), ctx.d.pulled), None

        @staticmethod
        def jvp(ctx: Any, t: Any, _: Any) -> Any:
            (x,) = ctx.saved_tensors
            d = ctx.d
            return pushed_below(lambda x, t: Delegated.apply(torch.cat([x, t]), d.pushed), d.label, x, t)

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any, d: Any) -> Any:
            axis = in_dims[0]
            return torch.stack([Delegated.apply(row, d) for row in x.unbind(axis)]), 0

    return Delegated


def call(x: Any, d: Any) -> Any:
    """The function ``d`` at a vector of torch's."""
    return _function().apply(x, d)
