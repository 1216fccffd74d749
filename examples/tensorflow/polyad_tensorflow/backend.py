"""Differentiation by ``tf.GradientTape``; polyad derives the rest."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, ClassVar

import numpy as np

from polyad.extend import ArgumentError, Backend, Kernel, Leaves, Problem, library, strategy

__all__ = ["TensorFlow"]


@dataclasses.dataclass(frozen=True, repr=False)
class TensorFlow(Backend):
    """Differentiation by TensorFlow, operation by operation as its code runs."""

    name: ClassVar[str] = "tensorflow"
    library: ClassVar[str] = "tensorflow"
    requires: ClassVar[tuple[str, ...]] = ("tensorflow",)
    supports: ClassVar[frozenset[str]] = frozenset({"reverse"})
    by_value: ClassVar[bool] = True
    native: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lift is False:
            raise ArgumentError(
                "TensorFlow takes NumPy functions, which are always lifted: NumPy makes plain arrays of its "
                "tensors without an error, so that a function of both would lose derivatives: leave lift out"
            )
        object.__setattr__(self, "lift", True)

    @property
    def xp(self) -> Any:
        """What the derivations compute with."""
        import tensorflow.experimental.numpy as tnp

        from polyad_tensorflow.adapter import cast

        names = (
            "arange asarray conj eye moveaxis ones ones_like real reshape stack where zeros zeros_like "
            "float32 float64 complex64 complex128"
        )
        found = {name: getattr(tnp, name) for name in names.split()}
        return types.SimpleNamespace(**found, concat=tnp.concatenate, astype=cast)

    def vjp(self, problem: Problem) -> Kernel:
        """The cotangent of the input."""
        import tensorflow as tf

        @strategy("reverse, by tf.GradientTape")
        def kernel(x: Leaves, c: Leaves, w: Leaves) -> Any:
            # a tensor that is two of the arguments is one to a tape
            x = tuple(map(tf.identity, x))
            with tf.GradientTape() as tape:
                tape.watch(x)
                y, aux = problem.f(x, c)
            dx = tape.gradient(list(y), list(x), list(w), unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return tuple(map(tf.convert_to_tensor, dx)), y, aux

        return kernel

    def output(self, leaf: Any) -> Any:
        """A number that the function returned, as a tensor."""
        import tensorflow as tf

        return leaf if isinstance(leaf, tf.Tensor) else library("tensorflow").from_numpy(np.asarray(leaf))

    def explain(self, error: Exception) -> str | None:
        """What to do about an error of TensorFlow's own."""
        if isinstance(error, LookupError) and "radient" in str(error):
            return f"tensorflow lacks a derivative ({error}): write this part with NumPy's functions"
        return None
