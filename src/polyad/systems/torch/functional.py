"""``torch.func`` as a backend of primitives: what works inside its own transforms.

* ``Torch`` hands over to it where ``torch.func`` is already at work (a derivative taken inside
  a forward-mode derivative, a trace for the compiler) and where forward mode is asked for.
* All forward mode runs under one lock: torch's own is not safe across threads.
* Forward mode is only ever the outermost derivative. Differentiating it, in either mode, gives
  wrong numbers without an error for det, slogdet, solve, layer_norm, batch_norm (torch 2.13):
  their forward formulas keep values that the outer derivative does not see. Inside of another
  derivative a pushforward is the pullback of the pullback.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

from polyad.arrays.libraries import ArraySpec
from polyad.systems.base import Backend
from polyad.systems.contract import Kernel, Leaves, Problem, strategy
from polyad.systems.derive import operators
from polyad.systems.torch.state import FORWARD_LOCK, STATE, evaluate, forward_formulas, transforming

__all__ = ["TorchFunc"]


@dataclasses.dataclass(frozen=True, repr=False)
class TorchFunc(Backend):
    """The two primitives and their batches by ``torch.func``; everything else is derived."""

    chunk_size: int | None = None

    name: ClassVar[str] = "torch"
    library: ClassVar[str] = "torch"
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    extra: ClassVar[str] = "torch"
    supports: ClassVar[frozenset[str]] = frozenset({"forward", "reverse"})

    @property
    def xp(self) -> Any:
        import array_api_compat.torch

        return array_api_compat.torch

    def outputs(self, problem: Problem) -> tuple[ArraySpec, ...]:
        return problem.outputs

    def _outermost(self) -> bool:
        return self.forward and not STATE.depth and not transforming()

    def jvp(self, problem: Problem) -> Kernel:
        import torch.func

        jvp: Any = torch.func.jvp  # torch's own hints leave aux out
        if self.forward:
            forward_formulas()

        @strategy("forward, torch.func.jvp" if self.forward else "pullback of the pullback")
        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            if not self._outermost():
                push, y, aux = _transposed(problem, x, c)
                return push(*v), y, aux
            f, whole = _split(problem, c)
            with FORWARD_LOCK:
                y, dy, aux = jvp(f, x, v, has_aux=True)
            return _plain(dy), y, whole(aux)

        return kernel

    def jvp_batched(self, problem: Problem) -> Kernel:
        import torch.func

        jvp: Any = torch.func.jvp
        vmap: Any = torch.func.vmap
        if self.forward:
            forward_formulas()
        # vmap has no rules for some complex operations, says so in a warning, and loops
        by_one = operators.jvp_batched(self, problem) if any(s.is_complex for s in problem.inputs) else None

        @strategy(f"vmap of {'torch.func.jvp, forward' if self.forward else 'pullbacks of the pullback'}")
        def kernel(x: Leaves, c: Leaves, v: Leaves) -> Any:
            if not v[0].shape[0]:
                y, aux = evaluate(problem, x, c)
                return tuple(a.new_zeros((0, *a.shape)) for a in y), y, aux
            if not self._outermost():
                push, y, aux = _transposed(problem, x, c)
                return vmap(push)(*v), y, aux
            if by_one is not None:
                return by_one(x, c, v)
            f, whole = _split(problem, c)

            def each(v: Leaves) -> Any:
                y, dy, aux = jvp(f, x, v, has_aux=True)
                return dy, y, aux

            with FORWARD_LOCK:
                # y and aux do not depend on the direction
                dy, y, aux = vmap(each, out_dims=(0, None, None), randomness="same")(v)
            return _plain(dy), y, whole(aux)

        return kernel

    def vjp(self, problem: Problem) -> Kernel:
        import torch.func

        vjp: Any = torch.func.vjp  # torch's own hints leave aux out

        @strategy("torch.func.vjp")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            f, whole = _split(problem, c)
            y, pull, aux = vjp(f, *x, has_aux=True)
            return pull(w), y, whole(aux)

        return kernel

    def vjp_batched(self, problem: Problem) -> Kernel:
        import torch.func

        vjp: Any = torch.func.vjp

        @strategy("vmap of torch.func.vjp")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            f, whole = _split(problem, c)
            y, pull, aux = vjp(f, *x, has_aux=True)
            if not w[0].shape[0]:
                return tuple(a.new_zeros((0, *a.shape)) for a in x), y, whole(aux)
            return torch.func.vmap(pull)(w), y, whole(aux)

        return kernel

    def gradient(self, problem: Problem) -> Kernel:
        if not self.reverse:
            return super().gradient(problem)
        import torch.func

        vjp: Any = torch.func.vjp

        @strategy("reverse, torch.func.vjp")
        def kernel(x: Leaves, c: Leaves) -> Any:
            f, whole = _split(problem, c)
            y, pull, aux = vjp(f, *x, has_aux=True)
            return pull((torch.ones_like(y[0]),)), y, whole(aux)

        return kernel


@functools.cache
def _plain(leaves: Leaves) -> Leaves:
    """Tangents in memory of their own; torch gives missing ones as zeros without memory."""
    return tuple(a.new_zeros(a.shape) if a._is_zerotensor() else a for a in leaves)


def _transposed(problem: Problem, x: Leaves, c: Leaves) -> tuple[Callable[..., Leaves], Leaves, Leaves]:
    """The pushforward as the pullback of the pullback, with the value and aux."""
    import torch.func

    vjp: Any = torch.func.vjp
    f, whole = _split(problem, c)
    y, pull, aux = vjp(f, *x, has_aux=True)
    _, pull_again = vjp(lambda *w: pull(w), *(torch.ones_like(a) for a in y))
    return lambda *v: pull_again(v), y, whole(aux)


def _split(problem: Problem, c: Leaves) -> tuple[Callable[..., Any], Callable[[Leaves], Leaves]]:
    """The function with the tensors of its aux alone, and what puts the rest of aux back."""
    import torch

    rest: list[Any] = []
    places: list[int] = []

    def f(*x: Any) -> tuple[Leaves, Leaves]:
        y, aux = evaluate(problem, x, c)
        places[:] = [k for k, a in enumerate(aux) if isinstance(a, torch.Tensor)]
        rest[:] = [None if isinstance(a, torch.Tensor) else a for a in aux]
        return y, tuple(aux[k] for k in places)

    def whole(tensors: Leaves) -> Leaves:
        aux = list(rest)
        for k, tensor in zip(places, tensors, strict=True):
            aux[k] = tensor
        return tuple(aux)

    return f, whole
