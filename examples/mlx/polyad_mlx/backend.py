"""Differentiation by MLX: ``mx.vjp``; polyad derives the rest.

There is no forward mode: within ``mx.jvp`` what is evaluated on the way loses the derivative around it.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from polyad.extend import (
    ArgumentError,
    Backend,
    Executable,
    FunctionNotSupportedError,
    Kernel,
    Leaves,
    Problem,
    is_followed,
    library,
    strategy,
)

__all__ = ["MLX"]

COMPLEX = "mlx has no complex numbers of double precision: use backend='numpy' or 'jax'"

NESTED = (
    "what mlx evaluates of a derivative within another one by mlx loses the outer one: use backend='numpy' "
    "inside, which works inside every other, or hvp, hessian and second_derivative"
)


class Running(threading.local):
    """How many calls are under way in this thread, of which there is one at most."""

    depth = 0


RUNNING = Running()


@dataclasses.dataclass(frozen=True, repr=False)
class MLX(Backend):
    """Differentiation by MLX, on the CPU, where it has double precision."""

    name: ClassVar[str] = "mlx"
    library: ClassVar[str] = "mlx"
    requires: ClassVar[tuple[str, ...]] = ("mlx",)
    supports: ClassVar[frozenset[str]] = frozenset({"reverse"})
    by_value: ClassVar[bool] = True
    complex_inputs: ClassVar[bool] = False
    native: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lift is False:
            raise ArgumentError(
                "MLX takes NumPy functions, which are always lifted: NumPy makes plain arrays of MLX's "
                "without an error, so that a function of both would lose derivatives: leave lift out"
            )
        object.__setattr__(self, "lift", True)

    @property
    def refusals(self) -> Mapping[str, str]:
        """MLX has complex64, and no complex numbers of double precision."""
        return {"complex": COMPLEX}

    @property
    def xp(self) -> Any:
        """What the derivations compute with."""
        import mlx.core

        return mlx.core

    def vjp(self, problem: Problem) -> Kernel:
        """The cotangent of the input."""
        import mlx.core as mx

        @strategy("reverse, by mx.vjp")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            f, aux = _plain(problem, c)
            y, dx = mx.vjp(f, list(x), list(w))
            return tuple(dx), tuple(y), aux[-1]

        return kernel

    def output(self, leaf: Any) -> Any:
        """A number that the function returned, as an array."""
        import mlx.core as mx

        leaf = leaf if isinstance(leaf, mx.array) else library("mlx").from_numpy(np.asarray(leaf))
        if leaf.dtype == mx.complex64:
            raise FunctionNotSupportedError(COMPLEX)
        return leaf

    def explain(self, error: Exception) -> str | None:
        """What to do about an error of MLX's own."""
        if isinstance(error, ValueError | RuntimeError) and "mplemented" in str(error):
            return f"mlx lacks a derivative ({error}): write this part with NumPy's functions"
        return None

    def finish(
        self, kernel: Kernel, problem: Problem, seeds: tuple[Leaves, ...], *, prepared: bool
    ) -> Executable:
        """On the CPU, for the time of the call: MLX's GPUs have no double precision."""
        import mlx.core as mx

        call = kernel

        def full(*args: Any) -> Any:
            if RUNNING.depth or any(map(is_followed, itertools.chain(*args))):
                raise FunctionNotSupportedError(NESTED)
            RUNNING.depth += 1
            try:
                with mx.stream(mx.cpu):
                    found = call(*args)
                    mx.eval(found)
            finally:
                RUNNING.depth -= 1
            return found

        return super().finish(
            Kernel(full, getattr(kernel, "words", "native")), problem, seeds, prepared=prepared
        )


def _plain(problem: Problem, c: Leaves) -> tuple[Any, list[Leaves]]:
    """The function as MLX takes it, and where what it returns besides is put."""
    aux: list[Leaves] = []

    def f(*x: Any) -> Any:
        y, more = problem.f(x, c)
        aux.append(more)
        # of an output that stands there twice MLX takes one cotangent only: so each is another array
        return [leaf * 1 for leaf in y]

    return f, aux
