"""SciPy's functions as functions of torch, for its autograd, its forward mode and ``torch.func``."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from polyad.engine.core.values import PRIMITIVES, Primitive
from polyad.engine.interpretations import scipy_values
from polyad.engine.interpretations.adapter import Adapter
from polyad.systems.torch.levels import pushed_below

__all__ = ["DERIVED_BY_TABLE", "VALUES_BY_HOST", "function", "power"]

# Of these torch's own derivatives lose digits somewhere: beside zero (i0, i1), beside one (the inverses of
# sine, cosine and their hyperbolic relatives) or in a tail. See tests/engine/test_edges.py.
# Or they keep other conventions where there is none.
DERIVED_BY_TABLE = frozenset(
    "i0 i0e i1 i1e arcsin arccos arccosh arctanh leg expm1 log_ndtr expit "
    "fmax fmin copysign hypot xlogy xlog1py cbrt logaddexp logaddexp2 zeta".split()
)

# Torch's own rule of logaddexp has all digits to the third order where the operands are this near, and takes
# a fraction of the time of a function with rules of its own.
NEAR = 30.0

# and of these the values have nine digits only
VALUES_BY_HOST = frozenset({"gammainc", "gammaincc"})


def function(
    own: Adapter, primitive: Primitive, value: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """A primitive computed on the host, on tensors and Python numbers.

    Parameters
    ----------
    own : Adapter
        That of torch.
    primitive : Primitive
        An elementwise one, with partial derivatives.
    value : callable, optional
        A function of torch's own that computes it instead of the host.
    """
    import torch

    def slope(k: int, y: Any, args: Any) -> Any:
        return scipy_values.partial(primitive, k, own, y, args)

    class OnHost(torch.autograd.Function):
        @staticmethod
        def forward(*args: Any) -> Any:
            if value is not None:
                return value(*args)
            like = next(a for a in args if own.is_own(a))
            arrays = [a.detach().resolve_conj().cpu().numpy() if own.is_own(a) else a for a in args]
            return torch.as_tensor(scipy_values.on_host(primitive, arrays), device=like.device)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            tensors = [a for a in inputs if own.is_own(a)]
            ctx.set_materialize_grads(False)  # an operand without a tangent needs no partial derivative
            ctx.numbers = [None if own.is_own(a) else a for a in inputs]
            ctx.save_for_backward(output, *tensors)
            ctx.save_for_forward(output, *tensors)

        @staticmethod
        def saved(ctx: Any) -> tuple[Any, list[Any]]:
            y, *tensors = ctx.saved_tensors
            waiting = iter(tensors)
            return y, [next(waiting) if a is None else a for a in ctx.numbers]

        @staticmethod
        def backward(ctx: Any, w: Any) -> Any:
            y, args = OnHost.saved(ctx)
            found: list[Any] = []
            if w is None:
                return (None,) * len(args)
            for k, needed in enumerate(ctx.needs_input_grad):
                if not needed:
                    found.append(None)
                    continue
                d = slope(k, y, args)
                g = w * (torch.conj(d) if own.is_own(d) and d.is_complex() else d)
                g = g.real if g.is_complex() and not args[k].is_complex() else g
                found.append(g.sum_to_size(args[k].shape))
            return tuple(found)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            y, args = OnHost.saved(ctx)

            def along(y: Any, *given: Any) -> Any:
                moved, at = given[: len(args)], given[len(args) :]
                total = torch.zeros_like(y)
                for k, t in enumerate(moved):
                    if t is not None:
                        total = total + t * slope(k, y, at)
                return total

            return pushed_below(along, primitive.name, y, *tangents, *args)

        @staticmethod
        def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
            ranks = [a.ndim - (d is not None) for a, d in zip(args, in_dims, strict=True) if own.is_own(a)]
            aligned = []
            for a, d in zip(args, in_dims, strict=True):
                if own.is_own(a) and d is not None:
                    a = a.movedim(d, 0)
                    a = a.reshape(a.shape[0], *(1,) * (max(ranks) - a.ndim + 1), *a.shape[1:])
                aligned.append(a)
            return OnHost.apply(*aligned), 0

    class Outside(OnHost):  # of functorch, for whose form torch reads the signature at every call
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            output = OnHost.forward(*args)
            OnHost.setup_context(ctx, args, output)
            return output

        setup_context = torch.autograd.Function.setup_context

    OnHost.__name__ = f"{'scipy' if value is None else 'polyad'}_{primitive.name}"
    Outside.__name__ = OnHost.__name__

    near = _are_near if primitive.name == "logaddexp" and value is not None else None

    def call(*args: Any) -> Any:
        stack = torch._C._functorch.get_interpreter_stack()
        if near is not None and not stack and near(*args):
            return value(*args)  # type: ignore[misc]
        # what NumPy has as a number of its own is one of Python's here
        plain = [a.item() if isinstance(a, np.generic) else a for a in args]
        return OnHost.apply(*plain) if stack else Outside.apply(*plain)

    return call


def _are_near(*args: Any) -> bool:
    """Whether operands in double precision are near each other; False where they have no values now."""
    import torch

    if torch._C._len_torch_dispatch_stack() or torch.compiler.is_compiling():
        return False
    for a in args:
        if type(a) is torch.Tensor:
            if a.dtype is not torch.float64 or a.device.type != "cpu":
                return False
        elif type(a) is not float:
            return False
    with torch.no_grad():
        return bool(((args[0] - args[1]).abs() < NEAR).all())


def power(own: Adapter, a: Any, b: Any) -> Any:
    """``a ** b``.

    By the table where the exponent is an array: torch's own rule is ``0 * inf`` at the second order where
    base and exponent are zero, and leaves terms out where the exponent alone is.
    """
    if isinstance(b, int | float | complex):
        return a**b
    return _power(own)(a, b)


@functools.cache
def _power(own: Adapter) -> Callable[..., Any]:
    return function(own, PRIMITIVES["power"], operator.pow)
