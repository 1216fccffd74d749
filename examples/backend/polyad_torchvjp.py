"""A polyad backend from one primitive: ``torch.func.vjp``. Everything else is derived from it."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from polyad.extend import Backend, Kernel, Leaves, Problem, strategy


@dataclasses.dataclass(frozen=True, repr=False)
class TorchVJP(Backend):
    """Differentiation by ``torch.func.vjp``."""

    name: ClassVar[str] = "torchvjp"
    library: ClassVar[str] = "torch"
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    supports: ClassVar[frozenset[str]] = frozenset({"reverse"})

    def vjp(self, problem: Problem) -> Kernel:
        """The pullback of the function, and its value."""
        import torch

        @strategy("torch.func.vjp")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            y, pull, aux = torch.func.vjp(lambda *x: problem.f(x, c), *x, has_aux=True)
            return pull(w), y, aux

        return kernel

    @property
    def xp(self) -> Any:
        """What the derivations compute with: torch under the names of the array API standard."""
        import array_api_compat.torch

        return array_api_compat.torch

    def output(self, leaf: Any) -> Any:
        """A number that the function returned, as a tensor."""
        import torch

        if isinstance(leaf, torch.Tensor):
            return leaf
        return torch.as_tensor(leaf, dtype=torch.complex128 if isinstance(leaf, complex) else torch.float64)
