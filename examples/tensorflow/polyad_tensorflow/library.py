"""TensorFlow's tensors: what they are, and how they come from NumPy and go there."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from polyad.extend import ArraySpec, FunctionNotSupportedError, InputTypeError, Library

__all__ = ["TensorFlowLibrary"]


class TensorFlowLibrary(Library):
    """``tf.Tensor``."""

    name = "tensorflow"
    module = "tensorflow"
    packages = ("tensorflow", "keras")
    namespace = "tensorflow.experimental.numpy"
    adapter = "polyad_tensorflow.adapter:TensorFlowAdapter"
    backends = ("tensorflow",)
    immutable = True

    def array_types(self) -> tuple[type, ...]:
        return (sys.modules["tensorflow"].Tensor,)

    def spec(self, a: Any) -> ArraySpec:
        return ArraySpec(tuple(a.shape), np.dtype(a.dtype.as_numpy_dtype))

    def is_traced(self, a: Any) -> bool:
        # no public function says whether a tape or an accumulator follows a tensor
        from tensorflow.python.eager import forwardprop_util, record

        if sys.modules["tensorflow"].is_symbolic_tensor(a) or record.should_record_backprop([a]):
            return True
        return bool(forwardprop_util.pack_tangents([a]).tangents)

    def hand_over(self, a: Any) -> Any:
        if self.is_traced(a):
            raise FunctionNotSupportedError(
                "a tensor that tensorflow differentiates was given to another framework, where its "
                "derivative would be lost: use backend='tensorflow' inside as well"
            )
        return self.to_numpy(a)

    def to_numpy(self, a: Any) -> Any:
        return np.asarray(a.numpy())  # a copy

    def from_numpy(self, a: Any) -> Any:
        tf, a = sys.modules["tensorflow"], np.array(a)  # TensorFlow may keep the memory it is given
        try:
            return tf.constant(a)
        except (TypeError, ValueError) as error:
            raise InputTypeError(
                f"tensorflow has no dtype {a.dtype}: convert with x.astype(np.float64)"
            ) from error

    def cast(self, a: Any, dtype: Any) -> Any:
        return self.from_numpy(self.to_numpy(a).astype(dtype))
