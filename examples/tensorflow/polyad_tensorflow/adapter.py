"""NumPy code on TensorFlow's tensors.

Arithmetic and what moves entries is TensorFlow's. Everything else has the values of NumPy and SciPy and the
rules of polyad's table, which ``tf.custom_gradient`` makes known to it: so derivatives at ties, poles and
in tails are those of every other backend. Tensors have values while code runs, so branches work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from polyad.extend import Adapter, InputTypeError, Primitive, library, pulled, refuse, value_of

__all__ = ["TensorFlowAdapter", "cast"]

# Of these TensorFlow's values and derivatives are the table's.
EXACT = frozenset("add subtract multiply negative".split())
STRUCTURE = frozenset(
    "reshape transpose broadcast_to concatenate stack where astype truncate_to zeros sum matmul".split()
)


class TensorFlowAdapter(Adapter):
    """``tensorflow`` for arithmetic and structure, the table elsewhere."""

    name = "tensorflow"
    stops = True

    @staticmethod
    def shape_of(a: Any) -> tuple[int, ...]:
        return tuple(a.shape)

    def main(self) -> Any:
        return tf

    def namespaces(self, home: str) -> tuple[Any, ...]:
        return ()

    def native(self, dtype: np.dtype[Any]) -> Any:
        return tf.as_dtype(dtype)

    def is_own(self, a: Any) -> bool:
        return isinstance(a, tf.Tensor)

    def constant(self, a: Any, beside: Any) -> Any:
        try:
            return library("tensorflow").from_numpy(np.asarray(a))
        except InputTypeError as error:
            raise refuse(str(error), "use backend='numpy'") from error

    def stop(self, a: Any) -> Any:
        return tf.stop_gradient(a)

    def values(self, a: Any) -> np.ndarray | None:
        return None if tf.is_symbolic_tensor(a) else np.asarray(a.numpy())

    def cast(self, a: Any, dtype: Any) -> Any:
        self.check(np.dtype(dtype))
        return super().cast(a, dtype)

    def compute(self, primitive: Primitive) -> Callable[..., Any] | None:
        name = primitive.name
        if name in EXACT | STRUCTURE:
            return super().compute(primitive)
        if name not in self._found:
            self._found[name] = self._by_table(primitive)
        return self._found[name]

    def _by_table(self, primitive: Primitive) -> Callable[..., Any]:
        """An operation with NumPy's values and the table's rules."""

        def on_host(*args: Any, **params: Any) -> Any:
            plain = [_plain(a) for a in args]
            y = value_of(primitive, plain, {k: _plain(v) for k, v in params.items()})
            return [self.constant(part, None) for part in y] if primitive.multiple else self.constant(y, None)

        def call(*args: Any, **params: Any) -> Any:
            if any(self.is_own(a) and tf.is_symbolic_tensor(a) for a in args):
                raise refuse(
                    f"{primitive.name} within tf.function, where tensors have no values",
                    "call the derivative outside of tf.function",
                )
            if primitive.is_constant:
                y = on_host(*[self.stop(a) if self.is_own(a) else a for a in args], **params)
                return tuple(y) if primitive.multiple else y
            places = [k for k, a in enumerate(args) if self.is_own(a)]
            smooth = [k for k in places if args[k].dtype.is_floating or args[k].dtype.is_complex]

            @tf.custom_gradient
            def f(*arrays: Any) -> Any:
                full = list(args)
                for k, a in zip(smooth, arrays, strict=True):
                    full[k] = a

                def pull(*w: Any) -> Any:
                    # anew: only so does a further derivative see what the result depends on
                    y = call(*full, **params)
                    return list(
                        pulled(self, primitive, smooth, y, full, params, w if primitive.multiple else w[0])
                    )

                return on_host(*full, **params), pull

            if not smooth:
                y = on_host(*args, **params)
            else:
                y = f(*[args[k] for k in smooth])
            return tuple(y) if primitive.multiple else y

        return call

    # -- what has other names or forms than NumPy's -------------------------------------------------------

    def own_reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return tf.reshape(x, shape)

    def own_transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        return tf.transpose(x, axes)

    def own_broadcast_to(self, x: Any, shape: tuple[int, ...]) -> Any:
        return tf.broadcast_to(x, shape)

    def own_astype(self, x: Any, dtype: Any) -> Any:
        return cast(x, np.dtype(dtype))

    def own_sum(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return tf.reduce_sum(x, axis=axis, keepdims=keepdims)

    def own_matmul(self, a: Any, b: Any) -> Any:
        a, b = self._array(a), self._array(b)
        if a.ndim == 1 and b.ndim == 1:
            return tf.reduce_sum(a * b)
        if b.ndim == 1:
            return tf.linalg.matvec(a, b)
        if a.ndim == 1:
            return tf.linalg.matvec(b, a, transpose_a=True)
        return tf.linalg.matmul(a, b)

    def own_where(self, condition: Any, a: Any, b: Any) -> Any:
        like = next((v for v in (a, b) if self.is_own(v)), None)
        a, b = (v if self.is_own(v) else self._beside(v, like) for v in (a, b))
        return tf.where(self._array(condition), a, b)

    def own_concatenate(self, *parts: Any, axis: int) -> Any:
        return tf.concat([self._array(p) for p in parts], axis)

    def own_stack(self, *parts: Any, axis: int) -> Any:
        return tf.stack([self._array(p) for p in parts], axis)

    def own_zeros(self, like: Any, shape: tuple[int, ...]) -> Any:
        return tf.zeros(shape, dtype=like.dtype)

    def _array(self, p: Any) -> Any:
        return p if self.is_own(p) else self.constant(np.asarray(p), None)

    def _beside(self, v: Any, like: Any) -> Any:
        """A number or an array of NumPy's; a number takes the type of the tensor beside it."""
        if like is None or hasattr(v, "dtype"):
            return self.constant(np.asarray(v), None)
        return tf.constant(v, dtype=like.dtype)


def cast(x: Any, dtype: Any) -> Any:
    """A tensor in another dtype; between real and complex numbers ``tf.cast`` and its derivative warn."""
    dtype = tf.as_dtype(dtype)
    if x.dtype.is_complex and not dtype.is_complex:
        x = tf.math.real(x)
    elif dtype.is_complex and not x.dtype.is_complex:
        part = tf.cast(x, dtype.real_dtype)
        return tf.complex(part, tf.zeros_like(part))
    return tf.cast(x, dtype)


def _plain(a: Any) -> Any:
    """An operand or a parameter with NumPy's arrays in place of tensors."""
    if isinstance(a, tuple):
        return tuple(map(_plain, a))
    return np.asarray(a.numpy()) if isinstance(a, tf.Tensor) else a
