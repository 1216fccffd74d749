"""MLX's arrays: what they are, and how they come from NumPy and go there."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from polyad.extend import ArraySpec, FunctionNotSupportedError, InputTypeError, Library

__all__ = ["MLXLibrary"]

KINDS = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64".split()


class MLXLibrary(Library):
    """``mlx.core.array``."""

    name = "mlx"
    module = "mlx.core"
    packages = ("mlx",)
    namespace = "mlx.core"
    adapter = "polyad_mlx.adapter:MLXAdapter"
    backends = ("mlx",)
    clamps = True

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["mlx.core"].array,)

    def spec(self, a: Any) -> ArraySpec:
        name = str(a.dtype).rpartition(".")[2]
        dtype = a.dtype if name == "bfloat16" else np.dtype(name.rstrip("_"))
        return ArraySpec(tuple(a.shape), dtype)

    def is_traced(self, a: Any) -> bool:
        # MLX does not say it of an array. What is computed of a traced one keeps its graph when it is
        # evaluated; a plain result has none any more. Under vmap and compile nothing is evaluated.
        mx = sys.modules["mlx.core"]
        try:
            computed = mx.negative(a) if mx.issubdtype(a.dtype, mx.inexact) else mx.equal(a, a)
            mx.eval(computed)
        except ValueError:
            return True
        graph = io.StringIO()
        mx.export_to_dot(graph, computed)
        return "->" in graph.getvalue()

    def hand_over(self, a: Any) -> Any:
        if self.is_traced(a):
            raise FunctionNotSupportedError(
                "an array that mlx differentiates was given to another framework, where its derivative would "
                "be lost: use backend='mlx' inside as well"
            )
        return self.to_numpy(a)

    def to_numpy(self, a: Any) -> Any:
        return np.asarray(a)

    def take(self, a: Any) -> Any:
        return np.array(a)

    def from_numpy(self, a: Any) -> Any:
        mx, a = sys.modules["mlx.core"], np.asarray(a, order="C")  # it takes no steps backwards
        if a.dtype.name not in KINDS:
            raise InputTypeError(f"mlx has no dtype {a.dtype}: convert with x.astype(np.float64)")
        # without a dtype MLX would make float32 of it
        return mx.array(a, dtype=getattr(mx, "bool_" if a.dtype.kind == "b" else a.dtype.name))

    def cast(self, a: Any, dtype: Any) -> Any:
        return self.from_numpy(np.asarray(a).astype(dtype))

    def own(self, a: Any) -> Any:
        return sys.modules["mlx.core"].array(a)

    def waiter(self, a: Any) -> Any:
        return sys.modules["mlx.core"].eval
