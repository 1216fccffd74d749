"""The fast path to a gradient and to a Hessian-vector product by PyTorch.

What ``torch.py`` says of them in terms of graphs, here in one piece: for calls from outside of
any derivative, with grad mode on, that want the result alone. A function of ten operations takes
100 microseconds, so ten more steps of Python would be noticed.
"""

from __future__ import annotations

from typing import Any

from polyad.systems.contract import Call, Leaves, Problem
from polyad.systems.torch.graph import sweeper
from polyad.systems.torch.state import STATE

__all__ = ["bare_gradient", "bare_hvp", "direct_gradient", "direct_hvp"]


def direct_gradient(problem: Problem) -> Call:
    """``kernel(x, c)`` giving the gradient's leaves."""
    import torch

    f, state, grad = problem.f, STATE, sweeper()

    def kernel(x: Leaves, c: Leaves) -> Leaves:
        leaves = tuple([a.detach().requires_grad_() for a in x])
        state.depth = 1
        try:
            (y,) = f(leaves, c)[0]
        finally:
            state.depth = 0
        if not y.requires_grad:
            return tuple([torch.zeros_like(a) for a in x])
        return _whole(grad((y,), leaves), x)

    return kernel


def direct_hvp(problem: Problem) -> Call:
    """``kernel(x, c, v)`` giving the product's leaves, by double backward."""
    import torch

    f, state, grad = problem.f, STATE, sweeper()

    def kernel(x: Leaves, c: Leaves, v: Leaves) -> Leaves:
        leaves = tuple([a.detach().requires_grad_() for a in x])
        state.depth = 1
        try:
            (y,) = f(leaves, c)[0]
        finally:
            state.depth = 0
        if not y.requires_grad:
            return tuple([torch.zeros_like(a) for a in x])
        g = grad((y,), leaves, None, True)
        for a in g:
            if a is None or not a.requires_grad:  # a leaf unused, or used linearly
                kept = [k for k, a in enumerate(g) if a is not None and a.requires_grad]
                if not kept:
                    return tuple([torch.zeros_like(a) for a in x])
                g, v = tuple([g[k] for k in kept]), tuple([v[k] for k in kept])
                break
        return _whole(grad(g, leaves, v), x)

    return kernel


def bare_gradient(problem: Problem, general: Call) -> Call:
    """``call(a, *c)`` for a single active leaf; ``general(x, c)`` where anything is unusual."""
    f, state, grad = problem.f, STATE, sweeper()

    def call(a: Any, *c: Any) -> Any:
        if state.depth or _unusual():
            return general((a,), c)[0]
        x = (a.detach().requires_grad_(),)
        state.depth = 1
        try:
            y = f(x, c)[0][0]
        finally:
            state.depth = 0
        if y.requires_grad:
            g = grad((y,), x)[0]
            if g is not None and not g.requires_grad:
                return g
        return general((a,), c)[0]

    _unusual = _circumstances()
    return call


def bare_hvp(problem: Problem, general: Call) -> Call:
    """``call(a, *c, v)`` for a single active leaf."""
    f, state, grad = problem.f, STATE, sweeper()

    def call(a: Any, *rest: Any) -> Any:
        c, v = rest[:-1], rest[-1:]
        if state.depth or _unusual():
            return general((a,), c, v)[0]
        x = (a.detach().requires_grad_(),)
        state.depth = 1
        try:
            y = f(x, c)[0][0]
        finally:
            state.depth = 0
        if y.requires_grad:
            g = grad((y,), x, None, True)
            if g[0] is not None and g[0].requires_grad:
                product = grad(g, x, v)[0]
                if product is not None and not product.requires_grad:
                    return product
        return general((a,), c, v)[0]

    _unusual = _circumstances()
    return call


def _circumstances() -> Any:
    """Whether the fast path does not apply to a call: torch is not recording, or a transform is running."""
    import torch

    recording, inference = torch.is_grad_enabled, torch.is_inference_mode_enabled
    transforming = torch._C._are_functorch_transforms_active
    return lambda: transforming() or inference() or not recording()


def _whole(found: tuple[Any, ...], x: Leaves) -> Leaves:
    """Cotangents with zeros where torch found no connection, detached from whatever the seed was of."""
    for a in found:
        if a is None or a.requires_grad:
            return tuple(
                [x[k].new_zeros(x[k].shape) if a is None else a.detach() for k, a in enumerate(found)]
            )
    return found
